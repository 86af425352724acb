// SPDX-License-Identifier: GPL-2.0-only
/*
 * Model of a SPI NOR flash, which no table of the kernel's has: its SFDP says what it
 * is. Programming clears bits, within a page; everything that changes something needs
 * WREN; busy means that nothing but the status is answered.
 */

#include <kunit/test.h>
#include <linux/bitfield.h>
#include <linux/log2.h>
#include <linux/mtd/spi-nor.h>
#include <linux/unaligned.h>
#include <linux/vmalloc.h>

#include "model.h"

/* Of no manufacturer that the kernel knows */
static const u8 nor_id[] = { 0x5c, 0x4d, 0x15, 0x01, 0x02, 0x03 };

#define NOR_BFPT		0x30
#define NOR_BFPT_DWORDS		16
#define NOR_DUMMY		8
#define NOR_4BYTE_MODES		(BIT(24) | BIT(14))

static void nor_busy(struct nor *nor)
{
	nor->sr &= ~NOR_SR_WEL;
	nor->busy = nor->busy_polls;
}

static bool nor_is_busy(struct nor *nor)
{
	return nor->busy || nor->hold_busy;
}

static void nor_status(struct nor *nor, struct flash_op *op)
{
	u8 sr = nor->sr | (nor_is_busy(nor) ? NOR_SR_WIP : 0);

	if (op->in)
		memset(op->in, sr, op->len);
	if (nor->busy)
		nor->busy--;
}

/* The number of address bytes must be what the flash expects, or it is out of step. */
static bool nor_addr(struct nor *nor, struct flash_op *op, unsigned int dummy)
{
	unsigned int nbytes = nor->addr4 ? 4 : 3;

	if (op->addr_nbytes != nbytes) {
		flash_fault(&nor->flash, "%#x with %u address bytes", op->opcode,
			    op->addr_nbytes);
		return false;
	}
	if (op->dummy != dummy) {
		flash_fault(&nor->flash, "%#x with %u dummy cycles", op->opcode, op->dummy);
		return false;
	}

	return true;
}

static void nor_read(struct nor *nor, struct flash_op *op, unsigned int dummy,
		     unsigned int lines)
{
	u8 *in = op->in;
	size_t i, n;

	if (!nor_addr(nor, op, dummy) || !in)
		return;
	if (op->data_width != lines) {
		flash_fault(&nor->flash, "%#x on %u lines", op->opcode, op->data_width);
		return;
	}
	if (lines == 4 && !(nor->sr & NOR_SR_QE)) {
		flash_fault(&nor->flash, "four lines are not enabled");
		return;
	}

	/* Addresses wrap at the end. */
	for (i = 0; i < op->len; i += n) {
		u32 addr = (op->addr + i) & (nor->size - 1);

		n = min_t(size_t, op->len - i, nor->size - addr);
		memcpy(in + i, nor->mem + addr, n);
	}
}

/* Without WREN nothing happens: a real flash does not even become busy. */
static bool nor_may_write(struct nor *nor, struct flash_op *op)
{
	if (nor->sr & NOR_SR_WEL)
		return true;

	flash_fault(&nor->flash, "%#x without write enable", op->opcode);
	return false;
}

static void nor_program(struct nor *nor, struct flash_op *op)
{
	const u8 *out = op->out;
	u32 page, i;

	if (!nor_addr(nor, op, 0) || !nor_may_write(nor, op) || !out)
		return;

	page = op->addr & (nor->size - 1) & ~(NOR_PAGE - 1);
	/* It wraps within the page. */
	for (i = 0; i < op->len; i++)
		nor->mem[page + ((op->addr + i) & (NOR_PAGE - 1))] &= out[i];
	nor_busy(nor);
}

static void nor_erase(struct nor *nor, struct flash_op *op, u32 size)
{
	u32 addr = op->addr & (nor->size - 1) & ~(size - 1);

	if (!nor_addr(nor, op, 0) || !nor_may_write(nor, op))
		return;

	memset(nor->mem + addr, 0xff, size);
	nor_busy(nor);
}

static void nor_exec(struct flash *flash, struct flash_op *op)
{
	struct nor *nor = container_of(flash, struct nor, flash);
	bool reset = nor->reset_enabled;

	nor->reset_enabled = false;
	if (op->opcode == SPINOR_OP_RDSR) {
		nor_status(nor, op);
		return;
	}
	if (nor_is_busy(nor)) {
		flash_fault(flash, "%#x while busy", op->opcode);
		return;
	}

	switch (op->opcode) {
	case SPINOR_OP_RDID:
		if (op->in)
			memcpy(op->in, nor_id, min(op->len, sizeof(nor_id)));
		break;
	case SPINOR_OP_RDSFDP:
		/* Always three bytes of address, and a byte that is ignored */
		if (op->addr_nbytes != 3 || op->dummy != NOR_DUMMY || !op->in)
			flash_fault(flash, "SFDP with %u address bytes, %u dummy cycles",
				    op->addr_nbytes, op->dummy);
		else if (op->addr < sizeof(nor->sfdp))
			memcpy(op->in, nor->sfdp + op->addr,
			       min_t(size_t, op->len, sizeof(nor->sfdp) - op->addr));
		break;
	case SPINOR_OP_READ:
		nor_read(nor, op, 0, 1);
		break;
	case SPINOR_OP_READ_FAST:
		nor_read(nor, op, NOR_DUMMY, 1);
		break;
	case SPINOR_OP_READ_1_1_2:
		nor_read(nor, op, NOR_DUMMY, 2);
		break;
	case SPINOR_OP_READ_1_1_4:
		nor_read(nor, op, NOR_DUMMY, 4);
		break;
	case SPINOR_OP_RDCR:
		/* There is nothing in it. */
		if (op->in)
			memset(op->in, 0, op->len);
		break;
	case SPINOR_OP_WREN:
		nor->sr |= NOR_SR_WEL;
		break;
	case SPINOR_OP_WRDI:
		nor->sr &= ~NOR_SR_WEL;
		break;
	case SPINOR_OP_WRSR:
		if (nor_may_write(nor, op) && op->out && op->len) {
			nor->sr = *(const u8 *)op->out & ~(NOR_SR_WEL | NOR_SR_WIP);
			nor_busy(nor);
		}
		break;
	case SPINOR_OP_PP:
		nor_program(nor, op);
		break;
	case SPINOR_OP_BE_4K:
		nor_erase(nor, op, NOR_SECTOR);
		break;
	case SPINOR_OP_SE:
		nor_erase(nor, op, NOR_BLOCK);
		break;
	case SPINOR_OP_CHIP_ERASE:
		if (nor_may_write(nor, op)) {
			memset(nor->mem, 0xff, nor->size);
			nor_busy(nor);
		}
		break;
	case SPINOR_OP_EN4B:
		nor->addr4 = true;
		break;
	case SPINOR_OP_EX4B:
		nor->addr4 = false;
		break;
	case SPINOR_OP_SRSTEN:
		nor->reset_enabled = true;
		break;
	case SPINOR_OP_SRST:
		if (!reset)
			break;
		nor->sr &= NOR_SR_QE;
		nor->addr4 = false;
		break;
	default:
		flash_fault(flash, "command %#x is not known", op->opcode);
	}
}

static void nor_set(struct nor *nor, unsigned int dword, u32 val)
{
	put_unaligned_le32(val, nor->sfdp + NOR_BFPT + 4 * (dword - 1));
}

static void nor_make_sfdp(struct nor *nor)
{
	/* Revision 1.6, no more than the one table that must be there */
	static const u8 header[] = {
		'S', 'F', 'D', 'P', 6, 1, 0, 0xff,
		0x00, 6, 1, NOR_BFPT_DWORDS, NOR_BFPT, 0, 0, 0xff,
	};

	memset(nor->sfdp, 0xff, sizeof(nor->sfdp));
	memcpy(nor->sfdp, header, sizeof(header));
	memset(nor->sfdp + NOR_BFPT, 0, 4 * NOR_BFPT_DWORDS);

	/* 4 KiB erase with 20h; reads 1-1-2 and 1-1-4; three bytes of address, or four */
	nor_set(nor, 1, BIT(0) | BIT(2) | SPINOR_OP_BE_4K << 8 | BIT(16) |
		(nor->size > SZ_16M ? BIT(17) : 0) | BIT(22));
	nor_set(nor, 2, nor->size * 8 - 1);
	nor_set(nor, 3, (u32)SPINOR_OP_READ_1_1_4 << 24 | NOR_DUMMY << 16);
	nor_set(nor, 4, SPINOR_OP_READ_1_1_2 << 8 | NOR_DUMMY);
	nor_set(nor, 8, (u32)SPINOR_OP_SE << 24 | ilog2(NOR_BLOCK) << 16 |
		SPINOR_OP_BE_4K << 8 | ilog2(NOR_SECTOR));
	nor_set(nor, 11, ilog2(NOR_PAGE) << 4);
	/* Quad enable is bit 6 of the status register. */
	nor_set(nor, 15, FIELD_PREP(GENMASK(22, 20), 2));
	/* B7h and E9h switch the number of address bytes. */
	nor_set(nor, 16, NOR_4BYTE_MODES);
}

/**
 * nor_announce_reset() - let SFDP say that 66h, 99h reset the flash
 * @nor:	it understands them in any case
 *
 * With this, spi-nor resets the flash when it is unbound.
 */
void nor_announce_reset(struct nor *nor)
{
	nor_set(nor, 16, NOR_4BYTE_MODES | BIT(12));
}

KUNIT_DEFINE_ACTION_WRAPPER(nor_vfree, vfree, const void *);

/**
 * nor_new() - a blank flash
 * @test:	that it is for; it goes with it
 * @size:	in bytes, a power of two
 */
struct nor *nor_new(struct kunit *test, u32 size)
{
	struct nor *nor = kunit_kzalloc(test, sizeof(*nor), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, nor);
	nor->mem = vmalloc(size);
	KUNIT_ASSERT_NOT_NULL(test, nor->mem);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, nor_vfree, nor->mem));
	memset(nor->mem, 0xff, size);
	nor->size = size;
	nor->busy_polls = 2;
	nor->flash.exec = nor_exec;
	nor_make_sfdp(nor);

	return nor;
}
