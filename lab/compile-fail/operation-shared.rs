//@ error: E0308

//! C writes into an operation that it executes: nobody else may look at it meanwhile.

use kernel::prelude::*;
use kernel::spi::mem::{Mem, Op};

/// Executes an operation.
pub fn run(mem: &Mem<'_>, mut op: Op<'_>) -> Result {
    let own = &mut op;
    //@ twin: mem.exec(own)
    mem.exec(&*own)
}
