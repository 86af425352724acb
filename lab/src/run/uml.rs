//! Boots of KUnit kernels in User-mode Linux.

use std::fs::{self, File};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::base::interrupt;
use crate::base::process::Running;
use crate::build::kernel::Kernel;
use crate::judge::kunit_outcome::{Ended, Ran};
use crate::judge::{ktap, report};
use crate::lab::Lab;
use crate::toolchain::enter::Bind;

/// Runs the tests of `kernel`, with `more` words on its command line; the console goes
/// to `dir`.
pub fn boot_with(
    lab: &Lab,
    kernel: &Kernel,
    dir: &Path,
    filter: Option<&str>,
    more: &[&str],
    limit: Duration,
) -> Result<Ran> {
    fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let log = dir.join("console.log");
    let console = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
    let second = console.try_clone().context("cannot duplicate a file")?;
    let mut linux = lab.toolchain.command(
        &[Bind::read_only(&kernel.image, "/kunit/linux")],
        "/kunit/linux",
    );
    linux
        .env("TMPDIR", "/tmp")
        .args(["mem=1G", "console=tty", "seccomp=on", "ncpus=2"])
        .args(["kunit.enable=1", "kunit.autorun=1", "kunit_shutdown=halt"])
        .args(filter.map(|glob| format!("kunit.filter_glob={glob}")))
        .args(more)
        .stdin(Stdio::null())
        .stdout(console)
        .stderr(second);
    let mut running = Running::spawn(&mut linux)?;
    let start = Instant::now();
    let ended = loop {
        interrupt::check_interrupted()?;
        match running.child().try_wait().context("cannot wait for UML")? {
            Some(status) if status.success() => break Ended::Done,
            Some(status) => break Ended::Died(status),
            None if start.elapsed() > limit => break Ended::TimeLimit(limit),
            None => std::thread::sleep(Duration::from_millis(50)),
        }
    };
    drop(running);
    interrupt::check_interrupted()?;
    let text = fs::read(&log).with_context(|| format!("cannot read {}", log.display()))?;
    Ok(Ran {
        cases: ktap::read_kunit(lab, kernel, dir)?,
        ended,
        reports: report::all(&String::from_utf8_lossy(&text)),
        log,
    })
}
