//! The life of an MTD as a model for spin, and what the model must notice.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use comfy_table::Table;
use regex::Regex;
use serde::Deserialize;

use crate::base::{interrupt, process, ui};
use crate::lab::Lab;
use crate::parts::litmus;
use crate::toolchain::enter::Bind;
use crate::toolchain::root;

/// A name in mutants.toml for a process that waits for ever.
const DEADLOCK: &str = "deadlock";

/// Where the toolchain sees the packages of spin.
const SPIN: &str = "/guest/spin";

/// Nothing short takes longer, by far.
const LIMIT: Duration = Duration::from_secs(600);

/// `lab/kernel/model/mutants.toml`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Data {
    size: Vec<Size>,
    mutant: Vec<Mutant>,
}

/// How much of everything the model has.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Size {
    name: String,
    /// `NAME=number` for the model's preprocessor.
    defines: Vec<String>,
    /// Not checked by `test`.
    #[serde(default)]
    long: bool,
}

/// A change of the model that spin must notice.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Mutant {
    name: String,
    what: String,
    /// The property, or [`DEADLOCK`].
    breaks: String,
    /// The size that it is found in; the first, if it does not say.
    size: Option<String>,
    /// Pieces of the model, each in there once, and what takes their place.
    replace: Vec<(String, String)>,
}

impl Data {
    fn read(dir: &Path) -> Result<Self> {
        let file = dir.join("mutants.toml");
        let text =
            fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        toml::from_str(&text).with_context(|| format!("cannot understand {}", file.display()))
    }

    fn size(&self, mutant: &Mutant) -> Result<&Size> {
        let found = match &mutant.size {
            Some(name) => self.size.iter().find(|size| size.name == *name),
            None => self.size.first(),
        };
        found.with_context(|| format!("there is no size for the mutant {}", mutant.name))
    }
}

impl Mutant {
    /// The model with the change, in which nothing else is checked.
    fn apply(&self, model: &str) -> Result<String> {
        let mut text = model.to_owned();
        for (from, to) in &self.replace {
            match text.matches(from.as_str()).count() {
                1 => text = text.replacen(from.as_str(), to, 1),
                count => bail!(
                    "{}: this is {count} times in the model, not once:\n{from}",
                    self.name
                ),
            }
        }
        if self.breaks != DEADLOCK && !properties(model).contains(&self.breaks) {
            bail!("{}: there is no property {}", self.name, self.breaks);
        }
        Ok(PROPERTY
            .replace_all(&text, |found: &regex::Captures| {
                match found[1] == self.breaks {
                    true => found[0].to_owned(),
                    false => format!("hidden byte {} = 1;", &found[1]),
                }
            })
            .into_owned())
    }
}

/// The line of a property in the model. One that is set holds, whatever happens.
static PROPERTY: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?m)^hidden byte (\w+);").expect("a constant pattern compiles"));

fn properties(model: &str) -> BTreeSet<String> {
    let names = PROPERTY.captures_iter(model);
    names.map(|found| found[1].to_owned()).collect()
}

/// What a search came to.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Found {
    /// All states were looked at, and all is well in them.
    Nothing { states: u64 },
    /// A property's name, or [`DEADLOCK`].
    Violation { property: String, states: u64 },
}

/// From what spin's verifier says.
fn understand(said: &str) -> Result<Found> {
    static STATES: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"(?m)^ *([0-9.e+]+) states, stored").expect("a constant pattern compiles")
    });
    let states = STATES.captures(said).context("it did not finish")?;
    let states = states[1].parse::<f64>().context("no number of states")? as u64;
    let first = said.lines().find_map(|line| line.strip_prefix("pan:1: "));
    if let Some(first) = first {
        let property = match first.strip_prefix("assertion violated (") {
            Some(rest) => rest.split("||").next().unwrap_or(rest).to_owned(),
            None if first.starts_with("invalid end state") => DEADLOCK.to_owned(),
            None => bail!("it stopped: {first}"),
        };
        return Ok(Found::Violation { property, states });
    }
    for bad in [
        "max search depth too small",
        "Search not completed",
        "out of memory",
    ] {
        if said.contains(bad) {
            bail!("the search is not complete: {bad}");
        }
    }
    match said.contains("errors: 0") {
        true => Ok(Found::Nothing { states }),
        false => bail!("it does not say that there are no errors"),
    }
}

/// A model to be searched.
#[derive(Clone, Debug)]
struct Search {
    name: String,
    text: String,
    defines: Vec<String>,
    /// Only properties, no deadlocks.
    ignore_deadlocks: bool,
    thorough: bool,
}

/// Runs spin, a compiler and the verifier; `limit` is for all three.
fn search(lab: &Lab, packages: &Path, search: &Search, limit: Duration) -> Result<Found> {
    let dir = lab.paths.out().join("model").join(&search.name);
    if dir.exists() {
        fs::remove_dir_all(&dir).with_context(|| format!("cannot remove {}", dir.display()))?;
    }
    fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
    fs::write(dir.join("mtd.pml"), &search.text)
        .with_context(|| format!("cannot write into {}", dir.display()))?;
    let spin = root::extracted_program(SPIN, "spin");
    let defines: Vec<String> = search.defines.iter().map(|it| format!("-D{it}")).collect();
    // A mutant is found in less time than gcc takes.
    let (compiler, options) = match (search.ignore_deadlocks, search.thorough) {
        (_, true) => ("gcc -O2".to_owned(), "-m20000000 -w26"),
        (false, false) => ("gcc -O0".to_owned(), "-m2000000 -w22"),
        (true, false) => (tcc(), "-E -m2000000 -w20"),
    };
    let memory = if search.thorough { 12_000 } else { 2_000 };
    let script = format!(
        "{spin} -a {} mtd.pml
         {compiler} -w -DSAFETY -DCOLLAPSE -DMEMLIM={memory} -o pan pan.c
         exec ./pan {options}",
        defines.join(" ")
    );
    let binds = [
        Bind::read_only(packages, SPIN),
        Bind::writable(&dir, "/build"),
    ];
    let mut command = lab.toolchain.command(&binds, "env");
    command.args(["-C", "/build", "sh", "-ec", &script]);
    let mut said = String::new();
    let log = dir.join("log");
    process::fresh_log(&log)?;
    process::run_logged_within(&mut command, &log, Some(limit), |line| {
        said.push_str(line);
        said.push('\n');
    })?;
    understand(&said).with_context(|| format!("see {}", log.display()))
}

fn tcc() -> String {
    let own = format!("{SPIN}/usr/lib/x86_64-linux-gnu/tcc");
    format!("{} -B{own}", root::extracted_program(SPIN, "tcc"))
}

/// A line of the table.
#[derive(Clone, Debug)]
pub struct Row {
    kind: &'static str,
    name: String,
    what: String,
    /// What came out, if that is what should.
    pub result: Result<String, String>,
}

impl Row {
    pub fn name(&self) -> String {
        format!("{} {}", self.kind, self.name)
    }
}

fn of_size(size: &Size, found: Result<Found>) -> Row {
    Row {
        kind: "size",
        name: size.name.clone(),
        what: size.defines.join(" "),
        result: match found {
            Ok(Found::Nothing { states }) => Ok(format!("holds, {states} states")),
            Ok(Found::Violation { property, .. }) => Err(format!("violates {property}")),
            Err(error) => Err(format!("{error:#}")),
        },
    }
}

fn of_mutant(mutant: &Mutant, found: Result<Found>) -> Row {
    Row {
        kind: "mutant",
        name: mutant.name.clone(),
        what: mutant.what.clone(),
        result: match found {
            Ok(Found::Violation { property, states }) if property == mutant.breaks => {
                Ok(format!("violates {property}, {states} states"))
            }
            Ok(Found::Violation { property, .. }) => {
                Err(format!("violates {property}, not {}", mutant.breaks))
            }
            Ok(Found::Nothing { states }) => Err(format!("not found in {states} states")),
            Err(error) => Err(format!("{error:#}")),
        },
    }
}

/// Which sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sizes {
    Short,
    Long,
    All,
}

impl Sizes {
    fn has(self, size: &Size) -> bool {
        match self {
            Self::Short => !size.long,
            Self::Long => size.long,
            Self::All => true,
        }
    }
}

fn dir(lab: &Lab) -> PathBuf {
    lab.paths.clone.join("lab/kernel/model")
}

fn is_wanted(name: &str, only: Option<&str>) -> bool {
    only.is_none_or(|text| name.contains(text))
}

/// Checks the model in these sizes, each within `limit` if that is long.
fn check_sizes(
    lab: &Lab,
    data: &Data,
    model: &str,
    sizes: Sizes,
    only: Option<&str>,
    limit: Duration,
) -> Result<Vec<Row>> {
    let packages = lab.toolchain.spin(&lab.ui)?;
    let mut rows = Vec::new();
    let wanted = data.size.iter().filter(|it| sizes.has(it));
    for size in wanted.filter(|it| is_wanted(&it.name, only)) {
        let step = lab.ui.step(format!("Checking the model, {}", size.name));
        let job = Search {
            name: size.name.clone(),
            text: model.to_owned(),
            defines: size.defines.clone(),
            ignore_deadlocks: false,
            thorough: size.long,
        };
        let limit = if size.long { limit } else { LIMIT };
        let row = of_size(size, search(lab, &packages, &job, limit));
        interrupt::check_interrupted()?;
        step.done(row.result.clone().unwrap_or_else(|why| why));
        rows.push(row);
    }
    Ok(rows)
}

/// Two at a time.
fn check_mutants(lab: &Lab, data: &Data, model: &str, only: Option<&str>) -> Result<Vec<Row>> {
    let packages = lab.toolchain.spin(&lab.ui)?;
    let mut jobs = Vec::new();
    for mutant in data.mutant.iter().filter(|it| is_wanted(&it.name, only)) {
        let job = Search {
            name: format!("mutant-{}", mutant.name),
            text: mutant.apply(model)?,
            defines: data.size(mutant)?.defines.clone(),
            ignore_deadlocks: mutant.breaks != DEADLOCK,
            thorough: false,
        };
        jobs.push((mutant, job));
    }
    if jobs.is_empty() {
        return Ok(Vec::new());
    }
    let step = lab.ui.step("Checking mutants of the model");
    let count = jobs.len();
    let left = Mutex::new(jobs.into_iter().enumerate());
    let rows = Mutex::new(Vec::new());
    // What a worker runs ends with its thread.
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let next = left.lock().map(|mut left| left.next());
                    let Ok(Some((index, (mutant, job)))) = next else {
                        return;
                    };
                    if interrupt::interrupted() {
                        return;
                    }
                    step.note(&mutant.name);
                    let row = of_mutant(mutant, search(lab, &packages, &job, LIMIT));
                    if let Ok(mut rows) = rows.lock() {
                        rows.push((index, row));
                    }
                }
            });
        }
    });
    interrupt::check_interrupted()?;
    let mut rows = rows.into_inner().unwrap_or_default();
    rows.sort_by_key(|(index, _)| *index);
    if rows.len() != count {
        bail!("{} of {count} mutants of the model were tried", rows.len());
    }
    step.done(format!("{count} mutants"));
    Ok(rows.into_iter().map(|(_, row)| row).collect())
}

/// The model in these sizes and, if that is not the long ones alone, mutants and litmus
/// tests; a row for each.
pub fn all(lab: &Lab, sizes: Sizes, only: Option<&str>, limit: Duration) -> Result<Vec<Row>> {
    let dir = dir(lab);
    let data = Data::read(&dir)?;
    let file = dir.join("mtd.pml");
    let model =
        fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let mut rows = check_sizes(lab, &data, &model, sizes, only, limit)?;
    if sizes != Sizes::Long {
        rows.extend(check_mutants(lab, &data, &model, only)?);
        let row = |(name, result)| Row {
            kind: "litmus",
            name,
            what: String::new(),
            result,
        };
        match litmus::check(lab, &dir.join("litmus"), |name| is_wanted(name, only)) {
            Ok(tests) => rows.extend(tests.into_iter().map(row)),
            Err(error) => {
                interrupt::check_interrupted()?;
                rows.push(Row {
                    kind: "litmus",
                    name: "all".to_owned(),
                    what: "not run".to_owned(),
                    result: Err(format!("{error:#}")),
                });
            }
        }
    }
    Ok(rows)
}

fn table(rows: &[Row]) -> Table {
    let mut table = ui::table(["", "name", "what", "result"]);
    for row in rows {
        let result = match &row.result {
            Ok(result) => result.clone(),
            Err(why) => format!("WRONG: {why}"),
        };
        table.add_row([row.kind, &row.name, &row.what, &result]);
    }
    table
}

pub fn report(rows: &[Row]) -> bool {
    let good = rows.iter().filter(|row| row.result.is_ok()).count();
    println!("{}", table(rows));
    println!("model: {good} passed, {} failed", rows.len() - good);
    good == rows.len()
}

/// What `soak` does: the long sizes, none begun after `end` and each stopped then.
pub fn soak(lab: &Lab, end: Instant) -> Result<bool> {
    let limit = end.saturating_duration_since(Instant::now());
    Ok(report(&all(lab, Sizes::Long, None, limit)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::paths::Paths;

    const CLEAN: &str =
        "State-vector 72 byte, depth reached 5130, errors: 0\n   677324 states, stored\n";

    #[test]
    fn what_spin_says_is_understood() -> Result<()> {
        assert_eq!(understand(CLEAN)?, Found::Nothing { states: 677_324 });
        let large = CLEAN.replace("677324", "1.5e+08");
        assert_eq!(
            understand(&large)?,
            Found::Nothing {
                states: 150_000_000
            }
        );
        let found = |line: &str| understand(&format!("{line}\n{CLEAN}"));
        let violation = |property: &str| Found::Violation {
            property: property.to_owned(),
            states: 677_324,
        };
        let line = "pan:1: assertion violated (given_once||(got[dev]>0)) (at depth 51)";
        assert_eq!(found(line)?, violation("given_once"));
        let line = "pan:1: invalid end state (at depth 80)";
        assert_eq!(found(line)?, violation(DEADLOCK));
        // An array's bound is nobody's property.
        let line = "pan:1: assertion violated - invalid array index (at depth 82)";
        assert!(found(line).is_err());
        assert!(found("error: max search depth too small").is_err());
        assert!(found("Warning: Search not completed").is_err());
        assert!(understand("").is_err());
        Ok(())
    }

    #[test]
    fn a_mutant_has_one_property() -> Result<()> {
        let model = "hidden byte a;\t/* A */\nhidden byte b;\nstep;\n";
        let mut mutant = Mutant {
            name: "m".into(),
            what: String::new(),
            breaks: "b".into(),
            size: None,
            replace: vec![("step;".into(), "skip;".into())],
        };
        let text = mutant.apply(model)?;
        assert_eq!(text, "hidden byte a = 1;\t/* A */\nhidden byte b;\nskip;\n");
        mutant.breaks = "c".into();
        assert!(mutant.apply(model).is_err());
        mutant.breaks = DEADLOCK.into();
        assert!(mutant.apply(model)?.contains("b = 1;"));
        mutant.replace[0].0 = "hidden".into();
        assert!(mutant.apply(model).is_err());
        Ok(())
    }

    #[test]
    fn the_committed_mutants_apply() -> Result<()> {
        let dir = Paths::find()?.clone.join("lab/kernel/model");
        let data = Data::read(&dir)?;
        let model = fs::read_to_string(dir.join("mtd.pml"))?;
        let mut names = BTreeSet::new();
        let mut broken = BTreeSet::from([DEADLOCK.to_owned()]);
        for mutant in &data.mutant {
            mutant.apply(&model)?;
            data.size(mutant)?;
            assert!(names.insert(&mutant.name), "{} is there twice", mutant.name);
            broken.insert(mutant.breaks.clone());
        }
        // Each property is broken by one of them, or it might as well not be there.
        let mut all = properties(&model);
        all.insert(DEADLOCK.to_owned());
        assert_eq!(broken, all);
        Ok(())
    }
}
