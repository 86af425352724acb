// SPDX-License-Identifier: GPL-2.0

//! SPI: what belongs to the bus.
//!
//! C header: [`include/linux/spi/spi.h`](srctree/include/linux/spi/spi.h)
//!
//! [`mem`] has controllers that execute operations of memories.
//!
//! # Other controllers and drivers
//!
//! Nothing here depends on memories, so that there is room for what has no user yet. A controller
//! that transfers words would have `spi::Operations` with `transfer_one()`, `spi::Controller` and
//! `spi::Registration`; its callbacks get a proof as those of [`mem`] do, but one that ends with
//! the message queue, which unregistering stops. A driver of an ordinary SPI device would implement
//! `spi::Driver`, with `probe(dev: &spi::Device<Core<'_>>, ...)`, over `struct spi_driver`.

use crate::{
    bindings,
    clk::Hertz,
    device,
    device_id::{
        RawDeviceId,
        RawDeviceIdIndex, //
    },
    impl_flags,
    prelude::*,
    sync::aref::AlwaysRefCounted,
    types::Opaque, //
};

use core::{
    marker::PhantomData,
    mem::offset_of,
    num::NonZeroU16,
    ptr::NonNull, //
};

pub mod mem;

/// A SPI device: a C [`struct spi_device`].
///
/// Drivers of controllers get one with each operation, to see which chip is meant.
///
/// # Invariants
///
/// A [`Device`] is a valid `struct spi_device` that the C part of the kernel has created.
///
/// [`struct spi_device`]: srctree/include/linux/spi/spi.h
#[repr(transparent)]
pub struct Device<Ctx: device::DeviceContext = device::Normal>(
    Opaque<bindings::spi_device>,
    PhantomData<Ctx>,
);

impl<Ctx: device::DeviceContext> Device<Ctx> {
    /// Makes a reference of a C pointer.
    ///
    /// # Safety
    ///
    /// `ptr` is a valid `struct spi_device` that is in the state `Ctx`, for all of `'a`.
    unsafe fn from_raw<'a>(ptr: *mut bindings::spi_device) -> &'a Self {
        // SAFETY: By the requirements of this function; the type is transparent.
        unsafe { &*ptr.cast() }
    }

    fn as_raw(&self) -> *mut bindings::spi_device {
        self.0.get()
    }
}

impl Device {
    /// The chip select that the device is at.
    ///
    /// It is less than what [`Properties`] has for the controller, but a
    /// driver that uses it as an index need not rely on that.
    #[inline]
    pub fn chip_select(&self) -> usize {
        // SAFETY: By the type's invariant.
        usize::from(unsafe { bindings::spi_get_chipselect(self.as_raw(), 0) })
    }

    /// The highest frequency that device and board allow, and the controller too.
    ///
    /// 0 if none of them has a limit.
    #[inline]
    pub fn max_speed(&self) -> Hertz {
        // SAFETY: By the type's invariant. Drivers in C may change it later, so it is read once.
        let hz = unsafe { core::ptr::read_volatile(&raw const (*self.as_raw()).max_speed_hz) };

        Hertz(hz as c_ulong)
    }
}

// SAFETY: `Device` is a transparent wrapper of a type that does not depend on the generic
// argument.
kernel::impl_device_context_deref!(unsafe { Device });
kernel::impl_device_context_into_aref!(Device);

// SAFETY: The offset is that of the base device in a `struct spi_device`.
unsafe impl<Ctx: device::DeviceContext> device::AsBusDevice<Ctx> for Device<Ctx> {
    const OFFSET: usize = offset_of!(bindings::spi_device, dev);
}

impl<Ctx: device::DeviceContext> AsRef<device::Device<Ctx>> for Device<Ctx> {
    fn as_ref(&self) -> &device::Device<Ctx> {
        // SAFETY: By the type's invariant.
        let dev = unsafe { &raw mut (*self.as_raw()).dev };

        // SAFETY: It is the base device, which is in the state `Ctx` when `self` is.
        unsafe { device::Device::from_raw(dev) }
    }
}

// SAFETY: The base device is reference-counted, and the `struct spi_device` goes with it.
unsafe impl AlwaysRefCounted for Device {
    fn inc_ref(&self) {
        // SAFETY: That there is a shared reference says that the count is not zero.
        unsafe { bindings::get_device(self.as_ref().as_raw()) };
    }

    unsafe fn dec_ref(obj: NonNull<Self>) {
        // SAFETY: The caller gives up a reference, so that there is one.
        unsafe { bindings::put_device(&raw mut (*obj.as_ref().as_raw()).dev) }
    }
}

// SAFETY: References can be given up from any task.
unsafe impl Send for Device {}

// SAFETY: What can be done with `&Device` can be done by several tasks at a time.
unsafe impl Sync for Device {}

// SAFETY: As for `Device<Normal>`; the device stays bound whatever the task.
unsafe impl Sync for Device<device::Bound> {}

/// A SPI device id, for drivers of devices that the device tree does not name.
#[repr(transparent)]
#[derive(Clone, Copy)]
pub struct DeviceId(bindings::spi_device_id);

impl DeviceId {
    /// A device id with this name.
    #[inline(always)]
    pub const fn new(name: &'static CStr) -> Self {
        let name = name.to_bytes_with_nul();
        let mut id: bindings::spi_device_id = pin_init::zeroed();
        build_assert!(name.len() <= id.name.len(), "the name is too long");

        let mut i = 0;
        while i < name.len() {
            id.name[i] = name[i];
            i += 1;
        }

        Self(id)
    }
}

// SAFETY: It is a transparent wrapper of the C type without additional invariants.
unsafe impl RawDeviceId for DeviceId {
    type RawType = bindings::spi_device_id;
}

// SAFETY: This is the offset of the field `driver_data`.
unsafe impl RawDeviceIdIndex for DeviceId {
    const DRIVER_DATA_OFFSET: usize = offset_of!(bindings::spi_device_id, driver_data);
}

/// A table of [`DeviceId`]s.
pub type IdTable<T> = &'static dyn kernel::device_id::IdTable<DeviceId, T>;

/// Makes an [`IdTable`] for SPI, with what modpost needs.
#[macro_export]
macro_rules! spi_device_table {
    ($($tt:tt)*) => {
        $crate::module_device_table!("spi", $crate::spi::DeviceId, $($tt)*);
    };
}

impl_flags!(
    /// What a controller can do with its wires, as a set of [`Mode`].
    #[derive(Debug, Clone, Default, Copy, PartialEq, Eq)]
    pub struct Modes(u32);

    /// One thing that a controller can do with its wires. One wire for each direction is a matter
    /// of course.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum Mode {
        /// Send on two wires.
        TxDual = bindings::SPI_TX_DUAL,
        /// Send on four wires.
        TxQuad = bindings::SPI_TX_QUAD,
        /// Send on eight wires.
        TxOctal = bindings::SPI_TX_OCTAL,
        /// Receive on two wires.
        RxDual = bindings::SPI_RX_DUAL,
        /// Receive on four wires.
        RxQuad = bindings::SPI_RX_QUAD,
        /// Receive on eight wires.
        RxOctal = bindings::SPI_RX_OCTAL,
    }
);

/// What the core is told about a controller.
///
/// There are no properties without what every controller has, its chip selects; all else has a
/// default that is right for a controller that has nothing to say about it. The number of the bus
/// comes from an alias in the device tree, or is any free one.
///
/// # Examples
///
/// ```
/// use core::num::NonZeroU16;
/// use kernel::{
///     clk::Hertz,
///     spi::{
///         Mode,
///         Properties, //
///     }, //
/// };
///
/// let properties = Properties::new(NonZeroU16::new(2).ok_or(EINVAL)?)
///     .modes(Mode::RxDual | Mode::RxQuad)
///     .max_speed(Hertz::from_mhz(100));
/// # let _ = properties;
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct Properties {
    chip_selects: NonZeroU16,
    modes: Modes,
    min_speed: u32,
    max_speed: u32,
}

/// In the unit of the C structures. What does not fit is faster than any of the limits.
fn hz(speed: Hertz) -> u32 {
    u32::try_from(speed.as_hz()).unwrap_or(u32::MAX)
}

impl Properties {
    /// The properties of a controller with so many chip selects.
    pub const fn new(chip_selects: NonZeroU16) -> Self {
        Self {
            chip_selects,
            modes: Modes(0),
            min_speed: 0,
            max_speed: 0,
        }
    }

    /// More than one wire in a direction; none by default.
    pub fn modes(self, modes: impl Into<Modes>) -> Self {
        Self {
            modes: modes.into(),
            ..self
        }
    }

    /// The lowest frequency of the clock; by default, there is no limit.
    pub fn min_speed(self, speed: Hertz) -> Self {
        Self {
            min_speed: hz(speed),
            ..self
        }
    }

    /// The highest frequency of the clock; by default, there is no limit.
    pub fn max_speed(self, speed: Hertz) -> Self {
        Self {
            max_speed: hz(speed),
            ..self
        }
    }

    /// # Safety
    ///
    /// `ctlr` was allocated, and nobody else uses it.
    unsafe fn apply(&self, ctlr: *mut bindings::spi_controller) {
        // SAFETY: By the requirements of this function.
        unsafe {
            (*ctlr).num_chipselect = self.chip_selects.get();
            (*ctlr).mode_bits = self.modes.into();
            (*ctlr).min_speed_hz = self.min_speed;
            (*ctlr).max_speed_hz = self.max_speed;
        }
    }
}
