//@ error: E0080

//! What the core would warn of is an error of compilation in a constant.

use kernel::mtd::Properties;

/// The size is to be a multiple of that of blocks.
//@ twin: pub const FLASH: Properties<'static> = Properties::nor(0x12000, 0x1000).unwrap();
pub const FLASH: Properties<'static> = Properties::nor(0x12000, 0x1800).unwrap();
