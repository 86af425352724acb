//@ error: E0521

//! What a callback has of the registration's data cannot be kept in that data either, where
//! another callback, or the destructor, would find it.

use kernel::prelude::*;
use kernel::spi::mem::{InFlight, Op, Operations};
use kernel::spi::Device;
use kernel::sync::SpinLock;

/// A controller.
pub struct Ctlr;

/// What its callbacks have.
#[pin_data]
pub struct Private<'a> {
    value: u32,
    #[pin]
    kept: SpinLock<Option<&'a u32>>,
}

#[vtable]
impl Operations for Ctlr {
    type Data<'a> = Private<'a>;

    fn exec_op<'a>(this: &InFlight<'a, Self>, _: &Device, _: &mut Op<'_>) -> Result {
        let data = this.data();

        //@ twin: *data.kept.lock() = if data.value == 0 { None } else { Some(&1) };
        *data.kept.lock() = Some(&data.value);
        Ok(())
    }
}
