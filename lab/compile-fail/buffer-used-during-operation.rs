//@ error: E0502

//! The data of an operation is the operation's until that ends.

use kernel::prelude::*;
use kernel::spi::mem::{Buffer, Mem, OpTemplate};

/// Reads, and looks at what has not arrived yet.
pub fn read(mem: &Mem<'_>, template: &OpTemplate) -> Result<u8> {
    let mut buffer = Buffer::new(4, GFP_KERNEL)?;
    let mut op = template.read(Some(0), &mut buffer)?;

    //@ twin: let early = op.len() as u8;
    let early = buffer[0];
    mem.exec(&mut op)?;
    Ok(early)
}
