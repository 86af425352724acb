//! `cargo lab inside`: a driver that unregisters from inside an operation waits for
//! itself, for ever. Lockdep has to say so.

use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::console::Console;
use crate::kernel::{self, Kernel, Lab, Variant};
use crate::machine::Machine;
use crate::qemu::{self, Bench, Job};

/// Unregister a controller, and an MTD, from inside an operation: lockdep must say so
///
/// That is an error of a driver, which waits for itself for ever then. The gates tell
/// lockdep before they wait (srcu_lock_sync()), and the boot is as it should be only if
/// lockdep reports the recursion, with the unregistering in the report's stack. A hang
/// without it is a failure. A control boot does the same operations, nobody unregisters,
/// and nothing may be reported.
///
/// Builds the patched kernel with lab/kernel/inside/ (a minute the first time), then
/// takes 10 s for each of three boots. Writes out/boot/.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// On top of the last commit of linux/, not of base + patches/
    #[arg(long)]
    tree: bool,
    /// Instead: with the mutants of lab/kernel/inside/, lockdep must say nothing
    #[arg(long)]
    mutants: bool,
}

const MACHINE: &str = "amd-versal-virt";
const CONFIG: &str = "arm64-kasan-inside";

/// What is unregistered inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    Nothing,
    Controller,
    Mtd,
}

impl What {
    pub const ALL: [Self; 3] = [Self::Nothing, Self::Controller, Self::Mtd];
    /// Those that lockdep reports; each has a mutant that makes it silent.
    const REPORTED: [Self; 2] = [Self::Controller, Self::Mtd];

    /// The kernel's parameter.
    fn word(self) -> &'static str {
        match self {
            Self::Nothing => "none",
            Self::Controller => "spi",
            Self::Mtd => "mtd",
        }
    }

    /// Said just before, and in the stack of the report.
    fn function(self) -> &'static str {
        match self {
            Self::Nothing => "",
            Self::Controller => "spi_unregister_controller",
            Self::Mtd => "mtd_device_unregister",
        }
    }

    /// How lockdep calls what operations hold.
    fn lock(self) -> &'static str {
        match self {
            Self::Nothing => "",
            Self::Controller => "gate.srcu",
            Self::Mtd => "root->srcu",
        }
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "control, nobody unregisters inside",
            Self::Controller => "controller unregistered inside supports_op",
            Self::Mtd => "MTD unregistered inside _read",
        })
    }
}

/// One boot and what came out.
#[derive(Clone, Debug)]
pub struct Row {
    pub what: What,
    /// What lockdep said, or what is wrong.
    pub result: Result<String, String>,
}

/// Boots all; the console of one that is not as it should be is shown.
pub fn all(lab: &Lab, tree: bool) -> Result<Vec<Row>> {
    let machine = Machine::load(&lab.paths, MACHINE, None)?;
    let kernel = build(lab, tree, &machine, &[])?;
    let bench = Bench::prepare(lab, &machine, &kernel, 1)?;
    let mut rows = Vec::new();
    for what in What::ALL {
        let step = lab.ui.step(what.to_string());
        let (dir, result) = boot(lab, &bench, &kernel, what, "")?;
        match &result {
            Ok(said) => step.done(said.clone()),
            Err(why) => {
                step.done(format!("failed: {why}"));
                lab.ui.println(qemu::console_tail(&dir)?);
            }
        }
        rows.push(Row { what, result });
    }
    Ok(rows)
}

/// As [`all`], with a mutant in each boot: good is what lockdep does not say.
fn all_mutants(lab: &Lab, tree: bool) -> Result<Vec<Row>> {
    let machine = Machine::load(&lab.paths, MACHINE, None)?;
    let mut rows = Vec::new();
    for what in What::REPORTED {
        let kernel = build(lab, tree, &machine, &[&format!("mutant-{}", what.word())])?;
        let bench = Bench::prepare(lab, &machine, &kernel, 1)?;
        let step = lab.ui.step(format!("mutant: {what}"));
        let (_, result) = boot(lab, &bench, &kernel, what, "-mutant")?;
        let result = match result {
            Err(why) if why.contains(SILENT) => Ok(format!("killed: {why}")),
            Err(why) => Err(why),
            Ok(said) => Err(format!("survived: {said}")),
        };
        match &result {
            Ok(text) | Err(text) => step.done(text.clone()),
        }
        rows.push(Row { what, result });
    }
    Ok(rows)
}

/// One boot: where its files are, and what it shows.
fn boot(
    lab: &Lab,
    bench: &Bench,
    kernel: &Kernel,
    what: What,
    suffix: &str,
) -> Result<(PathBuf, Result<String, String>)> {
    let machine = bench.machine;
    let job = Job {
        compatible: &machine.compatible[0],
        kernel,
        scenario: None,
        cycles: 0,
        attempt: 1,
    };
    let dir = lab.paths.out().join("boot").join(MACHINE);
    let dir = dir.join(format!("inside-{}{suffix}", what.word()));
    // A hung task is what is expected here; all else is not.
    let words = format!(
        "console={} loglevel=7 printk.devkmsg=on panic=-1 panic_on_warn=1 oops=panic \
         kasan.fault=panic remove_inside.run={}",
        machine.console,
        what.word()
    );
    let booted = bench.boot_with(job, dir, &words, |_| ())?;
    let result = judge(what, &booted.console).map_err(|why| format!("{why}; {}", booted.ended));
    Ok((booted.dir, result))
}

/// The patched kernel with what unregisters inside, and with more patches beside it.
fn build(lab: &Lab, tree: bool, machine: &Machine, more: &[&str]) -> Result<Kernel> {
    let variant = match tree {
        true => Variant::Tree,
        false => Variant::Series { upto: None },
    };
    let below = kernel::build(lab, &variant, &machine.kernel_config, machine.arch)?;
    let dir = lab.paths.clone.join("lab/kernel/inside");
    let mut patch = Vec::new();
    for name in [&["remove-from-inside"], more].concat() {
        let file = dir.join(name).with_extension("patch");
        patch.extend(fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?);
    }
    kernel::build_patched(lab, &below, &patch, CONFIG)
        .with_context(|| format!("{} on top of the series", dir.display()))
}

/// What [`judge`] says of a kernel whose lockdep knows nothing of the gate.
const SILENT: &str = "lockdep says nothing";

/// The titles of lockdep's reports on a lock that is taken inside itself.
const REPORTS: [&str; 2] = [
    "WARNING: possible recursive locking detected",
    "WARNING: possible circular locking dependency detected",
];

/// What lockdep said, or what is wrong.
fn judge(what: What, console: &Console) -> Result<String, String> {
    let line = |start: &str| console.lines.iter().position(|it| it.starts_with(start));
    let returned = console
        .lines
        .iter()
        .find(|it| it.starts_with("remove-inside: ") && it.ends_with(" returned"));
    if let Some(line) = returned {
        return Err(format!("it did not wait: {line}"));
    }
    if what == What::Nothing {
        return match (console.splats.first(), line("remove-inside: done: 0")) {
            (Some(splat), _) => Err(splat.title.clone()),
            (None, None) => Err("the operations were not made".to_owned()),
            (None, Some(_)) => Ok("nothing reported".to_owned()),
        };
    }
    let said = format!("remove-inside: {}() from inside", what.function());
    let Some(start) = line(&said) else {
        return Err("nothing was unregistered".to_owned());
    };
    let Some(splat) = console.splats.first() else {
        return Err(match line("spi_master").or_else(|| line("mtd: unreg")) {
            Some(_) => format!("it hangs and {SILENT}"),
            None => SILENT.to_owned(),
        });
    };
    if splat.line < start {
        return Err(format!("before it was unregistered: {}", splat.title));
    }
    if !REPORTS.iter().any(|title| splat.title.starts_with(title)) {
        return Err(format!("not what lockdep says: {}", splat.title));
    }
    // The report is the gate's: about its SRCU map, which the unregistering would wait for.
    let wanted = console.lines[splat.line..]
        .iter()
        .skip_while(|it| !it.ends_with(" is trying to acquire lock:"))
        .nth(1);
    let lock = wanted.and_then(|it| it.split(", at: ").next());
    let about_gate = lock.is_some_and(|it| it.contains(what.lock()));
    if !about_gate || !splat.stack.iter().any(|it| it == what.function()) {
        return Err(format!(
            "{}, but not of {} waiting for the gate: {}",
            splat.title,
            what.function(),
            wanted.map_or("", |it| it)
        ));
    }
    Ok(format!("reported: {}", splat.title))
}

/// The verb `inside`.
pub fn run(lab: &Lab, args: Args) -> Result<ExitCode> {
    let rows = match args.mutants {
        true => all_mutants(lab, args.tree)?,
        false => all(lab, args.tree)?,
    };
    let mut good = 0;
    for Row { what, result } in &rows {
        match result {
            Ok(said) => {
                println!("{what}: {said}");
                good += 1;
            }
            Err(why) => println!("{what}: failed: {why}"),
        }
    }
    println!("{good} of {} boots as they should be", rows.len());
    Ok(match good == rows.len() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    // Of real boots.
    const SPI: &str = include_str!("../fixtures/inside-spi.log");
    const MTD: &str = include_str!("../fixtures/inside-mtd.log");

    fn judged(what: What, log: &str) -> Result<String, String> {
        judge(what, &Console::parse(log))
    }

    fn wrong(what: What, log: &str, why: &str) {
        match judged(what, log) {
            Err(said) => assert!(said.contains(why), "{said}"),
            Ok(said) => panic!("{said}"),
        }
    }

    #[test]
    fn real_reports_are_taken_for_their_own_operation_only() {
        for (what, log, other) in [
            (What::Controller, SPI, What::Mtd),
            (What::Mtd, MTD, What::Controller),
        ] {
            let said = judged(what, log);
            assert_eq!(
                said.as_deref(),
                Ok("reported: WARNING: possible recursive locking detected")
            );
            wrong(other, log, "nothing was unregistered");
            wrong(What::Nothing, log, "WARNING: possible recursive");
        }
    }

    #[test]
    fn a_hang_without_the_report_is_a_failure() {
        let said = "remove-inside: spi_unregister_controller() from inside supports_op\n";
        wrong(What::Controller, "", "nothing was unregistered");
        wrong(What::Controller, said, "lockdep says nothing");
        let hang = format!("{said}spi_master spi1: unregistering has waited 10 s for operations");
        wrong(What::Controller, &hang, "it hangs");
        let returned = format!("{said}remove-inside: spi_unregister_controller() returned");
        wrong(What::Controller, &returned, "did not wait");
    }

    #[test]
    fn another_report_does_not_count() {
        // What lockdep says of the stock kernel's own locks, and of a stack elsewhere.
        let locks = SPI.replace("&ctlr->gate.srcu", "&ctlr->add_lock");
        wrong(What::Controller, &locks, "not of spi_unregister_controller");
        let elsewhere = SPI.replace("spi_unregister_controller+", "spi_other+");
        wrong(
            What::Controller,
            &elsewhere,
            "not of spi_unregister_controller",
        );
        let warning = SPI.replace("possible recursive locking detected", "x.c:1 at f+0x1/0x2");
        wrong(What::Controller, &warning, "not what lockdep says");
        let early = format!("WARNING: x.c:1 at f+0x1/0x2\n{SPI}");
        wrong(What::Controller, &early, "before it was unregistered");
    }

    #[test]
    fn the_control_must_have_made_its_operations() {
        wrong(What::Nothing, "LAB: done", "were not made");
        assert!(judged(What::Nothing, "remove-inside: done: 0").is_ok());
        wrong(What::Nothing, "remove-inside: done: -22", "were not made");
    }
}
