/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests that unbind an MTD share: finding one that nobody uses, its
 * flash device and its controller through sysfs; unbinding and binding them
 * with a time limit; binding them again however the test ends.
 *
 * No driver and no device name is built in.  Settings come from the
 * environment:
 *
 * MTD_TEST_DEVICE      the MTD that may be unbound, like mtd0. Without it, the
 *                      tests are skipped.
 * MTD_TEST_TARGET      what to unbind, flash or controller (default: first the
 *                      one, then the other)
 * MTD_TEST_LIMIT_MS    how long an unbind or a bind may take (default: 20000)
 * MTD_TEST_SEED        where to read, and when to unbind (default: 1)
 *
 * What is in use is never unbound: nothing of the flash may be mounted,
 * attached to UBI or open, and a controller may have no other devices than
 * such flashes.  Otherwise tests are skipped, and say why.
 *
 * Nothing is written to the flash, unless unbind_idle is asked to.
 */
#ifndef MTD_UNBIND_H
#define MTD_UNBIND_H

#include <limits.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "kselftest.h"

/* Which device loses its driver. */
enum level { LEVEL_FLASH, LEVEL_CONTROLLER, LEVEL_COUNT };

extern const char *const level_name[LEVEL_COUNT];

/* In memory that all processes of a test share. */
struct mtd {
	char dir[LEVEL_COUNT][PATH_MAX];	/* device directory */
	char driver[LEVEL_COUNT][PATH_MAX];	/* its driver's directory */
	char of_node[PATH_MAX];			/* of the flash; may be empty */
	char label[64];
	char name[32];				/* mtdN, as of now */
	char dev[64];				/* /dev/mtdN, as of now */
	uint64_t size;
	uint64_t offset;			/* of a partition */
	uint32_t erasesize;
	/* Why the level cannot be tested; empty if it can. */
	char refused[LEVEL_COUNT][256];
	/* What has to be put right in the end. */
	atomic_bool unbound[LEVEL_COUNT];
	atomic_bool stuck;			/* in an unbind or a bind */
};

/* How one write to a driver's bind or unbind file went. */
struct bind_result {
	int err;		/* errno of the write, or ETIMEDOUT */
	uint64_t us;		/* how long the write took */
};

uint64_t now_us(void);
void sleep_ms(unsigned int ms);
uint64_t env_number(const char *name, uint64_t preset);

/* Same seed, same numbers, on every machine. */
uint64_t random_next(uint64_t *state);
uint64_t fnv1a(const void *data, size_t len);

/* Memory that child processes share. Ends the test when there is none. */
void *shared_alloc(size_t size);
/* fork(); the child does not outlive its parent.  Ends the test on failure. */
pid_t fork_child(void);

/* Finds the MTD to test, or ends the test as skipped. */
struct mtd *mtd_find(void);
/* Whether the settings ask for this level. */
bool level_wanted(enum level level);
unsigned int levels_wanted(void);
/* Waits until the MTD is there again and can be opened. */
bool mtd_wait(struct mtd *mtd, unsigned int limit_ms);
/* Reads all of a range; returns 0 or an errno (EIO for an early end). */
int mtd_read_range(const struct mtd *mtd, uint64_t off, void *buf, size_t len);

/*
 * Unbinds.  At the last moment, in the writing process, first @before is
 * called (may be NULL) and then the marker line is printed.
 */
struct bind_result mtd_unbind(struct mtd *mtd, enum level level,
			      unsigned int cycle, unsigned int limit_ms,
			      void (*before)(void *), void *arg);
struct bind_result mtd_bind(struct mtd *mtd, enum level level,
			    unsigned int limit_ms);

/* From now on, whatever is unbound is bound again however the test ends. */
void restore_on_exit(struct mtd *mtd);

/* 1 or 0; -1 on a kernel without lockdep.  One report switches lockdep off. */
int lockdep_on(void);
/* The bits that reports of the kernel set. */
unsigned long kernel_taint(void);

struct health {
	int lockdep;
	unsigned long taint;
};

static inline struct health health_before(void)
{
	return (struct health){ lockdep_on(), kernel_taint() };
}

#define HEALTH_TESTS 2

/* The last tests of each program; here because kselftest.h counts in each file. */
static inline void test_health(const struct health *before)
{
	static const char lockdep[] = "lockdep.still_on";
	unsigned long taint = kernel_taint();

	if (taint & ~before->taint)
		ksft_print_msg("tainted: %#lx, before: %#lx\n", taint, before->taint);
	ksft_test_result(!(taint & ~before->taint), "kernel.no_new_taint\n");

	if (before->lockdep > 0)
		ksft_test_result(lockdep_on() == 1, "%s\n", lockdep);
	else
		ksft_test_result_code(KSFT_SKIP, lockdep, "%s",
				      before->lockdep ? "no /proc/lockdep_stats" :
				      "was off before the test");
}

#endif
