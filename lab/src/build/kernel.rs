//! A kernel that was built.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::build::kconfig;
use crate::build::variant::Variant;
use crate::toolchain::arch::Arch;

/// A kernel that was built.
#[derive(Clone, Debug)]
pub struct Kernel {
    pub variant: Variant,
    pub config: String,
    pub arch: Arch,
    pub image: PathBuf,
    pub build_dir: PathBuf,
    pub source_dir: PathBuf,
    /// `7.3.4`, what `uname -r` says.
    pub release: String,
    /// Version of the Debian package.
    pub source_version: String,
    /// Git commit of the source, with a suffix when the tree has changes on top.
    pub source_id: String,
    pub config_sha256: String,
}

impl Kernel {
    /// The modules that were built, sorted.
    pub fn modules(&self) -> Result<Vec<PathBuf>> {
        let list = self.build_dir.join("modules.order");
        if !kconfig::has_modules(&self.build_dir)? {
            return Ok(Vec::new());
        }
        let text =
            fs::read_to_string(&list).with_context(|| format!("cannot read {}", list.display()))?;
        let module = |line: &str| self.build_dir.join(line).with_extension("ko");
        let mut modules: Vec<_> = text.lines().map(module).collect();
        modules.sort();
        Ok(modules)
    }
}

/// The kernel image that make leaves, below the build directory.
pub fn image(arch: Arch) -> &'static str {
    match arch {
        Arch::Arm64 => "arch/arm64/boot/Image",
        Arch::Arm => "arch/arm/boot/zImage",
        Arch::X86_64 => "arch/x86/boot/bzImage",
        Arch::Um => "linux",
    }
}

/// A source tree ready to build.
pub struct Tree {
    pub dir: PathBuf,
    pub id: String,
    /// Files differ from the commit, so the id does not say all.
    pub dirty: bool,
}
