// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of what mtd_device_unregister() promises to drivers and users: when
 * it returns, no operation runs, none can start, and whoever has a handle gets
 * -ENODEV.
 *
 * These use public API only, and so can be built for, and fail on, a kernel whose
 * MTDs have no gate. What needs to look into the gate is in mtd-gate-kunit.c.
 *
 * More than one CPU and KASAN make them sharper:
 *
 *	tools/testing/kunit/kunit.py run --kunitconfig=drivers/mtd 'mtd_*' \
 *		--kconfig_add CONFIG_SMP=y --kconfig_add CONFIG_KASAN=y \
 *		--kernel_args=seccomp=on --kernel_args=ncpus=2
 */

#include <kunit/device.h>
#include <kunit/test.h>
#include <linux/delay.h>
#include <linux/module.h>
#include <linux/mtd/partitions.h>
#include <linux/slab.h>

#include "mtd-fake.h"

MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");

/* Start unregistering, and expect that it waits for what blocks in the driver. */
static struct mtd_fake_thread *mtd_unregister_start(struct kunit *test,
						    struct mtd_fake *fake)
{
	struct mtd_fake_thread *unregister;

	unregister = mtd_fake_start(fake, mtd_fake_unregister, NULL);
	KUNIT_ASSERT_NOT_NULL(test, unregister);
	KUNIT_EXPECT_EQ_MSG(test, 0,
			    wait_for_completion_timeout(&unregister->done, HZ / 10),
			    "unregistering did not wait");

	return unregister;
}

static void mtd_unregister_end(struct kunit *test, struct mtd_fake *fake,
			       struct mtd_fake_thread *op,
			       struct mtd_fake_thread *unregister)
{
	complete(&fake->release);
	KUNIT_ASSERT_TRUE(test, mtd_fake_join(op));
	KUNIT_ASSERT_TRUE(test, mtd_fake_join(unregister));
	KUNIT_EXPECT_EQ(test, 0, unregister->ret);
	KUNIT_EXPECT_EQ(test, 0, atomic_read(&fake->late));
	KUNIT_EXPECT_FALSE(test, fake->timed_out);
}

/* Get a handle as users in the kernel do; the caller puts it */
static struct mtd_info *mtd_unregister_get(struct kunit *test, const char *name)
{
	struct mtd_info *mtd = get_mtd_device_nm(name);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, mtd);

	return mtd;
}

/*
 * An operation that is in the driver is waited for, and ends as if nothing had
 * happened. The driver frees the mtd_info as soon as it may.
 */
static void mtd_unregister_waits(struct kunit *test)
{
	const struct mtd_fake_entry *entry = test->param_value;
	struct mtd_fake *fake = mtd_fake_new(test, entry);
	struct mtd_fake_thread *op, *unregister;

	KUNIT_ASSERT_EQ(test, 0, mtd_fake_register(fake, false));

	mtd_fake_block(fake, entry->call);
	op = mtd_fake_start(fake, entry->run, fake->mtd);
	KUNIT_ASSERT_NOT_NULL(test, op);
	KUNIT_ASSERT_TRUE(test, mtd_fake_wait_entered(fake));

	unregister = mtd_unregister_start(test, fake);
	mtd_unregister_end(test, fake, op, unregister);
	KUNIT_EXPECT_EQ(test, entry->ok, op->ret);
}

/* The same for an operation on a partition */
static void mtd_unregister_waits_partition(struct kunit *test)
{
	const struct mtd_fake_entry *entry = test->param_value;
	struct mtd_fake *fake = mtd_fake_new(test, entry);
	struct mtd_fake_thread *op, *unregister;
	struct mtd_info *part;

	/* The partition, which we hold, points to it. */
	fake->keep = true;
	KUNIT_ASSERT_EQ(test, 0, mtd_fake_register(fake, true));
	part = mtd_unregister_get(test, mtd_fake_parts[1].name);

	mtd_fake_block(fake, entry->call);
	op = mtd_fake_start(fake, entry->run, part);
	KUNIT_ASSERT_NOT_NULL(test, op);
	KUNIT_ASSERT_TRUE(test, mtd_fake_wait_entered(fake));

	unregister = mtd_unregister_start(test, fake);
	mtd_unregister_end(test, fake, op, unregister);
	KUNIT_EXPECT_EQ(test, entry->ok, op->ret);

	put_mtd_device(part);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake->gets), atomic_read(&fake->puts));
}

/* What one operation still has to do is not refused half-way. */
static void mtd_unregister_ends_whole(struct kunit *test)
{
	static const struct mtd_fake_entry short_point = { .short_point = true };
	struct mtd_fake *fake = mtd_fake_new(test, &short_point);
	struct mtd_fake_thread *op, *unregister;

	KUNIT_ASSERT_EQ(test, 0, mtd_fake_register(fake, false));

	mtd_fake_block(fake, MTD_FAKE_POINT);
	op = mtd_fake_start(fake, mtd_fake_run_unmapped_area, fake->mtd);
	KUNIT_ASSERT_NOT_NULL(test, op);
	KUNIT_ASSERT_TRUE(test, mtd_fake_wait_entered(fake));

	unregister = mtd_unregister_start(test, fake);
	mtd_unregister_end(test, fake, op, unregister);
	KUNIT_EXPECT_EQ(test, -ENOSYS, op->ret);
	KUNIT_EXPECT_EQ(test, 1, atomic_read(&fake->calls[MTD_FAKE_UNPOINT]));
}

/*
 * The hardware is gone before its driver hears of it. The operation in the driver
 * fails there, not at the gate, and unregistering neither waits longer nor returns
 * earlier for that.
 */
static void mtd_unregister_dies(struct kunit *test)
{
	const struct mtd_fake_entry *entry = test->param_value;
	struct mtd_fake *fake = mtd_fake_new(test, entry);
	struct mtd_fake_thread *op, *unregister;

	KUNIT_ASSERT_EQ(test, 0, mtd_fake_register(fake, false));

	mtd_fake_block(fake, entry->call);
	op = mtd_fake_start(fake, entry->run, fake->mtd);
	KUNIT_ASSERT_NOT_NULL(test, op);
	KUNIT_ASSERT_TRUE(test, mtd_fake_wait_entered(fake));

	WRITE_ONCE(fake->fail, ~0UL);
	unregister = mtd_unregister_start(test, fake);
	mtd_unregister_end(test, fake, op, unregister);
	KUNIT_EXPECT_EQ(test, entry->dead, op->ret);
}

static void mtd_unregister_unplug_action(void *data)
{
	mtd_fake_unregister(data, NULL);
}

static int mtd_unregister_unplug(struct mtd_fake *fake, struct mtd_info *mtd)
{
	kunit_device_unregister(fake->test, fake->parent);

	return 0;
}

/*
 * The device that the MTD is on goes, as a USB device does: its driver is unbound,
 * managed resources are released while an operation runs, and what the driver keeps
 * is freed. Operations fail already.
 */
static void mtd_unregister_unplugged(struct kunit *test)
{
	struct device *parent = kunit_device_register(test, "mtd-fake-unplugged");
	struct mtd_fake_thread *op, *unplug;
	struct mtd_fake *fake;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, parent);
	fake = mtd_fake_new_on(test, parent, NULL);

	/* The parent's resources refer to it: no abort from here on. */
	KUNIT_EXPECT_EQ(test, 0, mtd_fake_register(fake, false));
	KUNIT_EXPECT_EQ(test, 0, devm_add_action(parent, mtd_unregister_unplug_action, fake));

	mtd_fake_block(fake, MTD_FAKE_READ);
	op = mtd_fake_start(fake, mtd_fake_run_read, fake->mtd);
	KUNIT_EXPECT_TRUE(test, mtd_fake_wait_entered(fake));

	WRITE_ONCE(fake->fail, ~0UL);
	unplug = mtd_fake_start(fake, mtd_unregister_unplug, NULL);
	KUNIT_EXPECT_EQ_MSG(test, 0, wait_for_completion_timeout(&unplug->done, HZ / 10),
			    "the device went under an operation");

	complete(&fake->release);
	KUNIT_EXPECT_TRUE(test, mtd_fake_join(op));
	KUNIT_EXPECT_EQ(test, -EIO, op->ret);
	KUNIT_EXPECT_TRUE(test, mtd_fake_join(unplug));
	KUNIT_EXPECT_TRUE(test, fake->gone);
	KUNIT_EXPECT_EQ(test, 0, atomic_read(&fake->late));
	KUNIT_EXPECT_TRUE(test, mtd_fake_free(fake));
}

static void mtd_unregister_test_refuses(struct kunit *test, struct mtd_fake *fake,
					struct mtd_info *mtd)
{
	const struct mtd_fake_entry *entry = fake->entry;
	unsigned int total;
	int before;

	/* It works before, or this would prove nothing. */
	before = atomic_read(&fake->calls[entry->call]);
	KUNIT_EXPECT_EQ(test, entry->ok, entry->run(fake, mtd));
	KUNIT_EXPECT_EQ(test, 1, atomic_read(&fake->calls[entry->call]) - before);

	KUNIT_EXPECT_EQ(test, 0, mtd_fake_unregister(fake, NULL));

	total = mtd_fake_total(fake);
	KUNIT_EXPECT_EQ(test, entry->refused, entry->run(fake, mtd));
	KUNIT_EXPECT_EQ(test, entry->refused, entry->run(fake, mtd));
	KUNIT_EXPECT_EQ(test, total, mtd_fake_total(fake));
	KUNIT_EXPECT_EQ(test, 0, atomic_read(&fake->late));

	put_mtd_device(mtd);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake->gets), atomic_read(&fake->puts));
}

/* Who comes later is refused, however often, if the driver keeps its mtd_info. */
static void mtd_unregister_refuses(struct kunit *test)
{
	struct mtd_fake *fake = mtd_fake_new(test, test->param_value);

	fake->keep = true;
	KUNIT_ASSERT_EQ(test, 0, mtd_fake_register(fake, false));
	mtd_unregister_test_refuses(test, fake, mtd_unregister_get(test, fake->name));
}

static void mtd_unregister_refuses_partition(struct kunit *test)
{
	struct mtd_fake *fake = mtd_fake_new(test, test->param_value);

	fake->keep = true;
	KUNIT_ASSERT_EQ(test, 0, mtd_fake_register(fake, true));
	mtd_unregister_test_refuses(test, fake,
				    mtd_unregister_get(test, mtd_fake_parts[0].name));
}

/* Drivers and parsers read before it is registered. */
static void mtd_unregister_lets_in_before(struct kunit *test)
{
	const struct mtd_fake_entry *entry = test->param_value;
	struct mtd_fake *fake = mtd_fake_new(test, entry);

	KUNIT_EXPECT_EQ(test, entry->ok, entry->run(fake, fake->mtd));
	KUNIT_EXPECT_EQ(test, 1, atomic_read(&fake->calls[entry->call]));
}

/*
 * Deleting a partition is not unregistering: it waits for nobody. Its users keep
 * it, and are refused. The others do not notice.
 */
static void mtd_unregister_one_partition(struct kunit *test)
{
	struct mtd_fake *fake = mtd_fake_new(test, NULL);
	struct mtd_info *part, *other;
	struct mtd_fake_thread *op;
	unsigned int total;

	fake->keep = true;
	KUNIT_ASSERT_EQ(test, 0, mtd_fake_register(fake, true));
	part = mtd_unregister_get(test, mtd_fake_parts[0].name);
	other = mtd_unregister_get(test, mtd_fake_parts[1].name);

	mtd_fake_block(fake, MTD_FAKE_READ);
	op = mtd_fake_start(fake, mtd_fake_run_read, part);
	KUNIT_ASSERT_NOT_NULL(test, op);
	KUNIT_ASSERT_TRUE(test, mtd_fake_wait_entered(fake));

	KUNIT_EXPECT_EQ(test, 0, mtd_del_partition(fake->mtd, part->index));
	KUNIT_EXPECT_FALSE(test, completion_done(&op->done));
	total = mtd_fake_total(fake);
	KUNIT_EXPECT_EQ(test, -ENODEV, mtd_fake_run_write(fake, part));
	KUNIT_EXPECT_EQ(test, -ENODEV, mtd_fake_run_erase(fake, part));
	KUNIT_EXPECT_EQ(test, total, mtd_fake_total(fake));

	complete(&fake->release);
	KUNIT_ASSERT_TRUE(test, mtd_fake_join(op));
	KUNIT_EXPECT_EQ(test, 0, op->ret);

	KUNIT_EXPECT_EQ(test, -ENODEV, mtd_fake_run_read(fake, part));
	KUNIT_EXPECT_EQ(test, 0, mtd_fake_run_read(fake, other));
	KUNIT_EXPECT_EQ(test, 0, mtd_fake_run_read(fake, fake->mtd));

	put_mtd_device(part);
	put_mtd_device(other);
	KUNIT_EXPECT_EQ(test, 0, mtd_fake_unregister(fake, NULL));
	KUNIT_EXPECT_EQ(test, atomic_read(&fake->gets), atomic_read(&fake->puts));
}

/* While unregistering waits, nobody adds a partition or gets a handle. */
static void mtd_unregister_lets_nobody_in(struct kunit *test)
{
	struct mtd_fake *fake = mtd_fake_new(test, NULL);
	struct mtd_fake_thread *op, *unregister;
	struct mtd_info *mtd;
	int ret;

	fake->keep = true;
	KUNIT_ASSERT_EQ(test, 0, mtd_fake_register(fake, false));

	mtd_fake_block(fake, MTD_FAKE_READ);
	op = mtd_fake_start(fake, mtd_fake_run_read, fake->mtd);
	KUNIT_ASSERT_NOT_NULL(test, op);
	KUNIT_ASSERT_TRUE(test, mtd_fake_wait_entered(fake));
	unregister = mtd_unregister_start(test, fake);

	ret = mtd_add_partition(fake->mtd, "mtd-fake-c", 0, MTD_FAKE_ERASESIZE);
	KUNIT_EXPECT_EQ(test, -ENODEV, ret);
	mtd = get_mtd_device_nm("mtd-fake-c");
	if (!IS_ERR(mtd)) {
		int index = mtd->index;

		put_mtd_device(mtd);
		mtd_del_partition(fake->mtd, index);
	}

	mtd = get_mtd_device(fake->mtd, -1);
	KUNIT_EXPECT_PTR_EQ(test, mtd, ERR_PTR(-ENODEV));
	if (!IS_ERR(mtd))
		put_mtd_device(mtd);

	mtd_unregister_end(test, fake, op, unregister);
	KUNIT_EXPECT_EQ(test, 0, op->ret);
}

/* Its number, and so the names that are made of it, stay taken until it is gone. */
static void mtd_unregister_keeps_number(struct kunit *test)
{
	struct mtd_fake *fake = mtd_fake_new(test, NULL);
	struct mtd_fake *other = mtd_fake_new_on(test, fake->parent, NULL);
	struct mtd_fake_thread *op, *unregister;
	int index;

	fake->keep = true;
	KUNIT_EXPECT_EQ(test, 0, mtd_fake_register(fake, false));
	index = fake->mtd->index;

	mtd_fake_block(fake, MTD_FAKE_READ);
	op = mtd_fake_start(fake, mtd_fake_run_read, fake->mtd);
	KUNIT_EXPECT_TRUE(test, mtd_fake_wait_entered(fake));
	unregister = mtd_unregister_start(test, fake);

	KUNIT_EXPECT_EQ(test, 0, mtd_fake_register(other, false));
	KUNIT_EXPECT_NE(test, index, other->mtd->index);
	KUNIT_EXPECT_EQ(test, 0, mtd_fake_run_read(other, other->mtd));

	mtd_unregister_end(test, fake, op, unregister);
	KUNIT_EXPECT_TRUE(test, mtd_fake_free(other));

	/* Then it is free again. */
	KUNIT_ASSERT_EQ(test, 0, mtd_fake_register(fake, false));
	KUNIT_EXPECT_EQ(test, index, fake->mtd->index);
}

/* The same mtd_info can be registered again, and works. */
static void mtd_unregister_register_again(struct kunit *test)
{
	const struct mtd_fake_entry *entry = test->param_value;
	struct mtd_fake *fake = mtd_fake_new(test, entry);
	int i;

	fake->keep = true;
	for (i = 0; i < 3; i++) {
		KUNIT_ASSERT_EQ(test, 0, mtd_fake_register(fake, i == 1));
		KUNIT_EXPECT_EQ(test, entry->ok, entry->run(fake, fake->mtd));
		KUNIT_EXPECT_EQ(test, 0, mtd_fake_unregister(fake, NULL));
		KUNIT_EXPECT_EQ(test, entry->refused, entry->run(fake, fake->mtd));
	}
	KUNIT_EXPECT_EQ(test, 0, atomic_read(&fake->late));
}

struct mtd_unregister_notifier {
	struct mtd_notifier notifier;
	struct mtd_fake *fake;
	unsigned int removed;
	unsigned int failed;
};

static struct mtd_unregister_notifier mtd_unregister_not;

static void mtd_unregister_notify_add(struct mtd_info *mtd)
{
}

static void mtd_unregister_notify_remove(struct mtd_info *mtd)
{
	struct mtd_unregister_notifier *n = &mtd_unregister_not;

	if (mtd_get_master(mtd) != n->fake->mtd)
		return;

	n->removed++;
	if (mtd_fake_run_write(n->fake, mtd) || mtd_fake_run_erase(n->fake, mtd) ||
	    mtd_fake_run_read(n->fake, mtd))
		n->failed++;
}

/* Users that are told of the removal may write back what they cached. */
static void mtd_unregister_lets_notifiers_write(struct kunit *test)
{
	struct mtd_unregister_notifier *n = &mtd_unregister_not;
	struct mtd_fake *fake = mtd_fake_new(test, NULL);
	bool parts;

	n->fake = fake;
	n->removed = 0;
	n->failed = 0;
	n->notifier.add = mtd_unregister_notify_add;
	n->notifier.remove = mtd_unregister_notify_remove;
	register_mtd_user(&n->notifier);

	fake->keep = true;
	for (parts = false; ; parts = true) {
		KUNIT_EXPECT_EQ(test, 0, mtd_fake_register(fake, parts));
		KUNIT_EXPECT_EQ(test, 0, mtd_fake_unregister(fake, NULL));
		if (parts)
			break;
	}

	unregister_mtd_user(&n->notifier);

	KUNIT_EXPECT_GE(test, n->removed, 1U + MTD_FAKE_PARTS);
	KUNIT_EXPECT_EQ(test, 0U, n->failed);
	KUNIT_EXPECT_EQ(test, 0, atomic_read(&fake->late));
}

/* Registering fails, here for OTP that cannot be read: nobody is let in. */
static void mtd_unregister_register_fails(struct kunit *test)
{
	struct mtd_fake *fake = mtd_fake_new(test, NULL);

	fake->fail = BIT(MTD_FAKE_USER_INFO);
	KUNIT_EXPECT_NE(test, 0, mtd_fake_register(fake, true));
	KUNIT_EXPECT_EQ(test, -ENODEV, mtd_fake_run_read(fake, fake->mtd));

	fake->fail = 0;
	KUNIT_EXPECT_EQ(test, 0, mtd_fake_register(fake, true));
	KUNIT_EXPECT_EQ(test, 0, mtd_fake_run_read(fake, fake->mtd));
}

#define MTD_UNREGISTER_ROUNDS	100
#define MTD_UNREGISTER_TIME	(5 * HZ)

/* Users, with handles that outlive it, and an MTD that comes and goes */
static void mtd_unregister_stress(struct kunit *test)
{
	unsigned long end = jiffies + MTD_UNREGISTER_TIME;
	struct mtd_fake *fake = mtd_fake_new(test, NULL);
	unsigned int i;

	fake->keep = true;
	fake->jitter = true;
	KUNIT_ASSERT_EQ(test, 0, mtd_fake_register(fake, false));
	for (i = 0; i < 4; i++)
		KUNIT_ASSERT_NOT_NULL(test, mtd_fake_start(fake, mtd_fake_hammer, fake->mtd));

	for (i = 0; i < MTD_UNREGISTER_ROUNDS && time_before(jiffies, end); i++) {
		usleep_range(100, 3000);
		KUNIT_ASSERT_EQ(test, 0, mtd_fake_unregister(fake, NULL));
		usleep_range(100, 1000);
		KUNIT_EXPECT_EQ(test, 0, atomic_read(&fake->late));
		KUNIT_ASSERT_EQ(test, 0, mtd_fake_register(fake, i % 2));
	}

	WRITE_ONCE(fake->stop, true);
	KUNIT_EXPECT_EQ(test, 0, atomic_read(&fake->bad));
	KUNIT_EXPECT_EQ(test, 0, atomic_read(&fake->late));
	kunit_info(test, "%u rounds\n", i);
}

static struct kunit_case mtd_unregister_cases[] = {
	KUNIT_CASE_PARAM(mtd_unregister_waits, mtd_fake_gen_wait_params),
	KUNIT_CASE_PARAM(mtd_unregister_waits_partition, mtd_fake_gen_wait_params),
	KUNIT_CASE_PARAM(mtd_unregister_refuses, mtd_fake_gen_params),
	KUNIT_CASE_PARAM(mtd_unregister_refuses_partition, mtd_fake_gen_params),
	KUNIT_CASE_PARAM(mtd_unregister_lets_in_before, mtd_fake_gen_params),
	KUNIT_CASE_PARAM(mtd_unregister_register_again, mtd_fake_gen_params),
	KUNIT_CASE_PARAM(mtd_unregister_dies, mtd_fake_gen_wait_params),
	KUNIT_CASE(mtd_unregister_ends_whole),
	KUNIT_CASE(mtd_unregister_unplugged),
	KUNIT_CASE(mtd_unregister_one_partition),
	KUNIT_CASE(mtd_unregister_lets_nobody_in),
	KUNIT_CASE(mtd_unregister_keeps_number),
	KUNIT_CASE(mtd_unregister_lets_notifiers_write),
	KUNIT_CASE(mtd_unregister_register_fails),
	KUNIT_CASE_SLOW(mtd_unregister_stress),
	{}
};

static struct kunit_suite mtd_unregister_suite = {
	.name = "mtd_unregister",
	.test_cases = mtd_unregister_cases,
};

kunit_test_suite(mtd_unregister_suite);

MODULE_DESCRIPTION("KUnit tests for unregistering MTDs");
MODULE_LICENSE("GPL");
