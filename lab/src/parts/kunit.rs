//! The series' KUnit tests in User-mode Linux.

use std::fs;
use std::ops::AddAssign;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};

use crate::base::paths::Paths;
use crate::build::kernel::Kernel;
use crate::build::kernels;
use crate::build::overlay::Overlay;
use crate::build::variant::Variant;
use crate::data::kunit_list::{self, CONFIG, Expected, MODELS};
use crate::judge::ktap::Case;
use crate::judge::kunit_outcome::{self, Ended, Outcome, Ran, faults};
use crate::lab::Lab;
use crate::run::uml;
use crate::series::export;
use crate::toolchain::arch::Arch;

/// Which tests run, in which kernel.
#[derive(Clone, Debug, Default)]
pub struct Tests {
    pub filter: Option<String>,
    /// In linux/.
    pub tree: bool,
    /// What ran becomes the list.
    pub update: bool,
}

/// The configuration for patches that are not part of the series; one CPU, so that the
/// system can sleep.
const ATTEMPTS: &str = "um-attempts";

/// Whatever a kernel with the series reports ends it.
const STRICT: &[&str] = &["panic_on_warn=1", "oops=panic", "kasan.fault=panic"];

/// What a kernel of one of these configurations gets on its command line.
pub fn arguments(config: &str) -> &'static [&'static str] {
    match config {
        MODELS => STRICT,
        _ => &[],
    }
}

/// Suites of a configuration that run at the same time, each lot in a boot of its own: those on
/// models sleep most of the time, in grace periods.
fn lots(config: &str) -> &'static [Option<&'static str>] {
    match config {
        MODELS => &[Some("model_[!c]*"), Some("model_c*")],
        _ => &[None],
    }
}

/// Those on models take minutes, and longer on a busy machine.
const LIMIT: Duration = Duration::from_secs(1800);

/// One test takes seconds.
pub const ONE_LIMIT: Duration = Duration::from_secs(180);

/// Whether the series, as exported, adds KUnit tests.
pub fn has_tests(paths: &Paths) -> Result<bool> {
    let is_test = |path: &String| path.ends_with("-kunit.c") || path.ends_with("_kunit.c");
    Ok(export::read_index(paths)?.iter().any(is_test))
}

/// Counts of a judged run, printed as it goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    pub passed: usize,
    pub failed: usize,
    pub skipped: usize,
    /// Neither passed nor failed.
    pub fail_as_listed: usize,
}

impl Summary {
    /// Counts what became of tests, and prints what is not well, after `label`.
    pub fn count(&mut self, label: &str, outcomes: &[(String, Outcome)]) {
        for (name, outcome) in outcomes {
            match outcome {
                Outcome::Passed => self.passed += 1,
                Outcome::Skipped => self.skipped += 1,
                Outcome::FailsAsListed => self.fail_as_listed += 1,
                Outcome::Failed(why) => {
                    println!("{label}: {name}: {why}");
                    self.failed += 1;
                }
                Outcome::Missing => {
                    println!("{label}: {name}: did not run to its end");
                    self.failed += 1;
                }
            }
        }
    }
}

impl AddAssign for Summary {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
        self.fail_as_listed += other.fail_as_listed;
    }
}

/// Prints what is not well and counts; `runs` are the lots, and `faults` theirs.
fn report(runs: &[Ran], faults: &[String], outcomes: &[(String, Outcome)]) -> Summary {
    let mut summary = Summary::default();
    summary.count("kunit", outcomes);
    for fault in faults {
        println!("kunit: {fault}");
    }
    summary.failed += faults.len();
    if summary.failed > 0 {
        for ran in runs {
            println!("kunit: a console is {}", ran.log.display());
        }
    }
    summary
}

/// The kernel that the tests of the series, or of linux/, are in.
pub fn build(lab: &Lab, tree: bool) -> Result<Kernel> {
    let variant = match tree {
        true => Variant::Tree,
        false => Variant::Series { upto: None },
    };
    if !tree && !has_tests(&lab.paths)? {
        bail!("the series adds no KUnit tests");
    }
    kernels::build(lab, &variant, CONFIG, Arch::Um)
}

/// The kernel of one of the configurations.
pub fn build_config(lab: &Lab, config: &str, tree: bool) -> Result<Kernel> {
    match config {
        MODELS => build_models(lab, tree),
        _ => build(lab, tree),
    }
}

/// The kernel with models of controllers, and tests of drivers on them. One kernel for
/// drivers in C and in Rust, made from what was built for the series' tests: so the Rust
/// driver costs no kernel, and the models only what is not the same there.
fn build_models(lab: &Lab, tree: bool) -> Result<Kernel> {
    let tests = build(lab, tree)?;
    let overlay = Overlay::models(&lab.paths)?;
    kernels::build_overlaid(lab, &tests.variant, &overlay, MODELS, Some(&tests))
}

/// What is to be run of one kernel.
struct Plan<'a> {
    /// Of its list.
    name: &'a str,
    kernel: Kernel,
    expected: Vec<Expected>,
    lots: Vec<Option<&'a str>>,
}

/// Reads the list of a configuration, and builds its kernel; with a filter, if anything in the
/// list matches.
fn plan<'a>(lab: &Lab, config: &'a str, tests: &'a Tests) -> Result<Option<Plan<'a>>> {
    let file = kunit_list::list_file(&lab.paths, config);
    let mut expected = match file.exists() || !tests.update {
        true => kunit_list::read_list(&lab.paths, config)?,
        false => Vec::new(),
    };
    if let Some(glob) = &tests.filter {
        expected = kunit_list::filtered(&expected, glob)?;
        if expected.is_empty() {
            return Ok(None);
        }
    }
    let kernel = build_config(lab, config, tests.tree)?;
    if !lab.paths.series.is_empty() {
        expected = kunit_list::of_tree(&expected, &kernel.source_dir)?;
    }
    Ok(Some(Plan {
        name: config,
        kernel,
        expected,
        lots: match tests.filter.as_deref() {
            Some(glob) => vec![Some(glob)],
            None => lots(config).to_vec(),
        },
    }))
}

/// Boots the kernel once for each lot, all at the same time.
fn boot_lots(lab: &Lab, plan: &Plan) -> Result<Vec<Ran>> {
    let dir = lab.paths.out().join("kunit").join(plan.name);
    let more = arguments(plan.name);
    let dirs = (1..).map(|number| match plan.lots[..] {
        [_] => dir.clone(),
        _ => dir.join(format!("lot-{number}")),
    });
    let boots: Vec<_> = dirs.zip(&plan.lots).collect();
    at_once(boots, |(dir, filter)| {
        uml::boot_with(lab, &plan.kernel, &dir, *filter, more, LIMIT)
    })
}

/// Does `work` with each in a thread of its own, and returns what came out in their order.
fn at_once<T: Send, R: Send>(each: Vec<T>, work: impl Fn(T) -> Result<R> + Sync) -> Result<Vec<R>> {
    let work = &work;
    std::thread::scope(|scope| {
        let threads: Vec<_> = each
            .into_iter()
            .map(|one| scope.spawn(move || work(one)))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().map_err(|_| anyhow!("a thread panicked"))?)
            .collect()
    })
}

/// Runs and judges; with `update`, what ran becomes the list.
fn run_plan(lab: &Lab, mut plan: Plan, update: bool) -> Result<Option<Summary>> {
    let file = kunit_list::list_file(&lab.paths, plan.name);
    let step = lab
        .ui
        .step(format!("KUnit in User-mode Linux ({})", plan.name));
    let runs = boot_lots(lab, &plan)?;
    let cases: Vec<Case> = runs.iter().flat_map(|ran| ran.cases.clone()).collect();
    step.done(format!("{} tests ran", cases.len()));
    let faults: Vec<String> = runs.iter().flat_map(faults).collect();
    let filtered = matches!(plan.lots[..], [Some(_)]);
    if filtered && cases.is_empty() && faults.is_empty() {
        return Ok(None);
    }
    if update {
        if runs.iter().any(|ran| ran.ended != Ended::Done) {
            bail!("{}; the list stays as it is", faults.join("; "));
        }
        let text = kunit_outcome::print_list(&plan.expected, &cases);
        let dir = file.parent().context("the list has a directory")?;
        fs::create_dir_all(dir)
            .and_then(|()| fs::write(&file, &text))
            .with_context(|| format!("cannot write {}", file.display()))?;
        plan.expected = kunit_list::parse_list(&text)?;
    }
    let outcomes = kunit_outcome::judge(&plan.expected, &cases);
    Ok(Some(report(&runs, &faults, &outcomes)))
}

/// Applies, builds, runs and judges a patch of lab/kernel/attempts/.
pub fn run_attempt(lab: &Lab, name: &str, tests: &Tests) -> Result<Summary> {
    let file = lab.paths.attempts().join(format!("{name}.patch"));
    let patch = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let below = build(lab, tests.tree)?;
    let kernel = kernels::build_patched(lab, &below, &patch, ATTEMPTS)
        .with_context(|| format!("with {}", file.display()))?;
    let list = format!("attempt-{name}");
    let plan = Plan {
        name: &list,
        kernel,
        expected: kunit_list::read_list(&lab.paths, &list)?,
        lots: vec![Some("rust_*")],
    };
    run_plan(lab, plan, tests.update)?.context("no test ran")
}

/// All configurations at the same time, since their tests sleep a lot.
pub fn run_all(lab: &Lab, tests: &Tests) -> Result<Summary> {
    let mut plans = Vec::new();
    // The models' tests are of drivers and flashes with all series.
    let configs: &[&str] = match lab.paths.series.is_empty() {
        true => &[CONFIG, MODELS],
        false => &[CONFIG],
    };
    for config in configs {
        plans.extend(plan(lab, config, tests)?);
    }
    let summaries = at_once(plans, |plan| run_plan(lab, plan, tests.update))?;
    let ran: Vec<Summary> = summaries.into_iter().flatten().collect();
    if ran.is_empty() {
        let glob = tests.filter.as_deref().unwrap_or_default();
        bail!("no test of lab/data/kunit/ matches {glob}");
    }
    let mut sum = Summary::default();
    for summary in ran {
        sum += summary;
    }
    Ok(sum)
}

/// Builds, runs and judges all tests.
pub fn all(lab: &Lab) -> Result<Summary> {
    run_all(lab, &Tests::default())
}

#[cfg(test)]
mod tests {
    use regex::Regex;

    use super::*;

    #[test]
    fn each_test_on_models_is_in_one_lot() -> Result<()> {
        let lots: Vec<Regex> = lots(MODELS)
            .iter()
            .flatten()
            .map(|glob| kunit_list::glob_pattern(glob))
            .collect::<Result<_>>()?;
        for test in kunit_list::read_list(&Paths::find()?, MODELS)? {
            let found = lots.iter().filter(|lot| lot.is_match(&test.name)).count();
            assert_eq!(found, 1, "{}", test.name);
        }
        Ok(())
    }
}
