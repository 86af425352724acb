//@ error: E0505

//! A clock that is enabled by reference is there until it is disabled.

use kernel::clk::{Clk, EnabledClk};
use kernel::prelude::*;

/// Puts a clock that runs.
pub fn enable(clk: Clk) -> Result {
    let enabled = EnabledClk::new(&clk)?;

    //@ twin: let _ = clk.rate();
    drop(clk);
    drop(enabled);
    Ok(())
}
