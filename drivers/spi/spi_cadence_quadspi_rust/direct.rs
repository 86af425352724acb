// SPDX-License-Identifier: GPL-2.0

//! Direct accesses: the flash is memory, and the controller does what the CPU asks for, in the
//! window.

use super::protocol::Execution;
use kernel::{
    io::io_project,
    prelude::*,
    transfer::{
        DataIn,
        DataOut, //
    }, //
};

use core::ops::Range;

/// Reads `data` from `range`, as long as that is.
pub(crate) fn read(
    execution: &Execution<'_, '_>,
    range: Range<usize>,
    mut data: DataIn<'_>,
) -> Result {
    data.copy_from_io(io_project!(&execution.qspi.window, [try: range]))
}

/// Writes `data` to `range`, as long as that is.
pub(crate) fn write(
    execution: &Execution<'_, '_>,
    range: Range<usize>,
    data: DataOut<'_>,
) -> Result {
    data.copy_to_io(io_project!(&execution.qspi.window, [try: range]))?;
    // The last of it may be on the way.
    execution.wait_idle()
}
