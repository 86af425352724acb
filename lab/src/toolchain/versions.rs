//! Versions of the tools in the toolchain root.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::base::process;
use crate::toolchain::apt;
use crate::toolchain::enter::{self, Whose};

/// Name, command that prints the version, the lowest that will do.
const VERSIONS: &[(&str, &str, &[u32])] = &[
    ("b4", "b4 --version", &[]),
    ("bindgen", "bindgen --version", &[0, 71]),
    ("ccache", "ccache --version", &[]),
    ("clang", "clang-19 --version", &[19]),
    ("dtc", "dtc --version", &[]),
    ("ld.lld", "ld.lld-19 --version", &[19]),
    ("make", "make --version", &[]),
    ("pahole", "pahole --version", &[]),
    ("qemu", "qemu-system-aarch64 --version", &[11]),
    ("rustc", "rustc --version", &[1, 96]),
    ("sparse", "sparse --version", &[]),
    ("spatch", "spatch --version", &[]),
];

pub fn ask_versions(root: &Path) -> Result<BTreeMap<String, String>> {
    let mut versions = BTreeMap::new();
    for (name, command, lowest) in VERSIONS {
        let said = process::output(enter::enter(Whose::Own, root, &[], "sh").args(["-c", command]))
            .with_context(|| format!("{name} does not run in the new root"))?;
        let line = said.lines().next().unwrap_or_default().trim();
        if !at_least(line, lowest) {
            bail!(
                "{} and {} have only this {name}: {line}; at least {lowest:?} is needed",
                apt::SUITE,
                apt::BACKPORTS
            );
        }
        versions.insert((*name).to_owned(), line.to_owned());
    }
    Ok(versions)
}

/// Whether the first dotted number in `line` is `lowest` or more.
pub fn at_least(line: &str, lowest: &[u32]) -> bool {
    if lowest.is_empty() {
        return true;
    }
    let Some(start) = line.find(|c: char| c.is_ascii_digit()) else {
        return false;
    };
    let version: Vec<u32> = line[start..]
        .split(|c: char| !c.is_ascii_digit())
        .map_while(|part| part.parse().ok())
        .collect();
    version.as_slice() >= lowest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_number() {
        assert!(at_least("rustc 1.96.0 (abc 2026-05-01)", &[1, 96]));
        assert!(at_least("Debian clang version 19.1.7 (3)", &[19]));
        assert!(!at_least("rustc 1.85.1", &[1, 96]));
        assert!(!at_least("QEMU emulator version 10.0.2", &[11]));
        assert!(!at_least("no number", &[1]));
        assert!(at_least("no number", &[]));
    }
}
