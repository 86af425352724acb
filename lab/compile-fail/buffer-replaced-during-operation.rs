//@ error: E0506

//! While there is an operation, no buffer, of another length perhaps, takes the place of its data.

use kernel::prelude::*;
use kernel::spi::mem::{Buffer, Mem, OpTemplate};

/// Reads into what has been freed.
pub fn read(mem: &Mem<'_>, template: &OpTemplate, mut buffer: Buffer) -> Result {
    let mut other = Buffer::new(8, GFP_KERNEL)?;
    other[0] = 1;
    let mut op = template.read(Some(0), &mut buffer)?;

    //@ twin: other = Buffer::new(16, GFP_KERNEL)?;
    buffer = Buffer::new(16, GFP_KERNEL)?;
    mem.exec(&mut op)?;
    let _ = (buffer[0], other[0]);
    Ok(())
}
