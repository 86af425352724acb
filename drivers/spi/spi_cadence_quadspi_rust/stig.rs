// SPDX-License-Identifier: GPL-2.0

//! Commands with at most eight bytes of data: the software triggered instruction generator.

use super::{
    hardware::poll,
    protocol,
    regs::*,
    Qspi, //
};
use kernel::{
    device::Device,
    io::Io,
    num::Bounded,
    prelude::*,
    spi::mem::{
        Data,
        Op, //
    }, //
};

/// Data that a command may have.
pub(crate) const MAX_DATA: usize = 8;

/// One less than a number of bytes, for a field of three bits.
fn count(bytes: usize) -> Bounded<u32, 3> {
    Bounded::<u32, 3>::from_expr((bytes as u32).wrapping_sub(1) & 0x7)
}

/// Executes an operation as a command.
pub(crate) fn execute(qspi: &Qspi<'_>, dev: &Device, op: &mut Op<'_>) -> Result {
    let regs = qspi.hardware().regs();

    if op.len() > MAX_DATA {
        dev_err!(dev, "{} bytes are too many for a command\n", op.len());
        return Err(EINVAL);
    }
    let opcode = protocol::apply(qspi, dev, op.template(), protocol::Path::Stig)?;
    let mut command = STIG::zeroed().with_opcode(opcode);

    regs.write_reg(protocol::wires(op.template()));
    command = command.with_dummy_cycles(protocol::dummy_cycles(op.template())?);
    if let Some(address) = op.template().address_phase() {
        // The register has 32 bits, which `supports_op()` has seen to.
        regs.write_reg(STIG_ADDRESS::zeroed().with_address(op.address() as u32));
        command = command
            .with_address(true)
            .with_address_bytes(Bounded::<u32, 2>::from_expr(
                u32::from(address.nbytes()).wrapping_sub(1) & 0x3,
            ));
    }

    match op.data() {
        Data::None => run(qspi, dev, command),
        Data::In(data) => {
            run(
                qspi,
                dev,
                command.with_read(true).with_read_bytes(count(data.len())),
            )?;

            let mut bytes = [0; MAX_DATA];
            let (low, high) = bytes.split_at_mut(4);
            low.copy_from_slice(&regs.read(STIG_READ_LOW).into_raw().to_le_bytes());
            if data.len() > 4 {
                high.copy_from_slice(&regs.read(STIG_READ_HIGH).into_raw().to_le_bytes());
            }
            data.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
            Ok(())
        }
        Data::Out(data) => {
            let mut bytes = [0; MAX_DATA];
            bytes
                .iter_mut()
                .zip(data)
                .for_each(|(to, from)| *to = *from);
            let [low @ .., a, b, c, d] = bytes;
            regs.write_reg(STIG_WRITE_LOW::zeroed().with_data(u32::from_le_bytes(low)));
            if data.len() > 4 {
                regs.write_reg(
                    STIG_WRITE_HIGH::zeroed().with_data(u32::from_le_bytes([a, b, c, d])),
                );
            }
            run(
                qspi,
                dev,
                command.with_write(true).with_write_bytes(count(data.len())),
            )
        }
    }
}

/// Lets the controller do it, and waits.
fn run(qspi: &Qspi<'_>, dev: &Device, command: STIG) -> Result {
    let regs = qspi.hardware().regs();

    regs.write_reg(command);
    regs.write_reg(command.with_execute(true));
    let done = poll(|| regs.read(STIG), |command| !command.in_progress())
        .inspect_err(|_| dev_err!(dev, "a command does not end\n"))
        .and_then(|_| qspi.hardware().wait_idle(dev));
    regs.write_reg(STIG::zeroed());

    done
}
