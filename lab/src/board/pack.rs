//! A board's directory: what its owner needs to run the tests, built here and never booted
//! here.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use crate::base::files::{self, write_whole};
use crate::base::paths::Paths;
use crate::base::process;
use crate::board::devicetree::{Found, Tree};
use crate::board::expected::{self, Expected};
use crate::board::fit::{self, Sizes};
use crate::board::readme;
use crate::board::uboot::{INITRAMFS, UBoot};
use crate::build::kernel::Kernel;
use crate::build::make;
use crate::build::variant::Variant;
use crate::data::board::Board;
use crate::judge::report::PATTERNS;
use crate::lab::Lab;
use crate::toolchain::enter::Bind;

/// How long a board may take from power to the last line.
const SECONDS: u64 = 900;

/// A copy that is a third as large, for slow networks; U-Boot need not know.
pub fn compressed(lab: &Lab, initramfs: &Path) -> Result<Vec<u8>> {
    let dir = initramfs
        .parent()
        .context("an initramfs is in a directory")?;
    let binds = [Bind::read_only(dir, "/guest/out")];
    let mut gzip = lab.toolchain.command(&binds, "gzip");
    gzip.args(["-9", "-n", "-c", "/guest/out/initramfs.cpio"]);
    process::output_bytes(&mut gzip).context("cannot compress the initramfs")
}

/// Makes a board's directory, whole or not at all.
pub fn pack(
    lab: &Lab,
    board: &Board,
    kernel: &Kernel,
    initramfs: &[u8],
) -> Result<(PathBuf, Found)> {
    let image = files::read(&kernel.image)?;
    let modules = kernel.modules()?;
    let blob = files::read(&make::device_tree(lab, kernel, &board.device_tree)?)?;
    let tree = Tree::parse(&blob).with_context(|| board.blob())?;
    let found = fit::check(board, &tree, &image, &modules)?;
    let sizes = Sizes {
        kernel: fit::image_size(&image)?,
        device_tree: blob.len() as u64,
        initramfs: initramfs.len() as u64,
    };
    fit::check_layout(&board.load, &sizes, &tree.memory(), &tree.reserved())?;

    let mut files = BTreeMap::from([
        ("Image".to_owned(), image),
        (board.blob(), blob),
        (INITRAMFS.to_owned(), initramfs.to_owned()),
    ]);
    for module in &modules {
        let name = module.file_name().unwrap_or_default().to_string_lossy();
        files.insert(format!("modules/{name}"), files::read(module)?);
    }
    let expected = expected::expected(&lab.paths, board, SECONDS)?;
    let uboot = UBoot::new(board);
    files.insert(
        "README.txt".to_owned(),
        readme::readme(lab, board, kernel, &found, &expected, &uboot)?.into_bytes(),
    );
    files.insert("uboot.json".to_owned(), files::json(&uboot)?);
    files.insert(
        "labgrid/env.yaml".to_owned(),
        readme::environment(board).into_bytes(),
    );
    add_tests(&lab.paths, &expected, &mut files)?;

    let mut name = board.name.clone() + &lab.paths.suffix();
    if kernel.variant != (Variant::Series { upto: None }) {
        write!(name, "-{}", kernel.variant)?;
    }
    let dir = lab.paths.out().join("board").join(name);
    write_dir(&dir, &files)?;
    Ok((dir, found))
}

/// Files of a board's directory, by their names in it.
pub type Files = BTreeMap<String, Vec<u8>>;

/// Where the tests for farms of boards are.
pub fn tests(paths: &Paths) -> PathBuf {
    paths.clone.join("lab/labgrid")
}

/// What of them goes to the board's owner.
const TESTS: [&str; 3] = ["judge.py", "kernel_strategy.py", "test_unbind.py"];

/// Adds `judge.py` and, in `labgrid/`, what pytest runs.
pub fn add_tests(paths: &Paths, expected: &Expected, files: &mut Files) -> Result<()> {
    for name in TESTS {
        let bytes = files::read(&tests(paths).join(name))?;
        if name == "judge.py" {
            files.insert(name.to_owned(), bytes.clone());
        }
        files.insert(format!("labgrid/{name}"), bytes);
    }
    for name in ["reports.txt", "labgrid/reports.txt"] {
        files.insert(name.to_owned(), PATTERNS.as_bytes().to_vec());
    }
    let expected = files::json(expected)?;
    files.insert("expected.json".to_owned(), expected.clone());
    files.insert("labgrid/expected.json".to_owned(), expected);
    Ok(())
}

/// Writes a directory of `files` with their checksums, whole, in place of an older one.
pub fn write_dir(dir: &Path, files: &Files) -> Result<()> {
    let temporary = files::temporary(dir)?;
    let mut sums = String::new();
    for (name, bytes) in files {
        write_whole(&temporary.join(name), bytes)?;
        writeln!(sums, "{:x}  {name}", Sha256::digest(bytes))?;
    }
    write_whole(&temporary.join("SHA256SUMS"), sums.as_bytes())?;
    fs::set_permissions(&temporary, fs::Permissions::from_mode(0o755))
        .with_context(|| format!("cannot write {}", temporary.display()))?;
    if dir.exists() {
        fs::remove_dir_all(dir).with_context(|| format!("cannot remove {}", dir.display()))?;
    }
    files::finish(&temporary, dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_replaced_whole() -> Result<()> {
        let root = tempfile::tempdir()?;
        let dir = root.path().join("board/x");
        let one = |name: &str| BTreeMap::from([(name.to_owned(), b"a\n".to_vec())]);
        write_dir(&dir, &one("old"))?;
        write_dir(&dir, &one("deep/new"))?;
        assert!(dir.join("deep/new").is_file() && !dir.join("old").exists());
        let sums = fs::read_to_string(dir.join("SHA256SUMS"))?;
        assert!(sums.ends_with("  deep/new\n"), "{sums}");
        let left = fs::read_dir(root.path().join("board"))?.count();
        assert_eq!(left, 1);
        Ok(())
    }
}
