//! The proof that the test for board farms tells a kernel that survives from one that does
//! not: labgrid runs it on QEMU in a board's place.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::base::files::{self, write_whole};
use crate::base::{interrupt, process, ui};
use crate::board::pack::{self, Files};
use crate::board::venv::Venv;
use crate::board::{expected, uboot};
use crate::build::kernel::Kernel;
use crate::build::variant::Variant;
use crate::build::{kernels, make};
use crate::data::board::{self, Board};
use crate::data::image::Image;
use crate::data::machine::Machine;
use crate::lab::Lab;
use crate::run::{dtb, guest};
use crate::toolchain::arch::Arch;
use crate::toolchain::enter::Bind;

/// The tests of judge.py itself.
const OWN_TESTS: &str = "test_judge.py";

/// The board that no machine is: Stratix 10's controller and module on another machine.
const STAND_IN: &str = "stratix10-socdk";

const SEED: u64 = 1;

/// From the power button to the last line, under KASAN, on a busy host. A stock kernel
/// that hangs takes all of it.
const SECONDS: u64 = 420;

/// Fewer than on a board: each takes about two seconds.
const CYCLES: u32 = 5;

/// QEMU's own machine, as U-Boot's leg has it.
const VIRT: &str = "virt";

const VIRT_CPU: &str = "cortex-a53";

const VIRT_MEMORY: &str = "2G";

/// Where the toolchain sees the directory that is run.
const BOARD: &str = "/boot/board";

/// One run of pytest with labgrid, and what has to come of it.
struct Leg<'a> {
    name: &'static str,
    about: &'static str,
    kernel: &'a Kernel,
    place: Place,
    /// Whose files are booted, or whose controller is on the machine.
    board: &'static str,
    wanted: Wanted,
}

/// What QEMU emulates.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// One of the lab's machines, with the CPU that labgrid has to ask for. QEMU loads the
    /// kernel.
    Machine(&'static str, &'static str),
    /// QEMU's own machine, on which U-Boot is told to fetch the kernel from a network. It
    /// has no flash.
    UBoot,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    /// Every test passed but for those that would write.
    Pass,
    /// A report of the kernel after the first unbind.
    Report,
    /// Nothing but skipped tests.
    Skips,
}

/// What test_unbind.py leaves.
#[derive(Clone, Debug, Deserialize)]
struct Verdict {
    name: String,
    why: Vec<String>,
    counts: BTreeMap<String, u32>,
}

/// A row of out/board-prove.json.
#[derive(Debug, Serialize)]
struct Row {
    leg: String,
    about: String,
    kernel: String,
    source: String,
    pytest: String,
    verdict: String,
    counts: BTreeMap<String, u32>,
    why: Vec<String>,
    /// What is not as it has to be; empty if all is.
    wrong: Vec<String>,
}

/// The verb `board --prove`.
pub fn prove(lab: &Lab, variant: &Variant) -> Result<ExitCode> {
    let venv = Venv::ensure(lab)?;
    let patched = kernels::build(lab, variant, board::CONFIG, Arch::Arm64)?;
    let stock = kernels::build(lab, &Variant::Stock, board::CONFIG, Arch::Arm64)?;
    let versal = |name, about, kernel, wanted| Leg {
        name,
        about,
        kernel,
        place: Place::Machine("amd-versal-virt", "cortex-a72"),
        board: STAND_IN,
        wanted,
    };
    let imx = |name| Leg {
        name,
        about: "the board's own files on QEMU's model of it, without FlexSPI: skips are no passes",
        kernel: &patched,
        place: Place::Machine(name, "cortex-a53"),
        board: name,
        wanted: Wanted::Skips,
    };
    let legs = [
        versal(
            "series",
            "with the series the test passes",
            &patched,
            Wanted::Pass,
        ),
        versal(
            "stock",
            "stock: the test fails, by what the kernel reports after the unbind",
            &stock,
            Wanted::Report,
        ),
        Leg {
            name: "uboot",
            about: "fetched and started by U-Boot, on a machine without a flash",
            kernel: &patched,
            place: Place::UBoot,
            board: "imx8mp-evk",
            wanted: Wanted::Skips,
        },
        imx("imx8mm-evk"),
        imx("imx8mp-evk"),
    ];
    judge_is_tested(lab, &venv)?;
    let mut rows = Vec::new();
    for leg in &legs {
        let step = lab.ui.step(format!("labgrid on QEMU: {}", leg.name));
        let row = run(lab, &venv, leg)?;
        step.done(format!("{}, {}", row.pytest, row.verdict));
        rows.push(row);
    }

    let mut table = ui::table(["run", "kernel", "pytest", "verdict", "tests"]);
    for row in &rows {
        let counts: Vec<_> = row.counts.iter().map(|(k, v)| format!("{v} {k}")).collect();
        table.add_row([
            row.about.clone(),
            row.kernel.clone(),
            row.pytest.clone(),
            row.verdict.clone(),
            counts.join(", "),
        ]);
    }
    println!("{table}");
    for row in &rows {
        for wrong in &row.wrong {
            println!("{}: {wrong}", row.leg);
        }
    }
    let file = lab.paths.out().join("board-prove.json");
    write_whole(&file, &files::json(&rows)?)?;
    let good = rows.iter().filter(|row| row.wrong.is_empty()).count();
    println!(
        "{good} of {} as they should be; details in out/board-prove.json",
        rows.len()
    );
    Ok(match good == rows.len() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

fn run(lab: &Lab, venv: &Venv, leg: &Leg) -> Result<Row> {
    let dir = lab
        .paths
        .out()
        .join("board")
        .join(format!("qemu-{}", leg.name));
    pack(lab, leg, &dir)?;
    let log = lab.paths.log(&format!("board-prove-{}", leg.name));
    let more = ["--lg-env", "env.yaml"];
    let pytest = pytest(lab, venv, &dir, "test_unbind.py", &more, &log)?;
    let text = files::read(&dir.join("labgrid/verdict.json"))
        .with_context(|| format!("pytest ended without a verdict; see {}", log.display()))?;
    let verdict: Verdict = serde_json::from_slice(&text).context("verdict.json is wrong")?;
    Ok(Row {
        leg: leg.name.to_owned(),
        about: leg.about.to_owned(),
        kernel: leg.kernel.variant.to_string(),
        source: leg.kernel.source_id.clone(),
        wrong: wrong(leg.wanted, &pytest, &verdict),
        pytest,
        verdict: verdict.name,
        counts: verdict.counts,
        why: verdict.why,
    })
}

/// What of a run is not as it has to be.
fn wrong(wanted: Wanted, pytest: &str, verdict: &Verdict) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut ask = |good: bool, what: &str| {
        if !good {
            wrong.push(format!("{what}; {pytest}, {}", verdict.name));
        }
    };
    let count = |name: &str| verdict.counts.get(name).copied().unwrap_or_default();
    let says = |text: &str| verdict.why.iter().any(|it| it.contains(text));
    match wanted {
        Wanted::Pass => {
            ask(pytest == "1 passed", "pytest did not pass");
            ask(verdict.name == "passed", "no pass");
            let others = count("failed") + count("missing");
            ask(count("passed") > 0 && others == 0, "not every test passed");
        }
        Wanted::Report => {
            ask(pytest == "1 failed", "pytest did not fail");
            ask(verdict.name == "failed", "nothing failed");
            let report = "the kernel reported, after the first unbind: ";
            ask(says(report), "no report after the unbind");
        }
        Wanted::Skips => {
            ask(pytest == "1 failed", "pytest did not fail");
            ask(verdict.name == "inconclusive", "this shows something");
            ask(says("skipped: "), "nothing was skipped");
            ask(count("passed") == 0, "a test passed");
        }
    }
    wrong
}

/// As for a board, but for the environment, and with what the flash holds.
fn pack(lab: &Lab, leg: &Leg, dir: &Path) -> Result<()> {
    let board = Board::load(&lab.paths, leg.board)?;
    let initramfs = guest::initramfs(lab, leg.kernel)?;
    let initramfs = pack::compressed(lab, &initramfs)?;
    let mut files = BTreeMap::from([
        ("Image".to_owned(), files::read(&leg.kernel.image)?),
        (uboot::INITRAMFS.to_owned(), initramfs),
    ]);
    match leg.place {
        Place::Machine(name, cpu) => add_machine(lab, leg, name, cpu, &board, &mut files)?,
        Place::UBoot => add_uboot(lab, &board, &mut files)?,
    }
    let expected = expected::expected(&lab.paths, &board, SECONDS)?;
    pack::add_tests(&lab.paths, &expected, &mut files)?;
    pack::write_dir(dir, &files)
}

fn add_machine(
    lab: &Lab,
    leg: &Leg,
    name: &str,
    cpu: &str,
    board: &Board,
    files: &mut Files,
) -> Result<()> {
    let machine = Machine::load(&lab.paths, name, None)?;
    let blob = match leg.board == name {
        true => make::device_tree(lab, leg.kernel, &board.device_tree)?,
        false => {
            let compatible = machine.compatible(&board.controller)?;
            let made = lab.paths.out().join("boot/board").join(leg.name);
            std::fs::create_dir_all(&made)
                .with_context(|| format!("cannot make {}", made.display()))?;
            dtb::build(
                lab,
                &machine,
                compatible,
                &[],
                &leg.kernel.source_dir,
                &made,
            )?
        }
    };
    files.insert("board.dtb".to_owned(), files::read(&blob)?);
    let environment = environment(&machine, board, cpu)?;
    files.insert("labgrid/env.yaml".to_owned(), environment.into_bytes());
    if let Some(flash) = &machine.flash {
        let image = Image::new(SEED, flash.size);
        files.insert("flash.bin".to_owned(), image.bytes().to_vec());
    }
    Ok(())
}

fn add_uboot(lab: &Lab, board: &Board, files: &mut Files) -> Result<()> {
    let uboot = lab.toolchain.uboot(Arch::Arm64, &lab.ui)?;
    files.insert("u-boot.bin".to_owned(), files::read(&uboot)?);
    let work = tempfile::tempdir_in(lab.paths.out()).context("cannot make a directory")?;
    let binds = [
        Bind::writable(work.path(), "/boot/machine"),
        Bind::read_only(&uboot, "/boot/u-boot.bin"),
    ];
    let qemu = Arch::Arm64.qemu();
    let mut dump = lab.toolchain.command(&binds, qemu);
    dump.args(["-M", &format!("{VIRT},dumpdtb=/boot/machine/virt.dtb")])
        // With firmware the machine has other devices.
        .args(["-bios", "/boot/u-boot.bin"])
        .args(["-cpu", VIRT_CPU, "-m", VIRT_MEMORY, "-display", "none"]);
    process::output(&mut dump).context("QEMU gives no device tree for its own machine")?;
    let blob = files::read(&work.path().join("virt.dtb"))?;
    files.insert("virt.dtb".to_owned(), blob);
    let steps = uboot::UBoot::in_place_of(board, "virt", "ttyAMA0");
    files.insert("uboot.json".to_owned(), files::json(&steps)?);
    files.insert(
        "labgrid/env.yaml".to_owned(),
        format!(
            r#"# labgrid environment: QEMU's own machine, with U-Boot, and QEMU as TFTP server.
targets:
  main:
    drivers:
      QEMUDriver:
        qemu_bin: {qemu}
        machine: {VIRT}
        cpu: {VIRT_CPU}
        memory: {VIRT_MEMORY}
        bios: uboot
        extra_args: -no-reboot
        nic: !template "user,model=virtio-net-pci,tftp=$BASE/.."
      UBootDriver:
        prompt: "=> "
        login_timeout: 60
      KernelStrategy: {{}}
images:
  uboot: ../u-boot.bin
imports:
  - kernel_strategy.py
"#
        )
        .into_bytes(),
    );
    Ok(())
}

/// The machine for labgrid's QEMUDriver, with the kernel's words of a board.
fn environment(machine: &Machine, board: &Board, cpu: &str) -> Result<String> {
    let (mut kind, mut memory) = (None, None);
    let mut more = vec!["-no-reboot".to_owned()];
    let mut words = machine.qemu.iter();
    while let Some(word) = words.next() {
        let mut value = || words.next().cloned();
        match word.as_str() {
            "-M" => kind = value(),
            "-m" => memory = value(),
            _ => more.push(word.clone()),
        }
    }
    more.extend([
        "-initrd".to_owned(),
        format!("$BASE/../{}", uboot::INITRAMFS),
    ]);
    if let Some(flash) = &machine.flash {
        more.extend(Machine::drive(flash, "$BASE/../flash.bin"));
    }
    // labgrid adds its own behind these.
    for _ in 0..machine.serial_port {
        more.extend(["-serial".to_owned(), "none".to_owned()]);
    }
    let (kind, memory) = kind
        .zip(memory)
        .with_context(|| format!("machine {} has no -M or no -m", machine.name))?;
    Ok(format!(
        r#"# labgrid environment: QEMU in a board's place.
targets:
  main:
    drivers:
      QEMUDriver:
        qemu_bin: {program}
        machine: "{kind}"
        cpu: {cpu}
        memory: {memory}
        kernel: kernel
        dtb: dtb
        boot_args: "{words} MTD_TEST_CYCLES={CYCLES}"
        extra_args: !template "{more}"
      KernelStrategy: {{}}
images:
  kernel: ../Image
  dtb: ../board.dtb
imports:
  - kernel_strategy.py
"#,
        words = board.words_with(&machine.console),
        more = more.join(" "),
        program = machine.arch.qemu(),
    ))
}

/// Runs pytest on a board's directory; its last line, without time.
fn pytest(
    lab: &Lab,
    venv: &Venv,
    dir: &Path,
    test: &str,
    more: &[&str],
    log: &Path,
) -> Result<String> {
    process::fresh_log(log)?;
    let binds = [Bind::writable(dir, BOARD)];
    let mut python = venv.python(lab, &format!("{BOARD}/labgrid"), &binds);
    // What labgrid cannot stop, for instance a machine that says nothing, ends here.
    let limit = std::time::Duration::from_secs(SECONDS + 180);
    python
        // QEMU takes /tmp for a place that is too small.
        .env("TMPDIR", "/tmp/.")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .args(["-m", "pytest", "-p", "no:cacheprovider", "-q"])
        .args(more)
        .arg(test);
    let mut last = String::new();
    let result = process::run_logged_within(&mut python, log, Some(limit), |line| {
        if let Some(summary) = summary(line) {
            summary.clone_into(&mut last);
        }
    });
    interrupt::check_interrupted()?;
    if last.is_empty() {
        let why = result
            .err()
            .map_or_else(String::new, |it| format!("{it:#}"));
        bail!(
            "pytest says nothing of its tests; see {}: {why}",
            log.display()
        );
    }
    let summary = last;
    // Its word and its exit status have to agree.
    let failed = summary.contains("failed") || summary.contains("error");
    match result {
        Ok(()) if failed => bail!("pytest failed, and its exit status is 0"),
        Err(error) if !failed => Err(error),
        _ => Ok(summary),
    }
}

/// What a line of pytest counts, if that is what it does: `1 failed in 162.15s (0:02:42)`.
fn summary(line: &str) -> Option<&str> {
    let (counts, time) = line.trim_matches(['=', ' ']).split_once(" in ")?;
    let time = time.split(' ').next()?.strip_suffix('s')?;
    let counted = counts.starts_with(|c: char| c.is_ascii_digit());
    (counted && time.parse::<f64>().is_ok()).then_some(counts)
}

fn judge_is_tested(lab: &Lab, venv: &Venv) -> Result<()> {
    let step = lab.ui.step("Testing judge.py");
    let work = tempfile::tempdir_in(lab.paths.out()).context("cannot make a directory")?;
    let mut files = BTreeMap::new();
    let board = Board::load(&lab.paths, STAND_IN)?;
    let expected = expected::expected(&lab.paths, &board, SECONDS)?;
    pack::add_tests(&lab.paths, &expected, &mut files)?;
    let own = files::read(&pack::tests(&lab.paths).join(OWN_TESTS))?;
    files.insert(format!("labgrid/{OWN_TESTS}"), own);
    let place = work.path().join("judge");
    pack::write_dir(&place, &files)?;
    let log = lab.paths.log("board-judge");
    let summary = pytest(lab, venv, &place, OWN_TESTS, &[], &log)?;
    if summary.contains("failed") || summary.contains("skipped") || !summary.contains("passed") {
        let mut text = String::new();
        write!(text, "judge.py: {summary}; see {}", log.display())?;
        bail!(text);
    }
    step.done(summary);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::paths::Paths;

    fn verdict(name: &str, why: &[&str], counts: &[(&str, u32)]) -> Verdict {
        Verdict {
            name: name.to_owned(),
            why: why.iter().map(|it| (*it).to_owned()).collect(),
            counts: counts.iter().map(|(k, v)| ((*k).to_owned(), *v)).collect(),
        }
    }

    #[test]
    fn each_leg_takes_its_own_end_only() {
        let passed = verdict("passed", &[], &[("passed", 50), ("skipped", 4)]);
        let report = "the kernel reported, after the first unbind: BUG: KASAN: x";
        let failed = verdict("failed", &[report], &[("failed", 3)]);
        let other = verdict("failed", &["unbind_busy: did not end"], &[]);
        let skipped = verdict("inconclusive", &["a: skipped: no MTD"], &[]);
        let all = [
            ("1 passed", &passed),
            ("1 failed", &failed),
            ("1 failed", &other),
            ("1 failed", &skipped),
        ];
        let right = |wanted| all.map(|(pytest, it)| wrong(wanted, pytest, it).is_empty());
        assert_eq!(right(Wanted::Pass), [true, false, false, false]);
        assert_eq!(right(Wanted::Report), [false, true, false, false]);
        assert_eq!(right(Wanted::Skips), [false, false, false, true]);
        assert!(!wrong(Wanted::Pass, "1 skipped", &passed).is_empty());
    }

    #[test]
    fn counts_of_pytest_are_read() {
        assert_eq!(summary("20 passed in 0.46s"), Some("20 passed"));
        let long = "== 1 failed, 2 passed in 162.15s (0:02:42) ==";
        assert_eq!(summary(long), Some("1 failed, 2 passed"));
        assert_eq!(summary("unbind returns in 30s"), None);
        assert_eq!(summary("3 lines in total"), None);
    }

    #[test]
    fn the_environment_has_the_machine_and_the_words_of_a_board() -> Result<()> {
        let paths = Paths::find()?;
        let stand_in = Board::load(&paths, STAND_IN)?;
        let machine = Machine::load(&paths, "amd-versal-virt", None)?;
        let text = environment(&machine, &stand_in, "cortex-a72")?;
        assert!(text.contains("machine: \"amd-versal-virt,ospi-flash=is25wp128\""));
        assert!(text.contains("console=ttyAMA0 "));
        assert!(text.contains("LAB_MODULES=spi-cadence-quadspi "));
        assert!(text.contains(",file=$BASE/../flash.bin,"));
        assert!(machine.compatible(&stand_in.controller).is_ok());

        let board = Board::load(&paths, "imx8mp-evk")?;
        let machine = Machine::load(&paths, "imx8mp-evk", None)?;
        let text = environment(&machine, &board, "cortex-a53")?;
        assert!(text.contains("-smp 4 ") && text.contains(" -serial none\""));
        assert!(text.contains("console=ttymxc1,115200 ") && !text.contains("-drive"));
        Ok(())
    }
}
