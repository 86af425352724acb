//! The toolchain root: a Debian system in the cache with pinned compilers and
//! QEMU, entered through namespaces that die with the lab.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::apt::{self, Mirror, Mmdebstrap};
use crate::host;
use crate::paths::Paths;
use crate::process;
use crate::ui::Ui;

/// What a guest runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Arch {
    Arm64,
    Arm,
    #[serde(rename = "x86_64")]
    X86_64,
    /// User-mode Linux on an x86_64 machine: the kernel is a program, run inside the
    /// toolchain root.
    Um,
}

impl Arch {
    /// Debian's name.
    pub fn debian(self) -> &'static str {
        match self {
            Self::Arm64 => "arm64",
            Self::Arm => "armhf",
            Self::X86_64 | Self::Um => "amd64",
        }
    }

    /// The kernel's `ARCH=`.
    pub fn kernel(self) -> &'static str {
        match self {
            Self::Arm64 => "arm64",
            Self::Arm => "arm",
            Self::X86_64 => "x86_64",
            Self::Um => "um",
        }
    }

    /// The C compiler's `--target=`.
    pub fn triple(self) -> &'static str {
        match self {
            Self::Arm64 => "aarch64-linux-gnu",
            Self::Arm => "arm-linux-gnueabihf",
            Self::X86_64 | Self::Um => "x86_64-linux-gnu",
        }
    }

    /// The emulator's program name; of User-mode Linux, which needs none, the
    /// machine's that it is made for.
    pub fn qemu(self) -> &'static str {
        match self {
            Self::Arm64 => "qemu-system-aarch64",
            Self::Arm => "qemu-system-arm",
            Self::X86_64 | Self::Um => "qemu-system-x86_64",
        }
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kernel())
    }
}

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

/// What [`Toolchain`] is made of. A change makes a new root.
const PACKAGES: &[&str] = &[
    "b4",
    "bc",
    "bindgen",
    "bison",
    "ccache",
    "clang-19",
    "coccinelle",
    "cpio",
    "device-tree-compiler",
    "flex",
    "gcc",
    "git",
    "kmod",
    "libc6-dev",
    "libc6-dev-arm64-cross",
    "libelf-dev",
    "libgcc-14-dev-arm64-cross",
    "libssl-dev",
    "lld-19",
    "llvm-19",
    "make",
    "pahole",
    "patch",
    "perl",
    "procps",
    "python3",
    "qemu-system-arm",
    "qemu-system-data",
    "rsync",
    "rust-src",
    "rustc",
    "rustfmt",
    "sparse",
    "xz-utils",
    "zstd",
];

/// Source packages whose binaries come from backports.
const FROM_BACKPORTS: &[&str] = &["qemu", "rustc"];

/// Packages of a guest root, extracted only.
const GUEST_PACKAGES: &[&str] = &["busybox-static", "mtd-utils"];

/// Raised when the recipe changes in a way that the lists above do not show.
const RECIPE: &str = "1";

/// Written into a root when it is whole and its versions were checked.
const VERSIONS_FILE: &str = "lab-versions.json";

/// Name, command that prints the version, the lowest that will do.
const VERSIONS: &[(&str, &str, &[u32])] = &[
    ("b4", "b4 --version", &[]),
    ("bindgen", "bindgen --version", &[0, 71]),
    ("ccache", "ccache --version", &[]),
    ("clang", "clang-19 --version", &[19]),
    ("dtc", "dtc --version", &[]),
    ("ld.lld", "ld.lld-19 --version", &[19]),
    ("make", "make --version", &[]),
    ("pahole", "pahole --version", &[]),
    ("qemu", "qemu-system-aarch64 --version", &[11]),
    ("rustc", "rustc --version", &[1, 96]),
    ("sparse", "sparse --version", &[]),
    ("spatch", "spatch --version", &[]),
];

/// Runs in mount and pid namespaces of its own: `root (ro|rw host inside)... --
/// program argument...`. Stays as process 1, so that the program has ordinary
/// signal semantics; the namespaces end with it.
const ENTER: &str = r#"
set -eu
root=$1
shift
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t tmpfs -o mode=1777 tmp "$root/tmp"
while [ "$1" != -- ]; do
	target=$root$3
	if [ -d "$2" ]; then
		mkdir -p "$target"
	else
		mkdir -p "${target%/*}"
		[ -e "$target" ] || : >"$target"
	fi
	mount --bind "$2" "$target"
	[ "$1" = rw ] || mount -o remount,bind,ro "$target"
	shift 3
done
shift
mount -o remount,bind,ro "$root"
cd "$root"
chroot "$root" "$@"
"#;

/// A toolchain root that is whole.
#[derive(Clone, Debug)]
pub struct Toolchain {
    root: PathBuf,
    key: String,
    paths: Paths,
    versions: BTreeMap<String, String>,
}

impl Toolchain {
    /// Finds the root in the cache or builds it (about two minutes).
    pub fn ensure(paths: &Paths, ui: &Ui) -> Result<Self> {
        host::check_programs()?;
        if !nix::unistd::geteuid().is_root() {
            bail!("this needs root for its mounts; run it as root");
        }
        let key = key(&[
            RECIPE,
            apt::SUITE,
            &PACKAGES.join(" "),
            &FROM_BACKPORTS.join(" "),
        ]);
        let root = paths.cache.join(format!("toolchain-{key}"));
        if !root.exists() {
            let _lock = host::lock_cache(paths, ui, "toolchain")?;
            if !root.exists() {
                host::check_space(&paths.cache, 5, "the toolchain")?;
                make(paths, ui, &root)?;
            }
        }
        let file = root.join(VERSIONS_FILE);
        let text = fs::read_to_string(&file)
            .with_context(|| format!("{} is gone; delete {}", file.display(), root.display()))?;
        Ok(Self {
            versions: serde_json::from_str(&text)
                .with_context(|| format!("cannot understand {}", file.display()))?,
            root,
            key,
            paths: paths.clone(),
        })
    }

    /// Names this toolchain; another package list has another key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// A command inside the root, in mount and pid namespaces of its own: own
    /// `/proc` and `/tmp`, the machine's `/dev`, everything else read-only except
    /// for writable binds. All processes in it are killed when the child process
    /// is, and when the *thread* that spawned it ends, however it does.
    ///
    /// The environment is empty but for what is set here and by the caller; the
    /// working directory is `/`.
    pub fn command(&self, binds: &[Bind], program: &str) -> Command {
        enter(&self.root, binds, program)
    }

    /// busybox and mtd-utils for a guest with the libraries they need: extracted
    /// packages, not a system to enter.
    pub fn guest_root(&self, arch: Arch, ui: &Ui) -> Result<PathBuf> {
        let paths = &self.paths;
        let key = key(&[RECIPE, apt::SUITE, &GUEST_PACKAGES.join(" ")]);
        let root = paths.cache.join(format!("guest-{arch}-{key}"));
        if root.exists() {
            return Ok(root);
        }
        let _lock = host::lock_cache(paths, ui, &format!("guest-{arch}"))?;
        if root.exists() {
            return Ok(root);
        }
        host::check_space(&paths.cache, 1, "a guest's packages")?;
        let mirror = Mirror::find(paths, ui)?;
        let step = ui.step(format!("Extracting packages for {arch} guests"));
        let temporary = temporary(&root)?;
        let mut command = Mmdebstrap::ensure(paths, ui)?.command();
        command
            .arg("--variant=extract")
            .arg(format!("--architectures={}", arch.debian()))
            .arg(format!("--include={}", GUEST_PACKAGES.join(",")))
            .args(common_arguments()?)
            .arg(apt::SUITE)
            .arg(&temporary)
            .args(mirror.sources(&[apt::SUITE]));
        let log = paths.log(&format!("guest-{arch}"));
        process::fresh_log(&log)?;
        process::run_logged(&mut command, &log, |line| step.note(line))?;
        finish(&temporary, &root)?;
        step.done("");
        Ok(root)
    }

    /// First line of each tool's `--version`, by the tool's name.
    pub fn versions(&self) -> Result<BTreeMap<String, String>> {
        Ok(self.versions.clone())
    }
}

/// See [`Toolchain::command`].
fn enter(root: &Path, binds: &[Bind], program: &str) -> Command {
    let mut command = Command::new("setpriv");
    command
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("LC_ALL", "C.UTF-8")
        .env("HOME", "/tmp")
        .env("TERM", std::env::var("TERM").unwrap_or("dumb".into()))
        .args(["--pdeathsig", "KILL", "unshare"])
        .args(["--mount", "--pid", "--fork", "--kill-child"])
        .args(["sh", "-c", ENTER, "enter"])
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

fn make(paths: &Paths, ui: &Ui, root: &Path) -> Result<()> {
    let mirror = Mirror::find(paths, ui)?;
    let mmdebstrap = Mmdebstrap::ensure(paths, ui)?;
    let step = ui.step("Building the toolchain root (about two minutes)");
    let temporary = temporary(root)?;
    let updates = format!("{}-updates", apt::SUITE);
    let mut command = mmdebstrap.command();
    command
        .arg("--variant=apt")
        .arg(format!("--include={}", PACKAGES.join(",")))
        .env("LAB_PINS", pins())
        .arg(r#"--setup-hook=printf %s "$LAB_PINS" >"$1/etc/apt/preferences.d/lab""#)
        // Documentation and translations are a fifth of the size.
        .arg("--dpkgopt=path-exclude=/usr/share/man/*")
        .arg("--dpkgopt=path-exclude=/usr/share/doc/*")
        .arg("--dpkgopt=path-exclude=/usr/share/locale/*")
        .args(common_arguments()?)
        .arg(apt::SUITE)
        .arg(&temporary)
        .args(mirror.sources(&[apt::SUITE, &updates, apt::BACKPORTS]));
    let log = paths.log("toolchain");
    process::fresh_log(&log)?;
    process::run_logged(&mut command, &log, |line| step.note(line))?;

    step.note("checking versions");
    let versions = ask_versions(&temporary)?;
    let text = serde_json::to_string_pretty(&versions).context("versions have no JSON form")?;
    fs::write(temporary.join(VERSIONS_FILE), text).context("cannot write into the new root")?;
    finish(&temporary, root)?;
    step.done(format!(
        "{}, {}",
        versions.get("clang").map_or("", |line| line),
        versions.get("qemu").map_or("", |line| line)
    ));
    Ok(())
}

fn common_arguments() -> Result<Vec<String>> {
    let keyring = host::keyring().context("Debian's archive keys are missing")?;
    Ok(vec![
        r#"--aptopt=Apt::Install-Recommends "false""#.into(),
        r#"--aptopt=Acquire::Languages "none""#.into(),
        format!("--keyring={keyring}"),
    ])
}

/// apt preferences that take [`FROM_BACKPORTS`] from there; the rest stays stable.
fn pins() -> String {
    let sources: Vec<String> = FROM_BACKPORTS
        .iter()
        .map(|name| format!("src:{name}"))
        .collect();
    format!(
        "Package: {}\nPin: release n={}\nPin-Priority: 990\n",
        sources.join(" "),
        apt::BACKPORTS
    )
}

fn ask_versions(root: &Path) -> Result<BTreeMap<String, String>> {
    let mut versions = BTreeMap::new();
    for (name, command, lowest) in VERSIONS {
        let said = process::output(enter(root, &[], "sh").args(["-c", command]))
            .with_context(|| format!("{name} does not run in the new root"))?;
        let line = said.lines().next().unwrap_or_default().trim();
        if !at_least(line, lowest) {
            bail!(
                "{} and {} have only this {name}: {line}; at least {lowest:?} is needed",
                apt::SUITE,
                apt::BACKPORTS
            );
        }
        versions.insert((*name).to_owned(), line.to_owned());
    }
    Ok(versions)
}

/// Whether the first dotted number in `line` is `lowest` or more.
fn at_least(line: &str, lowest: &[u32]) -> bool {
    if lowest.is_empty() {
        return true;
    }
    let Some(start) = line.find(|c: char| c.is_ascii_digit()) else {
        return false;
    };
    let version: Vec<u32> = line[start..]
        .split(|c: char| !c.is_ascii_digit())
        .map_while(|part| part.parse().ok())
        .collect();
    version.as_slice() >= lowest
}

/// The name under which something is made before it is whole, with what an
/// interrupted run left there removed.
pub fn temporary(path: &Path) -> Result<PathBuf> {
    let mut name = path.as_os_str().to_owned();
    name.push(".tmp");
    let temporary = PathBuf::from(name);
    if temporary.exists() {
        fs::remove_dir_all(&temporary)
            .with_context(|| format!("cannot remove {}", temporary.display()))?;
    }
    Ok(temporary)
}

/// Gives something that is whole its name.
pub fn finish(temporary: &Path, path: &Path) -> Result<()> {
    fs::rename(temporary, path).with_context(|| {
        format!(
            "cannot rename {} to {}",
            temporary.display(),
            path.display()
        )
    })
}

/// Twelve hexadecimal digits that change when one of `parts` does.
pub fn key(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    format!("{:x}", hash.finalize())[..12].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_number() {
        assert!(at_least("rustc 1.96.0 (abc 2026-05-01)", &[1, 96]));
        assert!(at_least("Debian clang version 19.1.7 (3)", &[19]));
        assert!(!at_least("rustc 1.85.1", &[1, 96]));
        assert!(!at_least("QEMU emulator version 10.0.2", &[11]));
        assert!(!at_least("no number", &[1]));
        assert!(at_least("no number", &[]));
    }

    #[test]
    fn keys_tell_parts_apart() {
        assert_eq!(key(&["a", "b"]).len(), 12);
        assert_ne!(key(&["a", "b"]), key(&["ab"]));
        assert_eq!(key(&["a"]), key(&["a"]));
    }

    #[test]
    fn packages_are_sorted_and_unique() {
        assert!(PACKAGES.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn a_temporary_name_is_emptied() -> Result<()> {
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("root-1.2");
        fs::create_dir_all(dir.path().join("root-1.2.tmp/left/over"))?;
        let temporary = temporary(&path)?;
        assert!(!temporary.exists() && temporary.ends_with("root-1.2.tmp"));
        fs::create_dir(&temporary)?;
        finish(&temporary, &path)?;
        assert!(path.exists());
        Ok(())
    }
}
