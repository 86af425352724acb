//! Runs mutants: a test that is worth its place fails then, and this shows that it does.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

use crate::base::files::key;
use crate::base::paths::Paths;
use crate::base::{interrupt, ui};
use crate::build::kernel::Kernel;
use crate::build::kernels;
use crate::data::kunit_list::{self, Expected};
use crate::data::mutant::{Mutant, Target};
use crate::judge::ktap::{Case, Status};
use crate::judge::kunit_outcome::{self, Ended, Outcome as TestOutcome, Ran};
use crate::lab::Lab;
use crate::parts::{kept, kunit};
use crate::run::uml;

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
    let results: Results = fs::read_to_string(kept::file(paths))
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
    for config in [kunit_list::CONFIG, kunit_list::MODELS] {
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
                interrupt::check_interrupted()?;
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
        kept::save(&lab.paths, &all)?;
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
            expected: kunit_list::read_list(&lab.paths, config)?,
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
            let ran = uml::boot_with(
                lab,
                &self.kernel,
                &dir.join("baseline"),
                Some(target.test.as_str()),
                self.arguments,
                kunit::ONE_LIMIT,
            )?;
            let good = kunit_outcome::faults(&ran).is_empty()
                && kunit_outcome::judge(&only(&self.expected, &target.test), &ran.cases)
                    .iter()
                    .all(|(_, outcome)| *outcome == TestOutcome::Passed);
            if !good {
                bail!("{} fails without the mutant, too", target.test);
            }
            self.good.borrow_mut().insert(target.test.clone());
        }
        let kernel = kernels::build_patched(lab, &self.kernel, &mutant.bytes, &self.kernel.config)?;
        for target in &mutant.kills {
            let ran = uml::boot_with(
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
    if !failed && !crashed {
        return Some(format!("{} passes", target.test));
    }
    let set = |names: &[String]| names.iter().cloned().collect::<BTreeSet<_>>();
    let others = !target.parameters.is_empty() && set(&case.failed) != set(&target.parameters);
    (failed && !case.failed.is_empty() && others)
        .then(|| format!("it fails for {}", case.failed.join(", ")))
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
    use crate::data::mutant;

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
        let exact = mutant::target("s.t (a)")?;
        let any = mutant::target("s.t")?;
        let killed = |target: &Target, ran: &Ran| survived(target, ran).is_none();
        let one = ran(Status::Fail, &["a"], Ended::Done, &[]);
        assert!(killed(&exact, &one) && killed(&any, &one));
        let two = ran(Status::Fail, &["a", "b"], Ended::Done, &[]);
        assert!(!killed(&exact, &two) && killed(&any, &two));
        let both = mutant::target("s.t (b, a)")?;
        assert_eq!(both.to_string(), "s.t (b, a)");
        assert!(killed(&both, &two) && !killed(&both, &one));
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
}
