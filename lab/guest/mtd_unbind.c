// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "mtd_unbind.h"

const char *const level_name[LEVEL_COUNT] = { "flash", "controller" };

uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000ull + ts.tv_nsec / 1000;
}

void sleep_ms(unsigned int ms)
{
	struct timespec ts = { ms / 1000, (ms % 1000) * 1000000l };

	nanosleep(&ts, NULL);
}

const char *env_string(const char *name, const char *preset)
{
	const char *value = getenv(name);

	return value && *value ? value : preset;
}

uint64_t env_number(const char *name, uint64_t preset)
{
	const char *value = env_string(name, NULL);
	char *end;
	uint64_t n;

	if (!value)
		return preset;
	errno = 0;
	n = strtoull(value, &end, 0);
	if (errno || *end)
		ksft_exit_fail_msg("%s=%s is not a number\n", name, value);
	return n;
}

/* splitmix64 */
uint64_t random_next(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

uint64_t fnv1a(const void *data, size_t len)
{
	const unsigned char *p = data;
	uint64_t h = 0xcbf29ce484222325ull;

	while (len--)
		h = (h ^ *p++) * 0x100000001b3ull;
	return h;
}

/* Returns a static buffer; an empty string when it cannot be read. */
static const char *read_line(const char *dir, const char *file)
{
	static char line[256];
	char path[PATH_MAX + 64];
	FILE *f;

	line[0] = 0;
	snprintf(path, sizeof(path), "%s/%s", dir, file);
	f = fopen(path, "r");
	if (f) {
		if (!fgets(line, sizeof(line), f))
			line[0] = 0;
		fclose(f);
	}
	line[strcspn(line, "\n")] = 0;
	return line;
}

static bool resolve(char *out, const char *dir, const char *name)
{
	char path[PATH_MAX + 64];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	if (realpath(path, out))
		return true;
	out[0] = 0;
	return false;
}

static bool can_unbind(const char *driver)
{
	char path[PATH_MAX + 64];

	snprintf(path, sizeof(path), "%s/unbind", driver);
	return !access(path, W_OK);
}

/* The nearest device above @dir that has a driver. */
static bool find_controller(struct mtd *mtd)
{
	char *dir = mtd->dir[LEVEL_CONTROLLER];
	char *slash;

	strcpy(dir, mtd->dir[LEVEL_FLASH]);
	while ((slash = strrchr(dir, '/')) && slash != dir) {
		*slash = 0;
		if (resolve(mtd->driver[LEVEL_CONTROLLER], dir, "driver"))
			return can_unbind(mtd->driver[LEVEL_CONTROLLER]);
	}
	return false;
}

static void set_name(struct mtd *mtd, const char *name)
{
	snprintf(mtd->name, sizeof(mtd->name), "%s", name);
	snprintf(mtd->dev, sizeof(mtd->dev), "/dev/%s", mtd->name);
}

/* Calls @match for each master's or partition's directory until it is true. */
static bool each_mtd(bool (*match)(struct mtd *, const char *), struct mtd *mtd)
{
	struct dirent **list;
	bool found = false;
	int i, n = scandir("/sys/class/mtd", &list, NULL, versionsort);

	for (i = 0; i < n; i++) {
		const char *name = list[i]->d_name;
		size_t len = strlen(name);

		/* mtdNro is the read-only node of mtdN */
		if (!found && !strncmp(name, "mtd", 3) && name[len - 1] != 'o')
			found = match(mtd, name);
		free(list[i]);
	}
	if (n >= 0)
		free(list);
	return found;
}

static bool match_first(struct mtd *mtd, const char *name)
{
	const char *only = env_string("MTD_TEST_DEVICE", NULL);
	char dir[PATH_MAX];

	if (only && strcmp(only, name))
		return false;
	snprintf(dir, sizeof(dir), "/sys/class/mtd/%s", name);
	/* A partition's parent has no driver of its own. */
	if (!resolve(mtd->dir[LEVEL_FLASH], dir, "device") ||
	    !resolve(mtd->driver[LEVEL_FLASH], mtd->dir[LEVEL_FLASH], "driver") ||
	    !can_unbind(mtd->driver[LEVEL_FLASH]) || !find_controller(mtd))
		return false;
	resolve(mtd->of_node, mtd->dir[LEVEL_FLASH], "of_node");
	mtd->size = strtoull(read_line(dir, "size"), NULL, 0);
	mtd->erasesize = strtoul(read_line(dir, "erasesize"), NULL, 0);
	set_name(mtd, name);
	return mtd->size;
}

void mtd_find(struct mtd *mtd)
{
	if (!each_mtd(match_first, mtd))
		ksft_exit_skip("no MTD whose flash and controller can be unbound\n");
	ksft_print_msg("%s: %llu bytes\n", mtd->name,
		       (unsigned long long)mtd->size);
	for (int i = 0; i < LEVEL_COUNT; i++)
		ksft_print_msg("%s: %s, driver %s\n", level_name[i],
			       basename(mtd->dir[i]), basename(mtd->driver[i]));
}

/* The bus number, and with it the flash's directory, may have changed. */
static bool match_again(struct mtd *mtd, const char *name)
{
	size_t len = strlen(mtd->dir[LEVEL_CONTROLLER]);
	char class_dir[PATH_MAX], dir[PATH_MAX], node[PATH_MAX];

	snprintf(class_dir, sizeof(class_dir), "/sys/class/mtd/%s", name);
	if (!resolve(dir, class_dir, "device") ||
	    strncmp(dir, mtd->dir[LEVEL_CONTROLLER], len) || dir[len] != '/')
		return false;
	resolve(node, dir, "of_node");
	if (strcmp(node, mtd->of_node))
		return false;
	if (strtoull(read_line(class_dir, "size"), NULL, 0) != mtd->size)
		return false;
	strcpy(mtd->dir[LEVEL_FLASH], dir);
	set_name(mtd, name);
	return true;
}

bool mtd_wait(struct mtd *mtd, unsigned int limit_ms)
{
	uint64_t end = now_us() + limit_ms * 1000ull;

	do {
		if (each_mtd(match_again, mtd)) {
			int fd = open(mtd->dev, O_RDONLY);

			if (fd >= 0) {
				close(fd);
				return true;
			}
		}
		sleep_ms(2);
	} while (now_us() < end);
	return false;
}

int mtd_read_range(const struct mtd *mtd, uint64_t off, void *buf, size_t len)
{
	int fd = open(mtd->dev, O_RDONLY), err = 0;
	size_t done = 0;

	if (fd < 0)
		return errno;
	while (done < len) {
		ssize_t n = pread(fd, buf + done, len - done, off + done);

		if (n <= 0) {
			err = n ? errno : EIO;
			break;
		}
		done += n;
	}
	close(fd);
	return err;
}

struct shared_result {
	struct bind_result result;
	_Atomic bool done;
};

/*
 * The write may never return, so a process of its own makes it and this one
 * waits with a limit.
 */
static struct bind_result write_name(const struct mtd *mtd, enum level level,
				     const char *file, const char *marker,
				     unsigned int limit_ms,
				     void (*before)(void *), void *arg)
{
	struct bind_result timed_out = { .err = ETIMEDOUT, .us = limit_ms * 1000ull };
	const char *name = basename(mtd->dir[level]);
	char path[PATH_MAX + 64];
	struct shared_result *shared;
	struct bind_result result;
	bool died = false;
	uint64_t start = now_us(), end;
	pid_t pid;

	snprintf(path, sizeof(path), "%s/%s", mtd->driver[level], file);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		ksft_exit_fail_perror("mmap");
	pid = fork();
	if (pid < 0)
		ksft_exit_fail_perror("fork");
	if (!pid) {
		int fd = open(path, O_WRONLY);
		ssize_t n;

		if (fd < 0) {
			shared->result.err = errno;
		} else {
			if (before)
				before(arg);
			if (marker)
				ksft_print_msg("%s\n", marker);
			start = now_us();
			n = write(fd, name, strlen(name));
			shared->result.err = n < 0 ? errno : 0;
			shared->result.us = now_us() - start;
		}
		shared->done = true;
		_exit(0);
	}

	end = start + limit_ms * 1000ull;
	while (!shared->done && !died && now_us() < end) {
		died = waitpid(pid, NULL, WNOHANG) == pid;
		if (!died)
			sleep_ms(1);
	}
	if (!shared->done) {
		/* Left alone, and its page with it: it may be inside for ever. */
		if (!died)
			kill(pid, SIGKILL);
		ksft_print_msg("%s %s: %s after %llu ms\n", file, name,
			       died ? "died" : "no end",
			       (unsigned long long)(now_us() - start) / 1000);
		return timed_out;
	}
	if (!died)
		waitpid(pid, NULL, 0);
	result = shared->result;
	munmap(shared, sizeof(*shared));
	if (result.err)
		ksft_print_msg("%s %s: %s\n", file, name, strerror(result.err));
	return result;
}

/* What restore() has to put right; plain data, for it runs in a handler too. */
static struct {
	pid_t pid;
	const struct mtd *mtd;
	volatile sig_atomic_t unbound[LEVEL_COUNT];
} to_restore;

static void restore(void)
{
	if (getpid() != to_restore.pid)
		return;
	for (int i = LEVEL_COUNT - 1; i >= 0; i--) {
		const char *dir = to_restore.mtd->dir[i];
		const char *name = strrchr(dir, '/') + 1;
		int drv, fd;

		if (!to_restore.unbound[i])
			continue;
		to_restore.unbound[i] = 0;
		drv = open(to_restore.mtd->driver[i], O_PATH | O_DIRECTORY);
		fd = openat(drv, "bind", O_WRONLY);
		if (fd >= 0 && write(fd, name, strlen(name)) < 0) {
			/* Nobody is left to tell. */
		}
	}
}

static void restore_and_die(int sig)
{
	restore();
	signal(sig, SIG_DFL);
	raise(sig);
}

void restore_on_exit(const struct mtd *mtd)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGALRM, SIGPIPE };

	to_restore.pid = getpid();
	to_restore.mtd = mtd;
	atexit(restore);
	for (unsigned int i = 0; i < ARRAY_SIZE(signals); i++)
		signal(signals[i], restore_and_die);
}

struct bind_result mtd_unbind(const struct mtd *mtd, enum level level,
			      unsigned int cycle, unsigned int limit_ms,
			      void (*before)(void *), void *arg)
{
	struct bind_result result;
	char marker[64];

	snprintf(marker, sizeof(marker), "marker: unbind %s cycle %u",
		 level_name[level], cycle);
	to_restore.unbound[level] = 1;
	result = write_name(mtd, level, "unbind", marker, limit_ms, before, arg);
	/* Stuck in there with the device locked: a bind would be stuck too. */
	if (result.err == ETIMEDOUT)
		to_restore.unbound[level] = 0;
	return result;
}

struct bind_result mtd_bind(const struct mtd *mtd, enum level level,
			    unsigned int limit_ms)
{
	struct bind_result result;

	result = write_name(mtd, level, "bind", NULL, limit_ms, NULL, NULL);
	to_restore.unbound[level] = 0;
	return result;
}

int lockdep_on(void)
{
	FILE *f = fopen("/proc/lockdep_stats", "r");
	char line[128];
	int on = 0;

	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, " debug_locks: %d", &on) == 1)
			ksft_print_msg("debug_locks: %d\n", on);
	}
	fclose(f);
	return on;
}
