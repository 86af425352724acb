//@ error: E0382

//! The data of an operation is the operation's until that has succeeded.

use kernel::device::Bound;
use kernel::prelude::*;
use kernel::spi::mem::{Buffer, Device, OpTemplate};

/// Reads, and looks at it whether it has arrived or not.
pub fn read(mem: &Device<Bound>, op: &OpTemplate, buffer: Buffer) -> u8 {
    let read = mem.read(op, Some(0), buffer);

    //@ twin: let byte = 0;
    let byte = buffer[0];
    read.map_or(byte, |read| read[0])
}
