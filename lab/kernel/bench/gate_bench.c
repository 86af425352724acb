// SPDX-License-Identifier: GPL-2.0
/*
 * What the gates cost: measured by the kernel itself, at the end of its boot
 *
 * Never mailed. `cargo lab bench gate` adds this file to a tree, stock or patched,
 * boots it and reads what it prints; see README.md beside it.
 *
 * On arm64 it counts instructions (insn_count.h). Elsewhere (UML) it takes the time,
 * with one thread and with two at once on the same gate.
 */

#define pr_fmt(fmt) "GATEBENCH " fmt

#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/device.h>
#include <linux/device/faux.h>
#include <linux/gfp.h>
#include <linux/init.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mtd/mtd.h>
#include <linux/rcupdate.h>
#include <linux/reboot.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/spi/spi-mem.h>
#include <linux/spi/spi.h>
#include <linux/srcu.h>
#include <linux/vmalloc.h>
#include <linux/vmstat.h>

#include "insn_count.h"

/* A stock tree has neither the gates nor their variants. */
#if __has_include("../spi/tests/spi-unregister-kunit.c")
#include "../mtd/mtdcore.h"
#define HAVE_GATES
#endif
#if __has_include(<linux/lab_gate.h>)
#include <linux/lab_gate.h>
#endif

/* How a variant can wait; without a choice, in the one way that it has. */
#ifdef LAB_GATE_DRAINS
int lab_gate_drain;
#else
#define LAB_GATE_DRAINS { "own" }
static int lab_gate_drain;
#endif

#ifdef LAB_GATE_DEFINE
LAB_GATE_DEFINE;
#endif

#define SAMPLES		1001
#define WARM_UP		200
#define REPEATS		5
#define BATCHES		41
#define CYCLES		50
#define CONTROLLERS	2048
#define MTDS		512

/* Of kernel/rcu/rcu.h and mm/internal.h. */
void rcu_expedite_gp(void);
void rcu_unexpedite_gp(void);
void drain_all_pages(struct zone *zone);

static struct faux_device *parent;
static u64 samples[SAMPLES];

/* The operations. */

struct bench {
	struct spi_controller *ctlr;
	struct spi_device *spi;
	struct spi_mem mem;
	struct mtd_info *ram;
	struct mtd_info *flash;
	/* On a controller with a queue, which transfers nothing. */
	struct spi_device *message_spi;
	/* One of each thread, as operations are written to. */
	struct spi_mem_op op[2];
	u8 *buf[2];
};

static struct bench bench;

static int null_exec_op(struct spi_mem *mem, const struct spi_mem_op *op)
{
	return 0;
}

static const struct spi_controller_mem_ops null_mem_ops = {
	.exec_op = null_exec_op,
};

static noinline int run_nothing(struct bench *b, int thread)
{
	return 0;
}

static noinline int run_known(struct bench *b, int thread)
{
	known_instructions();
	return 0;
}

static noinline int run_exec_op(struct bench *b, int thread)
{
	return spi_mem_exec_op(&b->mem, &b->op[thread]);
}

static noinline int run_supports_op(struct bench *b, int thread)
{
	return !spi_mem_supports_op(&b->mem, &b->op[thread]);
}

static int null_transfer_one(struct spi_controller *ctlr, struct spi_device *spi,
			     struct spi_transfer *xfer)
{
	return 0;
}

/* As spi_write() does it: message and transfer are set up for each call. */
static int sync_message(struct bench *b, int thread, unsigned int len)
{
	struct spi_transfer xfer = { .tx_buf = b->buf[thread], .len = len };

	return spi_sync_transfer(b->message_spi, &xfer, 1);
}

static noinline int run_spi_sync_0(struct bench *b, int thread)
{
	return sync_message(b, thread, 0);
}

static noinline int run_spi_sync_4(struct bench *b, int thread)
{
	return sync_message(b, thread, 4);
}

static noinline int run_spi_sync_64(struct bench *b, int thread)
{
	return sync_message(b, thread, 64);
}

static void async_complete(void *context)
{
	complete(context);
}

/* With the two switches to the worker and back. */
static noinline int run_spi_async_4(struct bench *b, int thread)
{
	struct spi_transfer xfer = { .tx_buf = b->buf[thread], .len = 4 };
	DECLARE_COMPLETION_ONSTACK(done);
	struct spi_message message;
	int ret;

	spi_message_init_with_transfers(&message, &xfer, 1);
	message.complete = async_complete;
	message.context = &done;
	ret = spi_async(b->message_spi, &message);
	if (ret)
		return ret;
	wait_for_completion(&done);

	return message.status;
}

static int read_mtd(struct mtd_info *mtd, u8 *buf, size_t len)
{
	size_t retlen;
	int ret = mtd_read(mtd, 0, len, &retlen, buf);

	return ret ?: retlen != len;
}

static noinline int run_read_1(struct bench *b, int thread)
{
	return read_mtd(b->ram, b->buf[thread], 1);
}

static noinline int run_read_4096(struct bench *b, int thread)
{
	return read_mtd(b->ram, b->buf[thread], 4096);
}

static noinline int run_flash_4096(struct bench *b, int thread)
{
	return read_mtd(b->flash, b->buf[thread], 4096);
}

struct run {
	const char *name;
	int (*run)(struct bench *b, int thread);
	unsigned int samples;
	unsigned int batch;
};

static const struct run runs[] = {
	{ "known_10000", run_known, 101, 0 },
	{ "exec_op", run_exec_op, SAMPLES, 20000 },
	{ "supports_op", run_supports_op, SAMPLES, 20000 },
	{ "spi_sync_0", run_spi_sync_0, SAMPLES, 20000 },
	{ "spi_sync_4", run_spi_sync_4, SAMPLES, 20000 },
	{ "spi_sync_64", run_spi_sync_64, SAMPLES, 20000 },
	{ "spi_async_4", run_spi_async_4, SAMPLES, 5000 },
	{ "mtd_read_1", run_read_1, SAMPLES, 20000 },
	{ "mtd_read_4096", run_read_4096, SAMPLES, 5000 },
	{ "flash_read_4096", run_flash_4096, 101, 0 },
};

static bool can_run(const struct run *run)
{
	return run->run != run_flash_4096 || bench.flash;
}

/* Instructions. */

static noinline int sample(const struct run *run, unsigned int count)
{
	int (*function)(struct bench *b, int thread) = run->run;
	unsigned int i;
	u32 start;
	int ret;

	for (i = 0; i < count; i++) {
		start = counter();
		ret = function(&bench, 0);
		samples[i] = (u32)(counter() - start);
		if (ret)
			return ret;
	}

	return 0;
}

/*
 * One by one, so that the median is that of an operation without a timer interrupt in
 * it. What the measurement itself takes, and the call, is subtracted.
 */
static int count_instructions(void)
{
	static const struct run nothing = { "nothing", run_nothing, SAMPLES };
	const struct run *run;
	unsigned int i;
	u64 overhead;
	int ret;

	ret = sample(&nothing, SAMPLES);
	if (ret)
		return ret;
	sort(samples, SAMPLES, sizeof(*samples), compare, NULL);
	overhead = samples[SAMPLES / 2];

	for (run = runs; run < runs + ARRAY_SIZE(runs); run++) {
		if (!can_run(run))
			continue;
		ret = sample(run, min(run->samples, WARM_UP));
		for (i = 0; !ret && i < REPEATS; i++) {
			ret = sample(run, run->samples);
			print_instructions(run->name, i, samples, run->samples, overhead);
		}
		if (ret) {
			pr_err("failed op=%s error=%d\n", run->name, ret);
			return ret;
		}
	}

	return 0;
}

/* Time. */

struct racer {
	const struct run *run;
	unsigned int thread;
	atomic_t *ready;
	unsigned int threads;
	struct task_struct *task;
	u64 ns;
	int ret;
	struct completion done;
};

static int race(void *data)
{
	struct racer *racer = data;
	unsigned int i;
	u64 start;

	/* So that all run at once. */
	atomic_inc(racer->ready);
	while (atomic_read(racer->ready) < racer->threads)
		cond_resched();

	start = ktime_get_ns();
	for (i = 0; i < racer->run->batch && !racer->ret; i++)
		racer->ret = racer->run->run(&bench, racer->thread);
	racer->ns = ktime_get_ns() - start;
	complete(&racer->done);

	return 0;
}

/* Time of a batch, of the slower one if there are two threads. */
static int time_batch(const struct run *run, unsigned int threads, u64 *ns)
{
	struct racer racers[2] = {};
	atomic_t ready = ATOMIC_INIT(0);
	struct task_struct *task;
	unsigned int i;
	int ret = 0;

	*ns = 0;
	for (i = 0; i < threads; i++) {
		racers[i].run = run;
		racers[i].thread = i;
		racers[i].threads = threads;
		racers[i].ready = &ready;
		init_completion(&racers[i].done);
		task = kthread_create(race, &racers[i], "gate_bench/%u", i);
		if (IS_ERR(task))
			panic("gate_bench: no thread");
		kthread_bind(task, i);
		racers[i].task = task;
	}
	for (i = 0; i < threads; i++)
		wake_up_process(racers[i].task);
	for (i = 0; i < threads; i++) {
		wait_for_completion(&racers[i].done);
		*ns = max(*ns, racers[i].ns);
		ret = ret ?: racers[i].ret;
	}

	return ret;
}

static int take_time(void)
{
	const struct run *run;
	unsigned int threads, i;
	int ret;

	for (run = runs; run < runs + ARRAY_SIZE(runs); run++) {
		if (!run->batch || !can_run(run))
			continue;
		for (threads = 1; threads <= min(2, num_online_cpus()); threads++) {
			ret = time_batch(run, threads, &samples[0]);
			for (i = 0; !ret && i < BATCHES; i++)
				ret = time_batch(run, threads, &samples[i]);
			if (ret) {
				pr_err("failed op=%s error=%d\n", run->name, ret);
				return ret;
			}
			sort(samples, BATCHES, sizeof(*samples), compare, NULL);
			/* In picoseconds, as one operation may take a few nanoseconds. */
			pr_info("time op=%s threads=%u min=%llu median=%llu max=%llu\n",
				run->name, threads,
				div_u64(samples[0] * 1000, run->batch),
				div_u64(samples[BATCHES / 2] * 1000, run->batch),
				div_u64(samples[BATCHES - 1] * 1000, run->batch));
		}
	}

	return 0;
}

/* Unregistering, with nobody inside. */

static struct spi_controller *add_controller(bool queue)
{
	struct spi_controller *ctlr = spi_alloc_host(&parent->dev, 0);

	if (!ctlr)
		return NULL;
	ctlr->mem_ops = &null_mem_ops;
	if (queue)
		ctlr->transfer_one = null_transfer_one;
	ctlr->num_chipselect = 1;
	ctlr->bus_num = -1;
	if (spi_register_controller(ctlr)) {
		spi_controller_put(ctlr);
		return NULL;
	}

	return ctlr;
}

static struct spi_device *add_device(struct spi_controller *ctlr)
{
	struct spi_board_info info = {
		.modalias = "gate-bench",
		.max_speed_hz = 1000000,
	};

	return spi_new_device(ctlr, &info);
}

static int ram_read(struct mtd_info *mtd, loff_t from, size_t len, size_t *retlen,
		    u_char *buf)
{
	memcpy(buf, mtd->priv + from, len);
	*retlen = len;
	return 0;
}

static struct mtd_info *add_mtd(unsigned int index)
{
	struct mtd_info *mtd = kzalloc(sizeof(*mtd), GFP_KERNEL);

	if (!mtd)
		return NULL;
	mtd->name = kasprintf(GFP_KERNEL, "bench%u", index);
	mtd->type = MTD_RAM;
	mtd->flags = MTD_CAP_RAM;
	mtd->size = 4096;
	mtd->writesize = 1;
	mtd->erasesize = 4096;
	mtd->priv = bench.buf[0];
	mtd->owner = THIS_MODULE;
	mtd->_read = ram_read;
	mtd->dev.parent = &parent->dev;
	if (mtd_device_register(mtd, NULL, 0)) {
		kfree(mtd->name);
		kfree(mtd);
		return NULL;
	}

	return mtd;
}

static void remove_mtd(struct mtd_info *mtd)
{
	WARN_ON(mtd_device_unregister(mtd));
	kfree(mtd->name);
	kfree(mtd);
}

static void print_latency(const char *what, const char *drain)
{
	u64 sum = 0;
	unsigned int i;

	for (i = 0; i < CYCLES; i++)
		sum += samples[i];
	sort(samples, CYCLES, sizeof(*samples), compare, NULL);
	pr_info("latency op=%s drain=%s mean=%llu min=%llu median=%llu max=%llu\n", what,
		drain, div_u64(sum, CYCLES), samples[0], samples[CYCLES / 2],
		samples[CYCLES - 1]);
}

/* As its users: what the driver calls for its own mtd_info takes another way. */
static int read_named(const char *name)
{
	struct mtd_info *mtd = get_mtd_device_nm(name);
	int ret;

	if (IS_ERR(mtd))
		return PTR_ERR(mtd);
	ret = read_mtd(mtd, bench.buf[1], 1);
	put_mtd_device(mtd);

	return ret;
}

static int time_unregister(const char *drain)
{
	struct spi_controller *ctlr;
	struct spi_mem mem = {};
	struct mtd_info *mtd;
	unsigned int i;
	u64 start;

	for (i = 0; i < CYCLES; i++) {
		ctlr = add_controller(false);
		if (!ctlr)
			return -ENOMEM;
		mem.spi = add_device(ctlr);
		if (!mem.spi)
			return -ENOMEM;
		if (spi_mem_exec_op(&mem, &bench.op[0]))
			return -EIO;
		spi_unregister_device(mem.spi);
		/* So that no grace period of something else is under way. */
		msleep(20);
		start = ktime_get_ns();
		spi_unregister_controller(ctlr);
		samples[i] = ktime_get_ns() - start;
		spi_controller_put(ctlr);
	}
	print_latency("spi_unregister_controller", drain);

	for (i = 0; i < CYCLES; i++) {
		mtd = add_mtd(0);
		if (!mtd)
			return -ENOMEM;
		if (read_named("bench0"))
			return -EIO;
		msleep(20);
		start = ktime_get_ns();
		remove_mtd(mtd);
		samples[i] = ktime_get_ns() - start;
	}
	print_latency("mtd_device_unregister", drain);

	return 0;
}

/* Memory: what is gone from the free pages with many of a kind. */

static long free_bytes(void)
{
	drain_all_pages(NULL);

	return global_zone_page_state(NR_FREE_PAGES) * PAGE_SIZE;
}

static int weigh(void)
{
	void **all = vzalloc(CONTROLLERS * sizeof(*all));
	unsigned int i;
	long before;

	if (!all)
		return -ENOMEM;

	before = free_bytes();
	for (i = 0; i < CONTROLLERS; i++) {
		all[i] = spi_alloc_host(&parent->dev, 0);
		if (!all[i])
			return -ENOMEM;
	}
	pr_info("memory op=spi_controller each=%ld\n", (before - free_bytes()) / CONTROLLERS);
	for (i = 0; i < CONTROLLERS; i++)
		spi_controller_put(all[i]);

	before = free_bytes();
	for (i = 0; i < MTDS; i++) {
		all[i] = add_mtd(i);
		if (!all[i])
			return -ENOMEM;
	}
	pr_info("memory op=mtd each=%ld\n", (before - free_bytes()) / MTDS);
	for (i = 0; i < MTDS; i++)
		remove_mtd(all[i]);
	vfree(all);

	pr_info("size type=spi_controller bytes=%zu\n", sizeof(struct spi_controller));
#ifdef HAVE_GATES
	pr_info("size type=spi_gate bytes=%zu\n", sizeof(struct spi_gate));
	pr_info("size type=mtd_root bytes=%zu\n", sizeof(struct mtd_root));
#endif
	pr_info("size type=srcu_struct bytes=%zu\n", sizeof(struct srcu_struct));
	pr_info("size type=srcu_usage bytes=%zu\n", sizeof(struct srcu_usage));
	pr_info("size type=srcu_data bytes=%zu\n", sizeof(struct srcu_data));
	pr_info("size type=possible_cpus bytes=%u\n", num_possible_cpus());

	return 0;
}

static int set_up(void)
{
	struct spi_controller *ctlr;
	int i;

	parent = faux_device_create("gate-bench", NULL, NULL);
	bench.buf[0] = kzalloc(4096, GFP_KERNEL);
	bench.buf[1] = kzalloc(4096, GFP_KERNEL);
	if (!parent || !bench.buf[0] || !bench.buf[1])
		return -ENOMEM;
	bench.ctlr = add_controller(false);
	if (!bench.ctlr)
		return -ENODEV;
	bench.spi = add_device(bench.ctlr);
	if (!bench.spi)
		return -ENODEV;
	bench.mem.spi = bench.spi;
	ctlr = add_controller(true);
	if (!ctlr)
		return -ENODEV;
	bench.message_spi = add_device(ctlr);
	if (!bench.message_spi)
		return -ENODEV;
	/* A command alone: the least that the path can be asked for. */
	for (i = 0; i < 2; i++)
		bench.op[i] = (struct spi_mem_op)SPI_MEM_OP(SPI_MEM_OP_CMD(0x06, 1),
							    SPI_MEM_OP_NO_ADDR,
							    SPI_MEM_OP_NO_DUMMY,
							    SPI_MEM_OP_NO_DATA);

	bench.ram = get_mtd_device_nm("mtdram test device");
	if (IS_ERR(bench.ram))
		return PTR_ERR(bench.ram);
	bench.flash = get_mtd_device_nm("f1010000.spi.0");
	if (IS_ERR(bench.flash))
		bench.flash = get_mtd_device_nm("spi0.0");
	if (IS_ERR(bench.flash))
		bench.flash = NULL;

	return 0;
}

static int measure(void)
{
	static const char * const drains[] = LAB_GATE_DRAINS;
	bool instructions = start_counter();
	int ret;

	pr_info("start counter=%d cpus=%u hz=%u flash=%d\n", instructions,
		num_online_cpus(), HZ, bench.flash != NULL);
	ret = instructions ? count_instructions() : take_time();
	for (lab_gate_drain = 0; !ret && lab_gate_drain < ARRAY_SIZE(drains);
	     lab_gate_drain++)
		ret = time_unregister(drains[lab_gate_drain]);
	lab_gate_drain = 0;

	return ret ?: weigh();
}

static int gate_bench(void *unused)
{
	int ret;

	/* Until init runs, all grace periods are expedited. */
	rcu_unexpedite_gp();
	ret = set_up() ?: measure();
	rcu_expedite_gp();
	pr_info("end result=%d\n", ret);
	kernel_power_off();

	return 0;
}

static int __init gate_bench_init(void)
{
	struct task_struct *task;

	wait_for_device_probe();
	task = kthread_create(gate_bench, NULL, "gate_bench");
	if (IS_ERR(task))
		return PTR_ERR(task);
	kthread_bind(task, 0);
	wake_up_process(task);
	/* The boot ends here: the thread switches the machine off. */
	for (;;)
		schedule_timeout_uninterruptible(MAX_SCHEDULE_TIMEOUT);
}
late_initcall_sync(gate_bench_init);
