// SPDX-License-Identifier: GPL-2.0

//! Tests with a controller that has no hardware.
//!
//! What reaches into the data of a controller too late is also reported by KASAN.

use super::*;
use crate::{
    bindings,
    clk::Hertz,
    device::{
        self,
        Core, //
    },
    driver,
    error::to_result,
    faux,
    platform,
    spi::{
        Mode,
        Properties, //
    },
    sync::{
        atomic::{
            Acquire,
            Atomic,
            Relaxed,
            Release, //
        },
        Arc, //
    },
    time::{
        delay::fsleep,
        Delta, //
    },
    workqueue,
    ThisModule, //
};

use core::num::NonZeroU16;

mod memory;

/// Polls of [`eventually`]: ten seconds, which nothing here takes.
const POLLS: u32 = 10_000;

/// How long something that must not happen is given to happen.
const AWHILE: Delta = Delta::from_millis(50);

/// What tests and callbacks tell each other. Tests run one at a time.
struct Stage {
    /// `exec_op` waits.
    block: Atomic<u32>,
    /// Somebody is where a test wants him.
    entered: Atomic<u32>,
    /// He may go on.
    release: Atomic<u32>,
    /// He has gone.
    left: Atomic<u32>,
    /// Operations that were executed.
    executed: Atomic<u32>,
    /// Operations that were asked about.
    asked: Atomic<u32>,
    /// Controllers' data that was dropped.
    dropped: Atomic<u32>,
    /// The result of what runs elsewhere.
    result: Atomic<i32>,
    /// Something happened that must not.
    wrong: Atomic<u32>,
    /// Probes are to fail.
    fail: Atomic<u32>,
    /// Controllers that were bound.
    bound: Atomic<u32>,
    /// Helpers that have ended.
    helped: Atomic<u32>,
    /// What `exec_op` returns, if not 0.
    error: Atomic<i32>,
    /// How much data `adjust_op_size` leaves.
    most: Atomic<u32>,
    /// The longest address of an operation.
    address_bytes: Atomic<u32>,
}

static STAGE: Stage = Stage {
    block: Atomic::new(0),
    entered: Atomic::new(0),
    release: Atomic::new(0),
    left: Atomic::new(0),
    executed: Atomic::new(0),
    asked: Atomic::new(0),
    dropped: Atomic::new(0),
    result: Atomic::new(0),
    wrong: Atomic::new(0),
    fail: Atomic::new(0),
    bound: Atomic::new(0),
    helped: Atomic::new(0),
    error: Atomic::new(0),
    most: Atomic::new(0),
    address_bytes: Atomic::new(0),
};

impl Stage {
    fn reset(&self) {
        for flag in [
            &self.block,
            &self.entered,
            &self.release,
            &self.left,
            &self.executed,
            &self.asked,
            &self.dropped,
            &self.wrong,
            &self.fail,
            &self.bound,
            &self.helped,
            &self.most,
            &self.address_bytes,
        ] {
            flag.store(0, Release);
        }
        self.result.store(0, Release);
        self.error.store(0, Release);
    }

    /// Says that the caller is there, and waits to be released.
    fn wait(&self) {
        self.entered.store(1, Release);
        if !eventually(&self.release) {
            self.wrong.store(1, Release);
        }
    }
}

fn eventually(flag: &Atomic<u32>) -> bool {
    for _ in 0..POLLS {
        if flag.load(Acquire) != 0 {
            return true;
        }
        fsleep(Delta::from_millis(1));
    }

    false
}

fn count(counter: &Atomic<u32>) {
    counter.fetch_add(1, Relaxed);
}

/// The most bytes that [`Fake`] supports in one operation.
const MOST: usize = 16;

/// A controller with all hooks.
struct Fake;

/// A controller with what it must have.
struct Plain;

struct FakeData<'a> {
    parent: &'a device::Device<Bound>,
    /// What it reads; on the heap, so that KASAN knows when it is gone.
    pattern: KBox<u8>,
}

impl Drop for FakeData<'_> {
    fn drop(&mut self) {
        count(&STAGE.dropped);
    }
}

fn fake_data<'a>(parent: &'a device::Device<Bound>) -> Result<FakeData<'a>> {
    Ok(FakeData {
        parent,
        pattern: KBox::new(0xa5, GFP_KERNEL)?,
    })
}

/// Uses all that there is to use.
fn fake_exec<'a, T>(this: &InFlight<'a, T>, device: &spi::Device, op: &mut Op<'_>) -> Result
where
    T: Operations<RegistrationData<'a> = FakeData<'a>>,
{
    count(&STAGE.executed);
    if STAGE.block.load(Acquire) != 0 {
        STAGE.wait();
    }
    if !core::ptr::eq(this.parent(), this.data().parent) || device.chip_select() != 0 {
        STAGE.wrong.store(1, Release);
    }
    match STAGE.error.load(Acquire) {
        0 => (),
        error => return Err(Error::from_errno(error)),
    }

    let template = *op.template();
    if let Some(phase) = template.address_phase() {
        let nbytes = u32::from(phase.nbytes());

        STAGE
            .address_bytes
            .store(nbytes.max(STAGE.address_bytes.load(Relaxed)), Relaxed);
    }
    let cycles = template.dummy_phase().map_or(0, |dummy| dummy.cycles());
    let seen = op.address() ^ u64::from(cycles) ^ op.max_freq().as_hz() as u64 ^ op.len() as u64;
    let pattern = *this.data().pattern;
    match op.data() {
        Data::None => (),
        Data::In(mut bytes) => bytes.fill(pattern),
        Data::Out(bytes) => {
            let mut copy = [0; 16];
            let len = bytes.copy_to(&mut copy);

            if copy[..len].iter().all(|byte| *byte == pattern) && seen == 0 {
                return Err(EIO);
            }
        }
    }
    STAGE.left.store(1, Release);

    Ok(())
}

#[vtable]
impl Operations for Fake {
    type RegistrationData<'a> = FakeData<'a>;

    const CAPABILITIES: Capabilities = Capabilities::new().dtr().per_op_freq();

    fn exec_op<'a>(this: &InFlight<'a, Self>, device: &spi::Device, op: &mut Op<'_>) -> Result {
        fake_exec(this, device, op)
    }

    fn supports_op<'a>(
        this: &InFlight<'a, Self>,
        _device: &spi::Device,
        op: &OpTemplate,
        len: usize,
    ) -> bool {
        count(&STAGE.asked);

        *this.data().pattern == 0xa5 && op.command().opcode() != Opcode::One(0xff) && len <= MOST
    }

    fn name(parent: &device::Device<Bound>, device: &spi::Device) -> Result<CString> {
        CString::try_from_fmt(fmt!("{}.{}", parent.name(), device.chip_select()))
    }
}

#[vtable]
impl Operations for Plain {
    type RegistrationData<'a> = FakeData<'a>;

    fn exec_op<'a>(this: &InFlight<'a, Self>, device: &spi::Device, op: &mut Op<'_>) -> Result {
        fake_exec(this, device, op)
    }
}

fn register<'bound, T>(parent: &'bound device::Device<Bound>) -> Result<Registration<'bound, T>>
where
    T: Operations<RegistrationData<'bound> = FakeData<'bound>>,
{
    let properties = Properties::new(NonZeroU16::MIN)
        .modes(Mode::RxOctal | Mode::TxOctal)
        .max_speed(Hertz::from_mhz(50));
    let controller = Controller::<T>::new(parent, &properties)?;

    // SAFETY: Tests drop it before they drop the parent.
    unsafe { Registration::new(controller, fake_data(parent)?) }
}

/// A memory on the bus, whose user does not hear that it goes, as one in C may be.
struct Stale {
    raw: KBox<bindings::spi_mem>,
}

// SAFETY: What can be done with it is done by functions of C, which any task can call.
unsafe impl Send for Stale {}

// SAFETY: As above; they lock for themselves.
unsafe impl Sync for Stale {}

impl Stale {
    fn new<T: Operations>(registration: &Registration<'_, T>, name: &CStr) -> Result<Arc<Self>> {
        let mut info: bindings::spi_board_info = pin_init::zeroed();

        info.max_speed_hz = 1_000_000;
        for (to, from) in info.modalias.iter_mut().zip(name.to_bytes()) {
            *to = *from;
        }
        // Board information has 32 bits for this; the controller decides what is allowed.
        info.mode = (Mode::RxOctal | Mode::TxOctal).into();

        let mut raw: KBox<bindings::spi_mem> = KBox::new(pin_init::zeroed(), GFP_KERNEL)?;
        // SAFETY: The controller is registered.
        raw.spi = unsafe { bindings::spi_new_device(registration.as_raw(), &mut info) };
        if raw.spi.is_null() {
            return Err(ENODEV);
        }
        // SAFETY: It is a device of a registered controller.
        unsafe { bindings::get_device(&raw mut (*raw.spi).dev) };

        Ok(Arc::new(Self { raw }, GFP_KERNEL)?)
    }

    fn exec(&self, op: &bindings::spi_mem_op) -> Result {
        let mem = core::ptr::from_ref(&*self.raw).cast_mut();

        // SAFETY: Its device is kept by a reference, and that its controller by another. Tests keep
        // the data of the operation meanwhile.
        to_result(unsafe { bindings::spi_mem_exec_op(mem, op) })
    }

    fn enable(&self) -> Result {
        self.exec(&op(0x06))
    }

    fn supports(&self, op: &bindings::spi_mem_op) -> bool {
        let mem = core::ptr::from_ref(&*self.raw).cast_mut();

        // SAFETY: As above; nobody looks at the data.
        unsafe { bindings::spi_mem_supports_op(mem, op) }
    }

    fn device(&self) -> *mut bindings::device {
        let spi = self.raw.spi;

        // SAFETY: There is a reference to it.
        unsafe { &raw mut (*spi).dev }
    }
}

impl Drop for Stale {
    fn drop(&mut self) {
        // SAFETY: This is the reference that `new` took.
        unsafe { bindings::put_device(self.device()) };
    }
}

/// Runs `help` in another task, which keeps `stale` while it needs it, whatever the test does.
fn help(stale: &Arc<Stale>, help: impl FnOnce(&Stale) + Send + 'static) -> Result {
    let stale = stale.clone();

    workqueue::system_long().try_spawn(GFP_KERNEL, move || {
        help(&stale);
        drop(stale);
        STAGE.helped.fetch_add(1, Release);
    })?;
    Ok(())
}

/// Waits until so many helpers have ended; false if that takes too long.
fn helpers_end(number: u32) -> bool {
    for _ in 0..POLLS {
        if STAGE.helped.load(Acquire) >= number {
            return true;
        }
        fsleep(Delta::from_millis(1));
    }

    false
}

/// Runs `test` with a controller, and a memory at it that no driver is bound to.
fn with_stale<T>(test: impl for<'a> FnOnce(Registration<'a, T>, &Arc<Stale>) -> Result) -> Result
where
    T: for<'a> Operations<RegistrationData<'a> = FakeData<'a>>,
{
    STAGE.reset();
    let faux = faux::Registration::new(c"rust-spi", None)?;
    let registration = register::<T>(faux.as_ref().as_ref())?;
    let stale = Stale::new(&registration, NOBODY)?;

    test(registration, &stale)
}

/// A command for one wire.
fn op(opcode: u16) -> bindings::spi_mem_op {
    let mut op: bindings::spi_mem_op = pin_init::zeroed();

    (op.cmd.nbytes, op.cmd.buswidth, op.cmd.opcode) = (1, 1, opcode);
    op
}

fn with_address(mut op: bindings::spi_mem_op, address: u64) -> bindings::spi_mem_op {
    (op.addr.nbytes, op.addr.buswidth, op.addr.val) = (2, 1, address);
    op
}

fn read(data: &mut [u8]) -> bindings::spi_mem_op {
    let mut op = with_address(op(0x03), 0);

    op.data.dir = bindings::spi_mem_data_dir_SPI_MEM_DATA_IN;
    (op.data.buswidth, op.data.nbytes) = (1, data.len() as u32);
    op.data.buf.in_ = data.as_mut_ptr().cast();
    op
}

fn write(data: &[u8]) -> bindings::spi_mem_op {
    let mut op = with_address(op(0x02), 0);

    op.data.dir = bindings::spi_mem_data_dir_SPI_MEM_DATA_OUT;
    (op.data.buswidth, op.data.nbytes) = (1, data.len() as u32);
    op.data.buf.out = data.as_ptr().cast();
    op
}

/// Data on the heap, as the core wants it.
fn buffer(len: usize) -> Result<KVec<u8>> {
    Ok(KVec::from_elem(0, len, GFP_KERNEL)?)
}

fn errno(result: Result) -> i32 {
    result.map_or_else(|error| error.to_errno(), |()| 0)
}

const SHUT: i32 = -(bindings::ESHUTDOWN as i32);

/// A device that no driver is for.
const NOBODY: &CStr = c"rust-spi-none";

struct TestController;

impl platform::Driver for TestController {
    type IdInfo = ();
    type Data<'bound> = Registration<'bound, Fake>;

    fn probe<'bound>(
        pdev: &'bound platform::Device<Core<'_>>,
        _info: Option<&'bound ()>,
    ) -> impl PinInit<Registration<'bound, Fake>, Error> + 'bound {
        let registration = register::<Fake>(pdev.as_ref())?;

        Stale::new(&registration, NOBODY)?.enable()?;
        if STAGE.fail.load(Acquire) != 0 {
            return Err(ENXIO);
        }
        count(&STAGE.bound);
        Ok(registration)
    }
}

// SAFETY: The kernel itself.
static MODULE: ThisModule = unsafe { ThisModule::from_ptr(core::ptr::null_mut()) };

/// A driver, for the time of a test.
fn driver<T: driver::RegistrationOps + 'static>(
    name: &'static CStr,
) -> Result<Pin<KBox<driver::Registration<T>>>> {
    KBox::pin_init(driver::Registration::new(name, &MODULE), GFP_KERNEL)
}

#[macros::kunit_tests(rust_spi_mem)]
mod cases {
    use super::*;

    #[test]
    fn op_in_flight_delays_drop() -> Result {
        with_stale::<Fake>(|registration, stale| {
            STAGE.block.store(1, Release);
            help(stale, |stale| {
                STAGE.result.store(errno(stale.enable()), Release);
            })?;
            assert!(eventually(&STAGE.entered));

            help(stale, |_| {
                fsleep(AWHILE);
                if STAGE.dropped.load(Acquire) != 0 {
                    STAGE.wrong.store(1, Release);
                }
                STAGE.release.store(1, Release);
            })?;
            drop(registration);

            let left = STAGE.left.load(Acquire);
            let wrong = STAGE.wrong.load(Acquire);
            assert!(helpers_end(2));
            assert_eq!(left, 1);
            assert_eq!(wrong, 0);
            assert_eq!(STAGE.wrong.load(Acquire), 0);
            assert_eq!(STAGE.result.load(Acquire), 0);
            assert_eq!(STAGE.executed.load(Relaxed), 1);
            Ok(())
        })
    }

    #[test]
    fn a_controller_probe_fails_after_registering() -> Result {
        STAGE.reset();
        let _driver = driver::<platform::Adapter<TestController>>(c"rust-spi-ctlr")?;

        for fail in [1, 0, 1] {
            let bound = STAGE.bound.load(Relaxed);
            let dropped = STAGE.dropped.load(Relaxed);

            STAGE.fail.store(fail, Release);
            // SAFETY: The name is static.
            let pdev = unsafe {
                bindings::platform_device_alloc(
                    c"rust-spi-ctlr".as_char_ptr(),
                    bindings::PLATFORM_DEVID_AUTO,
                )
            };
            assert!(!pdev.is_null());
            // SAFETY: It was allocated just now.
            assert_eq!(unsafe { bindings::platform_device_add(pdev) }, 0);
            assert_eq!(STAGE.bound.load(Relaxed), bound + 1 - fail);
            assert_eq!(STAGE.dropped.load(Relaxed), dropped + fail);
            // SAFETY: It was added just now.
            unsafe { bindings::platform_device_unregister(pdev) };
            assert_eq!(STAGE.dropped.load(Relaxed), dropped + 1);
        }
        assert_eq!(STAGE.executed.load(Relaxed), 3);
        Ok(())
    }

    #[test]
    fn callbacks_reach_their_data() -> Result {
        with_stale::<Fake>(|registration, stale| {
            let mut data = buffer(16)?;

            stale.exec(&with_address(read(&mut data[..15]), 0xffff))?;
            assert_eq!(data[14], 0xa5);
            assert_eq!(data[15], 0);
            stale.exec(&write(&data))?;
            stale.enable()?;
            assert!(stale.supports(&read(&mut data)));
            assert!(!stale.supports(&op(0xff)));
            assert_eq!(STAGE.executed.load(Relaxed), 3);
            assert!(STAGE.asked.load(Relaxed) >= 5);
            assert_eq!(STAGE.wrong.load(Relaxed), 0);
            assert_eq!(*registration.data().pattern, 0xa5);
            assert!(core::ptr::eq(
                registration.parent(),
                registration.data().parent
            ));
            assert_eq!(STAGE.dropped.load(Relaxed), 0);
            drop(registration);
            assert_eq!(STAGE.dropped.load(Relaxed), 1);
            Ok(())
        })
    }

    #[test]
    fn drivers_are_asked_with_the_length() -> Result {
        with_stale::<Fake>(|_registration, stale| {
            let mut data = buffer(MOST + 1)?;

            assert!(!stale.supports(&read(&mut data)));
            assert!(stale.supports(&read(&mut data[..MOST])));
            assert_eq!(errno(stale.exec(&read(&mut data))), EOPNOTSUPP.to_errno());
            assert_eq!(STAGE.executed.load(Relaxed), 0);
            Ok(())
        })
    }

    #[test]
    fn hooks_that_are_not_there_are_null() {
        let (fake, plain) = (&VTable::<Fake>::OPS, &VTable::<Plain>::OPS);

        assert!(fake.exec_op.is_some());
        assert!(fake.supports_op.is_some());
        assert!(fake.get_name.is_some());
        assert!(plain.exec_op.is_some());
        assert!(plain.supports_op.is_none());
        assert!(plain.get_name.is_none());
        assert!(plain.adjust_op_size.is_none());
        assert!(plain.dirmap_create.is_none());
        assert!(plain.poll_status.is_none());
    }

    #[test]
    fn the_core_decides_without_hooks() -> Result {
        with_stale::<Plain>(|_registration, stale| {
            let mut dtr = op(0x9f60);

            (dtr.cmd.nbytes, dtr.cmd.buswidth) = (2, 8);
            dtr.cmd.set_dtr(1);
            assert!(stale.supports(&op(0x06)));
            assert!(!stale.supports(&dtr));
            assert_eq!(errno(stale.exec(&dtr)), EOPNOTSUPP.to_errno());
            assert_eq!(STAGE.executed.load(Relaxed), 0);
            Ok(())
        })
    }

    #[test]
    fn the_core_refuses_nonsense() -> Result {
        with_stale::<Plain>(|_registration, stale| {
            let mut long_opcode = op(0x06);
            long_opcode.cmd.nbytes = 3;
            let mut long_address = with_address(op(0x06), 0);
            long_address.addr.nbytes = 9;
            let mut no_direction = op(0x06);
            (no_direction.data.buswidth, no_direction.data.nbytes) = (1, 1);
            let mut which_direction = op(0x06);
            which_direction.data.dir = 3;

            for op in [long_opcode, long_address, no_direction, which_direction] {
                assert!(!stale.supports(&op));
                assert_eq!(errno(stale.exec(&op)), EINVAL.to_errno());
            }
            let mut no_buffer = read(&mut buffer(1)?);
            no_buffer.data.buf.in_ = core::ptr::null_mut();
            assert!(stale.supports(&no_buffer));
            assert_eq!(errno(stale.exec(&no_buffer)), EINVAL.to_errno());
            assert_eq!(STAGE.executed.load(Relaxed), 0);
            Ok(())
        })
    }

    #[test]
    fn errors_of_drivers_arrive() -> Result {
        with_stale::<Fake>(|_registration, stale| {
            for (error, expected) in [
                (ETIMEDOUT, ETIMEDOUT),
                (ENODEV, ENODEV),
                // The core tries it with a message, which the controller does not have.
                (EOPNOTSUPP, ENOTSUPP),
                (ENOTSUPP, ENOTSUPP),
            ] {
                STAGE.error.store(error.to_errno(), Release);
                assert_eq!(errno(stale.enable()), expected.to_errno());
            }
            assert_eq!(STAGE.executed.load(Relaxed), 4);
            Ok(())
        })
    }

    #[test]
    fn a_closed_gate_refuses() -> Result {
        with_stale::<Fake>(|registration, stale| {
            stale.enable()?;
            drop(registration);
            let asked = STAGE.asked.load(Relaxed);

            for _ in 0..2 {
                assert_eq!(errno(stale.enable()), SHUT);
                assert!(!stale.supports(&op(0x06)));
            }
            assert_eq!(STAGE.executed.load(Relaxed), 1);
            assert_eq!(STAGE.asked.load(Relaxed), asked);
            Ok(())
        })
    }

    /// Whatever C hands over, the driver sees an operation, or nothing.
    #[test]
    fn hostile_operations_do_not_panic() -> Result {
        with_stale::<Fake>(|_registration, stale| {
            let mut data = buffer(16)?;
            let raw_mem = core::ptr::from_ref(&*stale.raw).cast_mut();
            let ops = &VTable::<Fake>::OPS;
            let (Some(exec_op), Some(supports_op)) = (ops.exec_op, ops.supports_op) else {
                return Err(EINVAL);
            };
            let (mut refused, mut accepted) = (0u32, 0u32);

            let mut try_all = |op: &mut bindings::spi_mem_op| {
                for (len, offset) in [
                    (0, None),
                    (0, Some(0)),
                    (1, None),
                    (1, Some(1)),
                    (13, Some(0)),
                    // An odd address.
                    (13, Some(1)),
                    (12, Some(3)),
                    (u32::MAX, None),
                    (1 << 31, None),
                ] {
                    // There are three directions.
                    for dir in 0..5 {
                        op.data.dir = dir;
                        op.data.nbytes = len;
                        op.data.buf.in_ = match offset {
                            Some(offset) => data[offset..].as_mut_ptr().cast(),
                            None => core::ptr::null_mut(),
                        };

                        // SAFETY: The data is valid, or NULL, and nobody unregisters the
                        // controller.
                        match unsafe { exec_op(raw_mem, op) } {
                            0 => accepted += 1,
                            _ => refused += 1,
                        }
                        // SAFETY: As above.
                        unsafe { supports_op(raw_mem, op) };
                        // SAFETY: As above.
                        unsafe { bindings::spi_mem_exec_op(raw_mem, op) };
                    }
                }
            };

            for width in [0, 1, 2, 3, 4, 5, 6, 7, 8, 16, 255] {
                for nbytes in [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 255] {
                    for dtr in [0, 1] {
                        let mut op: bindings::spi_mem_op = pin_init::zeroed();
                        op.cmd.nbytes = if nbytes > 4 { nbytes % 6 } else { 1 };
                        op.cmd.buswidth = if width > 8 { width } else { 1 };
                        op.cmd.opcode = 0xffff;
                        op.cmd.set_dtr(dtr & nbytes);
                        op.addr.nbytes = nbytes;
                        op.addr.buswidth = width;
                        op.addr.val = u64::MAX;
                        op.addr.set_dtr(dtr);
                        op.dummy.nbytes = nbytes;
                        op.dummy.buswidth = width;
                        op.dummy.set_dtr(dtr);
                        op.data.buswidth = width;
                        op.data.set_dtr(dtr);
                        op.data.set_ecc(dtr & !nbytes & 1);
                        op.max_freq = u32::from(width);
                        try_all(&mut op);
                    }
                }
            }
            assert!(refused > 1000);
            assert!(accepted > 100);
            assert_eq!(STAGE.address_bytes.load(Relaxed), 8);
            assert_eq!(data[15], 0);
            assert_eq!(STAGE.wrong.load(Relaxed), 0);
            Ok(())
        })
    }
}
