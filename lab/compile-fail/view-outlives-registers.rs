//@ error: E0505

//! A range of I/O memory is there as long as that is mapped.

use kernel::io::mem::IoMem;
use kernel::io::{io_project, Io};
use kernel::prelude::*;

/// Copies from what is not mapped any more.
pub fn copy(outer: IoMem<'_>, inner: IoMem<'_>, buffer: &mut [u8]) -> Result {
    let _ = (&outer, &inner);
    //@ twin: let view = io_project!(&outer, [try: 0..4]);
    let view = io_project!(&inner, [try: 0..4]);

    drop(inner);
    view.copy_to_slice(buffer);
    Ok(())
}
