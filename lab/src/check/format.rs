//! rustfmt, of the series and of the lab.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::base::process;
use crate::check::finding::Check;
use crate::lab::Lab;
use crate::series::verify::Changed;
use crate::toolchain::enter::Bind;

/// Each file by itself from standard input: given a file name, rustfmt goes on to the
/// modules that the file names.
const RUSTFMT: &str = r#"
cd /linux
for file; do
	rustfmt --check --quiet --edition 2021 --config-path /linux/.rustfmt.toml \
		<"$file" >/tmp/said 2>&1 || echo "$file"
done
"#;

pub fn rustfmt(lab: &Lab, tree: &Path, changed: &[Changed]) -> Result<Check> {
    let files: Vec<&str> = changed
        .iter()
        .map(|file| file.path.as_str())
        .filter(|path| path.ends_with(".rs"))
        .collect();
    let mut findings = Vec::new();
    if !files.is_empty() {
        let mut command = lab
            .toolchain
            .command(&[Bind::read_only(tree, "/linux")], "sh");
        command.args(["-c", RUSTFMT, "rustfmt"]).args(&files);
        for path in process::output(&mut command)?.lines() {
            findings.push(format!("{path} is not as rustfmt has it"));
        }
    }
    Ok(Check {
        name: "rustfmt",
        looked: files.len(),
        findings,
    })
}

pub fn lab_format(lab: &Lab) -> Result<Check> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .current_dir(&lab.paths.clone)
        .args(["fmt", "--check", "--package", "lab"])
        .args(["--", "--files-with-diff"]);
    let (status, stdout, stderr) = process::capture(&mut command)?;
    let mut findings: Vec<String> = String::from_utf8_lossy(&stdout)
        .lines()
        .map(|file| format!("{file} is not as rustfmt has it; run: cargo fmt"))
        .collect();
    if !status.success() && findings.is_empty() {
        findings.push(format!("cargo fmt does not work: {}", stderr.trim()));
    }
    Ok(Check {
        name: "lab format",
        looked: 1,
        findings,
    })
}
