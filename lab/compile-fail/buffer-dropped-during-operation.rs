//@ error: E0382

//! The data of an operation that has failed cannot be freed: hardware may still write to it.

use kernel::device::Bound;
use kernel::prelude::*;
use kernel::spi::mem::{Buffer, Device, OpTemplate};

/// Reads, and frees the buffer itself.
pub fn read(mem: &Device<Bound>, op: &OpTemplate, buffer: Buffer) -> Result {
    let read = mem.read(op, Some(0), buffer);

    //@ twin: drop(read?);
    drop(buffer);
    Ok(())
}
