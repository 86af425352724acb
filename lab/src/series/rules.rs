//! What the commits of a series must be like.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::base::paths::Paths;
use crate::base::{git, interrupt};
use crate::series::mails;
use crate::source::tree::BASE;

/// Problems of the commits from the base to `tip` that a mailed series must not have.
pub fn check_commits(paths: &Paths, repository: &Path, tip: &str) -> Result<Vec<String>> {
    if git::run(repository, ["merge-base", "--is-ancestor", BASE, tip]).is_err() {
        interrupt::check_interrupted()?;
        return Ok(vec![format!("{tip} is not based on the tag {BASE}")]);
    }
    let log = mails::log(repository, tip)?;
    let series = match mails::series_of(&log) {
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
