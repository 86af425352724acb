//! What every verb that builds or boots works with; opened once.

use std::time::Duration;

use crate::base::paths::Paths;
use crate::base::ui::Ui;
use crate::toolchain::root::Toolchain;

/// What every verb that builds or boots works with; opened once.
#[derive(Clone, Debug)]
pub struct Lab {
    pub paths: Paths,
    pub ui: Ui,
    pub toolchain: Toolchain,
    /// What one build may take.
    pub build_limit: Duration,
}
