//! Locks: one lab in a clone, one maker of each thing in the cache.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use crate::base::interrupt;
use crate::base::paths::Paths;
use crate::base::ui::Ui;

/// Held while something shared is made. Released when dropped or when the lab dies.
#[derive(Debug)]
pub struct Lock {
    _file: Flock<File>,
}

/// Only one lab may run in a clone.
pub fn lock_clone(paths: &Paths) -> Result<Lock> {
    let file = paths.out().join("lock");
    match try_lock(&file)? {
        Ok(lock) => Ok(lock),
        Err(holder) => bail!(
            "another `cargo lab` (process {holder}) runs in this clone; wait for it, or \
             use a second clone"
        ),
    }
}

/// Waits until nobody else on this machine makes `name` in the shared cache.
pub fn lock_cache(paths: &Paths, ui: &Ui, name: &str) -> Result<Lock> {
    let file = paths.locks().join(name);
    let mut told = false;
    loop {
        match try_lock(&file)? {
            Ok(lock) => return Ok(lock),
            Err(holder) if !told => {
                ui.println(format!(
                    "waiting for process {holder}, which makes {name} ..."
                ));
                told = true;
            }
            Err(_) => (),
        }
        interrupt::check_interrupted()?;
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// The lock, or the process that holds it.
fn try_lock(path: &Path) -> Result<Result<Lock, String>> {
    let cannot = || format!("cannot lock {}", path.display());
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(path)
        .with_context(cannot)?;
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(mut file) => {
            file.set_len(0).with_context(cannot)?;
            file.rewind().with_context(cannot)?;
            write!(*file, "{}", std::process::id()).with_context(cannot)?;
            Ok(Ok(Lock { _file: file }))
        }
        Err((mut file, Errno::EWOULDBLOCK)) => {
            let mut holder = String::new();
            file.read_to_string(&mut holder).with_context(cannot)?;
            Ok(Err(holder))
        }
        Err((_, errno)) => Err(errno).with_context(cannot),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_held_once_and_names_its_holder() -> Result<()> {
        let dir = tempfile::tempdir()?;
        let file = dir.path().join("lock");
        let held = try_lock(&file)?;
        assert!(held.is_ok());
        let second = try_lock(&file)?.err();
        assert_eq!(second, Some(std::process::id().to_string()));
        drop(held);
        assert!(try_lock(&file)?.is_ok());
        Ok(())
    }
}
