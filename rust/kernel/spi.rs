// SPDX-License-Identifier: GPL-2.0

//! Abstractions for SPI controllers and SPI memories.
//!
//! C headers: [`include/linux/spi/spi.h`](srctree/include/linux/spi/spi.h) and
//! [`include/linux/spi/spi-mem.h`](srctree/include/linux/spi/spi-mem.h)
//!
//! There are two sides:
//!
//! - Drivers of controllers implement [`mem::Operations`], make a [`Controller`] and register it.
//!   Their callbacks get a [`mem::InFlight`].
//! - Drivers of flash chips and the like implement [`mem::Driver`], and get a [`mem::Mem`], with
//!   which they execute operations: one by one, or several in a [`mem::Guard`].
//!
//! In between is the gate of the controller, which every operation enters and leaves. A proof on
//! one side, and a guard on the other, are values that stand for being inside.
//!
//! # Who drops what, and when
//!
//! ```text
//! unbinding a controller                        unbinding a memory
//!
//! Registration::drop()                          Driver::unbind()
//!   spi_unregister_controller()                 Driver::Data dropped: Mem, still usable
//!     memories are unbound, as on the right     devres: struct spi_mem freed
//!     gate closed: ESHUTDOWN from here
//!     drained: no InFlight, no Guard is left
//!   Operations::Data dropped: interrupt,
//!     registers, clocks, in the driver's order
//! devres of the parent
//! ```
//!
//! # Soundness
//!
//! What is unsafe in here, what it is obliged to, and who sees to it:
//!
//! 1. [`Registration::new`] is an `unsafe fn`: the registration has to be dropped before its parent
//!    is unbound. *The driver* sees to it, and keeps it in its private data. There is nothing else
//!    that a driver promises.
//! 2. The data of [`InFlight`](mem::InFlight) is there, and the parent bound, since no callback
//!    runs after the registration has been dropped. *C* sees to it: `spi_unregister_controller()`
//!    closes the gate and drains it, and callbacks that get a proof are called inside only.
//! 3. The data has a shorter lifetime in a callback than it was made with. The callback can neither
//!    choose nor name it: it is generic over it, and borrows the data from the proof.
//! 4. The data of an operation is a slice for a controller's driver. Its pointer and length are
//!    valid, and for reads it is exclusive: *the caller in C* sees to it, as for every driver in
//!    C. Lengths without data, and more than a slice may have, are refused here.
//! 5. C keeps no pointer into the [`Op`](mem::Op) of a memory's driver. *C* sees to it: an
//!    operation that has returned is over, also if it has failed.
//! 6. The pointer of a [`Mem`](mem::Mem) is valid: `struct spi_mem` is devres', which runs after
//!    the hook by which the driver core drops the driver's private data.
//! 7. What the driver core takes for that private data is such: `spi-mem` in C keeps its own
//!    pointer elsewhere than in the driver data of the device.
//! 8. A [`Guard`](mem::Guard) leaves the gate in the task that has entered: it is not `Send`.
//! 9. Handles are `Send` and `Sync`: the functions of C behind them lock for themselves.
//!
//! The second is where it would fail on a kernel whose `spi_unregister_controller()` does not
//! drain. There, a callback can be running, with an [`InFlight`](mem::InFlight) in its hands, when
//! that function has returned and the data is dropped: a [`Registration`] whose only obligation is
//! to be dropped would be unsound. The test `op_in_flight_delays_drop` fails if the drain is
//! taken away.
//!
//! To forget what should be dropped: a [`mem::Guard`] that is leaked makes unbinding wait for ever.
//! So does an operation that its driver does not end. Neither makes anything unsafe.
//!
//! # Locks
//!
//! From the outside in: the gate; the controller's bus and I/O mutexes (in
//! [`exec_op`](mem::Operations::exec_op)); a driver's own. The gate is no lock, but waiting, inside
//! it, for something that waits for the controller to be unbound is a deadlock all the same.

mod controller;
mod device;
pub mod mem;

#[cfg(CONFIG_RUST_SPI_MEM_KUNIT_TEST)]
mod tests;

pub use self::{
    controller::{
        Controller,
        Mode,
        Modes,
        Properties,
        Registration, //
    },
    device::Device, //
};
