//! Build directories: what each was made from, and whether make can carry on in it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use walkdir::WalkDir;

use crate::base::files::{self, finish, key, temporary};
use crate::base::paths::Paths;
use crate::base::space;
use crate::build::variant::Variant;
use crate::lab::Lab;

/// What a build directory was made from. Kept in it once the build is whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    pub source_version: String,
    pub source_id: String,
    pub config_sha256: String,
    pub toolchain: String,
    /// Which of the trees that stood in this place over time.
    pub tree: String,
}

const STAMP: &str = "lab-stamp.json";

impl Stamp {
    pub fn read(build_dir: &Path) -> Option<Self> {
        let text = fs::read_to_string(build_dir.join(STAMP)).ok()?;
        serde_json::from_str(&text).ok()
    }

    pub fn write(&self, build_dir: &Path) -> Result<()> {
        let text = serde_json::to_string(self).context("a stamp has no JSON form")?;
        let file = build_dir.join(STAMP);
        fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))
    }

    /// Whether make can carry on from what `other` left behind: it sees changed
    /// files and symbols, not another compiler, release or tree.
    fn continues(&self, other: &Self) -> bool {
        self.toolchain == other.toolchain
            && self.source_version == other.source_version
            && self.tree == other.tree
    }
}

/// While a build runs and after it failed, in place of [`STAMP`].
const PARTIAL: &str = "lab-partial.json";

/// Where a kernel that is not stock is built.
pub fn build_dir(paths: &Paths, variant: &Variant, config: &str) -> PathBuf {
    paths.build().join(format!("{variant}-{config}"))
}

pub fn stock_dir(paths: &Paths, config: &str, stamp: &Stamp) -> PathBuf {
    let key = key(&[
        &stamp.source_version,
        &stamp.config_sha256,
        &stamp.toolchain,
    ]);
    // Other names, so that trees that are given do not push the package's builds out.
    let base = match paths.local {
        Some(_) => "local",
        None => "stock",
    };
    paths.cache.join(format!("build-{base}-{config}-{key}"))
}

/// Makes the build directory, keeping what make can carry on from. A new one starts
/// as a copy of `seed`, the stock build as a rule: source trees are copies of the stock tree with its
/// file times, so make then compiles only what the patches change.
pub fn prepare(
    lab: &Lab,
    variant: &Variant,
    build_dir: &Path,
    seed: &Path,
    stamp: &Stamp,
    imported: SystemTime,
) -> Result<()> {
    let paths = &lab.paths;
    let old = Stamp::read(build_dir).or_else(|| {
        let text = fs::read_to_string(build_dir.join(PARTIAL)).ok()?;
        serde_json::from_str(&text).ok()
    });
    if !old.is_some_and(|old| stamp.continues(&old)) {
        // The cache and the clone may be on different file systems.
        let parent = build_dir.parent().unwrap_or(build_dir);
        fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
        space::check_space(parent, 3, "a kernel build")?;
        if build_dir.exists() {
            fs::remove_dir_all(build_dir)
                .with_context(|| format!("cannot remove {}", build_dir.display()))?;
        }
        let temporary = temporary(build_dir)?;
        if *variant != Variant::Stock && Stamp::read(seed).is_some() {
            let step = lab.ui.step("Starting from another build");
            files::copy(seed, &temporary)?;
            age(&temporary, imported)?;
            step.done("");
        } else {
            fs::create_dir(&temporary)
                .with_context(|| format!("cannot make {}", temporary.display()))?;
        }
        finish(&temporary, build_dir)?;
        if *variant == Variant::Stock {
            prune(build_dir)?;
        }
    }
    let partial = serde_json::to_string(stamp).context("a stamp has no JSON form")?;
    fs::write(build_dir.join(PARTIAL), partial)
        .with_context(|| format!("cannot write into {}", build_dir.display()))?;
    match fs::remove_file(build_dir.join(STAMP)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot write into {}", build_dir.display()))
        }
        _ => fs::create_dir_all(paths.ccache()).context("cannot make the ccache directory"),
    }
}

/// How many stock builds of a configuration stay in the cache: clones may stand at
/// different versions of it.
const STOCK_BUILDS: usize = 3;

/// Removes the oldest stock builds beside `build_dir`, whose names differ in the key.
fn prune(build_dir: &Path) -> Result<()> {
    let name = build_dir.file_name().unwrap_or_default().to_string_lossy();
    let (Some(parent), Some((stem, _))) = (build_dir.parent(), name.rsplit_once('-')) else {
        return Ok(());
    };
    let mut builds = Vec::new();
    for entry in fs::read_dir(parent)? {
        let entry = entry?;
        let other = entry.file_name().to_string_lossy().into_owned();
        if other
            .rsplit_once('-')
            .is_some_and(|(other, _)| other == stem)
        {
            builds.push((entry.metadata()?.modified()?, entry.path()));
        }
    }
    builds.sort();
    let excess = builds.len().saturating_sub(STOCK_BUILDS);
    for (_, old) in builds
        .into_iter()
        .take(excess)
        .filter(|(_, old)| old != build_dir)
    {
        fs::remove_dir_all(&old).with_context(|| format!("cannot remove {}", old.display()))?;
    }
    Ok(())
}

/// Gives every file the time at which the stock source was imported: not older than
/// any stock file, and older than any file that was changed since, also when that was
/// before the stock build.
fn age(dir: &Path, time: SystemTime) -> Result<()> {
    for entry in WalkDir::new(dir) {
        let entry = entry.context("cannot read a build directory")?;
        if entry.file_type().is_file() {
            File::open(entry.path())
                .and_then(|file| file.set_modified(time))
                .with_context(|| format!("cannot set the time of {}", entry.path().display()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn make_does_not_carry_on_over_a_new_compiler() {
        let stamp = |toolchain: &str, source_id: &str| Stamp {
            source_version: "1".into(),
            source_id: source_id.into(),
            config_sha256: "c".into(),
            toolchain: toolchain.into(),
            tree: "t".into(),
        };
        assert!(stamp("a", "x").continues(&stamp("a", "y")));
        assert!(!stamp("a", "x").continues(&stamp("b", "x")));
    }
}
