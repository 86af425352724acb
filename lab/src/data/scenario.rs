//! Scenarios: which test program runs with which settings, and what must come out,
//! as data files.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::base::paths::Paths;
use crate::data::machine::{self, Machine};
use crate::data::named::{load_named, names};

/// One file of `lab/data/scenarios/`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Scenario {
    /// The file's name.
    #[serde(skip)]
    pub name: String,
    /// Its place in tables.
    pub order: u32,
    pub title: String,
    /// One of those that `demo` shows.
    #[serde(default = "yes")]
    pub demo: bool,
    /// The program ends with a restart of the machine, not with KTAP.
    #[serde(default)]
    pub restart: bool,
    /// A program of the series' kselftest, drivers/mtd, or of lab/guest.
    pub program: String,
    /// Processes that every unbind has to find reading.
    pub readers: u32,
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// How often the program unbinds, when that is not a setting.
    pub fixed_cycles: Option<u32>,
    /// It is one of those that `test` runs, with so many cycles.
    pub test_cycles: Option<u32>,
    /// The machine that it needs, whichever is asked for; with the machine's first binding.
    pub machine: Option<String>,
    /// In place of the machine's.
    pub kernel_config: Option<String>,
    /// Files of `lab/data/dts/`, appended to the machine's device tree.
    #[serde(default)]
    pub device_tree: Vec<String>,
    /// Loaded after the machine's.
    #[serde(default)]
    pub modules: Vec<String>,
    /// Who reads what has to be there, before the first unbind and after each.
    #[serde(default)]
    pub control: Control,
    /// What a stock kernel does.
    #[serde(default)]
    pub stock: Stock,
    pub unbind_limit_ms: u64,
    /// What a cycle may take, for the time limit of the boot.
    pub cycle_seconds: u64,
    /// The path under test: names of functions; a last `*` stands for anything. Those of
    /// the controller's driver are in the machine's file.
    pub path: Vec<String>,
    /// The KTAP tests, all of them, that a kernel has to pass.
    pub tests: Vec<String>,
}

fn yes() -> bool {
    true
}

/// Who makes the control run, and says what was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Control {
    /// The guest's init reads the whole flash, the program windows of it.
    #[default]
    Flash,
    /// The program makes files of bytes that follow from the seed, and reads them.
    Program,
}

/// What a stock kernel has to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stock {
    #[default]
    Fails,
    /// The scenario guards what works: a stock kernel passes as a patched one does.
    Survives,
}

/// In place of a scenario's name: every one that unbinds.
pub const ALL: &str = "all";

impl Scenario {
    pub fn load(paths: &Paths, name: &str) -> Result<Self> {
        let mut scenario: Self = load_named(&paths.data().join("scenarios"), "scenario", name)?;
        name.clone_into(&mut scenario.name);
        Ok(scenario)
    }

    /// All that `demo` shows, in table order.
    pub fn load_all(paths: &Paths) -> Result<Vec<Self>> {
        let mut all = Self::every(paths)?;
        all.retain(|it| it.demo);
        Ok(all)
    }

    /// The one that is named, with [`ALL`] every one that unbinds, and without a name those
    /// that `demo` shows.
    pub fn chosen(paths: &Paths, name: Option<&str>) -> Result<Vec<Self>> {
        match name {
            None => Self::load_all(paths),
            Some(ALL) => {
                let mut all = Self::every(paths)?;
                all.retain(|it| !it.restart);
                Ok(all)
            }
            Some(name) => Ok(vec![Self::load(paths, name)?]),
        }
    }

    /// Those that `test` runs beside the demo's, with as many cycles as it makes.
    pub fn of_test(paths: &Paths) -> Result<Vec<Self>> {
        let mut all = Self::every(paths)?;
        all.retain(|it| it.test_cycles.is_some());
        for it in &mut all {
            it.fixed_cycles = it.test_cycles;
        }
        Ok(all)
    }

    fn every(paths: &Paths) -> Result<Vec<Self>> {
        let mut all = names(&paths.data().join("scenarios"))?
            .iter()
            .map(|name| Self::load(paths, name))
            .collect::<Result<Vec<_>>>()?;
        all.sort_by_key(|it| it.order);
        Ok(all)
    }

    /// It says itself where it runs.
    fn has_its_own_machine(&self) -> bool {
        self.machine.is_some() || self.kernel_config.is_some()
    }

    /// Where it runs when `asked` is asked for. One that names its own machine or kernel is
    /// shown with one binding, which is not what it is about.
    pub fn place(&self, paths: &Paths, asked: &Machine) -> Result<Machine> {
        let mut machine = match &self.machine {
            Some(name) if *name != asked.name => Machine::load(paths, name, None)?,
            _ => asked.clone(),
        };
        if let Some(config) = &self.kernel_config {
            machine.kernel_config.clone_from(config);
        }
        if self.has_its_own_machine() {
            machine.compatible.truncate(1);
        }
        Ok(machine)
    }

    /// The cycles that a run asked for `wanted` makes.
    pub fn cycles(&self, wanted: u32) -> u32 {
        self.fixed_cycles.unwrap_or(wanted)
    }
}

/// A machine with a kernel, and what runs on it.
#[derive(Clone, Debug)]
pub struct Place {
    pub machine: Machine,
    pub scenarios: Vec<Scenario>,
}

/// Where scenarios run: on each of `machines`, or on their own. `config` is a kernel in place
/// of the machines', but for scenarios that name theirs.
pub fn places(
    paths: &Paths,
    machines: &[Machine],
    scenarios: &[Scenario],
    config: Option<&str>,
) -> Result<Vec<Place>> {
    let mut places = Vec::new();
    let (own, others): (Vec<_>, Vec<_>) = scenarios
        .iter()
        .cloned()
        .partition(Scenario::has_its_own_machine);
    if !others.is_empty() {
        for machine in machines {
            places.push(Place {
                machine: machine.clone(),
                scenarios: others.clone(),
            });
        }
    }
    let first_own = places.len();
    for scenario in own {
        let asked = machines.first().context("no machine")?;
        if let (Some(driver), Some(machine)) = (&asked.chosen, &scenario.machine) {
            bail!("{} runs on {machine}, not with {driver}", scenario.name);
        }
        let machine = scenario.place(paths, asked)?;
        let there = places.iter_mut().skip(first_own).find(|it| {
            it.machine.name == machine.name && it.machine.kernel_config == machine.kernel_config
        });
        match there {
            Some(place) => place.scenarios.push(scenario),
            None => places.push(Place {
                machine,
                scenarios: vec![scenario],
            }),
        }
    }
    if let Some(config) = config {
        for place in &mut places {
            if place.scenarios.iter().all(|it| it.kernel_config.is_none()) {
                config.clone_into(&mut place.machine.kernel_config);
            }
        }
    }
    Ok(places)
}

/// Fails when there is no such machine, driver, binding or scenario.
pub fn check_names(
    paths: &Paths,
    machine: &str,
    driver: Option<&str>,
    compatible: Option<&str>,
    scenario: Option<&str>,
) -> Result<()> {
    let machine = Machine::load(paths, machine, driver)?;
    machine::pick(&machine, compatible)?;
    scenario.map_or(Ok(()), |name| Scenario::load(paths, name).map(drop))
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::data::machine::is_on;

    fn paths() -> Paths {
        Paths::at(
            &PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(".."),
            Path::new(""),
        )
    }

    #[test]
    fn the_three_scenarios_of_the_report_load_in_order() -> Result<()> {
        let paths = paths();
        let all = Scenario::load_all(&paths)?;
        let names: Vec<_> = all.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["controller-unbind", "flash-unbind", "held-fd"]);
        assert!(is_on(&all[0].path, "mtd_read_oob_std"));
        assert!(!is_on(&all[0].path, "mtd_readx"));
        assert_eq!((all[0].cycles(7), all[2].cycles(7)), (7, 4));
        assert!(Scenario::load(&paths, "restart-under-read")?.restart);
        Ok(())
    }

    #[test]
    fn every_scenario_has_its_program_and_its_files() -> Result<()> {
        let paths = paths();
        let configs = crate::data::kernel_config::configs(&paths)?;
        let every = Scenario::every(&paths)?;
        let mut orders: Vec<_> = every.iter().map(|it| it.order).collect();
        orders.dedup();
        assert_eq!(orders.len(), every.len(), "two have the same place");
        for it in &every {
            let name = &it.name;
            let own = paths.clone.join("lab/guest").join(&it.program);
            let test = paths.clone.join("tools/testing/selftests/drivers/mtd");
            let test = test.join(&it.program).with_extension("c");
            assert!(own.is_file() || test.is_file(), "{name}: {}", it.program);
            for file in &it.device_tree {
                assert!(
                    paths.data().join("dts").join(file).is_file(),
                    "{name}: {file}"
                );
            }
            if let Some(config) = &it.kernel_config {
                assert!(configs.contains_key(config), "{name}: {config}");
            }
            if let Some(machine) = &it.machine {
                crate::data::machine::Machine::load(&paths, machine, None)?;
            }
            assert!(it.restart || !it.tests.is_empty(), "{name} has no tests");
            let fails = it.stock == Stock::Fails && !it.restart;
            assert!(!fails || !it.path.is_empty(), "{name} has no path");
        }
        assert!(
            Scenario::chosen(&paths, Some(ALL))?
                .iter()
                .all(|it| !it.restart)
        );
        assert!(!Scenario::of_test(&paths)?.is_empty());
        Ok(())
    }
}
