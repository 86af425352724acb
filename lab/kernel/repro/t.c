/* init of the guest: runs the scenario named by t= on the command line. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/blkpg.h>
#include <linux/reboot.h>
#include <mtd/mtd-user.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <unistd.h>

static void say(const char *fmt, ...)
{
	char buf[512];
	va_list ap;
	int fd = open("/dev/kmsg", O_WRONLY);

	va_start(ap, fmt);
	int n = snprintf(buf, 4, "T: ");
	n += vsnprintf(buf + n, sizeof(buf) - n, fmt, ap);
	va_end(ap);
	if (write(fd, buf, n) < 0)
		perror("kmsg");
	close(fd);
}

static int put(const char *path, const char *s)
{
	int fd = open(path, O_WRONLY);
	int ret = fd < 0 ? -errno : write(fd, s, strlen(s)) < 0 ? -errno : 0;

	if (fd >= 0)
		close(fd);
	return ret;
}

#define DRV "/sys/bus/platform/drivers/fakeflash/"
#define PAR "/sys/module/fakeflash/parameters/"
static void unbind(const char *d) { say("unbind %s: %d", d, put(DRV "unbind", d)); }
static void bind(const char *d) { say("bind %s: %d", d, put(DRV "bind", d)); }

static void list(void)
{
	static char buf[4096];
	int fd = open("/proc/mtd", O_RDONLY);
	int n = read(fd, buf, sizeof(buf) - 1);

	buf[n < 0 ? 0 : n] = 0;
	for (char *l = strtok(buf, "\n"); l; l = strtok(NULL, "\n"))
		say("%s", l);
	close(fd);
}

/* The device of the name, opened */
static int dev(const char *name, int flags)
{
	char line[256], path[32];
	FILE *f = fopen("/proc/mtd", "r");
	int n, fd = -1;

	snprintf(path, sizeof(path), "\"%s\"", name);
	while (fgets(line, sizeof(line), f)) {
		if (!strstr(line, path) || sscanf(line, "mtd%d", &n) != 1)
			continue;
		snprintf(line, sizeof(line), "/dev/mtd%d", n);
		fd = open(line, flags);
		break;
	}
	fclose(f);
	if (fd < 0)
		say("no %s", name);
	return fd;
}

static char big[12 << 20];
#define CONCAT "two-a-one-a-concat"
#define CONCAT2 "one-a-two-a-concat"

int main(int argc, char **argv)
{
	const char *t = getenv("t") ?: "list";
	ssize_t n;
	int fd;

	mkdir("/dev", 0755);
	mount("proc", "/proc", "proc", 0, NULL);
	mount("sys", "/sys", "sysfs", 0, NULL);
	mount("dev", "/dev", "devtmpfs", 0, NULL);
	say("begin %s", t);
	list();

	if (!strcmp(t, "rebind")) {
		for (int i = 0; i < 3; i++) {
			unbind("flash-one");
			list();
			bind("flash-one");
			list();
		}
		unbind("flash-two");
		list();
		bind("flash-two");
		list();
	} else if (!strcmp(t, "order")) {
		fd = dev("flash-two", O_RDWR);
		if (fd >= 0)
			say("write two: %zd", write(fd, "two!", 4));
		fd = dev(CONCAT, O_RDONLY);
		if (fd < 0)
			fd = dev(CONCAT2, O_RDONLY);
		if (fd >= 0) {
			char b[5] = "";
			n = read(fd, b, 4);
			say("concat begins with %s", b[0] == 't' ? b : "(not two)");
		}
	} else if (!strcmp(t, "uaf")) {
		unbind("flash-one");
		fd = dev(CONCAT, O_RDONLY);
		if (fd < 0)
			fd = dev(CONCAT2, O_RDONLY);
		if (fd >= 0)
			say("read: %zd", read(fd, big, 65536));
	} else if (!strcmp(t, "heldconcat")) {
		fd = dev(CONCAT, O_RDWR);
		if (fd < 0)
			fd = dev(CONCAT2, O_RDWR);
		unbind("flash-one");
		list();
		n = read(fd, big, 65536);
		say("read of held: %zd %d", n, n < 0 ? errno : 0);
		bind("flash-one");
		list();
		n = read(fd, big, 65536);
		say("read of held: %zd %d", n, n < 0 ? errno : 0);
		unbind("flash-one");
		bind("flash-one");
		say("close: %d", close(fd));
		list();
		unbind("flash-three");
		bind("flash-three");
		list();
	} else if (!strcmp(t, "blkpg")) {
		struct blkpg_partition p = { .start = 0, .length = 65536 };
		struct blkpg_ioctl_arg a = { .op = BLKPG_ADD_PARTITION, .datalen = sizeof(p), .data = &p };

		fd = dev(CONCAT, O_RDWR);
		if (fd < 0)
			fd = dev(CONCAT2, O_RDWR);
		strcpy(p.devname, "new");
		n = ioctl(fd, BLKPG, &a);
		say("add partition: %zd %d", n, n < 0 ? errno : 0);
		list();
	} else if (!strcmp(t, "bad")) {
		unbind("flash-bad1");
		bind("flash-bad1");
		list();
		fd = dev("bad2-b", O_RDONLY);
		if (fd >= 0)
			say("read: %zd", read(fd, big, 4096));
		fd = dev("one-b", O_RDONLY);
	} else if (!strcmp(t, "memread")) {
		static char oob[4096];
		struct mtd_read_req r = { .ooblen = 4000, .usr_oob = (unsigned long)oob,
			.start = (16 << 20) - 512 };

		fd = dev("flash-oob", O_RDONLY);
		for (int i = 0; i < 3; i++) {
			n = ioctl(fd, MEMREAD, &r);
			say("MEMREAD: %zd errno %d, stats %x %x %x", n, errno,
			    r.ecc_stats.uncorrectable_errors,
			    r.ecc_stats.corrected_bitflips, r.ecc_stats.max_bitflips);
			r.ooblen = 4000;
			r.len = 0;
		}
	} else if (!strcmp(t, "otp")) {
		put(PAR "twice", "1");
		unbind("flash-three");
	} else if (!strcmp(t, "partread")) {
		fd = dev("flash-three", O_RDONLY);
		put(PAR "fail_read", "6291456");
		n = read(fd, big, sizeof(big));
		say("read 12M, error at 6M: %zd errno %d pos %lld", n, n < 0 ? errno : 0,
		    (long long)lseek(fd, 0, SEEK_CUR));
		n = read(fd, big, 4 << 20);
		say("next read: %zd errno %d pos %lld", n, n < 0 ? errno : 0,
		    (long long)lseek(fd, 0, SEEK_CUR));
	} else if (!strcmp(t, "partwrite")) {
		fd = dev("flash-three", O_RDWR);
		put(PAR "fail_write", "6291456");
		n = write(fd, big, sizeof(big));
		say("write 12M, error at 6M: %zd errno %d pos %lld", n, n < 0 ? errno : 0,
		    (long long)lseek(fd, 0, SEEK_CUR));
		n = write(fd, big, 4 << 20);
		say("next write: %zd errno %d pos %lld", n, n < 0 ? errno : 0,
		    (long long)lseek(fd, 0, SEEK_CUR));
	} else if (!strcmp(t, "fault")) {
		fd = dev("flash-three", O_RDONLY);
		n = read(fd, (void *)16, 4096);
		say("read to a bad address: %zd errno %d pos %lld", n, n < 0 ? errno : 0,
		    (long long)lseek(fd, 0, SEEK_CUR));
	} else if (!strcmp(t, "oops")) {
		put(PAR "slow", "1000");
		put(PAR "oops", "1");
		usleep(300000);
		put(PAR "oops", "1");
		unbind("flash-oops");
		sleep(3);
	}
	say("end %s", t);
	sync();
	reboot(LINUX_REBOOT_CMD_POWER_OFF);
	return 0;
}
