// SPDX-License-Identifier: GPL-2.0
/*
 * Unbind a flash, or its controller, while processes read the flash.
 *
 * Each cycle: readers open, read to the end and close in a loop; when every
 * one of them is inside a read loop, the driver is unbound.  The unbind has to
 * return, each reader that was inside has to get ENODEV before the end of the
 * flash (never a plain end of file), and after binding the data is the same.
 *
 * MTD_TEST_TARGET   flash or controller (default: controller)
 * MTD_TEST_CYCLES   how often (default: 10)
 * MTD_TEST_READERS  how many readers (default: 4)
 * MTD_TEST_LIMIT_MS how long an unbind or a bind may take (default: 20000)
 * MTD_TEST_SEED     where to read, and when to unbind (default: 1)
 * MTD_TEST_DEVICE   the MTD, like mtd0 (default: the first that can be unbound)
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
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

/* Written by one reader, read by the others. A round is one open. */
struct reader {
	_Atomic unsigned int round;
	_Atomic uint64_t bytes;		/* in this round so far */
	_Atomic bool reading;

	unsigned int failed_round;	/* the first whose read failed */
	int failed_err;
	uint64_t failed_bytes;

	unsigned int early_end_round;	/* a 0 before the end of the flash */
	uint64_t early_end_bytes;

	int later_err;			/* of a read in a later round */
	int open_err;			/* the open that ended the loop */
	int close_err;
	_Atomic bool finished;
};

struct snapshot {
	bool inside;
	unsigned int round;
	uint64_t bytes;
};

struct shared {
	struct reader reader[MAX_READERS];
	struct snapshot at_marker[MAX_READERS];
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
static unsigned int nr_readers;

#define check(property, cond, fmt, ...) ({				\
	bool __ok = (cond);						\
	if (!__ok)							\
		ksft_print_msg("cycle %u: " fmt "\n", cycle, ##__VA_ARGS__); \
	ok[property] &= __ok;						\
	tested[property] = true;					\
	__ok;								\
})

static void read_loop(struct reader *r, const struct mtd *mtd, size_t chunk)
{
	char *buf = malloc(chunk);
	int later = 0;

	if (!buf)
		_exit(1);
	while (later <= LATER_ROUNDS) {
		int fd = open(mtd->dev, O_RDONLY);
		uint64_t bytes = 0;
		ssize_t n;

		if (fd < 0) {
			r->open_err = errno;
			break;
		}
		r->bytes = 0;
		r->round++;
		r->reading = true;
		while ((n = read(fd, buf, chunk)) > 0) {
			bytes += n;
			r->bytes = bytes;
		}
		if (n < 0 && !r->failed_round) {
			r->failed_err = errno;
			r->failed_bytes = bytes;
			r->failed_round = r->round;
		} else if (n < 0) {
			r->later_err = errno;
		} else if (bytes != mtd->size && !r->early_end_round) {
			r->early_end_bytes = bytes;
			r->early_end_round = r->round;
		}
		r->reading = false;
		if (close(fd))
			r->close_err = errno;
		if (r->failed_round)
			later++;
	}
	r->finished = true;
	_exit(0);
}

/* In the first half, so that none can reach the end before the unbind acts. */
static bool is_inside(const struct reader *r, uint64_t size)
{
	return r->reading && r->bytes && r->bytes <= size / 2;
}

static bool wait_inside(uint64_t size, uint64_t total)
{
	uint64_t end = now_us() + INSIDE_LIMIT_MS * 1000ull;

	while (now_us() < end) {
		unsigned int inside = 0;
		uint64_t sum = 0;

		for (unsigned int i = 0; i < nr_readers; i++) {
			inside += is_inside(&shared->reader[i], size);
			sum += shared->reader[i].bytes;
		}
		if (inside == nr_readers && sum >= total)
			return true;
		sleep_ms(1);
	}
	return false;
}

static void take_snapshot(void *arg)
{
	const struct mtd *mtd = arg;

	for (unsigned int i = 0; i < nr_readers; i++) {
		const struct reader *r = &shared->reader[i];
		struct snapshot *s = &shared->at_marker[i];

		s->round = r->round;
		s->bytes = r->bytes;
		s->inside = is_inside(r, mtd->size);
	}
}

static bool join(const pid_t *pid)
{
	uint64_t end = now_us() + JOIN_LIMIT_MS * 1000ull;
	unsigned int left = nr_readers;
	bool joined[MAX_READERS] = {}, well = true;

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
		ksft_print_msg("cycle %u: reader %u does not end: round %u, %llu bytes\n",
			       cycle, i, shared->reader[i].round,
			       (unsigned long long)shared->reader[i].bytes);
		kill(pid[i], SIGKILL);
		well = false;
	}
	return well;
}

static bool open_error_is_clean(int err)
{
	return err == ENODEV || err == ENOENT || err == ENXIO;
}

static unsigned int judge_readers(const struct mtd *mtd)
{
	unsigned int inside = 0;

	for (unsigned int i = 0; i < nr_readers; i++) {
		const struct reader *r = &shared->reader[i];
		const struct snapshot *s = &shared->at_marker[i];

		if (!r->finished) {
			ok[READS_END_ENODEV] = false;
			continue;
		}
		check(READS_END_ENODEV, !r->early_end_round,
		      "reader %u: end of file after %llu bytes", i,
		      (unsigned long long)r->early_end_bytes);
		if (s->inside) {
			inside++;
			check(READS_END_ENODEV, r->failed_round == s->round,
			      "reader %u: its read did not fail", i);
		}
		if (r->failed_round) {
			check(READS_END_ENODEV, r->failed_err == ENODEV,
			      "reader %u: read: %s", i, strerror(r->failed_err));
			check(READS_END_ENODEV, r->failed_bytes < mtd->size,
			      "reader %u: error after the last byte", i);
		}
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

/* Returns false when going on makes no sense. */
static bool run_cycle(struct mtd *mtd, enum level level, unsigned int limit_ms,
		      uint64_t *seed)
{
	static char before[MAX_WINDOW], after[MAX_WINDOW];
	struct bind_result unbind, bind;
	uint64_t off, len, total, start;
	unsigned int inside;
	pid_t pid[MAX_READERS];
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
	chunk = MAX_CHUNK >> (cycle == 1 ? 0 : 2 * (random_next(seed) % 3));
	total = chunk * (nr_readers + random_next(seed) % (nr_readers + 1));
	if (total > mtd->size / 4 * nr_readers)
		total = mtd->size / 4 * nr_readers;

	err = mtd_read_range(mtd, off, before, len);
	if (err) {
		ksft_print_msg("cycle %u: read: %s\n", cycle, strerror(err));
		return false;
	}

	for (unsigned int i = 0; i < nr_readers; i++) {
		pid[i] = fork();
		if (pid[i] < 0)
			ksft_exit_fail_perror("fork");
		if (!pid[i])
			read_loop(&shared->reader[i], mtd, chunk);
	}

	check(READERS_INSIDE, wait_inside(mtd->size, total),
	      "not all readers inside after %u ms", INSIDE_LIMIT_MS);
	unbind = mtd_unbind(mtd, level, cycle, limit_ms, take_snapshot, mtd);
	if (!check(UNBIND_RETURNS, !unbind.err, "unbind: %s", strerror(unbind.err))) {
		for (unsigned int i = 0; i < nr_readers; i++)
			kill(pid[i], SIGKILL);
		goto out;
	}
	check(UNBIND_RETURNS, unbind.us <= limit_ms * 1000ull,
	      "unbind took %llu us", (unsigned long long)unbind.us);

	if (!join(pid))
		ok[READS_END_ENODEV] = false;
	inside = judge_readers(mtd);
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

int main(void)
{
	unsigned int cycles = env_number("MTD_TEST_CYCLES", 10);
	unsigned int limit_ms = env_number("MTD_TEST_LIMIT_MS", 20000);
	const char *target = env_string("MTD_TEST_TARGET", "controller");
	uint64_t seed = env_number("MTD_TEST_SEED", 1);
	enum level level = LEVEL_FLASH;
	struct mtd mtd;

	ksft_print_header();
	nr_readers = env_number("MTD_TEST_READERS", 4);
	if (!nr_readers || nr_readers > MAX_READERS)
		ksft_exit_fail_msg("1 to %d readers\n", MAX_READERS);
	while (strcmp(target, level_name[level]))
		if (++level == LEVEL_COUNT)
			ksft_exit_fail_msg("MTD_TEST_TARGET: flash or controller\n");
	mtd_find(&mtd);
	ksft_print_msg("seed %llu, %u cycles, %u readers\n",
		       (unsigned long long)seed, cycles, nr_readers);
	ksft_set_plan(PROPERTY_COUNT + 1);

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		ksft_exit_fail_perror("mmap");
	restore_on_exit(&mtd);

	for (cycle = 1; cycle <= cycles; cycle++)
		if (!run_cycle(&mtd, level, limit_ms, &seed))
			break;

	for (int i = 0; i < PROPERTY_COUNT; i++) {
		if (passed[i] != cycles)
			ksft_print_msg("%s: %u of %u cycles\n", property_name[i],
				       passed[i], cycles);
		ksft_test_result(cycles && passed[i] == cycles, "%s\n",
				 property_name[i]);
	}
	test_lockdep();
	ksft_finished();
}
