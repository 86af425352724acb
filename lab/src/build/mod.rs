//! Kernel builds.

pub mod directory;
pub mod kconfig;
pub mod kernel;
pub mod kernels;
pub mod layers;
pub mod make;
pub mod overlay;
pub mod rustc;
pub mod variant;
