//@ error: E0308

//! A controller reads into data only if nobody else has it.

use kernel::device::Bound;
use kernel::prelude::*;
use kernel::spi::mem::{Buffer, Device, OpTemplate};

/// Reads into what is shared.
pub fn read(mem: &Device<Bound>, op: &OpTemplate, shared: &Buffer, own: Buffer) -> Result {
    //@ twin: let read = mem.read(op, Some(0), own)?;
    let read = mem.read(op, Some(0), shared)?;

    let _ = (read.len(), shared.len());
    Ok(())
}
