// SPDX-License-Identifier: GPL-2.0
/*
 * Unbind a flash, and then its controller, while processes read the flash.
 *
 * Each cycle: readers open the MTD and read without a pause; when every one of
 * them is at it, the driver is unbound.  The unbind has to return, each reader
 * has to get ENODEV (never a plain end of file), opening has to fail, and
 * after binding the data is the same.
 *
 * MTD_TEST_CYCLES   how often (default: 10)
 * MTD_TEST_READERS  how many readers (default: 4)
 * Others: see mtd_unbind.h
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mtd_unbind.h"

#define MAX_READERS	16
#define MAX_CHUNK	(1024 * 1024)
#define MAX_WINDOW	(256 * 1024)
/* After a failed read, a reader opens again this often to see that fail. */
#define LATER_ROUNDS	3
#define INSIDE_LIMIT_MS	60000
#define JOIN_LIMIT_MS	20000

/* Written by one reader, read by the others. */
struct reader {
	atomic_ulong bytes;		/* read before the read that failed */
	atomic_bool reading;
	atomic_bool finished;

	int read_err;			/* of the read that ended the loop; 0: end of file */
	int close_err;
	int open_err;			/* of an open after that; 0: still works */
	bool later_read_works;		/* of what could be opened still */
	int later_err;
};

struct shared {
	struct reader reader[MAX_READERS];
	bool inside[MAX_READERS];	/* at the marker */
};

/* One KTAP test each, over all cycles. */
enum {
	READERS_INSIDE,
	UNBIND_RETURNS,
	READS_END_ENODEV,
	OPENS_FAIL_CLEANLY,
	DEVICE_RETURNS,
	DATA_MATCHES,
	PROPERTY_COUNT
};

static const char *const property_name[PROPERTY_COUNT] = {
	[READERS_INSIDE]	= "op_in_flight.readers_were_inside",
	[UNBIND_RETURNS]	= "op_in_flight.unbind_returns_in_time",
	[READS_END_ENODEV]	= "op_in_flight.reads_end_with_enodev",
	[OPENS_FAIL_CLEANLY]	= "new_open.fails_cleanly",
	[DEVICE_RETURNS]	= "rebind.device_returns",
	[DATA_MATCHES]		= "rebind.data_matches",
};

static unsigned int passed[PROPERTY_COUNT];	/* cycles */
static bool ok[PROPERTY_COUNT], tested[PROPERTY_COUNT];	/* in this cycle */
static unsigned int cycle;
static struct shared *shared;
static unsigned int nr_readers, limit_ms;

#define check(property, cond, fmt, ...) ({				\
	unsigned int __property = (property);				\
	bool __ok = (cond);						\
	if (!__ok)							\
		ksft_print_msg("cycle %u: " fmt "\n", cycle, ##__VA_ARGS__); \
	ok[__property] &= __ok;						\
	tested[__property] = true;					\
	__ok;								\
})

/* Never comes to the end of the flash: a read that returns 0 is a wrong one. */
static void read_until_error(struct reader *r, const struct mtd *mtd, int fd,
			     char *buf, size_t chunk)
{
	uint64_t off = 0;
	ssize_t n;

	r->reading = true;
	while ((n = pread(fd, buf, chunk, off)) > 0) {
		r->bytes += n;
		off += n;
		if (off + chunk > mtd->size)
			off = 0;
	}
	r->read_err = n ? errno : 0;
	r->reading = false;
}

static void reader_main(struct reader *r, const struct mtd *mtd, size_t chunk)
{
	char *buf = malloc(chunk);
	int fd = open(mtd->dev, O_RDONLY);

	if (!buf || fd < 0)
		_exit(1);
	read_until_error(r, mtd, fd, buf, chunk);
	if (close(fd))
		r->close_err = errno;

	for (int i = 0; i < LATER_ROUNDS && !r->open_err; i++) {
		fd = open(mtd->dev, O_RDONLY);
		if (fd < 0) {
			r->open_err = errno;
			break;
		}
		if (pread(fd, buf, chunk, 0) >= 0)
			r->later_read_works = true;
		else
			r->later_err = errno;
		if (close(fd))
			r->close_err = errno;
	}
	r->finished = true;
	_exit(0);
}

/* One read is done, and the next has begun or is about to. */
static bool is_inside(const struct reader *r)
{
	return r->reading && r->bytes;
}

static bool wait_inside(uint64_t total)
{
	uint64_t end = now_us() + INSIDE_LIMIT_MS * 1000ull;

	while (now_us() < end) {
		unsigned int inside = 0;
		uint64_t sum = 0;

		for (unsigned int i = 0; i < nr_readers; i++) {
			inside += is_inside(&shared->reader[i]);
			sum += shared->reader[i].bytes;
		}
		if (inside == nr_readers && sum >= total)
			return true;
		sleep_ms(1);
	}
	return false;
}

static void take_snapshot(void *arg __maybe_unused)
{
	for (unsigned int i = 0; i < nr_readers; i++)
		shared->inside[i] = is_inside(&shared->reader[i]);
}

static bool join(const pid_t *pid)
{
	uint64_t end = now_us() + JOIN_LIMIT_MS * 1000ull;
	bool joined[MAX_READERS] = {}, well = true;
	unsigned int left = nr_readers;

	while (left) {
		for (unsigned int i = 0; i < nr_readers; i++) {
			int status;

			if (joined[i] || waitpid(pid[i], &status, WNOHANG) != pid[i])
				continue;
			joined[i] = true;
			left--;
			if (status) {
				ksft_print_msg("cycle %u: reader %u: status %#x\n",
					       cycle, i, status);
				well = false;
			}
		}
		if (now_us() > end)
			break;
		sleep_ms(1);
	}
	for (unsigned int i = 0; left && i < nr_readers; i++) {
		if (joined[i])
			continue;
		ksft_print_msg("cycle %u: reader %u does not end: %lu bytes\n", cycle, i,
			       (unsigned long)shared->reader[i].bytes);
		kill(pid[i], SIGKILL);
		well = false;
	}
	return well;
}

static bool open_error_is_clean(int err)
{
	return err == ENODEV || err == ENOENT || err == ENXIO;
}

static unsigned int judge_readers(void)
{
	unsigned int inside = 0;

	for (unsigned int i = 0; i < nr_readers; i++) {
		const struct reader *r = &shared->reader[i];

		inside += shared->inside[i];
		if (!check(READS_END_ENODEV, r->finished, "reader %u: died", i))
			continue;
		check(READS_END_ENODEV, r->read_err == ENODEV,
		      "reader %u: read after %lu bytes: %s", i,
		      (unsigned long)r->bytes,
		      r->read_err ? strerror(r->read_err) : "end of file");
		check(READS_END_ENODEV, !r->later_read_works,
		      "reader %u: a new descriptor can be read", i);
		check(READS_END_ENODEV, !r->later_err || r->later_err == ENODEV,
		      "reader %u: later read: %s", i, strerror(r->later_err));
		check(READS_END_ENODEV, !r->close_err,
		      "reader %u: close: %s", i, strerror(r->close_err));
		check(OPENS_FAIL_CLEANLY, open_error_is_clean(r->open_err),
		      "reader %u: open: %s", i,
		      r->open_err ? strerror(r->open_err) : "still works");
	}
	check(READERS_INSIDE, inside == nr_readers, "%u of %u readers inside",
	      inside, nr_readers);
	return inside;
}

/*
 * A power of two that takes a second at most to read, lest a slow flash with
 * many readers inside takes longer than an unbind may.  Returns 0 on error.
 */
static size_t largest_chunk(const struct mtd *mtd)
{
	static char buf[MAX_WINDOW];
	size_t chunk = MAX_CHUNK, len = mtd->size < MAX_WINDOW ? mtd->size : MAX_WINDOW;
	uint64_t start = now_us(), us;
	int err;

	err = mtd_read_range(mtd, 0, buf, len);
	if (err) {
		ksft_print_msg("%s: read: %s\n", mtd->dev, strerror(err));
		return 0;
	}
	us = now_us() - start;
	while (chunk > 1 && (chunk > mtd->size / 2 || chunk * us / len > 1000000))
		chunk /= 2;
	return chunk;
}

/* Returns false when going on makes no sense. */
static bool run_cycle(struct mtd *mtd, enum level level, size_t max_chunk,
		      uint64_t *seed)
{
	static char before[MAX_WINDOW], after[MAX_WINDOW];
	struct bind_result unbind, bind;
	uint64_t off, len, total, start;
	pid_t pid[MAX_READERS];
	unsigned int inside;
	size_t chunk;
	int err;

	memset(ok, true, sizeof(ok));
	memset(tested, false, sizeof(tested));
	memset(shared, 0, sizeof(*shared));

	len = 1 + random_next(seed) % MAX_WINDOW;
	if (len > mtd->size)
		len = mtd->size;
	off = random_next(seed) % (mtd->size - len + 1);
	/* The first cycle has the widest window for a race. */
	chunk = max_chunk >> (cycle == 1 ? 0 : 2 * (random_next(seed) % 3));
	if (!chunk)
		chunk = 1;
	total = chunk * (nr_readers + random_next(seed) % (nr_readers + 1));

	err = mtd_read_range(mtd, off, before, len);
	if (err) {
		ksft_print_msg("cycle %u: read: %s\n", cycle, strerror(err));
		return false;
	}

	for (unsigned int i = 0; i < nr_readers; i++) {
		pid[i] = fork_child();
		if (!pid[i])
			reader_main(&shared->reader[i], mtd, chunk);
	}

	check(READERS_INSIDE, wait_inside(total),
	      "not all readers inside after %u ms", INSIDE_LIMIT_MS);
	unbind = mtd_unbind(mtd, level, cycle, limit_ms, take_snapshot, NULL);
	if (!check(UNBIND_RETURNS, !unbind.err, "unbind: %s", strerror(unbind.err))) {
		for (unsigned int i = 0; i < nr_readers; i++)
			kill(pid[i], SIGKILL);
		goto out;
	}
	check(UNBIND_RETURNS, unbind.us <= limit_ms * 1000ull,
	      "unbind took %llu us", (unsigned long long)unbind.us);

	check(READS_END_ENODEV, join(pid), "not all readers ended well");
	inside = judge_readers();
	ksft_print_msg("cycle %u inside %u unbind_us %llu chunk %zu\n", cycle,
		       inside, (unsigned long long)unbind.us, chunk);

	start = now_us();
	bind = mtd_bind(mtd, level, limit_ms);
	check(DEVICE_RETURNS, !bind.err, "bind: %s", strerror(bind.err));
	if (!check(DEVICE_RETURNS, mtd_wait(mtd, limit_ms), "no MTD after bind"))
		goto out;
	err = mtd_read_range(mtd, off, after, len);
	check(DATA_MATCHES, !err, "read after bind: %s", strerror(err));
	check(DATA_MATCHES, err || !memcmp(before, after, len), "data differs");
	ksft_print_msg("window %u offset %llu length %llu fnv1a %016llx back_ms %llu\n",
		       cycle, (unsigned long long)off, (unsigned long long)len,
		       (unsigned long long)fnv1a(after, len),
		       (unsigned long long)(now_us() - start) / 1000);

out:
	for (int i = 0; i < PROPERTY_COUNT; i++)
		passed[i] += tested[i] && ok[i];
	return tested[DATA_MATCHES] && ok[DEVICE_RETURNS] && ok[READS_END_ENODEV];
}

static void skip_level(enum level level, const char *why)
{
	for (int i = 0; i < PROPERTY_COUNT; i++) {
		char test[64];

		snprintf(test, sizeof(test), "%s.%s", level_name[level], property_name[i]);
		ksft_test_result_code(KSFT_SKIP, test, "%s", why);
	}
}

/* Returns false when the other level cannot be tested any more. */
static bool run_level(struct mtd *mtd, enum level level, unsigned int cycles,
		      uint64_t seed)
{
	size_t chunk = largest_chunk(mtd);
	bool going = chunk;

	memset(passed, 0, sizeof(passed));
	for (cycle = 1; going && cycle <= cycles; cycle++)
		going = run_cycle(mtd, level, chunk, &seed);

	for (int i = 0; i < PROPERTY_COUNT; i++) {
		if (passed[i] != cycles)
			ksft_print_msg("%s.%s: %u of %u cycles\n", level_name[level],
				       property_name[i], passed[i], cycles);
		ksft_test_result(passed[i] == cycles, "%s.%s\n", level_name[level],
				 property_name[i]);
	}
	return going;
}

int main(void)
{
	unsigned int cycles = env_number("MTD_TEST_CYCLES", 10);
	uint64_t seed = env_number("MTD_TEST_SEED", 1);
	struct health health;
	bool going = true;
	struct mtd *mtd;

	ksft_print_header();
	limit_ms = env_number("MTD_TEST_LIMIT_MS", 20000);
	nr_readers = env_number("MTD_TEST_READERS", 4);
	if (!nr_readers || nr_readers > MAX_READERS)
		ksft_exit_fail_msg("MTD_TEST_READERS: 1 to %d\n", MAX_READERS);
	if (!cycles)
		ksft_exit_fail_msg("MTD_TEST_CYCLES: at least 1\n");
	mtd = mtd_find();
	ksft_print_msg("seed %llu, %u cycles, %u readers\n",
		       (unsigned long long)seed, cycles, nr_readers);
	ksft_set_plan(levels_wanted() * PROPERTY_COUNT + HEALTH_TESTS);

	shared = shared_alloc(sizeof(*shared));
	health = health_before();
	restore_on_exit(mtd);

	for (enum level level = LEVEL_FLASH; level < LEVEL_COUNT; level++) {
		if (!level_wanted(level))
			continue;
		if (*mtd->refused[level])
			skip_level(level, mtd->refused[level]);
		else if (!going)
			skip_level(level, "not tried after the failure above");
		else
			going = run_level(mtd, level, cycles, seed);
	}
	test_health(&health);
	ksft_finished();
}
