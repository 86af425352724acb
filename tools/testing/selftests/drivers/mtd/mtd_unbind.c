// SPDX-License-Identifier: GPL-2.0
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "mtd_unbind.h"

#define MTD_BLOCK_MAJOR	31

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

static const char *env_string(const char *name)
{
	const char *value = getenv(name);

	return value && *value ? value : NULL;
}

uint64_t env_number(const char *name, uint64_t preset)
{
	const char *value = env_string(name);
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

void *shared_alloc(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		ksft_exit_fail_perror("mmap");
	return p;
}

pid_t fork_child(void)
{
	pid_t parent = getpid(), pid = fork();

	if (pid < 0)
		ksft_exit_fail_perror("fork");
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
	}
	return pid;
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
	char path[PATH_MAX + NAME_MAX + 2];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	if (realpath(path, out))
		return true;
	out[0] = 0;
	return false;
}

static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static bool is_below(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	return !strncmp(path, dir, len) && path[len] == '/';
}

/* Whether @name, in the directory of links @links, leads below @dir. */
static bool link_is_below(const char *links, const char *name, const char *dir)
{
	char path[PATH_MAX];

	return resolve(path, links, name) && is_below(path, dir);
}

static bool number_is_below(const char *links, dev_t dev, const char *dir)
{
	char name[32];

	snprintf(name, sizeof(name), "%u:%u", major(dev), minor(dev));
	return link_is_below(links, name, dir);
}

static bool mtd_is_below(unsigned int number, const char *dir)
{
	char name[32];

	snprintf(name, sizeof(name), "mtd%u", number);
	return link_is_below("/sys/class/mtd", name, dir);
}

struct search {
	struct mtd *mtd;
	const char *dir;
	char why[256];
	char first[320];		/* reason, of the first MTD */
};

/* Calls @match with each name in @dir, in order, until it is true. */
static bool each_name(const char *dir, bool (*match)(struct search *, const char *),
		      struct search *search)
{
	struct dirent **list;
	bool found = false;
	int i, n = scandir(dir, &list, NULL, versionsort);

	for (i = 0; i < n; i++) {
		if (!found && list[i]->d_name[0] != '.')
			found = match(search, list[i]->d_name);
		free(list[i]);
	}
	if (n >= 0)
		free(list);
	return found;
}

static bool is_attached_ubi(struct search *search, const char *name)
{
	char dir[PATH_MAX];
	const char *line;

	snprintf(dir, sizeof(dir), "/sys/class/ubi/%s", name);
	line = read_line(dir, "mtd_num");
	/* Volumes are in there too. */
	if (!*line || !mtd_is_below(strtoul(line, NULL, 10), search->dir))
		return false;
	snprintf(search->why, sizeof(search->why), "mtd%s is attached to %s", line, name);
	return true;
}

/*
 * By number: the root file system's source reads /dev/root.  A file system
 * that sits on the MTD itself, like JFFS2, has the number of the block device
 * that MTD would have, with or without mtdblock.
 */
static bool is_mounted(struct search *search)
{
	FILE *f = fopen("/proc/self/mountinfo", "r");
	unsigned int maj, min;
	bool found = false;
	char line[8192];

	while (f && !found && fgets(line, sizeof(line), f)) {
		char where[128];

		if (sscanf(line, "%*u %*u %u:%u %*s %127s", &maj, &min, where) != 3)
			continue;
		found = number_is_below("/sys/dev/block", makedev(maj, min), search->dir) ||
			(maj == MTD_BLOCK_MAJOR && mtd_is_below(min, search->dir));
		if (found)
			snprintf(search->why, sizeof(search->why),
				 "%u:%u is mounted at %s", maj, min, where);
	}
	if (f)
		fclose(f);
	return found;
}

/* Mounted somewhere else, swapped to, or below another block device. */
static bool is_claimed_block(struct search *search, const char *name)
{
	char dev[PATH_MAX];
	int fd;

	if (!link_is_below("/sys/class/block", name, search->dir))
		return false;
	snprintf(dev, sizeof(dev), "/dev/%s", name);
	fd = open(dev, O_RDONLY | O_EXCL | O_CLOEXEC);
	if (fd >= 0)
		close(fd);
	if (fd >= 0 || errno != EBUSY)
		return false;
	snprintf(search->why, sizeof(search->why), "%s is in use", name);
	return true;
}

static bool has_it_open(struct search *search, const char *name)
{
	char path[PATH_MAX];
	struct dirent *entry;
	bool found = false;
	DIR *fds;

	if (strspn(name, "0123456789") != strlen(name) || atoi(name) == getpid())
		return false;
	snprintf(path, sizeof(path), "/proc/%s/fd", name);
	fds = opendir(path);
	while (fds && !found && (entry = readdir(fds))) {
		struct stat st;

		if (fstatat(dirfd(fds), entry->d_name, &st, 0))
			continue;
		if (S_ISCHR(st.st_mode))
			found = number_is_below("/sys/dev/char", st.st_rdev, search->dir);
		else if (S_ISBLK(st.st_mode))
			found = number_is_below("/sys/dev/block", st.st_rdev, search->dir);
	}
	if (fds)
		closedir(fds);
	if (found)
		snprintf(search->why, sizeof(search->why), "process %s has it open", name);
	return found;
}

/* What may come to use an MTD by itself, when it appears. */
static bool is_in_use(struct search *search)
{
	return each_name("/sys/class/ubi", is_attached_ubi, search) ||
	       is_mounted(search);
}

static bool is_used_by_anyone(struct search *search)
{
	return is_in_use(search) ||
	       each_name("/sys/class/block", is_claimed_block, search) ||
	       each_name("/proc", has_it_open, search);
}

/* Looks for devices with drivers, other than those of MTDs. */
static bool is_other_device(struct search *search, const char *name)
{
	struct search inner = { .mtd = search->mtd };
	char dir[PATH_MAX], path[PATH_MAX];
	struct stat st;

	if (snprintf(dir, sizeof(dir), "%s/%s", search->dir, name) >= (int)sizeof(dir) ||
	    lstat(dir, &st) || !S_ISDIR(st.st_mode))
		return false;
	if (resolve(path, dir, "mtd"))
		return false;
	if (resolve(path, dir, "driver")) {
		snprintf(search->why, sizeof(search->why),
			 "the controller has another device, %s", name);
		return true;
	}
	inner.dir = dir;
	if (!each_name(dir, is_other_device, &inner))
		return false;
	strcpy(search->why, inner.why);
	return true;
}

static bool can_unbind(struct search *search, enum level level)
{
	const char *driver = search->mtd->driver[level];
	char path[PATH_MAX + 64];

	snprintf(path, sizeof(path), "%s/unbind", driver);
	if (!access(path, W_OK))
		return true;
	snprintf(search->why, sizeof(search->why), "driver %.100s cannot be unbound",
		 last_part(driver));
	return false;
}

/* The nearest device above the flash that has a driver. */
static bool find_controller(struct search *search)
{
	struct mtd *mtd = search->mtd;
	char *dir = mtd->dir[LEVEL_CONTROLLER];
	char path[PATH_MAX];
	char *slash;

	strcpy(dir, mtd->dir[LEVEL_FLASH]);
	if (!resolve(path, dir, "subsystem") || strcmp(last_part(path), "spi")) {
		strcpy(search->why, "not on an SPI bus");
		return false;
	}
	while ((slash = strrchr(dir, '/')) && slash != dir) {
		*slash = 0;
		if (resolve(mtd->driver[LEVEL_CONTROLLER], dir, "driver"))
			break;
	}
	if (!*mtd->driver[LEVEL_CONTROLLER]) {
		strcpy(search->why, "the controller has no driver");
		return false;
	}
	search->dir = dir;
	return can_unbind(search, LEVEL_CONTROLLER) &&
	       !each_name(dir, is_other_device, search) && !is_used_by_anyone(search);
}

static bool find_flash(struct search *search, const char *class_dir)
{
	struct mtd *mtd = search->mtd;

	/* mtdram and the like; partitions, where their master is an MTD too. */
	if (!resolve(mtd->dir[LEVEL_FLASH], class_dir, "device") ||
	    !resolve(mtd->driver[LEVEL_FLASH], mtd->dir[LEVEL_FLASH], "driver")) {
		strcpy(search->why, "not of a device with a driver");
		return false;
	}
	if (!mtd->size || access(mtd->dev, R_OK)) {
		snprintf(search->why, sizeof(search->why), "%s cannot be read", mtd->dev);
		return false;
	}
	search->dir = mtd->dir[LEVEL_FLASH];
	return can_unbind(search, LEVEL_FLASH) && !is_used_by_anyone(search);
}

/* mtdNro is the read-only node of mtdN. */
static bool is_mtd_name(const char *name)
{
	return !strncmp(name, "mtd", 3) && name[3] &&
	       strspn(name + 3, "0123456789") == strlen(name + 3);
}

static void set_name(struct mtd *mtd, const char *name)
{
	snprintf(mtd->name, sizeof(mtd->name), "%s", name);
	snprintf(mtd->dev, sizeof(mtd->dev), "/dev/%s", mtd->name);
}

static bool match_first(struct search *search, const char *name)
{
	const char *only = env_string("MTD_TEST_DEVICE");
	struct mtd *mtd = search->mtd;
	char dir[PATH_MAX];

	if (!is_mtd_name(name) || strcmp(only, name))
		return false;
	snprintf(dir, sizeof(dir), "/sys/class/mtd/%s", name);
	set_name(mtd, name);
	mtd->size = strtoull(read_line(dir, "size"), NULL, 0);
	mtd->offset = strtoull(read_line(dir, "offset"), NULL, 0);
	mtd->erasesize = strtoul(read_line(dir, "erasesize"), NULL, 0);
	snprintf(mtd->label, sizeof(mtd->label), "%.63s", read_line(dir, "name"));
	if (!find_flash(search, dir)) {
		ksft_print_msg("%s: %s\n", name, search->why);
		if (!*search->first)
			snprintf(search->first, sizeof(search->first), "%s: %s",
				 mtd->name, search->why);
		return false;
	}
	resolve(mtd->of_node, mtd->dir[LEVEL_FLASH], "of_node");
	if (!find_controller(search))
		strcpy(mtd->refused[LEVEL_CONTROLLER], search->why);
	return true;
}

struct mtd *mtd_find(void)
{
	struct search search = { .mtd = shared_alloc(sizeof(struct mtd)) };
	const char *only = env_string("MTD_TEST_DEVICE");
	struct mtd *mtd = search.mtd;

	/* Complains about a wrong setting before anything is skipped. */
	levels_wanted();
	if (!only)
		ksft_exit_skip("MTD_TEST_DEVICE is not set\n");
	if (geteuid())
		ksft_exit_skip("only root can unbind drivers\n");
	if (!each_name("/sys/class/mtd", match_first, &search)) {
		if (*search.first)
			ksft_exit_skip("it cannot be unbound; %s\n", search.first);
		ksft_exit_skip("there is no %s\n", only);
	}
	ksft_print_msg("%s: %s, %llu bytes\n", mtd->name, mtd->label,
		       (unsigned long long)mtd->size);
	for (int i = 0; i < LEVEL_COUNT; i++) {
		if (*mtd->refused[i])
			ksft_print_msg("%s: %s\n", level_name[i], mtd->refused[i]);
		else
			ksft_print_msg("%s: %s, driver %s\n", level_name[i],
				       last_part(mtd->dir[i]),
				       last_part(mtd->driver[i]));
	}
	return mtd;
}

bool level_wanted(enum level level)
{
	const char *target = env_string("MTD_TEST_TARGET");

	return !target || !strcmp(target, level_name[level]);
}

unsigned int levels_wanted(void)
{
	unsigned int n = level_wanted(LEVEL_FLASH) + level_wanted(LEVEL_CONTROLLER);

	if (!n)
		ksft_exit_fail_msg("MTD_TEST_TARGET: flash or controller\n");
	return n;
}

/*
 * The number of the bus, and with it the flash's directory, may have changed;
 * not its chip select.
 */
static bool match_again(struct search *search, const char *name)
{
	char class_dir[PATH_MAX], dir[PATH_MAX], node[PATH_MAX];
	const char *old_cs, *cs;
	struct mtd *mtd = search->mtd;

	snprintf(class_dir, sizeof(class_dir), "/sys/class/mtd/%s", name);
	if (!is_mtd_name(name) || !resolve(dir, class_dir, "device"))
		return false;
	if (strcmp(dir, mtd->dir[LEVEL_FLASH])) {
		old_cs = strrchr(last_part(mtd->dir[LEVEL_FLASH]), '.');
		cs = strrchr(last_part(dir), '.');
		if (!is_below(dir, mtd->dir[LEVEL_CONTROLLER]) || !old_cs || !cs ||
		    strcmp(old_cs, cs))
			return false;
	}
	resolve(node, dir, "of_node");
	if (strcmp(node, mtd->of_node) ||
	    strtoull(read_line(class_dir, "size"), NULL, 0) != mtd->size ||
	    strtoull(read_line(class_dir, "offset"), NULL, 0) != mtd->offset ||
	    strncmp(read_line(class_dir, "name"), mtd->label, sizeof(mtd->label) - 1))
		return false;
	strcpy(mtd->dir[LEVEL_FLASH], dir);
	set_name(mtd, name);
	return true;
}

bool mtd_wait(struct mtd *mtd, unsigned int limit_ms)
{
	uint64_t end = now_us() + limit_ms * 1000ull;
	struct search search = { .mtd = mtd };

	do {
		if (each_name("/sys/class/mtd", match_again, &search)) {
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
	atomic_bool done;
};

static int open_driver_file(const struct mtd *mtd, enum level level, const char *file)
{
	char path[PATH_MAX + 64];

	snprintf(path, sizeof(path), "%s/%s", mtd->driver[level], file);
	return open(path, O_WRONLY | O_CLOEXEC);
}

/* Whoever reads the output must not wait for a process that is stuck. */
static void detach_output(void)
{
	int fd = open("/dev/null", O_RDWR);

	for (int i = 0; fd >= 0 && i <= STDERR_FILENO; i++)
		dup2(fd, i);
}

/*
 * The write may never return, so a process of its own makes it and this one
 * waits with a limit.
 */
static struct bind_result write_name(struct mtd *mtd, enum level level,
				     const char *file, const char *marker,
				     unsigned int limit_ms,
				     void (*before)(void *), void *arg)
{
	struct bind_result timed_out = { .err = ETIMEDOUT, .us = limit_ms * 1000ull };
	struct shared_result *shared = shared_alloc(sizeof(*shared));
	const char *name = last_part(mtd->dir[level]);
	uint64_t start = now_us(), end;
	struct bind_result result;
	bool died = false;
	pid_t pid;

	pid = fork_child();
	if (!pid) {
		int fd = open_driver_file(mtd, level, file);
		ssize_t n;

		if (fd < 0) {
			shared->result.err = errno;
		} else {
			if (before)
				before(arg);
			if (marker)
				ksft_print_msg("%s\n", marker);
			detach_output();
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
		mtd->stuck = !died;
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

static void restore(struct mtd *mtd)
{
	for (int i = LEVEL_COUNT - 1; i >= 0; i--) {
		const char *name = last_part(mtd->dir[i]);
		int fd;

		if (!mtd->unbound[i])
			continue;
		fd = open_driver_file(mtd, i, "bind");
		if (fd >= 0 && write(fd, name, strlen(name)) >= 0)
			mtd->unbound[i] = false;
		if (fd >= 0)
			close(fd);
	}
}

static struct mtd *to_restore;
static pid_t restore_pid;

/* A bind would wait for the lock that an unbind holds which does not end. */
static void restore_at_exit(void)
{
	if (getpid() == restore_pid && !to_restore->stuck)
		restore(to_restore);
}

/*
 * A process of its own sees to it when this one is killed, or leaves an unbind
 * behind that does end one day.
 */
void restore_on_exit(struct mtd *mtd)
{
	sigset_t set;
	pid_t pid;
	int sig;

	restore_pid = getpid();
	to_restore = mtd;
	pid = fork();
	if (pid < 0)
		ksft_exit_fail_perror("fork");
	if (pid) {
		atexit(restore_at_exit);
		return;
	}
	setsid();
	detach_output();
	sigfillset(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	prctl(PR_SET_PDEATHSIG, SIGUSR1);
	while (getppid() == restore_pid)
		sigwait(&set, &sig);
	restore(mtd);
	_exit(0);
}

struct bind_result mtd_unbind(struct mtd *mtd, enum level level,
			      unsigned int cycle, unsigned int limit_ms,
			      void (*before)(void *), void *arg)
{
	struct search search = { .mtd = mtd, .dir = mtd->dir[level] };
	struct bind_result result = { .err = EBUSY };
	char marker[64];

	if (is_in_use(&search)) {
		ksft_print_msg("not unbound: %s\n", search.why);
		return result;
	}
	snprintf(marker, sizeof(marker), "marker: unbind %s cycle %u",
		 level_name[level], cycle);
	mtd->unbound[level] = true;
	return write_name(mtd, level, "unbind", marker, limit_ms, before, arg);
}

struct bind_result mtd_bind(struct mtd *mtd, enum level level,
			    unsigned int limit_ms)
{
	struct bind_result result;

	result = write_name(mtd, level, "bind", NULL, limit_ms, NULL, NULL);
	if (!result.err)
		mtd->unbound[level] = false;
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

unsigned long kernel_taint(void)
{
	/* Bad page (and KASAN), oops, warning, soft lockup: see tainted-kernels.rst */
	static const unsigned long bits = 1 << 5 | 1 << 7 | 1 << 9 | 1 << 14;

	return strtoul(read_line("/proc/sys/kernel", "tainted"), NULL, 0) & bits;
}
