//! The stock kernel source.

pub mod debian;
pub mod local;
pub mod tree;

use anyhow::Result;

use crate::base::paths::Paths;
use crate::base::ui::Ui;
use crate::source::tree::Source;

/// The user's tree, if one is named, or else Debian's.
pub fn ensure(paths: &Paths, ui: &Ui) -> Result<Source> {
    match &paths.local {
        Some(tree) => local::source(paths, ui, tree),
        None => debian::newest(paths, ui),
    }
}
