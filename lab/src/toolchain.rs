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
use crate::hosttools;
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

/// What programs for a guest are linked with where the toolchain itself has no cross
/// packages, extracted only.
const SYSROOT_PACKAGES: &[&str] = &["libc6-dev", "libgcc-14-dev"];

/// U-Boot for QEMU's own machines, extracted only.
const UBOOT_PACKAGES: &[&str] = &["u-boot-qemu"];

/// The checker of protocols and a compiler that is quick, extracted only.
const SPIN_PACKAGES: &[&str] = &["spin", "tcc"];

/// What runs litmus tests, extracted only; it brings its C library along.
const HERD_PACKAGES: &[&str] = &["herdtools7"];

/// No release has that yet.
const HERD_SUITE: &str = "sid";

/// What follows the names of LLVM's programs there.
const SUFFIX: &str = "-19";

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

/// Runs in mount and pid namespaces of its own: `(made|host) root (ro|rw host inside)...
/// -- program argument...`. Stays as process 1, so that the program has ordinary
/// signal semantics; the namespaces end with it.
///
/// With `host` the root is an empty directory, which gets what the machine's own root
/// has but for the names that binds use. A user namespace has to keep the flags that a
/// file system was mounted with when it makes it read-only.
const ENTER: &str = r#"
set -eu
kind=$1
root=$2
shift 2
ro() {
	for flags in '' ,nosuid,nodev ,nosuid,nodev,noexec; do
		if mount -o "remount,bind,ro$flags" "$1" 2>/dev/null; then
			return
		fi
	done
	mount -o remount,bind,ro "$1"
}
if [ "$kind" = host ]; then
	mount -t tmpfs -o mode=755 root "$root"
	mount --make-unbindable "$root"
	for entry in /*; do
		case $entry in
		/boot | /build | /ccache | /dev | /guest | /ktap | /kunit | /linux | /lost+found)
			;;
		/patches | /proc)
			;;
		*)
			if [ -h "$entry" ]; then
				cp -P "$entry" "$root$entry"
			elif [ -d "$entry" ]; then
				mkdir "$root$entry"
				mount --rbind "$entry" "$root$entry"
			fi
			;;
		esac
	done
	mkdir "$root/dev" "$root/proc"
else
	mount --bind "$root" "$root"
	mount -t tmpfs -o mode=1777 tmp "$root/tmp"
fi
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
while [ "$1" != -- ]; do
	target=$root$3
	if [ -d "$2" ]; then
		mkdir -p "$target"
	else
		mkdir -p "${target%/*}"
		[ -e "$target" ] || : >"$target"
	fi
	mount --bind "$2" "$target"
	[ "$1" = rw ] || ro "$target"
	shift 3
done
shift
ro "$root"
cd "$root"
chroot "$root" "$@"
"#;

/// Whose programs build and boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Whose {
    /// A Debian root in the cache, made when it is not there
    Own,
    /// The machine's; what is missing is named
    Host,
}

/// Programs to build and boot with, and how to run them.
#[derive(Clone, Debug)]
pub struct Toolchain {
    whose: Whose,
    /// The made root, or an empty directory.
    root: PathBuf,
    key: String,
    paths: Paths,
    versions: BTreeMap<String, String>,
    /// What follows the names of LLVM's programs: `-19`, or nothing.
    suffix: String,
}

impl Toolchain {
    pub fn ensure(paths: &Paths, ui: &Ui, whose: Whose) -> Result<Self> {
        let host = || -> Result<Self> {
            let found = hosttools::find(&hosttools::run)?;
            Ok(Self {
                whose,
                root: paths.cache.join("host-root"),
                key: key(&[RECIPE, &format!("{:?}", found.versions)]),
                paths: paths.clone(),
                versions: found.versions,
                suffix: found.suffix,
            })
        };
        match whose {
            Whose::Own => Self::own(paths, ui),
            Whose::Host => {
                host::check_user(false)?;
                let host = host()?;
                fs::create_dir_all(&host.root)
                    .with_context(|| format!("cannot make {}", host.root.display()))?;
                Ok(host)
            }
        }
    }

    /// Finds the root in the cache or builds it (about two minutes).
    fn own(paths: &Paths, ui: &Ui) -> Result<Self> {
        host::check_programs()?;
        let key = key(&[
            RECIPE,
            apt::SUITE,
            &PACKAGES.join(" "),
            &FROM_BACKPORTS.join(" "),
        ]);
        let root = paths.cache.join(format!("toolchain-{key}"));
        host::check_user(!root.exists())?;
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
            whose: Whose::Own,
            versions: serde_json::from_str(&text)
                .with_context(|| format!("cannot understand {}", file.display()))?,
            root,
            key,
            paths: paths.clone(),
            suffix: SUFFIX.to_owned(),
        })
    }

    /// Names this toolchain; another package list has another key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// make's argument that chooses LLVM.
    pub fn llvm(&self) -> String {
        match self.suffix.as_str() {
            "" => "LLVM=1".to_owned(),
            suffix => format!("LLVM={suffix}"),
        }
    }

    /// The C compiler's name.
    pub fn clang(&self) -> String {
        format!("clang{}", self.suffix)
    }

    /// Fails when a program is not there any more.
    pub fn check(&self, program: &str) -> Result<()> {
        let dirs = ["usr/bin", "usr/sbin", "usr/local/bin"];
        let there = match self.whose {
            Whose::Own => dirs
                .iter()
                .any(|dir| self.root.join(dir).join(program).exists()),
            Whose::Host => host::which(program).is_some(),
        };
        match self.whose {
            _ if there => Ok(()),
            Whose::Own => bail!(
                "{program} is missing in the toolchain root; delete {} and the next run makes \
                 it again",
                self.root.display()
            ),
            Whose::Host => {
                bail!("{program} is missing; install it, or leave --toolchain host away")
            }
        }
    }

    /// A command inside the root, in mount and pid namespaces of its own: own
    /// `/proc` and `/tmp`, the machine's `/dev`, everything else read-only except
    /// for writable binds. All processes in it are killed when the child process
    /// is, and when the *thread* that spawned it ends, however it does.
    ///
    /// The environment is empty but for what is set here and by the caller; the
    /// working directory is `/`. With the host's toolchain the root is put together
    /// from what the machine has, at the same paths; PATH and HOME are the caller's.
    pub fn command(&self, binds: &[Bind], program: &str) -> Command {
        enter(self.whose, &self.root, binds, program)
    }

    /// busybox and mtd-utils for a guest with the libraries they need: extracted
    /// packages, not a system to enter.
    pub fn guest_root(&self, arch: Arch, ui: &Ui) -> Result<PathBuf> {
        self.extracted("guest", arch, apt::SUITE, GUEST_PACKAGES, ui)
    }

    /// The C library for programs of a guest, where it is not the toolchain's own: few
    /// boot 32-bit arm, and its packages in [`PACKAGES`] would be everyone's.
    pub fn sysroot(&self, arch: Arch, ui: &Ui) -> Result<Option<PathBuf>> {
        match arch {
            Arch::Arm => self
                .extracted("sysroot", arch, apt::SUITE, SYSROOT_PACKAGES, ui)
                .map(Some),
            Arch::Arm64 | Arch::X86_64 | Arch::Um => Ok(None),
        }
    }

    /// U-Boot for QEMU's machine `virt`.
    pub fn uboot(&self, arch: Arch, ui: &Ui) -> Result<PathBuf> {
        let root = self.extracted("uboot", arch, apt::SUITE, UBOOT_PACKAGES, ui)?;
        let name = format!("usr/lib/u-boot/qemu_{}/u-boot.bin", arch.kernel());
        Ok(root.join(name))
    }

    /// spin and tcc, with the libraries they need. Apart from the toolchain's own root,
    /// which few changes should make anew.
    pub fn spin(&self, ui: &Ui) -> Result<PathBuf> {
        self.extracted("spin", Arch::X86_64, apt::SUITE, SPIN_PACKAGES, ui)
    }

    /// herd7, likewise.
    pub fn herd(&self, ui: &Ui) -> Result<PathBuf> {
        self.extracted("herd", Arch::X86_64, HERD_SUITE, HERD_PACKAGES, ui)
    }

    fn extracted(
        &self,
        what: &str,
        arch: Arch,
        suite: &str,
        packages: &[&str],
        ui: &Ui,
    ) -> Result<PathBuf> {
        let paths = &self.paths;
        let key = key(&[RECIPE, suite, &packages.join(" ")]);
        let root = paths.cache.join(format!("{what}-{arch}-{key}"));
        if root.exists() {
            return Ok(root);
        }
        let _lock = host::lock_cache(paths, ui, &format!("{what}-{arch}"))?;
        if root.exists() {
            return Ok(root);
        }
        host::check_user(true)?;
        host::check_space(&paths.cache, 1, "a guest's packages")?;
        let mirror = Mirror::find(paths, ui)?;
        let step = ui.step(format!("Extracting packages for {arch} ({what})"));
        let temporary = temporary(&root)?;
        let mmdebstrap = Mmdebstrap::ensure(paths, ui)?;
        let mut command = mmdebstrap.command();
        command
            .arg("--variant=extract")
            .arg(format!("--architectures={}", arch.debian()))
            .arg(format!("--include={}", packages.join(",")))
            .args(common_arguments()?);
        if suite != apt::SUITE {
            // A mirror may be a snapshot, and that of a suite which changes daily is soon
            // called expired. Signatures are checked all the same.
            command.arg(r#"--aptopt=Acquire::Check-Valid-Until "false""#);
        }
        let log = paths.log(&format!("{what}-{arch}"));
        process::fresh_log(&log)?;
        let sources = mirror.sources(&[suite]);
        apt::make_root(command, &sources, &temporary, &log, |line| step.note(line))?;
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
fn enter(whose: Whose, root: &Path, binds: &[Bind], program: &str) -> Command {
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
        .args(common_arguments()?);
    let log = paths.log("toolchain");
    process::fresh_log(&log)?;
    let sources = mirror.sources(&[apt::SUITE, &updates, apt::BACKPORTS]);
    apt::make_root(command, &sources, &temporary, &log, |line| step.note(line))?;

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
        let said = process::output(enter(Whose::Own, root, &[], "sh").args(["-c", command]))
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
pub fn at_least(line: &str, lowest: &[u32]) -> bool {
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
    fn a_missing_program_is_told_with_what_to_do() -> Result<()> {
        let dir = tempfile::tempdir()?;
        let mut toolchain = Toolchain {
            whose: Whose::Own,
            root: dir.path().join("root"),
            key: String::new(),
            paths: Paths::at(dir.path(), dir.path()),
            versions: BTreeMap::new(),
            suffix: SUFFIX.to_owned(),
        };
        let said = |toolchain: &Toolchain, program: &str| {
            let error = toolchain.check(program).map_err(|error| error.to_string());
            error.err().unwrap_or_default()
        };
        let text = said(&toolchain, "qemu-system-aarch64");
        assert!(
            text.starts_with("qemu-system-aarch64 is missing in"),
            "{text}"
        );
        assert!(text.contains("delete"), "{text}");
        fs::create_dir_all(toolchain.root.join("usr/bin"))?;
        fs::write(toolchain.root.join("usr/bin/qemu-system-aarch64"), "")?;
        assert_eq!(said(&toolchain, "qemu-system-aarch64"), "");
        toolchain.whose = Whose::Host;
        assert!(said(&toolchain, "no-such-program").contains("install it"));
        assert_eq!(said(&toolchain, "sh"), "");
        Ok(())
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
