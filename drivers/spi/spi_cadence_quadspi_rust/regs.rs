// SPDX-License-Identifier: GPL-2.0

//! Registers of the controller.
//!
//! Fields of commands and of the address width have one less than the number of bytes.

use kernel::{
    io::register::RegisterBase,
    num::Bounded,
    register,
    spi::mem::Width, //
};

/// How much of the register window is used; all variants have that.
pub(crate) const SIZE: usize = 0x100;

/// A number of wires, as registers have it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wires(pub(crate) Width);

impl From<Bounded<u32, 2>> for Wires {
    fn from(log2: Bounded<u32, 2>) -> Self {
        Self(match log2.get() {
            0 => Width::Single,
            1 => Width::Dual,
            2 => Width::Quad,
            _ => Width::Octal,
        })
    }
}

impl From<Wires> for Bounded<u32, 2> {
    fn from(wires: Wires) -> Self {
        match wires.0 {
            Width::Single => Self::new::<0>(),
            Width::Dual => Self::new::<1>(),
            Width::Quad => Self::new::<2>(),
            Width::Octal => Self::new::<3>(),
        }
    }
}

/// What the registers of an indirect access are relative to.
pub(crate) struct IndirectBase;

/// An indirect read.
pub(crate) struct IndirectRead;

impl RegisterBase<IndirectBase> for IndirectRead {
    const BASE: usize = 0x60;
}

/// An indirect write.
pub(crate) struct IndirectWrite;

impl RegisterBase<IndirectBase> for IndirectWrite {
    const BASE: usize = 0x70;
}

register! {
    /// Configuration of the controller.
    pub(crate) CONFIG(u32) @ 0x00 {
        /// Everything is on.
        0:0 enable => bool;
        /// The direct access window is on.
        7:7 direct => bool;
        /// `chip_select` is a number, which external hardware decodes.
        9:9 decoded_cs => bool;
        /// A number, or one line each, active low.
        13:10 chip_select;
        /// The divisor of the reference clock is twice one more than this.
        22:19 baud;
        /// Double transfer rate.
        24:24 dtr => bool;
        /// Opcodes have two bytes.
        30:30 dual_opcode => bool;
        /// Nothing is going on.
        31:31 idle => bool;
    }

    /// How indirect and direct reads are done, and the widths of all operations.
    pub(crate) READ_INSTRUCTION(u32) @ 0x04 {
        7:0 opcode;
        9:8 command_wires => Wires;
        13:12 address_wires => Wires;
        17:16 data_wires => Wires;
        28:24 dummy_cycles;
    }

    /// How indirect and direct writes are done.
    pub(crate) WRITE_INSTRUCTION(u32) @ 0x08 {
        7:0 opcode;
        13:12 address_wires => Wires;
        17:16 data_wires => Wires;
    }

    /// Delays around the chip select, in cycles of the reference clock.
    pub(crate) DELAY(u32) @ 0x0c {
        7:0 tslch;
        15:8 tchsh;
        23:16 tsd2d;
        31:24 tshsl;
    }

    /// When data is sampled.
    pub(crate) READ_CAPTURE(u32) @ 0x10 {
        /// Not by a clock that comes back from the flash.
        0:0 bypass => bool;
        4:1 delay;
    }

    /// Geometry of the flash.
    pub(crate) DEVICE_SIZE(u32) @ 0x14 {
        3:0 address_bytes;
    }

    /// How much of the SRAM is for reading, in words.
    pub(crate) SRAM_PARTITION(u32) @ 0x18 {
        31:0 read_words;
    }

    /// The address at which the bus sees the FIFO.
    pub(crate) INDIRECT_TRIGGER(u32) @ 0x1c {
        31:0 address;
    }

    /// Added to addresses of direct accesses.
    pub(crate) REMAP(u32) @ 0x24 {
        31:0 offset;
    }

    /// What is in the SRAM, in words.
    pub(crate) SRAM_LEVEL(u32) @ 0x2c {
        15:0 read;
        31:16 write;
    }

    /// How the controller finds out that the flash has written.
    pub(crate) WRITE_COMPLETION(u32) @ 0x38 {
        /// It does not.
        14:14 no_auto_poll => bool;
    }

    /// What has happened; written to be forgotten.
    pub(crate) IRQ_STATUS(u32) @ 0x40 {
        16:0 events;
    }

    /// Of which of that the CPU hears.
    pub(crate) IRQ_MASK(u32) @ 0x44 {
        /// The controller was too slow.
        1:1 underflow;
        /// An indirect access is done.
        2:2 complete;
        /// The level of the SRAM has passed the watermark.
        6:6 watermark;
        /// The SRAM is full of data that was read.
        12:12 sram_full;
    }

    /// Written to as 0: all of the flash can be written to.
    pub(crate) WRITE_PROTECTION(u32) @ 0x58 {
        1:1 enable => bool;
    }

    /// An indirect access, of which there is one in each [`IndirectBase`].
    pub(crate) INDIRECT(u32) @ IndirectBase + 0x0 {
        0:0 start => bool;
        1:1 cancel => bool;
        5:5 done => bool;
    }

    /// At how many bytes in the SRAM the CPU hears of it.
    pub(crate) INDIRECT_WATERMARK(u32) @ IndirectBase + 0x4 {
        31:0 bytes;
    }

    pub(crate) INDIRECT_ADDRESS(u32) @ IndirectBase + 0x8 {
        31:0 address;
    }

    pub(crate) INDIRECT_BYTES(u32) @ IndirectBase + 0xc {
        31:0 bytes;
    }

    /// A command by itself, of the software triggered instruction generator.
    pub(crate) STIG(u32) @ 0x90 {
        0:0 execute => bool;
        1:1 in_progress => bool;
        11:7 dummy_cycles;
        14:12 write_bytes;
        15:15 write => bool;
        17:16 address_bytes;
        19:19 address => bool;
        22:20 read_bytes;
        23:23 read => bool;
        31:24 opcode;
    }

    pub(crate) STIG_ADDRESS(u32) @ 0x94 {
        31:0 address;
    }

    /// The first four bytes that were read.
    pub(crate) STIG_READ_LOW(u32) @ 0xa0 {
        31:0 data;
    }

    /// The others.
    pub(crate) STIG_READ_HIGH(u32) @ 0xa4 {
        31:0 data;
    }

    /// The first four bytes to write.
    pub(crate) STIG_WRITE_LOW(u32) @ 0xa8 {
        31:0 data;
    }

    /// The others.
    pub(crate) STIG_WRITE_HIGH(u32) @ 0xac {
        31:0 data;
    }

    /// Second bytes of opcodes.
    pub(crate) OPCODE_EXTENSION(u32) @ 0xe0 {
        7:0 stig;
        23:16 write;
        31:24 read;
    }
}

/// All events.
pub(crate) const ALL_EVENTS: IRQ_STATUS =
    pin_init::zeroed::<IRQ_STATUS>().with_const_events::<0x1ffff>();

/// Events of an indirect read.
pub(crate) const READ_EVENTS: IRQ_MASK = pin_init::zeroed::<IRQ_MASK>()
    .with_const_complete::<1>()
    .with_const_watermark::<1>()
    .with_const_sram_full::<1>();

/// Events of an indirect read where emptying the SRAM is so slow that being full is the rule.
pub(crate) const READ_EVENTS_SLOW_SRAM: IRQ_MASK = pin_init::zeroed::<IRQ_MASK>()
    .with_const_complete::<1>()
    .with_const_watermark::<1>();

/// Events of an indirect write.
pub(crate) const WRITE_EVENTS: IRQ_MASK = pin_init::zeroed::<IRQ_MASK>()
    .with_const_complete::<1>()
    .with_const_watermark::<1>()
    .with_const_underflow::<1>();
