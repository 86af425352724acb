//! `cargo lab inside`

use std::process::ExitCode;

use anyhow::Result;

use crate::lab::Lab;
use crate::parts::unregister_inside::{self, Row};

/// Unregister from inside an operation: lockdep must say so
///
/// That is an error of a driver, which waits for itself for ever then. The gates tell
/// lockdep before they wait (srcu_lock_sync()), and the boot is as it should be only if
/// lockdep reports the recursion, with the unregistering in the report's stack. A hang
/// without it is a failure. A control boot does the same operations, nobody unregisters,
/// and nothing may be reported. In a fourth boot, a driver never ends an operation, and
/// another thread unregisters: the hung-task detector must report both.
///
/// Builds the patched kernel with lab/kernel/inside/ (a minute the first time), then
/// takes 10 s for each of four boots. Writes out/boot/.
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

/// The verb `inside`.
pub fn run(lab: &Lab, args: Args) -> Result<ExitCode> {
    let rows = match args.mutants {
        true => unregister_inside::all_mutants(lab, args.tree)?,
        false => unregister_inside::all(lab, args.tree)?,
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
