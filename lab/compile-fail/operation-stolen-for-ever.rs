//@ error: E0308

//! An operation can be taken out of its place, but not be kept for ever: what it borrows is its
//! caller's.

use kernel::prelude::*;
use kernel::spi::mem::{InFlight, Op, OpTemplate, Operations};
use kernel::spi::Device;
use kernel::workqueue;
use kernel::ThisModule;

/// A controller.
pub struct Ctlr;

/// What its callbacks get.
pub type Proof<'a> = InFlight<'a, Ctlr>;

fn take<'buf>(op: &mut Op<'buf>) -> Result<Op<'buf>> {
    let nothing = OpTemplate::new(op.template().command()).op(None)?;
    Ok(core::mem::replace(op, nothing))
}

/// Takes it, and lets another task do it later.
pub fn steal(op: &mut Op<'static>) -> Result {
    let op = take(op)?;
    workqueue::system().try_spawn(GFP_KERNEL, move || drop(op))?;
    Ok(())
}

/// Takes it, and drops it.
pub fn spoil(op: &mut Op<'_>) -> Result {
    take(op).map(drop)
}

#[vtable]
impl Operations for Ctlr {
    type Data<'a> = u32;

    //@ twin: fn exec_op<'a>(_: &Proof<'a>, _: &Device, o: &mut Op<'_>) -> Result { spoil(o) }
    fn exec_op<'a>(_: &Proof<'a>, _: &Device, o: &mut Op<'static>) -> Result { steal(o) }
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
