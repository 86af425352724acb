//! KTAP results, read from a console log by the kernel's own parser.
//!
//! `tools/testing/kunit/kunit.py parse` is kept up with the format by those who
//! define it, copes with time stamps and kernel lines in between, and counts a test
//! that the plan announces and the log lacks as crashed.

use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::kernel::{Kernel, Lab};
use crate::process;
use crate::toolchain::Bind;

/// What a log says about its tests.
#[derive(Clone, Debug, Default)]
pub struct Results {
    pub tests: Vec<Test>,
    /// Faults of the output itself: wrong numbers, missing results.
    pub errors: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Test {
    pub name: String,
    pub status: Status,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    Pass,
    Skip,
    Fail,
    /// Crashed or missing.
    Error,
}

/// Reads `console.log` in `dir`; leaves the parser's JSON there as `ktap.json`.
pub fn read(lab: &Lab, kernel: &Kernel, dir: &Path) -> Result<Results> {
    let json = dir.join("ktap.json");
    match std::fs::remove_file(&json) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("cannot remove {}", json.display()));
        }
        _ => {}
    }
    let binds = [
        Bind::read_only(&kernel.source_dir, "/ktap/linux"),
        Bind::writable(dir, "/ktap/run"),
    ];
    let mut parser = lab.toolchain.command(&binds, "python3");
    parser
        .args(["-B", "/ktap/linux/tools/testing/kunit/kunit.py", "parse"])
        .args(["--json=/ktap/run/ktap.json", "/ktap/run/console.log"]);
    // Its status says whether tests passed; only the file says whether it worked.
    let (_, _, errors) = process::capture(&mut parser)?;
    let text = std::fs::read_to_string(&json)
        .with_context(|| format!("kunit.py wrote no result:\n{}", errors.trim_end()))?;
    parse(&text)
}

pub fn parse(json: &str) -> Result<Results> {
    let group: Group = serde_json::from_str(json).context("kunit.py's result is not understood")?;
    if !group.sub_groups.is_empty() {
        bail!("the test programs print no nested tests, but the log has some");
    }
    Ok(Results {
        tests: group.test_cases,
        errors: group.misc.errors,
    })
}

#[derive(Deserialize)]
struct Group {
    sub_groups: Vec<serde_json::Value>,
    test_cases: Vec<Test>,
    misc: Misc,
}

#[derive(Deserialize)]
struct Misc {
    errors: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_four_states_are_known() -> Result<()> {
        let results = parse(
            r#"{"sub_groups": [], "misc": {"errors": 1, "tests": 4}, "test_cases": [
                {"name": "a", "status": "PASS"}, {"name": "b", "status": "SKIP"},
                {"name": "c", "status": "FAIL"}, {"name": "", "status": "ERROR"}]}"#,
        )?;
        let states: Vec<_> = results.tests.iter().map(|it| it.status).collect();
        use Status::{Error, Fail, Pass, Skip};
        assert_eq!(states, [Pass, Skip, Fail, Error]);
        assert_eq!(results.errors, 1);
        Ok(())
    }
}
