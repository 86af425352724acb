//! linux/ written back to patches/, and added files to their kernel paths.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use walkdir::WalkDir;

use crate::base::paths::Paths;
use crate::base::ui::Ui;
use crate::base::{files, git, process};
use crate::series::patches::Patch;
use crate::series::worktree::{self, BRANCH};
use crate::series::{mails, rules};
use crate::source::tree::BASE;

/// Lists, in patches/, the files that `export` wrote outside it.
pub const EXPORTED: &str = "EXPORTED";

/// Names that belong to this repository, which no kernel file may take.
const OWN_NAMES: &[&str] = &[
    ".cargo",
    ".ci",
    ".git",
    ".gitignore",
    "Cargo.lock",
    "Cargo.toml",
    "README.md",
    "backports",
    "docs",
    "lab",
    "linux",
    "out",
    "patches",
    "target",
];

/// The verb `export`: writes linux/ to patches/, and the files that the series adds to
/// their kernel paths in this repository.
pub fn export(paths: &Paths, ui: &Ui) -> Result<()> {
    let linux = worktree::open_linux(paths)?;
    worktree::check_settled(&linux)?;
    let problems = rules::check_commits(paths, &linux, BRANCH)?;
    if !problems.is_empty() {
        bail!("linux/ cannot be exported:\n{}", problems.join("\n"));
    }
    let patches = mails::format_series(paths, ui, &linux, BRANCH)?;
    let added = added_files(&linux, BRANCH)?;
    let before = read_index(paths)?;
    check_ownership(paths, &added, &before)?;

    let dir = paths.patches();
    fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let mut changed = 0;
    for patch in &patches {
        changed += usize::from(files::write_file(
            &dir.join(&patch.name),
            &patch.bytes,
            false,
        )?);
    }
    changed += remove_stale(&dir, &patches)?;
    let index: String = added.keys().map(|path| format!("{path}\n")).collect();
    // First the union, so that an interrupted run forgets no file.
    let union: BTreeSet<&String> = added.keys().chain(&before).collect();
    let union: String = union.iter().map(|path| format!("{path}\n")).collect();
    files::write_file(&dir.join(EXPORTED), union.as_bytes(), false)?;
    for (path, file) in &added {
        changed += usize::from(files::write_file(
            &paths.clone.join(path),
            &file.bytes,
            file.executable,
        )?);
    }
    for path in before.iter().filter(|path| !added.contains_key(*path)) {
        remove_exported(paths, path)?;
        changed += 1;
    }
    files::write_file(&dir.join(EXPORTED), index.as_bytes(), false)?;
    worktree::mark_synced(&linux, &patches)?;
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

#[derive(Clone, Debug)]
pub struct Added {
    pub bytes: Vec<u8>,
    executable: bool,
}

/// Files that exist at `tip` and not at the base.
pub fn added_files(repository: &Path, tip: &str) -> Result<BTreeMap<String, Added>> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_written_once_and_removed_with_their_directories() -> Result<()> {
        let dir = tempfile::tempdir()?;
        let paths = Paths::at(dir.path(), dir.path());
        let file = dir.path().join("a/b/c.sh");
        assert!(files::write_file(&file, b"x", true)?);
        assert!(!files::write_file(&file, b"x", true)?);
        assert!(files::write_file(&file, b"x", false)?);
        remove_exported(&paths, "a/b/c.sh")?;
        assert!(!dir.path().join("a").exists());
        remove_exported(&paths, "a/b/c.sh")
    }
}
