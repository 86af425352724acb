// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the gate of MTDs
 *
 * These look into the gate, and use what mtdchar uses. What unregistering promises
 * by its public API is tested in mtd-unregister-kunit.c, where it is also said how
 * to run both.
 */

#include <kunit/device.h>
#include <kunit/test.h>
#include <linux/delay.h>
#include <linux/kmsg_dump.h>
#include <linux/module.h>
#include <linux/mtd/partitions.h>
#include <linux/random.h>
#include <linux/slab.h>

#include "../mtdcore.h"
#include "mtd-fake.h"

MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");

/* What mtdchar does for read() */
static int mtd_gate_file_read(struct mtd_fake *fake, struct mtd_file *file)
{
	CLASS(mtd_file, f)(file);
	if (f.err)
		return f.err;

	return mtd_fake_run_read(fake, f.mtd);
}

/* The number of the MTD called @name */
static int mtd_gate_index(struct kunit *test, const char *name)
{
	struct mtd_info *mtd = get_mtd_device_nm(name);
	int index;

	KUNIT_EXPECT_NOT_ERR_OR_NULL(test, mtd);
	if (IS_ERR(mtd))
		return -1;

	index = mtd->index;
	put_mtd_device(mtd);

	return index;
}

/* A file descriptor of it */
static void mtd_gate_open_file(struct kunit *test, struct mtd_file *file, const char *name)
{
	KUNIT_ASSERT_EQ(test, 0, mtd_file_get(file, mtd_gate_index(test, name)));
}

/* What it does first; the core would refuse the operation as well */
static int mtd_gate_file_enter(struct mtd_file *file)
{
	CLASS(mtd_file, f)(file);

	return f.err;
}

static void mtd_gate_expect_balance(struct kunit *test, struct mtd_fake *fake, int open)
{
	KUNIT_EXPECT_EQ(test, open, atomic_read(&fake->gets) - atomic_read(&fake->puts));
}

/*
 * What file descriptors hold of the driver is given back before unregistering
 * returns. Closing touches the gate alone, the mtd_info being freed.
 */
static void mtd_gate_gives_back(struct kunit *test)
{
	struct mtd_fake *fake = mtd_fake_new(test, NULL);
	struct mtd_file files[4];
	unsigned int i;
	int puts;

	KUNIT_ASSERT_EQ(test, 0, mtd_fake_register(fake, false));
	for (i = 0; i < ARRAY_SIZE(files); i++)
		mtd_gate_open_file(test, &files[i], fake->name);
	mtd_gate_expect_balance(test, fake, ARRAY_SIZE(files));

	/* One that is closed before is not given back twice. */
	mtd_file_put(&files[0]);
	mtd_gate_expect_balance(test, fake, ARRAY_SIZE(files) - 1);
	KUNIT_EXPECT_EQ(test, 0, mtd_gate_file_read(fake, &files[1]));

	KUNIT_EXPECT_EQ(test, 0, mtd_fake_unregister(fake, NULL));
	mtd_gate_expect_balance(test, fake, 0);

	puts = atomic_read(&fake->puts);
	for (i = 1; i < ARRAY_SIZE(files); i++) {
		KUNIT_EXPECT_NULL(test, files[i].mtd);
		KUNIT_EXPECT_EQ(test, -ENODEV, mtd_gate_file_enter(&files[i]));
		mtd_file_put(&files[i]);
	}
	KUNIT_EXPECT_EQ(test, puts, atomic_read(&fake->puts));
	KUNIT_EXPECT_EQ(test, 0, atomic_read(&fake->late));
}

/* The same for file descriptors of partitions */
static void mtd_gate_gives_back_partitions(struct kunit *test)
{
	struct mtd_fake *fake = mtd_fake_new(test, NULL);
	struct mtd_file files[MTD_FAKE_PARTS];
	unsigned int i;

	KUNIT_ASSERT_EQ(test, 0, mtd_fake_register(fake, true));
	for (i = 0; i < MTD_FAKE_PARTS; i++)
		mtd_gate_open_file(test, &files[i], mtd_fake_parts[i].name);
	KUNIT_EXPECT_PTR_EQ(test, files[0].gate, files[1].gate);
	mtd_gate_expect_balance(test, fake, MTD_FAKE_PARTS);

	KUNIT_EXPECT_EQ(test, 0, mtd_fake_unregister(fake, NULL));
	mtd_gate_expect_balance(test, fake, 0);

	for (i = 0; i < MTD_FAKE_PARTS; i++) {
		KUNIT_EXPECT_EQ(test, -ENODEV, mtd_gate_file_read(fake, &files[i]));
		mtd_file_put(&files[i]);
	}
	mtd_gate_expect_balance(test, fake, 0);
}

/* The partition that a file descriptor is for is deleted, then the master. */
static void mtd_gate_deleted_partition(struct kunit *test)
{
	struct mtd_fake *fake = mtd_fake_new(test, NULL);
	struct mtd_file a, b, c;

	KUNIT_ASSERT_EQ(test, 0, mtd_fake_register(fake, true));
	mtd_gate_open_file(test, &a, mtd_fake_parts[0].name);
	mtd_gate_open_file(test, &b, mtd_fake_parts[0].name);
	mtd_gate_open_file(test, &c, mtd_fake_parts[1].name);

	KUNIT_EXPECT_EQ(test, 0, mtd_del_partition(fake->mtd, a.mtd->index));
	KUNIT_EXPECT_EQ(test, -ENODEV, mtd_gate_file_read(fake, &a));
	KUNIT_EXPECT_EQ(test, -ENODEV, mtd_gate_file_read(fake, &b));
	KUNIT_EXPECT_EQ(test, 0, mtd_gate_file_read(fake, &c));

	/* One is closed before the master goes, one after. */
	mtd_file_put(&a);
	mtd_gate_expect_balance(test, fake, 2);
	KUNIT_EXPECT_EQ(test, 0, mtd_fake_unregister(fake, NULL));
	mtd_gate_expect_balance(test, fake, 0);
	KUNIT_EXPECT_EQ(test, -ENODEV, mtd_gate_file_read(fake, &b));
	KUNIT_EXPECT_EQ(test, -ENODEV, mtd_gate_file_read(fake, &c));
	mtd_file_put(&b);
	mtd_file_put(&c);
}

/* What cannot be had leaves nothing behind. */
static void mtd_gate_get_fails(struct kunit *test)
{
	struct mtd_fake *fake = mtd_fake_new(test, NULL);
	struct mtd_file file;
	int index;

	KUNIT_ASSERT_EQ(test, 0, mtd_fake_register(fake, false));
	index = fake->mtd->index;

	fake->get_error = -EBUSY;
	KUNIT_EXPECT_EQ(test, -EBUSY, mtd_file_get(&file, index));
	mtd_gate_expect_balance(test, fake, 0);

	fake->get_error = 0;
	KUNIT_EXPECT_EQ(test, 0, mtd_fake_unregister(fake, NULL));
	KUNIT_EXPECT_EQ(test, -ENODEV, mtd_file_get(&file, index));
	mtd_gate_expect_balance(test, fake, 0);
}

/* An old file descriptor stays refused when the same mtd_info is registered again. */
static void mtd_gate_is_new(struct kunit *test)
{
	struct mtd_fake *fake = mtd_fake_new(test, NULL);
	struct mtd_file before, after;

	fake->keep = true;
	KUNIT_ASSERT_EQ(test, 0, mtd_fake_register(fake, false));
	mtd_gate_open_file(test, &before, fake->name);
	KUNIT_EXPECT_EQ(test, 0, mtd_fake_unregister(fake, NULL));

	KUNIT_ASSERT_EQ(test, 0, mtd_fake_register(fake, false));
	mtd_gate_open_file(test, &after, fake->name);
	KUNIT_EXPECT_PTR_NE(test, before.gate, after.gate);
	KUNIT_EXPECT_EQ(test, -ENODEV, mtd_gate_file_read(fake, &before));
	KUNIT_EXPECT_EQ(test, 0, mtd_gate_file_read(fake, &after));

	mtd_file_put(&before);
	mtd_gate_expect_balance(test, fake, 1);
	KUNIT_EXPECT_EQ(test, 0, mtd_gate_file_read(fake, &after));
	mtd_file_put(&after);
	mtd_gate_expect_balance(test, fake, 0);
}

/* Partitions enter the gate of their master; before registration, there is none. */
static void mtd_gate_is_shared(struct kunit *test)
{
	struct mtd_fake *fake = mtd_fake_new(test, NULL);
	struct mtd_gate *gate;
	struct mtd_info *part;
	unsigned int i;

	fake->keep = true;
	scoped_class(mtd_gate, early, fake->mtd) {
		KUNIT_EXPECT_EQ(test, 0, early.err);
		KUNIT_EXPECT_NULL(test, early.gate);
	}

	KUNIT_ASSERT_EQ(test, 0, mtd_fake_register(fake, true));
	scoped_class(mtd_gate, master, fake->mtd)
		gate = master.gate;
	KUNIT_EXPECT_NOT_NULL(test, gate);

	for (i = 0; i < MTD_FAKE_PARTS; i++) {
		part = get_mtd_device_nm(mtd_fake_parts[i].name);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, part);
		scoped_class(mtd_gate, guard, part)
			KUNIT_EXPECT_PTR_EQ(test, gate, guard.gate);
		put_mtd_device(part);
	}

	KUNIT_EXPECT_EQ(test, 0, mtd_fake_unregister(fake, NULL));
	scoped_class(mtd_gate, late, fake->mtd) {
		KUNIT_EXPECT_EQ(test, -ENODEV, late.err);
		KUNIT_EXPECT_NULL(test, late.gate);
	}
}

/* Somebody who is inside by way of a file descriptor, and goes on after the closing */
static int mtd_gate_hold_file(struct mtd_fake *fake, struct mtd_info *mtd)
{
	struct mtd_file file;
	int ret;

	ret = mtd_file_get(&file, mtd->index);
	if (ret)
		return ret;

	{
		CLASS(mtd_file, f)(&file);
		if (f.err)
			return f.err;

		/* The core enters again. */
		ret = mtd_fake_run_read(fake, f.mtd);
		complete(&fake->entered);
		if (!wait_for_completion_timeout(&fake->release, MTD_FAKE_TIMEOUT))
			ret = -ETIMEDOUT;

		/* The gate is closed, but the mtd and what it holds are still there. */
		if (!ret && mtd_fake_run_read(fake, f.mtd) != -ENODEV)
			ret = -EINVAL;
		if (!ret && f.mtd->size != MTD_FAKE_SIZE)
			ret = -EINVAL;
		if (!ret && atomic_read(&fake->puts) == atomic_read(&fake->gets))
			ret = -EINVAL;
	}
	mtd_file_put(&file);

	return ret;
}

/* Unregistering waits for @hold, which then returns @ret. */
static struct mtd_fake *
mtd_gate_test_hold(struct kunit *test,
		   int (*hold)(struct mtd_fake *fake, struct mtd_info *mtd), int ret)
{
	struct mtd_fake *fake = mtd_fake_new(test, NULL);
	struct mtd_fake_thread *op, *unregister;

	KUNIT_ASSERT_EQ(test, 0, mtd_fake_register(fake, false));
	op = mtd_fake_start(fake, hold, fake->mtd);
	KUNIT_ASSERT_NOT_NULL(test, op);
	KUNIT_ASSERT_TRUE(test, mtd_fake_wait_entered(fake));

	unregister = mtd_fake_start(fake, mtd_fake_unregister, NULL);
	KUNIT_ASSERT_NOT_NULL(test, unregister);
	KUNIT_EXPECT_EQ(test, 0, wait_for_completion_timeout(&unregister->done, HZ / 10));

	complete(&fake->release);
	KUNIT_ASSERT_TRUE(test, mtd_fake_join(op));
	KUNIT_ASSERT_TRUE(test, mtd_fake_join(unregister));
	KUNIT_EXPECT_EQ(test, ret, op->ret);
	KUNIT_EXPECT_EQ(test, 0, atomic_read(&fake->late));

	return fake;
}

static void mtd_gate_waits_file(struct kunit *test)
{
	mtd_gate_expect_balance(test, mtd_gate_test_hold(test, mtd_gate_hold_file, 0), 0);
}

static int mtd_gate_hold(struct mtd_fake *fake, struct mtd_info *mtd)
{
	int ret;

	CLASS(mtd_gate, outer)(mtd);
	if (outer.err)
		return outer.err;

	ret = mtd_fake_run_read(fake, mtd);
	complete(&fake->entered);
	if (!wait_for_completion_timeout(&fake->release, MTD_FAKE_TIMEOUT))
		ret = -ETIMEDOUT;

	return ret ?: mtd_fake_run_read(fake, mtd);
}

/* Entering again while inside is let in, or refused, but is never a deadlock. */
static void mtd_gate_nests(struct kunit *test)
{
	mtd_gate_test_hold(test, mtd_gate_hold, -ENODEV);
}

/* What drivers do by way of the core in the middle of an operation */
static int mtd_gate_ask_inside(struct mtd_fake *fake, struct mtd_info *mtd)
{
	struct mtd_oob_ops ops = { .datbuf = fake->buf, .len = MTD_FAKE_LEN };
	struct mtd_oob_region region;
	size_t retlen;

	/* The gate is closed, as it is not for who comes with it open. */
	if (mtd_read(mtd, 0, MTD_FAKE_LEN, &retlen, fake->buf) != -ENODEV)
		return -EINVAL;

	return mtd_ooblayout_ecc(mtd, 0, &region) ?:
	       mtd_ooblayout_free(mtd, 0, &region) ?:
	       mtd_read_inside(mtd, 0, MTD_FAKE_LEN, &retlen, fake->buf) ?:
	       mtd_write_inside(mtd, 0, MTD_FAKE_LEN, &retlen, fake->buf) ?:
	       mtd_read_oob_inside(mtd, 0, &ops) ?:
	       mtd_write_oob_inside(mtd, 0, &ops);
}

static int mtd_gate_markbad(struct mtd_fake *fake, struct mtd_info *mtd)
{
	mtd_fake_block(fake, MTD_FAKE_MARKBAD);
	fake->inside = mtd_gate_ask_inside;

	return mtd_block_markbad(mtd, 0);
}

/* An operation that is waited for ends as if nobody waited. */
static void mtd_gate_finishes(struct kunit *test)
{
	struct mtd_fake *fake = mtd_gate_test_hold(test, mtd_gate_markbad, 0);

	KUNIT_EXPECT_EQ(test, 2, atomic_read(&fake->calls[MTD_FAKE_READ]));
	KUNIT_EXPECT_EQ(test, 2, atomic_read(&fake->calls[MTD_FAKE_WRITE]));
}

/* The core's own writev() is one operation, too. */
static int mtd_gate_writev(struct mtd_fake *fake, struct mtd_info *mtd)
{
	struct kvec vecs[] = {
		{ .iov_base = fake->buf, .iov_len = MTD_FAKE_LEN },
		{ .iov_base = fake->buf, .iov_len = MTD_FAKE_LEN },
	};
	size_t retlen;
	int ret;

	mtd->_writev = NULL;
	mtd_fake_block(fake, MTD_FAKE_WRITE);
	ret = mtd_writev(mtd, vecs, ARRAY_SIZE(vecs), 0, &retlen);

	return ret ?: retlen != 2 * MTD_FAKE_LEN;
}

static void mtd_gate_finishes_writev(struct kunit *test)
{
	struct mtd_fake *fake = mtd_gate_test_hold(test, mtd_gate_writev, 0);

	KUNIT_EXPECT_EQ(test, 2, atomic_read(&fake->calls[MTD_FAKE_WRITE]));
}

/* A driver with a long operation looks between two steps whether anybody wants it. */
static int mtd_gate_hold_until_gone(struct mtd_fake *fake, struct mtd_info *mtd)
{
	CLASS(mtd_gate, gate)(mtd);
	if (gate.err)
		return gate.err;

	if (mtd_is_gone(mtd))
		return -EINVAL;

	complete(&fake->entered);
	if (!wait_for_completion_timeout(&fake->release, MTD_FAKE_TIMEOUT))
		return -ETIMEDOUT;

	return mtd_is_gone(mtd) ? -ENODEV : 0;
}

static void mtd_gate_is_seen_inside(struct kunit *test)
{
	mtd_gate_test_hold(test, mtd_gate_hold_until_gone, -ENODEV);
}

/*
 * While somebody is inside, file descriptors are refused, and none can be opened,
 * but what they hold is not given back yet.
 */
static void mtd_gate_lets_nobody_in(struct kunit *test)
{
	struct mtd_fake *fake = mtd_fake_new(test, NULL);
	struct mtd_fake_thread *op, *unregister;
	struct mtd_file file, other;
	int index;

	KUNIT_ASSERT_EQ(test, 0, mtd_fake_register(fake, false));
	index = fake->mtd->index;
	mtd_gate_open_file(test, &file, fake->name);
	KUNIT_EXPECT_EQ(test, 0, mtd_gate_file_enter(&file));
	op = mtd_fake_start(fake, mtd_gate_hold, fake->mtd);
	KUNIT_ASSERT_NOT_NULL(test, op);
	KUNIT_ASSERT_TRUE(test, mtd_fake_wait_entered(fake));

	unregister = mtd_fake_start(fake, mtd_fake_unregister, NULL);
	KUNIT_ASSERT_NOT_NULL(test, unregister);
	KUNIT_EXPECT_EQ(test, 0, wait_for_completion_timeout(&unregister->done, HZ / 10));
	KUNIT_EXPECT_EQ(test, -ENODEV, mtd_gate_file_enter(&file));
	KUNIT_EXPECT_EQ(test, -ENODEV, mtd_file_get(&other, index));
	mtd_gate_expect_balance(test, fake, 1);

	complete(&fake->release);
	KUNIT_ASSERT_TRUE(test, mtd_fake_join(op));
	KUNIT_ASSERT_TRUE(test, mtd_fake_join(unregister));
	mtd_gate_expect_balance(test, fake, 0);
	mtd_file_put(&file);
}

/* Count what is in the kernel log about @fake */
static unsigned int mtd_gate_count_lines(struct mtd_fake *fake, const char *what)
{
	struct kmsg_dump_iter iter;
	unsigned int count = 0;
	char line[256];
	size_t len;

	kmsg_dump_rewind(&iter);
	while (kmsg_dump_get_line(&iter, false, line, sizeof(line) - 1, &len)) {
		line[len] = '\0';
		if (strstr(line, fake->name) && strstr(line, what))
			count++;
	}

	return count;
}

static unsigned int mtd_gate_count_reports(struct mtd_fake *fake)
{
	return mtd_gate_count_lines(fake, "has waited");
}

static void mtd_gate_restore_report(void *data)
{
	mtd_drain_report_ms = (unsigned long)data;
}

/* An operation takes long: that is reported, more than once, and not given up. */
static void mtd_gate_reports(struct kunit *test)
{
	unsigned long end = jiffies + MTD_FAKE_TIMEOUT;
	struct mtd_fake *fake = mtd_fake_new(test, NULL);
	struct mtd_fake_thread *op, *unregister;
	unsigned int before;

	KUNIT_ASSERT_EQ(test, 0, kunit_add_action(test, mtd_gate_restore_report,
						  (void *)(unsigned long)mtd_drain_report_ms));
	mtd_drain_report_ms = 50;

	KUNIT_ASSERT_EQ(test, 0, mtd_fake_register(fake, false));
	mtd_fake_block(fake, MTD_FAKE_ERASE);
	op = mtd_fake_start(fake, mtd_fake_run_erase, fake->mtd);
	KUNIT_ASSERT_NOT_NULL(test, op);
	KUNIT_ASSERT_TRUE(test, mtd_fake_wait_entered(fake));

	before = mtd_gate_count_reports(fake);
	unregister = mtd_fake_start(fake, mtd_fake_unregister, NULL);
	KUNIT_ASSERT_NOT_NULL(test, unregister);
	while (mtd_gate_count_reports(fake) < before + 2 && time_before(jiffies, end))
		msleep(20);
	KUNIT_EXPECT_GE(test, mtd_gate_count_reports(fake), before + 2);
	KUNIT_EXPECT_FALSE(test, completion_done(&unregister->done));

	complete(&fake->release);
	KUNIT_ASSERT_TRUE(test, mtd_fake_join(op));
	KUNIT_ASSERT_TRUE(test, mtd_fake_join(unregister));
	KUNIT_EXPECT_EQ(test, 0, op->ret);
}

/* Unregister, and expect @users users to be reported, or none */
static void mtd_gate_expect_users(struct kunit *test, struct mtd_fake *fake, int users)
{
	unsigned int any, said;
	char what[32];

	snprintf(what, sizeof(what), "%d user(s) in the kernel", users);
	any = mtd_gate_count_lines(fake, "in the kernel still hold it");
	said = mtd_gate_count_lines(fake, what);
	KUNIT_EXPECT_EQ(test, 0, mtd_fake_unregister(fake, NULL));
	KUNIT_EXPECT_EQ(test, any + !!users,
			mtd_gate_count_lines(fake, "in the kernel still hold it"));
	if (users)
		KUNIT_EXPECT_EQ(test, said + 1, mtd_gate_count_lines(fake, what));
}

/*
 * Who has a handle when the MTD goes is counted, unless it is a file descriptor, or
 * the driver has promised that the mtd_info stays.
 */
static void mtd_gate_reports_users(struct kunit *test)
{
	struct mtd_fake *fake = mtd_fake_new(test, NULL);
	struct mtd_info *mtds[3];
	struct mtd_file file;
	unsigned int i;

	fake->keep = true;
	KUNIT_ASSERT_EQ(test, 0, mtd_fake_register(fake, true));
	mtd_gate_open_file(test, &file, mtd_fake_parts[0].name);
	for (i = 0; i < ARRAY_SIZE(mtds); i++) {
		mtds[i] = get_mtd_device_nm(mtd_fake_parts[i % 2].name);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, mtds[i]);
	}

	/* One of them goes in time. */
	put_mtd_device(mtds[0]);
	mtd_gate_expect_users(test, fake, 2);

	/* They are still there if it comes back, and may go then. */
	KUNIT_ASSERT_EQ(test, 0, mtd_fake_register(fake, true));
	put_mtd_device(mtds[1]);
	mtd_gate_expect_users(test, fake, 1);

	fake->mtd->master.refcounted = true;
	KUNIT_ASSERT_EQ(test, 0, mtd_fake_register(fake, false));
	mtd_gate_expect_users(test, fake, 0);
	put_mtd_device(mtds[2]);
	fake->mtd->master.refcounted = false;

	KUNIT_ASSERT_EQ(test, 0, mtd_fake_register(fake, false));
	mtd_gate_expect_users(test, fake, 0);
	mtd_file_put(&file);
	mtd_gate_expect_balance(test, fake, 0);
}

/* What is held of a partition is given back, or it would never be freed. */
static void mtd_gate_puts_partition(struct kunit *test)
{
	struct mtd_fake *fake = mtd_fake_new(test, NULL);
	struct mtd_info *part;
	struct mtd_file file;

	KUNIT_ASSERT_EQ(test, 0, mtd_fake_register(fake, true));
	part = get_mtd_device_nm(mtd_fake_parts[0].name);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, part);
	KUNIT_EXPECT_EQ(test, 2, kref_read(&part->refcnt));

	mtd_gate_open_file(test, &file, part->name);
	KUNIT_EXPECT_EQ(test, 3, kref_read(&part->refcnt));
	mtd_file_put(&file);
	KUNIT_EXPECT_EQ(test, 2, kref_read(&part->refcnt));

	KUNIT_EXPECT_EQ(test, 0, mtd_del_partition(fake->mtd, part->index));
	KUNIT_EXPECT_EQ(test, 1, kref_read(&part->refcnt));
	put_mtd_device(part);
}

/*
 * File systems tell MTDs apart by their numbers: the next one does not get that of
 * one which somebody still has, be it only to get errors from it.
 */
static void mtd_gate_expect_keeps(struct kunit *test, bool parts)
{
	struct mtd_fake *fake = mtd_fake_new(test, NULL);
	struct mtd_fake *other;
	struct mtd_info *mtd;
	int index;

	fake->keep = true;
	fake->mtd->master.refcounted = true;
	KUNIT_ASSERT_EQ(test, 0, mtd_fake_register(fake, parts));
	mtd = get_mtd_device_nm(parts ? mtd_fake_parts[0].name : fake->name);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, mtd);
	index = mtd->index;
	KUNIT_EXPECT_EQ(test, 0, mtd_fake_unregister(fake, NULL));

	other = mtd_fake_new_on(test, fake->parent, NULL);
	other->keep = true;
	KUNIT_EXPECT_EQ(test, 0, mtd_fake_register(other, false));
	KUNIT_EXPECT_NE(test, index, other->mtd->index);
	KUNIT_EXPECT_PTR_EQ(test, get_mtd_device(NULL, index), ERR_PTR(-ENODEV));
	KUNIT_EXPECT_EQ(test, 0, mtd_fake_unregister(other, NULL));

	/* Then it is free again. */
	put_mtd_device(mtd);
	KUNIT_EXPECT_EQ(test, 0, mtd_fake_register(other, false));
	KUNIT_EXPECT_EQ(test, index, other->mtd->index);
	KUNIT_EXPECT_TRUE(test, mtd_fake_free(other));
}

static void mtd_gate_keeps_number(struct kunit *test)
{
	mtd_gate_expect_keeps(test, true);
}

static void mtd_gate_keeps_number_of_master(struct kunit *test)
{
	mtd_gate_expect_keeps(test, false);
}

/* The last file descriptor to be closed has the last reference to the gate. */
static void mtd_gate_puts_gate(struct kunit *test)
{
	struct mtd_fake *fake = mtd_fake_new(test, NULL);
	struct mtd_file files[3];
	unsigned int i;

	KUNIT_ASSERT_EQ(test, 0, mtd_fake_register(fake, false));
	for (i = 0; i < ARRAY_SIZE(files); i++)
		mtd_gate_open_file(test, &files[i], fake->name);
	KUNIT_EXPECT_EQ(test, 4, kref_read(&files[2].gate->refcnt));

	mtd_file_put(&files[0]);
	KUNIT_EXPECT_EQ(test, 3, kref_read(&files[2].gate->refcnt));
	KUNIT_EXPECT_EQ(test, 0, mtd_fake_unregister(fake, NULL));
	KUNIT_EXPECT_EQ(test, 2, kref_read(&files[2].gate->refcnt));
	mtd_file_put(&files[1]);
	KUNIT_EXPECT_EQ(test, 1, kref_read(&files[2].gate->refcnt));
	mtd_file_put(&files[2]);
}

static int mtd_gate_shutdown_fn(struct mtd_fake *fake, struct mtd_info *mtd)
{
	mtd_device_shutdown(fake->mtd);

	return 0;
}

/*
 * The system goes down: operations end, and nobody is let in any more, but all is
 * still there. Unregistering may follow, and finds what is left.
 */
static void mtd_gate_shutdown(struct kunit *test)
{
	const struct mtd_fake_entry *entry = test->param_value;
	struct mtd_fake *fake = mtd_fake_new(test, entry);
	struct mtd_fake_thread *op, *shutdown;
	struct mtd_file file;
	unsigned int total;

	KUNIT_ASSERT_EQ(test, 0, mtd_fake_register(fake, false));
	mtd_gate_open_file(test, &file, fake->name);

	mtd_fake_block(fake, entry->call);
	op = mtd_fake_start(fake, entry->run, fake->mtd);
	KUNIT_ASSERT_NOT_NULL(test, op);
	KUNIT_ASSERT_TRUE(test, mtd_fake_wait_entered(fake));

	shutdown = mtd_fake_start(fake, mtd_gate_shutdown_fn, NULL);
	KUNIT_ASSERT_NOT_NULL(test, shutdown);
	KUNIT_EXPECT_EQ(test, 0, wait_for_completion_timeout(&shutdown->done, HZ / 10));
	KUNIT_EXPECT_EQ(test, -ENODEV, mtd_gate_file_enter(&file));

	complete(&fake->release);
	KUNIT_ASSERT_TRUE(test, mtd_fake_join(op));
	KUNIT_ASSERT_TRUE(test, mtd_fake_join(shutdown));
	KUNIT_EXPECT_EQ(test, entry->ok, op->ret);

	total = mtd_fake_total(fake);
	KUNIT_EXPECT_EQ(test, entry->refused, entry->run(fake, fake->mtd));
	KUNIT_EXPECT_EQ(test, total, mtd_fake_total(fake));
	KUNIT_EXPECT_EQ(test, -ENODEV, mtd_gate_file_read(fake, &file));
	KUNIT_EXPECT_EQ(test, fake->mtd->index, mtd_gate_index(test, fake->name));

	KUNIT_EXPECT_EQ(test, 0, mtd_fake_unregister(fake, NULL));
	mtd_gate_expect_balance(test, fake, 0);
	mtd_file_put(&file);
}

/* Who is refused, for whatever reason, has not stayed inside. */
static void mtd_gate_refused_leave(struct kunit *test)
{
	struct mtd_fake *fake = mtd_fake_new(test, NULL);
	struct mtd_fake_thread *shutdown, *unregister;
	struct mtd_file file, other;
	struct mtd_info *part;

	KUNIT_ASSERT_EQ(test, 0, mtd_fake_register(fake, true));
	part = get_mtd_device_nm(mtd_fake_parts[0].name);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, part);
	mtd_gate_open_file(test, &file, mtd_fake_parts[0].name);
	mtd_gate_open_file(test, &other, mtd_fake_parts[1].name);

	KUNIT_EXPECT_EQ(test, 0, mtd_del_partition(fake->mtd, part->index));
	KUNIT_EXPECT_EQ(test, -ENODEV, mtd_fake_run_read(fake, part));
	KUNIT_EXPECT_EQ(test, -ENODEV, mtd_gate_file_enter(&file));
	put_mtd_device(part);

	/* In threads, because these would wait for who has stayed. */
	shutdown = mtd_fake_start(fake, mtd_gate_shutdown_fn, NULL);
	KUNIT_ASSERT_NOT_NULL(test, shutdown);
	KUNIT_ASSERT_TRUE(test, mtd_fake_join(shutdown));
	KUNIT_EXPECT_EQ(test, -ENODEV, mtd_fake_run_read(fake, fake->mtd));
	KUNIT_EXPECT_EQ(test, -ENODEV, mtd_gate_file_enter(&other));

	unregister = mtd_fake_start(fake, mtd_fake_unregister, NULL);
	KUNIT_ASSERT_NOT_NULL(test, unregister);
	KUNIT_ASSERT_TRUE(test, mtd_fake_join(unregister));
	mtd_file_put(&file);
	mtd_file_put(&other);
}

/* It warns, and touches nothing: the MTD can still be registered. */
static void mtd_gate_never_registered(struct kunit *test)
{
	struct mtd_fake *fake = mtd_fake_new(test, NULL);
	struct kunit_suppressed_warning *w;

	fake->keep = true;
	w = kunit_start_suppress_warning(test);
	KUNIT_ASSERT_NOT_NULL(test, w);
	KUNIT_EXPECT_EQ(test, -ENODEV, mtd_fake_unregister(fake, NULL));
	KUNIT_EXPECT_EQ(test, 1, kunit_suppressed_warning_count(w));
	kunit_end_suppress_warning(test, w);
	KUNIT_EXPECT_EQ(test, 0U, mtd_fake_total(fake));

	KUNIT_ASSERT_EQ(test, 0, mtd_fake_register(fake, false));
	KUNIT_EXPECT_EQ(test, 0, mtd_fake_run_read(fake, fake->mtd));
}

/* Nothing is left to be unregistered twice. */
static void mtd_gate_unregistered_twice(struct kunit *test)
{
	struct mtd_fake *fake = mtd_fake_new(test, NULL);
	unsigned int total;

	fake->keep = true;
	KUNIT_ASSERT_EQ(test, 0, mtd_fake_register(fake, true));
	KUNIT_EXPECT_EQ(test, 0, mtd_fake_unregister(fake, NULL));
	total = mtd_fake_total(fake);
	KUNIT_EXPECT_EQ(test, 0, mtd_fake_unregister(fake, NULL));
	KUNIT_EXPECT_EQ(test, -ENODEV, mtd_fake_run_read(fake, fake->mtd));
	KUNIT_EXPECT_EQ(test, total, mtd_fake_total(fake));

	KUNIT_EXPECT_EQ(test, 0, mtd_fake_register(fake, true));
	KUNIT_EXPECT_EQ(test, 0, mtd_fake_run_read(fake, fake->mtd));
}

#define MTD_GATE_ROUNDS		100
#define MTD_GATE_TIME		(5 * HZ)

/* Opens, uses and closes what is there of it. Some file descriptors stay open longer. */
static int mtd_gate_hammer(struct mtd_fake *fake, struct mtd_info *mtd)
{
	struct mtd_file files[4];
	bool open[ARRAY_SIZE(files)] = {};
	unsigned int i;

	while (!READ_ONCE(fake->stop)) {
		struct mtd_file *file;
		int ret;

		i = get_random_u32_below(ARRAY_SIZE(files));
		file = &files[i];
		if (!open[i]) {
			int index;

			index = READ_ONCE(fake->index[get_random_u32_below(MTD_FAKE_PARTS)]);
			ret = index < 0 ? -ENODEV : mtd_file_get(file, index);
			open[i] = !ret;
			if (ret && ret != -ENODEV)
				atomic_inc(&fake->bad);
		} else if (get_random_u32_below(8)) {
			ret = mtd_gate_file_read(fake, file);
			if (ret && ret != -ENODEV)
				atomic_inc(&fake->bad);
		} else {
			mtd_file_put(file);
			open[i] = false;
		}
		cond_resched();
	}

	for (i = 0; i < ARRAY_SIZE(files); i++)
		if (open[i])
			mtd_file_put(&files[i]);

	return 0;
}

/* A user of the master that adds and deletes partitions, and may find it dying */
static int mtd_gate_partitions(struct mtd_fake *fake, struct mtd_info *mtd)
{
	struct mtd_info *part;
	int ret, index;

	CLASS(mtd_gate, gate)(mtd);
	complete(&fake->entered);
	if (gate.err)
		return gate.err;

	while (!READ_ONCE(fake->stop)) {
		ret = mtd_add_partition(mtd, "mtd-fake-c", 0, MTD_FAKE_ERASESIZE);
		if (ret) {
			if (ret != -ENODEV)
				atomic_inc(&fake->bad);
			return ret;
		}

		part = get_mtd_device_nm("mtd-fake-c");
		if (IS_ERR(part))
			continue;
		index = part->index;
		put_mtd_device(part);
		mtd_del_partition(mtd, index);
	}

	return 0;
}

static void mtd_gate_stress_round(struct kunit *test, struct mtd_fake *fake,
				  bool parts, bool change_parts)
{
	unsigned int i;

	fake->jitter = true;
	for (i = 0; i < 4; i++)
		KUNIT_EXPECT_NOT_NULL(test, mtd_fake_start(fake, mtd_gate_hammer, NULL));

	KUNIT_EXPECT_EQ(test, 0, mtd_fake_register(fake, parts));
	for (i = 0; i < (parts ? MTD_FAKE_PARTS : 1); i++)
		WRITE_ONCE(fake->index[i],
			   mtd_gate_index(test, parts ? mtd_fake_parts[i].name :
							fake->name));
	if (change_parts) {
		KUNIT_EXPECT_NOT_NULL(test, mtd_fake_start(fake, mtd_gate_partitions,
							   fake->mtd));
		KUNIT_EXPECT_TRUE(test, mtd_fake_wait_entered(fake));
	}

	usleep_range(100, 3000);
	KUNIT_EXPECT_EQ(test, 0, mtd_fake_unregister(fake, NULL));
	mtd_gate_expect_balance(test, fake, 0);
	usleep_range(100, 1000);
	KUNIT_EXPECT_EQ(test, 0, atomic_read(&fake->bad));
	KUNIT_EXPECT_EQ(test, 0, atomic_read(&fake->late));
}

/*
 * File descriptors are opened, used and closed, and partitions added and deleted,
 * while the MTD goes. Its memory is freed at once.
 */
static void mtd_gate_stress(struct kunit *test)
{
	struct device *parent = kunit_device_register(test, "mtd-fake");
	unsigned long end = jiffies + MTD_GATE_TIME;
	unsigned int i;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, parent);

	for (i = 0; i < MTD_GATE_ROUNDS && time_before(jiffies, end); i++) {
		struct mtd_fake *fake = mtd_fake_new_on(test, parent, NULL);

		mtd_gate_stress_round(test, fake, i % 2, i % 4 > 1);
		KUNIT_ASSERT_TRUE_MSG(test, mtd_fake_free(fake),
				      "something does not end; leaked");
	}

	kunit_info(test, "%u rounds\n", i);
}

static struct kunit_case mtd_gate_cases[] = {
	KUNIT_CASE(mtd_gate_gives_back),
	KUNIT_CASE(mtd_gate_gives_back_partitions),
	KUNIT_CASE(mtd_gate_deleted_partition),
	KUNIT_CASE(mtd_gate_get_fails),
	KUNIT_CASE(mtd_gate_is_new),
	KUNIT_CASE(mtd_gate_is_shared),
	KUNIT_CASE(mtd_gate_waits_file),
	KUNIT_CASE(mtd_gate_nests),
	KUNIT_CASE(mtd_gate_finishes),
	KUNIT_CASE(mtd_gate_finishes_writev),
	KUNIT_CASE(mtd_gate_is_seen_inside),
	KUNIT_CASE(mtd_gate_lets_nobody_in),
	KUNIT_CASE(mtd_gate_reports),
	KUNIT_CASE(mtd_gate_reports_users),
	KUNIT_CASE(mtd_gate_puts_partition),
	KUNIT_CASE(mtd_gate_keeps_number),
	KUNIT_CASE(mtd_gate_keeps_number_of_master),
	KUNIT_CASE(mtd_gate_puts_gate),
	KUNIT_CASE_PARAM(mtd_gate_shutdown, mtd_fake_gen_wait_params),
	KUNIT_CASE(mtd_gate_refused_leave),
	KUNIT_CASE(mtd_gate_never_registered),
	KUNIT_CASE(mtd_gate_unregistered_twice),
	KUNIT_CASE_SLOW(mtd_gate_stress),
	{}
};

static struct kunit_suite mtd_gate_suite = {
	.name = "mtd_gate",
	.test_cases = mtd_gate_cases,
};

kunit_test_suite(mtd_gate_suite);

MODULE_DESCRIPTION("KUnit tests for the gate of MTDs");
MODULE_LICENSE("GPL");
