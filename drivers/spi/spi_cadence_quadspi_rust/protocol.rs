// SPDX-License-Identifier: GPL-2.0

//! How the phases of an operation go over the wires.

use super::{
    regs::*,
    Qspi, //
};
use kernel::{
    device::Device,
    io::Io,
    num::Bounded,
    prelude::*,
    spi::mem::{
        OpTemplate,
        Opcode,
        Rate,
        Width, //
    }, //
};

/// Who is going to execute it: each has an opcode extension of its own.
#[derive(Clone, Copy)]
pub(crate) enum Path {
    Stig,
    Read,
    Write,
}

/// Whether the controller can do all phases at their rates and widths.
///
/// It does either none of them at double transfer rate, or all, and then on eight wires. Addresses
/// have 32 bits at most.
pub(crate) fn supports(op: &OpTemplate) -> bool {
    let address = op.address_phase();
    let dummy = op.dummy_phase();
    let transfer = op.transfer_phase();
    let rate = op.command().rate;
    let same_rate = [
        address.map(|phase| phase.rate()),
        dummy.map(|phase| phase.rate),
        transfer.map(|phase| phase.rate()),
    ]
    .into_iter()
    .flatten()
    .all(|other| other == rate);
    let octal = [
        Some(op.command().width),
        address.map(|phase| phase.width()),
        transfer.map(|phase| phase.width()),
    ]
    .into_iter()
    .flatten()
    .all(|width| width == Width::Octal);

    same_rate && (rate == Rate::Str || octal) && address.is_none_or(|phase| phase.nbytes() <= 4)
}

/// The register with the widths of all phases.
pub(crate) fn wires(op: &OpTemplate) -> READ_INSTRUCTION {
    let wires = |width: Option<Width>| Wires(width.unwrap_or(Width::Single));

    READ_INSTRUCTION::zeroed()
        .with_command_wires(Wires(op.command().width))
        .with_address_wires(wires(op.address_phase().map(|phase| phase.width())))
        .with_data_wires(wires(op.transfer_phase().map(|phase| phase.width())))
}

/// The cycles between address and data; `EOPNOTSUPP` if they are too many.
pub(crate) fn dummy_cycles(op: &OpTemplate) -> Result<Bounded<u32, 5>> {
    let cycles = op
        .dummy_phase()
        .map_or(0, |dummy| dummy.cycles(op.command().rate));

    Bounded::<u32, 5>::try_new(cycles).ok_or(EOPNOTSUPP)
}

/// Sets single or double transfer rate, and returns the first byte of the opcode.
pub(crate) fn apply(qspi: &Qspi<'_>, dev: &Device, op: &OpTemplate, path: Path) -> Result<u8> {
    let regs = qspi.hardware().regs();
    let config = regs.read(CONFIG);

    match (op.command().rate, op.command().opcode) {
        (Rate::Str, Opcode::One(opcode)) => {
            if config.dtr() || config.dual_opcode() {
                regs.write_reg(config.with_dtr(false).with_dual_opcode(false));
                qspi.hardware().wait_idle(dev)?;
            }
            Ok(opcode)
        }
        (Rate::Dtr, Opcode::Two(opcode)) => {
            let [first, second] = opcode.to_be_bytes();

            regs.update(OPCODE_EXTENSION, |extension| match path {
                Path::Stig => extension.with_stig(second),
                Path::Read => extension.with_read(second),
                Path::Write => extension.with_write(second),
            });
            regs.write_reg(config.with_dtr(true).with_dual_opcode(true));
            qspi.hardware().wait_idle(dev)?;
            Ok(first)
        }
        _ => Err(EINVAL),
    }
}

/// Sets the number of address bytes of reads and writes.
pub(crate) fn apply_address(qspi: &Qspi<'_>, op: &OpTemplate) -> Result {
    let regs = qspi.hardware().regs();
    let nbytes = u32::from(op.address_phase().ok_or(EINVAL)?.nbytes());

    regs.update(DEVICE_SIZE, |size| {
        size.with_address_bytes(Bounded::<u32, 4>::from_expr(nbytes.wrapping_sub(1) & 0xf))
    });
    // The write is to have arrived before the access begins, which is on another bus.
    regs.read(DEVICE_SIZE);
    Ok(())
}
