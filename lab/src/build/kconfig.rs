//! Kernel configurations: fragments merged, and whether Kconfig gave what was asked for.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::base::files::key;
use crate::base::paths::Paths;
use crate::data::kernel_config::{self, Config};

/// Whether the configuration of a build directory has modules in it.
pub fn has_modules(build_dir: &Path) -> Result<bool> {
    let file = build_dir.join(".config");
    let text =
        fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(symbols(&text)?.values().any(|value| value == "m"))
}

/// What was asked of each symbol; the name without `CONFIG_`.
pub type Symbols = BTreeMap<String, String>;

/// Symbols of a fragment or of a `.config`; "is not set" is `n`.
pub fn symbols(text: &str) -> Result<Symbols> {
    let mut symbols = Symbols::new();
    for line in text.lines().map(str::trim) {
        let off = line
            .strip_prefix("# CONFIG_")
            .and_then(|rest| rest.strip_suffix(" is not set"));
        if let Some(name) = off {
            symbols.insert(name.to_owned(), "n".to_owned());
        } else if !line.is_empty() && !line.starts_with('#') {
            let (name, value) = line
                .strip_prefix("CONFIG_")
                .and_then(|rest| rest.split_once('='))
                .with_context(|| format!("not a line of a kernel configuration: {line}"))?;
            symbols.insert(name.to_owned(), value.to_owned());
        }
    }
    Ok(symbols)
}

/// The fragments of a configuration merged.
pub fn wanted(paths: &Paths, config: &Config) -> Result<Symbols> {
    let mut merged = Symbols::new();
    for fragment in &config.fragments {
        let file = paths.data().join(format!("kernel/{fragment}.config"));
        let text =
            fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        merged.extend(symbols(&text).with_context(|| format!("in {}", file.display()))?);
    }
    Ok(merged)
}

/// The text of a fragment that asks for `symbols`.
pub fn fragment(symbols: &Symbols) -> String {
    symbols
        .iter()
        .map(|(name, value)| match value.as_str() {
            "n" => format!("# CONFIG_{name} is not set\n"),
            value => format!("CONFIG_{name}={value}\n"),
        })
        .collect()
}

/// Symbols that the final configuration has otherwise than asked, as lines.
pub fn unmet(wanted: &Symbols, have: &Symbols) -> Vec<String> {
    let off = "n".to_owned();
    wanted
        .iter()
        .filter_map(|(name, want)| {
            let have = have.get(name).unwrap_or(&off);
            (have != want).then(|| format!("CONFIG_{name}: asked for {want}, is {have}"))
        })
        .collect()
}

/// The symbols of another configuration.
pub fn wanted_of(paths: &Paths, config_name: &str) -> Result<Symbols> {
    wanted(paths, &kernel_config::config(paths, config_name)?)
}

/// Names what a configuration asks for; another word in its fragments, another key.
pub fn config_key(paths: &Paths, config_name: &str) -> Result<String> {
    let config = kernel_config::config(paths, config_name)?;
    Ok(key(&[&fragment(&wanted(paths, &config)?)]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fragments_merge_and_print() -> Result<()> {
        let mut merged = symbols("# a comment\nCONFIG_A=y\nCONFIG_S=\"x=y\"\n")?;
        merged.extend(symbols("# CONFIG_A is not set\nCONFIG_N=8\n")?);
        assert_eq!(
            fragment(&merged),
            "# CONFIG_A is not set\nCONFIG_N=8\nCONFIG_S=\"x=y\"\n"
        );
        assert!(symbols("FOO=y").is_err());
        Ok(())
    }

    #[test]
    fn dropped_symbols_are_named() -> Result<()> {
        let wanted = symbols("CONFIG_A=y\nCONFIG_B=y\n# CONFIG_C is not set\nCONFIG_D=8\n")?;
        let have = symbols("CONFIG_A=y\nCONFIG_D=4\n# CONFIG_B is not set\n")?;
        assert_eq!(
            unmet(&wanted, &have),
            ["CONFIG_B: asked for y, is n", "CONFIG_D: asked for 8, is 4"]
        );
        Ok(())
    }

    #[test]
    fn every_committed_configuration_reads() -> Result<()> {
        let paths = Paths::find()?;
        for (name, config) in kernel_config::configs(&paths)? {
            assert!(!config.about.is_empty(), "{name}");
            assert!(!wanted(&paths, &config)?.is_empty(), "{name}");
        }
        Ok(())
    }
}
