// SPDX-License-Identifier: GPL-2.0

//! Reset control abstractions.
//!
//! A reset controller drives lines that hold parts of a chip in reset. This module is for the
//! drivers of those parts.
//!
//! C header: [`include/linux/reset.h`](srctree/include/linux/reset.h)
//!
//! Reference: <https://docs.kernel.org/driver-api/reset.html>

use crate::{
    bindings,
    device::Device,
    error::{
        from_err_ptr,
        to_result, //
    },
    prelude::*, //
};

use core::ptr::{
    self,
    NonNull, //
};

/// Exclusive control of a reset line.
///
/// Rust abstraction for an exclusive, acquired C [`struct reset_control`]: as long as this exists,
/// nobody else can get control of the same line. The line keeps its level when this is dropped.
///
/// A line that a device may lack is an [`Option`] of this; see
/// [`ResetControl::get_optional_exclusive`].
///
/// This may outlive the provider of the line. Its methods fail with [`ENODEV`] from then on, and if
/// that is how it is dropped, the memory of the C structure is lost: `reset_control_put()` returns
/// early when there is no provider, for users in C as well.
///
/// # Without reset controllers
///
/// If `CONFIG_RESET_CONTROLLER` is not set, no value of this type can be had:
/// [`ResetControl::get_optional_exclusive`] finds no line, whatever the firmware says.
///
/// # Invariants
///
/// The pointer is to a valid [`struct reset_control`] that is exclusive and acquired, and one
/// reference of it is owned by `self`.
///
/// # Examples
///
/// A device, or its bus interface, that gets reset if there is a line to do so with:
///
/// ```
/// use kernel::{
///     device::Device,
///     reset::ResetControl,
///     time::{
///         delay::fsleep,
///         Delta, //
///     }, //
/// };
///
/// fn reset(dev: &Device) -> Result {
///     for name in [c"core", c"bus"] {
///         if let Some(line) = ResetControl::get_optional_exclusive(dev, Some(name))? {
///             line.assert()?;
///             fsleep(Delta::from_micros(10));
///             line.deassert()?;
///         }
///     }
///     Ok(())
/// }
/// ```
///
/// [`struct reset_control`]: srctree/include/linux/reset.h
#[repr(transparent)]
pub struct ResetControl(NonNull<bindings::reset_control>);

// SAFETY: A `struct reset_control` belongs to no thread.
unsafe impl Send for ResetControl {}

// SAFETY: The methods may be called concurrently: the reset framework protects the provider from
// going away under them by SRCU, and providers synchronise access to their registers.
unsafe impl Sync for ResetControl {}

impl ResetControl {
    /// Gets exclusive control of a reset line of `dev`, if there is one: of the one called `name`,
    /// or without a name of the first one.
    ///
    /// Its level does not change. [`None`] means that the firmware describes no such line, or that
    /// `CONFIG_RESET_CONTROLLER` is not set.
    ///
    /// # Errors
    ///
    /// - [`EPROBE_DEFER`] if its provider has not been registered yet.
    /// - [`EBUSY`], and a warning, if somebody else has control of it.
    ///
    /// # Context
    ///
    /// Process context: this takes mutexes and allocates.
    pub fn get_optional_exclusive(dev: &Device, name: Option<&CStr>) -> Result<Option<Self>> {
        let id = name.map_or(ptr::null(), |name| name.as_char_ptr());
        // SAFETY: `dev` is valid; `id` is NULL, or a C string that is not kept.
        let line = unsafe { bindings::reset_control_get_optional_exclusive(dev.as_raw(), id) };

        // INVARIANT: This is what the function returns if neither an error nor NULL, with a
        // reference for us.
        Ok(NonNull::new(from_err_ptr(line)?).map(Self))
    }

    fn as_raw(&self) -> *mut bindings::reset_control {
        self.0.as_ptr()
    }

    /// Asserts the line: holds the device in reset.
    ///
    /// # Errors
    ///
    /// - [`ENOTSUPP`] if this line can only be pulsed, and not be held.
    /// - [`ENODEV`] if the provider is gone.
    /// - What the provider returns.
    ///
    /// # Context
    ///
    /// Process context: providers may sleep.
    #[inline]
    pub fn assert(&self) -> Result {
        // SAFETY: By the type invariant.
        to_result(unsafe { bindings::reset_control_assert(self.as_raw()) })
    }

    /// Deasserts the line: lets the device run.
    ///
    /// With a provider that only pulses lines this succeeds and does nothing: such a line is not
    /// asserted.
    ///
    /// # Errors
    ///
    /// - [`ENODEV`] if the provider is gone.
    /// - What the provider returns.
    ///
    /// # Context
    ///
    /// Process context: providers may sleep.
    #[inline]
    pub fn deassert(&self) -> Result {
        // SAFETY: By the type invariant.
        to_result(unsafe { bindings::reset_control_deassert(self.as_raw()) })
    }
}

impl Drop for ResetControl {
    #[inline]
    fn drop(&mut self) {
        // If the provider is gone, this does nothing, and the structure stays allocated.
        // SAFETY: By the type invariant, and nobody uses this reference after us.
        unsafe { bindings::reset_control_put(self.as_raw()) };
    }
}

#[cfg(all(CONFIG_RUST_RESET_KUNIT_TEST, CONFIG_RESET_CONTROLLER))]
#[macros::kunit_tests(rust_reset)]
mod tests {
    use super::*;
    use crate::{
        container_of,
        device::Bound,
        faux,
        sync::atomic::{
            Atomic,
            Relaxed, //
        },
        types::Opaque, //
    };

    use bindings::property_entry as Property;

    fn device(registration: &faux::Registration) -> &Device<Bound> {
        let dev: &faux::Device<Bound> = registration.as_ref();

        dev.as_ref()
    }

    /// Writes the firmware of `dev`. The last property has no name.
    fn describe(dev: &Device<Bound>, properties: &[Property]) -> Result {
        // SAFETY: `dev` is valid. The properties get copied with all they point to, up to one
        // without a name. The node goes away with the device.
        to_result(unsafe {
            bindings::device_create_managed_software_node(
                dev.as_raw(),
                properties.as_ptr(),
                ptr::null(),
            )
        })
    }

    fn property<T>(name: &'static CStr, kind: bindings::dev_prop_type, data: &[T]) -> Property {
        let mut property = Property {
            name: name.as_char_ptr(),
            length: size_of_val(data),
            type_: kind,
            ..pin_init::zeroed()
        };

        property.__bindgen_anon_1.pointer = data.as_ptr().cast();
        property
    }

    const LINES: usize = 3;

    const ASSERT: u32 = 1;
    const DEASSERT: u32 = 2;
    const RESET: u32 = 3;

    /// A reset controller without hardware.
    #[pin_data(PinnedDrop)]
    struct Provider {
        /// What was done to each line, the last in the lowest digit.
        log: [Atomic<u32>; LINES],
        /// The error with which operations fail.
        fail: Atomic<i32>,
        #[pin]
        rcdev: Opaque<bindings::reset_controller_dev>,
    }

    static OPS: bindings::reset_control_ops = bindings::reset_control_ops {
        assert: Some(Provider::op::<ASSERT>),
        deassert: Some(Provider::op::<DEASSERT>),
        reset: Some(Provider::op::<RESET>),
        ..pin_init::zeroed()
    };

    static PULSE_OPS: bindings::reset_control_ops = bindings::reset_control_ops {
        reset: Some(Provider::op::<RESET>),
        ..pin_init::zeroed()
    };

    impl Provider {
        /// Provides lines to whoever refers to `dev`, which has to outlive the provider.
        fn new(
            dev: &Device<Bound>,
            ops: &'static bindings::reset_control_ops,
        ) -> Result<Pin<KBox<Self>>> {
            KBox::pin_init(
                try_pin_init!(Self {
                    log: [const { Atomic::new(0) }; LINES],
                    fail: Atomic::new(0),
                    rcdev <- Opaque::try_ffi_init(|slot: *mut bindings::reset_controller_dev| {
                        // SAFETY: `slot` may be written, and is pinned from now on. It gets
                        // unregistered when dropped.
                        unsafe {
                            slot.write(bindings::reset_controller_dev {
                                ops,
                                dev: dev.as_raw(),
                                nr_resets: LINES as u32,
                                ..pin_init::zeroed()
                            });
                            to_result(bindings::reset_controller_register(slot))
                        }
                    }),
                }),
                GFP_KERNEL,
            )
        }

        extern "C" fn op<const OP: u32>(
            rcdev: *mut bindings::reset_controller_dev,
            id: usize,
        ) -> c_int {
            // SAFETY: The framework passes what was registered, which is part of a `Self`.
            let this = unsafe { &*container_of!(Opaque::cast_from(rcdev), Self, rcdev) };
            let log = &this.log[id];

            log.store(log.load(Relaxed) * 10 + OP, Relaxed);
            this.fail.load(Relaxed)
        }

        /// What was done to each line since this was asked last.
        fn log(&self) -> [u32; LINES] {
            self.log.each_ref().map(|line| line.xchg(0, Relaxed))
        }
    }

    #[pinned_drop]
    impl PinnedDrop for Provider {
        fn drop(self: Pin<&mut Self>) {
            // SAFETY: Only what is registered exists.
            unsafe { bindings::reset_controller_unregister(self.rcdev.get()) };
        }
    }

    /// Makes `dev` provide reset lines.
    fn describe_provider(dev: &Device<Bound>) -> Result {
        let mut cells = Property {
            name: c"#reset-cells".as_char_ptr(),
            length: size_of::<u32>(),
            is_inline: true,
            type_: bindings::dev_prop_type_DEV_PROP_U32,
            ..pin_init::zeroed()
        };

        cells.__bindgen_anon_1.value.u32_data = [1, 0];
        describe(dev, &[cells, pin_init::zeroed()])
    }

    /// Gives `dev` the lines of `provider` as `a`, `b` and `c`.
    fn describe_consumer(dev: &Device<Bound>, provider: &Device<Bound>) -> Result {
        let names = [c"a", c"b", c"c"].map(|name| name.as_char_ptr());
        let lines = [0, 1, 2].map(|line| {
            let mut reference = bindings::software_node_ref_args {
                // SAFETY: `provider` is valid.
                fwnode: unsafe { bindings::__dev_fwnode(provider.as_raw()) },
                nargs: 1,
                ..pin_init::zeroed()
            };

            reference.args[0] = line;
            reference
        });

        describe(
            dev,
            &[
                property(c"resets", bindings::dev_prop_type_DEV_PROP_REF, &lines),
                property(
                    c"reset-names",
                    bindings::dev_prop_type_DEV_PROP_STRING,
                    &names,
                ),
                pin_init::zeroed(),
            ],
        )
    }

    /// A line that is there.
    fn line(dev: &Device, name: Option<&CStr>) -> Result<ResetControl> {
        ResetControl::get_optional_exclusive(dev, name)?.ok_or(ENOENT)
    }

    #[test]
    fn operations_reach_their_line() -> Result {
        let supplier = faux::Registration::new(c"rust-reset-lines", None)?;
        let consumer = faux::Registration::new(c"rust-reset-lines-user", None)?;

        describe_provider(device(&supplier))?;
        describe_consumer(device(&consumer), device(&supplier))?;
        let provider = Provider::new(device(&supplier), &OPS)?;

        let b = line(device(&consumer), Some(c"b"))?;
        let first = line(device(&consumer), None)?;

        assert_eq!(provider.log(), [0, 0, 0]);
        b.assert()?;
        b.deassert()?;
        first.deassert()?;
        assert_eq!(provider.log(), [DEASSERT, ASSERT * 10 + DEASSERT, 0]);
        Ok(())
    }

    #[test]
    fn errors_of_the_provider_arrive() -> Result {
        let supplier = faux::Registration::new(c"rust-reset-errors", None)?;
        let consumer = faux::Registration::new(c"rust-reset-errors-user", None)?;

        describe_provider(device(&supplier))?;
        describe_consumer(device(&consumer), device(&supplier))?;
        let provider = Provider::new(device(&supplier), &OPS)?;
        let line = line(device(&consumer), Some(c"a"))?;

        provider.fail.store(EIO.to_errno(), Relaxed);
        assert_eq!(line.assert(), Err(EIO));
        assert_eq!(line.deassert(), Err(EIO));
        Ok(())
    }

    #[test]
    fn not_every_line_can_be_held() -> Result {
        let supplier = faux::Registration::new(c"rust-reset-pulse", None)?;
        let consumer = faux::Registration::new(c"rust-reset-pulse-user", None)?;

        describe_provider(device(&supplier))?;
        describe_consumer(device(&consumer), device(&supplier))?;
        let provider = Provider::new(device(&supplier), &PULSE_OPS)?;
        let line = line(device(&consumer), Some(c"a"))?;

        assert_eq!(line.assert(), Err(ENOTSUPP));
        assert_eq!(line.deassert(), Ok(()));
        assert_eq!(provider.log(), [0, 0, 0]);
        Ok(())
    }

    #[test]
    fn lines_can_be_had_again() -> Result {
        let supplier = faux::Registration::new(c"rust-reset-again", None)?;
        let consumer = faux::Registration::new(c"rust-reset-again-user", None)?;

        describe_provider(device(&supplier))?;
        describe_consumer(device(&consumer), device(&supplier))?;
        let _provider = Provider::new(device(&supplier), &OPS)?;

        // Were a line not put, the next round would fail with EBUSY.
        for _ in 0..2 {
            line(device(&consumer), Some(c"a"))?.assert()?;
            drop(ResetControl::get_optional_exclusive(
                device(&consumer),
                Some(c"a"),
            )?);
        }
        Ok(())
    }

    #[test]
    fn lines_outlive_their_provider() -> Result {
        let supplier = faux::Registration::new(c"rust-reset-gone", None)?;
        let consumer = faux::Registration::new(c"rust-reset-gone-user", None)?;

        describe_provider(device(&supplier))?;
        describe_consumer(device(&consumer), device(&supplier))?;
        let provider = Provider::new(device(&supplier), &OPS)?;
        let line = line(device(&consumer), Some(c"a"))?;

        drop(provider);
        assert_eq!(line.assert(), Err(ENODEV));
        assert_eq!(line.deassert(), Err(ENODEV));
        Ok(())
    }

    #[test]
    fn absent_is_not_the_same_as_late() -> Result {
        let supplier = faux::Registration::new(c"rust-reset-late", None)?;
        let consumer = faux::Registration::new(c"rust-reset-late-user", None)?;
        let bare = faux::Registration::new(c"rust-reset-bare", None)?;

        describe_provider(device(&supplier))?;
        describe_consumer(device(&consumer), device(&supplier))?;

        // Described, without a provider so far.
        let late = device(&consumer);
        assert_eq!(
            ResetControl::get_optional_exclusive(late, Some(c"a")).err(),
            Some(EPROBE_DEFER)
        );

        // Not described, by its name or at all.
        for (dev, name) in [
            (late, Some(c"z")),
            (device(&bare), Some(c"a")),
            (device(&bare), None),
        ] {
            assert!(ResetControl::get_optional_exclusive(dev, name)?.is_none());
        }
        Ok(())
    }
}

#[cfg(all(CONFIG_RUST_RESET_KUNIT_TEST, not(CONFIG_RESET_CONTROLLER)))]
#[macros::kunit_tests(rust_reset_without)]
mod tests_without {
    use super::*;
    use crate::{
        device::Bound,
        faux, //
    };

    #[test]
    fn there_are_no_lines() -> Result {
        let consumer = faux::Registration::new(c"rust-reset-without", None)?;
        let consumer: &faux::Device<Bound> = consumer.as_ref();
        let dev: &Device<Bound> = consumer.as_ref();

        for name in [None, Some(c"a")] {
            assert!(ResetControl::get_optional_exclusive(dev, name)?.is_none());
        }
        Ok(())
    }
}
