//! The stock kernel source: a tree in the cache, in git, never changed.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result};

/// The branch and tag of the stock tree.
pub const BASE: &str = "base";

/// A stock tree in the cache. Used read-only; shared by all clones.
#[derive(Clone, Debug)]
pub struct Source {
    /// The package's version.
    pub version: String,
    /// The checked-out tree, a git repository.
    pub dir: PathBuf,
    /// The commit that holds it; the same on every machine.
    pub base: String,
}

impl Source {
    /// When the tree was imported: after all its file times, before any change to a
    /// copy of it.
    pub fn imported(&self) -> Result<SystemTime> {
        let head = self.dir.join(".git/HEAD");
        head.metadata()
            .and_then(|data| data.modified())
            .with_context(|| format!("cannot read {}", head.display()))
    }
}

/// Debian's source package ends the kernel's .gitignore in a rule that ignores
/// everything at the top level; the kernel's own rules stay.
pub fn keep_kernel_ignores(file: &Path) -> Result<()> {
    if !file.exists() {
        return Ok(());
    }
    let text =
        fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    if without_debian_rule(&text) == text {
        return Ok(());
    }
    let time = file.metadata().and_then(|data| data.modified());
    let kept = without_debian_rule(&text);
    fs::write(file, kept).with_context(|| format!("cannot write {}", file.display()))?;
    // Older than anything that will be built.
    let file = File::options().write(true).open(file)?;
    file.set_modified(time?)?;
    Ok(())
}

fn without_debian_rule(text: &str) -> String {
    let Some(start) = text.find("\n#\n# Debian packaging: ignore everything") else {
        return text.to_owned();
    };
    text[..start].trim_end().to_owned() + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_debian_rule_is_dropped() {
        let kernel = "*.o\n!kernel/time/timeconst.bc\n";
        let debian = "\n#\n# Debian packaging: ignore everything at the top level, since it \
                      isn't\n# included in our repository\n#\n/*\n!/debian/\n";
        assert_eq!(without_debian_rule(&format!("{kernel}{debian}")), kernel);
        assert_eq!(without_debian_rule(kernel), kernel);
    }
}
