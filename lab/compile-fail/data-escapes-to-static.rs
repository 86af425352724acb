//@ error: E0521

//! What a callback has of the registration's data cannot be kept for ever.

use kernel::prelude::*;
use kernel::spi::mem::{InFlight, Op, Operations};
use kernel::spi::Device;
use kernel::ThisModule;

/// A controller.
pub struct Ctlr;

/// What its callbacks have.
pub struct Private {
    value: u32,
}

/// Somebody who keeps what he gets.
fn keep(_: &'static u32) {}

/// Somebody who does not.
fn look(_: &u32) {}

/// Names both in both versions.
pub const BOTH: (fn(&'static u32), fn(&u32)) = (keep, look);

#[vtable]
impl Operations for Ctlr {
    type RegistrationData<'a> = Private;

    fn exec_op<'a>(this: &InFlight<'a, Self>, _: &Device, _: &mut Op<'_>) -> Result {
        //@ twin: look(&this.data().value);
        keep(&this.data().value);
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
