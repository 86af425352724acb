//! The lab's data files: loaded and checked.

pub mod board;
pub mod image;
pub mod kernel_config;
pub mod kunit_list;
pub mod machine;
pub mod mutant;
pub mod named;
pub mod scenario;
