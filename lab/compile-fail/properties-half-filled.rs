//@ error: E0599

//! A controller has chip selects: there are no properties without.

use core::num::NonZeroU16;
use kernel::spi::Properties;

/// Makes them.
pub fn properties(chip_selects: NonZeroU16) -> Properties {
    let _ = chip_selects;
    //@ twin: Properties::new(chip_selects)
    Properties::default()
}
