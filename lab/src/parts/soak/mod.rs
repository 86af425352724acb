//! What `soak` repeats for as long as there is time.

pub mod demo;
pub mod drivers;
pub mod models;
