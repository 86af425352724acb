//! Ctrl-C and SIGTERM: every child is killed, and whoever loops asks.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Process groups to kill on Ctrl-C.
static GROUPS: Mutex<Vec<Pid>> = Mutex::new(Vec::new());

/// The exit status after Ctrl-C or SIGTERM, as shells have it.
pub const EXIT_INTERRUPTED: u8 = 130;

/// Makes Ctrl-C, SIGTERM and SIGHUP kill every child and set [`interrupted`].
/// The verb then fails by itself; a second signal ends the lab at once.
pub fn handle_signals() -> Result<()> {
    ctrlc::set_handler(|| {
        if INTERRUPTED.swap(true, Ordering::SeqCst) {
            std::process::exit(EXIT_INTERRUPTED.into());
        }
        for group in groups().iter() {
            kill_group(*group);
        }
    })
    .context("cannot install the signal handler")
}

/// Ctrl-C or SIGTERM was seen. Loops without a child process ask this.
pub fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::SeqCst)
}

/// Fails when Ctrl-C or SIGTERM was seen.
pub fn check_interrupted() -> Result<()> {
    if interrupted() {
        bail!("interrupted");
    }
    Ok(())
}

pub fn groups() -> std::sync::MutexGuard<'static, Vec<Pid>> {
    GROUPS
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}

pub fn kill_group(group: Pid) {
    // ESRCH: it has ended already, which is what is wanted.
    let _ = killpg(group, Signal::SIGKILL);
}
