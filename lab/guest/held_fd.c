// SPDX-License-Identifier: GPL-2.0
/*
 * Hold file descriptors of an MTD, idle, while its driver is unbound.
 *
 * Whoever still holds one gets ENODEV for as long as they hold it, also after
 * the driver is bound again: an old descriptor never reaches a new device.
 * Done twice: unbinding the flash, then its controller.
 *
 * MTD_TEST_LIMIT_MS    how long an unbind or a bind may take (default: 20000)
 * MTD_TEST_SEED        where to read (default: 1)
 * MTD_TEST_DEVICE      the MTD, like mtd0 (default: the first that can be unbound)
 * MTD_TEST_DESTRUCTIVE 1: also try to write and to erase.  A kernel that fails
 *                      this test may then really change the flash.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <mtd/mtd-user.h>

#include "mtd_unbind.h"

#define WINDOW	(64 * 1024)

#define TESTS_PER_LEVEL 19

static unsigned int limit_ms;
static bool destructive;
static unsigned int cycle;
static const char *prefix;
static char before[WINDOW], after[WINDOW];
static uint64_t window;

/* The last marker before a splat names the call that did it. */
#define marker(fmt, ...) \
	ksft_print_msg("marker: %s " fmt "\n", prefix, ##__VA_ARGS__)

#define result(ok, name) ksft_test_result(ok, "%s.%s\n", prefix, name)

static void skip(const char *name, const char *why)
{
	char test[64];

	snprintf(test, sizeof(test), "%s.%s", prefix, name);
	ksft_test_result_code(KSFT_SKIP, test, "%s", why);
}

static void expect_enodev(const char *name, long ret)
{
	int err = ret < 0 ? errno : 0;

	if (err != ENODEV)
		ksft_print_msg("%s.%s: %ld, %s\n", prefix, name, ret,
			       err ? strerror(err) : "no error");
	result(err == ENODEV, name);
}

static void expect_zero(const char *name, int ret)
{
	if (ret)
		ksft_print_msg("%s.%s: %s\n", prefix, name, strerror(errno));
	result(!ret, name);
}

static bool unbind(const struct mtd *mtd, enum level level, const char *name)
{
	struct bind_result r;

	r = mtd_unbind(mtd, level, ++cycle, limit_ms, NULL, NULL);
	if (!r.err)
		ksft_print_msg("cycle %u inside 0 unbind_us %llu chunk 0\n",
			       cycle, (unsigned long long)r.us);
	result(!r.err && r.us <= limit_ms * 1000ull, name);
	return !r.err;
}

static bool bind(struct mtd *mtd, enum level level, const char *name)
{
	bool back = !mtd_bind(mtd, level, limit_ms).err && mtd_wait(mtd, limit_ms);

	result(back, name);
	return back;
}

static bool window_is_right(int fd)
{
	memset(after, 0, WINDOW);
	if (pread(fd, after, WINDOW, window) != WINDOW) {
		ksft_print_msg("%s: read: %s\n", prefix, strerror(errno));
		return false;
	}
	ksft_print_msg("window %u offset %llu length %u fnv1a %016llx back_ms 0\n",
		       cycle, (unsigned long long)window, WINDOW,
		       (unsigned long long)fnv1a(after, WINDOW));
	return !memcmp(before, after, WINDOW);
}

/* Erase and write start here: the block that is read back afterwards too. */
static void try_to_change(const struct mtd *mtd, int fd)
{
	struct erase_info_user erase = {
		.start = window / mtd->erasesize * mtd->erasesize,
		.length = mtd->erasesize,
	};

	if (!destructive) {
		skip("new_op_on_old_fd.write", "MTD_TEST_DESTRUCTIVE is not set");
		skip("new_op_on_old_fd.memerase", "MTD_TEST_DESTRUCTIVE is not set");
		return;
	}
	marker("write");
	expect_enodev("new_op_on_old_fd.write", pwrite(fd, before, 256, window));
	marker("MEMERASE");
	expect_enodev("new_op_on_old_fd.memerase", ioctl(fd, MEMERASE, &erase));
}

/* Every return but the last leaves tests out of the plan: a failure. */
static void run_level(struct mtd *mtd, enum level level)
{
	struct mtd_info_user info;
	int a, b, c, mode;
	char byte;

	prefix = level_name[level];
	mode = destructive ? O_RDWR : O_RDONLY;
	a = open(mtd->dev, mode);
	b = open(mtd->dev, mode);
	if (a < 0 || b < 0)
		ksft_exit_fail_perror(mtd->dev);
	if (mtd_read_range(mtd, window, before, WINDOW))
		ksft_exit_fail_msg("%s: cannot be read\n", mtd->dev);

	if (!unbind(mtd, level, "idle_fds.unbind_returns_in_time"))
		return;

	marker("read");
	expect_enodev("new_op_on_old_fd.read", pread(a, &byte, 1, 0));
	marker("lseek");
	expect_enodev("new_op_on_old_fd.lseek", lseek(a, 0, SEEK_SET));
	marker("MEMGETINFO");
	expect_enodev("new_op_on_old_fd.memgetinfo", ioctl(a, MEMGETINFO, &info));
	try_to_change(mtd, a);
	marker("close");
	expect_zero("close_after_unbind", close(a));

	if (!bind(mtd, level, "rebind.device_returns"))
		return;
	c = open(mtd->dev, O_RDONLY);
	result(c >= 0 && window_is_right(c), "rebind.new_fd_reads_right_data");
	marker("read after bind");
	expect_enodev("old_fd_after_rebind.read", pread(b, &byte, 1, 0));
	marker("lseek after bind");
	expect_enodev("old_fd_after_rebind.lseek", lseek(b, 0, SEEK_SET));
	marker("MEMGETINFO after bind");
	expect_enodev("old_fd_after_rebind.memgetinfo", ioctl(b, MEMGETINFO, &info));
	marker("close after bind");
	expect_zero("close_after_rebind", close(b));
	result(c >= 0 && window_is_right(c), "close_after_rebind.new_fd_still_works");

	if (!unbind(mtd, level, "unbind_again.returns_in_time"))
		return;
	marker("read again");
	expect_enodev("unbind_again.read", pread(c, &byte, 1, 0));
	marker("close again");
	expect_zero("unbind_again.close", close(c));
	bind(mtd, level, "unbind_again.device_returns");
	c = open(mtd->dev, O_RDONLY);
	result(c >= 0 && window_is_right(c), "unbind_again.data_matches");
	close(c);
}

int main(void)
{
	uint64_t seed = env_number("MTD_TEST_SEED", 1);
	struct mtd mtd;

	ksft_print_header();
	limit_ms = env_number("MTD_TEST_LIMIT_MS", 20000);
	destructive = env_number("MTD_TEST_DESTRUCTIVE", 0);
	mtd_find(&mtd);
	ksft_print_msg("seed %llu\n", (unsigned long long)seed);
	ksft_set_plan(LEVEL_COUNT * TESTS_PER_LEVEL + 1);
	window = random_next(&seed) % (mtd.size / WINDOW) * WINDOW;
	restore_on_exit(&mtd);

	for (enum level level = LEVEL_FLASH; level < LEVEL_COUNT; level++)
		run_level(&mtd, level);
	test_lockdep();
	ksft_finished();
}
