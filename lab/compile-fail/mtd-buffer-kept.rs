//@ error: `impl` item signature doesn't match `trait` item signature

//! The buffer of an operation of an MTD is its caller's: a callback cannot keep it.

use kernel::transfer::{DataIn, DataOut, Incomplete};
use kernel::mtd::{InFlight, Operations};
use kernel::prelude::*;
use kernel::sync::SpinLock;
use kernel::ThisModule;

/// An MTD.
pub struct Mtd;

/// What its callbacks get.
pub type Proof<'a> = InFlight<'a, Mtd>;

/// What they return.
pub type Done = Result<(), Incomplete>;

/// What its callbacks have.
#[pin_data]
pub struct Private<'a> {
    #[pin]
    kept: SpinLock<Option<DataOut<'a>>>,
}

/// Keeps it while there is data.
pub fn keep<'a>(this: &Proof<'a>, data: DataOut<'a>) -> Done {
    *this.data().kept.lock() = Some(data);
    Ok(())
}

/// Does not keep it.
pub fn look(this: &Proof<'_>, data: DataOut<'_>) -> Done {
    let _ = (this, data.len());
    Ok(())
}

#[vtable]
impl Operations for Mtd {
    type RegistrationData<'a> = Private<'a>;

    fn read<'a>(_: &InFlight<'a, Self>, _: u64, _: DataIn<'_>) -> Done {
        Ok(())
    }

    //@ twin: fn write<'a>(this: &Proof<'a>, _: u64, data: DataOut<'_>) -> Done { look(this, data) }
    fn write<'a>(this: &Proof<'a>, _: u64, data: DataOut<'a>) -> Done { keep(this, data) }
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
