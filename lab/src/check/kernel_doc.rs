//! Warnings of kernel-doc that the base has not.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::LazyLock;

use anyhow::{Result, bail};
use regex::Regex;

use crate::base::process;
use crate::check::finding::Check;
use crate::lab::Lab;
use crate::series::verify::Changed;
use crate::toolchain::enter::Bind;

pub fn kernel_doc(lab: &Lab, base: &Path, tree: &Path, changed: &[Changed]) -> Result<Check> {
    let sources = |file: &&Changed| file.path.ends_with(".c") || file.path.ends_with(".h");
    let now: Vec<&str> = changed
        .iter()
        .filter(sources)
        .map(|file| file.path.as_str())
        .collect();
    let before: Vec<&str> = changed
        .iter()
        .filter(sources)
        .filter(|file| !file.added)
        .map(|file| file.path.as_str())
        .collect();
    let findings = fresh(
        &documentation(lab, base, &before)?,
        &documentation(lab, tree, &now)?,
    );
    Ok(Check {
        name: "kernel-doc",
        looked: now.len(),
        findings,
    })
}

/// What kernel-doc says of files of a tree, line by line.
fn documentation(lab: &Lab, tree: &Path, files: &[&str]) -> Result<Vec<String>> {
    if files.is_empty() {
        return Ok(Vec::new());
    }
    let mut command = lab
        .toolchain
        .command(&[Bind::read_only(tree, "/linux")], "sh");
    command
        .args([
            "-c",
            "cd /linux && exec python3 -B scripts/kernel-doc -none -Wall \"$@\"",
            "kernel-doc",
        ])
        .args(files);
    let (status, _, said) = process::capture(&mut command)?;
    let lines: Vec<String> = said.lines().map(str::to_owned).collect();
    let foreign = lines
        .iter()
        .any(|line| line.starts_with("Traceback") || line.contains("python3:"));
    // Its status is the number of errors, if at all.
    if foreign || (!status.success() && lines.is_empty()) {
        bail!("kernel-doc does not work: {}", said.trim_end());
    }
    Ok(lines)
}

/// Lines of `after` that are not, line numbers aside, in `before` as often.
pub fn fresh(before: &[String], after: &[String]) -> Vec<String> {
    static NUMBER: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r":\d+\b").expect("a constant expression"));
    let neutral = |line: &String| NUMBER.replace(line, "").into_owned();
    // A comment that documents two things is warned about twice in the same words.
    let once = |lines: &[String]| -> BTreeSet<String> { lines.iter().cloned().collect() };
    let mut known: BTreeMap<String, usize> = BTreeMap::new();
    for line in &once(before) {
        *known.entry(neutral(line)).or_default() += 1;
    }
    once(after)
        .iter()
        .filter(|line| match known.get_mut(&neutral(line)) {
            Some(count) if *count > 0 => {
                *count -= 1;
                false
            }
            _ => true,
        })
        .map(|line| line.trim_start_matches("Warning: ").to_owned())
        .collect()
}
