//! The lists of KUnit tests that must run.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use regex::Regex;

use crate::base::paths::Paths;
use crate::base::{git, process};

/// The configuration of the series' tests, and the name of their list.
pub const CONFIG: &str = "um-kunit";

/// The same for drivers on models.
pub const MODELS: &str = "um-models";

/// Which tests a line of the list is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// The one that it names.
    One,
    /// Those that match, of which there must be so many. For examples of documentation,
    /// which have no names, but numbers within their file.
    Matching(usize),
    /// What else matches, if there is something: tests that are not the series'.
    Others,
}

/// A line of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// `suite.test`, or a pattern.
    pub name: String,
    pub which: Which,
    /// 0 for a test without.
    pub parameters: usize,
    /// How many parameters (or whether the test, if it has none) may be skipped.
    pub skips: usize,
    /// Fails, for a bug of what it tests that the series leaves alone.
    pub fails: bool,
}

impl Expected {
    fn matches(&self, name: &str) -> bool {
        match self.which {
            Which::One => self.name == name,
            // The list has been read, and its patterns with it.
            _ => glob_pattern(&self.name).is_ok_and(|pattern| pattern.is_match(name)),
        }
    }
}

/// The line that a test belongs to: the one with its name; or the first with a number that it
/// matches; or the first of the others.
pub fn line_of<'a>(list: &'a [Expected], name: &str) -> Option<&'a Expected> {
    let is_numbered = |entry: &&Expected| matches!(entry.which, Which::Matching(_));
    let mut matching = list.iter().filter(|entry| entry.matches(name));
    matching
        .clone()
        .find(|entry| entry.which == Which::One)
        .or_else(|| matching.clone().find(is_numbered))
        .or_else(|| matching.next())
}

/// The list of a configuration.
pub fn list_file(paths: &Paths, config: &str) -> PathBuf {
    paths.data().join(format!("kunit/{config}.txt"))
}

pub fn read_list(paths: &Paths, config: &str) -> Result<Vec<Expected>> {
    let file = list_file(paths, config);
    let text =
        fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    parse_list(&text).with_context(|| format!("in {}", file.display()))
}

pub fn parse_list(text: &str) -> Result<Vec<Expected>> {
    let mut list: Vec<Expected> = Vec::new();
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default();
        let mut words = line.split_whitespace();
        let Some(name) = words.next() else { continue };
        let mut entry = Expected {
            name: name.to_owned(),
            which: Which::One,
            parameters: 0,
            skips: 0,
            fails: false,
        };
        for word in words {
            let number = |text: &str| text.parse().with_context(|| format!("{name}: {word}"));
            match word.split_once('=') {
                Some(("parameters", value)) => entry.parameters = number(value)?,
                Some(("skips", value)) => entry.skips = number(value)?,
                Some(("tests", value)) => entry.which = Which::Matching(number(value)?),
                None if word == "others" => entry.which = Which::Others,
                None if word == "fails" => entry.fails = true,
                _ => bail!("{name}: {word} is not understood"),
            }
        }
        if !name.contains('.') || list.iter().any(|other| other.name == name) {
            bail!("{name} is not suite.test, or is there twice");
        }
        if name.contains(['*', '?']) == (entry.which == Which::One) {
            bail!("{name}: patterns, and nothing else, have `tests=` or `others`");
        }
        list.push(entry);
    }
    Ok(list)
}

/// What is left of a list with a filter. Of what a pattern is about, it cannot be known how
/// many tests match a filter for some of a suite.
pub fn filtered(expected: &[Expected], glob: &str) -> Result<Vec<Expected>> {
    let pattern = glob_pattern(glob)?;
    let (suite, test) = glob.split_once('.').unwrap_or((glob, "*"));
    let suite = glob_pattern(suite)?;
    let mut left = Vec::new();
    for entry in expected {
        match entry.which {
            Which::One if pattern.is_match(&entry.name) => left.push(entry.clone()),
            Which::Matching(_) | Which::Others if suite.is_match(&entry.name) => {
                left.push(Expected {
                    which: match test {
                        "*" => entry.which,
                        _ => Which::Others,
                    },
                    ..entry.clone()
                });
            }
            _ => {}
        }
    }
    Ok(left)
}

/// What is left of a list in a tree with some of the series: tests of the suites that it
/// has. How many examples of documentation there are is not known.
pub fn of_tree(expected: &[Expected], tree: &Path) -> Result<Vec<Expected>> {
    let suite = r#"\.name = "[a-z0-9_]+"|kunit_tests\([a-z0-9_]+\)"#;
    let mut grep = git::git(tree);
    grep.args(["grep", "-hoE", suite, "--", "*.rs", "*test*.c", "*kunit*.c"]);
    let found = process::output(&mut grep).context("cannot read the tests")?;
    let suites: BTreeSet<&str> = found
        .lines()
        .filter_map(|line| line.split(['"', '(', ')']).nth(1))
        .collect();
    let mut left = expected.to_vec();
    left.retain(|entry| {
        let suite = entry.name.split('.').next().unwrap_or_default();
        entry.which != Which::One || suites.contains(suite)
    });
    for entry in &mut left {
        if matches!(entry.which, Which::Matching(_)) {
            entry.which = Which::Others;
        }
    }
    Ok(left)
}

/// What the kernel takes for a match: suite and test by themselves, each with *, ?, and [!x]
/// for any other than x.
pub fn glob_pattern(glob: &str) -> Result<Regex> {
    let part = |text: &str| {
        regex::escape(text)
            .replace(r"\*", "[^.]*")
            .replace(r"\?", "[^.]")
            .replace(r"\[!", "[^.")
            .replace(r"\]", "]")
    };
    let (suite, test) = glob.split_once('.').unwrap_or((glob, "*"));
    Regex::new(&format!("^{}\\.{}$", part(suite), part(test)))
        .with_context(|| format!("{glob} is no pattern"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_with_faults_are_refused() {
        for wrong in [
            "a",
            "a.b\na.b",
            "a.b what",
            "a.b skips=x",
            "a.b size=1",
            "a.b*",
            "a.b others",
            "a.b tests=1",
        ] {
            assert!(parse_list(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn filters_match_as_in_the_kernel() -> Result<()> {
        assert!(glob_pattern("spi_*")?.is_match("spi_gate.nests"));
        assert!(glob_pattern("spi_gate.*s")?.is_match("spi_gate.nests"));
        assert!(!glob_pattern("spi_gate.n")?.is_match("spi_gate.nests"));
        assert!(!glob_pattern("spi")?.is_match("spi_gate.nests"));
        assert!(glob_pattern("sp[!j]*")?.is_match("spi_gate.nests"));
        assert!(!glob_pattern("sp[!i]*")?.is_match("spi_gate.nests"));
        Ok(())
    }

    #[test]
    fn the_committed_lists_read() -> Result<()> {
        for config in [CONFIG, MODELS] {
            assert!(!read_list(&Paths::find()?, config)?.is_empty(), "{config}");
        }
        Ok(())
    }
}
