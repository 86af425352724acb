//@ error: E0597

//! A registration ends before its parent is unbound.

use kernel::device::{Bound, Device};
use kernel::faux;
use kernel::prelude::*;
use kernel::spi::mem::{Controller, Operations, Registration};
use kernel::spi::Properties;

/// Registers a controller of a parent that is gone.
pub fn register<T>(properties: &Properties) -> Result
where
    T: for<'a> Operations<RegistrationData<'a> = u32>,
{
    let outer = faux::Registration::new(c"outer", None)?;
    let registration = {
        let inner = faux::Registration::new(c"inner", None)?;
        let _: (&faux::Device<Bound>, &faux::Device<Bound>) = (inner.as_ref(), outer.as_ref());
        //@ twin: let parent: &faux::Device<Bound> = outer.as_ref();
        let parent: &faux::Device<Bound> = inner.as_ref();
        let parent: &Device<Bound> = parent.as_ref();
        let controller = Controller::<T>::new(parent, properties)?;
        // SAFETY: It is dropped at the end of this function.
        unsafe { Registration::new(controller, Ok::<u32, Error>(0))? }
    };

    let _ = registration.data();
    Ok(())
}
