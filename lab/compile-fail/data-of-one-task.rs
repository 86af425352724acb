//@ error: E0277

//! Callbacks run at the same time: their data has to be made for several tasks.

use kernel::prelude::*;
use kernel::spi::mem::{InFlight, Op, Operations};
use kernel::spi::Device;
use kernel::sync::atomic::Atomic;
use kernel::ThisModule;

/// A controller.
pub struct Ctlr;

/// What its callbacks have.
pub struct Private<T>(pub T);

/// Names both in both versions.
pub type Both = (Atomic<u32>, core::cell::Cell<u32>);

#[vtable]
impl Operations for Ctlr {
    //@ twin: type RegistrationData<'a> = Private<Atomic<u32>>;
    type RegistrationData<'a> = Private<core::cell::Cell<u32>>;

    fn exec_op<'a>(_: &InFlight<'a, Self>, _: &Device, _: &mut Op<'_>) -> Result {
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
