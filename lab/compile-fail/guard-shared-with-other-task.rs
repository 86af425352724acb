//@ error: E0277

//! Nor can another task use a guard by reference.

use kernel::device::Bound;
use kernel::prelude::*;
use kernel::spi::mem::Device;

/// What starts a task, and waits for it, asks for this.
fn scoped<F: FnOnce() + Send>(task: F) {
    task()
}

/// Enters, and lets another task do the rest.
pub fn enter(mem: &Device<Bound>) -> Result {
    let inside = mem.enter()?;

    //@ twin: scoped(|| { let _ = &mem; });
    scoped(|| { let _ = &inside; });
    drop(inside);
    Ok(())
}
