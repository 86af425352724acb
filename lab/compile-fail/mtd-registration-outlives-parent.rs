//@ error: E0597

//! The registration of an MTD ends before its parent is unbound.

use kernel::device::{Bound, Device};
use kernel::faux;
use kernel::mtd::{Operations, Properties, Registration};
use kernel::prelude::*;

/// Registers an MTD of a parent that is gone.
pub fn register<T>(properties: &Properties<'static>) -> Result
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
        // SAFETY: It is dropped at the end of this function.
        unsafe { Registration::<T>::new(parent, properties, Ok::<u32, Error>(0))? }
    };

    drop(registration);
    Ok(())
}
