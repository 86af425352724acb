//! C's driver and Rust's on the same flash, in one boot, with the same operations.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use comfy_table::Table;
use serde::{Deserialize, Serialize};

use crate::base::files::write_whole;
use crate::base::paths::Paths;
use crate::base::{interrupt, ui};
use crate::build::kernel::Kernel;
use crate::build::kernels;
use crate::build::variant::Variant;
use crate::data::machine::{Compatible, Machine};
use crate::data::scenario;
use crate::judge::drivers::{self, Plan, Row};
use crate::lab::Lab;
use crate::run::qemu::{Bench, Job};
use crate::run::watch;

/// Which drivers are compared, and how long.
#[derive(Clone, Debug)]
pub struct Comparison {
    pub machine: String,
    pub compatible: Option<String>,
    pub seed: u64,
    pub operations: u32,
    pub long: bool,
    pub tree: bool,
}

pub const MACHINE: &str = "amd-versal-virt";

const DRIVER: &str = "rust";

/// Modules that init loads: C's driver is the first to have the device.
const MODULES: [&str; 2] = ["mtd_test", "spi-cadence-quadspi"];

impl Comparison {
    /// What `test` runs: one binding, and the operations that take seconds.
    pub fn short() -> Self {
        Self {
            machine: MACHINE.to_owned(),
            compatible: Some("intel,socfpga-qspi".to_owned()),
            seed: 1,
            operations: 60,
            long: false,
            tree: false,
        }
    }

    /// What `soak` runs.
    pub fn thorough(tree: bool) -> Self {
        Self {
            machine: MACHINE.to_owned(),
            compatible: None,
            seed: 1,
            operations: 1000,
            long: true,
            tree,
        }
    }

    /// Fails when a name is wrong.
    pub fn check(&self, paths: &Paths) -> Result<()> {
        let compatible = self.compatible.as_deref();
        scenario::check_names(paths, &self.machine, Some(DRIVER), compatible, None)
    }

    fn plan(&self) -> Plan {
        Plan {
            seed: self.seed,
            operations: self.operations,
            stress: if self.long { 400 } else { 60 },
            long: self.long,
        }
    }
}

/// A binding's boot.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Boot {
    pub machine: String,
    pub compatible: String,
    pub seed: u64,
    pub operations: u32,
    pub long: bool,
    pub rows: Vec<Row>,
    pub seconds: f64,
    pub source_id: String,
    pub config_sha256: String,
}

impl Boot {
    pub fn good(&self) -> usize {
        self.rows.iter().filter(|row| row.result.is_ok()).count()
    }

    pub fn is_good(&self) -> bool {
        self.good() == self.rows.len()
    }
}

/// A machine with a kernel that has both drivers.
pub struct Ready {
    pub machine: Machine,
    pub kernel: Kernel,
}

pub fn ready(lab: &Lab, args: &Comparison) -> Result<Ready> {
    let mut machine = Machine::load(&lab.paths, &args.machine, Some(DRIVER))?;
    machine.modules = MODULES.map(str::to_owned).to_vec();
    if let Some(name) = &args.compatible {
        let chosen = machine.compatible(name)?.clone();
        machine.compatible = vec![chosen];
    }
    let variant = match args.tree {
        true => Variant::Tree,
        false => Variant::Series { upto: None },
    };
    let kernel = kernels::build(lab, &variant, &machine.kernel_config, machine.arch)?;
    Ok(Ready { machine, kernel })
}

/// One boot, judged; the console of one that is not as it should be is shown.
pub fn boot(lab: &Lab, ready: &Ready, compatible: &Compatible, args: &Comparison) -> Result<Boot> {
    interrupt::check_interrupted()?;
    let Ready { machine, kernel } = ready;
    let plan = args.plan();
    let bench = Bench::prepare(lab, machine, kernel, args.seed)?;
    let step = lab.ui.step(format!(
        "C and Rust on {:<18} seed {}, {} operations",
        compatible.name, args.seed, args.operations
    ));
    let job = Job {
        compatible,
        kernel,
        scenario: None,
        cycles: 0,
        attempt: 1,
    };
    let words = format!("{} {}", bench.command_line(job), plan.words());
    let booted = bench.boot_within(
        job,
        dir(lab, machine, compatible),
        &words,
        plan.seconds(),
        |line| {
            if let Some((_, round)) = line.split_once("AB: ")
                && let Some((round, "start")) = round.split_once(' ')
            {
                step.note(round);
            }
        },
    )?;
    let boot = Boot {
        machine: machine.name.clone(),
        compatible: compatible.name.clone(),
        seed: args.seed,
        operations: args.operations,
        long: args.long,
        rows: drivers::judge(&booted.console, &booted.ended, &plan, &bench.image),
        seconds: booted.elapsed.as_secs_f64(),
        source_id: kernel.source_id.clone(),
        config_sha256: kernel.config_sha256.clone(),
    };
    let (good, all) = (boot.good(), boot.rows.len());
    step.done(format!("{good} of {all} as they should be"));
    if !boot.is_good() {
        lab.ui.println(watch::console_tail(&booted.dir)?);
    }
    bench.forget_image();
    Ok(boot)
}

/// Where the files of a boot are; the newest of each binding is always at the same place.
pub fn dir(lab: &Lab, machine: &Machine, compatible: &Compatible) -> PathBuf {
    let dir = lab.paths.out().join("boot").join(&machine.name);
    dir.join(compatible.name.replace(',', "-")).join("ab")
}

/// out/ab.json
#[derive(Serialize)]
struct Report<'a> {
    good: bool,
    toolchain: BTreeMap<String, String>,
    boots: &'a [Boot],
}

/// Boots all that were asked for, prints the table and writes out/ab.json.
pub fn all(lab: &Lab, args: &Comparison) -> Result<Vec<Boot>> {
    let ready = ready(lab, args)?;
    let mut boots = Vec::new();
    for compatible in &ready.machine.compatible {
        boots.push(boot(lab, &ready, compatible, args)?);
    }
    println!("{}", table(&boots));
    let report = Report {
        good: boots.iter().all(Boot::is_good),
        toolchain: lab.toolchain.versions()?,
        boots: &boots,
    };
    let json = serde_json::to_string_pretty(&report)? + "\n";
    let file = lab.paths.out().join("ab.json");
    fs::create_dir_all(lab.paths.out()).context("cannot make out/")?;
    write_whole(&file, json.as_bytes())?;
    Ok(boots)
}

fn table(boots: &[Boot]) -> Table {
    let mut table = ui::table(["compatible", "what", "result", ""]);
    for boot in boots {
        for row in &boot.rows {
            let (verdict, text) = match &row.result {
                Ok(text) => ("passed", text),
                Err(text) => ("failed", text),
            };
            table.add_row([&boot.compatible, &row.what, verdict, text]);
        }
    }
    table
}

/// Many boots, a line for each binding, and one for whatever is wrong.
pub fn summary(boots: &[Boot]) -> Table {
    let mut table = ui::table(["compatible", "boots", "operations", "wrong"]);
    let names: BTreeSet<&str> = boots.iter().map(|it| it.compatible.as_str()).collect();
    for name in names {
        let own = || boots.iter().filter(|it| it.compatible == name);
        let wrong: Vec<String> = own()
            .flat_map(|boot| {
                boot.rows.iter().filter_map(|row| {
                    let why = row.result.as_ref().err()?;
                    Some(format!("seed {}: {}: {why}", boot.seed, row.what))
                })
            })
            .collect();
        table.add_row([
            name.to_owned(),
            own().count().to_string(),
            own().map(|it| it.operations).sum::<u32>().to_string(),
            match wrong.is_empty() {
                true => "nothing".to_owned(),
                false => wrong.join("\n"),
            },
        ]);
    }
    table
}
