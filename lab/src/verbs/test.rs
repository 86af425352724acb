//! `cargo lab test`

use std::process::ExitCode;

use anyhow::Result;

use crate::base::interrupt;
use crate::lab::Lab;
use crate::parts::suite::{self, Count};

/// Test it all, or only the parts that are named
///
/// The fast checks, unit tests of the lab, KUnit, mutants, and all boots. About half an hour
/// in a clean clone, less when its kernels are built, more from an empty cache.
/// Writes out/demo.json, and logs under out/. The last line counts; exit status 0 only
/// if nothing failed.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Unbind and bind cycles in the demo
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    cycles: u32,
    /// Only these parts: check, unit-tests, kunit, kunit.py, rust, compile-fail, mutants, model,
    /// demo, users, inside, restart, rust-demo, ab
    #[arg(value_name = "PART")]
    parts: Vec<String>,
}

impl Args {
    /// Fails when a name is wrong.
    pub fn check(&self) -> Result<()> {
        suite::chosen(&self.parts).map(drop)
    }
}

pub fn run(lab: &Lab, args: &Args) -> Result<ExitCode> {
    let mut all = Count::default();
    for part in suite::chosen(&args.parts)? {
        let counts = match (part.run)(lab, args.cycles) {
            Ok(counts) => counts,
            Err(error) => {
                interrupt::check_interrupted()?;
                lab.ui.println(format!("{}: {error:#}", part.name));
                // Not having run is a failure, and the other parts still say more.
                let count = Count {
                    failed: 1,
                    ..Count::default()
                };
                vec![(part.name.to_owned(), count)]
            }
        };
        for (name, count) in counts {
            println!("{name}: {count}");
            all += count;
        }
    }
    println!("{all}");
    Ok(if all.failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
