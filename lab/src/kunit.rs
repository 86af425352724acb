//! `cargo lab kunit`: the series' KUnit tests in User-mode Linux, held against the
//! list of tests that must run.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{ExitCode, ExitStatus, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use regex::Regex;

use crate::git;
use crate::kernel::{self, Kernel, Lab, Variant};
use crate::ktap::{self, Case, Status};
use crate::overlay::Overlay;
use crate::paths::Paths;
use crate::process::{self, Running};
use crate::series;
use crate::toolchain::{Arch, Bind};

mod maintainer;
mod stock;

/// Run KUnit tests in User-mode Linux, with KASAN on two CPUs
///
/// These are the series' tests, and those of controller drivers, unmodified ones in C and
/// the series' one in Rust, on our models of their hardware (lab/kernel/models/). The
/// tests that run must be those of lab/data/kunit/um-kunit.txt and um-models.txt: one
/// that is missing is a failure, and so is one that is not in it, a skip that it does not
/// allow, and one that passes though it is listed to fail. So is anything that the kernel
/// reports meanwhile (KASAN, warnings, stalls).
///
/// With --attempt, a patch that is not part of the series is applied to it, and the tests
/// in Rust run, among them its own: lab/kernel/attempts/ says which there are.
///
/// With --stock, those of them that can be had on a stock kernel run there, each in a
/// boot of its own, and must end as um-stock.txt says: those that unbind something under an
/// operation fail.
///
/// Takes five minutes the first time for each kernel, then three or four; --stock takes
/// five to fifteen minutes more. Writes out/build/, out/src/, out/kunit/ (the consoles and
/// the parser's JSON) and out/logs/build-*-um-*.log.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Run only tests that match, as in the kernel: `suite` or `suite.test`, with * and ?
    #[arg(long, value_name = "GLOB")]
    filter: Option<String>,
    /// Build the worktree linux/ as it stands, not base + patches/
    #[arg(long)]
    tree: bool,
    /// Write the tests that ran to the list, for review; marks of tests it has stay
    #[arg(long, conflicts_with = "filter")]
    update: bool,
    /// Run on the stock kernel what can be had there, and expect it to fail
    #[arg(long, conflicts_with_all = ["tree", "update"])]
    stock: bool,
    /// Run the tests of a patch of lab/kernel/attempts/, on top of the series
    #[arg(long, value_name = "NAME", conflicts_with_all = ["stock", "filter"])]
    attempt: Option<String>,
    /// Run the series' tests N times as a maintainer does: kunit.py, gcc, one CPU
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "1",
          conflicts_with_all = ["stock", "filter", "tree", "update", "attempt"],
          value_parser = clap::value_parser!(u32).range(1..))]
    kunit_py: Option<u32>,
}

/// The configuration of the series' tests, and the name of their list.
pub const CONFIG: &str = "um-kunit";

/// The same for drivers on models.
pub const MODELS: &str = "um-models";

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
    /// Uses only what stock kernels have, too, and must fail there.
    pub stock: bool,
    /// Fails, for a bug of what it tests that the series leaves alone.
    pub fails: bool,
}

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
fn line_of<'a>(list: &'a [Expected], name: &str) -> Option<&'a Expected> {
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

fn parse_list(text: &str) -> Result<Vec<Expected>> {
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
            stock: false,
            fails: false,
        };
        for word in words {
            let number = |text: &str| text.parse().with_context(|| format!("{name}: {word}"));
            match word.split_once('=') {
                Some(("parameters", value)) => entry.parameters = number(value)?,
                Some(("skips", value)) => entry.skips = number(value)?,
                Some(("tests", value)) => entry.which = Which::Matching(number(value)?),
                None if word == "others" => entry.which = Which::Others,
                None if word == "stock" => entry.stock = true,
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

/// The list that `cases` make, with the marks that `old` has.
fn print_list(old: &[Expected], cases: &[Case]) -> String {
    let mut text = String::from(
        "# The KUnit tests that must run; written by `cargo lab kunit --update`.\n\
         # suite.test [parameters=N] [skips=N] [stock] [fails]; stock: uses nothing that\n\
         # stock kernels have not, and must fail there; fails: it does, for a bug of what\n\
         # it tests that the series leaves alone.\n\
         # pattern tests=N: so many that match. pattern others: those that match no other\n\
         # line, however many. Patterns are written by hand, their numbers are not.\n",
    );
    let mut lines: Vec<Expected> = Vec::new();
    for case in cases {
        let line = line_of(old, &case.name).filter(|entry| entry.which != Which::One);
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
            stock: marked.is_some_and(|entry| entry.stock),
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
        if line.stock {
            text.push_str(" stock");
        }
        if line.fails {
            text.push_str(" fails");
        }
        text.push('\n');
    }
    text
}

/// Whether the series, as exported, adds KUnit tests.
pub fn has_tests(paths: &Paths) -> Result<bool> {
    let is_test = |path: &String| path.ends_with("-kunit.c") || path.ends_with("_kunit.c");
    Ok(series::read_index(paths)?.iter().any(is_test))
}

/// Runs the tests of `kernel`, with `more` words on its command line; the console goes
/// to `dir`.
pub fn boot_with(
    lab: &Lab,
    kernel: &Kernel,
    dir: &Path,
    filter: Option<&str>,
    more: &[&str],
    limit: Duration,
) -> Result<Ran> {
    fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let log = dir.join("console.log");
    let console = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
    let second = console.try_clone().context("cannot duplicate a file")?;
    let mut linux = lab.toolchain.command(
        &[Bind::read_only(&kernel.image, "/kunit/linux")],
        "/kunit/linux",
    );
    linux
        .env("TMPDIR", "/tmp")
        .args(["mem=1G", "console=tty", "seccomp=on", "ncpus=2"])
        .args(["kunit.enable=1", "kunit.autorun=1", "kunit_shutdown=halt"])
        .args(filter.map(|glob| format!("kunit.filter_glob={glob}")))
        .args(more)
        .stdin(Stdio::null())
        .stdout(console)
        .stderr(second);
    let mut running = Running::spawn(&mut linux)?;
    let start = Instant::now();
    let ended = loop {
        process::check_interrupted()?;
        match running.child().try_wait().context("cannot wait for UML")? {
            Some(status) if status.success() => break Ended::Done,
            Some(status) => break Ended::Died(status),
            None if start.elapsed() > limit => break Ended::TimeLimit(limit),
            None => std::thread::sleep(Duration::from_millis(50)),
        }
    };
    drop(running);
    process::check_interrupted()?;
    let text = fs::read(&log).with_context(|| format!("cannot read {}", log.display()))?;
    Ok(Ran {
        cases: ktap::read_kunit(lab, kernel, dir)?,
        ended,
        reports: reports(&String::from_utf8_lossy(&text)),
        log,
    })
}

/// What the kernel says beside its tests and should not. Tests that expect a warning
/// suppress it.
fn reports(log: &str) -> Vec<String> {
    log.lines()
        .filter(|line| is_report(line))
        .map(|line| line.trim().to_owned())
        .collect()
}

/// Whether a line begins what the kernel reports.
pub fn is_report(line: &str) -> bool {
    static PATTERN: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(
            r"(?:^|[\] ])(?:BUG:|WARNING:|UBSAN:|Kernel panic|INFO: task|rcu: INFO:|list_(?:add|del) corruption|Modules linked in:.*Oops)",
        )
        .expect("a constant expression")
    });
    PATTERN.is_match(line)
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
        } else if let Some(line) = line_of(expected, &case.name) {
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
        if line_of(expected, &case.name).is_none() {
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

/// Counts of a judged run, printed as it goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    pub passed: usize,
    pub failed: usize,
    pub skipped: usize,
    /// Neither passed nor failed.
    pub fail_as_listed: usize,
}

impl std::ops::AddAssign for Summary {
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
    for (name, outcome) in outcomes {
        match outcome {
            Outcome::Passed => summary.passed += 1,
            Outcome::Skipped => summary.skipped += 1,
            Outcome::FailsAsListed => summary.fail_as_listed += 1,
            Outcome::Failed(why) => println!("kunit: {name}: {why}"),
            Outcome::Missing => println!("kunit: {name}: did not run to its end"),
        }
    }
    for fault in faults {
        println!("kunit: {fault}");
    }
    summary.failed =
        outcomes.len() - summary.passed - summary.skipped - summary.fail_as_listed + faults.len();
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
    kernel::build(lab, &variant, CONFIG, Arch::Um)
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
    kernel::build_overlaid(lab, &tests.variant, &overlay, MODELS, Some(&tests))
}

/// What is left of a list with a filter. Of what a pattern is about, it cannot be known how
/// many tests match a filter for some of a suite.
fn filtered(expected: &[Expected], glob: &str) -> Result<Vec<Expected>> {
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
fn of_tree(expected: &[Expected], tree: &Path) -> Result<Vec<Expected>> {
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
fn plan<'a>(lab: &Lab, config: &'a str, args: &'a Args) -> Result<Option<Plan<'a>>> {
    let file = list_file(&lab.paths, config);
    let mut expected = match file.exists() || !args.update {
        true => read_list(&lab.paths, config)?,
        false => Vec::new(),
    };
    if let Some(glob) = &args.filter {
        expected = filtered(&expected, glob)?;
        if expected.is_empty() {
            return Ok(None);
        }
    }
    let kernel = build_config(lab, config, args.tree)?;
    if !lab.paths.series.is_empty() {
        expected = of_tree(&expected, &kernel.source_dir)?;
    }
    Ok(Some(Plan {
        name: config,
        kernel,
        expected,
        lots: match args.filter.as_deref() {
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
        boot_with(lab, &plan.kernel, &dir, *filter, more, LIMIT)
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
    let file = list_file(&lab.paths, plan.name);
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
        let text = print_list(&plan.expected, &cases);
        let dir = file.parent().context("the list has a directory")?;
        fs::create_dir_all(dir)
            .and_then(|()| fs::write(&file, &text))
            .with_context(|| format!("cannot write {}", file.display()))?;
        plan.expected = parse_list(&text)?;
    }
    let outcomes = judge(&plan.expected, &cases);
    Ok(Some(report(&runs, &faults, &outcomes)))
}

/// Applies, builds, runs and judges a patch of lab/kernel/attempts/.
fn run_attempt(lab: &Lab, name: &str, args: &Args) -> Result<Summary> {
    let file = lab.paths.attempts().join(format!("{name}.patch"));
    let patch = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let below = build(lab, args.tree)?;
    let kernel = kernel::build_patched(lab, &below, &patch, ATTEMPTS)
        .with_context(|| format!("with {}", file.display()))?;
    let list = format!("attempt-{name}");
    let plan = Plan {
        name: &list,
        kernel,
        expected: read_list(&lab.paths, &list)?,
        lots: vec![Some("rust_*")],
    };
    run_plan(lab, plan, args.update)?.context("no test ran")
}

/// All configurations at the same time, since their tests sleep a lot.
fn run_all(lab: &Lab, args: &Args) -> Result<Summary> {
    let mut plans = Vec::new();
    // The models' tests are of drivers and flashes with all series.
    let configs: &[&str] = match lab.paths.series.is_empty() {
        true => &[CONFIG, MODELS],
        false => &[CONFIG],
    };
    for config in configs {
        plans.extend(plan(lab, config, args)?);
    }
    let summaries = at_once(plans, |plan| run_plan(lab, plan, args.update))?;
    let ran: Vec<Summary> = summaries.into_iter().flatten().collect();
    if ran.is_empty() {
        let glob = args.filter.as_deref().unwrap_or_default();
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
    let args = Args {
        filter: None,
        tree: false,
        update: false,
        stock: false,
        attempt: None,
        kunit_py: None,
    };
    run_all(lab, &args)
}

/// Runs and judges those that a maintainer runs, once.
pub fn as_maintainer(lab: &Lab) -> Result<Summary> {
    maintainer::run(lab, 1)
}

/// The verb `kunit`.
pub fn run(lab: &Lab, args: Args) -> Result<ExitCode> {
    if args.update && !lab.paths.series.is_empty() {
        bail!("the list is of all series; --series has no place with --update");
    }
    if args.stock {
        return stock::run(lab, args.filter.as_deref());
    }
    let summary = match (&args.attempt, args.kunit_py) {
        (Some(name), _) => run_attempt(lab, name, &args)?,
        (None, Some(times)) => maintainer::run(lab, times)?,
        (None, None) => run_all(lab, &args)?,
    };
    println!(
        "kunit: {} passed, {} failed, {} skipped, {} fail as listed",
        summary.passed, summary.failed, summary.skipped, summary.fail_as_listed
    );
    Ok(match summary.failed {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
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
        let old = parse_list("a.b stock # why\n\na.gone stock\na.d fails\n")?;
        let cases = [
            case("a.b", Status::Pass, 3, 1),
            case("a.c", Status::Skip, 0, 0),
            case("a.d", Status::Fail, 0, 0),
        ];
        let text = print_list(&old, &cases);
        assert!(
            text.ends_with("\na.b parameters=3 skips=1 stock\na.c skips=1\na.d fails\n"),
            "{text}"
        );
        let expected = parse_list(&text)?;
        assert!(judge(&expected, &cases).iter().all(|(_, outcome)| matches!(
            outcome,
            Outcome::Passed | Outcome::Skipped | Outcome::FailsAsListed
        )));
        Ok(())
    }

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
    fn missing_unexpected_skipped_and_failed_tests_are_found() -> Result<()> {
        let expected =
            parse_list("a.gone\na.skip\na.fail\na.fewer parameters=2\na.good\na.better fails\n")?;
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
        let expected = parse_list(list)?;
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
        let turned = parse_list("a.* others\na.x_* tests=2\na.x_1\n")?;
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
        let some = filtered(&expected, "a.*_2")?;
        assert_eq!(
            said(&some, &[case("a.x_2", Status::Pass, 0, 0)]),
            ["a.x_* Passed"]
        );
        assert_eq!(filtered(&expected, "a")?, expected);
        assert!(filtered(&expected, "b.*")?.is_empty());
        Ok(())
    }

    #[test]
    fn reports_beside_tests_are_found() {
        let log = "    ok 1 BUGGY: x\nBUG: KASAN: slab-use-after-free in f\n\
                   [    1.0] WARNING: kernel/x.c:1 at f\nSMP: WARNINGS\n";
        assert_eq!(reports(log).len(), 2);
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
    fn each_test_on_models_is_in_one_lot() -> Result<()> {
        let lots: Vec<Regex> = lots(MODELS)
            .iter()
            .flatten()
            .map(|glob| glob_pattern(glob))
            .collect::<Result<_>>()?;
        for test in read_list(&Paths::find()?, MODELS)? {
            let found = lots.iter().filter(|lot| lot.is_match(&test.name)).count();
            assert_eq!(found, 1, "{}", test.name);
        }
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
