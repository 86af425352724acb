//@ error: E0521

//! The device of a memory is bound as long as the memory's driver is: it cannot be kept for ever.

use kernel::device::Bound;
use kernel::spi::mem::Mem;
use kernel::spi::Device;

/// Somebody who keeps what he gets.
fn keep(_: &'static Device<Bound>) {}

/// Somebody who does not.
fn look(_: &Device<Bound>) {}

/// Names both in both versions.
pub const BOTH: (fn(&'static Device<Bound>), fn(&Device<Bound>)) = (keep, look);

/// Has a memory while its driver is bound.
pub fn probe(mem: Mem<'_>) {
    //@ twin: look(mem.device());
    keep(mem.device());
}
