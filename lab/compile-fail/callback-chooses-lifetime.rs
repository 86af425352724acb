//@ error: E0308

//! A callback has to do with any lifetime of the data, or it could ask for one that is too long.

use kernel::prelude::*;
use kernel::spi::mem::{InFlight, Op, Operations};
use kernel::spi::Device;
use kernel::ThisModule;

/// A controller.
pub struct Ctlr;

#[vtable]
impl Operations for Ctlr {
    type RegistrationData<'a> = &'a u32;

    //@ twin: fn exec_op<'a>(_: &InFlight<'a, Self>, _: &Device, _: &mut Op<'_>) -> Result {
    fn exec_op(_: &InFlight<'static, Self>, _: &Device, _: &mut Op<'_>) -> Result {
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
