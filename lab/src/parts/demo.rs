//! Every scenario of the report on every binding of the machine, stock and patched, as one
//! table.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use anyhow::{Result, bail};
use comfy_table::Table;

use crate::base::files::write_whole;
use crate::base::paths::Paths;
use crate::base::{interrupt, ui};
use crate::build::kernel::Kernel;
use crate::build::kernels;
use crate::build::variant::Variant;
use crate::data::machine::{Compatible, Machine};
use crate::data::named::ALL;
use crate::data::scenario::{self, Place, Scenario};
use crate::judge::unbind::{self, Verdict};
use crate::lab::Lab;
use crate::parts::demo_report::{self, BootedReport, Outcome, Row};
use crate::run::qemu::{Bench, Job};
use crate::run::watch;

/// Boots of one stock row before it stays inconclusive.
const STOCK_ATTEMPTS: u32 = 3;

/// What is shown.
#[derive(Debug)]
pub struct Demo {
    /// As it was asked for: a name, or `all`.
    pub machine: String,
    /// Another driver than C's; stock kernels do not have it.
    pub driver: Option<String>,
    pub places: Vec<Place>,
    /// A filter left rows out.
    pub partial: bool,
    /// The kernel beside stock.
    pub variant: Variant,
    pub cycles: u32,
    pub seed: u64,
    /// Boots at the same time.
    pub jobs: u32,
}

impl Demo {
    /// What `cargo lab demo` shows without other arguments.
    pub fn new(
        paths: &Paths,
        driver: Option<&str>,
        compatible: Option<&str>,
        cycles: u32,
    ) -> Result<Self> {
        let machine = "amd-versal-virt";
        let machines = Machine::chosen(paths, machine, driver, compatible)?;
        let scenarios = Scenario::chosen(paths, None)?;
        Ok(Self {
            machine: machine.to_owned(),
            driver: driver.map(str::to_owned),
            places: scenario::places(paths, &machines, &scenarios, None)?,
            partial: compatible.is_some(),
            variant: Variant::Series { upto: None },
            cycles,
            seed: 1,
            jobs: 1,
        })
    }

    /// The file of results in out/.
    pub fn results(&self, paths: &Paths) -> String {
        let driver = self.driver.iter().map(|name| format!("-{name}"));
        format!("demo{}{}.json", driver.collect::<String>(), paths.suffix())
    }
}

/// Makes every row, prints the table and writes out/demo.json.
pub fn demonstrate(lab: &Lab, demo: &Demo) -> Result<Outcome> {
    let places = &demo.places;
    let several = places.len() > 1;
    let mut outcome = Outcome {
        rows: Vec::new(),
        expected: 0,
        partial: demo.partial,
    };
    let mut booted = Vec::new();
    for Place { machine, scenarios } in places {
        let build = |variant| kernels::build(lab, &variant, &machine.kernel_config, machine.arch);
        let mut kernels = Vec::new();
        if demo.driver.is_none() {
            kernels.push(build(Variant::Stock)?);
        }
        kernels.push(build(demo.variant)?);
        // Each kernel has its own modules in the guest.
        let benches = kernels
            .iter()
            .map(|kernel| Bench::prepare(lab, machine, kernel, demo.seed))
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
        let (rows, ended) = all_rows(lab, &wanted, demo);
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
    let report = demo_report::report(lab, &demo.machine, demo.cycles, demo.seed, booted, &outcome)?;
    let json = serde_json::to_string_pretty(&report)? + "\n";
    write_whole(
        &lab.paths.out().join(demo.results(&lab.paths)),
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

/// Boots `demo.jobs` at a time; rows come back in the order of `wanted`, and those that ended
/// before an error with it.
fn all_rows(lab: &Lab, wanted: &[Wanted], demo: &Demo) -> (Vec<Row>, Result<()>) {
    let next = AtomicUsize::new(0);
    let rows = Mutex::new(Vec::new());
    let work = || -> Result<()> {
        loop {
            let index = next.fetch_add(1, Ordering::SeqCst);
            let Some(one) = wanted.get(index) else {
                return Ok(());
            };
            let row = one_row(lab, *one, demo);
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
        let threads: Vec<_> = (0..demo.jobs).map(|_| scope.spawn(work)).collect();
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

fn one_row(lab: &Lab, wanted: Wanted, demo: &Demo) -> Result<Row> {
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
    if demo.machine == ALL {
        what = format!("{:<18} {what}", bench.machine.name);
    }
    let mut attempt = 0;
    loop {
        attempt += 1;
        interrupt::check_interrupted()?;
        let step = lab.ui.step(what.clone());
        let job = Job {
            compatible,
            kernel,
            scenario: Some(scenario),
            cycles: demo.cycles,
            attempt,
        };
        let judged = bench.judge(job, scenario, |line| {
            if let Some((_, marker)) = line.split_once("# marker: ") {
                step.note(marker);
            }
        })?;
        step.done(unbind::describe(&judged.verdict));
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
            log: demo_report::from_clone(lab, &judged.booted.dir.join("console.log")),
            verdict: judged.verdict,
        };
        if row.is_expected() || row.is_skipped() {
            return Ok(row);
        }
        lab.ui.println(watch::console_tail(&judged.booted.dir)?);
        if !unclear || attempt == attempts {
            return Ok(row);
        }
        let left = attempts - attempt;
        lab.ui
            .println(format!("nothing was shown; again ({left} more at most)"));
    }
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
            unbind::evidence(&row.verdict),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::scenario::Stock;

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
