// SPDX-License-Identifier: GPL-2.0

//! Driver for Cadence's Quad SPI and Octal SPI flash controllers.
//!
//! An operation is executed in one of three ways: as a command ([`stig`]), with up to eight bytes
//! of data; or, with an address, as an indirect access ([`indirect`]), for which the controller has
//! a SRAM, or as a direct one ([`direct`]), for which the flash appears in the window.
//!
//! # Life and locks
//!
//! Everything that operations use is in [`Qspi`], which the registration of the controller owns.
//! It goes in the order of its fields when no operation is left: the interrupt with the registers,
//! switched off, and the clocks; then the window.
//!
//! Operations come one at a time, under the bus and I/O mutexes of the SPI core. What the
//! controller is set up for ([`Setup`]) is kept between them, under a mutex that is taken inside
//! those and is held for the whole operation. It is the innermost: what happens under it, sleeps
//! included, takes no lock but those of timers, completions and the kernel's log. The interrupt
//! handler takes none but that of the completion.
//!
//! # States
//!
//! Where the controller has to be in a state for something, that is a value, whose end ends the
//! state: clocks and resets are a part of [`Hardware`]; timing and chip select are changed in
//! [`hardware::Off`]; interrupts come while there are [`hardware::Events`]; an indirect access is
//! cancelled unless it was finished. Every wait is bounded, whatever the hardware does meanwhile.
//!
//! # Variants
//!
//! The match table takes those whose ways have been gone on a model of the controller: QEMU's,
//! which is independent of this driver, or one of registers in User-mode Linux, which is not, and
//! was not mailed.
//!
//! | compatible | what is special | exercised on |
//! |---|---|---|
//! | `cdns,qspi-nor` | nothing: commands, indirect access | both |
//! | `intel,lgm-qspi` | nothing that the C driver knows of | ours |
//! | `intel,socfpga-qspi` | no short reads as commands, slow SRAM, no auto-poll | both |
//! | `amd,pensando-elba-qspi` | register read between start and data of a write | both |
//! | `mobileye,eyeq5-ospi` | reads by polling, no auto-poll, octal | both, octal on ours |
//! | `starfive,jh7110-qspi` | bus clocks, a reset line of its own | ours |
//! | `ti,k2g-qspi` | direct reads, delay between start and data of a write | ours |
//! | `ti,am654-ospi` | the same, octal, sends on four wires | ours |
//! | `renesas,rzn1-qspi` | direct only, write protection, no DTR, limited rates | ours |
//! | `xlnx,versal-ospi-1.0` | external DMA, by firmware | left out: no such DMA in Rust |
//! | `amd,versal2-ospi` | the same, resets the flash | left out, for the same reason |
//!
//! These two fall back on `cdns,qspi-nor` in their device trees. They are in the match table to be
//! refused, which leaves them to the driver in C. The only machines with `mobileye,eyeq5-ospi` so
//! far are MIPS, for which the kernel has no Rust.
//!
//! QEMU's model sends no dummy cycles and has one wire. Its direct window is behind a multiplexer
//! that these variants do not know. It counts what is in the SRAM in bytes where the controller
//! counts words, and refills it with each word taken, so that reading it in parts is exercised on
//! ours only.
//!
//! # Compared to the driver in C
//!
//! Left out, beside the variants of Versal:
//!
//! * Runtime power management, and system sleep: drivers in Rust have no callbacks for either. The
//!   clocks run as long as the driver is bound, and a controller that forgets its registers in
//!   sleep is not set up again.
//! * Direct reads by a DMA controller that copies memory: there is no dmaengine in Rust. The CPU
//!   copies, as it does in C when there is no such controller.
//! * Resetting the flash by a line of the controller, which only Versal 2 does.
//! * The regions of registers and window are mapped, but not reserved: what reserves them in Rust
//!   cannot do so again when the driver is bound a second time.
//! * The interrupt does not have the name of the device: names are constants in Rust.
//!
//! Different, and meant to be:
//!
//! * Delays and sampling follow the chip select, and not only the rate of the clock.
//! * A delay that does not fit is as long as possible, and not what is left after masking; so is
//!   `cdns,read-delay`.
//! * Reads by polling give up after as long without data as those by interrupt, neither waits
//!   longer for events that bring no data, and the loop that empties the SRAM cannot go on for more
//!   than was asked for.
//! * A reset line that cannot be moved, and a controller that is busy after a write, are errors; so
//!   is an operation for a chip select for which firmware has no flash.
//! * A FIFO whose width is not a multiple of four bytes is refused.
//! * Where there is no SRAM, what is not within the window is refused, and direct access is
//!   switched on, whatever the boot loader did.
//! * Commands without data, and those that write without an address, have their dummy cycles.
//! * What this driver does not send is not supported, instead of being sent in another way or
//!   failing later: data that follows an address after dummy cycles, addresses of more than four
//!   bytes, more than 31 dummy cycles.
//! * The polling of the flash for the end of a write is switched off once, when the controller is
//!   set up, not with each write; protocol and address width are written when they change.
//! * After an error chip select, clock, timing, protocol and address width are set up anew.
//! * The interrupt handler does not claim an interrupt without an event.

use kernel::{
    device::{
        self,
        Bound,
        Core, //
    },
    io::{
        mem::IoMem,
        Io, //
    },
    irq,
    new_mutex,
    of,
    platform,
    prelude::*,
    spi::{
        self,
        mem::{
            self,
            Capabilities,
            Data,
            Direction,
            InFlight,
            Op,
            OpTemplate, //
        }, //
    },
    str::CString,
    sync::Mutex,
    time::{
        Delta,
        NSEC_PER_SEC, //
    }, //
};

use core::{
    num::NonZeroU16,
    ops::Range, //
};

#[path = "spi_cadence_quadspi_rust/board.rs"]
mod board;
#[path = "spi_cadence_quadspi_rust/direct.rs"]
mod direct;
#[path = "spi_cadence_quadspi_rust/hardware.rs"]
mod hardware;
#[path = "spi_cadence_quadspi_rust/indirect.rs"]
mod indirect;
#[path = "spi_cadence_quadspi_rust/protocol.rs"]
mod protocol;
#[path = "spi_cadence_quadspi_rust/regs.rs"]
mod regs;
#[path = "spi_cadence_quadspi_rust/stig.rs"]
mod stig;
#[path = "spi_cadence_quadspi_rust/variant.rs"]
mod variant;

use board::{
    Board,
    Sram, //
};
use hardware::{
    Hardware,
    Interrupt,
    Setup, //
};
use protocol::Turn;
use variant::{
    Access,
    Variant, //
};

/// The controller, as operations have it.
#[pin_data]
pub(crate) struct Qspi<'a> {
    #[pin]
    irq: irq::Registration<'a, Interrupt<'a>>,
    /// Where the CPU reaches the SRAM, or the flash.
    window: IoMem<'a>,
    /// Held while an operation is executed.
    #[pin]
    setup: Mutex<Setup>,
    variant: &'static Variant,
    board: Board,
    /// None if the variant has none.
    sram: Option<Sram>,
    /// How long it takes until an indirect write has begun, if that is to be waited for.
    write_delay: Option<Delta>,
}

/// The way of data that has an address.
enum Way<'q> {
    Direct(Range<usize>),
    Indirect(&'q Sram),
}

impl<'a> Qspi<'a> {
    fn new(
        pdev: &'a platform::Device<Bound>,
        variant: &'static Variant,
        board: Board,
        hardware: Hardware<'a>,
    ) -> impl PinInit<Self, Error> + 'a {
        pin_init::pin_init_scope(move || {
            let dev: &device::Device<Bound> = pdev.as_ref();
            let window = pdev
                .io_request_by_index(1)
                .ok_or(ENODEV)
                .and_then(|request| request.iomap().map_err(Error::from))
                .inspect_err(|error| dev_err!(dev, "no window: {:?}\n", error))?;

            // If it is busy for ever, operations will say so.
            let _ = hardware.wait_idle(dev);
            let sram = hardware.off().init(dev, variant, &board);
            let write_delay = match variant.write_delay {
                0 => None,
                cycles => {
                    let cycle = (NSEC_PER_SEC as u32).div_ceil(hardware.reference_rate.get());
                    Some(Delta::from_nanos(i64::from(cycles) * i64::from(cycle)))
                }
            };
            let interrupt = Interrupt::new(hardware, variant.events());

            // SAFETY: It becomes a part of `Self`, which is owned by the registration of the
            // controller, and that by the driver's private data; neither is forgotten.
            let irq = unsafe {
                pdev.request_irq_by_index(irq::Flags::TRIGGER_NONE, 0, c"cadence-qspi", interrupt)
            };

            Ok(try_pin_init!(Self {
                irq <- irq,
                window,
                setup <- new_mutex!(Setup::default(), "Qspi::setup"),
                variant,
                board,
                sram,
                write_delay,
            }? Error))
        })
    }

    fn hardware(&self) -> &Hardware<'a> {
        &self.irq.handler().hardware
    }

    /// The way of `len` bytes to or from `address`.
    fn way(
        &self,
        dev: &device::Device,
        direction: Direction,
        address: u32,
        len: usize,
    ) -> Result<Way<'_>> {
        let range = || {
            let start = address as usize;
            let end = start.checked_add(len)?;

            (end <= self.window.size()).then_some(start..end)
        };
        let direct = match (self.variant.access, direction) {
            (Access::Direct, _) | (Access::DirectReads, Direction::In) => range(),
            (Access::DirectReads, Direction::Out) | (Access::Indirect, _) => None,
        };

        match (direct, &self.sram) {
            (Some(range), _) => Ok(Way::Direct(range)),
            (None, Some(sram)) => Ok(Way::Indirect(sram)),
            (None, None) => {
                dev_err!(
                    dev,
                    "{} bytes at {:#x} are not within the window\n",
                    len,
                    address
                );
                Err(ERANGE)
            }
        }
    }

    /// Executes an operation, whichever way.
    fn execute(&self, dev: &device::Device, cs: usize, op: &mut Op<'_>) -> Result {
        let mut setup = self.setup.lock();
        let hz = u32::try_from(op.max_freq().as_hz()).unwrap_or(u32::MAX);

        let done = setup
            .select(dev, self.hardware(), &self.board, cs, hz)
            .and_then(|()| {
                let turn = Turn {
                    qspi: self,
                    dev,
                    setup: &mut setup,
                };
                self.execute_selected(turn, op)
            });
        if done.is_err() {
            // Nothing is sure any more.
            *setup = Setup::default();
        }
        done
    }

    fn execute_selected(&self, mut turn: Turn<'_, '_>, op: &mut Op<'_>) -> Result {
        let template = *op.template();
        // The core has asked `supports_op()`, so that it fits.
        let address = op.address() as u32;
        let addressed = template.address_phase().is_some();
        let short = op.len() <= stig::MAX_DATA && self.variant.stig_reads;

        match op.data() {
            Data::In(data) if addressed && !short => {
                turn.set_up_read(&template)?;
                match self.way(turn.dev, Direction::In, address, data.len())? {
                    Way::Direct(range) => direct::read(&turn, range, data),
                    Way::Indirect(sram) => indirect::read(&turn, sram, address, data),
                }
            }
            Data::Out(data) if addressed => {
                turn.set_up_write(&template)?;
                match self.way(turn.dev, Direction::Out, address, data.len())? {
                    Way::Direct(range) => direct::write(&turn, range, data),
                    Way::Indirect(_) => indirect::write(&turn, address, data),
                }
            }
            _ => stig::execute(&mut turn, op),
        }
    }
}

struct CadenceQspi;

#[vtable]
impl mem::Operations for CadenceQspi {
    type Data<'a> = Qspi<'a>;

    const CAPABILITIES: Capabilities = Capabilities::new().dtr().per_op_freq();

    #[inline]
    fn exec_op<'a>(this: &InFlight<'a, Self>, device: &spi::Device, op: &mut Op<'_>) -> Result {
        let dev: &device::Device = device.as_ref();

        this.data()
            .execute(this.parent(), device.chip_select(), op)
            .inspect_err(|error| dev_err!(dev, "operation failed: {:?}\n", error))
    }

    #[inline]
    fn supports_op<'a>(this: &InFlight<'a, Self>, _: &spi::Device, op: &OpTemplate) -> bool {
        protocol::supports(this.data().variant, op)
    }

    fn name(parent: &device::Device<Bound>, device: &spi::Device) -> Result<CString> {
        CString::try_from_fmt(fmt!("{}.{}", parent.name(), device.chip_select()))
    }
}

kernel::of_device_table!(
    OF_TABLE,
    <CadenceQspi as platform::Driver>::IdInfo,
    [
        (
            of::DeviceId::new(c"amd,pensando-elba-qspi"),
            Some(&variant::ELBA)
        ),
        (of::DeviceId::new(c"amd,versal2-ospi"), None),
        (
            of::DeviceId::new(c"cdns,qspi-nor"),
            Some(&variant::CADENCE)
        ),
        (
            of::DeviceId::new(c"intel,lgm-qspi"),
            Some(&variant::CADENCE)
        ),
        (
            of::DeviceId::new(c"intel,socfpga-qspi"),
            Some(&variant::SOCFPGA)
        ),
        (
            of::DeviceId::new(c"mobileye,eyeq5-ospi"),
            Some(&variant::EYEQ5)
        ),
        (
            of::DeviceId::new(c"renesas,rzn1-qspi"),
            Some(&variant::RZN1)
        ),
        (
            of::DeviceId::new(c"starfive,jh7110-qspi"),
            Some(&variant::JH7110)
        ),
        (of::DeviceId::new(c"ti,am654-ospi"), Some(&variant::AM654)),
        (of::DeviceId::new(c"ti,k2g-qspi"), Some(&variant::K2G)),
        (of::DeviceId::new(c"xlnx,versal-ospi-1.0"), None),
    ]
);

impl platform::Driver for CadenceQspi {
    /// None for what is left to the driver in C, and would match by its fallback.
    type IdInfo = Option<&'static Variant>;
    type Data<'bound> = spi::Registration<'bound, Self>;
    const OF_ID_TABLE: Option<of::IdTable<Self::IdInfo>> = Some(&OF_TABLE);

    fn probe<'bound>(
        pdev: &'bound platform::Device<Core<'_>>,
        info: Option<&'bound Self::IdInfo>,
    ) -> impl PinInit<Self::Data<'bound>, Error> + 'bound {
        let dev: &device::Device<Bound> = pdev.as_ref();
        let variant = info.copied().flatten().ok_or(ENODEV)?;
        let board = Board::read(dev, variant)?;
        let Some(chip_selects) = NonZeroU16::new(board.chip_selects() as u16) else {
            dev_err!(dev, "no flash is declared\n");
            return Err(ENODEV);
        };

        let hardware = Hardware::new(pdev, variant)?;
        let properties =
            variant.describe(spi::Properties::new(chip_selects), hardware.reference_rate);
        let controller = spi::Controller::new(dev, &properties)?;

        // SAFETY: It is the driver's private data, which is dropped when the driver is unbound.
        unsafe { spi::Registration::new(controller, Qspi::new(pdev, variant, board, hardware)) }
    }
}

kernel::module_platform_driver! {
    type: CadenceQspi,
    name: "cadence-qspi-rust",
    authors: ["The Linux kernel developers"],
    description: "Cadence Quad SPI and Octal SPI flash controllers",
    license: "GPL",
}
