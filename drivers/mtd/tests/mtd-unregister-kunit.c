// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of mtd_device_unregister(): each operation
 *
 * When it returns, no operation runs and none can start. Users hold their
 * handles for longer. The driver's memory is freed at that moment.
 *
 * Run with KASAN, which tells who looks at it too late:
 *
 *	tools/testing/kunit/kunit.py run --kunitconfig=drivers/mtd \
 *		--kconfig_add CONFIG_KASAN=y
 *
 * These use public API only, and can be built for kernels from before handles
 * belonged to the core, where nearly all of them fail. Others are in
 * mtd-handle-kunit.c.
 */

#include <kunit/test.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/mtd/partitions.h>

#include "mtd-fake.h"

static int mtd_unregister_total(struct mtd_fake *fake)
{
	unsigned int i, sum = 0;

	for (i = 0; i < MTD_FAKE_CALLS; i++)
		sum += atomic_read(&fake->calls[i]);

	return sum;
}

static void mtd_unregister_refused(struct kunit *test, struct mtd_fake *fake,
				   struct mtd_info *mtd)
{
	int total = mtd_unregister_total(fake);

	KUNIT_EXPECT_EQ(test, fake->entry->refused, fake->entry->run(mtd));
	KUNIT_EXPECT_EQ_MSG(test, total, mtd_unregister_total(fake),
			    "the driver is called");
}

/*
 * An operation in the driver is waited for. Others are refused as soon as that
 * begins, and for as long as somebody holds the handle.
 */
static void mtd_unregister_entry(struct kunit *test, bool parts)
{
	const struct mtd_fake_entry *entry = test->param_value;
	const char *name = parts ? "fake-b" : "fake";
	struct mtd_fake *fake = mtd_fake_new(test, entry);
	struct mtd_fake_thread *op, *unregister;
	struct mtd_info *mtd;
	int calls;

	KUNIT_ASSERT_EQ(test, 0, mtd_fake_register(fake, parts));
	mtd = mtd_fake_get(test, name);

	/* It works before, or this would prove nothing */
	calls = atomic_read(&fake->calls[entry->call]);
	KUNIT_EXPECT_EQ(test, 0, entry->run(mtd));
	KUNIT_EXPECT_EQ(test, calls + 1, atomic_read(&fake->calls[entry->call]));

	if (entry->no_wait) {
		KUNIT_EXPECT_EQ(test, 0, mtd_fake_unregister(fake, NULL));
	} else {
		op = mtd_fake_start_op(fake, entry->call, mtd_fake_run, mtd);
		unregister = mtd_fake_start_unregister(fake);
		mtd_unregister_refused(test, fake, mtd);
		mtd_fake_finish(fake, op, entry->waited, unregister);
	}

	mtd_unregister_refused(test, fake, mtd);
	KUNIT_EXPECT_PTR_EQ(test, ERR_PTR(-ENODEV), get_mtd_device_nm(name));
}

static void mtd_unregister_whole(struct kunit *test)
{
	mtd_unregister_entry(test, false);
}

static void mtd_unregister_partition(struct kunit *test)
{
	mtd_unregister_entry(test, true);
}

static int mtd_unregister_run_own(struct mtd_fake *fake)
{
	return fake->entry->run(fake->mtd);
}

/*
 * What a driver does with its own MTD is let through: before it is registered,
 * and in the middle of an operation that unregistering waits for.
 */
static void mtd_unregister_own(struct kunit *test)
{
	const struct mtd_fake_entry *entry = test->param_value;
	struct mtd_fake *fake = mtd_fake_new(test, entry);
	struct mtd_fake_thread *op, *unregister;
	int calls;

	KUNIT_EXPECT_EQ(test, 0, entry->run(fake->mtd));
	KUNIT_EXPECT_EQ(test, 1, atomic_read(&fake->calls[entry->call]));

	KUNIT_ASSERT_EQ(test, 0, mtd_fake_register(fake, false));
	fake->inside = mtd_unregister_run_own;
	op = mtd_fake_start_op(fake, MTD_FAKE_NR(_lock), mtd_fake_lock,
			       mtd_fake_get(test, "fake"));
	unregister = mtd_fake_start_unregister(fake);
	calls = atomic_read(&fake->calls[entry->call]);
	mtd_fake_finish(fake, op, 0, unregister);
	KUNIT_EXPECT_EQ(test, calls + 1, atomic_read(&fake->calls[entry->call]));
}

/* Handles that are held are not in the way of registering again. */
static void mtd_unregister_again(struct kunit *test)
{
	struct mtd_fake *fake = mtd_fake_new(test, NULL);
	struct mtd_info *mtd[4];
	int i, j;

	for (i = 0; i < ARRAY_SIZE(mtd); i++) {
		/* The driver's memory is sometimes the same, sometimes not */
		fake->keep = i == 1;
		KUNIT_ASSERT_EQ(test, 0, mtd_fake_register(fake, i % 2));
		mtd[i] = mtd_fake_get(test, i % 2 ? "fake-a" : "fake");
		for (j = 0; j < i; j++)
			KUNIT_EXPECT_EQ(test, -ENODEV,
					mtd_fake_read(fake, mtd[j]));
		KUNIT_EXPECT_EQ(test, 0, mtd_fake_read(fake, mtd[i]));
		KUNIT_EXPECT_EQ(test, 0, mtd_fake_unregister(fake, NULL));
		KUNIT_EXPECT_EQ(test, atomic_read(&fake->gets),
				atomic_read(&fake->puts));
	}
}

/* What handles hold of the driver is given back once, by whoever is first. */
static void mtd_unregister_gives_back(struct kunit *test)
{
	static const char * const names[] = {
		"fake-a", "fake-b", "fake-a", "fake-b", "fake-a"
	};
	struct mtd_fake *fake = mtd_fake_new(test, NULL);
	struct mtd_info *mtd[ARRAY_SIZE(names)];
	int i;

	KUNIT_ASSERT_EQ(test, 0, mtd_fake_register(fake, true));
	for (i = 0; i < ARRAY_SIZE(names); i++)
		mtd[i] = mtd_fake_get(test, names[i]);
	KUNIT_EXPECT_EQ(test, 5, atomic_read(&fake->gets));

	mtd_fake_put(test, mtd[0]);
	mtd_fake_put(test, mtd[1]);
	KUNIT_EXPECT_EQ(test, 2, atomic_read(&fake->puts));

	KUNIT_EXPECT_EQ(test, 0, mtd_fake_unregister(fake, NULL));
	KUNIT_EXPECT_EQ(test, 5, atomic_read(&fake->puts));

	for (i = 2; i < ARRAY_SIZE(names); i++)
		mtd_fake_put(test, mtd[i]);
	KUNIT_EXPECT_EQ(test, 5, atomic_read(&fake->puts));
}

/* What cannot be had leaves nothing behind. */
static void mtd_unregister_get_fails(struct kunit *test)
{
	struct mtd_fake *fake = mtd_fake_new(test, NULL);

	KUNIT_ASSERT_EQ(test, 0, mtd_fake_register(fake, false));
	fake->error = -EBUSY;
	fake->fail = MTD_FAKE_NR(_get_device);
	KUNIT_EXPECT_PTR_EQ(test, ERR_PTR(-EBUSY), get_mtd_device_nm("fake"));
	KUNIT_EXPECT_EQ(test, 0, mtd_fake_unregister(fake, NULL));
	KUNIT_EXPECT_EQ(test, 0, atomic_read(&fake->puts));
}

/* A handle keeps its number; it comes back when the handle is put. */
static void mtd_unregister_test_number(struct kunit *test, bool parts)
{
	const char *name = parts ? "fake-a" : "fake";
	struct mtd_fake *fake = mtd_fake_new(test, NULL);
	struct mtd_info *mtd, *nested, *other;
	int index, nested_index;

	KUNIT_ASSERT_EQ(test, 0, mtd_fake_register(fake, parts));
	mtd = mtd_fake_get(test, name);
	KUNIT_ASSERT_EQ(test, 0, mtd_add_partition(mtd, "fake-c", 0,
						   MTD_FAKE_ERASESIZE));
	nested = mtd_fake_get(test, "fake-c");
	index = mtd->index;
	nested_index = nested->index;
	KUNIT_EXPECT_EQ(test, 0, mtd_fake_unregister(fake, NULL));

	KUNIT_ASSERT_EQ(test, 0, mtd_fake_register(fake, parts));
	other = mtd_fake_get(test, name);
	KUNIT_EXPECT_NE(test, index, other->index);
	KUNIT_EXPECT_EQ(test, index, mtd->index);
	KUNIT_EXPECT_PTR_EQ(test, ERR_PTR(-ENODEV), get_mtd_device(mtd, -1));
	mtd_fake_put(test, other);
	mtd_fake_put(test, mtd);
	KUNIT_EXPECT_EQ(test, -ENODEV, mtd_fake_read(fake, nested));
	mtd_fake_put(test, nested);
	KUNIT_EXPECT_EQ(test, 0, mtd_fake_unregister(fake, NULL));

	KUNIT_ASSERT_EQ(test, 0, mtd_fake_register(fake, parts));
	mtd = mtd_fake_get(test, name);
	KUNIT_EXPECT_EQ(test, index, mtd->index);
	KUNIT_ASSERT_EQ(test, 0, mtd_add_partition(mtd, "fake-c", 0,
						   MTD_FAKE_ERASESIZE));
	KUNIT_EXPECT_EQ(test, nested_index,
			mtd_fake_get(test, "fake-c")->index);
	KUNIT_EXPECT_EQ(test, 0, mtd_fake_unregister(fake, NULL));
}

static void mtd_unregister_number(struct kunit *test)
{
	mtd_unregister_test_number(test, false);
}

static void mtd_unregister_number_of_partition(struct kunit *test)
{
	mtd_unregister_test_number(test, true);
}

static struct {
	struct mtd_notifier notifier;
	struct mtd_fake *fake;
	int removed;
	int failed;
} mtd_unregister_user;

static void mtd_unregister_user_add(struct mtd_info *mtd)
{
}

static void mtd_unregister_user_remove(struct mtd_info *mtd)
{
	if (strncmp(mtd->name, "fake", 4))
		return;

	mtd_unregister_user.removed++;
	if (mtd_fake_read(mtd_unregister_user.fake, mtd))
		mtd_unregister_user.failed++;
}

/* Users that are told of the removal may write back what they cached. */
static void mtd_unregister_notifier(struct kunit *test)
{
	struct mtd_fake *fake = mtd_fake_new(test, NULL);
	int i;

	mtd_unregister_user.fake = fake;
	mtd_unregister_user.removed = 0;
	mtd_unregister_user.failed = 0;
	mtd_unregister_user.notifier.add = mtd_unregister_user_add;
	mtd_unregister_user.notifier.remove = mtd_unregister_user_remove;
	register_mtd_user(&mtd_unregister_user.notifier);
	for (i = 0; i < 2; i++) {
		KUNIT_EXPECT_EQ(test, 0, mtd_fake_register(fake, i));
		KUNIT_EXPECT_EQ(test, 0, mtd_fake_unregister(fake, NULL));
	}
	unregister_mtd_user(&mtd_unregister_user.notifier);

	KUNIT_EXPECT_GE(test, mtd_unregister_user.removed, 3);
	KUNIT_EXPECT_EQ(test, 0, mtd_unregister_user.failed);
}

static int mtd_unregister_hammer(struct mtd_fake *fake, struct mtd_info *mtd)
{
	const struct mtd_fake_entry *entry = mtd_fake_entries;
	int ret;

	for (; !READ_ONCE(fake->stop); entry++) {
		if (entry == mtd_fake_entries + mtd_fake_nr_entries)
			entry = mtd_fake_entries;
		/* Nothing protects the one that cannot wait */
		if (entry->no_wait)
			continue;

		ret = entry->run(mtd);
		if (ret && ret != entry->refused && ret != entry->waited) {
			pr_err("%s: %d\n", entry->name, ret);
			atomic_inc(&fake->bad);
		}
		cond_resched();
	}

	return 0;
}

static int mtd_unregister_come_and_go(struct mtd_fake *fake,
				      struct mtd_info *unused)
{
	struct mtd_info *mtd;
	int ret;

	while (!READ_ONCE(fake->stop)) {
		mtd = get_mtd_device_nm("fake");
		if (IS_ERR(mtd)) {
			usleep_range(20, 100);
			continue;
		}

		ret = mtd_add_partition(mtd, "fake-c", 0, MTD_FAKE_ERASESIZE);
		if (!ret) {
			struct mtd_info *part = get_mtd_device_nm("fake-c");

			if (!IS_ERR(part)) {
				mtd_fake_read(fake, part);
				mtd_del_partition(mtd, part->index);
				mtd_fake_read(fake, part);
				put_mtd_device(part);
			}
		} else if (ret != -ENODEV) {
			atomic_inc(&fake->bad);
		}
		put_mtd_device(mtd);
	}

	return 0;
}

#define MTD_UNREGISTER_ROUNDS	100

/* Users, with handles that outlive it, and an MTD that comes and goes */
static void mtd_unregister_stress(struct kunit *test)
{
	struct mtd_fake *fake = mtd_fake_new(test, NULL);
	int i;

	fake->jitter = true;
	KUNIT_ASSERT_EQ(test, 0, mtd_fake_register(fake, false));
	mtd_fake_start(fake, mtd_unregister_come_and_go, NULL);
	mtd_fake_start(fake, mtd_unregister_come_and_go, NULL);

	for (i = 0; i < MTD_UNREGISTER_ROUNDS; i++) {
		if (fake->nr_threads < 5)
			mtd_fake_start(fake, mtd_unregister_hammer,
				       mtd_fake_get(test, "fake"));
		usleep_range(100, 3000);
		KUNIT_ASSERT_EQ(test, 0, mtd_fake_unregister(fake, NULL));
		KUNIT_EXPECT_EQ(test, atomic_read(&fake->gets),
				atomic_read(&fake->puts));
		usleep_range(20, 100);
		KUNIT_ASSERT_EQ(test, 0, mtd_fake_register(fake, false));
	}

	KUNIT_EXPECT_EQ(test, 0, mtd_fake_unregister(fake, NULL));

	/* They use handles, which are put when the test has ended */
	WRITE_ONCE(fake->stop, true);
	for (i = 0; i < fake->nr_threads; i++)
		mtd_fake_join(fake, &fake->threads[i]);
}

static struct kunit_case mtd_unregister_cases[] = {
	KUNIT_CASE_PARAM(mtd_unregister_whole, mtd_fake_gen_params),
	KUNIT_CASE_PARAM(mtd_unregister_partition, mtd_fake_gen_params),
	KUNIT_CASE_PARAM(mtd_unregister_own, mtd_fake_gen_params),
	KUNIT_CASE(mtd_unregister_again),
	KUNIT_CASE(mtd_unregister_gives_back),
	KUNIT_CASE(mtd_unregister_get_fails),
	KUNIT_CASE(mtd_unregister_number),
	KUNIT_CASE(mtd_unregister_number_of_partition),
	KUNIT_CASE(mtd_unregister_notifier),
	KUNIT_CASE_SLOW(mtd_unregister_stress),
	{}
};

static struct kunit_suite mtd_unregister_suite = {
	.name = "mtd_unregister",
	.test_cases = mtd_unregister_cases,
};

kunit_test_suite(mtd_unregister_suite);
