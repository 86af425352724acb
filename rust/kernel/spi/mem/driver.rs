// SPDX-License-Identifier: GPL-2.0

//! Drivers of SPI memories.

use super::op::{
    Op,
    OpTemplate, //
};
use crate::{
    acpi,
    bindings,
    device::{
        self,
        Bound, //
    },
    device_id::{
        RawDeviceId,
        RawDeviceIdIndex, //
    },
    driver,
    error::{
        from_result,
        to_result, //
    },
    of,
    prelude::*,
    spi,
    types::{
        NotThreadSafe,
        Opaque, //
    },
    ThisModule, //
};

use core::{
    marker::PhantomData,
    mem::offset_of,
    ptr::NonNull, //
};

/// A SPI memory, as its driver has it: a C [`struct spi_mem`].
///
/// A driver gets one when it is bound, may copy it, and keeps it in its private data; the lifetime
/// does not let it go further. The memory, its device and its controller exist as long. What does
/// not is the controller's readiness to execute operations: that ends earlier if it is the
/// controller that is unbound, and then operations fail with [`ESHUTDOWN`].
///
/// # Invariants
///
/// It is a valid `struct spi_mem` for all of `'bound`, to whose device a driver is bound.
///
/// [`struct spi_mem`]: srctree/include/linux/spi/spi-mem.h
#[derive(Clone, Copy)]
pub struct Mem<'bound> {
    raw: NonNull<bindings::spi_mem>,
    _bound: PhantomData<&'bound spi::Device<Bound>>,
}

impl<'bound> Mem<'bound> {
    /// Makes one of a C pointer.
    ///
    /// # Safety
    ///
    /// `raw` is a valid `struct spi_mem` for all of `'bound`, and a driver is bound to its device.
    pub(in crate::spi) unsafe fn from_raw(raw: NonNull<bindings::spi_mem>) -> Self {
        // INVARIANT: By the requirements of this function.
        Self {
            raw,
            _bound: PhantomData,
        }
    }

    /// The device.
    pub fn device(&self) -> &'bound spi::Device<Bound> {
        // SAFETY: By the type's invariant.
        unsafe { spi::Device::from_raw((*self.raw.as_ptr()).spi) }
    }

    /// For tests: a memory that need not have a driver.
    ///
    /// # Safety
    ///
    /// As for [`Mem::from_raw`], but if no driver is bound, [`Mem::device`] must not be called.
    #[cfg(CONFIG_RUST_SPI_MEM_KUNIT_TEST)]
    pub(in crate::spi) unsafe fn without_driver(raw: NonNull<bindings::spi_mem>) -> Self {
        // What is not true of the type's invariant is what `device()` alone makes use of.
        Self {
            raw,
            _bound: PhantomData,
        }
    }

    /// Stays inside the controller's gate until the guard is dropped.
    ///
    /// For sequences that must not end halfway: operations of the guard are not refused, whatever
    /// becomes of the controller; unbinding it waits for the guard. Single operations need none.
    ///
    /// While there is a guard, the task may sleep, and take locks, but must not wait for something
    /// that waits for the controller or the device to be unbound. Others can do operations at the
    /// same time: a guard is no lock.
    ///
    /// This is `spi_mem_enter()`. Context: any that may sleep; it does not sleep itself.
    ///
    /// # Errors
    ///
    /// [`ESHUTDOWN`] if the controller has been unregistered, or that has begun.
    #[inline]
    pub fn enter(&self) -> Result<Guard<'_>> {
        let mut idx = 0;

        // SAFETY: By the type's invariant.
        to_result(unsafe { bindings::spi_mem_enter(self.raw.as_ptr(), &mut idx) })?;

        // INVARIANT: Entered just now, in this task.
        Ok(Guard {
            raw: self.raw,
            idx,
            _mem: PhantomData,
            _not_send: NotThreadSafe,
        })
    }

    /// Executes an operation: `spi_mem_exec_op()`.
    ///
    /// How many bytes a controller can do at once is a matter of its own; see
    /// [`Mem::adjust_size`]. Here it is asked again: there are drivers in C that rely on an
    /// operation being no longer than they have said, or they write beyond their buffers.
    ///
    /// Context: may sleep, and takes the bus and I/O mutexes of the controller.
    ///
    /// # Errors
    ///
    /// - [`ESHUTDOWN`] if the controller has been unregistered;
    /// - [`EINVAL`], before anything is sent, if [`Mem::adjust_size`] would make it shorter or
    ///   fail, and if it comes from C, with an address of more than
    ///   [`Address::MAX`](super::Address::MAX) bytes;
    /// - [`EOPNOTSUPP`] if the controller cannot do that, or [`ENOTSUPP`] if its driver would need
    ///   ordinary messages for it, which the controller does not have;
    /// - else what its driver says.
    #[inline]
    pub fn exec(&self, op: &mut Op<'_>) -> Result {
        self.enter()?.exec(op)
    }

    /// Whether memory and controller can do such an operation; not if the controller has been
    /// unregistered.
    ///
    /// Context: may sleep.
    #[inline]
    pub fn supports(&self, op: &OpTemplate) -> bool {
        // SAFETY: By the type's invariant, and nobody looks at the data of the operation.
        unsafe { bindings::spi_mem_supports_op(self.raw.as_ptr(), &op.to_raw()) }
    }

    /// Makes the data of an operation as short as the controller needs it, from the end.
    ///
    /// What is left is the length of the operation; the rest is for others. On failure, it stays as
    /// it is.
    ///
    /// Context: may sleep.
    ///
    /// # Errors
    ///
    /// [`ESHUTDOWN`] if the controller has been unregistered, and what its driver says.
    #[inline]
    pub fn adjust_size(&self, op: &mut Op<'_>) -> Result {
        op.with_raw(|op| {
            // SAFETY: By the type's invariant, and the operation is a valid one.
            to_result(unsafe { bindings::spi_mem_adjust_op_size(self.raw.as_ptr(), op) })
        })
    }
}

// SAFETY: All that can be done with a memory can be done in any task.
unsafe impl Send for Mem<'_> {}

// SAFETY: All that can be done with a memory can be done by several tasks at a time.
unsafe impl Sync for Mem<'_> {}

/// What stands for being inside the gate of a memory's controller.
///
/// Made by [`Mem::enter`]. It stays in its task, and where it was made: it borrows the [`Mem`], and
/// neither a driver's data nor another thread can have it. Who leaks it leaks a reader of the gate:
/// the controller can then not be unbound any more, for its memory is taken to be in use, which
/// harms nothing but who waits for it.
///
/// # Examples
///
/// ```
/// use kernel::spi::mem::{Buffer, Mem, OpTemplate};
///
/// /// Writes, having told the memory so: never one without the other.
/// fn program(mem: &Mem<'_>, enable: &OpTemplate, write: &OpTemplate, data: &Buffer) -> Result {
///     let inside = mem.enter()?;
///
///     inside.exec(&mut enable.op(None)?)?;
///     inside.exec(&mut write.write(Some(0), data)?)
/// }
/// ```
///
/// # Invariants
///
/// `raw` is a valid `struct spi_mem`, the gate of whose controller this task has entered, with
/// `idx`, and has not left.
#[must_use = "the gate is left when the guard is dropped"]
pub struct Guard<'mem> {
    raw: NonNull<bindings::spi_mem>,
    idx: c_int,
    _mem: PhantomData<&'mem ()>,
    _not_send: NotThreadSafe,
}

impl Guard<'_> {
    /// [`Mem::exec`], never refused.
    #[inline]
    pub fn exec(&self, op: &mut Op<'_>) -> Result {
        op.with_raw(|op| {
            self.check_size(op)?;

            // SAFETY: By the type's invariant, and the operation is a valid one.
            to_result(unsafe { bindings::spi_mem_exec_op_inside(self.raw.as_ptr(), op) })
        })
    }

    /// Whether the controller can do the operation at once; [`EINVAL`] if not.
    fn check_size(&self, op: &mut bindings::spi_mem_op) -> Result {
        let len = op.data.nbytes;

        // What the core does for controllers without an opinion is about data, and is an error
        // without.
        if len == 0 && !self.sizes_are_limited() {
            return Ok(());
        }

        // SAFETY: By the type's invariant, and the operation is a valid one.
        to_result(unsafe { bindings::spi_mem_adjust_op_size_inside(self.raw.as_ptr(), op) })
            .map_err(|_| EINVAL)?;
        if op.data.nbytes == len {
            Ok(())
        } else {
            Err(EINVAL)
        }
    }

    /// Whether the driver of the controller has an opinion about the size of operations.
    fn sizes_are_limited(&self) -> bool {
        // SAFETY: By the type's invariant, we are inside the gate, so that the controller is
        // registered, and its driver with the structure of its operations there, if it has one.
        unsafe {
            let ctlr = (*(*self.raw.as_ptr()).spi).controller;

            (*ctlr)
                .mem_ops
                .as_ref()
                .is_some_and(|ops| ops.adjust_op_size.is_some())
        }
    }

    /// [`Mem::supports`], never refused.
    #[inline]
    pub fn supports(&self, op: &OpTemplate) -> bool {
        // SAFETY: By the type's invariant, and nobody looks at the data of the operation.
        unsafe { bindings::spi_mem_supports_op_inside(self.raw.as_ptr(), &op.to_raw()) }
    }

    /// [`Mem::adjust_size`], never refused.
    #[inline]
    pub fn adjust_size(&self, op: &mut Op<'_>) -> Result {
        op.with_raw(|op| {
            // SAFETY: By the type's invariant, and the operation is a valid one.
            to_result(unsafe { bindings::spi_mem_adjust_op_size_inside(self.raw.as_ptr(), op) })
        })
    }
}

impl Drop for Guard<'_> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: By the type's invariant; this is the task, since guards are not `Send`.
        unsafe { bindings::spi_mem_leave(self.raw.as_ptr(), self.idx) };
    }
}

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

/// Makes an [`IdTable`](crate::spi::mem::IdTable) for SPI, with what modpost needs.
#[macro_export]
macro_rules! spi_device_table {
    ($($tt:tt)*) => {
        $crate::module_device_table!("spi", $crate::spi::mem::DeviceId, $($tt)*);
    };
}

/// A driver of SPI memories: a C [`struct spi_mem_driver`](srctree/include/linux/spi/spi-mem.h).
///
/// # Examples
///
/// How a driver names what it is for; see [`spi`](crate::spi#examples) for one that does something.
///
/// ```
/// use kernel::{
///     device::Core,
///     of,
///     spi::{
///         self,
///         mem::{
///             self,
///             Mem, //
///         }, //
///     }, //
/// };
///
/// struct Sram;
///
/// kernel::of_device_table!(OF_TABLE, (), [(of::DeviceId::new(c"test,sram"), ())]);
/// kernel::spi_device_table!(SPI_TABLE, (), [(mem::DeviceId::new(c"sram"), ())]);
///
/// impl mem::Driver for Sram {
///     type IdInfo = ();
///     type Data<'bound> = Mem<'bound>;
///
///     const OF_ID_TABLE: Option<of::IdTable<()>> = Some(&OF_TABLE);
///     const SPI_ID_TABLE: Option<mem::IdTable<()>> = Some(&SPI_TABLE);
///
///     fn probe<'bound>(
///         _device: &'bound spi::Device<Core<'_>>,
///         mem: Mem<'bound>,
///         _info: Option<&'bound ()>,
///     ) -> impl PinInit<Mem<'bound>, Error> + 'bound {
///         Ok::<_, Error>(mem)
///     }
/// }
/// ```
pub trait Driver {
    /// What the driver has for each device id.
    type IdInfo: 'static;

    /// The driver's private data. It is dropped after [`unbind`](Self::unbind), while the memory
    /// can still be used.
    type Data<'bound>: Send + 'bound;

    /// The devices of device trees that it is for.
    const OF_ID_TABLE: Option<of::IdTable<Self::IdInfo>> = None;

    /// The names of other devices that it is for; without, the name of the driver is the only one.
    const SPI_ID_TABLE: Option<IdTable<Self::IdInfo>> = None;

    /// Binds the driver to a memory.
    ///
    /// Context: may sleep. The gate of the controller is open.
    ///
    /// # Errors
    ///
    /// They leave the memory without a driver, or with `EPROBE_DEFER` are taken back later.
    fn probe<'bound>(
        device: &'bound spi::Device<device::Core<'_>>,
        mem: Mem<'bound>,
        info: Option<&'bound Self::IdInfo>,
    ) -> impl PinInit<Self::Data<'bound>, Error> + 'bound;

    /// Unbinds the driver, or its device's controller goes.
    ///
    /// For what needs the device to be still bound; all else is for the `Drop` of the data. The
    /// gate of the controller is open until that has ended, also if it is the controller that
    /// goes: what the memory has to hear last is executed.
    ///
    /// Context: may sleep.
    fn unbind<'bound>(
        device: &'bound spi::Device<device::Core<'_>>,
        mem: Mem<'bound>,
        data: Pin<&Self::Data<'bound>>,
    ) {
        let _ = (device, mem, data);
    }
}

/// An adapter for the registration of [`Driver`]s.
pub struct Adapter<T: Driver>(T);

// SAFETY:
// - `bindings::spi_mem_driver` is a C type, `repr(C)`.
// - `T::Data` is the type of the driver's private data.
// - It has a `struct device_driver` at that offset.
unsafe impl<T: Driver> driver::DriverLayout for Adapter<T> {
    type DriverType = bindings::spi_mem_driver;
    type DriverData<'bound> = T::Data<'bound>;
    const DEVICE_DRIVER_OFFSET: usize = offset_of!(bindings::spi_mem_driver, spidrv.driver);
}

// SAFETY: `unregister` may be called after `register` has returned success.
unsafe impl<T: Driver> driver::RegistrationOps for Adapter<T> {
    unsafe fn register(
        drv: &Opaque<Self::DriverType>,
        name: &'static CStr,
        module: &'static ThisModule,
    ) -> Result {
        // SAFETY: Nobody else uses it before it is registered.
        unsafe {
            let drv = drv.get();
            (*drv).spidrv.driver.name = name.as_char_ptr();
            if let Some(table) = T::OF_ID_TABLE {
                (*drv).spidrv.driver.of_match_table = table.as_ptr();
            }
            if let Some(table) = T::SPI_ID_TABLE {
                (*drv).spidrv.id_table = table.as_ptr();
            }
            (*drv).probe = Some(Self::probe);
            (*drv).remove = Some(Self::remove);
        }

        // SAFETY: It stays where it is until it is unregistered.
        to_result(unsafe {
            bindings::spi_mem_driver_register_with_owner(drv.get(), module.as_ptr())
        })
    }

    unsafe fn unregister(drv: &Opaque<Self::DriverType>) {
        // SAFETY: By the requirements of this function, it is registered.
        unsafe { bindings::spi_mem_driver_unregister(drv.get()) };
    }
}

impl<T: Driver> Adapter<T> {
    /// The device of a memory, which is being bound or unbound.
    ///
    /// # Safety
    ///
    /// `mem` is what a callback of a driver was called with. `'a` ends with that callback, and
    /// `'bound` with the binding: what has it may be in the driver's private data, and nowhere that
    /// is still there when this has been dropped.
    unsafe fn parts<'a, 'bound>(
        mem: *mut bindings::spi_mem,
    ) -> (&'a spi::Device<device::CoreInternal<'a>>, Mem<'bound>)
    where
        'bound: 'a,
    {
        // SAFETY: C calls callbacks with a valid memory, under the lock of its device, for all of
        // `'a`. The memory is devres', which goes after the private data, and thus after `'bound`.
        unsafe {
            (
                spi::Device::from_raw((*mem).spi),
                Mem::from_raw(NonNull::new_unchecked(mem)),
            )
        }
    }

    extern "C" fn probe(mem: *mut bindings::spi_mem) -> c_int {
        // SAFETY: This is a callback, and `T::probe()` is generic over `'bound`: it can have `mem`
        // in the private data only.
        let (device, mem) = unsafe { Self::parts(mem) };

        // Firmware first, as in `spi_get_device_match_data()`.
        // SAFETY: The tables are of that type.
        let info = unsafe { <Self as driver::Adapter>::id_info(device.as_ref()) }
            .or_else(|| Self::spi_id_info(device));

        from_result(|| {
            let data = T::probe(device, mem, info);

            device.as_ref().set_drvdata(data)?;
            Ok(0)
        })
    }

    extern "C" fn remove(mem: *mut bindings::spi_mem) {
        // SAFETY: This is a callback, and `T::unbind()` is generic over `'bound`: it can have `mem`
        // in the private data only.
        let (device, mem) = unsafe { Self::parts(mem) };

        // SAFETY: It is called after `probe` has succeeded, which has put that there, and nobody
        // else uses the driver data of the device.
        let data = unsafe { device.as_ref().drvdata_borrow::<T::Data<'_>>() };

        T::unbind(device, mem, data);
    }

    /// What the driver has for the name of the device, if it has such a table and the name is
    /// there.
    fn spi_id_info(device: &spi::Device) -> Option<&'static T::IdInfo> {
        T::SPI_ID_TABLE?;

        // SAFETY: The device is being bound to a driver.
        let id = unsafe { bindings::spi_get_device_id(device.as_raw()) };

        // SAFETY: It is NULL, or from the table, which is static, and `DeviceId` is a transparent
        // wrapper.
        let id = unsafe { id.cast::<DeviceId>().as_ref() }?;

        // SAFETY: It is from a table with that information.
        Some(unsafe { id.info_unchecked::<T::IdInfo>() })
    }
}

impl<T: Driver> driver::Adapter for Adapter<T> {
    type IdInfo = T::IdInfo;

    fn of_id_table() -> Option<of::IdTable<Self::IdInfo>> {
        T::OF_ID_TABLE
    }

    fn acpi_id_table() -> Option<acpi::IdTable<Self::IdInfo>> {
        None
    }
}

/// Declares a module that is a driver of SPI memories.
///
/// # Examples
///
/// ```ignore
/// kernel::module_spi_mem_driver! {
///     type: Sram,
///     name: "sram",
///     authors: ["A. U. Thor"],
///     description: "A memory",
///     license: "GPL",
/// }
/// ```
#[macro_export]
macro_rules! module_spi_mem_driver {
    ($($f:tt)*) => {
        $crate::module_driver!(<T>, $crate::spi::mem::Adapter<T>, { $($f)* });
    };
}
