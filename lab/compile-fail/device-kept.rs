//@ error: `impl` item signature doesn't match `trait` item signature

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

/// What its callbacks get.
pub type Proof<'a> = InFlight<'a, Ctlr>;

/// What its callbacks have.
#[pin_data]
pub struct Private<'a> {
    #[pin]
    kept: SpinLock<Option<&'a Device>>,
    #[pin]
    counted: SpinLock<Option<ARef<Device>>>,
}

/// Keeps a device while there is data.
pub fn keep<'a>(this: &Proof<'a>, device: &'a Device) -> Result {
    *this.data().kept.lock() = Some(device);
    Ok(())
}

/// Keeps a reference of its own.
pub fn count(this: &Proof<'_>, device: &Device) -> Result {
    *this.data().counted.lock() = Some(device.into());
    Ok(())
}

#[vtable]
impl Operations for Ctlr {
    type RegistrationData<'a> = Private<'a>;

    //@ twin: fn exec_op<'a>(t: &Proof<'a>, d: &Device, _: &mut Op<'_>) -> Result { count(t, d) }
    fn exec_op<'a>(t: &Proof<'a>, d: &'a Device, _: &mut Op<'_>) -> Result { keep(t, d) }
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
