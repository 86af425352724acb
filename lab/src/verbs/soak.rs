//! `cargo lab soak`

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::base::paths::Paths;
use crate::build::variant::Variant;
use crate::data::machine::Machine;
use crate::data::mutant;
use crate::data::named::ALL;
use crate::data::scenario::{self, Scenario};
use crate::lab::Lab;
use crate::parts::compare_drivers::{self, Comparison};
use crate::parts::soak::{demo, drivers, models};
use crate::parts::{model, mutants};

/// Run what takes long, for as long as asked
///
/// A mutant is a patch of lab/kernel/mutants/ that takes one thing out of the series,
/// and names the KUnit test that must then fail. Each is built on top of the series in
/// a tree of its own and its test run, after it was seen to pass without the mutant.
/// About half a minute for each when the machine is quiet.
///
/// The model of the MTD core (lab/kernel/model/) is checked in the sizes that `test` has no
/// time for.
///
/// Drivers on our models of controllers are unbound at random times under four readers,
/// 1,000 times in a boot, suite after suite, round after round, each with another seed.
///
/// The demo's scenarios run on the patched kernel with each binding in turn, round after
/// round, each round with another seed for what the flash holds and for what happens
/// when. A boot makes 25 cycles, a minute or two.
///
/// C's driver and Rust's are compared as by `cargo lab ab --long`, each boot with another
/// seed: one with each binding, and with --ab alone round after round.
///
/// Without --mutants, --model, --models, --ab and --demo: all five, the demo with each driver that the
/// machine has, or with the one that is named.
///
/// Bounded by --minutes and --cycles. What was found out is in out/soak.json and is not
/// repeated for the same series: stop it, or let it run out of time, and call it again.
/// Writes also out/src/mutant, out/build/mutant-um-*, out/mutants/ (consoles) and
/// out/boot/; what a failed boot left moves to out/soak/. Prints tables; exit status 0
/// only if every mutant was killed, every boot passed, and nothing is open.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Run the mutants; of it and the next four what is named, or all
    #[arg(long)]
    mutants: bool,
    /// Check the model of the MTD core in the sizes that take long
    #[arg(long)]
    model: bool,
    /// Unbind drivers on models at random times
    #[arg(long)]
    models: bool,
    /// Compare C's driver of a controller and Rust's
    #[arg(long)]
    ab: bool,
    /// Run the demo's scenarios
    #[arg(long)]
    demo: bool,
    /// Start nothing new after this time
    #[arg(long, value_name = "N", default_value_t = 60)]
    minutes: u64,
    /// Start nothing new when each row of a table has made N cycles in all
    #[arg(long, value_name = "N")]
    cycles: Option<u32>,
    /// Only mutants whose name contains this
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// A file of lab/data/machines/, or `all` that have a flash
    #[arg(long, default_value = "amd-versal-virt")]
    machine: String,
    /// Another driver of the controller than C's for the demo, as the machine names it
    #[arg(long, value_name = "NAME")]
    driver: Option<String>,
    /// Only this scenario (a file of lab/data/scenarios/), or `all`: more than the demo's
    #[arg(long, value_name = "NAME")]
    scenario: Option<String>,
    /// Only this binding of the controller
    #[arg(long, value_name = "NAME")]
    compatible: Option<String>,
    /// On top of the last commit of linux/, not of base + patches/
    #[arg(long)]
    tree: bool,
}

impl Args {
    /// Fails when a name is wrong.
    pub fn check(&self, paths: &Paths) -> Result<()> {
        self.machines(paths)?;
        self.scenarios(paths)?;
        self.ab(paths)?.map_or(Ok(()), |it| it.check(paths))
    }

    /// No part is named.
    fn is_all(&self) -> bool {
        !(self.mutants || self.model || self.models || self.ab || self.demo)
    }

    /// How the drivers are compared, if they are. What cannot be compared is left out, if
    /// nobody asked for that.
    fn ab(&self, paths: &Paths) -> Result<Option<Comparison>> {
        let machine = match self.machine.as_str() {
            ALL => compare_drivers::MACHINE,
            name => name,
        };
        let args = Comparison {
            machine: machine.to_owned(),
            compatible: self.compatible.clone(),
            ..Comparison::thorough(self.tree)
        };
        let wanted = self.ab || self.is_all() && args.check(paths).is_ok();
        Ok(wanted.then_some(args))
    }

    /// Each with each driver, if no part and no driver is named.
    fn machines(&self, paths: &Paths) -> Result<Vec<Machine>> {
        let compatible = self.compatible.as_deref();
        let with = |driver| Machine::chosen(paths, &self.machine, driver, compatible);
        let mut machines = with(self.driver.as_deref())?;
        if self.is_all() && self.driver.is_none() {
            let known = machines.iter().flat_map(|it| it.driver.keys().cloned());
            let known: BTreeSet<String> = known.collect();
            for driver in &known {
                machines.extend(with(Some(driver))?);
            }
        }
        if self.machine == ALL {
            machines.retain(|it| it.flash.is_some());
        }
        for machine in &machines {
            machine.flash()?;
        }
        Ok(machines)
    }

    fn scenarios(&self, paths: &Paths) -> Result<Vec<Scenario>> {
        Scenario::chosen(paths, self.scenario.as_deref())
    }
}

/// The verb `soak`.
pub fn run(lab: &Lab, args: Args) -> Result<ExitCode> {
    let end = Instant::now() + Duration::from_secs(args.minutes * 60);
    let mut good = true;
    if args.is_all() || args.mutants {
        good &= run_mutants(lab, &args, end)?;
    }
    if args.is_all() || args.model {
        good &= model::soak(lab, end)?;
    }
    if args.is_all() || args.models {
        good &= models::run(lab, args.tree, args.cycles, end)?;
    }
    if let Some(ab) = args.ab(&lab.paths)? {
        // With other parts, there has to be time for those.
        let only = !(args.mutants || args.model || args.models || args.demo || args.is_all());
        let limit = if only { usize::MAX } else { 1 };
        good &= drivers::run(lab, ab, limit, end)?;
    }
    if args.is_all() || args.demo {
        let (machines, scenarios) = (args.machines(&lab.paths)?, args.scenarios(&lab.paths)?);
        let places = scenario::places(&lab.paths, &machines, &scenarios, None)?;
        let variant = match args.tree {
            true => Variant::Tree,
            false => Variant::Series { upto: None },
        };
        let several = args.machine == ALL;
        good &= demo::run(lab, &places, &variant, args.cycles, several, end)?;
    }
    Ok(match good {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

fn run_mutants(lab: &Lab, args: &Args, end: Instant) -> Result<bool> {
    let mut chosen = mutant::read(&lab.paths)?;
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
    Ok(killed == chosen.len())
}
