//@ error: E0308

//! A memory cannot be kept for longer than its driver is bound.

use kernel::device::{Bound, Core};
use kernel::prelude::*;
use kernel::spi::mem::{Device, Driver};

/// A driver of memories.
pub struct Flash;

/// What it keeps.
pub type Kept<'b> = &'b Device<Bound>;

/// What probe gets.
pub type Memory<'a> = Device<Core<'a>>;

impl Driver for Flash {
    type IdInfo = ();
    type Data<'bound> = Kept<'bound>;

    //@ twin: fn probe<'b>(m: &'b Memory<'_>, _: Option<&'b ()>) -> impl PinInit<Kept<'b>, Error> + 'b {
    fn probe<'b>(m: &'static Memory<'_>, _: Option<&'b ()>) -> impl PinInit<Kept<'b>, Error> + 'b {
        Ok::<Kept<'b>, Error>(m)
    }
}
