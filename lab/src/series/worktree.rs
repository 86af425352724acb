//! linux/, the developer's tree: made from patches/, and brought up to date.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::base::files::{finish, temporary};
use crate::base::paths::Paths;
use crate::base::ui::Ui;
use crate::base::{git, interrupt, process};
use crate::series::mails;
use crate::series::patches::{self, Patch, prefix_keys};
use crate::series::repository::{APPLIED, Repository};
use crate::series::tree::{self, Files};
use crate::source;
use crate::source::tree::Source;

/// The branch of linux/ that is exported.
pub const BRANCH: &str = "series";

/// In linux/: the commit that patches/ held when `tree` or `export` last ran.
pub const SYNCED: &str = "refs/lab/synced";

/// Commit of linux/ (marked when files differ from it), and whether they do.
pub fn tree_state(paths: &Paths, source: &Source) -> Result<(String, bool)> {
    let linux = open_linux(paths)?;
    check_base(&linux, source)?;
    let head = git::line(&linux, ["rev-parse", "HEAD"])?;
    Ok(match is_dirty(&linux)? {
        true => (format!("{head}-dirty"), true),
        false => (head, false),
    })
}

pub fn is_dirty(linux: &Path) -> Result<bool> {
    Ok(!git::out(linux, ["status", "--porcelain"])?.is_empty())
}

/// linux/, if it is a tree that `cargo lab tree` made.
pub fn open_linux(paths: &Paths) -> Result<PathBuf> {
    let linux = paths.linux();
    if !linux.exists() {
        bail!("there is no linux/; run: cargo lab tree");
    }
    if !linux.join(".git").exists()
        || git::line(&linux, ["rev-parse", "--verify", "--quiet", SYNCED]).is_err()
    {
        interrupt::check_interrupted()?;
        bail!("linux/ was not made by `cargo lab tree`, or is damaged; move it away");
    }
    Ok(linux)
}

/// Fails unless linux/ was made from `source`: what was built for the one is wrong for
/// the other.
fn check_base(linux: &Path, source: &Source) -> Result<()> {
    if git::line(linux, ["rev-parse", "base^{commit}"])? != source.base {
        bail!(
            "linux/ was made from another kernel source than {}; name that one (--linux, or \
             none for Debian's), or export what it has and move it away",
            source.version
        );
    }
    Ok(())
}

/// Fails unless linux/ stands on its branch with everything committed.
pub fn check_settled(linux: &Path) -> Result<()> {
    for (name, what) in [
        ("rebase-merge", "a rebase"),
        ("rebase-apply", "a `git am` or rebase"),
        ("MERGE_HEAD", "a merge"),
        ("CHERRY_PICK_HEAD", "a cherry-pick"),
    ] {
        if linux.join(".git").join(name).exists() {
            bail!("{what} is under way in linux/; finish or abort it first");
        }
    }
    let branch = git::line(linux, ["rev-parse", "--abbrev-ref", "HEAD"])?;
    if branch != BRANCH {
        bail!("linux/ is on {branch}; run: git -C linux checkout {BRANCH}");
    }
    if is_dirty(linux)? {
        bail!("linux/ has changes that are not committed; commit or remove them first");
    }
    Ok(())
}

/// A key of patches/ as it stands, kept in linux/ when the two agree.
fn patches_key(patches: &[Patch]) -> String {
    prefix_keys("", patches).pop().unwrap_or_default()
}

pub fn mark_synced(linux: &Path, patches: &[Patch]) -> Result<()> {
    git::run(linux, ["update-ref", SYNCED, "HEAD"])?;
    fs::write(linux.join(".git/lab-patches"), patches_key(patches))
        .context("cannot write into linux/.git")
}

/// The verb `tree`: makes linux/ from patches/, or brings it up to date.
pub fn tree(paths: &Paths, ui: &Ui) -> Result<()> {
    let source = source::ensure(paths, ui)?;
    let patches = patches::read(&paths.patches())?;
    let linux = paths.linux();
    if linux.exists() {
        check_replaceable(paths, ui, &source, &patches)?;
        let synced = fs::read_to_string(linux.join(".git/lab-patches")).unwrap_or_default();
        if synced == patches_key(&patches) {
            ui.println("linux/ is up to date with patches/");
            return Ok(());
        }
    }
    let mut repository = Repository::open(paths, &source)?;
    let commit = repository.apply(ui, &patches)?;
    git::run(&repository.dir, ["update-ref", APPLIED, &commit])?;
    let place = |tree: &Path| -> Result<()> {
        process::output(
            git::git(tree)
                .args(["fetch", "--quiet", "--no-tags"])
                .arg(&repository.dir)
                .arg(APPLIED),
        )?;
        process::output(git::git(tree).args([
            "checkout",
            "--quiet",
            "--force",
            "--no-track",
            "-B",
            BRANCH,
            &commit,
        ]))?;
        mark_synced(tree, &patches)
    };
    if linux.exists() {
        place(&linux)?;
        ui.println("linux/ brought up to date with patches/");
    } else {
        let temporary = temporary(&linux)?;
        tree::clone(&source, &temporary, paths.local.is_some())?;
        tree::populate(ui, &source, &temporary, Files::Copied)?;
        place(&temporary)?;
        finish(&temporary, &linux)?;
        ui.println(format!(
            "linux/ holds {} patches on {}",
            patches.len(),
            source.version
        ));
    }
    Ok(())
}

/// Fails when bringing linux/ up to date would lose something.
fn check_replaceable(paths: &Paths, ui: &Ui, source: &Source, patches: &[Patch]) -> Result<()> {
    let linux = open_linux(paths)?;
    check_settled(&linux)?;
    check_base(&linux, source)?;
    let head = git::line(&linux, ["rev-parse", "HEAD"])?;
    if head == git::line(&linux, ["rev-parse", SYNCED])? {
        return Ok(());
    }
    if mails::format_series(paths, ui, &linux, BRANCH)? == patches {
        return mark_synced(&linux, patches);
    }
    bail!(
        "linux/ has commits that are not in patches/; run: cargo lab export (or, to throw \
         them away: git -C linux reset --hard {SYNCED})"
    )
}
