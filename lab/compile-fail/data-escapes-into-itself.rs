//@ error: lifetime may not live long enough

//! What a callback has of the registration's data cannot be kept in that data either, where
//! another callback, or the destructor, would find it.

use kernel::prelude::*;
use kernel::spi::mem::{InFlight, Op, Operations};
use kernel::spi::Device;
use kernel::sync::SpinLock;
use kernel::ThisModule;

/// A controller.
pub struct Ctlr;

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
impl Operations for Ctlr {
    type RegistrationData<'a> = Private<'a>;

    fn exec_op<'a>(this: &InFlight<'a, Self>, _: &Device, _: &mut Op<'_>) -> Result {
        //@ twin: keep(&this.data().kept, &1);
        keep(&this.data().kept, &this.data().value);
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
