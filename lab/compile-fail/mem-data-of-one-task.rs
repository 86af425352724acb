//@ error: E0277

//! The data of a driver of memories is dropped by whoever unbinds the driver, in any task.

use kernel::device::Core;
use kernel::prelude::*;
use kernel::spi::mem::{Device, Driver};

/// A driver of memories.
pub struct Flash;

/// What it has for a device.
pub struct Private<T>(pub Option<T>);

/// Names both in both versions.
pub type Both = (usize, *mut u8);

impl Driver for Flash {
    type IdInfo = ();
    //@ twin: type Data<'bound> = Private<usize>;
    type Data<'bound> = Private<*mut u8>;

    fn probe<'bound>(
        _mem: &'bound Device<Core<'_>>,
        _info: Option<&'bound ()>,
    ) -> impl PinInit<Self::Data<'bound>, Error> + 'bound {
        Ok::<_, Error>(Private(None))
    }
}
