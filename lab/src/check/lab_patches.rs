//! The lab's patches apply to the series.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::build::layers;
use crate::check::coccinelle;
use crate::check::finding::Check;
use crate::lab::Lab;

/// Where there are patches that apply on top of the series.
const ON_TOP: [&str; 4] = ["attempts", "bench", "inside", "mutants"];

/// Nothing else notices before they are used, which for most is in `soak` only.
pub fn lab_patches(lab: &Lab, tree: &Path) -> Result<Check> {
    let mut check = Check {
        name: "lab patches",
        looked: 0,
        findings: Vec::new(),
    };
    for dir in ON_TOP {
        let dir = lab.paths.clone.join("lab/kernel").join(dir);
        for file in coccinelle::files_in(&dir, "patch")? {
            let patch =
                fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
            check.looked += 1;
            if let Some(why) = layers::misfit(tree, &patch)? {
                let name = file.strip_prefix(&lab.paths.clone).unwrap_or(&file);
                check.findings.push(format!("{}: {why}", name.display()));
            }
        }
    }
    Ok(check)
}
