//@ error: E0277

//! The data of callbacks is dropped by whoever drops the registration, in any task.

use kernel::prelude::*;
use kernel::spi::mem::{InFlight, Op, Operations};
use kernel::spi::Device;
use kernel::sync::{Mutex, MutexGuard};
use kernel::ThisModule;

/// A controller.
pub struct Ctlr;

/// What its callbacks have.
pub struct Private<T>(pub T);

/// Names both in both versions. A mutex that is locked can be shared, and is unlocked where it was
/// locked.
pub type Both<'a> = (&'a Mutex<u32>, MutexGuard<'a, u32>);

#[vtable]
impl Operations for Ctlr {
    //@ twin: type RegistrationData<'a> = Private<&'a Mutex<u32>>;
    type RegistrationData<'a> = Private<MutexGuard<'a, u32>>;

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
