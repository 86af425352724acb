//@ error: E0277

//! The proof of being in flight stays in the task that is, even if another one were waited for.

use kernel::spi::mem::{InFlight, Operations};

/// What starts a task, and waits for it, asks for this.
fn scoped<F: FnOnce() + Send>(task: F) {
    task()
}

/// Something to do with it.
fn look<T>(_: T) {}

/// Lets another task use the proof of a callback.
pub fn exec<T: Operations>(this: &InFlight<'_, T>) {
    //@ twin: { let data = this.data(); scoped(move || look(data)); }
    scoped(move || look(this.data()));
}
