//@ error: E0597

//! An interrupt handler that reaches a completion by reference cannot outlive it.

use kernel::irq::{self, Flags, IrqRequest, IrqReturn, Registration};
use kernel::prelude::*;
use kernel::sync::Completion;

struct Handler<'a> {
    done: &'a Completion,
}

impl irq::Handler for Handler<'_> {
    fn handle(&self) -> IrqReturn {
        self.done.complete();
        IrqReturn::Handled
    }
}

/// Has an interrupt while there is no completion for it.
pub fn wait(request: IrqRequest<'_>) -> Result {
    let outer = KBox::pin_init(Completion::new(), GFP_KERNEL)?;
    let registration = {
        let inner = KBox::pin_init(Completion::new(), GFP_KERNEL)?;
        inner.complete_all();
        //@ twin: let handler = Ok::<_, Error>(Handler { done: &outer });
        let handler = Ok::<_, Error>(Handler { done: &inner });
        // SAFETY: It is dropped at the end of this function.
        let irq = unsafe { Registration::new(request, Flags::TRIGGER_NONE, c"case", handler) };
        KBox::pin_init(irq, GFP_KERNEL)?
    };
    outer.complete_all();
    registration.synchronize();
    Ok(())
}
