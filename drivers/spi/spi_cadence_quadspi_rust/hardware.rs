// SPDX-License-Identifier: GPL-2.0

//! The controller with its clocks on, and its interrupt.

use super::{
    board::{
        Board,
        Sram,
        Timing, //
    },
    regs::*,
};
use kernel::{
    clk::{
        Clk,
        EnabledClk,
        OptionalClk, //
    },
    device::{
        Bound,
        Device, //
    },
    io::{
        mem::IoMem,
        poll::read_poll_timeout,
        Io, //
    },
    irq::{
        self,
        IrqReturn, //
    },
    num::Bounded,
    platform,
    prelude::*,
    reset::ResetControl,
    sync::Completion,
    time::{
        Delta,
        Instant,
        Monotonic, //
    }, //
};

/// How long the controller may take for anything but reading data.
pub(crate) const TIMEOUT: Delta = Delta::from_millis(500);

/// How long it takes where it is worth to stay awake.
const BUSY_WAIT: Delta = Delta::from_micros(500);

/// How often to look after that.
const INTERVAL: Delta = Delta::from_micros(10);

/// How often in a row the controller has to be idle, to be so.
const IDLE_READS: u32 = 3;

/// Polls a register until `done`, first without sleeping.
pub(crate) fn poll<T>(mut read: impl FnMut() -> T, mut done: impl FnMut(&T) -> bool) -> Result<T> {
    read_poll_timeout(|| Ok(read()), &mut done, Delta::ZERO, BUSY_WAIT)
        .or_else(|_| read_poll_timeout(|| Ok(read()), &mut done, INTERVAL, TIMEOUT))
}

struct Clocks {
    reference: EnabledClk,
    _bus: [EnabledClk<OptionalClk>; 2],
}

impl Clocks {
    fn enable(dev: &Device) -> Result<Self> {
        Ok(Self {
            reference: EnabledClk::new(Clk::get(dev, None)?)?,
            _bus: [
                EnabledClk::new(OptionalClk::get(dev, Some(c"apb"))?)?,
                EnabledClk::new(OptionalClk::get(dev, Some(c"ahb"))?)?,
            ],
        })
    }
}

/// The controller, with its clocks on, as long as this lives.
///
/// Dropping it switches the controller off, unmaps the registers and stops the clocks, in this
/// order.
pub(crate) struct Hardware<'a> {
    regs: IoMem<'a, SIZE>,
    clocks: Clocks,
    _resets: [Option<ResetControl>; 2],
}

impl<'a> Hardware<'a> {
    /// Switches clocks on, and resets the controller.
    pub(crate) fn new(pdev: &'a platform::Device<Bound>) -> Result<Self> {
        let dev: &Device<Bound> = pdev.as_ref();
        let request = pdev.io_request_by_index(0).ok_or(ENODEV)?;
        let this = Self {
            clocks: Clocks::enable(dev)?,
            // Not for itself alone: `ExclusiveIoMem` releases the region where the resources of
            // devices from the device tree are not, and cannot have it again.
            regs: request.iomap_sized::<SIZE>()?,
            _resets: [
                ResetControl::get_optional_exclusive(dev, Some(c"qspi"))?,
                ResetControl::get_optional_exclusive(dev, Some(c"qspi-ocp"))?,
            ],
        };

        for line in this._resets.iter().flatten() {
            line.assert()?;
            line.deassert()?;
        }
        Ok(this)
    }

    pub(crate) fn regs(&self) -> &IoMem<'a, SIZE> {
        &self.regs
    }

    /// The rate of the reference clock in Hz.
    pub(crate) fn reference_rate(&self) -> u64 {
        self.clocks.reference.rate().as_hz() as u64
    }

    pub(crate) fn enable(&self, enable: bool) {
        self.regs
            .update(CONFIG, |config| config.with_enable(enable));
    }

    /// Waits until nothing is going on.
    pub(crate) fn wait_idle(&self, dev: &Device) -> Result {
        let start: Instant<Monotonic> = Instant::now();
        let mut idle = 0;

        loop {
            idle = if self.regs.read(CONFIG).idle() {
                idle + 1
            } else {
                0
            };
            if idle >= IDLE_READS {
                return Ok(());
            }
            if start.elapsed() > TIMEOUT {
                dev_err!(dev, "still busy after {} ms\n", TIMEOUT.as_millis());
                return Err(ETIMEDOUT);
            }
        }
    }

    /// Makes it ready for operations, except for what depends on the flash.
    ///
    /// Returns what is known about the SRAM then.
    pub(crate) fn init(&self, dev: &Device, board: &Board) -> Sram {
        let regs = &self.regs;

        // If it is busy for ever, operations will say so.
        let _ = self.wait_idle(dev);
        self.enable(false);

        let sram = Sram {
            depth: self.detect_depth(dev, board.sram.depth),
            ..board.sram
        };
        let bytes = sram.depth.saturating_mul(sram.width);

        regs.write_reg(REMAP::zeroed());
        regs.write_reg(IRQ_MASK::zeroed());
        regs.write_reg(SRAM_PARTITION::zeroed().with_read_words(sram.depth / 2));
        regs.write_reg(INDIRECT_TRIGGER::zeroed().with_address(sram.trigger_address));
        regs.write_reg(INDIRECT_READ_WATERMARK::zeroed().with_bytes(bytes / 2));
        regs.write_reg(INDIRECT_WRITE_WATERMARK::zeroed().with_bytes(bytes / 8));
        regs.update(CONFIG, |config| config.with_direct(false));
        self.enable(true);

        sram
    }

    /// The depth of the SRAM in words.
    ///
    /// As many bits of the register can be written as are needed to count that.
    fn detect_depth(&self, dev: &Device, configured: u32) -> u32 {
        self.regs
            .write_reg(SRAM_PARTITION::zeroed().with_read_words(u32::MAX));
        let words: u32 = self.regs.read(SRAM_PARTITION).read_words().get();
        let detected = words.wrapping_add(1);

        if configured == 0 {
            dev_dbg!(dev, "the FIFO has {} words\n", detected);
            return detected;
        }
        if configured != detected {
            dev_warn!(
                dev,
                "the FIFO has {} words, not {} as configured\n",
                detected,
                configured
            );
        }
        configured
    }

    /// Selects a flash. The controller is switched off.
    fn select(&self, board: &Board, cs: usize) {
        let cs = if board.decoded_cs {
            cs
        } else {
            !(1usize << (cs % super::board::CHIP_SELECTS))
        };

        self.regs.update(CONFIG, |config| {
            config
                .with_decoded_cs(board.decoded_cs)
                .with_chip_select(Bounded::<u32, 4>::from_expr(cs as u32 & 0xf))
        });
    }

    /// Sets the clock of the bus, and what depends on it. The controller is switched off.
    fn set_rate(&self, dev: &Device, board: &Board, timing: &Timing, hz: u64) {
        let reference = self.reference_rate();
        let half = reference.div_ceil(2 * hz).saturating_sub(1);
        let baud = half.min(0xf);
        if half != baud {
            dev_warn!(
                dev,
                "a clock of {} Hz is too slow, it is {} Hz\n",
                hz,
                reference / ((baud + 1) * 2)
            );
        }
        self.regs.update(CONFIG, |config| {
            config.with_baud(Bounded::<u32, 4>::from_expr(baud as u32 & 0xf))
        });

        // What does not fit is as long as possible.
        let field = |cycles: u64| Bounded::<u32, 8>::from_expr(cycles.min(0xff) as u32 & 0xff);
        let cycles = |ns: u32| (reference / 1000 * u64::from(ns)).div_ceil(1_000_000);
        self.regs.write_reg(
            DELAY::zeroed()
                // At least one cycle of the bus.
                .with_tshsl(field(cycles(timing.tshsl_ns).max(reference.div_ceil(hz))))
                .with_tchsh(field(cycles(timing.tchsh_ns)))
                .with_tslch(field(cycles(timing.tslch_ns)))
                .with_tsd2d(field(cycles(timing.tsd2d_ns))),
        );

        self.regs.update(READ_CAPTURE, |capture| {
            capture
                .with_bypass(!board.return_clock)
                .with_delay(Bounded::<u32, 4>::from_expr(timing.read_delay & 0xf))
        });
    }

    /// Makes the controller ready for an operation on a flash.
    pub(crate) fn configure(
        &self,
        dev: &Device,
        board: &Board,
        setup: &mut Setup,
        flash: Selected<'_>,
    ) {
        let select = setup.cs != Some(flash.cs);
        let rate = setup.hz != Some(flash.hz);

        if !select && !rate {
            return;
        }
        self.enable(false);
        if select {
            self.select(board, flash.cs);
            setup.cs = Some(flash.cs);
        }
        if rate {
            self.set_rate(dev, board, flash.timing, flash.hz);
            setup.hz = Some(flash.hz);
        }
        self.enable(true);
    }
}

impl Drop for Hardware<'_> {
    fn drop(&mut self) {
        self.enable(false);
    }
}

/// What the controller is set up for.
#[derive(Default)]
pub(crate) struct Setup {
    cs: Option<usize>,
    hz: Option<u64>,
}

/// The flash that an operation is for.
pub(crate) struct Selected<'a> {
    pub(crate) cs: usize,
    /// Not 0.
    pub(crate) hz: u64,
    pub(crate) timing: &'a Timing,
}

/// The controller's interrupt, which owns the hardware: when that goes, the handler has gone.
#[pin_data]
pub(crate) struct Interrupt<'a> {
    pub(crate) hardware: Hardware<'a>,
    /// An event of an indirect access.
    #[pin]
    pub(crate) event: Completion,
    /// Which events to signal.
    mask: u32,
}

impl<'a> Interrupt<'a> {
    pub(crate) fn new(hardware: Hardware<'a>, mask: u32) -> impl PinInit<Self, Error> + 'a {
        try_pin_init!(Self {
            hardware,
            event <- Completion::new(),
            mask,
        })
    }
}

impl irq::Handler for Interrupt<'_> {
    fn handle(&self) -> IrqReturn {
        let regs = self.hardware.regs();
        let status = regs.read(IRQ_STATUS);
        let events: u32 = status.events().get();

        if events == 0 {
            return IrqReturn::None;
        }
        regs.write_reg(status);
        if events & self.mask != 0 {
            self.event.complete();
        }

        IrqReturn::Handled
    }
}
