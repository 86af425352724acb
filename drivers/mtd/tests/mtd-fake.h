/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An MTD without hardware, for KUnit tests of the MTD core
 *
 * Each of its callbacks can be made to block. This uses nothing but the API
 * that drivers and users of flash have.
 */

#ifndef __MTD_FAKE_H
#define __MTD_FAKE_H

#include <linux/atomic.h>
#include <linux/completion.h>
#include <linux/mtd/mtd.h>

struct kunit;
struct mtd_fake;

#define MTD_FAKE_LEN		16
#define MTD_FAKE_ERASESIZE	4096
#define MTD_FAKE_SIZE		(8 * MTD_FAKE_ERASESIZE)

/* Nothing that a test waits for takes as long */
#define MTD_FAKE_TIMEOUT	(10 * HZ)

/* How long something is watched that must not happen */
#define MTD_FAKE_MOMENT		(HZ / 20 ?: 1)

/* Callbacks are numbered as they stand in struct mtd_info */
#define MTD_FAKE_NR(_cb)						\
	((offsetof(struct mtd_info, _cb) -				\
	  offsetof(struct mtd_info, _erase)) / sizeof(void *))

/* Those that do not stand there come behind */
enum {
	MTD_FAKE_IN_MTD = MTD_FAKE_NR(_put_device) + 1,
	MTD_FAKE_OOB_ECC = MTD_FAKE_IN_MTD,
	MTD_FAKE_OOB_FREE,
	MTD_FAKE_PAIRING_INFO,
	MTD_FAKE_PAIRING_WUNIT,
	MTD_FAKE_CALLS,
};

/**
 * struct mtd_fake_entry - a way into the driver
 * @name: for messages
 * @run: call it
 * @call: the first callback that it ends in
 * @refused: what @run returns when the MTD has been unregistered
 * @waited: what @run returns if the MTD is unregistered during @call
 * @oob: the driver has _read_oob() and _write_oob()
 * @no_writev: it does not have _writev()
 * @no_wait: unregistering does not wait for it
 */
struct mtd_fake_entry {
	const char *name;
	int (*run)(struct mtd_info *mtd);
	unsigned int call;
	int refused;
	int waited;
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
 * @parent: the device that is its parent
 * @mtd: memory of the driver, freed when unregistering returns
 * @keep: do not free @mtd then
 * @entry: what it is made for, or NULL
 * @types: names of partition parsers
 * @calls: how often each callback was called
 * @gets: what _get_device() has given out
 * @puts: what _put_device() has got back
 * @running: how many callbacks run
 * @late: callbacks that ran when unregistering had returned
 * @live: registering has begun, and unregistering has not returned
 * @registered: registering has returned, and unregistering has not begun
 * @timed_out: a callback that blocks was not released
 * @block: callback that blocks next time
 * @fail: callback that fails
 * @error: the error, also of _get_device()
 * @releases: callback that lets the one that blocks go on
 * @inside: what a callback that blocks does when it goes on
 * @otp: how much OTP memory it has
 * @entered: a callback blocks
 * @release: lets it go on
 * @jitter: callbacks take a random time
 * @stop: the test tells its threads to end
 * @bad: unexpected results in such threads
 * @threads: helpers of the test
 * @nr_threads: how many
 */
struct mtd_fake {
	struct kunit *test;
	struct device *parent;
	struct mtd_info *mtd;
	bool keep;
	const struct mtd_fake_entry *entry;
	const char * const *types;
	atomic_t calls[MTD_FAKE_CALLS];
	atomic_t gets;
	atomic_t puts;
	atomic_t running;
	atomic_t late;
	bool live;
	bool registered;
	bool timed_out;
	int block;
	int fail;
	int error;
	int releases;
	int (*inside)(struct mtd_fake *fake);
	unsigned int otp;
	struct completion entered;
	struct completion release;
	bool jitter;
	bool stop;
	atomic_t bad;
	struct mtd_fake_thread threads[8];
	unsigned int nr_threads;
};

/* Not registered yet; never NULL */
struct mtd_fake *mtd_fake_new(struct kunit *test,
			      const struct mtd_fake_entry *entry);

/* Register it as "fake", or as two partitions "fake-a" and "fake-b" */
int mtd_fake_register(struct mtd_fake *fake, bool parts);

/* What the driver does in its remove(); may be what a thread does */
int mtd_fake_unregister(struct mtd_fake *fake, struct mtd_info *mtd);

/* A handle, put when the test ends unless mtd_fake_put() does that before */
struct mtd_info *mtd_fake_get(struct kunit *test, const char *name);
void mtd_fake_put(struct kunit *test, struct mtd_info *mtd);

/* What a thread may do */
int mtd_fake_run(struct mtd_fake *fake, struct mtd_info *mtd);
int mtd_fake_read(struct mtd_fake *fake, struct mtd_info *mtd);
int mtd_fake_lock(struct mtd_fake *fake, struct mtd_info *mtd);

/* Start @fn, which is to block in @call; wait until it does */
struct mtd_fake_thread *
mtd_fake_start_op(struct mtd_fake *fake, unsigned int call,
		  int (*fn)(struct mtd_fake *fake, struct mtd_info *mtd),
		  struct mtd_info *mtd);

/* Start unregistering, and see that it waits */
struct mtd_fake_thread *mtd_fake_start_unregister(struct mtd_fake *fake);

struct mtd_fake_thread *
mtd_fake_start(struct mtd_fake *fake,
	       int (*fn)(struct mtd_fake *fake, struct mtd_info *mtd),
	       struct mtd_info *mtd);

/* Wait for a thread, and return what it returned */
int mtd_fake_join(struct mtd_fake *fake, struct mtd_fake_thread *thread);

/* Let the operation go on, and see that both end */
void mtd_fake_finish(struct mtd_fake *fake, struct mtd_fake_thread *op,
		     int ret, struct mtd_fake_thread *unregister);

/* mtd_fake_entries as parameters of a test */
const void *mtd_fake_gen_params(struct kunit *test, const void *prev,
				char *desc);

#endif /* __MTD_FAKE_H */
