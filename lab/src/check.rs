//! `cargo lab check`: what can be said of the series without building it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::LazyLock;

use anyhow::{Context, Result, bail};
use regex::Regex;
use serde::{Deserialize, Serialize};

use crate::kernel::Lab;
use crate::kunit;
use crate::lint;
use crate::patches::{self, Patch};
use crate::process;
use crate::series::{self, Changed};
use crate::source::Source;
use crate::toolchain::Bind;
use crate::unsafety;

/// Check the series and the lab without building anything; silent when all is well
///
/// The patches apply, each series also on nothing but those that it names; they are what
/// `export` writes, have an Assisted-by, no Signed-off-by, and no "and" in their subjects
/// (lab/data/check/subjects.toml); exported files are equal and linux/ has nothing that was not
/// exported; checkpatch.pl --strict (what lab/data/check/checkpatch.toml lists aside);
/// no kernel-doc warning that the base has not; rustfmt of Rust files that the series
/// touches, and of the lab; in Rust drivers no `unsafe` but what lab/data/check/unsafe.toml
/// has; the series' Coccinelle rule finds in lab/kernel/coccinelle/ what is marked there,
/// and nothing else; the lab's patches (mutants, benchmarks and so on) apply to the series.
///
/// With --linux PATH instead: which patches of each series apply to that tree, up to the
/// first that does not.
///
/// Takes half a minute the first time in a clone, 10 s after that. Writes out/src/ and
/// out/check.json (findings, and how often each Rust file is unsafe), and prints one line
/// for each finding; exit status 0 only if there is none.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Also clippy and rustdoc, which need the UML kernel; it is built if need be
    #[arg(long)]
    rust: bool,
    /// With --rust: clippy and rustdoc of the worktree linux/ as it stands
    #[arg(long, requires = "rust")]
    tree: bool,
}

/// One kind of check.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    pub name: &'static str,
    /// How many things were looked at.
    pub looked: usize,
    /// One line each.
    pub findings: Vec<String>,
}

/// The verb `check`.
pub fn run(lab: &Lab, args: Args) -> Result<ExitCode> {
    let mut good = true;
    let mut checks = all(lab)?;
    if args.rust {
        checks.extend(rust(lab, args.tree)?);
    }
    for check in checks {
        for finding in check.findings {
            println!("{}: {finding}", check.name);
            good = false;
        }
    }
    Ok(if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Runs every check that can be run; without a series that applies, few can.
pub fn all(lab: &Lab) -> Result<Vec<Check>> {
    let report = series::verify(lab)?;
    let mut checks = vec![Check {
        name: "series",
        looked: report.patches + report.exported,
        findings: report.problems,
    }];
    if let Some(commit) = report.applied {
        let source = Source::ensure(&lab.paths, &lab.ui)?;
        let step = lab.ui.step("Checking style");
        let (tree, _) = series::checkout(&lab.paths, &lab.ui, &source, None)?;
        step.note("checkpatch");
        checks.push(checkpatch(lab, &tree)?);
        let changed = series::changed_files(&commit)?;
        step.note("kernel-doc");
        checks.push(kernel_doc(lab, &source.dir, &tree, &changed)?);
        step.note("rustfmt");
        checks.push(rustfmt(lab, &tree, &changed)?);
        checks.push(unsafe_code(lab, &source.dir, &tree, &changed)?);
        step.note("coccinelle");
        checks.push(coccinelle(lab, &tree)?);
        checks.push(lab_patches(lab, &tree)?);
        step.done("");
    }
    checks.push(lab_format(lab)?);
    record(lab, "checks", &checks)?;
    Ok(checks)
}

/// What needs a build: clippy and rustdoc, of the kernel that the KUnit tests are in.
pub fn rust(lab: &Lab, tree: bool) -> Result<Vec<Check>> {
    let checks = lint::all(lab, &kunit::build(lab, tree)?)?;
    record(lab, "compiled", &checks)?;
    Ok(checks)
}

/// Puts `value` into out/check.json, beside what other parts put there.
fn record(lab: &Lab, key: &str, value: &impl Serialize) -> Result<()> {
    let file = lab.paths.out().join("check.json");
    let mut all: serde_json::Map<String, serde_json::Value> = fs::read_to_string(&file)
        .ok()
        .and_then(|text| serde_json::from_str(&text).ok())
        .unwrap_or_default();
    let value = serde_json::to_value(value).context("a check has no JSON form")?;
    all.insert(key.to_owned(), value);
    let text = serde_json::to_string_pretty(&all).context("the checks have no JSON form")?;
    fs::write(&file, text + "\n").with_context(|| format!("cannot write {}", file.display()))
}

// checkpatch.

/// An entry of `lab/data/check/checkpatch.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Allowed {
    types: Vec<String>,
    #[serde(default)]
    file: String,
    #[serde(default)]
    line: String,
    #[serde(default)]
    moved: bool,
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AllowList {
    allow: Vec<Allowed>,
}

fn allow_list(file: &Path) -> Result<Vec<Allowed>> {
    let text =
        fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let list: AllowList =
        toml::from_str(&text).with_context(|| format!("cannot understand {}", file.display()))?;
    for entry in &list.allow {
        if entry.reason.is_empty() {
            bail!("{}: {:?} has no reason", file.display(), entry.types);
        }
        Regex::new(&entry.line).with_context(|| format!("in {}", file.display()))?;
    }
    Ok(list.allow)
}

/// A message of checkpatch.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Message {
    line: usize,
    kind: String,
    /// `WARNING:ENOTSUPP: ENOTSUPP is not ...`
    text: String,
}

/// One patch as checkpatch and the allow-list see it.
struct Lines {
    lines: Vec<String>,
}

impl Lines {
    fn new(patch: &[u8]) -> Self {
        Self {
            lines: String::from_utf8_lossy(patch)
                .lines()
                .map(str::to_owned)
                .collect(),
        }
    }

    /// Line `number`, counted from 1.
    fn line(&self, number: usize) -> &str {
        let index = number.checked_sub(1);
        index
            .and_then(|index| self.lines.get(index))
            .map_or("", String::as_str)
    }

    /// The kernel file that a line is about; empty in the commit message.
    fn file(&self, number: usize) -> &str {
        let end = number.min(self.lines.len());
        self.lines[..end]
            .iter()
            .rev()
            .find_map(|line| line.strip_prefix("diff --git a/"))
            .and_then(|names| names.split_once(" b/"))
            .map_or("", |(_, new)| new)
    }

    /// Whether an added line is also a removed one, indentation aside.
    fn moved(&self, number: usize) -> bool {
        let Some(added) = self.line(number).strip_prefix('+').map(str::trim) else {
            return false;
        };
        self.lines
            .iter()
            .filter_map(|line| line.strip_prefix('-'))
            .any(|line| line.trim() == added)
    }

    fn allows(&self, allowed: &Allowed, message: &Message) -> bool {
        allowed.types.contains(&message.kind)
            && self.file(message.line).starts_with(&allowed.file)
            && Regex::new(&allowed.line)
                .is_ok_and(|pattern| pattern.is_match(self.line(message.line)))
            && (!allowed.moved || self.moved(message.line))
    }
}

/// What `checkpatch.pl --terse --show-types` printed; an error for a line of another
/// form, which would be a message that nobody sees.
fn messages(said: &str) -> Result<Vec<Message>> {
    static PATTERN: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"^[^:]*:(\d+): ((?:ERROR|WARNING|CHECK):([A-Z0-9_]+): .*)$")
            .expect("a constant expression")
    });
    said.lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| {
            let found = PATTERN
                .captures(line)
                .with_context(|| format!("checkpatch.pl says: {line}"))?;
            Ok(Message {
                line: found[1].parse().context("a line number")?,
                kind: found[3].to_owned(),
                text: found[2].to_owned(),
            })
        })
        .collect()
}

/// Outside a git repository: checkpatch takes a file that git tracks for a source.
const CHECKPATCH: &str = r#"
cd /patches
ls */*.patch | xargs -P "$1" -I '{}' sh -c '
	perl /linux/scripts/checkpatch.pl --root=/linux --strict --no-signoff \
		--terse --show-types --no-summary --color=never "$1" >"$1.said" 2>&1 </dev/null
	echo $? >"$1.status"' checkpatch '{}'
"#;

fn checkpatch(lab: &Lab, tree: &Path) -> Result<Check> {
    let allowed = allow_list(&lab.paths.data().join("check/checkpatch.toml"))?;
    let patches = patches::read(&lab.paths.patches())?;
    let dir = tempfile::tempdir_in(lab.paths.out()).context("cannot make a directory in out/")?;
    for patch in &patches {
        let file = dir.path().join(&patch.name);
        fs::create_dir_all(dir.path().join(patch.series()))
            .and_then(|()| fs::write(file, &patch.bytes))
            .context("cannot write into out/")?;
    }
    let binds = [
        Bind::read_only(tree, "/linux"),
        Bind::writable(dir.path(), "/patches"),
    ];
    let jobs = std::thread::available_parallelism().map_or(1, |n| n.get());
    process::output(lab.toolchain.command(&binds, "sh").args([
        "-c",
        CHECKPATCH,
        "checkpatch",
        &jobs.to_string(),
    ]))?;
    let mut findings = Vec::new();
    for Patch { name, bytes } in &patches {
        let left = |end: &str| {
            let file = dir.path().join(format!("{name}.{end}"));
            fs::read_to_string(file).with_context(|| format!("checkpatch.pl left {name} out"))
        };
        let said = messages(&left("said")?).with_context(|| name.clone())?;
        if said.is_empty() && left("status")?.trim() != "0" {
            bail!("checkpatch.pl failed on {name} without a word");
        }
        let lines = Lines::new(bytes);
        findings.extend(
            said.iter()
                .filter(|message| !allowed.iter().any(|entry| lines.allows(entry, message)))
                .map(|message| format!("patches/{name}:{}: {}", message.line, message.text)),
        );
    }
    Ok(Check {
        name: "checkpatch",
        looked: patches.len(),
        findings,
    })
}

// kernel-doc.

fn kernel_doc(lab: &Lab, base: &Path, tree: &Path, changed: &[Changed]) -> Result<Check> {
    let sources = |file: &&Changed| file.path.ends_with(".c") || file.path.ends_with(".h");
    let now: Vec<&str> = changed
        .iter()
        .filter(sources)
        .map(|file| file.path.as_str())
        .collect();
    let before: Vec<&str> = changed
        .iter()
        .filter(sources)
        .filter(|file| !file.added)
        .map(|file| file.path.as_str())
        .collect();
    let findings = fresh(
        &documentation(lab, base, &before)?,
        &documentation(lab, tree, &now)?,
    );
    Ok(Check {
        name: "kernel-doc",
        looked: now.len(),
        findings,
    })
}

/// What kernel-doc says of files of a tree, line by line.
fn documentation(lab: &Lab, tree: &Path, files: &[&str]) -> Result<Vec<String>> {
    if files.is_empty() {
        return Ok(Vec::new());
    }
    let mut command = lab
        .toolchain
        .command(&[Bind::read_only(tree, "/linux")], "sh");
    command
        .args([
            "-c",
            "cd /linux && exec python3 -B scripts/kernel-doc -none -Wall \"$@\"",
            "kernel-doc",
        ])
        .args(files);
    let (status, _, said) = process::capture(&mut command)?;
    let lines: Vec<String> = said.lines().map(str::to_owned).collect();
    let foreign = lines
        .iter()
        .any(|line| line.starts_with("Traceback") || line.contains("python3:"));
    // Its status is the number of errors, if at all.
    if foreign || (!status.success() && lines.is_empty()) {
        bail!("kernel-doc does not work: {}", said.trim_end());
    }
    Ok(lines)
}

/// Lines of `after` that are not, line numbers aside, in `before` as often.
fn fresh(before: &[String], after: &[String]) -> Vec<String> {
    static NUMBER: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r":\d+\b").expect("a constant expression"));
    let neutral = |line: &String| NUMBER.replace(line, "").into_owned();
    // A comment that documents two things is warned about twice in the same words.
    let once = |lines: &[String]| -> BTreeSet<String> { lines.iter().cloned().collect() };
    let mut known: BTreeMap<String, usize> = BTreeMap::new();
    for line in &once(before) {
        *known.entry(neutral(line)).or_default() += 1;
    }
    once(after)
        .iter()
        .filter(|line| match known.get_mut(&neutral(line)) {
            Some(count) if *count > 0 => {
                *count -= 1;
                false
            }
            _ => true,
        })
        .map(|line| line.trim_start_matches("Warning: ").to_owned())
        .collect()
}

// rustfmt.

/// Each file by itself from standard input: given a file name, rustfmt goes on to the
/// modules that the file names.
const RUSTFMT: &str = r#"
cd /linux
for file; do
	rustfmt --check --quiet --edition 2021 --config-path /linux/.rustfmt.toml \
		<"$file" >/tmp/said 2>&1 || echo "$file"
done
"#;

fn rustfmt(lab: &Lab, tree: &Path, changed: &[Changed]) -> Result<Check> {
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

// Coccinelle.

/// The rule of the series. Its context mode marks lines without Python, which its other
/// modes need and the toolchain's spatch has not.
const RULE: &str = "scripts/coccinelle/free/spi_controller.cocci";

/// Each example by itself, so that no rule combines two.
const SPATCH: &str = r#"
set -e
cd /examples
for file in *.c; do
	spatch --very-quiet -D context --sp-file "/linux/$1" "$file" 2>&1
done
"#;

/// The files in `dir` whose names end so, by name.
fn files_in(dir: &Path, end: &str) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(dir)
        .and_then(|dir| dir.collect::<std::io::Result<Vec<_>>>())
        .with_context(|| format!("cannot read {}", dir.display()))?;
    let mut files: Vec<_> = entries.iter().map(fs::DirEntry::path).collect();
    files.retain(|file| file.extension().is_some_and(|it| it == end));
    files.sort();
    Ok(files)
}

/// In the examples, the rule finds the lines that end with this, and no others.
const FIRES: &str = "/* FIRES */";

fn coccinelle(lab: &Lab, tree: &Path) -> Result<Check> {
    let examples = lab.paths.clone.join("lab/kernel/coccinelle");
    let mut wanted = BTreeSet::new();
    let files = files_in(&examples, "c")?;
    for path in &files {
        let text =
            fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let name = path.file_name().unwrap_or_default();
        let name = name.to_string_lossy().into_owned();
        let marks = text.lines().enumerate();
        let marks = marks.filter(|(_, line)| line.ends_with(FIRES));
        wanted.extend(marks.map(|(index, _)| (name.clone(), index + 1)));
    }
    if wanted.is_empty() {
        bail!("no line in {} ends with {FIRES}", examples.display());
    }
    let binds = [
        Bind::read_only(tree, "/linux"),
        Bind::read_only(&examples, "/examples"),
    ];
    let mut command = lab.toolchain.command(&binds, "sh");
    let said = process::output(command.args(["-c", SPATCH, "spatch", RULE]))?;
    let found = removed(&said).context("spatch wrote what is not a diff")?;
    let place = |(file, line): &(String, usize)| format!("lab/kernel/coccinelle/{file}:{line}");
    let missed = wanted.difference(&found);
    let wrong = found.difference(&wanted);
    Ok(Check {
        name: "coccinelle",
        looked: files.len(),
        findings: missed
            .map(|at| format!("{}: {RULE} does not fire", place(at)))
            .chain(wrong.map(|at| format!("{}: {RULE} fires", place(at))))
            .collect(),
    })
}

/// Where there are patches that apply on top of the series.
const ON_TOP: [&str; 4] = ["attempts", "bench", "inside", "mutants"];

/// Nothing else notices before they are used, which for most is in `soak` only.
fn lab_patches(lab: &Lab, tree: &Path) -> Result<Check> {
    let mut check = Check {
        name: "lab patches",
        looked: 0,
        findings: Vec::new(),
    };
    for dir in ON_TOP {
        let dir = lab.paths.clone.join("lab/kernel").join(dir);
        for file in files_in(&dir, "patch")? {
            let patch =
                fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
            check.looked += 1;
            if let Some(why) = series::misfit(tree, &patch)? {
                let name = file.strip_prefix(&lab.paths.clone).unwrap_or(&file);
                check.findings.push(format!("{}: {why}", name.display()));
            }
        }
    }
    Ok(check)
}

/// The lines that unified diffs take away, by file and number.
fn removed(diff: &str) -> Result<BTreeSet<(String, usize)>> {
    static HUNK: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"^@@ -(\d+)(?:,\d+)? \+").expect("a constant expression"));
    let mut lines = BTreeSet::new();
    let mut file = None;
    let mut number = None;
    for line in diff.lines() {
        if let Some(path) = line.strip_prefix("--- ") {
            let name = path.rsplit('/').next().unwrap_or(path);
            file = Some(name.split('\t').next().unwrap_or(name).to_owned());
            number = None;
        } else if line.starts_with("+++ ") || line.starts_with("diff ") {
            continue;
        } else if let Some(hunk) = HUNK.captures(line) {
            number = Some(hunk[1].parse::<usize>()?);
        } else {
            let (Some(file), Some(number)) = (&file, &mut number) else {
                bail!("{line:?}");
            };
            match line.as_bytes().first() {
                Some(b'-') => {
                    lines.insert((file.clone(), *number));
                    *number += 1;
                }
                Some(b' ') | None => *number += 1,
                Some(b'+' | b'\\') => {}
                _ => bail!("{line:?}"),
            }
        }
    }
    Ok(lines)
}

// unsafe.

/// How often a Rust file is unsafe, and was before the series if it was there.
#[derive(Clone, Debug, Serialize)]
struct Unsafe {
    file: String,
    now: unsafety::Count,
    total: usize,
    base: Option<unsafety::Count>,
}

fn unsafe_code(lab: &Lab, base: &Path, tree: &Path, changed: &[Changed]) -> Result<Check> {
    let allowed = unsafety::allow_list(&lab.paths.data().join("check/unsafe.toml"))?;
    let read = |tree: &Path, path: &str| {
        let file = tree.join(path);
        fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))
    };
    let mut counts = Vec::new();
    let mut findings = Vec::new();
    for file in changed.iter().filter(|file| file.path.ends_with(".rs")) {
        let text = read(tree, &file.path)?;
        let now = unsafety::count(&text);
        let base = match file.added {
            true => None,
            false => Some(unsafety::count(&read(base, &file.path)?)),
        };
        // The abstractions are what drivers do without it for.
        if !file.path.starts_with("rust/") {
            findings.extend(unsafety::judge(&file.path, &text, &allowed)?);
        }
        counts.push(Unsafe {
            file: file.path.clone(),
            now,
            total: now.total(),
            base,
        });
    }
    record(lab, "unsafe", &counts)?;
    record(lab, "unsafe_allowed", &allowed)?;
    Ok(Check {
        name: "unsafe",
        looked: counts.len(),
        findings,
    })
}

fn lab_format(lab: &Lab) -> Result<Check> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paths::Paths;

    const PATCH: &str = "\
Subject: x

---
diff --git a/include/trace/events/spi.h b/include/trace/events/spi.h
@@ -1 +1 @@
-	return -ENOTSUPP;
+		return -ENOTSUPP;
+		return -ENOTSUPP; /* new */
diff --git a/drivers/spi/spi.c b/drivers/spi/spi.c
+	for (;;)		\\
";

    fn message(line: usize, kind: &str) -> Message {
        Message {
            line,
            kind: kind.into(),
            text: String::new(),
        }
    }

    fn allowed(kind: &str, file: &str, line: &str, moved: bool) -> Allowed {
        Allowed {
            types: vec![kind.into()],
            file: file.into(),
            line: line.into(),
            moved,
            reason: "r".into(),
        }
    }

    #[test]
    fn messages_are_read_and_nothing_else_passes() -> Result<()> {
        let said = "0001-a.patch:82: CHECK:OPEN_ENDED_LINE: Lines: should\n\n\
                    0002-b.patch:1: ERROR:SPACING: space\n";
        let read = messages(said)?;
        assert_eq!(read.len(), 2);
        assert_eq!(
            (read[0].line, read[0].kind.as_str()),
            (82, "OPEN_ENDED_LINE")
        );
        assert_eq!(read[0].text, "CHECK:OPEN_ENDED_LINE: Lines: should");
        assert!(messages("Can't open perl script").is_err());
        Ok(())
    }

    #[test]
    fn a_line_belongs_to_its_file() {
        let lines = Lines::new(PATCH.as_bytes());
        assert_eq!(lines.file(1), "");
        assert_eq!(lines.file(7), "include/trace/events/spi.h");
        assert_eq!(lines.file(10), "drivers/spi/spi.c");
        assert_eq!(lines.file(1000), "drivers/spi/spi.c");
    }

    #[test]
    fn the_allow_list_is_by_type_file_line_and_origin() {
        let lines = Lines::new(PATCH.as_bytes());
        let trace = allowed("A", "include/trace/", "", false);
        assert!(lines.allows(&trace, &message(7, "A")));
        assert!(!lines.allows(&trace, &message(10, "A")));
        assert!(!lines.allows(&trace, &message(7, "B")));
        let moved = allowed("A", "", "", true);
        assert!(lines.allows(&moved, &message(7, "A")));
        assert!(!lines.allows(&moved, &message(8, "A")));
        let macros = allowed("A", "", r"\\$", false);
        assert!(lines.allows(&macros, &message(10, "A")));
        assert!(!lines.allows(&macros, &message(7, "A")));
    }

    #[test]
    fn the_committed_allow_list_reads() -> Result<()> {
        let file = Paths::find()?.data().join("check/checkpatch.toml");
        assert!(!allow_list(&file)?.is_empty());
        Ok(())
    }

    #[test]
    fn removed_lines_are_counted_in_the_old_file() -> Result<()> {
        let diff = "diff = \n--- /a/b.c\n+++ /tmp/cocci-output-1-b.c\n@@ -9,4 +9,3 @@ int f()\n \n-x\n y\n+z\n\
                    @@ -20,1 +19,0 @@\n-- w\n--- c.c\n+++ c.c\n@@ -1 +1 @@\n-v\n";
        let lines = removed(diff)?;
        let wanted = [("b.c", 10), ("b.c", 20), ("c.c", 1)];
        assert_eq!(
            lines,
            wanted.map(|(file, line)| (file.to_owned(), line)).into()
        );
        assert!(removed("Fatal error: exception\n").is_err());
        assert!(removed("")?.is_empty());
        Ok(())
    }

    #[test]
    fn only_new_warnings_count() {
        let lines = |list: &[&str]| list.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
        let before = lines(&["Warning: a.c:10 no return of 'f'"]);
        let after = lines(&[
            "Warning: a.c:12 no return of 'f'",
            "Warning: a.c:12 no return of 'f'",
            "Warning: a.c:20 no return of 'f'",
            "Warning: a.c:30 no return of 'g'",
        ]);
        assert_eq!(
            fresh(&before, &after),
            ["a.c:20 no return of 'f'", "a.c:30 no return of 'g'"]
        );
    }
}
