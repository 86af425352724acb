//! The toolchain root: a Debian system in the cache with pinned compilers and QEMU.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::base::paths::Paths;
use crate::base::ui::Ui;
use crate::base::{files, lock, process, space};
use crate::toolchain::apt::{self, Mirror, Mmdebstrap};
use crate::toolchain::arch::Arch;
use crate::toolchain::enter::{self, Bind, Whose};
use crate::toolchain::{host, installed, versions};

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
            let found = installed::find(&installed::run)?;
            Ok(Self {
                whose,
                root: paths.cache.join("host-root"),
                key: files::key(&[RECIPE, &format!("{:?}", found.versions)]),
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
        let key = files::key(&[
            RECIPE,
            apt::SUITE,
            &PACKAGES.join(" "),
            &FROM_BACKPORTS.join(" "),
        ]);
        let root = paths.cache.join(format!("toolchain-{key}"));
        host::check_user(!root.exists())?;
        if !root.exists() {
            let _lock = lock::lock_cache(paths, ui, "toolchain")?;
            if !root.exists() {
                space::check_space(&paths.cache, 5, "the toolchain")?;
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
        enter::enter(self.whose, &self.root, binds, program)
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
        let key = files::key(&[RECIPE, suite, &packages.join(" ")]);
        let root = paths.cache.join(format!("{what}-{arch}-{key}"));
        if root.exists() {
            return Ok(root);
        }
        let _lock = lock::lock_cache(paths, ui, &format!("{what}-{arch}"))?;
        if root.exists() {
            return Ok(root);
        }
        host::check_user(true)?;
        space::check_space(&paths.cache, 1, "a guest's packages")?;
        let mirror = Mirror::find(paths, ui)?;
        let step = ui.step(format!("Extracting packages for {arch} ({what})"));
        let temporary = files::temporary(&root)?;
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
        files::finish(&temporary, &root)?;
        step.done("");
        Ok(root)
    }

    /// First line of each tool's `--version`, by the tool's name.
    pub fn versions(&self) -> Result<BTreeMap<String, String>> {
        Ok(self.versions.clone())
    }
}

/// A command in a directory that the toolchain sees as /build: a program of extracted
/// packages, with the C library that came with it.
pub fn extracted_program(packages: &str, name: &str) -> String {
    let libraries = format!("{packages}/usr/lib/x86_64-linux-gnu");
    format!("{libraries}/ld-linux-x86-64.so.2 --library-path {libraries} {packages}/usr/bin/{name}")
}

fn make(paths: &Paths, ui: &Ui, root: &Path) -> Result<()> {
    let mirror = Mirror::find(paths, ui)?;
    let mmdebstrap = Mmdebstrap::ensure(paths, ui)?;
    let step = ui.step("Building the toolchain root (about two minutes)");
    let temporary = files::temporary(root)?;
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
    let versions = versions::ask_versions(&temporary)?;
    let text = serde_json::to_string_pretty(&versions).context("versions have no JSON form")?;
    fs::write(temporary.join(VERSIONS_FILE), text).context("cannot write into the new root")?;
    files::finish(&temporary, root)?;
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
