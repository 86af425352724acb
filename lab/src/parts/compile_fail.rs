//! Programs that must not compile, each with a twin that does.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::base::process;
use crate::build::kernel::Kernel;
use crate::build::rustc::{self, Crates, Diagnostic};
use crate::lab::Lab;

/// A file of `lab/compile-fail/`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Case {
    name: String,
    /// `E0597`, or what rustc says for an error that has no code.
    error: String,
    /// As it is: it must not compile.
    bad: String,
    /// With the other line: it must compile.
    twin: String,
    /// The line that differs, counted from 1.
    line: usize,
}

/// How many compilations there were, two for each case, and those that did not end as
/// they should, a line each.
#[derive(Clone, Debug)]
pub struct Outcome {
    compiled: usize,
    pub findings: Vec<String>,
}

impl Outcome {
    /// Each finding is about one compilation.
    pub fn passed(&self) -> usize {
        self.compiled - self.findings.len()
    }
}

fn dir(lab: &Lab) -> PathBuf {
    lab.paths.clone.join("lab/compile-fail")
}

/// A file has `//@ error: CODE` at its beginning (or what rustc says, if that has no
/// code), and `//@ twin: LINE` in the line
/// before the one that LINE stands for in the twin.
fn parse(name: &str, text: &str) -> Result<Case> {
    let lines: Vec<&str> = text.lines().collect();
    let of = |key: &str| -> Result<(usize, &str)> {
        let mut found = lines.iter().enumerate().filter_map(|(index, line)| {
            let value = line.trim_start().strip_prefix("//@ ")?.strip_prefix(key)?;
            Some((index, value.trim()))
        });
        match (found.next(), found.next()) {
            (Some(found), None) => Ok(found),
            _ => bail!("{name} needs one line `//@ {key} ...`"),
        }
    };
    let (_, error) = of("error:")?;
    let digits = error.strip_prefix('E').unwrap_or_default();
    let is_code = digits.len() == 4 && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !is_code && !error.contains(' ') {
        bail!("{name}: {error} is neither the code of an error nor what rustc says");
    }
    let (index, good) = of("twin:")?;
    let differs = index + 1;
    let bad = lines
        .get(differs)
        .with_context(|| format!("{name} ends before the line that its twin has otherwise"))?;
    if bad.trim() == good {
        bail!("{name}: the line of the twin is the same");
    }
    let mut twin = lines.clone();
    twin[differs] = good;
    Ok(Case {
        name: name.to_owned(),
        error: error.to_owned(),
        bad: lines.join("\n") + "\n",
        twin: twin.join("\n") + "\n",
        line: differs + 1,
    })
}

/// The committed files; an error when there are none.
fn read(dir: &Path) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for entry in fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))? {
        let path = entry?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        if path.extension().is_none_or(|end| end != "rs") {
            continue;
        }
        let text =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        cases.push(parse(&name, &text)?);
    }
    if cases.is_empty() {
        bail!("there is no case in {}", dir.display());
    }
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(cases)
}

/// Whether there is anything to compile.
pub fn has_cases(lab: &Lab) -> bool {
    dir(lab).is_dir()
}

/// What is wrong with what rustc said of the failing version.
fn judge_bad(case: &Case, success: bool, said: &[Diagnostic]) -> Option<String> {
    if success {
        return Some(format!("compiles, and should fail with {}", case.error));
    }
    let errors: Vec<&Diagnostic> = said
        .iter()
        .filter(|one| one.level == "error" && !one.is_summary())
        .collect();
    if let Some(other) = errors
        .iter()
        .find(|one| one.code().unwrap_or(&one.message) != case.error)
    {
        return Some(format!(
            "fails with {} instead of {}: {}",
            other.code().unwrap_or("an error without a code"),
            case.error,
            other.message
        ));
    }
    // The borrow checker points at the borrow, which may stand before the use: any of
    // the places an error names will do.
    let here = |one: &&Diagnostic| one.spans.iter().any(|span| span.line_start == case.line);
    if errors.is_empty() || !errors.iter().any(here) {
        return Some(format!("does not fail in line {}", case.line));
    }
    None
}

/// What is wrong with what rustc said of the twin.
fn judge_twin(success: bool, said: &[Diagnostic]) -> Option<String> {
    if success {
        return None;
    }
    let first = said.iter().find(|one| one.level == "error");
    Some(format!(
        "the twin does not compile: {}",
        first.map_or("rustc does not say why", |one| one.message.as_str())
    ))
}

/// Compiles `source` as /cases/NAME.rs; whether it did, and what rustc said.
fn compile(
    lab: &Lab,
    crates: &Crates,
    dir: &Path,
    name: &str,
    source: &str,
) -> Result<(bool, Vec<Diagnostic>)> {
    let file = dir.join(format!("{name}.rs"));
    fs::write(&file, source).with_context(|| format!("cannot write {}", file.display()))?;
    let mut command = crates.driver(lab, dir);
    command
        .args(["--crate-name", "case", "--error-format=json"])
        .arg(format!("--emit=metadata=/cases/{name}.rmeta"))
        .arg(format!("/cases/{name}.rs"));
    let (status, _, said) = process::capture(&mut command)?;
    let said = rustc::diagnostics(&said)?;
    let text: String = said.iter().filter_map(|one| one.rendered.clone()).collect();
    fs::write(dir.join(format!("{name}.said")), text).context("cannot write into out/")?;
    Ok((status.success(), said))
}

/// Compiles all cases, or those whose names contain `filter`, against `kernel`.
pub fn all(lab: &Lab, kernel: &Kernel, filter: Option<&str>) -> Result<Outcome> {
    let mut cases = read(&dir(lab))?;
    if let Some(part) = filter {
        cases.retain(|case| case.name.contains(part));
        if cases.is_empty() {
            bail!("no file of lab/compile-fail/ has {part} in its name");
        }
    }
    let crates = Crates::of(kernel)?;
    let out = lab.paths.out().join("compile-fail");
    if out.exists() {
        fs::remove_dir_all(&out).with_context(|| format!("cannot remove {}", out.display()))?;
    }
    fs::create_dir_all(&out).with_context(|| format!("cannot make {}", out.display()))?;
    let step = lab.ui.step("Compiling what must not compile");
    let mut findings = Vec::new();
    for case in &cases {
        step.note(&case.name);
        let (success, said) = compile(lab, &crates, &out, &case.name, &case.bad)?;
        findings.extend(judge_bad(case, success, &said).map(|why| format!("{}: {why}", case.name)));
        let twin = format!("{}-twin", case.name);
        let (success, said) = compile(lab, &crates, &out, &twin, &case.twin)?;
        findings.extend(judge_twin(success, &said).map(|why| format!("{}: {why}", case.name)));
    }
    step.done(format!("{} cases", cases.len()));
    Ok(Outcome {
        compiled: 2 * cases.len(),
        findings,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::paths::Paths;

    const TEXT: &str = "\
//@ error: E0597
fn main() {
    //@ twin: let a = 1;
    let a = b;
}
";

    fn case() -> Case {
        parse("a", TEXT).expect("a case")
    }

    fn said(code: &str, line: usize) -> Vec<Diagnostic> {
        rustc::diagnostics(&format!(
            r#"{{"level":"error","message":"m","code":{{"code":"{code}"}},"spans":[{{"file_name":"f","line_start":{line},"is_primary":true}}],"rendered":null}}
{{"level":"error","message":"aborting due to 1 previous error","code":null,"spans":[],"rendered":null}}"#
        ))
        .expect("messages")
    }

    #[test]
    fn a_twin_differs_in_one_line() {
        let case = case();
        assert_eq!((case.error.as_str(), case.line), ("E0597", 4));
        let differing = case
            .bad
            .lines()
            .zip(case.twin.lines())
            .filter(|(bad, twin)| bad != twin)
            .collect::<Vec<_>>();
        assert_eq!(differing, [("    let a = b;", "let a = 1;")]);
    }

    #[test]
    fn a_case_is_whole() {
        for (from, to) in [
            ("//@ error: E0597\n", ""),
            ("E0597", "597"),
            ("E0597", "E059"),
            ("    //@ twin: let a = 1;\n", ""),
            ("let a = 1;", "let a = b;"),
            ("    let a = b;\n}\n", ""),
            ("}\n", "}\n//@ error: E0001\n"),
        ] {
            assert!(parse("a", &TEXT.replace(from, to)).is_err(), "{from}");
        }
    }

    #[test]
    fn only_the_error_that_was_meant_will_do() {
        let case = case();
        assert_eq!(judge_bad(&case, false, &said("E0597", 4)), None);
        assert!(judge_bad(&case, true, &[]).is_some());
        assert!(judge_bad(&case, false, &[]).is_some());
        assert!(judge_bad(&case, false, &said("E0432", 4)).is_some());
        assert!(judge_bad(&case, false, &said("E0597", 1)).is_some());
        let mut two = said("E0597", 4);
        two.extend(said("E0277", 4));
        assert!(judge_bad(&case, false, &two).is_some());
        let mut uncoded = case.clone();
        uncoded.error = "m".into();
        assert!(judge_bad(&uncoded, false, &said("E0597", 4)).is_some());
        let plain = r#"{"level":"error","message":"m","code":null,"spans":[{"file_name":"f","line_start":4,"is_primary":true}],"rendered":null}"#;
        let plain = rustc::diagnostics(plain).expect("messages");
        assert_eq!(judge_bad(&uncoded, false, &plain), None);
        assert_eq!(judge_twin(true, &[]), None);
        assert!(judge_twin(false, &said("E0597", 4)).is_some());
    }

    #[test]
    fn the_committed_cases_read() -> Result<()> {
        let paths = Paths::find()?;
        read(&paths.clone.join("lab/compile-fail")).map(drop)
    }
}
