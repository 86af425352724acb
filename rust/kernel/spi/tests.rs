// SPDX-License-Identifier: GPL-2.0

//! Tests with a controller that has no hardware.
//!
//! What reaches into the data of a controller too late is also reported by KASAN.

use super::{
    mem::{
        self,
        Address,
        Buffer,
        Capabilities,
        Command,
        Data,
        DataIn,
        DataOut,
        Direction,
        Dummy,
        InFlight,
        Mem,
        Op,
        OpTemplate,
        Rate,
        Transfer,
        Width, //
    },
    *, //
};
use crate::{
    bindings,
    clk::Hertz,
    device::{
        self,
        Bound,
        Core, //
    },
    driver,
    faux,
    platform,
    prelude::*,
    str::CString,
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

use core::{
    num::{
        NonZeroU16,
        NonZeroU8, //
    },
    ptr::NonNull, //
};

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
    /// Flash drivers that were bound.
    bound: Atomic<u32>,
    /// Flash drivers whose data was dropped, having executed its last operation.
    parted: Atomic<u32>,
    /// Helpers that have ended.
    helped: Atomic<u32>,
    /// What `exec_op` and `adjust_op_size` return, if not 0.
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
    parted: Atomic::new(0),
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
            &self.parted,
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
fn fake_exec<'a, T>(this: &InFlight<'a, T>, device: &Device, op: &mut Op<'_>) -> Result
where
    T: mem::Operations<Data<'a> = FakeData<'a>>,
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
        // C may have such an address, and it is not for others in Rust.
        if nbytes > Address::MAX.into() && ENABLE.address(phase).op(Some(0)).is_ok() {
            STAGE.wrong.store(1, Release);
        }
    }
    let cycles = template
        .dummy_phase()
        .map_or(0, |dummy| dummy.cycles(Rate::Str) + dummy.cycles(Rate::Dtr));
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
impl mem::Operations for Fake {
    type Data<'a> = FakeData<'a>;

    const CAPABILITIES: Capabilities = Capabilities::new().dtr().per_op_freq();

    fn exec_op<'a>(this: &InFlight<'a, Self>, device: &Device, op: &mut Op<'_>) -> Result {
        fake_exec(this, device, op)
    }

    fn supports_op<'a>(this: &InFlight<'a, Self>, _device: &Device, op: &OpTemplate) -> bool {
        count(&STAGE.asked);

        *this.data().pattern == 0xa5 && op.command().opcode != mem::Opcode::One(0xff)
    }

    fn name(parent: &device::Device<Bound>, device: &Device) -> Result<CString> {
        CString::try_from_fmt(fmt!("{}.{}", parent.name(), device.chip_select()))
    }
}

#[vtable]
impl mem::Operations for Plain {
    type Data<'a> = FakeData<'a>;

    fn exec_op<'a>(this: &InFlight<'a, Self>, device: &Device, op: &mut Op<'_>) -> Result {
        fake_exec(this, device, op)
    }
}

/// The operations of a controller in C that has less room than there may be data.
static LIMITED: bindings::spi_controller_mem_ops = bindings::spi_controller_mem_ops {
    adjust_op_size: Some(adjust_op_size),
    // SAFETY: They are static.
    ..unsafe { *mem::ops::<Fake>() }
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

    *nbytes = STAGE.most.load(Acquire).min(*nbytes);
    STAGE.error.load(Acquire)
}

fn register<'bound, T>(parent: &'bound device::Device<Bound>) -> Result<Registration<'bound, T>>
where
    T: mem::Operations<Data<'bound> = FakeData<'bound>>,
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
    fn new<T: mem::Operations>(
        registration: &Registration<'_, T>,
        name: &CStr,
    ) -> Result<Arc<Self>> {
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

    fn mem(&self) -> Mem<'_> {
        // SAFETY: Its device is kept by a reference, and that its controller by another. No driver
        // need be bound, and no test asks this for its device.
        unsafe { Mem::without_driver(NonNull::from(&*self.raw)) }
    }

    fn device(&self) -> *mut bindings::device {
        let spi = self.raw.spi;

        // SAFETY: There is a reference to it.
        unsafe { &raw mut (*spi).dev }
    }

    fn gate_is_open(&self) -> bool {
        // SAFETY: There is a reference to it.
        let state = unsafe {
            core::ptr::read_volatile(&raw const (*(*self.raw.spi).controller).gate.state)
        };

        state != bindings::spi_gate_SPI_GATE_CLOSED
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

/// Runs `test` with a controller, and a memory at it that no driver is bound to, unless there is
/// one that has this name.
fn with_stale<T>(
    name: &CStr,
    test: impl for<'a> FnOnce(Registration<'a, T>, &Arc<Stale>) -> Result,
) -> Result
where
    T: for<'a> mem::Operations<Data<'a> = FakeData<'a>>,
{
    STAGE.reset();
    let faux = faux::Registration::new(c"rust-spi", None)?;
    let registration = register::<T>(faux.as_ref().as_ref())?;
    let stale = Stale::new(&registration, name)?;

    test(registration, &stale)
}

const READ: OpTemplate = OpTemplate::new(Command::new(0x03, Width::Single))
    .address(Address::new(2, Width::Single, Rate::Str).unwrap())
    .transfer(Transfer::new(Direction::In, Width::Single, Rate::Str));
const WRITE: OpTemplate = OpTemplate::new(Command::new(0x02, Width::Single))
    .address(Address::new(2, Width::Single, Rate::Str).unwrap())
    .transfer(Transfer::new(Direction::Out, Width::Single, Rate::Str));
const ENABLE: OpTemplate = OpTemplate::new(Command::new(0x06, Width::Single));

fn errno(result: Result) -> i32 {
    result.map_or_else(|error| error.to_errno(), |()| 0)
}

const SHUT: i32 = -(bindings::ESHUTDOWN as i32);

/// A device that no driver is for.
const NOBODY: &CStr = c"rust-spi-none";

/// A device that [`TestFlash`] is for, if it is registered.
const FLASH: &CStr = c"rust-spi-flash";

/// How a helper of a test executes one operation.
fn run_enable(mem: &Mem<'_>) -> Result {
    mem.exec(&mut ENABLE.op(None)?)
}

struct TestFlash;

struct TestFlashData<'bound>(Mem<'bound>);

impl Drop for TestFlashData<'_> {
    fn drop(&mut self) {
        // The last thing that a flash hears.
        if run_enable(&self.0).is_ok() {
            count(&STAGE.parted);
        }
    }
}

impl mem::Driver for TestFlash {
    type IdInfo = ();
    type Data<'bound> = TestFlashData<'bound>;

    fn probe<'bound>(
        _device: &'bound Device<Core<'_>>,
        mem: Mem<'bound>,
        _info: Option<&'bound ()>,
    ) -> impl PinInit<TestFlashData<'bound>, Error> + 'bound {
        let mut id = Buffer::new(2, GFP_KERNEL)?;
        let inside = mem.enter()?;

        inside.exec(&mut ENABLE.op(None)?)?;
        inside.exec(&mut READ.read(Some(0), &mut id)?)?;
        if id[..] != [0xa5, 0xa5] {
            return Err(EIO);
        }
        if STAGE.fail.load(Acquire) != 0 {
            return Err(ENXIO);
        }
        count(&STAGE.bound);
        Ok(TestFlashData(mem))
    }
}

struct TestController;

impl platform::Driver for TestController {
    type IdInfo = ();
    type Data<'bound> = Registration<'bound, Fake>;

    fn probe<'bound>(
        pdev: &'bound platform::Device<Core<'_>>,
        _info: Option<&'bound ()>,
    ) -> impl PinInit<Registration<'bound, Fake>, Error> + 'bound {
        let registration = register::<Fake>(pdev.as_ref())?;

        run_enable(&Stale::new(&registration, NOBODY)?.mem())?;
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
    fn callbacks_reach_their_data() -> Result {
        with_stale::<Fake>(NOBODY, |registration, stale| {
            let mem = stale.mem();
            let mut data = Buffer::new(16, GFP_KERNEL)?;

            mem.exec(&mut READ.read(Some(0xffff), data.part_mut(..15)?)?)?;
            assert_eq!(data[14], 0xa5);
            assert_eq!(data[15], 0);
            mem.exec(&mut WRITE.write(Some(0), &data)?)?;
            run_enable(&mem)?;
            assert!(mem.supports(&READ));
            assert!(!mem.supports(&OpTemplate::new(Command::new(0xff, Width::Single))));
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
    fn hooks_that_are_not_there_are_null() {
        // SAFETY: They are static.
        let (fake, plain) = unsafe { (&*mem::ops::<Fake>(), &*mem::ops::<Plain>()) };

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
        with_stale::<Plain>(NOBODY, |_registration, stale| {
            let mem = stale.mem();
            let dtr = OpTemplate::new(Command::dtr(0x9f60, Width::Octal));

            assert!(mem.supports(&READ));
            assert!(!mem.supports(&dtr));
            assert_eq!(
                errno(dtr.op(None).and_then(|mut op| mem.exec(&mut op))),
                EOPNOTSUPP.to_errno()
            );
            assert_eq!(STAGE.executed.load(Relaxed), 0);
            Ok(())
        })
    }

    #[test]
    fn op_in_flight_delays_drop() -> Result {
        with_stale::<Fake>(NOBODY, |registration, stale| {
            STAGE.block.store(1, Release);
            help(stale, |stale| {
                STAGE.result.store(errno(run_enable(&stale.mem())), Release);
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
    fn what_is_too_long_for_the_controller_is_refused() -> Result {
        with_stale::<Fake>(NOBODY, |registration, stale| {
            let mem = stale.mem();
            let mut data = Buffer::new(16, GFP_KERNEL)?;
            let (einval, eopnotsupp) = (EINVAL.to_errno(), EOPNOTSUPP.to_errno());

            // SAFETY: It is registered, and nobody uses it meanwhile.
            unsafe { (*registration.as_raw()).mem_ops = &LIMITED };
            let mut read = READ.read(Some(0), &mut data)?;

            STAGE.most.store(6, Release);
            assert_eq!(errno(mem.exec(&mut read)), einval);
            assert_eq!(errno(mem.enter()?.exec(&mut read)), einval);

            // What has failed has changed nothing, whatever it did before.
            STAGE.error.store(eopnotsupp, Release);
            assert_eq!(errno(mem.adjust_size(&mut read)), eopnotsupp);
            assert_eq!(errno(mem.enter()?.adjust_size(&mut read)), eopnotsupp);
            assert_eq!(errno(mem.exec(&mut read)), einval);
            assert_eq!(errno(run_enable(&mem)), einval);
            assert_eq!(read.len(), 16);
            assert_eq!(STAGE.executed.load(Relaxed), 0);

            STAGE.error.store(0, Release);
            mem.adjust_size(&mut read)?;
            assert_eq!(read.len(), 6);
            mem.exec(&mut read)?;
            mem.enter()?.exec(&mut read)?;
            run_enable(&mem)?;
            assert_eq!(STAGE.executed.load(Relaxed), 3);
            assert_eq!(data[5], 0xa5);
            assert_eq!(data[6], 0);
            Ok(())
        })
    }

    #[test]
    fn errors_of_drivers_arrive() -> Result {
        with_stale::<Fake>(NOBODY, |registration, stale| {
            let mem = stale.mem();

            for (error, expected) in [
                (ETIMEDOUT, ETIMEDOUT),
                // Another subsystem's.
                (ENOTSUPP, EIO),
                // The core tries it with a message, which the controller does not have.
                (EOPNOTSUPP, ENOTSUPP),
            ] {
                STAGE.error.store(error.to_errno(), Release);
                assert_eq!(errno(run_enable(&mem)), expected.to_errno());
            }
            assert_eq!(STAGE.executed.load(Relaxed), 3);

            // A controller with nothing but messages is not asked about operations without data.
            // SAFETY: It is registered, and nobody uses it meanwhile.
            unsafe { (*registration.as_raw()).mem_ops = core::ptr::null() };
            assert_eq!(errno(run_enable(&mem)), ENOTSUPP.to_errno());
            assert_eq!(STAGE.executed.load(Relaxed), 3);
            Ok(())
        })
    }

    #[test]
    fn a_closed_gate_refuses() -> Result {
        with_stale::<Fake>(NOBODY, |registration, stale| {
            let mem = stale.mem();
            let mut data = Buffer::new(4, GFP_KERNEL)?;

            run_enable(&mem)?;
            drop(mem.enter()?);
            drop(registration);
            let asked = STAGE.asked.load(Relaxed);

            for _ in 0..2 {
                assert_eq!(errno(run_enable(&mem)), SHUT);
                assert_eq!(errno(mem.enter().map(drop)), SHUT);
                assert_eq!(
                    errno(mem.adjust_size(&mut READ.read(Some(0), &mut data)?)),
                    SHUT
                );
                assert!(!mem.supports(&READ));
            }
            assert_eq!(STAGE.executed.load(Relaxed), 1);
            assert_eq!(STAGE.asked.load(Relaxed), asked);
            Ok(())
        })
    }

    #[test]
    fn a_guard_is_not_refused_halfway() -> Result {
        fn sequence(mem: &Mem<'_>) -> Result {
            let mut data = Buffer::new(4, GFP_KERNEL)?;
            let inside = mem.enter()?;

            inside.exec(&mut ENABLE.op(None)?)?;
            STAGE.wait();
            if !inside.supports(&READ) {
                return Err(EIO);
            }
            let mut read = READ.read(Some(2), &mut data)?;
            inside.adjust_size(&mut read)?;
            inside.exec(&mut read)
        }

        with_stale::<Fake>(NOBODY, |registration, stale| {
            help(stale, |stale| {
                STAGE.result.store(errno(sequence(&stale.mem())), Release);
                STAGE.left.store(2, Release);
            })?;
            assert!(eventually(&STAGE.entered));

            help(stale, |stale| {
                let mut polls = 0;

                while stale.gate_is_open() && polls < POLLS {
                    polls += 1;
                    fsleep(Delta::from_millis(1));
                }
                fsleep(AWHILE);
                if errno(run_enable(&stale.mem())) != SHUT
                    || errno(stale.mem().enter().map(drop)) != SHUT
                    || STAGE.dropped.load(Acquire) != 0
                {
                    STAGE.wrong.store(1, Release);
                }
                STAGE.release.store(1, Release);
            })?;
            drop(registration);

            let executed = STAGE.executed.load(Relaxed);
            assert!(helpers_end(2));
            assert_eq!(executed, 2);
            assert_eq!(STAGE.wrong.load(Acquire), 0);
            assert_eq!(STAGE.result.load(Acquire), 0);
            Ok(())
        })
    }

    #[test]
    fn flash_drivers_come_and_go() -> Result {
        let _driver = driver::<mem::Adapter<TestFlash>>(FLASH)?;

        with_stale::<Fake>(FLASH, |registration, stale| {
            assert_eq!(STAGE.bound.load(Relaxed), 1);
            // SAFETY: There is a reference to it.
            unsafe { bindings::device_release_driver(stale.device()) };
            assert_eq!(STAGE.parted.load(Relaxed), 1);

            // SAFETY: There is a reference to it.
            assert_eq!(unsafe { bindings::device_attach(stale.device()) }, 1);
            assert_eq!(STAGE.bound.load(Relaxed), 2);

            // The controller goes first: the flash still hears its last operation.
            drop(registration);
            assert_eq!(STAGE.parted.load(Relaxed), 2);
            assert_eq!(STAGE.dropped.load(Relaxed), 1);
            assert_eq!(STAGE.executed.load(Relaxed), 6);
            assert_eq!(STAGE.wrong.load(Relaxed), 0);
            Ok(())
        })
    }

    #[test]
    fn a_flash_probe_fails() -> Result {
        with_stale::<Fake>(FLASH, |registration, stale| {
            STAGE.fail.store(1, Release);
            let _driver = driver::<mem::Adapter<TestFlash>>(FLASH)?;
            assert_eq!(STAGE.executed.load(Relaxed), 2);
            assert_eq!(STAGE.bound.load(Relaxed), 0);
            // SAFETY: There is a reference to it.
            assert!(unsafe { (*stale.device()).driver.is_null() });

            // And it can be bound later.
            STAGE.fail.store(0, Release);
            // SAFETY: There is a reference to it.
            assert_eq!(unsafe { bindings::device_attach(stale.device()) }, 1);
            assert_eq!(STAGE.bound.load(Relaxed), 1);
            drop(registration);
            assert_eq!(STAGE.parted.load(Relaxed), 1);
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
    fn operations_without_sense_cannot_be_made() -> Result {
        let mut data = Buffer::new(4, GFP_KERNEL)?;
        let other = Buffer::new(0, GFP_KERNEL)?;
        let einval = EINVAL.to_errno();

        for nbytes in 0..=u8::MAX {
            let address = Address::new(nbytes, Width::Octal, Rate::Dtr);
            assert_eq!(address.is_some(), (1..=4).contains(&nbytes));
        }
        for wires in 0..=u8::MAX {
            assert_eq!(
                Width::try_from(wires).is_ok(),
                [1, 2, 4, 8].contains(&wires)
            );
        }
        assert_eq!(errno(READ.op(Some(0)).map(drop)), einval);
        assert_eq!(errno(READ.write(Some(0), &other).map(drop)), einval);
        assert_eq!(errno(WRITE.write(Some(0), &other).map(drop)), einval);
        assert_eq!(errno(READ.read(None, &mut data).map(drop)), einval);
        assert_eq!(errno(READ.read(Some(0x10000), &mut data).map(drop)), einval);
        assert_eq!(errno(READ.read(Some(0xffff), &mut data).map(drop)), 0);
        assert_eq!(errno(ENABLE.op(Some(0)).map(drop)), einval);
        assert_eq!(errno(ENABLE.op(None).map(drop)), 0);
        assert_eq!(errno(data.part(3..5).map(|_| ())), einval);

        let wide = READ.address(Address::new(4, Width::Single, Rate::Str).unwrap());
        let last = u64::from(u32::MAX);
        assert_eq!(wide.read(Some(last), &mut data)?.address(), last);
        assert_eq!(
            errno(wide.read(Some(last + 1), &mut data).map(drop)),
            einval
        );

        // Two bytes a cycle, and no half of one.
        let octal = OpTemplate::new(Command::dtr(0x9f60, Width::Octal));
        let all = |template: OpTemplate| errno(template.op(None).map(drop));
        let dummy = |nbytes| Dummy {
            nbytes,
            width: Width::Octal,
            rate: Rate::Dtr,
        };
        let part = octal.transfer(Transfer::new(Direction::In, Width::Octal, Rate::Dtr));
        assert_eq!(all(octal), 0);
        assert_eq!(all(octal.dummy(dummy(NonZeroU8::MIN))), einval);
        assert_eq!(all(octal.dummy(dummy(NonZeroU8::MIN.saturating_add(1)))), 0);
        assert_eq!(
            all(OpTemplate::new(Command {
                rate: Rate::Dtr,
                ..Command::new(0x9f, Width::Octal)
            })),
            einval
        );
        assert_eq!(
            errno(part.read(None, data.part_mut(..3)?).map(drop)),
            einval
        );
        assert_eq!(errno(part.read(None, data.part_mut(..2)?).map(drop)), 0);
        for nbytes in 1..=4 {
            let address = Address::new(nbytes, Width::Octal, Rate::Dtr).unwrap();
            let result = errno(octal.address(address).op(Some(0)).map(drop));
            assert_eq!(result, if nbytes % 2 == 0 { 0 } else { einval });
        }

        let dummy = Dummy {
            nbytes: NonZeroU8::MAX,
            width: Width::Single,
            rate: Rate::Str,
        };
        assert_eq!(dummy.cycles(Rate::Str), 255 * 8);
        Ok(())
    }

    #[test]
    fn data_is_copied_in_parts() {
        let mut bytes = [0; 8];
        let (mut first, mut rest) = DataIn::from_slice(&mut bytes).split_at(3);

        first.fill(1);
        assert_eq!(rest.copy_from(&[2; 4]), 4);
        assert_eq!((first.len(), rest.len()), (3, 5));
        let (_, mut last) = rest.split_at(4);
        assert_eq!(last.copy_from(&[3; 4]), 1);
        assert_eq!(last.copy_from(&[]), 0);
        let (last, mut none) = last.split_at(2);
        assert_eq!((last.len(), none.copy_from(&[4])), (1, 0));
        assert!(none.is_empty());
        assert_eq!(bytes, [1, 1, 1, 2, 2, 2, 2, 3]);

        let mut copy = [0; 4];
        let (first, rest) = DataOut::from_slice(&bytes).split_at(3);
        assert_eq!(first.copy_to(&mut copy), 3);
        assert_eq!(copy, [1, 1, 1, 0]);
        assert_eq!(rest.copy_to(&mut copy), 4);
        assert_eq!(copy, [2, 2, 2, 2]);
        let (rest, none) = rest.split_at(6);
        assert_eq!((rest.len(), none.copy_to(&mut copy)), (5, 0));
        assert!(none.is_empty());
    }

    /// Whatever C hands over, the driver sees an operation, or nothing.
    #[test]
    fn hostile_operations_do_not_panic() -> Result {
        with_stale::<Fake>(NOBODY, |_registration, stale| {
            let mem = stale.mem();
            let mut data = Buffer::new(16, GFP_KERNEL)?;
            let raw_mem = core::ptr::from_ref(&*stale.raw).cast_mut();
            // SAFETY: It is static.
            let ops = unsafe { &*mem::ops::<Fake>() };
            let (Some(exec_op), Some(supports_op)) = (ops.exec_op, ops.supports_op) else {
                return Err(EINVAL);
            };
            let inside = mem.enter()?;
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

                        // SAFETY: The data is valid, or NULL, and we are inside the gate.
                        match unsafe { exec_op(raw_mem, op) } {
                            0 => accepted += 1,
                            _ => refused += 1,
                        }
                        // SAFETY: As above.
                        unsafe { supports_op(raw_mem, op) };
                        // SAFETY: As above.
                        unsafe { bindings::spi_mem_exec_op_inside(raw_mem, op) };
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
            drop(inside);
            assert!(refused > 1000);
            assert!(accepted > 100);
            assert_eq!(STAGE.address_bytes.load(Relaxed), 8);
            assert_eq!(data[15], 0);
            assert_eq!(STAGE.wrong.load(Relaxed), 0);
            Ok(())
        })
    }
}
