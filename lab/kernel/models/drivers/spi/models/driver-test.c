// SPDX-License-Identifier: GPL-2.0-only
/*
 * Unmodified controller drivers on models of their hardware, with spi-nor on top:
 * data goes through, and unbinding waits for whoever is inside, wherever that is.
 * A suite for each controller. Only what stock kernels have, too, is used.
 */

#include <kunit/test.h>
#include <linux/delay.h>
#include <linux/interrupt.h>
#include <linux/kthread.h>
#include <linux/moduleparam.h>
#include <linux/mtd/mtd.h>
#include <linux/mtd/spi-nor.h>
#include <linux/mtd/spinand.h>
#include <linux/platform_device.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/spi/spi.h>
#include <linux/spi/spi-mem.h>

#include "../../base/base.h"
#include "cadence.h"
#include "model.h"

#define FLASH_SIZE	SZ_2M
/* Erased and written by tests; the rest keeps its pattern. */
#define SCRATCH		SZ_1M
#define SCRATCH_SIZE	SZ_128K
#define READ_AT		SZ_64K
#define READERS		4
/* Longer than an unbind takes that waits for nobody, shorter than drivers' timeouts */
#define STILL_WAITING	(HZ / 5)

static unsigned int cycles = 50;
module_param(cycles, uint, 0444);
MODULE_PARM_DESC(cycles, "Times that the random-timing test unbinds");

static unsigned int seed;
module_param(seed, uint, 0444);
MODULE_PARM_DESC(seed, "Of the random-timing test; 0 takes a new one");

/* Which way the operation comes that is inside, and what is unbound under it */
enum way {
	MTD_FLASH,
	MTD_CONTROLLER,
	MEM_CONTROLLER,
	MEM_DIRMAP,
	MEM_COMMAND,
	MEM_WRITE,
};

/* By spi_mem, to the controller */
static bool by_mem(enum way way)
{
	return way >= MEM_CONTROLLER;
}

/* What is inside */
enum what {
	OP_DATA,
	OP_SECURITY,
	OP_DICE,
};

struct driver_test {
	struct kunit *test;
	struct model *m;
	/* One of them */
	struct nor *nor;
	struct nand *nand;
	struct mtd_info *mtd;
	struct spi_device *spi;
	enum way way;
	enum model_point point;
	enum what what;

	struct task_struct *op;
	struct completion op_done;
	int op_ret;
	struct task_struct *unbind;
	struct completion unbind_done;

	struct {
		struct task_struct *task;
		struct completion done;
	} readers[READERS];
	bool stop;
	atomic_t reads;
	atomic_t ended;
	atomic_t wrong;

	u8 *buf;
	u8 *reader_buf[READERS];
};

/* KASAN's own: its public ones report what is not accessible. */
bool kasan_byte_accessible(const void *addr);

#define BUF_SIZE	SZ_64K
/* No more than every controller reads at once */
#define SECURITY_LEN	64

/* Suites run one after the other; this is what the one that runs is about. */
static const struct model_ops *current_ops;
static bool current_nand;
static enum nor_part current_part;

static u8 pattern(u32 i)
{
	return i ^ i >> 8 ^ i >> 16;
}

/* Before it is bound, a test can have another flash than its suite. */
static void new_nor(struct kunit *test, enum nor_part part)
{
	struct driver_test *t = test->priv;
	u32 i;

	t->nor = nor_new_part(test, FLASH_SIZE, part);
	for (i = 0; i < FLASH_SIZE; i++)
		t->nor->mem[i] = pattern(i);
	if (t->m)
		t->m->flash = &t->nor->flash;
}

/* There is no MTD but the one of the test. */
static struct mtd_info *find_mtd(void)
{
	unsigned int i;

	for (i = 0; i < 16; i++) {
		struct mtd_info *mtd = get_mtd_device(NULL, i);

		if (!IS_ERR(mtd))
			return mtd;
	}

	return NULL;
}

static int read_mtd(struct mtd_info *mtd, u32 from, u32 len, u8 *buf)
{
	size_t got = 0;
	int ret;

	memset(buf, 0, len);
	ret = mtd_read(mtd, from, len, &got, buf);
	if (!ret && got != len)
		ret = -EIO;

	return ret;
}

/* Whether the flash has this there */
static bool flash_has(struct driver_test *t, u32 from, const u8 *buf, u32 len)
{
	u32 i, n;

	if (t->nor)
		return !memcmp(buf, t->nor->mem + from, len);

	for (i = 0; i < len; i += n) {
		const u8 *page = nand_page(t->nand, (from + i) / NAND_PAGE);
		u32 column = (from + i) % NAND_PAGE;

		n = min(len - i, NAND_PAGE - column);
		if (page ? memcmp(buf + i, page + column, n) : !!memchr_inv(buf + i, 0xff, n))
			return false;
	}

	return true;
}

static bool reads_right(struct driver_test *t, struct mtd_info *mtd, u32 from, u32 len)
{
	return !read_mtd(mtd, from, len, t->buf) && flash_has(t, from, t->buf, len);
}

/* What tests compare: a SPI NAND flash is too large for all of it. */
static u32 known_size(struct driver_test *t)
{
	return t->nor ? FLASH_SIZE : SCRATCH;
}

static void expect_all_right(struct kunit *test, struct mtd_info *mtd)
{
	struct driver_test *t = test->priv;
	u32 from;

	for (from = 0; from < known_size(t); from += BUF_SIZE)
		KUNIT_EXPECT_TRUE_MSG(test, reads_right(t, mtd, from, BUF_SIZE), "at %#x",
				      from);
}

/* Where all of it is not worth the time: both ends, and somewhere */
static void expect_parts_right(struct kunit *test, struct mtd_info *mtd)
{
	struct driver_test *t = test->priv;
	u32 end = known_size(t), from = model_random(t->m, end - SZ_16K);

	KUNIT_EXPECT_TRUE(test, reads_right(t, mtd, 0, SZ_16K));
	KUNIT_EXPECT_TRUE_MSG(test, reads_right(t, mtd, from, SZ_16K), "at %#x", from);
	KUNIT_EXPECT_TRUE(test, reads_right(t, mtd, end - SZ_16K, SZ_16K));
}

/* Called again to bind again */
static void bind(struct kunit *test)
{
	struct driver_test *t = test->priv;
	int ret;

	if (!t->m->pdev) {
		model_add_device(test, t->m);
	} else if (!device_is_bound(&t->m->pdev->dev)) {
		ret = device_attach(&t->m->pdev->dev);
		KUNIT_ASSERT_EQ(test, 1, ret);
	} else {
		ret = device_attach(&t->spi->dev);
		KUNIT_ASSERT_EQ(test, 1, ret);
	}
	KUNIT_ASSERT_TRUE_MSG(test, device_is_bound(&t->m->pdev->dev),
			      "the driver of the controller did not bind");

	t->mtd = find_mtd();
	KUNIT_ASSERT_NOT_NULL_MSG(test, t->mtd, "the flash's driver did not bind");
	put_device(t->spi ? &t->spi->dev : NULL);
	t->spi = to_spi_device(t->mtd->dev.parent);
	get_device(&t->spi->dev);
}

static void put_mtd(struct driver_test *t)
{
	if (t->mtd)
		put_mtd_device(t->mtd);
	t->mtd = NULL;
}

static void unbind(struct driver_test *t, enum way way)
{
	device_release_driver(way == MTD_FLASH ? &t->spi->dev : &t->m->pdev->dev);
}

/* Data */

static void driver_probes(struct kunit *test)
{
	struct driver_test *t = test->priv;

	bind(test);
	KUNIT_EXPECT_EQ(test, FLASH_SIZE, t->mtd->size);
	KUNIT_EXPECT_EQ(test, NOR_SECTOR, t->mtd->erasesize);
	KUNIT_EXPECT_EQ(test, NOR_PAGE, t->mtd->writebufsize);
	KUNIT_EXPECT_GT(test, t->nor->flash.ops, 0);
}

static void driver_reads(struct kunit *test)
{
	/* Around the sizes of FIFOs and windows, and unaligned */
	static const u32 lens[] = {
		1, 2, 3, 4, 5, 7, 8, 9, 63, 64, 65, 123, 124, 125, 127, 128, 129, 255, 256,
		507, 508, 509, 512, 1023, 1024, 1025, 2047, 2048, 2049, 4096, 5001, SZ_64K,
	};
	struct driver_test *t = test->priv;
	unsigned int i;

	bind(test);
	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		u32 from = model_random(t->m, FLASH_SIZE - lens[i]);

		KUNIT_EXPECT_TRUE_MSG(test, reads_right(t, t->mtd, from, lens[i]),
				      "%u at %#x", lens[i], from);
		KUNIT_EXPECT_TRUE_MSG(test, reads_right(t, t->mtd, 0, lens[i]),
				      "%u at 0", lens[i]);
		KUNIT_EXPECT_TRUE_MSG(test, reads_right(t, t->mtd, FLASH_SIZE - lens[i],
							lens[i]),
				      "%u at the end", lens[i]);
	}
	expect_all_right(test, t->mtd);
}

static void expect_writes(struct kunit *test)
{
	static const u32 lens[] = { 1, 3, 4, 15, 16, 17, 64, 65, 255, 256, 257, 1000, 9999 };
	struct driver_test *t = test->priv;
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		struct erase_info erase = { .addr = SCRATCH, .len = SCRATCH_SIZE };
		u32 to = SCRATCH + model_random(t->m, SCRATCH_SIZE - lens[i]);
		size_t done;

		KUNIT_EXPECT_EQ(test, 0, mtd_erase(t->mtd, &erase));
		KUNIT_EXPECT_PTR_EQ(test, NULL, memchr_inv(t->nor->mem + SCRATCH, 0xff,
							   SCRATCH_SIZE));

		for (j = 0; j < lens[i]; j++)
			t->buf[j] = model_random(t->m, 0);
		KUNIT_EXPECT_EQ(test, 0, mtd_write(t->mtd, to, lens[i], &done, t->buf));
		KUNIT_EXPECT_EQ(test, lens[i], done);
		KUNIT_EXPECT_MEMEQ(test, t->buf, t->nor->mem + to, lens[i]);
		KUNIT_EXPECT_TRUE(test, reads_right(t, t->mtd, SCRATCH, BUF_SIZE));
		/* Nothing beside it */
		KUNIT_EXPECT_TRUE(test, !memchr_inv(t->nor->mem + SCRATCH, 0xff, to - SCRATCH));
	}
	KUNIT_EXPECT_GT(test, t->m->started, 0);
}

static void driver_writes(struct kunit *test)
{
	bind(test);
	expect_writes(test);
}

/* As a reboot does, and with a flash that takes its time */
static void driver_binds_again(struct kunit *test)
{
	struct driver_test *t = test->priv;
	unsigned int i;

	if (t->nor)
		nor_announce_reset(t->nor);
	bind(test);
	if (t->nor)
		nor_busy_for(t->nor, 20);
	else
		t->nand->busy_polls = 20;
	for (i = 0; i < 6; i++) {
		put_mtd(t);
		unbind(t, i % 2 ? MTD_FLASH : MTD_CONTROLLER);
		KUNIT_EXPECT_PTR_EQ(test, NULL, find_mtd());
		bind(test);
	}
	expect_parts_right(test, t->mtd);
}

/* One-time programmable registers: read, program, erase, lock */
static void driver_has_security_registers(struct kunit *test)
{
	struct driver_test *t = test->priv;
	size_t done;
	u32 i;

	new_nor(test, NOR_WINBOND);
	for (i = 0; i < sizeof(t->nor->security); i++)
		t->nor->security[0][i] = pattern(i);
	bind(test);
	KUNIT_EXPECT_EQ(test, 0, mtd_read_user_prot_reg(t->mtd, 0, sizeof(t->nor->security),
							&done, t->buf));
	KUNIT_EXPECT_EQ(test, sizeof(t->nor->security), done);
	KUNIT_EXPECT_MEMEQ(test, t->buf, t->nor->security[0], sizeof(t->nor->security));

	/* The second is erased; what is then written begins in it, and ends in it. */
	KUNIT_EXPECT_EQ(test, 0, mtd_erase_user_prot_reg(t->mtd, NOR_PAGE, NOR_PAGE));
	KUNIT_EXPECT_PTR_EQ(test, NULL, memchr_inv(t->nor->security[1], 0xff, NOR_PAGE));
	for (i = 0; i < NOR_PAGE - 3; i++)
		t->buf[i] = model_random(t->m, 0);
	KUNIT_EXPECT_EQ(test, 0, mtd_write_user_prot_reg(t->mtd, NOR_PAGE + 2, NOR_PAGE - 3,
							 &done, t->buf));
	KUNIT_EXPECT_EQ(test, NOR_PAGE - 3, done);
	KUNIT_EXPECT_MEMEQ(test, t->buf, t->nor->security[1] + 2, NOR_PAGE - 3);
	KUNIT_EXPECT_EQ(test, pattern(NOR_PAGE - 1), t->nor->security[0][NOR_PAGE - 1]);
	KUNIT_EXPECT_EQ(test, pattern(2 * NOR_PAGE), t->nor->security[2][0]);

	KUNIT_EXPECT_EQ(test, 0, mtd_lock_user_prot_reg(t->mtd, NOR_PAGE, NOR_PAGE));
	KUNIT_EXPECT_EQ(test, -EROFS, mtd_erase_user_prot_reg(t->mtd, NOR_PAGE, NOR_PAGE));
	KUNIT_EXPECT_EQ(test, -EROFS, mtd_write_user_prot_reg(t->mtd, NOR_PAGE, 1, &done,
							      t->buf));
	KUNIT_EXPECT_EQ(test, 0, mtd_erase_user_prot_reg(t->mtd, 0, NOR_PAGE));
	expect_parts_right(test, t->mtd);
}

/* By the command for one die, which leaves the other alone, and for both */
static void driver_erases_dice(struct kunit *test)
{
	struct erase_info erase = { .addr = FLASH_SIZE / 2, .len = FLASH_SIZE / 2 };
	struct driver_test *t = test->priv;
	unsigned int ops;

	new_nor(test, NOR_MICRON_TWO_DICE);
	bind(test);
	ops = t->nor->flash.ops;
	KUNIT_EXPECT_EQ(test, 0, mtd_erase(t->mtd, &erase));
	/* Not by its 256 sectors */
	KUNIT_EXPECT_LT(test, t->nor->flash.ops - ops, 30);
	KUNIT_EXPECT_PTR_EQ(test, NULL, memchr_inv(t->nor->mem + FLASH_SIZE / 2, 0xff,
						   FLASH_SIZE / 2));
	KUNIT_EXPECT_EQ(test, pattern(FLASH_SIZE / 2 - 1), t->nor->mem[FLASH_SIZE / 2 - 1]);
	expect_parts_right(test, t->mtd);

	erase = (struct erase_info) { .addr = 0, .len = FLASH_SIZE };
	KUNIT_EXPECT_EQ(test, 0, mtd_erase(t->mtd, &erase));
	KUNIT_EXPECT_PTR_EQ(test, NULL, memchr_inv(t->nor->mem, 0xff, FLASH_SIZE));
	expect_parts_right(test, t->mtd);
}

/* The driver brings the flash to octal DTR, back for suspend, and back when it goes. */
static void driver_is_octal(struct kunit *test)
{
	struct driver_test *t = test->priv;

	bind(test);
	KUNIT_ASSERT_EQ(test, NOR_OCTAL_DTR, t->nor->proto);
	expect_all_right(test, t->mtd);
	KUNIT_EXPECT_EQ(test, 0, mtd_suspend(t->mtd));
	KUNIT_EXPECT_EQ(test, NOR_SPI, t->nor->proto);
	mtd_resume(t->mtd);
	KUNIT_EXPECT_EQ(test, NOR_OCTAL_DTR, t->nor->proto);
	expect_all_right(test, t->mtd);
	put_mtd(t);
	unbind(t, MTD_FLASH);
	KUNIT_EXPECT_EQ(test, NOR_SPI, t->nor->proto);
	KUNIT_EXPECT_EQ(test, 0, t->nor->flash.faults);
}

/* Commands whose second byte is the first, inverted */
static void driver_inverts_commands(struct kunit *test)
{
	new_nor(test, NOR_MACRONIX);
	driver_is_octal(test);
	bind(test);
	expect_writes(test);
}

/* The same with SPI NAND */

static void nand_probes(struct kunit *test)
{
	struct driver_test *t = test->priv;

	bind(test);
	KUNIT_EXPECT_EQ(test, (u64)NAND_PAGES * NAND_PAGE, t->mtd->size);
	KUNIT_EXPECT_EQ(test, NAND_BLOCK, t->mtd->erasesize);
	KUNIT_EXPECT_EQ(test, NAND_PAGE, t->mtd->writesize);
	KUNIT_EXPECT_EQ(test, NAND_RAW - NAND_PAGE, t->mtd->oobsize);
	expect_all_right(test, t->mtd);
}

static void nand_writes(struct kunit *test)
{
	struct erase_info erase = { .addr = SCRATCH, .len = NAND_BLOCK };
	struct driver_test *t = test->priv;
	u32 at = SCRATCH + 3 * NAND_PAGE;
	size_t done;
	u32 i;

	bind(test);
	for (i = 0; i < 4 * NAND_PAGE; i++)
		t->buf[i] = model_random(t->m, 0);
	KUNIT_EXPECT_EQ(test, 0, mtd_write(t->mtd, at, 4 * NAND_PAGE, &done, t->buf));
	KUNIT_EXPECT_TRUE(test, flash_has(t, at, t->buf, 4 * NAND_PAGE));
	KUNIT_EXPECT_TRUE(test, reads_right(t, t->mtd, SCRATCH, BUF_SIZE));
	KUNIT_EXPECT_TRUE(test, reads_right(t, t->mtd, at + 1, 3 * NAND_PAGE + 5));
	KUNIT_EXPECT_EQ(test, 0, mtd_erase(t->mtd, &erase));
	KUNIT_EXPECT_PTR_EQ(test, NULL, nand_page(t->nand, at / NAND_PAGE));
	KUNIT_EXPECT_TRUE(test, reads_right(t, t->mtd, SCRATCH, BUF_SIZE));
}

static void nand_has_bad_blocks(struct kunit *test)
{
	struct erase_info erase = { .addr = SCRATCH, .len = NAND_BLOCK };
	struct driver_test *t = test->priv;

	bind(test);
	KUNIT_EXPECT_EQ(test, 0, mtd_block_isbad(t->mtd, SCRATCH));
	KUNIT_EXPECT_EQ(test, 0, mtd_block_markbad(t->mtd, SCRATCH));
	KUNIT_EXPECT_EQ(test, 1, mtd_block_isbad(t->mtd, SCRATCH));
	KUNIT_EXPECT_EQ(test, -EIO, mtd_erase(t->mtd, &erase));
	put_mtd(t);
	unbind(t, MTD_FLASH);
	bind(test);
	/* It is the flash that knows. */
	KUNIT_EXPECT_EQ(test, 1, mtd_block_isbad(t->mtd, SCRATCH));
	KUNIT_EXPECT_EQ(test, 0, mtd_block_isbad(t->mtd, SCRATCH + NAND_BLOCK));
}

static void nand_corrects(struct kunit *test)
{
	struct driver_test *t = test->priv;
	unsigned int corrected, failed;

	bind(test);
	corrected = t->mtd->ecc_stats.corrected;
	failed = t->mtd->ecc_stats.failed;
	t->nand->weak_page = 5;
	t->nand->weak_status = STATUS_ECC_HAS_BITFLIPS;
	KUNIT_EXPECT_EQ(test, -EUCLEAN, read_mtd(t->mtd, 5 * NAND_PAGE, NAND_PAGE, t->buf));
	KUNIT_EXPECT_TRUE(test, flash_has(t, 5 * NAND_PAGE, t->buf, NAND_PAGE));
	KUNIT_EXPECT_GT(test, t->mtd->ecc_stats.corrected, corrected);
	t->nand->weak_status = STATUS_ECC_UNCOR_ERROR;
	KUNIT_EXPECT_EQ(test, -EBADMSG, read_mtd(t->mtd, 5 * NAND_PAGE, NAND_PAGE, t->buf));
	KUNIT_EXPECT_GT(test, t->mtd->ecc_stats.failed, failed);
	KUNIT_EXPECT_TRUE(test, reads_right(t, t->mtd, 6 * NAND_PAGE, NAND_PAGE));
}

/* A handle that nobody uses while the flash goes is put afterwards. */
static void driver_put_after_unbind(struct kunit *test)
{
	struct driver_test *t = test->priv;
	struct mtd_info *mtd;
	char name[64];

	bind(test);
	strscpy(name, t->mtd->name);
	kunit_info(test, "UNBIND\n");
	unbind(t, MTD_CONTROLLER);
	/* Nor does anything else hold what the name may be part of. */
	put_device(&t->spi->dev);
	t->spi = NULL;
	KUNIT_EXPECT_EQ(test, -ENODEV, read_mtd(t->mtd, 0, 1, t->buf));
	KUNIT_EXPECT_STREQ(test, name, t->mtd->name);
	mtd = t->mtd;
	put_mtd(t);
	KUNIT_EXPECT_FALSE_MSG(test, kasan_byte_accessible(mtd), "it is not freed");
	bind(test);
	expect_parts_right(test, t->mtd);
}

/* Unbinding with an operation inside */

/* What it waits for is an interrupt, where that is not how operations end. */
static bool op_polls(struct driver_test *t)
{
	return t->m->ops->auto_polls && t->way == MEM_CONTROLLER && t->point == MODEL_DONE;
}

/* Bytes that the operation reads; none if it does not read */
static u32 op_len(struct driver_test *t)
{
	const struct model_ops *ops = t->m->ops;

	if (op_polls(t) || t->way == MEM_COMMAND || t->way == MEM_WRITE)
		return 0;
	if (t->point == MODEL_COPY || t->way == MEM_DIRMAP)
		return ops->big_read;

	return ops->small_read;
}

static int op_by_mtd(struct driver_test *t)
{
	struct erase_info erase = { .addr = 0, .len = FLASH_SIZE };
	u32 len = op_len(t);
	size_t done;

	if (t->what == OP_SECURITY)
		return mtd_read_user_prot_reg(t->mtd, 0, SECURITY_LEN, &done, t->buf);
	if (t->what == OP_DICE)
		return mtd_erase(t->mtd, &erase);

	/* For SPI NAND these are several operations, of which the first is stopped. */
	if (t->nand)
		return read_mtd(t->mtd, READ_AT, NAND_PAGE, t->buf);
	if (len)
		return read_mtd(t->mtd, READ_AT, len, t->buf);

	/* There are no reads that take this way: it is stopped at its first command. */
	return mtd_write(t->mtd, SCRATCH, NOR_PAGE, &done, t->buf);
}

/* The controller polls, and interrupts: there is no other use for that interrupt. */
static int op_poll(struct driver_test *t, struct spi_mem *mem)
{
	struct spi_mem_op op =
		SPI_MEM_OP(SPI_MEM_OP_CMD(SPINOR_OP_RDSR, 1), SPI_MEM_OP_NO_ADDR,
			   SPI_MEM_OP_NO_DUMMY, SPI_MEM_OP_DATA_IN(1, t->buf, 1));

	return spi_mem_poll_status(mem, &op, NOR_SR_WIP, 0, 0, 10, 1000);
}

/* Polling by hardware ends when the flash is ready, and gives up when it is not. */
static void driver_polls(struct kunit *test)
{
	struct driver_test *t = test->priv;
	struct spi_mem mem = {};

	bind(test);
	mem.spi = t->spi;
	t->nor->busy = 7;
	KUNIT_EXPECT_EQ(test, 0, op_poll(t, &mem));
	KUNIT_EXPECT_EQ(test, 0, t->nor->busy);
	KUNIT_EXPECT_GT(test, t->m->irqs, 0);

	t->nor->hold_busy = true;
	/* Its hardware is stopped then, and software goes on. */
	KUNIT_EXPECT_EQ(test, -ETIMEDOUT, op_poll(t, &mem));
	t->nor->hold_busy = false;
	KUNIT_EXPECT_EQ(test, 0, op_poll(t, &mem));
}

/* An operation in the protocol that the flash is in */
static void make_octal(struct driver_test *t, struct spi_mem_op *op, u8 opcode)
{
	if (t->nor->proto != NOR_OCTAL_DTR)
		return;

	op->cmd.nbytes = 2;
	op->cmd.opcode = opcode << 8 | opcode;
	op->cmd.buswidth = 8;
	op->cmd.dtr = true;
	op->addr.nbytes = op->addr.nbytes ? 4 : 0;
	op->addr.buswidth = 8;
	op->addr.dtr = true;
	if (op->data.dir == SPI_MEM_DATA_IN)
		op->dummy.nbytes = 2 * t->nor->dummy_reg;
	op->dummy.buswidth = 8;
	op->dummy.dtr = true;
	op->data.buswidth = 8;
	op->data.dtr = true;
}

static int op_by_mem(struct driver_test *t)
{
	struct spi_mem mem = { .spi = t->spi };
	struct spi_mem_op read =
		SPI_MEM_OP(SPI_MEM_OP_CMD(SPINOR_OP_READ, 1),
			   SPI_MEM_OP_ADDR(3, READ_AT, 1), SPI_MEM_OP_NO_DUMMY,
			   SPI_MEM_OP_DATA_IN(op_len(t), t->buf, 1));
	struct spi_mem_op wrdi =
		SPI_MEM_OP(SPI_MEM_OP_CMD(SPINOR_OP_WRDI, 1), SPI_MEM_OP_NO_ADDR,
			   SPI_MEM_OP_NO_DUMMY, SPI_MEM_OP_NO_DATA);
	struct spi_mem_dirmap_info info = { .length = FLASH_SIZE };
	struct spi_mem_dirmap_desc *desc;
	ssize_t ret;

	make_octal(t, &read, 0xfd);
	make_octal(t, &wrdi, SPINOR_OP_WRDI);
	if (op_polls(t))
		return op_poll(t, &mem);
	if (!op_len(t))
		return spi_mem_exec_op(&mem, &wrdi);
	if (t->point != MODEL_COPY && t->way != MEM_DIRMAP)
		return spi_mem_exec_op(&mem, &read);

	info.primary_op_tmpl = read;
	info.primary_op_tmpl.addr.val = 0;
	info.primary_op_tmpl.data.nbytes = 0;
	info.primary_op_tmpl.data.buf.in = NULL;
	desc = spi_mem_dirmap_create(&mem, &info);
	if (IS_ERR(desc))
		return PTR_ERR(desc);
	ret = spi_mem_dirmap_read(desc, READ_AT, op_len(t), t->buf);
	spi_mem_dirmap_destroy(desc);
	if (ret < 0)
		return ret;

	return ret == op_len(t) ? 0 : -EIO;
}

/* One page, in one operation, when prepare_op() has been there */
static int op_write(struct driver_test *t)
{
	struct spi_mem mem = { .spi = t->spi };
	struct spi_mem_op program =
		SPI_MEM_OP(SPI_MEM_OP_CMD(SPINOR_OP_PP, 1),
			   SPI_MEM_OP_ADDR(3, SCRATCH, 1), SPI_MEM_OP_NO_DUMMY,
			   SPI_MEM_OP_DATA_OUT(NOR_PAGE, t->buf, 1));

	return spi_mem_exec_op(&mem, &program);
}

/* What has to come before the operation that is stopped */
static int prepare_op(struct driver_test *t)
{
	struct spi_mem mem = { .spi = t->spi };
	struct spi_mem_op wren =
		SPI_MEM_OP(SPI_MEM_OP_CMD(SPINOR_OP_WREN, 1), SPI_MEM_OP_NO_ADDR,
			   SPI_MEM_OP_NO_DUMMY, SPI_MEM_OP_NO_DATA);

	return t->way == MEM_WRITE ? spi_mem_exec_op(&mem, &wren) : 0;
}

/* Until the flash has written what op_write() sent */
static int spi_mem_wait(struct driver_test *t)
{
	struct spi_mem mem = { .spi = t->spi };
	struct spi_mem_op rdsr =
		SPI_MEM_OP(SPI_MEM_OP_CMD(SPINOR_OP_RDSR, 1), SPI_MEM_OP_NO_ADDR,
			   SPI_MEM_OP_NO_DUMMY, SPI_MEM_OP_DATA_IN(1, t->buf, 1));
	unsigned int tries = 100;
	int ret = 0;

	if (t->way != MEM_WRITE)
		return 0;
	do {
		ret = spi_mem_exec_op(&mem, &rdsr);
	} while (!ret && t->buf[0] & NOR_SR_WIP && tries--);

	return ret;
}

static int run_op(struct driver_test *t)
{
	if (t->way == MEM_WRITE)
		return op_write(t);

	return by_mem(t->way) ? op_by_mem(t) : op_by_mtd(t);
}

static int op_thread(void *data)
{
	struct driver_test *t = data;

	t->op_ret = run_op(t);
	complete(&t->op_done);

	return 0;
}

static int unbind_thread(void *data)
{
	struct driver_test *t = data;

	unbind(t, t->way);
	complete(&t->unbind_done);

	return 0;
}

static struct task_struct *start(struct kunit *test, int (*fn)(void *), void *data)
{
	struct task_struct *task = kthread_create(fn, data, "model/%ps", fn);

	KUNIT_ASSERT_FALSE(test, IS_ERR(task));
	get_task_struct(task);
	wake_up_process(task);

	return task;
}

static bool join(struct task_struct **task, struct completion *done)
{
	if (!*task)
		return true;
	if (!wait_for_completion_timeout(done, MODEL_TIMEOUT))
		return false;

	kthread_stop_put(*task);
	*task = NULL;

	return true;
}

/* With an operation inside that is stopped: it is not to return before that goes on. */
static void unbind_stopped(struct kunit *test)
{
	struct driver_test *t = test->priv;

	KUNIT_ASSERT_FALSE(test, completion_done(&t->op_done));
	/* What the kernel reports from here on is of the unbind. */
	kunit_info(test, "UNBIND\n");
	t->unbind = start(test, unbind_thread, t);
	KUNIT_EXPECT_EQ_MSG(test, 0,
			    wait_for_completion_timeout(&t->unbind_done, STILL_WAITING),
			    "unbinding did not wait");
	if (completion_done(&t->unbind_done))
		complete(&t->unbind_done);
}

static void join_all(struct kunit *test)
{
	struct driver_test *t = test->priv;

	KUNIT_ASSERT_TRUE_MSG(test, join(&t->op, &t->op_done), "the operation does not end");
	KUNIT_ASSERT_TRUE_MSG(test, join(&t->unbind, &t->unbind_done),
			      "unbinding does not end");
}

/* Who comes later is refused, for as long as there is a handle. */
static void expect_refused(struct kunit *test)
{
	struct driver_test *t = test->priv;

	KUNIT_EXPECT_EQ(test, by_mem(t->way) ? -ESHUTDOWN : -ENODEV, run_op(t));
	KUNIT_EXPECT_EQ(test, -ENODEV, read_mtd(t->mtd, 0, 1, t->buf));
	put_mtd(t);

	/* Nobody has waited for what was written. */
	if (t->nor)
		t->nor->busy = 0;
	bind(test);
	expect_parts_right(test, t->mtd);
}

static void unbind_bound(struct kunit *test, enum way way, enum model_point point)
{
	struct driver_test *t = test->priv;
	struct erase_info erase = { .addr = SCRATCH };

	erase.len = t->mtd->erasesize;
	t->way = way;
	t->point = point;
	/* It works before, or this would prove nothing. */
	KUNIT_ASSERT_EQ(test, 0, mtd_erase(t->mtd, &erase));
	KUNIT_ASSERT_EQ(test, 0, prepare_op(t));
	KUNIT_ASSERT_EQ(test, 0, run_op(t));
	KUNIT_ASSERT_EQ(test, 0, spi_mem_wait(t));
	KUNIT_ASSERT_EQ(test, 0, mtd_erase(t->mtd, &erase));
	memset(t->buf, 0x5a, NOR_PAGE);
	KUNIT_ASSERT_EQ(test, 0, prepare_op(t));

	model_stop_at(t->m, point);
	t->op = start(test, op_thread, t);
	KUNIT_ASSERT_TRUE_MSG(test, model_wait_stopped(t->m), "it does not come there");
	unbind_stopped(test);
	model_release(t->m);
	join_all(test);

	/* As if nothing had happened */
	KUNIT_EXPECT_EQ(test, 0, t->op_ret);
	if (t->what == OP_SECURITY)
		KUNIT_EXPECT_MEMEQ(test, t->nor->security[0], t->buf, SECURITY_LEN);
	else if (t->nand)
		KUNIT_EXPECT_TRUE(test, flash_has(t, READ_AT, t->buf, NAND_PAGE));
	else if (op_len(t))
		KUNIT_EXPECT_TRUE(test, flash_has(t, READ_AT, t->buf, op_len(t)));
	else if (!by_mem(way) || way == MEM_WRITE)
		KUNIT_EXPECT_PTR_EQ(test, NULL, memchr_inv(t->nor->mem + SCRATCH, 0x5a,
							   NOR_PAGE));
	expect_refused(test);
}

static void unbind_at(struct kunit *test, enum way way, enum model_point point)
{
	bind(test);
	unbind_bound(test, way, point);
}

/* While a security register is read: spi-nor has changed its opcode, and the like */
static void unbind_security(struct kunit *test, enum way way)
{
	struct driver_test *t = test->priv;
	u32 i;

	new_nor(test, NOR_WINBOND);
	for (i = 0; i < sizeof(t->nor->security); i++)
		t->nor->security[0][i] = pattern(i);
	bind(test);
	t->what = OP_SECURITY;
	unbind_bound(test, way, MODEL_RUNNING);
}

/*
 * While the first die of two is erased: nothing can stop that, and it takes as long as
 * it takes, but the second is not begun.
 */
static void unbind_dice(struct kunit *test, enum way way)
{
	struct driver_test *t = test->priv;
	unsigned int i;

	new_nor(test, NOR_MICRON_TWO_DICE);
	bind(test);
	t->what = OP_DICE;
	t->way = way;
	t->nor->hold_at = BIT(NOR_ERASE_DIE);
	t->op = start(test, op_thread, t);
	for (i = 0; i < 500 && !READ_ONCE(t->nor->hold_busy); i++)
		msleep(10);
	KUNIT_ASSERT_TRUE_MSG(test, READ_ONCE(t->nor->hold_busy), "it does not come there");
	unbind_stopped(test);
	t->nor->hold_at = 0;
	WRITE_ONCE(t->nor->hold_busy, false);
	join_all(test);

	KUNIT_EXPECT_EQ(test, -ENODEV, t->op_ret);
	KUNIT_EXPECT_PTR_EQ(test, NULL, memchr_inv(t->nor->mem, 0xff, FLASH_SIZE / 2));
	for (i = FLASH_SIZE / 2; i < FLASH_SIZE && t->nor->mem[i] == pattern(i); i++)
		;
	KUNIT_EXPECT_EQ(test, FLASH_SIZE, i);
	expect_refused(test);
}

static void unbind_flash_security(struct kunit *test)
{
	unbind_security(test, MTD_FLASH);
}

static void unbind_controller_security(struct kunit *test)
{
	unbind_security(test, MTD_CONTROLLER);
}

static void unbind_flash_dice(struct kunit *test)
{
	unbind_dice(test, MTD_FLASH);
}

static void unbind_controller_dice(struct kunit *test)
{
	unbind_dice(test, MTD_CONTROLLER);
}

/*
 * The flash has come later than the controller: what the controller's driver made for
 * it is given back before the controller is unregistered, if that is left to devres.
 */
static void unbind_late_flash_copy(struct kunit *test)
{
	struct driver_test *t = test->priv;
	struct flash *flash = t->m->flash;
	struct device *dev;

	/* Nobody answers when the controller comes. */
	t->m->flash = NULL;
	model_add_device(test, t->m);
	KUNIT_ASSERT_TRUE(test, device_is_bound(&t->m->pdev->dev));
	KUNIT_ASSERT_PTR_EQ(test, NULL, find_mtd());
	t->m->flash = flash;
	dev = bus_find_next_device(&spi_bus_type, NULL);
	KUNIT_ASSERT_NOT_NULL(test, dev);
	t->spi = to_spi_device(dev);
	KUNIT_ASSERT_EQ(test, 1, device_attach(dev));
	t->mtd = find_mtd();
	KUNIT_ASSERT_NOT_NULL(test, t->mtd);
	unbind_bound(test, MTD_CONTROLLER, MODEL_COPY);
}

#define UNBIND_AT(_name, _way, _point)				\
static void _name(struct kunit *test)				\
{								\
	unbind_at(test, _way, _point);				\
}

UNBIND_AT(unbind_flash_start, MTD_FLASH, MODEL_START)
UNBIND_AT(unbind_flash_running, MTD_FLASH, MODEL_RUNNING)
UNBIND_AT(unbind_flash_done, MTD_FLASH, MODEL_DONE)
UNBIND_AT(unbind_flash_copy, MTD_FLASH, MODEL_COPY)
UNBIND_AT(unbind_controller_start, MTD_CONTROLLER, MODEL_START)
UNBIND_AT(unbind_controller_running, MTD_CONTROLLER, MODEL_RUNNING)
UNBIND_AT(unbind_controller_done, MTD_CONTROLLER, MODEL_DONE)
UNBIND_AT(unbind_controller_copy, MTD_CONTROLLER, MODEL_COPY)
UNBIND_AT(unbind_mem_start, MEM_CONTROLLER, MODEL_START)
UNBIND_AT(unbind_mem_running, MEM_CONTROLLER, MODEL_RUNNING)
UNBIND_AT(unbind_mem_done, MEM_CONTROLLER, MODEL_DONE)
UNBIND_AT(unbind_mem_copy, MEM_CONTROLLER, MODEL_COPY)
UNBIND_AT(unbind_dirmap_start, MEM_DIRMAP, MODEL_START)
UNBIND_AT(unbind_command_start, MEM_COMMAND, MODEL_START)
UNBIND_AT(unbind_command_running, MEM_COMMAND, MODEL_RUNNING)
UNBIND_AT(unbind_command_done, MEM_COMMAND, MODEL_DONE)
UNBIND_AT(unbind_write_start, MEM_WRITE, MODEL_START)
UNBIND_AT(unbind_write_running, MEM_WRITE, MODEL_RUNNING)
UNBIND_AT(unbind_write_done, MEM_WRITE, MODEL_DONE)
UNBIND_AT(unbind_write_copy, MEM_WRITE, MODEL_COPY)

/* Unbinding at random times, under readers */

struct reader {
	struct driver_test *t;
	unsigned int index;
};

static int reader_thread(void *data)
{
	struct reader *r = data;
	struct driver_test *t = r->t;
	u8 *buf = t->reader_buf[r->index];

	while (!READ_ONCE(t->stop)) {
		struct mtd_info *mtd = find_mtd();
		int ret = 0;

		if (!mtd) {
			usleep_range(50, 200);
			continue;
		}
		while (!ret && !READ_ONCE(t->stop)) {
			u32 len = 1 + model_random(t->m, SZ_8K);
			u32 from = model_random(t->m, SCRATCH - len);

			ret = read_mtd(mtd, from, len, buf);
			if (!ret && !flash_has(t, from, buf, len)) {
				pr_err("wrong data at %#x, %u bytes\n", from, len);
				atomic_inc(&t->wrong);
			}
			if (!ret)
				atomic_inc(&t->reads);
			cond_resched();
		}
		if (ret == -ENODEV) {
			atomic_inc(&t->ended);
		} else if (ret) {
			pr_err("a read ended with %d\n", ret);
			atomic_inc(&t->wrong);
		}
		put_mtd_device(mtd);
	}
	complete(&t->readers[r->index].done);

	return 0;
}

static void unbind_random(struct kunit *test)
{
	struct driver_test *t = test->priv;
	u32 start_seed = seed ?: get_random_u32();
	struct reader readers[READERS];
	unsigned int i, late = 0;
	bool joined = true;

	kunit_info(test, "seed=%u cycles=%u\n", start_seed, cycles);
	bind(test);
	put_mtd(t);
	prandom_seed_state(&t->m->rnd, start_seed);
	t->m->jitter = 5;
	for (i = 0; i < READERS; i++) {
		readers[i] = (struct reader) { t, i };
		t->readers[i].task = start(test, reader_thread, &readers[i]);
	}

	kunit_info(test, "UNBIND\n");
	for (i = 0; i < cycles; i++) {
		enum way way = model_random(t->m, 2) ? MTD_FLASH : MTD_CONTROLLER;
		unsigned long before = jiffies;

		usleep_range(100, 100 + model_random(t->m, 10000));
		put_mtd(t);
		unbind(t, way);
		if (time_after(jiffies, before + 5 * HZ))
			late++;
		bind(test);
	}

	WRITE_ONCE(t->stop, true);
	for (i = 0; i < READERS; i++)
		joined &= join(&t->readers[i].task, &t->readers[i].done);
	KUNIT_ASSERT_TRUE_MSG(test, joined, "a reader does not end");

	t->m->jitter = 0;
	KUNIT_EXPECT_EQ(test, 0, late);
	KUNIT_EXPECT_EQ(test, 0, atomic_read(&t->wrong));
	/* Or nobody was there to be interrupted. */
	KUNIT_EXPECT_GT(test, atomic_read(&t->ended), cycles / 4);
	KUNIT_EXPECT_GT(test, atomic_read(&t->reads), cycles);
	expect_parts_right(test, t->mtd);
	kunit_info(test, "%u reads, %u interrupted readers, %u interrupts\n",
		   atomic_read(&t->reads), atomic_read(&t->ended), t->m->irqs);
}

static int driver_test_init(struct kunit *test)
{
	struct driver_test *t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, t);
	t->test = test;
	test->priv = t;
	init_completion(&t->op_done);
	init_completion(&t->unbind_done);
	t->buf = kunit_kzalloc(test, BUF_SIZE, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, t->buf);
	for (i = 0; i < READERS; i++) {
		init_completion(&t->readers[i].done);
		t->reader_buf[i] = kunit_kzalloc(test, SZ_8K + 1, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, t->reader_buf[i]);
	}

	if (current_nand) {
		t->nand = nand_new(test);
		t->m = model_power_on(test, current_ops, &t->nand->flash);
		for (i = 0; i < SCRATCH; i++) {
			u8 **page = &t->nand->pages[i / NAND_PAGE];

			if (!*page)
				*page = kmalloc(NAND_RAW, GFP_KERNEL);
			KUNIT_ASSERT_NOT_NULL(test, *page);
			if (!(i % NAND_PAGE))
				memset(*page, 0xff, NAND_RAW);
			(*page)[i % NAND_PAGE] = pattern(i);
		}
	} else {
		new_nor(test, current_part);
		t->m = model_power_on(test, current_ops, &t->nor->flash);
	}

	return 0;
}

static void driver_test_exit(struct kunit *test)
{
	struct driver_test *t = test->priv;
	unsigned int i;
	bool ended;

	if (!t || !t->m)
		return;

	model_release(t->m);
	if (t->nor) {
		t->nor->hold_at = 0;
		WRITE_ONCE(t->nor->hold_busy, false);
	}
	WRITE_ONCE(t->stop, true);
	ended = join(&t->op, &t->op_done);
	ended &= join(&t->unbind, &t->unbind_done);
	for (i = 0; i < READERS; i++)
		ended &= join(&t->readers[i].task, &t->readers[i].done);
	/* What it uses goes with the test. */
	if (!ended)
		panic("%s: a thread does not end\n", test->name);

	put_mtd(t);
	if (t->spi)
		put_device(&t->spi->dev);
	model_power_off(test, t->m);
}

#define DRIVER_CASES							\
	KUNIT_CASE(driver_binds_again),					\
	KUNIT_CASE(driver_put_after_unbind),				\
	KUNIT_CASE(unbind_flash_start),					\
	KUNIT_CASE(unbind_flash_running),				\
	KUNIT_CASE(unbind_flash_done),					\
	KUNIT_CASE(unbind_flash_copy),					\
	KUNIT_CASE(unbind_controller_start),				\
	KUNIT_CASE(unbind_controller_running),				\
	KUNIT_CASE(unbind_controller_done),				\
	KUNIT_CASE(unbind_controller_copy),				\
	KUNIT_CASE(unbind_late_flash_copy),				\
	KUNIT_CASE_SLOW(unbind_random)

#define NOR_DATA_CASES							\
	KUNIT_CASE(driver_probes),					\
	KUNIT_CASE_SLOW(driver_reads),					\
	KUNIT_CASE_SLOW(driver_writes)

#define NOR_MEM_CASES							\
	KUNIT_CASE(unbind_mem_start),					\
	KUNIT_CASE(unbind_mem_running),					\
	KUNIT_CASE(unbind_mem_done),					\
	KUNIT_CASE(unbind_mem_copy)

#define NOR_PART_CASES							\
	KUNIT_CASE(driver_has_security_registers),			\
	KUNIT_CASE(driver_erases_dice),					\
	KUNIT_CASE(unbind_flash_dice),					\
	KUNIT_CASE(unbind_controller_dice)

#define NOR_CASES							\
	NOR_DATA_CASES,							\
	DRIVER_CASES,							\
	NOR_MEM_CASES,							\
	NOR_PART_CASES,							\
	KUNIT_CASE(unbind_flash_security),				\
	KUNIT_CASE(unbind_controller_security)

#define NAND_CASES							\
	KUNIT_CASE(nand_probes),					\
	KUNIT_CASE(nand_writes),					\
	KUNIT_CASE(nand_has_bad_blocks),				\
	KUNIT_CASE(nand_corrects),					\
	DRIVER_CASES

#define DRIVER_SUITE(_id, _nand, ...)	PART_SUITE(_id, _nand, NOR_PLAIN, __VA_ARGS__)

#define PART_SUITE(_id, _nand, _part, ...)				\
	DRIVER_SUITE_OF(_id, &_id##_model, _nand, _part, __VA_ARGS__)

#define DRIVER_SUITE_OF(_id, _ops, _nand, _part, ...)			\
static struct kunit_case _id##_cases[] = { __VA_ARGS__, {} };		\
									\
static int _id##_suite_init(struct kunit_suite *suite)			\
{									\
	current_ops = _ops;						\
	current_nand = _nand;						\
	current_part = _part;						\
									\
	return 0;							\
}									\
									\
static struct kunit_suite _id##_suite = {				\
	.name = "model_" #_id,						\
	.suite_init = _id##_suite_init,					\
	.init = driver_test_init,					\
	.exit = driver_test_exit,					\
	.test_cases = _id##_cases,					\
};									\
									\
kunit_test_suite(_id##_suite)

DRIVER_SUITE(fspi, false, NOR_CASES);
DRIVER_SUITE(fsl_qspi, false, NOR_CASES);
DRIVER_SUITE(stm32_qspi, false, NOR_CASES, KUNIT_CASE(driver_polls));
DRIVER_SUITE(stm32_ospi, false, NOR_CASES, KUNIT_CASE(driver_polls));
/* Its driver has registers under a spinlock, where nothing can be stopped. */
DRIVER_SUITE(npcm_fiu, false,
	     KUNIT_CASE(driver_probes),
	     KUNIT_CASE_SLOW(driver_reads),
	     KUNIT_CASE_SLOW(driver_writes),
	     KUNIT_CASE(driver_binds_again),
	     KUNIT_CASE(driver_put_after_unbind),
	     KUNIT_CASE(unbind_flash_copy),
	     KUNIT_CASE(unbind_controller_copy),
	     KUNIT_CASE(unbind_mem_copy),
	     KUNIT_CASE(unbind_late_flash_copy),
	     KUNIT_CASE_SLOW(unbind_random),
	     NOR_PART_CASES);
/* Both ways of which 8D-8D-8D is, or 1-1-8 and 1-1-4 where the driver has no DTR */
PART_SUITE(fspi_octal, false, NOR_MICRON,
	   NOR_DATA_CASES,
	   KUNIT_CASE(driver_is_octal),
	   KUNIT_CASE(driver_inverts_commands),
	   DRIVER_CASES,
	   NOR_MEM_CASES,
	   KUNIT_CASE(driver_erases_dice),
	   KUNIT_CASE(unbind_flash_dice),
	   KUNIT_CASE(unbind_controller_dice));
PART_SUITE(stm32_ospi_octal, false, NOR_MICRON, NOR_DATA_CASES, DRIVER_CASES);
DRIVER_SUITE(fspi_nand, true, NAND_CASES);
DRIVER_SUITE(fsl_qspi_nand, true, NAND_CASES);
DRIVER_SUITE(stm32_qspi_nand, true, NAND_CASES);

/* Its suites are here, for they share all of the above. */
#include "cadence-test.c"
