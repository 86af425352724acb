//@ error: E0277

//! A guard cannot be kept in a static: it would be every task's.

use kernel::spi::mem::Guard;

/// A place to keep something in.
#[derive(Clone, Copy)]
pub enum Kept<T> {
    /// As in the static.
    Nothing,
    /// What somebody might put there.
    Something(T),
}

/// Names the type in both versions.
pub type Inside = Guard<'static>;

//@ twin: static KEPT: Kept<u32> = Kept::Nothing;
static KEPT: Kept<Inside> = Kept::Nothing;

/// Uses it.
pub fn kept() -> bool {
    !matches!(KEPT, Kept::Nothing)
}
