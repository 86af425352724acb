// SPDX-License-Identifier: GPL-2.0-only
/*
 * Models of STM32's QUADSPI and OCTOSPI: indirect read and write through a FIFO that the
 * driver polls, memory-mapped read, and a mode that polls the flash's status and
 * interrupts. They differ in where registers are. DMA is left out: the drivers do without
 * when there is no channel. So is OCTOSPI's window, which its driver finds by reserved
 * memory, of which User-mode Linux has none: all reads are indirect there.
 */

#include <linux/bitfield.h>
#include <linux/sizes.h>

#include "model.h"

/* Registers by what they are; those that the model gives no meaning are kept only. */
struct stm32_layout {
	unsigned int cr;
	unsigned int sr;
	unsigned int fcr;
	unsigned int dlr;
	unsigned int ccr;
	unsigned int ar;
	unsigned int dr;
	unsigned int psmkr;
	unsigned int psmar;
	/* The command starts by a register of its own, or with ccr. */
	unsigned int ir;
	unsigned int end;
};

static const struct stm32_layout qspi_layout = {
	.cr = 0x00, .sr = 0x08, .fcr = 0x0c, .dlr = 0x10, .ccr = 0x14, .ar = 0x18,
	.dr = 0x20, .psmkr = 0x24, .psmar = 0x28, .ir = 0x14, .end = 0x34,
};

static const struct stm32_layout ospi_layout = {
	.cr = 0x00, .sr = 0x20, .fcr = 0x24, .dlr = 0x40, .ar = 0x48, .dr = 0x50,
	.psmkr = 0x80, .psmar = 0x88, .ccr = 0x100, .ir = 0x110, .end = 0x200,
};

#define CR_EN			BIT(0)
#define CR_ABORT		BIT(1)
#define CR_SMIE			BIT(19)
#define OSPI_CR_FMODE		GENMASK(29, 28)
#define SR_TCF			BIT(1)
#define SR_FTF			BIT(2)
#define SR_SMF			BIT(3)
#define SR_BUSY			BIT(5)

#define QSPI_CCR_INST		GENMASK(7, 0)
#define QSPI_CCR_IMODE		GENMASK(9, 8)
#define QSPI_CCR_ADMODE		GENMASK(11, 10)
#define QSPI_CCR_ADSIZE		GENMASK(13, 12)
#define QSPI_CCR_DCYC		GENMASK(22, 18)
#define QSPI_CCR_DMODE		GENMASK(25, 24)
#define QSPI_CCR_FMODE		GENMASK(27, 26)

#define OSPI_CCR_IMODE		GENMASK(2, 0)
#define OSPI_CCR_ADMODE		GENMASK(10, 8)
#define OSPI_CCR_ADSIZE		GENMASK(13, 12)
#define OSPI_CCR_DMODE		GENMASK(26, 24)
#define OSPI_TCR		0x108
#define OSPI_TCR_DCYC		GENMASK(4, 0)

enum { INDIRECT_WRITE, INDIRECT_READ, AUTO_POLL, MAPPED };

/* More than the FIFO has: the model takes all that an operation has at once. */
#define DATA_MAX		SZ_64K

#define POLLS_MAX		1000

struct stm32_state {
	u32 regs[0x200 / 4];
	bool busy;		/* from the start until the last byte is taken */
	bool prefetching;	/* from the first read of the window to an abort */
	bool collecting;	/* bytes to write, before the operation */
	u8 data[DATA_MAX];
	unsigned int len;
	unsigned int pos;
	unsigned int want;
};

static const struct stm32_layout *stm32_layout(struct model *m)
{
	return m->ops == &stm32_ospi_model || m->ops == &stm32_ospi_octal_model ?
		&ospi_layout : &qspi_layout;
}

static u32 stm32_get(struct model *m, unsigned int offset)
{
	struct stm32_state *q = m->state;

	return q->regs[offset / 4];
}

static unsigned int stm32_mode(struct model *m)
{
	if (stm32_layout(m) == &ospi_layout)
		return FIELD_GET(OSPI_CR_FMODE, stm32_get(m, ospi_layout.cr));

	return FIELD_GET(QSPI_CCR_FMODE, stm32_get(m, qspi_layout.ccr));
}

/* To those who would start something, or end it */
static bool stm32_is_busy(struct stm32_state *q)
{
	return q->busy || q->prefetching;
}

static void stm32_idle(struct stm32_state *q)
{
	q->busy = false;
	q->prefetching = false;
	q->collecting = false;
	q->len = 0;
	q->pos = 0;
	q->want = 0;
}

static void stm32_reset(struct model *m)
{
	struct stm32_state *q = m->state;

	memset(q->regs, 0, sizeof(q->regs));
	stm32_idle(q);
}

static u8 stm32_lines(u32 mode)
{
	static const u8 lines[] = { 0, 1, 2, 4, 8 };

	return lines[mode];
}

/* What the flash will see */
static void stm32_op(struct model *m, struct flash_op *op)
{
	const struct stm32_layout *l = stm32_layout(m);
	u32 ccr = stm32_get(m, l->ccr);
	bool addr;

	memset(op, 0, sizeof(*op));
	if (l == &ospi_layout) {
		op->opcode = stm32_get(m, l->ir);
		op->cmd_width = stm32_lines(FIELD_GET(OSPI_CCR_IMODE, ccr));
		op->addr_width = stm32_lines(FIELD_GET(OSPI_CCR_ADMODE, ccr));
		op->addr_nbytes = FIELD_GET(OSPI_CCR_ADSIZE, ccr) + 1;
		op->data_width = stm32_lines(FIELD_GET(OSPI_CCR_DMODE, ccr));
		op->dummy = FIELD_GET(OSPI_TCR_DCYC, stm32_get(m, OSPI_TCR));
	} else {
		op->opcode = FIELD_GET(QSPI_CCR_INST, ccr);
		op->cmd_width = stm32_lines(FIELD_GET(QSPI_CCR_IMODE, ccr));
		op->addr_width = stm32_lines(FIELD_GET(QSPI_CCR_ADMODE, ccr));
		op->addr_nbytes = FIELD_GET(QSPI_CCR_ADSIZE, ccr) + 1;
		op->data_width = stm32_lines(FIELD_GET(QSPI_CCR_DMODE, ccr));
		op->dummy = FIELD_GET(QSPI_CCR_DCYC, ccr);
	}
	addr = op->addr_width;
	op->addr_nbytes = addr ? op->addr_nbytes : 0;
	op->addr = addr ? stm32_get(m, l->ar) : 0;
	op->len = op->data_width ? stm32_get(m, l->dlr) + 1 : 0;
}

static bool stm32_finish(struct model *m)
{
	const struct stm32_layout *l = stm32_layout(m);
	struct stm32_state *q = m->state;
	struct flash_op op;
	unsigned int polls = 0;
	u32 status = 0;

	stm32_op(m, &op);
	switch (stm32_mode(m)) {
	case INDIRECT_WRITE:
		op.out = q->data;
		model_exec(m, &op);
		stm32_idle(q);
		q->regs[l->sr / 4] |= SR_TCF;
		break;
	case INDIRECT_READ:
		op.in = q->data;
		model_exec(m, &op);
		q->pos = 0;
		q->len = op.len;
		q->busy = op.len;
		q->regs[l->sr / 4] |= SR_TCF;
		break;
	case AUTO_POLL:
		/* It asks until it matches; nothing else can happen meanwhile. */
		op.in = &status;
		op.len = min(op.len, sizeof(status));
		do {
			model_exec(m, &op);
			/* It would go on for ever; the driver gives up. */
			if (polls++ == POLLS_MAX)
				return true;
		} while ((status ^ stm32_get(m, l->psmar)) & stm32_get(m, l->psmkr));
		memcpy(q->data, &status, sizeof(status));
		q->pos = 0;
		q->len = op.len;
		q->busy = false;
		q->regs[l->sr / 4] |= SR_SMF;
		return true;
	}

	return false;
}

static u32 stm32_read(struct model *m, unsigned int offset, int size)
{
	const struct stm32_layout *l = stm32_layout(m);
	struct stm32_state *q = m->state;
	u32 val = 0;

	if (offset >= l->end || (size != 4 && offset != l->dr)) {
		model_fault(m, "register %#x of %d bytes read", offset, size);
		return ~0;
	}

	if (offset == l->sr) {
		val = stm32_get(m, l->sr) & (SR_TCF | SR_SMF);
		if (stm32_is_busy(q))
			val |= SR_BUSY;
		if (q->collecting || q->pos < q->len)
			val |= SR_FTF;
		return val;
	}
	if (offset == l->dr) {
		if (q->pos + size > q->len) {
			model_fault(m, "%d bytes read, %u there", size, q->len - q->pos);
			return ~0;
		}
		memcpy(&val, q->data + q->pos, size);
		q->pos += size;
		if (q->pos == q->len)
			stm32_idle(q);
		return val;
	}

	return stm32_get(m, offset);
}

/* It starts with the last thing that it needs: command, or address. */
static bool stm32_starts(struct model *m, unsigned int offset, u32 val)
{
	const struct stm32_layout *l = stm32_layout(m);
	struct stm32_state *q = m->state;
	struct flash_op op;
	bool mapped;
	u32 old;

	if (offset != l->ir && offset != l->ar)
		return false;

	/* As if it were written */
	old = stm32_get(m, offset);
	q->regs[offset / 4] = val;
	stm32_op(m, &op);
	mapped = stm32_mode(m) == MAPPED;
	q->regs[offset / 4] = old;
	if (mapped)
		return false;

	return op.addr_nbytes ? offset == l->ar : offset == l->ir;
}

static void stm32_begin(struct model *m)
{
	const struct stm32_layout *l = stm32_layout(m);
	struct stm32_state *q = m->state;
	struct flash_op op;

	if (!(stm32_get(m, l->cr) & CR_EN) || stm32_is_busy(q)) {
		model_fault(m, "command while disabled or busy");
		return;
	}
	/* Hardware does not mind, but the driver would take it for the end of this one. */
	if (stm32_get(m, l->sr) & SR_TCF)
		model_fault(m, "command, and the end of the one before is not cleared");

	stm32_idle(q);
	q->busy = true;
	stm32_op(m, &op);
	q->want = op.len;
	if (q->want > DATA_MAX) {
		model_fault(m, "%u bytes are more than the model takes", q->want);
		stm32_idle(q);
		return;
	}
	if (q->want && stm32_mode(m) == INDIRECT_WRITE) {
		q->collecting = true;
		return;
	}
	model_started(m);
}

static void stm32_push(struct model *m, int size, u32 val)
{
	struct stm32_state *q = m->state;

	if (!q->collecting || q->len + size > q->want) {
		model_fault(m, "data that no operation wants");
		return;
	}

	memcpy(q->data + q->len, &val, size);
	q->len += size;
	if (q->len < q->want)
		return;

	q->collecting = false;
	q->pos = q->len;
	model_started(m);
}

static void stm32_write(struct model *m, unsigned int offset, int size, u32 val)
{
	const struct stm32_layout *l = stm32_layout(m);
	struct stm32_state *q = m->state;
	bool starts;

	if (offset >= l->end || (size != 4 && offset != l->dr)) {
		model_fault(m, "register %#x of %d bytes written", offset, size);
		return;
	}

	if (offset == l->dr) {
		stm32_push(m, size, val);
		return;
	}
	if (offset == l->fcr) {
		q->regs[l->sr / 4] &= ~val;
		return;
	}
	if (offset == l->cr) {
		if (!(val & CR_EN) && q->busy)
			model_fault(m, "disabled while a command runs");
		if (val & CR_ABORT) {
			if (stm32_is_busy(q))
				q->regs[l->sr / 4] |= SR_TCF;
			stm32_idle(q);
		}
		q->regs[l->cr / 4] = val & ~CR_ABORT;
		return;
	}
	if (offset == l->sr || ((offset == l->ccr || offset == l->ir || offset == l->ar) &&
				stm32_is_busy(q))) {
		model_fault(m, "register %#x written while busy", offset);
		return;
	}

	starts = stm32_starts(m, offset, val);
	q->regs[offset / 4] = val;
	if (starts)
		stm32_begin(m);
}

static bool stm32_irq(struct model *m)
{
	const struct stm32_layout *l = stm32_layout(m);

	return stm32_get(m, l->sr) & SR_SMF && stm32_get(m, l->cr) & CR_SMIE;
}

static bool stm32_is_status(struct model *m, unsigned int offset)
{
	return offset == stm32_layout(m)->sr;
}

/* The driver takes what the FIFO has: half of it is there. */
static bool stm32_copies(struct model *m, unsigned int offset)
{
	struct stm32_state *q = m->state;

	return offset == stm32_layout(m)->dr && q->len > 8 && q->pos >= q->len / 2;
}

static void stm32_window(struct model *m, void *buf, unsigned int offset, size_t len)
{
	struct stm32_state *q = m->state;
	struct flash_op op;

	memset(buf, 0xff, len);
	if (!(stm32_get(m, stm32_layout(m)->cr) & CR_EN) || q->busy ||
	    stm32_mode(m) != MAPPED) {
		model_fault(m, "window read while disabled, busy or not mapped");
		return;
	}

	stm32_op(m, &op);
	op.addr = offset;
	op.len = len;
	op.in = buf;
	model_exec(m, &op);
	q->prefetching = true;
}

#define STM32_MODEL						\
	.clks = 1,						\
	.resets = 1,						\
	.state_size = sizeof(struct stm32_state),		\
	.polled = true,						\
	.auto_polls = true,					\
	.reset = stm32_reset,					\
	.read = stm32_read,					\
	.write = stm32_write,					\
	.starts = stm32_starts,					\
	.is_status = stm32_is_status,				\
	.finish = stm32_finish,					\
	.irq = stm32_irq

const struct model_ops stm32_qspi_model = {
	.name = "stm32-qspi",
	STM32_MODEL,
	.big_read = 4096,
	.window = stm32_window,
};

const struct model_ops stm32_qspi_nand_model = {
	.name = "stm32-qspi-nand",
	STM32_MODEL,
	.big_read = 4096,
	.window = stm32_window,
};

#define STM32_OSPI_MODEL					\
	STM32_MODEL,						\
	.copies = stm32_copies,					\
	.small_read = 256,					\
	.big_read = 4096

const struct model_ops stm32_ospi_model = {
	.name = "stm32-ospi",
	STM32_OSPI_MODEL,
};

const struct model_ops stm32_ospi_octal_model = {
	.name = "stm32-ospi-octal",
	STM32_OSPI_MODEL,
};
