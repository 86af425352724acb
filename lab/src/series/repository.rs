//! The repository in out/src that patches/ is applied in, with plain `git am` by a pinned
//! committer, so that commit ids are the same everywhere, in a sparse worktree, so that only
//! files which differ in the end change in the tree that is built.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::base::files::{finish, temporary};
use crate::base::paths::Paths;
use crate::base::ui::Ui;
use crate::base::{git, interrupt, process};
use crate::series::patches::{self, Patch, prefix_keys, touched};
use crate::series::tree::{self, Files};
use crate::source::tree::Source;

/// In the build repository: the whole series.
pub const APPLIED: &str = "refs/lab/series";

/// How a patch fits a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fit {
    Applies,
    /// The tree has all of it.
    AlreadyThere,
    /// With less context than the patch has.
    Fuzz,
    /// By a three-way merge.
    Merge,
    /// Where it does not.
    Fails(String),
}

impl Fit {
    /// Nothing stands in the way of a build.
    pub fn is_good(&self) -> bool {
        matches!(self, Self::Applies | Self::AlreadyThere)
    }
}

impl fmt::Display for Fit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Applies => f.write_str("applies"),
            Self::AlreadyThere => f.write_str("already there"),
            Self::Fuzz => f.write_str("needs fuzz (git am -C1)"),
            Self::Merge => f.write_str("needs a merge (git am --3way)"),
            Self::Fails(place) => write!(f, "fails at {place}"),
        }
    }
}

/// The places that `git am` complains about.
fn places(said: &str) -> String {
    let mut places: Vec<String> = Vec::new();
    for line in said.lines() {
        let Some(line) = line.strip_prefix("error: ") else {
            continue;
        };
        // "patch failed: file:line" comes before "file: patch does not apply".
        let place = match line.strip_prefix("patch failed: ") {
            Some(place) => place.to_owned(),
            None if line.ends_with(": patch does not apply") => continue,
            None => line.replace(" in index", ""),
        };
        if !places.contains(&place) {
            places.push(place);
        }
    }
    match places.is_empty() {
        true => said.trim().to_owned(),
        false => places.join(", "),
    }
}

/// What out/src/series.json remembers: which prefix of the series is which commit.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Applied {
    base: String,
    commits: BTreeMap<String, String>,
}

/// The repository in out/src that patches/ is applied in.
pub struct Repository {
    /// Its checked-out tree, which is built.
    pub dir: PathBuf,
    /// A sparse worktree for `git am`.
    am: PathBuf,
    state: PathBuf,
    applied: Applied,
    /// Of a tree of the user's.
    local: bool,
    /// Object stores beside its own, for merges.
    pub stores: Vec<PathBuf>,
}

impl Repository {
    pub fn open(paths: &Paths, source: &Source) -> Result<Self> {
        let src = paths.src();
        fs::create_dir_all(&src).with_context(|| format!("cannot make {}", src.display()))?;
        let dir = src.join("series");
        let state = src.join("series.json");
        let applied: Applied = fs::read_to_string(&state)
            .ok()
            .and_then(|text| serde_json::from_str(&text).ok())
            .unwrap_or_default();
        let usable = applied.base == source.base
            && git::line(&dir, ["rev-parse", "--verify", "base^{commit}"])
                .is_ok_and(|base| base == source.base);
        interrupt::check_interrupted()?;
        let am = src.join("am");
        if usable {
            return Ok(Self {
                dir,
                am,
                state,
                applied,
                local: paths.local.is_some(),
                stores: Vec::new(),
            });
        }
        for old in [&dir, &am] {
            if old.exists() {
                fs::remove_dir_all(old)
                    .with_context(|| format!("cannot remove {}", old.display()))?;
            }
        }
        let temporary = temporary(&dir)?;
        tree::clone(source, &temporary, paths.local.is_some())?;
        finish(&temporary, &dir)?;
        let applied = Applied {
            base: source.base.clone(),
            commits: BTreeMap::new(),
        };
        let repository = Self {
            dir,
            am,
            state,
            applied,
            local: paths.local.is_some(),
            stores: Vec::new(),
        };
        repository.save()?;
        Ok(repository)
    }

    fn save(&self) -> Result<()> {
        let text = serde_json::to_string_pretty(&self.applied).context("no JSON form")?;
        fs::write(&self.state, text)
            .with_context(|| format!("cannot write {}", self.state.display()))
    }

    /// The commit of `patches` on the base; applies what was not applied before.
    pub fn apply(&mut self, ui: &Ui, patches: &[Patch]) -> Result<String> {
        let keys = prefix_keys(&self.applied.base, patches);
        self.applied
            .commits
            .insert(keys[0].clone(), self.applied.base.clone());
        let known = |index: &usize| self.applied.commits.contains_key(&keys[*index]);
        let start = (0..keys.len()).rev().find(known).unwrap_or(0);
        let mut commit = self.applied.commits[&keys[start]].clone();
        if start < patches.len() {
            let step = ui.step(format!(
                "Applying {} of {} patches",
                patches.len() - start,
                patches.len()
            ));
            self.start_am(&patches[start..], &commit)?;
            for (patch, key) in patches.iter().zip(&keys[1..]).skip(start) {
                step.note(patch.name.as_str());
                match self.fit(patch)? {
                    Fit::Applies => {}
                    // Of Debian's package all patches are made; none may be in it.
                    Fit::AlreadyThere if self.local => {
                        ui.println(format!("patches/{} is in the tree already", patch.name));
                    }
                    fit => bail!(
                        "patches/{} does not apply: {fit}; {}",
                        patch.name,
                        match self.local {
                            true => "`cargo lab fits DIR` lists what does",
                            false => "see `git am` in linux/, or take patches/ from git",
                        }
                    ),
                }
                commit = git::line(&self.am, ["rev-parse", "HEAD"])?;
                self.applied.commits.insert(key.clone(), commit.clone());
            }
            self.save()?;
            step.done("");
        }
        Ok(commit)
    }

    /// Forgets the commits of all other lists of patches.
    pub fn keep(&mut self, lists: &[Vec<Patch>]) -> Result<()> {
        let base = &self.applied.base;
        let keys = lists.iter().flat_map(|list| prefix_keys(base, list));
        let keys: BTreeSet<String> = keys.collect();
        self.applied.commits.retain(|key, _| keys.contains(key));
        self.save()
    }

    /// Makes the worktree for `git am`, with only the files that `patches` touch.
    pub fn start_am(&self, patches: &[Patch], commit: &str) -> Result<()> {
        if self.am.exists() {
            fs::remove_dir_all(&self.am)
                .with_context(|| format!("cannot remove {}", self.am.display()))?;
        }
        git::run(&self.dir, ["worktree", "prune"])?;
        process::output(
            git::git(&self.dir)
                .args(["worktree", "add", "--quiet", "--detach", "--no-checkout"])
                .arg(&self.am)
                .arg(commit),
        )?;
        let files: BTreeSet<String> = patches
            .iter()
            .flat_map(|patch| touched(&patch.bytes))
            .collect();
        let patterns: Vec<String> = files.iter().map(|file| format!("/{file}")).collect();
        process::output(
            git::git(&self.am)
                .args(["sparse-checkout", "set", "--no-cone", "/Kconfig"])
                .args(patterns),
        )?;
        self.reset(commit)
    }

    /// Git in the worktree for `git am`, always with all stores: what a merge made, also
    /// one that was given up, may need them.
    fn git_am(&self) -> Result<Command> {
        let mut command = git::git(&self.am);
        if !self.stores.is_empty() {
            let stores = std::env::join_paths(&self.stores).context("a path with a colon in it")?;
            command.env("GIT_ALTERNATE_OBJECT_DIRECTORIES", stores);
        }
        Ok(command)
    }

    /// Brings the worktree for `git am` to a commit.
    pub fn reset(&self, commit: &str) -> Result<()> {
        let mut command = self.git_am()?;
        process::output(command.args(["reset", "--quiet", "--hard", commit])).map(drop)
    }

    /// Applies a patch if it applies as it is.
    fn fit(&self, patch: &Patch) -> Result<Fit> {
        let (applied, said) = self.am(patch, "--no-3way")?;
        if applied {
            return Ok(Fit::Applies);
        }
        let mut reverse = self.git_am()?;
        reverse.args(["apply", "--cached", "--check", "--reverse", "-"]);
        if process::feed(&mut reverse, &patch.bytes)?.0 {
            return Ok(Fit::AlreadyThere);
        }
        Ok(Fit::Fails(places(&said)))
    }

    /// Applies a patch in any way that git knows.
    pub fn fit_somehow(&self, patch: &Patch) -> Result<Fit> {
        let fit = self.fit(patch)?;
        if fit.is_good() {
            return Ok(fit);
        }
        for (fit, how) in [(Fit::Fuzz, "-C1"), (Fit::Merge, "--3way")] {
            if self.am(patch, how)?.0 {
                return Ok(fit);
            }
        }
        Ok(fit)
    }

    /// Whether `git am` applied a patch, and what it said; nothing is left of one that
    /// it did not apply.
    fn am(&self, patch: &Patch, how: &str) -> Result<(bool, String)> {
        let mut command = self.git_am()?;
        command.args(["am", "--quiet", "--no-gpg-sign", "--keep-non-patch", how]);
        let (success, said) = process::feed(&mut command, &patch.mail())?;
        if !success {
            // A mail that is not a patch leaves nothing to quit.
            let _ = process::output(self.git_am()?.args(["am", "--quit"]));
            self.reset("HEAD")?;
        }
        Ok((success, said))
    }

    /// Brings the tree that is built to `commit`, touching only what differs.
    fn checkout(&self, ui: &Ui, source: &Source, commit: &str) -> Result<()> {
        tree::populate(ui, source, &self.dir, Files::Linked)?;
        // Left by an interrupted run; the clone's lock says that nobody else is here.
        let _ = fs::remove_file(self.dir.join(".git/index.lock"));
        git::run(
            &self.dir,
            ["checkout", "--quiet", "--force", "--detach", commit],
        )
    }
}

/// The stock tree with the chosen series (the first `upto` patches of them, with that)
/// checked out in out/src; its directory and commit.
pub fn checkout(
    paths: &Paths,
    ui: &Ui,
    source: &Source,
    upto: Option<usize>,
) -> Result<(PathBuf, String)> {
    let mut patches = patches::chosen(paths)?;
    patches.truncate(upto.unwrap_or(usize::MAX));
    let mut repository = Repository::open(paths, source)?;
    let commit = repository.apply(ui, &patches)?;
    repository.checkout(ui, source, &commit)?;
    Ok((repository.dir, commit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complaints_name_places() {
        let said = "error: patch failed: a/b.c:10\nerror: a/b.c: patch does not apply\n\
                    error: c.c: does not exist in index\nhint: x\nerror: patch failed: a/b.c:10";
        assert_eq!(places(said), "a/b.c:10, c.c: does not exist");
        assert_eq!(places("Patch is empty.\n"), "Patch is empty.");
    }
}
