//! `cargo lab model`

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::lab::Lab;
use crate::parts::model::{self, Sizes};

/// Check the model of the MTD core, its mutants, and the litmus tests
///
/// lab/kernel/model/mtd.pml is checked by spin in the sizes of mutants.toml. Each mutant
/// there changes the model in one way, and spin must then find that the property it names
/// is violated. herd7 runs lab/kernel/model/litmus/ with the memory model of the kernel's
/// source: each must come out as its first lines say.
///
/// Takes less than a minute when the machine is quiet; with --long as long as it needs.
/// Writes out/model/ and, the first time, 300 MB to the cache. Exit status 0 only if all is
/// as it should be.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Only sizes, mutants and litmus tests whose names contain this
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Also the sizes that take long
    #[arg(long)]
    long: bool,
}

/// The verb `model`.
pub fn run(lab: &Lab, args: Args) -> Result<ExitCode> {
    let sizes = match args.long {
        true => Sizes::All,
        false => Sizes::Short,
    };
    let limit = Duration::from_secs(24 * 3600);
    let rows = model::all(lab, sizes, args.only.as_deref(), limit)?;
    if rows.is_empty() {
        bail!("nothing in lab/kernel/model has such a name");
    }
    Ok(match model::report(&rows) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}
