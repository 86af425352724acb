//@ error: `impl` item signature doesn't match `trait` item signature

//! The bytes of an operation are those of its caller: a callback cannot keep them.

use kernel::prelude::*;
use kernel::spi::mem::{Data, InFlight, Op, Operations};
use kernel::spi::Device;
use kernel::sync::SpinLock;
use kernel::transfer::DataOut;
use kernel::ThisModule;

/// A controller.
pub struct Ctlr;

/// What its callbacks get.
pub type Proof<'a> = InFlight<'a, Ctlr>;

/// What its callbacks have.
#[pin_data]
pub struct Private<'a> {
    #[pin]
    kept: SpinLock<Option<DataOut<'a>>>,
}

/// Keeps them while there is data.
pub fn keep<'a>(this: &Proof<'a>, op: &'a mut Op<'a>) -> Result {
    if let Data::Out(bytes) = op.data() {
        *this.data().kept.lock() = Some(bytes);
    }
    Ok(())
}

/// Does not keep them.
pub fn look(this: &Proof<'_>, op: &mut Op<'_>) -> Result {
    let _ = (this, op.data().len());
    Ok(())
}

#[vtable]
impl Operations for Ctlr {
    type RegistrationData<'a> = Private<'a>;

    //@ twin: fn exec_op<'a>(t: &Proof<'a>, _: &Device, o: &mut Op<'_>) -> Result { look(t, o) }
    fn exec_op<'a>(t: &Proof<'a>, _: &Device, o: &'a mut Op<'a>) -> Result { keep(t, o) }
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
