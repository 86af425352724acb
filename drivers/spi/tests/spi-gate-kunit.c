// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the gate of SPI controllers
 *
 * These look into the gate, or do what only a kernel with a gate survives. What
 * unregistering promises by its public API is tested in spi-unregister-kunit.c,
 * where it is also said how to run both.
 */

#include <kunit/device.h>
#include <kunit/test.h>
#include <linux/delay.h>
#include <linux/kmsg_dump.h>
#include <linux/module.h>

#include "../internals.h"
#include "spi-fake.h"

MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");

/* As in spi-fake.c, which a kernel without gates can build: nothing is behind this. */
static_assert(sizeof(struct spi_controller) -
	      offsetofend(struct spi_controller, gate) < sizeof(u64),
	      "a new member of struct spi_controller: does it need the gate?");

static void spi_gate_expect_refused(struct kunit *test, struct spi_fake *fake,
				    const struct spi_fake_entry *entry)
{
	unsigned int total = spi_fake_total(fake);

	KUNIT_EXPECT_EQ(test, entry->refused, entry->run(fake));
	KUNIT_EXPECT_EQ(test, total, spi_fake_total(fake));
}

static void spi_gate_wait_closed(struct kunit *test, struct spi_fake *fake)
{
	unsigned long end = jiffies + SPI_FAKE_TIMEOUT;

	while (READ_ONCE(fake->ctlr->gate.open) && time_before(jiffies, end))
		usleep_range(100, 200);

	KUNIT_EXPECT_FALSE(test, READ_ONCE(fake->ctlr->gate.open));
}

/* A controller has memory and callbacks, but nobody may use it yet. */
static void spi_gate_not_registered(struct kunit *test)
{
	const struct spi_fake_entry *entry = test->param_value;
	struct spi_fake *fake = spi_fake_new(test, entry);

	spi_gate_expect_refused(test, fake, entry);
	KUNIT_ASSERT_EQ(test, 0, spi_fake_register(fake));
	KUNIT_EXPECT_EQ(test, entry->ok, entry->run(fake));
}

/* Unregister where it is an error, from a thread because that must not hang */
static long spi_gate_unregister_wrongly(struct spi_fake *fake)
{
	struct kunit_suppressed_warning *w;
	long count;

	w = kunit_start_suppress_warning(fake->test);
	if (!w)
		return -ENOMEM;

	spi_unregister_controller(fake->ctlr);
	count = kunit_suppressed_warning_count(w);
	kunit_end_suppress_warning(fake->test, w);

	return count;
}

static void spi_gate_expect_warning(struct kunit *test, struct spi_fake *fake)
{
	unsigned int total = spi_fake_total(fake);
	struct spi_fake_thread *wrong;

	wrong = spi_fake_start(fake, spi_gate_unregister_wrongly);
	KUNIT_ASSERT_NOT_NULL(test, wrong);
	KUNIT_ASSERT_TRUE(test, spi_fake_join(wrong));
	KUNIT_EXPECT_EQ(test, 1, wrong->ret);
	KUNIT_EXPECT_EQ(test, total, spi_fake_total(fake));
}

/*
 * The gate opens before device_add(). If that fails, here because the parent is
 * gone, it is closed again; the driver may try again.
 */
static void spi_gate_register_fails(struct kunit *test)
{
	const struct spi_fake_entry *entry = test->param_value;
	struct device *parent, *good;
	struct spi_fake *fake;

	good = kunit_device_register(test, "spi-fake-good");
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, good);
	parent = kunit_device_register(test, "spi-fake");
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, parent);
	get_device(parent);
	kunit_device_unregister(test, parent);

	fake = spi_fake_new_on(test, parent, entry);
	KUNIT_EXPECT_NE(test, 0, spi_fake_register(fake));
	KUNIT_EXPECT_FALSE(test, fake->registered);
	KUNIT_EXPECT_FALSE(test, fake->ctlr->gate.open);
	spi_gate_expect_refused(test, fake, entry);

	fake->ctlr->dev.parent = good;
	KUNIT_EXPECT_EQ(test, 0, spi_fake_register(fake));
	KUNIT_EXPECT_EQ(test, entry->ok, entry->run(fake));

	spi_fake_free(fake);
	put_device(parent);
}

/* It warns, and touches nothing: the controller can still be registered. */
static void spi_gate_never_registered(struct kunit *test)
{
	struct spi_fake *fake = spi_fake_new(test, NULL);

	spi_gate_expect_warning(test, fake);

	KUNIT_ASSERT_EQ(test, 0, spi_fake_register(fake));
	KUNIT_EXPECT_EQ(test, 0, spi_fake_run_exec_op(fake));
}

static void spi_gate_unregistered_twice(struct kunit *test)
{
	struct spi_fake *fake = spi_fake_new(test, NULL);
	struct spi_fake *other = spi_fake_new_on(test, fake->parent, NULL);
	int ret;

	KUNIT_EXPECT_EQ(test, 0, spi_fake_register(fake));
	ret = fake->ctlr->bus_num;
	spi_fake_unregister(fake);

	/* Who has got its number must not be affected. */
	KUNIT_EXPECT_EQ(test, 0, spi_fake_register(other));
	KUNIT_EXPECT_EQ(test, ret, other->ctlr->bus_num);
	spi_gate_expect_warning(test, fake);
	KUNIT_EXPECT_EQ(test, 0, spi_fake_run_exec_op(other));
	KUNIT_EXPECT_EQ(test, 0, spi_fake_run_sync(other));

	spi_fake_free(other);
}

static void spi_gate_registered_again(struct kunit *test)
{
	const struct spi_fake_entry *entry = test->param_value;
	struct spi_fake *fake = spi_fake_new(test, entry);

	KUNIT_ASSERT_EQ(test, 0, spi_fake_register(fake));
	spi_fake_unregister(fake);

	KUNIT_EXPECT_EQ(test, -ESHUTDOWN, spi_register_controller(fake->ctlr));
	KUNIT_EXPECT_FALSE(test, fake->ctlr->gate.open);
	spi_gate_expect_refused(test, fake, entry);
}

/* A user that is inside for a sequence of operations, the last after the closing */
static long spi_gate_hold(struct spi_fake *fake)
{
	long ret;

	ACQUIRE(spi_gate_try, gate)(fake->ctlr);
	ret = ACQUIRE_ERR(spi_gate_try, &gate);
	if (ret)
		return ret;

	ret = spi_fake_run_exec_op(fake) ?: spi_fake_run_sync(fake);
	if (ret)
		return ret;

	complete(&fake->entered);
	if (!wait_for_completion_timeout(&fake->release, SPI_FAKE_TIMEOUT))
		return -ETIMEDOUT;

	return spi_fake_run_exec_op(fake);
}

/*
 * Entering again while inside is let in, or refused once the gate is closed, but
 * is never a deadlock. Variants that do not enter, which the core uses, work.
 */
static void spi_gate_nests(struct kunit *test)
{
	struct spi_fake *fake = spi_fake_new(test, NULL);
	struct spi_fake_thread *op, *unregister;

	KUNIT_ASSERT_EQ(test, 0, spi_fake_register(fake));

	op = spi_fake_start(fake, spi_gate_hold);
	KUNIT_ASSERT_NOT_NULL(test, op);
	KUNIT_ASSERT_TRUE(test, spi_fake_wait_entered(fake));

	unregister = spi_fake_start(fake, spi_fake_unregister);
	KUNIT_ASSERT_NOT_NULL(test, unregister);
	spi_gate_wait_closed(test, fake);
	KUNIT_EXPECT_EQ(test, -ESHUTDOWN, spi_fake_run_sync(fake));
	KUNIT_EXPECT_EQ(test, 0, wait_for_completion_timeout(&unregister->done, HZ / 20));

	complete(&fake->release);
	KUNIT_ASSERT_TRUE(test, spi_fake_join(op));
	KUNIT_ASSERT_TRUE(test, spi_fake_join(unregister));
	KUNIT_EXPECT_EQ(test, -ESHUTDOWN, op->ret);
	KUNIT_EXPECT_EQ(test, 0, atomic_read(&fake->late));
}

/* One controller's gate is not another's. */
static void spi_gate_is_its_own(struct kunit *test)
{
	struct spi_fake *fake = spi_fake_new(test, NULL);
	struct spi_fake *other = spi_fake_new_on(test, fake->parent, NULL);
	struct spi_fake_thread *op;

	KUNIT_EXPECT_EQ(test, 0, spi_fake_register(fake));
	KUNIT_EXPECT_EQ(test, 0, spi_fake_register(other));

	op = spi_fake_start(fake, spi_gate_hold);
	KUNIT_EXPECT_NOT_NULL(test, op);
	KUNIT_EXPECT_TRUE(test, spi_fake_wait_entered(fake));

	/* Waits for its own users only */
	KUNIT_EXPECT_TRUE(test, spi_fake_free(other));

	complete(&fake->release);
	KUNIT_EXPECT_TRUE(test, spi_fake_join(op));
	KUNIT_EXPECT_EQ(test, 0, op->ret);
}

/* Count what is in the kernel log about the controller's unregistering */
static unsigned int spi_gate_count_reports(struct spi_fake *fake, const char *what)
{
	struct kmsg_dump_iter iter;
	unsigned int count = 0;
	char line[256];
	size_t len;

	kmsg_dump_rewind(&iter);
	while (kmsg_dump_get_line(&iter, false, line, sizeof(line) - 1, &len)) {
		line[len] = '\0';
		if (strstr(line, dev_name(&fake->ctlr->dev)) &&
		    strstr(line, "unregistering has waited") && strstr(line, what))
			count++;
	}

	return count;
}

static void spi_gate_restore_report(void *data)
{
	spi_drain_report_ms = (unsigned long)data;
}

static void spi_gate_test_report(struct kunit *test, struct spi_fake *fake,
				 long (*fn)(struct spi_fake *fake), bool pid)
{
	unsigned long end = jiffies + SPI_FAKE_TIMEOUT;
	struct spi_fake_thread *op, *unregister;
	unsigned int before;
	char what[32];

	KUNIT_ASSERT_EQ(test, 0, kunit_add_action(test, spi_gate_restore_report,
						  (void *)(unsigned long)spi_drain_report_ms));
	spi_drain_report_ms = 50;

	op = spi_fake_start(fake, fn);
	KUNIT_ASSERT_NOT_NULL(test, op);
	KUNIT_ASSERT_TRUE(test, spi_fake_wait_entered(fake));

	snprintf(what, sizeof(what), pid ? "pid %d " : "to end", task_pid_nr(op->task));
	before = spi_gate_count_reports(fake, what);

	unregister = spi_fake_start(fake, spi_fake_unregister);
	KUNIT_ASSERT_NOT_NULL(test, unregister);

	/* It goes on to report, and does not give up. */
	while (spi_gate_count_reports(fake, what) < before + 2 && time_before(jiffies, end))
		msleep(20);
	KUNIT_EXPECT_GE(test, spi_gate_count_reports(fake, what), before + 2);
	KUNIT_EXPECT_FALSE(test, completion_done(&unregister->done));

	complete(&fake->release);
	KUNIT_ASSERT_TRUE(test, spi_fake_join(op));
	KUNIT_ASSERT_TRUE(test, spi_fake_join(unregister));
	KUNIT_EXPECT_EQ(test, 0, atomic_read(&fake->late));
}

/* Somebody stays inside, and does nothing. */
static void spi_gate_reports_guard(struct kunit *test)
{
	struct spi_fake *fake = spi_fake_new(test, NULL);

	KUNIT_ASSERT_EQ(test, 0, spi_fake_register(fake));
	spi_gate_test_report(test, fake, spi_gate_hold, false);
}

/* An operation takes long: the report says whose. */
static void spi_gate_reports_operation(struct kunit *test)
{
	struct spi_fake *fake = spi_fake_new(test, NULL);

	KUNIT_ASSERT_EQ(test, 0, spi_fake_register(fake));
	spi_fake_block(fake, SPI_FAKE_EXEC_OP);
	spi_gate_test_report(test, fake, spi_fake_run_exec_op, true);
}

/* A message that nobody waits for takes long. */
static void spi_gate_reports_queue(struct kunit *test)
{
	struct spi_fake *fake = spi_fake_new(test, NULL);

	KUNIT_ASSERT_EQ(test, 0, spi_fake_register(fake));
	spi_fake_block(fake, SPI_FAKE_TRANSFER_ONE);
	spi_gate_test_report(test, fake, spi_fake_run_async, false);
}

#define SPI_GATE_ASKED		1
#define SPI_GATE_ADJUSTED	2
#define SPI_GATE_EXECUTED	4

/* Inside, until the test has closed the gate */
static int spi_gate_enter_and_wait(struct spi_fake *fake, int *idx)
{
	int ret;

	ret = spi_mem_enter(&fake->mem, idx);
	if (ret)
		return ret;

	complete(&fake->entered);
	if (!wait_for_completion_timeout(&fake->release, SPI_FAKE_TIMEOUT))
		WRITE_ONCE(fake->timed_out, true);

	return 0;
}

/* A sequence of operations that begins before the gate closes, and ends after that */
static long spi_gate_run_sequence(struct spi_fake *fake)
{
	struct spi_mem_op op = SPI_MEM_OP(SPI_MEM_OP_CMD(0x9f, 1), SPI_MEM_OP_NO_ADDR,
					  SPI_MEM_OP_NO_DUMMY, SPI_MEM_OP_NO_DATA);
	long done = 0;
	int idx;
	int ret;

	ret = spi_gate_enter_and_wait(fake, &idx);
	if (ret)
		return ret;

	if (spi_mem_supports_op_inside(&fake->mem, &op))
		done |= SPI_GATE_ASKED;
	if (!spi_mem_adjust_op_size_inside(&fake->mem, &op))
		done |= SPI_GATE_ADJUSTED;
	if (!spi_mem_exec_op_inside(&fake->mem, &op) &&
	    !spi_mem_exec_op_inside(&fake->mem, &op))
		done |= SPI_GATE_EXECUTED;

	spi_mem_leave(&fake->mem, idx);

	return done;
}

/* Run a sequence, and unregister in the middle of it. */
static struct spi_fake_thread *
spi_gate_test_sequence(struct kunit *test, struct spi_fake *fake,
		       long (*run)(struct spi_fake *fake))
{
	struct spi_fake_thread *sequence, *unregister;
	int idx;

	KUNIT_ASSERT_EQ(test, 0, spi_fake_register(fake));

	sequence = spi_fake_start(fake, run);
	KUNIT_ASSERT_NOT_NULL(test, sequence);
	KUNIT_ASSERT_TRUE(test, spi_fake_wait_entered(fake));

	unregister = spi_fake_start(fake, spi_fake_unregister);
	KUNIT_ASSERT_NOT_NULL(test, unregister);
	spi_gate_wait_closed(test, fake);
	KUNIT_EXPECT_EQ(test, -ESHUTDOWN, spi_mem_enter(&fake->mem, &idx));
	KUNIT_EXPECT_EQ(test, -ESHUTDOWN, spi_fake_run_exec_op(fake));
	KUNIT_EXPECT_FALSE(test, completion_done(&unregister->done));

	complete(&fake->release);
	KUNIT_ASSERT_TRUE(test, spi_fake_join(sequence));
	KUNIT_ASSERT_TRUE(test, spi_fake_join(unregister));
	KUNIT_EXPECT_EQ(test, 0, atomic_read(&fake->late));
	KUNIT_EXPECT_FALSE(test, fake->timed_out);

	return sequence;
}

/* Who has entered is not refused halfway, while everybody else is. */
static void spi_gate_keeps_sequence(struct kunit *test)
{
	struct spi_fake *fake = spi_fake_new(test, NULL);
	struct spi_fake_thread *sequence;

	sequence = spi_gate_test_sequence(test, fake, spi_gate_run_sequence);
	KUNIT_EXPECT_EQ(test, SPI_GATE_ASKED | SPI_GATE_ADJUSTED | SPI_GATE_EXECUTED,
			sequence->ret);
	KUNIT_EXPECT_EQ(test, 2, atomic_read(&fake->calls[SPI_FAKE_EXEC_OP]));
}

static const struct spi_fake_entry spi_gate_messages = {
	.name = "messages",
	.no_mem_ops = true,
};

/* More than the controller can transfer at once, in a message */
static long spi_gate_run_long(struct spi_fake *fake)
{
	void *buf __free(kfree) = kzalloc(2 * SPI_FAKE_MAX_SIZE, GFP_KERNEL);
	struct spi_mem_op op =
		SPI_MEM_OP(SPI_MEM_OP_CMD(0x03, 1), SPI_MEM_OP_NO_ADDR,
			   SPI_MEM_OP_NO_DUMMY,
			   SPI_MEM_OP_DATA_IN(2 * SPI_FAKE_MAX_SIZE, buf, 1));
	int idx;
	int ret;

	if (!buf)
		return -ENOMEM;
	ret = spi_gate_enter_and_wait(fake, &idx);
	if (ret)
		return ret;

	ret = spi_mem_exec_op_inside(&fake->mem, &op);

	spi_mem_leave(&fake->mem, idx);

	return ret;
}

/* The limits of the controller count as long as messages are let through. */
static void spi_gate_keeps_limits(struct kunit *test)
{
	struct spi_fake *fake = spi_fake_new(test, &spi_gate_messages);
	struct spi_fake_thread *sequence;

	sequence = spi_gate_test_sequence(test, fake, spi_gate_run_long);
	KUNIT_EXPECT_EQ(test, 0, sequence->ret);
	KUNIT_EXPECT_EQ(test, 2, atomic_read(&fake->calls[SPI_FAKE_TRANSFER_ONE]));
}

/* As spi_unregister_stress(), with users that come before the controller */
static void spi_gate_stress(struct kunit *test)
{
	spi_fake_stress(test, true);
}

static struct kunit_case spi_gate_cases[] = {
	KUNIT_CASE_PARAM(spi_gate_not_registered, spi_fake_gen_params),
	KUNIT_CASE_PARAM(spi_gate_register_fails, spi_fake_gen_params),
	KUNIT_CASE_PARAM(spi_gate_registered_again, spi_fake_gen_params),
	KUNIT_CASE(spi_gate_never_registered),
	KUNIT_CASE(spi_gate_unregistered_twice),
	KUNIT_CASE(spi_gate_nests),
	KUNIT_CASE(spi_gate_is_its_own),
	KUNIT_CASE(spi_gate_keeps_sequence),
	KUNIT_CASE(spi_gate_keeps_limits),
	KUNIT_CASE(spi_gate_reports_guard),
	KUNIT_CASE(spi_gate_reports_operation),
	KUNIT_CASE(spi_gate_reports_queue),
	KUNIT_CASE_SLOW(spi_gate_stress),
	{}
};

static struct kunit_suite spi_gate_suite = {
	.name = "spi_gate",
	.test_cases = spi_gate_cases,
};

kunit_test_suite(spi_gate_suite);

MODULE_DESCRIPTION("KUnit tests for the gate of SPI controllers");
MODULE_LICENSE("GPL");
