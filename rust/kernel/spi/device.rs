// SPDX-License-Identifier: GPL-2.0

//! SPI devices: what sits at a chip select of a controller.

use crate::{
    bindings,
    clk::Hertz,
    device,
    prelude::*,
    sync::aref::AlwaysRefCounted,
    types::Opaque, //
};

use core::{
    marker::PhantomData,
    mem::offset_of,
    ptr::NonNull, //
};

/// A SPI device: a C [`struct spi_device`].
///
/// Drivers of memories get one with their [`Mem`], and controller drivers get it with each
/// operation, to see which chip is meant.
///
/// # Invariants
///
/// A [`Device`] is a valid `struct spi_device` that the C part of the kernel has created.
///
/// [`Mem`]: super::mem::Mem
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
    pub(super) unsafe fn from_raw<'a>(ptr: *mut bindings::spi_device) -> &'a Self {
        // SAFETY: By the requirements of this function; the type is transparent.
        unsafe { &*ptr.cast() }
    }

    pub(super) fn as_raw(&self) -> *mut bindings::spi_device {
        self.0.get()
    }
}

impl Device {
    /// The chip select that the device is at.
    ///
    /// It is less than what [`Properties`](super::Properties) has for the controller, but a
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
