//! clippy and rustdoc of the Rust files of the series, as the kernel runs them, against a
//! build that there is.

use std::collections::BTreeMap;
use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use anyhow::{Context, Result, bail};
use regex::Regex;

use crate::base::{git, process};
use crate::build::kernel::Kernel;
use crate::build::rustc::{self, Diagnostic};
use crate::check::finding::Check;
use crate::lab::Lab;
use crate::source;
use crate::toolchain::apt::{self, BACKPORTS, Lists, Mirror};
use crate::toolchain::enter::Bind;

/// Lines of a file that are not in the base.
type Lines = Vec<RangeInclusive<usize>>;

/// What is looked at: a crate, by the record of how kbuild compiled it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Crate {
    name: String,
    /// From `rustc` on, for a shell; without outputs.
    arguments: String,
    environment: String,
}

/// Runs both on the kernel crate and on each driver of the series that was built.
/// Warnings count on lines that the series has added or changed.
pub fn all(lab: &Lab, kernel: &Kernel) -> Result<Vec<Check>> {
    let source = source::ensure(&lab.paths, &lab.ui)?;
    let added = added_lines(&kernel.source_dir, &source.base)?;
    if added.is_empty() {
        return Ok(Vec::new());
    }
    let build_dir = rustc::build_dir(kernel)?;
    let crates = crates(&build_dir, added.keys())?;
    let driver = clippy_driver(lab)?;
    let step = lab.ui.step("clippy and rustdoc");
    let mut clippy = Check {
        name: "clippy",
        looked: crates.len(),
        findings: Vec::new(),
    };
    let mut rustdoc = Check {
        name: "rustdoc",
        looked: crates.len(),
        findings: Vec::new(),
    };
    for one in &crates {
        step.note(format!("clippy: {}", one.name));
        let said = run(lab, kernel, &build_dir, &driver, one, Tool::Clippy)?;
        clippy.findings.extend(findings(&said, &added));
        step.note(format!("rustdoc: {}", one.name));
        let said = run(lab, kernel, &build_dir, &driver, one, Tool::Rustdoc)?;
        rustdoc.findings.extend(findings(&said, &added));
    }
    step.done(format!("{} crates", crates.len()));
    Ok(vec![clippy, rustdoc])
}

/// The kernel crate, and those of other files that the build has compiled. Files without
/// a record are modules of one of them, or not in this configuration.
fn crates<'a>(build_dir: &Path, files: impl IntoIterator<Item = &'a String>) -> Result<Vec<Crate>> {
    let mut objects = vec!["rust/kernel.o".to_owned()];
    objects.extend(
        files
            .into_iter()
            .filter(|path| !path.starts_with("rust/"))
            .filter_map(|path| path.strip_suffix(".rs"))
            .map(|stem| format!("{stem}.o")),
    );
    let mut crates = Vec::new();
    for object in objects {
        let (dir, name) = object
            .rsplit_once('/')
            .context("an object has a directory")?;
        let file = build_dir.join(format!("{dir}/.{name}.cmd"));
        let Ok(text) = fs::read_to_string(&file) else {
            continue;
        };
        crates.push(parse(&object, &text).with_context(|| format!("in {}", file.display()))?);
    }
    if crates.first().is_none_or(|one| one.name != "rust/kernel.o") {
        bail!("{} was built without Rust", build_dir.display());
    }
    Ok(crates)
}

fn parse(object: &str, record: &str) -> Result<Crate> {
    static OUTPUTS: LazyLock<Regex> = LazyLock::new(|| {
        // rustdoc does not know the last one.
        Regex::new(r" --emit=\S+| --out-dir \S+| --remap-path-scope=\S+")
            .expect("a constant expression")
    });
    let start = format!("savedcmd_{object} := ");
    let command = record
        .lines()
        .find_map(|line| line.strip_prefix(&start))
        .with_context(|| format!("there is no command for {object}"))?;
    let command = command.split(';').next().unwrap_or_default();
    let (environment, arguments) = command
        .split_once(" rustc ")
        .with_context(|| format!("the command for {object} does not run rustc"))?;
    Ok(Crate {
        name: object.to_owned(),
        arguments: OUTPUTS
            .replace_all(&format!(" {arguments}"), "")
            .into_owned(),
        environment: environment.trim().to_owned(),
    })
}

#[derive(Clone, Copy)]
enum Tool {
    Clippy,
    Rustdoc,
}

fn run(
    lab: &Lab,
    kernel: &Kernel,
    build_dir: &Path,
    driver: &Path,
    one: &Crate,
    tool: Tool,
) -> Result<Vec<Diagnostic>> {
    let binds = [
        Bind::read_only(&kernel.source_dir, "/linux"),
        Bind::read_only(build_dir, "/build"),
        Bind::read_only(driver, "/clippy"),
    ];
    let (program, outputs) = match tool {
        Tool::Clippy => ("/clippy/clippy-driver", "--emit=metadata=/tmp/clippy.rmeta"),
        Tool::Rustdoc => ("rustdoc", "--output /tmp/rustdoc"),
    };
    let Crate {
        environment,
        arguments,
        name,
    } = one;
    let script = format!(
        "cd /build && exec env {environment} {program} {arguments} {outputs} \
         -Zunstable-options --error-format=json"
    );
    let mut command = lab.toolchain.command(&binds, "sh");
    command
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CLIPPY_CONF_DIR", "/linux")
        .args(["-c", &script]);
    let (status, _, said) = process::capture(&mut command)?;
    let said = rustc::diagnostics(&said).with_context(|| format!("{program} on {name}"))?;
    if !status.success() && !said.iter().any(|one| one.level == "error") {
        bail!("{program} failed on {name} without an error");
    }
    Ok(said)
}

/// Errors, and warnings on lines of the series.
fn findings(said: &[Diagnostic], added: &BTreeMap<String, Lines>) -> Vec<String> {
    let is_added = |path: &str, line: usize| {
        added
            .get(path)
            .is_some_and(|lines| lines.iter().any(|range| range.contains(&line)))
    };
    said.iter()
        .filter(|one| !one.is_summary())
        .filter_map(|one| {
            let span = one.spans.iter().find(|span| span.is_primary);
            let (path, line) = span.map_or(("", 0), |span| {
                (
                    span.file_name.trim_start_matches("/linux/"),
                    span.line_start,
                )
            });
            (one.level == "error" || is_added(path, line)).then(|| {
                format!(
                    "{path}:{line}: {} ({})",
                    one.message,
                    one.code().unwrap_or("no code")
                )
            })
        })
        .collect()
}

/// Which lines of Rust files in a checkout the base has not, by file.
fn added_lines(tree: &Path, base: &str) -> Result<BTreeMap<String, Lines>> {
    let diff = git::out(
        tree,
        [
            "diff",
            "--unified=0",
            "--no-renames",
            "--no-color",
            "--no-ext-diff",
            "--src-prefix=a/",
            "--dst-prefix=b/",
            base,
            "--",
            "*.rs",
        ],
    )?;
    Ok(hunks(&diff))
}

fn hunks(diff: &str) -> BTreeMap<String, Lines> {
    static HUNK: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"^@@ -\S+ \+(\d+)(?:,(\d+))? @@").expect("a constant expression")
    });
    let mut added: BTreeMap<String, Lines> = BTreeMap::new();
    let mut path = None;
    for line in diff.lines() {
        if let Some(name) = line.strip_prefix("+++ b/") {
            path = Some(name.to_owned());
        } else if let (Some(found), Some(path)) = (HUNK.captures(line), &path) {
            let number = |index| found.get(index).and_then(|it| it.as_str().parse().ok());
            let first: usize = number(1).unwrap_or(0);
            let count = number(2).unwrap_or(1);
            if count > 0 {
                let lines = added.entry(path.clone()).or_default();
                lines.push(first..=first + count - 1);
            }
        }
    }
    added
}

/// The directory of clippy-driver, which has to be of the same version as rustc: from its
/// package, which the toolchain root does not have.
fn clippy_driver(lab: &Lab) -> Result<PathBuf> {
    let version = process::output(lab.toolchain.command(&[], "dpkg-query").args([
        "-W",
        "-f",
        "${Version}",
        "rustc",
    ]))?;
    let dir = lab.paths.tools().join(format!("clippy-{version}"));
    let bin = dir.join("usr/bin");
    if !bin.join("clippy-driver").is_file() {
        let mirror = Mirror::find(&lab.paths, &lab.ui)?;
        let step = lab.ui.step("Downloading clippy");
        let lists = Lists::update(&lab.paths, &mirror, &[apt::SUITE, BACKPORTS])?;
        let temporary = tempfile::tempdir_in(lab.paths.tools())
            .context("cannot make a temporary directory in the cache")?;
        let deb = lists
            .download(temporary.path(), "rust-clippy", &version)
            .with_context(|| {
                format!("the mirror has no clippy for the toolchain's rustc {version}")
            })?;
        let tree = temporary.path().join("tree");
        apt::extract(&deb, &tree)?;
        fs::rename(&tree, &dir).context("cannot move clippy into place")?;
        step.done("");
    }
    Ok(bin)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_become_commands() -> Result<()> {
        let record = "savedcmd_drivers/a.o := OBJTREE=/build RUST_MODFILE=drivers/a rustc \
                      --edition=2021 -Zcrate-attr='feature(a,b)' --out-dir drivers/ \
                      --emit=dep-info=x --emit=obj=drivers/a.o /linux/drivers/a.rs ; objtool x\n";
        let one = parse("drivers/a.o", record)?;
        assert_eq!(one.environment, "OBJTREE=/build RUST_MODFILE=drivers/a");
        assert_eq!(
            one.arguments.trim(),
            "--edition=2021 -Zcrate-attr='feature(a,b)' /linux/drivers/a.rs"
        );
        assert!(parse("drivers/b.o", record).is_err());
        Ok(())
    }

    #[test]
    fn added_lines_are_those_of_the_new_file() {
        let diff = "\
diff --git a/a.rs b/a.rs
--- a/a.rs
+++ b/a.rs
@@ -3,0 +4,2 @@ fn f
+x
+y
@@ -9,2 +11,0 @@
-z
@@ -20 +20 @@
-z
+w
--- /dev/null
+++ b/b.rs
@@ -0,0 +1,3 @@
";
        let added = hunks(diff);
        assert_eq!(added["a.rs"], [4..=5, 20..=20]);
        assert_eq!(added["b.rs"], [1..=3]);
    }

    #[test]
    fn warnings_count_on_added_lines_and_errors_anywhere() -> Result<()> {
        let one = |level: &str, file: &str, line: usize| {
            format!(
                r#"{{"level":"{level}","message":"m","code":{{"code":"clippy::x"}},"spans":[{{"file_name":"{file}","line_start":{line},"is_primary":true}}],"rendered":null}}"#
            )
        };
        let said = [
            one("warning", "/linux/a.rs", 4),
            one("warning", "a.rs", 4),
            one("warning", "a.rs", 5),
            one("warning", "b.rs", 4),
            one("error", "b.rs", 9),
            r#"{"level":"warning","message":"2 warnings emitted","code":null,"spans":[],"rendered":null}"#
                .to_owned(),
        ]
        .join("\n");
        let added = BTreeMap::from([("a.rs".to_owned(), vec![4..=4])]);
        let found = findings(&rustc::diagnostics(&said)?, &added);
        assert_eq!(
            found,
            [
                "a.rs:4: m (clippy::x)",
                "a.rs:4: m (clippy::x)",
                "b.rs:9: m (clippy::x)"
            ]
        );
        Ok(())
    }
}
