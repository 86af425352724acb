/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Models of flash controllers, on which their unmodified drivers run in User-mode
 * Linux. These are this project's own, written from the drivers' use of the
 * registers and from what data sheets say in public; they are not independent.
 *
 * There is one model at a time. Its registers and its window are regions of emulated
 * I/O memory; its interrupt comes from a thread, when the hardware says so and the
 * test allows it; its clocks count; its operations can be stopped at a named point.
 * What real hardware would answer with a bus error, or not at all, is a fault, and a
 * fault fails the test.
 */
#ifndef _SPI_MODEL_H
#define _SPI_MODEL_H

#include <linux/clk-provider.h>
#include <linux/completion.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/prandom.h>
#include <linux/spinlock.h>
#include <linux/types.h>

struct device_node;
struct irq_domain;
struct kunit;
struct model;
struct platform_device;

#define MODEL_REGS		0x40000000
#define MODEL_REGS_SIZE		0x10000
#define MODEL_WINDOW		0x50000000
/* As much as a mapping of emulated I/O memory may have */
#define MODEL_WINDOW_SIZE	0x1000000

#define MODEL_CLKS		4
#define MODEL_RESETS		3

/* Of its clocks, unless a test says otherwise */
#define MODEL_RATE		200000000

#define MODEL_IN_WINDOW		UINT_MAX

/* Seconds that a test may leave an operation stopped */
#define MODEL_TIMEOUT		(20 * HZ)

/**
 * struct flash_op - what a flash sees of an operation on its wires
 * @opcode:		command
 * @has_ext:		the command has a second byte
 * @ext:		which is this
 * @dtr:		all phases are at double rate
 * @addr_nbytes:	number of address bytes, may be 0
 * @addr:		address
 * @dummy:		clock cycles between address and data
 * @cmd_width:		lines used for the command
 * @addr_width:		lines used for the address
 * @data_width:		lines used for data
 * @write:		data is for the flash
 * @in:			where data from the flash goes, or NULL
 * @out:		data for the flash, or NULL
 * @len:		bytes of data
 */
struct flash_op {
	u8 opcode;
	bool has_ext;
	u8 ext;
	bool dtr;
	u8 addr_nbytes;
	u32 addr;
	unsigned int dummy;
	u8 cmd_width;
	u8 addr_width;
	u8 data_width;
	bool write;
	void *in;
	const void *out;
	size_t len;
};

/**
 * struct flash - what a controller knows of the flash behind it
 * @exec:	executes an operation; called with the model's lock
 * @fault:	counts a violation of the protocol; by default, the test fails
 * @faults:	number of violations
 * @ops:	number of operations
 */
struct flash {
	void (*exec)(struct flash *flash, struct flash_op *op);
	unsigned int faults;
	unsigned int ops;
	char why[96];
};

__printf(2, 3) void flash_fault(struct flash *flash, const char *fmt, ...);

/**
 * enum model_point - where an operation can be stopped
 * @MODEL_START:	the driver is about to start it
 * @MODEL_RUNNING:	the hardware has it, and does not end
 * @MODEL_DONE:		it has ended, and the driver has not been told
 * @MODEL_COPY:		half of the window's data is copied
 */
enum model_point {
	MODEL_NOWHERE,
	MODEL_START,
	MODEL_RUNNING,
	MODEL_DONE,
	MODEL_COPY,
};

/**
 * enum model_step - what may fail while a driver probes
 * @MODEL_CLK_GET:		getting a clock
 * @MODEL_CLK_PREPARE:		preparing it
 * @MODEL_CLK_ENABLE:		enabling it
 * @MODEL_RESET_GET:		getting a reset line
 * @MODEL_RESET_ASSERT:		asserting it
 * @MODEL_RESET_DEASSERT:	deasserting it
 * @MODEL_IRQ_GET:		finding the interrupt
 * @MODEL_STEPS:		number of them
 */
enum model_step {
	MODEL_CLK_GET,
	MODEL_CLK_PREPARE,
	MODEL_CLK_ENABLE,
	MODEL_RESET_GET,
	MODEL_RESET_ASSERT,
	MODEL_RESET_DEASSERT,
	MODEL_IRQ_GET,
	MODEL_STEPS,
};

/**
 * struct model_ops - a kind of controller
 * @name:		of its node up to the address
 * @driver:		name of the driver that is to bind, where there are several
 * @clks:		clocks that must run when registers or window are used
 * @resets:		resets that must not be asserted then
 * @in_reset:		bits of those that are asserted at first
 * @state_size:		size of what @reset initialises and model::state points to
 * @big_endian:		registers are
 * @polled:		its driver polls for the end of operations
 * @auto_polls:		it can poll the flash's status, and interrupts when it is right
 * @small_read:		number of bytes that an mtd_read() takes by the registers, or 0
 *			if there is none
 * @big_read:		number of bytes that are copied, by the window if there is one
 * @reset:		power on
 * @read:		register access; no side effects but those of the hardware
 * @write:		as @read; calls model_started() when an operation begins
 * @starts:		whether such a write would start an operation; with %MODEL_IN_WINDOW,
 *			whether a write to the window would
 * @is_status:		whether a polling driver would read this to see an end
 * @by_irq:		whether the driver, though it polls, waits for an interrupt at the
 *			end of what is started now
 * @settle:		called before each register access
 * @copies:		whether such a read is in the middle of copying data; with
 *			%MODEL_IN_WINDOW, whether an access to the window is
 * @finish:		the operation that was started runs, and ends; returns whether
 *			an interrupt will tell the driver
 * @irq:		state of the interrupt line
 * @window:		read of the window
 * @window_write:	write to the window, for those that take one
 *
 * All are called with the lock held.
 */
struct model_ops {
	const char *name;
	const char *driver;
	unsigned int clks;
	unsigned int resets;
	unsigned long in_reset;
	size_t state_size;
	bool big_endian;
	bool polled;
	bool auto_polls;
	u32 small_read;
	u32 big_read;
	void (*reset)(struct model *m);
	u32 (*read)(struct model *m, unsigned int offset, int size);
	void (*write)(struct model *m, unsigned int offset, int size, u32 val);
	bool (*starts)(struct model *m, unsigned int offset, u32 val);
	bool (*is_status)(struct model *m, unsigned int offset);
	bool (*by_irq)(struct model *m);
	void (*settle)(struct model *m);
	bool (*copies)(struct model *m, unsigned int offset);
	bool (*finish)(struct model *m);
	bool (*irq)(struct model *m);
	void (*window)(struct model *m, void *buf, unsigned int offset, size_t len);
	void (*window_write)(struct model *m, unsigned int offset, int size,
			     unsigned long val);
};

struct model_clk {
	struct clk_hw hw;
	struct model *m;
	unsigned int prepared;
	unsigned int enabled;
	unsigned long rate;
	unsigned int switched;
};

/**
 * struct model - the hardware
 * @ops:		what it is
 * @state:		of @ops
 * @flash:		behind it
 * @lock:		over everything that hooks use; taken in interrupts
 * @clks:		its clocks
 * @in_reset:		reset lines that are asserted
 * @mapped:		mappings of registers and window that exist
 * @accesses:		number of accesses to registers and window
 * @irqs:		number of interrupts delivered
 * @started:		number of operations started
 * @jitter:		percentage of accesses and interrupts that come late
 * @faults:		number of faults; the first is in @why
 */
struct model {
	const struct model_ops *ops;
	void *state;
	struct flash *flash;

	spinlock_t lock;
	struct model_clk clks[MODEL_CLKS];
	unsigned long in_reset;
	unsigned int mapped[2];
	unsigned int accesses;
	unsigned int irqs;
	unsigned int started;

	unsigned int jitter;
	struct rnd_state rnd;

	/* private: */
	enum model_point stop_at;
	bool held;
	bool irq_held;
	struct completion entered;
	struct completion released;

	/* Reset lines in the order in which they were asserted, from 1, in hexadecimal */
	u32 resets_asserted;

	enum model_step fail_step;
	unsigned int fail_nth;
	int fail_error;

	unsigned int faults;
	char why[128];

	struct platform_device *pdev;
	struct device_node *np;
	struct irq_domain *domain;
	struct kthread_worker *workers[NR_CPUS];
	struct kthread_work irq_work[NR_CPUS];
	unsigned long taints;
};

/* For tests */

struct model *model_power_on(struct kunit *test, const struct model_ops *ops,
			     struct flash *flash);
void model_power_off(struct kunit *test, struct model *m);
void model_add_device(struct kunit *test, struct model *m);
void model_add_unbound(struct kunit *test, struct model *m);
int model_attach(struct model *m);
void model_remove_device(struct model *m);
void model_fail(struct model *m, enum model_step step, unsigned int nth, int error);
void model_interrupt(struct model *m);
void model_stop_at(struct model *m, enum model_point point);
bool model_wait_stopped(struct model *m);
void model_release(struct model *m);
u32 model_random(struct model *m, u32 below);
unsigned int model_clear_faults(struct model *m);
/* Of mm/failslab.c, to which it is added: allocations that may wait can fail, too. */
void model_failslab_all(void);

/* For models */

/* What an instruction of a look-up table may be, and whether at double rate */
enum lut_action {
	LUT_STOP,
	LUT_CMD,
	LUT_ADDR,
	LUT_MODE,
	LUT_DUMMY,
	LUT_READ,
	LUT_WRITE,
	LUT_DTR = 0x80,
};

bool model_decode_lut(struct model *m, const u8 *actions, unsigned int count, const u32 *seq,
		      u32 addr, size_t len, struct flash_op *op);
bool model_give_buffers(struct model *m, struct flash_op *op, const void *tx, size_t tx_len,
			void *rx, size_t rx_size);
void model_started(struct model *m);
void model_exec(struct model *m, struct flash_op *op);
__printf(2, 3) void model_fault(struct model *m, const char *fmt, ...);

static inline u32 model_bits(u32 reg, u32 mask, u32 val)
{
	return (reg & ~mask) | (val & mask);
}

extern const struct model_ops fspi_model;
extern const struct model_ops fspi_octal_model;
extern const struct model_ops fsl_qspi_model;
extern const struct model_ops stm32_qspi_model;
extern const struct model_ops stm32_ospi_model;
extern const struct model_ops stm32_ospi_octal_model;
extern const struct model_ops npcm_fiu_model;
extern const struct model_ops fspi_nand_model;
extern const struct model_ops fsl_qspi_nand_model;
extern const struct model_ops stm32_qspi_nand_model;

/* SPI NOR */

#define NOR_PAGE		256
#define NOR_SECTOR		4096
#define NOR_BLOCK		65536
#define NOR_ID			6
#define NOR_SFDP_SIZE		0x118
#define NOR_SECURITY		3
/* Micron's */
#define NOR_OP_DIE_ERASE	0xc4

#define NOR_SR_WIP		BIT(0)
#define NOR_SR_WEL		BIT(1)
#define NOR_SR_QE		BIT(6)

/**
 * enum nor_part - what a flash is like; all say what they can by SFDP
 * @NOR_PLAIN:		of no manufacturer that spi-nor knows
 * @NOR_WINBOND:	with three security registers, which can be locked, as W25Q512NW
 * @NOR_MICRON:		octal DTR, command bytes repeated, as MT35XU512ABA
 * @NOR_MICRON_TWO_DICE: the same with two dice, each of which can be erased, as
 *			MT35XU01GBBA
 * @NOR_MACRONIX:	octal STR and DTR, command bytes inverted, as the MX25UM series
 */
enum nor_part {
	NOR_PLAIN,
	NOR_WINBOND,
	NOR_MICRON,
	NOR_MICRON_TWO_DICE,
	NOR_MACRONIX,
};

/* Which commands and data it understands: 1-1-x, 8S-8S-8S, 8D-8D-8D */
enum nor_proto {
	NOR_SPI,
	NOR_OCTAL_STR,
	NOR_OCTAL_DTR,
};

/* What it can be busy with; erasing all of a flash counts as a die */
enum nor_work {
	NOR_WRITE_STATUS,
	NOR_PROGRAM,
	NOR_ERASE_4K,
	NOR_ERASE_64K,
	NOR_ERASE_DIE,
	NOR_WORKS,
};

/**
 * struct nor - a SPI NOR flash, known by its SFDP tables
 * @flash:		for the controller
 * @part:		what it is like
 * @mem:		contents
 * @security:		security registers
 * @size:		a power of two
 * @busy_polls:		status reads that show the flash busy, after each kind of work
 * @hold_at:		bits of &enum nor_work: when such begins, @hold_busy is set
 * @hold_busy:		it stays busy until this is cleared
 * @sr:			status register
 * @sr2:		the second of it
 * @addr4:		four address bytes
 * @proto:		protocol
 * @dummy_reg:		what was written to the register of dummy cycles
 */
struct nor {
	struct flash flash;
	enum nor_part part;
	u8 *mem;
	u8 security[NOR_SECURITY][NOR_PAGE];
	u32 size;
	unsigned int busy_polls[NOR_WORKS];
	unsigned int hold_at;
	bool hold_busy;
	u8 sr;
	u8 sr2;
	bool addr4;
	enum nor_proto proto;
	u8 dummy_reg;

	/* private: */
	unsigned int busy;
	bool reset_enabled;
	ktime_t reset_done;
	u8 sfdp[NOR_SFDP_SIZE];
};

struct nor *nor_new(struct kunit *test, u32 size);
struct nor *nor_new_part(struct kunit *test, u32 size, enum nor_part part);
void nor_announce_reset(struct nor *nor);
void nor_busy_for(struct nor *nor, unsigned int polls);

/* SPI NAND */

#define NAND_PAGE		2048
#define NAND_RAW		(NAND_PAGE + 64)
#define NAND_BLOCK_PAGES	64
#define NAND_BLOCK		(NAND_BLOCK_PAGES * NAND_PAGE)
#define NAND_PAGES		(1024 * NAND_BLOCK_PAGES)

/**
 * struct nand - a SPI NAND flash
 * @flash:		for the controller
 * @pages:		contents with OOB, NULL for pages that are erased
 * @busy_polls:		status reads that show the flash busy, after each command that
 *			takes time
 * @hold_busy:		it stays busy until this is cleared
 * @weak_page:		the page whose reads end with @weak_status
 * @weak_status:	the ECC bits of the status
 */
struct nand {
	struct flash flash;
	u8 **pages;
	unsigned int busy_polls;
	bool hold_busy;
	u32 weak_page;
	u8 weak_status;

	/* private: */
	unsigned int busy;
	u8 cache[NAND_RAW];
	u8 status;
	u8 lock;
	u8 cfg;
};

struct nand *nand_new(struct kunit *test);
const u8 *nand_page(struct nand *nand, u32 page);

#endif /* _SPI_MODEL_H */
