/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An MTD without hardware, for KUnit tests of the MTD core
 *
 * Each of its callbacks can be made to block. This uses nothing but the API that
 * drivers use.
 */

#ifndef __MTD_FAKE_H
#define __MTD_FAKE_H

#include <linux/atomic.h>
#include <linux/bits.h>
#include <linux/completion.h>
#include <linux/kthread.h>
#include <linux/mtd/mtd.h>

struct kunit;
struct mtd_fake;

/* Callbacks of the driver */
enum mtd_fake_call {
	MTD_FAKE_READ,
	MTD_FAKE_WRITE,
	MTD_FAKE_PANIC_WRITE,
	MTD_FAKE_READ_OOB,
	MTD_FAKE_WRITE_OOB,
	MTD_FAKE_WRITEV,
	MTD_FAKE_ERASE,
	MTD_FAKE_POINT,
	MTD_FAKE_UNPOINT,
	MTD_FAKE_SYNC,
	MTD_FAKE_LOCK,
	MTD_FAKE_UNLOCK,
	MTD_FAKE_IS_LOCKED,
	MTD_FAKE_ISRESERVED,
	MTD_FAKE_ISBAD,
	MTD_FAKE_MARKBAD,
	MTD_FAKE_MAX_BAD,
	MTD_FAKE_FACT_INFO,
	MTD_FAKE_FACT_READ,
	MTD_FAKE_USER_INFO,
	MTD_FAKE_USER_READ,
	MTD_FAKE_USER_WRITE,
	MTD_FAKE_USER_LOCK,
	MTD_FAKE_USER_ERASE,
	MTD_FAKE_OOB_ECC,
	MTD_FAKE_OOB_FREE,
	MTD_FAKE_PAIRING_INFO,
	MTD_FAKE_PAIRING_WUNIT,
	MTD_FAKE_SUSPEND,
	MTD_FAKE_RESUME,
	MTD_FAKE_CALLS,
};

#define MTD_FAKE_LEN		16
#define MTD_FAKE_ERASESIZE	4096
#define MTD_FAKE_SIZE		(16 * MTD_FAKE_ERASESIZE)

#define MTD_FAKE_PARTS		2

/* Nothing that a test waits for takes as long */
#define MTD_FAKE_TIMEOUT	(10 * HZ)

/**
 * struct mtd_fake_entry - a way into the driver
 * @name: for messages
 * @run: call it on a master or on a partition
 * @ok: what @run returns while the MTD is registered
 * @refused: what @run returns when it has been unregistered
 * @dead: what @run returns when @call fails because the hardware is gone
 * @call: the callback that it ends in
 * @short_point: the driver maps less than it is asked for
 * @oob: the driver has _read_oob() and _write_oob()
 * @no_writev: it does not have _writev()
 * @no_wait: unregistering does not wait for it
 */
struct mtd_fake_entry {
	const char *name;
	int (*run)(struct mtd_fake *fake, struct mtd_info *mtd);
	int ok;
	int refused;
	int dead;
	enum mtd_fake_call call;
	bool short_point;
	bool oob;
	bool no_writev;
	bool no_wait;
};

extern const struct mtd_fake_entry mtd_fake_entries[];
extern const unsigned int mtd_fake_nr_entries;

struct mtd_fake_thread {
	struct task_struct *task;
	struct completion done;
	struct mtd_fake *fake;
	int (*fn)(struct mtd_fake *fake, struct mtd_info *mtd);
	struct mtd_info *mtd;
	int ret;
};

/**
 * struct mtd_fake - a fake MTD
 * @test: the test it belongs to
 * @name: its name; those of partitions are in mtd_fake_parts
 * @parent: the device that is its parent
 * @mtd: memory of the driver
 * @index: numbers of its devices, -1 for none; set by tests that need them
 * @keep: do not free @mtd when it has been unregistered
 * @entry: what it is made for, or NULL
 * @calls: how often each callback was called
 * @gets: what _get_device() has given out
 * @puts: what _put_device() has got back
 * @late: callbacks that ran when unregistering had returned
 * @registered: it has been registered, and unregistering has not begun
 * @gone: unregistering has returned
 * @timed_out: a callback that blocks was not released
 * @block: mask of callbacks that block next time
 * @fail: mask of callbacks that answer -EIO
 * @inside: what callbacks that block do when they go on
 * @get_error: what _get_device() returns
 * @entered: a callback blocks
 * @release: lets callbacks that block go on
 * @jitter: callbacks take a random time
 * @stop: the test tells its threads to end
 * @bad: unexpected results in such threads
 * @threads: helpers of the test
 * @nr_threads: how many
 * @buf: for data
 */
struct mtd_fake {
	struct kunit *test;
	const char *name;
	struct device *parent;
	struct mtd_info *mtd;
	int index[MTD_FAKE_PARTS];
	bool keep;
	const struct mtd_fake_entry *entry;
	atomic_t calls[MTD_FAKE_CALLS];
	atomic_t gets;
	atomic_t puts;
	atomic_t late;
	bool registered;
	bool gone;
	bool timed_out;
	unsigned long block;
	unsigned long fail;
	int (*inside)(struct mtd_fake *fake, struct mtd_info *mtd);
	int get_error;
	struct completion entered;
	struct completion release;
	bool jitter;
	bool stop;
	atomic_t bad;
	struct mtd_fake_thread threads[8];
	unsigned int nr_threads;
	u8 buf[MTD_FAKE_LEN];
};

extern const struct mtd_partition mtd_fake_parts[MTD_FAKE_PARTS];

/* A fake MTD as @entry wants it, not registered; never NULL */
struct mtd_fake *mtd_fake_new(struct kunit *test, const struct mtd_fake_entry *entry);
struct mtd_fake *mtd_fake_new_on(struct kunit *test, struct device *parent,
				 const struct mtd_fake_entry *entry);

/* Register it, with or without partitions */
int mtd_fake_register(struct mtd_fake *fake, bool parts);

/* What the remove callback of a driver does; may be the function of a thread */
int mtd_fake_unregister(struct mtd_fake *fake, struct mtd_info *mtd);

/* Release all and stop all; false if something does not end, and is leaked */
bool mtd_fake_free(struct mtd_fake *fake);

/* Make the next call of a callback block, and wait for that to happen */
void mtd_fake_block(struct mtd_fake *fake, enum mtd_fake_call call);
bool mtd_fake_wait_entered(struct mtd_fake *fake);

/* Sum of all callbacks */
unsigned int mtd_fake_total(struct mtd_fake *fake);

/* Helper threads; mtd_fake_join() is false if the thread does not end */
struct mtd_fake_thread *
mtd_fake_start(struct mtd_fake *fake,
	       int (*fn)(struct mtd_fake *fake, struct mtd_info *mtd),
	       struct mtd_info *mtd);
bool mtd_fake_join(struct mtd_fake_thread *thread);

/* All entries, or those that unregistering waits for, as parameters of a test */
const void *mtd_fake_gen_params(struct kunit *test, const void *prev, char *desc);
const void *mtd_fake_gen_wait_params(struct kunit *test, const void *prev, char *desc);

int mtd_fake_run_read(struct mtd_fake *fake, struct mtd_info *mtd);
int mtd_fake_run_write(struct mtd_fake *fake, struct mtd_info *mtd);
int mtd_fake_run_erase(struct mtd_fake *fake, struct mtd_info *mtd);
int mtd_fake_run_unmapped_area(struct mtd_fake *fake, struct mtd_info *mtd);

/* Run all entries until it is told to stop */
int mtd_fake_hammer(struct mtd_fake *fake, struct mtd_info *mtd);

#endif /* __MTD_FAKE_H */
