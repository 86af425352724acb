//@ error: E0597

//! A guard does not outlive the scope of the handle that it was made of.

use kernel::prelude::*;
use kernel::spi::mem::{Mem, Op};

/// Executes an operation after the scope.
pub fn exec(mem: &Mem<'_>, op: &mut Op<'_>) -> Result {
    let inside = {
        let inner = *mem;
        inner.device();
        //@ twin: mem.enter()?
        inner.enter()?
    };

    inside.exec(op)
}
