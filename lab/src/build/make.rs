//! make for a kernel, with the same paths, names and dates everywhere.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::base::ui::Step;
use crate::base::{git, lock, process};
use crate::build::kconfig::{self, Symbols};
use crate::build::kernel::{self, Kernel, Tree};
use crate::lab::Lab;
use crate::toolchain::arch::Arch;
use crate::toolchain::enter::Bind;

/// Compiles a device tree of the kernel's own source, named as below `boot/dts`, without
/// an ending.
pub fn device_tree(lab: &Lab, kernel: &Kernel, name: &str) -> Result<PathBuf> {
    let _lock = lock::lock_cache(&lab.paths, &lab.ui, &format!("build-{}", kernel.config))?;
    let log = lab.paths.log("device-tree");
    process::fresh_log(&log)?;
    let mut make = make(lab, kernel.arch, &kernel.source_dir, &kernel.build_dir);
    process::run_logged(make.arg(format!("{name}.dtb")), &log, |_| ())
        .with_context(|| format!("the kernel's source has no device tree {name}"))?;
    let dir = kernel.build_dir.join("arch").join(kernel.arch.kernel());
    Ok(dir.join("boot/dts").join(format!("{name}.dtb")))
}

/// One build: make with the same paths, names and dates everywhere, so that ccache
/// finds objects made in another clone.
pub struct Build<'a> {
    pub lab: &'a Lab,
    pub arch: Arch,
    pub tree: &'a Tree,
    pub build_dir: &'a Path,
    pub log: &'a Path,
}

impl Build<'_> {
    /// How many files were compiled.
    pub fn run(&self, wanted: &Symbols, text: &str, step: &Step) -> Result<usize> {
        step.note("configuring");
        let request = self.build_dir.join("lab.config");
        fs::write(&request, text).with_context(|| format!("cannot write {}", request.display()))?;
        let mut make = self.make();
        make.env("KCONFIG_ALLCONFIG", "/build/lab.config")
            .arg("allnoconfig");
        process::run_logged(&mut make, self.log, |_| ())?;
        self.check(wanted)?;

        let mut compiled = 0;
        let target = Path::new(kernel::image(self.arch))
            .file_name()
            .unwrap_or_default();
        let limit = self.lab.build_limit;
        let start = Instant::now();
        let mut make = self.make();
        make.arg(target);
        if kconfig::has_modules(self.build_dir)? {
            make.arg("modules");
        }
        let built = process::run_logged_within(&mut make, self.log, Some(limit), |line| {
            let mut words = line.split_whitespace();
            if let (true, Some("CC" | "AS" | "RUSTC"), Some(file)) =
                (line.starts_with("  "), words.next(), words.last())
            {
                compiled += 1;
                step.note(format!("{compiled} files compiled, {file}"));
            }
        });
        match built {
            Err(error) if start.elapsed() >= limit => Err(error).context(format!(
                "the build took longer than {}; what was compiled is kept: run it again to go \
                 on, with --build-minutes for more time",
                crate::base::ui::duration(limit)
            )),
            built => built.map(|()| compiled),
        }
    }

    /// Kconfig drops what it cannot have without a word; say it.
    fn check(&self, wanted: &Symbols) -> Result<()> {
        let file = self.build_dir.join(".config");
        let text =
            fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let mut unmet = kconfig::unmet(wanted, &kconfig::symbols(&text)?);
        if !unmet.is_empty() && !self.lab.paths.series.is_empty() {
            self.leave_out_unknown(&mut unmet)?;
        }
        if !unmet.is_empty() {
            bail!(
                "the kernel configuration is not what was asked for; see the dependencies of \
                 these symbols, and lab/data/kernel/:\n{}",
                unmet.join("\n")
            );
        }
        Ok(())
    }

    /// With some of the series only, a tree may not have all symbols.
    fn leave_out_unknown(&self, unmet: &mut Vec<String>) -> Result<()> {
        let mut grep = git::git(&self.tree.dir);
        grep.args(["grep", "-hE", "^(menu)?config ", "--", "*Kconfig*"]);
        let all = process::output(&mut grep).context("cannot read the Kconfig files")?;
        let known: BTreeSet<&str> = all
            .lines()
            .filter_map(|line| line.split_whitespace().nth(1))
            .collect();
        unmet.retain(|line| {
            let name = line.split(':').next().unwrap_or_default();
            let is_known = known.contains(name.trim_start_matches("CONFIG_"));
            if !is_known {
                let ui = &self.lab.ui;
                ui.println(format!("these series have no {name}; it is left out"));
            }
            is_known
        });
        Ok(())
    }

    fn make(&self) -> Command {
        make(self.lab, self.arch, &self.tree.dir, self.build_dir)
    }
}

/// Modules from a directory `from` that is not of the kernel's source, built for `kernel` in
/// `to`, where make carries on from what is there.
pub fn build_modules(lab: &Lab, kernel: &Kernel, from: &Path, to: &Path) -> Result<Vec<PathBuf>> {
    // As a build of the kernel itself: nobody may make it anew at the same time.
    let _lock = lock::lock_cache(&lab.paths, &lab.ui, &format!("build-{}", kernel.config))?;
    fs::create_dir_all(to).with_context(|| format!("cannot make {}", to.display()))?;
    let log = lab.paths.log("guest-modules");
    process::fresh_log(&log)?;
    let binds = vec![
        Bind::read_only(from, "/guest/modules"),
        Bind::writable(to, "/guest/built"),
    ];
    let (source, build) = (&kernel.source_dir, &kernel.build_dir);
    let mut make = make_with(lab, kernel.arch, source, build, binds);
    make.args(["M=/guest/modules", "MO=/guest/built", "modules"]);
    process::run_logged(&mut make, &log, |_| ())
        .with_context(|| format!("cannot build the modules in {}", from.display()))?;
    let list = to.join("modules.order");
    let text =
        fs::read_to_string(&list).with_context(|| format!("cannot read {}", list.display()))?;
    let names = text.lines().filter_map(|line| Path::new(line).file_stem());
    Ok(names.map(|it| to.join(it).with_extension("ko")).collect())
}

/// make for a build directory, without a target.
fn make(lab: &Lab, arch: Arch, source_dir: &Path, build_dir: &Path) -> Command {
    make_with(lab, arch, source_dir, build_dir, Vec::new())
}

/// As [`make`], with more to be seen.
fn make_with(
    lab: &Lab,
    arch: Arch,
    source_dir: &Path,
    build_dir: &Path,
    mut binds: Vec<Bind>,
) -> Command {
    binds.extend([
        Bind::read_only(source_dir, "/linux"),
        Bind::writable(build_dir, "/build"),
        Bind::writable(lab.paths.ccache(), "/ccache"),
    ]);
    let mut make = lab.toolchain.command(&binds, "make");
    let jobs = std::thread::available_parallelism().map_or(1, |n| n.get());
    make.env("CCACHE_DIR", "/ccache")
        .env("CCACHE_MAXSIZE", "10G")
        .env("KBUILD_BUILD_TIMESTAMP", "Thu Jan  1 00:00:00 UTC 2026")
        .env("KBUILD_BUILD_VERSION", "1")
        .env("KBUILD_BUILD_USER", "lab")
        .env("KBUILD_BUILD_HOST", "lab")
        // Set though empty: otherwise a "+" marks a tree that is not a release.
        .env("LOCALVERSION", "")
        .args(["-C", "/linux", "O=/build"])
        .arg(lab.toolchain.llvm())
        // One word: it is also the linker of rustc's host programs.
        .arg(format!("CC=ccache {}", lab.toolchain.clang()))
        .arg(format!("HOSTCC={}", lab.toolchain.clang()))
        .arg(format!("ARCH={}", arch.kernel()))
        .arg(format!("-j{jobs}"));
    make
}
