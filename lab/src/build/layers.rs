//! Trees in out/src with something on top of the series: a mutant, an overlay, a benchmark.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::base::files::{finish, temporary};
use crate::base::paths::Paths;
use crate::base::ui::Ui;
use crate::base::{git, interrupt, process};
use crate::build::overlay::Overlay;
use crate::series::repository::APPLIED;
use crate::series::tree::{self, Files};
use crate::source::tree::Source;

/// None if the diff in `patch` applies to `tree`, which is not changed; else what git says.
pub fn misfit(tree: &Path, patch: &[u8]) -> Result<Option<String>> {
    let (applies, said) = process::feed(git::git(tree).args(["apply", "--check", "-"]), patch)?;
    Ok((!applies).then(|| said.lines().next().unwrap_or_default().to_owned()))
}

/// A tree in out/src with the commit `below` of `repository`, and the diff in `patch` on
/// top of it; its directory and commit.
pub fn checkout_mutant(
    paths: &Paths,
    ui: &Ui,
    source: &Source,
    repository: &Path,
    below: &str,
    patch: &[u8],
) -> Result<(PathBuf, String)> {
    let dir = tree_on_top(paths, source, "mutant", repository, below)?;
    tree::populate(ui, source, &dir, Files::Linked)?;
    let _ = fs::remove_file(dir.join(".git/index.lock"));
    git::run(&dir, ["checkout", "--quiet", "--force", "--detach", below])?;
    let (applies, said) = process::feed(git::git(&dir).args(["apply", "--index", "-"]), patch)?;
    if !applies {
        bail!("it does not apply:\n{}", said.trim_end());
    }
    git::run(&dir, ["commit", "--quiet", "--message=mutant"])?;
    let id = git::line(&dir, ["rev-parse", "HEAD"])?;
    Ok((dir, id))
}

/// A tree in out/src with the commit `below` of `repository`, and `overlay` laid over it;
/// its directory and commit. Nothing is written when it stands there already.
pub fn checkout_overlay(
    paths: &Paths,
    ui: &Ui,
    source: &Source,
    repository: &Path,
    below: &str,
    overlay: &Overlay,
) -> Result<(PathBuf, String)> {
    let dir = tree_on_top(paths, source, &overlay.name, repository, below)?;
    tree::populate(ui, source, &dir, Files::Linked)?;
    let message = format!("{} on {below}", overlay.key());
    let stands = git::line(&dir, ["log", "-1", "--format=%s"]).is_ok_and(|said| said == message);
    if !stands {
        let _ = fs::remove_file(dir.join(".git/index.lock"));
        git::run(&dir, ["checkout", "--quiet", "--force", "--detach", below])?;
        overlay.lay(&dir)?;
        git::run(&dir, ["add", "--force", "--all"])?;
        git::run(&dir, ["commit", "--quiet", "--message", &message])?;
    }
    let id = git::line(&dir, ["rev-parse", "HEAD"])?;
    Ok((dir, id))
}

/// Makes `out/src/bench` the commit `below` of `repository`, or that of the stock tree,
/// with `patches` applied and `files` (path, contents) added on top. Files that stay as
/// they are keep their times.
pub fn checkout_bench(
    paths: &Paths,
    ui: &Ui,
    source: &Source,
    (repository, below): (&Path, &str),
    patches: &[Vec<u8>],
    files: &[(&str, Vec<u8>)],
) -> Result<(PathBuf, String)> {
    let dir = tree_on_top(paths, source, "bench", repository, below)?;
    tree::populate(ui, source, &dir, Files::Linked)?;
    let _ = fs::remove_file(dir.join(".git/index.lock"));
    git::run(&dir, ["checkout", "--quiet", "--force", "--detach", below])?;
    for patch in patches {
        let (applies, said) = process::feed(git::git(&dir).args(["apply", "--index", "-"]), patch)?;
        if !applies {
            bail!(
                "a patch of the benchmark does not apply:\n{}",
                said.trim_end()
            );
        }
    }
    for (path, contents) in files {
        let file = dir.join(path);
        // It may be linked to the stock tree's, which is not to change.
        if file.exists() {
            bail!("{path} is in the kernel already");
        }
        fs::write(&file, contents).with_context(|| format!("cannot write {}", file.display()))?;
        git::run(&dir, ["add", path])?;
    }
    git::run(&dir, ["commit", "--quiet", "--message=bench"])?;
    let id = git::line(&dir, ["rev-parse", "HEAD"])?;
    Ok((dir, id))
}

/// A repository in out/src that has the commit `below` of `repository`.
fn tree_on_top(
    paths: &Paths,
    source: &Source,
    name: &str,
    repository: &Path,
    below: &str,
) -> Result<PathBuf> {
    let dir = paths.src().join(name);
    let usable = git::line(&dir, ["rev-parse", "--verify", "base^{commit}"])
        .is_ok_and(|base| base == source.base);
    interrupt::check_interrupted()?;
    if !usable {
        if dir.exists() {
            fs::remove_dir_all(&dir).with_context(|| format!("cannot remove {}", dir.display()))?;
        }
        let temporary = temporary(&dir)?;
        tree::clone(source, &temporary, paths.local.is_some())?;
        finish(&temporary, &dir)?;
    }
    // The base is there; the repository of the stock source is every clone's.
    if below != source.base {
        git::run(repository, ["update-ref", APPLIED, below])?;
        process::output(
            git::git(&dir)
                .args(["fetch", "--quiet", "--no-tags"])
                .arg(repository)
                .arg(APPLIED),
        )?;
    }
    Ok(dir)
}
