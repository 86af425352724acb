use std::sync::LazyLock;

use super::*;
use crate::judge::ktap::Test;

/// What machine files with the 16 MiB part and seed 1 get.
static IMAGE: LazyLock<Image> = LazyLock::new(|| Image::new(1, 16 << 20));
/// As machine files with the Cadence controller have it.
static DRIVER: LazyLock<Vec<String>> = LazyLock::new(|| {
    let text = include_str!("../../../data/machines/amd-versal-virt.toml");
    let machine: crate::data::machine::Machine = toml::from_str(text).expect("it is right");
    machine.path
});
const LIMIT: Ended = Ended::TimeLimit { seconds: 1 };

fn scenario(name: &str) -> Scenario {
    let text = match name {
        "controller-unbind" => include_str!("../../../data/scenarios/controller-unbind.toml"),
        "flash-unbind" => include_str!("../../../data/scenarios/flash-unbind.toml"),
        "held-fd" => include_str!("../../../data/scenarios/held-fd.toml"),
        _ => panic!("no scenario {name}"),
    };
    toml::from_str(text).expect("the scenario file is right")
}

fn control_line() -> String {
    format!("LAB: control mtd0 {} {}", IMAGE.size(), IMAGE.sha256)
}

const SPLAT: [&str; 3] = [
    "BUG: KASAN: slab-use-after-free in spi_nor_read+0x1/0x2",
    "Call trace:",
    " spi_nor_read+0x1/0x2",
];
const MARKER: &str = "# marker: unbind controller cycle 1";

fn stock(lines: &[&str]) -> Verdict {
    let scenario = scenario("controller-unbind");
    let asked = Asked {
        scenario: &scenario,
        driver: &DRIVER,
        image: &IMAGE,
        cycles: 2,
    };
    judge_stock(&Console::parse(&lines.join("\n")), &Ended::Panic, asked)
}

fn unclear(verdict: &Verdict, reason: &str) {
    match verdict {
        Verdict::Inconclusive { why } => assert!(why.contains(reason), "{why}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn stock_fails_in_the_path_after_the_unbind() {
    let verdict = stock(&[&control_line(), MARKER, SPLAT[0], SPLAT[1], SPLAT[2]]);
    let failed = Verdict::Failed {
        why: SPLAT[0].to_owned(),
        function: Some("spi_nor_read".to_owned()),
        after: Some("unbind controller cycle 1".to_owned()),
    };
    assert_eq!(verdict, failed);
}

#[test]
fn stock_is_inconclusive_otherwise() {
    let control = control_line();
    unclear(&stock(&[MARKER, SPLAT[0]]), "no control run");
    let wrong = control.replace(&IMAGE.sha256, &"0".repeat(64));
    unclear(&stock(&[&wrong, MARKER, SPLAT[0]]), "wrong data");
    unclear(&stock(&[&control, SPLAT[0], MARKER]), "before any unbind");
    unclear(&stock(&[&control, SPLAT[0]]), "before any unbind");
    unclear(
        &stock(&[MARKER, &control, SPLAT[0]]),
        "came after an unbind",
    );
    unclear(&stock(&[&control, MARKER]), "no splat");
    let elsewhere = "WARNING: net/x.c:1 at net_rx+0x1/0x2, CPU#0: x/1";
    // The first splat decides, not one that follows from it.
    let lines = [
        &control,
        MARKER,
        elsewhere,
        "Call trace:",
        " net_rx+0x1/0x2",
    ];
    let mut lines = lines.to_vec();
    lines.extend(["---[ end trace 0 ]---", SPLAT[0]]);
    unclear(&stock(&lines), "not in the path");
}

/// A log of a kernel that does everything right.
fn good_log() -> Vec<String> {
    let mut log = vec![control_line()];
    for cycle in 1..=2 {
        let (offset, length) = (cycle * 1000, 77);
        let hash = IMAGE.fnv1a(offset, length).expect("it is inside");
        log.push(format!("# marker: unbind controller cycle {cycle}"));
        log.push(format!(
            "# cycle {cycle} inside 4 unbind_us 5000 chunk 65536"
        ));
        log.push(format!(
            "# window {cycle} offset {offset} length {length} fnv1a {hash:016x} back_ms 3"
        ));
    }
    log.push(control_line().replace("control", "final"));
    log.push("LAB: done".to_owned());
    log
}

fn good_results() -> Results {
    let tests = scenario("controller-unbind").tests.into_iter();
    let status = Status::Pass;
    Results {
        tests: tests.map(|name| Test { name, status }).collect(),
        errors: 0,
    }
}

fn patched(log: &[String], results: &Results, ended: &Ended) -> Verdict {
    let scenario = scenario("controller-unbind");
    let asked = Asked {
        scenario: &scenario,
        driver: &DRIVER,
        image: &IMAGE,
        cycles: 2,
    };
    judge_patched(&Console::parse(&log.join("\n")), results, ended, asked)
}

fn failed(verdict: &Verdict, reason: &str) {
    match verdict {
        Verdict::Failed { why, .. } => assert!(why.contains(reason), "{why}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn patched_passes_when_all_is_right() {
    let passed = Verdict::Passed {
        cycles: 2,
        longest_unbind_us: 5000,
        inside: 8,
    };
    assert_eq!(patched(&good_log(), &good_results(), &Ended::Done), passed);
}

const NO_FLASH: &str = "no FlexSPI model";

/// What a guest says that finds no flash.
const SKIP: [&str; 6] = [
    "LAB: control no MTD",
    "LAB: start unbind_busy",
    "TAP version 13",
    "1..0 # SKIP there is no MTD",
    "LAB: end unbind_busy 4",
    "LAB: done",
];

fn skipped(lines: &[&str], ended: &Ended) -> Verdict {
    let scenario = scenario("controller-unbind");
    let asked = Asked {
        scenario: &scenario,
        driver: &[],
        image: &IMAGE,
        cycles: 2,
    };
    judge_skip(&Console::parse(&lines.join("\n")), ended, asked, NO_FLASH)
}

#[test]
fn a_skip_is_what_the_tests_say_themselves() {
    let verdict = skipped(&SKIP, &Ended::Done);
    let why = NO_FLASH.to_owned();
    assert_eq!(verdict, Verdict::Skipped { why });
    // Each of them has to be there.
    for left_out in [0, 1, 3, 4] {
        let mut lines = SKIP.to_vec();
        lines.remove(left_out);
        unclear(&skipped(&lines, &Ended::Done), "did not say");
    }
    // Skipped for another reason, or not at all.
    for (from, to) in [
        (3, "1..0 # SKIP only root can unbind drivers"),
        (4, "LAB: end unbind_busy 0"),
    ] {
        let mut lines = SKIP.to_vec();
        lines[from] = to;
        unclear(&skipped(&lines, &Ended::Done), "did not say");
    }
    // Did not get that far, or not without a report.
    unclear(&skipped(&SKIP[..2], &LIMIT), "did not say");
    unclear(&skipped(&SKIP, &LIMIT), "no end");
    let report = [&SPLAT[..], &SKIP].concat();
    unclear(&skipped(&report, &Ended::Done), "slab-use-after-free");
    // There is an MTD after all.
    let control = control_line();
    let found = [&[control.as_str()], &SKIP[..]].concat();
    unclear(&skipped(&found, &Ended::Done), "there is an MTD");
    unclear(&skipped(&[&control], &Ended::Done), "did not say");
}

#[test]
fn a_skip_is_none_where_there_has_to_be_a_flash() {
    unclear(&stock(&SKIP), "no control run");
    let log = SKIP.map(str::to_owned);
    unclear(
        &patched(&log, &Results::default(), &Ended::Done),
        "no control run",
    );
}

#[test]
fn the_drivers_functions_are_the_machines() {
    let scenario = scenario("controller-unbind");
    let control = control_line();
    let splat = SPLAT.map(|line| line.replace("spi_nor_read", "npcm_fiu_uma_read"));
    let lines = [&control, MARKER, &splat[0], &splat[1], &splat[2]];
    let console = Console::parse(&lines.join("\n"));
    let judge = |driver: &[String]| {
        let asked = Asked {
            scenario: &scenario,
            driver,
            image: &IMAGE,
            cycles: 2,
        };
        judge_stock(&console, &Ended::Panic, asked)
    };
    unclear(&judge(&[]), "not in the path");
    match judge(&["npcm_fiu_*".to_owned()]) {
        Verdict::Failed { function, .. } => {
            assert_eq!(function.as_deref(), Some("npcm_fiu_uma_read"));
        }
        other => panic!("{other:?}"),
    }
}

fn restarted(lines: &[&str], ended: &Ended) -> Verdict {
    let text = include_str!("../../../data/scenarios/restart-under-read.toml");
    let scenario: Scenario = toml::from_str(text).expect("the scenario file is right");
    let asked = Asked {
        scenario: &scenario,
        driver: &DRIVER,
        image: &IMAGE,
        cycles: 1,
    };
    judge_restart(&Console::parse(&lines.join("\n")), ended, asked)
}

/// A scenario whose program makes the control run.
fn of_program(log: &[&str], stock: bool) -> Verdict {
    let mut scenario = scenario("controller-unbind");
    scenario.control = Control::Program;
    scenario.tests.clear();
    let image = Image::new(1, 0);
    let asked = Asked {
        scenario: &scenario,
        driver: &DRIVER,
        image: &image,
        cycles: 1,
    };
    let console = Console::parse(&log.join("\n"));
    match stock {
        true => judge_stock(&console, &Ended::Panic, asked),
        false => judge_patched(&console, &Results::default(), &Ended::Done, asked),
    }
}

#[test]
fn a_program_makes_its_own_control_run() {
    let file = |when: &str| format!("# file {when} 1000 {}", Image::new(1, 1000).sha256);
    let (control, first) = (file("control"), file("1"));
    let cycle = "# cycle 1 inside 4 unbind_us 5000 chunk 0";
    let good = [&control, MARKER, cycle, &first];
    assert_eq!(
        of_program(&good, false),
        Verdict::Passed {
            cycles: 1,
            longest_unbind_us: 5000,
            inside: 4
        }
    );
    failed(&of_program(&good[..3], false), "no file read after 1");
    let other = first.replace("1000 ", "999 ");
    let log = [&control, MARKER, cycle, &other];
    failed(&of_program(&log, false), "wrong data in 1 files");
    let splat = [&control, MARKER, SPLAT[0], SPLAT[1], SPLAT[2]];
    failed(&of_program(&splat, true), "slab-use-after-free");
    unclear(&of_program(&splat[1..], true), "no control run");
    let late = [MARKER, &control, SPLAT[0], SPLAT[1], SPLAT[2]];
    unclear(&of_program(&late, true), "came after an unbind");
    let wrong = [&control.replace("1000 ", "999 "), MARKER, SPLAT[0]];
    unclear(&of_program(&wrong, true), "read wrong data");
}

#[test]
fn a_restart_is_clean_or_has_failed() {
    let control = control_line();
    let marker = "# marker: restart while 4 readers read";
    let restart = "reboot: Restarting system";
    let gone = Ended::Exited {
        status: "exit status: 0".into(),
    };
    assert_eq!(
        restarted(&[&control, marker, restart], &gone),
        Verdict::Restarted { readers: 4 }
    );
    // A report, or a restart that does not come, is a failure.
    let dirty = [&control, marker, SPLAT[0], SPLAT[1], SPLAT[2], restart];
    failed(&restarted(&dirty, &gone), "slab-use-after-free");
    failed(&restarted(&[&control, marker], &LIMIT), "no restart");
    failed(&restarted(&[&control, marker], &gone), "no restart");
    let lost = Ended::Exited {
        status: "signal: 9 (SIGKILL)".into(),
    };
    failed(
        &restarted(&[&control, marker, restart], &lost),
        "no restart",
    );
    // Not what was asked for.
    unclear(&restarted(&[marker, restart], &gone), "no control run");
    unclear(&restarted(&[&control, restart], &gone), "not announced");
    let fewer = marker.replace('4', "3");
    unclear(
        &restarted(&[&control, &fewer, restart], &gone),
        "not announced",
    );
    unclear(
        &restarted(&[&control, SPLAT[0], marker, restart], &gone),
        "before the restart",
    );
}

// The logs of lab/fixtures/ are consoles as QEMU wrote them, and what the
// kernel's parser made of them.

fn fixture_stock(log: &str, name: &str, ended: &Ended) -> Verdict {
    let scenario = scenario(name);
    let asked = Asked {
        scenario: &scenario,
        driver: &DRIVER,
        image: &IMAGE,
        cycles: scenario.cycles(5),
    };
    judge_stock(&Console::parse(log), ended, asked)
}

fn fixture_patched(log: &str, ktap: &str, name: &str, ended: &Ended) -> Verdict {
    let scenario = scenario(name);
    let asked = Asked {
        scenario: &scenario,
        driver: &DRIVER,
        image: &IMAGE,
        cycles: scenario.cycles(5),
    };
    let results = crate::judge::ktap::parse(ktap).expect("the fixture is right");
    judge_patched(&Console::parse(log), &results, ended, asked)
}

macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!("../../../fixtures/", $name))
    };
}

#[test]
fn real_stock_crashes_are_failures() {
    for (log, name, title, within, marker) in [
        (
            fixture!("stock-controller-unbind.log"),
            "controller-unbind",
            "Unable to handle kernel paging request",
            "cqspi_indirect_read_execute",
            "unbind controller cycle 1",
        ),
        (
            // Eight CPUs, and a kernel that names the caller in each line.
            fixture!("stock-controller-unbind-versal2.log"),
            "controller-unbind",
            "Unable to handle kernel paging request",
            "cqspi_indirect_read_execute",
            "unbind controller cycle 1",
        ),
        (
            fixture!("stock-flash-unbind.log"),
            "flash-unbind",
            "BUG: KASAN: slab-use-after-free in spi_mem_access_end",
            "spi_mem_access_end",
            "unbind flash cycle 1",
        ),
        (
            fixture!("stock-held-fd.log"),
            "held-fd",
            "BUG: KASAN: slab-use-after-free in mtdchar_read",
            "mtdchar_read",
            "flash read",
        ),
    ] {
        match fixture_stock(log, name, &Ended::Panic) {
            Verdict::Failed {
                why,
                function,
                after,
            } => {
                assert!(why.starts_with(title), "{why}");
                assert_eq!(function.as_deref(), Some(within));
                assert_eq!(after.as_deref(), Some(marker));
            }
            other => panic!("{name}: {other:?}"),
        }
    }
}

#[test]
fn a_crash_elsewhere_is_not_this_scenarios() {
    // A real crash, in a function of another name.
    let log = fixture!("stock-held-fd.log").replace("mtdchar_read", "other_read");
    let verdict = fixture_stock(&log, "held-fd", &Ended::Panic);
    unclear(&verdict, "not in the path under test: BUG: KASAN");
}

#[test]
fn real_patched_runs_pass() {
    let log = fixture!("patched-controller-unbind.log");
    let ktap = fixture!("patched-controller-unbind.ktap.json");
    match fixture_patched(log, ktap, "controller-unbind", &Ended::Done) {
        Verdict::Passed { cycles, inside, .. } => assert_eq!((cycles, inside), (5, 20)),
        other => panic!("{other:?}"),
    }
    let log = fixture!("patched-held-fd.log");
    let ktap = fixture!("patched-held-fd.ktap.json");
    match fixture_patched(log, ktap, "held-fd", &Ended::Done) {
        Verdict::Passed { cycles, .. } => assert_eq!(cycles, 4),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_real_pass_is_none_for_a_stock_kernel() {
    let log = fixture!("patched-controller-unbind.log");
    let verdict = fixture_stock(log, "controller-unbind", &Ended::Done);
    unclear(&verdict, "no splat");
}

#[test]
fn a_real_hang_is_no_pass_and_no_stock_failure() {
    let log = fixture!("hang.log");
    let ktap = fixture!("hang.ktap.json");
    let verdict = fixture_patched(log, ktap, "controller-unbind", &LIMIT);
    failed(
        &verdict,
        "no end after 1 s; missing: controller.op_in_flight",
    );
    unclear(&fixture_stock(log, "controller-unbind", &LIMIT), "no end");
}

#[test]
fn a_real_wrong_device_tree_is_inconclusive() {
    // The controller's compatible is misspelt: there is no MTD.
    let log = fixture!("wrong-device-tree.log");
    let verdict = fixture_stock(log, "flash-unbind", &Ended::Done);
    unclear(&verdict, "no control run");
    // Fast reads are asked for, which the model shifts by a byte. The crash that
    // follows is the expected one, but nothing is known to have worked before.
    let log = fixture!("wrong-data.log");
    let verdict = fixture_stock(log, "flash-unbind", &Ended::Panic);
    unclear(&verdict, "wrong data");
}

#[test]
fn a_real_crash_before_the_marker_is_inconclusive() {
    let log = fixture!("early-crash.log");
    let verdict = fixture_stock(log, "held-fd", &Ended::Panic);
    unclear(&verdict, "before any unbind: BUG: KASAN");
    let results = Results::default();
    let scenario = scenario("held-fd");
    let asked = Asked {
        scenario: &scenario,
        driver: &DRIVER,
        image: &IMAGE,
        cycles: 4,
    };
    unclear(
        &judge_patched(&Console::parse(log), &results, &Ended::Panic, asked),
        "no unbind",
    );
}

#[test]
fn patched_needs_every_test() {
    let log = good_log();
    let mut results = good_results();
    let last = results.tests.len() - 1;
    for (status, reason) in [
        (Status::Skip, "skipped: lockdep.still_on"),
        (Status::Fail, "not ok: lockdep.still_on"),
        (Status::Error, "crashed: lockdep.still_on"),
    ] {
        results.tests[last].status = status;
        failed(&patched(&log, &results, &Ended::Done), reason);
    }
    let mut fewer = good_results();
    fewer.tests.pop();
    failed(
        &patched(&log, &fewer, &Ended::Done),
        "missing: lockdep.still_on",
    );
    let mut more = good_results();
    more.tests.push(Test {
        name: "surprise".to_owned(),
        status: Status::Pass,
    });
    failed(
        &patched(&log, &more, &Ended::Done),
        "unexpected test: surprise",
    );
    let mut twice = good_results();
    twice.tests.push(twice.tests[0].clone());
    failed(
        &patched(&log, &twice, &Ended::Done),
        "twice: controller.op_in_flight",
    );
    let mut faulty = good_results();
    faulty.errors = 1;
    failed(
        &patched(&log, &faulty, &Ended::Done),
        "faults in the KTAP output",
    );
}

#[test]
fn patched_needs_every_cycle_whole_and_in_time() {
    let results = good_results();
    let replaced = |from: &str, to: &str| {
        let log: Vec<_> = good_log().iter().map(|it| it.replace(from, to)).collect();
        patched(&log, &results, &Ended::Done)
    };
    failed(&replaced("# cycle 2", "# bicycle"), "1 of 2 cycles");
    failed(
        &replaced("cycle 2 inside 4", "cycle 2 inside 3"),
        "without every reader",
    );
    failed(
        &replaced("unbind_us 5000", "unbind_us 20000001"),
        "took 20000001 us",
    );
    failed(
        &replaced("length 77", "length 78"),
        "wrong data after 2 cycles",
    );
    failed(
        &replaced("# window 2", "# widow"),
        "not checked after 1 cycles",
    );
    failed(
        &replaced("LAB: final", "LAB: nothing"),
        "not checked at the end",
    );
    failed(&patched(&good_log(), &results, &LIMIT), "no end after 1 s");
}

#[test]
fn patched_fails_on_any_splat_and_says_where() {
    let mut log = good_log();
    log.insert(
        3,
        "INFO: task cat:7 blocked for more than 30 seconds.".to_owned(),
    );
    let verdict = patched(&log, &good_results(), &Ended::Panic);
    failed(&verdict, "blocked for more than");
    // Before anything was tried it says nothing about the series.
    let mut log = good_log();
    log.insert(0, SPLAT[0].to_owned());
    let verdict = patched(&log, &good_results(), &Ended::Panic);
    unclear(&verdict, "before any unbind");
    unclear(&patched(&[], &Results::default(), &LIMIT), "no control run");
}

#[test]
fn nothing_said_shows_nothing() {
    for variant in [Variant::Stock, Variant::Series { upto: None }] {
        let why = Ended::Silent { seconds: 9 }.to_string();
        assert!(why.contains("said nothing in 9 s"), "{why}");
        for stock in [Stock::Fails, Stock::Survives] {
            let verdict = Verdict::Inconclusive { why: why.clone() };
            assert!(!is_expected(variant, stock, &verdict));
        }
    }
}
