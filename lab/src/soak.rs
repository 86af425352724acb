//! `cargo lab soak`: what takes too long for `test`, in as much time as there is.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::kernel::Lab;
use crate::mutants;

/// Run what takes long, for as long as asked: all mutants
///
/// A mutant is a patch of lab/kernel/mutants/ that takes one thing out of the series,
/// and names the KUnit test that must then fail. Each is built on top of the series in
/// a tree of its own and its test run, after it was seen to pass without the mutant.
///
/// About half a minute for each when the machine is quiet. What was found out is in
/// out/soak.json and is not repeated for the same series: stop it, or let it run out of
/// time, and call it again. Writes also out/src/mutant, out/build/mutant-um-kunit and
/// out/mutants/ (consoles). Prints a table; exit status 0 only if every mutant was
/// killed.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Run the mutants
    #[arg(long, required = true)]
    mutants: bool,
    /// Start nothing new after this time
    #[arg(long, value_name = "N", default_value_t = 60)]
    minutes: u64,
    /// Only mutants whose name contains this
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// On top of the last commit of linux/, not of base + patches/
    #[arg(long)]
    tree: bool,
}

/// The verb `soak`.
pub fn run(lab: &Lab, args: Args) -> Result<ExitCode> {
    let end = Instant::now() + Duration::from_secs(args.minutes * 60);
    let mut chosen = mutants::read(&lab.paths)?;
    if let Some(text) = &args.only {
        chosen.retain(|mutant| mutant.name.contains(text));
    }
    if chosen.is_empty() {
        bail!(
            "there is no such mutant in {}",
            lab.paths.mutants().display()
        );
    }
    let results = mutants::run(lab, &chosen, args.tree, Some(end))?;
    println!("{}", mutants::table(&results));
    let killed = results.rows.iter().filter(|row| row.killed()).count();
    println!(
        "{killed} of {} mutants killed, {} open",
        chosen.len(),
        results.open.len()
    );
    Ok(match killed == chosen.len() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}
