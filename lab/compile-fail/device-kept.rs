//@ error: lifetime may not live long enough

//! The device of an operation is there while that runs: to keep it takes a reference of one's
//! own.

use kernel::prelude::*;
use kernel::spi::mem::{InFlight, Op, Operations};
use kernel::spi::Device;
use kernel::sync::SpinLock;
use kernel::sync::aref::ARef;
use kernel::ThisModule;

/// A controller.
pub struct Ctlr;

/// What its callbacks have.
#[pin_data]
pub struct Private<'a> {
    #[pin]
    kept: SpinLock<Option<&'a Device>>,
    #[pin]
    counted: SpinLock<Option<ARef<Device>>>,
}

impl<'a> Private<'a> {
    /// Keeps a device while there is a reference.
    pub fn keep(&self, device: &'a Device) {
        *self.kept.lock() = Some(device);
    }

    /// Keeps a device.
    pub fn keep_counted(&self, device: &Device) {
        *self.counted.lock() = Some(device.into());
    }
}

#[vtable]
impl Operations for Ctlr {
    type Data<'a> = Private<'a>;

    fn exec_op<'a>(this: &InFlight<'a, Self>, device: &Device, _: &mut Op<'_>) -> Result {
        //@ twin: this.data().keep_counted(device);
        this.data().keep(device);
        Ok(())
    }
}

/// In a module, `module!` makes one.
pub struct LocalModule;

impl kernel::ModuleMetadata for LocalModule {
    const NAME: &'static CStr = c"case";
    const THIS_MODULE: ThisModule = {
        // SAFETY: NULL is what it is for code that is built in.
        unsafe { ThisModule::from_ptr(core::ptr::null_mut()) }
    };
}
