//! KTAP results, read from a console log by the kernel's own parser.
//!
//! `tools/testing/kunit/kunit.py parse` is kept up with the format by those who
//! define it, copes with time stamps and kernel lines in between, and counts a test
//! that the plan announces and the log lacks as crashed.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::base::process;
use crate::build::kernel::Kernel;
use crate::lab::Lab;
use crate::toolchain::enter::Bind;

/// What a log says about its tests.
#[derive(Clone, Debug, Default)]
pub struct Results {
    pub tests: Vec<Test>,
    /// Faults of the output itself: wrong numbers, missing results.
    pub errors: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Test {
    pub name: String,
    pub status: Status,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    Pass,
    Skip,
    Fail,
    /// Crashed or missing.
    Error,
}

/// Reads `console.log` in `dir`; leaves the parser's JSON there as `ktap.json`.
pub fn read(lab: &Lab, kernel: &Kernel, dir: &Path) -> Result<Results> {
    parse(&json(lab, kernel, dir)?)
}

/// As [`read`], for what KUnit printed.
pub fn read_kunit(lab: &Lab, kernel: &Kernel, dir: &Path) -> Result<Vec<Case>> {
    parse_kunit(&json(lab, kernel, dir)?)
}

fn json(lab: &Lab, kernel: &Kernel, dir: &Path) -> Result<String> {
    let binds = [
        Bind::read_only(&kernel.source_dir, "/ktap/linux"),
        Bind::writable(dir, "/ktap/run"),
    ];
    let mut parser = lab.toolchain.command(&binds, "python3");
    parser
        .args(["-B", "/ktap/linux/tools/testing/kunit/kunit.py", "parse"])
        .args(["--json=/ktap/run/ktap.json", "/ktap/run/console.log"]);
    result(&mut parser, dir)
}

/// Runs kunit.py, which leaves `ktap.json` in `dir`: what it wrote there.
pub fn result(kunit: &mut Command, dir: &Path) -> Result<String> {
    let json = dir.join("ktap.json");
    match std::fs::remove_file(&json) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("cannot remove {}", json.display()));
        }
        _ => {}
    }
    // Its status says whether tests passed; only the file says whether it worked.
    let (_, _, errors) = process::capture(kunit)?;
    std::fs::read_to_string(&json)
        .with_context(|| format!("kunit.py wrote no result:\n{}", errors.trim_end()))
}

pub fn parse(json: &str) -> Result<Results> {
    let group: Group = serde_json::from_str(json).context("kunit.py's result is not understood")?;
    if !group.sub_groups.is_empty() {
        bail!("the test programs print no nested tests, but the log has some");
    }
    Ok(Results {
        tests: group.test_cases,
        errors: group.misc.errors,
    })
}

/// A KUnit test with its parameters, if it has some.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// `suite.test`
    pub name: String,
    pub status: Status,
    /// How many parameters it ran with; 0 for a test that has none.
    pub parameters: usize,
    /// How many of them it skipped.
    pub skipped: usize,
    /// The parameters that did not pass.
    pub failed: Vec<String>,
}

/// KUnit's suites and their tests. What is missing is not in the result.
pub fn parse_kunit(json: &str) -> Result<Vec<Case>> {
    let all: Group = serde_json::from_str(json).context("kunit.py's result is not understood")?;
    let mut cases = Vec::new();
    for suite in &all.sub_groups {
        let name = |test: &str| format!("{}.{test}", suite.name);
        // The parser adds tests without a name in place of those that are missing.
        for test in suite.test_cases.iter().filter(|it| !it.name.is_empty()) {
            cases.push(Case {
                name: name(&test.name),
                status: test.status,
                parameters: 0,
                skipped: 0,
                failed: Vec::new(),
            });
        }
        for group in suite.sub_groups.iter().filter(|it| !it.name.is_empty()) {
            if !group.sub_groups.is_empty() {
                bail!("{} has tests below its parameters", name(&group.name));
            }
            let count = |status| {
                let tests = group.test_cases.iter();
                tests.filter(|it| it.status == status).count()
            };
            let skipped = count(Status::Skip);
            cases.push(Case {
                name: name(&group.name),
                status: if group.misc.errors > 0 || count(Status::Error) > 0 {
                    Status::Error
                } else if count(Status::Fail) > 0 {
                    Status::Fail
                } else if skipped == group.test_cases.len() {
                    Status::Skip
                } else {
                    Status::Pass
                },
                parameters: group.test_cases.len(),
                skipped,
                failed: group
                    .test_cases
                    .iter()
                    .filter(|it| matches!(it.status, Status::Fail | Status::Error))
                    .filter(|it| !it.name.is_empty())
                    .map(|it| it.name.clone())
                    .collect(),
            });
        }
    }
    // A suite that ended before its first test.
    for suite in all.test_cases.iter().filter(|it| !it.name.is_empty()) {
        cases.push(Case {
            name: suite.name.clone(),
            status: suite.status,
            parameters: 0,
            skipped: 0,
            failed: Vec::new(),
        });
    }
    Ok(cases)
}

#[derive(Deserialize)]
struct Group {
    #[serde(default)]
    name: String,
    sub_groups: Vec<Group>,
    test_cases: Vec<Test>,
    misc: Misc,
}

#[derive(Deserialize)]
struct Misc {
    errors: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kunit_suites_and_parameters_are_read() -> Result<()> {
        let cases = parse_kunit(
            r#"{"name": "KUnit Test Group", "test_cases": [], "misc": {"errors": 1},
              "sub_groups": [{"name": "gate", "misc": {"errors": 1},
                "test_cases": [{"name": "nests", "status": "PASS"}, {"name": "", "status": "ERROR"}],
                "sub_groups": [{"name": "waits", "misc": {"errors": 0}, "sub_groups": [],
                  "test_cases": [{"name": "read", "status": "SKIP"},
                    {"name": "write", "status": "PASS"}, {"name": "erase", "status": "FAIL"}]}]}]}"#,
        )?;
        let case = |name: &str, status, parameters, skipped, failed: &[&str]| Case {
            name: name.into(),
            status,
            parameters,
            skipped,
            failed: failed.iter().map(|it| (*it).to_owned()).collect(),
        };
        assert_eq!(
            cases,
            [
                case("gate.nests", Status::Pass, 0, 0, &[]),
                case("gate.waits", Status::Fail, 3, 1, &["erase"]),
            ]
        );
        Ok(())
    }

    #[test]
    fn all_four_states_are_known() -> Result<()> {
        let results = parse(
            r#"{"sub_groups": [], "misc": {"errors": 1, "tests": 4}, "test_cases": [
                {"name": "a", "status": "PASS"}, {"name": "b", "status": "SKIP"},
                {"name": "c", "status": "FAIL"}, {"name": "", "status": "ERROR"}]}"#,
        )?;
        let states: Vec<_> = results.tests.iter().map(|it| it.status).collect();
        use Status::{Error, Fail, Pass, Skip};
        assert_eq!(states, [Pass, Skip, Fail, Error]);
        assert_eq!(results.errors, 1);
        Ok(())
    }
}
