//@ error: E0451

//! Nobody but the core's callers makes a proof of being in flight.

use kernel::device::{Bound, Device};
use kernel::spi::mem::{InFlight, Operations};
use kernel::types::NotThreadSafe;

/// Has all that a proof is made of.
pub fn has<'a, T: Operations>(
    proof: &InFlight<'a, T>,
    data: &'a T::RegistrationData<'a>,
    parent: &'a Device<Bound>,
) {
    let _not_send: NotThreadSafe = NotThreadSafe;
    //@ twin: let other: &InFlight<'a, T> = proof;
    let other: &InFlight<'a, T> = &InFlight { data, parent, _not_send };

    let _ = (proof, other, data, parent, _not_send);
}
