// SPDX-License-Identifier: GPL-2.0
/*
 * Uses MTDs, for scenarios in which they go away.
 *
 *   mtd_user read NAME PATH        reads one MTD over and over, until a read fails
 *   mtd_user hold NAME PATH        reads one MTD over and over, and goes on after errors
 *   mtd_user sweep NAME            reads /proc/mtd and every file in /sys/class/mtd/
 *   mtd_user use NAME SEED START   opens, reads, erases, writes, locks, adds and deletes
 *                                  partitions at random; nothing changes below START
 *
 * The last three go on until /tmp/stop is there. /tmp/busy.NAME is made when one operation
 * succeeded, and /tmp/ended.NAME in the end, with the name of the error that reading ended
 * with or the number of operations.
 */

#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/blkpg.h>
#include <mtd/mtd-user.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "random.h"

#define CHUNK		(64 << 10)
#define MAX_MTD		8
#define MAX_OPEN	4

static unsigned char buf[CHUNK];

static void say(const char *what, const char *name, const char *text)
{
	char path[PATH_MAX], temporary[PATH_MAX];
	FILE *file;

	/* Whole, or not there. */
	snprintf(path, sizeof(path), "/tmp/%s.%s", what, name);
	snprintf(temporary, sizeof(temporary), "/tmp/.%s.%s", what, name);
	file = fopen(temporary, "w");
	if (!file || fprintf(file, "%s\n", text) < 0 || fclose(file) ||
	    rename(temporary, path)) {
		perror(path);
		exit(2);
	}
}

static int is_over(void)
{
	return !access("/tmp/stop", F_OK);
}

static int read_until_error(const char *name, const char *path)
{
	int fd = open(path, O_RDONLY);
	int first = 1;
	off_t size, off = 0;
	ssize_t ret;

	if (fd < 0) {
		perror(path);
		return 2;
	}
	size = lseek(fd, 0, SEEK_END);
	for (;;) {
		ret = pread(fd, buf, CHUNK, off);
		if (ret <= 0)
			break;
		if (first)
			say("busy", name, "reads");
		first = 0;
		off += ret;
		if (off >= size)
			off = 0;
	}
	say("ended", name, ret ? strerrorname_np(errno) : "EOF");
	/* What comes after the end is the same. */
	if (pread(fd, buf, CHUNK, 0) >= 0)
		say("ended", name, "a read after the error");
	close(fd);

	return 0;
}

/* Small reads: the bus may be slow. */
static int hold(const char *name, const char *path)
{
	int fd = open(path, O_RDONLY), busy = 0, gone = 0, error = 0;
	unsigned long failed = 0;
	off_t off = 0;
	ssize_t ret;

	if (fd < 0) {
		perror(path);
		return 2;
	}
	while (!is_over()) {
		ret = pread(fd, buf, 2048, off % (64 << 10));
		if (ret > 0) {
			if (!busy++)
				say("busy", name, "reads");
			if (gone)
				break;
			error = 0;
			off += 2048;
			continue;
		}
		/* Until it is taken away there may be others. */
		error = ret ? errno : ENODATA;
		gone |= error == ENODEV;
		failed++;
		usleep(1000);
	}
	printf("# reader %s: %lu reads failed, the last with %s\n", name, failed,
	       error ? strerrorname_np(error) : "nothing");
	if (gone && !error)
		say("ended", name, "a read after ENODEV");
	else
		say("ended", name, error ? strerrorname_np(error) : "nothing");
	close(fd);

	return 0;
}

/* One look at what a device says; files that cannot be read are none of our business. */
static void read_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK);

	if (fd < 0)
		return;
	while (read(fd, buf, CHUNK) > 0)
		;
	close(fd);
}

static unsigned long sweep_once(void)
{
	char dir[64], path[PATH_MAX];
	unsigned long files = 1;
	struct dirent *mtd, *file;
	DIR *all, *one;

	read_file("/proc/mtd");
	all = opendir("/sys/class/mtd");
	while (all && (mtd = readdir(all))) {
		if (strncmp(mtd->d_name, "mtd", 3) || strlen(mtd->d_name) > 16)
			continue;
		snprintf(dir, sizeof(dir), "/sys/class/mtd/%s", mtd->d_name);
		one = opendir(dir);
		while (one && (file = readdir(one))) {
			if (file->d_type != DT_REG)
				continue;
			snprintf(path, sizeof(path), "%s/%s", dir, file->d_name);
			read_file(path);
			files++;
		}
		if (one)
			closedir(one);
	}
	if (all)
		closedir(all);

	return files;
}

static void done(const char *name, unsigned long count)
{
	char text[32];

	snprintf(text, sizeof(text), "%lu", count);
	say("ended", name, text);
}

static int sweep(const char *name)
{
	unsigned long count = 0;

	while (!is_over()) {
		count += sweep_once();
		say("busy", name, "sweeps");
	}
	done(name, count);

	return 0;
}

static void partition(uint64_t *state, int fd, uint32_t size, uint64_t start, int add)
{
	struct blkpg_partition part = { 0 };
	struct blkpg_ioctl_arg arg = {
		.op = add ? BLKPG_ADD_PARTITION : BLKPG_DEL_PARTITION,
		.datalen = sizeof(part),
		.data = &part,
	};

	part.pno = below(state, MAX_MTD);
	part.start = start + below(state, 4) * 0x20000;
	part.length = 0x20000;
	if (part.start + part.length > size)
		part.start = 0;
	snprintf(part.devname, sizeof(part.devname), "p%u", (unsigned int)below(state, 8));
	ioctl(fd, BLKPG, &arg);
}

/* Partitions are never changed below START of the whole; they begin there. */
static void operate(uint64_t *state, int fd, uint64_t start)
{
	uint8_t oob[64];
	struct mtd_oob_buf oob_buf = { .length = sizeof(oob), .ptr = oob };
	struct mtd_info_user info;
	struct erase_info_user range;
	struct mtd_ecc_stats stats;
	uint32_t from;

	if (ioctl(fd, MEMGETINFO, &info)) {
		/* It is gone; whoever takes it away needs the CPU. */
		usleep(1000);
		return;
	}
	/* A partition may be changed as a whole. */
	from = info.size > start ? start : 0;
	range.length = info.erasesize;
	range.start = from + below(state, (info.size - from) / info.erasesize) *
			     info.erasesize;

	switch (below(state, 14)) {
	case 0 ... 3:
		(void)!pread(fd, buf, 1 + below(state, CHUNK), below(state, info.size));
		break;
	case 4:
		ioctl(fd, MEMERASE, &range);
		break;
	case 5:
		(void)!pwrite(fd, buf, 1 + below(state, 300),
			      range.start + below(state, range.length - 300));
		break;
	case 6:
		ioctl(fd, MEMLOCK, &range);
		break;
	case 7:
		ioctl(fd, MEMUNLOCK, &range);
		break;
	case 8:
		ioctl(fd, MEMISLOCKED, &range);
		break;
	case 9:
		ioctl(fd, ECCGETSTATS, &stats);
		break;
	case 10:
		ioctl(fd, MEMREADOOB, &oob_buf);
		break;
	case 11:
		lseek(fd, below(state, info.size), SEEK_SET);
		(void)!read(fd, buf, 1 + below(state, 4096));
		break;
	case 12:
		partition(state, fd, info.size, start, 1);
		break;
	default:
		partition(state, fd, info.size, start, 0);
	}
}

static int use(const char *name, uint64_t seed, uint64_t start)
{
	int fds[MAX_OPEN] = { -1, -1, -1, -1 };
	uint64_t state = seed;
	unsigned long count = 0;
	unsigned int slot;
	char path[32];

	memset(buf, 0xa5, sizeof(buf));
	while (!is_over()) {
		slot = below(&state, MAX_OPEN);
		if (fds[slot] < 0 || below(&state, 8) == 0) {
			if (fds[slot] >= 0)
				close(fds[slot]);
			snprintf(path, sizeof(path), "/dev/mtd%u%s",
				 (unsigned int)below(&state, MAX_MTD),
				 below(&state, 4) ? "" : "ro");
			fds[slot] = open(path, strstr(path, "ro") ? O_RDONLY : O_RDWR);
			if (fds[slot] < 0) {
				/* Nothing may be there for a while. */
				usleep(1000);
				continue;
			}
		}
		operate(&state, fds[slot], start);
		if (!count++)
			say("busy", name, "uses");
	}
	done(name, count);

	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], "read"))
		return read_until_error(argv[2], argv[3]);
	if (argc == 4 && !strcmp(argv[1], "hold"))
		return hold(argv[2], argv[3]);
	if (argc == 3 && !strcmp(argv[1], "sweep"))
		return sweep(argv[2]);
	if (argc == 5 && !strcmp(argv[1], "use"))
		return use(argv[2], strtoull(argv[3], NULL, 0), strtoull(argv[4], NULL, 0));
	fprintf(stderr, "mtd_user: wrong arguments\n");

	return 2;
}
