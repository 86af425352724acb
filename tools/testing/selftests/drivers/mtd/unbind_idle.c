// SPDX-License-Identifier: GPL-2.0
/*
 * Hold file descriptors of an MTD, idle, while its driver is unbound.
 *
 * Whoever still holds one gets ENODEV for as long as they hold it, also after
 * the driver is bound again: an old descriptor never reaches a new device.
 * Closing one always works.  Done twice: unbinding the flash, then its
 * controller.
 *
 * MTD_TEST_DESTRUCTIVE 1: also try to write and to erase.  A kernel that fails
 *                      this test may then really change the flash.
 *                      (default: 0)
 * Others: see mtd_unbind.h
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <mtd/mtd-user.h>

#include "mtd_unbind.h"

#define MAX_WINDOW	(64 * 1024)
#define WRITE_SIZE	256

static const char *const test_name[] = {
	"idle_fds.unbind_returns_in_time",
	"new_op_on_old_fd.read",
	"new_op_on_old_fd.lseek",
	"new_op_on_old_fd.memgetinfo",
	"new_op_on_old_fd.write",
	"new_op_on_old_fd.memerase",
	"close_after_unbind",
	"rebind.device_returns",
	"rebind.new_fd_reads_right_data",
	"old_fd_after_rebind.read",
	"old_fd_after_rebind.lseek",
	"old_fd_after_rebind.memgetinfo",
	"close_after_rebind",
	"close_after_rebind.new_fd_still_works",
	"unbind_again.returns_in_time",
	"unbind_again.read",
	"unbind_again.close",
	"unbind_again.device_returns",
	"unbind_again.data_matches",
};

static unsigned int limit_ms;
static bool destructive;
static unsigned int cycle;
static unsigned int test;		/* of a level: the next */
static const char *prefix;
static char before[MAX_WINDOW], after[MAX_WINDOW];
static uint64_t window;
static size_t window_len;

/* The last marker before a splat names the call that did it. */
#define marker(fmt, ...) \
	ksft_print_msg("marker: %s " fmt "\n", prefix, ##__VA_ARGS__)

static bool result(bool ok)
{
	ksft_test_result(ok, "%s.%s\n", prefix, test_name[test]);
	test++;
	return ok;
}

static void skip(const char *why)
{
	char name[64];

	snprintf(name, sizeof(name), "%s.%s", prefix, test_name[test++]);
	ksft_test_result_code(KSFT_SKIP, name, "%s", why);
}

static void skip_rest(const char *why)
{
	while (test < ARRAY_SIZE(test_name))
		skip(why);
}

static void expect_enodev(long ret)
{
	int err = ret < 0 ? errno : 0;

	if (err != ENODEV)
		ksft_print_msg("%s.%s: %ld, %s\n", prefix, test_name[test], ret,
			       err ? strerror(err) : "no error");
	result(err == ENODEV);
}

static void expect_zero(int ret)
{
	if (ret)
		ksft_print_msg("%s.%s: %s\n", prefix, test_name[test], strerror(errno));
	result(!ret);
}

static bool unbind(struct mtd *mtd, enum level level)
{
	struct bind_result r;

	r = mtd_unbind(mtd, level, ++cycle, limit_ms, NULL, NULL);
	if (!r.err)
		ksft_print_msg("cycle %u inside 0 unbind_us %llu chunk 0\n",
			       cycle, (unsigned long long)r.us);
	result(!r.err && r.us <= limit_ms * 1000ull);
	return !r.err;
}

static bool bind(struct mtd *mtd, enum level level)
{
	return result(!mtd_bind(mtd, level, limit_ms).err && mtd_wait(mtd, limit_ms));
}

static bool window_is_right(int fd)
{
	if (fd < 0) {
		ksft_print_msg("%s: open: %s\n", prefix, strerror(errno));
		return false;
	}
	memset(after, 0, window_len);
	if (pread(fd, after, window_len, window) != (ssize_t)window_len) {
		ksft_print_msg("%s: read: %s\n", prefix, strerror(errno));
		return false;
	}
	ksft_print_msg("window %u offset %llu length %zu fnv1a %016llx back_ms 0\n",
		       cycle, (unsigned long long)window, window_len,
		       (unsigned long long)fnv1a(after, window_len));
	return !memcmp(before, after, window_len);
}

/* What needs no permission, and has to fail on a descriptor of a flash that is gone. */
static void try_to_look(int fd, const char *when)
{
	struct mtd_info_user info;
	char byte;

	marker("read%s", when);
	expect_enodev(pread(fd, &byte, 1, 0));
	marker("lseek%s", when);
	expect_enodev(lseek(fd, 0, SEEK_SET));
	marker("MEMGETINFO%s", when);
	expect_enodev(ioctl(fd, MEMGETINFO, &info));
}

/* Erase and write start here: the block that is read back afterwards too. */
static void try_to_change(const struct mtd *mtd, int fd)
{
	uint32_t size = mtd->erasesize ? mtd->erasesize : 1;
	struct erase_info_user erase = { window / size * size, size };

	if (!destructive) {
		skip("MTD_TEST_DESTRUCTIVE is not set");
		skip("MTD_TEST_DESTRUCTIVE is not set");
		return;
	}
	marker("write");
	expect_enodev(pwrite(fd, before, WRITE_SIZE, window));
	marker("MEMERASE");
	expect_enodev(ioctl(fd, MEMERASE, &erase));
}

/* Returns early when going on makes no sense. */
static void run_level(struct mtd *mtd, enum level level)
{
	int mode = destructive ? O_RDWR : O_RDONLY;
	int a, b, c, err;
	char byte;

	a = open(mtd->dev, mode);
	b = open(mtd->dev, mode);
	if (a < 0 || b < 0)
		ksft_exit_fail_perror(mtd->dev);
	err = mtd_read_range(mtd, window, before, window_len);
	if (err)
		ksft_exit_fail_msg("%s: read: %s\n", mtd->dev, strerror(err));

	if (!unbind(mtd, level))
		return;

	try_to_look(a, "");
	try_to_change(mtd, a);
	marker("close");
	expect_zero(close(a));

	if (!bind(mtd, level))
		return;
	c = open(mtd->dev, O_RDONLY);
	result(window_is_right(c));
	try_to_look(b, " after bind");
	marker("close after bind");
	expect_zero(close(b));
	result(window_is_right(c));

	if (!unbind(mtd, level))
		return;
	marker("read again");
	expect_enodev(pread(c, &byte, 1, 0));
	marker("close again");
	expect_zero(close(c));
	if (!bind(mtd, level))
		return;
	c = open(mtd->dev, O_RDONLY);
	result(window_is_right(c));
	close(c);
}

int main(void)
{
	uint64_t seed = env_number("MTD_TEST_SEED", 1);
	struct health health;
	bool going = true;
	struct mtd *mtd;

	ksft_print_header();
	limit_ms = env_number("MTD_TEST_LIMIT_MS", 20000);
	destructive = env_number("MTD_TEST_DESTRUCTIVE", 0);
	mtd = mtd_find();
	ksft_print_msg("seed %llu\n", (unsigned long long)seed);
	ksft_set_plan(levels_wanted() * ARRAY_SIZE(test_name) + HEALTH_TESTS);
	window_len = mtd->size < MAX_WINDOW ? mtd->size : MAX_WINDOW;
	window = random_next(&seed) % (mtd->size / window_len) * window_len;
	health = health_before();
	restore_on_exit(mtd);

	for (enum level level = LEVEL_FLASH; level < LEVEL_COUNT; level++) {
		if (!level_wanted(level))
			continue;
		prefix = level_name[level];
		test = 0;
		if (*mtd->refused[level]) {
			skip_rest(mtd->refused[level]);
		} else if (going) {
			run_level(mtd, level);
			going = test == ARRAY_SIZE(test_name);
		}
		/* Behind a failed test, which counts. */
		skip_rest("not tried after the failure above");
	}
	test_health(&health);
	ksft_finished();
}
