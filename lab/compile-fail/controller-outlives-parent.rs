//@ error: E0597

//! A controller ends before its parent is unbound.

use kernel::device::{Bound, Device};
use kernel::faux;
use kernel::prelude::*;
use kernel::spi::mem::{Controller, Operations};
use kernel::spi::Properties;

/// Uses the controller of a parent that is gone.
pub fn register<T: Operations>(properties: &Properties) -> Result {
    let outer = faux::Registration::new(c"outer", None)?;
    let controller = {
        let inner = faux::Registration::new(c"inner", None)?;
        let _: (&faux::Device<Bound>, &faux::Device<Bound>) = (inner.as_ref(), outer.as_ref());
        //@ twin: let parent: &faux::Device<Bound> = outer.as_ref();
        let parent: &faux::Device<Bound> = inner.as_ref();
        let parent: &Device<Bound> = parent.as_ref();
        Controller::<T>::new(parent, properties)?
    };

    let _ = controller.parent();
    Ok(())
}
