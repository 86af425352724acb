//! Which source a kernel is built from.

use std::fmt;

use anyhow::Result;

use crate::base::paths::Paths;
use crate::series::patches;

/// Which source a kernel is built from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Variant {
    /// The Debian source package as it is.
    Stock,
    /// Stock with patches/ applied (the chosen series), all or the first `upto` of them.
    Series { upto: Option<usize> },
    /// The developer's worktree linux/ as it stands.
    Tree,
    /// One of the above with a mutant of lab/kernel/mutants/ on top.
    Mutant,
    /// One of the above with code on top that is never mailed.
    Overlaid { stock: bool },
    /// One of the above with a benchmark of lab/kernel/bench/ on top.
    Bench,
}

impl Variant {
    /// As arguments of a verb say; `last` is a number or a patch.
    pub fn chosen(paths: &Paths, stock: bool, tree: bool, last: Option<&str>) -> Result<Self> {
        let upto = last
            .map(|last| patches::count_to(paths, last))
            .transpose()?;
        Ok(match (stock, tree) {
            (true, _) => Self::Stock,
            (_, true) => Self::Tree,
            _ => Self::Series { upto },
        })
    }
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stock => f.pad("stock"),
            Self::Series { upto: None } => f.pad("patched"),
            Self::Series { upto: Some(n) } => f.pad(&format!("patched-{n}")),
            Self::Tree => f.pad("tree"),
            Self::Mutant => f.pad("mutant"),
            Self::Overlaid { stock: false } => f.pad("overlaid"),
            Self::Overlaid { stock: true } => f.pad("overlaid-stock"),
            Self::Bench => f.pad("bench"),
        }
    }
}
