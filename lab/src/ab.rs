//! `cargo lab ab`: C's driver and Rust's on the same flash, in one boot, with the same
//! operations. What they do has to be the same, and what a flash has to do.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use comfy_table::Table;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::console::Console;
use crate::image::{Image, fnv1a, hex, write_whole};
use crate::kernel::{self, Kernel, Lab, Variant};
use crate::machine::{Compatible, Machine};
use crate::paths::Paths;
use crate::process;
use crate::qemu::{self, Bench, Job};
use crate::ui;
use crate::verdict::Ended;

/// Compare C's and Rust's driver of one controller: the same operations, in one boot
///
/// A kernel with both drivers as modules is booted once for each binding. C's is loaded,
/// then Rust's in its place, then each again: the first that is loaded gets the device.
/// With each, the flash as it was at first: reads, programs and erasures at random, by a
/// seed, whose results and data have to be what a model of a flash says; ioctls, mtd-utils
/// and the kernel's own mtd tests, whose outcome has to be the same. Then each writes a
/// UBIFS volume that the other reads, and goes on writing.
///
/// Under KASAN and lockdep; nothing may be reported, nothing may be missing. About a
/// minute for each binding on a quiet machine when the kernel is built. Writes out/ab.json
/// and out/boot/.
#[derive(Clone, Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// A file of lab/data/machines/ that has a Rust driver
    #[arg(long, default_value = MACHINE)]
    pub machine: String,
    /// Only this binding of the controller
    #[arg(long, value_name = "NAME")]
    pub compatible: Option<String>,
    /// What the flash holds, and what is done to it, follow from this
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Operations with each driver
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub operations: u32,
    /// Also the mtd tests that write the whole part, several times: minutes
    #[arg(long)]
    pub long: bool,
    /// The kernel in the worktree linux/, as it stands
    #[arg(long)]
    pub tree: bool,
}

pub const MACHINE: &str = "amd-versal-virt";
const DRIVER: &str = "rust";

/// Modules that init loads: C's driver is the first to have the device.
const MODULES: [&str; 2] = ["mtd_test", "spi-cadence-quadspi"];

impl Args {
    /// What `test` runs: one binding, and the operations that take seconds.
    pub fn short() -> Self {
        Self {
            machine: MACHINE.to_owned(),
            compatible: Some("intel,socfpga-qspi".to_owned()),
            seed: 1,
            operations: 60,
            long: false,
            tree: false,
        }
    }

    /// What `soak` runs.
    pub fn thorough(tree: bool) -> Self {
        Self {
            machine: MACHINE.to_owned(),
            compatible: None,
            seed: 1,
            operations: 1000,
            long: true,
            tree,
        }
    }

    /// Fails when a name is wrong.
    pub fn check(&self, paths: &Paths) -> Result<()> {
        let compatible = self.compatible.as_deref();
        qemu::check_names(paths, &self.machine, Some(DRIVER), compatible, None)
    }

    fn plan(&self) -> Plan {
        Plan {
            seed: self.seed,
            operations: self.operations,
            stress: if self.long { 400 } else { 60 },
            long: self.long,
        }
    }
}

/// What the guest is told to do.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, PartialEq, Eq)]
struct Plan {
    seed: u64,
    operations: u32,
    /// Operations of mtd_stresstest.
    stress: u32,
    long: bool,
}

impl Plan {
    fn words(&self) -> String {
        let long = if self.long { " AB_LONG=4" } else { "" };
        format!(
            "LAB_PROGRAM=compare_drivers AB_SEED={} AB_OPS={} AB_STRESS={}{long}",
            self.seed, self.operations, self.stress
        )
    }

    /// Generous, as for all boots.
    fn seconds(&self) -> u64 {
        let long = if self.long { 1800 } else { 0 };
        600 + u64::from(self.operations) * 2 + u64::from(self.stress) * 2 + long
    }

    fn tests(&self) -> Vec<&'static str> {
        let mut tests = vec!["mtd_readtest", "mtd_stresstest", "mtd_torturetest"];
        if self.long {
            tests.push("mtd_speedtest");
        }
        tests
    }
}

// What the guest's program does, in lab/guest/compare_drivers.

/// Rounds in order, with the driver that has the device then.
const ROUNDS: [(&str, &str); 4] = [
    ("c1", "cadence-qspi"),
    ("rust1", "cadence-qspi-rust"),
    ("c2", "cadence-qspi"),
    ("rust2", "cadence-qspi-rust"),
];
/// Those in which both do the same.
const COMPARED: [&str; 2] = ["c1", "rust1"];

/// The part that operations write to, and its blocks.
const PART_START: usize = 0x10_0000;
const PART_SIZE: usize = 0x10_0000;
const BLOCK: usize = 0x1_0000;

/// Uses of mtd-utils, and whether each must succeed. What is not for this flash is
/// refused, by both in the same way.
const TOOLS: [(&str, bool); 14] = [
    ("mtdinfo", true),
    ("mtdinfo-part", true),
    ("lsmtd", true),
    ("info", true),
    ("read", true),
    ("read-sum", true),
    ("erase", true),
    ("write", true),
    ("copy", true),
    ("lock", false),
    ("islocked", false),
    ("unlock", false),
    ("otp", false),
    ("sum", true),
];

/// Who writes a UBIFS volume in which round, and who reads it in which.
const VOLUMES: [(&str, &str, &str); 2] =
    [("Rust to C", "rust1", "c2"), ("C to Rust", "c2", "rust2")];

/// Files that are written: name, what is added to the seed, length.
const FILES: [(&str, u64, usize); 3] = [
    ("dir/second", 2, 40_000),
    ("dir/third", 4, 9_999),
    ("first", 1, 1_000),
];
/// What the reader adds.
const ADDED: (&str, u64, usize) = ("fourth", 5, 12_345);

// What it said.

/// Lines "AB: ROUND ...", by round.
struct Said<'a>(BTreeMap<&'a str, Vec<&'a str>>);

impl<'a> Said<'a> {
    fn new(console: &'a Console) -> Self {
        let mut rounds: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for line in &console.lines {
            if let Some((round, rest)) = line
                .strip_prefix("AB: ")
                .and_then(|said| said.split_once(' '))
            {
                rounds.entry(round).or_default().push(rest);
            }
        }
        Self(rounds)
    }

    /// What follows `start` on each line of a round that begins so.
    fn all(&self, round: &str, start: &str) -> Vec<&'a str> {
        let lines = self.0.get(round).map_or(&[][..], |it| it);
        lines
            .iter()
            .filter_map(|line| line.strip_prefix(start))
            .collect()
    }

    /// As [`Said::all`], of a line that there is once.
    fn one(&self, round: &str, start: &str) -> Result<&'a str, String> {
        match self.all(round, start)[..] {
            [one] => Ok(one),
            [] => Err(format!("{round}: not said: {}", start.trim_end())),
            _ => Err(format!("{round}: said twice: {}", start.trim_end())),
        }
    }

    fn expect(&self, round: &str, start: &str, expected: &str) -> Result<(), String> {
        match self.one(round, start)? {
            said if said == expected => Ok(()),
            said => Err(format!("{round}: {start}{said}, not {expected}")),
        }
    }
}

/// An operation of lab/guest/flash_ops.c.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Operation {
    number: u32,
    whole: bool,
    kind: Kind,
    offset: usize,
    length: usize,
    result: i64,
    fnv1a: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Read,
    Write,
    Erase,
}

impl Operation {
    fn parse(text: &str) -> Option<Self> {
        let words: Vec<&str> = text.split(' ').collect();
        let [number, place, kind, offset, length, result, fnv1a] = words[..] else {
            return None;
        };
        Some(Self {
            number: number.parse().ok()?,
            whole: match place {
                "whole" => true,
                "part" => false,
                _ => return None,
            },
            kind: match kind {
                "read" => Kind::Read,
                "write" => Kind::Write,
                "erase" => Kind::Erase,
                _ => return None,
            },
            offset: offset.parse().ok()?,
            length: length.parse().ok()?,
            result: result.parse().ok()?,
            fnv1a: u64::from_str_radix(fnv1a, 16).ok()?,
        })
    }
}

const EINVAL: i64 = 22;
const ENOSPC: i64 = 28;

/// What a NOR flash does, and what MTD makes of it for a program.
struct Flash {
    bytes: Vec<u8>,
}

impl Flash {
    /// Does the operation; what its result, and the FNV-1a of its data, have to be.
    fn execute(&mut self, op: &Operation, seed: u64) -> (i64, u64) {
        let part = match op.whole {
            true => &mut self.bytes[..],
            false => &mut self.bytes[PART_START..PART_START + PART_SIZE],
        };
        let start = op.offset.min(part.len());
        let end = op.offset.saturating_add(op.length).min(part.len());
        match op.kind {
            // Up to the end, and nothing beyond it.
            Kind::Read => ((end - start) as i64, fnv1a(&part[start..end])),
            Kind::Write => {
                let data = Image::new(seed ^ u64::from(op.number) << 32, op.length);
                // Programming clears bits.
                let there = part[start..end].iter_mut();
                there.zip(data.bytes()).for_each(|(to, from)| *to &= from);
                let result = match end - start {
                    0 => -ENOSPC,
                    written => written as i64,
                };
                (result, fnv1a(data.bytes()))
            }
            Kind::Erase
                if !op.length.is_multiple_of(BLOCK) || op.offset + op.length > part.len() =>
            {
                (-EINVAL, 0)
            }
            Kind::Erase => {
                part[start..end].fill(0xff);
                (0, 0)
            }
        }
    }

    fn sha256(&self) -> String {
        hex(&Sha256::digest(&self.bytes))
    }
}

// The judge.

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    pub what: String,
    /// What came out, or what is wrong.
    pub result: Result<String, String>,
}

/// All that has to be right in a boot: always as many rows.
fn judge(console: &Console, ended: &Ended, plan: &Plan, image: &Image) -> Vec<Row> {
    let said = Said::new(console);
    let mut rows = Vec::new();
    let mut row = |what: &str, result: Result<String, String>| {
        rows.push(Row {
            what: what.to_owned(),
            result,
        });
    };
    row("kernel", judge_kernel(console, ended, &said, image));
    row("the first loaded binds", judge_binding(&said));
    row("operations", judge_operations(&said, plan, image));
    row("ioctls", judge_facts(&said));
    row("mtd-utils", judge_tools(&said));
    for test in plan.tests() {
        row(test, judge_test(console, &said, test));
    }
    for (name, writer, reader) in VOLUMES {
        let result = judge_volume(&said, writer, reader, plan.seed);
        row(&format!("UBIFS, {name}"), result);
    }
    rows
}

fn judge_kernel(
    console: &Console,
    ended: &Ended,
    said: &Said,
    image: &Image,
) -> Result<String, String> {
    if let Some(splat) = console.splats.first() {
        return Err(splat.title.clone());
    }
    if *ended != Ended::Done {
        return Err(ended.to_string());
    }
    match &console.control {
        Some(read) if read.sha256 == image.sha256 => {}
        _ => return Err("the control run read wrong data, or none".to_owned()),
    }
    if !console
        .lines
        .iter()
        .any(|it| it == "LAB: end compare_drivers 0")
    {
        return Err("the program did not come to its end".to_owned());
    }
    said.expect("end", "lockdep ", "1 taint 0")?;
    Ok("nothing reported, lockdep on at the end, not tainted".to_owned())
}

fn judge_binding(said: &Said) -> Result<String, String> {
    for (round, driver) in ROUNDS {
        for (when, start) in [
            ("alone", "bound alone "),
            ("with the other loaded", "bound second "),
            ("when that was gone", "bound alone-again "),
        ] {
            let bound = said.one(round, start)?;
            if bound != driver {
                return Err(format!("{round}: {when}, {bound} has the device"));
            }
        }
        if round != "rust2" {
            // Exit status, driver, what is left of the MTDs.
            said.expect(round, "unloaded ", "0 none 0")?;
        }
    }
    Ok(format!("{} times", ROUNDS.len()))
}

fn judge_operations(said: &Said, plan: &Plan, image: &Image) -> Result<String, String> {
    let mut all = Vec::new();
    let (mut read, mut written, mut erased) = (0, 0, 0);
    for round in COMPARED {
        said.expect(round, "state before ", &image.sha256)?;
        let mut flash = Flash {
            bytes: image.bytes().to_vec(),
        };
        let lines = said.all(round, "op ");
        for (number, line) in (1..=plan.operations).zip(&lines) {
            let Some(op) = Operation::parse(line).filter(|it| it.number == number) else {
                return Err(format!("{round}: operation {number} reads: {line}"));
            };
            let (result, hash) = flash.execute(&op, plan.seed);
            if (op.result, op.fnv1a) != (result, hash) {
                return Err(format!(
                    "{round}: {line}: a flash gives {result} {hash:016x}"
                ));
            }
            match op.kind {
                Kind::Read => read += result,
                Kind::Write => written += result.max(0),
                Kind::Erase if result == 0 => erased += op.length,
                Kind::Erase => {}
            }
        }
        if lines.len() != plan.operations as usize {
            return Err(format!(
                "{round}: {} operations, not {}",
                lines.len(),
                plan.operations
            ));
        }
        said.expect(round, "ops ", "exit 0")?;
        // And that is all that changed.
        said.expect(round, "state after ", &flash.sha256())?;
        all.push(lines);
    }
    if all.windows(2).any(|two| two[0] != two[1]) {
        return Err("not the same operations".to_owned());
    }
    let rounds = COMPARED.len();
    Ok(format!(
        "seed {}, {} each: {} KiB read, {} KiB programmed, {} blocks erased; same contents",
        plan.seed,
        plan.operations,
        read as usize / rounds / 1024,
        written as usize / rounds / 1024,
        erased / rounds / BLOCK
    ))
}

/// What the lines of the two rounds have to be: the same.
fn same<'a>(said: &Said<'a>, start: &str) -> Result<Vec<&'a str>, String> {
    let [c, rust] = COMPARED.map(|round| said.all(round, start));
    if let Some((c, rust)) = c.iter().zip(&rust).find(|(c, rust)| c != rust) {
        return Err(format!("{start}C: `{c}`, Rust: `{rust}`"));
    }
    match c.len() == rust.len() {
        true => Ok(c),
        false => Err(format!("{start}C: {} lines, Rust: {}", c.len(), rust.len())),
    }
}

/// Lines of `flash_ops facts`.
const FACTS: usize = 13;

fn judge_facts(said: &Said) -> Result<String, String> {
    let facts = same(said, "fact ")?;
    if facts.len() != FACTS {
        return Err(format!("{} facts, not {FACTS}", facts.len()));
    }
    Ok(format!("{FACTS} facts, the same"))
}

fn judge_tools(said: &Said) -> Result<String, String> {
    let mut lines = 0;
    for (name, must) in TOOLS {
        let output = same(said, &format!("tool {name}| "))?;
        let status = output.last().and_then(|it| it.strip_prefix("exit "));
        match status {
            None => return Err(format!("{name}: no end")),
            Some("127") => return Err(format!("{name}: there is no such program")),
            Some("0") => {}
            Some(status) if must => return Err(format!("{name}: exit status {status}")),
            Some(_) => {}
        }
        lines += output.len() - 1;
    }
    let known: BTreeSet<&str> = TOOLS.iter().map(|(name, _)| *name).collect();
    for round in COMPARED {
        let unknown = said.all(round, "tool ").into_iter().find(|line| {
            let name = line.split_once('|').map_or("", |(name, _)| name);
            !known.contains(name)
        });
        if let Some(line) = unknown {
            return Err(format!("{round}: not expected: {line}"));
        }
    }
    Ok(format!("{} runs, {lines} lines, the same", TOOLS.len()))
}

/// The kernel's own test passed in both rounds, and says so itself.
fn judge_test(console: &Console, said: &Said, test: &str) -> Result<String, String> {
    for round in COMPARED {
        said.expect(round, &format!("test {test} "), "0")?;
    }
    let own = |line: &&String| {
        line.strip_prefix(test)
            .is_some_and(|it| it.starts_with(": "))
    };
    let lines: Vec<_> = console.lines.iter().filter(own).collect();
    if let Some(line) = lines.iter().find(|it| it.contains("error")) {
        return Err((*line).clone());
    }
    let finished: Vec<_> = lines
        .iter()
        .filter_map(|line| line.split_once(": "))
        .filter(|(_, text)| text.starts_with("finished"))
        .collect();
    match finished[..] {
        [(_, c), (_, rust)] if c == rust => Ok(format!("both {c}")),
        [(_, c), (_, rust)] => Err(format!("C: {c}, Rust: {rust}")),
        _ => Err(format!("finished {} times, not twice", finished.len())),
    }
}

/// Steps of writing and of reading a volume; each has to succeed.
const WRITE_STEPS: [&str; 6] = [
    "ubiformat",
    "ubiattach",
    "ubimkvol",
    "mount",
    "umount",
    "ubidetach",
];
const READ_STEPS: [&str; 3] = ["ubiattach", "mount", "umount"];
const AGAIN_STEPS: [&str; 3] = ["mount", "umount", "ubidetach"];

fn judge_volume(said: &Said, writer: &str, reader: &str, seed: u64) -> Result<String, String> {
    let mut files = FILES.to_vec();
    judge_files(said, writer, "ubi-write", &WRITE_STEPS, &files, seed)?;
    judge_files(said, reader, "ubi-read", &READ_STEPS, &files, seed)?;
    files.push(ADDED);
    judge_files(said, reader, "ubi-again", &AGAIN_STEPS, &files, seed)?;
    Ok(format!("{} files, one of them the reader's", files.len()))
}

fn judge_files(
    said: &Said,
    round: &str,
    action: &str,
    steps: &[&str],
    files: &[(&str, u64, usize)],
    seed: u64,
) -> Result<(), String> {
    for step in steps {
        said.expect(round, &format!("{action} {step} "), "0")?;
    }
    let mut expected: Vec<String> = files
        .iter()
        .map(|(name, add, length)| {
            let data = Image::new(seed + add, *length);
            format!("{name} {}", data.sha256)
        })
        .collect();
    expected.sort();
    let mut there = said.all(round, &format!("{action} file "));
    there.sort_unstable();
    match there.iter().zip(&expected).find(|(a, b)| a != b) {
        Some((is, should)) => Err(format!("{round}: {action}: file {is}, not {should}")),
        None if there.len() == expected.len() => Ok(()),
        None => Err(format!(
            "{round}: {action}: {} files, not {}",
            there.len(),
            expected.len()
        )),
    }
}

// Boots.

/// A binding's boot.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Boot {
    pub machine: String,
    pub compatible: String,
    pub seed: u64,
    pub operations: u32,
    pub long: bool,
    pub rows: Vec<Row>,
    pub seconds: f64,
    pub source_id: String,
    pub config_sha256: String,
}

impl Boot {
    pub fn good(&self) -> usize {
        self.rows.iter().filter(|row| row.result.is_ok()).count()
    }

    pub fn is_good(&self) -> bool {
        self.good() == self.rows.len()
    }
}

/// A machine with a kernel that has both drivers.
pub struct Ready {
    pub machine: Machine,
    pub kernel: Kernel,
}

pub fn ready(lab: &Lab, args: &Args) -> Result<Ready> {
    let mut machine = Machine::load(&lab.paths, &args.machine, Some(DRIVER))?;
    machine.modules = MODULES.map(str::to_owned).to_vec();
    if let Some(name) = &args.compatible {
        let chosen = machine.compatible(name)?.clone();
        machine.compatible = vec![chosen];
    }
    let variant = match args.tree {
        true => Variant::Tree,
        false => Variant::Series { upto: None },
    };
    let kernel = kernel::build(lab, &variant, &machine.kernel_config, machine.arch)?;
    Ok(Ready { machine, kernel })
}

/// One boot, judged; the console of one that is not as it should be is shown.
pub fn boot(lab: &Lab, ready: &Ready, compatible: &Compatible, args: &Args) -> Result<Boot> {
    process::check_interrupted()?;
    let Ready { machine, kernel } = ready;
    let plan = args.plan();
    let bench = Bench::prepare(lab, machine, kernel, args.seed)?;
    let step = lab.ui.step(format!(
        "C and Rust on {:<18} seed {}, {} operations",
        compatible.name, args.seed, args.operations
    ));
    let job = Job {
        compatible,
        kernel,
        scenario: None,
        cycles: 0,
        attempt: 1,
    };
    let words = format!("{} {}", bench.command_line(job), plan.words());
    let booted = bench.boot_within(
        job,
        dir(lab, machine, compatible),
        &words,
        plan.seconds(),
        |line| {
            if let Some((_, round)) = line.split_once("AB: ")
                && let Some((round, "start")) = round.split_once(' ')
            {
                step.note(round);
            }
        },
    )?;
    let boot = Boot {
        machine: machine.name.clone(),
        compatible: compatible.name.clone(),
        seed: args.seed,
        operations: args.operations,
        long: args.long,
        rows: judge(&booted.console, &booted.ended, &plan, &bench.image),
        seconds: booted.elapsed.as_secs_f64(),
        source_id: kernel.source_id.clone(),
        config_sha256: kernel.config_sha256.clone(),
    };
    let (good, all) = (boot.good(), boot.rows.len());
    step.done(format!("{good} of {all} as they should be"));
    if !boot.is_good() {
        lab.ui.println(qemu::console_tail(&booted.dir)?);
    }
    bench.forget_image();
    Ok(boot)
}

/// Where the files of a boot are; the newest of each binding is always at the same place.
pub fn dir(lab: &Lab, machine: &Machine, compatible: &Compatible) -> PathBuf {
    let dir = lab.paths.out().join("boot").join(&machine.name);
    dir.join(compatible.name.replace(',', "-")).join("ab")
}

/// out/ab.json
#[derive(Serialize)]
struct Report<'a> {
    good: bool,
    toolchain: BTreeMap<String, String>,
    boots: &'a [Boot],
}

/// Boots all that were asked for, prints the table and writes out/ab.json.
pub fn all(lab: &Lab, args: &Args) -> Result<Vec<Boot>> {
    let ready = ready(lab, args)?;
    let mut boots = Vec::new();
    for compatible in &ready.machine.compatible {
        boots.push(boot(lab, &ready, compatible, args)?);
    }
    println!("{}", table(&boots));
    let report = Report {
        good: boots.iter().all(Boot::is_good),
        toolchain: lab.toolchain.versions()?,
        boots: &boots,
    };
    let json = serde_json::to_string_pretty(&report)? + "\n";
    let file = lab.paths.out().join("ab.json");
    fs::create_dir_all(lab.paths.out()).context("cannot make out/")?;
    write_whole(&file, json.as_bytes())?;
    Ok(boots)
}

fn table(boots: &[Boot]) -> Table {
    let mut table = ui::table(["compatible", "what", "result", ""]);
    for boot in boots {
        for row in &boot.rows {
            let (verdict, text) = match &row.result {
                Ok(text) => ("passed", text),
                Err(text) => ("failed", text),
            };
            table.add_row([&boot.compatible, &row.what, verdict, text]);
        }
    }
    table
}

/// Many boots, a line for each binding, and one for whatever is wrong.
pub fn summary(boots: &[Boot]) -> Table {
    let mut table = ui::table(["compatible", "boots", "operations", "wrong"]);
    let names: BTreeSet<&str> = boots.iter().map(|it| it.compatible.as_str()).collect();
    for name in names {
        let own = || boots.iter().filter(|it| it.compatible == name);
        let wrong: Vec<String> = own()
            .flat_map(|boot| {
                boot.rows.iter().filter_map(|row| {
                    let why = row.result.as_ref().err()?;
                    Some(format!("seed {}: {}: {why}", boot.seed, row.what))
                })
            })
            .collect();
        table.add_row([
            name.to_owned(),
            own().count().to_string(),
            own().map(|it| it.operations).sum::<u32>().to_string(),
            match wrong.is_empty() {
                true => "nothing".to_owned(),
                false => wrong.join("\n"),
            },
        ]);
    }
    table
}

/// The verb `ab`.
pub fn run(lab: &Lab, args: Args) -> Result<ExitCode> {
    let boots = all(lab, &args)?;
    let good: usize = boots.iter().map(Boot::good).sum();
    let rows: usize = boots.iter().map(|it| it.rows.len()).sum();
    println!("{good} of {rows} rows as they should be; details in out/ab.json");
    Ok(match good == rows {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;

    /// As much of a flash as operations need.
    static IMAGE: LazyLock<Image> = LazyLock::new(|| Image::new(3, 2 << 20));
    const PLAN: Plan = Plan {
        seed: 3,
        operations: 6,
        stress: 5,
        long: false,
    };

    /// A console on which all is as it should be, put together here.
    static GOOD: LazyLock<Vec<String>> = LazyLock::new(good);

    fn good() -> Vec<String> {
        let mut log = vec![format!(
            "LAB: control mtd0 {} {}",
            IMAGE.size(),
            IMAGE.sha256
        )];
        for (round, driver) in ROUNDS {
            let mut say = |text: String| log.push(format!("AB: {round} {text}"));
            say("start".to_owned());
            for when in ["alone", "second", "alone-again"] {
                say(format!("bound {when} {driver}"));
            }
            if COMPARED.contains(&round) {
                say(format!("state before {}", IMAGE.sha256));
                for fact in 0..FACTS {
                    say(format!("fact f{fact} 0"));
                }
                let mut flash = Flash {
                    bytes: IMAGE.bytes().to_vec(),
                };
                for (number, (place, kind, offset, length)) in (1..).zip([
                    ("whole", "read", 0x0f_ff00, 0x200),
                    ("part", "erase", 0x1_0000, 0x2_0000),
                    ("part", "write", 0x1_0003, 700),
                    ("part", "write", 0x1_0005, 9),
                    ("part", "read", 0xf_fff0, 100),
                    ("part", "erase", 0xf_0000, 0x2_0000),
                ]) {
                    let line = format!("{number} {place} {kind} {offset} {length}");
                    let op = Operation::parse(&format!("{line} 0 0")).expect("an operation");
                    let (result, hash) = flash.execute(&op, PLAN.seed);
                    say(format!("op {line} {result} {hash:016x}"));
                }
                say("ops exit 0".to_owned());
                say(format!("state after {}", flash.sha256()));
                for (name, must) in TOOLS {
                    say(format!("tool {name}| some output"));
                    say(format!("tool {name}| exit {}", u8::from(!must)));
                }
                for test in PLAN.tests() {
                    log.push(format!("{test}: finished"));
                    log.push(format!("AB: {round} test {test} 0"));
                }
            }
            let mut say = |text: String| log.push(format!("AB: {round} {text}"));
            let mut files = FILES.to_vec();
            let mut volume = |action: &str, steps: &[&str], files: &[(&str, u64, usize)]| {
                for step in steps {
                    say(format!("{action} {step} 0"));
                }
                for (name, add, length) in files {
                    let data = Image::new(PLAN.seed + add, *length);
                    say(format!("{action} file {name} {}", data.sha256));
                }
            };
            if VOLUMES.iter().any(|(_, _, reader)| *reader == round) {
                volume("ubi-read", &READ_STEPS, &files);
                files.push(ADDED);
                volume("ubi-again", &AGAIN_STEPS, &files);
            }
            if VOLUMES.iter().any(|(_, writer, _)| *writer == round) {
                volume("ubi-write", &WRITE_STEPS, &FILES);
            }
            if round != "rust2" {
                log.push(format!("AB: {round} unloaded 0 none 0"));
            }
        }
        log.push("AB: end lockdep 1 taint 0".to_owned());
        log.push("LAB: end compare_drivers 0".to_owned());
        log
    }

    fn rows(log: &[String]) -> Vec<Row> {
        judge(
            &Console::parse(&log.join("\n")),
            &Ended::Done,
            &PLAN,
            &IMAGE,
        )
    }

    /// What fails, when one thing is changed.
    fn failed(change: impl Fn(&mut Vec<String>)) -> Vec<String> {
        let mut log = GOOD.clone();
        change(&mut log);
        assert_ne!(log, *GOOD, "nothing was changed");
        let rows = rows(&log);
        let failed = rows.into_iter().filter(|row| row.result.is_err());
        failed.map(|row| row.what).collect()
    }

    fn replace(from: &'static str, to: &'static str) -> impl Fn(&mut Vec<String>) {
        move |log| {
            let line = log.iter_mut().find(|line| line.contains(from));
            let line = line.unwrap_or_else(|| panic!("no line has {from}"));
            *line = line.replace(from, to);
        }
    }

    #[test]
    fn what_is_right_passes() {
        for row in rows(&GOOD) {
            assert!(row.result.is_ok(), "{row:?}");
        }
        assert_eq!(rows(&GOOD).len(), 10);
    }

    #[test]
    fn every_line_is_needed() {
        let needed = |line: &String| {
            line.starts_with("AB: ") && !line.ends_with(" start") && !line.contains("| some output")
        };
        for index in (0..GOOD.len()).filter(|index| needed(&GOOD[*index])) {
            let without = failed(|log| drop(log.remove(index)));
            assert_eq!(without.len(), 1, "without {}: {without:?}", GOOD[index]);
        }
        assert_eq!(failed(|log| drop(log.remove(0))), ["kernel"]);
    }

    #[test]
    fn what_one_driver_does_otherwise_is_found() {
        let cases = [
            (
                "rust1 op 2 part erase 65536 131072 0 ",
                "rust1 op 2 part erase 65536 131072 -5 ",
                "operations",
            ),
            (
                "c1 op 5 part read 1048560 100 16 ",
                "c1 op 5 part read 1048560 100 15 ",
                "operations",
            ),
            ("rust1 state before ", "rust1 state before 0", "operations"),
            ("c1 state after ", "c1 state after 0", "operations"),
            ("c1 fact f3 0", "c1 fact f3 -95", "ioctls"),
            (
                "rust1 tool info| some",
                "rust1 tool info| other",
                "mtd-utils",
            ),
            (
                "rust1 bound second cadence-qspi-rust",
                "rust1 bound second cadence-qspi",
                "the first loaded binds",
            ),
            (
                "c1 unloaded 0 none 0",
                "c1 unloaded 1 none 0",
                "the first loaded binds",
            ),
            (
                "rust1 test mtd_readtest 0",
                "rust1 test mtd_readtest 1",
                "mtd_readtest",
            ),
            (
                "mtd_stresstest: finished",
                "mtd_stresstest: error -5",
                "mtd_stresstest",
            ),
            (
                "c2 ubi-read file first ",
                "c2 ubi-read file first 0",
                "UBIFS, Rust to C",
            ),
            (
                "rust2 ubi-again mount 0",
                "rust2 ubi-again mount 255",
                "UBIFS, C to Rust",
            ),
            ("lockdep 1 taint 0", "lockdep 0 taint 0", "kernel"),
            ("lockdep 1 taint 0", "lockdep 1 taint 512", "kernel"),
        ];
        for (from, to, what) in cases {
            assert_eq!(failed(replace(from, to)), [what], "{from}");
        }
    }

    #[test]
    fn both_wrong_in_the_same_way_is_wrong() {
        let both = |log: &mut Vec<String>| {
            for line in log {
                *line = line.replace(
                    "op 3 part write 65539 700 700",
                    "op 3 part write 65539 700 699",
                );
                *line = line.replace("tool read| exit 0", "tool read| exit 1");
                *line = line.replace("tool otp| exit 1", "tool otp| exit 127");
            }
        };
        assert_eq!(failed(both), ["operations", "mtd-utils"]);
    }

    #[test]
    fn a_report_a_hang_and_more_lines_fail() {
        let report = |log: &mut Vec<String>| log.push("BUG: KASAN: x in y+0x1/0x2".to_owned());
        assert_eq!(failed(report), ["kernel"]);
        let more = |log: &mut Vec<String>| log.push("AB: c1 op 7 part read 0 0 0 0".to_owned());
        assert_eq!(failed(more), ["operations"]);
        let tool = |log: &mut Vec<String>| log.push("AB: c1 tool new| exit 0".to_owned());
        assert_eq!(failed(tool), ["mtd-utils"]);
        let console = Console::parse(&GOOD.join("\n"));
        let hang = Ended::TimeLimit { seconds: 1 };
        assert!(judge(&console, &hang, &PLAN, &IMAGE)[0].result.is_err());
    }

    #[test]
    fn a_flash_is_erased_to_ones_and_programmed_to_zeros() {
        let mut flash = Flash {
            bytes: vec![0x5a; PART_START + PART_SIZE],
        };
        let op = |text: &str| Operation::parse(text).expect("an operation");
        let none = fnv1a(&[]);
        assert_eq!(flash.execute(&op("1 part erase 0 65536 0 0"), 1), (0, 0));
        assert_eq!(flash.bytes[PART_START], 0xff);
        assert_eq!(flash.bytes[PART_START + BLOCK], 0x5a);
        let data = Image::new(1 ^ 2 << 32, 3);
        let (result, hash) = flash.execute(&op("2 part write 65535 3 0 0"), 1);
        assert_eq!((result, hash), (3, fnv1a(data.bytes())));
        assert_eq!(flash.bytes[PART_START + 65535], data.bytes()[0]);
        assert_eq!(flash.bytes[PART_START + 65536], 0x5a & data.bytes()[1]);
        // At the end of the part.
        assert_eq!(flash.execute(&op("3 part write 1048575 3 0 0"), 1).0, 1);
        assert_eq!(
            flash.execute(&op("4 part write 1048576 3 0 0"), 1).0,
            -ENOSPC
        );
        assert_eq!(
            flash.execute(&op("5 part read 1048576 3 0 0"), 1),
            (0, none)
        );
        assert_eq!(
            flash.execute(&op("6 part erase 983040 131072 0 0"), 1).0,
            -EINVAL
        );
        assert_eq!(flash.execute(&op("7 part erase 0 66048 0 0"), 1).0, -EINVAL);
    }
}
