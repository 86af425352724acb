//! `cargo lab shell`

use std::process::ExitCode;

use anyhow::Result;

use crate::base::paths::Paths;
use crate::build::kernels;
use crate::data::machine::{self, Machine};
use crate::data::scenario;
use crate::lab::Lab;
use crate::run::qemu::{Bench, Job};
use crate::verbs::which::Which;

/// Enter a shell on an emulated machine
///
/// Takes seconds when the kernel is built. Writes out/boot/. `exit` in the shell ends
/// the machine; what is written to the flash is gone then.
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
}

impl Args {
    /// Fails when a name is wrong.
    pub fn check(&self, paths: &Paths) -> Result<()> {
        scenario::check_names(
            paths,
            &self.machine,
            self.driver.as_deref(),
            self.compatible.as_deref(),
            None,
        )
    }
}

pub fn run(lab: &Lab, args: Args) -> Result<ExitCode> {
    let machine = Machine::load(&lab.paths, &args.machine, args.driver.as_deref())?;
    let compatible = machine::pick(&machine, args.compatible.as_deref())?;
    let variant = args.which.variant(&lab.paths)?;
    let kernel = kernels::build(lab, &variant, &machine.kernel_config, machine.arch)?;
    let bench = Bench::prepare(lab, &machine, &kernel, 1)?;
    let job = Job {
        compatible,
        kernel: &kernel,
        scenario: None,
        cycles: 0,
        attempt: 1,
    };
    Ok(if bench.shell(job)?.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
