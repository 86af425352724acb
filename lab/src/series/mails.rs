//! Commits as patches, the same bytes on every machine. A commit names its series in a
//! trailer, which survives rebases.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::base::paths::Paths;
use crate::base::ui::Ui;
use crate::base::{files, git, process};
use crate::series::patches::{self, Patch};
use crate::source::tree::BASE;

/// A commit on top of the base.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    id: String,
    pub parents: String,
    pub subject: String,
    pub message: String,
}

/// The commits from the base to `tip`, the first one first.
pub fn log(repository: &Path, tip: &str) -> Result<Vec<Entry>> {
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
pub fn series_of(log: &[Entry]) -> Result<Vec<&str>> {
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

/// The commits from the base to `tip` as patches, the same bytes on every machine.
pub fn format_series(paths: &Paths, ui: &Ui, repository: &Path, tip: &str) -> Result<Vec<Patch>> {
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
    files::write_file(
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

#[cfg(test)]
mod tests {
    use std::fs;

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
}
