//! What `cargo lab bench` measures.

pub mod boot;
pub mod cadence;
pub mod gate;
pub mod gate_table;
pub mod measurement;
