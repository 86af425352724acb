// SPDX-License-Identifier: GPL-2.0

//! Direct accesses: the flash is memory, and the controller does what the CPU asks for, in the
//! window.

use super::protocol::Turn;
use kernel::{
    io::{
        io_project,
        Io, //
    },
    prelude::*, //
};

use core::ops::Range;

/// Reads `data` from `range`, as long as that is.
pub(crate) fn read(turn: &Turn<'_, '_>, range: Range<usize>, data: &mut [u8]) -> Result {
    io_project!(&turn.qspi.window, [try: range]).copy_to_slice(data);
    Ok(())
}

/// Writes `data` to `range`, as long as that is.
pub(crate) fn write(turn: &Turn<'_, '_>, range: Range<usize>, data: &[u8]) -> Result {
    io_project!(&turn.qspi.window, [try: range]).copy_from_slice(data);
    // The last of it may be on the way.
    turn.wait_idle()
}
