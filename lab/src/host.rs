//! What the lab asks of the machine: programs, disk space, and that nobody else
//! does the same thing at the same time.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::sys::statvfs::statvfs;

use crate::paths::Paths;
use crate::process;
use crate::ui::Ui;

/// Programs taken from the machine and the Debian package of each.
const PROGRAMS: &[(&str, &str)] = &[
    ("apt-get", "apt"),
    ("apt-cache", "apt"),
    ("cp", "coreutils"),
    ("dpkg-deb", "dpkg"),
    ("git", "git"),
    ("mount", "mount"),
    ("perl", "perl"),
    ("setpriv", "util-linux"),
    ("tar", "tar"),
    ("unshare", "util-linux"),
    ("xz", "xz-utils"),
];

/// Where Debian keeps its archive keys.
const KEYRINGS: &[&str] = &[
    "/usr/share/keyrings/debian-archive-keyring.gpg",
    "/usr/share/keyrings/debian-archive-keyring.pgp",
];

/// Fails with the names of all packages that are missing on this machine.
pub fn check_programs() -> Result<()> {
    let mut missing: Vec<&str> = PROGRAMS
        .iter()
        .filter(|(program, _)| which(program).is_none())
        .map(|(_, package)| *package)
        .collect();
    if keyring().is_none() {
        missing.push("debian-archive-keyring");
    }
    missing.dedup();
    if !missing.is_empty() {
        bail!(
            "this machine lacks some programs; run: apt-get install {}",
            missing.join(" ")
        );
    }
    Ok(())
}

/// A program's file, looked for as a shell does.
pub fn which(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        // root's programs are not in every user's PATH
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|dir| dir.join(program))
        .find(|file| file.is_file())
}

/// The keys that Debian's archive is signed with.
pub fn keyring() -> Option<&'static str> {
    KEYRINGS
        .iter()
        .copied()
        .find(|file| Path::new(file).is_file())
}

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

/// Held while something shared is made. Released when dropped or when the lab dies.
#[derive(Debug)]
pub struct Lock {
    _file: Flock<File>,
}

/// Only one lab may run in a clone.
pub fn lock_clone(paths: &Paths) -> Result<Lock> {
    let file = paths.out().join("lock");
    match try_lock(&file)? {
        Ok(lock) => Ok(lock),
        Err(holder) => bail!(
            "another `cargo lab` (process {holder}) runs in this clone; wait for it, or \
             use a second clone"
        ),
    }
}

/// Waits until nobody else on this machine makes `name` in the shared cache.
pub fn lock_cache(paths: &Paths, ui: &Ui, name: &str) -> Result<Lock> {
    let file = paths.locks().join(name);
    let mut told = false;
    loop {
        match try_lock(&file)? {
            Ok(lock) => return Ok(lock),
            Err(holder) if !told => {
                ui.println(format!(
                    "waiting for process {holder}, which makes {name} ..."
                ));
                told = true;
            }
            Err(_) => (),
        }
        process::check_interrupted()?;
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// The lock, or the process that holds it.
fn try_lock(path: &Path) -> Result<Result<Lock, String>> {
    let cannot = || format!("cannot lock {}", path.display());
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(path)
        .with_context(cannot)?;
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(mut file) => {
            file.set_len(0).with_context(cannot)?;
            file.rewind().with_context(cannot)?;
            write!(*file, "{}", std::process::id()).with_context(cannot)?;
            Ok(Ok(Lock { _file: file }))
        }
        Err((mut file, Errno::EWOULDBLOCK)) => {
            let mut holder = String::new();
            file.read_to_string(&mut holder).with_context(cannot)?;
            Ok(Err(holder))
        }
        Err((_, errno)) => Err(errno).with_context(cannot),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_held_once_and_names_its_holder() -> Result<()> {
        let dir = tempfile::tempdir()?;
        let file = dir.path().join("lock");
        let held = try_lock(&file)?;
        assert!(held.is_ok());
        let second = try_lock(&file)?.err();
        assert_eq!(second, Some(std::process::id().to_string()));
        drop(held);
        assert!(try_lock(&file)?.is_ok());
        Ok(())
    }

    #[test]
    fn no_disk_has_a_billion_gigabytes() {
        let error = check_space(Path::new("/"), 1 << 30, "a test").map_err(|e| e.to_string());
        assert!(error.is_err_and(|text| text.contains("a test needs")));
        assert!(check_space(Path::new("/"), 0, "a test").is_ok());
    }
}
