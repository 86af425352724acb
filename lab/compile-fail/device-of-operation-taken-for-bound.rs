//@ error: E0308

//! A callback knows of the parent that it is bound, not of the device that is operated.

use kernel::prelude::*;
use kernel::spi::mem::{Controller, InFlight, Operations};
use kernel::spi::{Device, Properties};

/// Makes a controller of what may have no driver.
pub fn exec<T: Operations>(
    this: &InFlight<'_, T>,
    device: &Device,
    properties: &Properties,
) -> Result {
    let _ = (this, device);
    //@ twin: let controller = Controller::<T>::new(this.parent(), properties)?;
    let controller = Controller::<T>::new(device.as_ref(), properties)?;

    drop(controller);
    Ok(())
}
