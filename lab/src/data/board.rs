//! Boards: one file of lab/data/boards/ each.

use std::path::PathBuf;

use anyhow::Result;
use serde::Deserialize;

use crate::base::paths::Paths;
use crate::data::named;

/// The kernel that all boards share.
pub const CONFIG: &str = "arm64-boards";

/// The kselftest's programs in the order in which they run, and the scenarios that say
/// which tests each has.
pub const PROGRAMS: [(&str, &[&str]); 2] = [
    ("unbind_busy", &["flash-unbind", "controller-unbind"]),
    ("unbind_idle", &["held-fd"]),
];

/// One file of `lab/data/boards/`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Board {
    /// The file's name.
    #[serde(skip)]
    pub name: String,
    /// What its maker calls it.
    pub title: String,
    /// In the kernel's tree, below `boot/dts`, without an ending.
    pub device_tree: String,
    /// What the kernel's `console=` gets.
    pub console: String,
    /// The binding of the node that the tree's stdout-path names.
    pub console_compatible: String,
    /// Properties of that node that name what its driver does not need for a console.
    #[serde(default)]
    pub console_does_without: Vec<String>,
    /// The binding of the flash controller, as its driver has it.
    pub controller: String,
    /// What sysfs calls that driver.
    pub driver: String,
    /// What init loads, in order.
    pub modules: Vec<String>,
    /// Which flash it has, and what is in it.
    pub flash: String,
    /// U-Boot's name of the SD card's first partition.
    pub sd: String,
    /// Commands for U-Boot when everything is loaded.
    #[serde(default)]
    pub before_start: Vec<String>,
    #[serde(default)]
    pub notes: String,
    pub load: Load,
}

/// Where U-Boot puts the files.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Load {
    pub kernel: u64,
    pub device_tree: u64,
    pub initramfs: u64,
}

impl Board {
    pub fn load(paths: &Paths, name: &str) -> Result<Self> {
        let mut board: Self = named::load_named(&dir(paths), "board", name)?;
        name.clone_into(&mut board.name);
        Ok(board)
    }

    /// The name of its compiled device tree.
    pub fn blob(&self) -> String {
        let name = self.device_tree.rsplit('/').next().unwrap_or_default();
        format!("{name}.dtb")
    }

    pub fn words(&self) -> String {
        self.words_with(&self.console)
    }

    /// The kernel's command line, on the board or in its place. Nothing makes a report
    /// fatal: it is to be seen whole, and the tests fail by it.
    pub fn words_with(&self, console: &str) -> String {
        format!(
            "console={console} earlycon loglevel=7 printk.devkmsg=on \
             sysctl.kernel.hung_task_timeout_secs=30 LAB_BOARD={} LAB_MODULES={} \
             LAB_PROGRAM={} LAB_WAIT=30 LAB_AFTER=shell",
            self.name,
            self.modules.join(","),
            PROGRAMS.map(|(program, _)| program).join(",")
        )
    }
}

pub fn dir(paths: &Paths) -> PathBuf {
    paths.data().join("boards")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths() -> Result<Paths> {
        Paths::find()
    }

    #[test]
    fn an_unknown_board_lists_the_known_ones() -> Result<()> {
        let error = Board::load(&paths()?, "pdp11").map_err(|error| format!("{error:#}"));
        let text = error.err().unwrap_or_default();
        assert!(text.contains("unknown board 'pdp11'"), "{text}");
        for name in ["stratix10-socdk", "ls1046ardb", "imx8mm-evk", "imx8mp-evk"] {
            assert!(text.contains(name), "{text}");
        }
        Ok(())
    }
}
