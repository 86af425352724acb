//! Whether a kernel, a device tree and an initramfs fit a board.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::base::files;
use crate::board::devicetree::{Found, Region, Tree};
use crate::data::board::{Board, CONFIG, Load};

/// The device tree has an enabled flash on the right controller, and the kernel has
/// drivers for all that stands between them and a console.
pub fn check(board: &Board, tree: &Tree, image: &[u8], modules: &[PathBuf]) -> Result<Found> {
    let found = tree
        .check(&board.controller, &board.console_compatible)
        .with_context(|| board.blob())?;

    let mut drivers = vec![image.to_owned()];
    for name in &board.modules {
        let file = format!("{name}.ko");
        let Some(path) = modules.iter().find(|it| it.ends_with(&file)) else {
            bail!("the kernel {CONFIG} has no module {name}");
        };
        drivers.push(files::read(path)?);
    }
    let module = drivers.last().context("a board has modules")?;
    if !has(module, &board.controller) {
        bail!(
            "the last of its modules is no driver for {}",
            board.controller
        );
    }
    let mut needed = tree.needed(&found.console, &board.console_does_without)?;
    for path in found.flashes.iter().chain([&found.controller]) {
        needed.extend(tree.needed(path, &[])?);
    }
    let mut missing = Vec::new();
    for (path, list) in needed {
        let known = |it: &String| drivers.iter().any(|driver| has(driver, it));
        if !list.iter().any(known) {
            missing.push(format!("{path} ({})", list.join(", ")));
        }
    }
    if !missing.is_empty() {
        bail!(
            "{CONFIG} has no driver for what flash controller and console depend on: {}",
            missing.join(", ")
        );
    }
    Ok(found)
}

/// Whether a driver's table has this binding: the string, whole, as C keeps it.
fn has(driver: &[u8], compatible: &str) -> bool {
    let mut string = compatible.as_bytes().to_owned();
    string.push(0);
    let finder = string.as_slice();
    driver
        .windows(finder.len())
        .any(|it| it[0] == finder[0] && it == finder)
}

pub struct Sizes {
    /// With what it clears behind itself.
    pub kernel: u64,
    pub device_tree: u64,
    pub initramfs: u64,
}

/// What an arm64 image takes in memory, from its header.
pub fn image_size(image: &[u8]) -> Result<u64> {
    let field = |at: usize| -> Option<u64> {
        let bytes = image.get(at..at + 8)?;
        Some(u64::from_le_bytes(bytes.try_into().ok()?))
    };
    if image.get(56..60) != Some(b"ARM\x64") {
        bail!("the kernel is no arm64 image");
    }
    field(16)
        .filter(|size| *size >= image.len() as u64)
        .context("the kernel's header has no size")
}

/// U-Boot moves an image that is not on a boundary of 2 MiB. Nothing may be where
/// something else is, the firmware's memory included, and all has to be in memory. The
/// slack is for what U-Boot adds to a device tree.
pub fn check_layout(
    load: &Load,
    sizes: &Sizes,
    memory: &[Region],
    reserved: &[Region],
) -> Result<()> {
    if !load.kernel.is_multiple_of(2 << 20) {
        bail!("the kernel is not loaded to a multiple of 2 MiB");
    }
    let part = |name: &str, start, size| Region {
        name: name.to_owned(),
        start,
        size,
    };
    let parts = [
        part("kernel", load.kernel, sizes.kernel),
        part(
            "device tree",
            load.device_tree,
            sizes.device_tree + (64 << 10),
        ),
        part("initramfs", load.initramfs, sizes.initramfs),
    ];
    for (number, part) in parts.iter().enumerate() {
        let at = format!("{} at {:#x}, {:#x} bytes", part.name, part.start, part.size);
        let mut others = parts[number + 1..].iter().chain(reserved);
        if let Some(other) = others.find(|other| part.overlaps(other)) {
            bail!(
                "{at}, is where {} is: {:#x}, {:#x} bytes",
                other.name,
                other.start,
                other.size
            );
        }
        if !memory.is_empty() && !memory.iter().any(|it| it.contains(part)) {
            bail!("{at}, is not in the board's memory");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::paths::Paths;
    use crate::data::{board, named};

    fn paths() -> Result<Paths> {
        Paths::find()
    }

    #[test]
    fn every_board_loads_and_its_parts_do_not_overlap() -> Result<()> {
        let paths = paths()?;
        let names = named::names(&board::dir(&paths))?;
        assert!(names.len() >= 5, "{names:?}");
        for name in names {
            let board = Board::load(&paths, &name)?;
            // A kernel with KASAN is about this large.
            let sizes = Sizes {
                kernel: 96 << 20,
                device_tree: 128 << 10,
                initramfs: 16 << 20,
            };
            check_layout(&board.load, &sizes, &[], &[]).with_context(|| name.clone())?;
            assert!(board.words().contains(&format!("LAB_BOARD={name} ")));
        }
        Ok(())
    }

    #[test]
    fn parts_that_overlap_are_told() {
        let load = Load {
            kernel: 0x4200_0000,
            device_tree: 0x4400_0000,
            initramfs: 0x4480_0000,
        };
        let sizes = |kernel| Sizes {
            kernel,
            device_tree: 0x1_0000,
            initramfs: 0x100,
        };
        let region = |start, size| Region {
            name: "/there".to_owned(),
            start,
            size,
        };
        let check = |load: &Load, kernel, memory: &[Region], reserved: &[Region]| {
            let result = check_layout(load, &sizes(kernel), memory, reserved);
            result
                .map_err(|it| it.to_string())
                .err()
                .unwrap_or_default()
        };
        assert_eq!(check(&load, 0x200_0000, &[], &[]), "");
        let text = check(&load, 0x200_0001, &[], &[]);
        assert!(text.contains("kernel at 0x42000000") && text.contains("device tree"));
        let odd = Load {
            kernel: 0x4210_0000,
            ..load
        };
        assert!(!check(&odd, 0x100, &[], &[]).is_empty());
        // Memory ends in the initramfs, or with it; firmware begins there, or behind it.
        let text = check(&load, 1, &[region(0x4000_0000, 0x480_00ff)], &[]);
        assert!(text.contains("initramfs") && text.contains("not in the board's memory"));
        assert_eq!(check(&load, 1, &[region(0x4000_0000, 0x480_0100)], &[]), "");
        let text = check(&load, 1, &[], &[region(0x4480_00ff, 1)]);
        assert!(text.contains("is where /there is"), "{text}");
        assert_eq!(check(&load, 1, &[], &[region(0x4480_0100, 1)]), "");
    }

    #[test]
    fn the_size_of_a_kernel_is_in_its_header() {
        let mut image = vec![0; 64];
        assert!(image_size(&image).is_err());
        image[56..60].copy_from_slice(b"ARM\x64");
        assert!(image_size(&image).is_err());
        image[16..24].copy_from_slice(&0x123_4567_u64.to_le_bytes());
        assert_eq!(image_size(&image).ok(), Some(0x123_4567));
    }

    #[test]
    fn a_binding_is_found_whole_only() {
        let driver = b"\0nxp,imx8mp-fspi\0x";
        assert!(has(driver, "nxp,imx8mp-fspi"));
        assert!(!has(driver, "nxp,imx8mp"));
    }
}
