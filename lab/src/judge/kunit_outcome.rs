//! KUnit results held against the list of tests that must run.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use crate::data::kunit_list::{self, Expected, Which};
use crate::judge::ktap::{Case, Status};

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    Done,
    TimeLimit(Duration),
    Died(ExitStatus),
}

/// What a run left.
#[derive(Clone, Debug)]
pub struct Ran {
    pub cases: Vec<Case>,
    pub ended: Ended,
    /// First lines of what the kernel reported beside the tests.
    pub reports: Vec<String>,
    pub log: PathBuf,
}

/// What became of a test that was expected, or ran.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Passed,
    Skipped,
    /// As the list says.
    FailsAsListed,
    Failed(String),
    Missing,
}

/// The list that `cases` make, with the marks that `old` has.
pub fn print_list(old: &[Expected], cases: &[Case]) -> String {
    let mut text = String::from(
        "# The KUnit tests that must run; written by `cargo lab kunit --update`.\n\
         # suite.test [parameters=N] [skips=N] [fails]; fails: it does, for a bug of what it\n\
         # tests that the series leaves alone.\n\
         # pattern tests=N: so many that match. pattern others: those that match no other\n\
         # line, however many. Patterns are written by hand, their numbers are not.\n",
    );
    let mut lines: Vec<Expected> = Vec::new();
    for case in cases {
        let line = kunit_list::line_of(old, &case.name).filter(|entry| entry.which != Which::One);
        if let Some(pattern) = line {
            match lines.iter_mut().find(|entry| entry.name == pattern.name) {
                None => lines.push(Expected {
                    which: match pattern.which {
                        Which::Matching(_) => Which::Matching(1),
                        which => which,
                    },
                    ..pattern.clone()
                }),
                Some(Expected {
                    which: Which::Matching(number),
                    ..
                }) => *number += 1,
                Some(_) => {}
            }
            continue;
        }
        let marked = old.iter().find(|entry| entry.name == case.name);
        lines.push(Expected {
            name: case.name.clone(),
            which: Which::One,
            parameters: case.parameters,
            skips: match (case.parameters, case.status) {
                (0, Status::Skip) => 1,
                _ => case.skipped,
            },
            fails: marked.is_some_and(|entry| entry.fails),
        });
    }
    for line in &lines {
        text.push_str(&line.name);
        let tests = match line.which {
            Which::Matching(number) => number,
            _ => 0,
        };
        let numbers = [
            ("tests", tests),
            ("parameters", line.parameters),
            ("skips", line.skips),
        ];
        for (word, number) in numbers {
            if number > 0 {
                // Writing to a string does not fail.
                let _ = write!(text, " {word}={number}");
            }
        }
        if line.which == Which::Others {
            text.push_str(" others");
        }
        if line.fails {
            text.push_str(" fails");
        }
        text.push('\n');
    }
    text
}

/// Each expected test in order, then those that ran and are not in the list. What matches
/// `others` is one outcome, and each that did not pass one of its own.
pub fn judge(expected: &[Expected], cases: &[Case]) -> Vec<(String, Outcome)> {
    let mut ran: BTreeMap<&str, &Case> = BTreeMap::new();
    let mut of_line: BTreeMap<&str, Vec<&Case>> = BTreeMap::new();
    let mut outcomes = Vec::new();
    for case in cases {
        if ran.insert(&case.name, case).is_some() {
            outcomes.push((case.name.clone(), Outcome::Failed("ran twice".into())));
        } else if let Some(line) = kunit_list::line_of(expected, &case.name) {
            of_line.entry(&line.name).or_default().push(case);
        }
    }
    for entry in expected {
        let found = of_line
            .get(entry.name.as_str())
            .map_or(&[][..], Vec::as_slice);
        let each = |case: &&Case| (case.name.clone(), outcome(entry, case));
        match entry.which {
            Which::One => outcomes.push(
                found
                    .first()
                    .map_or((entry.name.clone(), Outcome::Missing), each),
            ),
            Which::Matching(number) => {
                outcomes.extend(found.iter().map(each));
                if found.len() != number {
                    let why = format!("{} tests ran, not {number}", found.len());
                    outcomes.push((entry.name.clone(), Outcome::Failed(why)));
                }
            }
            Which::Others => {
                let bad: Vec<_> = found
                    .iter()
                    .map(each)
                    .filter(|(_, outcome)| !matches!(outcome, Outcome::Passed | Outcome::Skipped))
                    .collect();
                if bad.is_empty() && !found.is_empty() {
                    outcomes.push((entry.name.clone(), Outcome::Passed));
                }
                outcomes.extend(bad);
            }
        }
    }
    for case in cases {
        if kunit_list::line_of(expected, &case.name).is_none() {
            let why = "is not in the list of tests".to_owned();
            outcomes.push((case.name.clone(), Outcome::Failed(why)));
        }
    }
    outcomes
}

fn outcome(entry: &Expected, case: &Case) -> Outcome {
    let skipped = match (case.parameters, case.status) {
        (0, Status::Skip) => 1,
        _ => case.skipped,
    };
    match case.status {
        Status::Fail if entry.fails => Outcome::FailsAsListed,
        Status::Pass if entry.fails => {
            Outcome::Failed("passes, though the list says that it fails".into())
        }
        Status::Fail | Status::Error if case.failed.is_empty() => Outcome::Failed("failed".into()),
        Status::Fail | Status::Error => {
            Outcome::Failed(format!("failed for {}", case.failed.join(", ")))
        }
        _ if case.parameters != entry.parameters => Outcome::Failed(format!(
            "ran with {} parameters, not {}",
            case.parameters, entry.parameters
        )),
        _ if skipped > entry.skips => {
            Outcome::Failed(format!("{skipped} skipped, {} may be", entry.skips))
        }
        Status::Skip => Outcome::Skipped,
        Status::Pass => Outcome::Passed,
    }
}

/// Faults of a run that belong to no test.
pub fn faults(ran: &Ran) -> Vec<String> {
    let ended = match ran.ended {
        Ended::Done => None,
        Ended::TimeLimit(limit) => Some(format!("not done after {} s", limit.as_secs())),
        Ended::Died(status) => Some(format!("UML ended with {status}")),
    };
    let reported = ran
        .reports
        .iter()
        .map(|line| format!("the kernel reports: {line}"));
    reported.chain(ended).collect()
}

#[cfg(test)]
mod tests {
    use anyhow::Result;

    use super::*;

    fn case(name: &str, status: Status, parameters: usize, skipped: usize) -> Case {
        Case {
            name: name.into(),
            status,
            parameters,
            skipped,
            failed: Vec::new(),
        }
    }

    #[test]
    fn lists_read_back_as_written() -> Result<()> {
        let old = kunit_list::parse_list("a.b # why\n\na.gone fails\na.d fails\n")?;
        let cases = [
            case("a.b", Status::Pass, 3, 1),
            case("a.c", Status::Skip, 0, 0),
            case("a.d", Status::Fail, 0, 0),
        ];
        let text = print_list(&old, &cases);
        assert!(
            text.ends_with("\na.b parameters=3 skips=1\na.c skips=1\na.d fails\n"),
            "{text}"
        );
        let expected = kunit_list::parse_list(&text)?;
        assert!(judge(&expected, &cases).iter().all(|(_, outcome)| matches!(
            outcome,
            Outcome::Passed | Outcome::Skipped | Outcome::FailsAsListed
        )));
        Ok(())
    }

    #[test]
    fn missing_unexpected_skipped_and_failed_tests_are_found() -> Result<()> {
        let expected = kunit_list::parse_list(
            "a.gone\na.skip\na.fail\na.fewer parameters=2\na.good\na.better fails\n",
        )?;
        let mut failing = case("a.fail", Status::Fail, 2, 0);
        failing.failed.push("write".into());
        let outcomes = judge(
            &expected,
            &[
                case("a.skip", Status::Skip, 0, 0),
                failing,
                case("a.fewer", Status::Pass, 1, 0),
                case("a.good", Status::Pass, 0, 0),
                case("a.better", Status::Pass, 0, 0),
                case("a.new", Status::Pass, 0, 0),
                case("a.new", Status::Pass, 0, 0),
            ],
        );
        let said: Vec<String> = outcomes
            .iter()
            .map(|(name, outcome)| match outcome {
                Outcome::Failed(why) => format!("{name} {why}"),
                other => format!("{name} {other:?}"),
            })
            .collect();
        assert_eq!(
            said,
            [
                "a.new ran twice",
                "a.gone Missing",
                "a.skip 1 skipped, 0 may be",
                "a.fail failed for write",
                "a.fewer ran with 1 parameters, not 2",
                "a.good Passed",
                "a.better passes, though the list says that it fails",
                "a.new is not in the list of tests",
                "a.new is not in the list of tests",
            ]
        );
        Ok(())
    }

    #[test]
    fn patterns_count_what_has_no_line_of_its_own() -> Result<()> {
        let list = "a.x_1\na.x_* tests=2\na.* others\n";
        let expected = kunit_list::parse_list(list)?;
        let all: Vec<Case> = ["a.x_0", "a.x_1", "a.x_2", "a.y", "a.z"]
            .map(|name| case(name, Status::Pass, 0, 0))
            .into();
        let said = |expected: &[Expected], cases: &[Case]| -> Vec<String> {
            judge(expected, cases)
                .iter()
                .map(|(name, outcome)| format!("{name} {outcome:?}"))
                .collect()
        };
        assert_eq!(
            said(&expected, &all),
            ["a.x_1 Passed", "a.x_0 Passed", "a.x_2 Passed", "a.* Passed"]
        );
        // The order of the lines is that of the tests, and does not matter.
        let turned = kunit_list::parse_list("a.* others\na.x_* tests=2\na.x_1\n")?;
        assert_eq!(
            said(&turned, &all),
            ["a.* Passed", "a.x_0 Passed", "a.x_2 Passed", "a.x_1 Passed"]
        );
        assert!(print_list(&expected, &all).ends_with("\na.x_* tests=2\na.x_1\na.* others\n"));
        let mut bad = all;
        bad[0].status = Status::Fail;
        bad[3].status = Status::Fail;
        bad.remove(2);
        assert_eq!(
            said(&expected, &bad),
            [
                "a.x_1 Passed",
                "a.x_0 Failed(\"failed\")",
                "a.x_* Failed(\"1 tests ran, not 2\")",
                "a.y Failed(\"failed\")"
            ]
        );
        // With a filter for some of them, nobody counts.
        let some = kunit_list::filtered(&expected, "a.*_2")?;
        assert_eq!(
            said(&some, &[case("a.x_2", Status::Pass, 0, 0)]),
            ["a.x_* Passed"]
        );
        assert_eq!(kunit_list::filtered(&expected, "a")?, expected);
        assert!(kunit_list::filtered(&expected, "b.*")?.is_empty());
        Ok(())
    }
}
