//@ error: `impl` item signature doesn't match `trait` item signature

//! An operation can be taken out of its place, but not be kept in the registration's data: what it
//! borrows is its caller's.

use kernel::prelude::*;
use kernel::spi::mem::{InFlight, Op, OpTemplate, Operations};
use kernel::spi::Device;
use kernel::sync::SpinLock;
use kernel::ThisModule;

/// A controller.
pub struct Ctlr;

/// What its callbacks get.
pub type Proof<'a> = InFlight<'a, Ctlr>;

/// What its callbacks have.
#[pin_data]
pub struct Private<'a> {
    #[pin]
    kept: SpinLock<Option<Op<'a>>>,
}

fn take<'buf>(op: &mut Op<'buf>) -> Result<Op<'buf>> {
    let nothing = OpTemplate::new(op.template().command()).op(None)?;
    Ok(core::mem::replace(op, nothing))
}

/// Takes it, and keeps it while there is data.
pub fn steal<'a>(this: &Proof<'a>, op: &mut Op<'a>) -> Result {
    *this.data().kept.lock() = Some(take(op)?);
    Ok(())
}

/// Takes it, and drops it.
pub fn spoil(this: &Proof<'_>, op: &mut Op<'_>) -> Result {
    let _ = (this, take(op)?);
    Ok(())
}

#[vtable]
impl Operations for Ctlr {
    type Data<'a> = Private<'a>;

    //@ twin: fn exec_op<'a>(t: &Proof<'a>, _: &Device, o: &mut Op<'_>) -> Result { spoil(t, o) }
    fn exec_op<'a>(t: &Proof<'a>, _: &Device, o: &mut Op<'a>) -> Result { steal(t, o) }
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
