//! C's driver and Rust's on the same flash: what they did has to be the same, and what a
//! flash has to do.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::base::files::hex;
use crate::data::image::{Image, fnv1a};
use crate::judge::console::{Console, Ended};

/// What the guest is told to do.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct Plan {
    pub seed: u64,
    pub operations: u32,
    /// Operations of mtd_stresstest.
    pub stress: u32,
    pub long: bool,
}

impl Plan {
    pub fn words(&self) -> String {
        let long = if self.long { " AB_LONG=4" } else { "" };
        format!(
            "LAB_PROGRAM=compare_drivers AB_SEED={} AB_OPS={} AB_STRESS={}{long}",
            self.seed, self.operations, self.stress
        )
    }

    /// Generous, as for all boots.
    pub fn seconds(&self) -> u64 {
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

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    pub what: String,
    /// What came out, or what is wrong.
    pub result: Result<String, String>,
}

/// All that has to be right in a boot: always as many rows.
pub fn judge(console: &Console, ended: &Ended, plan: &Plan, image: &Image) -> Vec<Row> {
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

#[cfg(test)]
mod tests;
