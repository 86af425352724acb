//! What lab/kernel/bench/gate_bench.c prints, read back.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

/// The least, the middle and the most of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spread {
    pub min: u64,
    pub median: u64,
    pub max: u64,
}

/// Unregistering, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latency {
    pub mean: u64,
    #[serde(flatten)]
    pub spread: Spread,
}

/// One boot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measured {
    pub hz: u64,
    /// Of the flash's controller, where that is what is measured.
    #[serde(default)]
    pub driver: Option<String>,
    /// Instructions by operation, one entry for each repeat.
    pub instructions: BTreeMap<String, Vec<Spread>>,
    /// Picoseconds by operation and number of threads.
    pub time: BTreeMap<String, BTreeMap<u64, Spread>>,
    /// By function, and by the way of waiting.
    pub latency: BTreeMap<String, BTreeMap<String, Latency>>,
    /// Bytes that one of a kind takes away from the free pages.
    pub memory: BTreeMap<String, u64>,
    /// Bytes of types, and the number of possible CPUs.
    pub sizes: BTreeMap<String, u64>,
}

const MARK: &str = "GATEBENCH ";

/// `known_10000` executes this, and at most a call's worth more.
const KNOWN: u64 = 10_000;

const KNOWN_MORE: u64 = 8;

/// Reads a console; an error if the benchmark did not come to its end.
pub fn parse(console: &str) -> Result<Measured> {
    let mut measured = Measured::default();
    let mut ended = false;
    for line in console.lines() {
        let Some((_, line)) = line.split_once(MARK) else {
            continue;
        };
        let line = line.trim();
        let mut words = line.split_whitespace();
        let kind = words.next().unwrap_or_default();
        let values: BTreeMap<&str, &str> = words.filter_map(|it| it.split_once('=')).collect();
        read(&mut measured, &mut ended, kind, &Values(values))
            .with_context(|| format!("the benchmark said `{line}`"))?;
    }
    if !ended {
        bail!("the benchmark did not come to its end");
    }
    if let Some(known) = measured.instructions.get("known_10000") {
        // The counter counts what it is believed to count.
        if known
            .iter()
            .any(|it| !(KNOWN..=KNOWN + KNOWN_MORE).contains(&it.median))
        {
            bail!("{KNOWN} known instructions were counted as {known:?}");
        }
    }
    Ok(measured)
}

struct Values<'a>(BTreeMap<&'a str, &'a str>);

impl Values<'_> {
    fn text(&self, name: &str) -> Result<String> {
        let value = self.0.get(name).with_context(|| format!("no {name}"))?;
        Ok((*value).to_owned())
    }

    fn number(&self, name: &str) -> Result<u64> {
        let text = self.text(name)?;
        text.parse()
            .with_context(|| format!("{name} is {text}, not a number"))
    }

    fn spread(&self) -> Result<Spread> {
        Ok(Spread {
            min: self.number("min")?,
            median: self.number("median")?,
            max: self.number("max")?,
        })
    }
}

fn read(measured: &mut Measured, ended: &mut bool, kind: &str, values: &Values) -> Result<()> {
    match kind {
        "start" => {
            measured.hz = values.number("hz")?;
            measured.driver = values.text("driver").ok();
        }
        "insn" => {
            let op = values.text("op")?;
            let all = measured.instructions.entry(op).or_default();
            all.push(values.spread()?);
        }
        "time" => {
            let op = measured.time.entry(values.text("op")?).or_default();
            op.insert(values.number("threads")?, values.spread()?);
        }
        "latency" => {
            let op = measured.latency.entry(values.text("op")?).or_default();
            let latency = Latency {
                mean: values.number("mean")?,
                spread: values.spread()?,
            };
            op.insert(values.text("drain")?, latency);
        }
        "memory" => {
            let each = values.number("each")?;
            measured.memory.insert(values.text("op")?, each);
        }
        "size" => {
            let bytes = values.number("bytes")?;
            measured.sizes.insert(values.text("type")?, bytes);
        }
        "failed" => bail!("an operation failed"),
        "end" if values.text("result")? == "0" => *ended = true,
        "end" => bail!("it failed"),
        _ => bail!("not understood"),
    }
    Ok(())
}

/// Median instructions of each operation, when all repeats of all boots agree; the
/// other operations, with what they gave.
pub fn agreed(boots: &[Measured]) -> (BTreeMap<String, u64>, BTreeMap<String, BTreeSet<u64>>) {
    let mut all: BTreeMap<String, BTreeSet<u64>> = BTreeMap::new();
    for boot in boots {
        for (op, repeats) in &boot.instructions {
            let medians = repeats.iter().map(|it| it.median);
            all.entry(op.clone()).or_default().extend(medians);
        }
    }
    let mut agreed = BTreeMap::new();
    all.retain(|op, medians| match (medians.len(), medians.first()) {
        (1, Some(median)) => {
            agreed.insert(op.clone(), *median);
            false
        }
        _ => true,
    });
    (agreed, all)
}

/// Of several boots, the one of each time with the quickest batch. The machine may have
/// other things to do, which makes batches slower and none quicker.
pub fn best(boots: &[Measured]) -> BTreeMap<String, BTreeMap<u64, Spread>> {
    let mut best: BTreeMap<String, BTreeMap<u64, Spread>> = BTreeMap::new();
    for boot in boots {
        for (op, by_threads) in &boot.time {
            for (threads, spread) in by_threads {
                let place = best.entry(op.clone()).or_default();
                let place = place.entry(*threads).or_insert(*spread);
                if spread.min < place.min {
                    *place = *spread;
                }
            }
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONSOLE: &str = "[    1.0][    T1] GATEBENCH start counter=1 cpus=1 hz=250 flash=1\n\
        noise GATE\n\
        [    1.1][   T30] GATEBENCH insn op=exec_op repeat=0 min=700 median=701 max=9000\n\
        [    1.1][   T30] GATEBENCH insn op=exec_op repeat=1 min=700 median=701 max=701\r\n\
        GATEBENCH time op=exec_op threads=2 min=1 median=2 max=3\n\
        GATEBENCH latency op=spi drain=call_srcu mean=5 min=1 median=4 max=9\n\
        GATEBENCH memory op=mtd each=4096\n\
        GATEBENCH size type=mtd_gate bytes=120\n\
        GATEBENCH end result=0\n";

    #[test]
    fn a_console_reads_back() -> Result<()> {
        let measured = parse(CONSOLE)?;
        assert_eq!(measured.hz, 250);
        assert_eq!(measured.instructions["exec_op"].len(), 2);
        assert_eq!(measured.time["exec_op"][&2].median, 2);
        assert_eq!(measured.latency["spi"]["call_srcu"].mean, 5);
        assert_eq!(measured.memory["mtd"], 4096);
        assert_eq!(measured.sizes["mtd_gate"], 120);
        let text = serde_json::to_string(&measured)?;
        assert_eq!(serde_json::from_str::<Measured>(&text)?, measured);
        Ok(())
    }

    #[test]
    fn what_is_cut_off_failed_or_wrong_is_no_measurement() {
        let cut = CONSOLE.replace("GATEBENCH end result=0\n", "");
        let failed = CONSOLE.replace("result=0", "result=-12");
        let operation = format!("{CONSOLE}GATEBENCH failed op=exec_op error=-95\n");
        let torn = CONSOLE.replace("each=4096", "each=40");
        let torn = torn.replace("each=40", "each=4x");
        let known = format!("{CONSOLE}GATEBENCH insn op=known_10000 min=1 median=9000 max=1\n");
        for wrong in [cut, failed, operation, torn, known] {
            assert!(parse(&wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn boots_agree_or_are_told_apart() -> Result<()> {
        let one = parse(CONSOLE)?;
        let other = parse(&CONSOLE.replace("median=701 max=9000", "median=702 max=9000"))?;
        let (same, differ) = agreed(&[one.clone(), one.clone()]);
        assert_eq!((same["exec_op"], differ.len()), (701, 0));
        let (same, differ) = agreed(&[one, other]);
        assert!(same.is_empty());
        assert_eq!(differ["exec_op"], BTreeSet::from([701, 702]));
        Ok(())
    }

    #[test]
    fn the_best_time_is_that_of_the_quickest_batch() -> Result<()> {
        let slow = parse(CONSOLE)?;
        let quick = parse(&CONSOLE.replace("min=1 median=2 max=3", "min=0 median=1 max=8"))?;
        for boots in [[slow.clone(), quick.clone()], [quick, slow]] {
            assert_eq!(best(&boots)["exec_op"][&2].max, 8);
        }
        Ok(())
    }
}
