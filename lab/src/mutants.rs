//! Mutants: patches that each take one thing out of the series. A test that is worth
//! its place fails then, and this shows that it does.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::kernel::{self, Kernel, Lab};
use crate::ktap::{Case, Status};
use crate::kunit::{self, Ended, Expected, Outcome as TestOutcome, Ran};
use crate::paths::Paths;
use crate::process;
use crate::soak;
use crate::toolchain::key;
use crate::ui;

/// A file of lab/kernel/mutants/.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mutant {
    /// The file's name without `.patch`.
    pub name: String,
    /// Of the kernel that it is built in; of the series' own tests if it does not say.
    pub config: String,
    /// Its first lines, one test each; all must fail.
    pub kills: Vec<Target>,
    pub bytes: Vec<u8>,
}

/// `Kills: [kunit] suite.test [(parameter)]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub test: String,
    /// With one, the test must fail for this one and no other.
    pub parameter: Option<String>,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.parameter {
            Some(parameter) => write!(f, "{} ({parameter})", self.test),
            None => f.write_str(&self.test),
        }
    }
}

/// All mutants by name; none when there is no directory.
pub fn read(paths: &Paths) -> Result<Vec<Mutant>> {
    let dir = paths.mutants();
    let mut mutants = Vec::new();
    if !dir.exists() {
        return Ok(mutants);
    }
    for entry in fs::read_dir(&dir).with_context(|| format!("cannot read {}", dir.display()))? {
        let file = entry?.path();
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        if let Some(name) = name.strip_suffix(".patch") {
            let bytes =
                fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
            mutants.push(parse(name, bytes).with_context(|| format!("in {}", file.display()))?);
        }
    }
    mutants.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(mutants)
}

fn parse(name: &str, bytes: Vec<u8>) -> Result<Mutant> {
    let text = String::from_utf8_lossy(&bytes);
    let mut lines = text.lines().peekable();
    let config = match lines.peek().and_then(|line| line.strip_prefix("Config:")) {
        Some(config) => {
            lines.next();
            config.trim()
        }
        None => kunit::CONFIG,
    };
    if config != kunit::CONFIG && config != kunit::MODELS {
        bail!("there are no KUnit tests in a configuration {config:?}");
    }
    let kills: Vec<Target> = lines
        .map_while(|line| line.strip_prefix("Kills:"))
        .map(target)
        .collect::<Result<_>>()?;
    if kills.is_empty() {
        bail!("the first line is not `Kills: suite.test`, nor after `Config: NAME`");
    }
    Ok(Mutant {
        name: name.to_owned(),
        config: config.to_owned(),
        kills,
        bytes,
    })
}

fn target(text: &str) -> Result<Target> {
    let text = text.trim();
    let text = text.strip_prefix("kunit ").unwrap_or(text).trim();
    let (test, parameter) = match text.split_once(" (") {
        Some((test, rest)) => {
            let parameter = rest
                .strip_suffix(')')
                .with_context(|| format!("{text}: the parenthesis does not end"))?;
            (test, Some(parameter.to_owned()))
        }
        None => (text, None),
    };
    if !test.contains('.') || test.contains(char::is_whitespace) {
        bail!("{text:?} is not suite.test or suite.test (parameter)");
    }
    Ok(Target {
        test: test.to_owned(),
        parameter,
    })
}

/// `count` of the mutants, evenly spread over those that the series' own tests kill.
pub fn some(mut mutants: Vec<Mutant>, count: usize) -> Vec<Mutant> {
    mutants.retain(|mutant| mutant.config == kunit::CONFIG);
    let all = mutants.len();
    let chosen: Vec<usize> = (0..count.min(all))
        .map(|index| index * all / count.min(all))
        .collect();
    mutants
        .into_iter()
        .enumerate()
        .filter(|(index, _)| chosen.contains(index))
        .map(|(_, mutant)| mutant)
        .collect()
}

/// What became of a mutant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "outcome", content = "why")]
pub enum Outcome {
    /// The tests it names failed, and only so.
    Killed,
    /// They did not, or in another way.
    Survived(String),
    /// It could not be tried.
    Broken(String),
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Killed => f.write_str("killed"),
            Self::Survived(why) => write!(f, "survived: {why}"),
            Self::Broken(why) => write!(f, "not tried: {why}"),
        }
    }
}

/// A line of the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    pub mutant: String,
    pub kills: Vec<String>,
    #[serde(flatten)]
    pub outcome: Outcome,
    pub seconds: u64,
    /// Of the series, the mutant and the configuration.
    key: String,
}

impl Row {
    pub fn killed(&self) -> bool {
        self.outcome == Outcome::Killed
    }
}

/// What `out/soak.json` keeps, and what a run gives.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Results {
    /// Commit and configuration of the kernel below the mutants.
    pub below: String,
    pub rows: Vec<Row>,
    /// Names of those that there was no time for.
    pub open: Vec<String>,
}

/// What earlier runs left, by key; a damaged file is as none.
fn known(paths: &Paths) -> BTreeMap<String, Row> {
    let results: Results = fs::read_to_string(soak::file(paths))
        .ok()
        .and_then(|text| serde_json::from_str(&text).ok())
        .unwrap_or_default();
    let rows = results.rows.into_iter();
    // What could not be tried is tried again.
    rows.filter(|row| !matches!(row.outcome, Outcome::Broken(_)))
        .map(|row| (row.key.clone(), row))
        .collect()
}

/// Runs mutants on top of the series (or of linux/) until `end`; what an earlier run
/// found out for the same series is not repeated. Results are on disk after each.
pub fn run(lab: &Lab, mutants: &[Mutant], tree: bool, end: Option<Instant>) -> Result<Results> {
    let mut results = Results::default();
    let known = known(&lab.paths);
    let mut keep: Vec<Row> = Vec::new();
    let mut jobs = Vec::new();
    let mut baselines: Vec<Baseline> = Vec::new();
    // One configuration after the other: they share the tree that mutants are made in.
    for config in [kunit::CONFIG, kunit::MODELS] {
        let mut own = mutants.iter().filter(|it| it.config == config).peekable();
        if own.peek().is_none() {
            continue;
        }
        let below = kunit::build_config(lab, config, tree)?;
        if below.source_id.ends_with("-dirty") {
            bail!("linux/ has changes that are not committed; mutants need a commit below them");
        }
        let said = format!("{} {}", below.source_id, below.config_sha256);
        results.below = match results.below.as_str() {
            "" => said,
            before => format!("{before}, {said}"),
        };
        for mutant in own {
            let key = key(&[
                &below.source_id,
                &below.config_sha256,
                lab.toolchain.key(),
                &String::from_utf8_lossy(&mutant.bytes),
            ]);
            match known.get(&key) {
                Some(row) => results.rows.push(row.clone()),
                None => jobs.push((baselines.len(), mutant, key)),
            }
        }
        baselines.push(Baseline::new(lab, below, config)?);
    }
    // Results of mutants that are not asked for now stay for later.
    keep.extend(known.into_values());

    for (baseline, mutant, key) in jobs {
        if end.is_some_and(|end| Instant::now() >= end) {
            results.open.push(mutant.name.clone());
            continue;
        }
        let step = lab.ui.step(format!("Mutant {}", mutant.name));
        let start = Instant::now();
        let outcome = match baselines[baseline].attempt(mutant) {
            Ok(outcome) => outcome,
            Err(error) => {
                process::check_interrupted()?;
                Outcome::Broken(format!("{error:#}"))
            }
        };
        step.done(outcome.to_string());
        results.rows.push(Row {
            mutant: mutant.name.clone(),
            kills: mutant.kills.iter().map(Target::to_string).collect(),
            outcome,
            seconds: start.elapsed().as_secs(),
            key,
        });
        let mut all = results.clone();
        for row in &keep {
            if !all.rows.iter().any(|other| other.mutant == row.mutant) {
                all.rows.push(row.clone());
            }
        }
        soak::save(&lab.paths, &all)?;
    }
    results.rows.sort_by(|a, b| a.mutant.cmp(&b.mutant));
    Ok(results)
}

/// The kernel without a mutant, and what is known of its tests.
struct Baseline<'a> {
    lab: &'a Lab,
    kernel: Kernel,
    arguments: &'static [&'static str],
    expected: Vec<Expected>,
    /// Tests that were seen to pass.
    good: RefCell<BTreeSet<String>>,
}

impl<'a> Baseline<'a> {
    fn new(lab: &'a Lab, kernel: Kernel, config: &str) -> Result<Self> {
        Ok(Self {
            lab,
            kernel,
            arguments: kunit::arguments(config),
            expected: kunit::read_list(&lab.paths, config)?,
            good: RefCell::default(),
        })
    }

    fn attempt(&self, mutant: &Mutant) -> Result<Outcome> {
        let lab = self.lab;
        for target in &mutant.kills {
            if !self.expected.iter().any(|entry| entry.name == target.test) {
                bail!("there is no test {}", target.test);
            }
        }
        let dir = lab.paths.out().join("mutants");
        // A test that fails without the mutant says nothing of it.
        for target in &mutant.kills {
            if self.good.borrow().contains(&target.test) {
                continue;
            }
            let ran = kunit::boot_with(
                lab,
                &self.kernel,
                &dir.join("baseline"),
                Some(target.test.as_str()),
                self.arguments,
                kunit::ONE_LIMIT,
            )?;
            let good = kunit::faults(&ran).is_empty()
                && kunit::judge(&only(&self.expected, &target.test), &ran.cases)
                    .iter()
                    .all(|(_, outcome)| *outcome == TestOutcome::Passed);
            if !good {
                bail!("{} fails without the mutant, too", target.test);
            }
            self.good.borrow_mut().insert(target.test.clone());
        }
        let kernel = kernel::build_patched(lab, &self.kernel, &mutant.bytes, &self.kernel.config)?;
        for target in &mutant.kills {
            let ran = kunit::boot_with(
                lab,
                &kernel,
                &dir.join(&mutant.name),
                Some(target.test.as_str()),
                self.arguments,
                kunit::ONE_LIMIT,
            )?;
            if let Some(why) = survived(target, &ran) {
                return Ok(Outcome::Survived(why));
            }
        }
        Ok(Outcome::Killed)
    }
}

fn only(expected: &[Expected], test: &str) -> Vec<Expected> {
    let named = expected.iter().filter(|entry| entry.name == test);
    named.cloned().collect()
}

/// Why a run does not count as killed by `target`.
fn survived(target: &Target, ran: &Ran) -> Option<String> {
    let crashed = match ran.ended {
        Ended::Done => !ran.reports.is_empty(),
        Ended::TimeLimit(_) | Ended::Died(_) => true,
    };
    let found: Option<&Case> = ran.cases.iter().find(|case| case.name == target.test);
    let Some(case) = found else {
        // It hung, or took the kernel with it, or never started.
        return (!crashed).then(|| format!("{} did not run", target.test));
    };
    let failed = matches!(case.status, Status::Fail | Status::Error);
    match &target.parameter {
        _ if !failed && !crashed => Some(format!("{} passes", target.test)),
        Some(parameter)
            if failed && !case.failed.is_empty() && case.failed != [parameter.as_str()] =>
        {
            Some(format!("it fails for {}", case.failed.join(", ")))
        }
        _ => None,
    }
}

/// The table that `soak` prints.
pub fn table(results: &Results) -> String {
    let mut table = ui::grid(["mutant", "must fail", "result", "time"]);
    for row in &results.rows {
        table.add_row([
            row.mutant.clone(),
            row.kills.join("\n"),
            row.outcome.to_string(),
            ui::duration(Duration::from_secs(row.seconds)),
        ]);
    }
    for name in &results.open {
        table.add_row([name.as_str(), "", "open: no time left", ""]);
    }
    table.to_string()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn mutant(name: &str, text: &str) -> Result<Mutant> {
        parse(name, text.as_bytes().to_vec())
    }

    #[test]
    fn the_first_lines_name_tests() -> Result<()> {
        let read = mutant(
            "a",
            "Kills: kunit s.t (exec op)\nKills: s.u\n\nKills: no.more\n",
        )?;
        let said: Vec<String> = read.kills.iter().map(Target::to_string).collect();
        assert_eq!(said, ["s.t (exec op)", "s.u"]);
        assert_eq!(read.config, kunit::CONFIG);
        let models = mutant("a", "Config: um-models\nKills: s.t\n")?;
        assert_eq!(
            (models.config.as_str(), models.kills.len()),
            (kunit::MODELS, 1)
        );
        let other = "Config: arm64\nKills: s.t\n";
        for wrong in [
            "",
            "diff",
            other,
            "Config: um-models\ndiff",
            "Kills: t",
            "Kills: s.t (a",
            "Kills: a b.c",
        ] {
            assert!(mutant("a", wrong).is_err(), "{wrong}");
        }
        Ok(())
    }

    #[test]
    fn a_few_are_spread_over_all() -> Result<()> {
        let all = || -> Result<Vec<Mutant>> {
            (0..9)
                .map(|n| mutant(&n.to_string(), "Kills: s.t"))
                .collect()
        };
        let names = |count| -> Result<String> {
            Ok(some(all()?, count)
                .iter()
                .map(|it| it.name.as_str())
                .collect())
        };
        assert_eq!(names(3)?, "036");
        assert_eq!(names(20)?, "012345678");
        assert!(some(Vec::new(), 3).is_empty());
        let models = vec![mutant("a", "Config: um-models\nKills: s.t")?];
        assert!(some(models, 3).is_empty());
        Ok(())
    }

    fn ran(status: Status, failed: &[&str], ended: Ended, reports: &[&str]) -> Ran {
        Ran {
            cases: vec![Case {
                name: "s.t".into(),
                status,
                parameters: 3,
                skipped: 0,
                failed: failed.iter().map(|it| (*it).to_owned()).collect(),
            }],
            ended,
            reports: reports.iter().map(|it| (*it).to_owned()).collect(),
            log: PathBuf::new(),
        }
    }

    #[test]
    fn only_the_named_failure_kills() -> Result<()> {
        let exact = target("s.t (a)")?;
        let any = target("s.t")?;
        let killed = |target: &Target, ran: &Ran| survived(target, ran).is_none();
        let one = ran(Status::Fail, &["a"], Ended::Done, &[]);
        assert!(killed(&exact, &one) && killed(&any, &one));
        let two = ran(Status::Fail, &["a", "b"], Ended::Done, &[]);
        assert!(!killed(&exact, &two) && killed(&any, &two));
        let good = ran(Status::Pass, &[], Ended::Done, &[]);
        assert!(!killed(&exact, &good) && !killed(&any, &good));
        let reported = ran(Status::Pass, &[], Ended::Done, &["BUG: KASAN: x"]);
        assert!(killed(&exact, &reported));
        let mut hung = ran(Status::Error, &[], Ended::TimeLimit(kunit::ONE_LIMIT), &[]);
        hung.cases.clear();
        assert!(killed(&any, &hung));
        hung.ended = Ended::Done;
        assert!(!killed(&any, &hung));
        Ok(())
    }

    #[test]
    fn results_read_back() -> Result<()> {
        let row = Row {
            mutant: "a".into(),
            kills: vec!["s.t".into()],
            outcome: Outcome::Survived("why".into()),
            seconds: 1,
            key: "k".into(),
        };
        let killed = Row {
            outcome: Outcome::Killed,
            ..row.clone()
        };
        for row in [row, killed] {
            let text = serde_json::to_string(&row)?;
            assert_eq!(serde_json::from_str::<Row>(&text)?, row);
        }
        Ok(())
    }

    #[test]
    fn every_committed_mutant_reads() -> Result<()> {
        read(&Paths::find()?).map(drop)
    }
}
