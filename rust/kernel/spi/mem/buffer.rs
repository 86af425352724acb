// SPDX-License-Identifier: GPL-2.0

//! Data that a controller may use for DMA.

use crate::{
    alloc::Flags,
    prelude::*, //
};

use core::{
    mem::ManuallyDrop,
    ops::{
        Deref,
        DerefMut, //
    }, //
};

/// A buffer for the data of operations, in memory of `kmalloc()`.
///
/// The SPI core refuses data on the stack, and controllers map data for DMA as they find it.
///
/// An operation takes the buffer and returns it when it has succeeded. When it has failed, the
/// memory is leaked: some controllers are not stopped when an operation times out, and may go on
/// writing to the memory, or reading from it, at any later time. The cost is that memory, for each
/// failed operation, until the next boot; a driver that repeats operations which fail bounds how
/// often.
///
/// # Examples
///
/// ```
/// use kernel::spi::mem::Buffer;
///
/// let mut buffer = Buffer::new(8, GFP_KERNEL)?;
/// buffer.set_len(3)?;
/// buffer.copy_from_slice(b"abc");
/// assert!(buffer.set_len(9).is_err());
/// buffer.set_len(8)?;
/// assert_eq!(buffer[..], *b"abc\0\0\0\0\0");
/// # Ok::<(), Error>(())
/// ```
///
/// # Invariants
///
/// The memory comes from `kmalloc()`, and `len` is not more than it has.
pub struct Buffer {
    memory: KVec<u8>,
    len: usize,
}

impl Buffer {
    /// A buffer of `len` bytes, all of them zero.
    ///
    /// # Errors
    ///
    /// [`ENOMEM`], also for lengths that `kmalloc()` never has.
    pub fn new(len: usize, flags: Flags) -> Result<Self> {
        // INVARIANT: That is where a `KVec` has its elements.
        Ok(Self {
            memory: KVec::from_elem(0, len, flags)?,
            len,
        })
    }

    /// Uses the first `len` bytes only; what the others hold does not change.
    ///
    /// # Errors
    ///
    /// [`EINVAL`] if that is more than the buffer was made with.
    pub fn set_len(&mut self, len: usize) -> Result {
        if len > self.memory.len() {
            return Err(EINVAL);
        }
        // INVARIANT: Just checked.
        self.len = len;
        Ok(())
    }

    /// Calls `f`, and keeps the memory for ever if that fails.
    pub(super) fn lend(self, f: impl FnOnce(*mut u8) -> Result) -> Result<Self> {
        let mut this = ManuallyDrop::new(self);

        f(this.memory.as_mut_ptr())?;
        Ok(ManuallyDrop::into_inner(this))
    }
}

impl Deref for Buffer {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        // By the type's invariant, it is not out of bounds.
        &self.memory[..self.len]
    }
}

impl DerefMut for Buffer {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        // By the type's invariant, it is not out of bounds.
        &mut self.memory[..self.len]
    }
}
