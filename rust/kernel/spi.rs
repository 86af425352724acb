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
//! # Examples
//!
//! Both sides: the driver of a controller, which has a memory behind it and no wires, and the
//! driver of that memory. What is left out is what every driver has, the tables of its devices and
//! `module_platform_driver!`, or [`module_spi_mem_driver!`](crate::module_spi_mem_driver).
//!
//! ```
//! use core::num::NonZeroU16;
//! use kernel::{
//!     device::Core,
//!     new_mutex,
//!     platform,
//!     spi::{
//!         self,
//!         mem::{
//!             self,
//!             Address,
//!             Buffer,
//!             Command,
//!             Data,
//!             Direction,
//!             DmaBytes,
//!             InFlight,
//!             Mem,
//!             Op,
//!             OpTemplate,
//!             Opcode,
//!             Rate,
//!             Transfer,
//!             Width, //
//!         }, //
//!     },
//!     sync::Mutex, //
//! };
//!
//! /// The driver of the controller.
//! struct Controller;
//!
//! /// What its operations use. For hardware, these are registers, clocks and an interrupt, in the
//! /// order in which they are to go.
//! #[pin_data]
//! struct State {
//!     #[pin]
//!     memory: Mutex<Memory>,
//! }
//!
//! struct Memory {
//!     bytes: [u8; 256],
//!     /// For the next write.
//!     enabled: bool,
//! }
//!
//! #[vtable]
//! impl mem::Operations for Controller {
//!     type Data<'a> = State;
//!
//!     fn exec_op<'a>(
//!         this: &InFlight<'a, Self>,
//!         _device: &spi::Device,
//!         op: &mut Op<'_>,
//!     ) -> Result {
//!         let mut memory = this.data().memory.lock();
//!         let start = usize::try_from(op.address())?;
//!         let range = start..start.checked_add(op.len()).ok_or(EINVAL)?;
//!
//!         match (op.template().command().opcode, op.data()) {
//!             (Opcode::One(0x06), Data::None) => memory.enabled = true,
//!             (Opcode::One(0x02), Data::Out(bytes)) if memory.enabled => {
//!                 memory.enabled = false;
//!                 bytes.copy_to(memory.bytes.get_mut(range).ok_or(EINVAL)?);
//!             }
//!             (Opcode::One(0x03), Data::In(mut bytes)) => {
//!                 bytes.copy_from(memory.bytes.get(range).ok_or(EINVAL)?);
//!             }
//!             _ => return Err(EIO),
//!         }
//!         Ok(())
//!     }
//! }
//!
//! impl platform::Driver for Controller {
//!     type IdInfo = ();
//!     // Dropped, and thus unregistered, when the driver is unbound.
//!     type Data<'bound> = spi::Registration<'bound, Self>;
//!
//!     fn probe<'bound>(
//!         pdev: &'bound platform::Device<Core<'_>>,
//!         _info: Option<&'bound ()>,
//!     ) -> impl PinInit<Self::Data<'bound>, Error> + 'bound {
//!         let properties = spi::Properties::new(NonZeroU16::MIN);
//!         let controller = spi::Controller::new(pdev.as_ref(), &properties)?;
//!         let state = pin_init!(State {
//!             memory <- new_mutex!(Memory {
//!                 bytes: [0xff; 256],
//!                 enabled: false,
//!             }),
//!         });
//!
//!         // SAFETY: It is the driver's data, which is dropped before the device is unbound.
//!         unsafe { spi::Registration::new(controller, state) }
//!     }
//! }
//!
//! /// The driver of the memory.
//! struct Sram;
//!
//! const ADDRESS: Address = Address::new(2, Width::Single, Rate::Str).unwrap();
//! const ENABLE: OpTemplate = OpTemplate::new(Command::new(0x06, Width::Single));
//! const WRITE: OpTemplate = OpTemplate::new(Command::new(0x02, Width::Single))
//!     .address(ADDRESS)
//!     .transfer(Transfer::new(Direction::Out, Width::Single, Rate::Str));
//! const READ: OpTemplate = OpTemplate::new(Command::new(0x03, Width::Single))
//!     .address(ADDRESS)
//!     .transfer(Transfer::new(Direction::In, Width::Single, Rate::Str));
//!
//! struct SramData<'bound> {
//!     mem: Mem<'bound>,
//! }
//!
//! impl SramData<'_> {
//!     /// Two operations, both or none: were the controller unbound in between, the memory would
//!     /// stay enabled.
//!     fn write(&self, address: u64, bytes: &DmaBytes) -> Result {
//!         let inside = self.mem.enter()?;
//!
//!         inside.exec(&mut ENABLE.op(None)?)?;
//!         inside.exec(&mut WRITE.write(Some(address), bytes)?)
//!     }
//!
//!     /// A single operation needs no guard.
//!     fn read(&self, address: u64, bytes: &mut DmaBytes) -> Result {
//!         self.mem.exec(&mut READ.read(Some(address), bytes)?)
//!     }
//! }
//!
//! impl mem::Driver for Sram {
//!     type IdInfo = ();
//!     type Data<'bound> = SramData<'bound>;
//!
//!     fn probe<'bound>(
//!         _device: &'bound spi::Device<Core<'_>>,
//!         mem: Mem<'bound>,
//!         _info: Option<&'bound ()>,
//!     ) -> impl PinInit<SramData<'bound>, Error> + 'bound {
//!         let sram = SramData { mem };
//!         let mut bytes = Buffer::new(4, GFP_KERNEL)?;
//!
//!         if !mem.supports(&READ) || !mem.supports(&WRITE) {
//!             return Err(EOPNOTSUPP);
//!         }
//!         // Is it there?
//!         bytes.copy_from_slice(b"sram");
//!         sram.write(0x10, &bytes)?;
//!         sram.read(0x0e, &mut bytes)?;
//!         if bytes[..] != *b"\xff\xffsr" {
//!             return Err(ENODEV);
//!         }
//!         Ok(sram)
//!     }
//! }
//! #
//! # // In place of firmware that describes the devices, of modules, and of an unbind.
//! # use core::ptr;
//! # use kernel::{
//! #     bindings,
//! #     driver,
//! #     error::to_result,
//! #     ThisModule, //
//! # };
//! #
//! # // SAFETY: This is what code has that is built in.
//! # static MODULE: ThisModule = unsafe { ThisModule::from_ptr(ptr::null_mut()) };
//! #
//! # fn driver<T: driver::RegistrationOps + 'static>(
//! #     name: &'static CStr,
//! # ) -> Result<Pin<KBox<driver::Registration<T>>>> {
//! #     KBox::pin_init(driver::Registration::new(name, &MODULE), GFP_KERNEL)
//! # }
//! #
//! # let _controller = driver::<platform::Adapter<Controller>>(c"rust-spi-example")?;
//! # let _sram = driver::<mem::Adapter<Sram>>(c"rust-spi-sram")?;
//! #
//! # let mut info = bindings::spi_board_info::default();
//! # for (to, from) in info.modalias.iter_mut().zip(c"rust-spi-sram".to_bytes()) {
//! #     *to = *from;
//! # }
//! #
//! # // SAFETY: The name is copied.
//! # let pdev = unsafe { bindings::platform_device_alloc(c"rust-spi-example".as_char_ptr(), -1) };
//! # assert!(!pdev.is_null());
//! # // SAFETY: It was allocated just now.
//! # to_result(unsafe { bindings::platform_device_add(pdev) })?;
//! #
//! # // SAFETY: Its driver has registered a controller, which is its only child.
//! # let ctlr = unsafe {
//! #     bindings::device_find_child(
//! #         &raw mut (*pdev).dev,
//! #         ptr::null(),
//! #         Some(bindings::device_match_any),
//! #     )
//! # };
//! # assert!(!ctlr.is_null());
//! # // SAFETY: This is a registered controller.
//! # let spi = unsafe {
//! #     let spi = bindings::spi_new_device(
//! #         kernel::container_of!(ctlr, bindings::spi_controller, dev),
//! #         &mut info,
//! #     );
//! #     bindings::put_device(ctlr);
//! #     spi
//! # };
//! # assert!(!spi.is_null());
//! # // SAFETY: It is there.
//! # unsafe { bindings::get_device(&raw mut (*spi).dev) };
//! #
//! # // The driver is bound: it has read what it has written.
//! # // SAFETY: There is a reference.
//! # assert!(unsafe { !(*spi).dev.driver.is_null() });
//! #
//! # // Somebody in C with a handle that he keeps.
//! # let mut handle = bindings::spi_mem::default();
//! # handle.spi = spi;
//! # let mut op = bindings::spi_mem_op::default();
//! # (op.cmd.nbytes, op.cmd.buswidth, op.cmd.opcode) = (1, 1, 0x06);
//! #
//! # // SAFETY: There is a reference to the device.
//! # assert_eq!(unsafe { bindings::spi_mem_exec_op(&mut handle, &op) }, 0);
//! # // SAFETY: It was added above.
//! # unsafe { bindings::platform_device_unregister(pdev) };
//! # // SAFETY: As above.
//! # let ret = unsafe { bindings::spi_mem_exec_op(&mut handle, &op) };
//! # // SAFETY: This is the reference of above.
//! # unsafe { bindings::put_device(&raw mut (*spi).dev) };
//! # assert_eq!(to_result(ret), Err(ESHUTDOWN));
//! # Ok::<(), Error>(())
//! ```
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
//! 4. The data of an operation is memory with a valid pointer and length: *the caller in C* sees to
//!    it, as for every driver in C. It is not exclusive, and so no slice for a controller's driver
//!    but a [`DataIn`](mem::DataIn) or a [`DataOut`](mem::DataOut): with `O_DIRECT` on a block
//!    device of an MTD it can be a page of user space, which another thread uses meanwhile. Lengths
//!    without data, and more than a slice may have, are refused here.
//! 5. C keeps no pointer into the [`Op`](mem::Op) of a memory's driver. *C* sees to it: an
//!    operation that has returned is over, also if it has failed.
//! 6. The pointer of a [`Mem`](mem::Mem) is valid: `struct spi_mem` is devres', which runs after
//!    the hook by which the driver core drops the driver's private data.
//! 7. What the driver core takes for that private data is such: `spi-mem` in C keeps its own
//!    pointer elsewhere than in the driver data of the device.
//! 8. A [`Guard`](mem::Guard) leaves the gate in the task that has entered: it is not `Send`.
//! 9. Handles are `Send` and `Sync`: the functions of C behind them lock for themselves.
//! 10. [`DmaBytes`](mem::DmaBytes) are in memory of `kmalloc()`: only [`Buffer`](mem::Buffer) makes
//!     them, and parts of them are such.
//! 11. A name for a memory is found inside the gate, so that the parent is bound, as for all other
//!     callbacks: *C* sees to it, and fails to bind the memory if the gate is closed. There is no
//!     proof for that callback, since it has no use for the data.
//! 12. Drivers of controllers in C trust their callers with the size of operations. So
//!     [`Mem::exec`](mem::Mem::exec) asks whether they would make one shorter, and addresses have
//!     no more than [`Address::MAX`](mem::Address::MAX) bytes. Whether they can do an operation
//!     otherwise, *C* asks.
//!
//! What is left are calls of C with pointers that the invariants of types vouch for.
//!
//! The second is where it would fail on a kernel whose `spi_unregister_controller()` does not
//! drain. There, a callback can be running, with an [`InFlight`](mem::InFlight) in its hands, when
//! that function has returned and the data is dropped: a [`Registration`] whose only obligation is
//! to be dropped would be unsound. The test `op_in_flight_delays_drop` fails if the drain is
//! taken away.
//!
//! To forget what should be dropped: a [`mem::Guard`] that is leaked makes unbinding wait for ever.
//! So does an operation that its driver does not end. Neither makes anything unsafe. References to
//! a [`Device`], counted ones included, give access to what stays valid in memory, and to nothing
//! that asks the controller.
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
