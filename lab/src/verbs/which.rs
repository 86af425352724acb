//! Which kernel, as arguments of a verb.

use anyhow::Result;

use crate::base::paths::Paths;
use crate::build::variant::Variant;

/// Which kernel, as arguments of a verb; the same words as `build` has.
#[derive(Debug, clap::Args)]
pub struct Which {
    /// The kernel of the Debian source package, as it is
    #[arg(long, group = "what")]
    stock: bool,
    /// The kernel with patches/ applied (the default)
    #[arg(long, group = "what")]
    patched: bool,
    /// The kernel in the worktree linux/, as it stands
    #[arg(long, group = "what")]
    tree: bool,
    /// With --patched: only the patches up to this one (a number, or 2-mtd/0005)
    #[arg(long, value_name = "LAST", conflicts_with_all = ["stock", "tree"])]
    patches: Option<String>,
}

impl Which {
    pub fn variant(&self, paths: &Paths) -> Result<Variant> {
        Variant::chosen(paths, self.stock, self.tree, self.patches.as_deref())
    }
}
