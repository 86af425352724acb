//! `cargo lab bench`: what the gates cost, beside what other mechanisms would; and what
//! operations take through C's driver and through Rust's (`cadence`).

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

mod cadence;

use crate::dtb;
use crate::image::Image;
use crate::kernel::{self, Lab};
use crate::machine::{Compatible, Machine};
use crate::measured::{self, Latency, Measured, Spread};
use crate::paths::Paths;
use crate::process::{self, Running};
use crate::series;
use crate::source::Source;
use crate::toolchain::{Bind, key};
use crate::ui;

/// Measure
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Measure what the gates cost, beside what other mechanisms would
    ///
    /// Variants: stock (without the series), series (the series as it is), and what is in
    /// lab/kernel/bench/variants/ in the place of the series' SRCU; none is a gate that
    /// does nothing, and what others are compared with. Of each: instructions per
    /// operation, counted in QEMU (arm64, Cortex-A72, -icount, two boots that must agree);
    /// time per operation with one and two threads in User-mode Linux, which runs
    /// natively; how long unregistering takes in both; memory. See
    /// docs/results/gates.md.
    ///
    /// Takes about a minute for each variant, four for those of SRCU, and fifteen more the
    /// first time, for two kernels. The machine should have nothing else to do. What was
    /// measured is kept in out/bench/gate/ and is not repeated for the same series: stop
    /// it, and call it again. Writes out/bench-gate.json, out/src/bench and
    /// out/build/bench-*.
    #[command(verbatim_doc_comment)]
    Gate(GateArgs),
    Cadence(cadence::Args),
}

#[derive(Debug, clap::Args)]
struct GateArgs {
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

const MACHINE: &str = "amd-versal-virt";
const ARM64: &str = "arm64-bench";
const UM: &str = "um-bench";
const CONFIGS: [&str; 2] = [ARM64, UM];

/// Instructions have to agree between boots; of times, one boot has many batches.
fn boots(config: &str) -> usize {
    match config {
        ARM64 => 2,
        _ => 1,
    }
}

/// A boot takes a minute on a quiet machine.
const LIMIT: Duration = Duration::from_secs(400);

/// In the kernel tree, and in lab/kernel/bench/.
const PROGRAM: &str = "drivers/misc/gate_bench.c";
const COUNTER: &str = "drivers/misc/insn_count.h";
const VARIANT_HEADER: &str = "include/linux/lab_gate_variant.h";

/// What others are compared with.
const NONE: &str = "none";

/// What the tables show of operations, in order, and how they call them.
const OPERATIONS: [(&str, &str); 9] = [
    ("exec_op", "null op"),
    ("supports_op", "supports_op"),
    ("spi_sync_0", "spi_sync 0 B"),
    ("spi_sync_4", "4 B"),
    ("spi_sync_64", "64 B"),
    ("spi_async_4", "spi_async 4 B"),
    ("mtd_read_1", "mtd_read 1 B"),
    ("mtd_read_4096", "mtd_read 4 KiB"),
    ("flash_read_4096", "flash 4 KiB"),
];

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

fn bench_dir(paths: &Paths) -> PathBuf {
    paths.clone.join("lab/kernel/bench")
}

/// All variants: stock, none and the series first.
fn variants(paths: &Paths) -> Result<Vec<Variant>> {
    let dir = bench_dir(paths).join("variants");
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

/// A line of the result.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Row {
    variant: String,
    about: String,
    /// Median instructions by operation (arm64).
    instructions: BTreeMap<String, u64>,
    /// Operations whose medians differ between repeats or boots.
    unsteady: BTreeMap<String, BTreeSet<u64>>,
    /// Picoseconds by operation and number of threads (UML).
    time: BTreeMap<String, BTreeMap<u64, Spread>>,
    /// Nanoseconds by configuration, function and way of waiting.
    latency: BTreeMap<String, BTreeMap<String, BTreeMap<String, Latency>>>,
    /// Bytes by configuration.
    memory: BTreeMap<String, BTreeMap<String, u64>>,
    sizes: BTreeMap<String, BTreeMap<String, u64>>,
    layout: BTreeMap<String, String>,
}

/// out/bench-gate.json
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Results {
    series: String,
    source: String,
    release: String,
    compared_with: String,
    toolchain: BTreeMap<String, String>,
    host: String,
    hz: BTreeMap<String, u64>,
    rows: Vec<Row>,
}

/// The verb `bench`.
pub fn run(lab: &Lab, args: Args) -> Result<ExitCode> {
    match args.what {
        What::Gate(args) => gate(lab, args),
        What::Cadence(args) => cadence::run(lab, args),
    }
}

fn gate(lab: &Lab, args: GateArgs) -> Result<ExitCode> {
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
    println!("{}", print(&results));
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
        let source = Source::ensure(&lab.paths, &lab.ui)?;
        let (series_dir, series_id) = below(lab, &source, tree)?;
        let read = |name| bench_file(&lab.paths, name);
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
            &kernel::config_key(&self.lab.paths, config)?,
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
                run_to_end(&mut command, &log)
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
            series::checkout_bench(&lab.paths, &lab.ui, &self.source, below, &patches, &files)?;
        let kernel = kernel::build_bench(lab, config, tree, id)?;
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
        counting(self.lab, &machine, compatible, &self.source.dir, dir, "")
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

fn bench_file(paths: &Paths, name: &str) -> Result<Vec<u8>> {
    let file = bench_dir(paths).join(name);
    fs::read(&file).with_context(|| format!("cannot read {}", file.display()))
}

/// What a benchmark is laid over: the series, or the last commit of linux/.
fn below(lab: &Lab, source: &Source, tree: bool) -> Result<(PathBuf, String)> {
    if !tree {
        return series::checkout(&lab.paths, &lab.ui, source, None);
    }
    let (id, dirty) = series::tree_state(&lab.paths, source)?;
    if dirty {
        bail!("linux/ has changes that are not committed; commit them first");
    }
    Ok((lab.paths.linux(), id))
}

/// QEMU with `dir`'s kernel and one CPU, which executes one instruction a nanosecond and
/// skips the time in which it has nothing to do.
fn counting(
    lab: &Lab,
    machine: &Machine,
    compatible: &Compatible,
    source: &Path,
    dir: &Path,
    words: &str,
) -> Result<Command> {
    dtb::build(lab, machine, compatible, &[], source, dir)?;
    let flash = machine.flash()?;
    Image::new(1, flash.size).write(&dir.join("flash.bin"))?;
    let binds = [Bind::read_only(dir, "/boot/bench")];
    let mut qemu = lab.toolchain.command(&binds, machine.arch.qemu());
    qemu.env("TMPDIR", "/tmp/.")
        .args(&machine.qemu)
        .args(["-display", "none", "-monitor", "none", "-no-reboot"])
        .args(["-icount", "shift=0,sleep=off"])
        .args(["-kernel", "/boot/bench/kernel"])
        .args(["-dtb", "/boot/bench/machine.dtb"])
        .arg("-append")
        .arg(format!(
            "console={} loglevel=7 panic=-1 panic_on_warn=1 oops=panic maxcpus=1 {words}",
            machine.console
        ))
        .args(Machine::drive(flash, "/boot/bench/flash.bin"))
        .args(machine.serial());
    Ok(qemu)
}

/// Boots, with the console in `log`, until the kernel has switched itself off.
fn run_to_end(command: &mut Command, log: &Path) -> Result<Measured> {
    let console = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
    let second = console.try_clone().context("cannot duplicate a file")?;
    command.stdin(Stdio::null()).stdout(console).stderr(second);
    let mut running = Running::spawn(command)?;
    let start = Instant::now();
    while running
        .child()
        .try_wait()
        .context("cannot wait for a kernel")?
        .is_none()
    {
        process::check_interrupted()?;
        if start.elapsed() > LIMIT {
            bail!(
                "not done after {} s; see {}",
                LIMIT.as_secs(),
                log.display()
            );
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    drop(running);
    process::check_interrupted()?;
    let text = fs::read(log).with_context(|| format!("cannot read {}", log.display()))?;
    measured::parse(&String::from_utf8_lossy(&text))
        .with_context(|| format!("see {}", log.display()))
}

fn row(variant: &Variant, kept: &BTreeMap<&str, Kept>) -> Row {
    let boots = |config: &str| kept.get(config).map_or(&[][..], |it| &it.boots[..]);
    let (instructions, unsteady) = measured::agreed(boots(ARM64));
    let mut row = Row {
        variant: variant.name.clone(),
        about: variant.about.clone(),
        instructions,
        unsteady,
        time: measured::best(boots(UM)),
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

/// `700`, or `735 +5.0%` when there is something to compare it with.
fn compared(value: u64, with: Option<u64>) -> String {
    match with {
        Some(with) if with > 0 => {
            let percent = (value as f64 / with as f64 - 1.0) * 100.0;
            format!("{value} {percent:+.1}%")
        }
        _ => value.to_string(),
    }
}

/// What is printed: what each variant is, and a table in three parts.
fn print(results: &Results) -> String {
    let none = results.rows.iter().find(|it| it.variant == NONE);
    let mut text = String::new();
    for row in &results.rows {
        text.push_str(&format!("  {:13} {}\n", row.variant, row.about));
    }

    text.push_str("\nInstructions per operation (arm64, one CPU), against none:\n");
    let operations = || OPERATIONS.iter();
    let mut header = vec!["variant".to_owned()];
    header.extend(operations().map(|(_, title)| (*title).to_owned()));
    let mut table = ui::grid(header);
    for row in &results.rows {
        let mut cells = vec![row.variant.clone()];
        cells.extend(operations().map(|(op, _)| {
            let with = none
                .filter(|it| it.variant != row.variant)
                .and_then(|it| it.instructions.get(*op));
            match (row.instructions.get(*op), row.unsteady.get(*op)) {
                (Some(value), _) => compared(*value, with.copied()),
                (_, Some(many)) => format!("{many:?}"),
                _ => String::new(),
            }
        }));
        table.add_row(cells);
    }
    text.push_str(&table.to_string());

    text.push_str(
        "\n\nNanoseconds per operation (UML), one thread (quickest batch) / two at once (median):\n",
    );
    let mut header = vec!["variant".to_owned()];
    header.extend(operations().take(8).map(|(_, title)| (*title).to_owned()));
    let mut table = ui::grid(header);
    for row in &results.rows {
        let mut cells = vec![row.variant.clone()];
        cells.extend(operations().take(8).map(|(op, _)| {
            let times = row.time.get(*op);
            // The quickest batch of two may be one in which they took turns.
            let of = |threads: u64, pick: fn(&Spread) -> u64| {
                times
                    .and_then(|it| it.get(&threads))
                    .map_or_else(|| "-".to_owned(), |it| nanoseconds(pick(it)))
            };
            format!("{} / {}", of(1, |it| it.min), of(2, |it| it.median))
        }));
        table.add_row(cells);
    }
    text.push_str(&table.to_string());

    text.push_str("\n\nUnregistering, microseconds, mean of 50, nobody inside; memory, bytes:\n");
    let mut table = ui::grid(
        [
            "variant, how it waits",
            "SPI arm64",
            "SPI UML",
            "MTD arm64",
            "MTD UML",
            "a controller",
            "an MTD",
        ]
        .map(str::to_owned)
        .to_vec(),
    );
    for row in &results.rows {
        for (index, drain) in drains(row).into_iter().enumerate() {
            let mut cells = vec![match drain.as_str() {
                "own" => row.variant.clone(),
                _ => format!("{}, {drain}", row.variant),
            }];
            for function in ["spi_unregister_controller", "mtd_device_unregister"] {
                for config in CONFIGS {
                    let latency = row.latency.get(config).and_then(|it| it.get(function));
                    let latency = latency.and_then(|it| it.get(&drain));
                    let cell = latency.map(|it| format!("{:.0}", it.mean as f64 / 1000.0));
                    cells.push(cell.unwrap_or_default());
                }
            }
            for what in ["spi_controller", "mtd"] {
                let bytes = row.memory.get(ARM64).and_then(|it| it.get(what));
                let cell = bytes.filter(|_| index == 0).map(u64::to_string);
                cells.push(cell.unwrap_or_default());
            }
            table.add_row(cells);
        }
    }
    text.push_str(&table.to_string());
    text
}

/// In the order of the kernel's choice, which the first of a name is enough to know.
fn drains(row: &Row) -> Vec<String> {
    let all: BTreeSet<String> = row
        .latency
        .values()
        .flat_map(|it| it.values())
        .flat_map(|it| it.keys().cloned())
        .collect();
    let mut all: Vec<String> = all.into_iter().collect();
    all.sort_by_key(|it| (it == "all-expedited", it.len()));
    all
}

fn nanoseconds(picoseconds: u64) -> String {
    match picoseconds {
        0..100_000 => format!("{:.1}", picoseconds as f64 / 1000.0),
        _ => format!("{:.0}", picoseconds as f64 / 1000.0),
    }
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
    fn ratios_and_times_read_well() {
        assert_eq!(compared(700, None), "700");
        assert_eq!(compared(735, Some(700)), "735 +5.0%");
        assert_eq!(compared(665, Some(700)), "665 -5.0%");
        assert_eq!(nanoseconds(12_340), "12.3");
        assert_eq!(nanoseconds(1_234_567), "1235");
    }

    #[test]
    fn a_variant_says_what_it_is() {
        assert!(about("/*\n * about: a thing\n */").is_ok_and(|it| it == "a thing"));
        assert!(about("struct lab_gate;").is_err());
    }
}
