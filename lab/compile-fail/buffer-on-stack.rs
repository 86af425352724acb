//@ error: E0308

//! A controller may use data for DMA, so it is not on the stack.

use kernel::prelude::*;
use kernel::spi::mem::{Buffer, Mem, OpTemplate};

/// Writes.
pub fn write(mem: &Mem<'_>, template: &OpTemplate) -> Result {
    let allocated = Buffer::new(4, GFP_KERNEL)?;
    let stack = [0u8; 4];
    //@ twin: let mut op = template.write(Some(0), &allocated)?;
    let mut op = template.write(Some(0), &stack)?;

    mem.exec(&mut op)?;
    let _ = (stack, &allocated);
    Ok(())
}
