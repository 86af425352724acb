// SPDX-License-Identifier: GPL-2.0

//! The controller with its clocks on, and its interrupt.

use super::{
    board::{
        Board,
        Sram,
        Timing,
        CHIP_SELECTS, //
    },
    regs::*,
    variant::{
        Variant,
        WindowUse,
        WriteCompletion, //
    },
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
        register::WithBase,
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
    spi::mem::Rate,
    sync::Completion,
    time::{
        msecs_to_jiffies,
        Delta,
        Instant,
        Monotonic, //
    }, //
};

use core::num::NonZeroU32;

/// How long the controller may take for anything but reading data.
pub(crate) const TIMEOUT: Delta = Delta::from_millis(500);

/// How long to be silent about failures when one was reported.
const REPORTS: Delta = Delta::from_secs(5);

/// How long it takes where it is worth to stay awake.
const BUSY_WAIT: Delta = Delta::from_micros(500);

/// How often to look after that.
const INTERVAL: Delta = Delta::from_micros(10);

/// How often in a row the controller has to be idle, to be so.
const IDLE_READS: u32 = 3;

/// Calls `read` until `done`, first without sleeping.
pub(crate) fn poll<T>(
    mut read: impl FnMut() -> T,
    mut done: impl FnMut(&T) -> bool,
    timeout: Delta,
) -> Result<T> {
    // Most of the time it is done already, without a look at the clock.
    let value = read();
    if done(&value) {
        return Ok(value);
    }

    read_poll_timeout(|| Ok(read()), &mut done, Delta::ZERO, BUSY_WAIT)
        .or_else(|_| read_poll_timeout(|| Ok(read()), &mut done, INTERVAL, timeout))
        .or_else(|error| {
            // It may be the task that was away for so long, and not the controller.
            let value = read();
            if done(&value) {
                Ok(value)
            } else {
                Err(error)
            }
        })
}

/// For `inspect_err()`: says what could not be had, unless it will be there later.
fn report<'a>(dev: &'a Device, what: &'static str) -> impl FnOnce(&Error) + 'a {
    move |&error| {
        if error != EPROBE_DEFER {
            dev_err!(dev, "no {}: {:?}\n", what, error);
        }
    }
}

/// The clocks, which stop when this is dropped, the one that all else depends on last.
struct Clocks {
    _bus: [EnabledClk<OptionalClk>; 2],
    reference: EnabledClk,
}

impl Clocks {
    fn enable(dev: &Device) -> Result<Self> {
        let reference = Clk::get(dev, None).inspect_err(report(dev, "reference clock"))?;
        let apb = OptionalClk::get(dev, Some(c"apb")).inspect_err(report(dev, "APB clock"))?;
        let ahb = OptionalClk::get(dev, Some(c"ahb")).inspect_err(report(dev, "AHB clock"))?;

        Ok(Self {
            reference: EnabledClk::new(reference)
                .inspect_err(report(dev, "running reference clock"))?,
            _bus: [
                EnabledClk::new(apb).inspect_err(report(dev, "running APB clock"))?,
                EnabledClk::new(ahb).inspect_err(report(dev, "running AHB clock"))?,
            ],
        })
    }
}

/// The reset lines, none of which has to be there.
struct Resets {
    lines: [Option<ResetControl>; 3],
}

impl Resets {
    fn get(dev: &Device, variant: &Variant) -> Result<Self> {
        let line = |name| {
            ResetControl::get_optional_exclusive(dev, Some(name))
                .inspect_err(report(dev, "reset line"))
        };

        Ok(Self {
            lines: [
                variant.reset.map(line).transpose()?.flatten(),
                line(c"qspi")?,
                line(c"qspi-ocp")?,
            ],
        })
    }

    /// Resets what each line is for, one after the other.
    fn pulse(&self, dev: &Device) -> Result {
        self.lines.iter().flatten().try_for_each(|line| {
            line.assert()
                .and_then(|()| line.deassert())
                .inspect_err(report(dev, "reset"))
        })
    }
}

/// The controller, with its clocks on, as long as this lives.
///
/// Dropping it switches the controller off, unmaps the registers and stops the clocks, in this
/// order.
pub(crate) struct Hardware<'a> {
    regs: IoMem<'a, SIZE>,
    _resets: Resets,
    _clocks: Clocks,
    /// The rate of the reference clock in Hz.
    pub(crate) reference_rate: NonZeroU32,
}

impl<'a> Hardware<'a> {
    /// Switches clocks on, and resets the controller.
    pub(crate) fn new(pdev: &'a platform::Device<Bound>, variant: &Variant) -> Result<Self> {
        let dev: &Device<Bound> = pdev.as_ref();
        let request = pdev.io_request_by_index(0).ok_or(ENODEV)?;
        let clocks = Clocks::enable(dev)?;
        let resets = Resets::get(dev, variant)?;

        resets.pulse(dev)?;
        let rate = clocks.reference.rate().as_hz();
        let reference_rate = u32::try_from(rate).ok().and_then(NonZeroU32::new);
        let reference_rate = reference_rate.ok_or(EINVAL).inspect_err(|_| {
            dev_err!(dev, "the reference clock cannot run at {} Hz\n", rate);
        })?;
        Ok(Self {
            // Not for itself alone: `ExclusiveIoMem` releases the region where the resources of
            // devices from the device tree are not, and cannot have it again.
            regs: request
                .iomap_sized::<SIZE>()
                .inspect_err(report(dev, "registers"))?,
            _resets: resets,
            _clocks: clocks,
            reference_rate,
        })
    }

    pub(crate) fn regs(&self) -> &IoMem<'a, SIZE> {
        &self.regs
    }

    /// Waits until nothing is going on.
    pub(crate) fn wait_idle(&self) -> Result {
        // The bit may go up for a moment between two phases.
        poll(
            || (0..IDLE_READS).all(|_| self.regs.read(CONFIG).idle()),
            |idle| *idle,
            TIMEOUT,
        )
        .map(drop)
    }

    /// Switches the controller off, for what cannot be changed while it is on.
    pub(crate) fn off(&self) -> Off<'_, 'a> {
        let config = self.regs.read(CONFIG).with_enable(false);

        self.regs.write_reg(config);
        Off {
            hardware: self,
            config,
        }
    }
}

impl Drop for Hardware<'_> {
    fn drop(&mut self) {
        self.regs.update(CONFIG, |config| config.with_enable(false));
    }
}

/// The controller switched off, until this is dropped.
#[must_use]
pub(crate) struct Off<'h, 'a> {
    hardware: &'h Hardware<'a>,
    /// To be written when it is switched on.
    config: CONFIG,
}

impl Off<'_, '_> {
    /// Makes it ready for operations, except for what depends on the flash.
    ///
    /// Returns what is known about the SRAM then, if there is one.
    pub(crate) fn init(&mut self, dev: &Device, variant: &Variant, board: &Board) -> Option<Sram> {
        let regs = &self.hardware.regs;
        let sram = board.sram.map(|sram| Sram {
            depth: self.detect_depth(dev, sram.depth),
            ..sram
        });

        regs.write_reg(REMAP::zeroed());
        regs.write_reg(IRQ_MASK::zeroed());
        if let Some(sram) = &sram {
            let bytes = sram.depth.saturating_mul(sram.width);

            regs.write_reg(SRAM_PARTITION::zeroed().with_read_words(sram.depth / 2));
            regs.write_reg(INDIRECT_TRIGGER::zeroed().with_address(sram.trigger_address));
            regs.write(
                WithBase::of::<IndirectRead>(),
                INDIRECT_WATERMARK::zeroed().with_bytes(bytes / 2),
            );
            regs.write(
                WithBase::of::<IndirectWrite>(),
                INDIRECT_WATERMARK::zeroed().with_bytes(bytes / 8),
            );
        }
        if variant.write_protect {
            regs.write_reg(WRITE_PROTECTION::zeroed());
        }
        if variant.write_completion == WriteCompletion::Automatic {
            // It would ask for the status without address and dummy cycles, which not every flash
            // understands. The flash driver asks, and knows how.
            regs.write_reg(WRITE_COMPLETION::zeroed().with_no_auto_poll(true));
        }
        self.config = self.config.with_direct(variant.window != WindowUse::None);

        sram
    }

    /// The depth of the SRAM in words.
    ///
    /// As many bits of the register can be written as are needed to count that.
    fn detect_depth(&self, dev: &Device, configured: u32) -> u32 {
        let regs = &self.hardware.regs;

        regs.write_reg(SRAM_PARTITION::zeroed().with_read_words(u32::MAX));
        let words: u32 = regs.read(SRAM_PARTITION).read_words().get();
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

    /// Selects a flash, and sets the clock of the bus and what depends on it and on the flash.
    fn select(&mut self, dev: &Device, board: &Board, timing: &Timing, cs: usize, hz: NonZeroU32) {
        let regs = &self.hardware.regs;
        let reference = self.hardware.reference_rate.get();

        let chip_select = if board.decoded_cs {
            cs
        } else {
            !(1usize << (cs % CHIP_SELECTS))
        };
        // Of the bus, in cycles of the reference clock.
        let cycle = reference.div_ceil(hz.get());
        let half = cycle.div_ceil(2) - 1;
        let baud = half.min(0xf);
        if half != baud {
            dev_warn!(
                dev,
                "a clock of {} Hz is too slow, it is {} Hz\n",
                hz.get(),
                reference / ((baud + 1) * 2)
            );
        }
        self.config = self
            .config
            .with_decoded_cs(board.decoded_cs)
            .with_chip_select(Bounded::<u32, 4>::from_expr(chip_select as u32 & 0xf))
            .with_baud(Bounded::<u32, 4>::from_expr(baud & 0xf));

        // What does not fit is as long as possible.
        let field = |cycles: u32| Bounded::<u32, 8>::from_expr(cycles.min(0xff) & 0xff);
        let cycles = |ns: u32| (reference / 1000).saturating_mul(ns).div_ceil(1_000_000);
        regs.write_reg(
            DELAY::zeroed()
                // At least one cycle of the bus.
                .with_tshsl(field(cycles(timing.tshsl_ns).max(cycle)))
                .with_tchsh(field(cycles(timing.tchsh_ns)))
                .with_tslch(field(cycles(timing.tslch_ns)))
                .with_tsd2d(field(cycles(timing.tsd2d_ns))),
        );
        regs.update(READ_CAPTURE, |capture| {
            capture
                .with_bypass(!board.return_clock)
                .with_delay(Bounded::<u32, 4>::from_expr(
                    timing.read_delay.min(0xf) & 0xf,
                ))
        });
    }
}

impl Drop for Off<'_, '_> {
    fn drop(&mut self) {
        // What was changed meanwhile has to be there before it is on.
        self.hardware.regs.write_reg(self.config);
        self.hardware.regs.write_reg(self.config.with_enable(true));
    }
}

/// What the controller is set up for, as far as that is known.
///
/// Where a field has what an operation needs, nothing is to be written.
#[derive(Default)]
pub(crate) struct Setup {
    /// Chip select, and rate of the bus clock in Hz.
    flash: Option<(usize, u32)>,
    pub(crate) rate: Option<Rate>,
    pub(crate) address_bytes: Option<u8>,
    reported: Option<Instant<Monotonic>>,
}

impl Setup {
    /// The state of the controller is not known any more.
    pub(crate) fn forget(&mut self) {
        *self = Self {
            reported: self.reported,
            ..Self::default()
        };
    }

    /// Whether a failure may be reported: at most one in [`REPORTS`].
    pub(crate) fn may_report(&mut self) -> bool {
        if self.reported.is_some_and(|time| time.elapsed() < REPORTS) {
            return false;
        }
        self.reported = Some(Instant::now());
        true
    }

    /// Makes the controller ready for operations on the flash at `cs`, at no more than `hz` if the
    /// divisor can make that.
    ///
    /// # Errors
    ///
    /// `ENODEV` without such a flash, `EINVAL` at 0 Hz.
    pub(crate) fn select(
        &mut self,
        dev: &Device,
        hardware: &Hardware<'_>,
        board: &Board,
        cs: usize,
        hz: u32,
    ) -> Result {
        if self.flash == Some((cs, hz)) {
            return Ok(());
        }

        let timing = board.flashes.get(cs).and_then(Option::as_ref);
        let timing = timing.ok_or(ENODEV)?;
        let rate = NonZeroU32::new(hz).ok_or(EINVAL)?;
        hardware.off().select(dev, board, timing, cs, rate);
        self.flash = Some((cs, hz));
        Ok(())
    }
}

/// The controller's interrupt, which owns the hardware: when that goes, the handler has gone.
#[pin_data]
pub(crate) struct Interrupt<'a> {
    pub(crate) hardware: Hardware<'a>,
    /// One of the events that [`Events`] listens to.
    #[pin]
    event: Completion,
    /// All that may be listened to.
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

    /// Forgets all events, and listens to those in `mask`.
    pub(crate) fn listen(&self, mask: IRQ_MASK) -> Events<'_, 'a> {
        let regs = self.hardware.regs();

        regs.write_reg(ALL_EVENTS);
        self.event.reinit();
        regs.write_reg(mask);
        Events(self)
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

/// Events that interrupt, as long as this lives.
#[must_use]
pub(crate) struct Events<'i, 'a>(&'i Interrupt<'a>);

impl Events<'_, '_> {
    /// Waits for an event, of those that have come since this was called last.
    pub(crate) fn wait(&self, timeout: Delta) -> Result {
        let jiffies = msecs_to_jiffies(timeout.as_millis() as u32);
        let seen = self.0.event.wait_for_completion_timeout(jiffies);

        // Whoever looks at the controller after this sees what an event was about that is taken
        // back here. One that comes later may be about nothing, which is better than to miss it.
        self.0.event.reinit();
        seen.map(drop)
    }
}

impl Drop for Events<'_, '_> {
    fn drop(&mut self) {
        self.0.hardware.regs().write_reg(IRQ_MASK::zeroed());
    }
}
