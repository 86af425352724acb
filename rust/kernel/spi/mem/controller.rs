// SPDX-License-Identifier: GPL-2.0

//! Controllers of memories, seen from their drivers.

use super::{
    Operations,
    VTable, //
};
use crate::{
    bindings,
    device::{
        self,
        Bound, //
    },
    error::to_result,
    prelude::*,
    spi::Properties, //
};

use core::{
    marker::PhantomData,
    ptr::NonNull, //
};

/// A controller that is not registered: a C [`struct spi_controller`].
///
/// It can be registered once, which takes it, so that nothing can be registered twice.
///
/// # Invariants
///
/// `raw` is a controller of its own reference, with `T`'s operations, whose parent is `parent`.
///
/// [`struct spi_controller`]: srctree/include/linux/spi/spi.h
pub struct Controller<'bound, T: Operations> {
    raw: NonNull<bindings::spi_controller>,
    parent: &'bound device::Device<Bound>,
    _operations: PhantomData<fn() -> T>,
}

impl<'bound, T: Operations> Controller<'bound, T> {
    /// Allocates a controller for a driver that is bound to `parent`.
    ///
    /// Its firmware node, and with that the devices on the bus, are those of `parent`.
    ///
    /// Context: may sleep.
    ///
    /// # Errors
    ///
    /// [`ENOMEM`].
    pub fn new(parent: &'bound device::Device<Bound>, properties: &Properties) -> Result<Self> {
        // SAFETY: `parent` is a device. No memory is asked for: what callbacks need is what
        // `Registration` owns.
        let raw = unsafe { bindings::spi_alloc_host(parent.as_raw(), 0) };
        let raw = NonNull::new(raw).ok_or(ENOMEM)?;

        // SAFETY: It was just allocated, and nobody else knows it.
        unsafe {
            let ctlr = raw.as_ptr();
            bindings::spi_controller_set_devdata(ctlr, core::ptr::null_mut());
            properties.apply(ctlr);
            (*ctlr).mem_ops = &VTable::<T>::OPS;
            (*ctlr).mem_caps = &VTable::<T>::CAPS;
        }

        // INVARIANT: The reference is what allocation returns.
        Ok(Self {
            raw,
            parent,
            _operations: PhantomData,
        })
    }

    /// The device that the driver is bound to.
    pub fn parent(&self) -> &'bound device::Device<Bound> {
        self.parent
    }
}

impl<T: Operations> Drop for Controller<'_, T> {
    fn drop(&mut self) {
        // SAFETY: By the type's invariant, there is a reference to give up.
        unsafe { bindings::spi_controller_put(self.raw.as_ptr()) };
    }
}

// SAFETY: It is memory of its own, and a reference to it can be given up by any task.
unsafe impl<T: Operations> Send for Controller<'_, T> {}

// SAFETY: A shared reference gives access to the parent only.
unsafe impl<T: Operations> Sync for Controller<'_, T> {}

/// A controller that is registered, with all that its callbacks use.
///
/// From before [`Registration::new`] has returned, the operations of flash drivers come in, and a
/// callback of `T` gets the data through the proof that it is [`InFlight`](super::InFlight). To
/// drop the registration is to end that: devices on the bus lose their drivers, who may still do
/// what they have to; then the gate is closed, new operations fail with `ESHUTDOWN`, those that are
/// inside are waited for; and when none can be left, the data is dropped.
///
/// So a driver puts into the data what its callbacks use, in the order in which it is to go, and
/// the registration into its device's private data. Registers, clocks and interrupts are there in
/// every callback, and no callback asks whether they are.
///
/// Dropping it may sleep, and waits for operations: this is `spi_unregister_controller()`. Whoever
/// drops it must not be inside one, nor hold a lock that one of them takes.
///
/// # Invariants
///
/// The controller is registered, and its device data points to `data`.
pub struct Registration<'bound, T: Operations> {
    controller: Controller<'bound, T>,
    data: Pin<KBox<T::RegistrationData<'bound>>>,
}

impl<'bound, T: Operations> Registration<'bound, T> {
    /// Registers `controller`, with `data` for its callbacks.
    ///
    /// Devices of the device tree are added; their drivers may be bound, and execute operations,
    /// before this returns.
    ///
    /// Context: may sleep.
    ///
    /// # Errors
    ///
    /// Those of the initialiser, [`ENOMEM`], and those of `spi_register_controller()`. Nothing is
    /// left then, and no callback runs any more.
    ///
    /// # Safety
    ///
    /// The registration must not be forgotten: it is to be dropped, before the end of `'bound`.
    pub unsafe fn new<E>(
        controller: Controller<'bound, T>,
        data: impl PinInit<T::RegistrationData<'bound>, E>,
    ) -> Result<Self>
    where
        Error: From<E>,
    {
        let data = KBox::pin_init(data, GFP_KERNEL)?;
        let ctlr = controller.raw.as_ptr();

        // Callbacks shorten the lifetime again, see `InFlight`.
        let ptr = core::ptr::from_ref(&*data).cast_mut().cast();
        // SAFETY: Nobody else uses the controller before it is registered.
        unsafe { bindings::spi_controller_set_devdata(ctlr, ptr) };

        // SAFETY: By the type's invariant, this is a controller that was never registered; it is
        // moved into this function, so that it cannot be registered elsewhere. What its callbacks
        // use is there, and stays until it is unregistered, or has failed to be registered, when
        // nobody is inside any more either.
        to_result(unsafe { bindings::spi_register_controller(ctlr) })?;

        // INVARIANT: Done just now.
        Ok(Self { controller, data })
    }

    /// The data that the callbacks have.
    pub fn data(&self) -> &T::RegistrationData<'bound> {
        &self.data
    }

    /// The device that the driver is bound to.
    pub fn parent(&self) -> &'bound device::Device<Bound> {
        self.controller.parent
    }

    #[cfg(CONFIG_RUST_SPI_MEM_KUNIT_TEST)]
    pub(in crate::spi) fn as_raw(&self) -> *mut bindings::spi_controller {
        self.controller.raw.as_ptr()
    }
}

impl<T: Operations> Drop for Registration<'_, T> {
    fn drop(&mut self) {
        let ctlr = self.controller.raw.as_ptr();

        // SAFETY: By the type's invariant, the controller is registered. The parent is still bound,
        // since `'bound` has not ended.
        unsafe { bindings::spi_unregister_controller(ctlr) };

        // SAFETY: When that has returned, no callback runs, and none can start: the data is ours
        // alone. It is dropped next.
        unsafe { bindings::spi_controller_set_devdata(ctlr, core::ptr::null_mut()) };
    }
}

// SAFETY: `spi_unregister_controller()` can be called by any task that may sleep, and
// `T::RegistrationData` is `Send`.
unsafe impl<T: Operations> Send for Registration<'_, T> {}

// SAFETY: A shared reference gives access to the data, which is `Sync`, and to the parent.
unsafe impl<T: Operations> Sync for Registration<'_, T> {}
