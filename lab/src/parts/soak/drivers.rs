//! C's driver and Rust's compared, again and again.

use std::time::Instant;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::lab::Lab;
use crate::parts::compare_drivers::{self, Comparison};
use crate::parts::kept;

/// That of the comparison.
#[derive(Debug, Default, Serialize, Deserialize)]
struct KeptAb {
    #[serde(default)]
    ab: Vec<compare_drivers::Boot>,
}

/// What is kept goes on only with the same kernel and machine.
fn is_same(boot: &compare_drivers::Boot, ready: &compare_drivers::Ready) -> bool {
    boot.machine == ready.machine.name
        && boot.source_id == ready.kernel.source_id
        && boot.config_sha256 == ready.kernel.config_sha256
        && kept::is_lasting(&boot.source_id)
}

/// Until `end`, or until each binding has made `limit` boots.
pub fn run(lab: &Lab, mut ab: Comparison, limit: usize, end: Instant) -> Result<bool> {
    let ready = compare_drivers::ready(lab, &ab)?;
    let KeptAb { ab: kept } = kept::kept(&lab.paths);
    let (mut boots, others): (Vec<_>, Vec<_>) = kept
        .into_iter()
        .partition(|boot| is_same(boot, &ready) && boot.long == ab.long);
    let of = |boots: &[compare_drivers::Boot], name: &str| -> Vec<u64> {
        let own = boots.iter().filter(|boot| boot.compatible == name);
        own.map(|boot| boot.seed).collect()
    };
    'rounds: loop {
        let mut idle = true;
        for compatible in &ready.machine.compatible {
            let seeds = of(&boots, &compatible.name);
            if seeds.len() >= limit {
                continue;
            }
            if Instant::now() >= end {
                break 'rounds;
            }
            idle = false;
            ab.seed = seeds.into_iter().max().unwrap_or_default() + 1;
            let boot = compare_drivers::boot(lab, &ready, compatible, &ab)?;
            if !boot.is_good() {
                let name = format!("ab-{}-seed-{}", compatible.name, ab.seed);
                kept::keep_files(
                    lab,
                    &compare_drivers::dir(lab, &ready.machine, compatible),
                    &name,
                )?;
            }
            boots.push(boot);
            let ab = others.iter().chain(&boots).cloned().collect();
            kept::save(&lab.paths, &KeptAb { ab })?;
        }
        if idle {
            break;
        }
    }
    let names = ready.machine.compatible.iter().map(|it| it.name.as_str());
    boots.retain(|boot| names.clone().any(|name| name == boot.compatible));
    println!("{}", compare_drivers::summary(&boots));
    let open = names.filter(|name| of(&boots, name).is_empty()).count();
    let good = boots.iter().filter(|boot| boot.is_good()).count();
    println!(
        "C and Rust: {good} of {} boots as they should be, {open} bindings open",
        boots.len()
    );
    Ok(good == boots.len() && open == 0)
}
