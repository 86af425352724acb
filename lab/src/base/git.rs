//! Git without the user's settings, so that commit ids and patch bytes are the same
//! on every machine.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::base::process;

/// Who the lab's commits and exported patches are from. The submitter's name takes
/// this place when patches are mailed.
pub const NAME: &str = "Kernel Lab";

pub const EMAIL: &str = "lab@localhost";

/// The date of every commit that the lab makes and of every exported patch.
pub const DATE: &str = "Thu, 1 Jan 2026 00:00:00 +0000";

/// `git -C dir` with nothing read from the user's or the machine's configuration.
pub fn git(dir: &Path) -> Command {
    let mut command = Command::new("git");
    for (variable, _) in std::env::vars_os() {
        // Set when the lab runs from a git hook, and then about another repository.
        if variable.to_string_lossy().starts_with("GIT_") {
            command.env_remove(variable);
        }
    }
    command
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_AUTHOR_NAME", NAME)
        .env("GIT_AUTHOR_EMAIL", EMAIL)
        .env("GIT_AUTHOR_DATE", DATE)
        .env("GIT_COMMITTER_NAME", NAME)
        .env("GIT_COMMITTER_EMAIL", EMAIL)
        .env("GIT_COMMITTER_DATE", DATE)
        .env("LC_ALL", "C.UTF-8")
        .args(["-c", "core.hooksPath=/dev/null", "-c", "safe.directory=*"])
        .arg("-C")
        .arg(dir);
    command
}

/// Standard output of `git -C dir args...`.
pub fn out<const N: usize>(dir: &Path, args: [&str; N]) -> Result<String> {
    process::output(git(dir).args(args))
}

/// One line of output.
pub fn line<const N: usize>(dir: &Path, args: [&str; N]) -> Result<String> {
    Ok(out(dir, args)?.trim_end().to_owned())
}

/// A command run for what it does.
pub fn run<const N: usize>(dir: &Path, args: [&str; N]) -> Result<()> {
    out(dir, args).map(drop)
}

/// Settings of every repository that the lab makes. Its trees are copied with their
/// index, so inode numbers and change times do not tell whether a file changed.
pub fn configure(dir: &Path) -> Result<()> {
    for (name, value) in [
        ("gc.auto", "0"),
        ("maintenance.auto", "false"),
        ("core.checkStat", "minimal"),
        ("core.trustctime", "false"),
        ("advice.detachedHead", "false"),
    ] {
        run(dir, ["config", name, value])?;
    }
    Ok(())
}
