//! Data files that are chosen by name.

use std::path::Path;

use anyhow::{Context, Result, bail};

/// What stands for every machine, where more than one may be named.
pub const ALL: &str = "all";

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
