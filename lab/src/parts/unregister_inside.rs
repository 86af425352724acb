//! Boots in which a driver unregisters from inside an operation.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::build::kernel::Kernel;
use crate::build::kernels;
use crate::build::variant::Variant;
use crate::data::machine::Machine;
use crate::judge::lockdep::{self, SILENT, What};
use crate::lab::Lab;
use crate::run::qemu::{Bench, Job};
use crate::run::watch;

const MACHINE: &str = "amd-versal-virt";

const CONFIG: &str = "arm64-kasan-inside";

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
                lab.ui.println(watch::console_tail(&dir)?);
            }
        }
        rows.push(Row { what, result });
    }
    Ok(rows)
}

/// As [`all`], with a mutant in each boot: good is what lockdep does not say.
pub fn all_mutants(lab: &Lab, tree: bool) -> Result<Vec<Row>> {
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
    let mut words = format!(
        "console={} loglevel=7 printk.devkmsg=on panic=-1 panic_on_warn=1 oops=panic \
         kasan.fault=panic remove_inside.run={}",
        machine.console,
        what.word()
    );
    if what == What::Hang {
        // The second task that is reported ends the boot; until then the guest's init
        // waits for an MTD that does not come.
        words += " hung_task_panic=2 sysctl.kernel.hung_task_timeout_secs=5 \
                  LAB_WAIT=60 MTD_TEST_DEVICE=none";
    }
    let booted = bench.boot_with(job, dir, &words, |_| ())?;
    let result =
        lockdep::judge(what, &booted.console).map_err(|why| format!("{why}; {}", booted.ended));
    Ok((booted.dir, result))
}

/// The patched kernel with what unregisters inside, and with more patches beside it.
fn build(lab: &Lab, tree: bool, machine: &Machine, more: &[&str]) -> Result<Kernel> {
    let variant = match tree {
        true => Variant::Tree,
        false => Variant::Series { upto: None },
    };
    let below = kernels::build(lab, &variant, &machine.kernel_config, machine.arch)?;
    let dir = lab.paths.clone.join("lab/kernel/inside");
    let mut patch = Vec::new();
    for name in [&["remove-from-inside"], more].concat() {
        let file = dir.join(name).with_extension("patch");
        patch.extend(fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?);
    }
    kernels::build_patched(lab, &below, &patch, CONFIG)
        .with_context(|| format!("{} on top of the series", dir.display()))
}
