// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of mtd_device_unregister(): kinds of handles
 *
 * Files, partitions that come and go, NVMEM, concatenations, notifiers, power
 * management, and what drivers see. What holds for each operation is tested in
 * mtd-unregister-kunit.c, where it is also said how to run both.
 */

#include <kunit/test.h>
#include <linux/device.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/fs_context.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <linux/mtd/mtd.h>
#include <linux/mtd/concat.h>
#include <linux/mtd/partitions.h>
#include <linux/nvmem-consumer.h>
#include <linux/pseudo_fs.h>

#include "mtd-fake.h"

/* What threads of a test use, beside an MTD */
static struct {
	struct file *file;
	struct nvmem_device *nvmem;
} mtd_handle_held;

/* While unregistering waits, nobody gets a handle or adds a partition. */
static void mtd_handle_closed(struct kunit *test)
{
	struct mtd_fake *fake = mtd_fake_new(test, NULL);
	struct mtd_fake_thread *op, *unregister;
	struct mtd_info *a, *whole;

	KUNIT_ASSERT_EQ(test, 0, mtd_fake_register(fake, true));
	a = mtd_fake_get(test, "fake-a");
	whole = mtd_get_master(a);
	KUNIT_EXPECT_FALSE(test, mtd_is_gone(a));

	op = mtd_fake_start_op(fake, MTD_FAKE_NR(_read), mtd_fake_read, a);
	unregister = mtd_fake_start_unregister(fake);
	KUNIT_EXPECT_TRUE(test, mtd_is_gone(a));
	KUNIT_EXPECT_PTR_EQ(test, ERR_PTR(-ENODEV),
			    get_mtd_device(NULL, a->index));
	KUNIT_EXPECT_PTR_EQ(test, ERR_PTR(-ENODEV), get_mtd_device(a, -1));
	KUNIT_EXPECT_PTR_EQ(test, ERR_PTR(-ENODEV),
			    get_mtd_device_nm("fake-b"));
	KUNIT_EXPECT_EQ(test, -ENODEV, __get_mtd_device(a));
	KUNIT_EXPECT_EQ(test, -ENODEV,
			mtd_add_partition(whole, "c", 0, MTD_FAKE_ERASESIZE));
	KUNIT_EXPECT_EQ(test, -ENODEV,
			mtd_add_partition(a, "c", 0, MTD_FAKE_ERASESIZE));
	KUNIT_EXPECT_EQ(test, -ENODEV, mtd_del_partition(whole, a->index));
	mtd_fake_finish(fake, op, 0, unregister);

	KUNIT_EXPECT_TRUE(test, mtd_is_gone(a));
	KUNIT_EXPECT_EQ(test, -ENODEV, __get_mtd_device(a));
	KUNIT_EXPECT_EQ(test, -ENODEV,
			mtd_add_partition(a, "c", 0, MTD_FAKE_ERASESIZE));
}

/*
 * Deleting a partition waits for nobody, and refuses who holds it or one of
 * its own partitions. Unregistering waits for operations that are left.
 */
static void mtd_handle_deleted_partition(struct kunit *test)
{
	struct mtd_fake *fake = mtd_fake_new(test, NULL);
	struct mtd_fake_thread *op, *unregister;
	struct mtd_info *whole, *part, *nested, *again;
	u8 buf[4] = {};
	size_t retlen;
	int index;

	KUNIT_ASSERT_EQ(test, 0, mtd_fake_register(fake, false));
	whole = mtd_fake_get(test, "fake");
	KUNIT_ASSERT_EQ(test, 0, mtd_add_partition(whole, "fake-c", 0,
						   2 * MTD_FAKE_ERASESIZE));
	part = mtd_fake_get(test, "fake-c");
	KUNIT_ASSERT_EQ(test, 0, mtd_add_partition(part, "fake-d", 0,
						   MTD_FAKE_ERASESIZE));
	nested = mtd_fake_get(test, "fake-d");
	index = part->index;

	op = mtd_fake_start_op(fake, MTD_FAKE_NR(_read), mtd_fake_read, nested);
	KUNIT_EXPECT_EQ(test, 0, mtd_del_partition(whole, index));
	KUNIT_EXPECT_FALSE(test, completion_done(&op->done));
	KUNIT_EXPECT_TRUE(test, mtd_is_gone(part));
	KUNIT_EXPECT_TRUE(test, mtd_is_gone(nested));
	KUNIT_EXPECT_FALSE(test, mtd_is_gone(whole));
	KUNIT_EXPECT_EQ(test, -ENODEV, mtd_fake_read(fake, part));
	KUNIT_EXPECT_EQ(test, -ENODEV, mtd_fake_read(fake, nested));
	KUNIT_EXPECT_EQ(test, -ENODEV,
			mtd_panic_write(nested, 0, sizeof(buf), &retlen, buf));
	KUNIT_EXPECT_EQ(test, 0, mtd_fake_read(fake, whole));
	KUNIT_EXPECT_EQ(test, -ENODEV, __get_mtd_device(part));
	KUNIT_EXPECT_EQ(test, -ENODEV, mtd_add_partition(part, "fake-e", 0,
							 MTD_FAKE_ERASESIZE));
	KUNIT_EXPECT_PTR_EQ(test, ERR_PTR(-ENODEV),
			    get_mtd_device_nm("fake-d"));

	/* Its number is held, too */
	KUNIT_EXPECT_EQ(test, -EINVAL, mtd_del_partition(whole, index));
	KUNIT_ASSERT_EQ(test, 0, mtd_add_partition(whole, "fake-c", 0,
						   MTD_FAKE_ERASESIZE));
	again = mtd_fake_get(test, "fake-c");
	KUNIT_EXPECT_NE(test, index, again->index);
	KUNIT_EXPECT_EQ(test, 0, mtd_fake_read(fake, again));

	mtd_fake_put(test, part);
	unregister = mtd_fake_start_unregister(fake);
	mtd_fake_finish(fake, op, 0, unregister);
	KUNIT_EXPECT_EQ(test, -ENODEV, mtd_fake_read(fake, nested));
	KUNIT_EXPECT_EQ(test, -ENODEV, mtd_fake_read(fake, again));
	KUNIT_EXPECT_EQ(test, -ENODEV, mtd_fake_read(fake, whole));
}

/* Character devices are opened without a node in any file system. */
static int mtd_handle_init_fs(struct fs_context *fc)
{
	return init_pseudo(fc, MTD_INODE_FS_MAGIC) ? 0 : -ENOMEM;
}

static struct file_system_type mtd_handle_fs = {
	.name = "mtd_handle",
	.init_fs_context = mtd_handle_init_fs,
	.kill_sb = kill_anon_super,
};

static struct file *mtd_handle_open(struct vfsmount *mnt, dev_t dev)
{
	struct path path = { .mnt = mnt };
	struct inode *inode;
	struct file *file;

	inode = alloc_anon_inode(mnt->mnt_sb);
	if (IS_ERR(inode))
		return ERR_CAST(inode);

	init_special_inode(inode, S_IFCHR | 0600, dev);
	path.dentry = d_obtain_alias(inode);
	if (IS_ERR(path.dentry))
		return ERR_CAST(path.dentry);

	file = dentry_open(&path, O_RDWR, current_cred());
	dput(path.dentry);

	return file;
}

/* The driver has to fail: nothing can be copied to user space. */
static int mtd_handle_read_file(struct mtd_fake *fake, struct mtd_info *unused)
{
	struct file *file = mtd_handle_held.file;
	loff_t pos = 0;

	return file->f_op->read(file, NULL, MTD_FAKE_LEN, &pos);
}

static void mtd_handle_file_refused(struct kunit *test, struct mtd_fake *fake)
{
	KUNIT_EXPECT_EQ(test, -ENODEV, mtd_handle_read_file(fake, NULL));
	KUNIT_EXPECT_EQ(test, -ENODEV,
			vfs_llseek(mtd_handle_held.file, 0, SEEK_SET));
}

KUNIT_DEFINE_ACTION_WRAPPER(mtd_handle_unmount, kern_unmount,
			    struct vfsmount *);
KUNIT_DEFINE_ACTION_WRAPPER(mtd_handle_close, __fput_sync, struct file *);

/* A file that is open */
static void mtd_handle_file(struct kunit *test)
{
	struct mtd_fake *fake = mtd_fake_new(test, NULL);
	struct mtd_fake_thread *op, *unregister;
	struct mtd_info *mtd;
	struct vfsmount *mnt;
	struct file *file;
	int index, syncs;
	dev_t dev;

	mnt = kern_mount(&mtd_handle_fs);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, mnt);
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, mtd_handle_unmount,
						  mnt));

	KUNIT_ASSERT_EQ(test, 0, mtd_fake_register(fake, false));
	mtd = mtd_fake_get(test, "fake");
	index = mtd->index;
	dev = mtd->dev.devt;
	mtd_fake_put(test, mtd);

	file = mtd_handle_open(mnt, dev);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, file);
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, mtd_handle_close,
						  file));
	mtd_handle_held.file = file;

	fake->error = -EIO;
	fake->fail = MTD_FAKE_NR(_read);
	KUNIT_EXPECT_EQ(test, -EIO, mtd_handle_read_file(fake, NULL));
	KUNIT_EXPECT_EQ(test, 0, vfs_llseek(file, 0, SEEK_SET));

	op = mtd_fake_start_op(fake, MTD_FAKE_NR(_read), mtd_handle_read_file,
			       NULL);
	unregister = mtd_fake_start_unregister(fake);
	mtd_handle_file_refused(test, fake);
	KUNIT_EXPECT_PTR_EQ(test, ERR_PTR(-ENODEV), mtd_handle_open(mnt, dev));
	mtd_fake_finish(fake, op, -EIO, unregister);
	mtd_handle_file_refused(test, fake);
	KUNIT_EXPECT_PTR_EQ(test, ERR_PTR(-ENODEV), mtd_handle_open(mnt, dev));

	/* The number is the file's for as long as that is open */
	KUNIT_ASSERT_EQ(test, 0, mtd_fake_register(fake, false));
	KUNIT_EXPECT_NE(test, index, mtd_fake_get(test, "fake")->index);
	mtd_handle_file_refused(test, fake);

	/* Closing does not sync what is gone, nor another MTD */
	syncs = atomic_read(&fake->calls[MTD_FAKE_NR(_sync)]);
	kunit_release_action(test, mtd_handle_close, file);
	KUNIT_EXPECT_EQ(test, syncs,
			atomic_read(&fake->calls[MTD_FAKE_NR(_sync)]));
	KUNIT_EXPECT_EQ(test, 0, mtd_fake_unregister(fake, NULL));

	KUNIT_ASSERT_EQ(test, 0, mtd_fake_register(fake, false));
	KUNIT_EXPECT_EQ(test, index, mtd_fake_get(test, "fake")->index);
	KUNIT_EXPECT_EQ(test, 0, mtd_fake_unregister(fake, NULL));
}

static int mtd_handle_match_parent(struct device *dev, const void *parent)
{
	return dev->parent == parent;
}

static int mtd_handle_match_otp(struct device *dev, const void *parent)
{
	return dev->parent == parent && strstarts(dev_name(dev), "user-otp");
}

static int mtd_handle_read_cell(struct mtd_fake *fake, struct mtd_info *unused)
{
	struct nvmem_cell_info cell = { .name = "cell", .offset = 4, .bytes = 4 };
	u8 buf[4];

	return nvmem_device_cell_read(mtd_handle_held.nvmem, &cell, buf);
}

/* Whoever has found the NVMEM device of an MTD may read it later. */
static void mtd_handle_test_nvmem(struct kunit *test, bool otp)
{
	struct mtd_fake *fake = mtd_fake_new(test, NULL);
	struct mtd_fake_thread *op, *unregister;
	struct nvmem_device *nvmem;
	struct mtd_info *mtd;
	u8 buf[4];
	int index;

	if (!IS_ENABLED(CONFIG_NVMEM))
		kunit_skip(test, "needs CONFIG_NVMEM");

	fake->otp = otp ? MTD_FAKE_LEN : 0;
	KUNIT_ASSERT_EQ(test, 0, mtd_fake_register(fake, false));
	mtd = mtd_fake_get(test, "fake");
	nvmem = otp ? nvmem_device_find(fake->parent, mtd_handle_match_otp) :
		      nvmem_device_find(&mtd->dev, mtd_handle_match_parent);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, nvmem);
	mtd_handle_held.nvmem = nvmem;
	KUNIT_EXPECT_EQ(test, 4, nvmem_device_read(nvmem, 0, 4, buf));

	/* It keeps the handle alone */
	index = mtd->index;
	mtd_fake_put(test, mtd);
	op = mtd_fake_start_op(fake, otp ? MTD_FAKE_NR(_read_user_prot_reg) :
					   MTD_FAKE_NR(_read),
			       mtd_handle_read_cell, NULL);
	unregister = mtd_fake_start_unregister(fake);
	KUNIT_EXPECT_EQ(test, -ENODEV, mtd_handle_read_cell(fake, NULL));
	mtd_fake_finish(fake, op, 4, unregister);
	KUNIT_EXPECT_EQ(test, -ENODEV, mtd_handle_read_cell(fake, NULL));
	KUNIT_EXPECT_EQ(test, -ENODEV, nvmem_device_read(nvmem, 0, 4, buf));
	nvmem_device_put(nvmem);

	KUNIT_ASSERT_EQ(test, 0, mtd_fake_register(fake, false));
	KUNIT_EXPECT_EQ(test, index, mtd_fake_get(test, "fake")->index);
	KUNIT_EXPECT_EQ(test, 0, mtd_fake_unregister(fake, NULL));
}

static void mtd_handle_nvmem(struct kunit *test)
{
	mtd_handle_test_nvmem(test, false);
}

static void mtd_handle_nvmem_otp(struct kunit *test)
{
	mtd_handle_test_nvmem(test, true);
}

/* A concatenation is a user of its parts, and a driver to its own users. */
static void mtd_handle_concat(struct kunit *test)
{
	struct mtd_fake *fake = mtd_fake_new(test, NULL);
	struct mtd_info *parts[2], *concat, *mtd;
	struct mtd_fake_thread *op, *unregister;

	KUNIT_ASSERT_EQ(test, 0, mtd_fake_register(fake, true));
	parts[0] = mtd_fake_get(test, "fake-a");
	parts[1] = mtd_fake_get(test, "fake-b");
	concat = mtd_concat_create(parts, 2, "fake-concat");
	KUNIT_ASSERT_NOT_NULL(test, concat);
	KUNIT_ASSERT_EQ(test, 0, mtd_device_register(concat, NULL, 0));
	mtd = mtd_fake_get(test, "fake-concat");

	op = mtd_fake_start_op(fake, MTD_FAKE_NR(_read), mtd_fake_read, mtd);
	unregister = mtd_fake_start_unregister(fake);
	KUNIT_EXPECT_EQ(test, -ENODEV, mtd_fake_read(fake, mtd));
	mtd_fake_finish(fake, op, 0, unregister);

	KUNIT_EXPECT_EQ(test, -ENODEV, mtd_fake_read(fake, mtd));
	KUNIT_EXPECT_EQ(test, 0, mtd_device_unregister(concat));
	mtd_concat_destroy(concat);
	KUNIT_EXPECT_EQ(test, -ENODEV, mtd_fake_read(fake, mtd));
}

static void mtd_handle_user_add(struct mtd_info *mtd)
{
}

static struct mtd_info *mtd_handle_late[3];

static void mtd_handle_user_remove(struct mtd_info *mtd)
{
	int i;

	if (!strstarts(mtd->name, "fake") || __get_mtd_device(mtd))
		return;

	for (i = 0; i < ARRAY_SIZE(mtd_handle_late); i++) {
		if (!mtd_handle_late[i]) {
			mtd_handle_late[i] = mtd;
			return;
		}
	}
	__put_mtd_device(mtd);
}

/*
 * Whoever is told of the removal can still get the MTD, with mtd_table_mutex
 * held as it is then: what that takes of the driver is given back, too.
 */
static void mtd_handle_get_at_removal(struct kunit *test)
{
	static struct mtd_notifier user = {
		.add = mtd_handle_user_add,
		.remove = mtd_handle_user_remove,
	};
	struct mtd_fake *fake = mtd_fake_new(test, NULL);
	int i, n;

	KUNIT_ASSERT_EQ(test, 0, mtd_fake_register(fake, true));
	register_mtd_user(&user);
	KUNIT_EXPECT_EQ(test, 0, mtd_fake_unregister(fake, NULL));
	unregister_mtd_user(&user);
	KUNIT_EXPECT_GE(test, atomic_read(&fake->gets), 2);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake->gets),
			atomic_read(&fake->puts));

	for (n = i = 0; i < ARRAY_SIZE(mtd_handle_late); i++) {
		if (!mtd_handle_late[i])
			continue;
		KUNIT_EXPECT_EQ(test, -ENODEV,
				mtd_fake_read(fake, mtd_handle_late[i]));
		put_mtd_device(mtd_handle_late[i]);
		mtd_handle_late[i] = NULL;
		n++;
	}
	KUNIT_EXPECT_GE(test, n, 2);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake->gets),
			atomic_read(&fake->puts));
}

/* An operation that is waited for may itself wait for the system to resume. */
static void mtd_handle_resume(struct kunit *test)
{
	struct mtd_fake *fake = mtd_fake_new(test, NULL);
	struct mtd_fake_thread *op, *unregister;
	const struct dev_pm_ops *pm;
	struct mtd_info *mtd;

	KUNIT_ASSERT_EQ(test, 0, mtd_fake_register(fake, false));
	mtd = mtd_fake_get(test, "fake");
	pm = mtd->dev.class->pm;
	if (!pm)
		kunit_skip(test, "needs CONFIG_PM_SLEEP");

	KUNIT_EXPECT_EQ(test, 0, pm->suspend(&mtd->dev));
	KUNIT_EXPECT_EQ(test, 1, atomic_read(&fake->calls[MTD_FAKE_NR(_suspend)]));
	WRITE_ONCE(fake->releases, MTD_FAKE_NR(_resume));
	op = mtd_fake_start_op(fake, MTD_FAKE_NR(_read), mtd_fake_read, mtd);
	unregister = mtd_fake_start_unregister(fake);
	KUNIT_EXPECT_EQ(test, 0, pm->resume(&mtd->dev));
	KUNIT_EXPECT_EQ(test, 0, mtd_fake_join(fake, op));
	KUNIT_EXPECT_EQ(test, 0, mtd_fake_join(fake, unregister));

	/* Whoever suspends the system later does not find the driver */
	KUNIT_EXPECT_EQ(test, 0, pm->suspend(&mtd->dev));
	KUNIT_EXPECT_EQ(test, 0, pm->resume(&mtd->dev));
	KUNIT_EXPECT_EQ(test, 1, atomic_read(&fake->calls[MTD_FAKE_NR(_suspend)]));
}

static int mtd_handle_ask(struct mtd_fake *fake)
{
	return mtd_is_gone(fake->mtd) ? -EINTR : -EINVAL;
}

/* A driver with a long operation can ask whether anybody wants it. */
static void mtd_handle_is_gone(struct kunit *test)
{
	struct mtd_fake *fake = mtd_fake_new(test, NULL);
	struct mtd_fake_thread *op, *unregister;

	KUNIT_EXPECT_FALSE(test, mtd_is_gone(fake->mtd));
	KUNIT_ASSERT_EQ(test, 0, mtd_fake_register(fake, false));
	KUNIT_EXPECT_FALSE(test, mtd_is_gone(fake->mtd));

	fake->inside = mtd_handle_ask;
	op = mtd_fake_start_op(fake, MTD_FAKE_NR(_lock), mtd_fake_lock,
			       mtd_fake_get(test, "fake"));
	unregister = mtd_fake_start_unregister(fake);
	mtd_fake_finish(fake, op, -EINTR, unregister);
}

/* What drivers tell users, and users drivers, past the handle */
static void mtd_handle_mirrors(struct kunit *test)
{
	struct mtd_fake *fake = mtd_fake_new(test, NULL);
	const struct attribute_group * const *groups;
	struct device_attribute *attr;
	struct mtd_info *mtd, *part;
	int i, j;

	fake->keep = true;
	KUNIT_ASSERT_EQ(test, 0, mtd_fake_register(fake, false));
	mtd = mtd_fake_get(test, "fake");
	KUNIT_EXPECT_PTR_NE(test, mtd, fake->mtd);

	/* From sysfs to the driver */
	groups = mtd->dev.type->groups;
	for (i = 0; groups[i]; i++) {
		for (j = 0; groups[i]->attrs[j]; j++) {
			attr = container_of_const(groups[i]->attrs[j],
						  struct device_attribute, attr);
			if (!strcmp(attr->attr.name, "bitflip_threshold"))
				KUNIT_EXPECT_EQ(test, 1,
						attr->store(&mtd->dev, attr,
							    "3", 1));
		}
	}
	KUNIT_EXPECT_EQ(test, 3, mtd->bitflip_threshold);
	KUNIT_EXPECT_EQ(test, 3, fake->mtd->bitflip_threshold);

	/* Statistics */
	KUNIT_ASSERT_EQ(test, 0, mtd_add_partition(mtd, "fake-c", 0,
						   MTD_FAKE_ERASESIZE));
	part = mtd_fake_get(test, "fake-c");
	KUNIT_EXPECT_EQ(test, 0, mtd_fake_read(fake, part));
	KUNIT_EXPECT_EQ(test, 1, mtd->ecc_stats.corrected);
	KUNIT_EXPECT_EQ(test, 0, mtd_block_markbad(part, 0));
	KUNIT_EXPECT_EQ(test, 1, part->ecc_stats.corrected);
	KUNIT_EXPECT_EQ(test, 1, part->ecc_stats.badblocks);
	KUNIT_EXPECT_EQ(test, 0, mtd_fake_read(fake, mtd));
	KUNIT_EXPECT_EQ(test, 0, mtd_block_markbad(mtd, 0));
	KUNIT_EXPECT_EQ(test, 1, part->ecc_stats.corrected);
	KUNIT_EXPECT_EQ(test, 2, mtd->ecc_stats.corrected);
	KUNIT_EXPECT_EQ(test, 2, mtd->ecc_stats.badblocks);

	/* What the driver changes later */
	fake->mtd->name = "fake-renamed";
	fake->mtd->size /= 2;
	mtd_device_update(fake->mtd);
	KUNIT_EXPECT_PTR_EQ(test, mtd, mtd_fake_get(test, "fake-renamed"));
	KUNIT_EXPECT_EQ(test, MTD_FAKE_SIZE / 2, mtd->size);

	KUNIT_EXPECT_EQ(test, 0, mtd_fake_unregister(fake, NULL));
	fake->mtd->size /= 2;
	mtd_device_update(fake->mtd);
	KUNIT_EXPECT_EQ(test, MTD_FAKE_SIZE / 2, mtd->size);
}

/* Calls that are not in their order do nothing. */
static void mtd_handle_order(struct kunit *test)
{
	struct mtd_fake *fake = mtd_fake_new(test, NULL);

	fake->keep = true;
	KUNIT_EXPECT_EQ(test, 0, mtd_device_unregister(fake->mtd));

	KUNIT_ASSERT_EQ(test, 0, mtd_fake_register(fake, false));
	kunit_warning_suppress(test) {
		KUNIT_EXPECT_EQ(test, -EEXIST,
				mtd_device_register(fake->mtd, NULL, 0));
	}
	KUNIT_EXPECT_EQ(test, 0, mtd_fake_read(fake,
					       mtd_fake_get(test, "fake")));

	KUNIT_EXPECT_EQ(test, 0, mtd_fake_unregister(fake, NULL));
	KUNIT_EXPECT_EQ(test, 0, mtd_device_unregister(fake->mtd));
	KUNIT_EXPECT_EQ(test, 1, atomic_read(&fake->puts));
}

static int mtd_handle_defer(struct mtd_info *mtd,
			    const struct mtd_partition **parts,
			    struct mtd_part_parser_data *data)
{
	return -EPROBE_DEFER;
}

static struct mtd_part_parser mtd_handle_parser = {
	.name = "fake-defer",
	.parse_fn = mtd_handle_defer,
};

/* Registering fails: what was done is undone. */
static void mtd_handle_register_fails(struct kunit *test)
{
	static const char * const types[] = { "fake-defer", NULL };
	static const unsigned int calls[] = {
		MTD_FAKE_NR(_get_user_prot_info),
		MTD_FAKE_NR(_get_fact_prot_info),
		MTD_FAKE_NR(_read_fact_prot_reg),
	};
	struct mtd_fake *fake = mtd_fake_new(test, NULL);
	int i;

	fake->keep = true;
	fake->otp = MTD_FAKE_LEN;
	fake->error = -EIO;
	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		fake->fail = calls[i];
		KUNIT_EXPECT_EQ(test, -EIO, mtd_fake_register(fake, true));
		KUNIT_EXPECT_FALSE(test, fake->mtd->handle);
	}
	fake->fail = -1;

	register_mtd_parser(&mtd_handle_parser);
	fake->types = types;
	KUNIT_EXPECT_EQ(test, -EPROBE_DEFER, mtd_fake_register(fake, true));
	fake->types = NULL;
	deregister_mtd_parser(&mtd_handle_parser);
	KUNIT_EXPECT_FALSE(test, fake->mtd->handle);
	KUNIT_EXPECT_PTR_EQ(test, ERR_PTR(-ENODEV),
			    get_mtd_device_nm("fake-a"));
	KUNIT_EXPECT_EQ(test, 0, atomic_read(&fake->gets));

	KUNIT_EXPECT_EQ(test, 0, mtd_fake_register(fake, true));
	KUNIT_EXPECT_EQ(test, 0, mtd_fake_read(fake,
					       mtd_fake_get(test, "fake-a")));
	KUNIT_EXPECT_EQ(test, 0, mtd_fake_unregister(fake, NULL));
}

/*
 * No callback is forgotten. One that fails this is new: let its caller enter
 * the gate, and give the fake the callback and a way to it.
 */
static void mtd_handle_callbacks(struct kunit *test)
{
	/* These are not operations */
	static const unsigned int others[] = {
		MTD_FAKE_NR(_reboot),
		MTD_FAKE_NR(_get_device),
		MTD_FAKE_NR(_put_device),
	};
	struct mtd_fake *fake = mtd_fake_new(test, NULL);
	void **cb = (void **)&fake->mtd->_erase;
	const struct mtd_fake_entry *entry;
	unsigned int nr, i;

	for (nr = 0; nr < MTD_FAKE_IN_MTD; nr++) {
		bool found = false;

		for (i = 0; i < ARRAY_SIZE(others); i++)
			found |= others[i] == nr;

		for (i = 0; i < mtd_fake_nr_entries; i++) {
			entry = &mtd_fake_entries[i];
			found |= entry->call == nr && (cb[nr] || entry->oob);
		}

		KUNIT_EXPECT_TRUE_MSG(test, found,
				      "no way to callback %u, after %ps",
				      nr, nr ? cb[nr - 1] : NULL);
	}
}

static struct kunit_case mtd_handle_cases[] = {
	KUNIT_CASE(mtd_handle_closed),
	KUNIT_CASE(mtd_handle_deleted_partition),
	KUNIT_CASE(mtd_handle_file),
	KUNIT_CASE(mtd_handle_nvmem),
	KUNIT_CASE(mtd_handle_nvmem_otp),
	KUNIT_CASE(mtd_handle_concat),
	KUNIT_CASE(mtd_handle_get_at_removal),
	KUNIT_CASE(mtd_handle_resume),
	KUNIT_CASE(mtd_handle_is_gone),
	KUNIT_CASE(mtd_handle_mirrors),
	KUNIT_CASE(mtd_handle_order),
	KUNIT_CASE(mtd_handle_register_fails),
	KUNIT_CASE(mtd_handle_callbacks),
	{}
};

static struct kunit_suite mtd_handle_suite = {
	.name = "mtd_handle",
	.test_cases = mtd_handle_cases,
};

kunit_test_suite(mtd_handle_suite);
