//! The KUnit tests that a stock kernel must fail, each in a boot of its own, since the
//! first one may take the kernel with it.

use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::sync::LazyLock;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use regex::Regex;

use crate::base::paths::Paths;
use crate::base::ui;
use crate::build::kernels;
use crate::build::overlay::Overlay;
use crate::build::variant::Variant;
use crate::data::kunit_list::glob_pattern;
use crate::judge::ktap::Status;
use crate::judge::kunit_outcome::{Ended, Ran};
use crate::judge::report::Line;
use crate::lab::Lab;
use crate::run::uml::boot_with;

/// The configuration, and the name of its list.
const CONFIG: &str = "um-stock";

/// One test; the slowest, which tries at random until something breaks, takes ten
/// seconds on a quiet machine.
const LIMIT: Duration = Duration::from_secs(120);

/// The first report is what is judged; what follows from it is of no interest.
const ARGUMENTS: &[&str] = &["panic_on_warn=1", "oops=panic", "kasan.fault=panic"];

/// Tests of drivers on models print this when they begin to unbind.
const MARKER: &str = ": UNBIND";

/// Suites that do so.
const WITH_MARKER: &str = "model_";

/// The end of a report at the latest.
const REPORT_LINES: usize = 150;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Passes,
    Fails,
}

/// A line of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    name: String,
    wanted: Wanted,
}

/// What a test did.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome {
    Passed,
    /// And how it was seen.
    Failed(String),
    /// Something went wrong that says nothing about the test.
    Inconclusive(String),
}

fn read(paths: &Paths) -> Result<Vec<Entry>> {
    let file = crate::data::kunit_list::list_file(paths, CONFIG);
    let text =
        fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    parse(&text).with_context(|| format!("in {}", file.display()))
}

fn parse(text: &str) -> Result<Vec<Entry>> {
    let mut list: Vec<Entry> = Vec::new();
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default();
        let words: Vec<&str> = line.split_whitespace().collect();
        let (name, wanted) = match words[..] {
            [] => continue,
            [name, "passes"] => (name, Wanted::Passes),
            [name, "fails"] => (name, Wanted::Fails),
            _ => bail!("{line:?} is not `suite.test passes` or `suite.test fails`"),
        };
        if !name.contains('.') || list.iter().any(|entry| entry.name == name) {
            bail!("{name} is not suite.test, or is there twice");
        }
        list.push(Entry {
            name: name.to_owned(),
            wanted,
        });
    }
    Ok(list)
}

/// What a run of one test was, from its console and the parser's result.
fn judge(name: &str, ran: &Ran, log: &str) -> Outcome {
    static PATH: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(
            r"\b_*(?:spi|mtd|nxp_fspi|fsl_qspi|stm32_[oq]?spi|zynqmp_qspi|cqspi|mutex|complete)_?\w*\+0x",
        )
        .expect("a constant expression")
    });
    let lines: Vec<&str> = log.lines().collect();
    let with_marker = name.starts_with(WITH_MARKER);
    let start = match with_marker {
        true => lines.iter().position(|line| line.contains(MARKER)),
        false => lines.iter().position(|line| line.starts_with("KTAP")),
    };
    let first = lines.iter().position(|line| Line::parse(line).is_report());
    if let Some(first) = first {
        let said = lines[first].trim().to_owned();
        if start.is_none_or(|start| first < start) {
            return Outcome::Inconclusive(format!("before the test did anything: {said}"));
        }
        let end = lines.len().min(first + REPORT_LINES);
        if !lines[first..end].iter().any(|line| PATH.is_match(line)) {
            return Outcome::Inconclusive(format!("not in the code under test: {said}"));
        }
        return Outcome::Failed(said);
    }
    let case = ran.cases.iter().find(|case| case.name == name);
    match (case.map(|case| case.status), ran.ended) {
        (Some(Status::Pass), Ended::Done) => Outcome::Passed,
        _ if with_marker && start.is_none() && case.is_some_and(|it| it.status != Status::Pass) => {
            Outcome::Inconclusive("it fails before it unbinds anything".into())
        }
        (Some(Status::Fail | Status::Error), Ended::Done) => Outcome::Failed(expectation(&lines)),
        (_, Ended::TimeLimit(limit)) if start.is_some() => {
            Outcome::Failed(format!("does not end in {} s", limit.as_secs()))
        }
        (_, Ended::Died(status)) => Outcome::Inconclusive(format!("UML ended with {status}")),
        _ => Outcome::Inconclusive("it did not run".into()),
    }
}

/// What the test says that it found first.
fn expectation(lines: &[&str]) -> String {
    let Some(at) = lines
        .iter()
        .position(|line| line.contains("EXPECTATION FAILED") || line.contains("ASSERTION FAILED"))
    else {
        return "failed".into();
    };
    // Its message, which is not indented, or what was expected. The kernel talks, too.
    let chatter = |line: &str| line.contains("MTD partitions on") || line.starts_with("0x");
    let said: Vec<&str> = lines[at + 1..]
        .iter()
        .take(8)
        .take_while(|line| !line.trim_start().starts_with('#') && !line.contains("ok "))
        .copied()
        .collect();
    let message = said
        .iter()
        .find(|line| !line.is_empty() && !line.starts_with(' ') && !chatter(line))
        .or(said.first());
    message.map_or("failed".into(), |line| {
        line.trim().trim_end_matches(", but").to_owned()
    })
}

/// Builds the kernel, and runs those tests of the list that match.
pub fn run(lab: &Lab, filter: Option<&str>) -> Result<ExitCode> {
    let mut list = read(&lab.paths)?;
    if let Some(glob) = filter {
        let pattern = glob_pattern(glob)?;
        list.retain(|entry| pattern.is_match(&entry.name));
        if list.is_empty() {
            bail!("no test of {CONFIG}.txt matches {glob}");
        }
    }
    let overlay = Overlay::stock(&lab.paths)?;
    let kernel = kernels::build_overlaid(lab, &Variant::Stock, &overlay, CONFIG, None)?;

    let step = lab.ui.step("KUnit tests on the stock kernel");
    let mut table = ui::grid(["test", "must", "stock"]);
    let mut wrong = Vec::new();
    for (index, entry) in list.iter().enumerate() {
        step.note(format!("{} of {}: {}", index + 1, list.len(), entry.name));
        let dir = lab.paths.out().join("kunit").join(CONFIG).join(&entry.name);
        let ran = boot_with(lab, &kernel, &dir, Some(&entry.name), ARGUMENTS, LIMIT)?;
        let outcome = judge(&entry.name, &ran, &console(&ran.log)?);
        let (must, ok) = match entry.wanted {
            Wanted::Passes => ("pass", outcome == Outcome::Passed),
            Wanted::Fails => ("fail", matches!(outcome, Outcome::Failed(_))),
        };
        let said = match outcome {
            Outcome::Passed => "passes".to_owned(),
            Outcome::Failed(how) => format!("fails: {how}"),
            Outcome::Inconclusive(why) => format!("inconclusive: {why}"),
        };
        table.add_row([entry.name.as_str(), must, said.as_str()]);
        if !ok {
            wrong.push(format!("{}: {said}; see {}", entry.name, ran.log.display()));
        }
    }
    step.done(format!("{} tests", list.len()));
    println!("{table}");
    for line in &wrong {
        println!("kunit --stock: {line}");
    }
    println!(
        "kunit --stock: {} of {} tests as they should be",
        list.len() - wrong.len(),
        list.len()
    );
    Ok(match wrong.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

fn console(log: &Path) -> Result<String> {
    let bytes = fs::read(log).with_context(|| format!("cannot read {}", log.display()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::data::kunit_list;
    use crate::judge::ktap::Case;

    fn ran(status: Option<Status>, ended: Ended) -> Ran {
        let case = |status| Case {
            name: "model_x.t".into(),
            status,
            parameters: 0,
            skipped: 0,
            failed: Vec::new(),
        };
        Ran {
            cases: status.map(case).into_iter().collect(),
            ended,
            reports: Vec::new(),
            log: PathBuf::new(),
        }
    }

    const START: &str = "KTAP version 1\n    # t: UNBIND\n";
    const SPLAT: &str = "BUG: KASAN: slab-use-after-free in nxp_fspi_exec_op+0x1/0x2\n";

    #[test]
    fn a_report_after_the_marker_in_the_path_fails() {
        let died = ran(None, Ended::TimeLimit(LIMIT));
        let judged = |log: &str| judge("model_x.t", &died, log);
        let good = judged(&format!("{START}{SPLAT}"));
        assert!(matches!(good, Outcome::Failed(how) if how.contains("nxp_fspi_exec_op")));
        let early = judged(&format!("KTAP version 1\n{SPLAT}    # t: UNBIND\n"));
        assert!(matches!(early, Outcome::Inconclusive(_)));
        let elsewhere = judged(&format!("{START}BUG: KASAN: use-after-free in f+0x1/0x2\n"));
        assert!(matches!(elsewhere, Outcome::Inconclusive(_)));
        let unmarked = judged(&format!("KTAP version 1\n{SPLAT}"));
        assert!(matches!(unmarked, Outcome::Inconclusive(_)));
        let hangs = judged(START);
        assert!(matches!(hangs, Outcome::Failed(_)));
        assert!(matches!(
            judged("KTAP version 1\n"),
            Outcome::Inconclusive(_)
        ));
    }

    #[test]
    fn a_failed_expectation_is_named() {
        let failed = ran(Some(Status::Fail), Ended::Done);
        let log = format!(
            "{START}    # t: EXPECTATION FAILED at f.c:1\n    Expected 0 == x\n\nunbinding did \
             not wait\n    not ok 1 t\n"
        );
        assert_eq!(
            judge("model_x.t", &failed, &log),
            Outcome::Failed("unbinding did not wait".into())
        );
        let early = "KTAP version 1\n    # t: ASSERTION FAILED at f.c:1\n";
        assert!(matches!(
            judge("model_x.t", &failed, early),
            Outcome::Inconclusive(_)
        ));
        assert_eq!(
            judge("model_x.t", &ran(Some(Status::Pass), Ended::Done), START),
            Outcome::Passed
        );
        assert!(matches!(
            judge("model_x.t", &ran(None, Ended::Done), START),
            Outcome::Inconclusive(_)
        ));
    }

    #[test]
    fn lists_read() -> Result<()> {
        assert_eq!(parse("# x\na.b fails # y\na.c passes\n")?.len(), 2);
        for wrong in ["a.b", "a.b what", "a fails", "a.b fails\na.b fails"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
        Ok(())
    }

    #[test]
    fn the_committed_list_has_tests_that_there_are() -> Result<()> {
        let paths = Paths::find()?;
        let mut there = kunit_list::read_list(&paths, kunit_list::CONFIG)?;
        there.extend(kunit_list::read_list(&paths, kunit_list::MODELS)?);
        let list = read(&paths)?;
        assert!(!list.is_empty());
        for entry in &list {
            let found = there.iter().any(|it| it.name == entry.name);
            assert!(found, "{}", entry.name);
        }
        Ok(())
    }
}
