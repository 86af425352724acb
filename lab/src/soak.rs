//! `cargo lab soak`: what takes too long for `test`, in as much time as there is.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use comfy_table::Table;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::ab;
use crate::image::write_whole;
use crate::kernel::{self, Kernel, Lab, Variant};
use crate::machine::{ALL, Compatible, Machine};
use crate::model;
use crate::mutants;
use crate::paths::Paths;
use crate::process;
use crate::qemu::{self, Bench, Job};
use crate::scenario::{self, Place, Scenario};
use crate::toolchain::key;
use crate::ui;
use crate::verdict::Verdict;

mod models;

/// Run what takes long, for as long as asked: mutants, models, C against Rust, demo's cycles
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
    fn ab(&self, paths: &Paths) -> Result<Option<ab::Args>> {
        let machine = match self.machine.as_str() {
            ALL => ab::MACHINE,
            name => name,
        };
        let args = ab::Args {
            machine: machine.to_owned(),
            compatible: self.compatible.clone(),
            ..ab::Args::thorough(self.tree)
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
        good &= run_ab(lab, &args, ab, end)?;
    }
    if args.is_all() || args.demo {
        good &= run_demo(lab, &args, end)?;
    }
    Ok(match good {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

fn run_mutants(lab: &Lab, args: &Args, end: Instant) -> Result<bool> {
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
    Ok(killed == chosen.len())
}

// What is kept.

/// Results of all soaks, one file.
pub fn file(paths: &Paths) -> PathBuf {
    paths.out().join("soak.json")
}

/// Replaces what `part` names in the file and keeps the rest; a damaged file is as none.
pub fn save(paths: &Paths, part: &impl Serialize) -> Result<()> {
    let file = file(paths);
    let mut all: Map<String, Value> = fs::read_to_string(&file)
        .ok()
        .and_then(|text| serde_json::from_str(&text).ok())
        .unwrap_or_default();
    match serde_json::to_value(part).context("results have no JSON form")? {
        Value::Object(part) => all.extend(part),
        _ => bail!("results are no JSON object"),
    }
    let text = serde_json::to_string_pretty(&all).context("results have no JSON form")? + "\n";
    write_whole(&file, text.as_bytes())
}

/// The demo's part of the file.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Kept {
    #[serde(default)]
    demo: Vec<Boot>,
}

/// That of the comparison.
#[derive(Debug, Default, Serialize, Deserialize)]
struct KeptAb {
    #[serde(default)]
    ab: Vec<ab::Boot>,
}

fn kept<T: Default + DeserializeOwned>(paths: &Paths) -> T {
    fs::read_to_string(file(paths))
        .ok()
        .and_then(|text| serde_json::from_str(&text).ok())
        .unwrap_or_default()
}

/// The tree's commit does not say what it holds while files differ from it.
fn is_lasting(source_id: &str) -> bool {
    !source_id.ends_with("-dirty")
}

/// A failed boot's files go where the next boot of its kind does not overwrite them.
fn keep_files(lab: &Lab, dir: &Path, name: &str) -> Result<()> {
    let place = lab.paths.out().join("soak").join(name.replace(',', "-"));
    if place.exists() {
        fs::remove_dir_all(&place).with_context(|| format!("cannot remove {}", place.display()))?;
    }
    fs::create_dir_all(lab.paths.out().join("soak")).context("cannot make out/soak")?;
    fs::rename(dir, &place).with_context(|| format!("cannot make {}", place.display()))?;
    lab.ui.println(format!("kept in {}", place.display()));
    Ok(())
}

// C's driver and Rust's.

/// What is kept goes on only with the same kernel and machine.
fn is_same(boot: &ab::Boot, ready: &ab::Ready) -> bool {
    boot.machine == ready.machine.name
        && boot.source_id == ready.kernel.source_id
        && boot.config_sha256 == ready.kernel.config_sha256
        && is_lasting(&boot.source_id)
}

fn run_ab(lab: &Lab, args: &Args, mut ab: ab::Args, end: Instant) -> Result<bool> {
    let ready = ab::ready(lab, &ab)?;
    let KeptAb { ab: kept } = kept(&lab.paths);
    let (mut boots, others): (Vec<_>, Vec<_>) = kept
        .into_iter()
        .partition(|boot| is_same(boot, &ready) && boot.long == ab.long);
    // With other parts, there has to be time for those.
    let limit = match args.mutants || args.model || args.models || args.demo || args.is_all() {
        true => 1,
        false => usize::MAX,
    };
    let of = |boots: &[ab::Boot], name: &str| -> Vec<u64> {
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
            let boot = ab::boot(lab, &ready, compatible, &ab)?;
            if !boot.is_good() {
                let name = format!("ab-{}-seed-{}", compatible.name, ab.seed);
                keep_files(lab, &ab::dir(lab, &ready.machine, compatible), &name)?;
            }
            boots.push(boot);
            let ab = others.iter().chain(&boots).cloned().collect();
            save(&lab.paths, &KeptAb { ab })?;
        }
        if idle {
            break;
        }
    }
    let names = ready.machine.compatible.iter().map(|it| it.name.as_str());
    boots.retain(|boot| names.clone().any(|name| name == boot.compatible));
    println!("{}", ab::summary(&boots));
    let open = names.filter(|name| of(&boots, name).is_empty()).count();
    let good = boots.iter().filter(|boot| boot.is_good()).count();
    println!(
        "C and Rust: {good} of {} boots as they should be, {open} bindings open",
        boots.len()
    );
    Ok(good == boots.len() && open == 0)
}

// The demo, again and again.

/// What a boot may do at most before the next seed's turn.
const BOOT_CYCLES: u32 = 25;

/// A boot that was judged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Boot {
    /// Of the kernel and the machine.
    key: String,
    machine: String,
    /// None: C's.
    #[serde(default)]
    driver: Option<String>,
    compatible: String,
    scenario: String,
    seed: u64,
    cycles: u32,
    verdict: String,
    /// What the verdict rests on.
    why: String,
    longest_unbind_us: u64,
    readers_interrupted: u32,
    seconds: u64,
    source_id: String,
}

impl Boot {
    fn passed(&self) -> bool {
        self.verdict == "passed"
    }
}

/// A machine with its kernel.
struct Soaked<'a> {
    machine: &'a Machine,
    kernel: Kernel,
    /// Of both.
    key: String,
}

/// One scenario with one binding of a machine.
#[derive(Clone, Copy)]
struct Pair<'a> {
    machine: &'a str,
    driver: Option<&'a str>,
    compatible: &'a Compatible,
    scenario: &'a Scenario,
}

impl Pair<'_> {
    fn name(&self) -> String {
        let name = &self.compatible.name;
        self.driver
            .map_or_else(|| name.clone(), |driver| format!("{name}, {driver}"))
    }

    fn has(&self, boot: &Boot) -> bool {
        boot.machine == self.machine
            && boot.driver.as_deref() == self.driver
            && boot.compatible == self.compatible.name
            && boot.scenario == self.scenario.name
    }

    fn cycles(&self, boots: &[Boot]) -> u32 {
        let own = boots.iter().filter(|boot| self.has(boot));
        own.map(|boot| boot.cycles).sum()
    }

    /// How many cycles the next boot makes; `None` when there were enough.
    fn wants(&self, boots: &[Boot], limit: Option<u32>) -> Option<u32> {
        let left = match limit {
            Some(limit) => limit.saturating_sub(self.cycles(boots)),
            None => BOOT_CYCLES,
        };
        (left > 0).then_some(left.min(BOOT_CYCLES))
    }

    /// The next seed: rounds start from 1, also those of another call.
    fn seed(&self, boots: &[Boot]) -> u64 {
        let own = boots.iter().filter(|boot| self.has(boot));
        own.map(|boot| boot.seed).max().unwrap_or_default() + 1
    }
}

fn run_demo(lab: &Lab, args: &Args, end: Instant) -> Result<bool> {
    let machines = args.machines(&lab.paths)?;
    let scenarios = args.scenarios(&lab.paths)?;
    let variant = match args.tree {
        true => Variant::Tree,
        false => Variant::Series { upto: None },
    };
    let mut soaked = Vec::new();
    let mut pairs = Vec::new();
    let places = scenario::places(&lab.paths, &machines, &scenarios, None)?;
    for Place { machine, scenarios } in &places {
        let kernel = kernel::build(lab, &variant, &machine.kernel_config, machine.arch)?;
        let key = key(&[
            &machine.name,
            &kernel.source_id,
            &kernel.config_sha256,
            lab.toolchain.key(),
        ]);
        for compatible in &machine.compatible {
            for scenario in scenarios {
                let pair = Pair {
                    machine: &machine.name,
                    driver: machine.chosen.as_deref(),
                    compatible,
                    scenario,
                };
                pairs.push((soaked.len(), pair));
            }
        }
        soaked.push(Soaked {
            machine,
            kernel,
            key,
        });
    }

    let (mut boots, others): (Vec<Boot>, Vec<Boot>) =
        kept::<Kept>(&lab.paths).demo.into_iter().partition(|boot| {
            soaked.iter().any(|it| it.key == boot.key) && is_lasting(&boot.source_id)
        });
    'rounds: loop {
        let mut idle = true;
        for (soaked_index, pair) in &pairs {
            let Some(cycles) = pair.wants(&boots, args.cycles) else {
                continue;
            };
            if Instant::now() >= end {
                break 'rounds;
            }
            idle = false;
            boots.push(boot(lab, &soaked[*soaked_index], *pair, &boots, cycles)?);
            let demo = others.iter().chain(&boots).cloned().collect();
            save(&lab.paths, &Kept { demo })?;
        }
        if idle {
            break;
        }
    }
    let pairs: Vec<Pair> = pairs.into_iter().map(|(_, pair)| pair).collect();
    println!("{}", table(&pairs, &boots, args.machine == ALL));
    let open = pairs
        .iter()
        .filter(|pair| match args.cycles {
            Some(limit) => pair.wants(&boots, Some(limit)).is_some(),
            None => pair.cycles(&boots) == 0,
        })
        .count();
    let asked: Vec<&Boot> = boots
        .iter()
        .filter(|boot| pairs.iter().any(|pair| pair.has(boot)))
        .collect();
    let passed = asked.iter().filter(|boot| boot.passed()).count();
    println!(
        "{passed} of {} boots passed, {open} of {} rows open; details in out/soak.json",
        asked.len(),
        pairs.len()
    );
    Ok(passed == asked.len() && open == 0)
}

fn boot(lab: &Lab, soaked: &Soaked, pair: Pair, boots: &[Boot], cycles: u32) -> Result<Boot> {
    let Soaked {
        machine,
        kernel,
        key,
    } = soaked;
    let Pair {
        compatible,
        scenario,
        ..
    } = pair;
    process::check_interrupted()?;
    let seed = pair.seed(boots);
    let bench = Bench::prepare(lab, machine, kernel, seed)?;
    let step = lab.ui.step(format!(
        "{:<18} {:<18} {:<18} seed {seed}, {} cycles",
        machine.name,
        pair.name(),
        scenario.name,
        bench.cycles(scenario, cycles)
    ));
    let job = Job {
        compatible,
        kernel,
        scenario: Some(scenario),
        cycles,
        attempt: 1,
    };
    let judged = bench.judge(job, scenario, |line| {
        if let Some((_, marker)) = line.split_once("# marker: ") {
            step.note(marker);
        }
    })?;
    step.done(qemu::describe(&judged.verdict));
    bench.forget_image();
    let (longest_unbind_us, readers_interrupted) = match judged.verdict {
        Verdict::Passed {
            longest_unbind_us,
            inside,
            ..
        } => (longest_unbind_us, inside),
        Verdict::Restarted { readers } => (0, readers),
        _ => (0, 0),
    };
    let boot = Boot {
        key: key.to_owned(),
        machine: machine.name.clone(),
        driver: machine.chosen.clone(),
        compatible: compatible.name.clone(),
        scenario: scenario.name.clone(),
        seed,
        cycles: bench.cycles(scenario, cycles),
        verdict: judged.verdict.name().to_owned(),
        why: qemu::evidence(&judged.verdict),
        longest_unbind_us,
        readers_interrupted,
        seconds: judged.booted.elapsed.as_secs(),
        source_id: kernel.source_id.clone(),
    };
    if !boot.passed() {
        lab.ui.println(qemu::console_tail(&judged.booted.dir)?);
        let driver = machine.chosen.iter().map(String::as_str);
        let name = [&machine.name, &compatible.name, &scenario.name].map(String::as_str);
        let name: Vec<&str> = driver.chain(name).collect();
        keep_files(
            lab,
            &judged.booted.dir,
            &format!("{}-seed-{seed}", name.join("-")),
        )?;
    }
    Ok(boot)
}

/// With `machines`, of more than one.
fn table(pairs: &[Pair], boots: &[Boot], machines: bool) -> Table {
    let mut table = ui::table([
        ui::binding(machines, "machine", "compatible").as_str(),
        "scenario",
        "cycles",
        "seeds",
        "interrupted",
        "longest",
        "result",
    ]);
    for pair in pairs {
        let own: Vec<&Boot> = boots.iter().filter(|boot| pair.has(boot)).collect();
        let failed: Vec<String> = own
            .iter()
            .filter(|boot| !boot.passed())
            .map(|boot| format!("seed {}: {}: {}", boot.seed, boot.verdict, boot.why))
            .collect();
        let seeds = own.iter().map(|boot| boot.seed);
        let longest = own.iter().map(|boot| boot.longest_unbind_us).max();
        let readers: u32 = own.iter().map(|boot| boot.readers_interrupted).sum();
        let result = match (own.is_empty(), failed.is_empty()) {
            (true, _) => "open: no time left".to_owned(),
            (_, true) => "passed".to_owned(),
            _ => failed.join("\n"),
        };
        table.add_row([
            ui::binding(machines, pair.machine, &pair.name()),
            pair.scenario.name.clone(),
            pair.cycles(boots).to_string(),
            match (seeds.clone().min(), seeds.max()) {
                (Some(first), Some(last)) => format!("{first}-{last}"),
                _ => String::new(),
            },
            readers.to_string(),
            format!("{} ms", longest.unwrap_or_default() / 1000),
            result,
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boot(scenario: &str, seed: u64, cycles: u32) -> Boot {
        Boot {
            key: "k".into(),
            machine: "amd-versal-virt".into(),
            driver: None,
            compatible: "cdns,qspi-nor".into(),
            scenario: scenario.into(),
            seed,
            cycles,
            verdict: "passed".into(),
            why: String::new(),
            longest_unbind_us: 1000 * seed,
            readers_interrupted: 4,
            seconds: 1,
            source_id: "id".into(),
        }
    }

    #[test]
    fn a_later_call_goes_on() -> Result<()> {
        let paths = Paths::find()?;
        let machine = Machine::load(&paths, "amd-versal-virt", None)?;
        let scenario = Scenario::load(&paths, "flash-unbind")?;
        let pair = Pair {
            machine: &machine.name,
            driver: None,
            compatible: machine.compatible("cdns,qspi-nor")?,
            scenario: &scenario,
        };
        assert_eq!((pair.seed(&[]), pair.wants(&[], Some(40))), (1, Some(25)));
        let mut boots = vec![boot("flash-unbind", 1, 25), boot("held-fd", 7, 4)];
        assert_eq!(
            (pair.seed(&boots), pair.wants(&boots, Some(40))),
            (2, Some(15))
        );
        assert_eq!(pair.wants(&boots, None), Some(BOOT_CYCLES));
        boots.push(boot("flash-unbind", 2, 15));
        // Those of another machine do not count.
        boots.push(Boot {
            machine: "amd-versal2-virt".into(),
            ..boot("flash-unbind", 9, 7)
        });
        // Nor do those with another driver.
        boots.push(Boot {
            driver: Some("rust".into()),
            ..boot("flash-unbind", 9, 7)
        });
        assert_eq!(pair.wants(&boots, Some(40)), None);
        let text = table(&[pair], &boots, false).to_string();
        assert!(text.contains("1-2") && text.contains("40"), "{text}");
        boots[2].verdict = "failed".into();
        let text = table(&[pair], &boots, false).to_string();
        assert!(text.contains("seed 2: failed"), "{text}");
        Ok(())
    }

    #[test]
    fn parts_of_the_file_do_not_disturb_each_other() -> Result<()> {
        let dir = tempfile::tempdir()?;
        let paths = Paths::at(dir.path(), dir.path());
        let demo = vec![boot("a", 1, 2)];
        save(&paths, &Kept { demo: demo.clone() })?;
        save(&paths, &mutants::Results::default())?;
        assert_eq!(kept::<Kept>(&paths).demo, demo);
        fs::write(file(&paths), "{ half")?;
        assert_eq!(kept::<Kept>(&paths).demo, []);
        save(&paths, &Kept { demo: demo.clone() })?;
        assert_eq!(kept::<Kept>(&paths).demo, demo);
        Ok(())
    }
}
