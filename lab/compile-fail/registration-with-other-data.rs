//@ error: E0277

//! What callbacks get is what the controller was registered with, and of their type.

use kernel::prelude::*;
use kernel::spi::mem::{Controller, Operations, Registration};

/// Registers.
pub fn register<'bound, T, U>(
    controller: Controller<'bound, T>,
    right: impl PinInit<T::RegistrationData<'bound>, Error>,
    wrong: impl PinInit<U::RegistrationData<'bound>, Error>,
) -> Result<Registration<'bound, T>>
where
    T: Operations,
    U: Operations,
{
    let both = (right, wrong);
    // SAFETY: It is not run.
    //@ twin: unsafe { Registration::new(controller, both.0) }
    unsafe { Registration::new(controller, both.1) }
}
