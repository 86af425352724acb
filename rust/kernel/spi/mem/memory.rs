// SPDX-License-Identifier: GPL-2.0

//! SPI memories, as their drivers use them.

use super::{
    Buffer,
    Direction,
    OpTemplate, //
};
use crate::{
    bindings,
    device::{
        self,
        Bound, //
    },
    error::to_result,
    prelude::*,
    spi,
    types::{
        NotThreadSafe,
        Opaque, //
    }, //
};

use core::marker::PhantomData;

/// A SPI memory: a C [`struct spi_mem`].
///
/// Its SPI device and its controller exist as long as the driver is bound. The controller executes
/// operations as long, too: when it is unbound, its memories are unbound before.
///
/// # Invariants
///
/// A [`Device`] is a valid `struct spi_mem`, whose SPI device is in the state `Ctx`.
///
/// [`struct spi_mem`]: srctree/include/linux/spi/spi-mem.h
#[repr(transparent)]
pub struct Device<Ctx: device::DeviceContext = device::Normal>(
    Opaque<bindings::spi_mem>,
    PhantomData<Ctx>,
);

impl<Ctx: device::DeviceContext> Device<Ctx> {
    fn as_raw(&self) -> *mut bindings::spi_mem {
        self.0.get()
    }
}

impl<Ctx: device::DeviceContext> AsRef<spi::Device<Ctx>> for Device<Ctx> {
    fn as_ref(&self) -> &spi::Device<Ctx> {
        // SAFETY: By the type's invariant; the device of a memory does not change.
        unsafe { spi::Device::from_raw((*self.as_raw()).spi) }
    }
}

impl<Ctx: device::DeviceContext> AsRef<device::Device<Ctx>> for Device<Ctx> {
    fn as_ref(&self) -> &device::Device<Ctx> {
        let spi: &spi::Device<Ctx> = self.as_ref();

        spi.as_ref()
    }
}

// SAFETY: `Device` is a transparent wrapper of a type that does not depend on the generic
// argument.
kernel::impl_device_context_deref!(unsafe { Device });

// SAFETY: What can be done with `&Device` can be done by several tasks at a time.
unsafe impl Sync for Device {}

// SAFETY: As for `Device<Normal>`; C locks for itself, and the device stays bound whatever the
// task.
unsafe impl Sync for Device<Bound> {}

impl Device<Bound> {
    /// Stays inside the controller's gate until the guard is dropped: `spi_mem_enter()`.
    ///
    /// For sequences that must not end halfway: operations of the guard are not refused.
    ///
    /// While there is a guard, the task may sleep, and take locks, but must not wait for something
    /// that waits for the controller or the device to be unbound. Others can do operations at the
    /// same time: a guard is no lock.
    ///
    /// # Errors
    ///
    /// [`ESHUTDOWN`] if the controller has been unregistered.
    #[inline]
    pub fn enter(&self) -> Result<Guard<'_>> {
        let mut idx = 0;

        // SAFETY: By the type's invariant.
        to_result(unsafe { bindings::spi_mem_enter(self.as_raw(), &mut idx) })?;

        // INVARIANT: Entered just now, in this task.
        Ok(Guard {
            mem: self,
            idx,
            _not_send: NotThreadSafe,
        })
    }

    /// [`Guard::exec`], for a single operation.
    pub fn exec(&self, op: &OpTemplate, address: Option<u64>) -> Result {
        self.enter()?.exec(op, address)
    }

    /// [`Guard::read`], for a single operation.
    pub fn read(&self, op: &OpTemplate, address: Option<u64>, buffer: Buffer) -> Result<Buffer> {
        self.enter()?.read(op, address, buffer)
    }

    /// [`Guard::write`], for a single operation.
    pub fn write(&self, op: &OpTemplate, address: Option<u64>, buffer: Buffer) -> Result<Buffer> {
        self.enter()?.write(op, address, buffer)
    }

    /// Whether memory and controller can do such an operation: `spi_mem_supports_op()`.
    ///
    /// Context: may sleep.
    #[inline]
    pub fn supports_op(&self, op: &OpTemplate) -> bool {
        // SAFETY: By the type's invariant, and nobody looks at the data of the operation.
        unsafe { bindings::spi_mem_supports_op(self.as_raw(), &op.to_raw(0)) }
    }

    /// How many bytes of `buffer` the controller can do at once: `spi_mem_adjust_op_size()`.
    ///
    /// Context: may sleep.
    ///
    /// # Errors
    ///
    /// Those of [`Guard::exec`] for what is not an operation, and of the controller.
    pub fn adjust_op_size(
        &self,
        op: &OpTemplate,
        address: Option<u64>,
        buffer: &Buffer,
    ) -> Result<usize> {
        self.enter()?.adjust_op_size(op, address, buffer)
    }
}

/// What stands for being inside the gate of a memory's controller.
///
/// Made by [`Device::enter`]. It stays in its task, and borrows the device. A leaked guard makes
/// unbinding the controller wait for ever, which is safe.
///
/// # Examples
///
/// ```
/// use kernel::{
///     device::Bound,
///     spi::mem::{
///         self,
///         Buffer,
///         OpTemplate, //
///     }, //
/// };
///
/// /// Writes, having told the memory so: never one without the other.
/// fn program(
///     mem: &mem::Device<Bound>,
///     enable: &OpTemplate,
///     write: &OpTemplate,
///     data: Buffer,
/// ) -> Result<Buffer> {
///     let inside = mem.enter()?;
///
///     inside.exec(enable, None)?;
///     inside.write(write, Some(0), data)
/// }
/// ```
///
/// # Invariants
///
/// This task has entered the gate of the controller of `mem`, with `idx`, and has not left.
#[must_use = "the gate is left when the guard is dropped"]
pub struct Guard<'mem> {
    mem: &'mem Device<Bound>,
    idx: c_int,
    _not_send: NotThreadSafe,
}

impl Guard<'_> {
    /// Executes an operation without data: `spi_mem_exec_op()`.
    ///
    /// Context: may sleep, and takes the bus and I/O mutexes of the controller.
    ///
    /// # Errors
    ///
    /// - [`EINVAL`] if the template has a data phase; or if `address` is not there exactly when the
    ///   template has an address phase, or does not fit into that;
    /// - [`EOPNOTSUPP`] if the controller cannot do that, or [`ENOTSUPP`] if its driver would need
    ///   ordinary messages for it, which the controller does not have;
    /// - else what its driver says.
    pub fn exec(&self, op: &OpTemplate, address: Option<u64>) -> Result {
        let mut op = op.to_op(address, None, 0)?;

        // SAFETY: The memory is valid by the invariant of `Device`, and the operation is one
        // without data, into which C writes the frequency.
        to_result(unsafe { bindings::spi_mem_exec_op_inside(self.mem.as_raw(), &raw mut op) })
    }

    /// Executes an operation that fills `buffer` from the memory, and returns it.
    ///
    /// Context: as for [`Guard::exec`].
    ///
    /// # Errors
    ///
    /// Those of [`Guard::exec`], and [`EINVAL`] if the template does not have data of that
    /// direction, if there is no byte of it, or if the controller cannot do as many bytes at once;
    /// see [`Device::adjust_op_size`]. The buffer is then freed, or leaked if the controller may
    /// still use it; see [`Buffer`].
    pub fn read(&self, op: &OpTemplate, address: Option<u64>, buffer: Buffer) -> Result<Buffer> {
        self.exec_with_data(op, address, Direction::In, buffer)
    }

    /// Executes an operation that sends `buffer` to the memory, and returns it.
    ///
    /// Context: as for [`Guard::exec`].
    ///
    /// # Errors
    ///
    /// As for [`Guard::read`].
    pub fn write(&self, op: &OpTemplate, address: Option<u64>, buffer: Buffer) -> Result<Buffer> {
        self.exec_with_data(op, address, Direction::Out, buffer)
    }

    fn exec_with_data(
        &self,
        op: &OpTemplate,
        address: Option<u64>,
        direction: Direction,
        buffer: Buffer,
    ) -> Result<Buffer> {
        let mut op = op.to_op(address, Some(direction), buffer.len())?;

        // Some drivers in C write beyond their own buffers when an operation is longer.
        if self.adjust(&mut op, &buffer)? != buffer.len() {
            return Err(EINVAL);
        }

        buffer.lend(|ptr| {
            op.data.buf.in_ = ptr.cast();
            // SAFETY: The memory is valid by the invariant of `Device`, and the operation is
            // valid. Its data is memory for as many bytes, and stays when the operation has failed;
            // when it has succeeded, the controller does not use it any more.
            to_result(unsafe { bindings::spi_mem_exec_op_inside(self.mem.as_raw(), &raw mut op) })
        })
    }

    /// [`Device::adjust_op_size`].
    pub fn adjust_op_size(
        &self,
        op: &OpTemplate,
        address: Option<u64>,
        buffer: &Buffer,
    ) -> Result<usize> {
        let direction = op.transfer_phase().map(|phase| phase.direction());
        let mut op = op.to_op(address, direction, buffer.len())?;

        self.adjust(&mut op, buffer)
    }

    fn adjust(&self, op: &mut bindings::spi_mem_op, buffer: &Buffer) -> Result<usize> {
        // Drivers look at the alignment.
        op.data.buf.out = buffer.as_ptr().cast();

        // SAFETY: The memory is valid by the invariant of `Device`, and so is the operation.
        to_result(unsafe { bindings::spi_mem_adjust_op_size_inside(self.mem.as_raw(), op) })?;
        // CAST: `u32` fits into `usize`.
        Ok((op.data.nbytes as usize).min(buffer.len()))
    }
}

impl Drop for Guard<'_> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: By the type's invariant; this is the task, since guards are not `Send`.
        unsafe { bindings::spi_mem_leave(self.mem.as_raw(), self.idx) };
    }
}
