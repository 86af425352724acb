// SPDX-License-Identifier: GPL-2.0

//! Memory technology devices (MTD): flash memories and others that are not block devices.
//!
//! C header: [`include/linux/mtd/mtd.h`](srctree/include/linux/mtd/mtd.h)
//!
//! A driver implements [`Operations`] and owns a [`Registration`]. Users (`/dev/mtdN`, UBI, file
//! systems, NVMEM cells) hold handles, which belong to the MTD core and may outlive the driver: see
//! [`Documentation/driver-api/mtd/lifetime.rst`]. The driver counts nothing. Dropping the
//! registration unregisters the MTD, waits for operations in flight, and makes later ones fail with
//! `ENODEV`.
//!
//! [`Documentation/driver-api/mtd/lifetime.rst`]: srctree/Documentation/driver-api/mtd/lifetime.rst
//!
//! # Examples
//!
//! A driver of NOR flash that is simulated in RAM. The device table and `module_platform_driver!`
//! are left out.
//!
//! ```
//! use kernel::{
//!     device::Core,
//!     mtd::{
//!         self,
//!         InFlight,
//!         Properties, //
//!     },
//!     new_mutex,
//!     platform,
//!     sync::Mutex,
//!     transfer::{
//!         DataIn,
//!         DataOut,
//!         Incomplete, //
//!     }, //
//! };
//! use core::ops::Range;
//!
//! struct Memory;
//!
//! /// A size that is not a multiple of the erase size would fail to compile.
//! const PROPERTIES: Properties<'static> = Properties::nor(0x4000, 0x1000).unwrap();
//!
//! /// What the callbacks use. A real driver has registers, clocks or an SPI device here.
//! #[pin_data]
//! struct State {
//!     #[pin]
//!     bytes: Mutex<KVVec<u8>>,
//! }
//!
//! /// Converts a range to an index.
//! fn index(from: u64, len: usize) -> Result<Range<usize>> {
//!     let start = usize::try_from(from)?;
//!
//!     Ok(start..start.checked_add(len).ok_or(EINVAL)?)
//! }
//!
//! #[vtable]
//! impl mtd::Operations for Memory {
//!     type RegistrationData<'a> = State;
//!
//!     fn read<'a>(
//!         this: &InFlight<'a, Self>,
//!         from: u64,
//!         mut data: DataIn<'_>,
//!     ) -> Result<(), Incomplete> {
//!         let bytes = this.data().bytes.lock();
//!
//!         data.copy_from(bytes.get(index(from, data.len())?).ok_or(EINVAL)?);
//!         Ok(())
//!     }
//!
//!     fn write<'a>(
//!         this: &InFlight<'a, Self>,
//!         to: u64,
//!         data: DataOut<'_>,
//!     ) -> Result<(), Incomplete> {
//!         let mut bytes = this.data().bytes.lock();
//!         let old = bytes.get_mut(index(to, data.len())?).ok_or(EINVAL)?;
//!         let mut new = KVVec::from_elem(0, data.len(), GFP_KERNEL).map_err(Error::from)?;
//!
//!         // User space may change the data at any time: copy it once, and use the copy.
//!         data.copy_to(&mut new);
//!         for (old, new) in old.iter_mut().zip(&new) {
//!             *old &= new;
//!         }
//!         Ok(())
//!     }
//!
//!     fn erase<'a>(this: &InFlight<'a, Self>, range: Range<u64>) -> Result<(), Incomplete> {
//!         const BLOCK: u64 = 0x1000;
//!         let mut done = 0;
//!
//!         // Unregistering waits for this, so end early.
//!         while done < range.end - range.start {
//!             if this.is_gone() {
//!                 return Err(Incomplete::new(done, ENODEV));
//!             }
//!             let block = index(range.start + done, BLOCK as usize)?;
//!             this.data().bytes.lock().get_mut(block).ok_or(EINVAL)?.fill(0xff);
//!             done += BLOCK;
//!         }
//!         Ok(())
//!     }
//! }
//!
//! impl platform::Driver for Memory {
//!     type IdInfo = ();
//!     // Dropped, and thus unregistered, when the driver is unbound.
//!     type Data<'bound> = mtd::Registration<'bound, Self>;
//!
//!     fn probe<'bound>(
//!         pdev: &'bound platform::Device<Core<'_>>,
//!         _info: Option<&'bound ()>,
//!     ) -> impl PinInit<Self::Data<'bound>, Error> + 'bound {
//!         let bytes = KVVec::from_elem(0xff, usize::try_from(PROPERTIES.size())?, GFP_KERNEL)?;
//!         let state = pin_init!(State {
//!             bytes <- new_mutex!(bytes),
//!         });
//!
//!         // SAFETY: It is the driver's data, which is dropped before the device is unbound.
//!         unsafe { mtd::Registration::new(pdev.as_ref(), &PROPERTIES, state) }
//!     }
//! }
//! #
//! # // In place of firmware that describes the device, of a module, and of users.
//! # use kernel::{bindings, driver, error::to_result, ThisModule};
//! #
//! # // SAFETY: This is what code has that is built in.
//! # static MODULE: ThisModule = unsafe { ThisModule::from_ptr(core::ptr::null_mut()) };
//! # const NAME: &CStr = c"rust-mtd-example";
//! #
//! # let _driver = KBox::pin_init(
//! #     driver::Registration::<platform::Adapter<Memory>>::new(NAME, &MODULE),
//! #     GFP_KERNEL,
//! # )?;
//! # // SAFETY: The name is copied.
//! # let pdev = unsafe { bindings::platform_device_alloc(NAME.as_char_ptr(), -1) };
//! # assert!(!pdev.is_null());
//! # // SAFETY: It was allocated just now.
//! # to_result(unsafe { bindings::platform_device_add(pdev) })?;
//! #
//! # // SAFETY: The name is a string.
//! # let handle = unsafe { bindings::get_mtd_device_nm(NAME.as_char_ptr()) };
//! # let handle = kernel::error::from_err_ptr(handle)?;
//! # let mut retlen = 0;
//! # let mut word = *b"\x0f\xf0";
//! # // SAFETY: There is a handle, and the data is as long as said.
//! # let ret = unsafe { bindings::mtd_write(handle, 0xfff, 2, &mut retlen, word.as_ptr()) };
//! # assert_eq!((ret, retlen), (0, 2));
//! # let mut erase = bindings::erase_info::default();
//! # (erase.addr, erase.len) = (0x1000, 0x1000);
//! # // SAFETY: There is a handle.
//! # assert_eq!(unsafe { bindings::mtd_erase(handle, &mut erase) }, 0);
//! # // SAFETY: There is a handle, and the buffer is as long as said.
//! # let ret = unsafe { bindings::mtd_read(handle, 0xfff, 2, &mut retlen, word.as_mut_ptr()) };
//! # assert_eq!((ret, retlen, word), (0, 2, *b"\x0f\xff"));
//! #
//! # // SAFETY: It was added above.
//! # unsafe { bindings::platform_device_unregister(pdev) };
//! # // SAFETY: The handle is still held.
//! # let ret = unsafe { bindings::mtd_read(handle, 0, 2, &mut retlen, word.as_mut_ptr()) };
//! # // SAFETY: It was got above.
//! # unsafe { bindings::put_mtd_device(handle) };
//! # assert_eq!(to_result(ret), Err(ENODEV));
//! # Ok::<(), Error>(())
//! ```
//!
//! # Soundness
//!
//! What the unsafe code relies on, and who guarantees it:
//!
//! 1. The registration is dropped before its parent is unbound. *The driver*: it keeps the
//!    registration in its private data. This is the safety requirement of [`Registration::new`].
//! 2. No callback runs after `mtd_device_unregister()` has returned, so the data of an [`InFlight`]
//!    is valid. *C*: the function closes the gate of the MTD and waits for operations that are
//!    inside, and a driver is only called inside.
//! 3. A callback cannot keep the data, whose lifetime is shortened for it. *The compiler*: the
//!    callback is generic over that lifetime and borrows the data from the proof. It cannot put
//!    what it borrowed elsewhere into the data, either.
//! 4. The buffer of an operation is valid for its length. *The caller in C*, as for every driver in
//!    C. Others may access it at the same time, since `O_DIRECT` on `/dev/mtdblockN` passes pages
//!    of user space. It is therefore a [`DataIn`] or a [`DataOut`] and not a slice.
//! 5. The `struct mtd_info` of a registration is not used after that has been dropped. *C*: users
//!    hold handles, which are copies of it.
//!
//! If `mtd_device_unregister()` did not wait for operations, 2 and 5 would not hold. The test
//! `op_in_flight_delays_drop` checks that it does.

use crate::{
    bindings,
    device::{
        self,
        Bound, //
    },
    error::{
        to_result,
        VTABLE_DEFAULT_ERROR, //
    },
    prelude::*,
    transfer::{
        DataIn,
        DataOut,
        Incomplete, //
    },
    types::{
        NotThreadSafe,
        Opaque, //
    }, //
};

use core::{
    convert::Infallible,
    marker::PhantomData,
    ops::Range,
    ptr::NonNull, //
};

mod properties;
#[cfg(CONFIG_RUST_MTD_KUNIT_TEST)]
mod tests;

pub use self::properties::Properties;

/// Proof that the MTD is registered, and that unregistering waits for the caller.
///
/// Only callbacks get one, for as long as they run. Dropping the [`Registration`] waits for them,
/// so the data that it owns is valid.
///
/// A callback cannot choose the lifetime `'a`. What it borrows from the proof ends with the proof:
/// no part of the data can be kept, not even in the data itself.
///
/// # Invariants
///
/// This task is inside the gate of the MTD that `mtd` describes, which is registered for `T`, and
/// stays there for all of `'a`. `data` is what the MTD was registered with.
pub struct InFlight<'a, T: Operations> {
    mtd: NonNull<bindings::mtd_info>,
    data: &'a T::RegistrationData<'a>,
    _not_send: NotThreadSafe,
}

impl<'a, T: Operations> InFlight<'a, T> {
    /// The data that the driver has registered the MTD with.
    #[inline]
    pub fn data(&self) -> &T::RegistrationData<'a> {
        self.data
    }

    /// Returns whether the MTD is being unregistered, which waits for this operation.
    ///
    /// Operations with many steps may check this between two of them and fail with [`ENODEV`].
    ///
    /// Context: any.
    #[inline]
    pub fn is_gone(&self) -> bool {
        // SAFETY: By the type's invariant, this is the structure of a registered MTD.
        unsafe { bindings::mtd_is_gone(self.mtd.as_ptr()) }
    }
}

/// The callbacks of an MTD, in a C
/// [`struct mtd_info`](srctree/include/linux/mtd/mtd.h).
///
/// Operations may run concurrently. A driver that has to serialize them has a lock in its data.
///
/// The core has checked that ranges are within the device.
///
/// # Errors
///
/// An operation that fails reports how much it has done, which `read()` of `/dev/mtdN`, for
/// example, passes on to user space. An [`Error`] converts to an [`Incomplete`] with nothing done.
///
/// To the core, [`EUCLEAN`] and [`EBADMSG`] mean that all was read and that bits had flipped. Error
/// correction is not supported yet, so both are replaced by [`EIO`].
#[vtable]
pub trait Operations: Sized + 'static {
    /// What the callbacks use. The [`Registration`] owns it, and drops it while the parent is still
    /// bound, after the last callback has returned.
    type RegistrationData<'a>: Send + Sync + 'a;

    /// Fills `data` with what is at `from`.
    ///
    /// Context: may sleep.
    fn read<'a>(this: &InFlight<'a, Self>, from: u64, data: DataIn<'_>) -> Result<(), Incomplete>;

    /// Writes `data` to `to`.
    ///
    /// Context: may sleep.
    fn write<'a>(this: &InFlight<'a, Self>, to: u64, data: DataOut<'_>) -> Result<(), Incomplete>;

    /// Erases whole blocks.
    ///
    /// An MTD must have this callback if its [`Properties`] have an erase size, and must not have
    /// it otherwise.
    ///
    /// Context: may sleep.
    fn erase<'a>(this: &InFlight<'a, Self>, range: Range<u64>) -> Result<(), Incomplete> {
        let _ = (this, range);
        build_error!(VTABLE_DEFAULT_ERROR)
    }
}

/// The callbacks of `T`, for C.
struct Callbacks<T: Operations>(PhantomData<T>);

impl<T: Operations> Callbacks<T> {
    /// Calls `f` with a proof that it is in flight.
    ///
    /// Since `f` is generic over the lifetime of the data, it can neither leak the data nor store
    /// in it what it borrowed elsewhere.
    ///
    /// # Safety
    ///
    /// `mtd` is what a callback of an MTD for `T` was called with, and the callback does not return
    /// before this does.
    unsafe fn in_flight<R>(
        mtd: NonNull<bindings::mtd_info>,
        f: impl for<'a> FnOnce(&InFlight<'a, T>) -> R,
    ) -> R {
        // SAFETY: `Registration` has set the pointer before it registered the MTD, and does not
        // drop the data before all callbacks have returned. `f` cannot exploit that the lifetime is
        // shorter than that of the registration.
        let data = unsafe { &*(*mtd.as_ptr()).priv_.cast::<T::RegistrationData<'_>>() };

        // INVARIANT: By the requirements of this function; the lifetime of a proof that is borrowed
        // by `f` is over when that returns.
        f(&InFlight {
            mtd,
            data,
            _not_send: NotThreadSafe,
        })
    }

    /// # Safety
    ///
    /// C calls this for an MTD that is registered for `T`, inside its gate. `buf` is valid for
    /// writes of `len` bytes, except that others may access them, and `retlen` is valid.
    unsafe extern "C" fn read(
        mtd: *mut bindings::mtd_info,
        from: bindings::loff_t,
        len: usize,
        retlen: *mut usize,
        buf: *mut u8,
    ) -> c_int {
        let done = range(mtd, from, len, buf).and_then(|(mtd, from, buf)| {
            // SAFETY: By the requirements of this function, and the length was checked.
            let data = unsafe { DataIn::from_raw(buf, len) };

            // SAFETY: By the requirements of this function.
            unsafe { Self::in_flight(mtd, |this| T::read(this, from, data)) }
        });

        // SAFETY: By the requirements of this function.
        report(done, len, unsafe { &mut *retlen })
    }

    /// # Safety
    ///
    /// As for `read`, but `buf` is valid for reads.
    unsafe extern "C" fn write(
        mtd: *mut bindings::mtd_info,
        to: bindings::loff_t,
        len: usize,
        retlen: *mut usize,
        buf: *const u8,
    ) -> c_int {
        let done = range(mtd, to, len, buf.cast_mut()).and_then(|(mtd, to, buf)| {
            // SAFETY: By the requirements of this function, and the length was checked.
            let data = unsafe { DataOut::from_raw(buf, len) };

            // SAFETY: By the requirements of this function.
            unsafe { Self::in_flight(mtd, |this| T::write(this, to, data)) }
        });

        // SAFETY: By the requirements of this function.
        report(done, len, unsafe { &mut *retlen })
    }

    /// # Safety
    ///
    /// C calls this for an MTD that is registered for `T`, inside its gate, with a valid `instr`
    /// that is the caller's alone.
    unsafe extern "C" fn erase(
        mtd: *mut bindings::mtd_info,
        instr: *mut bindings::erase_info,
    ) -> c_int {
        // SAFETY: By the requirements of this function.
        let (instr, block) = unsafe { (&mut *instr, u64::from((*mtd).erasesize)) };
        let Some(mtd) = NonNull::new(mtd) else {
            return EINVAL.to_errno();
        };

        // The core does not check this. The size of a block is a power of two.
        if (instr.addr | instr.len) & block.wrapping_sub(1) != 0 {
            return EINVAL.to_errno();
        }
        let Some(end) = instr.addr.checked_add(instr.len) else {
            return EINVAL.to_errno();
        };

        // SAFETY: By the requirements of this function.
        match unsafe { Self::in_flight(mtd, |this| T::erase(this, instr.addr..end)) } {
            Ok(()) => 0,
            Err(failed) => {
                instr.fail_addr = instr.addr + failed.done().min(instr.len);
                failed.error().to_errno()
            }
        }
    }
}

/// Checks the arguments of an operation. The core passes NULL as an empty buffer.
fn range(
    mtd: *mut bindings::mtd_info,
    from: bindings::loff_t,
    len: usize,
    buf: *mut u8,
) -> Result<(NonNull<bindings::mtd_info>, u64, NonNull<u8>), Incomplete> {
    let mtd = NonNull::new(mtd).ok_or(EINVAL)?;
    let from = u64::try_from(from)?;
    let buf = match len {
        0 => NonNull::dangling(),
        _ => NonNull::new(buf).ok_or(EINVAL)?,
    };

    isize::try_from(len)?;
    Ok((mtd, from, buf))
}

/// Converts the result of an operation for C.
fn report(done: Result<(), Incomplete>, len: usize, retlen: &mut usize) -> c_int {
    match done {
        Ok(()) => {
            *retlen = len;
            0
        }
        Err(failed) => {
            *retlen = usize::try_from(failed.done()).map_or(len, |done| done.min(len));
            match failed.error() {
                EUCLEAN | EBADMSG => EIO.to_errno(),
                error => error.to_errno(),
            }
        }
    }
}

/// A registered MTD, with the data that its callbacks use.
///
/// Users find the MTD, or the partitions that the firmware describes, before [`Registration::new`]
/// returns. Callbacks of `T` get the data from their [`InFlight`].
///
/// Dropping the registration is `mtd_device_unregister()`. Users are notified while operations
/// still work. Then new operations fail with `ENODEV`, and those in flight are waited for. The data
/// is dropped last. A driver keeps the registration in its private data, and orders the fields of
/// the data as they are to be dropped. A command that must be the last one on the device belongs
/// into the [`Drop`] of the data.
///
/// Context: dropping it may sleep, for as long as operations of the driver take. It must not be
/// dropped inside an operation, nor with a lock held that an operation takes.
///
/// # Invariants
///
/// `mtd` is registered with the callbacks of `T`, and its private pointer is `_data`.
pub struct Registration<'bound, T: Operations> {
    mtd: Pin<KBox<Opaque<bindings::mtd_info>>>,
    _data: Pin<KBox<T::RegistrationData<'bound>>>,
    _parent: PhantomData<&'bound device::Device<Bound>>,
}

impl<'bound, T: Operations> Registration<'bound, T> {
    /// Registers an MTD of the device `parent`, with `data` for its callbacks.
    ///
    /// Its device tree node is that of `parent`. If that or the command line describes partitions,
    /// these are registered in its place, as for drivers in C.
    ///
    /// Context: may sleep.
    ///
    /// # Errors
    ///
    /// - [`EINVAL`] if only one of `T` and `properties` has [`erase`](Operations::erase);
    /// - [`ENOMEM`];
    /// - those of the initializer and of `mtd_device_register()`.
    ///
    /// No callback runs after it has failed.
    ///
    /// # Safety
    ///
    /// Callers must not forget the registration or otherwise prevent it from being dropped before
    /// the end of `'bound`.
    pub unsafe fn new<E>(
        parent: &'bound device::Device<Bound>,
        properties: &Properties<'bound>,
        data: impl PinInit<T::RegistrationData<'bound>, E>,
    ) -> Result<Self>
    where
        Error: From<E>,
    {
        if T::HAS_ERASE != properties.has_erase() {
            return Err(EINVAL);
        }

        let data = KBox::pin_init(data, GFP_KERNEL)?;
        let mtd = KBox::pin_init::<Infallible>(
            pin_init::init_zeroed::<Opaque<bindings::mtd_info>>(),
            GFP_KERNEL,
        )?;
        let raw = mtd.get();

        // SAFETY: Nobody else uses the structure before it is registered. It may be zero otherwise,
        // as C drivers have it. `parent` is a valid device.
        unsafe {
            properties.apply(raw);
            // Callbacks shorten the lifetime again, see `InFlight`.
            (*raw).priv_ = core::ptr::from_ref(&*data).cast_mut().cast();
            (*raw)._read = Some(Callbacks::<T>::read);
            (*raw)._write = Some(Callbacks::<T>::write);
            if T::HAS_ERASE {
                (*raw)._erase = Some(Callbacks::<T>::erase);
            }
            (*raw).dev.parent = parent.as_raw();
            // Sets the name to the label in the device tree, if there is one.
            bindings::mtd_set_of_node(raw, (*parent.as_raw()).of_node);
            if (*raw).name.is_null() {
                (*raw).name = properties.name_ptr();
            }
        }

        // SAFETY: The structure is not registered, and is pinned. It and what its callbacks use
        // stay until it is unregistered, or until registering has failed, after which no callback
        // runs.
        to_result(unsafe {
            bindings::mtd_device_parse_register(
                raw,
                core::ptr::null(),
                core::ptr::null_mut(),
                core::ptr::null(),
                0,
            )
        })?;

        // INVARIANT: Done just now.
        Ok(Self {
            mtd,
            _data: data,
            _parent: PhantomData,
        })
    }
}

impl<T: Operations> Drop for Registration<'_, T> {
    fn drop(&mut self) {
        // No callback runs when this has returned, and none can start. The data is dropped next.
        //
        // SAFETY: By the type's invariant. The parent is still bound, since `'bound` has not ended.
        unsafe { bindings::mtd_device_unregister(self.mtd.get()) };
    }
}

// SAFETY: `mtd_device_unregister()` can be called by any task that may sleep, and the data is
// `Send`.
unsafe impl<T: Operations> Send for Registration<'_, T> {}

// SAFETY: A shared reference gives access to nothing.
unsafe impl<T: Operations> Sync for Registration<'_, T> {}
