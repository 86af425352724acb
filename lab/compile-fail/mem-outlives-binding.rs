//@ error: E0308

//! A memory cannot be kept for longer than its driver is bound.

use kernel::device::Core;
use kernel::prelude::*;
use kernel::spi::mem::{Driver, Mem};
use kernel::spi::Device;

/// A driver of memories.
pub struct Flash;

impl Driver for Flash {
    type IdInfo = ();
    type Data<'bound> = Mem<'bound>;

    fn probe<'b>(
        _: &'b Device<Core<'_>>,
        //@ twin: m: Mem<'b>, _: Option<&'b ()>) -> impl PinInit<Mem<'b>, Error> + 'b {
        m: Mem<'static>, _: Option<&'b ()>) -> impl PinInit<Mem<'b>, Error> + 'b {
        Ok::<_, Error>(m)
    }
}
