//! The parts of `cargo lab test`, each counted.

use std::ops::AddAssign;
use std::process::Command;
use std::sync::LazyLock;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use regex::Regex;

use crate::base::process;
use crate::build::kernels;
use crate::build::variant::Variant;
use crate::check::{all, finding};
use crate::data::machine::Machine;
use crate::data::mutant;
use crate::data::scenario::{self, Scenario};
use crate::judge::lockdep;
use crate::judge::unbind::{self, Verdict};
use crate::lab::Lab;
use crate::parts::compare_drivers::{self, Comparison};
use crate::parts::demo::{self, Demo};
use crate::parts::model::{self, Sizes};
use crate::parts::{compile_fail, kunit, kunit_maintainer, mutants, unregister_inside};
use crate::run::qemu::{Bench, Job};
use crate::run::watch;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    pub passed: usize,
    pub failed: usize,
    pub skipped: usize,
}

impl AddAssign for Count {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl std::fmt::Display for Count {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)?;
        match self.skipped {
            0 => Ok(()),
            skipped => write!(f, ", {skipped} skipped"),
        }
    }
}

/// Counts, each with its name.
type Counts = Vec<(String, Count)>;

/// A part of `test`; the number is of the demo's cycles.
pub struct Part {
    pub name: &'static str,
    pub run: fn(&Lab, u32) -> Result<Counts>,
}

const fn part(name: &'static str, run: fn(&Lab, u32) -> Result<Counts>) -> Part {
    Part { name, run }
}

/// All parts, in order.
pub static PARTS: [Part; 14] = [
    part("check", |lab, _| Ok(checks(&all::all(lab)?))),
    part("unit-tests", |lab, _| one("unit tests", unit_tests(lab))),
    part("kunit", |lab, _| run_kunit(lab)),
    part("kunit.py", |lab, _| {
        one("kunit.py", kunit_maintainer::run(lab, 1).map(counted))
    }),
    part("rust", |lab, _| {
        Ok(checks(&all::rust(lab, &kunit::build(lab, false)?)?))
    }),
    part("compile-fail", |lab, _| run_compile_fail(lab)),
    part("mutants", |lab, _| run_mutants(lab)),
    part("model", |lab, _| one("model", run_model(lab))),
    // First of those that boot: it builds the stock kernel, where the others start from.
    part("demo", |lab, cycles| one("demo", run_demo(lab, cycles))),
    part("users", |lab, _| one("users", run_users(lab))),
    part("inside", |lab, _| one("inside", run_inside(lab))),
    part("restart", |lab, _| one("restart", run_restart(lab))),
    part("rust-demo", |lab, cycles| {
        one("demo of the Rust driver", run_rust_demo(lab, cycles))
    }),
    part("ab", |lab, _| one("C and Rust", run_ab(lab))),
];

fn one(name: &str, count: Result<Count>) -> Result<Counts> {
    Ok(vec![(name.to_owned(), count?)])
}

/// The parts with these names, in order; all without any.
pub fn chosen(names: &[String]) -> Result<Vec<&'static Part>> {
    let known = || PARTS.iter().map(|part| part.name);
    let unknown: Vec<&str> = names
        .iter()
        .map(String::as_str)
        .filter(|name| !known().any(|it| it == *name))
        .collect();
    if !unknown.is_empty() {
        bail!(
            "`test` has no part {}; its parts are: {}",
            unknown.join(", "),
            known().collect::<Vec<_>>().join(", ")
        );
    }
    let is_wanted = |part: &&Part| names.is_empty() || names.iter().any(|it| it == part.name);
    Ok(PARTS.iter().filter(is_wanted).collect())
}

/// What a check looked at counts as passed when nothing was found, and each finding as
/// failed otherwise.
fn checks(checks: &[finding::Check]) -> Counts {
    let mut counts = Vec::new();
    for check in checks {
        for finding in &check.findings {
            println!("{}: {finding}", check.name);
        }
        let count = Count {
            passed: match check.findings.len() {
                0 => check.looked,
                _ => 0,
            },
            failed: check.findings.len(),
            skipped: 0,
        };
        counts.push((check.name.to_owned(), count));
    }
    counts
}

fn unit_tests(lab: &Lab) -> Result<Count> {
    let step = lab.ui.step("unit tests of the lab");
    let log = lab.paths.log("unit-tests");
    process::fresh_log(&log)?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .current_dir(&lab.paths.clone)
        .args(["test", "--quiet", "--locked", "--package", "lab"]);
    let mut count = Count::default();
    let result = process::run_logged(&mut command, &log, |line| {
        count += summary(line).unwrap_or_default();
    });
    match result {
        // Failed tests make cargo fail; they are counted. Anything else is an error.
        Err(error) if count.failed == 0 => return Err(error),
        Err(error) => lab.ui.println(format!("{error:#}")),
        Ok(()) if count.passed == 0 => {
            return Err(anyhow::anyhow!("no unit test ran"))
                .with_context(|| format!("see {}", log.display()));
        }
        Ok(()) => {}
    }
    step.done(count.to_string());
    Ok(count)
}

/// The counts in libtest's last line.
fn summary(line: &str) -> Option<Count> {
    static PATTERN: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"^test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored;")
            .expect("a constant pattern compiles")
    });
    let found = PATTERN.captures(line)?;
    Some(Count {
        passed: found[1].parse().ok()?,
        failed: found[2].parse().ok()?,
        skipped: found[3].parse().ok()?,
    })
}

/// Nothing as long as the series has no such tests.
fn run_kunit(lab: &Lab) -> Result<Counts> {
    if !kunit::has_tests(&lab.paths)? {
        return Ok(Vec::new());
    }
    let summary = kunit::all(lab)?;
    if summary.fail_as_listed > 0 {
        println!(
            "kunit: {} more fail, as the list says, for bugs of others",
            summary.fail_as_listed
        );
    }
    Ok(vec![("kunit".to_owned(), counted(summary))])
}

fn counted(summary: kunit::Summary) -> Count {
    Count {
        passed: summary.passed,
        failed: summary.failed,
        skipped: summary.skipped,
    }
}

/// Nothing as long as there are no cases.
fn run_compile_fail(lab: &Lab) -> Result<Counts> {
    if !compile_fail::has_cases(lab) {
        return Ok(Vec::new());
    }
    let kernel = kunit::build(lab, false)?;
    let outcome = compile_fail::all(lab, &kernel, None)?;
    for finding in &outcome.findings {
        println!("compile-fail: {finding}");
    }
    let count = Count {
        passed: outcome.passed(),
        failed: outcome.findings.len(),
        skipped: 0,
    };
    Ok(vec![("compile-fail".to_owned(), count)])
}

/// How many mutants `test` runs; `soak` runs all.
const MUTANTS: usize = 3;

fn run_mutants(lab: &Lab) -> Result<Counts> {
    if !kunit::has_tests(&lab.paths)? {
        return Ok(Vec::new());
    }
    let mutants = mutant::some(mutant::read(&lab.paths)?, MUTANTS);
    let run = mutants::run(lab, &mutants, false, None)?;
    let passed = run.rows.iter().filter(|row| row.killed()).count();
    for row in run.rows.iter().filter(|row| !row.killed()) {
        println!("mutants: {}: {}", row.mutant, row.outcome);
    }
    let count = Count {
        passed,
        failed: mutants.len() - passed,
        skipped: 0,
    };
    Ok(vec![("mutants".to_owned(), count)])
}

/// The model of the MTD core in its short sizes, its mutants, and the litmus tests.
fn run_model(lab: &Lab) -> Result<Count> {
    // No size that is short needs a limit.
    let rows = model::all(lab, Sizes::Short, None, Duration::ZERO)?;
    let mut count = Count::default();
    for row in &rows {
        match &row.result {
            Ok(_) => count.passed += 1,
            Err(why) => {
                println!("model: {}: {why}", row.name());
                count.failed += 1;
            }
        }
    }
    Ok(count)
}

fn run_inside(lab: &Lab) -> Result<Count> {
    let rows = unregister_inside::all(lab, false)?;
    let passed = rows.iter().filter(|row| row.result.is_ok()).count();
    for row in &rows {
        if let Err(why) = &row.result {
            println!("inside: {}: {why}", row.what);
        }
    }
    Ok(Count {
        passed,
        failed: lockdep::What::ALL.len() - passed,
        skipped: 0,
    })
}

/// C's driver and Rust's on the same flash.
fn run_ab(lab: &Lab) -> Result<Count> {
    let boots = compare_drivers::all(lab, &Comparison::short())?;
    let rows: usize = boots.iter().map(|it| it.rows.len()).sum();
    let passed = boots.iter().map(compare_drivers::Boot::good).sum();
    Ok(Count {
        passed,
        failed: rows - passed,
        skipped: 0,
    })
}

/// The scenario that is not one of the demo's: it ends with the machine.
fn run_restart(lab: &Lab) -> Result<Count> {
    let machine = Machine::load(&lab.paths, "amd-versal-virt", None)?;
    let scenario = Scenario::load(&lab.paths, "restart-under-read")?;
    let variant = Variant::Series { upto: None };
    let kernel = kernels::build(lab, &variant, &machine.kernel_config, machine.arch)?;
    let bench = Bench::prepare(lab, &machine, &kernel, 1)?;
    let mut count = Count::default();
    for compatible in &machine.compatible {
        let step = lab
            .ui
            .step(format!("{:<18} {}", compatible.name, scenario.name));
        let job = Job {
            compatible,
            kernel: &kernel,
            scenario: Some(&scenario),
            cycles: 1,
            attempt: 1,
        };
        let judged = bench.judge(job, &scenario, |_| ())?;
        step.done(unbind::describe(&judged.verdict));
        match judged.verdict {
            Verdict::Restarted { .. } => count.passed += 1,
            _ => {
                lab.ui.println(watch::console_tail(&judged.booted.dir)?);
                count.failed += 1;
            }
        }
    }
    Ok(count)
}

/// The demo as it is without arguments, but for the cycles.
fn run_demo(lab: &Lab, cycles: u32) -> Result<Count> {
    demonstrate(lab, &Demo::new(&lab.paths, None, None, cycles)?)
}

/// Who uses an MTD beside file descriptors, on the patched kernel; on stock, by `demo`.
fn run_users(lab: &Lab) -> Result<Count> {
    let scenarios = Scenario::of_test(&lab.paths)?;
    let asked = Machine::load(&lab.paths, "amd-versal-virt", None)?;
    let mut count = Count::default();
    for place in scenario::places(&lab.paths, &[asked], &scenarios, None)? {
        let machine = &place.machine;
        let variant = Variant::Series { upto: None };
        let kernel = kernels::build(lab, &variant, &machine.kernel_config, machine.arch)?;
        let bench = Bench::prepare(lab, machine, &kernel, 1)?;
        for scenario in &place.scenarios {
            let step = lab
                .ui
                .step(format!("{:<18} {}", machine.name, scenario.name));
            let job = Job {
                compatible: machine.compatible.first().context("no binding")?,
                kernel: &kernel,
                scenario: Some(scenario),
                cycles: 1,
                attempt: 1,
            };
            let judged = bench.judge(job, scenario, |_| ())?;
            step.done(unbind::describe(&judged.verdict));
            match unbind::is_expected(variant, scenario.stock, &judged.verdict) {
                true => count.passed += 1,
                false => {
                    lab.ui.println(watch::console_tail(&judged.booted.dir)?);
                    count.failed += 1;
                }
            }
        }
    }
    Ok(count)
}

/// The same with the driver in Rust, for the binding that the report is about.
fn run_rust_demo(lab: &Lab, cycles: u32) -> Result<Count> {
    let compatible = Some("intel,socfpga-qspi");
    demonstrate(
        lab,
        &Demo::new(&lab.paths, Some("rust"), compatible, cycles)?,
    )
}

fn demonstrate(lab: &Lab, what: &Demo) -> Result<Count> {
    let outcome = demo::demonstrate(lab, what)?;
    let good = outcome.good();
    Ok(Count {
        passed: good,
        // A missing row is a failed one.
        failed: outcome.expected - good,
        skipped: 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libtests_summary_is_read() {
        let line = "test result: FAILED. 12 passed; 1 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.03s";
        let count = Count {
            passed: 12,
            failed: 1,
            skipped: 2,
        };
        assert_eq!(summary(line), Some(count));
        assert_eq!(summary("running 15 tests"), None);
    }

    #[test]
    fn parts_are_chosen_by_name_and_an_unknown_one_lists_them() -> Result<()> {
        let names = |list: &[&str]| -> Result<Vec<&str>> {
            let list: Vec<String> = list.iter().map(|&name| name.to_owned()).collect();
            Ok(chosen(&list)?.iter().map(|part| part.name).collect())
        };
        assert_eq!(names(&[])?.len(), PARTS.len());
        assert_eq!(names(&["demo", "kunit"])?, ["kunit", "demo"]);
        let error = names(&["kunit", "nothing", "else"]).map_err(|error| error.to_string());
        let error = error.err().unwrap_or_default();
        assert!(error.starts_with("`test` has no part nothing, else; its parts are: check, unit"));
        assert_eq!(error.lines().count(), 1);
        Ok(())
    }

    #[test]
    fn the_last_line_has_its_form() {
        let mut count = Count {
            passed: 3,
            ..Count::default()
        };
        assert_eq!(count.to_string(), "3 passed, 0 failed");
        count.skipped = 1;
        assert_eq!(count.to_string(), "3 passed, 0 failed, 1 skipped");
    }
}
