//! `cargo lab boot`

use std::process::ExitCode;

use anyhow::Result;

use crate::base::paths::Paths;
use crate::build::kernels;
use crate::data::machine::{self, Machine};
use crate::data::scenario::{self, Scenario};
use crate::judge::console::Ended;
use crate::judge::unbind::{self, EXIT_SKIPPED, Verdict};
use crate::lab::Lab;
use crate::run::qemu::{Bench, Job};
use crate::verbs::which::Which;

/// Boot a kernel on an emulated machine and show its console
///
/// Takes under a minute when the kernel is built. Writes out/boot/. With a scenario
/// the result is judged: a stock kernel is expected to fail, every other to pass. Exit
/// status 4 when there was nothing to test: the machine has no flash, and says so.
#[derive(Debug, clap::Args)]
pub struct Args {
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

impl Args {
    /// Fails when a name is wrong.
    pub fn check(&self, paths: &Paths) -> Result<()> {
        scenario::check_names(
            paths,
            &self.machine,
            self.driver.as_deref(),
            self.compatible.as_deref(),
            self.scenario.as_deref(),
        )
    }
}

pub fn run(lab: &Lab, args: Args) -> Result<ExitCode> {
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
    let compatible = machine::pick(&machine, args.compatible.as_deref())?;
    let variant = args.which.variant(&lab.paths)?;
    let kernel = kernels::build(lab, &variant, &machine.kernel_config, machine.arch)?;
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
            println!("verdict: {}", unbind::describe(&judged.verdict));
            let code = match judged.verdict {
                Verdict::Skipped { .. } => ExitCode::from(EXIT_SKIPPED),
                ref verdict if unbind::is_expected(variant, scenario.stock, verdict) => {
                    ExitCode::SUCCESS
                }
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
        crate::base::ui::duration(booted.elapsed),
        booted.dir.display()
    );
    Ok(code)
}
