//! `cargo lab test`: everything this repository proves about itself, in one command.

use std::ops::AddAssign;
use std::process::{Command, ExitCode};
use std::sync::LazyLock;
use std::time::Duration;

use anyhow::{Context, Result};
use regex::Regex;

use crate::ab;
use crate::check;
use crate::compile_fail;
use crate::demo;
use crate::inside;
use crate::kernel::{self, Lab, Variant};
use crate::kunit;
use crate::machine::Machine;
use crate::model::{self, Sizes};
use crate::mutants;
use crate::process;
use crate::qemu::{self, Bench, Job};
use crate::scenario::{self, Scenario};
use crate::verdict::Verdict;

/// Test it all: the fast checks, unit tests of the lab, KUnit, mutants, and all boots
///
/// About half an hour in a clean clone, less when its kernels are built, more from an empty cache.
/// Writes out/demo.json, and logs under out/. The last line counts; exit status 0 only
/// if nothing failed.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Unbind and bind cycles in the demo
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    cycles: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    passed: usize,
    failed: usize,
    skipped: usize,
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

pub fn run(lab: &Lab, args: Args) -> Result<ExitCode> {
    let mut all = Count::default();
    type Part<'a> = (&'a str, &'a dyn Fn() -> Result<Vec<(String, Count)>>);
    let one = |name: &str, count| vec![(name.to_owned(), count)];
    let parts: [Part; 14] = [
        ("check", &|| Ok(checks(&check::all(lab)?))),
        ("unit tests", &|| Ok(one("unit tests", unit_tests(lab)?))),
        ("kunit", &|| run_kunit(lab)),
        ("kunit.py", &|| {
            Ok(one("kunit.py", counted(kunit::as_maintainer(lab)?)))
        }),
        ("rust", &|| Ok(checks(&check::rust(lab, false)?))),
        ("compile-fail", &|| run_compile_fail(lab)),
        ("mutants", &|| run_mutants(lab)),
        ("model", &|| Ok(one("model", run_model(lab)?))),
        // First of those that boot: it builds the stock kernel, where the others start from.
        ("demo", &|| Ok(one("demo", run_demo(lab, &args)?))),
        ("users", &|| Ok(one("users", run_users(lab)?))),
        ("inside", &|| Ok(one("inside", run_inside(lab)?))),
        ("restart", &|| Ok(one("restart", run_restart(lab)?))),
        ("demo of the Rust driver", &|| {
            let name = "demo of the Rust driver";
            Ok(one(name, run_rust_demo(lab, &args)?))
        }),
        ("C and Rust", &|| Ok(one("C and Rust", run_ab(lab)?))),
    ];
    for (name, part) in parts {
        let counts = match part() {
            Ok(counts) => counts,
            Err(error) => {
                process::check_interrupted()?;
                lab.ui.println(format!("{name}: {error:#}"));
                // Not having run is a failure, and the other parts still say more.
                let count = Count {
                    failed: 1,
                    ..Count::default()
                };
                one(name, count)
            }
        };
        for (name, count) in counts {
            println!("{name}: {count}");
            all += count;
        }
    }
    println!("{all}");
    Ok(if all.failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// What a check looked at counts as passed when nothing was found, and each finding as
/// failed otherwise.
fn checks(checks: &[check::Check]) -> Vec<(String, Count)> {
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
fn run_kunit(lab: &Lab) -> Result<Vec<(String, Count)>> {
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
fn run_compile_fail(lab: &Lab) -> Result<Vec<(String, Count)>> {
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

fn run_mutants(lab: &Lab) -> Result<Vec<(String, Count)>> {
    if !kunit::has_tests(&lab.paths)? {
        return Ok(Vec::new());
    }
    let mutants = mutants::some(mutants::read(&lab.paths)?, MUTANTS);
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
    let rows = inside::all(lab, false)?;
    let passed = rows.iter().filter(|row| row.result.is_ok()).count();
    for row in &rows {
        if let Err(why) = &row.result {
            println!("inside: {}: {why}", row.what);
        }
    }
    Ok(Count {
        passed,
        failed: inside::What::ALL.len() - passed,
        skipped: 0,
    })
}

/// C's driver and Rust's on the same flash.
fn run_ab(lab: &Lab) -> Result<Count> {
    let boots = ab::all(lab, &ab::Args::short())?;
    let rows: usize = boots.iter().map(|it| it.rows.len()).sum();
    let passed = boots.iter().map(ab::Boot::good).sum();
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
    let kernel = kernel::build(lab, &variant, &machine.kernel_config, machine.arch)?;
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
        step.done(qemu::describe(&judged.verdict));
        match judged.verdict {
            Verdict::Restarted { .. } => count.passed += 1,
            _ => {
                lab.ui.println(qemu::console_tail(&judged.booted.dir)?);
                count.failed += 1;
            }
        }
    }
    Ok(count)
}

/// The demo as it is without arguments, but for the cycles.
fn run_demo(lab: &Lab, args: &Args) -> Result<Count> {
    demonstrate(lab, &demo::Args::with_cycles(args.cycles))
}

/// Who uses an MTD beside file descriptors, on the patched kernel; on stock, by `demo`.
fn run_users(lab: &Lab) -> Result<Count> {
    let scenarios = Scenario::of_test(&lab.paths)?;
    let asked = Machine::load(&lab.paths, "amd-versal-virt", None)?;
    let mut count = Count::default();
    for place in scenario::places(&lab.paths, &[asked], &scenarios, None)? {
        let machine = &place.machine;
        let variant = Variant::Series { upto: None };
        let kernel = kernel::build(lab, &variant, &machine.kernel_config, machine.arch)?;
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
            step.done(qemu::describe(&judged.verdict));
            match qemu::is_expected(variant, scenario.stock, &judged.verdict) {
                true => count.passed += 1,
                false => {
                    lab.ui.println(qemu::console_tail(&judged.booted.dir)?);
                    count.failed += 1;
                }
            }
        }
    }
    Ok(count)
}

/// The same with the driver in Rust, for the binding that the report is about.
fn run_rust_demo(lab: &Lab, args: &Args) -> Result<Count> {
    let args = demo::Args {
        driver: Some("rust".to_owned()),
        compatible: Some("intel,socfpga-qspi".to_owned()),
        ..demo::Args::with_cycles(args.cycles)
    };
    demonstrate(lab, &args)
}

fn demonstrate(lab: &Lab, args: &demo::Args) -> Result<Count> {
    let outcome = demo::demonstrate(lab, args)?;
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
