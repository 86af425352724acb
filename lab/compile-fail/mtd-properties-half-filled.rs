//@ error: E0061

//! A flash has erase blocks: there are no properties without their size.

use kernel::mtd::Properties;

/// Makes them.
pub fn properties() -> Option<Properties<'static>> {
    //@ twin: Properties::nor(0x10000, 0x1000)
    Properties::nor(0x10000)
}
