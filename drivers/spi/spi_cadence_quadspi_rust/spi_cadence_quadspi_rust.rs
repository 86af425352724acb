// SPDX-License-Identifier: GPL-2.0

//! Driver for Cadence's Quad SPI and Octal SPI flash controllers.
//!
//! An operation is executed in one of three ways: as a command ([`stig`]), with up to eight bytes
//! of data; or, with an address, by an indirect transfer ([`indirect`]), for which the controller
//! has a SRAM, or through the window ([`direct`]), where the flash appears as memory.
//!
//! # Life and locks
//!
//! What operations use is in [`Qspi`], which the registration of the controller owns. It is dropped
//! in the order of its fields when no operation is left: the interrupt with the registers, switched
//! off, and the clocks; then the window.
//!
//! The SPI core executes one operation at a time, under its I/O mutex. What the controller is set
//! up for ([`Setup`]) is kept between them, under a mutex inside that: callbacks share [`Qspi`],
//! and the type of a callback does not say which of the core's mutexes is held. The interrupt
//! handler takes no lock but that of the completion.
//!
//! States of the controller are values, whose drop ends the state: [`hardware::Off`],
//! [`hardware::Events`], an indirect transfer, which is cancelled unless it was finished. Every
//! wait is bounded.
//!
//! # Variants
//!
//! | compatible | what is special |
//! |---|---|
//! | `cdns,qspi-nor`, `intel,lgm-qspi` | nothing |
//! | `intel,socfpga-qspi` | no short reads as commands, slow SRAM, no auto-poll |
//! | `amd,pensando-elba-qspi` | register read between start and data of a write |
//! | `mobileye,eyeq5-ospi` | reads by polling, no auto-poll, octal |
//! | `starfive,jh7110-qspi` | bus clocks, a reset line of its own |
//! | `ti,k2g-qspi` | direct reads, delay between start and data of a write |
//! | `ti,am654-ospi` | the same, octal, sends on four wires |
//! | `renesas,rzn1-qspi` | direct only, write protection, no DTR, limited rates |
//!
//! `xlnx,versal-ospi-1.0` and `amd,versal2-ospi` need a DMA controller, for which there is no
//! abstraction. They fall back on `cdns,qspi-nor` in their device trees, and so are in the match
//! table to be refused.
//!
//! # Compared to the driver in C
//!
//! Left out: runtime power management and system sleep, DMA, and the reset line of the flash. The
//! regions of registers and window are mapped, but not reserved.
//!
//! Different:
//!
//! * Delays and sampling follow the chip select, and not only the rate of the clock. A delay that
//!   does not fit its field is as long as possible.
//! * Reads by polling time out. The loop that empties the SRAM does not read more than was asked
//!   for.
//! * A reset line that cannot be moved, a controller that is busy after a write, and an operation
//!   for a chip select without a flash in the device tree are errors.
//! * A FIFO whose width is not a multiple of four bytes is refused.
//! * Without SRAM, what is not within the window is refused.
//! * What cannot be sent is not supported: data that follows an address after dummy cycles,
//!   addresses of more than four bytes, more than 31 dummy cycles, commands with more than eight
//!   bytes of data.
//! * After an error everything is set up anew.

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
    cell::Cell,
    num::NonZeroU16,
    ops::Range, //
};

mod board;
mod direct;
mod hardware;
mod indirect;
mod protocol;
mod regs;
mod stig;
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
use protocol::Execution;
use variant::{
    Variant, //
    WindowUse,
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

/// Where data of an operation with an address is reached.
enum Place<'q> {
    Window(Range<usize>),
    Sram(&'q Sram),
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
            let _ = hardware.wait_idle();
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

    /// Where `len` bytes at `address` are reached.
    fn place(&self, direction: Direction, address: u32, len: usize) -> Result<Place<'_>> {
        let range = || {
            let start = address as usize;
            let end = start.checked_add(len)?;

            (end <= self.window.size()).then_some(start..end)
        };
        let direct = match (self.variant.window, direction) {
            (WindowUse::Only, _) | (WindowUse::Reads, Direction::In) => range(),
            (WindowUse::Reads, Direction::Out) | (WindowUse::None, _) => None,
        };

        match (direct, &self.sram) {
            (Some(range), _) => Ok(Place::Window(range)),
            (None, Some(sram)) => Ok(Place::Sram(sram)),
            (None, None) => Err(ERANGE),
        }
    }

    /// Executes an operation.
    fn execute(&self, device: &spi::Device, op: &mut Op<'_>) -> Result {
        let mut setup = self.setup.lock();
        let hz = u32::try_from(op.max_freq().as_hz()).unwrap_or(u32::MAX);
        let step = Cell::new("selecting the flash");
        let dev: &device::Device = device.as_ref();

        let done = setup
            .select(dev, self.hardware(), &self.board, device.chip_select(), hz)
            .and_then(|()| {
                let execution = Execution {
                    qspi: self,
                    step: &step,
                    setup: &mut setup,
                };
                self.execute_selected(execution, op)
            });
        if let Err(error) = done {
            if setup.may_report() {
                dev_err!(dev, "{} failed: {:?}\n", step.get(), error);
            }
            setup.forget();
        }
        done
    }

    fn execute_selected(&self, mut execution: Execution<'_, '_>, op: &mut Op<'_>) -> Result {
        let template = *op.template();
        // The core has asked `supports_op()`, so that it fits.
        let address = op.address() as u32;
        let addressed = template.address_phase().is_some();
        let short = op.len() <= stig::MAX_DATA && self.variant.stig_reads;

        match op.data() {
            Data::In(data) if addressed && !short => {
                execution.set_up_read(&template)?;
                match self.place(Direction::In, address, data.len())? {
                    Place::Window(range) => direct::read(&execution, range, data),
                    Place::Sram(sram) => indirect::read(&execution, sram, address, data),
                }
            }
            Data::Out(data) if addressed => {
                execution.set_up_write(&template)?;
                match self.place(Direction::Out, address, data.len())? {
                    Place::Window(range) => direct::write(&execution, range, data),
                    Place::Sram(_) => indirect::write(&execution, address, data),
                }
            }
            _ => stig::execute(&mut execution, op),
        }
    }
}

struct CadenceQspi;

#[vtable]
impl mem::Operations for CadenceQspi {
    type RegistrationData<'a> = Qspi<'a>;

    const CAPABILITIES: Capabilities = Capabilities::new().dtr().per_op_freq();

    #[inline]
    fn exec_op<'a>(this: &InFlight<'a, Self>, device: &spi::Device, op: &mut Op<'_>) -> Result {
        this.data().execute(device, op)
    }

    #[inline]
    fn supports_op<'a>(
        this: &InFlight<'a, Self>,
        _: &spi::Device,
        op: &OpTemplate,
        len: usize,
    ) -> bool {
        protocol::supports(this.data().variant, op, len)
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
        (of::DeviceId::new(c"cdns,qspi-nor"), Some(&variant::CADENCE)),
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
    type Data<'bound> = mem::Registration<'bound, Self>;
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
        let controller = mem::Controller::new(dev, &properties)?;

        // SAFETY: It is the driver's private data, which is dropped when the driver is unbound.
        unsafe { mem::Registration::new(controller, Qspi::new(pdev, variant, board, hardware)) }
    }
}

kernel::module_platform_driver! {
    type: CadenceQspi,
    name: "cadence-qspi-rust",
    authors: ["The Linux kernel developers"],
    description: "Cadence Quad SPI and Octal SPI flash controllers",
    license: "GPL",
}
