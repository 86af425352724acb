//! `cargo lab demo`: every scenario of the report on every binding of the machine,
//! stock and patched, as one table.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use anyhow::{Result, bail};
use comfy_table::Table;
use serde::Serialize;

use crate::image::write_whole;
use crate::kernel::{self, Kernel, Lab, Variant};
use crate::machine::{ALL, Compatible, Machine};
use crate::paths::Paths;
use crate::process;
use crate::qemu::{self, Bench, Job};
use crate::scenario::{self, Place, Scenario, Stock};
use crate::ui;
use crate::verdict::Verdict;

/// Boots of one stock row before it stays inconclusive.
const STOCK_ATTEMPTS: u32 = 3;

/// Show it: the stock kernel crashes as reported, the patched one survives
///
/// Boots the stock kernel and the patched one in each scenario with each binding of
/// the controller and prints a table. About 30 minutes at first, when toolchain and
/// kernels are made, under 10 later, but more than an hour with `--machine all`. Writes out/demo.json, and console logs under
/// out/boot/. Exit status 0 only if every stock row failed as defined in docs/design.md and
/// every patched row passed. Rows of machines that have nothing to test are skipped, and
/// counted apart; exit status 4 when all were.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// A file of lab/data/machines/, or `all`, one after the other
    #[arg(long, default_value = "amd-versal-virt")]
    pub machine: String,
    /// Another driver of the controller than C's, as the machine names it: then there are
    /// no stock rows, since stock kernels do not have it
    #[arg(long, value_name = "NAME")]
    pub driver: Option<String>,
    /// Unbind and bind cycles of the patched kernel in scenarios that repeat
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    pub cycles: u32,
    /// Only this scenario (a file of lab/data/scenarios/), or `all`: more than the demo's,
    /// some of them on a machine of their own
    #[arg(long, value_name = "NAME")]
    pub scenario: Option<String>,
    /// Another kernel (of lab/data/kernel/configs.toml) than the machine's
    #[arg(long, value_name = "NAME")]
    pub kernel_config: Option<String>,
    /// Only this binding of the controller
    #[arg(long, value_name = "NAME")]
    pub compatible: Option<String>,
    /// What the flash holds, and what the test programs do when, follow from this
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Boots at the same time
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=8))]
    pub jobs: u32,
    /// The kernel in the worktree linux/, as it stands, in place of base + patches/
    #[arg(long)]
    pub tree: bool,
}

impl Args {
    /// Fails when a name is wrong.
    pub fn check(&self, paths: &Paths) -> Result<()> {
        self.machines(paths)?;
        self.scenarios(paths).map(drop)
    }

    fn machines(&self, paths: &Paths) -> Result<Vec<Machine>> {
        let (driver, compatible) = (self.driver.as_deref(), self.compatible.as_deref());
        Machine::chosen(paths, &self.machine, driver, compatible)
    }

    fn scenarios(&self, paths: &Paths) -> Result<Vec<Scenario>> {
        Scenario::chosen(paths, self.scenario.as_deref())
    }

    /// All of the demo, as without arguments but for the cycles.
    pub fn with_cycles(cycles: u32) -> Self {
        Self {
            machine: "amd-versal-virt".to_owned(),
            driver: None,
            cycles,
            scenario: None,
            kernel_config: None,
            compatible: None,
            seed: 1,
            jobs: 1,
            tree: false,
        }
    }
}

impl Args {
    /// The file of results in out/.
    fn results(&self, paths: &Paths) -> String {
        let driver = self.driver.iter().map(|name| format!("-{name}"));
        format!("demo{}{}.json", driver.collect::<String>(), paths.suffix())
    }
}

/// One line of the table.
#[derive(Debug)]
pub struct Row {
    pub machine: String,
    pub compatible: String,
    pub scenario: String,
    pub variant: Variant,
    pub stock: Stock,
    pub verdict: Verdict,
    pub boots: u32,
    seconds: f64,
    control_sha256: Option<String>,
    log: String,
}

impl Row {
    pub fn is_expected(&self) -> bool {
        qemu::is_expected(self.variant, self.stock, &self.verdict)
    }

    fn is_skipped(&self) -> bool {
        matches!(self.verdict, Verdict::Skipped { .. })
    }
}

/// All rows that were asked for, and how many of them went as they should.
#[derive(Debug)]
pub struct Outcome {
    pub rows: Vec<Row>,
    pub expected: usize,
    /// A filter left rows out.
    pub partial: bool,
}

impl Outcome {
    pub fn good(&self) -> usize {
        self.rows.iter().filter(|row| row.is_expected()).count()
    }

    pub fn skipped(&self) -> usize {
        self.rows.iter().filter(|row| row.is_skipped()).count()
    }

    /// A skipped row is no fault, and shows nothing: of nothing else no demo is made.
    pub fn is_good(&self) -> bool {
        self.is_complete() && self.good() > 0
    }

    fn is_complete(&self) -> bool {
        self.rows.len() == self.expected && self.good() + self.skipped() == self.expected
    }

    fn summary(&self) -> String {
        let skipped = match self.skipped() {
            0 => String::new(),
            n => format!(", {n} skipped"),
        };
        let partial = match self.partial {
            true => " (a part of the demo only)",
            false => "",
        };
        format!(
            "{} of {} rows as they should be{skipped}{partial}",
            self.good(),
            self.expected - self.skipped()
        )
    }
}

pub fn run(lab: &Lab, args: Args) -> Result<ExitCode> {
    let outcome = demonstrate(lab, &args)?;
    println!(
        "{}; details in out/{}",
        outcome.summary(),
        args.results(&lab.paths)
    );
    Ok(match outcome.is_complete() {
        true if outcome.is_good() => ExitCode::SUCCESS,
        true => ExitCode::from(qemu::EXIT_SKIPPED),
        false => ExitCode::FAILURE,
    })
}

/// Makes every row, prints the table and writes out/demo.json.
pub fn demonstrate(lab: &Lab, args: &Args) -> Result<Outcome> {
    let machines = args.machines(&lab.paths)?;
    let scenarios = args.scenarios(&lab.paths)?;
    let config = args.kernel_config.as_deref();
    let places = scenario::places(&lab.paths, &machines, &scenarios, config)?;
    demonstrate_at(lab, args, &places)
}

/// As [`demonstrate`], for scenarios that were chosen.
pub fn demonstrate_at(lab: &Lab, args: &Args, places: &[Place]) -> Result<Outcome> {
    let several = places.len() > 1;
    let mut outcome = Outcome {
        rows: Vec::new(),
        expected: 0,
        partial: args.compatible.is_some() || args.scenario.is_some(),
    };
    let mut booted = Vec::new();
    for Place { machine, scenarios } in places {
        let build = |variant| kernel::build(lab, &variant, &machine.kernel_config, machine.arch);
        let mut kernels = Vec::new();
        if args.driver.is_none() {
            kernels.push(build(Variant::Stock)?);
        }
        kernels.push(build(match args.tree {
            true => Variant::Tree,
            false => Variant::Series { upto: None },
        })?);
        // Each kernel has its own modules in the guest.
        let benches = kernels
            .iter()
            .map(|kernel| Bench::prepare(lab, machine, kernel, args.seed))
            .collect::<Result<Vec<_>>>()?;
        let mut wanted = Vec::new();
        for compatible in &machine.compatible {
            for scenario in scenarios {
                for (kernel, bench) in kernels.iter().zip(&benches) {
                    wanted.push(Wanted {
                        bench,
                        compatible,
                        scenario,
                        kernel,
                    });
                }
            }
        }
        outcome.expected += wanted.len();
        let (rows, ended) = all_rows(lab, &wanted, args);
        outcome.rows.extend(rows);
        if ended.is_err() && !outcome.rows.is_empty() {
            // What was shown until then is not lost; results of a whole run stay in place.
            println!("{}", table(&outcome.rows, several));
            println!(
                "stopped: {} of {} rows until then as they should be",
                outcome.good(),
                outcome.rows.len() - outcome.skipped()
            );
        }
        ended?;
        booted.push(BootedReport::new(&benches[0], &kernels));
    }
    println!("{}", table(&outcome.rows, several));
    let scenarios = places.iter().flat_map(|it| &it.scenarios);
    let shown: BTreeMap<_, _> = scenarios.map(|it| (it.order, it)).collect();
    for scenario in shown.values() {
        println!("  {:<18} {}", scenario.name, scenario.title);
    }
    let report = report(lab, args, booted, &outcome)?;
    let json = serde_json::to_string_pretty(&report)? + "\n";
    write_whole(
        &lab.paths.out().join(args.results(&lab.paths)),
        json.as_bytes(),
    )?;
    Ok(outcome)
}

#[derive(Clone, Copy, Debug)]
struct Wanted<'a> {
    bench: &'a Bench<'a>,
    compatible: &'a Compatible,
    scenario: &'a Scenario,
    kernel: &'a Kernel,
}

/// Boots `args.jobs` at a time; rows come back in the order of `wanted`, and those that ended
/// before an error with it.
fn all_rows(lab: &Lab, wanted: &[Wanted], args: &Args) -> (Vec<Row>, Result<()>) {
    let next = AtomicUsize::new(0);
    let rows = Mutex::new(Vec::new());
    let work = || -> Result<()> {
        loop {
            let index = next.fetch_add(1, Ordering::SeqCst);
            let Some(one) = wanted.get(index) else {
                return Ok(());
            };
            let row = one_row(lab, *one, args);
            if row.is_err() {
                // The others need not go on.
                next.store(wanted.len(), Ordering::SeqCst);
            }
            let row = row?;
            rows.lock()
                .map_err(|_| anyhow::anyhow!("a boot's thread panicked"))?
                .push((index, row));
        }
    };
    let ended = std::thread::scope(|scope| -> Result<()> {
        let threads: Vec<_> = (0..args.jobs).map(|_| scope.spawn(work)).collect();
        for thread in threads {
            match thread.join() {
                Ok(result) => result?,
                Err(_) => bail!("a boot's thread panicked"),
            }
        }
        Ok(())
    });
    // Only whole rows are put in.
    let mut rows = rows.into_inner().unwrap_or_else(PoisonError::into_inner);
    rows.sort_by_key(|(index, _)| *index);
    (rows.into_iter().map(|(_, row)| row).collect(), ended)
}

fn one_row(lab: &Lab, wanted: Wanted, args: &Args) -> Result<Row> {
    let Wanted {
        bench,
        compatible,
        scenario,
        kernel,
    } = wanted;
    let variant = kernel.variant;
    let attempts = match variant {
        Variant::Stock => STOCK_ATTEMPTS,
        _ => 1,
    };
    let mut what = format!("{variant:<7} {:<18} {}", compatible.name, scenario.name);
    if args.machine == ALL {
        what = format!("{:<18} {what}", bench.machine.name);
    }
    let mut attempt = 0;
    loop {
        attempt += 1;
        process::check_interrupted()?;
        let step = lab.ui.step(what.clone());
        let job = Job {
            compatible,
            kernel,
            scenario: Some(scenario),
            cycles: args.cycles,
            attempt,
        };
        let judged = bench.judge(job, scenario, |line| {
            if let Some((_, marker)) = line.split_once("# marker: ") {
                step.note(marker);
            }
        })?;
        step.done(qemu::describe(&judged.verdict));
        let unclear = matches!(judged.verdict, Verdict::Inconclusive { .. });
        let row = Row {
            machine: bench.machine.name.clone(),
            compatible: compatible.name.clone(),
            scenario: scenario.name.clone(),
            variant,
            stock: scenario.stock,
            boots: attempt,
            seconds: judged.booted.elapsed.as_secs_f64(),
            control_sha256: judged.booted.console.control.map(|it| it.sha256),
            log: from_clone(lab, &judged.booted.dir.join("console.log")),
            verdict: judged.verdict,
        };
        if row.is_expected() || row.is_skipped() {
            return Ok(row);
        }
        lab.ui.println(qemu::console_tail(&judged.booted.dir)?);
        if !unclear || attempt == attempts {
            return Ok(row);
        }
        let left = attempts - attempt;
        lab.ui
            .println(format!("nothing was shown; again ({left} more at most)"));
    }
}

/// As results name files: the same on every machine.
fn from_clone(lab: &Lab, path: &Path) -> String {
    let path = path.strip_prefix(&lab.paths.clone).unwrap_or(path);
    path.display().to_string()
}

/// With `machines`, of more than one.
fn table(rows: &[Row], machines: bool) -> Table {
    let mut table = ui::table([
        ui::binding(machines, "machine", "compatible").as_str(),
        "scenario",
        "kernel",
        "verdict",
        "first splat, or cycles",
    ]);
    for row in rows {
        let mut verdict = row.verdict.name().to_owned();
        if row.boots > 1 {
            verdict = format!("{verdict} (boot {})", row.boots);
        }
        table.add_row([
            ui::binding(machines, &row.machine, &row.compatible),
            row.scenario.clone(),
            row.variant.to_string(),
            verdict,
            qemu::evidence(&row.verdict),
        ]);
    }
    table
}

#[derive(Serialize)]
struct Report {
    good: bool,
    /// Not all bindings, or not all scenarios.
    partial: bool,
    expected_rows: usize,
    skipped_rows: usize,
    /// A name, or "all".
    machine: String,
    cycles: u32,
    seed: u64,
    /// The chosen ones, if not all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    series: Vec<String>,
    /// Of a demo on one machine.
    #[serde(flatten)]
    booted: Option<BootedReport>,
    /// Of a demo on all.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    machines: BTreeMap<String, BootedReport>,
    toolchain: BTreeMap<String, String>,
    results: Vec<Pair>,
}

/// What was booted on a machine.
#[derive(Serialize)]
struct BootedReport {
    #[serde(skip)]
    machine: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    flash_sha256: Option<String>,
    kernels: BTreeMap<String, KernelReport>,
}

impl BootedReport {
    fn new(bench: &Bench, kernels: &[Kernel]) -> Self {
        let kernels = kernels.iter().map(|kernel| {
            let report = KernelReport {
                release: kernel.release.clone(),
                source_version: kernel.source_version.clone(),
                source_id: kernel.source_id.clone(),
                config: kernel.config.clone(),
                config_sha256: kernel.config_sha256.clone(),
            };
            (kernel.variant.to_string(), report)
        });
        let flash = bench.machine.flash.as_ref();
        Self {
            machine: bench.machine.name.clone(),
            flash_sha256: flash.map(|_| bench.image.sha256.clone()),
            kernels: kernels.collect(),
        }
    }
}

#[derive(Serialize)]
struct KernelReport {
    release: String,
    source_version: String,
    source_id: String,
    config: String,
    config_sha256: String,
}

/// One scenario with one binding, by kernel.
#[derive(Serialize)]
struct Pair {
    machine: String,
    compatible: String,
    scenario: String,
    #[serde(flatten)]
    kernels: BTreeMap<String, RowReport>,
}

#[derive(Serialize)]
struct RowReport {
    verdict: &'static str,
    expected: bool,
    control_sha256: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_splat: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    function: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cycles: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    longest_unbind_us: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    readers_interrupted: Option<u32>,
    boots: u32,
    seconds: f64,
    log: String,
}

fn report(
    lab: &Lab,
    args: &Args,
    mut booted: Vec<BootedReport>,
    outcome: &Outcome,
) -> Result<Report> {
    let mut results: Vec<Pair> = Vec::new();
    for row in &outcome.rows {
        let same = |it: &Pair| {
            it.machine == row.machine
                && it.compatible == row.compatible
                && it.scenario == row.scenario
        };
        let index = results.iter().position(same).unwrap_or_else(|| {
            results.push(Pair {
                machine: row.machine.clone(),
                compatible: row.compatible.clone(),
                scenario: row.scenario.clone(),
                kernels: BTreeMap::new(),
            });
            results.len() - 1
        });
        let kernels = &mut results[index].kernels;
        kernels.insert(row.variant.to_string(), row_report(row));
    }
    let one = match args.machine != ALL && booted.len() == 1 {
        true => booted.pop(),
        false => None,
    };
    // One machine may have been there with several kernels.
    let machines = booted.into_iter().map(|it| {
        let config = it.kernels.values().next().map(|it| it.config.clone());
        let name = [Some(it.machine.clone()), config];
        (name.into_iter().flatten().collect::<Vec<_>>().join(" "), it)
    });
    Ok(Report {
        good: outcome.is_good(),
        partial: outcome.partial,
        expected_rows: outcome.expected,
        skipped_rows: outcome.skipped(),
        machine: args.machine.clone(),
        cycles: args.cycles,
        seed: args.seed,
        series: lab.paths.series.clone(),
        booted: one,
        machines: machines.collect(),
        toolchain: lab.toolchain.versions()?,
        results,
    })
}

fn row_report(row: &Row) -> RowReport {
    let mut report = RowReport {
        verdict: row.verdict.name(),
        expected: row.is_expected(),
        control_sha256: row.control_sha256.clone(),
        first_splat: None,
        function: None,
        after: None,
        why: None,
        cycles: None,
        longest_unbind_us: None,
        readers_interrupted: None,
        boots: row.boots,
        seconds: row.seconds,
        log: row.log.clone(),
    };
    match &row.verdict {
        Verdict::Failed {
            why,
            function,
            after,
        } => {
            match function {
                Some(_) => report.first_splat = Some(why.clone()),
                None => report.why = Some(why.clone()),
            }
            report.function.clone_from(function);
            report.after.clone_from(after);
        }
        Verdict::Passed {
            cycles,
            longest_unbind_us,
            inside,
        } => {
            report.cycles = Some(*cycles);
            report.longest_unbind_us = Some(*longest_unbind_us);
            report.readers_interrupted = Some(*inside);
        }
        // No scenario of the demo ends so.
        Verdict::Restarted { .. } => {}
        Verdict::Inconclusive { why } | Verdict::Skipped { why } => {
            report.why = Some(why.clone());
        }
    }
    report
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(variant: Variant, verdict: Verdict) -> Row {
        Row {
            machine: "amd-versal2-virt".to_owned(),
            compatible: "intel,socfpga-qspi".to_owned(),
            scenario: "controller-unbind".to_owned(),
            variant,
            stock: Stock::Fails,
            verdict,
            boots: 1,
            seconds: 1.0,
            control_sha256: None,
            log: String::new(),
        }
    }

    fn passed() -> Verdict {
        Verdict::Passed {
            cycles: 20,
            longest_unbind_us: 812_345,
            inside: 80,
        }
    }

    fn failed() -> Verdict {
        Verdict::Failed {
            why: "BUG: KASAN: slab-use-after-free in cqspi_indirect_read_execute+0x188/0x330"
                .to_owned(),
            function: Some("cqspi_indirect_read_execute".to_owned()),
            after: None,
        }
    }

    const PATCHED: Variant = Variant::Series { upto: None };

    fn skipped() -> Verdict {
        let why = "no FlexSPI model".to_owned();
        Verdict::Skipped { why }
    }

    fn outcome(rows: Vec<Row>, expected: usize) -> Outcome {
        Outcome {
            rows,
            expected,
            partial: false,
        }
    }

    #[test]
    fn only_all_rows_as_they_should_be_are_good() {
        let both = || vec![row(Variant::Stock, failed()), row(PATCHED, passed())];
        assert!(outcome(both(), 2).is_good());
        assert!(!outcome(both(), 3).is_good(), "a row is missing");
        let unclear = Verdict::Inconclusive { why: String::new() };
        for bad in [
            row(Variant::Stock, passed()),
            row(PATCHED, failed()),
            row(Variant::Stock, unclear.clone()),
            row(PATCHED, unclear),
        ] {
            assert!(!outcome(vec![bad], 1).is_good());
        }
        let survives = |verdict| Row {
            stock: Stock::Survives,
            ..row(Variant::Stock, verdict)
        };
        assert!(survives(passed()).is_expected());
        assert!(!survives(failed()).is_expected());
    }

    #[test]
    fn a_skipped_row_is_counted_apart() {
        for variant in [Variant::Stock, PATCHED] {
            assert!(!row(variant, skipped()).is_expected());
        }
        let rows = || {
            let skips = [Variant::Stock, PATCHED].map(|variant| row(variant, skipped()));
            Vec::from(skips)
        };
        let nothing = outcome(rows(), 2);
        assert!(nothing.is_complete() && !nothing.is_good());
        assert_eq!(
            nothing.summary(),
            "0 of 0 rows as they should be, 2 skipped"
        );
        let mut more = rows();
        more.push(row(Variant::Stock, failed()));
        assert!(outcome(rows(), 3).rows.len() == 2 && !outcome(rows(), 3).is_complete());
        let some = outcome(more, 3);
        assert!(some.is_good());
        assert_eq!(some.summary(), "1 of 1 rows as they should be, 2 skipped");
        let mut bad = rows();
        bad.push(row(PATCHED, failed()));
        assert_eq!(
            outcome(bad, 3).summary(),
            "0 of 1 rows as they should be, 2 skipped"
        );
    }

    #[test]
    fn the_table_fits_100_columns() {
        let rows = [
            row(Variant::Stock, failed()),
            row(PATCHED, passed()),
            row(PATCHED, skipped()),
        ];
        for machines in [false, true] {
            let text = table(&rows, machines).to_string();
            assert!(
                text.lines().all(|line| line.chars().count() <= 100),
                "{text}"
            );
            assert!(text.contains("20 unbinds, longest 812 ms"), "{text}");
            assert_eq!(text.contains("amd-versal2-virt"), machines, "{text}");
        }
    }
}
