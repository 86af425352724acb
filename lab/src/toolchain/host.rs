//! What the lab asks of the machine: programs, and what a user who is not root may do.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use crate::base::{interrupt, process};

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
        interrupt::check_interrupted()?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read() {
        let text = "a:100000:65536\nb:1:100\n\n1000:300000:65536\n";
        assert!(sets_ids_aside(text, "a") && sets_ids_aside(text, "1000"));
        assert!(!sets_ids_aside(text, "b") && !sets_ids_aside(text, "c"));
    }
}
