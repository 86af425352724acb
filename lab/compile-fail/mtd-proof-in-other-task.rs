//@ error: E0277

//! The proof that an operation of an MTD is in flight stays in its task.

use kernel::mtd::{InFlight, Operations};

/// What starts a task, and waits for it, asks for this.
fn scoped<F: FnOnce() + Send>(task: F) {
    task()
}

/// Something to do with it.
fn look<T>(_: T) {}

/// Lets another task use the proof of a callback.
pub fn read<T: Operations>(this: &InFlight<'_, T>) {
    //@ twin: { let data = this.data(); scoped(move || look(data)); }
    scoped(move || look(this.is_gone()));
}
