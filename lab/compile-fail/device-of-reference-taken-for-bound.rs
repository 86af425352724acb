//@ error: E0308

//! Who has a reference to a device has no driver that is bound to it.

use kernel::device::Bound;
use kernel::spi::mem::Mem;
use kernel::spi::Device;
use kernel::sync::aref::ARef;

/// Takes one for the other.
pub fn bound<'a>(counted: &'a ARef<Device>, mem: &Mem<'a>) -> &'a Device<Bound> {
    let _ = (counted, mem);
    //@ twin: mem.device()
    counted
}
