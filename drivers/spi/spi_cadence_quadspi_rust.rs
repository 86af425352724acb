// SPDX-License-Identifier: GPL-2.0

//! Driver for Cadence's Quad SPI and Octal SPI flash controllers.
//!
//! An operation is executed in one of two ways: as a command ([`stig`]), with up to eight bytes of
//! data, or as an indirect access ([`indirect`]), which has an address. Operations come one at a
//! time; the mutex that is held while one is executed has what the controller is set up for, and is
//! taken inside the locks of the SPI core. The interrupt handler takes none.
//!
//! Everything that operations use is in [`Qspi`], which the registration of the controller owns.
//! It goes in the order of its fields when no operation is left: the interrupt with the registers,
//! switched off, and the clocks; then the window.
//!
//! # Variants
//!
//! The match table takes those whose ways have been gone on a model of the controller. Compared to
//! the C driver, all lack runtime and system power management, for which there is no abstraction,
//! and so does everything here lack the device reset GPIO and DMA.
//!
//! | compatible | what is special | exercised on |
//! |---|---|---|
//! | `cdns,qspi-nor` | nothing | QEMU's model |
//! | `intel,socfpga-qspi` | no short reads by STIG, slow SRAM, no auto-poll | QEMU's model |
//! | `amd,pensando-elba-qspi` | dummy read between register and FIFO writes | QEMU's model |
//! | `mobileye,eyeq5-ospi` | reads by polling, no auto-poll, octal | QEMU's model, one wire |
//! | `intel,lgm-qspi` | nothing the C driver knows of | left out: not run |
//! | `ti,k2g-qspi`, `ti,am654-ospi` | direct access, write delay | left out |
//! | `renesas,rzn1-qspi` | direct access only, write protection | left out |
//! | `starfive,jh7110-qspi` | another reset line | left out |
//! | `xlnx,versal-ospi-1.0`, `amd,versal2-ospi` | external DMA, device reset | left out |
//!
//! Double transfer rate and more than one wire have been compiled, and have not been tried: QEMU's
//! model sends no dummy cycles.

use kernel::{
    clk::Hertz,
    device::{
        self,
        Bound,
        Core, //
    },
    io::mem::IoMem,
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
            InFlight,
            Op,
            OpTemplate, //
        }, //
    },
    str::CString,
    sync::Mutex, //
};

use core::num::NonZeroU16;

#[path = "spi_cadence_quadspi_rust/board.rs"]
mod board;
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
    Selected,
    Setup, //
};
use variant::{
    ReadEvents,
    Variant, //
};

/// The controller, as operations have it.
#[pin_data]
pub(crate) struct Qspi<'a> {
    #[pin]
    irq: irq::Registration<'a, Interrupt<'a>>,
    /// Where the CPU reaches the SRAM.
    window: IoMem<'a>,
    /// Held while an operation is executed.
    #[pin]
    setup: Mutex<Setup>,
    variant: &'static Variant,
    board: Board,
    sram: Sram,
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
            let window = pdev.io_request_by_index(1).ok_or(ENODEV)?.iomap()?;
            let sram = hardware.init(dev, &board);
            let mut events: u32 = regs::WRITE_EVENTS.into();
            if let ReadEvents::Interrupt(mask) = variant.read_events {
                events |= u32::from(mask);
            }
            let interrupt = Interrupt::new(hardware, events);

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
            }? Error))
        })
    }

    fn hardware(&self) -> &Hardware<'a> {
        &self.irq.handler().hardware
    }

    /// Executes an operation, whichever way.
    fn execute(&self, dev: &device::Device, cs: usize, op: &mut Op<'_>) -> Result {
        let timing = self
            .board
            .flashes
            .get(cs)
            .and_then(Option::as_ref)
            .ok_or(ENODEV)?;
        let hz = op.max_freq().as_hz() as u64;
        if hz == 0 {
            return Err(EINVAL);
        }

        let mut setup = self.setup.lock();
        let flash = Selected { cs, hz, timing };
        self.hardware()
            .configure(dev, &self.board, &mut setup, flash);

        let template = *op.template();
        // The core has asked `supports_op()`, so that it fits.
        let address = op.address() as u32;
        let addressed = template.address_phase().is_some();
        let short = op.len() <= stig::MAX_DATA && self.variant.stig_reads;
        match op.data() {
            Data::In(data) if addressed && !short => {
                indirect::read(self, dev, &template, address, data)
            }
            Data::Out(data) if addressed => indirect::write(self, dev, &template, address, data),
            _ => stig::execute(self, dev, op),
        }
    }
}

struct CadenceQspi;

#[vtable]
impl mem::Operations for CadenceQspi {
    type Data<'a> = Qspi<'a>;

    const CAPABILITIES: Capabilities = Capabilities::new().dtr().per_op_freq();

    fn exec_op<'a>(this: &InFlight<'a, Self>, device: &spi::Device, op: &mut Op<'_>) -> Result {
        let dev: &device::Device = device.as_ref();

        this.data()
            .execute(this.parent(), device.chip_select(), op)
            .inspect_err(|error| dev_err!(dev, "operation failed: {:?}\n", error))
    }

    fn supports_op<'a>(_: &InFlight<'a, Self>, _: &spi::Device, op: &OpTemplate) -> bool {
        protocol::supports(op)
    }

    fn name(parent: &device::Device<Bound>, device: &spi::Device) -> Result<CString> {
        CString::try_from_fmt(fmt!("{}.{}", parent.name(), device.chip_select()))
    }
}

kernel::of_device_table!(
    OF_TABLE,
    <CadenceQspi as platform::Driver>::IdInfo,
    [
        (of::DeviceId::new(c"amd,pensando-elba-qspi"), &variant::ELBA),
        (of::DeviceId::new(c"cdns,qspi-nor"), &variant::CADENCE),
        (of::DeviceId::new(c"intel,socfpga-qspi"), &variant::SOCFPGA),
        (of::DeviceId::new(c"mobileye,eyeq5-ospi"), &variant::EYEQ5),
    ]
);

impl platform::Driver for CadenceQspi {
    type IdInfo = &'static Variant;
    type Data<'bound> = spi::Registration<'bound, Self>;
    const OF_ID_TABLE: Option<of::IdTable<Self::IdInfo>> = Some(&OF_TABLE);

    fn probe<'bound>(
        pdev: &'bound platform::Device<Core<'_>>,
        info: Option<&'bound Self::IdInfo>,
    ) -> impl PinInit<Self::Data<'bound>, Error> + 'bound {
        let dev: &device::Device<Bound> = pdev.as_ref();
        let variant: &'static Variant = info.ok_or(ENODEV)?;
        let board = Board::read(dev)?;
        let Some(chip_selects) = NonZeroU16::new(board.chip_selects() as u16) else {
            dev_err!(dev, "no flash is declared\n");
            return Err(ENODEV);
        };

        let hardware = Hardware::new(pdev)?;
        let rate = hardware.reference_rate();
        if rate == 0 {
            dev_err!(dev, "the reference clock does not run\n");
            return Err(EINVAL);
        }
        let properties = spi::Properties::new(chip_selects)
            .modes(variant.modes())
            .max_speed(Hertz(rate as c_ulong));
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
