//! Progress on the terminal: spinners on a tty, one line at the start and one at
//! the end of each step otherwise.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use comfy_table::{ContentArrangement, Row, Table, presets};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::base::interrupt;

/// Where progress goes. Cheap to clone; steps may overlap.
#[derive(Clone, Debug)]
pub struct Ui {
    bars: MultiProgress,
    tty: bool,
    quiet: bool,
}

impl Ui {
    pub fn new() -> Self {
        Self {
            bars: MultiProgress::new(),
            tty: std::io::stderr().is_terminal(),
            quiet: false,
        }
    }

    /// Steps leave no lines: spinners only, and those on a tty only.
    pub fn quiet(self) -> Self {
        Self {
            quiet: true,
            ..self
        }
    }

    /// Starts a step; it ends with [`Step::done`].
    pub fn step(&self, what: impl Into<String>) -> Step {
        let what = what.into();
        let bar = self.tty.then(|| {
            let bar = self.bars.add(ProgressBar::new_spinner());
            let style = ProgressStyle::with_template("{spinner} {prefix} [{elapsed}] {wide_msg}")
                .unwrap_or_else(|_| ProgressStyle::default_spinner());
            bar.set_style(style);
            bar.set_prefix(what.clone());
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        if !self.tty && !self.quiet {
            eprintln!("{what} ...");
        }
        Step {
            ui: self.clone(),
            what,
            bar,
            start: Instant::now(),
            ended: false,
        }
    }

    /// A line on standard error, above the running steps.
    pub fn println(&self, line: impl AsRef<str>) {
        if self.tty {
            // Fails only when the terminal is gone; nobody is there to be told.
            let _ = self.bars.println(line);
        } else {
            eprintln!("{}", line.as_ref());
        }
    }
}

impl Default for Ui {
    fn default() -> Self {
        Self::new()
    }
}

/// Something that takes a while. Dropped without [`Step::done`], it failed, or was interrupted.
#[derive(Debug)]
pub struct Step {
    ui: Ui,
    what: String,
    bar: Option<ProgressBar>,
    start: Instant,
    ended: bool,
}

impl Step {
    /// What is going on right now; shown on a tty only.
    pub fn note(&self, detail: impl Into<String>) {
        if let Some(bar) = &self.bar {
            bar.set_message(detail.into());
        }
    }

    pub fn done(mut self, summary: impl Into<String>) {
        self.end(&summary.into());
    }

    fn end(&mut self, summary: &str) {
        self.ended = true;
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
            self.ui.bars.remove(bar);
        }
        if self.ui.quiet {
            return;
        }
        let time = duration(self.start.elapsed());
        let colon = if summary.is_empty() { "" } else { ": " };
        self.ui
            .println(format!("{}{colon}{summary} [{time}]", self.what));
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        if !self.ended {
            self.end(match interrupt::interrupted() {
                true => "interrupted",
                false => "failed",
            });
        }
    }
}

/// `9.3 s`, `2 min 05 s`.
pub fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    if seconds < 60 {
        format!("{:.1} s", time.as_secs_f64())
    } else {
        format!("{} min {:02} s", seconds / 60, seconds % 60)
    }
}

/// A table of few lines, some of them long: 100 columns wide, and borders outside only.
pub fn table(header: impl Into<Row>) -> Table {
    let mut table = Table::new();
    table
        .load_preset(presets::UTF8_BORDERS_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(100)
        .set_header(header);
    table
}

/// A cell: a binding of a machine which, with `machines`, stands above it, since there is
/// no room beside it.
pub fn binding(machines: bool, machine: &str, compatible: &str) -> String {
    match machines {
        true => format!("{machine}\n{compatible}"),
        false => compatible.to_owned(),
    }
}

/// A table of many short cells: as wide as the terminal, with lines between columns.
pub fn grid(header: impl Into<Row>) -> Table {
    let mut table = Table::new();
    table
        .load_preset(presets::UTF8_FULL_CONDENSED)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(header);
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well() {
        assert_eq!(duration(Duration::from_millis(9340)), "9.3 s");
        assert_eq!(duration(Duration::from_secs(125)), "2 min 05 s");
    }
}
