//! `cargo lab kunit`

use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::lab::Lab;
use crate::parts::kunit::{self, Tests};
use crate::parts::{kunit_maintainer, kunit_stock};

/// Run KUnit tests in User-mode Linux, with KASAN on two CPUs
///
/// These are the series' tests, and those of controller drivers, unmodified ones in C and
/// the series' one in Rust, on our models of their hardware (lab/kernel/models/). The
/// tests that run must be those of lab/data/kunit/um-kunit.txt and um-models.txt: one
/// that is missing is a failure, and so is one that is not in it, a skip that it does not
/// allow, and one that passes though it is listed to fail. So is anything that the kernel
/// reports meanwhile (KASAN, warnings, stalls).
///
/// With --attempt, a patch that is not part of the series is applied to it, and the tests
/// in Rust run, among them its own: lab/kernel/attempts/ says which there are.
///
/// With --stock, those of them that can be had on a stock kernel run there, each in a
/// boot of its own, and must end as um-stock.txt says: those that unbind something under an
/// operation fail.
///
/// Takes five minutes the first time for each kernel, then three or four; --stock takes
/// five to fifteen minutes more. Writes out/build/, out/src/, out/kunit/ (the consoles and
/// the parser's JSON) and out/logs/build-*-um-*.log.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Run only tests that match, as in the kernel: `suite` or `suite.test`, with * and ?
    #[arg(long, value_name = "GLOB")]
    filter: Option<String>,
    /// Build the worktree linux/ as it stands, not base + patches/
    #[arg(long)]
    tree: bool,
    /// Write the tests that ran to the list, for review; marks of tests it has stay
    #[arg(long, conflicts_with = "filter")]
    update: bool,
    /// Run on the stock kernel what can be had there, and expect it to fail
    #[arg(long, conflicts_with_all = ["tree", "update"])]
    stock: bool,
    /// Run the tests of a patch of lab/kernel/attempts/, on top of the series
    #[arg(long, value_name = "NAME", conflicts_with_all = ["stock", "filter"])]
    attempt: Option<String>,
    /// Run the series' tests N times as a maintainer does: kunit.py, gcc, one CPU
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "1",
          conflicts_with_all = ["stock", "filter", "tree", "update", "attempt"],
          value_parser = clap::value_parser!(u32).range(1..))]
    kunit_py: Option<u32>,
}

pub fn run(lab: &Lab, args: Args) -> Result<ExitCode> {
    if args.update && !lab.paths.series.is_empty() {
        bail!("the list is of all series; --series has no place with --update");
    }
    if args.stock {
        return kunit_stock::run(lab, args.filter.as_deref());
    }
    let tests = Tests {
        filter: args.filter,
        tree: args.tree,
        update: args.update,
    };
    let summary = match (&args.attempt, args.kunit_py) {
        (Some(name), _) => kunit::run_attempt(lab, name, &tests)?,
        (None, Some(times)) => kunit_maintainer::run(lab, times)?,
        (None, None) => kunit::run_all(lab, &tests)?,
    };
    println!(
        "kunit: {} passed, {} failed, {} skipped, {} fail as listed",
        summary.passed, summary.failed, summary.skipped, summary.fail_as_listed
    );
    Ok(match summary.failed {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}
