//@ error: E0505

//! The handle stays while there is a guard.

use kernel::prelude::*;
use kernel::spi::mem::{Mem, Op};

/// Takes the handle away from under the guard.
pub fn exec(mem: KBox<Mem<'_>>, op: &mut Op<'_>) -> Result {
    let inside = mem.enter()?;

    //@ twin: let _ = &mem;
    drop(mem);
    inside.exec(op)
}
