//! What the benchmarks share: their kernels, and boots that count instructions.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::base::interrupt;
use crate::base::paths::Paths;
use crate::base::process::Running;
use crate::bench::measurement::{self, Measured};
use crate::data::image::Image;
use crate::data::machine::{Compatible, Machine};
use crate::lab::Lab;
use crate::run::dtb;
use crate::series::{repository, worktree};
use crate::source::tree::Source;
use crate::toolchain::enter::Bind;

pub const ARM64: &str = "arm64-bench";

pub const UM: &str = "um-bench";

pub const CONFIGS: [&str; 2] = [ARM64, UM];

pub const MACHINE: &str = "amd-versal-virt";

/// A boot takes a minute on a quiet machine.
const LIMIT: Duration = Duration::from_secs(400);

pub const COUNTER: &str = "drivers/misc/insn_count.h";

pub fn bench_dir(paths: &Paths) -> PathBuf {
    paths.clone.join("lab/kernel/bench")
}

pub fn bench_file(paths: &Paths, name: &str) -> Result<Vec<u8>> {
    let file = bench_dir(paths).join(name);
    fs::read(&file).with_context(|| format!("cannot read {}", file.display()))
}

/// What a benchmark is laid over: the series, or the last commit of linux/.
pub fn below(lab: &Lab, source: &Source, tree: bool) -> Result<(PathBuf, String)> {
    if !tree {
        return repository::checkout(&lab.paths, &lab.ui, source, None);
    }
    let (id, dirty) = worktree::tree_state(&lab.paths, source)?;
    if dirty {
        bail!("linux/ has changes that are not committed; commit them first");
    }
    Ok((lab.paths.linux(), id))
}

/// QEMU with `dir`'s kernel and one CPU, which executes one instruction a nanosecond and
/// skips the time in which it has nothing to do.
pub fn counting(
    lab: &Lab,
    machine: &Machine,
    compatible: &Compatible,
    source: &Path,
    dir: &Path,
    words: &str,
) -> Result<Command> {
    dtb::build(lab, machine, compatible, &[], source, dir)?;
    let flash = machine.flash()?;
    Image::new(1, flash.size).write(&dir.join("flash.bin"))?;
    let binds = [Bind::read_only(dir, "/boot/bench")];
    let mut qemu = lab.toolchain.command(&binds, machine.arch.qemu());
    qemu.env("TMPDIR", "/tmp/.")
        .args(&machine.qemu)
        .args(["-display", "none", "-monitor", "none", "-no-reboot"])
        .args(["-icount", "shift=0,sleep=off"])
        .args(["-kernel", "/boot/bench/kernel"])
        .args(["-dtb", "/boot/bench/machine.dtb"])
        .arg("-append")
        .arg(format!(
            "console={} loglevel=7 panic=-1 panic_on_warn=1 oops=panic maxcpus=1 {words}",
            machine.console
        ))
        .args(Machine::drive(flash, "/boot/bench/flash.bin"))
        .args(machine.serial());
    Ok(qemu)
}

/// Boots, with the console in `log`, until the kernel has switched itself off.
pub fn run_to_end(command: &mut Command, log: &Path) -> Result<Measured> {
    let console = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
    let second = console.try_clone().context("cannot duplicate a file")?;
    command.stdin(Stdio::null()).stdout(console).stderr(second);
    let mut running = Running::spawn(command)?;
    let start = Instant::now();
    while running
        .child()
        .try_wait()
        .context("cannot wait for a kernel")?
        .is_none()
    {
        interrupt::check_interrupted()?;
        if start.elapsed() > LIMIT {
            bail!(
                "not done after {} s; see {}",
                LIMIT.as_secs(),
                log.display()
            );
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    drop(running);
    interrupt::check_interrupted()?;
    let text = fs::read(log).with_context(|| format!("cannot read {}", log.display()))?;
    measurement::parse(&String::from_utf8_lossy(&text))
        .with_context(|| format!("see {}", log.display()))
}
