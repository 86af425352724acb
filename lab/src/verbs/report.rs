//! `cargo lab report`

use std::process::ExitCode;

use anyhow::Result;

use crate::base::files;
use crate::base::paths::Paths;
use crate::parts::report;

/// Writes out/report.html.
pub fn run(paths: &Paths) -> Result<ExitCode> {
    let file = paths.out().join("report.html");
    files::write_whole(&file, report::page(paths)?.as_bytes())?;
    println!("{}", file.display());
    Ok(ExitCode::SUCCESS)
}
