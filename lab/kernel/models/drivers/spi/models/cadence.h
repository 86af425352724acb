/* SPDX-License-Identifier: GPL-2.0-only */
/* What tests see of, and do to, the model of Cadence's controller */
#ifndef _SPI_MODEL_CADENCE_H
#define _SPI_MODEL_CADENCE_H

#include <linux/bits.h>
#include <linux/ktime.h>
#include <linux/sizes.h>

#include "model.h"

#define CADENCE_CONFIG			0x00
#define CADENCE_CONFIG_ENABLE		BIT(0)
#define CADENCE_CONFIG_DIRECT		BIT(7)
#define CADENCE_CONFIG_DECODE		BIT(9)
#define CADENCE_CONFIG_CS		GENMASK(13, 10)
#define CADENCE_CONFIG_REMAP		BIT(16)
#define CADENCE_CONFIG_BAUD		GENMASK(22, 19)
#define CADENCE_CONFIG_DTR		BIT(24)
#define CADENCE_CONFIG_DUAL_OPCODE	BIT(30)
#define CADENCE_CONFIG_IDLE		BIT(31)
#define CADENCE_DELAY			0x0c
#define CADENCE_CAPTURE			0x10
#define CADENCE_SRAMPARTITION		0x18
#define CADENCE_WR_COMPLETION		0x38
#define CADENCE_NO_AUTO_POLL		BIT(14)
#define CADENCE_IRQSTATUS		0x40
#define CADENCE_IRQMASK			0x44
#define CADENCE_IRQ_ILLEGAL		BIT(5)
#define CADENCE_WR_PROTECT		0x58
#define CADENCE_RD_WATERMARK		0x64
#define CADENCE_WR_WATERMARK		0x74
#define CADENCE_REGS_END		0x100

#define CADENCE_CHIP_SELECTS		4

/* All of an operation; of a read, the SRAM's part is what the driver gets to see. */
#define CADENCE_DATA_MAX		SZ_64K

/* The ways that an operation can take */
enum cadence_way {
	CADENCE_NOTHING,
	CADENCE_COMMAND,
	CADENCE_READING,
	CADENCE_WRITING,
	CADENCE_READING_DIRECT,
	CADENCE_WRITING_DIRECT,
	CADENCE_WAYS,
};

/* What is broken */
#define CADENCE_DEAD_COMMAND		BIT(0)	/* commands do not end */
#define CADENCE_DEAD_READ		BIT(1)	/* there is nothing to read */
#define CADENCE_DEAD_READ_DONE		BIT(2)	/* reads do not end */
#define CADENCE_DEAD_WRITE		BIT(3)	/* writes do not end, and do not interrupt */
#define CADENCE_DEAD_WRITE_DONE		BIT(4)	/* writes interrupt, and do not end */
#define CADENCE_DEAD_IDLE		BIT(5)	/* it is never idle */

/**
 * struct cadence - the controller
 * @regs:	registers
 * @running:	what it does
 * @data:	of an indirect read or write, and of a direct write
 * @len:	bytes of it; for a direct write, as far as they have come
 * @pos:	bytes that went between CPU and SRAM
 * @limit:	bytes of a read that are in the SRAM or went through it
 * @direct:	where a direct access goes on
 * @synced:	reads of the register that started a write, since then
 * @started:	when that was
 * @silent:	reads do not interrupt
 * @trickle:	reads come SRAM by SRAM, each after an interrupt
 * @restless:	each look at what a read has brought is followed by an interrupt
 * @dead:	what is broken
 * @flash:	by chip select; the first is the model's
 * @ways:	operations that went each way
 * @read_mask:	the interrupts that the last indirect read wanted
 * @expect:	what registers are to be when an operation goes to a chip select
 */
struct cadence {
	u32 regs[CADENCE_REGS_END / 4];
	enum cadence_way running;
	bool wrote_direct;
	u8 data[CADENCE_DATA_MAX];
	unsigned int len;
	unsigned int pos;
	unsigned int limit;
	u32 direct;
	unsigned int direct_len;
	unsigned int synced;
	ktime_t started;
	bool silent;
	bool trickle;
	bool restless;
	u32 dead;
	struct flash *flash[CADENCE_CHIP_SELECTS];
	unsigned int ways[CADENCE_WAYS];
	u32 read_mask;
	struct {
		bool set;
		u32 delay;
		u32 capture;
		u32 baud;
	} expect[CADENCE_CHIP_SELECTS];
};

/**
 * struct cadence_ops - a kind of the controller
 * @ops:		its model
 * @direct_only:	there is no SRAM
 * @no_auto_poll:	there is no register for it: the flash is never polled
 * @write_protect:	the flash is protected until told otherwise
 * @hazard:		the start of a write has to be read back twice
 * @write_cycles:	cycles of the reference clock from there to the first data
 */
struct cadence_ops {
	struct model_ops ops;
	bool direct_only;
	bool no_auto_poll;
	bool write_protect;
	bool hazard;
	unsigned int write_cycles;
};

extern const struct cadence_ops cadence_model, cadence_rust_model;
extern const struct cadence_ops cadence_two_model, cadence_two_rust_model;
extern const struct cadence_ops cadence_lgm_model, cadence_lgm_rust_model;
extern const struct cadence_ops cadence_socfpga_model, cadence_socfpga_rust_model;
extern const struct cadence_ops cadence_polled_model, cadence_polled_rust_model;
extern const struct cadence_ops cadence_polled_octal_model, cadence_polled_octal_rust_model;
extern const struct cadence_ops cadence_elba_model, cadence_elba_rust_model;
extern const struct cadence_ops cadence_jh7110_model, cadence_jh7110_rust_model;
extern const struct cadence_ops cadence_k2g_model, cadence_k2g_rust_model;
extern const struct cadence_ops cadence_am654_model, cadence_am654_rust_model;
extern const struct cadence_ops cadence_rzn1_model, cadence_rzn1_rust_model;

u32 cadence_reg(struct model *m, unsigned int offset);
void cadence_revive(struct model *m);
void cadence_recover(struct model *m);

#endif /* _SPI_MODEL_CADENCE_H */
