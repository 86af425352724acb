//@ error: E0382

//! A controller is registered once.

use kernel::prelude::*;
use kernel::spi::mem::{Controller, Operations, Registration};

/// Registers two.
pub fn register<'bound, T: Operations<RegistrationData<'bound> = u32>>(
    controller: Controller<'bound, T>,
    other: Controller<'bound, T>,
) -> Result {
    // SAFETY: It is dropped at the end of this function.
    let first = unsafe { Registration::new(controller, Ok::<u32, Error>(0))? };

    // SAFETY: It is dropped at the end of this function.
    //@ twin: let second = unsafe { Registration::new(other, Ok::<u32, Error>(0))? };
    let second = unsafe { Registration::new(controller, Ok::<u32, Error>(0))? };

    let _ = (first.data(), second.data());
    Ok(())
}
