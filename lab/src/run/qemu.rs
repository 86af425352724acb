//! Boots in QEMU, inside the toolchain root.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::base::process::Running;
use crate::build::kernel::Kernel;
use crate::build::variant::Variant;
use crate::data::image::Image;
use crate::data::machine::{Compatible, Machine};
use crate::data::scenario::{Control, Scenario, Stock};
use crate::judge::console::{Console, Ended};
use crate::judge::ktap;
use crate::judge::unbind::{self, Asked, Verdict};
use crate::lab::Lab;
use crate::run::{dtb, guest, watch};
use crate::toolchain::enter::Bind;

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
            unbind::judge_skip(&booted.console, &booted.ended, asked, why)
        } else if scenario.restart {
            unbind::judge_restart(&booted.console, &booted.ended, asked)
        } else if job.kernel.variant == Variant::Stock && scenario.stock == Stock::Fails {
            unbind::judge_stock(&booted.console, &booted.ended, asked)
        } else {
            let results = ktap::read(self.lab, job.kernel, &booted.dir)?;
            unbind::judge_patched(&booted.console, &results, &booted.ended, asked)
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
        let ended = watch::watch(
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
                status: [
                    status,
                    watch::last_lines(&dir.join("qemu.log"), 3)?.join(" "),
                ]
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

    /// A shell in place of a program, on this terminal, to its end.
    pub fn shell(&self, job: Job) -> Result<ExitStatus> {
        let dir = self.directory(job)?;
        std::fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
        let source = &job.kernel.source_dir;
        dtb::build(self.lab, self.machine, job.compatible, &[], source, &dir)?;
        // No panic here: whoever types wants to see what a kernel does after a report.
        let words = format!("console={} loglevel=7 LAB_SHELL=1", self.machine.console);
        let words = [words].into_iter().chain(self.modules(None));
        let words = words.collect::<Vec<_>>().join(" ");
        // In the lab's own process group, or the terminal would stop it as a background
        // job; the toolchain root's namespaces end it when the lab dies.
        self.qemu(job, &dir, &words)?
            .status()
            .context("cannot start QEMU")
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
