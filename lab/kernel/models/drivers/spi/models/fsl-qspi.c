// SPDX-License-Identifier: GPL-2.0-only
/*
 * Model of Freescale's QuadSPI as LS1021A and LS1046A have it: big-endian registers,
 * sequences in a look-up table, a small receive buffer, and a window in which each chip
 * select has a kilobyte.
 */

#include <linux/bitfield.h>
#include <linux/sizes.h>

#include "model.h"

#define MCR			0x00
#define MCR_SWRST		GENMASK(1, 0)
#define MCR_CLR_RXF		BIT(10)
#define MCR_CLR_TXF		BIT(11)
#define MCR_MDIS		BIT(14)
#define IPCR			0x08
#define IPCR_IDATSZ		GENMASK(15, 0)
#define IPCR_SEQID		GENMASK(27, 24)
#define BFGENCR			0x20
#define BFGENCR_SEQID		GENMASK(15, 12)
#define SFAR			0x100
#define RBCT			0x110
#define RBCT_RXBRD_USEIPS	BIT(8)
#define TBDR			0x154
#define SR			0x15c
#define SR_BUSY			BIT(0)
#define SR_IP_ACC		BIT(1)
#define FR			0x160
#define FR_TFF			BIT(0)
#define RSER			0x164
#define SPTRCLR			0x16c
#define SFA1AD			0x180
#define SFA2AD			0x184
#define RBDR			0x200
#define LUTKEY			0x300
#define LUTKEY_VALUE		0x5af05af0
#define LCKCR			0x304
#define LCKCR_LOCK		BIT(0)
#define LCKCR_UNLOCK		BIT(1)
#define LUT			0x310
#define LUT_END			(LUT + 16 * 16)

#define RX_BUFFER		128
#define TX_BUFFER		64

/* Instructions of a sequence: bytes of the "mode" are how the driver sends addresses. */
static const u8 fsl_qspi_lut[] = {
	[1] = LUT_CMD,
	[3] = LUT_DUMMY,
	[4] = LUT_MODE,
	[7] = LUT_READ,
	[8] = LUT_WRITE,
};

struct fsl_qspi_state {
	u32 regs[LUT_END / 4];
	bool unlocked;
	bool running;
	u8 rx[RX_BUFFER];
	unsigned int rx_len;
	u8 tx[TX_BUFFER];
	unsigned int tx_len;
};

static u32 fsl_qspi_get(struct model *m, unsigned int offset)
{
	struct fsl_qspi_state *q = m->state;

	return q->regs[offset / 4];
}

static void fsl_qspi_reset(struct model *m)
{
	struct fsl_qspi_state *q = m->state;

	memset(q, 0, sizeof(*q));
	q->regs[MCR / 4] = MCR_MDIS;
}

static u32 fsl_qspi_read(struct model *m, unsigned int offset, int size)
{
	struct fsl_qspi_state *q = m->state;
	u32 val = 0;

	if (offset >= LUT_END || size != 4) {
		model_fault(m, "register %#x of %d bytes read", offset, size);
		return ~0;
	}

	switch (offset) {
	case SR:
		return q->running ? SR_BUSY | SR_IP_ACC : 0;
	case RBDR ... RBDR + RX_BUFFER - 4:
		if (!(fsl_qspi_get(m, RBCT) & RBCT_RXBRD_USEIPS) ||
		    offset - RBDR >= q->rx_len) {
			model_fault(m, "receive buffer %#x has no data", offset - RBDR);
			return ~0;
		}
		memcpy(&val, q->rx + offset - RBDR, 4);
		return val;
	default:
		return fsl_qspi_get(m, offset);
	}
}

static bool fsl_qspi_decode(struct model *m, unsigned int seq, size_t len,
			    struct flash_op *op)
{
	struct fsl_qspi_state *q = m->state;

	return model_decode_lut(m, fsl_qspi_lut, ARRAY_SIZE(fsl_qspi_lut),
				q->regs + LUT / 4 + 4 * seq, 0, len, op);
}

/* Chip selects have ranges of addresses, which end where these registers say. */
static bool fsl_qspi_first_cs(struct model *m, u32 addr)
{
	return addr >= MODEL_WINDOW && addr < fsl_qspi_get(m, SFA1AD);
}

static bool fsl_qspi_finish(struct model *m)
{
	u32 ipcr = fsl_qspi_get(m, IPCR);
	size_t len = FIELD_GET(IPCR_IDATSZ, ipcr);
	struct fsl_qspi_state *q = m->state;
	struct flash_op op;

	q->running = false;
	q->regs[FR / 4] |= FR_TFF;
	if (fsl_qspi_decode(m, FIELD_GET(IPCR_SEQID, ipcr), len, &op) &&
	    model_give_buffers(m, &op, q->tx, q->tx_len, q->rx, RX_BUFFER)) {
		if (op.in)
			q->rx_len = op.len;
		if (fsl_qspi_first_cs(m, fsl_qspi_get(m, SFAR)))
			model_exec(m, &op);
	}
	q->tx_len = 0;

	return true;
}

static bool fsl_qspi_starts(struct model *m, unsigned int offset, u32 val)
{
	return offset == IPCR;
}

static void fsl_qspi_write(struct model *m, unsigned int offset, int size, u32 val)
{
	struct fsl_qspi_state *q = m->state;

	if (offset >= LUT_END || size != 4) {
		model_fault(m, "register %#x of %d bytes written", offset, size);
		return;
	}

	switch (offset) {
	case MCR:
		if (val & MCR_SWRST && q->running)
			model_fault(m, "reset while a command runs");
		if (val & (MCR_CLR_RXF | MCR_SWRST))
			q->rx_len = 0;
		if (val & (MCR_CLR_TXF | MCR_SWRST))
			q->tx_len = 0;
		q->regs[MCR / 4] = val & ~(MCR_CLR_RXF | MCR_CLR_TXF);
		return;
	case IPCR:
		q->regs[IPCR / 4] = val;
		if (fsl_qspi_get(m, MCR) & (MCR_MDIS | MCR_SWRST) || q->running) {
			model_fault(m, "command while disabled or busy");
			return;
		}
		q->running = true;
		model_started(m);
		return;
	case TBDR:
		if (q->tx_len + 4 > TX_BUFFER) {
			model_fault(m, "the transmit buffer is full");
			return;
		}
		memcpy(q->tx + q->tx_len, &val, 4);
		q->tx_len += 4;
		return;
	case FR:
		q->regs[FR / 4] &= ~val;
		return;
	case SPTRCLR:
		return;
	case LCKCR:
		if (fsl_qspi_get(m, LUTKEY) != LUTKEY_VALUE)
			return;
		q->regs[LUTKEY / 4] = 0;
		if (val & LCKCR_UNLOCK)
			q->unlocked = true;
		else if (val & LCKCR_LOCK)
			q->unlocked = false;
		return;
	case LUT ... LUT_END - 4:
		if (!q->unlocked) {
			model_fault(m, "the look-up table is locked");
			return;
		}
		break;
	case SR:
	case RBDR ... RBDR + RX_BUFFER - 4:
		model_fault(m, "register %#x written", offset);
		return;
	}

	q->regs[offset / 4] = val;
}

static bool fsl_qspi_irq(struct model *m)
{
	return fsl_qspi_get(m, FR) & fsl_qspi_get(m, RSER);
}

/*
 * The sequence has the address, so that the window only says how far into its data an
 * access is.
 */
static void fsl_qspi_window(struct model *m, void *buf, unsigned int offset, size_t len)
{
	struct fsl_qspi_state *q = m->state;
	struct flash_op op;

	memset(buf, 0xff, len);
	if (fsl_qspi_get(m, MCR) & (MCR_MDIS | MCR_SWRST) || q->running) {
		model_fault(m, "window read while disabled or busy");
		return;
	}
	if (!fsl_qspi_decode(m, FIELD_GET(BFGENCR_SEQID, fsl_qspi_get(m, BFGENCR)), len, &op) ||
	    !model_give_buffers(m, &op, NULL, 0, buf, len))
		return;

	op.addr += offset;
	if (fsl_qspi_first_cs(m, MODEL_WINDOW + offset))
		model_exec(m, &op);
}

#define FSL_QSPI_MODEL					\
	.clks = 2,	\
	.state_size = sizeof(struct fsl_qspi_state),	\
	.big_endian = true,	\
	.small_read = 64,	\
	.big_read = 1024,	\
	.reset = fsl_qspi_reset,	\
	.read = fsl_qspi_read,	\
	.write = fsl_qspi_write,	\
	.starts = fsl_qspi_starts,	\
	.finish = fsl_qspi_finish,	\
	.irq = fsl_qspi_irq,	\
	.window = fsl_qspi_window

const struct model_ops fsl_qspi_model = {
	.name = "fsl-qspi",
	FSL_QSPI_MODEL,
};

const struct model_ops fsl_qspi_nand_model = {
	.name = "fsl-qspi-nand",
	FSL_QSPI_MODEL,
};
