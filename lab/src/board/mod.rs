//! What `cargo lab board` makes and proves.

pub mod devicetree;
pub mod expected;
pub mod fit;
pub mod pack;
pub mod prove;
pub mod readme;
pub mod uboot;
pub mod venv;
