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
