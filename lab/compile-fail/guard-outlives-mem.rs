//@ error: E0515

//! A guard does not outlive the handle that it was made of.

use kernel::prelude::*;
use kernel::spi::mem::{Guard, Mem};

//@ twin: fn enter<'a>(mem: &'a Mem<'_>) -> Result<Guard<'a>> { mem.enter() }
fn enter<'a>(mem: Mem<'a>) -> Result<Guard<'a>> { mem.enter() }

/// Names it in both versions.
pub fn uses() {
    let _ = enter;
}
