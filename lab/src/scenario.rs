//! Scenarios: which test program runs with which settings, and what must come out,
//! as data files.

use std::collections::BTreeMap;

use anyhow::Result;
use serde::Deserialize;

use crate::machine::{load_named, names};
use crate::paths::Paths;

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

impl Scenario {
    pub fn load(paths: &Paths, name: &str) -> Result<Self> {
        let mut scenario: Self = load_named(&paths.data().join("scenarios"), "scenario", name)?;
        name.clone_into(&mut scenario.name);
        Ok(scenario)
    }

    /// All that `demo` shows, in table order.
    pub fn load_all(paths: &Paths) -> Result<Vec<Self>> {
        let mut all = names(&paths.data().join("scenarios"))?
            .iter()
            .map(|name| Self::load(paths, name))
            .collect::<Result<Vec<_>>>()?;
        all.retain(|it| it.demo);
        all.sort_by_key(|it| it.order);
        Ok(all)
    }

    /// The cycles that a run asked for `wanted` makes.
    pub fn cycles(&self, wanted: u32) -> u32 {
        self.fixed_cycles.unwrap_or(wanted)
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::machine::is_on;

    #[test]
    fn the_three_scenarios_of_the_report_load_in_order() -> Result<()> {
        let paths = Paths::at(
            &PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(".."),
            Path::new(""),
        );
        let all = Scenario::load_all(&paths)?;
        let names: Vec<_> = all.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["controller-unbind", "flash-unbind", "held-fd"]);
        assert!(is_on(&all[0].path, "mtd_read_oob_std"));
        assert!(!is_on(&all[0].path, "mtd_readx"));
        assert_eq!((all[0].cycles(7), all[2].cycles(7)), (7, 4));
        assert!(Scenario::load(&paths, "restart-under-read")?.restart);
        Ok(())
    }
}
