//! out/check.json

use std::fs;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::lab::Lab;

/// Puts `value` into out/check.json, beside what other parts put there.
pub fn record(lab: &Lab, key: &str, value: &impl Serialize) -> Result<()> {
    let file = lab.paths.out().join("check.json");
    let mut all: serde_json::Map<String, serde_json::Value> = fs::read_to_string(&file)
        .ok()
        .and_then(|text| serde_json::from_str(&text).ok())
        .unwrap_or_default();
    let value = serde_json::to_value(value).context("a check has no JSON form")?;
    all.insert(key.to_owned(), value);
    let text = serde_json::to_string_pretty(&all).context("the checks have no JSON form")?;
    fs::write(&file, text + "\n").with_context(|| format!("cannot write {}", file.display()))
}
