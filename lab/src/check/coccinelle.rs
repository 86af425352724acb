//! The series' Coccinelle rules, held against what is marked.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use anyhow::{Context, Result, bail};
use regex::Regex;

use crate::base::process;
use crate::check::finding::Check;
use crate::lab::Lab;
use crate::toolchain::enter::Bind;

/// The rules of the series; each has a folder of examples with its name. Their context mode marks
/// lines without Python, which other modes need and the toolchain's spatch has not.
const RULES: &[&str] = &["mtd_device", "spi_controller"];

/// Each example by itself, so that no rule combines two.
const SPATCH: &str = r#"
set -e
cd /examples
for file in *.c; do
	spatch --very-quiet -D context --sp-file "/linux/$1" "$file" 2>&1
done
"#;

/// The files in `dir` whose names end so, by name.
pub fn files_in(dir: &Path, end: &str) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(dir)
        .and_then(|dir| dir.collect::<std::io::Result<Vec<_>>>())
        .with_context(|| format!("cannot read {}", dir.display()))?;
    let mut files: Vec<_> = entries.iter().map(fs::DirEntry::path).collect();
    files.retain(|file| file.extension().is_some_and(|it| it == end));
    files.sort();
    Ok(files)
}

/// In the examples, the rule finds the lines that end with this, and no others.
const FIRES: &str = "/* FIRES */";

pub fn coccinelle(lab: &Lab, tree: &Path) -> Result<Check> {
    let mut check = Check {
        name: "coccinelle",
        looked: 0,
        findings: Vec::new(),
    };
    for name in RULES {
        let file = format!("scripts/coccinelle/free/{name}.cocci");
        // With --series, it may not be there.
        if tree.join(&file).exists() {
            let (looked, findings) = one(lab, tree, name, &file)?;
            check.looked += looked;
            check.findings.extend(findings);
        }
    }
    Ok(check)
}

/// How many examples there are, and what is wrong with the rule.
fn one(lab: &Lab, tree: &Path, name: &str, rule: &str) -> Result<(usize, Vec<String>)> {
    let examples = lab.paths.clone.join("lab/kernel/coccinelle").join(name);
    let mut wanted = BTreeSet::new();
    let files = files_in(&examples, "c")?;
    for path in &files {
        let text =
            fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let name = path.file_name().unwrap_or_default();
        let name = name.to_string_lossy().into_owned();
        let marks = text.lines().enumerate();
        let marks = marks.filter(|(_, line)| line.ends_with(FIRES));
        wanted.extend(marks.map(|(index, _)| (name.clone(), index + 1)));
    }
    if wanted.is_empty() {
        bail!("no line in {} ends with {FIRES}", examples.display());
    }
    let binds = [
        Bind::read_only(tree, "/linux"),
        Bind::read_only(&examples, "/examples"),
    ];
    let mut command = lab.toolchain.command(&binds, "sh");
    let said = process::output(command.args(["-c", SPATCH, "spatch", rule]))?;
    let found = removed(&said).context("spatch wrote what is not a diff")?;
    let place = |(file, line): &(String, usize)| format!("{}/{file}:{line}", examples.display());
    let missed = wanted.difference(&found);
    let wrong = found.difference(&wanted);
    let findings = missed
        .map(|at| format!("{}: {rule} does not fire", place(at)))
        .chain(wrong.map(|at| format!("{}: {rule} fires", place(at))))
        .collect();
    Ok((files.len(), findings))
}

/// The lines that unified diffs take away, by file and number.
pub fn removed(diff: &str) -> Result<BTreeSet<(String, usize)>> {
    static HUNK: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"^@@ -(\d+)(?:,\d+)? \+").expect("a constant expression"));
    let mut lines = BTreeSet::new();
    let mut file = None;
    let mut number = None;
    for line in diff.lines() {
        if let Some(path) = line.strip_prefix("--- ") {
            let name = path.rsplit('/').next().unwrap_or(path);
            file = Some(name.split('\t').next().unwrap_or(name).to_owned());
            number = None;
        } else if line.starts_with("+++ ") || line.starts_with("diff ") {
            continue;
        } else if let Some(hunk) = HUNK.captures(line) {
            number = Some(hunk[1].parse::<usize>()?);
        } else {
            let (Some(file), Some(number)) = (&file, &mut number) else {
                bail!("{line:?}");
            };
            match line.as_bytes().first() {
                Some(b'-') => {
                    lines.insert((file.clone(), *number));
                    *number += 1;
                }
                Some(b' ') | None => *number += 1,
                Some(b'+' | b'\\') => {}
                _ => bail!("{line:?}"),
            }
        }
    }
    Ok(lines)
}
