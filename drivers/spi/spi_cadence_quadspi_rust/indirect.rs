// SPDX-License-Identifier: GPL-2.0

//! Indirect transfers: the controller moves data between flash and SRAM, the CPU between SRAM and
//! memory.

use super::{
    board::Sram,
    hardware::{
        poll,
        Events,
        TIMEOUT, //
    },
    protocol::Execution,
    regs::*,
    variant::ReadEvents, //
};
use kernel::{
    io::{
        mem::IoMem,
        register::{
            RegisterBase,
            WithBase, //
        },
        Io, //
    },
    prelude::*,
    time::{
        delay::fsleep,
        Delta,
        Instant,
        Monotonic, //
    },
    transfer::{
        DataIn,
        DataOut, //
    }, //
};

use core::marker::PhantomData;

/// How long a read may go on without a byte.
const READ_TIMEOUT: Delta = Delta::from_millis(10);

/// The end of a transfer: what is written to its register when this is dropped.
struct End<'t, 'a, D: RegisterBase<IndirectBase>> {
    regs: &'t IoMem<'a, SIZE>,
    value: INDIRECT,
    _base: PhantomData<D>,
}

impl<D: RegisterBase<IndirectBase>> Drop for End<'_, '_, D> {
    fn drop(&mut self) {
        self.regs.write(WithBase::of::<D>(), self.value);
    }
}

/// A transfer that has been started. If it has not ended when this is dropped, it is cancelled.
struct Transfer<'t, 'a, D: RegisterBase<IndirectBase>> {
    /// Not of interest any more at the end, and so dropped first.
    events: Events<'t, 'a>,
    end: End<'t, 'a, D>,
}

impl<'t, 'a, D: RegisterBase<IndirectBase>> Transfer<'t, 'a, D> {
    fn start(execution: &Execution<'t, 'a>, mask: IRQ_MASK, address: u32, bytes: usize) -> Self {
        let regs = execution.regs();

        regs.write(
            WithBase::of::<D>(),
            INDIRECT_ADDRESS::zeroed().with_address(address),
        );
        regs.write(
            WithBase::of::<D>(),
            INDIRECT_BYTES::zeroed().with_bytes(bytes as u32),
        );
        let this = Self {
            events: execution.qspi.irq.handler().listen(mask),
            end: End {
                regs,
                value: INDIRECT::zeroed().with_cancel(true),
                _base: PhantomData,
            },
        };
        regs.write(WithBase::of::<D>(), INDIRECT::zeroed().with_start(true));
        // The start is to have arrived before the SRAM is accessed, which is on another bus.
        this.status();
        this
    }

    fn status(&self) -> INDIRECT {
        self.end.regs.read(INDIRECT::of::<D>())
    }

    /// Waits until the controller is done.
    fn finish(mut self) -> Result {
        poll(|| self.status(), |status| status.done(), TIMEOUT)?;

        // What is done is to be forgotten.
        self.end.value = INDIRECT::zeroed().with_done(true);
        Ok(())
    }
}

/// Reads `data` from `address`.
pub(crate) fn read(
    execution: &Execution<'_, '_>,
    sram: &Sram,
    address: u32,
    data: DataIn<'_>,
) -> Result {
    let mask = match execution.qspi.variant.read_events {
        ReadEvents::Interrupt(mask) => mask,
        ReadEvents::Poll => IRQ_MASK::zeroed(),
    };
    let transfer = Transfer::<IndirectRead>::start(execution, mask, address, data.len());

    execution.step.set("receiving data");
    empty(execution, sram, &transfer, data)?;
    execution.step.set("ending an indirect read");
    transfer.finish()
}

/// Moves what comes into the SRAM to `rest`, until that is full.
fn empty(
    execution: &Execution<'_, '_>,
    sram: &Sram,
    transfer: &Transfer<'_, '_, IndirectRead>,
    mut rest: DataIn<'_>,
) -> Result {
    let window = &execution.qspi.window;

    while !rest.is_empty() {
        let bytes = available(execution, sram, transfer)?.min(rest.len());
        let (mut words, mut tail) = rest.split_at(bytes / 4 * 4);

        words.try_read_rep32(window, 0)?;
        if words.is_empty() {
            // Less than a word is left, which is there all the same.
            let mut word = [0; 4];
            window.try_read_rep32(&mut word, 0)?;
            tail.copy_from(&word);
            break;
        }
        rest = tail;
    }

    Ok(())
}

/// Waits until there is something in the SRAM, and returns how many bytes: whole words, not 0.
fn available(
    execution: &Execution<'_, '_>,
    sram: &Sram,
    transfer: &Transfer<'_, '_, IndirectRead>,
) -> Result<usize> {
    let regs = execution.regs();
    let level = || {
        let words: u32 = regs.read(SRAM_LEVEL).read().get();
        words.saturating_mul(sram.width) as usize
    };

    if let ReadEvents::Poll = execution.qspi.variant.read_events {
        return poll(level, |bytes| *bytes != 0, READ_TIMEOUT);
    }

    let bytes = level();
    if bytes != 0 {
        return Ok(bytes);
    }
    let start = Instant::<Monotonic>::now();
    loop {
        // Events that bring nothing do not make it longer, even if they never stop.
        let rest = READ_TIMEOUT - start.elapsed();
        let event = if rest > Delta::ZERO {
            transfer.events.wait(rest)
        } else {
            Err(ETIMEDOUT)
        };
        // Even without an event there may be something.
        match (level(), event) {
            (0, Ok(())) => continue,
            (0, Err(error)) => return Err(error),
            (bytes, _) => return Ok(bytes),
        }
    }
}

/// Writes `data` to `address`.
pub(crate) fn write(execution: &Execution<'_, '_>, address: u32, data: DataOut<'_>) -> Result {
    let qspi = execution.qspi;
    let transfer = Transfer::<IndirectWrite>::start(execution, WRITE_EVENTS, address, data.len());

    if let Some(delay) = qspi.write_delay {
        fsleep(delay);
    }
    if qspi.variant.bus_hazard {
        transfer.status();
    }

    execution.step.set("sending data");
    fill(&qspi.window, data)?;
    transfer.events.wait(TIMEOUT)?;
    execution.step.set("ending an indirect write");
    transfer.finish()?;
    execution.wait_idle()
}

/// Moves `data` to the SRAM. The bus waits while that is full.
fn fill(window: &IoMem<'_>, data: DataOut<'_>) -> Result {
    let (words, rest) = data.split_at(data.len() / 4 * 4);

    words.try_write_rep32(window, 0)?;
    if !rest.is_empty() {
        // What is written beyond the end is not sent, and would not clear a bit.
        let mut word = [0xff; 4];
        rest.copy_to(&mut word);
        window.try_write_rep32(&word, 0)?;
    }
    Ok(())
}
