//@ error: E0308

//! A callback of an MTD has to do with any lifetime of the data.

use kernel::transfer::{DataIn, DataOut, Incomplete};
use kernel::mtd::{InFlight, Operations};
use kernel::prelude::*;
use kernel::ThisModule;

/// An MTD.
pub struct Mtd;

#[vtable]
impl Operations for Mtd {
    type RegistrationData<'a> = &'a u32;

    //@ twin: fn read<'a>(_: &InFlight<'a, Self>, _: u64, _: DataIn<'_>) -> Result<(), Incomplete> {
    fn read(_: &InFlight<'static, Self>, _: u64, _: DataIn<'_>) -> Result<(), Incomplete> {
        Ok(())
    }

    fn write<'a>(_: &InFlight<'a, Self>, _: u64, _: DataOut<'_>) -> Result<(), Incomplete> {
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
