//! Files and directories that are whole or not there, and keys of what they are made from.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::base::process;

/// Writes a file under a temporary name and renames it.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let cannot = || format!("cannot write {}", path.display());
    let dir = path.parent().with_context(cannot)?;
    std::fs::create_dir_all(dir).with_context(cannot)?;
    let mut file = tempfile::NamedTempFile::new_in(dir).with_context(cannot)?;
    file.write_all(bytes).with_context(cannot)?;
    // NamedTempFile makes it private to the user; results are for everyone.
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    file.as_file().set_permissions(mode).with_context(cannot)?;
    file.persist(path).with_context(cannot)?;
    Ok(())
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
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

/// Writes a file under a temporary name and renames it; whether it changed.
pub fn write_file(file: &Path, bytes: &[u8], executable: bool) -> Result<bool> {
    let mode = if executable { 0o755 } else { 0o644 };
    let same_mode = file
        .metadata()
        .is_ok_and(|data| (data.permissions().mode() & 0o100 != 0) == executable);
    if same_mode && fs::read(file).is_ok_and(|old| old == bytes) {
        return Ok(false);
    }
    let cannot = || format!("cannot write {}", file.display());
    let dir = file.parent().with_context(cannot)?;
    fs::create_dir_all(dir).with_context(cannot)?;
    let mut new = tempfile::NamedTempFile::new_in(dir).with_context(cannot)?;
    new.write_all(bytes).with_context(cannot)?;
    new.as_file()
        .set_permissions(fs::Permissions::from_mode(mode))
        .with_context(cannot)?;
    new.persist(file).with_context(cannot)?;
    Ok(true)
}

/// `cp -a`, sharing blocks where the file system can.
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    process::output(
        Command::new("cp")
            .args(["--archive", "--reflink=auto"])
            .arg(from)
            .arg(to),
    )
    .with_context(|| format!("cannot copy {}", from.display()))
    .map(drop)
}

pub fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

/// What is written as JSON ends in a line break.
pub fn json(value: &impl Serialize) -> Result<Vec<u8>> {
    let mut text = serde_json::to_string_pretty(value).context("no JSON form")?;
    text.push('\n');
    Ok(text.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_tell_parts_apart() {
        assert_eq!(key(&["a", "b"]).len(), 12);
        assert_ne!(key(&["a", "b"]), key(&["ab"]));
        assert_eq!(key(&["a"]), key(&["a"]));
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
