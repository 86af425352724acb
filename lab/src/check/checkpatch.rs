//! checkpatch.pl, and what of its complaints is allowed.

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use anyhow::{Context, Result, bail};
use regex::Regex;
use serde::Deserialize;

use crate::base::process;
use crate::check::finding::Check;
use crate::lab::Lab;
use crate::series::patches::{self, Patch};
use crate::toolchain::enter::Bind;

/// An entry of `lab/data/check/checkpatch.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Allowed {
    pub types: Vec<String>,
    #[serde(default)]
    pub file: String,
    #[serde(default)]
    pub line: String,
    #[serde(default)]
    pub moved: bool,
    pub reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AllowList {
    allow: Vec<Allowed>,
}

pub fn allow_list(file: &Path) -> Result<Vec<Allowed>> {
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
pub struct Message {
    pub line: usize,
    pub kind: String,
    /// `WARNING:ENOTSUPP: ENOTSUPP is not ...`
    pub text: String,
}

/// One patch as checkpatch and the allow-list see it.
pub struct Lines {
    lines: Vec<String>,
}

impl Lines {
    pub fn new(patch: &[u8]) -> Self {
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
    pub fn file(&self, number: usize) -> &str {
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

    pub fn allows(&self, allowed: &Allowed, message: &Message) -> bool {
        allowed.types.contains(&message.kind)
            && self.file(message.line).starts_with(&allowed.file)
            && Regex::new(&allowed.line)
                .is_ok_and(|pattern| pattern.is_match(self.line(message.line)))
            && (!allowed.moved || self.moved(message.line))
    }
}

/// What `checkpatch.pl --terse --show-types` printed; an error for a line of another
/// form, which would be a message that nobody sees.
pub fn messages(said: &str) -> Result<Vec<Message>> {
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

pub fn checkpatch(lab: &Lab, tree: &Path) -> Result<Check> {
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
