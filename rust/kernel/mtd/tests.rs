// SPDX-License-Identifier: GPL-2.0

//! Tests with MTDs in memory.
//!
//! A callback that reaches into the data of a registration too late is also reported by KASAN.

use super::*;
use crate::{
    error::from_err_ptr,
    faux,
    new_mutex,
    sync::{
        atomic::{
            Acquire,
            Atomic,
            Relaxed,
            Release, //
        },
        Arc,
        Mutex, //
    },
    time::{
        delay::fsleep,
        Delta, //
    },
    workqueue, //
};

/// Polls of [`eventually`]: ten seconds, which nothing here takes.
const POLLS: u32 = 10_000;

/// How long something that must not happen is given to happen.
const AWHILE: Delta = Delta::from_millis(50);

/// What all MTDs of these tests are called.
const NAME: &CStr = c"rust-mtd-test";

const BLOCK: u32 = 0x100;
const SIZE: usize = 0x1000;

const FLASH: Properties<'static> = Properties::nor(SIZE as u64, BLOCK).unwrap();
const RAM: Properties<'static> = Properties::ram(SIZE as u64).unwrap();

/// An operation waits until the test releases it.
const RELEASE: u32 = 1;

/// An operation waits until its MTD is unregistered.
const GONE: u32 = 2;

/// What a test and the callbacks of its MTD tell each other.
#[pin_data]
struct State {
    #[pin]
    bytes: Mutex<KVec<u8>>,
    /// Operations wait: for [`RELEASE`], or until the MTD is gone.
    block: Atomic<u32>,
    /// One does.
    entered: Atomic<u32>,
    /// It may go on.
    release: Atomic<u32>,
    /// Callbacks that were called.
    called: Atomic<u32>,
    /// Callbacks that have returned.
    left: Atomic<u32>,
    /// Data of registrations that was dropped.
    dropped: Atomic<u32>,
    /// Helpers that have ended.
    helped: Atomic<u32>,
    /// Something happened that must not.
    wrong: Atomic<u32>,
    /// What operations fail with, if not 0, and how much they say they have done.
    error: Atomic<i32>,
    done: Atomic<u32>,
    /// What a helper got.
    result: Atomic<i32>,
}

impl State {
    fn new() -> Result<Arc<Self>> {
        let bytes = KVec::from_elem(0xff, SIZE, GFP_KERNEL)?;

        Arc::pin_init(
            pin_init!(Self {
                bytes <- new_mutex!(bytes),
                block: Atomic::new(0),
                entered: Atomic::new(0),
                release: Atomic::new(0),
                called: Atomic::new(0),
                left: Atomic::new(0),
                dropped: Atomic::new(0),
                helped: Atomic::new(0),
                wrong: Atomic::new(0),
                error: Atomic::new(0),
                done: Atomic::new(0),
                result: Atomic::new(0),
            }),
            GFP_KERNEL,
        )
    }

    fn check(&self, right: bool) {
        if !right {
            self.wrong.store(1, Release);
        }
    }
}

fn eventually(mut condition: impl FnMut() -> bool) -> bool {
    for _ in 0..POLLS {
        if condition() {
            return true;
        }
        fsleep(Delta::from_millis(1));
    }

    false
}

/// An MTD with all callbacks.
struct Flash;

/// An MTD with those that all have.
struct Ram;

struct TestData<'a> {
    state: Arc<State>,
    /// On the heap, so that KASAN knows when it is gone.
    canary: KBox<u8>,
    parent: &'a device::Device<Bound>,
}

impl Drop for TestData<'_> {
    fn drop(&mut self) {
        // Nobody finds the MTD any more.
        self.state.check(Handle::get().is_err());
        self.state.dropped.fetch_add(1, Release);
    }
}

/// Does what is common to all callbacks.
fn operation<'a, T>(
    this: &InFlight<'a, T>,
    f: impl FnOnce(&mut [u8]) -> Result<(), Incomplete>,
) -> Result<(), Incomplete>
where
    T: Operations<RegistrationData<'a> = TestData<'a>>,
{
    let state = &this.data().state;

    state.called.fetch_add(1, Relaxed);
    match state.block.load(Acquire) {
        RELEASE => {
            state.entered.store(1, Release);
            state.check(eventually(|| state.release.load(Acquire) != 0));
        }
        GONE => {
            state.check(!this.is_gone());
            state.entered.store(1, Release);
            state.check(eventually(|| this.is_gone()));
            state.error.store(ENODEV.to_errno(), Release);
        }
        _ => (),
    }
    state.check(*this.data().canary == 0xa5);
    state.check(this.data().parent.name() == NAME);

    let result = match state.error.load(Acquire) {
        0 => f(&mut state.bytes.lock()),
        error => Err(Incomplete::new(
            state.done.load(Acquire).into(),
            Error::from_errno(error),
        )),
    };
    state.left.fetch_add(1, Release);
    result
}

fn part(bytes: &mut [u8], from: u64, len: u64) -> Result<&mut [u8]> {
    let start = usize::try_from(from)?;
    let end = start.checked_add(usize::try_from(len)?).ok_or(EOVERFLOW)?;

    bytes.get_mut(start..end).ok_or(ERANGE)
}

fn read<'a, T>(this: &InFlight<'a, T>, from: u64, mut data: DataIn<'_>) -> Result<(), Incomplete>
where
    T: Operations<RegistrationData<'a> = TestData<'a>>,
{
    operation(this, |bytes| {
        data.copy_from(part(bytes, from, data.len() as u64)?);
        Ok(())
    })
}

fn write<'a, T>(this: &InFlight<'a, T>, to: u64, data: DataOut<'_>) -> Result<(), Incomplete>
where
    T: Operations<RegistrationData<'a> = TestData<'a>>,
{
    operation(this, |bytes| {
        data.copy_to(part(bytes, to, data.len() as u64)?);
        Ok(())
    })
}

#[vtable]
impl Operations for Flash {
    type RegistrationData<'a> = TestData<'a>;

    fn read<'a>(this: &InFlight<'a, Self>, from: u64, data: DataIn<'_>) -> Result<(), Incomplete> {
        read(this, from, data)
    }

    fn write<'a>(this: &InFlight<'a, Self>, to: u64, data: DataOut<'_>) -> Result<(), Incomplete> {
        write(this, to, data)
    }

    fn erase<'a>(this: &InFlight<'a, Self>, range: Range<u64>) -> Result<(), Incomplete> {
        operation(this, |bytes| {
            part(bytes, range.start, range.end - range.start)?.fill(0xff);
            Ok(())
        })
    }
}

#[vtable]
impl Operations for Ram {
    type RegistrationData<'a> = TestData<'a>;

    fn read<'a>(this: &InFlight<'a, Self>, from: u64, data: DataIn<'_>) -> Result<(), Incomplete> {
        read(this, from, data)
    }

    fn write<'a>(this: &InFlight<'a, Self>, to: u64, data: DataOut<'_>) -> Result<(), Incomplete> {
        write(this, to, data)
    }
}

/// What a user in C holds.
struct Handle(NonNull<bindings::mtd_info>);

// SAFETY: A handle is used by functions of C that lock for themselves, in any task.
unsafe impl Send for Handle {}

// SAFETY: As above.
unsafe impl Sync for Handle {}

impl Handle {
    fn get() -> Result<Self> {
        // SAFETY: The name is a string.
        let handle = from_err_ptr(unsafe { bindings::get_mtd_device_nm(NAME.as_char_ptr()) })?;

        Ok(Self(NonNull::new(handle).ok_or(ENODEV)?))
    }

    /// Returns also how much was read.
    fn read(&self, from: i64, bytes: &mut [u8]) -> (i32, usize) {
        let mut retlen = usize::MAX;
        // SAFETY: There is a handle, and the length is that of the buffer.
        let ret = unsafe {
            bindings::mtd_read(
                self.0.as_ptr(),
                from,
                bytes.len(),
                &mut retlen,
                bytes.as_mut_ptr(),
            )
        };

        (ret, retlen)
    }

    fn write(&self, to: i64, bytes: &[u8]) -> (i32, usize) {
        let mut retlen = usize::MAX;
        // SAFETY: There is a handle, and the length is that of the buffer.
        let ret = unsafe {
            bindings::mtd_write(
                self.0.as_ptr(),
                to,
                bytes.len(),
                &mut retlen,
                bytes.as_ptr(),
            )
        };

        (ret, retlen)
    }

    /// Returns also where it failed.
    fn erase(&self, addr: u64, len: u64) -> (i32, u64) {
        let mut instr = bindings::erase_info {
            addr,
            len,
            fail_addr: 0,
        };
        // SAFETY: There is a handle, and the structure is ours.
        let ret = unsafe { bindings::mtd_erase(self.0.as_ptr(), &mut instr) };

        (ret, instr.fail_addr)
    }

    fn is_gone(&self) -> bool {
        // SAFETY: There is a handle.
        unsafe { bindings::mtd_is_gone(self.0.as_ptr()) }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: This is the handle that `get` got.
        unsafe { bindings::put_mtd_device(self.0.as_ptr()) };
    }
}

/// Runs `help` in another task, which keeps what it needs, whatever the test does.
fn help(
    state: &Arc<State>,
    handle: &Arc<Handle>,
    help: impl FnOnce(&State, &Handle) + Send + 'static,
) -> Result {
    let state = state.clone();
    let handle = handle.clone();

    workqueue::system_long().try_spawn(GFP_KERNEL, move || {
        help(&state, &handle);
        drop(handle);
        state.helped.fetch_add(1, Release);
    })?;
    Ok(())
}

fn helpers_end(state: &State, number: u32) -> bool {
    eventually(|| state.helped.load(Acquire) >= number)
}

fn register<'bound, T>(
    parent: &'bound device::Device<Bound>,
    properties: &Properties<'bound>,
    state: &Arc<State>,
) -> Result<Registration<'bound, T>>
where
    T: Operations<RegistrationData<'bound> = TestData<'bound>>,
{
    let data = TestData {
        state: state.clone(),
        canary: KBox::new(0xa5, GFP_KERNEL)?,
        parent,
    };

    // SAFETY: Tests drop it before they drop the parent.
    unsafe { Registration::new(parent, properties, data) }
}

/// Runs `test` with a device to register MTDs of.
fn with_parent(
    test: impl for<'a> FnOnce(&'a device::Device<Bound>, &Arc<State>) -> Result,
) -> Result {
    let state = State::new()?;
    let faux = faux::Registration::new(NAME, None)?;

    test(faux.as_ref().as_ref(), &state)?;
    match state.wrong.load(Acquire) {
        0 => Ok(()),
        _ => Err(EPROTO),
    }
}

/// Nothing that C may hand over, as an operation.
fn raw_erase(addr: u64, len: u64) -> bindings::erase_info {
    bindings::erase_info {
        addr,
        len,
        fail_addr: 0,
    }
}

const NOWHERE: u64 = u64::MAX;

#[macros::kunit_tests(rust_mtd)]
mod cases {
    use super::*;

    #[test]
    fn operations_reach_the_data() -> Result {
        with_parent(|parent, state| {
            let registration = register::<Flash>(parent, &FLASH, state)?;
            let handle = Handle::get()?;
            let mut bytes = [0; 4];

            assert_eq!(handle.write(0xfe, b"abcd"), (0, 4));
            assert_eq!(handle.read(0xff, &mut bytes), (0, 4));
            assert_eq!(&bytes, b"bcd\xff");
            assert_eq!(handle.erase(0x100, 0x100), (0, NOWHERE));
            assert_eq!(handle.read(0xfe, &mut bytes), (0, 4));
            assert_eq!(&bytes, b"ab\xff\xff");
            // The last bytes, and none.
            assert_eq!(handle.read(SIZE as i64 - 4, &mut bytes), (0, 4));
            assert_eq!(handle.read(SIZE as i64, &mut []), (0, 0));
            assert_eq!(state.called.load(Relaxed), 6);

            drop(registration);
            assert_eq!(state.dropped.load(Acquire), 1);
            Ok(())
        })
    }

    #[test]
    fn hooks_that_are_not_there_are_null() -> Result {
        with_parent(|parent, state| {
            let registration = register::<Ram>(parent, &RAM, state)?;
            let handle = Handle::get()?;
            // SAFETY: It is there while it is registered, and nobody writes to it.
            let mtd = unsafe { &*registration.mtd.get() };

            assert!(mtd._read.is_some() && mtd._write.is_some());
            assert!(mtd._erase.is_none() && mtd._read_oob.is_none() && mtd._sync.is_none());
            assert_eq!(handle.erase(0, 0x100).0, ENOTSUPP.to_errno());
            assert_eq!(handle.write(0, b"ab"), (0, 2));
            assert_eq!(state.called.load(Relaxed), 1);
            Ok(())
        })
    }

    #[test]
    fn properties_without_sense_cannot_be_made() -> Result {
        let most = i64::MAX as u64;

        assert!(Properties::ram(0).is_none());
        assert!(Properties::ram(1).is_some());
        assert!(Properties::ram(most).is_some());
        assert!(Properties::ram(most + 1).is_none());

        assert!(Properties::nor(0, 0x1000).is_none());
        assert!(Properties::nor(0x1000, 0).is_none());
        assert!(Properties::nor(0x3000, 0x1000).is_some());
        assert!(Properties::nor(0x3000, 0xc00).is_none());
        assert!(Properties::nor(0x1800, 0x1000).is_none());
        assert!(Properties::nor(0x1000, 0x2000).is_none());
        // As many blocks as the core can count, and one more.
        assert!(Properties::nor(u64::from(u32::MAX) << 12, 0x1000).is_some());
        assert!(Properties::nor(1 << 44, 0x1000).is_none());
        assert!(Properties::nor(u64::MAX - 0xfff, 0x1000).is_none());

        // What only one of the two has.
        with_parent(|parent, state| {
            let errno = |result: Result| result.err().map(|error| error.to_errno());
            let einval = Some(EINVAL.to_errno());

            assert_eq!(
                errno(register::<Ram>(parent, &FLASH, state).map(drop)),
                einval
            );
            assert_eq!(
                errno(register::<Flash>(parent, &RAM, state).map(drop)),
                einval
            );
            assert_eq!(state.dropped.load(Acquire), 2);
            assert!(Handle::get().is_err());
            Ok(())
        })
    }

    #[test]
    fn what_was_done_is_reported() -> Result {
        with_parent(|parent, state| {
            let _registration = register::<Flash>(parent, &FLASH, state)?;
            let handle = Handle::get()?;
            let mut bytes = [0; 8];

            for (error, seen) in [
                (ETIMEDOUT, ETIMEDOUT),
                (ENOSPC, ENOSPC),
                // For the core, these are no failures.
                (EUCLEAN, EIO),
                (EBADMSG, EIO),
            ] {
                // What was not asked for was not done.
                for (done, len) in [(0, 0), (3, 3), (8, 8), (9, 8), (u32::MAX, 8)] {
                    state.error.store(error.to_errno(), Release);
                    state.done.store(done, Release);
                    assert_eq!(handle.read(0, &mut bytes), (seen.to_errno(), len));
                    assert_eq!(handle.write(0, &bytes), (seen.to_errno(), len));
                }
            }
            for (done, from) in [(0, 0x200), (0x100, 0x300), (u32::MAX, 0x400)] {
                state.error.store(EIO.to_errno(), Release);
                state.done.store(done, Release);
                assert_eq!(handle.erase(0x200, 0x200), (EIO.to_errno(), from));
            }
            Ok(())
        })
    }

    #[test]
    fn only_whole_blocks_are_erased() -> Result {
        with_parent(|parent, state| {
            let _registration = register::<Flash>(parent, &FLASH, state)?;
            let handle = Handle::get()?;

            for (addr, len) in [(1, 0x100), (0, 1), (0x80, 0x80), (0x100, 0x1ff)] {
                assert_eq!(handle.erase(addr, len), (EINVAL.to_errno(), NOWHERE));
            }
            assert_eq!(state.called.load(Relaxed), 0);
            assert_eq!(handle.erase(0, SIZE as u64), (0, NOWHERE));
            Ok(())
        })
    }

    /// What no caller should hand over is refused before a driver sees it.
    #[test]
    fn hostile_callers_do_not_panic() -> Result {
        with_parent(|parent, state| {
            let registration = register::<Flash>(parent, &FLASH, state)?;
            let raw = registration.mtd.get();
            let mut bytes = [0; 4];
            let buf = bytes.as_mut_ptr();
            let null = core::ptr::null_mut();
            let einval = EINVAL.to_errno();
            let mut len = 0;

            for (from, size, buf) in [
                (-1, 4, buf),
                (i64::MIN, 4, buf),
                (0, 4, null),
                (0, usize::MAX, buf),
                (0, isize::MAX as usize + 1, buf),
            ] {
                // SAFETY: The MTD is registered. The buffer is not used: that is what is tested.
                let read = unsafe { Callbacks::<Flash>::read(raw, from, size, &mut len, buf) };
                // SAFETY: As above.
                let write = unsafe { Callbacks::<Flash>::write(raw, from, size, &mut len, buf) };

                assert!(read < 0 && write < 0);
                assert_eq!(len, 0);
            }
            for (addr, size) in [(u64::MAX - 0xff, 0x100), (0x100, u64::MAX - 0xff)] {
                // SAFETY: The MTD is registered, and the structure is ours.
                let ret = unsafe { Callbacks::<Flash>::erase(raw, &mut raw_erase(addr, size)) };
                assert_eq!(ret, einval);
            }
            assert_eq!(state.called.load(Relaxed), 0);

            // Nothing needs no buffer.
            // SAFETY: The MTD is registered.
            let ret = unsafe { Callbacks::<Flash>::read(raw, 0, 0, &mut len, null) };
            assert_eq!((ret, state.called.load(Relaxed)), (0, 1));

            // Ranges beyond the end are the core's to refuse, and the driver's not to panic at.
            // SAFETY: The MTD is registered, and the buffer has four bytes.
            let ret = unsafe { Callbacks::<Flash>::read(raw, SIZE as i64 - 3, 4, &mut len, buf) };
            assert_eq!((ret, len), (ERANGE.to_errno(), 0));
            Ok(())
        })
    }

    #[test]
    fn op_in_flight_delays_drop() -> Result {
        with_parent(|parent, state| {
            let registration = register::<Flash>(parent, &FLASH, state)?;
            let handle = Arc::new(Handle::get()?, GFP_KERNEL)?;

            state.block.store(RELEASE, Release);
            help(state, &handle, |state, handle| {
                let mut bytes = [0; 4];
                let (ret, len) = handle.read(0, &mut bytes);

                state.check(len == 4 && bytes == [0xff; 4]);
                state.result.store(ret, Release);
            })?;
            assert!(eventually(|| state.entered.load(Acquire) != 0));
            help(state, &handle, |state, handle| {
                state.check(eventually(|| handle.is_gone()));
                fsleep(AWHILE);
                state.check(state.dropped.load(Acquire) == 0);
                state.check(state.left.load(Acquire) == 0);
                state.release.store(1, Release);
            })?;
            drop(registration);

            let (left, dropped) = (state.left.load(Acquire), state.dropped.load(Acquire));
            assert!(helpers_end(state, 2));
            assert_eq!((left, dropped), (1, 1));
            assert_eq!(state.result.load(Acquire), 0);
            Ok(())
        })
    }

    #[test]
    fn long_operations_may_end_early() -> Result {
        with_parent(|parent, state| {
            let registration = register::<Flash>(parent, &FLASH, state)?;
            let handle = Arc::new(Handle::get()?, GFP_KERNEL)?;

            state.block.store(GONE, Release);
            state.done.store(BLOCK, Release);
            help(state, &handle, |state, handle| {
                let (ret, from) = handle.erase(0, SIZE as u64);

                state.check(from == BLOCK.into());
                state.result.store(ret, Release);
            })?;
            assert!(eventually(|| state.entered.load(Acquire) != 0));
            assert_eq!(state.left.load(Acquire), 0);
            drop(registration);
            assert_eq!(state.left.load(Acquire), 1);
            assert!(helpers_end(state, 1));
            assert_eq!(state.result.load(Acquire), ENODEV.to_errno());
            Ok(())
        })
    }

    #[test]
    fn handles_outlive_the_driver() -> Result {
        with_parent(|parent, state| {
            let enodev = ENODEV.to_errno();
            let registration = register::<Flash>(parent, &FLASH, state)?;
            let old = Handle::get()?;
            let mut bytes = [0; 4];

            assert!(!old.is_gone());
            drop(registration);
            for _ in 0..2 {
                assert!(old.is_gone());
                assert_eq!(old.read(0, &mut bytes), (enodev, 0));
                assert_eq!(old.write(0, &bytes), (enodev, 0));
                assert_eq!(old.erase(0, 0x100).0, enodev);
            }
            assert_eq!(state.called.load(Relaxed), 0);

            // The same memory once more.
            let registration = register::<Flash>(parent, &FLASH, state)?;
            let new = Handle::get()?;
            assert_eq!(new.write(0, b"abcd"), (0, 4));
            assert_eq!(old.read(0, &mut bytes), (enodev, 0));
            drop(old);
            assert_eq!(new.read(0, &mut bytes), (0, 4));
            assert_eq!(&bytes, b"abcd");
            drop(registration);
            assert_eq!(new.read(0, &mut bytes), (enodev, 0));
            assert_eq!(state.dropped.load(Acquire), 2);
            Ok(())
        })
    }

    #[test]
    fn nothing_is_left_of_what_fails() -> Result {
        with_parent(|parent, state| {
            let data = Err::<TestData<'_>, Error>(ENXIO);
            // SAFETY: There will be none.
            let result = unsafe { Registration::<Flash>::new(parent, &FLASH, data) };

            assert_eq!(
                result.err().map(|error| error.to_errno()),
                Some(ENXIO.to_errno())
            );
            assert!(Handle::get().is_err());
            assert_eq!(state.dropped.load(Acquire), 0);
            drop(register::<Flash>(parent, &FLASH, state)?);
            assert_eq!(state.dropped.load(Acquire), 1);
            Ok(())
        })
    }

    #[test]
    fn names_come_from_the_driver_or_the_device() -> Result {
        with_parent(|parent, state| {
            let other = c"rust-mtd-other";

            let registration = register::<Ram>(parent, &RAM.name(other), state)?;
            assert!(Handle::get().is_err());
            // SAFETY: The name is a string.
            let handle = unsafe { bindings::get_mtd_device_nm(other.as_char_ptr()) };
            // SAFETY: Getting it has succeeded, or it is an error.
            unsafe { bindings::put_mtd_device(from_err_ptr(handle)?) };
            drop(registration);

            let _registration = register::<Ram>(parent, &RAM, state)?;
            assert!(Handle::get().is_ok());
            Ok(())
        })
    }
}
