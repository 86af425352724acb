// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the model of a SPI NOR flash, by itself
 */

#include <kunit/test.h>
#include <linux/delay.h>
#include <linux/mtd/spi-nor.h>

#include "model.h"

#define SIZE	SZ_1M

/* Commands of manufacturers */
#define OP_MT_READ_8D	0xfd
#define OP_MT_WRREG	0x81
#define OP_MX_RDCR2	0x71
#define OP_MX_WRCR2	0x72
#define OP_MX_READ_8S	0xec
#define OP_MX_READ_8D	0xee

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
	nor_busy_for(t->nor, 3);
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

/* The four-byte commands have four bytes of address in either mode. */
static void nor_has_four_byte_commands(struct kunit *test)
{
	struct nor_test *t = test->priv;

	t->nor = nor_new_part(test, SIZE, NOR_MICRON);
	t->nor->mem[3] = 0x21;
	KUNIT_EXPECT_EQ(test, 0x21, read_with(t, SPINOR_OP_READ_4B, 3, 4, 0, 1));
	KUNIT_EXPECT_EQ(test, 0x21, read_with(t, SPINOR_OP_READ_1_1_4_4B, 3, 4, 8, 4));
	KUNIT_EXPECT_EQ(test, 0x21, read_with(t, SPINOR_OP_READ_1_1_8_4B, 3, 4, 8, 8));
	KUNIT_EXPECT_EQ(test, 0x21, read_with(t, SPINOR_OP_READ_1_1_8, 3, 3, 8, 8));
	cmd(t, SPINOR_OP_EN4B);
	KUNIT_EXPECT_EQ(test, 0x21, read_with(t, SPINOR_OP_READ_4B, 3, 4, 0, 1));
	KUNIT_EXPECT_EQ(test, 0x21, read_with(t, SPINOR_OP_READ_1_1_8, 3, 4, 8, 8));
	KUNIT_EXPECT_EQ(test, 0, t->nor->flash.faults);
	KUNIT_EXPECT_NE(test, 0x21, read_with(t, SPINOR_OP_READ_4B, 3, 3, 0, 1));
	KUNIT_EXPECT_NE(test, 0x21, read_with(t, SPINOR_OP_READ_1_1_8, 3, 3, 8, 8));
	KUNIT_EXPECT_EQ(test, 2, t->nor->flash.faults);
}

/* There is another way to the four-byte mode: a register. */
static void nor_has_bank_register(struct kunit *test)
{
	struct nor_test *t = test->priv;
	struct flash_op op = {
		.opcode = SPINOR_OP_BRWR, .cmd_width = 1, .data_width = 1,
		.out = "\x80", .len = 1,
	};

	t->nor->flash.exec(&t->nor->flash, &op);
	KUNIT_EXPECT_TRUE(test, t->nor->addr4);
	op.out = "";
	t->nor->flash.exec(&t->nor->flash, &op);
	KUNIT_EXPECT_FALSE(test, t->nor->addr4);
}

/* Busy for as long as the test says, with each kind of work */
static void nor_busy_with_each_work(struct kunit *test)
{
	static const struct { u8 opcode; enum nor_work work; u32 len; } works[] = {
		{ SPINOR_OP_WRSR, NOR_WRITE_STATUS, 1 },
		{ SPINOR_OP_PP, NOR_PROGRAM, 1 },
		{ SPINOR_OP_BE_4K, NOR_ERASE_4K, 0 },
		{ SPINOR_OP_SE, NOR_ERASE_64K, 0 },
		{ SPINOR_OP_CHIP_ERASE, NOR_ERASE_DIE, 0 },
	};
	struct nor_test *t = test->priv;
	unsigned int i, polls;

	for (i = 0; i < ARRAY_SIZE(works); i++) {
		bool addr = works[i].work != NOR_WRITE_STATUS && works[i].work != NOR_ERASE_DIE;
		struct flash_op op = {
			.opcode = works[i].opcode, .cmd_width = 1, .addr_width = 1,
			.data_width = 1, .addr_nbytes = addr ? 3 : 0, .out = "",
			.len = works[i].len,
		};

		nor_busy_for(t->nor, 1);
		t->nor->busy_polls[works[i].work] = 10 + i;
		cmd(t, SPINOR_OP_WREN);
		t->nor->flash.exec(&t->nor->flash, &op);
		for (polls = 0; polls < 100 && status(t) & NOR_SR_WIP; polls++)
			;
		KUNIT_EXPECT_EQ_MSG(test, 10 + i, polls, "%#x", works[i].opcode);

		/* Until it is told otherwise */
		t->nor->hold_at = BIT(works[i].work);
		cmd(t, SPINOR_OP_WREN);
		t->nor->flash.exec(&t->nor->flash, &op);
		wait_ready(t);
		KUNIT_EXPECT_TRUE_MSG(test, status(t) & NOR_SR_WIP, "%#x", works[i].opcode);
		t->nor->hold_busy = false;
		KUNIT_EXPECT_FALSE_MSG(test, status(t) & NOR_SR_WIP, "%#x", works[i].opcode);
		t->nor->hold_at = 0;
	}
	KUNIT_EXPECT_EQ(test, 0, t->nor->flash.faults);
}

static void nor_erases_dice(struct kunit *test)
{
	struct nor_test *t = test->priv;

	t->nor = nor_new_part(test, SIZE, NOR_MICRON_TWO_DICE);
	memset(t->nor->mem, 0, SIZE);
	at(t, NOR_OP_DIE_ERASE, SIZE / 2, NULL, 0);
	KUNIT_EXPECT_EQ(test, 1, t->nor->flash.faults);
	KUNIT_EXPECT_PTR_EQ(test, NULL, memchr_inv(t->nor->mem, 0, SIZE));
	cmd(t, SPINOR_OP_WREN);
	at(t, NOR_OP_DIE_ERASE, SIZE / 2 + 5, NULL, 0);
	wait_ready(t);
	KUNIT_EXPECT_PTR_EQ(test, NULL, memchr_inv(t->nor->mem, 0, SIZE / 2));
	KUNIT_EXPECT_PTR_EQ(test, NULL, memchr_inv(t->nor->mem + SIZE / 2, 0xff, SIZE / 2));
	KUNIT_EXPECT_EQ(test, 1, t->nor->flash.faults);

	/* There is nothing for all dice, nor for dice where there is one. */
	cmd(t, SPINOR_OP_WREN);
	cmd(t, SPINOR_OP_CHIP_ERASE);
	KUNIT_EXPECT_EQ(test, 2, t->nor->flash.faults);
	t->nor = nor_new_part(test, SIZE, NOR_MICRON);
	cmd(t, SPINOR_OP_WREN);
	at(t, NOR_OP_DIE_ERASE, 0, NULL, 0);
	KUNIT_EXPECT_EQ(test, 1, t->nor->flash.faults);
}

/* Security registers */

static void secure(struct nor_test *t, u8 opcode, u32 addr, u8 val)
{
	cmd(t, SPINOR_OP_WREN);
	at(t, opcode, addr, &val, opcode == SPINOR_OP_PSECR);
	wait_ready(t);
}

static u8 read_secure(struct nor_test *t, u32 addr)
{
	return read_with(t, SPINOR_OP_RSECR, addr, 3, 8, 1);
}

static void nor_has_security_registers(struct kunit *test)
{
	struct nor_test *t = test->priv;

	t->nor = nor_new_part(test, SIZE, NOR_WINBOND);
	/* Bits are cleared, in this register alone, and erasing it sets them. */
	secure(t, SPINOR_OP_PSECR, 0x2001, 0xf3);
	secure(t, SPINOR_OP_PSECR, 0x2001, 0x3f);
	KUNIT_EXPECT_EQ(test, 0x33, read_secure(t, 0x2001));
	KUNIT_EXPECT_EQ(test, 0xff, read_secure(t, 0x1001));
	KUNIT_EXPECT_EQ(test, 0xff, read_secure(t, 0x3001));
	KUNIT_EXPECT_EQ(test, 0xff, read(t, 0x2001));
	secure(t, SPINOR_OP_ESECR, 0x1000, 0);
	KUNIT_EXPECT_EQ(test, 0x33, read_secure(t, 0x2001));
	secure(t, SPINOR_OP_ESECR, 0x2000, 0);
	KUNIT_EXPECT_EQ(test, 0xff, read_secure(t, 0x2001));
	KUNIT_EXPECT_EQ(test, 0, t->nor->flash.faults);

	/* Programming needs WREN, and there is no fourth register. */
	at(t, SPINOR_OP_PSECR, 0x1000, "", 1);
	KUNIT_EXPECT_EQ(test, 0xff, read_secure(t, 0x1000));
	KUNIT_EXPECT_EQ(test, 1, t->nor->flash.faults);
	read_secure(t, 0x4000);
	read_secure(t, 0x1100);
	KUNIT_EXPECT_EQ(test, 3, t->nor->flash.faults);
}

static void write_status(struct nor_test *t, u8 sr, u8 sr2)
{
	u8 regs[] = { sr, sr2 };
	struct flash_op op = {
		.opcode = SPINOR_OP_WRSR, .cmd_width = 1, .data_width = 1,
		.out = regs, .len = 2,
	};

	cmd(t, SPINOR_OP_WREN);
	t->nor->flash.exec(&t->nor->flash, &op);
	wait_ready(t);
}

static void nor_locks_for_ever(struct kunit *test)
{
	struct nor_test *t = test->priv;

	t->nor = nor_new_part(test, SIZE, NOR_WINBOND);
	secure(t, SPINOR_OP_PSECR, 0x1000, 0x55);
	write_status(t, 0, SR2_LB1 | SR2_QUAD_EN_BIT1);
	KUNIT_EXPECT_EQ(test, SR2_LB1 | SR2_QUAD_EN_BIT1, t->nor->sr2);
	write_status(t, 0, 0);
	KUNIT_EXPECT_EQ(test, SR2_LB1, t->nor->sr2);
	cmd(t, SPINOR_OP_SRSTEN);
	cmd(t, SPINOR_OP_SRST);
	usleep_range(100, 200);
	KUNIT_EXPECT_EQ(test, SR2_LB1, t->nor->sr2);
	KUNIT_EXPECT_EQ(test, 0, t->nor->flash.faults);

	secure(t, SPINOR_OP_PSECR, 0x1000, 0);
	secure(t, SPINOR_OP_ESECR, 0x1000, 0);
	KUNIT_EXPECT_EQ(test, 2, t->nor->flash.faults);
	KUNIT_EXPECT_EQ(test, 0x55, read_secure(t, 0x1000));
	secure(t, SPINOR_OP_PSECR, 0x2000, 0);
	KUNIT_EXPECT_EQ(test, 0, read_secure(t, 0x2000));
	KUNIT_EXPECT_EQ(test, 2, t->nor->flash.faults);
}

/* Octal protocols */

static struct flash_op octal(struct nor_test *t, u8 opcode, u32 addr, unsigned int nbytes,
			     unsigned int dummy, size_t len)
{
	return (struct flash_op) {
		.opcode = opcode, .has_ext = true,
		.ext = t->nor->part == NOR_MACRONIX ? ~opcode : opcode,
		.dtr = t->nor->proto == NOR_OCTAL_DTR,
		.cmd_width = 8, .addr_width = 8, .data_width = 8,
		.addr = addr, .addr_nbytes = nbytes, .dummy = dummy,
		.in = memset(t->buf, 0xa5, NOR_PAGE), .len = len,
	};
}

static void exec(struct nor_test *t, struct flash_op op)
{
	t->nor->flash.exec(&t->nor->flash, &op);
}

static void exec_out(struct nor_test *t, struct flash_op op, const void *out)
{
	op.in = NULL;
	op.out = out;
	exec(t, op);
}

/* Writes a register while the protocol is single SPI. */
static void write_reg(struct nor_test *t, u8 opcode, u32 reg, unsigned int nbytes, u8 val)
{
	struct flash_op op = {
		.opcode = opcode, .cmd_width = 1, .addr_width = 1, .data_width = 1,
		.addr = reg, .addr_nbytes = nbytes, .out = &val, .len = 1,
	};

	cmd(t, SPINOR_OP_WREN);
	exec(t, op);
}

static void octal_cmd(struct nor_test *t, u8 opcode)
{
	exec(t, octal(t, opcode, 0, 0, 0, 0));
}

static u8 octal_status(struct nor_test *t)
{
	if (t->nor->part == NOR_MACRONIX)
		exec(t, octal(t, SPINOR_OP_RDSR, 0, 4, 4, 2));
	else
		exec(t, octal(t, SPINOR_OP_RDSR, 0, 0, 8, 2));

	return t->buf[0];
}

static void octal_wait_ready(struct nor_test *t)
{
	unsigned int i;

	for (i = 0; i < 100 && octal_status(t) & NOR_SR_WIP; i++)
		;
}

/* As spi-nor switches it */
static void micron_to_dtr(struct nor_test *t)
{
	write_reg(t, OP_MT_WRREG, 1, 3, 20);
	write_reg(t, OP_MT_WRREG, 0, 3, 0xe7);
}

static void nor_register_switches_protocol(struct kunit *test)
{
	struct nor_test *t = test->priv;
	static const u8 off[] = { 0xff, 0x1f };
	u8 val = 0xe7;

	t->nor = nor_new_part(test, SIZE, NOR_MICRON);
	/* Not without write enable */
	at(t, OP_MT_WRREG, 0, &val, 1);
	KUNIT_EXPECT_EQ(test, NOR_SPI, t->nor->proto);
	KUNIT_EXPECT_EQ(test, 1, t->nor->flash.faults);
	micron_to_dtr(t);
	KUNIT_EXPECT_EQ(test, NOR_OCTAL_DTR, t->nor->proto);
	/* It is there at once, and the write enable is spent. */
	KUNIT_EXPECT_EQ(test, 0, octal_status(t));

	/* In the other protocol it hears nothing. */
	cmd(t, SPINOR_OP_WREN);
	KUNIT_EXPECT_EQ(test, 2, t->nor->flash.faults);
	KUNIT_EXPECT_EQ(test, 0, octal_status(t));
	octal_cmd(t, SPINOR_OP_WREN);
	KUNIT_EXPECT_EQ(test, NOR_SR_WEL, octal_status(t));
	exec_out(t, octal(t, OP_MT_WRREG, 0, 4, 0, 2), off);
	KUNIT_EXPECT_EQ(test, NOR_SPI, t->nor->proto);
	KUNIT_EXPECT_EQ(test, 0, status(t));
	KUNIT_EXPECT_EQ(test, 2, t->nor->flash.faults);
	octal_cmd(t, SPINOR_OP_WREN);
	KUNIT_EXPECT_EQ(test, 3, t->nor->flash.faults);
	KUNIT_EXPECT_EQ(test, 0, status(t));
	write_reg(t, OP_MT_WRREG, 0, 3, 0x12);
	KUNIT_EXPECT_EQ(test, 4, t->nor->flash.faults);
}

static void nor_talks_octal_dtr(struct kunit *test)
{
	static const u8 id[] = { 0x2c, 0x5b, 0x1a };
	struct nor_test *t = test->priv;

	t->nor = nor_new_part(test, SIZE, NOR_MICRON);
	micron_to_dtr(t);
	exec(t, octal(t, SPINOR_OP_RDID, 0, 0, 8, 6));
	KUNIT_EXPECT_MEMEQ(test, t->buf, id, sizeof(id));

	exec_out(t, octal(t, SPINOR_OP_PP_4B, 0x100, 4, 0, 2), "ab");
	KUNIT_EXPECT_EQ(test, 1, t->nor->flash.faults);
	octal_cmd(t, SPINOR_OP_WREN);
	exec_out(t, octal(t, SPINOR_OP_PP_4B, 0x100, 4, 0, 2), "ab");
	KUNIT_EXPECT_TRUE(test, octal_status(t) & NOR_SR_WIP);
	octal_wait_ready(t);
	exec(t, octal(t, OP_MT_READ_8D, 0x100, 4, 20, 4));
	KUNIT_EXPECT_MEMEQ(test, t->buf, "ab\xff\xff", 4);
	octal_cmd(t, SPINOR_OP_WREN);
	exec(t, octal(t, SPINOR_OP_BE_4K_4B, 0x100, 4, 0, 0));
	octal_wait_ready(t);
	exec(t, octal(t, OP_MT_READ_8D, 0x100, 4, 20, 2));
	KUNIT_EXPECT_EQ(test, 0xff, t->buf[0]);
	KUNIT_EXPECT_EQ(test, 1, t->nor->flash.faults);
}

static void nor_is_strict_in_octal_dtr(struct kunit *test)
{
	struct nor_test *t = test->priv;
	struct flash_op good, op;
	unsigned int i;

	t->nor = nor_new_part(test, SIZE, NOR_MICRON);
	t->nor->mem[0] = 0x12;
	micron_to_dtr(t);
	good = octal(t, OP_MT_READ_8D, 0, 4, 20, 2);
	for (i = 0; i < 9; i++) {
		op = good;
		t->buf[0] = 0;
		t->nor->flash.faults = 0;
		switch (i) {
		case 0:
			/* The command's second byte */
			op.ext = ~op.opcode;
			break;
		case 1:
			op.has_ext = false;
			break;
		case 2:
			op.dtr = false;
			break;
		case 3:
			op.dummy = 16;
			break;
		case 4:
			op.addr_nbytes = 3;
			break;
		case 5:
			/* Half a cycle */
			op.addr = 1;
			break;
		case 6:
			op.len = 1;
			break;
		case 7:
			op.data_width = 4;
			break;
		case 8:
			op.addr_width = 1;
			break;
		}
		exec(t, op);
		KUNIT_EXPECT_EQ_MSG(test, 1, t->nor->flash.faults, "%u", i);
		KUNIT_EXPECT_NE_MSG(test, 0x12, t->buf[0], "%u", i);
	}
	t->nor->flash.faults = 0;
	exec(t, good);
	KUNIT_EXPECT_EQ(test, 0x12, t->buf[0]);
	KUNIT_EXPECT_EQ(test, 0, t->nor->flash.faults);
	/* These are of another protocol. */
	exec(t, octal(t, SPINOR_OP_READ, 0, 4, 0, 2));
	exec(t, octal(t, SPINOR_OP_READ_1_1_4_4B, 0, 4, 20, 2));
	KUNIT_EXPECT_EQ(test, 2, t->nor->flash.faults);
}

/* Its register counts in another way, commands are inverted, the id comes twice. */
static void nor_talks_octal_str_and_dtr(struct kunit *test)
{
	static const u8 id[] = { 0xc2, 0x80, 0x15 }, twice[] = { 0xc2, 0xc2, 0x80, 0x80 };
	struct nor_test *t = test->priv;

	t->nor = nor_new_part(test, SIZE, NOR_MACRONIX);
	memcpy(t->nor->mem, "four", 4);
	write_reg(t, OP_MX_WRCR2, 0x300, 4, 2);
	write_reg(t, OP_MX_WRCR2, 0, 4, 1);
	KUNIT_EXPECT_EQ(test, NOR_OCTAL_STR, t->nor->proto);
	exec(t, octal(t, SPINOR_OP_RDID, 0, 4, 4, 3));
	KUNIT_EXPECT_MEMEQ(test, t->buf, id, 3);
	exec(t, octal(t, OP_MX_READ_8S, 1, 4, 16, 1));
	KUNIT_EXPECT_EQ(test, 'o', t->buf[0]);
	KUNIT_EXPECT_EQ(test, 0, octal_status(t));
	KUNIT_EXPECT_EQ(test, 0, t->nor->flash.faults);
	exec(t, octal(t, OP_MX_READ_8D, 0, 4, 16, 2));
	KUNIT_EXPECT_EQ(test, 1, t->nor->flash.faults);

	octal_cmd(t, SPINOR_OP_WREN);
	exec_out(t, octal(t, OP_MX_WRCR2, 0, 4, 0, 1), "\2");
	KUNIT_EXPECT_EQ(test, NOR_OCTAL_DTR, t->nor->proto);
	exec(t, octal(t, SPINOR_OP_RDID, 0, 4, 4, 4));
	KUNIT_EXPECT_MEMEQ(test, t->buf, twice, 4);
	exec(t, octal(t, OP_MX_READ_8D, 2, 4, 16, 2));
	KUNIT_EXPECT_MEMEQ(test, t->buf, "ur", 2);
	exec(t, octal(t, OP_MX_RDCR2, 0, 4, 4, 2));
	KUNIT_EXPECT_EQ(test, 2, t->buf[0]);
	KUNIT_EXPECT_EQ(test, 0, octal_status(t));
	KUNIT_EXPECT_EQ(test, 1, t->nor->flash.faults);
	exec(t, octal(t, OP_MX_READ_8S, 0, 4, 16, 2));
	exec(t, octal(t, OP_MX_READ_8D, 0, 4, 20, 2));
	KUNIT_EXPECT_EQ(test, 3, t->nor->flash.faults);
}

/* It comes back as it is after power on, and takes a moment. */
static void nor_reset_ends_octal(struct kunit *test)
{
	struct nor_test *t = test->priv;

	t->nor = nor_new_part(test, SIZE, NOR_MICRON);
	cmd(t, SPINOR_OP_EN4B);
	write_reg(t, OP_MT_WRREG, 1, 4, 20);
	write_reg(t, OP_MT_WRREG, 0, 4, 0xe7);
	octal_cmd(t, SPINOR_OP_WREN);
	octal_cmd(t, SPINOR_OP_SRSTEN);
	octal_cmd(t, SPINOR_OP_SRST);
	KUNIT_EXPECT_EQ(test, NOR_SPI, t->nor->proto);
	KUNIT_EXPECT_FALSE(test, t->nor->addr4);
	usleep_range(100, 200);
	KUNIT_EXPECT_EQ(test, 0, status(t));
	t->nor->mem[7] = 0x77;
	KUNIT_EXPECT_EQ(test, 0x77, read_with(t, SPINOR_OP_READ_FAST, 7, 3, 8, 1));
	KUNIT_EXPECT_EQ(test, 0, t->nor->flash.faults);

	t->nor->reset_done = ktime_add_ms(ktime_get(), 1000);
	status(t);
	KUNIT_EXPECT_EQ(test, 1, t->nor->flash.faults);
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
	KUNIT_CASE(nor_has_four_byte_commands),
	KUNIT_CASE(nor_has_bank_register),
	KUNIT_CASE(nor_busy_with_each_work),
	KUNIT_CASE(nor_erases_dice),
	KUNIT_CASE(nor_has_security_registers),
	KUNIT_CASE(nor_locks_for_ever),
	KUNIT_CASE(nor_register_switches_protocol),
	KUNIT_CASE(nor_talks_octal_dtr),
	KUNIT_CASE(nor_is_strict_in_octal_dtr),
	KUNIT_CASE(nor_talks_octal_str_and_dtr),
	KUNIT_CASE(nor_reset_ends_octal),
	{}
};

static struct kunit_suite nor_suite = {
	.name = "model_nor",
	.init = nor_test_init,
	.test_cases = nor_cases,
};

kunit_test_suite(nor_suite);
