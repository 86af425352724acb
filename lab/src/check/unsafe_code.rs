//! How often Rust files are unsafe, and whether drivers may be.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::check::finding::Check;
use crate::check::{record, unsafety};
use crate::lab::Lab;
use crate::series::verify::Changed;

/// How often a Rust file is unsafe, and was before the series if it was there.
#[derive(Clone, Debug, Serialize)]
struct Unsafe {
    file: String,
    now: unsafety::Count,
    total: usize,
    base: Option<unsafety::Count>,
}

pub fn unsafe_code(lab: &Lab, base: &Path, tree: &Path, changed: &[Changed]) -> Result<Check> {
    let allowed = unsafety::allow_list(&lab.paths.data().join("check/unsafe.toml"))?;
    let read = |tree: &Path, path: &str| {
        let file = tree.join(path);
        fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))
    };
    let mut counts = Vec::new();
    let mut findings = Vec::new();
    for file in changed.iter().filter(|file| file.path.ends_with(".rs")) {
        let text = read(tree, &file.path)?;
        let now = unsafety::count(&text).with_context(|| format!("in {}", file.path))?;
        let base = match file.added {
            true => None,
            false => Some(unsafety::count(&read(base, &file.path)?)?),
        };
        // The abstractions are what drivers do without it for.
        if !file.path.starts_with("rust/") {
            findings.extend(unsafety::judge(&file.path, &text, &allowed)?);
        }
        counts.push(Unsafe {
            file: file.path.clone(),
            now,
            total: now.total(),
            base,
        });
    }
    record::record(lab, "unsafe", &counts)?;
    record::record(lab, "unsafe_allowed", &allowed)?;
    Ok(Check {
        name: "unsafe",
        looked: counts.len(),
        findings,
    })
}
