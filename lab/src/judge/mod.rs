//! What consoles and test results prove; no boot is made here.

/// A compiled pattern that is part of the program.
macro_rules! pattern {
    ($text:expr) => {{
        static PATTERN: std::sync::LazyLock<regex::Regex> = std::sync::LazyLock::new(|| {
            regex::Regex::new($text).expect("a constant pattern compiles")
        });
        &*PATTERN
    }};
}

pub mod console;
pub mod drivers;
pub mod ktap;
pub mod kunit_outcome;
pub mod lockdep;
pub mod report;
pub mod unbind;
