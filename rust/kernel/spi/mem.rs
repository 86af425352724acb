// SPDX-License-Identifier: GPL-2.0

//! SPI memories: flash chips and the like, and the controllers that know how to talk to them.
//!
//! C header: [`include/linux/spi/spi-mem.h`](srctree/include/linux/spi/spi-mem.h)

use super::Device;
use crate::{
    bindings,
    device::{
        self,
        Bound, //
    },
    error::{
        from_result,
        VTABLE_DEFAULT_ERROR, //
    },
    prelude::*,
    str::CString,
    types::NotThreadSafe, //
};

use core::marker::PhantomData;

mod buffer;
mod data;
mod driver;
mod op;

pub use self::{
    buffer::{
        Buffer,
        DmaBytes, //
    },
    data::{
        DataIn,
        DataOut, //
    },
    driver::{
        Adapter,
        DeviceId,
        Driver,
        Guard,
        IdTable,
        Mem, //
    },
    op::{
        Address,
        Command,
        Data,
        Direction,
        Dummy,
        Op,
        OpTemplate,
        Opcode,
        Rate,
        Transfer,
        Width, //
    },
};

/// What a controller can do beyond plain operations: a C
/// [`struct spi_controller_mem_caps`](srctree/include/linux/spi/spi-mem.h).
///
/// The core refuses what is not there before it asks the driver.
#[derive(Clone, Copy)]
pub struct Capabilities(bindings::spi_controller_mem_caps);

impl Capabilities {
    /// Nothing.
    pub const fn new() -> Self {
        Self(pin_init::zeroed())
    }

    /// Double transfer rate.
    pub const fn dtr(mut self) -> Self {
        self.0.dtr = true;
        self
    }

    /// A frequency for each operation, lower than that of the device.
    pub const fn per_op_freq(mut self) -> Self {
        self.0.per_op_freq = true;
        self
    }
}

impl Default for Capabilities {
    fn default() -> Self {
        Self::new()
    }
}

/// Proof that the controller is registered, and that the caller will be waited for.
///
/// Only callbacks get one, for as long as they run, and only such callbacks as the core calls
/// inside the gate. [`Registration`](super::Registration) cannot be done with dropping while there
/// is one, so the data that it owns is there, and the parent is bound: no check, and no error.
///
/// The lifetime `'a` is none that the callback could choose. What is borrowed from the proof ends
/// with it, so that nothing of the registration's data can be kept, not even in that data.
///
/// # Invariants
///
/// This task is inside the gate of a controller of `T`, and stays there for all of `'a`. `data` is
/// what the controller was registered with, and `parent` the device that its driver is bound to.
pub struct InFlight<'a, T: Operations> {
    data: &'a T::Data<'a>,
    parent: &'a device::Device<Bound>,
    _not_send: NotThreadSafe,
}

impl<'a, T: Operations> InFlight<'a, T> {
    /// What the driver has registered the controller with.
    #[inline]
    pub fn data(&self) -> &T::Data<'a> {
        self.data
    }

    /// The device that the controller's driver is bound to.
    #[inline]
    pub fn parent(&self) -> &device::Device<Bound> {
        self.parent
    }
}

/// A controller that executes SPI memory operations: a C
/// [`struct spi_controller_mem_ops`](srctree/include/linux/spi/spi-mem.h).
///
/// Callbacks that a driver does not have are not there for C either, so that the core does what it
/// does by default.
///
/// Operations are executed one at a time, under mutexes of the core; other callbacks may run at the
/// same time. A driver that keeps something between operations has a lock for it in its data, taken
/// inside those of the core.
///
/// # Examples
///
/// A controller without a bus, and without a driver around it. For a whole driver, and one for the
/// memory that it operates, see [`spi`](super#examples).
///
/// ```
/// use core::num::NonZeroU16;
/// use kernel::{
///     device::{
///         Bound,
///         Device, //
///     },
///     faux,
///     spi::{
///         self,
///         mem::{
///             self,
///             Data,
///             InFlight,
///             Op, //
///         }, //
///     },
///     sync::atomic::{
///         Atomic,
///         Relaxed, //
///     }, //
/// };
///
/// struct Echo;
///
/// /// Goes in this order when no operation is left.
/// struct EchoData<'a> {
///     executed: Atomic<u32>,
///     parent: &'a Device<Bound>,
/// }
///
/// #[vtable]
/// impl mem::Operations for Echo {
///     type Data<'a> = EchoData<'a>;
///
///     fn exec_op<'a>(
///         this: &InFlight<'a, Self>,
///         device: &spi::Device,
///         op: &mut Op<'_>,
///     ) -> Result {
///         this.data().executed.fetch_add(1, Relaxed);
///         dev_dbg!(this.data().parent, "chip {}: {:?}\n", device.chip_select(), op.template());
///         if let Data::In(mut bytes) = op.data() {
///             bytes.fill(0xa5);
///         }
///         Ok(())
///     }
/// }
///
/// let parent = faux::Registration::new(c"rust-spi-echo", None)?;
/// let parent: &Device<Bound> = parent.as_ref().as_ref();
/// let properties = spi::Properties::new(NonZeroU16::MIN);
/// let controller = spi::Controller::<Echo>::new(parent, &properties)?;
/// let data = EchoData {
///     executed: Atomic::new(0),
///     parent,
/// };
/// // SAFETY: It is dropped at the end of this example, while the parent is there.
/// let registration = unsafe { spi::Registration::new(controller, data)? };
/// assert_eq!(registration.data().executed.load(Relaxed), 0);
/// # Ok::<(), Error>(())
/// ```
#[vtable]
pub trait Operations: Sized + 'static {
    /// What the callbacks use. It is owned by the [`Registration`](super::Registration), lives no
    /// longer than the parent is bound, and is dropped when no callback can run any more.
    type Data<'a>: Send + Sync + 'a;

    /// What the controller can do beyond plain operations.
    const CAPABILITIES: Capabilities = Capabilities::new();

    /// Executes an operation.
    ///
    /// The core has checked that the device's wires and the [`CAPABILITIES`](Self::CAPABILITIES)
    /// will do, and [`supports_op`](Self::supports_op), if there is one, has returned true.
    ///
    /// Context: may sleep, inside the gate, under the bus and I/O mutexes of the controller.
    ///
    /// # Errors
    ///
    /// [`EOPNOTSUPP`] makes the core try it with an ordinary message. Controllers that do memory
    /// operations only do not have such, and who asked for the operation gets [`ENOTSUPP`].
    ///
    /// To the core, [`ENOTSUPP`] means the same. But it is what other subsystems say who cannot do
    /// something, perhaps in the middle of an operation that is not to be tried once more, so here
    /// it is taken for [`EIO`].
    ///
    /// All others go to who asked for the operation.
    fn exec_op<'a>(this: &InFlight<'a, Self>, device: &Device, op: &mut Op<'_>) -> Result;

    /// Whether the controller can do an operation that the core finds nothing wrong with.
    ///
    /// By default, it can. There is no need to repeat what the core has checked: wires,
    /// capabilities and frequencies.
    ///
    /// Context: may sleep, inside the gate; other operations may run at the same time.
    fn supports_op<'a>(this: &InFlight<'a, Self>, device: &Device, op: &OpTemplate) -> bool {
        let _ = (this, device, op);
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// A name for the memory `device`, used for the MTD; by default that of the device.
    ///
    /// For drivers that had other names before they used this layer, and want to keep them.
    ///
    /// Context: may sleep, inside the gate; the driver of the memory is being bound.
    ///
    /// # Errors
    ///
    /// They make the binding fail.
    fn name(parent: &device::Device<Bound>, device: &Device) -> Result<CString> {
        let _ = (parent, device);
        build_error!(VTABLE_DEFAULT_ERROR)
    }
}

/// For [`Controller`](super::Controller).
pub(super) const fn ops<T: Operations>() -> *const bindings::spi_controller_mem_ops {
    &VTable::<T>::OPS
}

/// For [`Controller`](super::Controller).
pub(super) fn caps<T: Operations>() -> *const bindings::spi_controller_mem_caps {
    &VTable::<T>::CAPS
}

struct VTable<T: Operations>(PhantomData<T>);

impl<T: Operations> VTable<T> {
    const OPS: bindings::spi_controller_mem_ops = bindings::spi_controller_mem_ops {
        exec_op: Some(Self::exec_op),
        supports_op: if T::HAS_SUPPORTS_OP {
            Some(Self::supports_op)
        } else {
            None
        },
        get_name: if T::HAS_NAME {
            Some(Self::get_name)
        } else {
            None
        },
        ..pin_init::zeroed()
    };

    const CAPS: bindings::spi_controller_mem_caps = T::CAPABILITIES.0;

    /// The device of a memory, and the parent of its controller.
    ///
    /// # Safety
    ///
    /// `mem` is a memory at a registered controller of `T`, for all of `'a`.
    unsafe fn devices<'a>(mem: *mut bindings::spi_mem) -> (&'a Device, &'a device::Device<Bound>) {
        // SAFETY: A memory has a device, which has a controller, and that a parent, to which the
        // driver is bound while it is registered.
        unsafe {
            let spi = (*mem).spi;
            let parent = (*(*spi).controller).dev.parent;
            (Device::from_raw(spi), device::Device::from_raw(parent))
        }
    }

    /// Calls `f` with a proof that it is in flight.
    ///
    /// The closure has to do with any lifetime, and can thus neither let the data out nor put into
    /// it what it has borrowed elsewhere.
    ///
    /// # Safety
    ///
    /// `mem` is a memory at a controller of `T`, and the caller is inside that controller's gate.
    unsafe fn in_flight<R>(
        mem: *mut bindings::spi_mem,
        f: impl for<'a> FnOnce(&InFlight<'a, T>, &Device) -> R,
    ) -> R {
        // SAFETY: The gate lets nobody in unless the controller is registered.
        let (device, parent) = unsafe { Self::devices(mem) };
        // SAFETY: A device has a controller.
        let data = unsafe { bindings::spi_controller_get_devdata((*device.as_raw()).controller) };

        // SAFETY: `Registration` has put it there before the gate was opened, and does not drop
        // it before everybody has left; we are inside. The lifetime is shortened from that of the
        // registration, which `f` cannot take advantage of.
        let data = unsafe { &*data.cast::<T::Data<'_>>() };

        // INVARIANT: By the requirements of this function; the caller does not leave before `f` has
        // returned, and the lifetime of a proof that is borrowed by `f` is over then.
        let this = InFlight {
            data,
            parent,
            _not_send: NotThreadSafe,
        };

        f(&this, device)
    }

    /// # Safety
    ///
    /// C calls this inside the gate of a controller of `T`, with an operation that it does not
    /// change meanwhile, and with memory for its data that is there meanwhile.
    unsafe extern "C" fn exec_op(
        mem: *mut bindings::spi_mem,
        op: *const bindings::spi_mem_op,
    ) -> c_int {
        from_result(|| {
            // SAFETY: By the requirements of this function.
            let mut op = unsafe { Op::from_raw(&*op) }?;

            // SAFETY: By the requirements of this function.
            let done =
                unsafe { Self::in_flight(mem, |this, device| T::exec_op(this, device, &mut op)) };

            match done {
                Ok(()) => Ok(0),
                Err(ENOTSUPP) => Err(EIO),
                Err(error) => Err(error),
            }
        })
    }

    /// # Safety
    ///
    /// As for `exec_op`; there need be no data.
    unsafe extern "C" fn supports_op(
        mem: *mut bindings::spi_mem,
        op: *const bindings::spi_mem_op,
    ) -> bool {
        // SAFETY: By the requirements of this function.
        if !unsafe { bindings::spi_mem_default_supports_op(mem, op) } {
            return false;
        }
        // SAFETY: By the requirements of this function.
        let Ok(op) = OpTemplate::from_raw(unsafe { &*op }) else {
            return false;
        };

        // SAFETY: By the requirements of this function.
        unsafe { Self::in_flight(mem, |this, device| T::supports_op(this, device, &op)) }
    }

    /// # Safety
    ///
    /// C calls this inside the gate of a controller of `T`, while it binds a driver to the device
    /// of `mem`.
    unsafe extern "C" fn get_name(mem: *mut bindings::spi_mem) -> *const c_char {
        // SAFETY: The gate lets nobody in unless the controller is registered, and unregistering it
        // waits until we are out. The lifetime ends with this function.
        let (device, parent) = unsafe { Self::devices(mem) };

        match T::name(parent, device) {
            Ok(name) => {
                let dev: &device::Device = device.as_ref();
                // SAFETY: The device is being bound, which is what devres needs. The copy goes
                // when it is unbound, like `mem`.
                let copy = unsafe {
                    bindings::devm_kstrdup(dev.as_raw(), name.as_char_ptr(), bindings::GFP_KERNEL)
                };
                if copy.is_null() {
                    ENOMEM.to_ptr()
                } else {
                    copy
                }
            }
            Err(error) => error.to_ptr(),
        }
    }
}
