//! Drivers on models, unbound at random times, again and again.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use comfy_table::Table;
use serde::{Deserialize, Serialize};

use crate::base::files::key;
use crate::base::{interrupt, ui};
use crate::build::kernel::Kernel;
use crate::data::kunit_list::{self, Expected};
use crate::judge::kunit_outcome::{self, Outcome};
use crate::lab::Lab;
use crate::parts::kept::{is_lasting, kept, save};
use crate::parts::kunit;
use crate::run::uml;

/// The test of each suite that does so.
const TEST: &str = "unbind_random";

/// What a boot does at most before the next suite's turn.
const BOOT_CYCLES: u32 = 1000;

/// A boot takes a minute or two on a quiet machine.
const LIMIT: Duration = Duration::from_secs(1200);

/// A boot that was judged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Boot {
    /// Of the kernel.
    key: String,
    suite: String,
    seed: u32,
    cycles: u32,
    passed: bool,
    /// What was wrong, or what the test counted.
    why: String,
    seconds: u64,
    source_id: String,
}

/// This part of the file.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Kept {
    #[serde(default)]
    models: Vec<Boot>,
}

fn of<'a>(boots: &'a [Boot], suite: &str) -> impl Iterator<Item = &'a Boot> + use<'a> {
    let suite = suite.to_owned();
    boots.iter().filter(move |boot| boot.suite == suite)
}

/// Seed and cycles of the next boot, also after another call; `None` when there were
/// enough.
fn next(boots: &[Boot], suite: &str, limit: Option<u32>) -> Option<(u32, u32)> {
    let done: u32 = of(boots, suite).map(|boot| boot.cycles).sum();
    let left = limit.map_or(BOOT_CYCLES, |limit| limit.saturating_sub(done));
    let last = of(boots, suite).map(|boot| boot.seed).max();
    (left > 0).then_some((last.unwrap_or_default() + 1, left.min(BOOT_CYCLES)))
}

pub fn run(lab: &Lab, tree: bool, limit: Option<u32>, end: Instant) -> Result<bool> {
    let list = kunit_list::read_list(&lab.paths, kunit_list::MODELS)?;
    let suites: Vec<&str> = list
        .iter()
        .filter_map(|entry| entry.name.strip_suffix(TEST)?.strip_suffix('.'))
        .collect();
    if suites.is_empty() {
        bail!("no suite of {} has {TEST}", kunit_list::MODELS);
    }
    let kernel = kunit::build_config(lab, kunit_list::MODELS, tree)?;
    let key = key(&[
        &kernel.source_id,
        &kernel.config_sha256,
        lab.toolchain.key(),
    ]);
    let Kept { models } = kept(&lab.paths);
    let (mut boots, others): (Vec<Boot>, Vec<Boot>) = models
        .into_iter()
        .partition(|boot| boot.key == key && is_lasting(&boot.source_id));
    'rounds: loop {
        let mut idle = true;
        for suite in &suites {
            let Some((seed, cycles)) = next(&boots, suite, limit) else {
                continue;
            };
            if Instant::now() >= end {
                break 'rounds;
            }
            idle = false;
            boots.push(boot(lab, &kernel, &list, suite, seed, cycles, &key)?);
            let models = others.iter().chain(&boots).cloned().collect();
            save(&lab.paths, &Kept { models })?;
        }
        if idle {
            break;
        }
    }
    println!("{}", table(&suites, &boots));
    let asked: Vec<&Boot> = suites.iter().flat_map(|it| of(&boots, it)).collect();
    let passed = asked.iter().filter(|boot| boot.passed).count();
    let open = suites
        .iter()
        .filter(|suite| match limit {
            Some(_) => next(&boots, suite, limit).is_some(),
            None => of(&boots, suite).next().is_none(),
        })
        .count();
    println!(
        "{passed} of {} boots passed, {open} of {} rows open; details in out/soak.json",
        asked.len(),
        suites.len()
    );
    Ok(passed == asked.len() && open == 0)
}

fn boot(
    lab: &Lab,
    kernel: &Kernel,
    list: &[Expected],
    suite: &str,
    seed: u32,
    cycles: u32,
    key: &str,
) -> Result<Boot> {
    interrupt::check_interrupted()?;
    let step = lab
        .ui
        .step(format!("{suite:<24} seed {seed}, {cycles} cycles"));
    let start = Instant::now();
    let name = format!("{suite}.{TEST}");
    let words = [
        format!("driver_test.seed={seed}"),
        format!("driver_test.cycles={cycles}"),
    ];
    let mut arguments = kunit::arguments(kunit_list::MODELS).to_vec();
    arguments.extend(words.iter().map(String::as_str));
    let dir = lab.paths.out().join("soak/models").join(suite);
    let ran = uml::boot_with(lab, kernel, &dir, Some(&name), &arguments, LIMIT)?;
    let expected: Vec<_> = list.iter().filter(|it| it.name == name).cloned().collect();
    let mut wrong = kunit_outcome::faults(&ran);
    for (name, outcome) in kunit_outcome::judge(&expected, &ran.cases) {
        match outcome {
            Outcome::Passed | Outcome::FailsAsListed => {}
            Outcome::Failed(why) => wrong.push(format!("{name}: {why}")),
            Outcome::Skipped | Outcome::Missing => wrong.push(format!("{name} did not run")),
        }
    }
    let log = fs::read_to_string(&ran.log)
        .with_context(|| format!("cannot read {}", ran.log.display()))?;
    // A misspelt parameter would be ignored.
    if !log.contains(&format!("seed={seed} cycles={cycles}")) {
        wrong.push("the kernel did not take the seed".into());
    }
    let passed = wrong.is_empty();
    let why = match passed {
        true => log
            .lines()
            .filter_map(|line| line.split_once("# unbind_random: "))
            .map(|(_, said)| said)
            .find(|said| said.contains(" reads,"))
            .unwrap_or_default()
            .to_owned(),
        false => wrong.join("; "),
    };
    step.done(if passed { "passed" } else { why.as_str() });
    if !passed {
        // The next boot of its kind would overwrite it.
        let place = lab
            .paths
            .out()
            .join(format!("soak/{suite}-seed-{seed}.log"));
        fs::copy(&ran.log, &place).with_context(|| format!("cannot write {}", place.display()))?;
        lab.ui.println(format!("kept in {}", place.display()));
    }
    Ok(Boot {
        key: key.to_owned(),
        suite: suite.to_owned(),
        seed,
        cycles,
        passed,
        why,
        seconds: start.elapsed().as_secs(),
        source_id: kernel.source_id.clone(),
    })
}

fn table(suites: &[&str], boots: &[Boot]) -> Table {
    let mut table = ui::table(["suite", "cycles", "seeds", "result"]);
    for suite in suites {
        let own: Vec<&Boot> = of(boots, suite).collect();
        let cycles: u32 = own.iter().map(|boot| boot.cycles).sum();
        let seeds = own.iter().map(|boot| boot.seed);
        let failed: Vec<String> = own
            .iter()
            .filter(|boot| !boot.passed)
            .map(|boot| format!("seed {}: {}", boot.seed, boot.why))
            .collect();
        table.add_row([
            (*suite).to_owned(),
            cycles.to_string(),
            match (seeds.clone().min(), seeds.max()) {
                (Some(first), Some(last)) => format!("{first}-{last}"),
                _ => String::new(),
            },
            match (own.is_empty(), failed.is_empty()) {
                (true, _) => "open: no time left".to_owned(),
                (_, true) => "passed".to_owned(),
                _ => failed.join("\n"),
            },
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_call_goes_on() {
        assert_eq!(next(&[], "a", Some(1500)), Some((1, 1000)));
        let mut boots = vec![Boot {
            key: "k".into(),
            suite: "a".into(),
            seed: 1,
            cycles: 1000,
            passed: true,
            why: String::new(),
            seconds: 1,
            source_id: "id".into(),
        }];
        assert_eq!(next(&boots, "a", Some(1500)), Some((2, 500)));
        assert_eq!(next(&boots, "a", Some(1000)), None);
        assert_eq!(next(&boots, "a", None), Some((2, 1000)));
        assert_eq!(next(&boots, "b", Some(10)), Some((1, 10)));
        let text = table(&["a", "b"], &boots).to_string();
        assert!(text.contains("passed") && text.contains("open"), "{text}");
        boots[0].passed = false;
        boots[0].why = "hangs".into();
        let text = table(&["a"], &boots).to_string();
        assert!(text.contains("seed 1: hangs"), "{text}");
    }
}
