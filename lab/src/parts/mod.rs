//! What verbs do, and `test` and `soak` one after the other.

pub mod compare_drivers;
pub mod compile_fail;
pub mod demo;
pub mod demo_report;
pub mod kept;
pub mod kunit;
pub mod kunit_maintainer;
pub mod kunit_stock;
pub mod litmus;
pub mod model;
pub mod mutants;
pub mod report;
pub mod soak;
pub mod suite;
pub mod unregister_inside;
