//! How the kernel begins to report that something is wrong. All who judge a console go by
//! this; the test for boards reads the same file.

use std::sync::LazyLock;

use regex::RegexSet;

/// One pattern a line.
pub const PATTERNS: &str = include_str!("../../data/judge/reports.txt");

/// A line of a console.
pub struct Line<'a> {
    /// Task or CPU that printed it (CONFIG_PRINTK_CALLER).
    pub caller: Option<&'a str>,
    pub text: &'a str,
}

impl<'a> Line<'a> {
    pub fn parse(raw: &'a str) -> Self {
        let raw = raw.trim_end();
        match pattern!(r"^\[ *\d+\.\d+\](?:\[ *([TC]\d+)\])?(?: (.*))?$").captures(raw) {
            Some(found) => Self {
                caller: found.get(1).map(|it| it.as_str()),
                text: found.get(2).map_or("", |it| it.as_str()),
            },
            None => Self {
                caller: None,
                text: raw,
            },
        }
    }

    /// Whether a report begins with it.
    pub fn is_report(&self) -> bool {
        static SET: LazyLock<RegexSet> = LazyLock::new(|| {
            let lines = PATTERNS.lines();
            let patterns = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
            let anchored = patterns.map(|pattern| format!("^(?:{pattern})"));
            RegexSet::new(anchored).expect("the committed patterns compile")
        });
        SET.is_match(self.text)
    }
}

/// The reports in a console, each by its first line.
pub fn all(log: &str) -> Vec<String> {
    log.lines()
        .map(Line::parse)
        .filter(Line::is_report)
        .map(|line| line.text.trim().to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_beside_tests_are_found() {
        let log = "    ok 1 BUGGY: x\nBUG: KASAN: slab-use-after-free in f\n\
                   [    1.0] WARNING: kernel/x.c:1 at f\nSMP: WARNINGS\n";
        assert_eq!(all(log).len(), 2);
    }

    #[test]
    fn other_reports_are_seen_and_ordinary_lines_are_not() {
        let is_report = |text| Line::parse(text).is_report();
        for title in [
            "WARNING: possible circular locking dependency detected",
            "INFO: task unbind_busy:72 blocked for more than 30 seconds.",
            "INFO: possible recursive locking detected",
            "BUG: sleeping function called from invalid context at kernel/x.c:1",
            "BUG kmalloc-64 (Not tainted): Poison overwritten",
            "refcount_t: underflow; use-after-free.",
            "rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:",
            "Internal error: synchronous external abort: 0000000096000210 [#1]",
        ] {
            assert!(is_report(title), "{title}");
        }
        for line in [
            "# marker: unbind flash cycle 1",
            "ok 1 flash.op_in_flight.readers_were_inside",
            "Kernel command line: oops=panic panic_on_warn=1",
            "INFO: lockdep is turned on",
            "random: crng init done",
        ] {
            assert!(!is_report(line), "{line}");
        }
    }
}
