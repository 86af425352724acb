//@ error: E0133

//! Whoever registers promises that the registration gets dropped.

use kernel::prelude::*;
use kernel::spi::mem::{Controller, Operations, Registration};

/// Registers.
pub fn register<'bound, T: Operations<RegistrationData<'bound> = u32>>(
    controller: Controller<'bound, T>,
) -> Result<Registration<'bound, T>> {
    // SAFETY: None, this is a test.
    //@ twin: unsafe { Registration::new(controller, Ok::<u32, Error>(0)) }
    Registration::new(controller, Ok::<u32, Error>(0))
}
