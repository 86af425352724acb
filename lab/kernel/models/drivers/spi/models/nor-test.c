// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the model of a SPI NOR flash, by itself
 */

#include <kunit/test.h>
#include <linux/mtd/spi-nor.h>

#include "model.h"

#define SIZE	SZ_1M

struct nor_test {
	struct nor *nor;
	u8 buf[NOR_PAGE];
};

static void cmd(struct nor_test *t, u8 opcode)
{
	struct flash_op op = { .opcode = opcode, .cmd_width = 1 };

	t->nor->flash.exec(&t->nor->flash, &op);
}

static u8 status(struct nor_test *t)
{
	u8 sr = 0;
	struct flash_op op = {
		.opcode = SPINOR_OP_RDSR, .cmd_width = 1, .data_width = 1,
		.in = &sr, .len = 1,
	};

	t->nor->flash.exec(&t->nor->flash, &op);

	return sr;
}

static void wait_ready(struct nor_test *t)
{
	unsigned int i;

	for (i = 0; i < 100 && status(t) & NOR_SR_WIP; i++)
		;
}

static u8 read_with(struct nor_test *t, u8 opcode, u32 addr, unsigned int nbytes,
		    unsigned int dummy, unsigned int lines)
{
	u8 val = 0xa5;
	struct flash_op op = {
		.opcode = opcode, .cmd_width = 1, .addr_width = 1, .data_width = lines,
		.addr = addr, .addr_nbytes = nbytes, .dummy = dummy,
		.in = &val, .len = 1,
	};

	t->nor->flash.exec(&t->nor->flash, &op);

	return val;
}

static u8 read(struct nor_test *t, u32 addr)
{
	return read_with(t, SPINOR_OP_READ, addr, 3, 0, 1);
}

static void at(struct nor_test *t, u8 opcode, u32 addr, const void *out, size_t len)
{
	struct flash_op op = {
		.opcode = opcode, .cmd_width = 1, .addr_width = 1, .data_width = 1,
		.addr = addr, .addr_nbytes = 3, .out = out, .len = len,
	};

	t->nor->flash.exec(&t->nor->flash, &op);
}

static void program(struct nor_test *t, u32 addr, u8 val)
{
	at(t, SPINOR_OP_PP, addr, &val, 1);
}

static void nor_has_id_and_sfdp(struct kunit *test)
{
	struct nor_test *t = test->priv;
	struct flash_op op = {
		.opcode = SPINOR_OP_RDID, .cmd_width = 1, .data_width = 1,
		.in = t->buf, .len = 6,
	};

	t->nor->flash.exec(&t->nor->flash, &op);
	KUNIT_EXPECT_NE(test, 0, t->buf[0]);
	KUNIT_EXPECT_NE(test, 0xff, t->buf[0]);

	op = (struct flash_op) {
		.opcode = SPINOR_OP_RDSFDP, .cmd_width = 1, .addr_width = 1,
		.data_width = 1, .addr_nbytes = 3, .dummy = 8, .in = t->buf, .len = 8,
	};
	t->nor->flash.exec(&t->nor->flash, &op);
	KUNIT_EXPECT_MEMEQ(test, t->buf, "SFDP", 4);
}

static void nor_needs_write_enable(struct kunit *test)
{
	struct nor_test *t = test->priv;

	program(t, 0, 0);
	KUNIT_EXPECT_EQ(test, 1, t->nor->flash.faults);
	KUNIT_EXPECT_EQ(test, 0xff, read(t, 0));

	cmd(t, SPINOR_OP_WREN);
	KUNIT_EXPECT_TRUE(test, status(t) & NOR_SR_WEL);
	program(t, 0, 0);
	wait_ready(t);
	KUNIT_EXPECT_EQ(test, 0, read(t, 0));
	/* It is spent. */
	KUNIT_EXPECT_FALSE(test, status(t) & NOR_SR_WEL);
	at(t, SPINOR_OP_BE_4K, 0, NULL, 0);
	KUNIT_EXPECT_EQ(test, 0, read(t, 0));

	cmd(t, SPINOR_OP_WREN);
	cmd(t, SPINOR_OP_WRDI);
	at(t, SPINOR_OP_BE_4K, 0, NULL, 0);
	KUNIT_EXPECT_EQ(test, 0, read(t, 0));
	KUNIT_EXPECT_EQ(test, 3, t->nor->flash.faults);
}

static void nor_program_clears_bits(struct kunit *test)
{
	struct nor_test *t = test->priv;

	cmd(t, SPINOR_OP_WREN);
	program(t, 5, 0xf3);
	wait_ready(t);
	cmd(t, SPINOR_OP_WREN);
	program(t, 5, 0x3f);
	wait_ready(t);
	KUNIT_EXPECT_EQ(test, 0x33, read(t, 5));
	KUNIT_EXPECT_EQ(test, 0, t->nor->flash.faults);
}

static void nor_program_wraps_in_page(struct kunit *test)
{
	struct nor_test *t = test->priv;

	cmd(t, SPINOR_OP_WREN);
	at(t, SPINOR_OP_PP, 2 * NOR_PAGE - 1, "ab", 2);
	wait_ready(t);
	KUNIT_EXPECT_EQ(test, 'a', read(t, 2 * NOR_PAGE - 1));
	KUNIT_EXPECT_EQ(test, 'b', read(t, NOR_PAGE));
	KUNIT_EXPECT_EQ(test, 0xff, read(t, 2 * NOR_PAGE));
}

static void nor_erases(struct kunit *test)
{
	static const struct { u8 opcode; u32 size; } erases[] = {
		{ SPINOR_OP_BE_4K, NOR_SECTOR }, { SPINOR_OP_SE, NOR_BLOCK },
	};
	struct nor_test *t = test->priv;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(erases); i++) {
		u32 size = erases[i].size;

		memset(t->nor->mem, 0, SIZE);
		cmd(t, SPINOR_OP_WREN);
		/* The address need not be aligned. */
		at(t, erases[i].opcode, size + 17, NULL, 0);
		wait_ready(t);
		KUNIT_EXPECT_EQ(test, 0, read(t, size - 1));
		KUNIT_EXPECT_EQ(test, 0xff, read(t, size));
		KUNIT_EXPECT_EQ(test, 0xff, read(t, 2 * size - 1));
		KUNIT_EXPECT_EQ(test, 0, read(t, 2 * size));
	}

	cmd(t, SPINOR_OP_WREN);
	cmd(t, SPINOR_OP_CHIP_ERASE);
	wait_ready(t);
	KUNIT_EXPECT_PTR_EQ(test, NULL, memchr_inv(t->nor->mem, 0xff, SIZE));
	KUNIT_EXPECT_EQ(test, 0, t->nor->flash.faults);
}

static void nor_busy_means_busy(struct kunit *test)
{
	struct nor_test *t = test->priv;

	t->nor->hold_busy = true;
	t->nor->mem[1] = 0x77;
	KUNIT_EXPECT_TRUE(test, status(t) & NOR_SR_WIP);
	KUNIT_EXPECT_NE(test, 0x77, read(t, 1));
	KUNIT_EXPECT_EQ(test, 1, t->nor->flash.faults);
	cmd(t, SPINOR_OP_WREN);
	KUNIT_EXPECT_FALSE(test, status(t) & NOR_SR_WEL);

	t->nor->hold_busy = false;
	t->nor->busy_polls = 3;
	cmd(t, SPINOR_OP_WREN);
	program(t, 0, 0);
	KUNIT_EXPECT_TRUE(test, status(t) & NOR_SR_WIP);
	KUNIT_EXPECT_TRUE(test, status(t) & NOR_SR_WIP);
	KUNIT_EXPECT_TRUE(test, status(t) & NOR_SR_WIP);
	KUNIT_EXPECT_FALSE(test, status(t) & NOR_SR_WIP);
	KUNIT_EXPECT_EQ(test, 0x77, read(t, 1));
}

static void nor_wants_dummy_cycles(struct kunit *test)
{
	struct nor_test *t = test->priv;

	t->nor->mem[9] = 0x12;
	KUNIT_EXPECT_EQ(test, 0x12, read_with(t, SPINOR_OP_READ_FAST, 9, 3, 8, 1));
	KUNIT_EXPECT_EQ(test, 0x12, read_with(t, SPINOR_OP_READ_1_1_2, 9, 3, 8, 2));
	KUNIT_EXPECT_EQ(test, 0, t->nor->flash.faults);

	KUNIT_EXPECT_NE(test, 0x12, read_with(t, SPINOR_OP_READ_FAST, 9, 3, 0, 1));
	KUNIT_EXPECT_NE(test, 0x12, read_with(t, SPINOR_OP_READ, 9, 3, 8, 1));
	KUNIT_EXPECT_NE(test, 0x12, read_with(t, SPINOR_OP_READ_1_1_2, 9, 3, 8, 1));
	/* Four lines must be enabled first. */
	KUNIT_EXPECT_NE(test, 0x12, read_with(t, SPINOR_OP_READ_1_1_4, 9, 3, 8, 4));
	KUNIT_EXPECT_EQ(test, 4, t->nor->flash.faults);

	t->nor->sr = NOR_SR_QE;
	KUNIT_EXPECT_EQ(test, 0x12, read_with(t, SPINOR_OP_READ_1_1_4, 9, 3, 8, 4));
}

static void nor_four_byte_mode_and_reset(struct kunit *test)
{
	struct nor_test *t = test->priv;

	t->nor->mem[3] = 0x21;
	cmd(t, SPINOR_OP_EN4B);
	KUNIT_EXPECT_NE(test, 0x21, read(t, 3));
	KUNIT_EXPECT_EQ(test, 0x21, read_with(t, SPINOR_OP_READ, 3, 4, 0, 1));
	cmd(t, SPINOR_OP_EX4B);
	KUNIT_EXPECT_EQ(test, 0x21, read(t, 3));

	cmd(t, SPINOR_OP_EN4B);
	/* Alone it does nothing, nor after something in between. */
	cmd(t, SPINOR_OP_SRST);
	cmd(t, SPINOR_OP_SRSTEN);
	cmd(t, SPINOR_OP_WRDI);
	cmd(t, SPINOR_OP_SRST);
	KUNIT_EXPECT_TRUE(test, t->nor->addr4);
	cmd(t, SPINOR_OP_SRSTEN);
	cmd(t, SPINOR_OP_SRST);
	KUNIT_EXPECT_FALSE(test, t->nor->addr4);
}

static int nor_test_init(struct kunit *test)
{
	struct nor_test *t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);

	if (!t)
		return -ENOMEM;
	t->nor = nor_new(test, SIZE);
	test->priv = t;

	return 0;
}

static struct kunit_case nor_cases[] = {
	KUNIT_CASE(nor_has_id_and_sfdp),
	KUNIT_CASE(nor_needs_write_enable),
	KUNIT_CASE(nor_program_clears_bits),
	KUNIT_CASE(nor_program_wraps_in_page),
	KUNIT_CASE(nor_erases),
	KUNIT_CASE(nor_busy_means_busy),
	KUNIT_CASE(nor_wants_dummy_cycles),
	KUNIT_CASE(nor_four_byte_mode_and_reset),
	{}
};

static struct kunit_suite nor_suite = {
	.name = "model_nor",
	.init = nor_test_init,
	.test_cases = nor_cases,
};

kunit_test_suite(nor_suite);
