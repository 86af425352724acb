//@ error: E0277

//! A guard cannot go to another task: the gate is left where it was entered.

use kernel::prelude::*;
use kernel::spi::mem::Mem;
use kernel::workqueue;

/// Enters, and wants somebody else to leave.
pub fn enter(mem: &Mem<'_>) -> Result {
    let inside = mem.enter()?;

    let queue = workqueue::system();
    //@ twin: queue.try_spawn(GFP_KERNEL, || ())?;
    queue.try_spawn(GFP_KERNEL, move || drop(inside))?;
    Ok(())
}
