//! Trees that start as copies of the stock tree, with its file times.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;
use std::time::SystemTime;

use anyhow::{Context, Result};

use crate::base::ui::Ui;
use crate::base::{git, process, space};
use crate::source::tree::{BASE, Source};

/// A clone of the stock repository, with nothing checked out. It shares objects that
/// the cache can get again; one that was given may be gone by then.
pub fn clone(source: &Source, dir: &Path, given: bool) -> Result<()> {
    let parent = dir.parent().unwrap_or(dir);
    fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
    process::output(
        git::git(parent)
            .args(["clone", "--quiet", "--no-checkout"])
            .args((!given).then_some("--shared"))
            .arg(&source.dir)
            .arg(dir),
    )?;
    git::configure(dir)?;
    git::run(dir, ["remote", "remove", "origin"])?;
    git::run(dir, ["update-ref", "--no-deref", "HEAD", &source.base])?;
    git::run(dir, ["branch", "--quiet", "--delete", "--force", BASE])?;
    git::run(dir, ["tag", BASE, &source.base])
}

/// In a populated tree: tells it from one made earlier or later in the same place. File
/// times say what changed within one tree only.
const TREE_ID: &str = ".git/lab-tree";

/// See [`TREE_ID`]; empty for the stock tree, which does not change.
pub fn tree_id(dir: &Path) -> String {
    fs::read_to_string(dir.join(TREE_ID)).unwrap_or_default()
}

/// How [`populate`] makes files.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Files {
    /// As hard links of the stock tree's where that is possible: for a tree that only
    /// git changes, which replaces files and never writes into them.
    Linked,
    /// For a tree that people change: their editors may write into a file.
    Copied,
}

/// Checks the base out from the stock tree with its file times: what the series does
/// not touch is then older than the stock build. The index comes last and says that
/// the tree is whole.
pub fn populate(ui: &Ui, source: &Source, dir: &Path, files: Files) -> Result<()> {
    let index = dir.join(".git/index");
    if index.exists() {
        return Ok(());
    }
    let linked = files == Files::Linked && source.dir.metadata()?.dev() == dir.metadata()?.dev();
    space::check_space(dir, if linked { 1 } else { 3 }, "a kernel tree")?;
    let step = ui.step("Copying the kernel source");
    let mut copy = Command::new("cp");
    copy.args(["--archive", "--force"])
        .arg(if linked { "--link" } else { "--reflink=auto" })
        .arg("--target-directory")
        .arg(dir);
    for entry in fs::read_dir(&source.dir)? {
        let entry = entry?;
        if entry.file_name() != ".git" {
            copy.arg(entry.path());
        }
    }
    process::output(&mut copy).context("cannot copy the kernel source")?;
    let made = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .context("the clock is before 1970")?;
    fs::write(dir.join(TREE_ID), format!("{}", made.as_nanos()))
        .context("cannot write into a kernel tree")?;
    let new = index.with_extension("lab");
    fs::copy(source.dir.join(".git/index"), &new)
        .and_then(|_| fs::rename(&new, &index))
        .context("cannot copy the index of the kernel source")?;
    step.done("");
    Ok(())
}
