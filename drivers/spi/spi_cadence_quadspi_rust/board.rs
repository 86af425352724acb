// SPDX-License-Identifier: GPL-2.0

//! What firmware says about the controller and its flashes.

use super::variant::{
    Variant, //
    WindowUse,
};
use kernel::{
    device::{
        property::FwNode,
        Device, //
    },
    prelude::*, //
};

/// Chip selects that the controller has.
pub(crate) const CHIP_SELECTS: usize = 4;

/// Timing of a flash, in nanoseconds, and in cycles where it is sampled.
#[derive(Clone, Copy)]
pub(crate) struct Timing {
    pub(crate) read_delay: u32,
    pub(crate) tshsl_ns: u32,
    pub(crate) tsd2d_ns: u32,
    pub(crate) tchsh_ns: u32,
    pub(crate) tslch_ns: u32,
}

impl Timing {
    fn read(dev: &Device, flash: &FwNode) -> Result<Self> {
        // The core uses it, if it is there. Here it has to be there.
        let _: u32 = flash.property_read(c"spi-max-frequency").required_by(dev)?;

        Ok(Self {
            read_delay: flash.property_read(c"cdns,read-delay").required_by(dev)?,
            tshsl_ns: flash.property_read(c"cdns,tshsl-ns").required_by(dev)?,
            tsd2d_ns: flash.property_read(c"cdns,tsd2d-ns").required_by(dev)?,
            tchsh_ns: flash.property_read(c"cdns,tchsh-ns").required_by(dev)?,
            tslch_ns: flash.property_read(c"cdns,tslch-ns").required_by(dev)?,
        })
    }
}

/// The SRAM between flash and bus.
#[derive(Clone, Copy)]
pub(crate) struct Sram {
    /// In words; 0 if firmware does not say.
    pub(crate) depth: u32,
    /// Of a word, in bytes: a multiple of four.
    pub(crate) width: u32,
    /// Where the bus sees it.
    pub(crate) trigger_address: u32,
}

impl Sram {
    fn read(dev: &Device, controller: &FwNode) -> Result<Self> {
        let sram = Self {
            depth: controller.property_read(c"cdns,fifo-depth").or_default(),
            width: controller.property_read(c"cdns,fifo-width").or(4),
            trigger_address: controller
                .property_read(c"cdns,trigger-address")
                .required_by(dev)?,
        };

        // The CPU reads four bytes at a time, all of which have to be there.
        if sram.width == 0 || sram.width & 3 != 0 {
            dev_err!(dev, "the FIFO cannot be {} bytes wide\n", sram.width);
            return Err(EINVAL);
        }
        Ok(sram)
    }
}

/// All that firmware says.
pub(crate) struct Board {
    /// None if the variant has no SRAM.
    pub(crate) sram: Option<Sram>,
    pub(crate) decoded_cs: bool,
    /// Data is sampled by a clock that comes back from the flash.
    pub(crate) return_clock: bool,
    pub(crate) flashes: [Option<Timing>; CHIP_SELECTS],
}

impl Board {
    pub(crate) fn read(dev: &Device, variant: &Variant) -> Result<Self> {
        let node = dev.fwnode().ok_or(ENODEV)?;
        let chip_selects: u32 = node.property_read(c"num-cs").or(CHIP_SELECTS as u32);
        let mut flashes = [None; CHIP_SELECTS];

        for flash in node.children() {
            let cs: u32 = flash.property_read(c"reg").required_by(dev)?;

            let Some(slot) = flashes.get_mut(cs as usize).filter(|_| cs < chip_selects) else {
                dev_err!(dev, "there is no chip select {}\n", cs);
                return Err(EINVAL);
            };
            *slot = Some(Timing::read(dev, &flash)?);
        }

        Ok(Self {
            sram: match variant.window {
                WindowUse::Only => None,
                WindowUse::None | WindowUse::Reads => Some(Sram::read(dev, node)?),
            },
            decoded_cs: node.property_read_bool(c"cdns,is-decoded-cs"),
            return_clock: node.property_read_bool(c"cdns,rclk-en"),
            flashes,
        })
    }

    /// One more than the highest chip select that has a flash.
    pub(crate) fn chip_selects(&self) -> usize {
        self.flashes
            .iter()
            .rposition(Option::is_some)
            .map_or(0, |last| last + 1)
    }
}
