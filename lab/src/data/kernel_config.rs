//! Named kernel configurations.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::base::paths::Paths;
use crate::toolchain::arch::Arch;

/// One entry of `lab/data/kernel/configs.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// One line for `--help` and error messages.
    pub about: String,
    pub arch: Arch,
    /// A configuration that differs little: what is built for that is a good start.
    #[serde(default)]
    pub like: Option<String>,
    /// The lab's own modules are built for it, for the guest.
    #[serde(default)]
    pub guest_modules: bool,
    pub fragments: Vec<String>,
}

/// All named configurations.
pub fn configs(paths: &Paths) -> Result<BTreeMap<String, Config>> {
    let file = paths.data().join("kernel/configs.toml");
    let text =
        fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    toml::from_str(&text).with_context(|| format!("cannot understand {}", file.display()))
}

/// A named configuration.
pub fn config(paths: &Paths, name: &str) -> Result<Config> {
    let mut all = configs(paths)?;
    let Some(found) = all.remove(name) else {
        let known: Vec<String> = all
            .iter()
            .map(|(name, config)| format!("{name} ({})", config.about))
            .collect();
        bail!(
            "there is no kernel configuration {name}; there are: {}",
            known.join(", ")
        );
    };
    Ok(found)
}
