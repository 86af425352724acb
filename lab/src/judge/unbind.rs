//! What a boot proves: pure functions from a console log to a verdict.

use crate::build::variant::Variant;
use crate::data::image::Image;
use crate::data::machine::is_on;
use crate::data::scenario::{Control, Scenario, Stock};
use crate::judge::console::{Console, Ended, FileRead, Splat};
use crate::judge::ktap::{Results, Status};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Failed {
        /// The first line of the first splat or, without any, what is wrong.
        why: String,
        /// The innermost function of the path under test in the splat's stack.
        function: Option<String>,
        /// The last thing announced before it.
        after: Option<String>,
    },
    Passed {
        cycles: u32,
        longest_unbind_us: u64,
        /// Readers that an unbind interrupted, over all cycles.
        inside: u32,
    },
    /// The machine restarted as it should.
    Restarted {
        /// Readers that read when it was told to.
        readers: u32,
    },
    /// There is nothing to test, as the machine's file says, and the tests said so too.
    Skipped { why: String },
    /// Nothing was shown, for or against.
    Inconclusive { why: String },
}

impl Verdict {
    pub fn name(&self) -> &'static str {
        match self {
            Self::Failed { .. } => "failed",
            Self::Passed { .. } | Self::Restarted { .. } => "passed",
            Self::Skipped { .. } => "skipped",
            Self::Inconclusive { .. } => "inconclusive",
        }
    }
}

/// What was asked of the guest.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    pub scenario: &'a Scenario,
    /// Functions of the machine's driver that are on the path under test as well.
    pub driver: &'a [String],
    pub image: &'a Image,
    pub cycles: u32,
}

/// A kernel without the series fails, or nothing is shown: it fails only if the same
/// boot read the right data before, the first splat comes after the first unbind, and
/// its stack has a function of the path under test.
pub fn judge_stock(console: &Console, ended: &Ended, asked: Asked) -> Verdict {
    if let Err(why) = control(console, asked) {
        return inconclusive(console, ended, why);
    }
    match console.splats.first() {
        Some(splat) => judge_splat(console, splat, asked),
        None => inconclusive(console, ended, "no splat".to_owned()),
    }
}

/// A kernel with the series passes only if everything is as it must be.
pub fn judge_patched(console: &Console, ktap: &Results, ended: &Ended, asked: Asked) -> Verdict {
    if let Err(why) = control(console, asked) {
        return inconclusive(console, ended, why);
    }
    let Some(unbind) = console.first_unbind() else {
        return inconclusive(console, ended, "no unbind".to_owned());
    };
    if let Some(splat) = console.splats.first() {
        if splat.line < unbind.line {
            return judge_splat(console, splat, asked);
        }
        let on_path = function_on_path(splat, asked);
        return Verdict::Failed {
            why: splat.title.clone(),
            function: on_path.or_else(|| splat.stack.first().cloned()),
            after: last_marker(console, splat.line),
        };
    }
    let mut wrong = Vec::new();
    if *ended != Ended::Done {
        wrong.push(ended.to_string());
    }
    wrong.extend(wrong_tests(ktap, asked.scenario));
    wrong.extend(wrong_cycles(console, asked));
    wrong.extend(wrong_data(console, asked));
    if !wrong.is_empty() {
        return Verdict::Failed {
            why: wrong.join("; "),
            function: None,
            after: last_marker(console, console.lines.len()),
        };
    }
    Verdict::Passed {
        cycles: asked.cycles,
        longest_unbind_us: longest_unbind_us(console),
        inside: console.cycles.iter().map(|it| it.inside).sum(),
    }
}

/// A kernel passes a restart under readers only if nothing is reported until the machine
/// goes, and it goes by itself.
pub fn judge_restart(console: &Console, ended: &Ended, asked: Asked) -> Verdict {
    if let Err(why) = control(console, asked) {
        return inconclusive(console, ended, why);
    }
    let expected = format!("restart while {} readers read", asked.scenario.readers);
    let Some(marker) = console.markers.iter().find(|it| it.text == expected) else {
        return inconclusive(console, ended, format!("not announced: {expected}"));
    };
    if let Some(splat) = console.splats.first() {
        if splat.line < marker.line {
            return inconclusive(console, ended, "a report before the restart".to_owned());
        }
        return Verdict::Failed {
            why: splat.title.clone(),
            function: splat.stack.first().cloned(),
            after: last_marker(console, splat.line),
        };
    }
    let restarts = console.lines[marker.line..]
        .iter()
        .any(|line| line == "reboot: Restarting system");
    // QEMU runs with -no-reboot: it ends when the machine restarts.
    let goes = matches!(ended, Ended::Exited { status } if status.starts_with("exit status: 0"));
    if !restarts || !goes {
        return Verdict::Failed {
            why: format!("no restart; {ended}"),
            function: None,
            after: Some(expected),
        };
    }
    Verdict::Restarted {
        readers: asked.scenario.readers,
    }
}

/// A machine without a flash is skipped only if the guest ran to its end without a report
/// and the test program, which was started, found no MTD. A machine that has one after
/// all, or a guest that did not get that far, is no skip.
pub fn judge_skip(console: &Console, ended: &Ended, asked: Asked, why: &str) -> Verdict {
    let program = &asked.scenario.program;
    let expected = [
        "LAB: control no MTD".to_owned(),
        format!("LAB: start {program}"),
        "1..0 # SKIP there is no MTD".to_owned(),
        // KSFT_SKIP
        format!("LAB: end {program} 4"),
    ];
    let mut lines = console.lines.iter();
    for expected in expected {
        if !lines.any(|line| *line == expected) {
            return inconclusive(console, ended, format!("the guest did not say: {expected}"));
        }
    }
    if !console.splats.is_empty() {
        return inconclusive(console, ended, "not skipped".to_owned());
    }
    if console.control.is_some() || console.last_control.is_some() {
        return inconclusive(console, ended, "there is an MTD".to_owned());
    }
    if *ended != Ended::Done {
        return inconclusive(console, ended, "no end".to_owned());
    }
    Verdict::Skipped {
        why: why.to_owned(),
    }
}

fn inconclusive(console: &Console, ended: &Ended, what: String) -> Verdict {
    let mut why = format!("{what}; {ended}");
    // What went wrong early is the likely reason.
    if let Some(splat) = console.splats.first() {
        why = format!("{why}; {}", splat.title);
    }
    Verdict::Inconclusive { why }
}

/// The control run of this very boot read what was put into the flash.
fn control(console: &Console, asked: Asked) -> Result<(), String> {
    match asked.scenario.control {
        Control::Flash => control_of_flash(console, asked),
        Control::Program => control_of_program(console, asked),
    }
}

/// What the program wrote, in the way under test but without any unbind, it read again.
fn control_of_program(console: &Console, asked: Asked) -> Result<(), String> {
    let mut files = console
        .files
        .iter()
        .filter(|it| it.cycle.is_none())
        .peekable();
    if files.peek().is_none() {
        return Err("no control run".to_owned());
    }
    let unbind = console.first_unbind().map_or(usize::MAX, |it| it.line);
    for file in files {
        if file.line > unbind {
            return Err("the control run came after an unbind".to_owned());
        }
        if !is_right(file, asked) {
            return Err("the control run read wrong data".to_owned());
        }
    }
    Ok(())
}

/// What follows from the seed is the start of any longer piece of it.
fn is_right(file: &FileRead, asked: Asked) -> bool {
    Image::new(asked.image.seed, file.size).sha256 == file.sha256
}

fn control_of_flash(console: &Console, asked: Asked) -> Result<(), String> {
    let Some(read) = &console.control else {
        return Err("no control run".to_owned());
    };
    if console
        .first_unbind()
        .zip(console.control_line)
        .is_some_and(|(unbind, control)| unbind.line < control)
    {
        return Err("the control run came after an unbind".to_owned());
    }
    if read.size != asked.image.size() || read.sha256 != asked.image.sha256 {
        return Err("the control run read wrong data".to_owned());
    }
    Ok(())
}

fn judge_splat(console: &Console, splat: &Splat, asked: Asked) -> Verdict {
    let why = match console.first_unbind() {
        Some(unbind) if unbind.line < splat.line => match function_on_path(splat, asked) {
            Some(function) => {
                return Verdict::Failed {
                    why: splat.title.clone(),
                    function: Some(function),
                    after: last_marker(console, splat.line),
                };
            }
            None => "not in the path under test",
        },
        _ => "before any unbind",
    };
    Verdict::Inconclusive {
        why: format!("{why}: {}", splat.title),
    }
}

fn function_on_path(splat: &Splat, asked: Asked) -> Option<String> {
    let mut stack = splat.stack.iter();
    let on_path = |it: &&String| is_on(&asked.scenario.path, it) || is_on(asked.driver, it);
    stack.find(on_path).cloned()
}

fn last_marker(console: &Console, line: usize) -> Option<String> {
    console.last_marker_before(line).map(|it| it.text.clone())
}

fn longest_unbind_us(console: &Console) -> u64 {
    console
        .cycles
        .iter()
        .map(|it| it.unbind_us)
        .max()
        .unwrap_or_default()
}

/// Exactly the expected tests, each once, all passed. A skip is not a pass.
fn wrong_tests(ktap: &Results, scenario: &Scenario) -> Vec<String> {
    let mut wrong = Vec::new();
    let count = |name: &str| ktap.tests.iter().filter(|it| it.name == name).count();
    for expected in &scenario.tests {
        match count(expected) {
            0 => wrong.push(format!("missing: {expected}")),
            1 => {}
            _ => wrong.push(format!("twice: {expected}")),
        }
    }
    for test in &ktap.tests {
        // A result that is missing has no name, and was counted above.
        if test.name.is_empty() {
            continue;
        }
        if !scenario.tests.contains(&test.name) {
            wrong.push(format!("unexpected test: {}", test.name));
        }
        match test.status {
            Status::Pass => {}
            Status::Skip => wrong.push(format!("skipped: {}", test.name)),
            Status::Fail => wrong.push(format!("not ok: {}", test.name)),
            Status::Error => wrong.push(format!("crashed: {}", test.name)),
        }
    }
    if ktap.errors > 0 && wrong.is_empty() {
        wrong.push(format!("{} faults in the KTAP output", ktap.errors));
    }
    wrong
}

/// Every cycle was made, its unbind returned in time and interrupted someone.
fn wrong_cycles(console: &Console, asked: Asked) -> Vec<String> {
    let mut wrong = Vec::new();
    let numbers: Vec<_> = console.cycles.iter().map(|it| it.number).collect();
    if !numbers.iter().copied().eq(1..=asked.cycles) {
        wrong.push(format!("{} of {} cycles", numbers.len(), asked.cycles));
    }
    let longest = longest_unbind_us(console);
    if longest > asked.scenario.unbind_limit_ms * 1000 {
        wrong.push(format!("an unbind took {longest} us"));
    }
    let idle = asked.scenario.readers == 0;
    if !idle
        && console
            .cycles
            .iter()
            .any(|it| it.inside != asked.scenario.readers)
    {
        wrong.push("an unbind without every reader inside".to_owned());
    }
    wrong
}

/// Each cycle's window and the whole flash at the end are as the lab made them, or each
/// file that the program reads again.
fn wrong_data(console: &Console, asked: Asked) -> Vec<String> {
    let mut wrong = Vec::new();
    if asked.scenario.control == Control::Program {
        let bad = console.files.iter().filter(|it| !is_right(it, asked));
        let bad = bad.count();
        if bad > 0 {
            wrong.push(format!("wrong data in {bad} files"));
        }
        let read = |cycle| console.files.iter().any(|it| it.cycle == Some(cycle));
        let unread = (1..=asked.cycles).filter(|it| !read(*it)).count();
        if unread > 0 {
            wrong.push(format!("no file read after {unread} cycles"));
        }
        return wrong;
    }
    let bad = console
        .windows
        .iter()
        .filter(|it| asked.image.fnv1a(it.offset, it.length) != Some(it.fnv1a))
        .count();
    if bad > 0 {
        wrong.push(format!("wrong data after {bad} cycles"));
    }
    let checked = |cycle| console.windows.iter().any(|it| it.cycle == cycle);
    let unchecked = (1..=asked.cycles).filter(|it| !checked(*it)).count();
    if unchecked > 0 {
        wrong.push(format!("data not checked after {unchecked} cycles"));
    }
    match &console.last_control {
        Some(read) if read.sha256 == asked.image.sha256 => {}
        Some(_) => wrong.push("wrong data at the end".to_owned()),
        None => wrong.push("data not checked at the end".to_owned()),
    }
    wrong
}

/// As kselftests end when there was nothing to test: neither good nor bad.
pub const EXIT_SKIPPED: u8 = 4;

/// Stock has to fail, if the scenario does not say otherwise, everything else to pass.
pub fn is_expected(variant: Variant, stock: Stock, verdict: &Verdict) -> bool {
    let fails = variant == Variant::Stock && stock == Stock::Fails;
    match verdict {
        Verdict::Failed { .. } => fails,
        Verdict::Passed { .. } => !fails,
        // What a stock kernel does then is for information only.
        Verdict::Restarted { .. } => true,
        // Counted apart; see there.
        Verdict::Skipped { .. } | Verdict::Inconclusive { .. } => false,
    }
}

/// A verdict with what it rests on.
pub fn describe(verdict: &Verdict) -> String {
    format!("{}: {}", verdict.name(), evidence(verdict))
}

/// What a verdict rests on.
pub fn evidence(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Failed {
            why,
            function: Some(function),
            ..
        } if !why.contains(function.as_str()) => format!("{why}, in {function}"),
        Verdict::Failed { why, .. } | Verdict::Inconclusive { why } | Verdict::Skipped { why } => {
            why.clone()
        }
        Verdict::Restarted { readers } => format!("restarted under {readers} readers"),
        Verdict::Passed {
            cycles,
            longest_unbind_us,
            inside,
        } => {
            let ms = *longest_unbind_us as f64 / 1000.0;
            let inside = match inside {
                0 => String::new(),
                n => format!(", {n} readers interrupted"),
            };
            format!("{cycles} unbinds, longest {ms:.0} ms{inside}")
        }
    }
}

#[cfg(test)]
mod tests;
