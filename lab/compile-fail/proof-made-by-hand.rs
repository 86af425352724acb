//@ error: E0423

//! Nobody but the core's callers makes a proof of being in flight.

use kernel::spi::mem::{InFlight, Operations};

/// Has a proof.
pub fn has<T: Operations>(proof: &InFlight<'_, T>, data: &T::Data<'_>) {
    //@ twin: let other: &InFlight<'_, T> = proof;
    let other: &InFlight<'_, T> = &InFlight(data);

    let _ = (proof, other, data);
}
