// SPDX-License-Identifier: GPL-2.0-only
/*
 * Model of NXP's FlexSPI as i.MX8M has it: sequences in a look-up table, run by a
 * command through FIFOs, which ends with an interrupt, or by a read of the window.
 */

#include <linux/bitfield.h>

#include "model.h"

#define MCR0			0x00
#define MCR0_SWRST		BIT(0)
#define MCR0_MDIS		BIT(1)
#define MCR0_RXCLKSRC		GENMASK(5, 4)
#define RXCLKSRC_DQS		3
#define INTEN			0x10
#define INTR			0x14
#define INTR_IPCMDDONE		BIT(0)
#define INTR_IPRXWA		BIT(5)
#define INTR_IPTXWE		BIT(6)
#define INTR_STICKY		INTR_IPCMDDONE
#define LUTKEY			0x18
#define LUTKEY_VALUE		0x5af05af0
#define LCKCR			0x1c
#define LCKCR_LOCK		BIT(0)
#define LCKCR_UNLOCK		BIT(1)
#define FLSHCR0(cs)		(0x60 + 4 * (cs))
#define FLSHCR2(cs)		(0x80 + 4 * (cs))
#define FLSHCR2_ARDSEQID	GENMASK(4, 0)
#define IPCR0			0xa0
#define IPCR1			0xa4
#define IPCR1_IDATSZ		GENMASK(15, 0)
#define IPCR1_ISEQID		GENMASK(20, 16)
#define IPCMD			0xb0
#define IPCMD_TRG		BIT(0)
#define IPRXFCR			0xb8
#define IPTXFCR			0xbc
#define FIFO_CLR		BIT(0)
#define STS0			0xe0
#define STS0_IDLE		GENMASK(1, 0)
#define STS2			0xe8
#define STS2_LOCKED		(GENMASK(17, 16) | GENMASK(1, 0))
#define RFDR			0x100
#define TFDR			0x180
#define FIFO_REGS		0x80
#define LUT			0x200
#define LUT_END			0x400

#define RX_FIFO			512
#define TX_FIFO			1024
/* What the FIFOs' pointers move by, at the watermark that reset sets */
#define WATERMARK		8

#define CS_COUNT		4

/* Instructions of a sequence */
#define LUT_DDR			0x20
static const u8 fspi_lut[] = {
	[0x01] = LUT_CMD,
	[0x02] = LUT_ADDR,
	[0x08] = LUT_WRITE,
	[0x09] = LUT_READ,
	[0x0c] = LUT_DUMMY,
	[LUT_DDR | 0x01] = LUT_CMD | LUT_DTR,
	[LUT_DDR | 0x02] = LUT_ADDR | LUT_DTR,
	[LUT_DDR | 0x08] = LUT_WRITE | LUT_DTR,
	[LUT_DDR | 0x09] = LUT_READ | LUT_DTR,
	[LUT_DDR | 0x0c] = LUT_DUMMY | LUT_DTR,
};

struct fspi {
	u32 regs[LUT_END / 4];
	bool unlocked;
	bool running;
	u8 rx[RX_FIFO];
	unsigned int rx_len;
	unsigned int rx_pos;
	u8 tx[TX_FIFO];
	u8 tx_regs[FIFO_REGS];
	unsigned int tx_len;
};

static u32 fspi_get(struct model *m, unsigned int offset)
{
	struct fspi *f = m->state;

	return f->regs[offset / 4];
}

static void fspi_reset_fifos(struct fspi *f)
{
	f->rx_len = 0;
	f->rx_pos = 0;
	f->tx_len = 0;
}

static void fspi_reset(struct model *m)
{
	struct fspi *f = m->state;

	memset(f, 0, sizeof(*f));
	f->regs[MCR0 / 4] = MCR0_MDIS;
}

static u32 fspi_read(struct model *m, unsigned int offset, int size)
{
	struct fspi *f = m->state;
	unsigned int pos;
	u32 val = 0;

	if (offset >= LUT_END || size != 4) {
		model_fault(m, "register %#x of %d bytes read", offset, size);
		return ~0;
	}

	switch (offset) {
	case INTR:
		val = fspi_get(m, INTR) & INTR_STICKY;
		if (f->rx_len > f->rx_pos)
			val |= INTR_IPRXWA;
		if (f->tx_len + WATERMARK <= TX_FIFO)
			val |= INTR_IPTXWE;
		return val;
	case STS0:
		return f->running ? 0 : STS0_IDLE;
	case STS2:
		return STS2_LOCKED;
	case RFDR ... RFDR + FIFO_REGS - 4:
		pos = f->rx_pos + offset - RFDR;
		if (pos >= f->rx_len) {
			model_fault(m, "the receive FIFO is empty");
			return ~0;
		}
		memcpy(&val, f->rx + pos, min(4U, RX_FIFO - pos));
		return val;
	default:
		return fspi_get(m, offset);
	}
}

static bool fspi_decode(struct model *m, unsigned int seq, u32 addr, size_t len,
			struct flash_op *op)
{
	struct fspi *f = m->state;

	if (!model_decode_lut(m, fspi_lut, ARRAY_SIZE(fspi_lut), f->regs + LUT / 4 + 4 * seq,
			      addr, len, op))
		return false;
	/* At double rate the flash's strobe says when to sample. */
	if (op->dtr && FIELD_GET(MCR0_RXCLKSRC, fspi_get(m, MCR0)) != RXCLKSRC_DQS)
		model_fault(m, "double rate without strobe");

	return true;
}

/* The one chip select that has a size is used: there is a flash at the first. */
static bool fspi_selected(struct model *m, u32 addr)
{
	unsigned int cs;

	for (cs = 0; cs < CS_COUNT; cs++)
		if (addr < fspi_get(m, FLSHCR0(cs)) * 1024)
			return !cs;

	return false;
}

static bool fspi_finish(struct model *m)
{
	u32 addr = fspi_get(m, IPCR0), cr1 = fspi_get(m, IPCR1);
	size_t len = FIELD_GET(IPCR1_IDATSZ, cr1);
	struct fspi *f = m->state;
	struct flash_op op;

	f->running = false;
	f->regs[INTR / 4] |= INTR_IPCMDDONE;
	if (fspi_decode(m, FIELD_GET(IPCR1_ISEQID, cr1), addr, len, &op) &&
	    model_give_buffers(m, &op, f->tx, f->tx_len, f->rx, RX_FIFO)) {
		if (op.in) {
			f->rx_pos = 0;
			f->rx_len = ALIGN(op.len, WATERMARK);
		}
		if (fspi_selected(m, addr))
			model_exec(m, &op);
	}
	f->tx_len = 0;

	return true;
}

static bool fspi_starts(struct model *m, unsigned int offset, u32 val)
{
	return offset == IPCMD && (val & IPCMD_TRG);
}

static void fspi_write(struct model *m, unsigned int offset, int size, u32 val)
{
	struct fspi *f = m->state;

	if (offset >= LUT_END || size != 4) {
		model_fault(m, "register %#x of %d bytes written", offset, size);
		return;
	}

	switch (offset) {
	case MCR0:
		if (val & MCR0_SWRST) {
			if (f->running)
				model_fault(m, "reset while a command runs");
			fspi_reset_fifos(f);
		}
		f->regs[MCR0 / 4] = val & ~MCR0_SWRST;
		return;
	case INTR:
		f->regs[INTR / 4] &= ~(val & INTR_STICKY);
		if (val & INTR_IPRXWA && f->rx_len)
			f->rx_pos = min(f->rx_pos + WATERMARK, f->rx_len);
		if (val & INTR_IPTXWE && f->tx_len + WATERMARK <= TX_FIFO) {
			memcpy(f->tx + f->tx_len, f->tx_regs, WATERMARK);
			f->tx_len += WATERMARK;
		}
		return;
	case LCKCR:
		if (fspi_get(m, LUTKEY) != LUTKEY_VALUE)
			return;
		f->regs[LUTKEY / 4] = 0;
		if (val & LCKCR_UNLOCK)
			f->unlocked = true;
		else if (val & LCKCR_LOCK)
			f->unlocked = false;
		return;
	case IPRXFCR:
		if (val & FIFO_CLR)
			f->rx_len = f->rx_pos = 0;
		f->regs[IPRXFCR / 4] = val & ~FIFO_CLR;
		return;
	case IPTXFCR:
		if (val & FIFO_CLR)
			f->tx_len = 0;
		f->regs[IPTXFCR / 4] = val & ~FIFO_CLR;
		return;
	case TFDR ... TFDR + FIFO_REGS - 4:
		memcpy(f->tx_regs + offset - TFDR, &val, 4);
		return;
	case IPCMD:
		if (!(val & IPCMD_TRG))
			return;
		if (fspi_get(m, MCR0) & MCR0_MDIS || f->running) {
			model_fault(m, "command while disabled or busy");
			return;
		}
		f->running = true;
		model_started(m);
		return;
	case LUT ... LUT_END - 4:
		if (!f->unlocked) {
			model_fault(m, "the look-up table is locked");
			return;
		}
		break;
	case STS0 ... RFDR - 4:
		model_fault(m, "status register %#x written", offset);
		return;
	}

	f->regs[offset / 4] = val;
}

static bool fspi_irq(struct model *m)
{
	return fspi_get(m, INTR) & fspi_get(m, INTEN);
}

static void fspi_window(struct model *m, void *buf, unsigned int offset, size_t len)
{
	struct fspi *f = m->state;
	struct flash_op op;

	memset(buf, 0xff, len);
	if (fspi_get(m, MCR0) & MCR0_MDIS || f->running) {
		model_fault(m, "window read while disabled or busy");
		return;
	}
	if (!fspi_decode(m, FIELD_GET(FLSHCR2_ARDSEQID, fspi_get(m, FLSHCR2(0))), offset, len,
			 &op) ||
	    !model_give_buffers(m, &op, NULL, 0, buf, len))
		return;

	if (fspi_selected(m, offset))
		model_exec(m, &op);
}

#define FSPI_MODEL					\
	.clks = 2,	\
	.state_size = sizeof(struct fspi),	\
	.small_read = 256,	\
	.big_read = 2048,	\
	.reset = fspi_reset,	\
	.read = fspi_read,	\
	.write = fspi_write,	\
	.starts = fspi_starts,	\
	.finish = fspi_finish,	\
	.irq = fspi_irq,	\
	.window = fspi_window

const struct model_ops fspi_model = {
	.name = "fspi",
	FSPI_MODEL,
};

const struct model_ops fspi_nand_model = {
	.name = "fspi-nand",
	FSPI_MODEL,
};

const struct model_ops fspi_octal_model = {
	.name = "fspi-octal",
	FSPI_MODEL,
};
