//! The fast checks of the series: what can be said of patches/ without building.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::base::paths::Paths;
use crate::base::ui::Ui;
use crate::base::{git, interrupt};
use crate::series::export::{self, EXPORTED};
use crate::series::patches::{self, COVER, Needs, Patch};
use crate::series::repository::Repository;
use crate::series::worktree::{self, BRANCH, SYNCED};
use crate::series::{mails, rules};
use crate::source;
use crate::source::tree::BASE;

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

/// The fast checks of the series: it applies, it is in the form that `export`
/// writes, the exported files are equal, and linux/ has nothing that is not here.
pub fn verify(paths: &Paths, ui: &Ui) -> Result<Report> {
    let source = source::ensure(paths, ui)?;
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
            interrupt::check_interrupted()?;
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
        .extend(rules::check_commits(paths, &repository.dir, &commit)?);
    report
        .problems
        .extend(check_alone(ui, &mut repository, &patches, &needs)?);
    report.problems.extend(check_covers(&dir, &needs)?);
    for (is, should) in differing(
        &patches,
        &mails::format_series(paths, ui, &repository.dir, &commit)?,
    ) {
        report.problems.push(format!(
            "patches/{is} is not what export writes ({should}); run: cargo lab tree, then cargo \
             lab export"
        ));
    }

    let added = export::added_files(&repository.dir, &commit)?;
    report.exported = added.len();
    let index = export::read_index(paths)?;
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
            interrupt::check_interrupted()?;
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
    let linux = match worktree::open_linux(paths) {
        Ok(linux) => linux,
        Err(error) => {
            report.problems.push(format!("{error:#}"));
            return Ok(());
        }
    };
    let tip = git::line(&linux, ["rev-parse", BRANCH])?;
    let ahead = tip != git::line(&linux, ["rev-parse", SYNCED])?;
    let is_exported =
        || mails::format_series(paths, ui, &linux, BRANCH).is_ok_and(|it| it == patches);
    if ahead && !is_exported() {
        interrupt::check_interrupted()?;
        report
            .problems
            .push("linux/ has commits that are not in patches/; run: cargo lab export".into());
    }
    if worktree::is_dirty(&linux)? {
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
}
