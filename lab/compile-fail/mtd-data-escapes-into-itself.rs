//@ error: lifetime may not live long enough

//! What a callback of an MTD has of the registration's data cannot be kept in that data.

use kernel::transfer::{DataIn, DataOut, Incomplete};
use kernel::mtd::{InFlight, Operations};
use kernel::prelude::*;
use kernel::sync::SpinLock;
use kernel::ThisModule;

/// An MTD.
pub struct Mtd;

/// What its callbacks have.
#[pin_data]
pub struct Private<'a> {
    value: u32,
    #[pin]
    kept: SpinLock<Option<&'a u32>>,
}

fn keep<'a>(slot: &SpinLock<Option<&'a u32>>, value: &'a u32) {
    *slot.lock() = Some(value);
}

impl Private<'_> {
    /// Uses the field.
    pub fn value(&self) -> u32 {
        self.value
    }
}

#[vtable]
impl Operations for Mtd {
    type RegistrationData<'a> = Private<'a>;

    fn read<'a>(this: &InFlight<'a, Self>, _: u64, _: DataIn<'_>) -> Result<(), Incomplete> {
        //@ twin: keep(&this.data().kept, &1);
        keep(&this.data().kept, &this.data().value);
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
