// SPDX-License-Identifier: GPL-2.0

//! SPI memory operations.
//!
//! An operation has up to four phases: command, address, dummy and data. [`OpTemplate`] says how
//! each of them goes over the wires; the [`Op`] that a controller executes has address and data,
//! too.

use crate::{
    bindings,
    clk::Hertz,
    prelude::*,
    transfer::{
        DataIn,
        DataOut, //
    }, //
};

use core::{
    num::NonZeroU8,
    ptr::NonNull, //
};

/// On how many wires a phase is sent or received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Width {
    /// One wire.
    Single = 1,
    /// Two wires.
    Dual = 2,
    /// Four wires.
    Quad = 4,
    /// Eight wires.
    Octal = 8,
}

impl Width {
    /// The number of wires.
    #[inline]
    pub const fn wires(self) -> u8 {
        self as u8
    }
}

impl TryFrom<u8> for Width {
    type Error = Error;

    /// Fails with [`EINVAL`] for anything but 1, 2, 4 and 8.
    fn try_from(wires: u8) -> Result<Self> {
        match wires {
            1 => Ok(Self::Single),
            2 => Ok(Self::Dual),
            4 => Ok(Self::Quad),
            8 => Ok(Self::Octal),
            _ => Err(EINVAL),
        }
    }
}

/// How often in a clock cycle the wires change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rate {
    /// Once: single transfer rate.
    Str,
    /// Twice: double transfer rate.
    Dtr,
}

impl Rate {
    const fn from_bit(bit: u8) -> Self {
        match bit {
            0 => Self::Str,
            _ => Self::Dtr,
        }
    }

    /// Whether this is double transfer rate.
    #[inline]
    pub const fn is_dtr(self) -> bool {
        matches!(self, Self::Dtr)
    }
}

/// The opcode of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opcode {
    /// One byte.
    One(u8),
    /// Two bytes, sent most significant byte first, as octal DTR protocols want it.
    Two(u16),
}

/// The command phase, which every operation has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Command {
    opcode: Opcode,
    width: Width,
    rate: Rate,
}

impl Command {
    /// A one-byte opcode at single transfer rate.
    #[inline]
    pub const fn new(opcode: u8, width: Width) -> Self {
        Self {
            opcode: Opcode::One(opcode),
            width,
            rate: Rate::Str,
        }
    }

    /// What is sent.
    #[inline]
    pub const fn opcode(&self) -> Opcode {
        self.opcode
    }

    /// On how many wires.
    #[inline]
    pub const fn width(&self) -> Width {
        self.width
    }

    /// At which rate.
    #[inline]
    pub const fn rate(&self) -> Rate {
        self.rate
    }
}

/// How an address goes over the wires; which address is part of the [`Op`].
///
/// # Invariants
///
/// `nbytes` is at least 1 and at most 8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    nbytes: u8,
    width: Width,
    rate: Rate,
}

impl Address {
    /// The bytes of an address that a memory may have.
    ///
    /// Some drivers of controllers in C have no room for more.
    pub const MAX: u8 = 4;

    /// An address of `nbytes` bytes, at single transfer rate.
    ///
    /// There is none if that is not from 1 to [`Address::MAX`]. In a constant, `unwrap()` makes
    /// this an error of compilation.
    #[inline]
    pub const fn new(nbytes: u8, width: Width) -> Option<Self> {
        match nbytes {
            1..=Self::MAX => Self::from_c(nbytes, width, Rate::Str),
            _ => None,
        }
    }

    /// An address of `nbytes` bytes, if `struct spi_mem_op` has room for it.
    const fn from_c(nbytes: u8, width: Width, rate: Rate) -> Option<Self> {
        match nbytes {
            // INVARIANT: Just checked.
            1..=8 => Some(Self {
                nbytes,
                width,
                rate,
            }),
            _ => None,
        }
    }

    /// The number of bytes: from 1 to 8.
    #[inline]
    pub const fn nbytes(&self) -> u8 {
        self.nbytes
    }

    /// On how many wires it is sent.
    #[inline]
    pub const fn width(&self) -> Width {
        self.width
    }

    /// At which rate it is sent.
    #[inline]
    pub const fn rate(&self) -> Rate {
        self.rate
    }

    /// The highest address that has so many bytes.
    const fn max(&self) -> u64 {
        // By the type's invariant, this neither underflows nor shifts everything out.
        u64::MAX >> (64 - 8 * self.nbytes as u32)
    }
}

/// The dummy phase: clock cycles, counted in bytes, in which no data is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dummy {
    nbytes: NonZeroU8,
    width: Width,
    rate: Rate,
}

impl Dummy {
    /// At which rate the bytes were counted.
    #[inline]
    pub const fn rate(&self) -> Rate {
        self.rate
    }

    /// The number of clock cycles.
    #[inline]
    pub const fn cycles(&self) -> u32 {
        let cycles = self.nbytes.get() as u32 * (8 / self.width.wires() as u32);

        match self.rate {
            Rate::Str => cycles,
            Rate::Dtr => cycles / 2,
        }
    }
}

/// Where data goes, seen from the controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the memory.
    In,
    /// To the memory.
    Out,
}

/// How data goes over the wires; which data is part of the [`Op`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transfer {
    direction: Direction,
    width: Width,
    rate: Rate,
}

impl Transfer {
    /// Data that is read or written, at single transfer rate.
    #[inline]
    pub const fn new(direction: Direction, width: Width) -> Self {
        Self {
            direction,
            width,
            rate: Rate::Str,
        }
    }

    /// Where it goes.
    #[inline]
    pub const fn direction(&self) -> Direction {
        self.direction
    }

    /// On how many wires.
    #[inline]
    pub const fn width(&self) -> Width {
        self.width
    }

    /// At which rate.
    #[inline]
    pub const fn rate(&self) -> Rate {
        self.rate
    }
}

/// An operation without its address and data: how its phases go over the wires.
///
/// For C, this and what an [`Op`] adds are one [`struct spi_mem_op`]. A driver of a memory makes
/// templates, as constants, and executes them with an address and data: see
/// [`Device`](super::Device). Their parts are types that have valid values only; whether a
/// controller can do them is another question.
///
/// # Examples
///
/// ```
/// use kernel::spi::mem::{
///     Address,
///     Command,
///     Direction,
///     OpTemplate,
///     Transfer,
///     Width, //
/// };
///
/// /// Read from a SRAM with 64 KiB.
/// const READ: OpTemplate = OpTemplate::new(Command::new(0x03, Width::Single))
///     .address(Address::new(2, Width::Single).unwrap())
///     .transfer(Transfer::new(Direction::In, Width::Single));
///
/// assert!(Address::new(5, Width::Single).is_none());
/// assert_eq!(READ.transfer_phase().map(|data| data.direction()), Some(Direction::In));
/// ```
///
/// [`struct spi_mem_op`]: srctree/include/linux/spi/spi-mem.h
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpTemplate {
    command: Command,
    address: Option<Address>,
    dummy: Option<Dummy>,
    transfer: Option<Transfer>,
    /// In Hz, 0 for no limit.
    max_freq: u32,
}

impl OpTemplate {
    /// A command, and nothing else.
    #[inline]
    pub const fn new(command: Command) -> Self {
        Self {
            command,
            address: None,
            dummy: None,
            transfer: None,
            max_freq: 0,
        }
    }

    /// Adds an address phase.
    #[inline]
    pub const fn address(self, address: Address) -> Self {
        Self {
            address: Some(address),
            ..self
        }
    }

    /// Adds a data phase.
    #[inline]
    pub const fn transfer(self, transfer: Transfer) -> Self {
        Self {
            transfer: Some(transfer),
            ..self
        }
    }

    /// The command phase.
    #[inline]
    pub const fn command(&self) -> Command {
        self.command
    }

    /// The address phase, if there is one.
    #[inline]
    pub const fn address_phase(&self) -> Option<Address> {
        self.address
    }

    /// The dummy phase, if there is one.
    #[inline]
    pub const fn dummy_phase(&self) -> Option<Dummy> {
        self.dummy
    }

    /// The data phase, if there is one.
    #[inline]
    pub const fn transfer_phase(&self) -> Option<Transfer> {
        self.transfer
    }

    /// What a C pointer points to, checked.
    ///
    /// Widths of phases that do not exist do not matter. Fails with [`EINVAL`] if it is no
    /// operation.
    // There are two callers for each driver, and both are in the path of every operation: nothing
    // is made there that a callback does not use, and nothing is copied.
    #[inline(always)]
    pub(super) fn from_raw(raw: &bindings::spi_mem_op) -> Result<Self> {
        let opcode = match raw.cmd.nbytes {
            // CAST: The upper byte is not sent.
            1 => Opcode::One(raw.cmd.opcode as u8),
            2 => Opcode::Two(raw.cmd.opcode),
            _ => return Err(EINVAL),
        };
        let mut template = Self {
            command: Command {
                opcode,
                width: raw.cmd.buswidth.try_into()?,
                rate: Rate::from_bit(raw.cmd.dtr()),
            },
            address: None,
            dummy: None,
            transfer: None,
            max_freq: raw.max_freq,
        };
        if raw.addr.nbytes != 0 {
            let width = raw.addr.buswidth.try_into()?;
            let rate = Rate::from_bit(raw.addr.dtr());
            template.address = Some(Address::from_c(raw.addr.nbytes, width, rate).ok_or(EINVAL)?);
        }
        if let Some(nbytes) = NonZeroU8::new(raw.dummy.nbytes) {
            template.dummy = Some(Dummy {
                nbytes,
                width: raw.dummy.buswidth.try_into()?,
                rate: Rate::from_bit(raw.dummy.dtr()),
            });
        }
        let direction = match raw.data.dir {
            bindings::spi_mem_data_dir_SPI_MEM_NO_DATA => None,
            bindings::spi_mem_data_dir_SPI_MEM_DATA_IN => Some(Direction::In),
            bindings::spi_mem_data_dir_SPI_MEM_DATA_OUT => Some(Direction::Out),
            _ => return Err(EINVAL),
        };
        // Templates may have a width and no length, operations a direction and nothing else.
        if let (Some(direction), true) = (
            direction,
            raw.data.nbytes | u32::from(raw.data.buswidth) != 0,
        ) {
            template.transfer = Some(Transfer {
                direction,
                width: raw.data.buswidth.try_into()?,
                rate: Rate::from_bit(raw.data.dtr()),
            });
        }

        Ok(template)
    }

    /// For C, with `len` bytes of data, which are not there yet.
    pub(super) fn to_raw(self, len: u32) -> bindings::spi_mem_op {
        let mut raw: bindings::spi_mem_op = pin_init::zeroed();

        (raw.cmd.nbytes, raw.cmd.opcode) = match self.command.opcode {
            Opcode::One(opcode) => (1, opcode.into()),
            Opcode::Two(opcode) => (2, opcode),
        };
        raw.cmd.buswidth = self.command.width.wires();
        raw.cmd.set_dtr(self.command.rate.is_dtr().into());
        if let Some(address) = self.address {
            raw.addr.nbytes = address.nbytes;
            raw.addr.buswidth = address.width.wires();
            raw.addr.set_dtr(address.rate.is_dtr().into());
        }
        if let Some(dummy) = self.dummy {
            raw.dummy.nbytes = dummy.nbytes.get();
            raw.dummy.buswidth = dummy.width.wires();
            raw.dummy.set_dtr(dummy.rate.is_dtr().into());
        }
        if let Some(transfer) = self.transfer {
            raw.data.dir = match transfer.direction {
                Direction::In => bindings::spi_mem_data_dir_SPI_MEM_DATA_IN,
                Direction::Out => bindings::spi_mem_data_dir_SPI_MEM_DATA_OUT,
            };
            raw.data.buswidth = transfer.width.wires();
            raw.data.set_dtr(transfer.rate.is_dtr().into());
            raw.data.nbytes = len;
        }
        raw.max_freq = self.max_freq;

        raw
    }

    /// For C, with an address and `len` bytes of data, which are not there yet.
    ///
    /// Fails with [`EINVAL`] if the template is not for these.
    pub(super) fn to_op(
        self,
        address: Option<u64>,
        direction: Option<Direction>,
        len: usize,
    ) -> Result<bindings::spi_mem_op> {
        if self.transfer.map(|phase| phase.direction) != direction {
            return Err(EINVAL);
        }
        if direction.is_some() == (len == 0) {
            return Err(EINVAL);
        }
        let address = match (self.address, address) {
            (None, None) => 0,
            // A template of a controller's driver may have a longer one.
            (Some(phase), Some(address))
                if phase.nbytes <= Address::MAX && address <= phase.max() =>
            {
                address
            }
            _ => return Err(EINVAL),
        };

        let mut raw = self.to_raw(u32::try_from(len)?);
        raw.addr.val = address;
        Ok(raw)
    }
}

/// The data of an operation.
pub enum Data<'buf> {
    /// None: the operation is a command, perhaps with an address.
    None,
    /// To be filled from the memory.
    In(DataIn<'buf>),
    /// To be sent to the memory.
    Out(DataOut<'buf>),
}

impl Data<'_> {
    /// The number of bytes.
    #[inline]
    pub fn len(&self) -> usize {
        match self {
            Self::None => 0,
            Self::In(data) => data.len(),
            Self::Out(data) => data.len(),
        }
    }

    /// Whether there is nothing.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// An operation that a controller is to execute: a C [`struct spi_mem_op`], checked.
///
/// [`struct spi_mem_op`]: srctree/include/linux/spi/spi-mem.h
///
/// # Invariants
///
/// - The template has a data phase of the same direction if there is data, and none or one without
///   use otherwise.
/// - `data` has less than 4 GiB.
/// - The template has an address phase if `address` is not zero, and it fits into that.
pub struct Op<'buf> {
    template: OpTemplate,
    address: u64,
    data: Data<'buf>,
}

impl<'buf> Op<'buf> {
    /// The operation without address and data.
    #[inline]
    pub fn template(&self) -> &OpTemplate {
        &self.template
    }

    /// The address; 0 if there is no address phase.
    #[inline]
    pub fn address(&self) -> u64 {
        self.address
    }

    /// The frequency at which a controller is to execute it, 0 if there is no limit.
    ///
    /// Callbacks of controllers get it with the limits of device and board applied.
    #[inline]
    pub fn max_freq(&self) -> Hertz {
        Hertz(self.template.max_freq as c_ulong)
    }

    /// The number of bytes of data.
    #[inline]
    pub fn len(&self) -> usize {
        self.data.len()
    }

    /// Whether there is no data.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// The data.
    #[inline]
    pub fn data(&mut self) -> Data<'_> {
        match &mut self.data {
            Data::None => Data::None,
            Data::In(data) => Data::In(data.reborrow()),
            Data::Out(data) => Data::Out(*data),
        }
    }

    /// What a C pointer points to, checked and copied; later changes do not matter.
    ///
    /// Fails with [`EINVAL`] if it is no operation.
    ///
    /// # Safety
    ///
    /// If there is data, its memory is valid for all of `'buf`: for writes of so many bytes if it
    /// is to be filled, and for reads if not. Others may access it at the same time.
    #[inline(always)]
    pub(super) unsafe fn from_raw(raw: &bindings::spi_mem_op) -> Result<Self> {
        let template = OpTemplate::from_raw(raw)?;
        // CAST: `u32` fits into `usize`.
        let len = raw.data.nbytes as usize;

        let data = match template.transfer.map(|transfer| transfer.direction) {
            Some(_) if len == 0 => Data::None,
            None => Data::None,
            Some(_) if isize::try_from(len).is_err() => return Err(EINVAL),
            Some(Direction::In) => {
                // SAFETY: It is plain data, in a union of two pointers.
                let ptr: *mut u8 = unsafe { raw.data.buf.in_ }.cast();
                let ptr = NonNull::new(ptr).ok_or(EINVAL)?;
                // SAFETY: By the requirements of this function, and the length was checked.
                Data::In(unsafe { DataIn::from_raw(ptr, len) })
            }
            Some(Direction::Out) => {
                // SAFETY: It is plain data, in a union of two pointers.
                let ptr: *const u8 = unsafe { raw.data.buf.out }.cast();
                let ptr = NonNull::new(ptr.cast_mut()).ok_or(EINVAL)?;
                // SAFETY: By the requirements of this function, and the length was checked.
                Data::Out(unsafe { DataOut::from_raw(ptr, len) })
            }
        };
        let address = match template.address {
            // Only so many bytes of it are sent.
            Some(phase) => raw.addr.val & phase.max(),
            None => 0,
        };

        // INVARIANT: All of it was checked or made to fit just now.
        Ok(Self {
            template,
            address,
            data,
        })
    }
}
