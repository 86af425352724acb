//! What `cargo lab check` looks at.

pub mod all;
pub mod checkpatch;
pub mod coccinelle;
pub mod finding;
pub mod format;
pub mod kernel_doc;
pub mod lab_patches;
pub mod lint;
pub mod record;
pub mod unsafe_code;
pub mod unsafety;
