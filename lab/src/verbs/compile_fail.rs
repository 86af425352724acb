//! `cargo lab compile-fail`

use std::process::ExitCode;

use anyhow::Result;

use crate::lab::Lab;
use crate::parts::{compile_fail, kunit};

/// Compile what must not compile, and its twins, which must
///
/// Each file of lab/compile-fail/ is compiled with the kernel's rustc and flags against
/// the `kernel` crate of the UML kernel. It must fail with the error that it names, on
/// the line that differs, and must compile with the line of its twin instead.
///
/// Takes five minutes the first time for the kernel, then a second for each file. Writes
/// out/build/ and out/compile-fail/ (sources and what rustc said).
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Only files whose names contain this
    #[arg(long, value_name = "PART")]
    filter: Option<String>,
    /// Build the worktree linux/ as it stands, not base + patches/
    #[arg(long)]
    tree: bool,
}

/// The verb `compile-fail`.
pub fn run(lab: &Lab, args: Args) -> Result<ExitCode> {
    let kernel = kunit::build(lab, args.tree)?;
    let outcome = compile_fail::all(lab, &kernel, args.filter.as_deref())?;
    for finding in &outcome.findings {
        println!("compile-fail: {finding}");
    }
    println!(
        "compile-fail: {} passed, {} failed",
        outcome.passed(),
        outcome.findings.len()
    );
    Ok(match outcome.findings.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}
