//! patches/ as files: series, each a folder of patches with a cover letter that says on
//! which others it applies. The product is all of them, in the order of their names.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use anyhow::{Context, Result, bail};
use regex::Regex;

use crate::base::files::key;
use crate::base::paths::Paths;

/// In each folder.
pub const COVER: &str = "cover-letter.txt";

/// The line of a commit's message in kernel trees that says which series it belongs to.
/// Patches have none: their folder says it.
const TRAILER: &str = "Series:";

/// A file of patches/.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patch {
    /// From patches/ on: `2-mtd/0001-mtd-x.patch`.
    pub name: String,
    pub bytes: Vec<u8>,
}

impl Patch {
    pub fn series(&self) -> &str {
        self.name.split('/').next().unwrap_or_default()
    }

    /// As it is applied: its series in its message.
    pub fn mail(&self) -> Vec<u8> {
        with_trailer(&self.bytes, self.series())
    }
}

static PATCH_NAME: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^(\d{4})-.*\.patch$").expect("a constant expression"));

static SERIES_NAME: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^\d-[a-z0-9-]+$").expect("a constant expression"));

/// The names in a directory in order, each with whether it is a directory; none when
/// there is no directory.
fn entries(dir: &Path) -> Result<BTreeMap<String, bool>> {
    let cannot = || format!("cannot read {}", dir.display());
    let mut entries = BTreeMap::new();
    if !dir.exists() {
        return Ok(entries);
    }
    for entry in fs::read_dir(dir).with_context(cannot)? {
        let entry = entry.with_context(cannot)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        entries.insert(name, entry.path().is_dir());
    }
    Ok(entries)
}

/// The names of the series in a directory like patches/, in order.
pub fn series(dir: &Path) -> Result<Vec<String>> {
    let mut series = Vec::new();
    for (name, is_dir) in entries(dir)? {
        if is_dir && !SERIES_NAME.is_match(&name) {
            bail!("patches/{name} is not named as a series is: 2-mtd, 3-spi");
        } else if is_dir {
            series.push(name);
        } else if name.ends_with(".patch") {
            bail!("patches/{name} belongs into the folder of a series");
        }
    }
    Ok(series)
}

/// All patches in a directory like patches/, in order.
pub fn read(dir: &Path) -> Result<Vec<Patch>> {
    let mut patches = Vec::new();
    for series in series(dir)? {
        let mut names: Vec<String> = entries(&dir.join(&series))?.into_keys().collect();
        names.retain(|name| name.ends_with(".patch"));
        check_names(&series, &names)?;
        for name in names {
            let name = format!("{series}/{name}");
            let file = dir.join(&name);
            let bytes =
                fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
            patches.push(Patch { name, bytes });
        }
    }
    Ok(patches)
}

/// Numbers must run from 0001 without gaps, or the order is not what it seems.
fn check_names(series: &str, names: &[String]) -> Result<()> {
    for (index, name) in names.iter().enumerate() {
        let number = PATCH_NAME
            .captures(name)
            .and_then(|captures| captures[1].parse::<usize>().ok());
        if number != Some(index + 1) {
            bail!(
                "patches/{series}/{name} should be number {:04}; the patches of a series are \
                 numbered from 0001 without gaps",
                index + 1
            );
        }
    }
    Ok(())
}

/// For each series, those that it applies on, and itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs(BTreeMap<String, BTreeSet<String>>);

impl Needs {
    /// What the cover letters in a directory like patches/ say.
    pub fn read(dir: &Path) -> Result<Self> {
        let mut needs = Self::default();
        for series in series(dir)? {
            let file = dir.join(&series).join(COVER);
            let text = match file.exists() {
                true => fs::read_to_string(&file)
                    .with_context(|| format!("cannot read {}", file.display()))?,
                false => String::new(),
            };
            let mut all = BTreeSet::from([series.clone()]);
            for name in list(head(&text, "Needs").unwrap_or_default()) {
                // Those that come before are in the map, and this one is not.
                let Some(more) = needs.0.get(name) else {
                    bail!(
                        "patches/{series}/{COVER} needs {name}, which is no series before {series}"
                    );
                };
                all.extend(more.iter().cloned());
            }
            needs.0.insert(series, all);
        }
        Ok(needs)
    }

    /// The series, and all that they need; all there are when none is named.
    pub fn closure(&self, series: &[String]) -> Result<BTreeSet<String>> {
        if series.is_empty() {
            return Ok(self.0.keys().cloned().collect());
        }
        let mut all = BTreeSet::new();
        for name in series {
            let Some(more) = self.0.get(name) else {
                let known: Vec<&str> = self.0.keys().map(String::as_str).collect();
                bail!(
                    "there is no series {name}; patches/ has {}",
                    known.join(", ")
                );
            };
            all.extend(more.iter().cloned());
        }
        Ok(all)
    }

    /// Each series with all that it needs.
    pub fn each(&self) -> impl Iterator<Item = (&String, &BTreeSet<String>)> {
        self.0.iter()
    }
}

/// The words of a list with commas.
fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|it| !it.is_empty())
}

/// A line of the head of a cover letter, which ends at the first empty line.
pub fn head<'a>(letter: &'a str, name: &str) -> Option<&'a str> {
    letter
        .lines()
        .take_while(|line| !line.is_empty())
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        .map(str::trim)
}

/// The patches of some series.
pub fn of(patches: &[Patch], series: &BTreeSet<String>) -> Vec<Patch> {
    let wanted = |patch: &&Patch| series.contains(patch.series());
    patches.iter().filter(wanted).cloned().collect()
}

/// The patches that are built: of all series, or of those that were chosen and what they
/// need.
pub fn chosen(paths: &Paths) -> Result<Vec<Patch>> {
    let dir = paths.patches();
    let series = Needs::read(&dir)?.closure(&paths.series)?;
    Ok(of(&read(&dir)?, &series))
}

/// How many of the chosen patches there are up to this one: a number, or `2-mtd/0005`.
pub fn count_to(paths: &Paths, last: &str) -> Result<usize> {
    let patches = chosen(paths)?;
    let found = match last.parse() {
        Ok(count) => (count <= patches.len()).then_some(count),
        Err(_) => patches
            .iter()
            .position(|patch| patch.name == last || patch.name.starts_with(&format!("{last}-")))
            .map(|index| index + 1),
    };
    found.with_context(|| {
        format!(
            "there is no patch {last}; it is a number up to {}, or like 2-mtd/0005",
            patches.len()
        )
    })
}

/// For each number of patches, a key of the tree they make on `base`.
pub fn prefix_keys(base: &str, patches: &[Patch]) -> Vec<String> {
    let mut keys = vec![key(&[base])];
    for patch in patches {
        let last = keys[keys.len() - 1].clone();
        keys.push(key(&[&last, &String::from_utf8_lossy(&patch.mail())]));
    }
    keys
}

/// Files that a patch touches.
pub fn touched(patch: &[u8]) -> BTreeSet<String> {
    String::from_utf8_lossy(patch)
        .lines()
        .filter_map(|line| line.strip_prefix("diff --git a/"))
        // Of a rename both names count; spaces in names do not occur.
        .filter_map(|names| names.split_once(" b/"))
        .flat_map(|(old, new)| [old.to_owned(), new.to_owned()])
        .collect()
}

/// The series that a commit's message names, if it does. Of several, as squashing leaves
/// them, the last.
pub fn trailer(message: &str) -> Result<Option<&str>> {
    let mut lines = message.lines().filter_map(|it| it.strip_prefix(TRAILER));
    match lines.next_back().map(str::trim) {
        Some(name) if !SERIES_NAME.is_match(name) => {
            bail!("says \"{TRAILER} {name}\", which is not named as a series is: 2-mtd, 3-spi")
        }
        name => Ok(name),
    }
}

/// The lines of a mail, and which of them are its message.
fn message(mail: &[u8]) -> (Vec<&[u8]>, std::ops::Range<usize>) {
    let lines: Vec<&[u8]> = mail.split_inclusive(|byte| *byte == b'\n').collect();
    let start = lines.iter().position(|line| *line == b"\n");
    let start = start.map_or(lines.len(), |index| index + 1);
    let is_end = |line: &&[u8]| *line == b"---\n" || line.starts_with(b"diff --git ");
    let end = lines[start..].iter().position(is_end);
    let end = end.map_or(lines.len(), |length| start + length);
    (lines, start..end)
}

/// A mail with the trailer at the end of its message.
fn with_trailer(mail: &[u8], series: &str) -> Vec<u8> {
    static OTHER: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"^[A-Z][A-Za-z-]+: ").expect("a constant expression"));
    let (lines, range) = message(mail);
    let body = &lines[range.clone()];
    let last = body
        .rsplit(|line| *line == b"\n")
        .next()
        .unwrap_or_default();
    let joins = last
        .first()
        .is_none_or(|line| OTHER.is_match(&String::from_utf8_lossy(line)));
    let mut out = lines[..range.end].concat();
    if !joins {
        out.push(b'\n');
    }
    out.extend_from_slice(format!("{TRAILER} {series}\n").as_bytes());
    out.extend(lines[range.end..].concat());
    out
}

/// A mail as it was before [`with_trailer`].
pub fn without_trailer(mail: &[u8]) -> Vec<u8> {
    let (lines, range) = message(mail);
    let is_trailer = |line: &&&[u8]| line.starts_with(TRAILER.as_bytes());
    let body = &lines[range.clone()];
    let mut left: Vec<&[u8]> = body.iter().filter(|it| !is_trailer(it)).copied().collect();
    // What stood in a paragraph of its own.
    while left.len() < body.len() && left.last() == Some(&b"\n".as_slice()) {
        left.pop();
    }
    [
        lines[..range.start].concat(),
        left.concat(),
        lines[range.end..].concat(),
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn patches_are_numbered_without_gaps() {
        assert!(check_names("2-mtd", &names(&["0001-a.patch", "0002-b.patch"])).is_ok());
        assert!(check_names("2-mtd", &[]).is_ok());
        for wrong in [
            &["0002-a.patch"][..],
            &["0001-a.patch", "0001-b.patch"],
            &["0001-a.patch", "0003-b.patch"],
            &["a.patch"],
        ] {
            assert!(check_names("2-mtd", &names(wrong)).is_err(), "{wrong:?}");
        }
    }

    fn patch(name: &str, text: &str) -> Patch {
        Patch {
            name: name.into(),
            bytes: text.into(),
        }
    }

    #[test]
    fn prefix_keys_change_from_the_changed_patch_on() {
        let keys = |middle: &Patch| {
            let (first, last) = (patch("1-a/0001-x", "1"), patch("2-b/0001-x", "3"));
            prefix_keys("base", &[first, middle.clone(), last])
        };
        let a = keys(&patch("1-a/0002-x", "2"));
        assert_eq!(a.len(), 4);
        for other in [patch("1-a/0002-x", "y"), patch("2-b/0001-x", "2")] {
            let b = keys(&other);
            assert_eq!(a[..2], b[..2]);
            assert_ne!(a[2], b[2]);
            assert_ne!(a[3], b[3]);
        }
    }

    #[test]
    fn touched_files_are_found() {
        let patch = b"diff --git a/x/y.c b/x/y.c\n@@\n+diff\ndiff --git a/old b/new\n";
        let files: Vec<String> = touched(patch).into_iter().collect();
        assert_eq!(files, ["new", "old", "x/y.c"]);
    }

    /// A directory like patches/ of series, each with what its cover letter starts with,
    /// and two patches.
    fn product(series: &[(&str, &str)]) -> Result<(tempfile::TempDir, Paths)> {
        let dir = tempfile::tempdir()?;
        let paths = Paths::at(dir.path(), dir.path());
        for (name, cover) in series {
            let folder = paths.patches().join(name);
            fs::create_dir_all(&folder)?;
            fs::write(folder.join(COVER), format!("{cover}\n\nNeeds: 9-text\n"))?;
            for patch in ["0001-a.patch", "0002-b.patch"] {
                fs::write(folder.join(patch), "")?;
            }
        }
        fs::write(paths.patches().join("EXPORTED"), "")?;
        Ok((dir, paths))
    }

    #[test]
    fn series_come_with_what_they_need() -> Result<()> {
        let (_dir, mut paths) = product(&[
            ("1-fixes", "Subject: x"),
            ("2-mtd", "Subject: x\nNeeds: 1-fixes"),
            ("3-spi", "Needs: 1-fixes"),
            ("4-rust", "Needs:"),
            ("5-both", "Needs: 3-spi, 4-rust\nSubject: x"),
        ])?;
        let needs = Needs::read(&paths.patches())?;
        let closure = |names: &[&str]| -> Result<String> {
            let all = names.iter().map(|name| (*name).to_owned());
            let all = needs.closure(&all.collect::<Vec<_>>())?;
            Ok(Vec::from_iter(all).join(" "))
        };
        assert_eq!(closure(&["1-fixes"])?, "1-fixes");
        assert_eq!(closure(&["4-rust", "2-mtd"])?, "1-fixes 2-mtd 4-rust");
        assert_eq!(closure(&["5-both"])?, "1-fixes 3-spi 4-rust 5-both");
        assert_eq!(closure(&[])?, "1-fixes 2-mtd 3-spi 4-rust 5-both");
        let said = closure(&["6-x"]).map_err(|error| error.to_string());
        assert!(said.is_err_and(|text| text.contains("4-rust, 5-both")));

        assert_eq!(chosen(&paths)?.len(), 10);
        assert_eq!(count_to(&paths, "2-mtd/0002")?, 4);
        assert_eq!(count_to(&paths, "10")?, 10);
        paths.series = names(&["3-spi"]);
        let chosen: Vec<String> = chosen(&paths)?.into_iter().map(|it| it.name).collect();
        let wanted = ["1-fixes/0001-a.patch", "1-fixes/0002-b.patch"];
        assert_eq!(chosen[..2], wanted);
        assert_eq!(chosen[3], "3-spi/0002-b.patch");
        assert_eq!(count_to(&paths, "3-spi/0001-a.patch")?, 3);
        for wrong in ["5", "2-mtd/0001", "3-spi", "x"] {
            assert!(count_to(&paths, wrong).is_err(), "{wrong}");
        }
        Ok(())
    }

    #[test]
    fn what_is_in_no_order_is_refused() -> Result<()> {
        for needs in ["2-mtd", "1-fixes", "0-none"] {
            let (_dir, paths) = product(&[("1-fixes", &format!("Needs: {needs}")), ("2-mtd", "")])?;
            assert!(Needs::read(&paths.patches()).is_err(), "{needs}");
        }
        let (_dir, paths) = product(&[("1-fixes", "")])?;
        let stray = paths.patches().join("0001-a.patch");
        fs::write(&stray, "")?;
        assert!(read(&paths.patches()).is_err());
        fs::remove_file(&stray)?;
        assert_eq!(read(&paths.patches())?.len(), 2);
        fs::create_dir(paths.patches().join("mtd"))?;
        assert!(read(&paths.patches()).is_err());
        Ok(())
    }

    #[test]
    fn trailers_come_and_go() {
        let mail = |body: &str| format!("From: a\nSubject: x\n\n{body}---\n x | 1 +\n\ndiff\n");
        for (before, after) in [
            ("", "Series: 2-mtd\n"),
            ("Text.\n", "Text.\n\nSeries: 2-mtd\n"),
            (
                "Text.\n\nAssisted-by: LLM\n",
                "Text.\n\nAssisted-by: LLM\nSeries: 2-mtd\n",
            ),
            (
                "Fixes: 1 (\"x\")\nAssisted-by: LLM\n",
                "Fixes: 1 (\"x\")\nAssisted-by: LLM\nSeries: 2-mtd\n",
            ),
        ] {
            let with = with_trailer(mail(before).as_bytes(), "2-mtd");
            assert_eq!(String::from_utf8_lossy(&with), mail(after));
            let without = without_trailer(&with);
            assert_eq!(String::from_utf8_lossy(&without), mail(before));
            assert_eq!(without_trailer(&without), without);
        }
    }

    #[test]
    fn messages_name_their_series() {
        let of = |message| trailer(message).map_err(|error| error.to_string());
        assert_eq!(of("x\n\nText.\n"), Ok(None));
        assert_eq!(of("x\n\nSeries: 2-mtd\n"), Ok(Some("2-mtd")));
        // Squashed.
        assert_eq!(
            of("x\n\nSeries: 2-mtd\n\ny\n\nSeries: 3-spi\n"),
            Ok(Some("3-spi"))
        );
        assert!(of("x\n\nSeries: mtd\n").is_err_and(|text| text.contains("Series: mtd")));
    }
}
