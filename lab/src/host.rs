//! What the lab asks of the machine: programs, disk space, and that nobody else
//! does the same thing at the same time.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
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

/// Whether mounts and the like need no namespace of a user.
pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// unshare's arguments that let this user mount.
pub fn user_namespace() -> &'static [&'static str] {
    match is_root() {
        true => &[],
        false => &["--user", "--map-root-user"],
    }
}

/// Fails with all that a user who is not root lacks; `make`: to make a Debian root, too.
pub fn check_user(make: bool) -> Result<()> {
    if is_root() {
        return Ok(());
    }
    let mut lacking = Vec::new();
    let mut unshare = Command::new("unshare");
    unshare.args(user_namespace()).args(["--mount", "true"]);
    if process::output(&mut unshare).is_err() {
        process::check_interrupted()?;
        lacking.push(
            "user namespaces, which this machine refuses: sysctl \
             kernel.unprivileged_userns_clone=1 (Debian), \
             kernel.apparmor_restrict_unprivileged_userns=0 (Ubuntu), or \
             user.max_user_namespaces=10000"
                .to_owned(),
        );
    }
    if make {
        if ["newuidmap", "newgidmap"]
            .iter()
            .any(|it| which(it).is_none())
        {
            lacking.push("newuidmap: apt-get install uidmap".to_owned());
        }
        let user = nix::unistd::User::from_uid(nix::unistd::getuid())
            .ok()
            .flatten()
            .map(|user| user.name);
        let id = nix::unistd::getuid().to_string();
        let name = user.clone().unwrap_or_else(|| id.clone());
        let has_ids = |file: &str| {
            let text = std::fs::read_to_string(file).unwrap_or_default();
            sets_ids_aside(&text, &name) || sets_ids_aside(&text, &id)
        };
        if !has_ids("/etc/subuid") || !has_ids("/etc/subgid") {
            lacking.push(format!(
                "ids of its own in /etc/subuid and /etc/subgid: usermod --add-subuids \
                 100000-165535 --add-subgids 100000-165535 {name}"
            ));
        }
    }
    if lacking.is_empty() {
        return Ok(());
    }
    bail!(
        "without root this needs\n  {}\n(to be done by root), or run it as root",
        lacking.join("\n  ")
    );
}

/// Whether a file like /etc/subuid gives 65536 ids to a user.
fn sets_ids_aside(text: &str, user: &str) -> bool {
    text.lines().any(|line| {
        let fields: Vec<&str> = line.trim().split(':').collect();
        matches!(fields[..], [name, _, count]
            if name == user && count.parse::<u64>().is_ok_and(|count| count >= 65536))
    })
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
    fn ids_are_read() {
        let text = "a:100000:65536\nb:1:100\n\n1000:300000:65536\n";
        assert!(sets_ids_aside(text, "a") && sets_ids_aside(text, "1000"));
        assert!(!sets_ids_aside(text, "b") && !sets_ids_aside(text, "c"));
    }

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
