//! Rows of the demo, and out/demo.json.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;
use serde::Serialize;

use crate::build::kernel::Kernel;
use crate::build::variant::Variant;
use crate::data::named::ALL;
use crate::data::scenario::Stock;
use crate::judge::unbind::{self, Verdict};
use crate::lab::Lab;
use crate::run::qemu::Bench;

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
    pub seconds: f64,
    pub control_sha256: Option<String>,
    pub log: String,
}

impl Row {
    pub fn is_expected(&self) -> bool {
        unbind::is_expected(self.variant, self.stock, &self.verdict)
    }

    pub fn is_skipped(&self) -> bool {
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

    pub fn is_complete(&self) -> bool {
        self.rows.len() == self.expected && self.good() + self.skipped() == self.expected
    }

    pub fn summary(&self) -> String {
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

/// As results name files: the same on every machine.
pub fn from_clone(lab: &Lab, path: &Path) -> String {
    let path = path.strip_prefix(&lab.paths.clone).unwrap_or(path);
    path.display().to_string()
}

#[derive(Serialize)]
pub struct Report {
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
pub struct BootedReport {
    #[serde(skip)]
    machine: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    flash_sha256: Option<String>,
    kernels: BTreeMap<String, KernelReport>,
}

impl BootedReport {
    pub fn new(bench: &Bench, kernels: &[Kernel]) -> Self {
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

pub fn report(
    lab: &Lab,
    machine: &str,
    cycles: u32,
    seed: u64,
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
    let one = match machine != ALL && booted.len() == 1 {
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
        machine: machine.to_owned(),
        cycles,
        seed,
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
