//@ error: E0505

//! The data of an operation stays while there is the operation.

use kernel::prelude::*;
use kernel::spi::mem::{Buffer, Mem, OpTemplate};

/// Writes what has been freed.
pub fn write(mem: &Mem<'_>, template: &OpTemplate) -> Result {
    let buffer = Buffer::new(4, GFP_KERNEL)?;
    let mut op = template.write(Some(0), &buffer)?;

    //@ twin: let _ = buffer.len();
    drop(buffer);
    mem.exec(&mut op)
}
