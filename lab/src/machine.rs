//! Machines: what QEMU emulates, as data files. A new board is a new file.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::paths::Paths;
use crate::toolchain::Arch;

/// One file of `lab/data/machines/`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Machine {
    /// The file's name.
    #[serde(skip)]
    pub name: String,
    pub arch: Arch,
    pub kernel_config: String,
    /// Other drivers than C's for the same controller: kernel configurations by name.
    #[serde(default)]
    pub driver: BTreeMap<String, Driver>,
    /// What the kernel's `console=` gets.
    pub console: String,
    /// Arguments that make the machine.
    pub qemu: Vec<String>,
    /// How long reading the whole flash takes under KASAN on a quiet host.
    pub whole_read_seconds: u64,
    pub flash: Flash,
    pub device_tree: DeviceTree,
    /// Each is a device tree of its own.
    pub compatible: Vec<Compatible>,
    /// Those that are run with other drivers only.
    #[serde(skip)]
    others: Vec<Compatible>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Flash {
    /// In bytes; QEMU wants a backing file of exactly this size.
    pub size: usize,
    pub drive_index: u32,
}

/// QEMU's own tree with a file of `lab/data/dts/` appended.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct DeviceTree {
    pub append: String,
    /// Replacements for `@name@` in that file, beside `@compatible@`.
    #[serde(default)]
    pub values: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Driver {
    pub kernel_config: String,
}

/// A value of the controller node's `compatible` property.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Compatible {
    /// What results call it.
    pub name: String,
    pub list: Vec<String>,
    /// Run with this driver only.
    pub driver: Option<String>,
}

impl Machine {
    /// The machine with a kernel that has the driver `driver`, or C's by default, and
    /// with the bindings that are run with it.
    pub fn load(paths: &Paths, name: &str, driver: Option<&str>) -> Result<Self> {
        let mut machine: Self = load_named(&paths.data().join("machines"), "machine", name)?;
        name.clone_into(&mut machine.name);
        if let Some(driver) = driver {
            let Some(found) = machine.driver.get(driver) else {
                if machine.driver.is_empty() {
                    bail!("{name} has no driver '{driver}', only C's");
                }
                let known: Vec<_> = machine.driver.keys().map(String::as_str).collect();
                bail!(
                    "{name} has no driver '{driver}'; it has: {}",
                    known.join(", ")
                );
            };
            machine.kernel_config.clone_from(&found.kernel_config);
        }
        let own = |it: &Compatible| it.driver.is_none() || it.driver.as_deref() == driver;
        (machine.compatible, machine.others) = machine.compatible.into_iter().partition(own);
        if machine.compatible.is_empty() {
            bail!("machine {name} names no compatible");
        }
        Ok(machine)
    }

    pub fn compatible(&self, name: &str) -> Result<&Compatible> {
        if let Some(found) = self.compatible.iter().find(|it| it.name == name) {
            return Ok(found);
        }
        let other = self.others.iter().find(|it| it.name == name);
        if let Some(driver) = other.and_then(|it| it.driver.as_deref()) {
            bail!("{name} is run with --driver {driver} only");
        }
        let known: Vec<_> = self.compatible.iter().map(|it| it.name.as_str()).collect();
        bail!(
            "{} has no compatible '{name}'; it has: {}",
            self.name,
            known.join(", ")
        )
    }
}

/// Reads `dir/name.toml`; when there is none, the error lists those there are.
pub fn load_named<T: serde::de::DeserializeOwned>(dir: &Path, what: &str, name: &str) -> Result<T> {
    let known = names(dir)?;
    if !known.iter().any(|it| it == name) {
        bail!("unknown {what} '{name}'; known: {}", known.join(", "));
    }
    let path = dir.join(name).with_extension("toml");
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("cannot read {}", path.display()))?;
    toml::from_str(&text).with_context(|| format!("{} is wrong", path.display()))
}

/// The names of the data files in `dir`, sorted.
pub fn names(dir: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    let entries = dir
        .read_dir()
        .with_context(|| format!("cannot read {}", dir.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|it| it == "toml")
            && let Some(stem) = path.file_stem().and_then(|it| it.to_str())
        {
            names.push(stem.to_owned());
        }
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn paths() -> Paths {
        Paths::at(
            &PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(".."),
            Path::new(""),
        )
    }

    #[test]
    fn every_machine_file_loads() -> Result<()> {
        let names = names(&paths().data().join("machines"))?;
        assert!(names.iter().any(|it| it == "amd-versal-virt"));
        for name in names {
            let machine = Machine::load(&paths(), &name, None)?;
            for driver in machine.driver.keys() {
                Machine::load(&paths(), &name, Some(driver))?;
            }
        }
        Ok(())
    }

    fn refused(result: Result<impl Sized>) -> String {
        let error = result.map(drop).map_err(|error| format!("{error:#}"));
        error.err().unwrap_or_default()
    }

    #[test]
    fn a_wrong_name_lists_the_known_ones() {
        let text = refused(Machine::load(&paths(), "pdp11", None));
        assert!(text.contains("unknown machine 'pdp11'"), "{text}");
        assert!(text.contains("amd-versal-virt"), "{text}");
        let text = refused(Machine::load(&paths(), "amd-versal-virt", Some("ada")));
        assert!(text.contains("no driver 'ada'; it has: rust"), "{text}");
    }

    #[test]
    fn a_driver_has_its_own_kernel_and_bindings() -> Result<()> {
        let c = Machine::load(&paths(), "amd-versal-virt", None)?;
        let rust = Machine::load(&paths(), "amd-versal-virt", Some("rust"))?;
        assert_ne!(c.kernel_config, rust.kernel_config);
        let text = refused(c.compatible("mobileye,eyeq5-ospi"));
        assert!(text.contains("with --driver rust only"), "{text}");
        assert!(rust.compatible("mobileye,eyeq5-ospi").is_ok());
        assert!(rust.compatible("cdns,qspi-nor").is_ok());
        Ok(())
    }

    #[test]
    fn a_wrong_compatible_lists_those_of_the_machine() -> Result<()> {
        let machine = Machine::load(&paths(), "amd-versal-virt", None)?;
        assert!(machine.compatible("cdns,qspi-nor").is_ok());
        let text = refused(machine.compatible("x"));
        assert!(text.contains("intel,socfpga-qspi"), "{text}");
        Ok(())
    }
}
