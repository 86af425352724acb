/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the MTD unbind tests share: finding an MTD, its flash device and its
 * controller through sysfs, and unbinding and binding them with a time limit.
 *
 * No driver and no device name is built in.  Settings come from the
 * environment, because the kselftest runner passes no arguments.
 */
#ifndef MTD_UNBIND_H
#define MTD_UNBIND_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "kselftest.h"

/* Which device loses its driver. */
enum level { LEVEL_FLASH, LEVEL_CONTROLLER, LEVEL_COUNT };

extern const char *const level_name[LEVEL_COUNT];

struct mtd {
	char dir[LEVEL_COUNT][PATH_MAX];	/* device directory */
	char driver[LEVEL_COUNT][PATH_MAX];	/* its driver's directory */
	char of_node[PATH_MAX];			/* of the flash; may be empty */
	char dev[64];				/* /dev/mtdN, as of now */
	char name[32];				/* mtdN, as of now */
	uint64_t size;
	uint32_t erasesize;
};

/* How one write to a driver's bind or unbind file went. */
struct bind_result {
	int err;		/* errno of the write, or ETIMEDOUT */
	uint64_t us;		/* how long the write took */
};

uint64_t now_us(void);
void sleep_ms(unsigned int ms);
uint64_t env_number(const char *name, uint64_t preset);
const char *env_string(const char *name, const char *preset);

/* Same seed, same numbers, on every machine. */
uint64_t random_next(uint64_t *state);
uint64_t fnv1a(const void *data, size_t len);

/* Finds the MTD to test, or ends the test as skipped. */
void mtd_find(struct mtd *mtd);
/* Waits until the MTD is there again and can be opened. */
bool mtd_wait(struct mtd *mtd, unsigned int limit_ms);
/* Reads all of a range; returns 0 or an errno (EIO for an early end). */
int mtd_read_range(const struct mtd *mtd, uint64_t off, void *buf, size_t len);

/*
 * Unbinds.  At the last moment, in the writing process, first @before is
 * called (may be NULL) and then the marker line is printed.
 */
struct bind_result mtd_unbind(const struct mtd *mtd, enum level level,
			      unsigned int cycle, unsigned int limit_ms,
			      void (*before)(void *), void *arg);
struct bind_result mtd_bind(const struct mtd *mtd, enum level level,
			    unsigned int limit_ms);

/* Binds again, at whatever point the test is left. */
void restore_on_exit(const struct mtd *mtd);

/* 1 or 0; -1 on a kernel without lockdep.  One report switches lockdep off. */
int lockdep_on(void);

/* The last test of each program; here because kselftest.h counts in each file. */
static inline void test_lockdep(void)
{
	static const char test[] = "lockdep.still_on";
	int on = lockdep_on();

	if (on < 0)
		ksft_test_result_code(KSFT_SKIP, test, "no /proc/lockdep_stats");
	else
		ksft_test_result(on, "%s\n", test);
}

#endif
