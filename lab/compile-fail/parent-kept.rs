//@ error: E0521

//! The parent is bound while a callback runs: it cannot be kept for ever.

use kernel::device::{Bound, Device};
use kernel::spi::mem::{InFlight, Operations};

/// Somebody who keeps what he gets.
fn keep(_: &'static Device<Bound>) {}

/// Somebody who does not.
fn look(_: &Device<Bound>) {}

/// Names both in both versions.
pub const BOTH: (fn(&'static Device<Bound>), fn(&Device<Bound>)) = (keep, look);

/// What a callback does.
pub fn exec<T: Operations>(this: &InFlight<'_, T>) {
    //@ twin: look(this.parent());
    keep(this.parent());
}
