//! What everything stands on: files, processes, git, the terminal.

pub mod files;
pub mod git;
pub mod interrupt;
pub mod lock;
pub mod paths;
pub mod process;
pub mod space;
pub mod ui;
