// SPDX-License-Identifier: GPL-2.0

//! What makes one integration of the controller different from another.

use super::regs;
use kernel::spi::{
    Mode,
    Modes, //
};

/// How the driver learns that there is something to read.
#[derive(Clone, Copy)]
pub(crate) enum ReadEvents {
    /// By these interrupts.
    Interrupt(regs::IRQ_MASK),
    /// By looking.
    Poll,
}

/// Whether the controller polls the flash after a write by itself.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum WriteCompletion {
    /// It would: it has to be told not to.
    Automatic,
    /// It has no such thing.
    Absent,
}

/// A variant of the controller.
pub(crate) struct Variant {
    pub(crate) read_events: ReadEvents,
    pub(crate) write_completion: WriteCompletion,
    /// Short reads with an address are done as commands.
    pub(crate) stig_reads: bool,
    /// Registers and FIFO are on different buses: a write to the one may be overtaken by one to
    /// the other.
    pub(crate) bus_hazard: bool,
    /// The FIFO of eight data lines is wired up.
    pub(crate) octal: bool,
}

impl Variant {
    /// The controller as Cadence describes it.
    const CADENCE: Self = Self {
        read_events: ReadEvents::Interrupt(regs::READ_EVENTS),
        write_completion: WriteCompletion::Automatic,
        stig_reads: true,
        bus_hazard: false,
        octal: false,
    };

    /// The wires that there may be.
    pub(crate) fn modes(&self) -> Modes {
        let modes = Mode::RxDual | Mode::RxQuad;

        if self.octal {
            modes | Mode::RxOctal | Mode::TxOctal
        } else {
            modes
        }
    }
}

/// `cdns,qspi-nor`
pub(crate) static CADENCE: Variant = Variant::CADENCE;

/// `intel,socfpga-qspi`
pub(crate) static SOCFPGA: Variant = Variant {
    read_events: ReadEvents::Interrupt(regs::READ_EVENTS_SLOW_SRAM),
    write_completion: WriteCompletion::Absent,
    stig_reads: false,
    ..Variant::CADENCE
};

/// `amd,pensando-elba-qspi`
pub(crate) static ELBA: Variant = Variant {
    bus_hazard: true,
    ..Variant::CADENCE
};

/// `mobileye,eyeq5-ospi`
pub(crate) static EYEQ5: Variant = Variant {
    read_events: ReadEvents::Poll,
    write_completion: WriteCompletion::Absent,
    octal: true,
    ..Variant::CADENCE
};
