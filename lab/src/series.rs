//! The series: patches/ applied to a tree, and a tree written back to patches/.
//!
//! patches/ is the source of truth. It is applied with plain `git am` by a pinned
//! committer, so that commit ids are the same everywhere, in a sparse worktree, so
//! that only files which differ in the end change in the tree that is built. A commit
//! names its series in a trailer, which survives rebases.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use walkdir::WalkDir;

use crate::git;
use crate::host;
use crate::kernel::Lab;
use crate::overlay::Overlay;
use crate::patches::{self, COVER, Needs, Patch, prefix_keys, touched};
use crate::paths::Paths;
use crate::process::{self, Running};
use crate::source::{BASE, Source};
use crate::toolchain::{finish, temporary};
use crate::ui::Ui;

/// The branch of linux/ that is exported.
const BRANCH: &str = "series";

/// In linux/: the commit that patches/ held when `tree` or `export` last ran.
const SYNCED: &str = "refs/lab/synced";

/// In the build repository: the whole series.
const APPLIED: &str = "refs/lab/series";

/// Lists, in patches/, the files that `export` wrote outside it.
const EXPORTED: &str = "EXPORTED";

/// Names that belong to this repository, which no kernel file may take.
const OWN_NAMES: &[&str] = &[
    ".cargo",
    ".ci",
    ".git",
    ".gitignore",
    "Cargo.lock",
    "Cargo.toml",
    "docs",
    "README.md",
    "backports",
    "lab",
    "linux",
    "out",
    "patches",
    "target",
];

/// What [`verify`] found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    pub patches: usize,
    pub exported: usize,
    /// All series applied, if they apply.
    pub applied: Option<Commit>,
    /// One line each, saying what to do; empty when all is well.
    pub problems: Vec<String>,
}

/// A commit and the repository that has it.
#[derive(Clone, Debug)]
pub struct Commit {
    pub repository: PathBuf,
    pub id: String,
}

// Applying.

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

// The tree that is built.

/// What out/src/series.json remembers: which prefix of the series is which commit.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Applied {
    base: String,
    commits: BTreeMap<String, String>,
}

/// The repository in out/src that patches/ is applied in.
struct Repository {
    /// Its checked-out tree, which is built.
    dir: PathBuf,
    /// A sparse worktree for `git am`.
    am: PathBuf,
    state: PathBuf,
    applied: Applied,
    /// Of a tree that the user gave.
    given: bool,
    /// Object stores beside its own, for merges.
    stores: Vec<PathBuf>,
}

impl Repository {
    fn open(paths: &Paths, source: &Source) -> Result<Self> {
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
        process::check_interrupted()?;
        let am = src.join("am");
        if usable {
            return Ok(Self {
                dir,
                am,
                state,
                applied,
                given: paths.given.is_some(),
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
        clone(source, &temporary, paths.given.is_some())?;
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
            given: paths.given.is_some(),
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
    fn apply(&mut self, ui: &Ui, patches: &[Patch]) -> Result<String> {
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
                    Fit::AlreadyThere if self.given => {
                        ui.println(format!("patches/{} is in the tree already", patch.name));
                    }
                    fit => bail!(
                        "patches/{} does not apply: {fit}; {}",
                        patch.name,
                        match self.given {
                            true => "`cargo lab check --linux DIR` lists what does",
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
    fn keep(&mut self, lists: &[Vec<Patch>]) -> Result<()> {
        let base = &self.applied.base;
        let keys = lists.iter().flat_map(|list| prefix_keys(base, list));
        let keys: BTreeSet<String> = keys.collect();
        self.applied.commits.retain(|key, _| keys.contains(key));
        self.save()
    }

    /// Makes the worktree for `git am`, with only the files that `patches` touch.
    fn start_am(&self, patches: &[Patch], commit: &str) -> Result<()> {
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
    fn reset(&self, commit: &str) -> Result<()> {
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
        if feed(&mut reverse, &patch.bytes)?.0 {
            return Ok(Fit::AlreadyThere);
        }
        Ok(Fit::Fails(places(&said)))
    }

    /// Applies a patch in any way that git knows.
    fn fit_somehow(&self, patch: &Patch) -> Result<Fit> {
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
        let (success, said) = feed(&mut command, &patch.mail())?;
        if !success {
            // A mail that is not a patch leaves nothing to quit.
            let _ = process::output(self.git_am()?.args(["am", "--quit"]));
            self.reset("HEAD")?;
        }
        Ok((success, said))
    }

    /// Brings the tree that is built to `commit`, touching only what differs.
    fn checkout(&self, ui: &Ui, source: &Source, commit: &str) -> Result<()> {
        populate(ui, source, &self.dir, Files::Linked)?;
        // Left by an interrupted run; the clone's lock says that nobody else is here.
        let _ = fs::remove_file(self.dir.join(".git/index.lock"));
        git::run(
            &self.dir,
            ["checkout", "--quiet", "--force", "--detach", commit],
        )
    }
}

/// Runs a command with `input` on its standard input; whether it succeeded, and all
/// it said.
fn feed(command: &mut Command, input: &[u8]) -> Result<(bool, String)> {
    use std::io::{Read, Seek};
    let mut said = tempfile::tempfile().context("cannot make a temporary file")?;
    let mut file = tempfile::tempfile().context("cannot make a temporary file")?;
    file.write_all(input).and_then(|()| file.rewind())?;
    command
        .stdin(file)
        .stdout(said.try_clone()?)
        .stderr(said.try_clone()?);
    let success = Running::spawn(command)?.wait()?.success();
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    process::check_interrupted()?;
    let mut text = Vec::new();
    said.rewind()?;
    said.read_to_end(&mut text)?;
    Ok((success, String::from_utf8_lossy(&text).into_owned()))
}

/// A clone of the stock repository, with nothing checked out. It shares objects that
/// the cache can get again; one that was given may be gone by then.
fn clone(source: &Source, dir: &Path, given: bool) -> Result<()> {
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
enum Files {
    /// As hard links of the stock tree's where that is possible: for a tree that only
    /// git changes, which replaces files and never writes into them.
    Linked,
    /// For a tree that people change: their editors may write into a file.
    Copied,
}

/// Checks the base out from the stock tree with its file times: what the series does
/// not touch is then older than the stock build. The index comes last and says that
/// the tree is whole.
fn populate(ui: &Ui, source: &Source, dir: &Path, files: Files) -> Result<()> {
    let index = dir.join(".git/index");
    if index.exists() {
        return Ok(());
    }
    let linked = files == Files::Linked && source.dir.metadata()?.dev() == dir.metadata()?.dev();
    host::check_space(dir, if linked { 1 } else { 3 }, "a kernel tree")?;
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

/// How a series fits a tree.
#[derive(Clone, Debug)]
pub struct SeriesFit {
    pub series: String,
    /// How many patches it has.
    pub patches: usize,
    /// Of each patch, up to the first that fails.
    pub fits: Vec<(String, Fit)>,
}

/// How each series fits the stock tree with what of the series that it needs does;
/// `stores` may have what the patches were made of.
pub fn fits(paths: &Paths, ui: &Ui, source: &Source, stores: &[PathBuf]) -> Result<Vec<SeriesFit>> {
    let dir = paths.patches();
    let patches = patches::read(&dir)?;
    let mut repository = Repository::open(paths, source)?;
    repository.stores = stores.to_vec();
    let step = ui.step("Trying the patches");
    repository.start_am(&patches, &source.base)?;
    let mut all = Vec::new();
    for (series, needs) in Needs::read(&dir)?.each() {
        repository.reset(&source.base)?;
        let mut fit = SeriesFit {
            series: series.clone(),
            patches: 0,
            fits: Vec::new(),
        };
        let mut failed = BTreeSet::new();
        for patch in patches::of(&patches, needs) {
            fit.patches += usize::from(patch.series() == series);
            if failed.contains(patch.series()) {
                continue;
            }
            step.note(patch.name.as_str());
            let one = repository.fit_somehow(&patch)?;
            if matches!(one, Fit::Fails(_)) {
                failed.insert(patch.series().to_owned());
            }
            if patch.series() == series {
                fit.fits.push((patch.name, one));
            }
        }
        all.push(fit);
    }
    step.done("");
    Ok(all)
}

/// None if the diff in `patch` applies to `tree`, which is not changed; else what git says.
pub fn misfit(tree: &Path, patch: &[u8]) -> Result<Option<String>> {
    let (applies, said) = feed(git::git(tree).args(["apply", "--check", "-"]), patch)?;
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
    populate(ui, source, &dir, Files::Linked)?;
    let _ = fs::remove_file(dir.join(".git/index.lock"));
    git::run(&dir, ["checkout", "--quiet", "--force", "--detach", below])?;
    let (applies, said) = feed(git::git(&dir).args(["apply", "--index", "-"]), patch)?;
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
    populate(ui, source, &dir, Files::Linked)?;
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
    populate(ui, source, &dir, Files::Linked)?;
    let _ = fs::remove_file(dir.join(".git/index.lock"));
    git::run(&dir, ["checkout", "--quiet", "--force", "--detach", below])?;
    for patch in patches {
        let (applies, said) = feed(git::git(&dir).args(["apply", "--index", "-"]), patch)?;
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
    process::check_interrupted()?;
    if !usable {
        if dir.exists() {
            fs::remove_dir_all(&dir).with_context(|| format!("cannot remove {}", dir.display()))?;
        }
        let temporary = temporary(&dir)?;
        clone(source, &temporary, paths.given.is_some())?;
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

// The developer's tree.

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

fn is_dirty(linux: &Path) -> Result<bool> {
    Ok(!git::out(linux, ["status", "--porcelain"])?.is_empty())
}

/// linux/, if it is a tree that `cargo lab tree` made.
fn open_linux(paths: &Paths) -> Result<PathBuf> {
    let linux = paths.linux();
    if !linux.exists() {
        bail!("there is no linux/; run: cargo lab tree");
    }
    if !linux.join(".git").exists()
        || git::line(&linux, ["rev-parse", "--verify", "--quiet", SYNCED]).is_err()
    {
        process::check_interrupted()?;
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
fn check_settled(linux: &Path) -> Result<()> {
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

fn mark_synced(linux: &Path, patches: &[Patch]) -> Result<()> {
    git::run(linux, ["update-ref", SYNCED, "HEAD"])?;
    fs::write(linux.join(".git/lab-patches"), patches_key(patches))
        .context("cannot write into linux/.git")
}

/// The verb `tree`: makes linux/ from patches/, or brings it up to date.
pub fn tree(paths: &Paths, ui: &Ui) -> Result<()> {
    let source = Source::ensure(paths, ui)?;
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
        clone(&source, &temporary, paths.given.is_some())?;
        populate(ui, &source, &temporary, Files::Copied)?;
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
    if format_series(paths, ui, &linux, BRANCH)? == patches {
        return mark_synced(&linux, patches);
    }
    bail!(
        "linux/ has commits that are not in patches/; run: cargo lab export (or, to throw \
         them away: git -C linux reset --hard {SYNCED})"
    )
}

/// The verb `export`: writes linux/ to patches/, and the files that the series adds to
/// their kernel paths in this repository.
pub fn export(paths: &Paths, ui: &Ui) -> Result<()> {
    let linux = open_linux(paths)?;
    check_settled(&linux)?;
    let problems = check_commits(paths, &linux, BRANCH)?;
    if !problems.is_empty() {
        bail!("linux/ cannot be exported:\n{}", problems.join("\n"));
    }
    let patches = format_series(paths, ui, &linux, BRANCH)?;
    let added = added_files(&linux, BRANCH)?;
    let before = read_index(paths)?;
    check_ownership(paths, &added, &before)?;

    let dir = paths.patches();
    fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let mut changed = 0;
    for patch in &patches {
        changed += usize::from(write_file(&dir.join(&patch.name), &patch.bytes, false)?);
    }
    changed += remove_stale(&dir, &patches)?;
    let index: String = added.keys().map(|path| format!("{path}\n")).collect();
    // First the union, so that an interrupted run forgets no file.
    let union: BTreeSet<&String> = added.keys().chain(&before).collect();
    let union: String = union.iter().map(|path| format!("{path}\n")).collect();
    write_file(&dir.join(EXPORTED), union.as_bytes(), false)?;
    for (path, file) in &added {
        changed += usize::from(write_file(
            &paths.clone.join(path),
            &file.bytes,
            file.executable,
        )?);
    }
    for path in before.iter().filter(|path| !added.contains_key(*path)) {
        remove_exported(paths, path)?;
        changed += 1;
    }
    write_file(&dir.join(EXPORTED), index.as_bytes(), false)?;
    mark_synced(&linux, &patches)?;
    ui.println(format!(
        "{} patches and {} added files exported, {changed} files changed",
        patches.len(),
        added.len()
    ));
    Ok(())
}

/// Removes files of patches/ that are none of `patches`, and folders left empty; how many.
fn remove_stale(dir: &Path, patches: &[Patch]) -> Result<usize> {
    let names: BTreeSet<PathBuf> = patches.iter().map(|it| dir.join(&it.name)).collect();
    let mut removed = 0;
    for entry in WalkDir::new(dir)
        .min_depth(1)
        .max_depth(2)
        .contents_first(true)
    {
        let entry = entry.with_context(|| format!("cannot read {}", dir.display()))?;
        let path = entry.path();
        if entry.file_type().is_dir() {
            // It is not empty: a series is in it, or its cover letter.
            let _ = fs::remove_dir(path);
        } else if path.extension().is_some_and(|it| it == "patch") && !names.contains(path) {
            fs::remove_file(path).with_context(|| format!("cannot remove {}", path.display()))?;
            removed += 1;
        }
    }
    Ok(removed)
}

/// A commit on top of the base.
#[derive(Clone, Debug, Default)]
struct Entry {
    id: String,
    parents: String,
    subject: String,
    message: String,
}

/// The commits from the base to `tip`, the first one first.
fn log(repository: &Path, tip: &str) -> Result<Vec<Entry>> {
    let range = format!("{BASE}..{tip}");
    let format = "--format=%H%x01%p%x01%s%x01%B%x02";
    let log = git::out(repository, ["log", "--reverse", format, &range])?;
    let entries = log.split('\u{2}').map(str::trim_start);
    let entries = entries.filter(|text| !text.is_empty()).map(|text| {
        let mut fields = text.splitn(4, '\u{1}').map(str::to_owned);
        let mut field = || fields.next().unwrap_or_default();
        Entry {
            id: field(),
            parents: field(),
            subject: field(),
            message: field(),
        }
    });
    Ok(entries.collect())
}

/// The series of each commit: the one that it names, or else that of the one before.
fn series_of(log: &[Entry]) -> Result<Vec<&str>> {
    let mut all: Vec<&str> = Vec::new();
    for entry in log {
        let Entry { subject, .. } = entry;
        let before = all.last().copied();
        let named = patches::trailer(&entry.message).with_context(|| format!("\"{subject}\""))?;
        let Some(series) = named.or(before) else {
            bail!("\"{subject}\" is the first commit and names no series; add `Series: NAME`");
        };
        if let Some(before) = before.filter(|before| series < *before) {
            bail!(
                "\"{subject}\" of {series} comes after a commit of {before}; series follow each \
                 other by name: git rebase -i {BASE}"
            );
        }
        all.push(series);
    }
    Ok(all)
}

/// Problems of the commits from the base to `tip` that a mailed series must not have.
fn check_commits(paths: &Paths, repository: &Path, tip: &str) -> Result<Vec<String>> {
    if git::run(repository, ["merge-base", "--is-ancestor", BASE, tip]).is_err() {
        process::check_interrupted()?;
        return Ok(vec![format!("{tip} is not based on the tag {BASE}")]);
    }
    let log = log(repository, tip)?;
    let series = match series_of(&log) {
        Ok(series) => series,
        Err(error) => return Ok(vec![format!("{error:#}")]),
    };
    let rules = Rules::read(paths)?;
    let mut problems = Vec::new();
    for (entry, series) in log.iter().zip(series) {
        let mut problem = |what: &str| problems.push(format!("\"{}\" {what}", entry.subject));
        if entry.parents.contains(' ') {
            problem("is a merge; rebase");
        }
        for what in rules.problems(series, &entry.subject, &entry.message) {
            problem(what);
        }
    }
    Ok(problems)
}

/// `lab/data/check/subjects.toml`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rules {
    /// Series whose subjects may have an "and".
    and: Vec<String>,
}

impl Rules {
    fn read(paths: &Paths) -> Result<Self> {
        let file = paths.data().join("check/subjects.toml");
        if !file.exists() {
            return Ok(Self::default());
        }
        let text =
            fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        toml::from_str(&text).with_context(|| format!("cannot understand {}", file.display()))
    }

    fn problems(&self, series: &str, subject: &str, message: &str) -> Vec<&'static str> {
        let has = |trailer: &str| message.lines().any(|line| line.starts_with(trailer));
        let mut problems = Vec::new();
        if ["fixup!", "squash!", "amend!"]
            .iter()
            .any(|mark| subject.starts_with(mark))
        {
            problems.push("is to be squashed; run: git rebase -i --autosquash base");
        }
        if subject.contains(" and ") && !self.and.iter().any(|it| it == series) {
            problems.push("has an \"and\" in its subject; say one thing, or make two patches");
        }
        if has("Signed-off-by:") {
            problems.push("has a Signed-off-by, which only the submitter can give; remove it");
        }
        if !has("Assisted-by:") {
            problems.push("has no Assisted-by; add it");
        }
        problems
    }
}

/// The commits from the base to `tip` as patches, the same bytes on every machine.
fn format_series(paths: &Paths, ui: &Ui, repository: &Path, tip: &str) -> Result<Vec<Patch>> {
    let log = log(repository, tip)?;
    let ids = log.iter().map(|entry| entry.id.as_str());
    let last: BTreeMap<&str, &str> = series_of(&log)?.into_iter().zip(ids).collect();
    let step = ui.step("Formatting the series");
    attributes(repository)?;
    let dir = tempfile::tempdir_in(paths.out()).context("cannot make a directory in out/")?;
    let mut below = BASE;
    for (series, id) in last {
        process::output(
            git::git(repository)
                .args(["format-patch", "--quiet", "--zero-commit", "--full-index"])
                .args([
                    "--no-signature",
                    "--no-numbered",
                    "--stat=72",
                    "--find-renames",
                ])
                .arg("--output-directory")
                .arg(dir.path().join(series))
                .arg(format!("{below}..{id}")),
        )?;
        below = id;
    }
    let mut patches = patches::read(dir.path())?;
    for patch in &mut patches {
        patch.bytes = patches::without_trailer(&neutral_headers(&patch.bytes));
    }
    step.done(format!("{} patches", patches.len()));
    Ok(patches)
}

/// The kernel's .gitattributes say how git finds the function that a hunk is in. Git
/// looks for them in the work tree, which need not be there; here it always finds them.
fn attributes(repository: &Path) -> Result<()> {
    let text = git::out(repository, ["show", &format!("{BASE}:.gitattributes")])?;
    write_file(
        &repository.join(".git/info/attributes"),
        text.as_bytes(),
        false,
    )
    .map(drop)
}

/// A mail with the pinned author and date in its headers.
fn neutral_headers(mail: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(mail.len());
    let mut headers = true;
    let mut dropping = false;
    for line in mail.split_inclusive(|byte| *byte == b'\n') {
        if !headers {
            out.extend_from_slice(line);
            continue;
        }
        if dropping && line.starts_with(b" ") {
            continue;
        }
        dropping = false;
        if line == b"\n" {
            headers = false;
        }
        if line.starts_with(b"From: ") {
            dropping = true;
            out.extend_from_slice(format!("From: {} <{}>\n", git::NAME, git::EMAIL).as_bytes());
        } else if line.starts_with(b"Date: ") {
            out.extend_from_slice(format!("Date: {}\n", git::DATE).as_bytes());
        } else {
            out.extend_from_slice(line);
        }
    }
    out
}

// Exported files.

#[derive(Clone, Debug)]
struct Added {
    bytes: Vec<u8>,
    executable: bool,
}

/// Files that exist at `tip` and not at the base.
fn added_files(repository: &Path, tip: &str) -> Result<BTreeMap<String, Added>> {
    let names = git::out(
        repository,
        [
            "diff",
            "--raw",
            "-z",
            "--no-renames",
            "--no-abbrev",
            "--diff-filter=A",
            BASE,
            tip,
        ],
    )?;
    let mut files = BTreeMap::new();
    let mut fields = names.split_terminator('\0');
    // `:old-mode new-mode old-id new-id A`, then the name.
    while let (Some(raw), Some(name)) = (fields.next(), fields.next()) {
        let words: Vec<&str> = raw.split(' ').collect();
        let (Some(mode), Some(id)) = (words.get(1), words.get(3)) else {
            bail!("git diff --raw printed {raw:?}");
        };
        let bytes = process::output_bytes(git::git(repository).args(["cat-file", "blob", id]))?;
        let executable = *mode == "100755";
        files.insert(name.to_owned(), Added { bytes, executable });
    }
    Ok(files)
}

/// Files that the series adds, as `export` listed them.
pub fn read_index(paths: &Paths) -> Result<BTreeSet<String>> {
    let file = paths.patches().join(EXPORTED);
    match fs::read_to_string(&file) {
        Ok(text) => Ok(text.lines().map(str::to_owned).collect()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(BTreeSet::new()),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", file.display())),
    }
}

/// Kernel files must not overwrite what belongs to this repository.
fn check_ownership(
    paths: &Paths,
    added: &BTreeMap<String, Added>,
    before: &BTreeSet<String>,
) -> Result<()> {
    for (path, file) in added {
        let top = path.split('/').next().unwrap_or_default();
        let present = paths.clone.join(path);
        let foreign = !before.contains(path)
            && present.exists()
            && fs::read(&present).ok().as_ref() != Some(&file.bytes);
        if OWN_NAMES.contains(&top) || foreign {
            bail!("the series adds {path}, a name that this repository uses itself");
        }
    }
    Ok(())
}

/// Writes a file under a temporary name and renames it; whether it changed.
fn write_file(file: &Path, bytes: &[u8], executable: bool) -> Result<bool> {
    let mode = if executable { 0o755 } else { 0o644 };
    let same_mode = file
        .metadata()
        .is_ok_and(|data| (data.permissions().mode() & 0o100 != 0) == executable);
    if same_mode && fs::read(file).is_ok_and(|old| old == bytes) {
        return Ok(false);
    }
    let cannot = || format!("cannot write {}", file.display());
    let dir = file.parent().with_context(cannot)?;
    fs::create_dir_all(dir).with_context(cannot)?;
    let mut new = tempfile::NamedTempFile::new_in(dir).with_context(cannot)?;
    new.write_all(bytes).with_context(cannot)?;
    new.as_file()
        .set_permissions(fs::Permissions::from_mode(mode))
        .with_context(cannot)?;
    new.persist(file).with_context(cannot)?;
    Ok(true)
}

/// Removes a file that the series no longer adds, and directories left empty.
fn remove_exported(paths: &Paths, path: &str) -> Result<()> {
    let file = paths.clone.join(path);
    match fs::remove_file(&file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("cannot remove {}", file.display()));
        }
        _ => (),
    }
    let parents = file
        .ancestors()
        .skip(1)
        .take_while(|dir| **dir != paths.clone);
    for dir in parents {
        // Not empty: all above it are not empty either.
        if fs::remove_dir(dir).is_err() {
            break;
        }
    }
    Ok(())
}

// Checks.

/// The fast checks of the series: it applies, it is in the form that `export`
/// writes, the exported files are equal, and linux/ has nothing that is not here.
pub fn verify(lab: &Lab) -> Result<Report> {
    let Lab { paths, ui, .. } = lab;
    let source = Source::ensure(paths, ui)?;
    let mut report = Report::default();
    let dir = paths.patches();
    let read = patches::read(&dir).and_then(|patches| Ok((patches, Needs::read(&dir)?)));
    let (patches, needs) = match read {
        Ok(read) => read,
        Err(error) => {
            report.problems.push(format!("{error:#}"));
            return Ok(report);
        }
    };
    report.patches = patches.len();
    let mut repository = Repository::open(paths, &source)?;
    let commit = match repository.apply(ui, &patches) {
        Ok(commit) => commit,
        Err(error) => {
            process::check_interrupted()?;
            report.problems.push(format!("{error:#}"));
            return Ok(report);
        }
    };
    report.applied = Some(Commit {
        repository: repository.dir.clone(),
        id: commit.clone(),
    });
    report
        .problems
        .extend(check_commits(paths, &repository.dir, &commit)?);
    report
        .problems
        .extend(check_alone(ui, &mut repository, &patches, &needs)?);
    report.problems.extend(check_covers(&dir, &needs)?);
    for (is, should) in differing(
        &patches,
        &format_series(paths, ui, &repository.dir, &commit)?,
    ) {
        report.problems.push(format!(
            "patches/{is} is not what export writes ({should}); run: cargo lab tree, then cargo \
             lab export"
        ));
    }

    let added = added_files(&repository.dir, &commit)?;
    report.exported = added.len();
    let index = read_index(paths)?;
    for (path, file) in &added {
        if !index.contains(path)
            || fs::read(paths.clone.join(path)).ok().as_ref() != Some(&file.bytes)
        {
            report.problems.push(format!(
                "{path} is not as the series has it; change it in linux/ and run: cargo lab export"
            ));
        }
    }
    for path in index.iter().filter(|path| !added.contains_key(*path)) {
        report.problems.push(format!(
            "{path} is listed in patches/{EXPORTED} and the series does not add it; run: cargo \
             lab export"
        ));
    }
    if paths.linux().exists() {
        verify_linux(paths, ui, &patches, &mut report)?;
    }
    Ok(report)
}

/// Each series applies on those that it names, without others that come before it.
fn check_alone(
    ui: &Ui,
    repository: &mut Repository,
    patches: &[Patch],
    needs: &Needs,
) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    let mut lists = vec![patches.to_vec()];
    for (series, all) in needs.each() {
        let list = patches::of(patches, all);
        if let Err(error) = repository.apply(ui, &list) {
            process::check_interrupted()?;
            problems.push(format!("{series} on what it needs: {error:#}"));
        }
        lists.push(list);
    }
    repository.keep(&lists)?;
    Ok(problems)
}

/// Each series has a cover letter with a subject.
fn check_covers(dir: &Path, needs: &Needs) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    for (series, _) in needs.each() {
        let file = dir.join(series).join(COVER);
        let text = match file.exists() {
            true => fs::read_to_string(&file)
                .with_context(|| format!("cannot read {}", file.display()))?,
            false => String::new(),
        };
        if patches::head(&text, "Subject").is_none_or(str::is_empty) {
            problems.push(format!(
                "patches/{series}/{COVER} has no `Subject:` at its head, or is not there"
            ));
        }
    }
    Ok(problems)
}

fn verify_linux(paths: &Paths, ui: &Ui, patches: &[Patch], report: &mut Report) -> Result<()> {
    let linux = match open_linux(paths) {
        Ok(linux) => linux,
        Err(error) => {
            report.problems.push(format!("{error:#}"));
            return Ok(());
        }
    };
    let tip = git::line(&linux, ["rev-parse", BRANCH])?;
    let ahead = tip != git::line(&linux, ["rev-parse", SYNCED])?;
    let is_exported = || format_series(paths, ui, &linux, BRANCH).is_ok_and(|it| it == patches);
    if ahead && !is_exported() {
        process::check_interrupted()?;
        report
            .problems
            .push("linux/ has commits that are not in patches/; run: cargo lab export".into());
    }
    if is_dirty(&linux)? {
        ui.println("note: linux/ has changes that are not committed; they are not tested");
    }
    Ok(())
}

/// A file that differs between the base and the series, and is still there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    pub path: String,
    pub added: bool,
}

/// What the series changes and adds.
pub fn changed_files(commit: &Commit) -> Result<Vec<Changed>> {
    let names = git::out(
        &commit.repository,
        [
            "diff",
            "--name-status",
            "-z",
            "--no-renames",
            "--diff-filter=AM",
            BASE,
            &commit.id,
        ],
    )?;
    Ok(changed(&names))
}

/// What `git diff --name-status -z` printed.
fn changed(names: &str) -> Vec<Changed> {
    let mut fields = names.split_terminator('\0');
    let mut files = Vec::new();
    while let (Some(status), Some(path)) = (fields.next(), fields.next()) {
        files.push(Changed {
            path: path.to_owned(),
            added: status == "A",
        });
    }
    files
}

/// Names of patches that are not as they should be, with the reason.
fn differing(are: &[Patch], should: &[Patch]) -> Vec<(String, String)> {
    are.iter()
        .zip(should)
        .filter(|(is, should)| is != should)
        .map(|(is, should)| {
            let why = if is.name == should.name {
                "its contents differ".to_owned()
            } else {
                should.name.clone()
            };
            (is.name.clone(), why)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_become_neutral_and_the_body_stays() {
        let mail = b"From 000 Mon Sep 17 00:00:00 2001\nFrom: =?UTF-8?q?A?=\n <a@b>\n\
                     Date: Tue, 2 Jan 2024 10:00:00 +0100\nSubject: [PATCH] x\n y\n\n\
                     From: stays\nDate: stays\n";
        let text = String::from_utf8(neutral_headers(mail)).unwrap_or_default();
        let expected = format!(
            "From 000 Mon Sep 17 00:00:00 2001\nFrom: {} <{}>\nDate: {}\n\
             Subject: [PATCH] x\n y\n\nFrom: stays\nDate: stays\n",
            git::NAME,
            git::EMAIL,
            git::DATE
        );
        assert_eq!(text, expected);
        assert_eq!(neutral_headers(text.as_bytes()), text.as_bytes());
    }

    #[test]
    fn complaints_name_places() {
        let said = "error: patch failed: a/b.c:10\nerror: a/b.c: patch does not apply\n\
                    error: c.c: does not exist in index\nhint: x\nerror: patch failed: a/b.c:10";
        assert_eq!(places(said), "a/b.c:10, c.c: does not exist");
        assert_eq!(places("Patch is empty.\n"), "Patch is empty.");
    }

    /// A repository with a stock tree of one file, `a`, of the lines 1 to 9.
    fn small() -> Result<(tempfile::TempDir, Paths, Source)> {
        let dir = tempfile::tempdir()?;
        let mut paths = Paths::at(&dir.path().join("clone"), &dir.path().join("cache"));
        paths.given = Some(PathBuf::new());
        let stock = dir.path().join("stock");
        for dir in [&stock, &paths.patches()] {
            fs::create_dir_all(dir)?;
        }
        git::run(&stock, ["init", "--quiet", "--initial-branch", BASE])?;
        for name in ["a", "Kconfig"] {
            fs::write(stock.join(name), lines("1 2 3 4 5 6 7 8 9"))?;
        }
        git::run(&stock, ["add", "."])?;
        git::run(&stock, ["commit", "--quiet", "-m", "base"])?;
        let base = git::line(&stock, ["rev-parse", "HEAD"])?;
        let source = Source {
            version: "1".into(),
            dir: stock,
            base,
        };
        Ok((dir, paths, source))
    }

    fn lines(words: &str) -> String {
        words.replace(' ', "\n") + "\n"
    }

    /// A patch from one text of `a` to another, as number so and so of 1-fixes.
    fn write_patch(paths: &Paths, number: u32, from: &str, to: &str) -> Result<()> {
        write_patch_of(paths, "1-fixes", number, from, to)
    }

    fn write_patch_of(
        paths: &Paths,
        series: &str,
        number: u32,
        from: &str,
        to: &str,
    ) -> Result<()> {
        let dir = tempfile::tempdir()?;
        git::run(dir.path(), ["init", "--quiet"])?;
        for text in [from, to] {
            fs::write(dir.path().join("a"), lines(text))?;
            git::run(dir.path(), ["add", "."])?;
            git::run(dir.path(), ["commit", "--quiet", "-m", "change"])?;
        }
        let name = format!("{number:04}-change.patch");
        let mail = git::out(dir.path(), ["format-patch", "--stdout", "-1"])?;
        let folder = paths.patches().join(series);
        fs::create_dir_all(&folder)?;
        Ok(fs::write(folder.join(name), mail)?)
    }

    /// How each series fits, in words.
    fn fits_of(paths: &Paths, source: &Source, stores: &[PathBuf]) -> Result<Vec<Vec<String>>> {
        let all = fits(paths, &Ui::new().quiet(), source, stores)?;
        let words = |it: &SeriesFit| it.fits.iter().map(|(_, fit)| fit.to_string()).collect();
        Ok(all.iter().map(words).collect())
    }

    #[test]
    fn each_patch_is_tried_and_what_there_is_is_left_out() -> Result<()> {
        let (_dir, paths, source) = small()?;
        let ui = Ui::new().quiet();
        write_patch(&paths, 1, "1 2 3 4 5 6 7 8 9", "1 2 3 4 x 6 7 8 9")?;
        write_patch(&paths, 2, "1 2 3 4 y 6 7 8 9", "1 2 3 4 x 6 7 8 9")?;
        write_patch(&paths, 3, "1 2 3 4 x q r s", "1 2 3 4 x z q r s")?;
        write_patch(&paths, 4, "k l m n", "k l n n")?;
        let fits = fits_of(&paths, &source, &[])?;
        assert_eq!(fits.len(), 1);
        assert_eq!(fits[0][..2], ["applies", "already there"]);
        assert!(fits[0][2].starts_with("fails at a:"), "{fits:?}");
        assert_eq!(fits[0].len(), 3, "the one after that is not tried");
        // A build takes what is there already for done, and nothing that does not fit.
        let said = checkout(&paths, &ui, &source, None).map_err(|error| error.to_string());
        assert!(
            said.as_ref()
                .is_err_and(|text| text.contains("patches/1-fixes/0003-change.patch")),
            "{said:?}"
        );
        let (tree, _) = checkout(&paths, &ui, &source, Some(2))?;
        assert_eq!(
            fs::read_to_string(tree.join("a"))?,
            lines("1 2 3 4 x 6 7 8 9")
        );
        Ok(())
    }

    #[test]
    fn fuzz_and_merges_are_named() -> Result<()> {
        let (_dir, paths, source) = small()?;
        // Other lines around than the tree has, but for one on each side.
        write_patch(&paths, 1, "1 b c 4 5 6 g h 9", "1 b c 4 x 6 g h 9")?;
        let fits = || -> Result<String> {
            let store = paths.clone.join("store/.git/objects");
            let stores = store.is_dir().then_some(store);
            Ok(fits_of(&paths, &source, &Vec::from_iter(stores))?[0][0].clone())
        };
        assert_eq!(fits()?, "needs fuzz (git am -C1)");
        // A half of it is in the tree: only git, knowing the file it was made from, can.
        let from = "0 2 3 4 5 6 7 8 9";
        write_patch(&paths, 1, from, "1 2 3 4 5 6 7 8 y")?;
        assert_eq!(fits()?, "fails at a:1");
        let store = paths.clone.join("store");
        fs::create_dir(&store)?;
        git::run(&store, ["init", "--quiet"])?;
        fs::write(store.join("a"), lines(from))?;
        git::run(&store, ["add", "."])?;
        assert_eq!(fits()?, "needs a merge (git am --3way)");
        Ok(())
    }

    /// A patch from one text of `a` and of `Kconfig` to others, made in a tree that has
    /// these; the tree's objects.
    fn write_patch_made_in(
        paths: &Paths,
        tree: &Path,
        name: &str,
        texts: [(&str, &str); 2],
    ) -> Result<PathBuf> {
        git::run(tree, ["init", "--quiet"])?;
        for (a, other) in texts {
            fs::write(tree.join("a"), lines(a))?;
            fs::write(tree.join("Kconfig"), lines(other))?;
            git::run(tree, ["add", "."])?;
            git::run(tree, ["commit", "--quiet", "-m", "change"])?;
        }
        let mail = git::out(tree, ["format-patch", "--stdout", "--full-index", "-1"])?;
        let file = paths.patches().join(name);
        fs::create_dir_all(file.parent().context("a patch is in a folder")?)?;
        fs::write(file, mail)?;
        Ok(tree.join(".git/objects"))
    }

    #[test]
    fn a_patch_that_fails_leaves_nothing_behind() -> Result<()> {
        let (dir, paths, source) = small()?;
        let (stock, patched) = ("1 2 3 4 5 6 7 8 9", "1 2 3 4 x 6 7 8 9");
        // Of its two hunks the tree lacks one: git merges the other, to a file that only
        // the store has, and gives up.
        let made = dir.path().join("made");
        fs::create_dir(&made)?;
        let (from, to) = ("1 2 3 4 other 6 7 8 9", "1 2 3 4 patched 6 7 8 9");
        let texts = [(stock, from), (patched, to)];
        let store = write_patch_made_in(&paths, &made, "1-fixes/0001-change.patch", texts)?;
        write_patch(&paths, 2, stock, patched)?;
        write_patch_of(&paths, "2-mtd", 1, stock, patched)?;
        write_patch_of(&paths, "2-mtd", 2, "k l m n", "k l n n")?;
        // A merge whose outcome only the store has; what comes next starts from that.
        let merged = "1 2 3 4 5 6 7 8 y";
        let texts = [("0 2 3 4 5 6 7 8 9", stock), (merged, stock)];
        write_patch_made_in(&paths, &made, "3-spi/0001-change.patch", texts)?;
        write_patch_of(&paths, "3-spi", 2, merged, "z 2 3 4 5 6 7 8 y")?;
        let fits = fits_of(&paths, &source, &[store])?;
        assert_eq!(fits[0], ["fails at Kconfig:2"]);
        assert_eq!(fits[1], ["applies", "fails at a:1"]);
        assert_eq!(fits[2], ["needs a merge (git am --3way)", "applies"]);
        Ok(())
    }

    #[test]
    fn hunks_name_their_function_without_a_work_tree() -> Result<()> {
        let dir = tempfile::tempdir()?;
        let dir = dir.path();
        git::run(dir, ["init", "--quiet"])?;
        fs::write(dir.join(".gitattributes"), "*.c diff=cpp\n")?;
        let body = |end: &str| {
            let code = "1;\n".repeat(8);
            format!("int f(void)\n{{\n{code}label:\n{code}{end}\n}}\n")
        };
        fs::write(dir.join("a.c"), body("2;"))?;
        git::run(dir, ["add", "."])?;
        git::run(dir, ["commit", "--quiet", "-m", "base"])?;
        git::run(dir, ["tag", BASE])?;
        fs::write(dir.join("a.c"), body("3;"))?;
        git::run(dir, ["commit", "--quiet", "-a", "-m", "change"])?;
        fs::remove_file(dir.join(".gitattributes"))?;
        fs::remove_file(dir.join(".git/index"))?;
        attributes(dir)?;
        let diff = git::out(dir, ["diff", BASE, "HEAD"])?;
        assert!(diff.contains("@@ int f(void)"), "{diff}");
        Ok(())
    }

    #[test]
    fn changed_and_added_files_are_told_apart() {
        let file = |path: &str, added| Changed {
            path: path.into(),
            added,
        };
        assert_eq!(
            changed("M\0a/b.c\0A\0c.h\0"),
            [file("a/b.c", false), file("c.h", true)]
        );
        assert!(changed("").is_empty());
    }

    #[test]
    fn messages_are_checked() {
        let rules = Rules {
            and: vec!["3-spi".into()],
        };
        let count = |series: &str, subject: &str, message: &str| {
            rules.problems(series, subject, message).len()
        };
        let good = "spi: x\n\nAssisted-by: A\n";
        assert_eq!(count("2-mtd", "spi: x", good), 0);
        assert_eq!(count("2-mtd", "spi: Hand and sand", good), 1);
        assert_eq!(count("3-spi", "spi: Hand and sand", good), 0);
        assert_eq!(count("2-mtd", "spi: x", "spi: x\n"), 1);
        let signed = "Signed-off-by: A <a>\nAssisted-by: B\n";
        assert_eq!(count("2-mtd", "fixup! spi: x", signed), 2);
    }

    #[test]
    fn files_are_written_once_and_removed_with_their_directories() -> Result<()> {
        let dir = tempfile::tempdir()?;
        let paths = Paths::at(dir.path(), dir.path());
        let file = dir.path().join("a/b/c.sh");
        assert!(write_file(&file, b"x", true)?);
        assert!(!write_file(&file, b"x", true)?);
        assert!(write_file(&file, b"x", false)?);
        remove_exported(&paths, "a/b/c.sh")?;
        assert!(!dir.path().join("a").exists());
        remove_exported(&paths, "a/b/c.sh")
    }
}
