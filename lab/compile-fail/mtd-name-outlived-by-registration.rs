//@ error: E0597

//! The name that a driver gives an MTD is there while it is registered.

use kernel::device::{Bound, Device};
use kernel::mtd::{Operations, Properties, Registration};
use kernel::prelude::*;
use kernel::str::CString;

const RAM: Properties<'static> = Properties::ram(0x1000).unwrap();

/// Registers an MTD with a name that goes first.
pub fn register<T>(parent: &Device<Bound>, name: &CString) -> Result
where
    T: for<'a> Operations<RegistrationData<'a> = u32>,
{
    let registration = {
        let copy = CString::try_from(&**name)?;
        let _ = (&copy, name);
        //@ twin: let properties = RAM.name(name);
        let properties = RAM.name(&copy);
        // SAFETY: It is dropped at the end of this function.
        unsafe { Registration::<T>::new(parent, &properties, Ok::<u32, Error>(0))? }
    };

    drop(registration);
    Ok(())
}
