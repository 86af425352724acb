// SPDX-License-Identifier: GPL-2.0
/*
 * What operations of a flash take through the driver that has its controller
 *
 * Never mailed. `cargo lab bench cadence` adds this file to a tree as a module, which
 * the guest loads after a driver; it counts instructions (insn_count.h), and switches the
 * machine off. The flash is written to and erased: at its start, always the same.
 */

#define pr_fmt(fmt) "GATEBENCH " fmt

#include <linux/jiffies.h>
#include <linux/module.h>
#include <linux/mtd/mtd.h>
#include <linux/reboot.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spi/spi.h>

#include "insn_count.h"

#define SAMPLES		101
#define WARM_UP		20
#define REPEATS		5
#define MOST		65536

static struct mtd_info *flash;
static u8 *buf;
static u64 samples[SAMPLES];

static noinline int run_nothing(size_t length)
{
	return 0;
}

static noinline int run_known(size_t length)
{
	known_instructions();
	return 0;
}

static noinline int run_read(size_t length)
{
	size_t done;
	int ret = mtd_read(flash, 0, length, &done, buf);

	return ret ?: done != length;
}

static noinline int run_write(size_t length)
{
	size_t done;
	int ret = mtd_write(flash, 0, length, &done, buf);

	return ret ?: done != length;
}

static noinline int run_erase(size_t length)
{
	struct erase_info erase = { .len = length };

	return mtd_erase(flash, &erase);
}

static const struct {
	const char *name;
	int (*run)(size_t length);
	size_t length;
} runs[] = {
	{ "known_10000", run_known, 0 },
	/* As a command, and as an indirect access. */
	{ "read_4", run_read, 4 },
	{ "read_256", run_read, 256 },
	{ "read_4096", run_read, 4096 },
	{ "read_65536", run_read, MOST },
	/* Write enable, program and status for each page of 256 bytes. */
	{ "write_4", run_write, 4 },
	{ "write_256", run_write, 256 },
	{ "write_4096", run_write, 4096 },
	{ "erase_65536", run_erase, MOST },
};

static noinline int sample(int (*run)(size_t length), size_t length, unsigned int count)
{
	unsigned int i;
	u32 start;
	int ret;

	for (i = 0; i < count; i++) {
		start = counter();
		ret = run(length);
		samples[i] = (u32)(counter() - start);
		if (ret)
			return ret;
	}

	return 0;
}

/* One by one, so that the median is that of an operation without a timer interrupt. */
static int measure(void)
{
	unsigned int i, repeat;
	u64 overhead;
	int ret;

	sample(run_nothing, 0, SAMPLES);
	sort(samples, SAMPLES, sizeof(*samples), compare, NULL);
	overhead = samples[SAMPLES / 2];

	for (i = 0; i < ARRAY_SIZE(runs); i++) {
		ret = sample(runs[i].run, runs[i].length, WARM_UP);
		for (repeat = 0; !ret && repeat < REPEATS; repeat++) {
			ret = sample(runs[i].run, runs[i].length, SAMPLES);
			print_instructions(runs[i].name, repeat, samples, SAMPLES, overhead);
		}
		if (ret) {
			pr_err("failed op=%s error=%d\n", runs[i].name, ret);
			return ret;
		}
	}

	return 0;
}

static int __init cadence_bench_init(void)
{
	struct device *controller;
	int ret = -ENOMEM;

	flash = get_mtd_device(NULL, 0);
	if (IS_ERR(flash))
		return PTR_ERR(flash);
	controller = to_spi_device(flash->dev.parent)->controller->dev.parent;
	buf = kmalloc(MOST, GFP_KERNEL);
	if (buf) {
		memset(buf, 0x5a, MOST);
		pr_info("start counter=%d cpus=%u hz=%u driver=%s\n", start_counter(),
			num_online_cpus(), HZ, controller->driver->name);
		ret = measure();
	}
	pr_info("end result=%d\n", ret);
	kernel_power_off();

	return ret;
}
module_init(cadence_bench_init);

MODULE_DESCRIPTION("What operations of a flash take");
MODULE_LICENSE("GPL");
