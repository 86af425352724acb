// SPDX-License-Identifier: GPL-2.0

//! Memory that a driver transfers to or from hardware, and that may be used by others meanwhile.

use crate::{
    bindings,
    io::{
        self,
        Io,
        IoCopyable,
        IoLoc,
        IoRepCapable,
        Mmio,
        MmioBackend, //
    },
    prelude::*, //
};

use core::{
    marker::PhantomData,
    ptr::NonNull, //
};

/// Memory that an operation of a driver fills.
///
/// It is no slice, because it may be shared. A read of an MTD's block device with `O_DIRECT` fills
/// pages of user space, which other threads can access at the same time. Bytes can be copied to it,
/// but not read back: a driver that has to look at what it received does so before.
///
/// # Examples
///
/// ```
/// use kernel::transfer::DataIn;
///
/// let mut bytes = [0; 8];
/// let (mut first, mut rest) = DataIn::from_slice(&mut bytes).split_at(3);
///
/// first.fill(1);
/// assert_eq!(rest.copy_from(&[2; 4]), 4);
/// assert_eq!((first.len(), rest.len()), (3, 5));
/// let (_, mut last) = rest.split_at(4);
/// assert_eq!(last.copy_from(&[3; 4]), 1);
/// assert_eq!(last.copy_from(&[]), 0);
/// let (last, mut none) = last.split_at(2);
/// assert_eq!((last.len(), none.copy_from(&[4])), (1, 0));
/// assert!(none.is_empty());
/// assert_eq!(bytes, [1, 1, 1, 2, 2, 2, 2, 3]);
/// ```
///
/// # Invariants
///
/// `ptr` is valid for writes of `len` bytes for all of `'buf`, and they are no more than a slice
/// may have. Others may access them at the same time.
pub struct DataIn<'buf> {
    ptr: NonNull<u8>,
    len: usize,
    _buf: PhantomData<&'buf ()>,
}

// SAFETY: It is memory of no task in particular.
unsafe impl Send for DataIn<'_> {}

// SAFETY: A shared reference gives access to the length only.
unsafe impl Sync for DataIn<'_> {}

impl<'buf> DataIn<'buf> {
    /// Memory of C.
    ///
    /// # Safety
    ///
    /// `ptr` is valid for writes of `len` bytes for all of `'buf`, except that others may access
    /// them at the same time, and `len` is not more than [`isize::MAX`].
    #[inline(always)]
    pub unsafe fn from_raw(ptr: NonNull<u8>, len: usize) -> Self {
        // INVARIANT: By the requirements of this function.
        Self {
            ptr,
            len,
            _buf: PhantomData,
        }
    }

    /// All of `bytes`.
    #[inline]
    pub fn from_slice(bytes: &'buf mut [u8]) -> Self {
        // SAFETY: It is a slice, and nobody else has it.
        unsafe { Self::from_raw(NonNull::from(&mut *bytes).cast(), bytes.len()) }
    }

    /// The same for a shorter time.
    #[inline]
    pub fn reborrow(&mut self) -> DataIn<'_> {
        // SAFETY: By the type's invariant.
        unsafe { DataIn::from_raw(self.ptr, self.len) }
    }

    fn as_ptr(&self) -> *mut u8 {
        self.ptr.as_ptr()
    }

    /// The number of bytes.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The first `mid` bytes, or all if there are not so many, and the rest.
    #[inline]
    pub fn split_at(self, mid: usize) -> (Self, Self) {
        let mid = mid.min(self.len);

        // SAFETY: By the type's invariant, and `mid` is not beyond the end.
        unsafe {
            (
                Self::from_raw(self.ptr, mid),
                Self::from_raw(self.ptr.add(mid), self.len - mid),
            )
        }
    }

    /// Copies `bytes` to the first bytes, as many as there are of both, and returns how many.
    #[inline]
    pub fn copy_from(&mut self, bytes: &[u8]) -> usize {
        let len = self.len.min(bytes.len());

        // Not `copy_nonoverlapping()`, which others must not interfere with.
        // SAFETY: By the type's invariant, and `len` is not beyond the end of either.
        unsafe { bindings::memcpy(self.as_ptr().cast(), bytes.as_ptr().cast(), len) };
        len
    }

    /// Makes all bytes `byte`.
    #[inline]
    pub fn fill(&mut self, byte: u8) {
        // SAFETY: By the type's invariant.
        unsafe { bindings::memset(self.as_ptr().cast(), byte.into(), self.len) };
    }

    /// Copies all that is in `memory`: [`Io::copy_to_slice`].
    ///
    /// # Errors
    ///
    /// [`EINVAL`], before anything is copied, if that does not have as many bytes.
    #[inline]
    pub fn copy_from_io(&mut self, memory: Mmio<'_, [u8]>) -> Result {
        if memory.len() != self.len {
            return Err(EINVAL);
        }

        // SAFETY: By the type's invariant, and the length is that of `memory`. What an operation
        // fills is no memory of a device, so that they do not overlap.
        unsafe { MmioBackend::copy_from_io(memory, self.as_ptr()) };
        Ok(())
    }

    /// Fills it from the 32-bit data register of a FIFO: [`Io::try_read_rep32`].
    ///
    /// # Errors
    ///
    /// As there.
    #[inline]
    pub fn try_read_rep32<'io, I>(&mut self, io: I, offset: usize) -> Result
    where
        I: Io<'io>,
        usize: IoLoc<I::Target, u32, IoType = u32>,
        I::Backend: IoRepCapable<u32>,
    {
        let buffer = core::ptr::slice_from_raw_parts_mut(self.as_ptr(), self.len);

        // SAFETY: By the type's invariant.
        unsafe { io::try_read_rep32(io, buffer, offset) }
    }
}

/// Memory that an operation of a driver sends.
///
/// It is no slice, because its bytes may change at any time, as those of [`DataIn`] may. A driver
/// that has to look at them copies them once, and looks at the copy.
///
/// # Examples
///
/// ```
/// use kernel::transfer::DataOut;
///
/// let bytes = [1, 1, 1, 2, 2, 2, 2, 3];
/// let mut copy = [0; 4];
/// let (first, rest) = DataOut::from_slice(&bytes).split_at(3);
///
/// assert_eq!(first.copy_to(&mut copy), 3);
/// assert_eq!(copy, [1, 1, 1, 0]);
/// assert_eq!(rest.copy_to(&mut copy), 4);
/// assert_eq!(copy, [2, 2, 2, 2]);
/// let (rest, none) = rest.split_at(6);
/// assert_eq!((rest.len(), none.copy_to(&mut copy)), (5, 0));
/// assert!(none.is_empty());
/// ```
///
/// # Invariants
///
/// `ptr` is valid for reads of `len` bytes for all of `'buf`, and they are no more than a slice may
/// have. Others may access them at the same time.
#[derive(Clone, Copy)]
pub struct DataOut<'buf> {
    ptr: NonNull<u8>,
    len: usize,
    _buf: PhantomData<&'buf ()>,
}

// SAFETY: It is memory of no task in particular.
unsafe impl Send for DataOut<'_> {}

// SAFETY: All that can be done with it is to read, which several tasks may do at a time.
unsafe impl Sync for DataOut<'_> {}

impl<'buf> DataOut<'buf> {
    /// Memory of C.
    ///
    /// # Safety
    ///
    /// `ptr` is valid for reads of `len` bytes for all of `'buf`, except that others may access
    /// them at the same time, and `len` is not more than [`isize::MAX`].
    #[inline(always)]
    pub unsafe fn from_raw(ptr: NonNull<u8>, len: usize) -> Self {
        // INVARIANT: By the requirements of this function.
        Self {
            ptr,
            len,
            _buf: PhantomData,
        }
    }

    /// All of `bytes`.
    #[inline]
    pub fn from_slice(bytes: &'buf [u8]) -> Self {
        // SAFETY: It is a slice.
        unsafe { Self::from_raw(NonNull::from(bytes).cast(), bytes.len()) }
    }

    fn as_ptr(&self) -> *const u8 {
        self.ptr.as_ptr()
    }

    /// The number of bytes.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The first `mid` bytes, or all if there are not so many, and the rest.
    #[inline]
    pub fn split_at(self, mid: usize) -> (Self, Self) {
        let mid = mid.min(self.len);

        // SAFETY: By the type's invariant, and `mid` is not beyond the end.
        unsafe {
            (
                Self::from_raw(self.ptr, mid),
                Self::from_raw(self.ptr.add(mid), self.len - mid),
            )
        }
    }

    /// Copies the first bytes to `bytes`, as many as there are of both, and returns how many.
    #[inline]
    pub fn copy_to(&self, bytes: &mut [u8]) -> usize {
        let len = self.len.min(bytes.len());

        // Not `copy_nonoverlapping()`, which others must not interfere with.
        // SAFETY: By the type's invariant, and `len` is not beyond the end of either.
        unsafe { bindings::memcpy(bytes.as_mut_ptr().cast(), self.as_ptr().cast(), len) };
        len
    }

    /// Copies it to all of `memory`: [`Io::copy_from_slice`].
    ///
    /// # Errors
    ///
    /// [`EINVAL`], before anything is copied, if that does not have as many bytes.
    #[inline]
    pub fn copy_to_io(&self, memory: Mmio<'_, [u8]>) -> Result {
        if memory.len() != self.len {
            return Err(EINVAL);
        }

        // SAFETY: By the type's invariant, and the length is that of `memory`. What an operation
        // sends is no memory of a device, so that they do not overlap.
        unsafe { MmioBackend::copy_to_io(memory, self.as_ptr()) };
        Ok(())
    }

    /// Passes it to the 32-bit data register of a FIFO: [`Io::try_write_rep32`].
    ///
    /// # Errors
    ///
    /// As there.
    #[inline]
    pub fn try_write_rep32<'io, I>(&self, io: I, offset: usize) -> Result
    where
        I: Io<'io>,
        usize: IoLoc<I::Target, u32, IoType = u32>,
        I::Backend: IoRepCapable<u32>,
    {
        let buffer = core::ptr::slice_from_raw_parts(self.as_ptr(), self.len);

        // SAFETY: By the type's invariant.
        unsafe { io::try_write_rep32(io, buffer, offset) }
    }
}

/// The error of an operation on a range of bytes, with the number of bytes that were done.
///
/// An [`Error`], and what converts to one, converts to an `Incomplete` with nothing done.
///
/// # Examples
///
/// ```
/// use kernel::transfer::Incomplete;
///
/// fn read(from: u64) -> Result<(), Incomplete> {
///     let start = usize::try_from(from)?;
///
///     match start {
///         0..0x100 => Ok(()),
///         _ => Err(Incomplete::new(0x10, EIO)),
///     }
/// }
///
/// assert!(read(0).is_ok());
/// assert_eq!(read(0x100), Err(Incomplete::new(0x10, EIO)));
/// assert_eq!(Incomplete::from(EINVAL).done(), 0);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Incomplete {
    done: u64,
    error: Error,
}

impl Incomplete {
    /// An error after `done` bytes from the start.
    #[inline]
    pub const fn new(done: u64, error: Error) -> Self {
        Self { done, error }
    }

    /// The number of bytes that were done.
    #[inline]
    pub const fn done(&self) -> u64 {
        self.done
    }

    /// The error.
    #[inline]
    pub const fn error(&self) -> Error {
        self.error
    }
}

impl<E> From<E> for Incomplete
where
    Error: From<E>,
{
    #[inline]
    fn from(error: E) -> Self {
        Self::new(0, error.into())
    }
}
