/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A SPI controller without hardware, for KUnit tests of the SPI core
 *
 * Each of its callbacks can be made to block. This uses nothing but the API that
 * drivers use.
 */

#ifndef __SPI_FAKE_H
#define __SPI_FAKE_H

#include <linux/atomic.h>
#include <linux/bits.h>
#include <linux/completion.h>
#include <linux/kthread.h>
#include <linux/spi/spi.h>
#include <linux/spi/spi-mem.h>

struct kunit;
struct spi_fake;

/* Callbacks of the controller */
enum spi_fake_call {
	SPI_FAKE_EXEC_OP,
	SPI_FAKE_SUPPORTS_OP,
	SPI_FAKE_ADJUST_OP_SIZE,
	SPI_FAKE_DIRMAP_CREATE,
	SPI_FAKE_DIRMAP_READ,
	SPI_FAKE_DIRMAP_WRITE,
	SPI_FAKE_POLL_STATUS,
	SPI_FAKE_TRANSFER_ONE,
	SPI_FAKE_SETUP,
	SPI_FAKE_OPTIMIZE,
	SPI_FAKE_UNOPTIMIZE,
	SPI_FAKE_TARGET_ABORT,
	SPI_FAKE_MAX_TRANSFER,
	SPI_FAKE_MAX_MESSAGE,
	SPI_FAKE_CALLS,
};

#define SPI_FAKE_LEN		16
#define SPI_FAKE_MAX_SIZE	4096

/* Status reads until the fake flash is ready */
#define SPI_FAKE_POLLS		3

/* Nothing that a test waits for takes as long */
#define SPI_FAKE_TIMEOUT	(10 * HZ)

/**
 * struct spi_fake_entry - a way into the controller driver
 * @name: for messages
 * @run: call it
 * @ok: what @run returns while the controller is registered
 * @refused: what @run returns when it is not
 * @dead: what @run returns when @call fails because the hardware is gone
 * @call: the callback that it ends in
 * @count: how often that is called by one @run
 * @unsupported: mask of callbacks that answer -EOPNOTSUPP, to force a fallback
 * @no_mem_ops: the controller has no spi_controller_mem_ops
 * @must_async: messages always go through the queue
 * @target: it is a target controller
 */
struct spi_fake_entry {
	const char *name;
	long (*run)(struct spi_fake *fake);
	long ok;
	long refused;
	long dead;
	enum spi_fake_call call;
	unsigned int count;
	unsigned long unsupported;
	bool no_mem_ops;
	bool must_async;
	bool target;
};

extern const struct spi_fake_entry spi_fake_entries[];
extern const unsigned int spi_fake_nr_entries;

struct spi_fake_msg {
	struct spi_transfer xfer;
	struct spi_message msg;
	struct completion done;
	atomic_t completed;
};

struct spi_fake_thread {
	struct task_struct *task;
	struct completion done;
	struct spi_fake *fake;
	long (*fn)(struct spi_fake *fake);
	long ret;
};

/* What a driver releases when spi_unregister_controller() has returned */
struct spi_fake_hw {
	u32 reg;
};

/**
 * struct spi_fake - a fake controller with one device
 * @test: the test it belongs to
 * @parent: parent of @ctlr
 * @ctlr: the controller
 * @spi: the device; a reference keeps it when the controller is unregistered
 * @mem: the same as a SPI memory
 * @hw: what is freed after unregistering, for KASAN
 * @calls: how often each callback was called
 * @late: callbacks that ran when unregistering had returned
 * @dead: callbacks fail with -ENODEV
 * @gone: unregistering has returned
 * @registered: it has been registered, and unregistering has not begun
 * @timed_out: a callback that blocks was not released
 * @block: mask of callbacks that block next time
 * @unsupported: see struct spi_fake_entry
 * @entered: a callback blocks
 * @release: lets callbacks that block go on
 * @xfer_ret: what transfer_one returns
 * @jitter: callbacks take a random time
 * @stop: spi_fake_stress() is to end
 * @bad: unexpected results in spi_fake_stress()
 * @polls: status reads so far
 * @threads: helpers of the test
 * @nr_threads: how many
 * @buf: for data
 */
struct spi_fake {
	struct kunit *test;
	struct device *parent;
	struct spi_controller *ctlr;
	struct spi_device *spi;
	struct spi_mem mem;
	struct spi_fake_hw *hw;
	atomic_t calls[SPI_FAKE_CALLS];
	atomic_t late;
	bool dead;
	bool gone;
	bool registered;
	bool timed_out;
	unsigned long block;
	unsigned long unsupported;
	struct completion entered;
	struct completion release;
	int xfer_ret;
	bool jitter;
	bool stop;
	atomic_t bad;
	atomic_t polls;
	struct spi_fake_thread threads[8];
	unsigned int nr_threads;
	u8 buf[SPI_FAKE_LEN];
};

/* A fake controller as @entry wants it, not registered; never NULL */
struct spi_fake *spi_fake_new(struct kunit *test, const struct spi_fake_entry *entry);
struct spi_fake *spi_fake_new_on(struct kunit *test, struct device *parent,
				 const struct spi_fake_entry *entry);

/* Register it, with the device */
int spi_fake_register(struct spi_fake *fake);

/* What the remove callback of a driver does; may be the function of a thread */
long spi_fake_unregister(struct spi_fake *fake);

/* Release all and stop all; false if something does not end, and is leaked */
bool spi_fake_free(struct spi_fake *fake);

/* Make the next call of a callback block, and wait for that to happen */
void spi_fake_block(struct spi_fake *fake, enum spi_fake_call call);
bool spi_fake_wait_entered(struct spi_fake *fake);

/* Sum of all callbacks */
unsigned int spi_fake_total(struct spi_fake *fake);

/* Helper threads; spi_fake_join() is false if the thread does not end */
struct spi_fake_thread *spi_fake_start(struct spi_fake *fake,
				       long (*fn)(struct spi_fake *fake));
bool spi_fake_join(struct spi_fake_thread *thread);

/* A message; spi_async() it with the helper, which leaves it to the caller */
void spi_fake_msg_init(struct spi_fake *fake, struct spi_fake_msg *m);
int spi_fake_async(struct spi_fake *fake, struct spi_fake_msg *m);

/* Use all entries while controllers come and go; @early: also before they come */
void spi_fake_stress(struct kunit *test, bool early);

/* All entries as parameters of a test */
const void *spi_fake_gen_params(struct kunit *test, const void *prev, char *desc);

long spi_fake_run_exec_op(struct spi_fake *fake);
long spi_fake_run_supports_op(struct spi_fake *fake);
long spi_fake_run_sync(struct spi_fake *fake);
long spi_fake_run_async(struct spi_fake *fake);

#endif /* __SPI_FAKE_H */
