//@ error: E0308

//! The device of a memory that is named cannot be kept for ever without a reference.

use kernel::device::{Bound, Device};
use kernel::prelude::*;
use kernel::spi::mem::{InFlight, Op, Operations};
use kernel::spi;
use kernel::str::CString;
use kernel::ThisModule;

/// A controller.
pub struct Ctlr;

#[vtable]
impl Operations for Ctlr {
    type RegistrationData<'a> = u32;

    fn exec_op<'a>(_: &InFlight<'a, Self>, _: &spi::Device, _: &mut Op<'_>) -> Result {
        Ok(())
    }

    //@ twin: fn name(parent: &Device<Bound>, device: &spi::Device) -> Result<CString> {
    fn name(parent: &Device<Bound>, device: &'static spi::Device) -> Result<CString> {
        let _ = (parent, device);
        Err(ENODEV)
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
