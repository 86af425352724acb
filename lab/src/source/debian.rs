//! Debian's source package, unpacked into the cache.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::base::files::{finish, temporary};
use crate::base::paths::Paths;
use crate::base::ui::Ui;
use crate::base::{git, lock, process, space};
use crate::source::tree::{self, BASE, Source};
use crate::toolchain::apt::{self, Lists, Mirror};
use crate::toolchain::host;

/// The package that carries the source.
const PACKAGE: &str = "linux-source-7.3";

/// The newest tree in the cache, or else the newest package. A tree that is
/// there is not replaced when a newer package appears, so that results do not
/// change by themselves; remove it from the cache to move on.
pub fn newest(paths: &Paths, ui: &Ui) -> Result<Source> {
    if let Some(source) = cached(paths)? {
        return Ok(source);
    }
    host::check_programs()?;
    let _lock = lock::lock_cache(paths, ui, "linux")?;
    if let Some(source) = cached(paths)? {
        return Ok(source);
    }
    space::check_space(&paths.cache, 5, "the kernel source")?;
    fetch(paths, ui)?;
    cached(paths)?.context("the kernel source vanished from the cache")
}

fn cached(paths: &Paths) -> Result<Option<Source>> {
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
    Ok(Some(Source { version, dir, base }))
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
    tree::keep_kernel_ignores(&temporary.join(".gitignore"))?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_sort_by_number() {
        let order = |a: &str, b: &str| version_order(a).cmp(&version_order(b));
        assert!(order("7.3.4-1~bpo13+1", "7.3.10-1~bpo13+1").is_lt());
        assert!(order("7.3.4-1~bpo13+1", "7.3.4-1~bpo13+2").is_lt());
        assert!(order("7.3.4-2~bpo13+1", "7.3.4-1~bpo13+1").is_gt());
    }
}
