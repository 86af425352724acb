//! The guest's side: the series' kselftest built for its architecture, and an
//! initramfs with it, busybox and mtd-utils.

use std::fmt::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use walkdir::WalkDir;

use crate::base::files::write_whole;
use crate::base::process;
use crate::build::kernel::Kernel;
use crate::build::make;
use crate::data::kernel_config;
use crate::lab::Lab;
use crate::series::repository;
use crate::source;
use crate::toolchain::arch::Arch;
use crate::toolchain::enter::Bind;

/// The kselftest, in a kernel tree, and its programs.
const TESTS: &str = "tools/testing/selftests/drivers/mtd";

const PROGRAMS: [&str; 2] = ["unbind_busy", "unbind_idle"];

/// Programs of lab/guest beside init.
const OWN_PROGRAMS: [&str; 2] = ["compare_drivers", "restart_busy"];

/// And those that are compiled.
const OWN_COMPILED: [&str; 3] = ["flash_ops", "mtd_user", "usb_bridge"];

/// Programs of scenarios, and what they share.
const SCENARIOS: &str = "lab/guest/scenarios";

/// The lab's own modules.
const MODULES: &str = "lab/kernel/guest";

/// Where programs are linked from that are not linked from the toolchain.
const SYSROOT: &str = "/guest/sysroot";

/// Directories of the foreign packages that the guest has no use for, by name:
/// two thirds of what it would have to unpack at every boot.
const LEFT_OUT: [&str; 7] = ["share", "include", "gconv", "dev", "etc", "tmp", "var"];

/// Builds the test programs and packs the initramfs: about two seconds, so it is
/// simply done anew each time and cannot be stale.
pub fn initramfs(lab: &Lab, kernel: &Kernel) -> Result<PathBuf> {
    let arch = kernel.arch;
    let packages = lab.toolchain.guest_root(arch, &lab.ui)?;
    let own = format!("{}-{}", kernel.variant, kernel.config);
    let out = lab.paths.out().join("guest").join(arch.kernel()).join(own);
    std::fs::create_dir_all(&out).with_context(|| format!("cannot make {}", out.display()))?;
    // A directory of its own, so that a second run in this clone is not disturbed.
    let work = tempfile::tempdir_in(&out).context("cannot make a temporary directory")?;
    std::fs::set_permissions(work.path(), PermissionsExt::from_mode(0o755))?;

    let tree = tree_with_tests(lab, kernel)?;
    let mut binds = vec![
        Bind::read_only(lab.paths.clone.join("lab/guest"), "/guest/lab"),
        Bind::read_only(&tree, "/guest/linux"),
        Bind::read_only(&packages, "/guest/packages"),
        Bind::writable(work.path(), "/guest/out"),
    ];
    let sysroot = lab.toolchain.sysroot(arch, &lab.ui)?;
    binds.extend(sysroot.iter().map(|it| Bind::read_only(it, SYSROOT)));
    let run = |script: &str| -> Result<()> {
        let mut sh = lab.toolchain.command(&binds, "sh");
        sh.args(["-ec", script]);
        process::output(&mut sh).map(drop)
    };
    run(&make(lab, arch, sysroot.is_some()))
        .with_context(|| format!("cannot build {}/{TESTS}", tree.display()))?;
    for program in OWN_COMPILED {
        run(&compile(lab, arch, sysroot.is_some(), program))
            .with_context(|| format!("cannot build {program}.c"))?;
    }

    let mut modules = kernel.modules()?;
    if kernel_config::config(&lab.paths, &kernel.config)?.guest_modules {
        let from = lab.paths.clone.join(MODULES);
        modules.extend(make::build_modules(
            lab,
            kernel,
            &from,
            &out.join("modules"),
        )?);
    }
    for module in &modules {
        let name = module.file_name().context("a module without a name")?;
        std::fs::copy(module, work.path().join(name))
            .with_context(|| format!("cannot copy {}", module.display()))?;
    }
    let overlays = overlays(lab, &binds)?;
    let scenarios = files_in(&lab.paths.clone.join(SCENARIOS))?;
    let list = contents(&packages, &modules, &scenarios, &overlays)?;
    write_whole(&work.path().join("list"), list.as_bytes())?;
    // The kernel's own packer: no root rights and no device nodes needed.
    let clang = lab.toolchain.clang();
    run(&format!(
        "cd /guest/out
         {clang} -O1 -o gen_init_cpio /guest/linux/usr/gen_init_cpio.c
         ./gen_init_cpio -t 0 list >initramfs.cpio"
    ))
    .context("cannot pack the initramfs")?;

    let initramfs = out.join("initramfs.cpio");
    std::fs::rename(work.path().join("initramfs.cpio"), &initramfs)
        .with_context(|| format!("cannot write {}", initramfs.display()))?;
    Ok(initramfs)
}

/// Compiles the device tree overlays of the lab; their names.
fn overlays(lab: &Lab, binds: &[Bind]) -> Result<Vec<String>> {
    let dir = lab.paths.data().join("dts");
    let mut all = Vec::new();
    for name in files_in(&dir)? {
        let Some(stem) = name.strip_suffix(".dtso") else {
            continue;
        };
        let mut binds = binds.to_vec();
        binds.push(Bind::read_only(&dir, "/guest/dts"));
        let compiled = format!("{stem}.dtbo");
        let mut dtc = lab.toolchain.command(&binds, "dtc");
        dtc.args(["-q", "-@", "-I", "dts", "-O", "dtb", "-o"]);
        dtc.args([
            format!("/guest/out/{compiled}"),
            format!("/guest/dts/{name}"),
        ]);
        process::output(&mut dtc).with_context(|| format!("{name} is wrong"))?;
        all.push(compiled);
    }
    Ok(all)
}

/// The names of the files in a directory, sorted.
fn files_in(dir: &Path) -> Result<Vec<String>> {
    let cannot = || format!("cannot read {}", dir.display());
    let mut names = Vec::new();
    for entry in dir.read_dir().with_context(cannot)? {
        let entry = entry.with_context(cannot)?;
        names.extend(entry.file_name().into_string().ok());
    }
    names.sort();
    Ok(names)
}

/// The tree that is booted, so that what is changed in `linux/` is what runs; or, when
/// it is stock or a part of the series without the tests, the one of the whole series.
fn tree_with_tests(lab: &Lab, kernel: &Kernel) -> Result<PathBuf> {
    if kernel.source_dir.join(TESTS).is_dir() {
        return Ok(kernel.source_dir.clone());
    }
    let source = source::ensure(&lab.paths, &lab.ui)?;
    let (tree, _) = repository::checkout(&lab.paths.whole(), &lab.ui, &source, None)?;
    if !tree.join(TESTS).is_dir() {
        bail!("the series has no {TESTS}, the tests that boots run");
    }
    Ok(tree)
}

/// Static, so that the programs do not depend on which libraries the guest has. The
/// foreign C library comes from Debian's cross packages (libc6-dev-*-cross and
/// libgcc-*-dev-*-cross), whose directories clang searches by itself for the target, or
/// from a sysroot of the target's own packages: nothing is downloaded or built beside
/// packages.
fn make(lab: &Lab, arch: Arch, sysroot: bool) -> String {
    let sysroot = sysroot_option(sysroot);
    format!(
        "make -C /guest/linux/{TESTS} OUTPUT=/guest/out {llvm} ARCH={arch} \
         CROSS_COMPILE={triple}- USERCFLAGS='-Werror -g0{sysroot}' \
         USERLDFLAGS='-static -fuse-ld=lld'",
        llvm = lab.toolchain.llvm(),
        triple = arch.triple()
    )
}

fn sysroot_option(sysroot: bool) -> String {
    match sysroot {
        true => format!(" --sysroot={SYSROOT}"),
        false => String::new(),
    }
}

/// As static as those.
fn compile(lab: &Lab, arch: Arch, sysroot: bool, program: &str) -> String {
    format!(
        "{clang} --target={triple}{sysroot} -static -fuse-ld=lld -O2 -Wall -Werror \
         -o /guest/out/{program} /guest/lab/{program}.c",
        clang = lab.toolchain.clang(),
        triple = arch.triple(),
        sysroot = sysroot_option(sysroot)
    )
}

/// The list that gen_init_cpio reads. Modules have no directory by release and no
/// dependencies there: init is told which to load, and in which order.
fn contents(
    packages: &Path,
    modules: &[PathBuf],
    scenarios: &[String],
    overlays: &[String],
) -> Result<String> {
    let mut list = String::from(
        "dir /dev 755 0 0\n\
         nod /dev/console 600 0 0 c 5 1\n\
         dir /lab 755 0 0\n\
         file /init /guest/lab/init 755 0 0\n",
    );
    for program in PROGRAMS.iter().chain(&OWN_COMPILED) {
        writeln!(list, "file /lab/{program} /guest/out/{program} 755 0 0")?;
    }
    for program in OWN_PROGRAMS {
        writeln!(list, "file /lab/{program} /guest/lab/{program} 755 0 0")?;
    }
    list.push_str("dir /lab/scenarios 755 0 0\ndir /lab/overlays 755 0 0\n");
    for name in scenarios {
        let file = format!("scenarios/{name}");
        writeln!(list, "file /lab/{file} /guest/lab/{file} 755 0 0")?;
    }
    for name in overlays {
        writeln!(list, "file /lab/overlays/{name} /guest/out/{name} 644 0 0")?;
    }
    // The packages count on a merged /usr, which base-files would bring.
    for dir in ["bin", "sbin", "lib"] {
        if std::fs::symlink_metadata(packages.join(dir)).is_err() {
            writeln!(list, "slink /{dir} usr/{dir} 777 0 0")?;
        }
    }
    let entries = WalkDir::new(packages).min_depth(1).sort_by_file_name();
    let wanted = entries.into_iter().filter_entry(|entry| {
        !entry.file_type().is_dir() || !LEFT_OUT.iter().any(|out| entry.file_name() == *out)
    });
    for entry in wanted {
        let entry = entry.with_context(|| format!("cannot read {}", packages.display()))?;
        let inside = entry.path().strip_prefix(packages)?;
        let Some(inside) = inside
            .to_str()
            .filter(|it| !it.contains(char::is_whitespace))
        else {
            bail!("{} has a name that does not fit", entry.path().display());
        };
        let kind = entry.file_type();
        let mode = entry.metadata()?.permissions().mode() & 0o777;
        if kind.is_dir() {
            writeln!(list, "dir /{inside} 755 0 0")?;
        } else if kind.is_symlink() {
            let target = std::fs::read_link(entry.path())?;
            writeln!(list, "slink /{inside} {} 777 0 0", target.display())?;
        } else if kind.is_file() {
            writeln!(list, "file /{inside} /guest/packages/{inside} {mode:o} 0 0")?;
        }
    }
    // After what /lib may be a link to.
    list.push_str("dir /lib/modules 755 0 0\n");
    for module in modules {
        let name = module.file_name().unwrap_or_default().display();
        writeln!(list, "file /lib/modules/{name} /guest/out/{name} 644 0 0")?;
    }
    Ok(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_has_files_links_and_the_merged_usr() -> Result<()> {
        let root = tempfile::tempdir()?;
        std::fs::create_dir_all(root.path().join("usr/bin"))?;
        std::fs::create_dir_all(root.path().join("usr/share/doc"))?;
        std::fs::write(root.path().join("usr/bin/busybox"), "")?;
        std::os::unix::fs::symlink("busybox", root.path().join("usr/bin/sh"))?;
        let modules = [PathBuf::from("/build/drivers/x.ko")];
        let list = contents(root.path(), &modules, &["ubi".into()], &["x.dtbo".into()])?;
        assert!(list.contains("file /lab/scenarios/ubi /guest/lab/scenarios/ubi 755 0 0\n"));
        assert!(list.contains("file /lab/overlays/x.dtbo /guest/out/x.dtbo 644 0 0\n"));
        assert!(list.contains("file /usr/bin/busybox /guest/packages/usr/bin/busybox"));
        assert!(list.contains("slink /usr/bin/sh busybox 777 0 0\n"));
        assert!(list.contains("slink /lib usr/lib 777 0 0\n"));
        assert!(list.contains("file /lab/unbind_idle /guest/out/unbind_idle 755 0 0\n"));
        assert!(list.contains("file /lib/modules/x.ko /guest/out/x.ko 644 0 0\n"));
        assert!(!list.contains("share"));
        Ok(())
    }
}
