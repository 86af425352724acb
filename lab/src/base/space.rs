//! Room on the disks that the lab writes to.

use std::path::Path;

use anyhow::{Context, Result, bail};
use nix::sys::statvfs::statvfs;

use crate::base::paths::Paths;

/// Fails when the file system of `dir` has less than `gib` GiB left.
pub fn check_space(dir: &Path, gib: u64, what: &str) -> Result<()> {
    let stat = statvfs(dir)
        .with_context(|| format!("cannot ask for the free space of {}", dir.display()))?;
    let free = stat.blocks_available().saturating_mul(stat.fragment_size());
    if free < gib << 30 {
        bail!(
            "{what} needs {gib} GiB free in {}, which has {:.1} GiB; make room there \
             (XDG_CACHE_HOME moves the cache)",
            dir.display(),
            free as f64 / f64::from(1 << 30)
        );
    }
    Ok(())
}

/// Whether an error is about a full disk, in the words of any program.
pub fn is_about_space(text: &str) -> bool {
    ["No space left on device", "Disk quota exceeded"]
        .iter()
        .any(|words| text.contains(words))
}

/// Which of the file systems that the lab writes to are full, as ": DIR, DIR".
pub fn full(paths: &Paths) -> String {
    let temporary = std::env::temp_dir();
    let full: Vec<String> = [paths.out(), paths.cache.clone(), temporary]
        .iter()
        .filter(|dir| {
            statvfs(dir.as_path()).is_ok_and(|stat| {
                let free = stat.blocks_available().saturating_mul(stat.fragment_size());
                free < 1 << 20 || (stat.files() > 0 && stat.files_available() < 16)
            })
        })
        .map(|dir| dir.display().to_string())
        .collect();
    match full.is_empty() {
        true => String::new(),
        false => format!(": {}", full.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_by_its_words() {
        assert!(is_about_space("tar: x: No space left on device"));
        assert!(!is_about_space("tar: x: Permission denied"));
    }

    #[test]
    fn no_disk_has_a_billion_gigabytes() {
        let error = check_space(Path::new("/"), 1 << 30, "a test").map_err(|e| e.to_string());
        assert!(error.is_err_and(|text| text.contains("a test needs")));
        assert!(check_space(Path::new("/"), 0, "a test").is_ok());
    }
}
