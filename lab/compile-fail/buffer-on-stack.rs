//@ error: E0308

//! A controller may use data for DMA, so it is not on the stack.

use kernel::device::Bound;
use kernel::prelude::*;
use kernel::spi::mem::{Buffer, Device, OpTemplate};

/// Writes.
pub fn write(mem: &Device<Bound>, op: &OpTemplate, allocated: Buffer) -> Result {
    let stack = [0u8; 4];

    //@ twin: let written = mem.write(op, Some(0), allocated)?;
    let written = mem.write(op, Some(0), stack)?;
    let _ = (stack, written);
    Ok(())
}
