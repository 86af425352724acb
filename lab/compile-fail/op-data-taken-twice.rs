//@ error: E0499

//! The bytes of an operation are there once, though they can be had one time after the other.

use kernel::spi::mem::{Data, Op};

/// Has them twice at a time.
pub fn exec(op: &mut Op<'_>) -> usize {
    let first = op.data();
    //@ twin: let second = Data::None;
    let second: Data<'_> = op.data();

    first.len() + second.len()
}
