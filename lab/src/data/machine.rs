//! Machines: what QEMU emulates, as data files. A new board is a new file.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::base::paths::Paths;
use crate::data::named::{self, ALL};
use crate::toolchain::arch::Arch;

/// One file of `lab/data/machines/`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Machine {
    /// The file's name.
    #[serde(skip)]
    pub name: String,
    pub arch: Arch,
    pub kernel_config: String,
    /// Modules that the guest loads, in order, before it looks for the flash.
    #[serde(default)]
    pub modules: Vec<String>,
    /// Other drivers than C's for the same controller: kernel configurations by name.
    #[serde(default)]
    pub driver: BTreeMap<String, Driver>,
    /// What the kernel's `console=` gets.
    pub console: String,
    /// Which of QEMU's serial ports that is, from 0.
    #[serde(default)]
    pub serial_port: u32,
    /// Arguments that make the machine.
    pub qemu: Vec<String>,
    /// How long reading the whole MTD takes under KASAN on a quiet host.
    #[serde(default)]
    pub whole_read_seconds: u64,
    /// What a cycle may take when that is more than scenarios allow, for the time limit
    /// of a boot.
    #[serde(default)]
    pub cycle_seconds: u64,
    /// No boot makes more cycles than this, whatever was asked for.
    pub most_cycles: Option<u32>,
    /// Functions of the controller's driver, beside those of scenarios: a splat counts
    /// when its stack has one. A last `*` stands for anything.
    #[serde(default)]
    pub path: Vec<String>,
    pub flash: Option<Flash>,
    /// Why there is no flash. Tests then have to say that they find none, and nothing is
    /// shown.
    pub skipped: Option<String>,
    pub device_tree: DeviceTree,
    /// Each is a device tree of its own.
    pub compatible: Vec<Compatible>,
    /// Those that are run with other drivers only.
    #[serde(skip)]
    others: Vec<Compatible>,
    /// The driver that the kernel was chosen for, when it is not C's.
    #[serde(skip)]
    pub chosen: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Flash {
    /// In bytes; QEMU wants a backing file of exactly this size.
    pub size: usize,
    pub drive_index: u32,
    /// What QEMU calls the kind of drive.
    #[serde(default = "mtd_drive")]
    pub interface: String,
    /// The device tree gets a partition of this many bytes, at the start and the only one, where
    /// its template has `@partitions@`: that is the MTD then.
    pub partition: Option<usize>,
}

fn mtd_drive() -> String {
    "mtd".to_owned()
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct DeviceTree {
    pub base: Base,
    /// A file of `lab/data/dts/`.
    pub append: Option<String>,
    /// Replacements for `@name@` in that file, beside `@compatible@`.
    #[serde(default)]
    pub values: BTreeMap<String, String>,
}

/// What a device tree starts from.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Base {
    /// What QEMU makes for the machine.
    Qemu,
    /// A file of the kernel that is booted: `arm64/vendor/board.dts`.
    Kernel(String),
    /// A file of `lab/data/dts/`.
    File(String),
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Driver {
    pub kernel_config: String,
    /// In place of the machine's.
    #[serde(default)]
    pub modules: Vec<String>,
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
        let mut machine = Self::read(paths, name)?;
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
            machine.modules.clone_from(&found.modules);
            machine.chosen = Some(driver.to_owned());
        }
        let own = |it: &Compatible| it.driver.is_none() || it.driver.as_deref() == driver;
        (machine.compatible, machine.others) = machine.compatible.into_iter().partition(own);
        if machine.compatible.is_empty() {
            bail!("machine {name} names no compatible");
        }
        Ok(machine)
    }

    /// The machine that is named, or with [`ALL`] each that has the driver and the
    /// binding, with these bindings only.
    pub fn chosen(
        paths: &Paths,
        name: &str,
        driver: Option<&str>,
        compatible: Option<&str>,
    ) -> Result<Vec<Self>> {
        let mut machines = Vec::new();
        if name == ALL {
            for name in named::names(&paths.data().join("machines"))? {
                let machine = Self::read(paths, &name)?;
                if driver.is_none_or(|it| machine.driver.contains_key(it)) {
                    machines.push(Self::load(paths, &name, driver)?);
                }
            }
            if let (Some(driver), true) = (driver, machines.is_empty()) {
                bail!("no machine has a driver '{driver}'");
            }
        } else {
            machines.push(Self::load(paths, name, driver)?);
        }
        let Some(compatible) = compatible else {
            return Ok(machines);
        };
        if let [machine] = &machines[..] {
            machine.compatible(compatible)?;
        }
        let mut known = Vec::new();
        for machine in &mut machines {
            known.extend(machine.compatible.iter().map(|it| it.name.clone()));
            machine.compatible.retain(|it| it.name == compatible);
        }
        machines.retain(|it| !it.compatible.is_empty());
        if machines.is_empty() {
            known.sort();
            known.dedup();
            bail!(
                "no machine has a compatible '{compatible}'; there are: {}",
                known.join(", ")
            );
        }
        Ok(machines)
    }

    fn read(paths: &Paths, name: &str) -> Result<Self> {
        let mut machine: Self = named::load_named(&paths.data().join("machines"), "machine", name)?;
        name.clone_into(&mut machine.name);
        match (&machine.flash, &machine.skipped) {
            (Some(_), Some(_)) => bail!("machine {name} has a flash, so nothing is skipped"),
            (None, None) => bail!("machine {name} says neither which flash it has nor why none"),
            (Some(_), None) if machine.whole_read_seconds == 0 => {
                bail!("machine {name} does not say how long reading its flash takes")
            }
            _ => Ok(machine),
        }
    }

    /// The flash, where there has to be one.
    pub fn flash(&self) -> Result<&Flash> {
        self.flash.as_ref().with_context(|| {
            let why = self.skipped.as_deref().unwrap_or_default();
            format!("{} has no flash: {why}", self.name)
        })
    }

    /// QEMU's arguments for a flash with these contents.
    pub fn drive(flash: &Flash, image: &str) -> [String; 2] {
        let (interface, index) = (&flash.interface, flash.drive_index);
        [
            "-drive".to_owned(),
            format!("if={interface},index={index},format=raw,file={image},snapshot=on"),
        ]
    }

    /// QEMU's arguments for a console on its standard input and output.
    pub fn serial(&self) -> Vec<String> {
        // Ctrl-C in a shell is the guest's.
        let mut words = vec!["-chardev".to_owned(), "stdio,id=console,signal=off".into()];
        for _ in 0..self.serial_port {
            words.extend(["-serial".to_owned(), "none".into()]);
        }
        words.extend(["-serial".to_owned(), "chardev:console".into()]);
        words
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

/// Whether a function is one of `path`, in which a last `*` stands for anything.
pub fn is_on(path: &[String], function: &str) -> bool {
    path.iter().any(|name| match name.strip_suffix('*') {
        Some(start) => function.starts_with(start),
        None => function == name,
    })
}

pub fn pick<'a>(machine: &'a Machine, name: Option<&str>) -> Result<&'a Compatible> {
    match name {
        Some(name) => machine.compatible(name),
        None => machine
            .compatible
            .first()
            .with_context(|| format!("machine {} names no compatible", machine.name)),
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;

    fn paths() -> Paths {
        Paths::at(
            &PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(".."),
            Path::new(""),
        )
    }

    #[test]
    fn every_machine_file_loads() -> Result<()> {
        let names = named::names(&paths().data().join("machines"))?;
        assert!(names.iter().any(|it| it == "amd-versal-virt"));
        assert!(names.iter().all(|it| it != ALL), "the word is taken");
        let configs = crate::data::kernel_config::configs(&paths())?;
        for name in names {
            let machine = Machine::load(&paths(), &name, None)?;
            let config = configs.get(&machine.kernel_config);
            assert!(config.is_some_and(|it| it.arch == machine.arch), "{name}");
            let tree = &machine.device_tree;
            let base = match &tree.base {
                Base::File(base) => Some(base),
                Base::Qemu | Base::Kernel(_) => None,
            };
            for file in base.into_iter().chain(&tree.append) {
                let file = paths().data().join("dts").join(file);
                assert!(file.is_file(), "{name}: {}", file.display());
            }
            if let Some(flash) = &machine.flash {
                assert!(flash.size.is_power_of_two(), "{name}");
                assert!(flash.partition.is_none_or(|it| it <= flash.size), "{name}");
                assert!(
                    !machine.path.is_empty(),
                    "{name} names no driver's functions"
                );
            }
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
    fn all_are_those_with_the_driver_and_the_binding() -> Result<()> {
        let chosen = |name, driver, compatible| -> Result<Vec<String>> {
            let machines = Machine::chosen(&paths(), name, driver, compatible)?;
            Ok(machines.into_iter().map(|it| it.name).collect())
        };
        let every = named::names(&paths().data().join("machines"))?;
        assert_eq!(chosen(ALL, None, None)?, every);
        let versals = ["amd-versal-virt", "amd-versal2-virt"];
        assert_eq!(chosen(ALL, Some("rust"), None)?, versals);
        assert_eq!(chosen(ALL, None, Some("cdns,qspi-nor"))?, versals);
        assert_eq!(chosen("imx8mp-evk", None, None)?, ["imx8mp-evk"]);
        let text = refused(chosen(ALL, Some("ada"), None));
        assert!(text.contains("no machine has a driver 'ada'"), "{text}");
        let text = refused(chosen(ALL, None, Some("x")));
        assert!(
            text.contains("there are: ") && text.contains("aspeed,ast2600-fmc"),
            "{text}"
        );
        let text = refused(chosen("ast2600-evb", None, Some("x")));
        assert!(text.contains("ast2600-evb has no compatible 'x'"), "{text}");
        let text = refused(Machine::load(&paths(), ALL, None));
        assert!(text.contains("unknown machine 'all'"), "{text}");
        Ok(())
    }

    #[test]
    fn what_has_no_flash_says_why() -> Result<()> {
        for name in named::names(&paths().data().join("machines"))? {
            let machine = Machine::load(&paths(), &name, None)?;
            let skipped = machine.skipped.is_some();
            assert_eq!(skipped, name.starts_with("imx8m"), "{name}");
            assert_eq!(machine.flash().is_err(), skipped, "{name}");
        }
        let machine = Machine::load(&paths(), "imx8mp-evk", None)?;
        assert!(refused(machine.flash()).contains("no FlexSPI model"));
        let serial = machine.serial().join(" ");
        assert!(
            serial.ends_with("-serial none -serial chardev:console"),
            "{serial}"
        );
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
