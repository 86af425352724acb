//! `cargo lab build`

use std::process::ExitCode;

use anyhow::Result;

use crate::build::kernels;
use crate::data::kernel_config;
use crate::lab::Lab;
use crate::verbs::which::Which;

/// `build`: arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    which: Which,
    /// A name from lab/data/kernel/configs.toml
    #[arg(default_value = "arm64-kasan")]
    config: String,
}

/// The verb `build`.
pub fn run(lab: &Lab, args: Args) -> Result<ExitCode> {
    let variant = args.which.variant(&lab.paths)?;
    let arch = kernel_config::config(&lab.paths, &args.config)?.arch;
    let kernel = kernels::build(lab, &variant, &args.config, arch)?;
    println!(
        "{} {} {}",
        kernel.release,
        kernel.source_id,
        kernel.image.display()
    );
    Ok(ExitCode::SUCCESS)
}
