// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests for unregistering SPI controllers
 *
 * A controller without hardware, each of whose callbacks can be made to block,
 * is unregistered while it is used. Nothing but the API of drivers is used.
 *
 * To run them: ./tools/testing/kunit/kunit.py run --kunitconfig drivers/spi
 */

#include <kunit/device.h>
#include <kunit/test.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/spi/spi.h>
#include <linux/spi/spi-mem.h>

#define FAKE_LEN	16
#define FAKE_READY	BIT(0)
/* Status reads until the fake flash is ready */
#define FAKE_POLLS	3
/* Nothing that a test waits for takes as long */
#define FAKE_TIMEOUT	(10 * HZ)

/* What can be made to block */
enum fake_call {
	EXEC_OP, SUPPORTS_OP, ADJUST_OP_SIZE, DIRMAP_CREATE, DIRMAP_DESTROY,
	DIRMAP_READ, DIRMAP_WRITE, POLL_STATUS, TRANSFER_ONE, SETUP, CLEANUP,
	OPTIMIZE, UNOPTIMIZE, TARGET_ABORT, HANDLE_ERR, BUS_NOTIFY, FAKE_CALLS,
};

/* What a test or one of its threads can do; the first are ways to a callback */
enum fake_way {
	DO_EXEC_OP, DO_SUPPORTS_OP, DO_ADJUST_OP_SIZE, DO_DIRMAP, DO_DIRMAP_READ,
	DO_DIRMAP_WRITE, DO_POLL_STATUS, DO_SYNC, DO_SYNC_LOCKED, DO_ASYNC,
	DO_SETUP, DO_OPTIMIZE, DO_TARGET_ABORT,
	DO_ADD, DO_HAMMER, DO_REMOVE, DO_UNREGISTER,
};

/* A way to a callback of a controller, with what the controller is like */
struct fake_entry {
	const char *name;
	enum fake_way way;
	enum fake_call call;
	/* What it returns while the controller is registered, and after that */
	long ok, refused;
	/* How often @call is called */
	int count;
	/* Mask of callbacks that answer -EOPNOTSUPP, to force a fallback */
	unsigned long unsupported;
	bool no_mem_ops, no_optimize, must_async, target;
	/* transfer_one() returns before the transfer is over */
	bool core_waits;
};

#define ENTRY(_name, _way, _call, _ok, ...)				\
	{								\
		.name = _name, .way = DO_##_way, .call = _call,		\
		.ok = _ok, .refused = -ESHUTDOWN, .count = 1, __VA_ARGS__ \
	}
#define NO(_call)	.unsupported = BIT(_call)

static const struct fake_entry fake_entries[] = {
	ENTRY("exec_op", EXEC_OP, EXEC_OP, 0),
	ENTRY("exec_op_by_sync", EXEC_OP, TRANSFER_ONE, 0, NO(EXEC_OP),
	      .count = 2),
	ENTRY("exec_op_by_queue", EXEC_OP, TRANSFER_ONE, 0, NO(EXEC_OP),
	      .count = 2, .must_async = true),
	ENTRY("exec_op_no_mem_ops", EXEC_OP, TRANSFER_ONE, 0, .count = 2,
	      .no_mem_ops = true),
	ENTRY("supports_op", SUPPORTS_OP, SUPPORTS_OP, true, .refused = false),
	ENTRY("adjust_op_size", ADJUST_OP_SIZE, ADJUST_OP_SIZE, 0),
	ENTRY("dirmap_create", DIRMAP, DIRMAP_CREATE, 0),
	ENTRY("dirmap_destroy", DIRMAP, DIRMAP_DESTROY, 0),
	ENTRY("dirmap_read", DIRMAP_READ, DIRMAP_READ, FAKE_LEN),
	ENTRY("dirmap_read_by_op", DIRMAP_READ, EXEC_OP, FAKE_LEN,
	      NO(DIRMAP_CREATE)),
	ENTRY("dirmap_write", DIRMAP_WRITE, DIRMAP_WRITE, FAKE_LEN),
	ENTRY("poll_status", POLL_STATUS, POLL_STATUS, 0),
	ENTRY("poll_status_by_op", POLL_STATUS, EXEC_OP, 0, NO(POLL_STATUS),
	      .count = FAKE_POLLS),
	ENTRY("spi_sync", SYNC, TRANSFER_ONE, 0),
	ENTRY("spi_sync_optimize", SYNC, OPTIMIZE, 0),
	ENTRY("spi_sync_by_queue", SYNC, TRANSFER_ONE, 0, .must_async = true),
	ENTRY("spi_sync_locked", SYNC_LOCKED, TRANSFER_ONE, 0),
	ENTRY("spi_async", ASYNC, TRANSFER_ONE, 0),
	ENTRY("spi_async_optimize", ASYNC, OPTIMIZE, 0),
	ENTRY("spi_async_no_optimize", ASYNC, TRANSFER_ONE, 0,
	      .no_optimize = true),
	ENTRY("spi_setup", SETUP, SETUP, 0),
	ENTRY("spi_optimize_message", OPTIMIZE, OPTIMIZE, 0),
	ENTRY("spi_unoptimize_message", OPTIMIZE, UNOPTIMIZE, 0),
	ENTRY("spi_target_abort", TARGET_ABORT, TARGET_ABORT, 0,
	      .target = true, .core_waits = true),
};

KUNIT_ARRAY_PARAM_DESC(fake, fake_entries, name);

static const struct fake_entry fake_plain;
static const struct fake_entry fake_target = { .target = true };
static const struct fake_entry fake_core_waits = {
	.target = true, .core_waits = true,
};

struct fake_msg {
	struct spi_transfer xfer;
	struct spi_message msg;
	struct completion done;
};

struct fake_thread {
	struct fake *fake;
	enum fake_way way;
	struct completion done;
	bool joined;
	long ret;
};

struct fake {
	struct kunit *test;
	const struct fake_entry *entry;
	struct spi_controller *ctlr;
	/* Its device; a reference keeps it when the controller is unregistered */
	struct spi_device *spi;
	struct spi_mem mem;
	/* What a driver releases after unregistering, for KASAN */
	u32 *hw;
	struct notifier_block nb;
	unsigned long nb_action;
	atomic_t calls[FAKE_CALLS];
	atomic_t total, late, bad;
	unsigned int polls;
	bool registered, gone, stop;
	/* Mask of callbacks that block next time, until @release */
	unsigned long block;
	struct completion entered, release;
	int xfer_ret;
	struct fake_thread threads[8];
	unsigned int nr_threads;
	u8 buf[FAKE_LEN];
};

/* The callbacks */

static struct fake *to_fake(struct spi_controller *ctlr)
{
	return *(struct fake **)spi_controller_get_devdata(ctlr);
}

/* The memory of the test outlives the controller: late calls are counted. */
static int fake_called(struct spi_controller *ctlr, enum fake_call call)
{
	struct fake *fake = to_fake(ctlr);

	atomic_inc(&fake->total);
	atomic_inc(&fake->calls[call]);
	if (READ_ONCE(fake->gone))
		atomic_inc(&fake->late);

	if (test_and_clear_bit(call, &fake->block)) {
		complete(&fake->entered);
		if (!wait_for_completion_timeout(&fake->release, FAKE_TIMEOUT))
			atomic_inc(&fake->bad);
	}
	udelay(get_random_u32_below(10));

	if (READ_ONCE(fake->gone))
		atomic_inc(&fake->late);
	READ_ONCE(*fake->hw);

	return fake->entry->unsupported & BIT(call) ? -EOPNOTSUPP : 0;
}

static int fake_exec_op(struct spi_mem *mem, const struct spi_mem_op *op)
{
	struct fake *fake = to_fake(mem->spi->controller);

	if (op->data.nbytes == 1)
		*(u8 *)op->data.buf.in = ++fake->polls % FAKE_POLLS ? 0 :
								FAKE_READY;
	return fake_called(mem->spi->controller, EXEC_OP);
}

static int fake_adjust_op_size(struct spi_mem *mem, struct spi_mem_op *op)
{
	return fake_called(mem->spi->controller, ADJUST_OP_SIZE);
}

static int fake_dirmap_create(struct spi_mem_dirmap_desc *desc)
{
	return fake_called(desc->mem->spi->controller, DIRMAP_CREATE);
}

static void fake_dirmap_destroy(struct spi_mem_dirmap_desc *desc)
{
	fake_called(desc->mem->spi->controller, DIRMAP_DESTROY);
}

static int fake_poll_status(struct spi_mem *mem, const struct spi_mem_op *op,
			    u16 mask, u16 match, unsigned long delay_us,
			    unsigned long rate_us, unsigned long timeout_ms)
{
	return fake_called(mem->spi->controller, POLL_STATUS);
}

static int fake_setup(struct spi_device *spi)
{
	return fake_called(spi->controller, SETUP);
}

static void fake_cleanup(struct spi_device *spi)
{
	fake_called(spi->controller, CLEANUP);
}

static int fake_optimize(struct spi_message *msg)
{
	return fake_called(msg->spi->controller, OPTIMIZE);
}

static int fake_unoptimize(struct spi_message *msg)
{
	return fake_called(msg->spi->controller, UNOPTIMIZE);
}

static void fake_handle_err(struct spi_controller *ctlr,
			    struct spi_message *msg)
{
	fake_called(ctlr, HANDLE_ERR);
}

static bool fake_supports_op(struct spi_mem *mem, const struct spi_mem_op *op)
{
	return !fake_called(mem->spi->controller, SUPPORTS_OP);
}

static ssize_t fake_dirmap_read(struct spi_mem_dirmap_desc *desc, u64 offs,
				size_t len, void *buf)
{
	return fake_called(desc->mem->spi->controller, DIRMAP_READ) ?: len;
}

static ssize_t fake_dirmap_write(struct spi_mem_dirmap_desc *desc, u64 offs,
				 size_t len, const void *buf)
{
	return fake_called(desc->mem->spi->controller, DIRMAP_WRITE) ?: len;
}

static const struct spi_controller_mem_ops fake_mem_ops = {
	.adjust_op_size = fake_adjust_op_size,
	.supports_op = fake_supports_op,
	.exec_op = fake_exec_op,
	.dirmap_create = fake_dirmap_create,
	.dirmap_destroy = fake_dirmap_destroy,
	.dirmap_read = fake_dirmap_read,
	.dirmap_write = fake_dirmap_write,
	.poll_status = fake_poll_status,
};

static int fake_transfer_one(struct spi_controller *ctlr,
			     struct spi_device *spi, struct spi_transfer *xfer)
{
	struct fake *fake = to_fake(ctlr);

	/* A command and its data are transfers of one message. */
	if (xfer->len == 1) {
		if (xfer->rx_buf)
			*(u8 *)xfer->rx_buf = FAKE_READY;
		return 0;
	}
	if (fake->entry->core_waits) {
		complete(&fake->entered);
		return 1;
	}
	fake_called(ctlr, TRANSFER_ONE);

	return READ_ONCE(fake->xfer_ret);
}

static int fake_target_abort(struct spi_controller *ctlr)
{
	fake_called(ctlr, TARGET_ABORT);
	WRITE_ONCE(to_fake(ctlr)->xfer_ret, -EINTR);
	complete(&to_fake(ctlr)->release);
	return 0;
}

/* Stops the removal of the device, when told to */
static int fake_bus_notify(struct notifier_block *nb, unsigned long action,
			   void *data)
{
	struct fake *fake = container_of(nb, struct fake, nb);

	if (data == &fake->spi->dev && action == fake->nb_action)
		fake_called(fake->ctlr, BUS_NOTIFY);
	return NOTIFY_OK;
}

/* The users */

static void fake_msg_complete(void *context)
{
	complete(context);
}

static struct spi_message *fake_msg_init(struct fake *fake, struct fake_msg *m)
{
	memset(m, 0, sizeof(*m));
	m->xfer.rx_buf = fake->buf;
	m->xfer.len = FAKE_LEN;
	spi_message_init_with_transfers(&m->msg, &m->xfer, 1);
	init_completion(&m->done);
	m->msg.complete = fake_msg_complete;
	m->msg.context = &m->done;

	return &m->msg;
}

static long fake_async(struct fake *fake)
{
	struct fake_msg *m = kmalloc_obj(*m);
	long ret;

	if (!m)
		return -ENOMEM;
	/* -EBUSY: another thread has locked the bus. */
	while ((ret = spi_async(fake->spi, fake_msg_init(fake, m))) == -EBUSY)
		cond_resched();
	if (!ret) {
		/* It may still be in the queue then: leak it. */
		if (!wait_for_completion_timeout(&m->done, 2 * FAKE_TIMEOUT))
			return -ETIMEDOUT;
		ret = m->msg.status;
	}
	kfree(m);
	return ret;
}

static long fake_dirmap(struct fake *fake, enum fake_way way)
{
	struct spi_mem_dirmap_desc *made, desc = {
		.mem = &fake->mem,
		.info.primary_op_tmpl =
			SPI_MEM_OP(SPI_MEM_OP_CMD(3, 1), SPI_MEM_OP_ADDR(3, 0, 1),
				   SPI_MEM_OP_NO_DUMMY,
				   SPI_MEM_OP_DATA_IN(0, NULL, 1)),
		.info.op_tmpl = &desc.info.primary_op_tmpl,
		.info.length = FAKE_LEN,
		.nodirmap = fake->entry->no_mem_ops ||
			    fake->entry->unsupported & BIT(DIRMAP_CREATE),
	};

	if (way == DO_DIRMAP_READ)
		return spi_mem_dirmap_read(&desc, 0, FAKE_LEN, fake->buf);
	if (way == DO_DIRMAP_WRITE) {
		desc.info.primary_op_tmpl.data.dir = SPI_MEM_DATA_OUT;
		return spi_mem_dirmap_write(&desc, 0, FAKE_LEN, fake->buf);
	}
	made = spi_mem_dirmap_create(&fake->mem, &desc.info);
	if (IS_ERR(made))
		return PTR_ERR(made);
	spi_mem_dirmap_destroy(made);
	return 0;
}

/* Add another device, as a caller does that has just found the controller */
static long fake_add(struct fake *fake)
{
	struct device *dev = &fake->ctlr->dev;
	struct spi_board_info info = {
		.modalias = "spi-fake", .chip_select = 1,
		.bus_num = fake->ctlr->bus_num,
	};
	struct device_attribute *slave;

	if (fake->entry->target) {
		slave = container_of(dev->class->dev_groups[1]->attrs[0],
				     struct device_attribute, attr);
		return slave->store(dev, slave, "spi-fake", 8);
	}

	return spi_register_board_info(&info, 1) ?:
	       spi_new_device(fake->ctlr, &info) ? 0 : -ENODEV;
}

static long fake_do(struct fake *fake, enum fake_way way);

/* Use what there is, until told to stop. */
static long fake_hammer(struct fake *fake)
{
	unsigned int i = get_random_u32_below(ARRAY_SIZE(fake_entries));

	while (!READ_ONCE(fake->stop)) {
		const struct fake_entry *entry;
		long ret;

		entry = &fake_entries[i++ % ARRAY_SIZE(fake_entries)];
		ret = entry->target ? entry->ok : fake_do(fake, entry->way);
		if (ret != entry->ok && ret != entry->refused) {
			if (!atomic_fetch_inc(&fake->bad))
				pr_err("%s: %ld\n", entry->name, ret);
		}
		cond_resched();
	}

	return 0;
}

static long fake_do(struct fake *fake, enum fake_way way)
{
	struct spi_mem_op op =
		SPI_MEM_OP(SPI_MEM_OP_CMD(3, 1), SPI_MEM_OP_ADDR(3, 0, 1),
			   SPI_MEM_OP_NO_DUMMY,
			   SPI_MEM_OP_DATA_IN(FAKE_LEN, fake->buf, 1));
	struct spi_device *spi = fake->spi;
	struct fake_msg m;
	long ret = 0;

	switch (way) {
	case DO_EXEC_OP:
		return spi_mem_exec_op(&fake->mem, &op);
	case DO_SUPPORTS_OP:
		return spi_mem_supports_op(&fake->mem, &op);
	case DO_ADJUST_OP_SIZE:
		return spi_mem_adjust_op_size(&fake->mem, &op);
	case DO_DIRMAP ... DO_DIRMAP_WRITE:
		return fake_dirmap(fake, way);
	case DO_POLL_STATUS:
		op.data.nbytes = 1;
		return spi_mem_poll_status(&fake->mem, &op, FAKE_READY,
					   FAKE_READY, 0, 10, 60000);
	case DO_SYNC:
		return spi_sync(spi, fake_msg_init(fake, &m));
	case DO_SYNC_LOCKED:
		spi_bus_lock(fake->ctlr);
		ret = spi_sync_locked(spi, fake_msg_init(fake, &m));
		spi_bus_unlock(fake->ctlr);
		break;
	case DO_ASYNC:
		return fake_async(fake);
	case DO_SETUP:
		return spi_setup(spi);
	case DO_OPTIMIZE:
		ret = spi_optimize_message(spi, fake_msg_init(fake, &m));
		if (!ret)
			spi_unoptimize_message(&m.msg);
		break;
	case DO_TARGET_ABORT:
		return spi_target_abort(spi);
	case DO_ADD:
		return fake_add(fake);
	case DO_HAMMER:
		return fake_hammer(fake);
	case DO_REMOVE:
		spi_unregister_device(spi);
		break;
	case DO_UNREGISTER:
		WRITE_ONCE(fake->registered, false);
		spi_unregister_controller(fake->ctlr);
		WRITE_ONCE(fake->gone, true);
		kfree(fake->hw);
		break;
	}

	return ret;
}

static int fake_thread_fn(void *data)
{
	struct fake_thread *thread = data;

	thread->ret = fake_do(thread->fake, thread->way);
	kthread_complete_and_exit(&thread->done, 0);
}

static struct fake_thread *fake_start(struct fake *fake, enum fake_way way)
{
	struct fake_thread *thread = &fake->threads[fake->nr_threads];

	thread->fake = fake;
	thread->way = way;
	init_completion(&thread->done);
	KUNIT_ASSERT_FALSE(fake->test, IS_ERR(kthread_run(fake_thread_fn, thread,
							  "spi-fake")));
	fake->nr_threads++;

	return thread;
}

static bool fake_wait(struct fake_thread *thread, unsigned long timeout)
{
	if (!thread->joined)
		thread->joined = wait_for_completion_timeout(&thread->done,
							     timeout);
	return thread->joined;
}

static bool fake_join(struct fake_thread *thread)
{
	return fake_wait(thread, FAKE_TIMEOUT);
}

/* What a test that went wrong may still use is leaked. */
static void fake_free(void *data)
{
	struct fake *fake = data;
	bool ended = true;
	unsigned int i;

	WRITE_ONCE(fake->stop, true);
	complete_all(&fake->release);
	for (i = 0; i < fake->nr_threads; i++)
		ended &= fake_join(&fake->threads[i]);
	if (!ended) {
		KUNIT_FAIL(fake->test, "something does not end; leaked");
		return;
	}
	if (fake->registered)
		fake_do(fake, DO_UNREGISTER);
	else if (!fake->gone)
		kfree(fake->hw);
	bus_unregister_notifier(&spi_bus_type, &fake->nb);
	KUNIT_EXPECT_EQ(fake->test, 0, atomic_read(&fake->late));
	KUNIT_EXPECT_EQ(fake->test, 0, atomic_read(&fake->bad));
	spi_dev_put(fake->spi);
	spi_controller_put(fake->ctlr);
	kfree(fake);
}

static struct fake *fake_new(struct kunit *test, const struct fake_entry *entry)
{
	struct fake *fake = kzalloc_obj(*fake);
	struct spi_controller *ctlr;

	KUNIT_ASSERT_NOT_NULL(test, fake);
	fake->test = test;
	fake->entry = entry;
	fake->nb.notifier_call = fake_bus_notify;
	init_completion(&fake->entered);
	init_completion(&fake->release);
	fake->hw = kzalloc_obj(*fake->hw);
	KUNIT_ASSERT_NOT_NULL(test, fake->hw);

	ctlr = entry->target ? spi_alloc_target(test->priv, sizeof(fake)) :
			       spi_alloc_host(test->priv, sizeof(fake));
	KUNIT_ASSERT_NOT_NULL(test, ctlr);
	fake->ctlr = ctlr;
	*(struct fake **)spi_controller_get_devdata(ctlr) = fake;
	ctlr->num_chipselect = 2;
	ctlr->transfer_one = fake_transfer_one;
	ctlr->setup = fake_setup;
	ctlr->cleanup = fake_cleanup;
	ctlr->target_abort = fake_target_abort;
	ctlr->handle_err = entry->core_waits ? fake_handle_err : NULL;
	ctlr->must_async = entry->must_async;
	ctlr->optimize_message = entry->no_optimize ? NULL : fake_optimize;
	ctlr->unoptimize_message = entry->no_optimize ? NULL : fake_unoptimize;
	ctlr->mem_ops = entry->no_mem_ops ? NULL : &fake_mem_ops;

	fake->spi = spi_alloc_device(ctlr);
	KUNIT_ASSERT_NOT_NULL(test, fake->spi);
	fake->spi->cs_index_mask = BIT(0);
	strscpy(fake->spi->modalias, "spi-fake", sizeof(fake->spi->modalias));
	fake->mem.spi = fake->spi;
	KUNIT_ASSERT_EQ(test, 0, bus_register_notifier(&spi_bus_type,
						       &fake->nb));
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, fake_free, fake));

	return fake;
}

static void fake_register(struct kunit *test, struct fake *fake)
{
	KUNIT_ASSERT_EQ(test, 0, spi_register_controller(fake->ctlr));
	WRITE_ONCE(fake->registered, true);
	KUNIT_ASSERT_EQ(test, 0, spi_add_device(fake->spi));

	/* Keep it, as a user that is not told of its removal. */
	get_device(&fake->spi->dev);
}

static struct fake *fake_init(struct kunit *test,
			      const struct fake_entry *entry)
{
	struct fake *fake = fake_new(test, entry);

	fake_register(test, fake);

	return fake;
}

static int fake_calls(struct fake *fake, enum fake_call call)
{
	return atomic_read(&fake->calls[call]);
}

/* Start something that blocks in a callback. */
static struct fake_thread *fake_block(struct fake *fake, enum fake_call call,
				      enum fake_way way)
{
	struct fake_thread *thread;

	set_bit(call, &fake->block);
	thread = fake_start(fake, way);
	KUNIT_ASSERT_NE(fake->test, 0,
			wait_for_completion_timeout(&fake->entered,
						    FAKE_TIMEOUT));
	return thread;
}

/* Unregister, until the device has been removed. */
static struct fake_thread *fake_unregister_blocked(struct fake *fake)
{
	struct fake_thread *thread = fake_start(fake, DO_UNREGISTER);
	unsigned long end = jiffies + FAKE_TIMEOUT;

	while (device_is_registered(&fake->spi->dev) && time_before(jiffies, end))
		usleep_range(100, 200);
	KUNIT_EXPECT_FALSE(fake->test, fake_wait(thread, HZ / 20));

	return thread;
}

/* In-flight operations are waited for, and end as usual. */
static void spi_unregister_waits(struct kunit *test)
{
	const struct fake_entry *entry = test->param_value;
	struct fake *fake = fake_init(test, entry);
	struct fake_thread *op, *unregister;
	int before = fake_calls(fake, entry->call);

	op = fake_block(fake, entry->call, entry->way);
	unregister = fake_unregister_blocked(fake);
	complete(&fake->release);
	KUNIT_ASSERT_TRUE(test, fake_join(op));
	KUNIT_ASSERT_TRUE(test, fake_join(unregister));

	KUNIT_EXPECT_EQ(test, entry->ok, op->ret);
	KUNIT_EXPECT_EQ(test, entry->count,
			fake_calls(fake, entry->call) - before);
}

/* New callers are refused, and the driver is not called. */
static void spi_unregister_refuses(struct kunit *test)
{
	const struct fake_entry *entry = test->param_value;
	struct fake *fake = fake_init(test, entry);
	int total;

	KUNIT_EXPECT_EQ(test, entry->ok, fake_do(fake, entry->way));
	fake_do(fake, DO_UNREGISTER);

	total = atomic_read(&fake->total);
	KUNIT_EXPECT_EQ(test, entry->refused, fake_do(fake, entry->way));
	KUNIT_EXPECT_EQ(test, entry->refused, fake_do(fake, entry->way));
	KUNIT_EXPECT_EQ(test, total, atomic_read(&fake->total));
}

/* Nor is it called to give back an optimization that was kept for too long. */
static void spi_unregister_unoptimize(struct kunit *test)
{
	struct fake *fake = fake_init(test, &fake_plain);
	struct fake_msg m;

	KUNIT_ASSERT_EQ(test, 0, spi_optimize_message(fake->spi,
						      fake_msg_init(fake, &m)));
	fake_do(fake, DO_UNREGISTER);
	spi_unoptimize_message(&m.msg);
	KUNIT_EXPECT_EQ(test, 0, fake_calls(fake, UNOPTIMIZE));
	KUNIT_EXPECT_FALSE(test, m.msg.optimized);
}

#define MSGS	4

/* Messages in the queue fail; the one that is transferred is waited for. */
static void spi_unregister_test_queue(struct kunit *test, struct fake *fake,
				      enum fake_way way)
{
	struct fake_thread *thread;
	struct fake_msg *m;
	unsigned int i;

	/* Not freed if it goes wrong: the queue may still hold them. */
	m = kzalloc_objs(*m, MSGS);
	KUNIT_ASSERT_NOT_NULL(test, m);
	set_bit(TRANSFER_ONE, &fake->block);
	for (i = 0; i < MSGS; i++)
		KUNIT_ASSERT_EQ(test, 0, spi_async(fake->spi,
						   fake_msg_init(fake, &m[i])));
	KUNIT_ASSERT_NE(test, 0,
			wait_for_completion_timeout(&fake->entered, HZ));
	thread = fake_start(fake, way);
	for (i = 1; i < MSGS; i++) {
		KUNIT_ASSERT_NE(test, 0,
				wait_for_completion_timeout(&m[i].done, HZ));
		KUNIT_EXPECT_EQ(test, -ESHUTDOWN, m[i].msg.status);
	}
	KUNIT_EXPECT_FALSE(test, fake_wait(thread, HZ / 20));
	KUNIT_EXPECT_FALSE(test, completion_done(&m[0].done));
	/* The driver forgets the device only when it is done with it. */
	if (way == DO_REMOVE)
		KUNIT_EXPECT_EQ(test, 0, fake_calls(fake, CLEANUP));

	complete(&fake->release);
	KUNIT_ASSERT_TRUE(test, fake_join(thread));
	KUNIT_EXPECT_TRUE(test, completion_done(&m[0].done));
	KUNIT_EXPECT_EQ(test, 0, m[0].msg.status);
	KUNIT_EXPECT_EQ(test, 1, fake_calls(fake, TRANSFER_ONE));
	KUNIT_EXPECT_EQ(test, MSGS, fake_calls(fake, UNOPTIMIZE));
	kfree(m);
}

static void spi_unregister_fails_messages(struct kunit *test)
{
	struct fake *fake = fake_init(test, &fake_plain);

	spi_unregister_test_queue(test, fake, DO_REMOVE);
	fake = fake_init(test, &fake_plain);
	spi_unregister_test_queue(test, fake, DO_UNREGISTER);
	/* Sent to a device that was removed */
	fake = fake_init(test, &fake_plain);
	fake_do(fake, DO_REMOVE);
	spi_unregister_test_queue(test, fake, DO_UNREGISTER);
}

/* A target waits for its host, perhaps for ever: it is made to give up. */
static void spi_unregister_test_abort(struct kunit *test, enum fake_way way,
				      const struct fake_entry *entry)
{
	struct fake *fake = fake_init(test, entry);
	struct fake_thread *op, *unregister;

	op = fake_block(fake, TRANSFER_ONE, way);
	unregister = fake_start(fake, DO_UNREGISTER);
	KUNIT_ASSERT_TRUE(test, fake_join(unregister));
	KUNIT_ASSERT_TRUE(test, fake_join(op));
	KUNIT_EXPECT_EQ(test, -EINTR, op->ret);
	/* Only drivers that wait by themselves are told. */
	KUNIT_EXPECT_EQ(test, entry->core_waits,
			fake_calls(fake, HANDLE_ERR));
	KUNIT_EXPECT_EQ(test, !entry->core_waits,
			!!fake_calls(fake, TARGET_ABORT));
}

static void spi_unregister_aborts_target(struct kunit *test)
{
	spi_unregister_test_abort(test, DO_SYNC, &fake_target);
	spi_unregister_test_abort(test, DO_ASYNC, &fake_target);
}

static void spi_unregister_ends_target(struct kunit *test)
{
	spi_unregister_test_abort(test, DO_SYNC, &fake_core_waits);
	spi_unregister_test_abort(test, DO_ASYNC, &fake_core_waits);
}

/* A removal under way is waited for. */
static void spi_unregister_test_removal(struct kunit *test,
					unsigned long action)
{
	struct fake *fake = fake_init(test, &fake_plain);
	struct fake_thread *removal, *unregister;

	fake->nb_action = action;
	removal = fake_block(fake, BUS_NOTIFY, DO_REMOVE);
	unregister = fake_start(fake, DO_UNREGISTER);
	KUNIT_EXPECT_FALSE(test, fake_wait(unregister, HZ / 20));
	/* The driver of the device may still need it. */
	KUNIT_EXPECT_EQ(test, 0, fake_do(fake, DO_EXEC_OP));
	KUNIT_EXPECT_EQ(test, 0, fake_do(fake, DO_SYNC));

	complete(&fake->release);
	KUNIT_ASSERT_TRUE(test, fake_join(removal));
	KUNIT_ASSERT_TRUE(test, fake_join(unregister));
	KUNIT_EXPECT_EQ(test, 1, fake_calls(fake, CLEANUP));
}

static void spi_unregister_waits_removal(struct kunit *test)
{
	/* The device is still in its parent's list. */
	spi_unregister_test_removal(test, BUS_NOTIFY_DEL_DEVICE);
	/* It has left that, and its driver is still bound. */
	spi_unregister_test_removal(test, BUS_NOTIFY_UNBIND_DRIVER);
}

/* New devices are refused at once: unregistering may wait for that task. */
static void spi_unregister_test_add(struct kunit *test,
				    const struct fake_entry *entry)
{
	struct fake *fake = fake_new(test, entry);
	struct fake_thread *op, *unregister, *add;

	/* What is registered by number stays: use one of its own. */
	fake->ctlr->bus_num = 30000 + entry->target;
	fake_register(test, fake);
	op = fake_block(fake, SETUP, DO_SETUP);
	unregister = fake_unregister_blocked(fake);

	add = fake_start(fake, DO_ADD);
	KUNIT_EXPECT_TRUE(test, fake_join(add));
	KUNIT_EXPECT_EQ(test, -ENODEV, add->ret);

	complete(&fake->release);
	KUNIT_ASSERT_TRUE(test, fake_join(op));
	KUNIT_ASSERT_TRUE(test, fake_join(unregister));
}

static void spi_unregister_refuses_device(struct kunit *test)
{
	spi_unregister_test_add(test, &fake_plain);
	spi_unregister_test_add(test, &fake_core_waits);
}

static void spi_unregister_twice(struct kunit *test)
{
	struct fake *fake = fake_init(test, &fake_plain);
	struct kunit_suppressed_warning *w;

	fake_do(fake, DO_UNREGISTER);
	w = kunit_start_suppress_warning(test);
	KUNIT_ASSERT_NOT_NULL(test, w);
	spi_unregister_controller(fake->ctlr);
	KUNIT_EXPECT_EQ(test, 1, kunit_suppressed_warning_count(w));
	kunit_end_suppress_warning(test, w);
	KUNIT_EXPECT_EQ(test, -ESHUTDOWN, spi_register_controller(fake->ctlr));
}

static void spi_unregister_stress(struct kunit *test)
{
	unsigned long end = jiffies + 3 * HZ;
	unsigned int i, round = 0;

	do {
		const struct fake_entry *entry;
		struct fake *fake;

		/* It is no target, but has that entry's fallbacks. */
		entry = &fake_entries[round++ % (ARRAY_SIZE(fake_entries) - 1)];
		fake = fake_init(test, entry);
		for (i = 0; i < ARRAY_SIZE(fake->threads); i++)
			fake_start(fake, DO_HAMMER);
		usleep_range(100, 5000);
		fake_do(fake, DO_UNREGISTER);
		usleep_range(100, 1000);
		kunit_release_action(test, fake_free, fake);
	} while (time_before(jiffies, end));
	kunit_info(test, "%u rounds\n", round);
}

static struct spi_driver fake_driver = { .driver.name = "spi-fake" };

static int spi_unregister_suite_init(struct kunit_suite *suite)
{
	return spi_register_driver(&fake_driver);
}

static void spi_unregister_suite_exit(struct kunit_suite *suite)
{
	spi_unregister_driver(&fake_driver);
}

static int spi_unregister_init(struct kunit *test)
{
	test->priv = kunit_device_register(test, "spi-fake");

	return PTR_ERR_OR_ZERO(test->priv);
}

static struct kunit_case spi_unregister_cases[] = {
	KUNIT_CASE_PARAM(spi_unregister_waits, fake_gen_params),
	KUNIT_CASE_PARAM(spi_unregister_refuses, fake_gen_params),
	KUNIT_CASE(spi_unregister_unoptimize),
	KUNIT_CASE(spi_unregister_fails_messages),
	KUNIT_CASE(spi_unregister_aborts_target),
	KUNIT_CASE(spi_unregister_ends_target),
	KUNIT_CASE(spi_unregister_waits_removal),
	KUNIT_CASE(spi_unregister_refuses_device),
	KUNIT_CASE(spi_unregister_twice),
	KUNIT_CASE_SLOW(spi_unregister_stress),
	{}
};

static struct kunit_suite spi_unregister_suite = {
	.name = "spi_unregister",
	.suite_init = spi_unregister_suite_init,
	.suite_exit = spi_unregister_suite_exit,
	.init = spi_unregister_init,
	.test_cases = spi_unregister_cases,
};

kunit_test_suite(spi_unregister_suite);

MODULE_DESCRIPTION("KUnit tests for unregistering SPI controllers");
MODULE_LICENSE("GPL");
