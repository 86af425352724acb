// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of what spi_unregister_controller() promises to controller drivers:
 * when it returns, no callback runs, and none is called again.
 *
 * These use public API only, and so can be built for, and fail on, a kernel whose
 * controllers have no gate. What needs to look into the gate is in spi-gate-kunit.c.
 *
 * More than one CPU and KASAN make them sharper:
 *
 *	tools/testing/kunit/kunit.py run --kunitconfig=drivers/spi 'spi_*' \
 *		--kconfig_add CONFIG_SMP=y --kconfig_add CONFIG_KASAN=y \
 *		--kernel_args=seccomp=on --kernel_args=ncpus=2
 */

#include <kunit/device.h>
#include <kunit/test.h>
#include <linux/delay.h>
#include <linux/module.h>

#include "spi-fake.h"

MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");

/*
 * Wait until unregistering refuses operations, and expect that it does not return.
 * supports_op() is the one thing to ask that waits for nobody.
 */
static void spi_unregister_wait_closed(struct kunit *test, struct spi_fake *fake,
				       struct spi_fake_thread *unregister)
{
	unsigned long end = jiffies + SPI_FAKE_TIMEOUT;

	while (spi_fake_run_supports_op(fake) && !completion_done(&unregister->done) &&
	       time_before(jiffies, end))
		usleep_range(100, 200);

	KUNIT_EXPECT_FALSE(test, spi_fake_run_supports_op(fake));
	KUNIT_EXPECT_EQ_MSG(test, 0,
			    wait_for_completion_timeout(&unregister->done, HZ / 5),
			    "unregistering did not wait");
}

/*
 * An operation that is in the driver is waited for, and ends as if nothing had
 * happened, including what it still has to do: fallbacks and further polls.
 */
static void spi_unregister_waits(struct kunit *test)
{
	const struct spi_fake_entry *entry = test->param_value;
	struct spi_fake *fake = spi_fake_new(test, entry);
	struct spi_fake_thread *op, *unregister;
	int before;

	KUNIT_ASSERT_EQ(test, 0, spi_fake_register(fake));
	before = atomic_read(&fake->calls[entry->call]);

	spi_fake_block(fake, entry->call);
	op = spi_fake_start(fake, entry->run);
	KUNIT_ASSERT_NOT_NULL(test, op);
	KUNIT_ASSERT_TRUE(test, spi_fake_wait_entered(fake));

	unregister = spi_fake_start(fake, spi_fake_unregister);
	KUNIT_ASSERT_NOT_NULL(test, unregister);
	spi_unregister_wait_closed(test, fake, unregister);

	complete(&fake->release);
	KUNIT_ASSERT_TRUE(test, spi_fake_join(op));
	KUNIT_ASSERT_TRUE(test, spi_fake_join(unregister));

	KUNIT_EXPECT_EQ(test, entry->ok, op->ret);
	/* The test itself asks supports_op(). */
	if (entry->call != SPI_FAKE_SUPPORTS_OP)
		KUNIT_EXPECT_EQ(test, entry->count,
				atomic_read(&fake->calls[entry->call]) - before);
	KUNIT_EXPECT_EQ(test, 0, atomic_read(&fake->late));
	KUNIT_EXPECT_FALSE(test, fake->timed_out);
}

/* Who comes later is refused, however often, and the driver is not called. */
static void spi_unregister_refuses(struct kunit *test)
{
	const struct spi_fake_entry *entry = test->param_value;
	struct spi_fake *fake = spi_fake_new(test, entry);
	unsigned int total;
	int before;

	KUNIT_ASSERT_EQ(test, 0, spi_fake_register(fake));

	/* It works before, or this would prove nothing. */
	before = atomic_read(&fake->calls[entry->call]);
	KUNIT_EXPECT_EQ(test, entry->ok, entry->run(fake));
	KUNIT_EXPECT_EQ(test, entry->count, atomic_read(&fake->calls[entry->call]) - before);

	spi_fake_unregister(fake);

	total = spi_fake_total(fake);
	KUNIT_EXPECT_EQ(test, entry->refused, entry->run(fake));
	KUNIT_EXPECT_EQ(test, entry->refused, entry->run(fake));
	KUNIT_EXPECT_EQ(test, total, spi_fake_total(fake));
	KUNIT_EXPECT_EQ(test, 0, atomic_read(&fake->late));
}

/*
 * The hardware is gone before its driver hears of it. The operation in the driver
 * fails there, not at the gate, and unregistering neither waits longer nor returns
 * earlier for that.
 */
static void spi_unregister_dies(struct kunit *test)
{
	const struct spi_fake_entry *entry = test->param_value;
	struct spi_fake *fake = spi_fake_new(test, entry);
	struct spi_fake_thread *op, *unregister;

	KUNIT_ASSERT_EQ(test, 0, spi_fake_register(fake));

	spi_fake_block(fake, entry->call);
	op = spi_fake_start(fake, entry->run);
	KUNIT_ASSERT_NOT_NULL(test, op);
	KUNIT_ASSERT_TRUE(test, spi_fake_wait_entered(fake));

	WRITE_ONCE(fake->dead, true);
	unregister = spi_fake_start(fake, spi_fake_unregister);
	KUNIT_ASSERT_NOT_NULL(test, unregister);
	spi_unregister_wait_closed(test, fake, unregister);

	complete(&fake->release);
	KUNIT_ASSERT_TRUE(test, spi_fake_join(op));
	KUNIT_ASSERT_TRUE(test, spi_fake_join(unregister));
	KUNIT_EXPECT_EQ(test, entry->dead, op->ret);
	KUNIT_EXPECT_EQ(test, entry->refused, entry->run(fake));
	KUNIT_EXPECT_EQ(test, 0, atomic_read(&fake->late));
	KUNIT_EXPECT_FALSE(test, fake->timed_out);
}

static void spi_unregister_unplug_action(void *data)
{
	spi_fake_unregister(data);
}

static long spi_unregister_unplug(struct spi_fake *fake)
{
	kunit_device_unregister(fake->test, fake->parent);

	return 0;
}

/*
 * The device that the controller is on goes, as a USB device does: its driver is
 * unbound, managed resources are released while an operation runs, and what the
 * driver keeps is freed. Operations fail already.
 */
static void spi_unregister_unplugged(struct kunit *test)
{
	struct device *parent = kunit_device_register(test, "spi-fake-unplugged");
	struct spi_fake_thread *op, *unplug;
	struct spi_fake *fake;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, parent);
	fake = spi_fake_new_on(test, parent, NULL);

	/* The parent's resources refer to it: no abort from here on. */
	KUNIT_EXPECT_EQ(test, 0, spi_fake_register(fake));
	KUNIT_EXPECT_EQ(test, 0, devm_add_action(parent, spi_unregister_unplug_action, fake));

	spi_fake_block(fake, SPI_FAKE_EXEC_OP);
	op = spi_fake_start(fake, spi_fake_run_exec_op);
	KUNIT_EXPECT_TRUE(test, spi_fake_wait_entered(fake));

	WRITE_ONCE(fake->dead, true);
	unplug = spi_fake_start(fake, spi_unregister_unplug);
	spi_unregister_wait_closed(test, fake, unplug);

	complete(&fake->release);
	KUNIT_EXPECT_TRUE(test, spi_fake_join(op));
	KUNIT_EXPECT_EQ(test, -ENODEV, op->ret);
	KUNIT_EXPECT_TRUE(test, spi_fake_join(unplug));
	KUNIT_EXPECT_TRUE(test, fake->gone);

	/* Who still has the device of the bus finds nothing behind it. */
	KUNIT_EXPECT_EQ(test, -ESHUTDOWN, spi_fake_run_exec_op(fake));
	KUNIT_EXPECT_EQ(test, -ESHUTDOWN, spi_fake_run_sync(fake));
	KUNIT_EXPECT_EQ(test, 0, atomic_read(&fake->late));
	KUNIT_EXPECT_TRUE(test, spi_fake_free(fake));
}

#define SPI_UNREGISTER_MSGS	4

/*
 * Messages that wait in the queue fail; the one that is transferred is waited for.
 * Each is completed, once.
 */
static void spi_unregister_fails_queued(struct kunit *test)
{
	struct spi_fake *fake = spi_fake_new(test, NULL);
	struct spi_fake_thread *unregister;
	struct spi_fake_msg *m;
	unsigned int i;

	/* Not freed if it goes wrong: the queue may still hold them. */
	m = kzalloc_objs(*m, SPI_UNREGISTER_MSGS);
	KUNIT_ASSERT_NOT_NULL(test, m);
	KUNIT_ASSERT_EQ(test, 0, spi_fake_register(fake));

	spi_fake_block(fake, SPI_FAKE_TRANSFER_ONE);
	for (i = 0; i < SPI_UNREGISTER_MSGS; i++) {
		spi_fake_msg_init(fake, &m[i]);
		KUNIT_ASSERT_EQ(test, 0, spi_fake_async(fake, &m[i]));
	}
	KUNIT_ASSERT_TRUE(test, spi_fake_wait_entered(fake));

	unregister = spi_fake_start(fake, spi_fake_unregister);
	KUNIT_ASSERT_NOT_NULL(test, unregister);
	spi_unregister_wait_closed(test, fake, unregister);

	for (i = 1; i < SPI_UNREGISTER_MSGS; i++) {
		KUNIT_ASSERT_NE(test, 0, wait_for_completion_timeout(&m[i].done, HZ));
		KUNIT_EXPECT_EQ(test, -ESHUTDOWN, m[i].msg.status);
	}
	KUNIT_EXPECT_FALSE(test, completion_done(&m[0].done));

	complete(&fake->release);
	KUNIT_ASSERT_TRUE(test, spi_fake_join(unregister));

	KUNIT_EXPECT_TRUE(test, completion_done(&m[0].done));
	KUNIT_EXPECT_EQ(test, 0, m[0].msg.status);
	KUNIT_EXPECT_EQ(test, 1, atomic_read(&fake->calls[SPI_FAKE_TRANSFER_ONE]));
	/* What the driver was given to prepare, it gets back. */
	KUNIT_EXPECT_EQ(test, SPI_UNREGISTER_MSGS,
			atomic_read(&fake->calls[SPI_FAKE_OPTIMIZE]));
	KUNIT_EXPECT_EQ(test, SPI_UNREGISTER_MSGS,
			atomic_read(&fake->calls[SPI_FAKE_UNOPTIMIZE]));
	KUNIT_EXPECT_EQ(test, 0, atomic_read(&fake->late));
	for (i = 0; i < SPI_UNREGISTER_MSGS; i++)
		KUNIT_EXPECT_EQ(test, 1, atomic_read(&m[i].completed));

	kfree(m);
}

/* spi_sync() that waits behind other messages is inside, and is not failed. */
static void spi_unregister_keeps_queued_sync(struct kunit *test)
{
	struct spi_fake *fake = spi_fake_new(test, NULL);
	struct spi_fake_thread *op, *unregister;
	unsigned long end = jiffies + SPI_FAKE_TIMEOUT;
	struct spi_fake_msg *m;

	m = kzalloc_obj(*m);
	KUNIT_ASSERT_NOT_NULL(test, m);
	KUNIT_ASSERT_EQ(test, 0, spi_fake_register(fake));

	spi_fake_block(fake, SPI_FAKE_TRANSFER_ONE);
	spi_fake_msg_init(fake, m);
	KUNIT_ASSERT_EQ(test, 0, spi_fake_async(fake, m));
	KUNIT_ASSERT_TRUE(test, spi_fake_wait_entered(fake));

	op = spi_fake_start(fake, spi_fake_run_sync);
	KUNIT_ASSERT_NOT_NULL(test, op);
	/* Optimizing is what it does last before it waits for its turn. */
	while (atomic_read(&fake->calls[SPI_FAKE_OPTIMIZE]) < 2 && time_before(jiffies, end))
		usleep_range(100, 200);

	unregister = spi_fake_start(fake, spi_fake_unregister);
	KUNIT_ASSERT_NOT_NULL(test, unregister);
	spi_unregister_wait_closed(test, fake, unregister);

	complete(&fake->release);
	KUNIT_ASSERT_TRUE(test, spi_fake_join(op));
	KUNIT_ASSERT_TRUE(test, spi_fake_join(unregister));

	KUNIT_EXPECT_EQ(test, 0, op->ret);
	KUNIT_EXPECT_TRUE(test, completion_done(&m->done));
	KUNIT_EXPECT_EQ(test, 0, m->msg.status);
	KUNIT_EXPECT_EQ(test, 0, atomic_read(&fake->late));

	kfree(m);
}

static const struct spi_fake_entry spi_unregister_target = {
	.name = "target",
	.target = true,
};

/* A target waits for its host, perhaps for ever: it is told to give up. */
static void spi_unregister_test_abort(struct kunit *test, long (*run)(struct spi_fake *fake))
{
	struct spi_fake *fake = spi_fake_new(test, &spi_unregister_target);
	struct spi_fake_thread *op, *unregister;

	KUNIT_ASSERT_EQ(test, 0, spi_fake_register(fake));

	spi_fake_block(fake, SPI_FAKE_TRANSFER_ONE);
	op = spi_fake_start(fake, run);
	KUNIT_ASSERT_NOT_NULL(test, op);
	KUNIT_ASSERT_TRUE(test, spi_fake_wait_entered(fake));

	unregister = spi_fake_start(fake, spi_fake_unregister);
	KUNIT_ASSERT_NOT_NULL(test, unregister);
	KUNIT_EXPECT_NE(test, 0,
			wait_for_completion_timeout(&unregister->done, SPI_FAKE_TIMEOUT / 2));
	KUNIT_EXPECT_GT(test, atomic_read(&fake->calls[SPI_FAKE_TARGET_ABORT]), 0);

	/* Nobody released it but the abort. */
	KUNIT_EXPECT_NE(test, 0, wait_for_completion_timeout(&op->done, HZ));
	KUNIT_EXPECT_FALSE(test, fake->timed_out);
	complete(&fake->release);
	KUNIT_ASSERT_TRUE(test, spi_fake_join(op));
	KUNIT_ASSERT_TRUE(test, spi_fake_join(unregister));
	KUNIT_EXPECT_EQ(test, -EINTR, op->ret);
	KUNIT_EXPECT_EQ(test, 0, atomic_read(&fake->late));
}

/* In the caller's context */
static void spi_unregister_aborts_target_sync(struct kunit *test)
{
	spi_unregister_test_abort(test, spi_fake_run_sync);
}

/* In the queue, where nobody is inside the gate */
static void spi_unregister_aborts_target_async(struct kunit *test)
{
	spi_unregister_test_abort(test, spi_fake_run_async);
}

static void spi_unregister_stress(struct kunit *test)
{
	spi_fake_stress(test, false);
}

static struct kunit_case spi_unregister_cases[] = {
	KUNIT_CASE_PARAM(spi_unregister_waits, spi_fake_gen_params),
	KUNIT_CASE_PARAM(spi_unregister_refuses, spi_fake_gen_params),
	KUNIT_CASE_PARAM(spi_unregister_dies, spi_fake_gen_params),
	KUNIT_CASE(spi_unregister_unplugged),
	KUNIT_CASE(spi_unregister_fails_queued),
	KUNIT_CASE(spi_unregister_keeps_queued_sync),
	KUNIT_CASE(spi_unregister_aborts_target_sync),
	KUNIT_CASE(spi_unregister_aborts_target_async),
	KUNIT_CASE_SLOW(spi_unregister_stress),
	{}
};

static struct kunit_suite spi_unregister_suite = {
	.name = "spi_unregister",
	.test_cases = spi_unregister_cases,
};

kunit_test_suite(spi_unregister_suite);

MODULE_DESCRIPTION("KUnit tests for unregistering SPI controllers");
MODULE_LICENSE("GPL");
