//! A driver that unregisters from inside an operation waits for itself, for ever. Lockdep
//! has to say so. And one that never ends an operation lets unregistering wait for ever: the
//! hung-task detector has to say that.

use std::fmt;

use anyhow::Result;

use crate::judge::console::Console;

/// What is unregistered inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    Nothing,
    Controller,
    Mtd,
    /// The controller, by somebody else, while an operation runs that never ends.
    Hang,
}

impl What {
    pub const ALL: [Self; 4] = [Self::Nothing, Self::Controller, Self::Mtd, Self::Hang];
    /// Those that lockdep reports; each has a mutant that makes it silent.
    pub const REPORTED: [Self; 2] = [Self::Controller, Self::Mtd];

    /// The kernel's parameter.
    pub fn word(self) -> &'static str {
        match self {
            Self::Nothing => "none",
            Self::Controller => "spi",
            Self::Mtd => "mtd",
            Self::Hang => "hang",
        }
    }

    /// Said just before, and in the stack of the report.
    fn function(self) -> &'static str {
        match self {
            Self::Nothing => "",
            Self::Controller | Self::Hang => "spi_unregister_controller",
            Self::Mtd => "mtd_device_unregister",
        }
    }

    /// How lockdep calls what operations hold.
    fn lock(self) -> &'static str {
        match self {
            Self::Nothing | Self::Hang => "",
            Self::Controller => "gate.srcu",
            Self::Mtd => "root->srcu",
        }
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "control, nobody unregisters inside",
            Self::Controller => "controller unregistered inside supports_op",
            Self::Mtd => "MTD unregistered inside _read",
            Self::Hang => "controller unregistered under an operation that never ends",
        })
    }
}

/// What [`judge`] says of a kernel whose lockdep knows nothing of the gate.
pub const SILENT: &str = "lockdep says nothing";

/// The titles of lockdep's reports on a lock that is taken inside itself.
const REPORTS: [&str; 2] = [
    "WARNING: possible recursive locking detected",
    "WARNING: possible circular locking dependency detected",
];

/// What lockdep said, or what is wrong.
pub fn judge(what: What, console: &Console) -> Result<String, String> {
    let line = |start: &str| console.lines.iter().position(|it| it.starts_with(start));
    let returned = console
        .lines
        .iter()
        .find(|it| it.starts_with("remove-inside: ") && it.ends_with(" returned"));
    if let Some(line) = returned {
        return Err(format!("it did not wait: {line}"));
    }
    if what == What::Nothing {
        return match (console.splats.first(), line("remove-inside: done: 0")) {
            (Some(splat), _) => Err(splat.title.clone()),
            (None, None) => Err("the operations were not made".to_owned()),
            (None, Some(_)) => Ok("nothing reported".to_owned()),
        };
    }
    if what == What::Hang {
        return judge_hang(
            console,
            line("remove-inside: spi_unregister_controller() under"),
        );
    }
    let said = format!("remove-inside: {}() from inside", what.function());
    let Some(start) = line(&said) else {
        return Err("nothing was unregistered".to_owned());
    };
    let Some(splat) = console.splats.first() else {
        return Err(match line("spi_master").or_else(|| line("mtd: unreg")) {
            Some(_) => format!("it hangs and {SILENT}"),
            None => SILENT.to_owned(),
        });
    };
    if splat.line < start {
        return Err(format!("before it was unregistered: {}", splat.title));
    }
    if !REPORTS.iter().any(|title| splat.title.starts_with(title)) {
        return Err(format!("not what lockdep says: {}", splat.title));
    }
    // The report is the gate's: about its SRCU map, which the unregistering would wait for.
    let wanted = console.lines[splat.line..]
        .iter()
        .skip_while(|it| !it.ends_with(" is trying to acquire lock:"))
        .nth(1);
    let lock = wanted.and_then(|it| it.split(", at: ").next());
    let about_gate = lock.is_some_and(|it| it.contains(what.lock()));
    if !about_gate || !splat.stack.iter().any(|it| it == what.function()) {
        return Err(format!(
            "{}, but not of {} waiting for the gate: {}",
            splat.title,
            what.function(),
            wanted.map_or("", |it| it)
        ));
    }
    Ok(format!("reported: {}", splat.title))
}

/// The hung-task detector, and nothing else, reports who waits and who is waited for.
fn judge_hang(console: &Console, start: Option<usize>) -> Result<String, String> {
    let Some(start) = start else {
        return Err("nothing was unregistered".to_owned());
    };
    let mut hung = Vec::new();
    for splat in &console.splats {
        let title = &splat.title;
        if splat.line < start {
            return Err(format!("before it was unregistered: {title}"));
        }
        if title.starts_with("INFO: task ") && title.contains(" blocked for more than ") {
            hung.push(splat);
        } else if !title.starts_with("Kernel panic - not syncing: hung_task: ") {
            return Err(format!("not what is expected: {title}"));
        }
    }
    let waits = |function: &str| {
        hung.iter()
            .find(|it| it.stack.iter().any(|it| it == function))
    };
    let function = What::Hang.function();
    let Some(waiting) = waits(function) else {
        return Err(format!("no hung task in {function}"));
    };
    if waits("remove_inside_exec_op").is_none() {
        return Err("the operation is not reported".to_owned());
    }
    Ok(format!("reported: {}, in {function}", waiting.title))
}

#[cfg(test)]
mod tests {
    use super::*;

    // Of real boots.
    const SPI: &str = include_str!("../../fixtures/inside-spi.log");
    const MTD: &str = include_str!("../../fixtures/inside-mtd.log");
    const HANG: &str = include_str!("../../fixtures/inside-hang.log");

    fn judged(what: What, log: &str) -> Result<String, String> {
        judge(what, &Console::parse(log))
    }

    fn wrong(what: What, log: &str, why: &str) {
        match judged(what, log) {
            Err(said) => assert!(said.contains(why), "{said}"),
            Ok(said) => panic!("{said}"),
        }
    }

    #[test]
    fn real_reports_are_taken_for_their_own_operation_only() {
        for (what, log, other) in [
            (What::Controller, SPI, What::Mtd),
            (What::Mtd, MTD, What::Controller),
        ] {
            let said = judged(what, log);
            assert_eq!(
                said.as_deref(),
                Ok("reported: WARNING: possible recursive locking detected")
            );
            wrong(other, log, "nothing was unregistered");
            wrong(What::Nothing, log, "WARNING: possible recursive");
        }
    }

    #[test]
    fn a_hang_without_the_report_is_a_failure() {
        let said = "remove-inside: spi_unregister_controller() from inside supports_op\n";
        wrong(What::Controller, "", "nothing was unregistered");
        wrong(What::Controller, said, "lockdep says nothing");
        let hang = format!("{said}spi_master spi1: unregistering has waited 10 s for operations");
        wrong(What::Controller, &hang, "it hangs");
        let returned = format!("{said}remove-inside: spi_unregister_controller() returned");
        wrong(What::Controller, &returned, "did not wait");
    }

    #[test]
    fn another_report_does_not_count() {
        // What lockdep says of the stock kernel's own locks, and of a stack elsewhere.
        let locks = SPI.replace("&ctlr->gate.srcu", "&ctlr->add_lock");
        wrong(What::Controller, &locks, "not of spi_unregister_controller");
        let elsewhere = SPI.replace("spi_unregister_controller+", "spi_other+");
        wrong(
            What::Controller,
            &elsewhere,
            "not of spi_unregister_controller",
        );
        let warning = SPI.replace("possible recursive locking detected", "x.c:1 at f+0x1/0x2");
        wrong(What::Controller, &warning, "not what lockdep says");
        let early = format!("WARNING: x.c:1 at f+0x1/0x2\n{SPI}");
        wrong(What::Controller, &early, "before it was unregistered");
    }

    #[test]
    fn a_hang_has_to_be_reported_with_both_sides() {
        let said = judged(What::Hang, HANG).expect("it is reported");
        assert!(said.contains("INFO: task remove-inside:"), "{said}");
        wrong(What::Hang, SPI, "nothing was unregistered");
        wrong(What::Nothing, HANG, "INFO: task ");
        let other = HANG.replace("spi_unregister_controller+", "spi_other+");
        wrong(What::Hang, &other, "no hung task in");
        let alone = HANG.replace("remove_inside_exec_op+", "other+");
        wrong(What::Hang, &alone, "the operation is not reported");
        let silent = HANG.split("INFO: task ").next().unwrap_or_default();
        wrong(What::Hang, silent, "no hung task in");
        let warning = format!("{HANG}WARNING: x.c:1 at f+0x1/0x2\n");
        wrong(What::Hang, &warning, "not what is expected");
    }

    #[test]
    fn the_control_must_have_made_its_operations() {
        wrong(What::Nothing, "LAB: done", "were not made");
        assert!(judged(What::Nothing, "remove-inside: done: 0").is_ok());
        wrong(What::Nothing, "remove-inside: done: -22", "were not made");
    }
}
