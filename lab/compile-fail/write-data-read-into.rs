//@ error: E0308

//! A controller reads into data only if nobody else has it.

use kernel::prelude::*;
use kernel::spi::mem::{Buffer, OpTemplate};

/// Reads into what is shared.
pub fn read(template: &OpTemplate, shared: &Buffer, mut own: Buffer) -> Result {
    let _ = (shared.len(), own.part_mut(..)?);
    //@ twin: let op = template.read(Some(0), &mut own)?;
    let op = template.read(Some(0), shared)?;

    let _ = op.len();
    Ok(())
}
