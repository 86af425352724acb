//@ error: lifetime may not live long enough

//! The bytes of an operation are those of its caller: a callback cannot keep them.

use kernel::prelude::*;
use kernel::spi::mem::{Data, InFlight, Op, Operations};
use kernel::spi::Device;
use kernel::sync::SpinLock;
use kernel::ThisModule;

/// A controller.
pub struct Ctlr;

/// What its callbacks have.
#[pin_data]
pub struct Private<'a> {
    #[pin]
    kept: SpinLock<Option<&'a [u8]>>,
}

impl<'a> Private<'a> {
    fn keep(&self, bytes: &'a [u8]) {
        *self.kept.lock() = Some(bytes);
    }
}

#[vtable]
impl Operations for Ctlr {
    type Data<'a> = Private<'a>;

    fn exec_op<'a>(this: &InFlight<'a, Self>, _: &Device, op: &mut Op<'_>) -> Result {
        if let Data::Out(bytes) = op.data() {
            let _ = bytes.len();
            //@ twin: this.data().keep(b"");
            this.data().keep(bytes);
        }
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
