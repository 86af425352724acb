// SPDX-License-Identifier: GPL-2.0-only
/*
 * Model of SPI NOR flashes: see enum nor_part. Programming clears bits, within a page;
 * everything that changes something needs WREN; busy means that nothing but the status
 * is answered; what does not come by the protocol that the flash is in is a fault.
 */

#include <kunit/test.h>
#include <linux/bitfield.h>
#include <linux/log2.h>
#include <linux/mtd/spi-nor.h>
#include <linux/unaligned.h>
#include <linux/vmalloc.h>

#include "model.h"

#define NOR_DUMMY		8
/* What resetting takes, in microseconds; drivers wait for 200. */
#define NOR_RESET_US		40

/* Micron's and Macronix's own commands and registers */
#define OP_MT_RDFSR		0x70
#define OP_MT_CLFSR		0x50
#define OP_MT_READ_8D		0xfd
#define OP_MT_RDREG		0x85
#define OP_MT_WRREG		0x81
#define OP_MX_RDCR2		0x71
#define OP_MX_WRCR2		0x72
#define OP_MX_READ_8S		0xec
#define OP_MX_READ_8D		0xee
#define MT_FSR_READY		BIT(7)
#define MT_REG_PROTO		0
#define MT_REG_DUMMY		1
#define MT_PROTO_SPI		0xff
#define MT_PROTO_OCTAL_DTR	0xe7
#define MT_DUMMY_DEFAULT	0x1f
#define MX_REG_PROTO		0
#define MX_REG_DUMMY		0x300
#define MX_PROTO_OCTAL_STR	1
#define MX_PROTO_OCTAL_DTR	2

#define SR2_LOCKS		(SR2_LB1 | SR2_LB2 | SR2_LB3)

/* SFDP: where its tables are, and how long in 32-bit words */
#define BFPT			0x40
#define BFPT_OLD		16
#define BFPT_NEW		20
#define FOUR_BYTE		0x90
#define FOUR_BYTE_DWORDS	2
#define PROFILE1		0xa0
#define PROFILE1_DWORDS		5
#define SCCR			0xc0
#define SCCR_DWORDS		22
#define MODES_4BYTE		(BIT(24) | BIT(14))
#define SOFT_RESET		BIT(12)

#define PLAIN			BIT(NOR_PLAIN)
#define WINBOND			BIT(NOR_WINBOND)
#define MICRON			(BIT(NOR_MICRON) | BIT(NOR_MICRON_TWO_DICE))
#define TWO_DICE		BIT(NOR_MICRON_TWO_DICE)
#define MACRONIX		BIT(NOR_MACRONIX)
#define OCTAL			(MICRON | MACRONIX)
#define ALL			(PLAIN | WINBOND | OCTAL)

enum nor_action {
	READ_ID,
	READ_SFDP,
	READ_STATUS,
	READ_STATUS2,
	READ_NOTHING,
	READ_FLAGS,
	CLEAR_FLAGS,
	WRITE_STATUS,
	WRITE_ENABLE,
	WRITE_DISABLE,
	READ_DATA,
	PROGRAM_DATA,
	ERASE_4K,
	ERASE_64K,
	ERASE_DIE,
	ERASE_CHIP,
	ENTER_4BYTE,
	EXIT_4BYTE,
	WRITE_BANK,
	RESET_ENABLE,
	RESET,
	READ_REG,
	WRITE_REG,
	READ_SECURITY,
	PROGRAM_SECURITY,
	ERASE_SECURITY,
};

#define STR			BIT(NOR_OCTAL_STR)
#define DTR			BIT(NOR_OCTAL_DTR)

/* Number of address bytes: that of the mode that the flash is in */
#define BY_MODE			0xff

/**
 * struct nor_command - what a flash knows
 * @opcode:	of the command
 * @action:	what it does
 * @parts:	which have it
 * @addr:	address bytes while the protocol is single SPI; always 4 in the others
 * @dummy:	dummy cycles, likewise
 * @lines:	lines of data, likewise; the address comes on one
 * @octal:	octal protocols in which it exists
 */
struct nor_command {
	u8 opcode;
	enum nor_action action;
	unsigned int parts;
	u8 addr;
	u8 dummy;
	u8 lines;
	u8 octal;
};

static const struct nor_command nor_commands[] = {
	{ SPINOR_OP_RDID, READ_ID, ALL, 0, 0, 1, STR | DTR },
	{ SPINOR_OP_RDSFDP, READ_SFDP, ALL, 3, NOR_DUMMY, 1 },
	{ SPINOR_OP_RDSR, READ_STATUS, ALL, 0, 0, 1, STR | DTR },
	{ SPINOR_OP_RDCR, READ_STATUS2, PLAIN | WINBOND, 0, 0, 1 },
	/* It has no such register, but spi_nor_cache_sr_lock_bits() asks for it. */
	{ SPINOR_OP_RDCR, READ_NOTHING, MICRON, 0, 0, 1 },
	{ OP_MT_RDFSR, READ_FLAGS, MICRON, 0, 0, 1, STR | DTR },
	{ OP_MT_CLFSR, CLEAR_FLAGS, MICRON, 0, 0, 1, STR | DTR },
	{ SPINOR_OP_WRSR, WRITE_STATUS, ALL, 0, 0, 1, STR | DTR },
	{ SPINOR_OP_WREN, WRITE_ENABLE, ALL, 0, 0, 1, STR | DTR },
	{ SPINOR_OP_WRDI, WRITE_DISABLE, ALL, 0, 0, 1, STR | DTR },
	{ SPINOR_OP_READ, READ_DATA, ALL, BY_MODE, 0, 1 },
	{ SPINOR_OP_READ_FAST, READ_DATA, ALL, BY_MODE, NOR_DUMMY, 1 },
	{ SPINOR_OP_READ_1_1_2, READ_DATA, ALL, BY_MODE, NOR_DUMMY, 2 },
	{ SPINOR_OP_READ_1_1_4, READ_DATA, ALL, BY_MODE, NOR_DUMMY, 4 },
	{ SPINOR_OP_READ_1_1_8, READ_DATA, OCTAL, BY_MODE, NOR_DUMMY, 8 },
	{ SPINOR_OP_READ_4B, READ_DATA, OCTAL, 4, 0, 1 },
	{ SPINOR_OP_READ_FAST_4B, READ_DATA, OCTAL, 4, NOR_DUMMY, 1 },
	{ SPINOR_OP_READ_1_1_2_4B, READ_DATA, OCTAL, 4, NOR_DUMMY, 2 },
	{ SPINOR_OP_READ_1_1_4_4B, READ_DATA, OCTAL, 4, NOR_DUMMY, 4 },
	{ SPINOR_OP_READ_1_1_8_4B, READ_DATA, OCTAL, 4, NOR_DUMMY, 8 },
	/* lines 0: there is no such command in single SPI. */
	{ OP_MT_READ_8D, READ_DATA, MICRON, 4, NOR_DUMMY, 0, DTR },
	{ OP_MX_READ_8S, READ_DATA, MACRONIX, 4, NOR_DUMMY, 0, STR },
	{ OP_MX_READ_8D, READ_DATA, MACRONIX, 4, NOR_DUMMY, 0, DTR },
	{ SPINOR_OP_PP, PROGRAM_DATA, ALL, BY_MODE, 0, 1 },
	{ SPINOR_OP_PP_4B, PROGRAM_DATA, OCTAL, 4, 0, 1, STR | DTR },
	{ SPINOR_OP_PP_1_1_4_4B, PROGRAM_DATA, OCTAL, 4, 0, 4 },
	{ SPINOR_OP_BE_4K, ERASE_4K, ALL, BY_MODE, 0, 1 },
	{ SPINOR_OP_BE_4K_4B, ERASE_4K, OCTAL, 4, 0, 1, STR | DTR },
	{ SPINOR_OP_SE, ERASE_64K, ALL, BY_MODE, 0, 1 },
	{ SPINOR_OP_SE_4B, ERASE_64K, OCTAL, 4, 0, 1, STR | DTR },
	/* What has dice cannot erase all of them at once. */
	{ SPINOR_OP_CHIP_ERASE, ERASE_CHIP, ALL & ~TWO_DICE, 0, 0, 1, STR | DTR },
	{ NOR_OP_DIE_ERASE, ERASE_DIE, TWO_DICE, BY_MODE, 0, 1, STR | DTR },
	{ SPINOR_OP_EN4B, ENTER_4BYTE, ALL, 0, 0, 1, STR | DTR },
	{ SPINOR_OP_EX4B, EXIT_4BYTE, ALL, 0, 0, 1, STR | DTR },
	{ SPINOR_OP_BRWR, WRITE_BANK, PLAIN, 0, 0, 1 },
	{ SPINOR_OP_SRSTEN, RESET_ENABLE, ALL, 0, 0, 1, STR | DTR },
	{ SPINOR_OP_SRST, RESET, ALL, 0, 0, 1, STR | DTR },
	{ OP_MT_RDREG, READ_REG, MICRON, BY_MODE, NOR_DUMMY, 1, STR | DTR },
	{ OP_MT_WRREG, WRITE_REG, MICRON, BY_MODE, 0, 1, STR | DTR },
	{ OP_MX_RDCR2, READ_REG, MACRONIX, 4, 0, 1, STR | DTR },
	{ OP_MX_WRCR2, WRITE_REG, MACRONIX, 4, 0, 1, STR | DTR },
	{ SPINOR_OP_RSECR, READ_SECURITY, WINBOND, BY_MODE, NOR_DUMMY, 1 },
	{ SPINOR_OP_PSECR, PROGRAM_SECURITY, WINBOND, BY_MODE, 0, 1 },
	{ SPINOR_OP_ESECR, ERASE_SECURITY, WINBOND, BY_MODE, 0, 1 },
};

/* The plain one is of no manufacturer that the kernel knows. */
static const u8 nor_ids[][NOR_ID] = {
	[NOR_PLAIN] = { 0x5c, 0x4d, 0x15, 0x01, 0x02, 0x03 },
	[NOR_WINBOND] = { 0xef, 0x60, 0x20, 0x00, 0x00, 0x00 },
	[NOR_MICRON] = { 0x2c, 0x5b, 0x1a, 0x10, 0x41, 0x04 },
	[NOR_MICRON_TWO_DICE] = { 0x2c, 0x5b, 0x1b, 0x10, 0x41, 0x04 },
	[NOR_MACRONIX] = { 0xc2, 0x80, 0x15, 0xc2, 0x80, 0x15 },
};

static bool nor_is(struct nor *nor, unsigned int parts)
{
	return BIT(nor->part) & parts;
}

static void nor_busy(struct nor *nor, enum nor_work work)
{
	nor->sr &= ~NOR_SR_WEL;
	nor->busy = nor->busy_polls[work];
	if (nor->hold_at & BIT(work))
		nor->hold_busy = true;
}

static bool nor_is_busy(struct nor *nor)
{
	return nor->busy || nor->hold_busy;
}

static void nor_reset(struct nor *nor)
{
	/* What is not volatile, and this */
	nor->sr &= NOR_SR_QE;
	nor->addr4 = false;
	nor->proto = NOR_SPI;
	nor->dummy_reg = nor_is(nor, MICRON) ? MT_DUMMY_DEFAULT : 0;
}

/* Dummy cycles of reads, as the register says that the kernel writes */
static unsigned int nor_read_dummy(struct nor *nor, const struct nor_command *cmd)
{
	if (nor_is(nor, MICRON) && nor->dummy_reg != MT_DUMMY_DEFAULT)
		return nor->dummy_reg;
	if (nor->proto == NOR_SPI)
		return cmd->dummy;

	return nor_is(nor, MICRON) ? 16 : 20 - 2 * (nor->dummy_reg & 7);
}

/* What address bytes, dummy cycles and lines the flash expects now */
static void nor_format(struct nor *nor, const struct nor_command *cmd, struct flash_op *want)
{
	*want = (struct flash_op) { .addr_nbytes = cmd->addr, .dummy = cmd->dummy };
	if (cmd->action == READ_DATA && cmd->dummy)
		want->dummy = nor_read_dummy(nor, cmd);
	if (nor->proto == NOR_SPI) {
		if (cmd->addr == BY_MODE)
			want->addr_nbytes = nor->addr4 ? 4 : 3;
		want->cmd_width = 1;
		want->addr_width = 1;
		want->data_width = cmd->lines;
		return;
	}

	want->cmd_width = 8;
	want->addr_width = 8;
	want->data_width = 8;
	want->dtr = nor->proto == NOR_OCTAL_DTR;
	if (cmd->addr)
		want->addr_nbytes = 4;
	switch (cmd->action) {
	case READ_ID:
	case READ_STATUS:
	case READ_FLAGS:
	case READ_REG:
		want->dummy = nor_is(nor, MICRON) ? 8 : 4;
		if (nor_is(nor, MACRONIX))
			want->addr_nbytes = 4;
		break;
	default:
		break;
	}
}

/* If anything of this is not as the flash expects, it is out of step. */
static bool nor_understands(struct nor *nor, const struct nor_command *cmd,
			    struct flash_op *op)
{
	struct flash *flash = &nor->flash;
	struct flash_op want;

	nor_format(nor, cmd, &want);
	if (op->addr_nbytes != want.addr_nbytes)
		flash_fault(flash, "%#x with %u address bytes", op->opcode, op->addr_nbytes);
	else if (op->dummy != want.dummy)
		flash_fault(flash, "%#x with %u dummy cycles", op->opcode, op->dummy);
	else if (op->addr_nbytes && op->addr_width != want.addr_width)
		flash_fault(flash, "%#x, address on %u lines", op->opcode, op->addr_width);
	else if (op->len && op->data_width != want.data_width)
		flash_fault(flash, "%#x on %u lines", op->opcode, op->data_width);
	else if (want.dtr && (op->addr % 2 || op->len % 2))
		flash_fault(flash, "%#x of half a word", op->opcode);
	else if (want.data_width == 4 && nor_is(nor, PLAIN) && !(nor->sr & NOR_SR_QE))
		flash_fault(flash, "four lines are not enabled");
	else if (want.data_width == 4 && nor_is(nor, WINBOND) &&
		 !(nor->sr2 & SR2_QUAD_EN_BIT1))
		flash_fault(flash, "four lines are not enabled");
	else
		return true;

	return false;
}

/* In an octal protocol commands have a second byte, which says that it is no accident. */
static bool nor_hears(struct nor *nor, struct flash_op *op)
{
	bool octal = nor->proto != NOR_SPI;
	u8 ext = nor_is(nor, MACRONIX) ? ~op->opcode : op->opcode;

	if (op->cmd_width == (octal ? 8 : 1) && op->has_ext == octal &&
	    (!octal || op->ext == ext) && op->dtr == (nor->proto == NOR_OCTAL_DTR))
		return true;

	flash_fault(&nor->flash, "%#x%s, %u lines%s, in another protocol than the flash's",
		    op->opcode, op->has_ext ? " and another byte" : "", op->cmd_width,
		    op->dtr ? ", DTR" : "");
	return false;
}

static const struct nor_command *nor_command(struct nor *nor, u8 opcode)
{
	const struct nor_command *cmd;

	for (cmd = nor_commands; cmd < nor_commands + ARRAY_SIZE(nor_commands); cmd++)
		if (cmd->opcode == opcode && cmd->parts & BIT(nor->part) &&
		    (nor->proto == NOR_SPI ? cmd->lines : cmd->octal & BIT(nor->proto)))
			return cmd;

	return NULL;
}

static void nor_fill(struct flash_op *op, u8 val)
{
	if (op->in)
		memset(op->in, val, op->len);
}

/* Macronix's comes twice when it comes at double rate. */
static void nor_id(struct nor *nor, struct flash_op *op)
{
	unsigned int times = nor_is(nor, MACRONIX) && nor->proto == NOR_OCTAL_DTR ? 2 : 1;
	u8 *in = op->in;
	size_t i;

	for (i = 0; in && i < op->len && i < times * NOR_ID; i++)
		in[i] = nor_ids[nor->part][i / times];
}

static void nor_sfdp(struct nor *nor, struct flash_op *op)
{
	if (op->in && op->addr < sizeof(nor->sfdp))
		memcpy(op->in, nor->sfdp + op->addr,
		       min_t(size_t, op->len, sizeof(nor->sfdp) - op->addr));
}

static void nor_read(struct nor *nor, struct flash_op *op)
{
	u8 *in = op->in;
	size_t i, n;

	/* Addresses wrap at the end. */
	for (i = 0; in && i < op->len; i += n) {
		u32 addr = (op->addr + i) & (nor->size - 1);

		n = min_t(size_t, op->len - i, nor->size - addr);
		memcpy(in + i, nor->mem + addr, n);
	}
}

static void nor_program(struct nor *nor, struct flash_op *op, u8 *page)
{
	const u8 *out = op->out;
	u32 i;

	/* It wraps within the page. */
	for (i = 0; out && i < op->len; i++)
		page[(op->addr + i) & (NOR_PAGE - 1)] &= out[i];
	nor_busy(nor, NOR_PROGRAM);
}

static void nor_erase(struct nor *nor, struct flash_op *op, u32 size, enum nor_work work)
{
	memset(nor->mem + (op->addr & (nor->size - 1) & ~(size - 1)), 0xff, size);
	nor_busy(nor, work);
}

/* The second byte, where there is one: its locks stay for ever. */
static void nor_write_status(struct nor *nor, struct flash_op *op)
{
	const u8 *out = op->out;

	if (!out || !op->len || op->len > (nor_is(nor, WINBOND) ? 2 : 1 + op->dtr)) {
		flash_fault(&nor->flash, "%zu bytes of status", op->len);
		return;
	}

	nor->sr = out[0] & ~(NOR_SR_WEL | NOR_SR_WIP);
	if (nor_is(nor, WINBOND) && op->len > 1)
		nor->sr2 = out[1] | (nor->sr2 & SR2_LOCKS);
	nor_busy(nor, NOR_WRITE_STATUS);
}

static u8 nor_reg(struct nor *nor, u32 reg)
{
	if (reg == (nor_is(nor, MICRON) ? MT_REG_DUMMY : MX_REG_DUMMY))
		return nor->dummy_reg;
	if (reg == MT_REG_PROTO && nor_is(nor, MICRON))
		return nor->proto == NOR_OCTAL_DTR ? MT_PROTO_OCTAL_DTR : MT_PROTO_SPI;
	if (reg == MX_REG_PROTO && nor->proto == NOR_OCTAL_DTR)
		return MX_PROTO_OCTAL_DTR;
	if (reg == MX_REG_PROTO && nor->proto == NOR_OCTAL_STR)
		return MX_PROTO_OCTAL_STR;

	return 0;
}

static void nor_set_proto(struct nor *nor, u8 val)
{
	bool micron = nor_is(nor, MICRON);

	if (val == (micron ? MT_PROTO_OCTAL_DTR : MX_PROTO_OCTAL_DTR))
		nor->proto = NOR_OCTAL_DTR;
	else if (val == MX_PROTO_OCTAL_STR && !micron)
		nor->proto = NOR_OCTAL_STR;
	else if (val == (micron ? MT_PROTO_SPI : 0))
		nor->proto = NOR_SPI;
	else
		flash_fault(&nor->flash, "there is no protocol %#x", val);
}

/* They are volatile, and written at once. */
static void nor_write_regs(struct nor *nor, struct flash_op *op)
{
	const u8 *out = op->out;
	size_t i;

	nor->sr &= ~NOR_SR_WEL;
	for (i = 0; out && i < op->len; i++) {
		u32 reg = op->addr + i;

		if (reg == MT_REG_PROTO || reg == MX_REG_PROTO)
			nor_set_proto(nor, out[i]);
		else if (reg == (nor_is(nor, MICRON) ? MT_REG_DUMMY : MX_REG_DUMMY))
			nor->dummy_reg = out[i];
	}
}

/* Of three registers of a page, the first is at 1000h. */
static u8 *nor_security(struct nor *nor, struct flash_op *op)
{
	u32 i = (op->addr >> 12) - 1;

	if (i < NOR_SECURITY && !(op->addr & 0xf00))
		return nor->security[i];

	flash_fault(&nor->flash, "no security register at %#x", op->addr);
	return NULL;
}

static u8 *nor_open_security(struct nor *nor, struct flash_op *op)
{
	u8 *reg = nor_security(nor, op);

	if (!reg || !(nor->sr2 & SR2_LB1 << ((op->addr >> 12) - 1)))
		return reg;

	flash_fault(&nor->flash, "security register %#x is locked", op->addr);
	return NULL;
}

static void nor_read_security(struct nor *nor, struct flash_op *op)
{
	u8 *reg = nor_security(nor, op), *in = op->in;
	size_t i;

	for (i = 0; reg && in && i < op->len; i++)
		in[i] = reg[(op->addr + i) & (NOR_PAGE - 1)];
}

/* Without WREN nothing happens: a real flash does not even become busy. */
static bool nor_may_write(struct nor *nor, const struct nor_command *cmd)
{
	switch (cmd->action) {
	case WRITE_STATUS:
	case WRITE_REG:
	case PROGRAM_DATA:
	case PROGRAM_SECURITY:
	case ERASE_4K:
	case ERASE_64K:
	case ERASE_DIE:
	case ERASE_CHIP:
	case ERASE_SECURITY:
		break;
	default:
		return true;
	}
	if (nor->sr & NOR_SR_WEL)
		return true;

	flash_fault(&nor->flash, "%#x without write enable", cmd->opcode);
	return false;
}

static void nor_do(struct nor *nor, const struct nor_command *cmd, struct flash_op *op,
		   bool reset)
{
	u8 *reg;

	switch (cmd->action) {
	case READ_ID:
		nor_id(nor, op);
		break;
	case READ_SFDP:
		nor_sfdp(nor, op);
		break;
	case READ_STATUS:
		nor_fill(op, nor->sr | (nor_is_busy(nor) ? NOR_SR_WIP : 0));
		if (nor->busy)
			nor->busy--;
		break;
	case READ_STATUS2:
		nor_fill(op, nor->sr2);
		break;
	case READ_NOTHING:
		/* Nobody drives the line. */
		nor_fill(op, 0xff);
		break;
	case READ_FLAGS:
		nor_fill(op, nor_is_busy(nor) ? 0 : MT_FSR_READY);
		break;
	case CLEAR_FLAGS:
		break;
	case WRITE_STATUS:
		nor_write_status(nor, op);
		break;
	case WRITE_ENABLE:
		nor->sr |= NOR_SR_WEL;
		break;
	case WRITE_DISABLE:
		nor->sr &= ~NOR_SR_WEL;
		break;
	case READ_DATA:
		nor_read(nor, op);
		break;
	case PROGRAM_DATA:
		nor_program(nor, op, nor->mem + (op->addr & (nor->size - 1) & ~(NOR_PAGE - 1)));
		break;
	case ERASE_4K:
		nor_erase(nor, op, NOR_SECTOR, NOR_ERASE_4K);
		break;
	case ERASE_64K:
		nor_erase(nor, op, NOR_BLOCK, NOR_ERASE_64K);
		break;
	case ERASE_DIE:
		nor_erase(nor, op, nor->size / 2, NOR_ERASE_DIE);
		break;
	case ERASE_CHIP:
		nor_erase(nor, op, nor->size, NOR_ERASE_DIE);
		break;
	case ENTER_4BYTE:
		nor->addr4 = true;
		break;
	case EXIT_4BYTE:
		nor->addr4 = false;
		break;
	case WRITE_BANK:
		if (op->out && op->len)
			nor->addr4 = *(const u8 *)op->out & BIT(7);
		break;
	case RESET_ENABLE:
		nor->reset_enabled = true;
		break;
	case RESET:
		if (!reset)
			break;
		nor_reset(nor);
		nor->reset_done = ktime_add_us(ktime_get(), NOR_RESET_US);
		break;
	case READ_REG:
		nor_fill(op, nor_reg(nor, op->addr));
		break;
	case WRITE_REG:
		nor_write_regs(nor, op);
		break;
	case READ_SECURITY:
		nor_read_security(nor, op);
		break;
	case PROGRAM_SECURITY:
		reg = nor_open_security(nor, op);
		if (reg)
			nor_program(nor, op, reg);
		break;
	case ERASE_SECURITY:
		reg = nor_open_security(nor, op);
		if (!reg)
			break;
		memset(reg, 0xff, NOR_PAGE);
		nor_busy(nor, NOR_ERASE_4K);
		break;
	}
}

static void nor_exec(struct flash *flash, struct flash_op *op)
{
	struct nor *nor = container_of(flash, struct nor, flash);
	const struct nor_command *cmd;
	bool reset = nor->reset_enabled;

	nor->reset_enabled = false;
	if (ktime_before(ktime_get(), nor->reset_done)) {
		flash_fault(flash, "%#x while it resets", op->opcode);
		return;
	}
	if (!nor_hears(nor, op))
		return;
	cmd = nor_command(nor, op->opcode);
	if (!cmd) {
		flash_fault(flash, "command %#x is not known", op->opcode);
		return;
	}
	if (!nor_understands(nor, cmd, op))
		return;
	if (nor_is_busy(nor) && cmd->action != READ_STATUS && cmd->action != READ_FLAGS) {
		flash_fault(flash, "%#x while busy", op->opcode);
		return;
	}
	if (nor_may_write(nor, cmd))
		nor_do(nor, cmd, op, reset);
}

/* SFDP */

static void nor_put(struct nor *nor, unsigned int table, unsigned int dword, u32 val)
{
	put_unaligned_le32(val, nor->sfdp + table + 4 * (dword - 1));
}

static void nor_add_table(struct nor *nor, unsigned int i, u16 id, unsigned int at,
			  unsigned int dwords)
{
	u8 *header = nor->sfdp + 8 + 8 * i;

	header[0] = id;
	header[1] = id == 0xff00 ? 6 : 0;
	header[2] = 1;
	header[3] = dwords;
	header[4] = at;
	header[5] = at >> 8;
	header[6] = 0;
	header[7] = id >> 8;
	nor->sfdp[6] = i;
	memset(nor->sfdp + at, 0, 4 * dwords);
}

/* What the octal ones have: commands with four bytes of address, and xSPI's profile */
static void nor_make_octal_sfdp(struct nor *nor)
{
	bool micron = nor_is(nor, MICRON);

	/* 1-1-8 reads; whether the second byte of commands repeats or inverts the first */
	nor_put(nor, BFPT, 17, (u32)SPINOR_OP_READ_1_1_8 << 24 | NOR_DUMMY << 16);
	nor_put(nor, BFPT, 18, FIELD_PREP(GENMASK(30, 29), !micron));

	nor_add_table(nor, 1, 0xff84, FOUR_BYTE, FOUR_BYTE_DWORDS);
	/* Reads 1-1-1, fast, 1-1-2, 1-1-4 and 1-1-8; programs 1-1-1, 1-1-4; two erases */
	nor_put(nor, FOUR_BYTE, 1, BIT(0) | BIT(1) | BIT(2) | BIT(4) | BIT(20) | BIT(6) |
		BIT(7) | BIT(9) | BIT(10));
	nor_put(nor, FOUR_BYTE, 2, SPINOR_OP_SE_4B << 8 | SPINOR_OP_BE_4K_4B);

	nor_add_table(nor, 2, 0xff05, PROFILE1, PROFILE1_DWORDS);
	/* The status wants address bytes, or more dummy cycles. */
	nor_put(nor, PROFILE1, 1, (micron ? BIT(28) | OP_MT_READ_8D << 8 :
				   BIT(29) | OP_MX_READ_8D << 8));
	/* Dummy cycles of reads at the highest frequency */
	nor_put(nor, PROFILE1, 4, FIELD_PREP(GENMASK(11, 7), micron ? 20 : 16));

	/* A volatile register switches to octal DTR. */
	nor_add_table(nor, 3, 0xff87, SCCR, SCCR_DWORDS);
	nor_put(nor, SCCR, 22, BIT(31));
}

static void nor_make_sfdp(struct nor *nor)
{
	bool octal = nor_is(nor, OCTAL);
	u32 quad_enable = 0;

	memset(nor->sfdp, 0xff, sizeof(nor->sfdp));
	/* Revision 1.6 */
	memcpy(nor->sfdp, "SFDP\6\1", 6);
	nor_add_table(nor, 0, 0xff00, BFPT, octal ? BFPT_NEW : BFPT_OLD);

	/* 4 KiB erase with 20h; reads 1-1-2 and 1-1-4; three bytes of address, or four */
	nor_put(nor, BFPT, 1, BIT(0) | BIT(2) | SPINOR_OP_BE_4K << 8 | BIT(16) |
		(nor->size > SZ_16M || octal ? BIT(17) : 0) | BIT(22));
	nor_put(nor, BFPT, 2, nor->size * 8 - 1);
	nor_put(nor, BFPT, 3, (u32)SPINOR_OP_READ_1_1_4 << 24 | NOR_DUMMY << 16);
	nor_put(nor, BFPT, 4, SPINOR_OP_READ_1_1_2 << 8 | NOR_DUMMY);
	nor_put(nor, BFPT, 8, (u32)SPINOR_OP_SE << 24 | ilog2(NOR_BLOCK) << 16 |
		SPINOR_OP_BE_4K << 8 | ilog2(NOR_SECTOR));
	nor_put(nor, BFPT, 11, ilog2(NOR_PAGE) << 4);
	/* Quad enable is bit 6 of the status register, or bit 1 of the second. */
	if (nor_is(nor, PLAIN))
		quad_enable = 2;
	else if (nor_is(nor, WINBOND))
		quad_enable = 5;
	nor_put(nor, BFPT, 15, FIELD_PREP(GENMASK(22, 20), quad_enable));
	/* B7h and E9h switch the number of address bytes. */
	nor_put(nor, BFPT, 16, MODES_4BYTE);
	if (octal) {
		nor_make_octal_sfdp(nor);
		/* It could not be found again without. */
		nor_announce_reset(nor);
	}
}

/**
 * nor_announce_reset() - let SFDP say that 66h, 99h reset the flash
 * @nor:	it understands them in any case
 *
 * With this, spi-nor resets the flash when it is unbound. Octal ones always say so.
 */
void nor_announce_reset(struct nor *nor)
{
	nor_put(nor, BFPT, 16, MODES_4BYTE | SOFT_RESET);
}

/**
 * nor_busy_for() - how long it is busy with whatever it does
 * @nor:	flash
 * @polls:	in reads of the status that say so
 */
void nor_busy_for(struct nor *nor, unsigned int polls)
{
	unsigned int work;

	for (work = 0; work < NOR_WORKS; work++)
		nor->busy_polls[work] = polls;
}

KUNIT_DEFINE_ACTION_WRAPPER(nor_vfree, vfree, const void *);

/**
 * nor_new_part() - a blank flash
 * @test:	that it is for; it goes with it
 * @size:	in bytes, a power of two
 * @part:	what it is like
 */
struct nor *nor_new_part(struct kunit *test, u32 size, enum nor_part part)
{
	struct nor *nor = kunit_kzalloc(test, sizeof(*nor), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, nor);
	nor->mem = vmalloc(size);
	KUNIT_ASSERT_NOT_NULL(test, nor->mem);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, nor_vfree, nor->mem));
	memset(nor->mem, 0xff, size);
	memset(nor->security, 0xff, sizeof(nor->security));
	nor->part = part;
	nor->size = size;
	nor->flash.exec = nor_exec;
	nor_reset(nor);
	nor_busy_for(nor, 2);
	nor_make_sfdp(nor);

	return nor;
}

struct nor *nor_new(struct kunit *test, u32 size)
{
	return nor_new_part(test, size, NOR_PLAIN);
}
