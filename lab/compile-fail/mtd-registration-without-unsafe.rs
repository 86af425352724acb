//@ error: E0133

//! Whoever registers an MTD promises that the registration gets dropped.

use kernel::device::{Bound, Device};
use kernel::mtd::{Operations, Properties, Registration};
use kernel::prelude::*;

/// Registers.
pub fn register<'bound, T: Operations<RegistrationData<'bound> = u32>>(
    parent: &'bound Device<Bound>,
    properties: &Properties<'bound>,
) -> Result<Registration<'bound, T>> {
    // SAFETY: None, this is a test.
    //@ twin: unsafe { Registration::new(parent, properties, Ok::<u32, Error>(0)) }
    Registration::new(parent, properties, Ok::<u32, Error>(0))
}
