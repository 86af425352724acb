// SPDX-License-Identifier: GPL-2.0

//! Indirect accesses: the controller moves data between flash and SRAM, the CPU between SRAM and
//! memory.

use super::{
    hardware::{
        poll,
        TIMEOUT, //
    },
    protocol,
    regs::*,
    variant::{
        ReadEvents,
        WriteCompletion, //
    },
    Qspi, //
};
use kernel::{
    device::Device,
    io::Io,
    prelude::*,
    spi::mem::OpTemplate,
    time::{
        msecs_to_jiffies,
        Delta,
        Instant,
        Monotonic, //
    }, //
};

/// How long a read may go on without a byte.
const READ_TIMEOUT_MS: u32 = 10;

/// Reads `data` from `address`.
pub(crate) fn read(
    qspi: &Qspi<'_>,
    dev: &Device,
    op: &OpTemplate,
    address: u32,
    data: &mut [u8],
) -> Result {
    let regs = qspi.hardware().regs();
    let opcode = protocol::apply(qspi, dev, op, protocol::Path::Read)?;

    regs.write_reg(
        protocol::wires(op)
            .with_opcode(opcode)
            .with_dummy_cycles(protocol::dummy_cycles(op)?),
    );
    protocol::apply_address(qspi, op)?;

    regs.write_reg(INDIRECT_READ_ADDRESS::zeroed().with_address(address));
    regs.write_reg(INDIRECT_READ_BYTES::zeroed().with_bytes(data.len() as u32));
    listen(
        qspi,
        match qspi.variant.read_events {
            ReadEvents::Interrupt(mask) => mask,
            ReadEvents::Poll => IRQ_MASK::zeroed(),
        },
    );
    regs.write_reg(INDIRECT_READ::zeroed().with_start(true));
    // The start is to have arrived before the SRAM is read, which is on another bus.
    regs.read(INDIRECT_READ);

    let done = empty(qspi, data)
        .inspect_err(|error| dev_err!(dev, "an indirect read gets no data: {:?}\n", error))
        .and_then(|()| {
            poll(|| regs.read(INDIRECT_READ), |status| status.done())
                .inspect_err(|_| dev_err!(dev, "an indirect read does not end\n"))
        });
    regs.write_reg(IRQ_MASK::zeroed());
    // What is done is to be forgotten, all else to end.
    regs.write_reg(match done {
        Ok(_) => INDIRECT_READ::zeroed().with_done(true),
        Err(_) => INDIRECT_READ::zeroed().with_cancel(true),
    });

    done.map(drop)
}

/// Moves what comes into the SRAM to `rest`, until that is full.
fn empty(qspi: &Qspi<'_>, mut rest: &mut [u8]) -> Result {
    let mut progress: Instant<Monotonic> = Instant::now();

    while !rest.is_empty() {
        let bytes = available(qspi)?.min(rest.len());
        let words = bytes / 4 * 4;

        if words > 0 {
            let (now, later) = rest.split_at_mut(words);
            qspi.window.try_read_rep32(now, 0)?;
            rest = later;
        } else if bytes == rest.len() {
            // The last word is not needed to its end.
            let mut word = [0; 4];
            qspi.window.try_read_rep32(&mut word, 0)?;
            rest.iter_mut().zip(word).for_each(|(to, from)| *to = from);
            rest = &mut [];
        } else if progress.elapsed() > Delta::from_millis(READ_TIMEOUT_MS.into()) {
            return Err(ETIMEDOUT);
        } else {
            continue;
        }
        progress = Instant::now();
    }

    Ok(())
}

/// How many bytes there are in the SRAM; waits for an event if there are none.
///
/// When the event is late, and there are none nevertheless, that is `ETIMEDOUT`.
fn available(qspi: &Qspi<'_>) -> Result<usize> {
    let level = || {
        let words: u32 = qspi.hardware().regs().read(SRAM_LEVEL).read().get();
        words.saturating_mul(qspi.sram.width) as usize
    };

    match (level(), qspi.variant.read_events) {
        (0, ReadEvents::Interrupt(_)) => {
            let event = &qspi.irq.handler().event;
            let late = event.wait_for_completion_timeout(msecs_to_jiffies(READ_TIMEOUT_MS));

            // Before looking again: an event from then on is for the next time.
            event.reinit();
            match (level(), late) {
                (0, Err(error)) => Err(error),
                (bytes, _) => Ok(bytes),
            }
        }
        (bytes, _) => Ok(bytes),
    }
}

/// Writes `data` to `address`.
pub(crate) fn write(
    qspi: &Qspi<'_>,
    dev: &Device,
    op: &OpTemplate,
    address: u32,
    data: &[u8],
) -> Result {
    let regs = qspi.hardware().regs();
    let opcode = protocol::apply(qspi, dev, op, protocol::Path::Write)?;
    let wires = protocol::wires(op);

    regs.write_reg(
        WRITE_INSTRUCTION::zeroed()
            .with_opcode(opcode)
            .with_address_wires(wires.address_wires())
            .with_data_wires(wires.data_wires()),
    );
    regs.write_reg(wires);
    if qspi.variant.write_completion == WriteCompletion::Automatic {
        // It would ask for the status without address and dummy cycles, which not every flash
        // understands. The flash driver asks, and knows how.
        regs.write_reg(WRITE_COMPLETION::zeroed().with_no_auto_poll(true));
    }
    protocol::apply_address(qspi, op)?;

    regs.write_reg(INDIRECT_WRITE_ADDRESS::zeroed().with_address(address));
    regs.write_reg(INDIRECT_WRITE_BYTES::zeroed().with_bytes(data.len() as u32));
    listen(qspi, WRITE_EVENTS);
    regs.write_reg(INDIRECT_WRITE::zeroed().with_start(true));
    // The start is to have arrived before the SRAM is written to, which is on another bus.
    regs.read(INDIRECT_WRITE);
    if qspi.variant.bus_hazard {
        regs.read(INDIRECT_WRITE);
    }

    let done = fill(qspi, data)
        .inspect_err(|error| dev_err!(dev, "an indirect write gets no event: {:?}\n", error))
        .and_then(|()| {
            poll(|| regs.read(INDIRECT_WRITE), |status| status.done())
                .inspect_err(|_| dev_err!(dev, "an indirect write does not end\n"))
        });
    regs.write_reg(IRQ_MASK::zeroed());
    match done {
        Ok(_) => {
            regs.write_reg(INDIRECT_WRITE::zeroed().with_done(true));
            qspi.hardware().wait_idle(dev)
        }
        Err(error) => {
            regs.write_reg(INDIRECT_WRITE::zeroed().with_cancel(true));
            Err(error)
        }
    }
}

/// Moves `data` to the SRAM, and waits until the controller has seen it.
fn fill(qspi: &Qspi<'_>, data: &[u8]) -> Result {
    let (words, rest) = data.split_at(data.len() / 4 * 4);

    // The bus waits when the SRAM is full.
    qspi.window.try_write_rep32(words, 0)?;
    if !rest.is_empty() {
        // What is written beyond the end is not sent, and would not clear a bit.
        let mut word = [0xff; 4];
        word.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
        qspi.window.try_write_rep32(&word, 0)?;
    }

    let timeout = msecs_to_jiffies(TIMEOUT.as_millis() as u32);
    qspi.irq
        .handler()
        .event
        .wait_for_completion_timeout(timeout)
        .map(drop)
}

/// Forgets all events, and listens to those in `mask`.
fn listen(qspi: &Qspi<'_>, mask: IRQ_MASK) {
    let regs = qspi.hardware().regs();

    regs.write_reg(ALL_EVENTS);
    qspi.irq.handler().event.reinit();
    regs.write_reg(mask);
}
