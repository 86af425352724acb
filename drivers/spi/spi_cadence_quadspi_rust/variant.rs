// SPDX-License-Identifier: GPL-2.0

//! What makes one integration of the controller different from another.

use super::regs;
use kernel::{
    clk::Hertz,
    prelude::*,
    spi::{
        Mode,
        Modes,
        Properties, //
    }, //
};

use core::num::NonZeroU32;

/// Which data goes through the window, where the flash appears as memory.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum WindowUse {
    /// None: all is transferred through the SRAM.
    None,
    /// What is read from within it. All else is transferred through the SRAM.
    ///
    /// Direct writes are for controllers that poll the flash by themselves when it has written: the
    /// bus may be too slow for a page in one piece. All that have both do so, and all are told not
    /// to, see [`WriteCompletion`].
    Reads,
    /// All: there is no SRAM.
    Only,
}

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

/// Which rates of the bus may be asked for. What it gets is the next below that the divisor can
/// make.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rates {
    /// Any up to that of the reference clock may be asked for.
    AsAsked,
    /// From the slowest to the fastest that the divisor can make of the reference clock.
    Divided,
}

/// A variant of the controller.
pub(crate) struct Variant {
    pub(crate) window: WindowUse,
    pub(crate) read_events: ReadEvents,
    pub(crate) write_completion: WriteCompletion,
    /// Short reads with an address are done as commands.
    pub(crate) stig_reads: bool,
    /// Registers and FIFO are on different buses: a write to the one may be overtaken by one to
    /// the other.
    pub(crate) bus_hazard: bool,
    /// Cycles of the reference clock that it takes until an indirect write has begun.
    pub(crate) write_delay: u32,
    /// There is a register that protects the flash from being written to.
    pub(crate) write_protect: bool,
    /// A reset line beside those that all variants may have.
    pub(crate) reset: Option<&'static CStr>,
    /// Double transfer rate.
    pub(crate) dtr: bool,
    rates: Rates,
    /// There are eight wires.
    octal: bool,
    /// Data can be sent on four wires.
    quad_writes: bool,
}

impl Variant {
    /// The controller as Cadence describes it, without direct access.
    const CADENCE: Self = Self {
        window: WindowUse::None,
        read_events: ReadEvents::Interrupt(regs::READ_EVENTS),
        write_completion: WriteCompletion::Automatic,
        stig_reads: true,
        bus_hazard: false,
        write_delay: 0,
        write_protect: false,
        reset: None,
        dtr: true,
        rates: Rates::AsAsked,
        octal: false,
        quad_writes: false,
    };

    /// The wires that there may be.
    fn modes(&self) -> Modes {
        let mut modes = Mode::RxDual | Mode::RxQuad;

        if self.octal {
            modes |= Mode::RxOctal | Mode::TxOctal;
        }
        if self.quad_writes {
            modes |= Mode::TxQuad;
        }
        modes
    }

    /// Adds what the core is to know of it.
    pub(crate) fn describe(&self, properties: Properties, reference: NonZeroU32) -> Properties {
        let hz = |rate: u32| Hertz(rate as c_ulong);
        let properties = properties.modes(self.modes());

        match self.rates {
            Rates::AsAsked => properties.max_speed(hz(reference.get())),
            Rates::Divided => properties
                .max_speed(hz(reference.get() / 2))
                .min_speed(hz(reference.get() / 32)),
        }
    }

    /// All events that the variant ever listens to.
    pub(crate) fn events(&self) -> u32 {
        let write: u32 = regs::WRITE_EVENTS.into();

        match self.read_events {
            ReadEvents::Interrupt(mask) => write | u32::from(mask),
            ReadEvents::Poll => write,
        }
    }
}

/// `cdns,qspi-nor`, and `intel,lgm-qspi`, of which no difference is known.
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

/// `starfive,jh7110-qspi`
pub(crate) static JH7110: Variant = Variant {
    reset: Some(c"rstc_ref"),
    ..Variant::CADENCE
};

/// `ti,k2g-qspi`
pub(crate) static K2G: Variant = Variant {
    window: WindowUse::Reads,
    // A few would do according to the manual. This is what the C driver waits, at least.
    write_delay: 50,
    ..Variant::CADENCE
};

/// `ti,am654-ospi`
pub(crate) static AM654: Variant = Variant {
    octal: true,
    quad_writes: true,
    ..K2G
};

/// `renesas,rzn1-qspi`
pub(crate) static RZN1: Variant = Variant {
    window: WindowUse::Only,
    read_events: ReadEvents::Poll,
    write_completion: WriteCompletion::Absent,
    write_protect: true,
    dtr: false,
    rates: Rates::Divided,
    quad_writes: true,
    ..Variant::CADENCE
};
