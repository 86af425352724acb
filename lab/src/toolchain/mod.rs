//! The toolchain root, and how commands run in it.

pub mod apt;
pub mod arch;
pub mod enter;
pub mod host;
pub mod installed;
pub mod root;
pub mod versions;
