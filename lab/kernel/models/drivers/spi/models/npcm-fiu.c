// SPDX-License-Identifier: GPL-2.0-only
/*
 * Model of Nuvoton's flash interface unit as NPCM8xx has it: user mode accesses of up
 * to 16 bytes, which the driver starts and polls for under a spinlock, with the chip
 * select held over several of them if it says so; and a window for reading.
 */

#include <linux/bitfield.h>
#include <linux/mtd/spi-nor.h>
#include <linux/unaligned.h>

#include "model.h"

#define DRD_CFG			0x00
#define DRD_ADDSIZ		GENMASK(17, 16)
#define DRD_DBW			GENMASK(13, 12)
#define DRD_ACCTYPE		GENMASK(9, 8)
#define DRD_RDCMD		GENMASK(7, 0)
#define UMA_CFG			0x08
#define UMA_RDATSIZ		GENMASK(28, 24)
#define UMA_DBSIZ		GENMASK(23, 21)
#define UMA_WDATSIZ		GENMASK(20, 16)
#define UMA_ADDSIZ		GENMASK(13, 11)
#define UMA_CMDSIZ		BIT(10)
#define UMA_RDBPCK		GENMASK(9, 8)
#define UMA_CTS			0x0c
#define CTS_SW_CS		BIT(16)
#define CTS_EXEC		BIT(0)
#define UMA_CMD			0x10
#define UMA_ADDR		0x14
#define UMA_DW0			0x20
#define UMA_DR0			0x30
#define REGS_END		0x80

#define CHUNK			16
/* More than a page with its address */
#define HELD_MAX		512

struct fiu {
	u32 regs[REGS_END / 4];
	/* While the chip select is held */
	bool holding;
	struct flash_op held;
	u8 data[HELD_MAX];
	size_t len;
};

static u32 fiu_get(struct model *m, unsigned int offset)
{
	struct fiu *f = m->state;

	return f->regs[offset / 4];
}

static void fiu_reset(struct model *m)
{
	struct fiu *f = m->state;

	memset(f, 0, sizeof(*f));
	f->regs[UMA_CTS / 4] = CTS_SW_CS;
	f->regs[DRD_CFG / 4] = SPINOR_OP_READ;
}

static u32 fiu_read(struct model *m, unsigned int offset, int size)
{
	if (offset < REGS_END && size == 4)
		return fiu_get(m, offset);

	model_fault(m, "register %#x of %d bytes read", offset, size);
	return ~0;
}

/* Commands with an address and no data */
static const u8 fiu_erases[] = {
	SPINOR_OP_BE_4K, SPINOR_OP_BE_4K_4B, SPINOR_OP_SE, SPINOR_OP_SE_4B, SPINOR_OP_ESECR,
	NOR_OP_DIE_ERASE,
};

/*
 * A flash cannot tell how a controller calls the bytes that it sends. The driver sends
 * addresses of erase commands as data.
 */
static void fiu_exec(struct model *m, struct flash_op *op)
{
	const u8 *bytes = op->out;

	if (memchr(fiu_erases, op->opcode, sizeof(fiu_erases)) && bytes && !op->addr_nbytes &&
	    (op->len == 3 || op->len == 4)) {
		op->addr = op->len == 3 ? get_unaligned_be24(bytes) : get_unaligned_be32(bytes);
		op->addr_nbytes = op->len;
		op->addr_width = 1;
		op->out = NULL;
		op->len = 0;
	}
	model_exec(m, op);
}

static bool fiu_finish(struct model *m)
{
	u32 cfg = fiu_get(m, UMA_CFG);
	size_t in = FIELD_GET(UMA_RDATSIZ, cfg), out = FIELD_GET(UMA_WDATSIZ, cfg);
	struct fiu *f = m->state;
	struct flash_op op = {
		.opcode = fiu_get(m, UMA_CMD),
		.cmd_width = 1,
		.addr = fiu_get(m, UMA_ADDR),
		.addr_nbytes = FIELD_GET(UMA_ADDSIZ, cfg),
		.addr_width = 1,
		.dummy = FIELD_GET(UMA_DBSIZ, cfg) * 8,
		.data_width = 1 << FIELD_GET(UMA_RDBPCK, cfg),
	};

	f->regs[UMA_CTS / 4] &= ~CTS_EXEC;
	if (in > CHUNK || out > CHUNK) {
		model_fault(m, "%zu bytes to read, %zu to write", in, out);
		return false;
	}

	if (!(fiu_get(m, UMA_CTS) & CTS_SW_CS)) {
		if (cfg & UMA_CMDSIZ) {
			f->held = op;
			f->holding = true;
			f->len = 0;
		}
		if (!f->holding || in || f->len + out > HELD_MAX) {
			model_fault(m, "this with the chip select held is not known");
			return false;
		}
		memcpy(f->data + f->len, &f->regs[UMA_DW0 / 4], out);
		f->len += out;
		return false;
	}

	if (!(cfg & UMA_CMDSIZ))
		model_fault(m, "data without a command");
	if (in) {
		op.in = &f->regs[UMA_DR0 / 4];
		op.len = in;
	} else if (out) {
		op.out = &f->regs[UMA_DW0 / 4];
		op.len = out;
	}
	fiu_exec(m, &op);

	return false;
}

static void fiu_release_cs(struct model *m)
{
	struct fiu *f = m->state;

	f->holding = false;
	f->held.out = f->len ? f->data : NULL;
	f->held.len = f->len;
	f->held.data_width = 1;
	fiu_exec(m, &f->held);
}

static void fiu_write(struct model *m, unsigned int offset, int size, u32 val)
{
	struct fiu *f = m->state;

	if (offset >= REGS_END || size != 4) {
		model_fault(m, "register %#x of %d bytes written", offset, size);
		return;
	}

	if (offset >= UMA_DR0 && offset < UMA_DR0 + CHUNK) {
		model_fault(m, "register %#x is for reading", offset);
		return;
	}
	if (offset == UMA_CTS && fiu_get(m, UMA_CTS) & CTS_EXEC)
		model_fault(m, "command while busy");
	f->regs[offset / 4] = val;
	if (offset != UMA_CTS)
		return;
	if (val & CTS_SW_CS && f->holding)
		fiu_release_cs(m);
	if (val & CTS_EXEC)
		model_started(m);
}

static void fiu_window(struct model *m, void *buf, unsigned int offset, size_t len)
{
	u32 cfg = fiu_get(m, DRD_CFG);
	struct flash_op op = {
		.opcode = FIELD_GET(DRD_RDCMD, cfg),
		.cmd_width = 1,
		.addr = offset,
		.addr_nbytes = FIELD_GET(DRD_ADDSIZ, cfg) + 3,
		.addr_width = 1,
		.dummy = FIELD_GET(DRD_DBW, cfg) * 8,
		.data_width = 1 << FIELD_GET(DRD_ACCTYPE, cfg),
		.in = buf,
		.len = len,
	};
	struct fiu *f = m->state;

	memset(buf, 0xff, len);
	if (f->holding)
		model_fault(m, "window read with the chip select held");
	else
		model_exec(m, &op);
}

const struct model_ops npcm_fiu_model = {
	.name = "npcm-fiu",
	.clks = 1,
	.state_size = sizeof(struct fiu),
	.big_read = 4096,
	.reset = fiu_reset,
	.read = fiu_read,
	.write = fiu_write,
	.finish = fiu_finish,
	.window = fiu_window,
};
