// SPDX-License-Identifier: GPL-2.0
/*
 * Applies a device tree overlay, which user space cannot do in a mainline kernel, and
 * removes it:
 *
 *   /sys/kernel/debug/lab_overlay/apply    a compiled overlay, in one write
 *   /sys/kernel/debug/lab_overlay/remove   anything
 */

#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/of.h>
#include <linux/slab.h>
#include <linux/string.h>

#define MAX_SIZE	(64 << 10)

static DEFINE_MUTEX(lock);
static struct dentry *dir;
static int applied;

static ssize_t apply_write(struct file *file, const char __user *from,
			   size_t size, loff_t *pos)
{
	void *blob;
	int ret;

	if (*pos || size > MAX_SIZE)
		return -EINVAL;
	blob = memdup_user(from, size);
	if (IS_ERR(blob))
		return PTR_ERR(blob);

	mutex_lock(&lock);
	ret = applied ? -EBUSY : of_overlay_fdt_apply(blob, size, &applied, NULL);
	/* What was applied in part has to be removed as well. */
	if (ret && ret != -EBUSY && applied)
		of_overlay_remove(&applied);
	mutex_unlock(&lock);
	kfree(blob);

	return ret ?: size;
}

static ssize_t remove_write(struct file *file, const char __user *from,
			    size_t size, loff_t *pos)
{
	int ret;

	mutex_lock(&lock);
	ret = applied ? of_overlay_remove(&applied) : -ENOENT;
	mutex_unlock(&lock);

	return ret ?: size;
}

static const struct file_operations apply_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = apply_write,
};

static const struct file_operations remove_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = remove_write,
};

static int __init lab_overlay_init(void)
{
	dir = debugfs_create_dir("lab_overlay", NULL);
	debugfs_create_file("apply", 0200, dir, NULL, &apply_fops);
	debugfs_create_file("remove", 0200, dir, NULL, &remove_fops);
	return 0;
}
module_init(lab_overlay_init);

static void __exit lab_overlay_exit(void)
{
	debugfs_remove(dir);
	if (applied)
		of_overlay_remove(&applied);
}
module_exit(lab_overlay_exit);

MODULE_DESCRIPTION("Applies device tree overlays for the lab");
MODULE_LICENSE("GPL");
