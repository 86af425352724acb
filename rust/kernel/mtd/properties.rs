// SPDX-License-Identifier: GPL-2.0

//! What the core is told about an MTD.

use crate::{
    bindings,
    ffi::c_char,
    str::{
        CStr,
        CStrExt as _, //
    }, //
};

/// What kind of memory an MTD is, and its size.
///
/// Only what the core can handle can be represented: it has a `BUG_ON()` and `WARN_ON()`s for what
/// C drivers may forget, and counts blocks in 32 bits. A constant that unwraps what is refused
/// fails to compile.
///
/// # Examples
///
/// ```
/// use kernel::mtd::Properties;
///
/// const SRAM: Properties<'static> = Properties::ram(0x8000).unwrap();
/// const FLASH: Properties<'static> = Properties::nor(0x100_0000, 0x1000).unwrap();
///
/// assert_eq!(SRAM.name(c"settings").size(), 0x8000);
/// // Not a multiple of the erase size.
/// assert!(Properties::nor(0x8800, 0x1000).is_none());
/// # assert_eq!(FLASH.size(), 0x100_0000);
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct Properties<'a> {
    kind: u32,
    flags: u32,
    size: u64,
    /// A power of two, or 0 if nothing has to be erased.
    erase_size: u32,
    name: Option<&'a CStr>,
}

impl<'a> Properties<'a> {
    /// The parts that all kinds have. Offsets in C are signed.
    const fn new(kind: u32, flags: u32, size: u64) -> Option<Self> {
        if size == 0 || size > i64::MAX as u64 {
            return None;
        }

        Some(Self {
            kind,
            flags,
            size,
            erase_size: 0,
            name: None,
        })
    }

    /// RAM of `size` bytes, which need not be erased.
    ///
    /// Returns `None` if `size` is 0 or more than [`i64::MAX`].
    pub const fn ram(size: u64) -> Option<Self> {
        Self::new(bindings::MTD_RAM, bindings::MTD_CAP_RAM, size)
    }

    /// NOR flash of `size` bytes with blocks of `erase_size` bytes.
    ///
    /// Returns `None` if `size` is 0 or more than [`i64::MAX`], if `erase_size` is not a power of
    /// two, if `size` is not a multiple of it, or if there are more than [`u32::MAX`] blocks.
    pub const fn nor(size: u64, erase_size: u32) -> Option<Self> {
        if !erase_size.is_power_of_two()
            || size & (erase_size as u64 - 1) != 0
            || size >> erase_size.ilog2() > u32::MAX as u64
        {
            return None;
        }

        match Self::new(bindings::MTD_NORFLASH, bindings::MTD_CAP_NORFLASH, size) {
            Some(properties) => Some(Self {
                erase_size,
                ..properties
            }),
            None => None,
        }
    }

    /// Sets the name of the MTD. The default is the name of the device. A label in the device tree
    /// has precedence.
    pub const fn name(self, name: &'a CStr) -> Self {
        Self {
            name: Some(name),
            ..self
        }
    }

    /// The size in bytes.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Returns whether blocks have to be erased.
    pub(super) const fn has_erase(&self) -> bool {
        self.erase_size != 0
    }

    /// The name for C, or NULL.
    pub(super) fn name_ptr(&self) -> *const c_char {
        self.name
            .map_or(core::ptr::null(), |name| name.as_char_ptr())
    }

    /// Sets everything but the name.
    ///
    /// # Safety
    ///
    /// `mtd` is valid for writes, and not registered.
    pub(super) unsafe fn apply(&self, mtd: *mut bindings::mtd_info) {
        // SAFETY: By the requirements of this function.
        unsafe {
            // CAST: The kinds are small constants.
            (*mtd).type_ = self.kind as u8;
            (*mtd).flags = self.flags;
            (*mtd).size = self.size;
            (*mtd).erasesize = self.erase_size;
            (*mtd).writesize = 1;
            (*mtd).writebufsize = 1;
        }
    }
}
