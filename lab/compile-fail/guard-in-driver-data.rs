//@ error: E0277

//! A guard cannot be part of a driver's data: unbinding would wait for it for ever.

use kernel::device::Core;
use kernel::prelude::*;
use kernel::spi::mem::{Driver, Guard, Mem};
use kernel::spi::Device;

/// A driver of memories.
pub struct Flash;

/// What it has for a device.
pub struct Private<'bound, T> {
    mem: Mem<'bound>,
    kept: Option<T>,
}

impl<T> Private<'_, T> {
    /// Uses the fields.
    pub fn kept(&self) -> (&Mem<'_>, bool) {
        (&self.mem, self.kept.is_some())
    }
}

/// Names the type in both versions.
pub type Inside<'mem> = Guard<'mem>;

impl Driver for Flash {
    type IdInfo = ();
    //@ twin: type Data<'bound> = Private<'bound, &'bound ()>;
    type Data<'bound> = Private<'bound, Inside<'bound>>;

    fn probe<'bound>(
        _device: &'bound Device<Core<'_>>,
        mem: Mem<'bound>,
        _info: Option<&'bound ()>,
    ) -> impl PinInit<Self::Data<'bound>, Error> + 'bound {
        Ok::<_, Error>(Private { mem, kept: None })
    }
}
