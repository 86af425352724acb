//! Boots: QEMU inside the toolchain root, its console watched line by line, and the
//! verbs `boot` and `shell`.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::console::Console;
use crate::dtb;
use crate::guest;
use crate::image::Image;
use crate::kernel::{self, Kernel, Lab, Variant};
use crate::ktap;
use crate::machine::{Compatible, Machine};
use crate::paths::Paths;
use crate::process::{self, Running};
use crate::scenario::{Control, Scenario, Stock};
use crate::toolchain::Bind;
use crate::verdict::{self, Asked, Ended, Verdict};

/// A machine that can be booted, again and again.
#[derive(Debug)]
pub struct Bench<'a> {
    lab: &'a Lab,
    pub machine: &'a Machine,
    /// Empty when there is no flash.
    pub image: Image,
    image_path: Option<PathBuf>,
    initramfs: PathBuf,
}

/// One boot of it.
#[derive(Clone, Copy, Debug)]
pub struct Job<'a> {
    pub compatible: &'a Compatible,
    pub kernel: &'a Kernel,
    /// None: the control run only.
    pub scenario: Option<&'a Scenario>,
    pub cycles: u32,
    /// Set for a boot that repeats one without a verdict.
    pub attempt: u32,
}

/// What a boot left.
#[derive(Debug)]
pub struct Booted {
    pub ended: Ended,
    pub console: Console,
    /// `console.log`, `machine.dts` and so on.
    pub dir: PathBuf,
    pub elapsed: Duration,
}

/// The verdict of a judged boot, and the rest.
#[derive(Debug)]
pub struct Judged {
    pub verdict: Verdict,
    pub booted: Booted,
}

/// Time for everything but cycles: kernel, two whole reads, power off. Generous,
/// for a busy host is three times slower.
const BOOT_SECONDS: u64 = 90;
/// A panicking kernel gets this long to say why.
const PANIC_GRACE: Duration = Duration::from_secs(5);
/// A guest that is done gets this long to switch itself off.
const POWEROFF_GRACE: Duration = Duration::from_secs(10);
/// How much of a console is shown when something went wrong.
const SHOWN_LINES: usize = 40;

impl<'a> Bench<'a> {
    /// Makes the flash contents and the initramfs.
    pub fn prepare(lab: &'a Lab, machine: &'a Machine, kernel: &Kernel, seed: u64) -> Result<Self> {
        lab.toolchain.check(machine.arch.qemu())?;
        let flash = machine.flash.as_ref();
        let whole = Image::new(seed, flash.map_or(0, |flash| flash.size));
        let image_path = flash.map(|_| {
            let images = lab.paths.out().join("boot/images");
            images.join(format!("{}-{seed}.bin", machine.name))
        });
        if let Some(path) = &image_path {
            whole.write(path)?;
        }
        // What the kernel's MTD has of it.
        let image = match flash.and_then(|flash| flash.partition) {
            Some(size) => Image::new(seed, size),
            None => whole,
        };
        Ok(Self {
            lab,
            machine,
            image,
            image_path,
            initramfs: guest::initramfs(lab, kernel)?,
        })
    }

    /// Removes the flash contents, when there will be many.
    pub fn forget_image(&self) {
        if let Some(path) = &self.image_path {
            // Another run makes it anew.
            let _ = std::fs::remove_file(path);
        }
    }

    /// The cycles that a boot which is asked for `wanted` makes.
    pub fn cycles(&self, scenario: &Scenario, wanted: u32) -> u32 {
        let most = self.machine.most_cycles.unwrap_or(u32::MAX);
        scenario.cycles(wanted.min(most))
    }

    fn asked<'b>(&'b self, scenario: &'b Scenario, cycles: u32) -> Asked<'b> {
        Asked {
            scenario,
            driver: &self.machine.path,
            image: &self.image,
            cycles: self.cycles(scenario, cycles),
        }
    }

    /// Boots and judges. A verdict on a stock kernel is about dying as it should;
    /// every other kernel has to live.
    pub fn judge(
        &self,
        job: Job,
        scenario: &Scenario,
        on_line: impl FnMut(&str),
    ) -> Result<Judged> {
        let booted = self.boot(job, on_line)?;
        let asked = self.asked(scenario, job.cycles);
        let verdict = if let Some(why) = &self.machine.skipped {
            verdict::judge_skip(&booted.console, &booted.ended, asked, why)
        } else if scenario.restart {
            verdict::judge_restart(&booted.console, &booted.ended, asked)
        } else if job.kernel.variant == Variant::Stock && scenario.stock == Stock::Fails {
            verdict::judge_stock(&booted.console, &booted.ended, asked)
        } else {
            let results = ktap::read(self.lab, job.kernel, &booted.dir)?;
            verdict::judge_patched(&booted.console, &results, &booted.ended, asked)
        };
        Ok(Judged { verdict, booted })
    }

    pub fn boot(&self, job: Job, on_line: impl FnMut(&str)) -> Result<Booted> {
        let dir = self.directory(job)?;
        self.boot_with(job, dir, &self.command_line(job), on_line)
    }

    /// As [`Bench::boot`], with another directory for its files and other words for the
    /// kernel.
    pub fn boot_with(
        &self,
        job: Job,
        dir: PathBuf,
        command_line: &str,
        on_line: impl FnMut(&str),
    ) -> Result<Booted> {
        self.boot_within(job, dir, command_line, self.time_limit(job), on_line)
    }

    /// As [`Bench::boot_with`], with another time limit.
    pub fn boot_within(
        &self,
        job: Job,
        dir: PathBuf,
        command_line: &str,
        seconds: u64,
        mut on_line: impl FnMut(&str),
    ) -> Result<Booted> {
        std::fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
        let source = &job.kernel.source_dir;
        let more = job.scenario.map_or(&[][..], |it| &it.device_tree);
        dtb::build(self.lab, self.machine, job.compatible, more, source, &dir)?;
        let log = dir.join("console.log");
        let mut qemu = self.qemu(job, &dir, command_line)?;
        let errors = dir.join("qemu.log");
        let errors =
            File::create(&errors).with_context(|| format!("cannot write {}", errors.display()))?;
        qemu.stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(errors);
        let start = Instant::now();
        let running = Running::spawn(&mut qemu)?;
        let ended = watch(
            running,
            &log,
            start + Duration::from_secs(seconds),
            &mut on_line,
        )?;
        let ended = match ended {
            Ended::TimeLimit { .. } => Ended::TimeLimit { seconds },
            Ended::Silent { .. } => Ended::Silent { seconds },
            // Nothing on the console is a matter of QEMU itself.
            Ended::Exited { status } => Ended::Exited {
                status: [status, last_lines(&dir.join("qemu.log"), 3)?.join(" ")]
                    .join(" ")
                    .trim_end()
                    .to_owned(),
            },
            other => other,
        };
        let text = std::fs::read(&log).with_context(|| format!("cannot read {}", log.display()))?;
        Ok(Booted {
            ended,
            console: Console::parse(&String::from_utf8_lossy(&text)),
            dir,
            elapsed: start.elapsed(),
        })
    }

    fn time_limit(&self, job: Job) -> u64 {
        let cycles = job.scenario.map_or(0, |it| {
            let one = it.cycle_seconds.max(self.machine.cycle_seconds);
            one * u64::from(self.cycles(it, job.cycles))
        });
        BOOT_SECONDS + 2 * 3 * self.machine.whole_read_seconds + cycles
    }

    /// Where this boot's files go: one directory for each kind of boot, so that the
    /// newest of each is always at the same place.
    fn directory(&self, job: Job) -> Result<PathBuf> {
        let mut kernel = job.kernel.variant.to_string();
        if job.kernel.variant != Variant::Stock {
            kernel += &self.lab.paths.suffix();
        }
        if job.attempt > 1 {
            kernel = format!("{kernel}-again-{}", job.attempt - 1);
        }
        let dir = [
            "boot",
            &self.machine.name,
            &job.compatible.name.replace(',', "-"),
            job.scenario.map_or("control", |it| &it.name),
            &kernel,
        ]
        .iter()
        .fold(self.lab.paths.out(), |path, part| path.join(part));
        Ok(dir)
    }

    /// In a judged run the first report ends the boot, and what hangs is found soon.
    pub fn command_line(&self, job: Job) -> String {
        let mut words = vec![
            format!("console={}", self.machine.console),
            "loglevel=7 printk.devkmsg=on".to_owned(),
            "panic=-1 panic_on_warn=1 oops=panic kasan.fault=panic".to_owned(),
            "hung_task_panic=1 sysctl.kernel.hung_task_timeout_secs=30".to_owned(),
        ];
        words.extend(self.modules(job.scenario));
        if let Some(scenario) = job.scenario {
            let mut set = |name: &str, value: &str| words.push(format!("{name}={value}"));
            set("LAB_PROGRAM", &scenario.program);
            if scenario.control == Control::Program {
                set("LAB_CONTROL", "program");
            }
            let cycles = self.cycles(scenario, job.cycles);
            set("MTD_TEST_CYCLES", &cycles.to_string());
            set("MTD_TEST_SEED", &self.image.seed.to_string());
            set("MTD_TEST_LIMIT_MS", &scenario.unbind_limit_ms.to_string());
            set("MTD_TEST_READERS", &scenario.readers.to_string());
            for (name, value) in &scenario.environment {
                set(name, value);
            }
        }
        words.join(" ")
    }

    /// What the guest's init loads, as a word for it.
    fn modules(&self, scenario: Option<&Scenario>) -> Option<String> {
        let own = scenario.map_or(&[][..], |it| &it.modules);
        let modules: Vec<_> = self.machine.modules.iter().chain(own).cloned().collect();
        (!modules.is_empty()).then(|| format!("LAB_MODULES={}", modules.join(",")))
    }

    fn qemu(&self, job: Job, dir: &Path, command_line: &str) -> Result<Command> {
        let (kernel_dir, kernel) = split(&job.kernel.image)?;
        let (initramfs_dir, initramfs) = split(&self.initramfs)?;
        let mut binds = vec![
            Bind::read_only(kernel_dir, "/boot/kernel"),
            Bind::read_only(initramfs_dir, "/boot/guest"),
            Bind::read_only(dir, "/boot/machine"),
        ];
        let mut drive = Vec::new();
        if let (Some(flash), Some(path)) = (&self.machine.flash, &self.image_path) {
            let (image_dir, image) = split(path)?;
            binds.push(Bind::read_only(image_dir, "/boot/images"));
            drive.extend(Machine::drive(flash, &format!("/boot/images/{image}")));
        }
        let program = self.machine.arch.qemu();
        let mut qemu = self.lab.toolchain.command(&binds, program);
        // Where the snapshot's temporary file goes. QEMU turns a plain "/tmp" into
        // /var/tmp, which is read-only here.
        qemu.env("TMPDIR", "/tmp/.")
            .args(&self.machine.qemu)
            .args(["-display", "none", "-monitor", "none", "-no-reboot"])
            .args(["-kernel", &format!("/boot/kernel/{kernel}")])
            .args(["-initrd", &format!("/boot/guest/{initramfs}")])
            .args(["-dtb", "/boot/machine/machine.dtb"])
            .args(["-append", command_line])
            .args(drive)
            .args(self.machine.serial());
        Ok(qemu)
    }
}

fn split(path: &Path) -> Result<(&Path, &str)> {
    let dir = path.parent();
    let name = path.file_name().and_then(|it| it.to_str());
    dir.zip(name)
        .with_context(|| format!("{} is no usable file name", path.display()))
}

/// Writes the console to `log` as it comes, until the guest is done or lost.
fn watch(
    mut qemu: Running,
    log: &Path,
    time_limit: Instant,
    on_line: &mut dyn FnMut(&str),
) -> Result<Ended> {
    let mut file = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
    let output = qemu.child().stdout.take().context("QEMU has no output")?;
    let (send, lines) = mpsc::channel();
    let reader = std::thread::spawn(move || {
        let mut output = BufReader::new(output);
        let mut line = Vec::new();
        while output.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
            if send.send(std::mem::take(&mut line)).is_err() {
                break;
            }
        }
    });

    let mut ended = None;
    let mut silent = true;
    let mut deadline = time_limit;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let line = match lines.recv_timeout(left) {
            Ok(line) => line,
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                let seconds = 0;
                ended.get_or_insert(match silent {
                    true => Ended::Silent { seconds },
                    false => Ended::TimeLimit { seconds },
                });
                break;
            }
        };
        silent = false;
        file.write_all(&line)
            .with_context(|| format!("cannot write {}", log.display()))?;
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end();
        on_line(text);
        if ended.is_some() {
            if text.contains("---[ end Kernel panic") {
                break;
            }
        } else if text.contains("LAB: done") {
            ended = Some(Ended::Done);
            deadline = Instant::now() + POWEROFF_GRACE;
        } else if text.contains("Kernel panic - not syncing") {
            ended = Some(Ended::Panic);
            deadline = Instant::now() + PANIC_GRACE;
        }
    }
    process::check_interrupted()?;
    let status = match ended {
        Some(_) => None,
        None => Some(qemu.wait()?),
    };
    drop(qemu);
    // Its pipe is closed now. What came last may be an unfinished line.
    let _ = reader.join();
    for line in lines.try_iter() {
        file.write_all(&line)
            .with_context(|| format!("cannot write {}", log.display()))?;
    }
    Ok(match (ended, status) {
        (Some(ended), _) => ended,
        (None, Some(status)) => Ended::Exited {
            status: status.to_string(),
        },
        (None, None) => unreachable!("one of the two is set above"),
    })
}

fn last_lines(path: &Path, count: usize) -> Result<Vec<String>> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<_> = text.lines().map(str::to_owned).collect();
    Ok(lines[lines.len().saturating_sub(count)..].to_vec())
}

/// The end of a boot's console, for a person to look at.
pub fn console_tail(dir: &Path) -> Result<String> {
    let log = dir.join("console.log");
    let lines = last_lines(&log, SHOWN_LINES)?;
    if lines.is_empty() {
        return Ok(format!(
            "{} is empty: the guest said nothing",
            log.display()
        ));
    }
    let head = format!("the last {} lines of {}:", lines.len(), log.display());
    Ok(format!("{head}\n{}", lines.join("\n")))
}

/// Which kernel, as arguments of a verb; the same words as `build` has.
#[derive(Debug, clap::Args)]
pub struct Which {
    /// The kernel of the Debian source package, as it is
    #[arg(long, group = "what")]
    stock: bool,
    /// The kernel with patches/ applied (the default)
    #[arg(long, group = "what")]
    patched: bool,
    /// The kernel in the worktree linux/, as it stands
    #[arg(long, group = "what")]
    tree: bool,
    /// With --patched: only the patches up to this one (a number, or 2-mtd/0005)
    #[arg(long, value_name = "LAST", conflicts_with_all = ["stock", "tree"])]
    patches: Option<String>,
}

impl Which {
    pub fn variant(&self, paths: &Paths) -> Result<Variant> {
        Variant::chosen(paths, self.stock, self.tree, self.patches.as_deref())
    }
}

/// Boot a kernel on an emulated machine, with a scenario or without, and show its console
///
/// Takes under a minute when the kernel is built. Writes out/boot/. With a scenario
/// the result is judged: a stock kernel is expected to fail, every other to pass. Exit
/// status 4 when there was nothing to test: the machine has no flash, and says so.
#[derive(Debug, clap::Args)]
pub struct BootArgs {
    #[command(flatten)]
    which: Which,
    /// A file of lab/data/machines/
    #[arg(long, default_value = "amd-versal-virt")]
    machine: String,
    /// Another driver of the controller than C's, as the machine names it
    #[arg(long, value_name = "NAME")]
    driver: Option<String>,
    /// The controller's binding; the machine's first by default
    #[arg(long, value_name = "NAME")]
    compatible: Option<String>,
    /// A file of lab/data/scenarios/, which may name another machine; without it the flash
    /// is only read
    #[arg(long, value_name = "NAME")]
    scenario: Option<String>,
    /// Another configuration of lab/data/kernel/configs.toml
    #[arg(long, value_name = "NAME")]
    kernel_config: Option<String>,
    /// How often the scenario unbinds
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    cycles: u32,
    /// What the flash holds, and what the test program does when, follow from this
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

impl BootArgs {
    /// Fails when a name is wrong.
    pub fn check(&self, paths: &Paths) -> Result<()> {
        check_names(
            paths,
            &self.machine,
            self.driver.as_deref(),
            self.compatible.as_deref(),
            self.scenario.as_deref(),
        )
    }
}

/// Fails when there is no such machine, driver, binding or scenario.
pub fn check_names(
    paths: &Paths,
    machine: &str,
    driver: Option<&str>,
    compatible: Option<&str>,
    scenario: Option<&str>,
) -> Result<()> {
    let machine = Machine::load(paths, machine, driver)?;
    pick(&machine, compatible)?;
    scenario.map_or(Ok(()), |name| Scenario::load(paths, name).map(drop))
}

pub fn boot_verb(lab: &Lab, args: BootArgs) -> Result<ExitCode> {
    let scenario = args
        .scenario
        .map(|name| Scenario::load(&lab.paths, &name))
        .transpose()?;
    let mut machine = Machine::load(&lab.paths, &args.machine, args.driver.as_deref())?;
    if let Some(scenario) = &scenario {
        machine = scenario.place(&lab.paths, &machine)?;
    }
    if let Some(config) = args.kernel_config {
        machine.kernel_config = config;
    }
    let compatible = pick(&machine, args.compatible.as_deref())?;
    let variant = args.which.variant(&lab.paths)?;
    let kernel = kernel::build(lab, &variant, &machine.kernel_config, machine.arch)?;
    let bench = Bench::prepare(lab, &machine, &kernel, args.seed)?;
    let job = Job {
        compatible,
        kernel: &kernel,
        scenario: scenario.as_ref(),
        cycles: args.cycles,
        attempt: 1,
    };
    let print = |line: &str| println!("{line}");
    let (booted, code) = match &scenario {
        Some(scenario) => {
            let judged = bench.judge(job, scenario, print)?;
            println!("verdict: {}", describe(&judged.verdict));
            let code = match judged.verdict {
                Verdict::Skipped { .. } => ExitCode::from(EXIT_SKIPPED),
                ref verdict if is_expected(variant, scenario.stock, verdict) => ExitCode::SUCCESS,
                _ => ExitCode::FAILURE,
            };
            (judged.booted, code)
        }
        None => {
            let booted = bench.boot(job, print)?;
            let clean = booted.ended == Ended::Done && booted.console.splats.is_empty();
            let read = booted.console.control.as_ref();
            let right = read.is_some_and(|it| it.sha256 == bench.image.sha256);
            let code = if let Some(why) = &machine.skipped {
                println!("{}; no flash: {why}", booted.ended);
                match clean && read.is_none() {
                    true => ExitCode::from(EXIT_SKIPPED),
                    false => ExitCode::FAILURE,
                }
            } else {
                let data = if right { "right" } else { "wrong or missing" };
                println!("{}; data of the whole flash: {data}", booted.ended);
                match clean && right {
                    true => ExitCode::SUCCESS,
                    false => ExitCode::FAILURE,
                }
            };
            (booted, code)
        }
    };
    println!(
        "{} in {}; files in {}",
        booted.ended,
        crate::ui::duration(booted.elapsed),
        booted.dir.display()
    );
    Ok(code)
}

/// As kselftests end when there was nothing to test: neither good nor bad.
pub const EXIT_SKIPPED: u8 = 4;

/// Stock has to fail, if the scenario does not say otherwise, everything else to pass.
pub fn is_expected(variant: Variant, stock: Stock, verdict: &Verdict) -> bool {
    let fails = variant == Variant::Stock && stock == Stock::Fails;
    match verdict {
        Verdict::Failed { .. } => fails,
        Verdict::Passed { .. } => !fails,
        // What a stock kernel does then is for information only.
        Verdict::Restarted { .. } => true,
        // Counted apart; see there.
        Verdict::Skipped { .. } | Verdict::Inconclusive { .. } => false,
    }
}

/// A verdict with what it rests on.
pub fn describe(verdict: &Verdict) -> String {
    format!("{}: {}", verdict.name(), evidence(verdict))
}

/// What a verdict rests on.
pub fn evidence(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Failed {
            why,
            function: Some(function),
            ..
        } if !why.contains(function.as_str()) => format!("{why}, in {function}"),
        Verdict::Failed { why, .. } | Verdict::Inconclusive { why } | Verdict::Skipped { why } => {
            why.clone()
        }
        Verdict::Restarted { readers } => format!("restarted under {readers} readers"),
        Verdict::Passed {
            cycles,
            longest_unbind_us,
            inside,
        } => {
            let ms = *longest_unbind_us as f64 / 1000.0;
            let inside = match inside {
                0 => String::new(),
                n => format!(", {n} readers interrupted"),
            };
            format!("{cycles} unbinds, longest {ms:.0} ms{inside}")
        }
    }
}

fn pick<'a>(machine: &'a Machine, name: Option<&str>) -> Result<&'a Compatible> {
    match name {
        Some(name) => machine.compatible(name),
        None => machine
            .compatible
            .first()
            .with_context(|| format!("machine {} names no compatible", machine.name)),
    }
}

/// Enter a shell on an emulated machine
///
/// Takes seconds when the kernel is built. Writes out/boot/. `exit` in the shell ends
/// the machine; what is written to the flash is gone then.
#[derive(Debug, clap::Args)]
pub struct ShellArgs {
    #[command(flatten)]
    which: Which,
    /// A file of lab/data/machines/
    #[arg(long, default_value = "amd-versal-virt")]
    machine: String,
    /// Another driver of the controller than C's, as the machine names it
    #[arg(long, value_name = "NAME")]
    driver: Option<String>,
    /// The controller's binding; the machine's first by default
    #[arg(long, value_name = "NAME")]
    compatible: Option<String>,
}

impl ShellArgs {
    /// Fails when a name is wrong.
    pub fn check(&self, paths: &Paths) -> Result<()> {
        check_names(
            paths,
            &self.machine,
            self.driver.as_deref(),
            self.compatible.as_deref(),
            None,
        )
    }
}

pub fn shell_verb(lab: &Lab, args: ShellArgs) -> Result<ExitCode> {
    let machine = Machine::load(&lab.paths, &args.machine, args.driver.as_deref())?;
    let compatible = pick(&machine, args.compatible.as_deref())?;
    let variant = args.which.variant(&lab.paths)?;
    let kernel = kernel::build(lab, &variant, &machine.kernel_config, machine.arch)?;
    let bench = Bench::prepare(lab, &machine, &kernel, 1)?;
    let job = Job {
        compatible,
        kernel: &kernel,
        scenario: None,
        cycles: 0,
        attempt: 1,
    };
    let dir = bench.directory(job)?;
    std::fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
    dtb::build(lab, &machine, compatible, &[], &kernel.source_dir, &dir)?;
    // No panic here: whoever types wants to see what a kernel does after a report.
    let words = format!("console={} loglevel=7 LAB_SHELL=1", machine.console);
    let words = [words].into_iter().chain(bench.modules(None));
    let words = words.collect::<Vec<_>>().join(" ");
    let mut qemu = bench.qemu(job, &dir, &words)?;
    // In the lab's own process group, or the terminal would stop it as a background
    // job; the toolchain root's namespaces end it when the lab dies.
    let status = qemu.status().context("cannot start QEMU")?;
    Ok(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How a guest ends that is a shell script, and the console it leaves.
    fn guest(script: &str) -> Result<(Ended, String)> {
        let dir = tempfile::tempdir()?;
        let log = dir.path().join("console.log");
        let mut sh = Command::new("sh");
        sh.args(["-c", script]).stdout(Stdio::piped());
        let limit = Instant::now() + Duration::from_millis(300);
        let ended = watch(Running::spawn(&mut sh)?, &log, limit, &mut |_| ())?;
        Ok((ended, console_tail(dir.path())?))
    }

    #[test]
    fn a_silent_guest_is_told_from_one_that_hangs() -> Result<()> {
        let (ended, tail) = guest("sleep 1000")?;
        assert_eq!(ended, Ended::Silent { seconds: 0 });
        assert!(tail.ends_with("the guest said nothing"), "{tail}");
        let (ended, tail) = guest("echo booting; sleep 1000")?;
        assert_eq!(ended, Ended::TimeLimit { seconds: 0 });
        assert!(tail.ends_with("\nbooting"), "{tail}");
        let (ended, _) = guest("exit 3")?;
        assert!(matches!(ended, Ended::Exited { status } if status.contains('3')));
        Ok(())
    }

    #[test]
    fn nothing_said_shows_nothing() {
        for variant in [Variant::Stock, Variant::Series { upto: None }] {
            let why = Ended::Silent { seconds: 9 }.to_string();
            assert!(why.contains("said nothing in 9 s"), "{why}");
            for stock in [Stock::Fails, Stock::Survives] {
                let verdict = Verdict::Inconclusive { why: why.clone() };
                assert!(!is_expected(variant, stock, &verdict));
            }
        }
    }
}
