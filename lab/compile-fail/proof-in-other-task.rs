//@ error: E0277

//! The proof of being in flight, and with it the data, stays in the task that is.

use kernel::prelude::*;
use kernel::spi::mem::{InFlight, Op, Operations};
use kernel::spi::Device;
use kernel::workqueue;
use kernel::ThisModule;

/// A controller.
pub struct Ctlr;

#[vtable]
impl Operations for Ctlr {
    type Data<'a> = u32;

    fn exec_op<'a>(this: &InFlight<'a, Self>, _: &Device, _: &mut Op<'_>) -> Result {
        let queue = workqueue::system();
        //@ twin: { let _ = this.data(); queue.try_spawn(GFP_KERNEL, || ())?; }
        queue.try_spawn(GFP_KERNEL, move || drop(this.data()))?;
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
