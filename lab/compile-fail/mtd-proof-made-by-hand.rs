//@ error: E0451

//! Nobody but the MTD core makes a proof of being in flight.

use core::ptr::NonNull;
use kernel::bindings::mtd_info;
use kernel::mtd::{InFlight, Operations};
use kernel::types::NotThreadSafe;

/// Has all that a proof is made of.
pub fn has<'a, T: Operations>(
    proof: &InFlight<'a, T>,
    mtd: NonNull<mtd_info>,
    data: &'a T::RegistrationData<'a>,
) {
    let _not_send: NotThreadSafe = NotThreadSafe;
    //@ twin: let other: &InFlight<'a, T> = proof;
    let other: &InFlight<'a, T> = &InFlight { mtd, data, _not_send };

    let _ = (proof, other, mtd, data, _not_send);
}
