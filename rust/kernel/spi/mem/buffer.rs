// SPDX-License-Identifier: GPL-2.0

//! Data that a controller may use for DMA.

use crate::prelude::*;

use core::{
    ops::{
        Deref,
        DerefMut, //
    },
    slice::SliceIndex, //
};

/// Bytes that a controller may use for DMA: neither on the stack nor in `vmalloc()` space.
///
/// This is to [`Buffer`] what [`prim@slice`] is to an array. While it is borrowed for an operation,
/// so is all of the buffer, and the CPU has nothing to do with cache lines that it shares with it.
#[repr(transparent)]
pub struct DmaBytes([u8]);

impl DmaBytes {
    /// # Safety
    ///
    /// The bytes are in a buffer of `kmalloc()`.
    unsafe fn from_slice(bytes: &[u8]) -> &Self {
        // SAFETY: The type is transparent.
        unsafe { &*(core::ptr::from_ref(bytes) as *const Self) }
    }

    /// # Safety
    ///
    /// As for [`DmaBytes::from_slice`].
    unsafe fn from_mut_slice(bytes: &mut [u8]) -> &mut Self {
        // SAFETY: The type is transparent.
        unsafe { &mut *(core::ptr::from_mut(bytes) as *mut Self) }
    }

    /// A part of the bytes; [`EINVAL`] if it is not within them.
    pub fn part(&self, range: impl SliceIndex<[u8], Output = [u8]>) -> Result<&Self> {
        let part = self.0.get(range).ok_or(EINVAL)?;

        // SAFETY: It is in the same buffer.
        Ok(unsafe { Self::from_slice(part) })
    }

    /// A part of the bytes to write to; [`EINVAL`] if it is not within them.
    pub fn part_mut(&mut self, range: impl SliceIndex<[u8], Output = [u8]>) -> Result<&mut Self> {
        let part = self.0.get_mut(range).ok_or(EINVAL)?;

        // SAFETY: It is in the same buffer.
        Ok(unsafe { Self::from_mut_slice(part) })
    }
}

impl Deref for DmaBytes {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl DerefMut for DmaBytes {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

/// A buffer for the data of operations.
///
/// The SPI core refuses data on the stack, and controllers map data for DMA as they find it. So the
/// data of an [`Op`](super::Op) comes out of one of these.
///
/// # Examples
///
/// ```
/// use kernel::spi::mem::Buffer;
///
/// let mut id = Buffer::new(8, GFP_KERNEL)?;
/// assert_eq!(id.part_mut(..3)?.len(), 3);
/// assert!(id.part_mut(..9).is_err());
/// # Ok::<(), Error>(())
/// ```
///
/// # Invariants
///
/// The memory comes from `kmalloc()`.
pub struct Buffer(KVec<u8>);

impl Buffer {
    /// A buffer of `len` bytes, all of them zero.
    ///
    /// # Errors
    ///
    /// [`ENOMEM`], also for lengths that `kmalloc()` never has.
    pub fn new(len: usize, flags: kernel::alloc::Flags) -> Result<Self> {
        // INVARIANT: That is where a `KVec` has its elements.
        Ok(Self(KVec::from_elem(0, len, flags)?))
    }
}

impl Deref for Buffer {
    type Target = DmaBytes;

    #[inline]
    fn deref(&self) -> &DmaBytes {
        // SAFETY: By the type's invariant.
        unsafe { DmaBytes::from_slice(&self.0) }
    }
}

impl DerefMut for Buffer {
    #[inline]
    fn deref_mut(&mut self) -> &mut DmaBytes {
        // SAFETY: By the type's invariant.
        unsafe { DmaBytes::from_mut_slice(&mut self.0) }
    }
}
