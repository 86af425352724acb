// SPDX-License-Identifier: GPL-2.0-only
/*
 * Model of a SPI NAND flash, with the identity of one that the kernel's tables have:
 * 1024 blocks of 64 pages of 2048 + 64 bytes, with error correction of its own. Pages
 * go through a cache; programming clears bits; blocks are locked after power on and
 * reset; a bad block has a marker in its first page.
 */

#include <kunit/test.h>
#include <linux/mtd/spinand.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "model.h"

/* W25N01GV, whose identity comes after a byte that is ignored */
static const u8 nand_id[] = { 0xef, 0xaa, 0x21 };

#define OP_RESET		0xff
#define OP_READ_ID		0x9f
#define OP_GET_FEATURE		0x0f
#define OP_SET_FEATURE		0x1f
#define OP_WRITE_ENABLE		0x06
#define OP_WRITE_DISABLE	0x04
#define OP_BLOCK_ERASE		0xd8
#define OP_PAGE_READ		0x13
#define OP_READ_CACHE		0x03
#define OP_READ_CACHE_FAST	0x0b
#define OP_LOAD			0x02
#define OP_LOAD_MORE		0x84
#define OP_EXECUTE		0x10

#define STATUS_WEL		BIT(1)
#define LOCKED			0x7c

static void nand_busy(struct nand *nand)
{
	nand->status &= ~STATUS_WEL;
	nand->busy = nand->busy_polls;
}

static bool nand_is_busy(struct nand *nand)
{
	return nand->busy || nand->hold_busy;
}

static void nand_reset(struct nand *nand)
{
	nand->status = 0;
	nand->lock = LOCKED;
	nand->cfg = CFG_ECC_ENABLE;
	memset(nand->cache, 0xff, sizeof(nand->cache));
	nand->busy = nand->busy_polls;
}

static u8 *nand_feature(struct nand *nand, u32 addr)
{
	switch (addr) {
	case REG_BLOCK_LOCK:
		return &nand->lock;
	case REG_CFG:
		return &nand->cfg;
	case REG_STATUS:
		return &nand->status;
	}
	flash_fault(&nand->flash, "feature %#x", addr);

	return NULL;
}

static void nand_get_feature(struct nand *nand, struct flash_op *op)
{
	u8 *reg = nand_feature(nand, op->addr);
	u8 val;

	if (!reg || !op->in)
		return;

	val = *reg;
	if (op->addr == REG_STATUS) {
		if (nand_is_busy(nand))
			val |= STATUS_BUSY;
		if (nand->busy)
			nand->busy--;
	}
	memset(op->in, val, op->len);
}

static void nand_set_feature(struct nand *nand, struct flash_op *op)
{
	u8 *reg = nand_feature(nand, op->addr);

	if (reg && op->out && op->len && op->addr != REG_STATUS)
		*reg = *(const u8 *)op->out;
}

/* The page that a command is about, or NULL after a fault */
static u8 **nand_row(struct nand *nand, struct flash_op *op)
{
	if (op->addr_nbytes == 3 && op->addr < NAND_PAGES)
		return &nand->pages[op->addr];

	flash_fault(&nand->flash, "%#x with %u address bytes, page %#x", op->opcode,
		    op->addr_nbytes, op->addr);
	return NULL;
}

static void nand_page_read(struct nand *nand, struct flash_op *op)
{
	u8 **page = nand_row(nand, op);

	if (!page)
		return;

	if (*page)
		memcpy(nand->cache, *page, NAND_RAW);
	else
		memset(nand->cache, 0xff, NAND_RAW);
	nand->status &= ~STATUS_ECC_MASK;
	if (nand->cfg & CFG_ECC_ENABLE && op->addr == nand->weak_page)
		nand->status |= nand->weak_status;
	nand_busy(nand);
}

static bool nand_column(struct nand *nand, struct flash_op *op, unsigned int dummy)
{
	if (op->addr_nbytes == 2 && op->addr + op->len <= NAND_RAW && op->dummy == dummy)
		return true;

	flash_fault(&nand->flash, "%#x at %#x: %u address bytes, %u dummy cycles", op->opcode,
		    op->addr, op->addr_nbytes, op->dummy);
	return false;
}

/* Whether the contents may be changed; it says so when they may not. */
static bool nand_may_write(struct nand *nand, struct flash_op *op, u8 failure)
{
	nand->status &= ~(STATUS_ERASE_FAILED | STATUS_PROG_FAILED);
	if (!(nand->status & STATUS_WEL)) {
		flash_fault(&nand->flash, "%#x without write enable", op->opcode);
		return false;
	}
	if (!nand->lock)
		return true;

	nand->status |= failure;
	nand_busy(nand);
	return false;
}

static void nand_execute(struct nand *nand, struct flash_op *op)
{
	u8 **page = nand_row(nand, op);
	unsigned int i;

	if (!page || !nand_may_write(nand, op, STATUS_PROG_FAILED))
		return;

	if (!*page) {
		*page = kmalloc(NAND_RAW, GFP_ATOMIC);
		if (!*page) {
			flash_fault(&nand->flash, "out of memory");
			return;
		}
		memset(*page, 0xff, NAND_RAW);
	}
	for (i = 0; i < NAND_RAW; i++)
		(*page)[i] &= nand->cache[i];
	nand_busy(nand);
}

static void nand_erase(struct nand *nand, struct flash_op *op)
{
	u8 **page = nand_row(nand, op);
	unsigned int i;

	if (!page || !nand_may_write(nand, op, STATUS_ERASE_FAILED))
		return;

	page = &nand->pages[op->addr / NAND_BLOCK_PAGES * NAND_BLOCK_PAGES];
	for (i = 0; i < NAND_BLOCK_PAGES; i++) {
		kfree(page[i]);
		page[i] = NULL;
	}
	nand_busy(nand);
}

static void nand_exec(struct flash *flash, struct flash_op *op)
{
	struct nand *nand = container_of(flash, struct nand, flash);

	if (nand_is_busy(nand) && op->opcode != OP_GET_FEATURE && op->opcode != OP_RESET) {
		flash_fault(flash, "%#x while busy", op->opcode);
		return;
	}

	switch (op->opcode) {
	case OP_RESET:
		nand_reset(nand);
		break;
	case OP_READ_ID:
		/* The byte that is ignored is address or dummy, or else comes with them. */
		if (op->in && op->addr_nbytes * 8 + op->dummy == 8)
			memcpy(op->in, nand_id, min(op->len, sizeof(nand_id)));
		else if (op->in && op->len)
			memcpy(op->in + 1, nand_id, min(op->len - 1, sizeof(nand_id)));
		break;
	case OP_GET_FEATURE:
		nand_get_feature(nand, op);
		break;
	case OP_SET_FEATURE:
		nand_set_feature(nand, op);
		break;
	case OP_WRITE_ENABLE:
		nand->status |= STATUS_WEL;
		break;
	case OP_WRITE_DISABLE:
		nand->status &= ~STATUS_WEL;
		break;
	case OP_PAGE_READ:
		nand_page_read(nand, op);
		break;
	case OP_READ_CACHE:
	case OP_READ_CACHE_FAST:
		if (nand_column(nand, op, 8) && op->in)
			memcpy(op->in, nand->cache + op->addr, op->len);
		break;
	case OP_LOAD:
		memset(nand->cache, 0xff, sizeof(nand->cache));
		fallthrough;
	case OP_LOAD_MORE:
		if (nand_column(nand, op, 0) && op->out)
			memcpy(nand->cache + op->addr, op->out, op->len);
		break;
	case OP_EXECUTE:
		nand_execute(nand, op);
		break;
	case OP_BLOCK_ERASE:
		nand_erase(nand, op);
		break;
	default:
		flash_fault(flash, "command %#x is not known", op->opcode);
	}
}

static void nand_free(void *data)
{
	struct nand *nand = data;
	unsigned int i;

	for (i = 0; i < NAND_PAGES; i++)
		kfree(nand->pages[i]);
	vfree(nand->pages);
}

/**
 * nand_new() - a blank flash
 * @test:	that it is for; it goes with it
 */
struct nand *nand_new(struct kunit *test)
{
	struct nand *nand = kunit_kzalloc(test, sizeof(*nand), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, nand);
	nand->pages = vzalloc(NAND_PAGES * sizeof(*nand->pages));
	KUNIT_ASSERT_NOT_NULL(test, nand->pages);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, nand_free, nand));
	nand->flash.exec = nand_exec;
	nand->busy_polls = 2;
	nand->weak_page = NAND_PAGES;
	nand_reset(nand);

	return nand;
}

/* What a page has, or NULL if it is erased */
const u8 *nand_page(struct nand *nand, u32 page)
{
	return nand->pages[page];
}
