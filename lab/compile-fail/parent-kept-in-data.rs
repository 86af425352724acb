//@ error: lifetime may not live long enough

//! What a callback has of the parent cannot be kept in the registration's data.

use kernel::device::{Bound, Device};
use kernel::prelude::*;
use kernel::spi::mem::{InFlight, Operations};
use kernel::sync::SpinLock;

/// What callbacks have.
#[pin_data]
pub struct Private<'a> {
    parent: &'a Device<Bound>,
    #[pin]
    kept: SpinLock<Option<&'a Device<Bound>>>,
}

/// What a callback does.
pub fn exec<T>(this: &InFlight<'_, T>)
where
    T: for<'a> Operations<RegistrationData<'a> = Private<'a>>,
{
    //@ twin: *this.data().kept.lock() = Some(this.data().parent);
    *this.data().kept.lock() = Some(this.parent());
}

impl<'a> Private<'a> {
    /// Uses the field.
    pub fn parent(&self) -> &'a Device<Bound> {
        self.parent
    }
}
