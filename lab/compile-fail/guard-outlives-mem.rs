//@ error: E0106

//! A guard does not outlive the memory that it was made of.

use kernel::device::Bound;
use kernel::prelude::*;
use kernel::spi::mem::{Device, Guard};

/// Borrows two.
//@ twin: pub fn enter<'a>(mem: &'a Device<Bound>, _: &u8) -> Result<Guard<'a>> { mem.enter() }
pub fn enter(mem: &Device<Bound>, _: &u8) -> Result<Guard<'_>> { mem.enter() }
