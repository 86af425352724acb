//! What operations of a flash take through C's driver of the Cadence controller, and
//! through Rust's.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use serde::Serialize;

use crate::base::files::write_whole;
use crate::base::{interrupt, process, ui};
use crate::bench::boot::{self, COUNTER, below, bench_file, counting, run_to_end};
use crate::bench::measurement::Measured;
use crate::build::kernel::Kernel;
use crate::build::{kernels, layers};
use crate::data::machine::{Compatible, Machine};
use crate::lab::Lab;
use crate::run::guest;
use crate::source;
use crate::toolchain::enter::Bind;

/// Count the instructions of flash operations, through C's driver and through Rust's
///
/// As `bench gate` counts them: in QEMU with -icount, one CPU, a kernel without debugging
/// (arm64-bench-rust), two boots that must agree; with the whole of MTD, spi-nor and
/// spi-mem, which is the same for both. Each driver is loaded as a module, with each of
/// the two bindings that both have. Also the sizes of the modules.
///
/// Takes five minutes, and ten more the first time, for a kernel. Writes
/// out/bench-cadence.json, out/bench/cadence, out/src/bench and
/// out/build/bench-arm64-bench-rust. Exit status 0 if everything was measured, whatever
/// came out.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// On top of the last commit of linux/, not of base + patches/
    #[arg(long)]
    tree: bool,
}

const MACHINE: &str = boot::MACHINE;

const CONFIG: &str = "arm64-bench-rust";

const PROGRAM: &str = "drivers/misc/cadence_bench.c";

const MODULE: &str = "cadence_bench";

const BOOTS: usize = 2;

/// More instructions than C's by this factor were aimed at, at most.
const GOAL: f64 = 1.05;

/// The medians of repeats may differ by so many instructions: of what goes on in the core,
/// some takes 8 more or less after a timer interrupt. Boots have to be the same.
const SLACK: u64 = 16;

/// What is measured, and what tables call it.
const OPERATIONS: [(&str, &str); 8] = [
    ("read_4", "read 4 B"),
    ("read_256", "read 256 B"),
    ("read_4096", "read 4 KiB"),
    ("read_65536", "read 64 KiB"),
    ("write_4", "write 4 B"),
    ("write_256", "write 256 B"),
    ("write_4096", "write 4 KiB"),
    ("erase_65536", "erase 64 KiB"),
];

/// Those that the aim is about.
const AIMED_AT: [&str; 2] = ["read_4096", "write_4096"];

struct Driver {
    language: &'static str,
    module: &'static str,
    file: &'static str,
    name: &'static str,
}

const DRIVERS: [Driver; 2] = [
    Driver {
        language: "C",
        module: "spi-cadence-quadspi",
        file: "drivers/spi/spi-cadence-quadspi.ko",
        name: "cadence-qspi",
    },
    Driver {
        language: "Rust",
        module: "spi_cadence_quadspi_rust",
        file: "drivers/spi/spi_cadence_quadspi_rust.ko",
        name: "cadence-qspi-rust",
    },
];

/// Instructions by operation, and what did not agree.
#[derive(Debug, Serialize)]
struct Row {
    compatible: String,
    driver: &'static str,
    instructions: BTreeMap<String, u64>,
    unsteady: Vec<String>,
}

/// Bytes of a module's sections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
struct Sizes {
    /// What is executed, without what goes when it is loaded.
    text: u64,
    init_and_exit: u64,
    read_only_data: u64,
    data: u64,
}

/// out/bench-cadence.json
#[derive(Serialize)]
struct Results {
    series: String,
    release: String,
    toolchain: BTreeMap<String, String>,
    goal: f64,
    rows: Vec<Row>,
    sizes: BTreeMap<&'static str, Sizes>,
}

/// The verb `bench cadence`.
pub fn run(lab: &Lab, args: Args) -> Result<ExitCode> {
    let source = source::ensure(&lab.paths, &lab.ui)?;
    let (dir, series) = below(lab, &source, args.tree)?;
    let (tree, id) = layers::checkout_bench(
        &lab.paths,
        &lab.ui,
        &source,
        (&dir, &series),
        &[bench_file(&lab.paths, "cadence.patch")?],
        &[
            (PROGRAM, bench_file(&lab.paths, "cadence_bench.c")?),
            (COUNTER, bench_file(&lab.paths, "insn_count.h")?),
        ],
    )?;
    let kernel = kernels::build_bench(lab, CONFIG, tree, id)?;
    let dir = files(lab, &kernel)?;
    // The bindings of both drivers: what only Rust's demo runs is left out.
    let machine = Machine::load(&lab.paths, MACHINE, None)?;
    let mut rows = Vec::new();
    for compatible in &machine.compatible {
        for driver in &DRIVERS {
            rows.push(measure(
                lab,
                &machine,
                compatible,
                driver,
                &source.dir,
                &dir,
            )?);
        }
    }
    let mut sizes = BTreeMap::new();
    for driver in &DRIVERS {
        sizes.insert(driver.language, size(lab, &kernel, driver)?);
    }
    let results = Results {
        series,
        release: kernel.release,
        toolchain: lab.toolchain.versions()?,
        goal: GOAL,
        rows,
        sizes,
    };
    let text = serde_json::to_string_pretty(&results)? + "\n";
    let file = lab.paths.out().join("bench-cadence.json");
    write_whole(&file, text.as_bytes())?;
    println!("{}", print(&results));
    let unsteady = results.rows.iter().any(|row| !row.unsteady.is_empty());
    Ok(match unsteady {
        false => ExitCode::SUCCESS,
        true => ExitCode::FAILURE,
    })
}

/// A directory with what is booted.
fn files(lab: &Lab, kernel: &Kernel) -> Result<PathBuf> {
    let dir = lab.paths.out().join("bench/cadence");
    fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let initramfs = guest::initramfs(lab, kernel)?;
    for (from, to) in [(&kernel.image, "kernel"), (&initramfs, "initramfs")] {
        fs::copy(from, dir.join(to)).with_context(|| format!("cannot copy {}", from.display()))?;
    }
    Ok(dir)
}

fn measure(
    lab: &Lab,
    machine: &Machine,
    compatible: &Compatible,
    driver: &Driver,
    source: &Path,
    dir: &Path,
) -> Result<Row> {
    let step = lab.ui.step(format!(
        "Counting {} on {}",
        driver.language, compatible.name
    ));
    let words = format!("LAB_MODULES={},{MODULE}", driver.module);
    let mut boots = Vec::new();
    for boot in 0..BOOTS {
        interrupt::check_interrupted()?;
        let mut qemu = counting(lab, machine, compatible, source, dir, &words)?;
        qemu.args(["-initrd", "/boot/bench/initramfs"]);
        let name = format!(
            "{}-{}-{boot}.log",
            compatible.name.replace(',', "-"),
            driver.language
        );
        let log = dir.join(name);
        let measured = run_to_end(&mut qemu, &log)?;
        check(&measured, driver).with_context(|| format!("see {}", log.display()))?;
        boots.push(measured);
    }
    step.done("");
    let (instructions, unsteady) = steady(&boots);
    Ok(Row {
        compatible: compatible.name.clone(),
        driver: driver.language,
        instructions,
        unsteady,
    })
}

/// Of each operation the lowest median; and those that do not agree.
fn steady(boots: &[Measured]) -> (BTreeMap<String, u64>, Vec<String>) {
    let mut instructions = BTreeMap::new();
    let mut unsteady = Vec::new();
    for (op, _) in OPERATIONS {
        let medians: Vec<Vec<u64>> = boots
            .iter()
            .map(|boot| boot.instructions.get(op).map_or(&[][..], |it| it))
            .map(|repeats| repeats.iter().map(|it| it.median).collect())
            .collect();
        let all = || medians.iter().flatten().copied();
        let same = medians.windows(2).all(|two| two[0] == two[1]);
        match all().min().zip(all().max()) {
            Some((low, high)) if same && high - low <= SLACK => {
                instructions.insert(op.to_owned(), low);
            }
            _ => unsteady.push(format!("{op}: {medians:?}")),
        }
    }
    (instructions, unsteady)
}

/// The right driver, and every operation.
fn check(measured: &Measured, driver: &Driver) -> Result<()> {
    match measured.driver.as_deref() {
        Some(name) if name == driver.name => {}
        other => bail!(
            "{} has the controller, not {}",
            other.unwrap_or("nothing"),
            driver.name
        ),
    }
    let known = ["known_10000"].into_iter();
    for name in known.chain(OPERATIONS.map(|(name, _)| name)) {
        if !measured.instructions.contains_key(name) {
            bail!("{name} was not measured");
        }
    }
    Ok(())
}

fn size(lab: &Lab, kernel: &Kernel, driver: &Driver) -> Result<Sizes> {
    let binds = [Bind::read_only(&kernel.build_dir, "/build")];
    let mut readelf = lab.toolchain.command(&binds, "readelf");
    readelf.args(["--wide", "--section-headers"]);
    readelf.arg(format!("/build/{}", driver.file));
    Ok(sizes(&process::output(&mut readelf)?))
}

/// From readelf's lines `[Nr] NAME TYPE ADDRESS OFFSET SIZE ES FLAGS ...`: sections that are
/// loaded. What is for the loader alone is left out.
fn sizes(text: &str) -> Sizes {
    let mut sizes = Sizes::default();
    for line in text.lines() {
        let Some((_, line)) = line.split_once(']') else {
            continue;
        };
        let words: Vec<&str> = line.split_whitespace().collect();
        let [name, kind, _, _, size, _, flags, ..] = words[..] else {
            continue;
        };
        let Ok(size) = u64::from_str_radix(size, 16) else {
            continue;
        };
        let loader = ["__versions", ".modinfo", ".plt", ".init.plt", ".note"];
        if !flags.contains('A') || loader.iter().any(|it| name.starts_with(it)) {
            continue;
        }
        if name.starts_with(".init") || name.starts_with(".exit") {
            sizes.init_and_exit += size;
        } else if flags.contains('X') {
            sizes.text += size;
        } else if flags.contains('W') || kind == "NOBITS" {
            sizes.data += size;
        } else {
            sizes.read_only_data += size;
        }
    }
    sizes
}

/// A table for each binding, and the sizes.
fn print(results: &Results) -> String {
    let mut text = String::from("Instructions per operation, from mtd_read() and so on down:\n");
    let mut table = ui::grid(["compatible", "operation", "C", "Rust", "Rust / C"]);
    let mut missed = Vec::new();
    for rows in results.rows.chunks(2) {
        let [c, rust] = rows else { continue };
        for (op, title) in OPERATIONS {
            let (c_count, rust_count) = (c.instructions.get(op), rust.instructions.get(op));
            let ratio = c_count.zip(rust_count);
            let ratio = ratio.map(|(c, rust)| *rust as f64 / *c as f64);
            if AIMED_AT.contains(&op) && ratio.is_none_or(|it| it > GOAL) {
                missed.push(format!("{title} on {}", c.compatible));
            }
            let count = |it: Option<&u64>| it.map_or("differs".to_owned(), u64::to_string);
            table.add_row([
                c.compatible.clone(),
                title.to_owned(),
                count(c_count),
                count(rust_count),
                ratio.map_or(String::new(), |it| format!("{it:.3}")),
            ]);
        }
    }
    text.push_str(&table.to_string());
    let mut table = ui::grid(["module", "text", "init and exit", "read-only data", "data"]);
    for (language, sizes) in &results.sizes {
        let numbers = [
            sizes.text,
            sizes.init_and_exit,
            sizes.read_only_data,
            sizes.data,
        ];
        let mut cells = vec![(*language).to_owned()];
        cells.extend(numbers.map(|it| it.to_string()));
        table.add_row(cells);
    }
    text.push_str(&format!("\n\nBytes of the modules:\n{table}\n"));
    for row in &results.rows {
        for unsteady in &row.unsteady {
            text.push_str(&format!(
                "{}, {}: repeats or boots differ: {unsteady}\n",
                row.compatible, row.driver
            ));
        }
    }
    match missed.is_empty() {
        true => text.push_str(&format!("Reads and writes of 4 KiB: within {GOAL} of C's")),
        false => text.push_str(&format!("More than {GOAL} of C's: {}", missed.join(", "))),
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::measurement;

    #[test]
    fn sections_are_told_apart() {
        let text = "\
  [Nr] Name              Type            Address          Off    Size   ES Flg Lk Inf Al
  [ 0]                   NULL            0000000000000000 000000 000000 00      0   0  0
  [ 1] .text             PROGBITS        0000000000000000 000040 001000 00  AX  0   0  4
  [ 2] .rela.text        RELA            0000000000000000 002000 000300 18   I 40   1  8
  [ 3] .init.text        PROGBITS        0000000000000000 003000 000020 00  AX  0   0  4
  [ 4] .rodata           PROGBITS        0000000000000000 004000 000100 00   A  0   0  8
  [ 5] .modinfo          PROGBITS        0000000000000000 004100 000200 00   A  0   0  1
  [ 6] .data             PROGBITS        0000000000000000 005000 000010 00  WA  0   0  8
  [ 7] .bss              NOBITS          0000000000000000 005010 000008 00  WA  0   0  8
";
        let expected = Sizes {
            text: 0x1000,
            init_and_exit: 0x20,
            read_only_data: 0x100,
            data: 0x18,
        };
        assert_eq!(sizes(text), expected);
    }

    #[test]
    fn the_driver_and_all_operations_must_be_there() -> Result<()> {
        let mut console =
            "GATEBENCH start counter=1 cpus=1 hz=250 driver=cadence-qspi\n".to_owned();
        console += "GATEBENCH insn op=known_10000 repeat=0 min=10000 median=10000 max=1\n";
        for (op, _) in OPERATIONS {
            console += &format!("GATEBENCH insn op={op} repeat=0 min=700 median=701 max=9000\n");
        }
        console += "GATEBENCH end result=0\n";
        let measured = measurement::parse(&console)?;
        assert!(check(&measured, &DRIVERS[0]).is_ok());
        assert!(check(&measured, &DRIVERS[1]).is_err());
        let less = console.replace("op=write_256 ", "op=write_257 ");
        assert!(check(&measurement::parse(&less)?, &DRIVERS[0]).is_err());
        Ok(())
    }

    #[test]
    fn boots_are_the_same_and_repeats_nearly() -> Result<()> {
        let boot = |medians: [u64; 2]| {
            let mut console = "GATEBENCH start counter=1 cpus=1 hz=250 driver=x\n".to_owned();
            for (op, _) in OPERATIONS {
                for median in medians {
                    console += &format!(
                        "GATEBENCH insn op={op} repeat=0 min=1 median={median} max=90000\n"
                    );
                }
            }
            console += "GATEBENCH end result=0\n";
            measurement::parse(&console)
        };
        let wrong = |first, second| -> Result<usize> {
            let (instructions, unsteady) = steady(&[boot(first)?, boot(second)?]);
            assert_eq!(instructions.len() + unsteady.len(), OPERATIONS.len());
            assert!(instructions.values().all(|it| *it == 700));
            Ok(unsteady.len())
        };
        assert_eq!(wrong([708, 700], [708, 700])?, 0);
        assert_eq!(wrong([708, 700], [700, 700])?, OPERATIONS.len());
        assert_eq!(wrong([717, 700], [717, 700])?, OPERATIONS.len());
        Ok(())
    }

    #[test]
    fn a_goal_that_is_missed_is_named() {
        let row = |driver, count| Row {
            compatible: "x".to_owned(),
            driver,
            instructions: OPERATIONS.map(|(op, _)| (op.to_owned(), count)).into(),
            unsteady: Vec::new(),
        };
        let results = |rust| Results {
            series: String::new(),
            release: String::new(),
            toolchain: BTreeMap::new(),
            goal: GOAL,
            rows: vec![row("C", 1000), row("Rust", rust)],
            sizes: BTreeMap::new(),
        };
        assert!(print(&results(1050)).ends_with("within 1.05 of C's"));
        assert!(print(&results(1051)).ends_with("read 4 KiB on x, write 4 KiB on x"));
    }
}
