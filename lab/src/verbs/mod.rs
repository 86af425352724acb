//! The verbs, one file each: arguments, and what is printed.

pub mod ab;
pub mod bench;
pub mod board;
pub mod boot;
pub mod build;
pub mod check;
pub mod compile_fail;
pub mod demo;
pub mod fits;
pub mod inside;
pub mod kunit;
pub mod model;
pub mod report;
pub mod shell;
pub mod soak;
pub mod test;
pub mod which;
