//! What U-Boot is told, by a person or by labgrid.

use serde::Serialize;

use crate::data::board::{Board, Load};

pub const INITRAMFS: &str = "initramfs.cpio.gz";

/// What U-Boot is told, by a person or by labgrid. `@FILE@` is that file's name on the
/// server.
#[derive(Debug, Serialize)]
pub struct UBoot {
    files: Vec<String>,
    pub commands: Vec<String>,
    pub start: String,
    /// Seconds that a command may take.
    timeout: u32,
}

impl UBoot {
    /// The same commands, on a machine in the board's place.
    pub fn in_place_of(board: &Board, device_tree: &str, console: &str) -> Self {
        let mut board = board.clone();
        device_tree.clone_into(&mut board.device_tree);
        console.clone_into(&mut board.console);
        Self::new(&board)
    }

    pub fn new(board: &Board) -> Self {
        let mut commands = vec!["setenv autoload no".to_owned(), "dhcp".to_owned()];
        commands.extend(load_commands(board, "tftpboot", "@", "@"));
        commands.extend(last_commands(board));
        Self {
            files: vec!["Image".to_owned(), board.blob(), INITRAMFS.to_owned()],
            commands,
            start: start(board),
            timeout: 180,
        }
    }
}

/// The initramfs comes last: `filesize` is its size then.
pub fn load_commands(board: &Board, load: &str, before: &str, after: &str) -> Vec<String> {
    let command = |address: u64, file: &str| format!("{load} {address:#x} {before}{file}{after}");
    vec![
        command(board.load.kernel, "Image"),
        command(board.load.device_tree, &board.blob()),
        command(board.load.initramfs, INITRAMFS),
        "setenv ramdisk_size ${filesize}".to_owned(),
    ]
}

pub fn last_commands(board: &Board) -> Vec<String> {
    let address = format!("{:#x}", board.load.device_tree);
    let own = board.before_start.iter();
    let mut commands: Vec<_> = own
        .map(|it| it.replace("@device-tree@", &address))
        .collect();
    commands.push(format!("setenv bootargs {}", board.words()));
    commands
}

fn start(board: &Board) -> String {
    let Load {
        kernel,
        device_tree,
        initramfs,
    } = board.load;
    format!("booti {kernel:#x} {initramfs:#x}:${{ramdisk_size}} {device_tree:#x}")
}

#[cfg(test)]
mod tests {
    use anyhow::Result;

    use super::*;
    use crate::base::paths::Paths;

    fn paths() -> Result<Paths> {
        Paths::find()
    }

    #[test]
    fn uboot_loads_the_initramfs_last_and_starts_it() -> Result<()> {
        let board = Board::load(&paths()?, "stratix10-socdk")?;
        let uboot = UBoot::new(&board);
        let at = |text: &str| uboot.commands.iter().position(|it| it.contains(text));
        assert!(at("@Image@") < at("@initramfs.cpio.gz@"));
        assert_eq!(
            at("setenv ramdisk_size"),
            at("@initramfs.cpio.gz@").map(|it| it + 1)
        );
        assert!(at("sf probe").is_some() && at("fdt addr 0xa000000").is_some());
        assert!(uboot.start.starts_with("booti 0x2000000 0xa800000:"));
        Ok(())
    }
}
