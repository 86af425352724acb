//! The stock kernel source: Debian's package in the cache, unpacked and in git.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use anyhow::{Context, Result, bail};

use crate::apt::{self, Lists, Mirror};
use crate::git;
use crate::given;
use crate::host;
use crate::paths::Paths;
use crate::process;
use crate::toolchain::{finish, temporary};
use crate::ui::Ui;

/// The package that carries the source.
const PACKAGE: &str = "linux-source-7.3";

/// The branch and tag of the stock tree.
pub const BASE: &str = "base";

/// A stock tree in the cache. Used read-only; shared by all clones.
#[derive(Clone, Debug)]
pub struct Source {
    /// The package's version.
    pub version: String,
    /// The checked-out tree, a git repository.
    pub dir: PathBuf,
    /// The commit that holds it; the same on every machine.
    pub base: String,
}

impl Source {
    /// The newest tree in the cache, or else the newest package. A tree that is
    /// there is not replaced when a newer package appears, so that results do not
    /// change by themselves; remove it from the cache to move on.
    pub fn ensure(paths: &Paths, ui: &Ui) -> Result<Self> {
        if let Some(given) = &paths.given {
            return given::source(paths, ui, given);
        }
        if let Some(source) = Self::cached(paths)? {
            return Ok(source);
        }
        host::check_programs()?;
        let _lock = host::lock_cache(paths, ui, "linux")?;
        if let Some(source) = Self::cached(paths)? {
            return Ok(source);
        }
        host::check_space(&paths.cache, 5, "the kernel source")?;
        fetch(paths, ui)?;
        Self::cached(paths)?.context("the kernel source vanished from the cache")
    }

    /// When the tree was imported: after all its file times, before any change to a
    /// copy of it.
    pub fn imported(&self) -> Result<SystemTime> {
        let head = self.dir.join(".git/HEAD");
        head.metadata()
            .and_then(|data| data.modified())
            .with_context(|| format!("cannot read {}", head.display()))
    }

    fn cached(paths: &Paths) -> Result<Option<Self>> {
        let cache = &paths.cache;
        let mut versions = Vec::new();
        let entries =
            fs::read_dir(cache).with_context(|| format!("cannot read {}", cache.display()))?;
        for entry in entries {
            let name = entry?.file_name();
            let version = name.to_str().and_then(|name| name.strip_prefix("linux-"));
            if let Some(version) = version.filter(|version| !version.ends_with(".tmp")) {
                versions.push(version.to_owned());
            }
        }
        versions.sort_by_key(|version| version_order(version));
        let Some(version) = versions.pop() else {
            return Ok(None);
        };
        let dir = cache.join(format!("linux-{version}"));
        let base = git::line(&dir, ["rev-parse", "--verify", "base^{commit}"])
            .with_context(|| format!("{} is damaged; delete it", dir.display()))?;
        Ok(Some(Self { version, dir, base }))
    }
}

/// Numbers compare as numbers.
fn version_order(version: &str) -> Vec<(u64, String)> {
    version
        .split(['.', '-', '~', '+'])
        .map(|part| {
            let digits = part.trim_start_matches(|c: char| !c.is_ascii_digit());
            (digits.parse().unwrap_or(0), part.to_owned())
        })
        .collect()
}

fn fetch(paths: &Paths, ui: &Ui) -> Result<()> {
    let mirror = Mirror::find(paths, ui)?;
    let step = ui.step(format!("Downloading {PACKAGE}"));
    let lists = Lists::update(paths, &mirror, &[apt::BACKPORTS])?;
    let Some(version) = lists.newest(PACKAGE)? else {
        bail!(
            "{} has no {PACKAGE} any more; run it again with --linux and a kernel tree of \
             that series: a git tree, an unpacked or packed tarball, or the package's file \
             from elsewhere ({PACKAGE}_*.deb)",
            apt::BACKPORTS
        );
    };
    let scratch = temporary(&paths.tools().join(PACKAGE))?;
    fs::create_dir_all(&scratch).with_context(|| format!("cannot make {}", scratch.display()))?;
    let deb = lists.download(&scratch, PACKAGE, &version)?;
    step.done(&version);
    import(paths, ui, &deb, &version)?;
    fs::remove_dir_all(&scratch).with_context(|| format!("cannot remove {}", scratch.display()))
}

/// Makes `linux-<version>` in the cache from a package file.
fn import(paths: &Paths, ui: &Ui, deb: &Path, version: &str) -> Result<()> {
    let dir = paths.cache.join(format!("linux-{version}"));
    let temporary = temporary(&dir)?;
    fs::create_dir_all(&temporary)
        .with_context(|| format!("cannot make {}", temporary.display()))?;

    let step = ui.step(format!("Unpacking {PACKAGE} {version}"));
    let package = deb.with_extension("tree");
    apt::extract(deb, &package)?;
    let tarball = package.join(format!("usr/src/{PACKAGE}.tar.xz"));
    process::output(
        Command::new("tar")
            .arg("--extract")
            .arg("--xz")
            .args(["--no-same-owner", "--strip-components=1", "--file"])
            .arg(&tarball)
            .arg("--directory")
            .arg(&temporary),
    )
    .context("cannot unpack the kernel source")?;
    step.done("");

    let step = ui.step("Importing the kernel source into git (about a minute)");
    keep_kernel_ignores(&temporary.join(".gitignore"))?;
    git::run(&temporary, ["init", "--quiet", "--initial-branch", BASE])?;
    git::configure(&temporary)?;
    // The tree's own rules ignore some files that it has. Files over the threshold go
    // into one pack at once, instead of 90,000 files that are packed later.
    process::output(
        git::git(&temporary)
            .args(["-c", "core.bigFileThreshold=1", "-c", "pack.compression=1"])
            .args(["add", "--force", "."]),
    )?;
    let message = format!("{PACKAGE} {version}\n\nThe tree of the Debian package as it is.\n");
    git::run(&temporary, ["commit", "--quiet", "--message", &message])?;
    finish(&temporary, &dir)?;
    step.done("");
    Ok(())
}

/// Debian's source package ends the kernel's .gitignore in a rule that ignores
/// everything at the top level; the kernel's own rules stay.
pub fn keep_kernel_ignores(file: &Path) -> Result<()> {
    if !file.exists() {
        return Ok(());
    }
    let text =
        fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    if without_debian_rule(&text) == text {
        return Ok(());
    }
    let time = file.metadata().and_then(|data| data.modified());
    let kept = without_debian_rule(&text);
    fs::write(file, kept).with_context(|| format!("cannot write {}", file.display()))?;
    // Older than anything that will be built.
    let file = File::options().write(true).open(file)?;
    file.set_modified(time?)?;
    Ok(())
}

fn without_debian_rule(text: &str) -> String {
    let Some(start) = text.find("\n#\n# Debian packaging: ignore everything") else {
        return text.to_owned();
    };
    text[..start].trim_end().to_owned() + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_debian_rule_is_dropped() {
        let kernel = "*.o\n!kernel/time/timeconst.bc\n";
        let debian = "\n#\n# Debian packaging: ignore everything at the top level, since it \
                      isn't\n# included in our repository\n#\n/*\n!/debian/\n";
        assert_eq!(without_debian_rule(&format!("{kernel}{debian}")), kernel);
        assert_eq!(without_debian_rule(kernel), kernel);
    }

    #[test]
    fn versions_sort_by_number() {
        let order = |a: &str, b: &str| version_order(a).cmp(&version_order(b));
        assert!(order("7.3.4-1~bpo13+1", "7.3.10-1~bpo13+1").is_lt());
        assert!(order("7.3.4-1~bpo13+1", "7.3.4-1~bpo13+2").is_lt());
        assert!(order("7.3.4-2~bpo13+1", "7.3.4-1~bpo13+1").is_gt());
    }
}
