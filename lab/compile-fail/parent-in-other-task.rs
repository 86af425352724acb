//@ error: E0521

//! Nobody waits for a work item as for a callback: it cannot have the parent.

use kernel::device::Device;
use kernel::prelude::*;
use kernel::spi::mem::{InFlight, Operations};
use kernel::sync::aref::ARef;
use kernel::workqueue;

/// What a callback does.
pub fn exec<T: Operations>(this: &InFlight<'_, T>) -> Result {
    let parent = this.parent();
    let counted: ARef<Device> = parent.into();

    let queue = workqueue::system();
    //@ twin: queue.try_spawn(GFP_KERNEL, move || drop(counted))?;
    queue.try_spawn(GFP_KERNEL, move || drop((parent, counted)))?;
    Ok(())
}
