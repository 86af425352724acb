//@ error: E0521

//! A memory cannot be kept for longer than its driver is bound.

use kernel::spi::mem::Mem;

/// Somebody who keeps what he gets.
fn keep(_: Mem<'static>) {}

/// Somebody who does not.
fn look(_: Mem<'_>) {}

/// Names both in both versions.
pub fn both() {
    let _ = (keep, look);
}

/// Has a memory while its driver is bound.
pub fn probe(mem: Mem<'_>) {
    //@ twin: look(mem);
    keep(mem);
}
