// SPDX-License-Identifier: GPL-2.0-only
/*
 * Model of Cadence's quad and octal SPI controller: commands with up to eight bytes of
 * data, indirect reads and writes through an SRAM that is filled from the flash, with
 * interrupts or without, and direct reads of the window. Unlike QEMU's model it sends
 * dummy cycles, and its operations can be stopped. Left out: DTR, direct writes, DMA,
 * polling of the flash by hardware.
 */

#include <linux/bitfield.h>
#include <linux/sizes.h>

#include "model.h"

#define CONFIG			0x00
#define CONFIG_ENABLE		BIT(0)
#define CONFIG_DIRECT		BIT(7)
#define CONFIG_IDLE		BIT(31)
#define RD_INSTR		0x04
#define WR_INSTR		0x08
#define INSTR_OPCODE		GENMASK(7, 0)
#define INSTR_DATA		GENMASK(17, 16)
#define INSTR_DUMMY		GENMASK(28, 24)
#define SIZE			0x14
#define SIZE_ADDRESS		GENMASK(3, 0)
#define SRAMPARTITION		0x18
#define SRAM_WORDS		256
#define SDRAMLEVEL		0x2c
#define IRQSTATUS		0x40
#define IRQMASK			0x44
#define IRQ_COMPLETE		BIT(2)
#define IRQ_WATERMARK		BIT(6)
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
#define REGS_END		0x100

/* All of an operation; of a read, the SRAM's half is what the driver gets to see. */
#define DATA_MAX		SZ_64K

enum cadence_running { NOTHING, COMMAND, READING, WRITING };

struct cadence {
	u32 regs[REGS_END / 4];
	enum cadence_running running;
	/* Data of an indirect read, or for an indirect write */
	u8 data[DATA_MAX];
	unsigned int len;
	unsigned int pos;
};

static u32 cadence_get(struct model *m, unsigned int offset)
{
	struct cadence *c = m->state;

	return c->regs[offset / 4];
}

static void cadence_reset(struct model *m)
{
	struct cadence *c = m->state;

	memset(c->regs, 0, sizeof(c->regs));
	c->regs[CONFIG / 4] = CONFIG_ENABLE | CONFIG_DIRECT;
	c->running = NOTHING;
	c->len = 0;
	c->pos = 0;
}

static void cadence_command(struct model *m)
{
	u32 cmd = cadence_get(m, CMDCTRL);
	struct cadence *c = m->state;
	struct flash_op op = {
		.opcode = FIELD_GET(CMDCTRL_OPCODE, cmd),
		.dummy = FIELD_GET(CMDCTRL_DUMMY, cmd),
		.cmd_width = 1,
		.addr_width = 1,
		.data_width = 1 << FIELD_GET(INSTR_DATA, cadence_get(m, RD_INSTR)),
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
	model_exec(m, &op);
	c->regs[CMDCTRL / 4] &= ~(CMDCTRL_EXECUTE | CMDCTRL_BUSY);
}

static void cadence_indirect(struct model *m, struct flash_op *op, u32 instr, u32 addr)
{
	*op = (struct flash_op) {
		.opcode = FIELD_GET(INSTR_OPCODE, instr),
		.dummy = FIELD_GET(INSTR_DUMMY, instr),
		.cmd_width = 1,
		.addr_width = 1,
		.addr_nbytes = FIELD_GET(SIZE_ADDRESS, cadence_get(m, SIZE)) + 1,
		.addr = addr,
		.data_width = 1 << FIELD_GET(INSTR_DATA, instr),
	};
}

static bool cadence_finish(struct model *m)
{
	struct cadence *c = m->state;
	struct flash_op op;

	switch (c->running) {
	case COMMAND:
		cadence_command(m);
		c->running = NOTHING;
		break;
	case READING:
		cadence_indirect(m, &op, cadence_get(m, RD_INSTR),
				 cadence_get(m, INDIRECTRD_ADDR));
		op.in = c->data;
		op.len = c->len;
		model_exec(m, &op);
		c->regs[IRQSTATUS / 4] |= IRQ_WATERMARK;
		break;
	case WRITING:
		cadence_indirect(m, &op, cadence_get(m, WR_INSTR),
				 cadence_get(m, INDIRECTWR_ADDR));
		op.dummy = 0;
		op.out = c->data;
		op.len = c->len;
		model_exec(m, &op);
		c->regs[INDIRECTWR / 4] = INDIRECT_DONE;
		c->regs[IRQSTATUS / 4] |= IRQ_COMPLETE;
		c->running = NOTHING;
		break;
	default:
		break;
	}

	/* Some of them interrupt, but the driver waits for 10 ms only, and then polls. */
	return false;
}

static u32 cadence_read(struct model *m, unsigned int offset, int size)
{
	struct cadence *c = m->state;
	unsigned int words;

	if (offset >= REGS_END || size != 4) {
		model_fault(m, "register %#x of %d bytes read", offset, size);
		return ~0;
	}

	switch (offset) {
	case CONFIG:
		return cadence_get(m, CONFIG) | (c->running == NOTHING ? CONFIG_IDLE : 0);
	case SDRAMLEVEL:
		if (c->running != READING || m->held)
			return 0;
		words = DIV_ROUND_UP(c->len - c->pos, 4);
		return min(words, SRAM_WORDS / 2U);
	default:
		return cadence_get(m, offset);
	}
}

static bool cadence_starts(struct model *m, unsigned int offset, u32 val)
{
	return (offset == CMDCTRL && val & CMDCTRL_EXECUTE) ||
	       ((offset == INDIRECTRD || offset == INDIRECTWR) && val & INDIRECT_START);
}

static bool cadence_may_start(struct model *m, unsigned int bytes)
{
	struct cadence *c = m->state;

	if (cadence_get(m, CONFIG) & CONFIG_ENABLE && c->running == NOTHING &&
	    bytes <= DATA_MAX)
		return true;

	model_fault(m, "operation while disabled or busy, or of more than %u bytes", DATA_MAX);
	return false;
}

static void cadence_write_indirect(struct model *m, unsigned int offset, u32 val)
{
	u32 bytes = cadence_get(m, offset == INDIRECTRD ? INDIRECTRD_BYTES : INDIRECTWR_BYTES);
	struct cadence *c = m->state;

	if (val & INDIRECT_CANCEL)
		c->running = NOTHING;
	if (val & INDIRECT_DONE)
		c->regs[offset / 4] = 0;
	if (!(val & INDIRECT_START) || !cadence_may_start(m, bytes))
		return;

	c->regs[offset / 4] = INDIRECT_BUSY;
	c->pos = 0;
	c->len = bytes;
	if (offset == INDIRECTRD) {
		c->running = READING;
		model_started(m);
	} else {
		c->running = WRITING;
	}
}

static void cadence_write(struct model *m, unsigned int offset, int size, u32 val)
{
	struct cadence *c = m->state;

	if (offset >= REGS_END || size != 4) {
		model_fault(m, "register %#x of %d bytes written", offset, size);
		return;
	}

	switch (offset) {
	case CONFIG:
		if (!(val & CONFIG_ENABLE) && c->running != NOTHING)
			model_fault(m, "disabled while an operation runs");
		val &= ~CONFIG_IDLE;
		break;
	case SRAMPARTITION:
		val &= SRAM_WORDS - 1;
		break;
	case IRQSTATUS:
		c->regs[IRQSTATUS / 4] &= ~val;
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
		c->running = COMMAND;
		model_started(m);
		return;
	}

	c->regs[offset / 4] = val;
}

static bool cadence_irq(struct model *m)
{
	return cadence_get(m, IRQSTATUS) & cadence_get(m, IRQMASK);
}

/* What the driver reads first when it has started something */
static bool cadence_is_status(struct model *m, unsigned int offset)
{
	return offset == CMDCTRL || offset == INDIRECTRD || offset == INDIRECTWR;
}

/* In an indirect read half of the data is taken out of the SRAM. */
static bool cadence_copies(struct model *m, unsigned int offset)
{
	struct cadence *c = m->state;

	return offset == MODEL_IN_WINDOW && c->running == READING && c->len > 8 &&
	       c->pos >= c->len / 2;
}

static void cadence_window(struct model *m, void *buf, unsigned int offset, size_t len)
{
	struct cadence *c = m->state;
	struct flash_op op;

	memset(buf, 0xff, len);
	if (c->running == READING && !m->held) {
		if (c->pos >= c->len || len != 4) {
			model_fault(m, "%zu bytes read of an SRAM with %u", len,
				    c->len - c->pos);
			return;
		}
		memcpy(buf, c->data + c->pos, min(len, c->len - c->pos));
		c->pos = min(c->pos + 4, c->len);
		if (c->pos < c->len)
			return;
		c->running = NOTHING;
		c->regs[INDIRECTRD / 4] = INDIRECT_DONE;
		c->regs[IRQSTATUS / 4] |= IRQ_COMPLETE;
		return;
	}
	if (c->running != NOTHING || !(cadence_get(m, CONFIG) & CONFIG_DIRECT) ||
	    !(cadence_get(m, CONFIG) & CONFIG_ENABLE)) {
		model_fault(m, "window read while busy or disabled");
		return;
	}

	cadence_indirect(m, &op, cadence_get(m, RD_INSTR), offset);
	op.in = buf;
	op.len = len;
	model_exec(m, &op);
}

static void cadence_window_write(struct model *m, unsigned int offset, int size, u32 val)
{
	struct cadence *c = m->state;

	if (c->running != WRITING || m->held || size != 4 || c->pos >= c->len) {
		model_fault(m, "data that no operation wants");
		return;
	}

	memcpy(c->data + c->pos, &val, min(4U, c->len - c->pos));
	c->pos = min(c->pos + 4, c->len);
	if (c->pos == c->len)
		model_started(m);
}

#define CADENCE_MODEL						\
	.clks = 1,						\
	.state_size = sizeof(struct cadence),			\
	.polled = true,						\
	.small_read = 256,					\
	.big_read = 4096,					\
	.reset = cadence_reset,					\
	.read = cadence_read,					\
	.write = cadence_write,					\
	.starts = cadence_starts,				\
	.is_status = cadence_is_status,				\
	.copies = cadence_copies,				\
	.finish = cadence_finish,				\
	.irq = cadence_irq,					\
	.window = cadence_window,				\
	.window_write = cadence_window_write

const struct model_ops cadence_model = {
	.name = "cadence",
	CADENCE_MODEL,
};

/* Commands for eight bytes at most go by indirect reads, too. */
const struct model_ops cadence_socfpga_model = {
	.name = "cadence-socfpga",
	CADENCE_MODEL,
};

/* Reads are polled for. */
const struct model_ops cadence_polled_model = {
	.name = "cadence-polled",
	CADENCE_MODEL,
};
