// SPDX-License-Identifier: GPL-2.0

//! Tests of drivers of memories, with the controller of the other tests.

use super::{
    super::{
        Driver,
        Guard, //
    },
    *, //
};
use crate::{
    device::Bound,
    spi::mem, //
};

/// A device that [`TestMemory`] is for, if it is registered.
const MEMORY: &CStr = c"rust-spi-memory";

const ENABLE: OpTemplate = OpTemplate::new(Command::new(0x06, Width::Single));
const READ: OpTemplate = OpTemplate::new(Command::new(0x03, Width::Single))
    .address(Address::new(2, Width::Single).unwrap())
    .transfer(Transfer::new(Direction::In, Width::Single));
const WRITE: OpTemplate = OpTemplate::new(Command::new(0x02, Width::Single))
    .address(Address::new(2, Width::Single).unwrap())
    .transfer(Transfer::new(Direction::Out, Width::Single));

/// Memories that were bound.
static BOUND: Atomic<u32> = Atomic::new(0);

/// Memories whose driver's data was dropped, having executed its last operation.
static PARTED: Atomic<u32> = Atomic::new(0);

/// How much data [`LIMITED`] leaves.
static MOST_LEFT: Atomic<u32> = Atomic::new(0);

/// Where [`LATE`] is to write.
static LATE_DATA: Atomic<usize> = Atomic::new(0);

struct TestMemory;

struct TestMemoryData<'bound>(&'bound mem::Device<Bound>);

impl Drop for TestMemoryData<'_> {
    fn drop(&mut self) {
        // The last thing that a memory hears.
        if self.0.exec(&ENABLE, None).is_ok() {
            count(&PARTED);
        }
    }
}

impl Driver for TestMemory {
    type IdInfo = ();
    type Data<'bound> = TestMemoryData<'bound>;

    fn probe<'bound>(
        mem: &'bound mem::Device<Core<'_>>,
        _info: Option<&'bound ()>,
    ) -> impl PinInit<TestMemoryData<'bound>, Error> + 'bound {
        let inside: Guard<'_> = mem.enter()?;

        inside.exec(&ENABLE, None)?;
        let id = inside.read(&READ, Some(0), Buffer::new(2, GFP_KERNEL)?)?;
        if id[..] != [0xa5, 0xa5] {
            return Err(EIO);
        }
        if STAGE.fail.load(Acquire) != 0 {
            return Err(ENXIO);
        }
        count(&BOUND);
        Ok(TestMemoryData(mem))
    }
}

/// The operations of a controller in C that has less room than there may be data.
static LIMITED: bindings::spi_controller_mem_ops = bindings::spi_controller_mem_ops {
    adjust_op_size: Some(adjust_op_size),
    ..VTable::<Fake>::OPS
};

/// The operations of a controller in C that times out, and writes all the same.
static LATE: bindings::spi_controller_mem_ops = bindings::spi_controller_mem_ops {
    exec_op: Some(time_out),
    ..VTable::<Plain>::OPS
};

/// # Safety
///
/// `op` is an operation.
unsafe extern "C" fn adjust_op_size(
    _mem: *mut bindings::spi_mem,
    op: *mut bindings::spi_mem_op,
) -> c_int {
    // SAFETY: By the requirements of this function.
    let nbytes = unsafe { &mut (*op).data.nbytes };

    *nbytes = MOST_LEFT.load(Acquire).min(*nbytes);
    STAGE.error.load(Acquire)
}

/// # Safety
///
/// `op` is an operation.
unsafe extern "C" fn time_out(
    _mem: *mut bindings::spi_mem,
    op: *const bindings::spi_mem_op,
) -> c_int {
    // SAFETY: By the requirements of this function; it is plain data.
    let data = unsafe { (*op).data.buf.in_ };

    LATE_DATA.store(data.expose_provenance(), Release);
    ETIMEDOUT.to_errno()
}

/// Runs `test` with a memory that has a driver, until it returns.
fn with_memory(
    test: impl FnOnce(&Registration<'_, Fake>, &Arc<Stale>, &mem::Device<Bound>) -> Result,
) -> Result {
    STAGE.reset();
    let _driver = driver::<mem::Adapter<TestMemory>>(MEMORY)?;
    let faux = faux::Registration::new(c"rust-spi", None)?;
    let registration = register::<Fake>(faux.as_ref().as_ref())?;
    let stale = Stale::new(&registration, MEMORY)?;
    // SAFETY: There is a reference to it.
    if unsafe { (*stale.device()).driver.is_null() } {
        return Err(ENODEV);
    }
    // SAFETY: It is a valid `struct spi_mem`, and nobody unbinds its device before `test` returns.
    let mem = unsafe { &*core::ptr::from_ref(&*stale.raw).cast::<mem::Device<Bound>>() };

    test(&registration, &stale, mem)
}

fn buffer(len: usize) -> Result<Buffer> {
    Buffer::new(len, GFP_KERNEL)
}

#[macros::kunit_tests(rust_spi_mem_device)]
mod cases {
    use super::*;

    #[test]
    fn memories_are_read_and_written() -> Result {
        with_memory(|_registration, _stale, mem| {
            let mut data = buffer(16)?;

            data.set_len(15)?;
            let mut data = mem.read(&READ, Some(0xffff), data)?;
            data.set_len(16)?;
            assert_eq!((data[14], data[15]), (0xa5, 0));
            assert_eq!(mem.write(&WRITE, Some(0), data)?.len(), 16);
            assert!(mem.supports_op(&READ));
            assert!(!mem.supports_op(&OpTemplate::new(Command::new(0xff, Width::Single))));
            assert_eq!(STAGE.wrong.load(Relaxed), 0);
            Ok(())
        })
    }

    #[test]
    fn drivers_come_and_go() -> Result {
        with_memory(|_registration, stale, _mem| {
            let (bound, parted) = (BOUND.load(Relaxed), PARTED.load(Relaxed));

            // SAFETY: There is a reference to it; the memory is not used any more.
            unsafe { bindings::device_release_driver(stale.device()) };
            assert_eq!(PARTED.load(Relaxed), parted + 1);
            // SAFETY: There is a reference to it.
            assert_eq!(unsafe { bindings::device_attach(stale.device()) }, 1);
            assert_eq!(BOUND.load(Relaxed), bound + 1);
            Ok(())
        })?;

        // The controller went first: the memory still heard its last operation.
        let parted = PARTED.load(Relaxed);
        with_memory(|_, _, _| Ok(()))?;
        assert_eq!(PARTED.load(Relaxed), parted + 1);
        assert_eq!(STAGE.dropped.load(Relaxed), 1);
        assert_eq!(STAGE.wrong.load(Relaxed), 0);
        Ok(())
    }

    #[test]
    fn a_probe_fails() -> Result {
        STAGE.reset();
        STAGE.fail.store(1, Release);
        let _driver = driver::<mem::Adapter<TestMemory>>(MEMORY)?;
        let faux = faux::Registration::new(c"rust-spi", None)?;
        let registration = register::<Fake>(faux.as_ref().as_ref())?;
        let stale = Stale::new(&registration, MEMORY)?;
        let (bound, parted) = (BOUND.load(Relaxed), PARTED.load(Relaxed));

        assert_eq!(STAGE.executed.load(Relaxed), 2);
        // SAFETY: There is a reference to it.
        assert!(unsafe { (*stale.device()).driver.is_null() });

        // And it can be bound later.
        STAGE.fail.store(0, Release);
        // SAFETY: There is a reference to it.
        assert_eq!(unsafe { bindings::device_attach(stale.device()) }, 1);
        assert_eq!(BOUND.load(Relaxed), bound + 1);
        drop(registration);
        assert_eq!(PARTED.load(Relaxed), parted + 1);
        Ok(())
    }

    #[test]
    fn a_sequence_is_not_refused_halfway() -> Result {
        fn sequence(stale: &Stale) -> Result {
            let raw = core::ptr::from_ref(&*stale.raw).cast_mut();
            let mut enable = ENABLE.to_raw(0);
            let mut idx = 0;

            // SAFETY: There are references to the device and its controller; we leave below.
            to_result(unsafe { bindings::spi_mem_enter(raw, &mut idx) })?;
            STAGE.wait();
            // SAFETY: We are inside.
            let done = to_result(unsafe { bindings::spi_mem_exec_op_inside(raw, &raw mut enable) });
            // SAFETY: Entered above.
            unsafe { bindings::spi_mem_leave(raw, idx) };
            done
        }

        with_stale::<Fake>(|registration, stale| {
            help(stale, |stale| {
                STAGE.result.store(errno(sequence(stale)), Release);
            })?;
            assert!(eventually(&STAGE.entered));

            help(stale, |stale| {
                for _ in 0..POLLS {
                    if errno(stale.enable()) == SHUT {
                        break;
                    }
                    fsleep(Delta::from_millis(1));
                }
                fsleep(AWHILE);
                STAGE.left.store(0, Release);
                if STAGE.dropped.load(Acquire) != 0 {
                    STAGE.wrong.store(1, Release);
                }
                STAGE.release.store(1, Release);
            })?;
            drop(registration);

            let left = STAGE.left.load(Acquire);
            assert!(helpers_end(2));
            assert_eq!(left, 1);
            assert_eq!(STAGE.wrong.load(Acquire), 0);
            assert_eq!(STAGE.result.load(Acquire), 0);
            Ok(())
        })
    }

    #[test]
    fn what_is_too_long_for_the_controller_is_refused() -> Result {
        with_memory(|registration, _stale, mem| {
            // SAFETY: It is registered, and nobody uses it meanwhile.
            unsafe { (*registration.as_raw()).mem_ops = &LIMITED };
            let executed = STAGE.executed.load(Relaxed);

            MOST_LEFT.store(6, Release);
            assert_eq!(mem.adjust_op_size(&READ, Some(0), &buffer(16)?)?, 6);
            assert_eq!(mem.read(&READ, Some(0), buffer(16)?).err(), Some(EINVAL));
            assert_eq!(mem.write(&WRITE, Some(0), buffer(16)?).err(), Some(EINVAL));

            // Errors arrive as they are.
            STAGE.error.store(EPROTO.to_errno(), Release);
            let adjusted = mem.adjust_op_size(&READ, Some(0), &buffer(16)?);
            assert_eq!(adjusted.err(), Some(EPROTO));
            assert_eq!(mem.read(&READ, Some(0), buffer(6)?).err(), Some(EPROTO));
            assert_eq!(STAGE.executed.load(Relaxed), executed);

            STAGE.error.store(0, Release);
            assert_eq!(mem.read(&READ, Some(0), buffer(6)?)?[5], 0xa5);
            Ok(())
        })
    }

    /// KASAN reports the write if the memory has been freed.
    #[test]
    fn hardware_writes_after_a_failure() -> Result {
        const LEN: usize = 1000;

        with_memory(|registration, _stale, mem| {
            // SAFETY: It is registered, and nobody uses it meanwhile.
            unsafe { (*registration.as_raw()).mem_ops = &LATE };
            let result = mem.read(&READ, Some(0), buffer(LEN)?);

            // SAFETY: As above; the driver's last operation is for this one.
            unsafe { (*registration.as_raw()).mem_ops = &VTable::<Fake>::OPS };
            assert_eq!(result.err(), Some(ETIMEDOUT));

            let data = core::ptr::with_exposed_provenance_mut::<c_void>(LATE_DATA.load(Acquire));
            assert!(!data.is_null());
            // SAFETY: This is what the test is about.
            unsafe { bindings::memset(data, 0x5a, LEN) };
            for _ in 0..64 {
                assert_ne!(buffer(LEN)?.as_ptr().addr(), data.addr());
            }
            Ok(())
        })
    }

    #[test]
    fn operations_that_do_not_fit_are_refused() -> Result {
        with_memory(|_registration, _stale, mem| {
            let executed = STAGE.executed.load(Relaxed);
            let wide = READ.address(Address::new(4, Width::Single).ok_or(EINVAL)?);
            let last = u64::from(u32::MAX);

            for nbytes in 0..=u8::MAX {
                let address = Address::new(nbytes, Width::Octal);
                assert_eq!(address.is_some(), (1..=4).contains(&nbytes));
            }
            for wires in 0..=u8::MAX {
                assert_eq!(
                    Width::try_from(wires).is_ok(),
                    [1, 2, 4, 8].contains(&wires)
                );
            }
            assert_eq!(mem.exec(&READ, Some(0)), Err(EINVAL));
            assert_eq!(mem.exec(&ENABLE, Some(0)), Err(EINVAL));
            for (op, address, len) in [
                (&WRITE, Some(0), 4),
                (&READ, Some(0), 0),
                (&READ, None, 4),
                (&READ, Some(0x10000), 4),
                (&wide, Some(last + 1), 4),
                (&ENABLE, None, 4),
            ] {
                assert_eq!(mem.read(op, address, buffer(len)?).err(), Some(EINVAL));
            }
            assert_eq!(mem.write(&READ, Some(0), buffer(4)?).err(), Some(EINVAL));
            assert_eq!(STAGE.executed.load(Relaxed), executed);
            assert_eq!(mem.read(&wide, Some(last), buffer(4)?)?.len(), 4);
            Ok(())
        })
    }
}
