// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the model of a SPI NAND flash, by itself
 */

#include <kunit/test.h>
#include <linux/mtd/spinand.h>

#include "model.h"

struct nand_test {
	struct nand *nand;
	u8 buf[NAND_RAW];
};

static void exec(struct nand_test *t, u8 opcode, unsigned int nbytes, u32 addr,
		 unsigned int dummy, void *in, const void *out, size_t len)
{
	struct flash_op op = {
		.opcode = opcode, .cmd_width = 1, .addr_width = 1, .data_width = 1,
		.addr_nbytes = nbytes, .addr = addr, .dummy = dummy,
		.in = in, .out = out, .len = len,
	};

	t->nand->flash.exec(&t->nand->flash, &op);
}

static u8 feature(struct nand_test *t, u8 reg)
{
	u8 val = 0;

	exec(t, 0x0f, 1, reg, 0, &val, NULL, 1);

	return val;
}

static void set_feature(struct nand_test *t, u8 reg, u8 val)
{
	exec(t, 0x1f, 1, reg, 0, NULL, &val, 1);
}

static u8 wait_ready(struct nand_test *t)
{
	unsigned int i;
	u8 status = STATUS_BUSY;

	for (i = 0; i < 100 && status & STATUS_BUSY; i++)
		status = feature(t, REG_STATUS);

	return status;
}

static u8 program(struct nand_test *t, u32 page, u8 val)
{
	exec(t, 0x06, 0, 0, 0, NULL, NULL, 0);
	exec(t, 0x02, 2, 7, 0, NULL, &val, 1);
	exec(t, 0x10, 3, page, 0, NULL, NULL, 0);

	return wait_ready(t);
}

static u8 erase(struct nand_test *t, u32 page)
{
	exec(t, 0x06, 0, 0, 0, NULL, NULL, 0);
	exec(t, 0xd8, 3, page, 0, NULL, NULL, 0);

	return wait_ready(t);
}

static u8 read(struct nand_test *t, u32 page)
{
	u8 val = 0;

	exec(t, 0x13, 3, page, 0, NULL, NULL, 0);
	wait_ready(t);
	exec(t, 0x03, 2, 7, 8, &val, NULL, 1);

	return val;
}

static void nand_is_locked_at_first(struct kunit *test)
{
	struct nand_test *t = test->priv;

	wait_ready(t);
	KUNIT_EXPECT_TRUE(test, program(t, 1, 0) & STATUS_PROG_FAILED);
	KUNIT_EXPECT_TRUE(test, erase(t, 0) & STATUS_ERASE_FAILED);
	set_feature(t, REG_BLOCK_LOCK, 0);
	KUNIT_EXPECT_EQ(test, 0, program(t, 1, 0x12));
	KUNIT_EXPECT_EQ(test, 0x12, read(t, 1));
	exec(t, 0xff, 0, 0, 0, NULL, NULL, 0);
	wait_ready(t);
	KUNIT_EXPECT_TRUE(test, erase(t, 0) & STATUS_ERASE_FAILED);
	KUNIT_EXPECT_EQ(test, 0, t->nand->flash.faults);
}

static void nand_programs_and_erases(struct kunit *test)
{
	struct nand_test *t = test->priv;

	wait_ready(t);
	set_feature(t, REG_BLOCK_LOCK, 0);
	program(t, NAND_BLOCK_PAGES, 0xf3);
	program(t, NAND_BLOCK_PAGES, 0x3f);
	program(t, NAND_BLOCK_PAGES - 1, 0x55);
	KUNIT_EXPECT_EQ(test, 0x33, read(t, NAND_BLOCK_PAGES));
	KUNIT_EXPECT_EQ(test, 0, erase(t, NAND_BLOCK_PAGES + 5));
	KUNIT_EXPECT_EQ(test, 0xff, read(t, NAND_BLOCK_PAGES));
	KUNIT_EXPECT_EQ(test, 0x55, read(t, NAND_BLOCK_PAGES - 1));
	KUNIT_EXPECT_EQ(test, 0, t->nand->flash.faults);

	exec(t, 0x10, 3, 1, 0, NULL, NULL, 0);
	KUNIT_EXPECT_EQ(test, 1, t->nand->flash.faults);
}

static void nand_busy_means_busy(struct kunit *test)
{
	struct nand_test *t = test->priv;

	t->nand->hold_busy = true;
	KUNIT_EXPECT_TRUE(test, wait_ready(t) & STATUS_BUSY);
	exec(t, 0x13, 3, 0, 0, NULL, NULL, 0);
	KUNIT_EXPECT_EQ(test, 1, t->nand->flash.faults);
	t->nand->hold_busy = false;
	KUNIT_EXPECT_FALSE(test, wait_ready(t) & STATUS_BUSY);
}

static void nand_says_what_it_corrected(struct kunit *test)
{
	struct nand_test *t = test->priv;

	wait_ready(t);
	t->nand->weak_page = 3;
	t->nand->weak_status = STATUS_ECC_HAS_BITFLIPS;
	read(t, 2);
	KUNIT_EXPECT_EQ(test, STATUS_ECC_NO_BITFLIPS, feature(t, REG_STATUS) & STATUS_ECC_MASK);
	read(t, 3);
	KUNIT_EXPECT_EQ(test, STATUS_ECC_HAS_BITFLIPS, feature(t, REG_STATUS) & STATUS_ECC_MASK);
	set_feature(t, REG_CFG, 0);
	read(t, 3);
	KUNIT_EXPECT_EQ(test, STATUS_ECC_NO_BITFLIPS, feature(t, REG_STATUS) & STATUS_ECC_MASK);
}

static int nand_test_init(struct kunit *test)
{
	struct nand_test *t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);

	if (!t)
		return -ENOMEM;
	t->nand = nand_new(test);
	test->priv = t;

	return 0;
}

static struct kunit_case nand_cases[] = {
	KUNIT_CASE(nand_is_locked_at_first),
	KUNIT_CASE(nand_programs_and_erases),
	KUNIT_CASE(nand_busy_means_busy),
	KUNIT_CASE(nand_says_what_it_corrected),
	{}
};

static struct kunit_suite nand_suite = {
	.name = "model_nand",
	.init = nand_test_init,
	.test_cases = nand_cases,
};

kunit_test_suite(nand_suite);
