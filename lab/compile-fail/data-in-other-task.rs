//@ error: E0521

//! Nor can a work item have what a callback has of the registration's data.

use kernel::prelude::*;
use kernel::spi::mem::{InFlight, Operations};
use kernel::workqueue;

/// Somebody who uses it.
fn look(_: &u32) {}

/// What a callback does.
pub fn exec<T>(this: &InFlight<'_, T>) -> Result
where
    T: for<'a> Operations<RegistrationData<'a> = u32>,
{
    let data = this.data();

    let queue = workqueue::system();
    //@ twin: { let data = *data; queue.try_spawn(GFP_KERNEL, move || look(&data))?; }
    queue.try_spawn(GFP_KERNEL, move || look(data))?;
    Ok(())
}
