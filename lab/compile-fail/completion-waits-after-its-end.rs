//@ error: E0597

//! An interrupt handler that reaches a completion by reference cannot outlive it.

use kernel::prelude::*;
use kernel::sync::Completion;

struct Handler<'a> {
    done: &'a Completion,
}

/// What an interrupt registration would keep.
fn register<'a>(done: &'a Completion) -> Handler<'a> {
    Handler { done }
}

/// Waits for what a handler says.
pub fn wait() -> Result {
    let outer = KBox::pin_init(Completion::new(), GFP_KERNEL)?;
    let handler = {
        let inner = KBox::pin_init(Completion::new(), GFP_KERNEL)?;
        inner.complete_all();
        //@ twin: register(&outer)
        register(&inner)
    };
    outer.complete_all();
    handler.done.wait_for_completion();
    Ok(())
}
