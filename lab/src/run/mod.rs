//! Boots: QEMU and User-mode Linux.

pub mod dtb;
pub mod guest;
pub mod qemu;
pub mod uml;
pub mod watch;
