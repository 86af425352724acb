/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Counting instructions, for the benchmarks beside this file
 *
 * Never mailed. On arm64 the PMU's event INST_RETIRED is counted. Under QEMU with
 * -icount, and with nothing else to run, that number is exact: the same kernel gives the
 * same medians in each boot.
 */

#ifndef LAB_INSN_COUNT_H
#define LAB_INSN_COUNT_H

#include <linux/sort.h>
#include <linux/types.h>

static int compare(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return x < y ? -1 : x > y;
}

#ifdef CONFIG_ARM64
#include <asm/sysreg.h>

#define INST_RETIRED	0x08

static bool start_counter(void)
{
	if (!(read_sysreg(pmceid0_el0) & BIT(INST_RETIRED)))
		return false;

	/* Counter 0, at EL1, and at EL2 if that is where the kernel runs. */
	write_sysreg(0, pmselr_el0);
	isb();
	write_sysreg(INST_RETIRED | BIT(27), pmxevtyper_el0);
	write_sysreg(BIT(0), pmcntenset_el0);
	write_sysreg(read_sysreg(pmcr_el0) | BIT(0), pmcr_el0);
	isb();

	return true;
}

static __always_inline u32 counter(void)
{
	u32 value;

	isb();
	value = read_sysreg(pmxevcntr_el0);
	isb();

	return value;
}
#else
static bool start_counter(void)
{
	return false;
}

static u32 counter(void)
{
	return 0;
}
#endif

/* Ten thousand instructions, no more and no less, beside the loop's own two each. */
static __always_inline void known_instructions(void)
{
#ifdef CONFIG_ARM64
	asm volatile(".rept 10000\n\tnop\n\t.endr");
#endif
}

/* Sorts the samples. What the measurement itself takes, and the call, is subtracted. */
static void print_instructions(const char *name, unsigned int repeat, u64 *samples,
			       unsigned int count, u64 overhead)
{
	sort(samples, count, sizeof(*samples), compare, NULL);
	pr_info("insn op=%s repeat=%u min=%llu median=%llu max=%llu\n", name, repeat,
		samples[0] - overhead, samples[count / 2] - overhead,
		samples[count - 1] - overhead);
}

#endif
