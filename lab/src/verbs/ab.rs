//! `cargo lab ab`: C's driver and Rust's, compared.

use std::process::ExitCode;

use anyhow::Result;

use crate::base::paths::Paths;
use crate::lab::Lab;
use crate::parts::compare_drivers::{self, Boot, Comparison, MACHINE};

/// Compare C's and Rust's driver of one controller, in one boot
///
/// A kernel with both drivers as modules is booted once for each binding. C's is loaded,
/// then Rust's in its place, then each again: the first that is loaded gets the device.
/// With each, the flash as it was at first: reads, programs and erasures at random, by a
/// seed, whose results and data have to be what a model of a flash says; ioctls, mtd-utils
/// and the kernel's own mtd tests, whose outcome has to be the same. Then each writes a
/// UBIFS volume that the other reads, and goes on writing.
///
/// Under KASAN and lockdep; nothing may be reported, nothing may be missing. About a
/// minute for each binding on a quiet machine when the kernel is built. Writes out/ab.json
/// and out/boot/.
#[derive(Clone, Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// A file of lab/data/machines/ that has a Rust driver
    #[arg(long, default_value = MACHINE)]
    machine: String,
    /// Only this binding of the controller
    #[arg(long, value_name = "NAME")]
    compatible: Option<String>,
    /// What the flash holds, and what is done to it, follow from this
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Operations with each driver
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    operations: u32,
    /// Also the mtd tests that write the whole part, several times: minutes
    #[arg(long)]
    long: bool,
    /// The kernel in the worktree linux/, as it stands
    #[arg(long)]
    tree: bool,
}

impl From<&Args> for Comparison {
    fn from(args: &Args) -> Self {
        Self {
            machine: args.machine.clone(),
            compatible: args.compatible.clone(),
            seed: args.seed,
            operations: args.operations,
            long: args.long,
            tree: args.tree,
        }
    }
}

impl Args {
    /// Fails when a name is wrong.
    pub fn check(&self, paths: &Paths) -> Result<()> {
        Comparison::from(self).check(paths)
    }
}

pub fn run(lab: &Lab, args: &Args) -> Result<ExitCode> {
    let boots = compare_drivers::all(lab, &args.into())?;
    let good: usize = boots.iter().map(Boot::good).sum();
    let rows: usize = boots.iter().map(|it| it.rows.len()).sum();
    println!("{good} of {rows} rows as they should be; details in out/ab.json");
    Ok(match good == rows {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}
