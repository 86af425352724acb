// SPDX-License-Identifier: GPL-2.0-only
/*
 * Model of Xilinx's generic QSPI as ZynqMP has it, and what its driver does with an
 * operation that times out. Entries of the generic FIFO move bytes between the wires
 * and two FIFOs, or by DMA to memory. There is no flash: what is read counts up from
 * the chip select on.
 *
 * Resetting the generic FIFO ends the entry under way. This is what Xilinx's own
 * software does to abort a transfer.
 */

#include <kunit/test.h>
#include <linux/delay.h>
#include <linux/device.h>
#include <linux/io.h>
#include <linux/of.h>
#include <linux/platform_device.h>
#include <linux/slab.h>
#include <linux/spi/spi.h>
#include <linux/spi/spi-mem.h>

#include "model.h"

#define CONFIG			0x100
#define CONFIG_MODE		GENMASK(31, 30)
#define CONFIG_MODE_DMA		BIT(31)
#define CONFIG_START		BIT(28)
#define ISR			0x104
#define IER			0x108
#define IDR			0x10c
#define IMASK			0x110
#define INT_RXEMPTY		BIT(11)
#define INT_GENFIFOEMPTY	BIT(7)
#define INT_TXEMPTY		BIT(8)
#define INT_RXNEMPTY		BIT(4)
#define INT_TXNOT_FULL		BIT(2)
#define EN			0x114
#define TXD			0x11c
#define RXD			0x120
#define TX_THRESHOLD		0x128
#define RX_THRESHOLD		0x12c
#define GENFIFO			0x140
#define ENTRY_LEN		GENMASK(7, 0)
#define ENTRY_DATA		BIT(8)
#define ENTRY_EXP		BIT(9)
#define ENTRY_CS		GENMASK(13, 12)
#define ENTRY_TX		BIT(16)
#define ENTRY_RX		BIT(17)
#define FIFO_CTRL		0x14c
#define FIFO_RST_GEN		BIT(0)
#define FIFO_RST_TX		BIT(1)
#define FIFO_RST_RX		BIT(2)
#define DMA_ADDR		0x800
#define DMA_SIZE		0x804
#define DMA_I_STS		0x814
#define DMA_I_EN		0x818
#define DMA_I_DIS		0x81c
#define DMA_I_MASK		0x820
#define DMA_DONE		BIT(1)
#define DMA_ADDR_MSB		0x828
#define REGS_END		0x830

#define ENTRIES			32
/* Of four bytes */
#define FIFO_WORDS		64

/* Commands and addresses are not worth stopping at. */
#define SHORT			8

struct gqspi {
	u32 regs[REGS_END / 4];
	u32 entries[ENTRIES];
	unsigned int entry_count;
	u32 entry;
	u32 left;
	/* Started; and not stopped by a test */
	bool running;
	bool moving;
	u32 tx[FIFO_WORDS];
	unsigned int tx_count;
	u32 rx[FIFO_WORDS];
	unsigned int rx_count;
	u32 enabled;
	u32 dma_enabled;
	u32 dma_done;
	u32 dma_pos;
	/* Since the chip select */
	u8 next;
	/* For tests: bytes of data that went either way */
	unsigned int moved;
	u8 sum;
};

/* KASAN's own: its public ones report what is not accessible. */
bool kasan_byte_accessible(const void *addr);

static u32 gqspi_get(struct model *m, unsigned int offset)
{
	struct gqspi *g = m->state;

	return g->regs[offset / 4];
}

static void gqspi_reset(struct model *m)
{
	memset(m->state, 0, sizeof(struct gqspi));
}

static void gqspi_dma(struct model *m, const u8 *bytes, unsigned int len)
{
	struct gqspi *g = m->state;
	u8 *to = phys_to_virt(gqspi_get(m, DMA_ADDR) | (u64)gqspi_get(m, DMA_ADDR_MSB) << 32);

	while (len--) {
		if (g->dma_pos == gqspi_get(m, DMA_SIZE)) {
			model_fault(m, "more data than the DMA takes");
			return;
		}
		if (kasan_byte_accessible(to + g->dma_pos))
			to[g->dma_pos] = *bytes;
		else
			model_fault(m, "DMA to memory that is free");
		bytes++;
		if (++g->dma_pos == gqspi_get(m, DMA_SIZE))
			g->dma_done = DMA_DONE;
	}
}

/* Moves up to a word; returns whether there was one, or room for one. */
static bool gqspi_move(struct model *m)
{
	struct gqspi *g = m->state;
	u32 i, n = min(g->left, 4U);
	u8 bytes[4] = {};

	if (g->entry & ENTRY_TX) {
		if (!g->tx_count)
			return false;
		memcpy(bytes, g->tx, 4);
		memmove(g->tx, g->tx + 1, --g->tx_count * 4);
		for (i = 0; i < n; i++)
			g->sum += bytes[i];
	} else if (g->entry & ENTRY_RX) {
		for (i = 0; i < n; i++)
			bytes[i] = g->next++;
		if ((gqspi_get(m, CONFIG) & CONFIG_MODE) == CONFIG_MODE_DMA) {
			gqspi_dma(m, bytes, n);
		} else {
			if (g->rx_count == FIFO_WORDS) {
				g->next -= n;
				return false;
			}
			memcpy(g->rx + g->rx_count++, bytes, 4);
		}
	}
	g->left -= n;
	g->moved += n;

	return true;
}

static void gqspi_run(struct model *m)
{
	struct gqspi *g = m->state;

	while (g->left || g->entry_count) {
		if (g->left) {
			if (!gqspi_move(m))
				return;
			continue;
		}
		g->entry = g->entries[0];
		memmove(g->entries, g->entries + 1, --g->entry_count * 4);
		if (g->entry & ENTRY_DATA)
			g->left = g->entry & ENTRY_EXP ? BIT(g->entry & ENTRY_LEN) :
							 g->entry & ENTRY_LEN;
		else if (g->entry & ENTRY_CS)
			g->next = 0;
	}
	g->running = false;
	g->moving = false;
}

static bool gqspi_finish(struct model *m)
{
	struct gqspi *g = m->state;

	/* It may have been aborted. */
	if (!g->running)
		return false;
	g->moving = true;
	gqspi_run(m);

	return true;
}

static void gqspi_start(struct model *m)
{
	struct gqspi *g = m->state;
	unsigned int i, len = 0;

	if (!gqspi_get(m, EN))
		model_fault(m, "started while disabled");
	/* What was queued is run when what runs has ended. */
	if (g->running)
		return;
	g->running = true;
	for (i = 0; i < g->entry_count; i++)
		if (g->entries[i] & ENTRY_DATA)
			len += g->entries[i] & (ENTRY_EXP | ENTRY_LEN);
	if (len > SHORT)
		model_started(m);
	else
		gqspi_finish(m);
}

static u32 gqspi_isr(struct model *m)
{
	struct gqspi *g = m->state;
	u32 val = 0;

	if (!g->rx_count)
		val |= INT_RXEMPTY;
	if (g->rx_count >= gqspi_get(m, RX_THRESHOLD))
		val |= INT_RXNEMPTY;
	if (!g->tx_count)
		val |= INT_TXEMPTY;
	if (g->tx_count < gqspi_get(m, TX_THRESHOLD))
		val |= INT_TXNOT_FULL;
	if (!g->entry_count && !g->left)
		val |= INT_GENFIFOEMPTY;

	return val;
}

static u32 gqspi_read(struct model *m, unsigned int offset, int size)
{
	struct gqspi *g = m->state;
	u32 val;

	if (offset >= REGS_END || size != 4) {
		model_fault(m, "register %#x of %d bytes read", offset, size);
		return ~0;
	}

	switch (offset) {
	case ISR:
		return gqspi_isr(m);
	case IMASK:
		return ~g->enabled;
	case DMA_I_STS:
		return g->dma_done;
	case DMA_I_MASK:
		return ~g->dma_enabled;
	case RXD:
		if (!g->rx_count) {
			model_fault(m, "the receive FIFO is empty");
			return ~0;
		}
		val = g->rx[0];
		memmove(g->rx, g->rx + 1, --g->rx_count * 4);
		if (g->moving)
			gqspi_run(m);
		return val;
	default:
		return gqspi_get(m, offset);
	}
}

static void gqspi_write(struct model *m, unsigned int offset, int size, u32 val)
{
	struct gqspi *g = m->state;

	if (offset >= REGS_END || size != 4) {
		model_fault(m, "register %#x of %d bytes written", offset, size);
		return;
	}

	switch (offset) {
	case CONFIG:
		g->regs[CONFIG / 4] = val & ~CONFIG_START;
		if (val & CONFIG_START)
			gqspi_start(m);
		return;
	case ISR:
		return;
	case IER:
		g->enabled |= val;
		return;
	case IDR:
		g->enabled &= ~val;
		return;
	case DMA_I_STS:
		g->dma_done &= ~val;
		return;
	case DMA_I_EN:
		g->dma_enabled |= val;
		return;
	case DMA_I_DIS:
		g->dma_enabled &= ~val;
		return;
	case DMA_SIZE:
		g->dma_pos = 0;
		break;
	case TXD:
		if (g->tx_count == FIFO_WORDS) {
			model_fault(m, "the transmit FIFO is full");
			return;
		}
		g->tx[g->tx_count++] = val;
		if (g->moving)
			gqspi_run(m);
		return;
	case GENFIFO:
		if (g->entry_count == ENTRIES) {
			model_fault(m, "the generic FIFO is full");
			return;
		}
		g->entries[g->entry_count++] = val;
		return;
	case FIFO_CTRL:
		if (val & FIFO_RST_GEN) {
			g->entry_count = 0;
			g->left = 0;
			g->running = false;
			g->moving = false;
		}
		if (val & FIFO_RST_TX)
			g->tx_count = 0;
		if (val & FIFO_RST_RX)
			g->rx_count = 0;
		return;
	}

	g->regs[offset / 4] = val;
}

static bool gqspi_irq(struct model *m)
{
	struct gqspi *g = m->state;

	return (gqspi_isr(m) & g->enabled) || (g->dma_done & g->dma_enabled);
}

static const struct model_ops gqspi_model = {
	.name = "gqspi",
	.clks = 2,
	.state_size = sizeof(struct gqspi),
	.reset = gqspi_reset,
	.read = gqspi_read,
	.write = gqspi_write,
	.finish = gqspi_finish,
	.irq = gqspi_irq,
};

/* Tests */

/* Neither a multiple of a word nor less than the transmit FIFO */
#define LEN	(SZ_1K + 3)
/* Enough for an interrupt */
#define SOON	50

struct gqspi_test {
	struct model *m;
	struct spi_device *spi;
};

static int gqspi_op(struct gqspi_test *t, bool write, void *buf)
{
	struct spi_mem mem = { .spi = t->spi };
	struct spi_mem_op read =
		SPI_MEM_OP(SPI_MEM_OP_CMD(0x03, 1), SPI_MEM_OP_ADDR(3, 0, 1),
			   SPI_MEM_OP_NO_DUMMY, SPI_MEM_OP_DATA_IN(LEN, buf, 1));
	struct spi_mem_op program =
		SPI_MEM_OP(SPI_MEM_OP_CMD(0x02, 1), SPI_MEM_OP_ADDR(3, 0, 1),
			   SPI_MEM_OP_NO_DUMMY, SPI_MEM_OP_DATA_OUT(LEN, buf, 1));

	return spi_mem_exec_op(&mem, write ? &program : &read);
}

static void expect_works(struct kunit *test, bool write)
{
	struct gqspi_test *t = test->priv;
	u8 *buf = kunit_kzalloc(test, LEN, GFP_KERNEL);
	struct gqspi *g = t->m->state;
	unsigned int i, wrong = 0;
	u8 sum = 0;

	KUNIT_ASSERT_NOT_NULL(test, buf);
	if (write) {
		for (i = 0; i < LEN; i++)
			sum += buf[i] = 3 * i;
		g->sum = 0;
		KUNIT_EXPECT_EQ(test, 0, gqspi_op(t, true, buf));
		/* With its command */
		KUNIT_EXPECT_EQ(test, (u8)(sum + 0x02), g->sum);
		return;
	}
	KUNIT_EXPECT_EQ(test, 0, gqspi_op(t, false, buf));
	for (i = 0; i < LEN; i++)
		wrong += buf[i] != (u8)i;
	KUNIT_EXPECT_EQ(test, 0, wrong);
}

static void gqspi_moves_data(struct kunit *test)
{
	expect_works(test, false);
	expect_works(test, true);
}

/* The caller frees its buffer when it is told, and then the hardware goes on. */
static void expect_stops(struct kunit *test, bool write, enum model_point point)
{
	struct gqspi_test *t = test->priv;
	struct gqspi *g = t->m->state;
	u8 *buf = kzalloc(LEN, GFP_KERNEL);
	unsigned int moved;
	int ret;

	KUNIT_ASSERT_NOT_NULL(test, buf);
	model_stop_at(t->m, point);
	ret = gqspi_op(t, write, buf);
	kfree(buf);
	KUNIT_EXPECT_EQ(test, -ETIMEDOUT, ret);
	KUNIT_EXPECT_TRUE(test, model_wait_stopped(t->m));

	moved = g->moved;
	model_release(t->m);
	msleep(SOON);
	KUNIT_EXPECT_EQ_MSG(test, moved, g->moved, "it went on");

	expect_works(test, write);
	expect_works(test, !write);
}

static void gqspi_read_times_out(struct kunit *test)
{
	expect_stops(test, false, MODEL_RUNNING);
}

static void gqspi_write_times_out(struct kunit *test)
{
	expect_stops(test, true, MODEL_RUNNING);
}

static void gqspi_interrupt_is_late(struct kunit *test)
{
	expect_stops(test, false, MODEL_DONE);
}

static int gqspi_test_init(struct kunit *test)
{
	struct gqspi_test *t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);
	struct device_node *np;
	struct device *dev;

	KUNIT_ASSERT_NOT_NULL(test, t);
	test->priv = t;
	t->m = model_power_on(test, &gqspi_model, NULL);
	model_add_device(test, t->m);
	KUNIT_ASSERT_TRUE(test, device_is_bound(&t->m->pdev->dev));

	np = of_get_next_child(t->m->np, NULL);
	dev = bus_find_device_by_of_node(&spi_bus_type, np);
	of_node_put(np);
	KUNIT_ASSERT_NOT_NULL(test, dev);
	t->spi = to_spi_device(dev);

	return 0;
}

static void gqspi_test_exit(struct kunit *test)
{
	struct gqspi_test *t = test->priv;

	if (!t || !t->m)
		return;
	model_release(t->m);
	if (t->spi)
		put_device(&t->spi->dev);
	model_power_off(test, t->m);
}

static struct kunit_case gqspi_cases[] = {
	KUNIT_CASE(gqspi_moves_data),
	KUNIT_CASE(gqspi_read_times_out),
	KUNIT_CASE(gqspi_write_times_out),
	KUNIT_CASE(gqspi_interrupt_is_late),
	{}
};

static struct kunit_suite gqspi_suite = {
	.name = "model_gqspi",
	.init = gqspi_test_init,
	.exit = gqspi_test_exit,
	.test_cases = gqspi_cases,
};

kunit_test_suite(gqspi_suite);
