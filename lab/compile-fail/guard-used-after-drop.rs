//@ error: E0382

//! Who has left is not inside.

use kernel::device::Bound;
use kernel::prelude::*;
use kernel::spi::mem::{Device, OpTemplate};

/// Executes an operation.
pub fn exec(mem: &Device<Bound>, op: &OpTemplate) -> Result {
    let inside = mem.enter()?;
    let other = mem.enter()?;

    drop(other);
    //@ twin: inside.exec(op, None)?;
    other.exec(op, None)?;
    drop(inside);
    Ok(())
}
