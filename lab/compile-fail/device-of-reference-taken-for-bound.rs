//@ error: E0308

//! Who has a reference to a device has no driver that is bound to it.

use kernel::device::Bound;
use kernel::spi::mem;
use kernel::spi::Device;
use kernel::sync::aref::ARef;

/// Takes one for the other.
pub fn bound<'a>(counted: &'a ARef<Device>, mem: &'a mem::Device<Bound>) -> &'a Device<Bound> {
    let _ = (counted, mem);
    //@ twin: mem.as_ref()
    counted
}
