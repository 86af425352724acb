// SPDX-License-Identifier: GPL-2.0-only
/*
 * Model of Cadence's quad and octal SPI controller: commands with up to eight bytes of
 * data, indirect reads and writes through an SRAM, with interrupts or without, direct
 * reads and writes of the window, single and double transfer rate on up to eight wires,
 * four chip selects. Unlike QEMU's model it sends dummy cycles, has what other SoCs than
 * Versal and Stratix 10 add or leave out, and its operations can be stopped, and broken.
 * Left out: DMA, device reset.
 */

#include <linux/bitfield.h>

#include "cadence.h"

#define RD_INSTR		0x04
#define WR_INSTR		0x08
#define INSTR_OPCODE		GENMASK(7, 0)
#define INSTR_COMMAND		GENMASK(9, 8)
#define INSTR_ADDRESS		GENMASK(13, 12)
#define INSTR_DATA		GENMASK(17, 16)
#define INSTR_DUMMY		GENMASK(28, 24)
#define SIZE			0x14
#define SIZE_ADDRESS		GENMASK(3, 0)
#define SRAM_WORDS		256
#define INDIRECTTRIGGER		0x1c
#define TRIGGER_RANGE		16
#define REMAP			0x24
#define SDRAMLEVEL		0x2c
#define IRQ_COMPLETE		BIT(2)
#define IRQ_PROTECTED		BIT(4)
#define IRQ_WATERMARK		BIT(6)
#define IRQ_SRAM_FULL		BIT(12)
#define INDIRECTRD		0x60
#define INDIRECTRD_ADDR		0x68
#define INDIRECTRD_BYTES	0x6c
#define INDIRECTWR		0x70
#define INDIRECTWR_ADDR		0x78
#define INDIRECTWR_BYTES	0x7c
#define INDIRECT_START		BIT(0)
#define INDIRECT_CANCEL		BIT(1)
#define INDIRECT_BUSY		BIT(2)
#define INDIRECT_DONE		BIT(5)
#define CMDCTRL			0x90
#define CMDCTRL_EXECUTE		BIT(0)
#define CMDCTRL_BUSY		BIT(1)
#define CMDCTRL_DUMMY		GENMASK(11, 7)
#define CMDCTRL_WR_BYTES	GENMASK(14, 12)
#define CMDCTRL_WR_EN		BIT(15)
#define CMDCTRL_ADD_BYTES	GENMASK(17, 16)
#define CMDCTRL_ADDR_EN		BIT(19)
#define CMDCTRL_RD_BYTES	GENMASK(22, 20)
#define CMDCTRL_RD_EN		BIT(23)
#define CMDCTRL_OPCODE		GENMASK(31, 24)
#define CMDADDRESS		0x94
#define CMDREAD			0xa0
#define CMDWRITE		0xa8
#define OP_EXT			0xe0
#define OP_EXT_STIG		GENMASK(7, 0)
#define OP_EXT_WRITE		GENMASK(23, 16)
#define OP_EXT_READ		GENMASK(31, 24)

/* Bytes that make half of what tests write, and of what they read, directly */
#define HALF_WRITE		128
#define HALF_READ		2048

/* What may only be changed while it is disabled */
#define CONFIG_STATIC		(CADENCE_CONFIG_DECODE | CADENCE_CONFIG_CS | \
				 CADENCE_CONFIG_BAUD | CADENCE_CONFIG_DIRECT)

static const struct cadence_ops *kind(struct model *m)
{
	return container_of_const(m->ops, struct cadence_ops, ops);
}

static u32 cadence_get(struct model *m, unsigned int offset)
{
	struct cadence *c = m->state;

	return c->regs[offset / 4];
}

/**
 * cadence_reg() - what a register holds, as the hardware sees it
 * @m:		model
 * @offset:	of the register
 */
u32 cadence_reg(struct model *m, unsigned int offset)
{
	unsigned long flags;
	u32 val;

	spin_lock_irqsave(&m->lock, flags);
	val = cadence_get(m, offset);
	spin_unlock_irqrestore(&m->lock, flags);

	return val;
}

static void cadence_reset(struct model *m)
{
	struct cadence *c = m->state;

	memset(c->regs, 0, sizeof(c->regs));
	/* Direct access is on, and the slowest clock is selected. */
	c->regs[CADENCE_CONFIG / 4] = CADENCE_CONFIG_ENABLE | CADENCE_CONFIG_DIRECT |
				      CADENCE_CONFIG_BAUD;
	if (kind(m)->write_protect)
		c->regs[CADENCE_WR_PROTECT / 4] = 3;
	c->running = CADENCE_NOTHING;
	c->wrote_direct = false;
	c->len = 0;
	c->pos = 0;
	c->limit = 0;
}

/**
 * cadence_revive() - nothing is broken any more, and nothing runs
 * @m:	model
 */
void cadence_revive(struct model *m)
{
	struct cadence *c = m->state;
	unsigned long flags;

	spin_lock_irqsave(&m->lock, flags);
	c->dead = 0;
	c->running = CADENCE_NOTHING;
	c->regs[CMDCTRL / 4] = 0;
	c->regs[INDIRECTRD / 4] = 0;
	c->regs[INDIRECTWR / 4] = 0;
	spin_unlock_irqrestore(&m->lock, flags);
}

/* To the flash that is selected */
static void cadence_exec(struct model *m, struct flash_op *op)
{
	u32 config = cadence_get(m, CADENCE_CONFIG);
	u32 select = FIELD_GET(CADENCE_CONFIG_CS, config);
	struct cadence *c = m->state;
	struct flash *flash;
	unsigned int cs;

	if (config & CADENCE_CONFIG_DECODE) {
		cs = select;
	} else {
		select = ~select & 0xf;
		cs = select ? __ffs(select) : 0;
		if (hweight32(select) != 1)
			model_fault(m, "%u flashes are selected", hweight32(select));
	}
	if (cs >= CADENCE_CHIP_SELECTS) {
		model_fault(m, "there is no chip select %u", cs);
		return;
	}

	if (c->expect[cs].set) {
		if (cadence_get(m, CADENCE_DELAY) != c->expect[cs].delay)
			model_fault(m, "chip select %u has delays %#x, not %#x", cs,
				    cadence_get(m, CADENCE_DELAY), c->expect[cs].delay);
		if (cadence_get(m, CADENCE_CAPTURE) != c->expect[cs].capture)
			model_fault(m, "chip select %u has capture %#x, not %#x", cs,
				    cadence_get(m, CADENCE_CAPTURE), c->expect[cs].capture);
		if (FIELD_GET(CADENCE_CONFIG_BAUD, config) != c->expect[cs].baud)
			model_fault(m, "chip select %u has divisor %u, not %u", cs,
				    (u32)FIELD_GET(CADENCE_CONFIG_BAUD, config),
				    c->expect[cs].baud);
	}

	op->dtr = config & CADENCE_CONFIG_DTR;
	op->has_ext = config & CADENCE_CONFIG_DUAL_OPCODE;
	if (!cs) {
		model_exec(m, op);
		return;
	}
	flash = c->flash[cs];
	if (op->in)
		memset(op->in, 0xff, op->len);
	if (flash) {
		flash->ops++;
		flash->exec(flash, op);
	}
}

static unsigned int wires(u32 instr, u32 mask)
{
	return 1 << ((instr & mask) >> __ffs(mask));
}

static void cadence_command(struct model *m)
{
	u32 cmd = cadence_get(m, CMDCTRL), instr = cadence_get(m, RD_INSTR);
	struct cadence *c = m->state;
	struct flash_op op = {
		.opcode = FIELD_GET(CMDCTRL_OPCODE, cmd),
		.ext = FIELD_GET(OP_EXT_STIG, cadence_get(m, OP_EXT)),
		.dummy = FIELD_GET(CMDCTRL_DUMMY, cmd),
		.cmd_width = wires(instr, INSTR_COMMAND),
		.addr_width = wires(instr, INSTR_ADDRESS),
		.data_width = wires(instr, INSTR_DATA),
	};

	if (cmd & CMDCTRL_ADDR_EN) {
		op.addr_nbytes = FIELD_GET(CMDCTRL_ADD_BYTES, cmd) + 1;
		op.addr = cadence_get(m, CMDADDRESS);
	}
	if (cmd & CMDCTRL_RD_EN) {
		op.in = &c->regs[CMDREAD / 4];
		op.len = FIELD_GET(CMDCTRL_RD_BYTES, cmd) + 1;
	} else if (cmd & CMDCTRL_WR_EN) {
		op.out = &c->regs[CMDWRITE / 4];
		op.len = FIELD_GET(CMDCTRL_WR_BYTES, cmd) + 1;
	}
	cadence_exec(m, &op);
	c->regs[CMDCTRL / 4] &= ~(CMDCTRL_EXECUTE | CMDCTRL_BUSY);
}

/* What the instruction registers make of an access to @addr */
static void cadence_access(struct model *m, struct flash_op *op, bool write, u32 addr)
{
	u32 read = cadence_get(m, RD_INSTR), ext = cadence_get(m, OP_EXT);
	u32 instr = write ? cadence_get(m, WR_INSTR) : read;

	*op = (struct flash_op) {
		.opcode = FIELD_GET(INSTR_OPCODE, instr),
		.ext = write ? FIELD_GET(OP_EXT_WRITE, ext) : FIELD_GET(OP_EXT_READ, ext),
		.dummy = write ? 0 : FIELD_GET(INSTR_DUMMY, instr),
		.cmd_width = wires(read, INSTR_COMMAND),
		.addr_width = wires(instr, INSTR_ADDRESS),
		.addr_nbytes = FIELD_GET(SIZE_ADDRESS, cadence_get(m, SIZE)) + 1,
		.addr = addr,
		.data_width = wires(instr, INSTR_DATA),
	};
}

/* Left to itself, the controller asks for the status until it is good. */
static void cadence_auto_poll(struct model *m)
{
	unsigned int tries = 1000;
	u8 status;

	if (kind(m)->no_auto_poll ||
	    cadence_get(m, CADENCE_WR_COMPLETION) & CADENCE_NO_AUTO_POLL)
		return;

	do {
		struct flash_op op = {
			.opcode = 0x05,
			.cmd_width = 1,
			.addr_width = 1,
			.data_width = 1,
			.in = &status,
			.len = 1,
		};

		cadence_exec(m, &op);
	} while (status & NOR_SR_WIP && tries--);
}

/* The status has those that are not masked when they come. */
static void cadence_event(struct model *m, u32 events)
{
	struct cadence *c = m->state;

	c->regs[CADENCE_IRQSTATUS / 4] |= events & cadence_get(m, CADENCE_IRQMASK);
}

static void cadence_write_flash(struct model *m, u32 addr)
{
	struct cadence *c = m->state;
	struct flash_op op;

	if (cadence_get(m, CADENCE_WR_PROTECT)) {
		cadence_event(m, IRQ_PROTECTED);
		model_fault(m, "written to while write protection is on");
		return;
	}
	cadence_access(m, &op, true, addr);
	op.out = c->data;
	op.len = c->len;
	cadence_exec(m, &op);
	cadence_auto_poll(m);
}

/* As much of a read as fits comes into the SRAM. */
static void cadence_fill(struct model *m)
{
	u32 part = 4 * cadence_get(m, CADENCE_SRAMPARTITION);
	struct cadence *c = m->state;
	u32 events = IRQ_WATERMARK;

	if (c->trickle) {
		c->limit = min(c->limit + part, c->len);
		if (c->limit < c->len)
			events |= IRQ_SRAM_FULL;
	} else {
		c->limit = c->len;
	}
	cadence_event(m, events);
}

static bool cadence_finish(struct model *m)
{
	struct cadence *c = m->state;
	struct flash_op op;

	switch (c->running) {
	case CADENCE_COMMAND:
		if (c->dead & CADENCE_DEAD_COMMAND)
			return false;
		cadence_command(m);
		c->running = CADENCE_NOTHING;
		return false;
	case CADENCE_READING:
		if (c->dead & CADENCE_DEAD_READ)
			return false;
		cadence_access(m, &op, false, cadence_get(m, INDIRECTRD_ADDR));
		op.in = c->data;
		op.len = c->len;
		cadence_exec(m, &op);
		cadence_fill(m);
		/* It interrupts, but drivers wait for 10 ms only, and then look. */
		return false;
	case CADENCE_WRITING:
		if (c->dead & CADENCE_DEAD_WRITE)
			return false;
		cadence_write_flash(m, cadence_get(m, INDIRECTWR_ADDR));
		cadence_event(m, IRQ_COMPLETE);
		if (!(c->dead & CADENCE_DEAD_WRITE_DONE)) {
			c->regs[INDIRECTWR / 4] = INDIRECT_DONE;
			c->running = CADENCE_NOTHING;
		}
		return true;
	case CADENCE_WRITING_DIRECT:
		cadence_write_flash(m, c->direct);
		c->running = CADENCE_NOTHING;
		return false;
	default:
		return false;
	}
}

/**
 * cadence_recover() - nothing is broken any more, and what runs goes on
 * @m:	model
 */
void cadence_recover(struct model *m)
{
	struct cadence *c = m->state;
	unsigned long flags;

	spin_lock_irqsave(&m->lock, flags);
	c->dead = 0;
	cadence_finish(m);
	spin_unlock_irqrestore(&m->lock, flags);
}

/* Drivers wait for the interrupt of a write, and poll for the end of all else. */
static bool cadence_by_irq(struct model *m)
{
	struct cadence *c = m->state;

	return c->running == CADENCE_WRITING;
}

/* A direct write ends when something else comes. */
static void cadence_settle(struct model *m)
{
	struct cadence *c = m->state;

	if (c->running != CADENCE_WRITING_DIRECT || c->wrote_direct)
		return;
	c->wrote_direct = true;
	model_started(m);
}

static bool cadence_has(struct model *m, unsigned int offset)
{
	if (offset == CADENCE_WR_COMPLETION && kind(m)->no_auto_poll)
		return false;
	if (!kind(m)->direct_only)
		return true;

	switch (offset) {
	case CADENCE_SRAMPARTITION:
	case INDIRECTTRIGGER:
	case SDRAMLEVEL:
	case INDIRECTRD ... INDIRECTWR_BYTES:
		return false;
	default:
		return true;
	}
}

static u32 cadence_read(struct model *m, unsigned int offset, int size)
{
	struct cadence *c = m->state;
	u32 words;

	if (offset >= CADENCE_REGS_END || size != 4 || !cadence_has(m, offset)) {
		model_fault(m, "register %#x of %d bytes read", offset, size);
		return ~0;
	}

	switch (offset) {
	case CADENCE_CONFIG:
		if (!m->held)
			c->wrote_direct = false;
		words = cadence_get(m, CADENCE_CONFIG);
		if (c->running == CADENCE_NOTHING && !(c->dead & CADENCE_DEAD_IDLE))
			words |= CADENCE_CONFIG_IDLE;
		return words;
	case SDRAMLEVEL:
		if (c->running != CADENCE_READING || m->held)
			return 0;
		if (c->restless)
			cadence_event(m, IRQ_WATERMARK);
		words = DIV_ROUND_UP(c->limit - c->pos, 4);
		/* The next part comes when this one has been taken. */
		if (!words && c->limit < c->len && !(c->dead & CADENCE_DEAD_READ))
			cadence_fill(m);
		return min(words, cadence_get(m, CADENCE_SRAMPARTITION));
	case INDIRECTWR:
		c->synced++;
		break;
	}

	return cadence_get(m, offset);
}

static bool cadence_direct(struct model *m)
{
	struct cadence *c = m->state;
	u32 config = cadence_get(m, CADENCE_CONFIG);

	return config & CADENCE_CONFIG_ENABLE && config & CADENCE_CONFIG_DIRECT &&
	       (c->running == CADENCE_NOTHING || c->running == CADENCE_WRITING_DIRECT);
}

static bool cadence_starts(struct model *m, unsigned int offset, u32 val)
{
	struct cadence *c = m->state;

	if (offset == MODEL_IN_WINDOW)
		return cadence_direct(m) && c->running == CADENCE_NOTHING;

	return (offset == CMDCTRL && val & CMDCTRL_EXECUTE) ||
	       ((offset == INDIRECTRD || offset == INDIRECTWR) && val & INDIRECT_START);
}

static bool cadence_may_start(struct model *m, unsigned int bytes)
{
	struct cadence *c = m->state;

	if (cadence_get(m, CADENCE_CONFIG) & CADENCE_CONFIG_ENABLE &&
	    c->running == CADENCE_NOTHING && bytes <= CADENCE_DATA_MAX)
		return true;

	if (!c->dead)
		model_fault(m, "operation while disabled or busy, or of more than %u bytes",
			    CADENCE_DATA_MAX);
	return false;
}

static void cadence_write_indirect(struct model *m, unsigned int offset, u32 val)
{
	u32 bytes = cadence_get(m, offset == INDIRECTRD ? INDIRECTRD_BYTES : INDIRECTWR_BYTES);
	struct cadence *c = m->state;

	if (val & INDIRECT_CANCEL) {
		c->running = CADENCE_NOTHING;
		c->regs[offset / 4] = 0;
	}
	if (val & INDIRECT_DONE)
		c->regs[offset / 4] = 0;
	if (!(val & INDIRECT_START) || !cadence_may_start(m, bytes))
		return;

	c->regs[offset / 4] = INDIRECT_BUSY;
	c->pos = 0;
	c->limit = 0;
	c->len = bytes;
	if (offset == INDIRECTRD) {
		c->read_mask = cadence_get(m, CADENCE_IRQMASK);
		c->running = CADENCE_READING;
		c->ways[CADENCE_READING]++;
		model_started(m);
	} else {
		c->synced = 0;
		c->started = ktime_get();
		c->running = CADENCE_WRITING;
		c->ways[CADENCE_WRITING]++;
	}
}

static void cadence_write(struct model *m, unsigned int offset, int size, u32 val)
{
	struct cadence *c = m->state;
	u32 config = cadence_get(m, CADENCE_CONFIG);

	if (offset >= CADENCE_REGS_END || size != 4 || !cadence_has(m, offset)) {
		model_fault(m, "register %#x of %d bytes written", offset, size);
		return;
	}

	switch (offset) {
	case CADENCE_CONFIG:
		if (!(val & CADENCE_CONFIG_ENABLE) && c->running != CADENCE_NOTHING && !c->dead)
			model_fault(m, "disabled while an operation runs");
		if (val & config & CADENCE_CONFIG_ENABLE && (val ^ config) & CONFIG_STATIC)
			model_fault(m, "configuration %#x becomes %#x while enabled", config, val);
		val &= ~CADENCE_CONFIG_IDLE;
		break;
	case RD_INSTR:
		/* What comes next is another access. */
		c->direct_len = 0;
		break;
	case CADENCE_DELAY:
	case CADENCE_CAPTURE:
		if (config & CADENCE_CONFIG_ENABLE)
			model_fault(m, "register %#x changed while enabled", offset);
		break;
	case CADENCE_SRAMPARTITION:
		val &= SRAM_WORDS - 1;
		break;
	case CADENCE_IRQSTATUS:
		c->regs[CADENCE_IRQSTATUS / 4] &= ~val;
		return;
	case INDIRECTRD:
	case INDIRECTWR:
		cadence_write_indirect(m, offset, val);
		return;
	case CMDCTRL:
		if (!(val & CMDCTRL_EXECUTE))
			break;
		if (!cadence_may_start(m, 0))
			return;
		c->regs[CMDCTRL / 4] = val | CMDCTRL_BUSY;
		c->running = CADENCE_COMMAND;
		c->ways[CADENCE_COMMAND]++;
		model_started(m);
		return;
	}

	c->regs[offset / 4] = val;
}

static bool cadence_irq(struct model *m)
{
	struct cadence *c = m->state;

	if (c->silent && c->running == CADENCE_READING)
		return false;

	return cadence_get(m, CADENCE_IRQSTATUS) & cadence_get(m, CADENCE_IRQMASK);
}

/* What the driver reads first when it has started something that it polls for */
static bool cadence_is_status(struct model *m, unsigned int offset)
{
	struct cadence *c = m->state;

	switch (offset) {
	case CADENCE_CONFIG:
		return c->wrote_direct;
	case CMDCTRL:
	case INDIRECTRD:
		return true;
	default:
		return false;
	}
}

/* Half of the data went through the SRAM, or through the window word by word. */
static bool cadence_copies(struct model *m, unsigned int offset)
{
	struct cadence *c = m->state;

	if (offset != MODEL_IN_WINDOW)
		return false;

	switch (c->running) {
	case CADENCE_READING:
	case CADENCE_WRITING:
		return c->len > 8 && c->pos >= c->len / 2;
	case CADENCE_WRITING_DIRECT:
		return c->len >= HALF_WRITE;
	default:
		return c->direct_len >= HALF_READ;
	}
}

static u32 cadence_remapped(struct model *m, unsigned int offset)
{
	if (cadence_get(m, CADENCE_CONFIG) & CADENCE_CONFIG_REMAP)
		return offset + cadence_get(m, REMAP);

	return offset;
}

static bool cadence_triggers(struct model *m, unsigned int offset)
{
	if (offset - cadence_get(m, INDIRECTTRIGGER) < TRIGGER_RANGE)
		return true;

	model_fault(m, "SRAM accessed at %#x", offset);
	return false;
}

static void cadence_window(struct model *m, void *buf, unsigned int offset, size_t len)
{
	struct cadence *c = m->state;
	struct flash_op op;

	memset(buf, 0xff, len);
	if (c->running == CADENCE_READING && !m->held) {
		if (c->pos >= c->limit || len != 4) {
			model_fault(m, "%zu bytes read of an SRAM with %u", len,
				    c->limit - c->pos);
			return;
		}
		if (!cadence_triggers(m, offset))
			return;
		memcpy(buf, c->data + c->pos, min(len, c->len - c->pos));
		c->pos = min(c->pos + 4, c->len);
		if (c->pos < c->len || c->dead & CADENCE_DEAD_READ_DONE)
			return;
		c->running = CADENCE_NOTHING;
		c->regs[INDIRECTRD / 4] = INDIRECT_DONE;
		cadence_event(m, IRQ_COMPLETE);
		return;
	}
	cadence_settle(m);
	if (!cadence_direct(m)) {
		model_fault(m, "window read while busy or disabled");
		return;
	}

	if (!c->direct_len || c->direct != offset) {
		c->ways[CADENCE_READING_DIRECT]++;
		c->direct_len = 0;
	}
	c->direct = offset + len;
	c->direct_len += len;
	cadence_access(m, &op, false, cadence_remapped(m, offset));
	op.in = buf;
	op.len = len;
	cadence_exec(m, &op);
}

static void cadence_write_direct(struct model *m, unsigned int offset, int size,
				 unsigned long val)
{
	struct cadence *c = m->state;

	offset = cadence_remapped(m, offset);
	if (!cadence_direct(m)) {
		model_fault(m, "window written while busy or disabled");
		return;
	}
	if (c->running == CADENCE_WRITING_DIRECT &&
	    (offset != c->direct + c->len || c->len + size > NOR_PAGE)) {
		model_fault(m, "a direct write goes on at %#x", offset);
		return;
	}
	if (c->running == CADENCE_NOTHING) {
		c->running = CADENCE_WRITING_DIRECT;
		c->ways[CADENCE_WRITING_DIRECT]++;
		c->direct = offset;
		c->direct_len = 0;
		c->len = 0;
	}
	memcpy(c->data + c->len, &val, size);
	c->len += size;
}

static void cadence_window_write(struct model *m, unsigned int offset, int size,
				 unsigned long val)
{
	const struct cadence_ops *ops = kind(m);
	struct cadence *c = m->state;

	if (c->running != CADENCE_WRITING) {
		cadence_write_direct(m, offset, size, val);
		return;
	}
	if (m->held || size != 4 || c->pos >= c->len) {
		model_fault(m, "data that no operation wants");
		return;
	}
	if (!cadence_triggers(m, offset))
		return;
	/* What goes to another bus may overtake what has started it. */
	if (c->synced < (ops->hazard ? 2 : 1))
		model_fault(m, "data came before the start of the write");
	if (ops->write_cycles && ktime_us_delta(ktime_get(), c->started) <
				 ops->write_cycles * 1000000ULL / m->clks[0].rate)
		model_fault(m, "data came %lld us after the start of the write",
			    ktime_us_delta(ktime_get(), c->started));

	memcpy(c->data + c->pos, &val, min(4U, c->len - c->pos));
	c->pos = min(c->pos + 4, c->len);
	if (c->pos == c->len)
		model_started(m);
}

#define CADENCE_MODEL(_name, _driver, _clks, _resets)		\
	.ops = {						\
		.name = _name,					\
		.driver = _driver,				\
		.clks = _clks,					\
		.resets = _resets,				\
		.state_size = sizeof(struct cadence),		\
		.polled = true,					\
		.small_read = 256,				\
		.big_read = 4096,				\
		.reset = cadence_reset,				\
		.read = cadence_read,				\
		.write = cadence_write,				\
		.starts = cadence_starts,			\
		.is_status = cadence_is_status,			\
		.by_irq = cadence_by_irq,			\
		.settle = cadence_settle,			\
		.copies = cadence_copies,			\
		.finish = cadence_finish,			\
		.irq = cadence_irq,				\
		.window = cadence_window,			\
		.window_write = cadence_window_write,		\
	}

/* One for C's driver, and one for the driver in Rust */
#define CADENCE_MODELS(_id, _name, _clks, _resets, ...)			\
const struct cadence_ops _id##_model = {				\
	CADENCE_MODEL(_name, "cadence-qspi", _clks, _resets),		\
	__VA_ARGS__							\
};									\
									\
const struct cadence_ops _id##_rust_model = {				\
	CADENCE_MODEL(_name, "cadence-qspi-rust", _clks, _resets),	\
	__VA_ARGS__							\
}

CADENCE_MODELS(cadence, "cadence", 1, 0);
/* Two flashes, and a FIFO of which firmware says nothing */
CADENCE_MODELS(cadence_two, "cadence-two", 1, 0);
CADENCE_MODELS(cadence_lgm, "cadence-lgm", 1, 0);
/* Commands for eight bytes at most go by indirect reads, too. */
CADENCE_MODELS(cadence_socfpga, "cadence-socfpga", 1, 0, .no_auto_poll = true);
/* Reads are polled for. */
CADENCE_MODELS(cadence_polled, "cadence-polled", 1, 0, .no_auto_poll = true);
CADENCE_MODELS(cadence_polled_octal, "cadence-polled-octal", 1, 0, .no_auto_poll = true);
CADENCE_MODELS(cadence_elba, "cadence-elba", 1, 0, .hazard = true);
CADENCE_MODELS(cadence_jh7110, "cadence-jh7110", 3, 3, .ops.in_reset = 7);
/* Of those with direct reads only commands can be stopped while they run. */
CADENCE_MODELS(cadence_k2g, "cadence-k2g", 1, 0, .ops.small_read = 0, .write_cycles = 5);
CADENCE_MODELS(cadence_am654, "cadence-am654", 1, 0, .ops.small_read = 0, .write_cycles = 5);
CADENCE_MODELS(cadence_rzn1, "cadence-rzn1", 3, 0, .ops.small_read = 0, .direct_only = true,
	       .no_auto_poll = true, .write_protect = true);
