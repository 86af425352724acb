//! `cargo lab check`

use std::process::ExitCode;

use anyhow::Result;

use crate::check::all;
use crate::lab::Lab;
use crate::parts::kunit;

/// Check the series and the lab without building; silent when all is well
///
/// The patches apply, each series also on nothing but those that it names; they are what
/// `export` writes, have an Assisted-by, no Signed-off-by, and no "and" in their subjects
/// (lab/data/check/subjects.toml); exported files are equal and linux/ has nothing that was not
/// exported; checkpatch.pl --strict (what lab/data/check/checkpatch.toml lists aside);
/// no kernel-doc warning that the base has not; rustfmt of Rust files that the series
/// touches, and of the lab; in Rust drivers no `unsafe` but what lab/data/check/unsafe.toml
/// has; the series' Coccinelle rules find in lab/kernel/coccinelle/ what is marked there,
/// and nothing else; the lab's patches (mutants, benchmarks and so on) apply to the series.
///
/// Takes half a minute the first time in a clone, 10 s after that. Writes out/src/ and
/// out/check.json (findings, and how often each Rust file is unsafe), and prints one line
/// for each finding; exit status 0 only if there is none.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Also clippy and rustdoc, which need the UML kernel; it is built if need be
    #[arg(long)]
    rust: bool,
    /// With --rust: clippy and rustdoc of the worktree linux/ as it stands
    #[arg(long, requires = "rust")]
    tree: bool,
}

/// The verb `check`.
pub fn run(lab: &Lab, args: Args) -> Result<ExitCode> {
    let mut good = true;
    let mut checks = all::all(lab)?;
    if args.rust {
        checks.extend(all::rust(lab, &kunit::build(lab, args.tree)?)?);
    }
    for check in checks {
        for finding in check.findings {
            println!("{}: {finding}", check.name);
            good = false;
        }
    }
    Ok(if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
