//! Commands inside the toolchain root, in namespaces that die with the lab.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::toolchain::host;

/// A host path that a command inside the root sees at a fixed path.
#[derive(Clone, Debug)]
pub struct Bind {
    pub host: PathBuf,
    /// Absolute; made in the root when it does not exist.
    pub inside: PathBuf,
    pub read_only: bool,
}

impl Bind {
    pub fn read_only(host: impl Into<PathBuf>, inside: impl Into<PathBuf>) -> Self {
        Self {
            host: host.into(),
            inside: inside.into(),
            read_only: true,
        }
    }

    pub fn writable(host: impl Into<PathBuf>, inside: impl Into<PathBuf>) -> Self {
        Self {
            read_only: false,
            ..Self::read_only(host, inside)
        }
    }
}

const ENTER: &str = include_str!("enter.sh");

/// Whose programs build and boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Whose {
    // A Debian root in the cache, made when it is not there.
    Own,
    // The machine's; what is missing is named.
    Host,
}

/// See [`Toolchain::command`].
pub fn enter(whose: Whose, root: &Path, binds: &[Bind], program: &str) -> Command {
    let mut command = Command::new("setpriv");
    command
        .env_clear()
        .env("LC_ALL", "C.UTF-8")
        .env("TERM", std::env::var("TERM").unwrap_or("dumb".into()));
    let kind = match whose {
        Whose::Own => {
            command
                .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
                .env("HOME", "/tmp");
            "made"
        }
        Whose::Host => {
            for name in ["PATH", "HOME", "RUSTUP_HOME", "CARGO_HOME"] {
                if let Some(value) = std::env::var_os(name) {
                    command.env(name, value);
                }
            }
            "host"
        }
    };
    command
        .args(["--pdeathsig", "KILL", "unshare"])
        .args(host::user_namespace())
        .args(["--mount", "--pid", "--fork", "--kill-child"])
        .args(["sh", "-c", ENTER, "enter", kind])
        .arg(root);
    for bind in binds {
        command
            .arg(if bind.read_only { "ro" } else { "rw" })
            .arg(&bind.host)
            .arg(&bind.inside);
    }
    command.arg("--").arg(program);
    command
}
