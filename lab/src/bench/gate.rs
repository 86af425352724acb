//! What a gate costs: each variant of it built, booted and counted.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::base::files::key;
use crate::base::paths::Paths;
use crate::base::process;
use crate::bench::boot::{self, ARM64, CONFIGS, COUNTER, MACHINE, UM};
use crate::bench::gate_table::{self, NONE, Results, Row};
use crate::bench::measurement::{self, Measured};
use crate::build::{kconfig, kernels, layers};
use crate::data::machine::Machine;
use crate::lab::Lab;
use crate::source;
use crate::source::tree::Source;
use crate::toolchain::enter::Bind;

#[derive(Debug, clap::Args)]
pub struct GateArgs {
    /// Measure only this variant (and none, to compare with); may be given again
    #[arg(long, value_name = "VARIANT")]
    only: Vec<String>,
    /// Build, but do not measure, so that measuring is left for a quiet hour
    #[arg(long)]
    build_only: bool,
    /// Measure again what was measured
    #[arg(long)]
    again: bool,
    /// On top of the last commit of linux/, not of base + patches/
    #[arg(long)]
    tree: bool,
}

/// Changes when what is measured, or how, does so in a way that no file shows.
const RECIPE: &str = "1";

/// Instructions have to agree between boots; of times, one boot has many batches.
fn boots(config: &str) -> usize {
    match config {
        ARM64 => 2,
        _ => 1,
    }
}

/// In the kernel tree, and in lab/kernel/bench/.
const PROGRAM: &str = "drivers/misc/gate_bench.c";

const VARIANT_HEADER: &str = "include/linux/lab_gate_variant.h";

/// The tree that a variant is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Stock,
    Series,
    /// The contents of a file of lab/kernel/bench/variants/.
    Header(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Variant {
    name: String,
    about: String,
    kind: Kind,
}

/// All variants: stock, none and the series first.
fn variants(paths: &Paths) -> Result<Vec<Variant>> {
    let dir = boot::bench_dir(paths).join("variants");
    let mut found = Vec::new();
    for entry in fs::read_dir(&dir).with_context(|| format!("cannot read {}", dir.display()))? {
        let file = entry?.path();
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        if let Some(name) = name.strip_suffix(".h") {
            let text = fs::read_to_string(&file)
                .with_context(|| format!("cannot read {}", file.display()))?;
            found.push(Variant {
                name: name.to_owned(),
                about: about(&text).with_context(|| format!("in {}", file.display()))?,
                kind: Kind::Header(text),
            });
        }
    }
    found.sort_by_key(|it| (it.name != NONE, it.name.clone()));
    let fixed = |name: &str, about: &str, kind| Variant {
        name: name.to_owned(),
        about: about.to_owned(),
        kind,
    };
    let series = fixed("series", "the series as it is: SRCU", Kind::Series);
    let stock = fixed("stock", "without the series", Kind::Stock);
    found.insert(found.len().min(1), series);
    found.insert(0, stock);
    Ok(found)
}

fn about(text: &str) -> Result<String> {
    text.lines()
        .find_map(|line| line.strip_prefix(" * about: "))
        .map(|it| it.trim().to_owned())
        .context("there is no line ` * about: ...`")
}

/// Those that were asked for by name, with the one that all are compared with.
fn choose(all: Vec<Variant>, only: &[String]) -> Result<Vec<Variant>> {
    let names: Vec<&str> = all.iter().map(|it| it.name.as_str()).collect();
    if let Some(unknown) = only.iter().find(|it| !names.contains(&it.as_str())) {
        bail!(
            "there is no variant {unknown}; there are: {}",
            names.join(", ")
        );
    }
    let wanted = |it: &Variant| only.is_empty() || it.name == NONE || only.contains(&it.name);
    Ok(all.into_iter().filter(wanted).collect())
}

/// What is kept of a variant under one configuration.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Kept {
    /// Of all that it follows from.
    key: String,
    release: String,
    boots: Vec<Measured>,
    /// What pahole says of the gates.
    layout: String,
}

pub fn gate(lab: &Lab, args: GateArgs) -> Result<ExitCode> {
    let chosen = choose(variants(&lab.paths)?, &args.only)?;
    let bench = Bench::new(lab, args.tree)?;
    let mut rows = Vec::new();
    let mut hz = BTreeMap::new();
    let mut release = String::new();
    for variant in &chosen {
        let mut kept = BTreeMap::new();
        for config in CONFIGS {
            let found = bench
                .measure(variant, config, args.again, args.build_only)
                .with_context(|| format!("variant {} ({config})", variant.name))?;
            if let Some(found) = found {
                release = found.release.clone();
                hz.extend(found.boots.first().map(|it| (config.to_owned(), it.hz)));
                kept.insert(config, found);
            }
        }
        if !args.build_only {
            rows.push(row(variant, &kept));
        }
    }
    if args.build_only {
        println!("{} variants built", chosen.len());
        return Ok(ExitCode::SUCCESS);
    }
    let results = Results {
        series: bench.series_id.clone(),
        source: bench.source.version.clone(),
        release,
        compared_with: NONE.to_owned(),
        toolchain: lab.toolchain.versions()?,
        host: host_cpu(),
        hz,
        rows,
    };
    let file = lab.paths.out().join("bench-gate.json");
    let text = serde_json::to_string_pretty(&results).context("results have no JSON form")?;
    fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
    println!("{}", gate_table::print(&results));
    let unsteady = results.rows.iter().filter(|it| !it.unsteady.is_empty());
    let names: Vec<&str> = unsteady.map(|it| it.variant.as_str()).collect();
    if !names.is_empty() {
        println!(
            "instructions differ between repeats or boots: {}; see out/bench-gate.json",
            names.join(", ")
        );
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

fn host_cpu() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let named = text
        .lines()
        .find_map(|line| line.strip_prefix("model name"));
    named
        .and_then(|rest| rest.split_once(':'))
        .map_or("unknown", |(_, name)| name.trim())
        .to_owned()
}

/// What all variants have in common.
struct Bench<'a> {
    lab: &'a Lab,
    source: Source,
    series_dir: PathBuf,
    series_id: String,
    program: Vec<u8>,
    counter: Vec<u8>,
    hook: Vec<u8>,
    gates: Vec<u8>,
}

impl<'a> Bench<'a> {
    fn new(lab: &'a Lab, tree: bool) -> Result<Self> {
        let source = source::ensure(&lab.paths, &lab.ui)?;
        let (series_dir, series_id) = boot::below(lab, &source, tree)?;
        let read = |name| boot::bench_file(&lab.paths, name);
        Ok(Self {
            lab,
            source,
            series_dir,
            series_id,
            program: read("gate_bench.c")?,
            counter: read("insn_count.h")?,
            hook: read("bench.patch")?,
            gates: read("gates.patch")?,
        })
    }

    /// Changes when anything does that the numbers follow from.
    fn key(&self, variant: &Variant, config: &str) -> Result<String> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (below, gates, header) = match &variant.kind {
            Kind::Stock => (self.source.base.as_str(), String::new(), ""),
            Kind::Series => (self.series_id.as_str(), String::new(), ""),
            Kind::Header(header) => (self.series_id.as_str(), text(&self.gates), header.as_str()),
        };
        Ok(key(&[
            RECIPE,
            below,
            &gates,
            header,
            &text(&self.program),
            &text(&self.counter),
            &text(&self.hook),
            &kconfig::config_key(&self.lab.paths, config)?,
            self.lab.toolchain.key(),
        ]))
    }

    /// What was kept, or what is built and measured now; None if it is only built.
    fn measure(
        &self,
        variant: &Variant,
        config: &str,
        again: bool,
        build_only: bool,
    ) -> Result<Option<Kept>> {
        let lab = self.lab;
        let dir = lab
            .paths
            .out()
            .join("bench/gate")
            .join(&variant.name)
            .join(config);
        fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
        let file = dir.join("result.json");
        let key = self.key(variant, config)?;
        let kept = fs::read_to_string(&file)
            .ok()
            .and_then(|text| serde_json::from_str::<Kept>(&text).ok())
            .filter(|kept| kept.key == key && !again);
        if kept.is_some() {
            return Ok(kept);
        }
        let release = self.build(variant, config, &dir, &key)?;
        if build_only {
            return Ok(None);
        }
        let step = lab
            .ui
            .step(format!("Measuring {} ({config})", variant.name));
        let boots = (0..boots(config))
            .map(|boot| {
                let log = dir.join(format!("console-{boot}.log"));
                let mut command = match config {
                    ARM64 => self.qemu(&dir)?,
                    _ => self.uml(&dir),
                };
                boot::run_to_end(&mut command, &log)
            })
            .collect::<Result<_>>()?;
        let kept = Kept {
            key,
            release,
            boots,
            layout: self.layout(&dir)?,
        };
        let text = serde_json::to_string_pretty(&kept).context("results have no JSON form")?;
        fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
        step.done("");
        Ok(Some(kept))
    }

    /// Leaves the kernel, and the benchmark's object, in `dir`; the kernel's release.
    fn build(&self, variant: &Variant, config: &str, dir: &Path, key: &str) -> Result<String> {
        let stamp = dir.join("kernel.key");
        let release_file = dir.join("kernel.release");
        if fs::read_to_string(&stamp).is_ok_and(|built| built == key) {
            return fs::read_to_string(&release_file).context("cannot read kernel.release");
        }
        let lab = self.lab;
        let mut patches = vec![self.hook.clone()];
        let mut files = vec![
            (PROGRAM, self.program.clone()),
            (COUNTER, self.counter.clone()),
        ];
        let below = match &variant.kind {
            Kind::Stock => (self.source.dir.as_path(), self.source.base.as_str()),
            Kind::Series => (self.series_dir.as_path(), self.series_id.as_str()),
            Kind::Header(header) => {
                patches.push(self.gates.clone());
                files.push((VARIANT_HEADER, header.clone().into_bytes()));
                (self.series_dir.as_path(), self.series_id.as_str())
            }
        };
        let (tree, id) =
            layers::checkout_bench(&lab.paths, &lab.ui, &self.source, below, &patches, &files)?;
        let kernel = kernels::build_bench(lab, config, tree, id)?;
        let object = kernel.build_dir.join("drivers/misc/gate_bench.o");
        for (from, to) in [(&kernel.image, "kernel"), (&object, "gate_bench.o")] {
            fs::copy(from, dir.join(to))
                .with_context(|| format!("cannot copy {}", from.display()))?;
        }
        fs::write(&release_file, &kernel.release)
            .and_then(|()| fs::write(&stamp, key))
            .with_context(|| format!("cannot write into {}", dir.display()))?;
        Ok(kernel.release)
    }

    fn qemu(&self, dir: &Path) -> Result<Command> {
        let machine = Machine::load(&self.lab.paths, MACHINE, None)?;
        let compatible = machine
            .compatible
            .first()
            .with_context(|| format!("machine {MACHINE} names no compatible"))?;
        boot::counting(self.lab, &machine, compatible, &self.source.dir, dir, "")
    }

    fn uml(&self, dir: &Path) -> Command {
        let kernel = dir.join("kernel");
        let binds = [Bind::read_only(kernel, "/bench/linux")];
        let mut linux = self.lab.toolchain.command(&binds, "/bench/linux");
        linux
            .env("TMPDIR", "/tmp")
            .args(["mem=512M", "console=tty", "seccomp=on", "ncpus=2"])
            .args(["panic=-1", "panic_on_warn=1", "loglevel=7"]);
        linux
    }

    fn layout(&self, dir: &Path) -> Result<String> {
        let binds = [Bind::read_only(dir, "/bench")];
        let mut pahole = self.lab.toolchain.command(&binds, "pahole");
        pahole.args(["-C", "spi_gate,mtd_root,lab_gate", "/bench/gate_bench.o"]);
        // A stock kernel has none of them.
        let (_, out, _) = process::capture(&mut pahole)?;
        Ok(String::from_utf8_lossy(&out).into_owned())
    }
}

fn row(variant: &Variant, kept: &BTreeMap<&str, Kept>) -> Row {
    let boots = |config: &str| kept.get(config).map_or(&[][..], |it| &it.boots[..]);
    let (instructions, unsteady) = measurement::agreed(boots(ARM64));
    let mut row = Row {
        variant: variant.name.clone(),
        about: variant.about.clone(),
        instructions,
        unsteady,
        time: measurement::best(boots(UM)),
        latency: BTreeMap::new(),
        memory: BTreeMap::new(),
        sizes: BTreeMap::new(),
        layout: BTreeMap::new(),
    };
    for (config, kept) in kept {
        if let Some(first) = kept.boots.first() {
            let config = (*config).to_owned();
            row.latency.insert(config.clone(), first.latency.clone());
            row.memory.insert(config.clone(), first.memory.clone());
            row.sizes.insert(config.clone(), first.sizes.clone());
            row.layout.insert(config, kept.layout.clone());
        }
    }
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_committed_variant_reads() -> Result<()> {
        let all = variants(&Paths::find()?)?;
        let names: Vec<&str> = all.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names[..3], ["stock", NONE, "series"]);
        for name in [
            "srcu",
            "srcu-fast",
            "srcu-static",
            "mutex",
            "rwsem",
            "refcount",
            "percpu-ref",
            "count",
        ] {
            assert!(names.contains(&name), "{name}");
        }
        Ok(())
    }

    #[test]
    fn one_is_chosen_with_what_it_is_compared_with() -> Result<()> {
        let all = variants(&Paths::find()?)?;
        let one = choose(all.clone(), &["mutex".to_owned()])?;
        let names: Vec<&str> = one.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, [NONE, "mutex"]);
        assert_eq!(choose(all.clone(), &[])?.len(), all.len());
        let error = choose(all, &["mutx".to_owned()]).map_err(|it| it.to_string());
        assert!(error.is_err_and(|it| it.contains("mutx") && it.contains("percpu-ref")));
        Ok(())
    }

    #[test]
    fn a_variant_says_what_it_is() {
        assert!(about("/*\n * about: a thing\n */").is_ok_and(|it| it == "a thing"));
        assert!(about("struct lab_gate;").is_err());
    }
}
