// SPDX-License-Identifier: GPL-2.0

//! Commands with at most eight bytes of data: the software triggered instruction generator.

use super::{
    hardware::{
        poll,
        TIMEOUT, //
    },
    protocol::{
        self,
        Engine,
        Execution, //
    },
    regs::*, //
};
use kernel::{
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
pub(crate) fn execute(execution: &mut Execution<'_, '_>, op: &mut Op<'_>) -> Result {
    let done = command(execution, op);

    execution.regs().write_reg(STIG::zeroed());
    done
}

fn command(execution: &mut Execution<'_, '_>, op: &mut Op<'_>) -> Result {
    let regs = execution.regs();

    // `supports_op()` has seen to the length.
    if op.len() > MAX_DATA {
        return Err(EINVAL);
    }
    let opcode = execution.set_up(op.template(), Engine::Stig)?;
    let mut command = STIG::zeroed()
        .with_opcode(opcode)
        .with_dummy_cycles(protocol::dummy_cycles(op.template())?);

    regs.write_reg(protocol::wires(op.template()));
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
        Data::None => run(execution, command),
        Data::In(mut data) => {
            run(
                execution,
                command.with_read(true).with_read_bytes(count(data.len())),
            )?;

            let low = regs.read(STIG_READ_LOW).into_raw();
            let high = if data.len() > 4 {
                regs.read(STIG_READ_HIGH).into_raw()
            } else {
                0
            };
            let bytes = (u64::from(high) << 32 | u64::from(low)).to_le_bytes();
            data.copy_from(&bytes);
            Ok(())
        }
        Data::Out(data) => {
            let mut bytes = [0; MAX_DATA];
            data.copy_to(&mut bytes);
            let value = u64::from_le_bytes(bytes);
            regs.write_reg(STIG_WRITE_LOW::zeroed().with_data(value as u32));
            if data.len() > 4 {
                regs.write_reg(STIG_WRITE_HIGH::zeroed().with_data((value >> 32) as u32));
            }
            run(
                execution,
                command.with_write(true).with_write_bytes(count(data.len())),
            )
        }
    }
}

/// Lets the controller do it, and waits. What was read is there as long as the command is.
fn run(execution: &Execution<'_, '_>, command: STIG) -> Result {
    let regs = execution.regs();

    execution.step.set("a command");
    regs.write_reg(command);
    regs.write_reg(command.with_execute(true));
    poll(
        || regs.read(STIG),
        |command| !command.in_progress(),
        TIMEOUT,
    )?;
    execution.wait_idle()
}
