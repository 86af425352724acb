// SPDX-License-Identifier: GPL-2.0

//! How the phases of an operation go over the wires.

use super::{
    hardware::Setup,
    regs::*,
    stig,
    variant::Variant,
    Qspi, //
};
use kernel::{
    io::{
        mem::IoMem,
        Io, //
    },
    num::Bounded,
    prelude::*,
    spi::mem::{
        Direction,
        OpTemplate,
        Opcode,
        Rate,
        Width, //
    }, //
};

use core::cell::Cell;

/// Whether the controller can do all phases at their rates and widths.
///
/// It does either none of them at double transfer rate, or all, and then on eight wires. Addresses
/// have 32 bits at most. What is written to one follows it without dummy cycles, as in all
/// operations of the flash drivers.
pub(crate) fn supports(variant: &Variant, op: &OpTemplate, len: usize) -> bool {
    let address = op.address_phase();
    let dummy = op.dummy_phase();
    let transfer = op.transfer_phase();
    let rate = op.command().rate();
    let same_rate = [
        address.map(|phase| phase.rate()),
        dummy.map(|phase| phase.rate()),
        transfer.map(|phase| phase.rate()),
    ]
    .into_iter()
    .flatten()
    .all(|other| other == rate);
    let octal = || {
        [
            Some(op.command().width()),
            address.map(|phase| phase.width()),
            transfer.map(|phase| phase.width()),
        ]
        .into_iter()
        .flatten()
        .all(|width| width == Width::Octal)
    };
    let writes = transfer.is_some_and(|phase| phase.direction() == Direction::Out);

    same_rate
        && (rate == Rate::Str || variant.dtr && octal())
        && address.is_none_or(|phase| phase.nbytes() <= 4)
        && dummy.is_none_or(|phase| {
            cycles(phase.cycles()).is_some() && !(writes && address.is_some())
        })
        // Without an address it is a command.
        && (address.is_some() || len <= stig::MAX_DATA)
}

/// A number of dummy cycles, if there can be so many.
fn cycles(number: u32) -> Option<Bounded<u32, 5>> {
    Bounded::<u32, 5>::try_new(number)
}

/// The cycles between address and data.
pub(crate) fn dummy_cycles(op: &OpTemplate) -> Result<Bounded<u32, 5>> {
    let number = op.dummy_phase().map_or(0, |dummy| dummy.cycles());

    cycles(number).ok_or(EOPNOTSUPP)
}

/// The register with the widths of all phases.
pub(crate) fn wires(op: &OpTemplate) -> READ_INSTRUCTION {
    let wires = |width: Option<Width>| Wires(width.unwrap_or(Width::Single));

    READ_INSTRUCTION::zeroed()
        .with_command_wires(Wires(op.command().width()))
        .with_address_wires(wires(op.address_phase().map(|phase| phase.width())))
        .with_data_wires(wires(op.transfer_phase().map(|phase| phase.width())))
}

/// What executes an operation: each has a place for the second byte of opcodes.
#[derive(Clone, Copy)]
pub(crate) enum Engine {
    Stig,
    Read,
    Write,
}

/// An operation's execution: the controller is there for nobody else, and set up for its flash.
pub(crate) struct Execution<'t, 'a> {
    pub(crate) qspi: &'t Qspi<'a>,
    /// What is going on, for the message if it fails.
    pub(crate) step: &'t Cell<&'static str>,
    pub(crate) setup: &'t mut Setup,
}

impl<'t, 'a> Execution<'t, 'a> {
    pub(crate) fn regs(&self) -> &'t IoMem<'a, SIZE> {
        self.qspi.hardware().regs()
    }

    pub(crate) fn wait_idle(&self) -> Result {
        self.step.set("waiting for the controller to be idle");
        self.qspi.hardware().wait_idle()
    }

    /// Sets single or double transfer rate, and returns the first byte of the opcode.
    pub(crate) fn set_up(&mut self, op: &OpTemplate, engine: Engine) -> Result<u8> {
        let regs = self.regs();
        let command = op.command();

        let opcode = match (command.rate(), command.opcode()) {
            (Rate::Str, Opcode::One(opcode)) => opcode,
            (Rate::Dtr, Opcode::Two(opcode)) => {
                let [first, second] = opcode.to_be_bytes();

                regs.update(OPCODE_EXTENSION, |extension| match engine {
                    Engine::Stig => extension.with_stig(second),
                    Engine::Read => extension.with_read(second),
                    Engine::Write => extension.with_write(second),
                });
                first
            }
            _ => return Err(EINVAL),
        };

        if self.setup.rate != Some(command.rate()) {
            let dtr = command.rate().is_dtr();

            regs.update(CONFIG, |config| config.with_dtr(dtr).with_dual_opcode(dtr));
            self.wait_idle()?;
            self.setup.rate = Some(command.rate());
        }
        Ok(opcode)
    }

    /// Sets up all of an operation that reads from an address, but for which address.
    pub(crate) fn set_up_read(&mut self, op: &OpTemplate) -> Result {
        let opcode = self.set_up(op, Engine::Read)?;

        self.regs().write_reg(
            wires(op)
                .with_opcode(opcode)
                .with_dummy_cycles(dummy_cycles(op)?),
        );
        self.set_up_address(op)
    }

    /// Sets up all of an operation that writes to an address, but for which address.
    pub(crate) fn set_up_write(&mut self, op: &OpTemplate) -> Result {
        let regs = self.regs();
        let opcode = self.set_up(op, Engine::Write)?;
        let wires = wires(op);

        regs.write_reg(
            WRITE_INSTRUCTION::zeroed()
                .with_opcode(opcode)
                .with_address_wires(wires.address_wires())
                .with_data_wires(wires.data_wires()),
        );
        // It has the wires of the command for both.
        regs.write_reg(wires);
        self.set_up_address(op)
    }

    fn set_up_address(&mut self, op: &OpTemplate) -> Result {
        let regs = self.regs();
        let nbytes = op.address_phase().ok_or(EINVAL)?.nbytes();

        if self.setup.address_bytes != Some(nbytes) {
            let field = Bounded::<u32, 4>::from_expr(u32::from(nbytes).wrapping_sub(1) & 0xf);

            regs.update(DEVICE_SIZE, |size| size.with_address_bytes(field));
            self.setup.address_bytes = Some(nbytes);
        }
        // All is to have arrived before the access begins, which may be on another bus.
        regs.read(DEVICE_SIZE);
        Ok(())
    }
}
