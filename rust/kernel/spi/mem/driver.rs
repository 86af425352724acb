// SPDX-License-Identifier: GPL-2.0

//! Drivers of SPI memories.

use super::Device;
use crate::{
    acpi,
    bindings,
    device,
    device_id::RawDeviceIdIndex,
    driver,
    error::{
        from_result,
        to_result, //
    },
    of,
    prelude::*,
    spi,
    types::Opaque,
    ThisModule, //
};

use core::mem::offset_of;

/// A driver of SPI memories: a C [`struct spi_mem_driver`](srctree/include/linux/spi/spi-mem.h).
///
/// # Examples
///
/// How a driver names what it is for; see [`mem`](super#examples) for one that does something.
///
/// ```
/// use kernel::{
///     device::Core,
///     of,
///     spi::{
///         self,
///         mem, //
///     }, //
/// };
///
/// struct Sram;
///
/// struct SramData<'bound>(&'bound mem::Device<kernel::device::Bound>);
///
/// kernel::of_device_table!(OF_TABLE, (), [(of::DeviceId::new(c"test,sram"), ())]);
/// kernel::spi_device_table!(SPI_TABLE, (), [(spi::DeviceId::new(c"sram"), ())]);
///
/// impl mem::Driver for Sram {
///     type IdInfo = ();
///     type Data<'bound> = SramData<'bound>;
///
///     const OF_ID_TABLE: Option<of::IdTable<()>> = Some(&OF_TABLE);
///     const SPI_ID_TABLE: Option<spi::IdTable<()>> = Some(&SPI_TABLE);
///
///     fn probe<'bound>(
///         mem: &'bound mem::Device<Core<'_>>,
///         _info: Option<&'bound ()>,
///     ) -> impl PinInit<SramData<'bound>, Error> + 'bound {
///         Ok::<_, Error>(SramData(mem))
///     }
/// }
/// ```
pub trait Driver {
    /// What the driver has for each device id.
    type IdInfo: 'static;

    /// The driver's private data.
    ///
    /// It is dropped when the driver is unbound, while the memory can still be used: the gate of
    /// the controller is open then, also if it is the controller that is unbound.
    type Data<'bound>: Send + 'bound;

    /// The devices of device trees that it is for.
    const OF_ID_TABLE: Option<of::IdTable<Self::IdInfo>> = None;

    /// The names of other devices that it is for; without, the name of the driver is the only one.
    const SPI_ID_TABLE: Option<spi::IdTable<Self::IdInfo>> = None;

    /// Binds the driver to a memory.
    ///
    /// Context: may sleep. The gate of the controller is open.
    ///
    /// # Errors
    ///
    /// They leave the memory without a driver, or with `EPROBE_DEFER` are taken back later.
    fn probe<'bound>(
        mem: &'bound Device<device::Core<'_>>,
        info: Option<&'bound Self::IdInfo>,
    ) -> impl PinInit<Self::Data<'bound>, Error> + 'bound;
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
    extern "C" fn probe(mem: *mut bindings::spi_mem) -> c_int {
        // SAFETY: C calls this with a valid memory, under the lock of its device. It is devres',
        // which goes after the private data, and thus after what the driver may keep.
        let mem = unsafe { &*mem.cast::<Device<device::CoreInternal<'_>>>() };
        let spi: &spi::Device<device::CoreInternal<'_>> = mem.as_ref();
        let dev: &device::Device<device::CoreInternal<'_>> = spi.as_ref();

        // Firmware first, as in `spi_get_device_match_data()`.
        // SAFETY: The tables are of that type.
        let info =
            unsafe { <Self as driver::Adapter>::id_info(dev) }.or_else(|| Self::spi_id_info(spi));

        from_result(|| {
            let data = T::probe(mem, info);

            dev.set_drvdata(data)?;
            Ok(0)
        })
    }

    /// What the driver has for the name of the device, if it has such a table and the name is
    /// there.
    fn spi_id_info(device: &spi::Device) -> Option<&'static T::IdInfo> {
        T::SPI_ID_TABLE?;

        // SAFETY: The device is being bound to a driver.
        let id = unsafe { bindings::spi_get_device_id(device.as_raw()) };

        // SAFETY: It is NULL, or from the table, which is static, and `DeviceId` is a transparent
        // wrapper.
        let id = unsafe { id.cast::<spi::DeviceId>().as_ref() }?;

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
