//! `cargo lab bench`

use std::process::ExitCode;

use anyhow::Result;

use crate::bench::cadence;
use crate::bench::gate::{self, GateArgs};
use crate::lab::Lab;

/// Measure what the gates cost, and what C's driver and Rust's do
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Measure what the gates cost, beside what other mechanisms would
    ///
    /// Variants: stock (without the series), series (the series as it is), and what is in
    /// lab/kernel/bench/variants/ in the place of the series' SRCU; none is a gate that
    /// does nothing, and what others are compared with. Of each: instructions per
    /// operation, counted in QEMU (arm64, Cortex-A72, -icount, two boots that must agree);
    /// time per operation with one and two threads in User-mode Linux, which runs
    /// natively; how long unregistering takes in both; memory. See
    /// docs/results/gates.md.
    ///
    /// Takes about a minute for each variant, four for those of SRCU, and fifteen more the
    /// first time, for two kernels. The machine should have nothing else to do. What was
    /// measured is kept in out/bench/gate/ and is not repeated for the same series: stop
    /// it, and call it again. Writes out/bench-gate.json, out/src/bench and
    /// out/build/bench-*.
    #[command(verbatim_doc_comment)]
    Gate(GateArgs),
    Cadence(cadence::Args),
}

/// The verb `bench`.
pub fn run(lab: &Lab, args: Args) -> Result<ExitCode> {
    match args.what {
        What::Gate(args) => gate::gate(lab, args),
        What::Cadence(args) => cadence::run(lab, args),
    }
}
