// SPDX-License-Identifier: GPL-2.0

//! SPI memories, flash chips and the like, and their controllers.
//!
//! C header: [`include/linux/spi/spi-mem.h`](srctree/include/linux/spi/spi-mem.h)
//!
//! Drivers of controllers implement [`Operations`], make a [`Controller`] and register it. Every
//! operation enters the gate of the controller and leaves it; callbacks get an [`InFlight`], which
//! stands for being inside.
//!
//! Drivers of memories implement [`Driver`], and get a [`Device`], with which they execute
//! operations: one by one, or several in a [`Guard`].
//!
//! # Examples
//!
//! The driver of a controller, which has a memory behind it and no wires, and the driver of that
//! memory. What is left out is what every driver has, the tables of its devices and
//! `module_platform_driver!`, or [`module_spi_mem_driver!`](crate::module_spi_mem_driver).
//!
//! ```
//! use core::num::NonZeroU16;
//! use kernel::{
//!     device::{
//!         Bound,
//!         Core, //
//!     },
//!     new_mutex,
//!     platform,
//!     spi::{
//!         self,
//!         mem::{
//!             self,
//!             Address,
//!             Buffer,
//!             Command,
//!             Data,
//!             Direction,
//!             InFlight,
//!             Op,
//!             OpTemplate,
//!             Opcode,
//!             Transfer,
//!             Width, //
//!         }, //
//!     },
//!     sync::Mutex, //
//! };
//!
//! /// The driver of the controller.
//! struct Controller;
//!
//! /// What its operations use. For hardware, these are registers, clocks and an interrupt, in the
//! /// order in which they are to go.
//! #[pin_data]
//! struct State {
//!     #[pin]
//!     memory: Mutex<Memory>,
//! }
//!
//! struct Memory {
//!     bytes: [u8; 256],
//!     /// For the next write.
//!     enabled: bool,
//! }
//!
//! #[vtable]
//! impl mem::Operations for Controller {
//!     type RegistrationData<'a> = State;
//!
//!     fn exec_op<'a>(
//!         this: &InFlight<'a, Self>,
//!         _device: &spi::Device,
//!         op: &mut Op<'_>,
//!     ) -> Result {
//!         let mut memory = this.data().memory.lock();
//!         let start = usize::try_from(op.address())?;
//!         let range = start..start.checked_add(op.len()).ok_or(EINVAL)?;
//!
//!         match (op.template().command().opcode(), op.data()) {
//!             (Opcode::One(0x06), Data::None) => memory.enabled = true,
//!             (Opcode::One(0x02), Data::Out(bytes)) if memory.enabled => {
//!                 memory.enabled = false;
//!                 bytes.copy_to(memory.bytes.get_mut(range).ok_or(EINVAL)?);
//!             }
//!             (Opcode::One(0x03), Data::In(mut bytes)) => {
//!                 bytes.copy_from(memory.bytes.get(range).ok_or(EINVAL)?);
//!             }
//!             _ => return Err(EIO),
//!         }
//!         Ok(())
//!     }
//! }
//!
//! impl platform::Driver for Controller {
//!     type IdInfo = ();
//!     // Dropped, and thus unregistered, when the driver is unbound.
//!     type Data<'bound> = mem::Registration<'bound, Self>;
//!
//!     fn probe<'bound>(
//!         pdev: &'bound platform::Device<Core<'_>>,
//!         _info: Option<&'bound ()>,
//!     ) -> impl PinInit<Self::Data<'bound>, Error> + 'bound {
//!         let properties = spi::Properties::new(NonZeroU16::MIN);
//!         let controller = mem::Controller::new(pdev.as_ref(), &properties)?;
//!         let state = pin_init!(State {
//!             memory <- new_mutex!(Memory {
//!                 bytes: [0xff; 256],
//!                 enabled: false,
//!             }),
//!         });
//!
//!         // SAFETY: It is the driver's data, which is dropped before the device is unbound.
//!         unsafe { mem::Registration::new(controller, state) }
//!     }
//! }
//!
//! /// The driver of the memory.
//! struct Sram;
//!
//! const ADDRESS: Address = Address::new(2, Width::Single).unwrap();
//! const ENABLE: OpTemplate = OpTemplate::new(Command::new(0x06, Width::Single));
//! const WRITE: OpTemplate = OpTemplate::new(Command::new(0x02, Width::Single))
//!     .address(ADDRESS)
//!     .transfer(Transfer::new(Direction::Out, Width::Single));
//! const READ: OpTemplate = OpTemplate::new(Command::new(0x03, Width::Single))
//!     .address(ADDRESS)
//!     .transfer(Transfer::new(Direction::In, Width::Single));
//!
//! struct SramData<'bound> {
//!     mem: &'bound mem::Device<Bound>,
//! }
//!
//! impl SramData<'_> {
//!     /// Two operations, both or none.
//!     fn write(&self, address: u64, bytes: Buffer) -> Result<Buffer> {
//!         let inside = self.mem.enter()?;
//!
//!         inside.exec(&ENABLE, None)?;
//!         inside.write(&WRITE, Some(address), bytes)
//!     }
//! }
//!
//! impl mem::Driver for Sram {
//!     type IdInfo = ();
//!     type Data<'bound> = SramData<'bound>;
//!
//!     fn probe<'bound>(
//!         mem: &'bound mem::Device<Core<'_>>,
//!         _info: Option<&'bound ()>,
//!     ) -> impl PinInit<SramData<'bound>, Error> + 'bound {
//!         let sram = SramData { mem };
//!         let mut bytes = Buffer::new(4, GFP_KERNEL)?;
//!
//!         if !mem.supports_op(&READ) || !mem.supports_op(&WRITE) {
//!             return Err(EOPNOTSUPP);
//!         }
//!         // Is it there?
//!         bytes.copy_from_slice(b"sram");
//!         let bytes = sram.write(0x10, bytes)?;
//!         // A single operation needs no guard.
//!         let bytes = sram.mem.read(&READ, Some(0x0e), bytes)?;
//!         if bytes[..] != *b"\xff\xffsr" {
//!             return Err(ENODEV);
//!         }
//!         Ok(sram)
//!     }
//! }
//! #
//! # // In place of firmware that describes the devices, of modules, and of an unbind.
//! # use core::ptr;
//! # use kernel::{
//! #     bindings,
//! #     driver,
//! #     error::to_result,
//! #     ThisModule, //
//! # };
//! #
//! # // SAFETY: This is what code has that is built in.
//! # static MODULE: ThisModule = unsafe { ThisModule::from_ptr(ptr::null_mut()) };
//! #
//! # fn driver<T: driver::RegistrationOps + 'static>(
//! #     name: &'static CStr,
//! # ) -> Result<Pin<KBox<driver::Registration<T>>>> {
//! #     KBox::pin_init(driver::Registration::new(name, &MODULE), GFP_KERNEL)
//! # }
//! #
//! # let _controller = driver::<platform::Adapter<Controller>>(c"rust-spi-example")?;
//! # let _sram = driver::<mem::Adapter<Sram>>(c"rust-spi-sram")?;
//! #
//! # let mut info = bindings::spi_board_info::default();
//! # for (to, from) in info.modalias.iter_mut().zip(c"rust-spi-sram".to_bytes()) {
//! #     *to = *from;
//! # }
//! #
//! # // SAFETY: The name is copied.
//! # let pdev = unsafe { bindings::platform_device_alloc(c"rust-spi-example".as_char_ptr(), -1) };
//! # assert!(!pdev.is_null());
//! # // SAFETY: It was allocated just now.
//! # to_result(unsafe { bindings::platform_device_add(pdev) })?;
//! #
//! # // SAFETY: Its driver has registered a controller, which is its only child.
//! # let ctlr = unsafe {
//! #     bindings::device_find_child(
//! #         &raw mut (*pdev).dev,
//! #         ptr::null(),
//! #         Some(bindings::device_match_any),
//! #     )
//! # };
//! # assert!(!ctlr.is_null());
//! # // SAFETY: This is a registered controller.
//! # let spi = unsafe {
//! #     let spi = bindings::spi_new_device(
//! #         kernel::container_of!(ctlr, bindings::spi_controller, dev),
//! #         &mut info,
//! #     );
//! #     bindings::put_device(ctlr);
//! #     spi
//! # };
//! # assert!(!spi.is_null());
//! # // SAFETY: It is there.
//! # unsafe { bindings::get_device(&raw mut (*spi).dev) };
//! #
//! # // The driver is bound: it has read what it has written.
//! # // SAFETY: There is a reference.
//! # assert!(unsafe { !(*spi).dev.driver.is_null() });
//! #
//! # // Somebody in C with a handle that he keeps.
//! # let mut handle = bindings::spi_mem::default();
//! # handle.spi = spi;
//! # let mut op = bindings::spi_mem_op::default();
//! # (op.cmd.nbytes, op.cmd.buswidth, op.cmd.opcode) = (1, 1, 0x06);
//! #
//! # // SAFETY: There is a reference to the device.
//! # assert_eq!(unsafe { bindings::spi_mem_exec_op(&mut handle, &op) }, 0);
//! # // SAFETY: It was added above.
//! # unsafe { bindings::platform_device_unregister(pdev) };
//! # // SAFETY: As above.
//! # let ret = unsafe { bindings::spi_mem_exec_op(&mut handle, &op) };
//! # // SAFETY: This is the reference of above.
//! # unsafe { bindings::put_device(&raw mut (*spi).dev) };
//! # assert_eq!(to_result(ret), Err(ESHUTDOWN));
//! # Ok::<(), Error>(())
//! ```
//!
//! # Who drops what, and when
//!
//! ```text
//! unbinding a controller                        unbinding a memory
//!
//! Registration::drop()                          Driver::Data dropped, Device still usable
//!   spi_unregister_controller()                 devres: struct spi_mem freed
//!     memories are unbound, as on the right
//!     gate closed: ESHUTDOWN from here
//!     drained: no InFlight, no Guard is left
//!   Operations::RegistrationData dropped: interrupt,
//!     registers, clocks, in the driver's order
//! devres of the parent
//! ```
//!
//! # Soundness
//!
//! 1. [`Registration::new`] is an `unsafe fn`: the registration has to be dropped before its parent
//!    is unbound. *The driver* sees to it, and keeps it in its private data. There is nothing else
//!    that a driver promises.
//! 2. The data of [`InFlight`] is there, and the parent bound, because no callback runs after the
//!    registration has been dropped. *C* sees to it: `spi_unregister_controller()` closes the gate
//!    and drains it, and callbacks that get a proof are called inside only.
//! 3. The data has a shorter lifetime in a callback than it was made with. The callback can neither
//!    choose nor name it: it is generic over it, and borrows the data from the proof.
//! 4. The data of an operation is memory with a valid pointer and length until the callback
//!    returns: *the caller in C* sees to it, as for every driver in C. It may be shared with user
//!    space, and so is a [`DataIn`] or a [`DataOut`]. Lengths without data, and more than a slice
//!    may have, are refused here.
//! 5. A name for a memory is found inside the gate, so that the parent is bound: *C* sees to it,
//!    and fails to bind the memory if the gate is closed.
//! 6. The data of an operation of a memory's driver outlives what hardware does with it. An
//!    operation that has succeeded is over: *drivers of controllers* see to it. One that has failed
//!    need not be, since several drivers in C do not stop their hardware when it times out, so its
//!    [`Buffer`] is leaked. What that costs is the memory, for each failed operation.
//! 7. C keeps no pointer to the operation itself, whatever becomes of it: *C* sees to it.
//! 8. A [`Device`] is valid for as long as the driver is bound: `struct spi_mem` is devres', which
//!    runs after the driver core has dropped the driver's private data.
//! 9. What the driver core takes for that private data is such: `spi-mem` in C keeps its own
//!    pointer elsewhere than in the driver data of the device.
//! 10. A [`Guard`] leaves the gate in the task that has entered: it is not `Send`.
//! 11. Some drivers of controllers in C write beyond their own buffers when an operation is longer
//!     than their `adjust_op_size()` allows. [`Guard::read`] and [`Guard::write`] ask it, and
//!     addresses have no more than [`Address::MAX`] bytes.
//!
//! On a kernel whose `spi_unregister_controller()` does not drain, the second is false. A callback
//! may then run with an [`InFlight`] while the data is dropped: a [`Registration`] whose only
//! obligation is to be dropped would be unsound.
//!
//! A [`Guard`] that is leaked, and an operation that its driver does not end, make unbinding wait
//! for ever, which is safe. References to a [`spi::Device`], counted ones included, give access to
//! what stays valid in memory, and to nothing that asks the controller.
//!
//! # Locks
//!
//! From the outside in: the gate; the controller's bus and I/O mutexes (in
//! [`exec_op`](Operations::exec_op)); a driver's own. Waiting, inside the gate, for something that
//! waits for the controller to be unbound is a deadlock.
//!
//! [`DataIn`]: crate::transfer::DataIn
//! [`DataOut`]: crate::transfer::DataOut

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
    spi,
    str::CString,
    types::NotThreadSafe, //
};

use core::marker::PhantomData;

mod buffer;
mod controller;
mod driver;
mod memory;
mod op;

#[cfg(CONFIG_RUST_SPI_MEM_KUNIT_TEST)]
mod tests;

pub use self::{
    buffer::Buffer,
    controller::{
        Controller,
        Registration, //
    },
    driver::{
        Adapter,
        Driver, //
    },
    memory::{
        Device,
        Guard, //
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
/// inside the gate. [`Registration`] cannot be done with dropping while there
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
    data: &'a T::RegistrationData<'a>,
    parent: &'a device::Device<Bound>,
    _not_send: NotThreadSafe,
}

impl<'a, T: Operations> InFlight<'a, T> {
    /// What the driver has registered the controller with.
    #[inline]
    pub fn data(&self) -> &T::RegistrationData<'a> {
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
/// A controller without hardware, and without a driver around it.
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
///     type RegistrationData<'a> = EchoData<'a>;
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
/// let controller = mem::Controller::<Echo>::new(parent, &properties)?;
/// let data = EchoData {
///     executed: Atomic::new(0),
///     parent,
/// };
/// // SAFETY: It is dropped at the end of this example, while the parent is there.
/// let registration = unsafe { mem::Registration::new(controller, data)? };
/// assert_eq!(registration.data().executed.load(Relaxed), 0);
/// # Ok::<(), Error>(())
/// ```
#[vtable]
pub trait Operations: Sized + 'static {
    /// What the callbacks use. It is owned by the [`Registration`], lives no
    /// longer than the parent is bound, and is dropped when no callback can run any more.
    type RegistrationData<'a>: Send + Sync + 'a;

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
    /// They go to who asked for the operation. [`EOPNOTSUPP`] and [`ENOTSUPP`] make the core try it
    /// with an ordinary message before; controllers that have memory operations only have no such
    /// messages, and the caller gets [`ENOTSUPP`].
    fn exec_op<'a>(this: &InFlight<'a, Self>, device: &spi::Device, op: &mut Op<'_>) -> Result;

    /// Whether the controller can do an operation that the core finds nothing wrong with.
    ///
    /// By default, it can. There is no need to repeat what the core has checked: wires,
    /// capabilities and frequencies. `len` is the number of bytes of data; callers that ask about a
    /// kind of operation may leave it 0.
    ///
    /// Context: may sleep, inside the gate; other operations may run at the same time.
    fn supports_op<'a>(
        this: &InFlight<'a, Self>,
        device: &spi::Device,
        op: &OpTemplate,
        len: usize,
    ) -> bool {
        let _ = (this, device, op, len);
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
    fn name(parent: &device::Device<Bound>, device: &spi::Device) -> Result<CString> {
        let _ = (parent, device);
        build_error!(VTABLE_DEFAULT_ERROR)
    }
}

/// For [`Controller`].
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
    unsafe fn devices<'a>(
        mem: *mut bindings::spi_mem,
    ) -> (&'a spi::Device, &'a device::Device<Bound>) {
        // SAFETY: A memory has a device, which has a controller, and that a parent, to which the
        // driver is bound while it is registered.
        unsafe {
            let spi = (*mem).spi;
            let parent = (*(*spi).controller).dev.parent;
            (spi::Device::from_raw(spi), device::Device::from_raw(parent))
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
        f: impl for<'a> FnOnce(&InFlight<'a, T>, &spi::Device) -> R,
    ) -> R {
        // SAFETY: The gate lets nobody in unless the controller is registered.
        let (device, parent) = unsafe { Self::devices(mem) };
        // SAFETY: A device has a controller.
        let data = unsafe { bindings::spi_controller_get_devdata((*device.as_raw()).controller) };

        // SAFETY: `Registration` has put it there before the gate was opened, and does not drop
        // it before everybody has left; we are inside. The lifetime is shortened from that of the
        // registration, which `f` cannot take advantage of.
        let data = unsafe { &*data.cast::<T::RegistrationData<'_>>() };

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
            unsafe { Self::in_flight(mem, |this, device| T::exec_op(this, device, &mut op)) }?;
            Ok(0)
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
        let raw = unsafe { &*op };
        let Ok(op) = OpTemplate::from_raw(raw) else {
            return false;
        };
        // CAST: `u32` fits into `usize`.
        let len = raw.data.nbytes as usize;

        // SAFETY: By the requirements of this function.
        unsafe { Self::in_flight(mem, |this, device| T::supports_op(this, device, &op, len)) }
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
