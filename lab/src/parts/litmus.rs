//! The orderings of the gate as litmus tests for herd7.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::base::process;
use crate::lab::Lab;
use crate::source;
use crate::toolchain::enter::Bind;
use crate::toolchain::root;

/// Where the toolchain sees the packages of herd7.
const HERD: &str = "/guest/herd";

/// A file of `lab/kernel/model/litmus/`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Litmus {
    name: String,
    /// `Never` or `Sometimes`, from its comment.
    expected: String,
}

fn parse(name: &str, text: &str) -> Result<Litmus> {
    let mut results = text.lines().filter_map(|line| {
        let line = line.trim_start_matches([' ', '*']);
        line.strip_prefix("Result: ")
    });
    let expected = match (results.next(), results.next()) {
        (Some(result @ ("Never" | "Sometimes" | "Always")), None) => result.to_owned(),
        _ => bail!("{name}.litmus needs one line `Result: Never` or the like"),
    };
    if !text.starts_with(&format!("C {name}\n")) {
        bail!("{name}.litmus does not begin with its name");
    }
    Ok(Litmus {
        name: name.to_owned(),
        expected,
    })
}

fn read(dir: &Path) -> Result<Vec<Litmus>> {
    let mut tests = Vec::new();
    for entry in fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|end| end == "litmus") {
            let name = path.file_stem().unwrap_or_default().to_string_lossy();
            let text = fs::read_to_string(&path)
                .with_context(|| format!("cannot read {}", path.display()))?;
            tests.push(parse(&name, &text)?);
        }
    }
    if tests.is_empty() {
        bail!("there is no litmus test in {}", dir.display());
    }
    tests.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(tests)
}

/// What herd7 says of a test. It exits with 0 when it did not understand one.
fn observation(name: &str, said: &str) -> Option<String> {
    let line = said.lines().find(|line| line.starts_with("Observation "))?;
    let words: Vec<&str> = line.split_whitespace().collect();
    let is_right = words.get(1) == Some(&name) && !said.contains("Flag ");
    is_right.then(|| words.get(2).map(|word| (*word).to_owned()))?
}

/// Runs those of `dir` that are wanted; of each, its name and what came out, if that is what
/// should.
pub fn check(
    lab: &Lab,
    dir: &Path,
    is_wanted: impl Fn(&str) -> bool,
) -> Result<Vec<(String, Result<String, String>)>> {
    let mut tests = read(dir)?;
    tests.retain(|test| is_wanted(&test.name));
    if tests.is_empty() {
        return Ok(Vec::new());
    }
    let packages = lab.toolchain.herd(&lab.ui)?;
    let source = source::ensure(&lab.paths, &lab.ui)?;
    let step = lab.ui.step("Running litmus tests");
    let binds = [
        Bind::read_only(&packages, HERD),
        Bind::read_only(source.dir.join("tools/memory-model"), "/linux"),
        Bind::read_only(dir, "/build"),
    ];
    let herd = root::extracted_program(HERD, "herd7");
    let mut rows = Vec::new();
    for test in tests {
        step.note(&test.name);
        let mut command = lab.toolchain.command(&binds, "env");
        let script = format!(
            "exec {herd} -set-libdir {HERD}/usr/share/herdtools7/herd -conf linux-kernel.cfg \
             /build/{}.litmus",
            test.name
        );
        command.args(["-C", "/linux", "sh", "-ec", &script]);
        let (_, said, errors) = process::capture(&mut command)?;
        let said = String::from_utf8_lossy(&said).into_owned();
        let result = match observation(&test.name, &said) {
            Some(seen) if seen == test.expected => Ok(seen),
            Some(seen) => Err(format!("{seen}, not {}", test.expected)),
            None => Err(format!("herd7 does not understand it: {}", errors.trim())),
        };
        rows.push((test.name, result));
    }
    step.done(format!("{} tests", rows.len()));
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::paths::Paths;

    #[test]
    fn a_litmus_test_says_what_it_expects() -> Result<()> {
        let text = "C a+b\n\n(*\n * Result: Never\n *\n * Why.\n *)\n";
        let test = Litmus {
            name: "a+b".into(),
            expected: "Never".into(),
        };
        assert_eq!(parse("a+b", text)?, test);
        assert!(parse("a", text).is_err());
        assert!(parse("a+b", &text.replace("Never", "Perhaps")).is_err());
        assert!(parse("a+b", "C a+b\n").is_err());
        let dir = Paths::find()?.clone.join("lab/kernel/model/litmus");
        read(&dir).map(drop)
    }

    #[test]
    fn what_herd_says_is_understood() {
        let said = "Test a Allowed\nStates 2\nObservation a Never 0 2\nTime a 0.01\n";
        assert_eq!(observation("a", said).as_deref(), Some("Never"));
        assert_eq!(observation("b", said), None);
        assert_eq!(observation("a", &format!("{said}Flag data-race\n")), None);
        assert_eq!(observation("a", ""), None);
    }
}
