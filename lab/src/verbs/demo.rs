//! `cargo lab demo`: the stock kernel crashes, the patched one survives.

use std::process::ExitCode;

use anyhow::Result;

use crate::base::paths::Paths;
use crate::build::variant::Variant;
use crate::data::machine::Machine;
use crate::data::scenario::{self, Scenario};
use crate::judge::unbind;
use crate::lab::Lab;
use crate::parts::demo::{self, Demo};

/// Show it: the stock kernel crashes as reported, the patched one survives
///
/// Boots the stock kernel and the patched one in each scenario with each binding of
/// the controller and prints a table. About 30 minutes at first, when toolchain and
/// kernels are made, under 10 later, but more than an hour with `--machine all`. Writes out/demo.json, and console logs under
/// out/boot/. Exit status 0 only if every stock row failed as defined in docs/design.md and
/// every patched row passed. Rows of machines that have nothing to test are skipped, and
/// counted apart; exit status 4 when all were.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A file of lab/data/machines/, or `all`, one after the other
    #[arg(long, default_value = "amd-versal-virt")]
    machine: String,
    /// Another driver of the controller than C's, as the machine names it: then there are
    /// no stock rows, since stock kernels do not have it
    #[arg(long, value_name = "NAME")]
    driver: Option<String>,
    /// Unbind and bind cycles of the patched kernel in scenarios that repeat
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    cycles: u32,
    /// Only this scenario (a file of lab/data/scenarios/), or `all`: more than the demo's,
    /// some of them on a machine of their own
    #[arg(long, value_name = "NAME")]
    scenario: Option<String>,
    /// Another kernel (of lab/data/kernel/configs.toml) than the machine's
    #[arg(long, value_name = "NAME")]
    kernel_config: Option<String>,
    /// Only this binding of the controller
    #[arg(long, value_name = "NAME")]
    compatible: Option<String>,
    /// What the flash holds, and what the test programs do when, follow from this
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Boots at the same time
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=8))]
    jobs: u32,
    /// The kernel in the worktree linux/, as it stands, in place of base + patches/
    #[arg(long)]
    tree: bool,
}

impl Args {
    /// What is shown; fails when a name is wrong.
    pub fn demo(&self, paths: &Paths) -> Result<Demo> {
        let (driver, compatible) = (self.driver.as_deref(), self.compatible.as_deref());
        let machines = Machine::chosen(paths, &self.machine, driver, compatible)?;
        let scenarios = Scenario::chosen(paths, self.scenario.as_deref())?;
        let config = self.kernel_config.as_deref();
        Ok(Demo {
            machine: self.machine.clone(),
            driver: self.driver.clone(),
            places: scenario::places(paths, &machines, &scenarios, config)?,
            partial: self.compatible.is_some() || self.scenario.is_some(),
            variant: match self.tree {
                true => Variant::Tree,
                false => Variant::Series { upto: None },
            },
            cycles: self.cycles,
            seed: self.seed,
            jobs: self.jobs,
        })
    }
}

pub fn run(lab: &Lab, args: &Args) -> Result<ExitCode> {
    let demo = args.demo(&lab.paths)?;
    let outcome = demo::demonstrate(lab, &demo)?;
    println!(
        "{}; details in out/{}",
        outcome.summary(),
        demo.results(&lab.paths)
    );
    Ok(match outcome.is_complete() {
        true if outcome.is_good() => ExitCode::SUCCESS,
        true => ExitCode::from(unbind::EXIT_SKIPPED),
        false => ExitCode::FAILURE,
    })
}
