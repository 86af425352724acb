// SPDX-License-Identifier: GPL-2.0
/*
 * What is done to a flash, by a seed: reads, programs and erases at random, each with
 * its result on a line of its own, so that two drivers can be compared, and both with
 * what a flash has to do.
 *
 *   flash_ops run SEED COUNT WHOLE PART    operations; PART is a part of WHOLE
 *   flash_ops facts PART                   what ioctls say, among them those refused
 *   flash_ops bytes SEED LENGTH            to standard output
 *
 * Lines of run:
 *
 *   op NUMBER whole|part read|write|erase OFFSET LENGTH RESULT FNV1A
 *
 * RESULT is what the system call returned, or -errno; FNV1A is that of the data that was
 * read, or given to write.
 */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <mtd/mtd-user.h>

#include "random.h"

#define MAX_LENGTH	(128 << 10)

/* Bytes that follow from a seed: the same as those of a flash image with that seed. */
static void fill(unsigned char *buf, size_t length, uint64_t seed)
{
	uint64_t word = 0;
	size_t i;

	for (i = 0; i < length; i++) {
		if (i % 8 == 0)
			word = next(&seed);
		buf[i] = word >> (i % 8 * 8);
	}
}

static uint64_t fnv1a(const unsigned char *buf, size_t length)
{
	uint64_t hash = 0xcbf29ce484222325;
	size_t i;

	for (i = 0; i < length; i++)
		hash = (hash ^ buf[i]) * 0x100000001b3;

	return hash;
}

static void fatal(const char *what)
{
	perror(what);
	exit(2);
}

static int open_flash(const char *path, struct mtd_info_user *info)
{
	int fd = open(path, O_RDWR);

	if (fd < 0)
		fatal(path);
	if (ioctl(fd, MEMGETINFO, info))
		fatal("MEMGETINFO");

	return fd;
}

/* Short ones are commands, others are not; pages and their ends are what drivers split at. */
static uint32_t any_length(uint64_t *state, uint32_t most)
{
	static const uint32_t limits[] = { 4, 9, 64, 300, 5000, MAX_LENGTH };
	uint32_t limit = limits[below(state, sizeof(limits) / sizeof(*limits))];

	return 1 + below(state, limit < most ? limit : most);
}

static uint32_t any_offset(uint64_t *state, uint32_t size)
{
	switch (below(state, 4)) {
	case 0:
		/* The start of a page. */
		return below(state, size / 256) * 256;
	case 1:
		/* The end of the flash, and beyond it. */
		return size - below(state, 300);
	default:
		return below(state, size);
	}
}

static int run(uint64_t seed, unsigned int count, const char *whole, const char *part)
{
	static unsigned char buf[MAX_LENGTH];
	struct mtd_info_user all, own;
	int fds[] = { open_flash(whole, &all), open_flash(part, &own) };
	uint64_t state = seed;
	unsigned int i;

	for (i = 1; i <= count; i++) {
		unsigned int kind = below(&state, 10);
		int is_part = kind >= 3;
		const struct mtd_info_user *info = is_part ? &own : &all;
		int fd = fds[is_part];
		uint32_t offset = any_offset(&state, info->size);
		uint32_t length;
		const char *name;
		ssize_t ret;
		uint64_t hash = 0;

		if (kind < 6) {
			name = "read";
			length = any_length(&state, MAX_LENGTH);
			ret = pread(fd, buf, length, offset);
			ret = ret < 0 ? -errno : ret;
			hash = fnv1a(buf, ret > 0 ? ret : 0);
		} else if (kind < 9) {
			name = "write";
			/* An emulated flash programs a word at a time. */
			length = any_length(&state, 5000);
			fill(buf, length, seed ^ (uint64_t)i << 32);
			ret = pwrite(fd, buf, length, offset);
			ret = ret < 0 ? -errno : ret;
			hash = fnv1a(buf, length);
		} else {
			struct erase_info_user erase;

			name = "erase";
			/*
			 * One in four does not end with a block. All begin with one: that
			 * is not asked for by spi-nor, and up to the flash.
			 */
			offset -= offset % info->erasesize;
			length = (1 + below(&state, 3)) * info->erasesize;
			if (!below(&state, 4))
				length += 512;
			erase.start = offset;
			erase.length = length;
			ret = ioctl(fd, MEMERASE, &erase) ? -errno : 0;
		}
		printf("op %u %s %s %" PRIu32 " %" PRIu32 " %zd %016" PRIx64 "\n", i,
		       is_part ? "part" : "whole", name, offset, length, ret, hash);
		fflush(stdout);
	}

	return 0;
}

static void fact(const char *name, int ret)
{
	printf("fact %s %d\n", name, ret < 0 ? -errno : ret);
}

static int facts(const char *part)
{
	struct mtd_info_user info;
	int fd = open_flash(part, &info);
	struct erase_info_user all = { .length = info.size };
	unsigned char byte = 0;
	struct mtd_oob_buf oob = { .length = 1, .ptr = &byte };
	struct otp_info otp[8];
	loff_t start = 0;
	int mode = MTD_OTP_FACTORY, regions = 0;

	printf("fact info type %u flags %#x size %u erasesize %u writesize %u oobsize %u\n",
	       info.type, info.flags, info.size, info.erasesize, info.writesize, info.oobsize);
	fact("MEMISLOCKED", ioctl(fd, MEMISLOCKED, &all));
	fact("MEMLOCK", ioctl(fd, MEMLOCK, &all));
	fact("MEMUNLOCK", ioctl(fd, MEMUNLOCK, &all));
	fact("MEMGETREGIONCOUNT", ioctl(fd, MEMGETREGIONCOUNT, &regions));
	fact("regions", regions);
	fact("MEMGETBADBLOCK", ioctl(fd, MEMGETBADBLOCK, &start));
	fact("MEMREADOOB", ioctl(fd, MEMREADOOB, &oob));
	fact("OTPSELECT", ioctl(fd, OTPSELECT, &mode));
	fact("OTPGETREGIONINFO", ioctl(fd, OTPGETREGIONINFO, otp));
	fact("read at the end", pread(fd, &byte, 1, info.size));
	fact("write at the end", pwrite(fd, &byte, 1, info.size));
	fact("seek beyond the end", lseek(fd, info.size + 1, SEEK_SET) < 0 ? -1 : 0);

	return 0;
}

static int bytes(uint64_t seed, size_t length)
{
	unsigned char *buf = malloc(length);

	if (!buf)
		fatal("malloc");
	fill(buf, length, seed);

	return fwrite(buf, 1, length, stdout) != length;
}

int main(int argc, char **argv)
{
	if (argc == 6 && !strcmp(argv[1], "run"))
		return run(strtoull(argv[2], NULL, 0), atoi(argv[3]), argv[4], argv[5]);
	if (argc == 3 && !strcmp(argv[1], "facts"))
		return facts(argv[2]);
	if (argc == 4 && !strcmp(argv[1], "bytes"))
		return bytes(strtoull(argv[2], NULL, 0), strtoull(argv[3], NULL, 0));
	fprintf(stderr, "usage: %s run|facts|bytes ...\n", argv[0]);
	return 2;
}
