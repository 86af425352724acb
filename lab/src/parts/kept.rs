//! out/soak.json: what was found out, and is not repeated.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::base::files::write_whole;
use crate::base::paths::Paths;
use crate::lab::Lab;

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

pub fn kept<T: Default + DeserializeOwned>(paths: &Paths) -> T {
    fs::read_to_string(file(paths))
        .ok()
        .and_then(|text| serde_json::from_str(&text).ok())
        .unwrap_or_default()
}

/// The tree's commit does not say what it holds while files differ from it.
pub fn is_lasting(source_id: &str) -> bool {
    !source_id.ends_with("-dirty")
}

/// A failed boot's files go where the next boot of its kind does not overwrite them.
pub fn keep_files(lab: &Lab, dir: &Path, name: &str) -> Result<()> {
    let place = lab.paths.out().join("soak").join(name.replace(',', "-"));
    if place.exists() {
        fs::remove_dir_all(&place).with_context(|| format!("cannot remove {}", place.display()))?;
    }
    fs::create_dir_all(lab.paths.out().join("soak")).context("cannot make out/soak")?;
    fs::rename(dir, &place).with_context(|| format!("cannot make {}", place.display()))?;
    lab.ui.println(format!("kept in {}", place.display()));
    Ok(())
}
