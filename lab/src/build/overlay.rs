//! Kernel code that is never mailed, laid over a tree: whole files, and lines that are
//! added to the end of a file, so that it fits stock and patched trees alike.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use anyhow::{Context, Result, bail};
use walkdir::WalkDir;

use crate::base::files;
use crate::base::paths::Paths;
use crate::series::export;

/// The end of the name of a file whose lines are added to the file without it.
const APPEND: &str = ".append";

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Change {
    /// Takes the place of the file.
    whole: Option<Vec<u8>>,
    /// Comes after what is there.
    more: Vec<u8>,
}

/// What is laid over a tree; by path in the kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overlay {
    /// Of the tree in out/src.
    pub name: String,
    changes: BTreeMap<String, Change>,
}

impl Overlay {
    /// Models of controllers, and tests of drivers on them.
    pub fn models(paths: &Paths) -> Result<Self> {
        let mut overlay = Self {
            name: "models".into(),
            ..Self::default()
        };
        overlay.add_directory(&paths.clone.join("lab/kernel/models"))?;
        Ok(overlay)
    }

    /// The models, and the series' tests that use only what stock kernels have.
    pub fn stock(paths: &Paths) -> Result<Self> {
        let mut overlay = Self::models(paths)?;
        overlay.name = "stock-tests".into();
        overlay.add_directory(&paths.clone.join("lab/kernel/stock-tests"))?;
        for path in export::read_index(paths)? {
            if path.starts_with("drivers/") && path.contains("/tests/") {
                let file = paths.clone.join(&path);
                let bytes =
                    fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
                overlay.changes.entry(path).or_default().whole = Some(bytes);
            }
        }
        Ok(overlay)
    }

    fn add_directory(&mut self, dir: &Path) -> Result<()> {
        for entry in WalkDir::new(dir).sort_by_file_name() {
            let entry = entry.with_context(|| format!("cannot read {}", dir.display()))?;
            if !entry.file_type().is_file() {
                continue;
            }
            let bytes = fs::read(entry.path())
                .with_context(|| format!("cannot read {}", entry.path().display()))?;
            let path = entry.path().strip_prefix(dir)?.to_string_lossy();
            match path.strip_suffix(APPEND) {
                Some(path) => {
                    let change = self.changes.entry(path.to_owned()).or_default();
                    change.more.extend(bytes);
                }
                None => self.changes.entry(path.into_owned()).or_default().whole = Some(bytes),
            }
        }
        if self.changes.is_empty() {
            bail!("there is nothing in {}", dir.display());
        }
        Ok(())
    }

    /// Changes when any of it does.
    pub fn key(&self) -> String {
        files::key(&[&format!("{:?}", self.changes)])
    }

    /// Writes it into the tree `dir`. Files of the tree may be hard links of another's,
    /// so that none is written into.
    pub fn lay(&self, dir: &Path) -> Result<()> {
        for (path, change) in &self.changes {
            let file = dir.join(path);
            let cannot = || format!("cannot write {}", file.display());
            let mut bytes = match &change.whole {
                Some(bytes) => bytes.clone(),
                None => fs::read(&file)
                    .with_context(|| format!("the tree has no {path} to add lines to"))?,
            };
            bytes.extend(&change.more);
            if let Some(parent) = file.parent() {
                fs::create_dir_all(parent).with_context(cannot)?;
            }
            match fs::remove_file(&file) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(error).with_context(cannot);
                }
                _ => fs::write(&file, bytes).with_context(cannot)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_replaced_and_lines_added() -> Result<()> {
        let from = tempfile::tempdir()?;
        let tree = tempfile::tempdir()?;
        let other = tempfile::tempdir()?;
        fs::create_dir_all(from.path().join("a/b"))?;
        fs::write(from.path().join("a/b/new.c"), "new\n")?;
        fs::write(from.path().join("a/Kconfig.append"), "more\n")?;
        fs::create_dir(tree.path().join("a"))?;
        fs::write(other.path().join("Kconfig"), "there\n")?;
        fs::hard_link(other.path().join("Kconfig"), tree.path().join("a/Kconfig"))?;

        let mut overlay = Overlay::default();
        overlay.add_directory(from.path())?;
        overlay.lay(tree.path())?;
        let read = |path| fs::read_to_string(tree.path().join(path));
        assert_eq!(read("a/b/new.c")?, "new\n");
        assert_eq!(read("a/Kconfig")?, "there\nmore\n");
        assert_eq!(
            fs::read_to_string(other.path().join("Kconfig"))?,
            "there\n",
            "the other tree's file was written into"
        );
        Ok(())
    }

    #[test]
    fn lines_need_a_file() -> Result<()> {
        let from = tempfile::tempdir()?;
        let tree = tempfile::tempdir()?;
        let mut overlay = Overlay::default();
        assert!(overlay.add_directory(from.path()).is_err());
        fs::write(from.path().join("Kconfig.append"), "more\n")?;
        overlay.add_directory(from.path())?;
        assert!(overlay.lay(tree.path()).is_err());
        Ok(())
    }

    #[test]
    fn the_committed_overlays_read() -> Result<()> {
        let paths = Paths::find()?;
        assert_ne!(
            Overlay::models(&paths)?.key(),
            Overlay::stock(&paths)?.key()
        );
        Ok(())
    }
}
