//@ error: E0597

//! What the data of callbacks borrows is there as long as the registration is.

use kernel::device::{Bound, Device};
use kernel::prelude::*;
use kernel::spi::mem::{Controller, Operations, Registration};
use kernel::spi::Properties;

/// Lets callbacks have what is gone.
pub fn register<T>(parent: &Device<Bound>, properties: &Properties) -> Result
where
    T: for<'a> Operations<RegistrationData<'a> = &'a u32>,
{
    let outer = 1;
    let registration = {
        let inner = 2;
        let _ = inner;
        let controller = Controller::<T>::new(parent, properties)?;
        // SAFETY: It is dropped at the end of this function.
        //@ twin: unsafe { Registration::new(controller, Ok::<_, Error>(&outer))? }
        unsafe { Registration::new(controller, Ok::<_, Error>(&inner))? }
    };

    let _ = (registration.data(), outer);
    Ok(())
}
