//@ error: E0277

//! A guard cannot go to another task, even if it lives long enough: the gate is left where it was
//! entered.

use kernel::device::Bound;
use kernel::prelude::*;
use kernel::spi::mem::Device;
use kernel::workqueue;

/// Enters, and wants somebody else to leave.
pub fn enter(mem: &'static Device<Bound>) -> Result {
    let inside = mem.enter()?;
    let queue = workqueue::system();

    //@ twin: { drop(inside); queue.try_spawn(GFP_KERNEL, || ())?; }
    queue.try_spawn(GFP_KERNEL, move || drop(inside))?;
    Ok(())
}
