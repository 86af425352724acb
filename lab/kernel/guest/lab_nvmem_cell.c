// SPDX-License-Identifier: GPL-2.0
/*
 * Holds an NVMEM cell for as long as it is loaded, as drivers hold those that their
 * device tree nodes name, but without a device: nothing unbinds it before the provider.
 *
 *   /sys/module/lab_nvmem_cell/parameters/bytes   reads the cell that the node
 *                                                 /lab-cell-user names
 */

#include <linux/err.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/nvmem-consumer.h>
#include <linux/of.h>
#include <linux/slab.h>
#include <linux/string.h>

static struct nvmem_cell *cell;

static int get_bytes(char *to, const struct kernel_param *param)
{
	size_t len;
	void *bytes;

	if (!cell)
		return -ENOENT;
	bytes = nvmem_cell_read(cell, &len);
	if (IS_ERR(bytes))
		return PTR_ERR(bytes);
	len = min(len, PAGE_SIZE);
	memcpy(to, bytes, len);
	kfree(bytes);

	return len;
}

static const struct kernel_param_ops bytes_ops = {
	.get = get_bytes,
};
module_param_cb(bytes, &bytes_ops, NULL, 0400);

static int __init lab_nvmem_cell_init(void)
{
	struct device_node *node = of_find_node_by_path("/lab-cell-user");
	struct nvmem_cell *found;

	if (!node)
		return -ENODEV;
	found = of_nvmem_cell_get(node, "data");
	of_node_put(node);
	if (IS_ERR(found))
		return PTR_ERR(found);
	cell = found;

	return 0;
}
module_init(lab_nvmem_cell_init);

static void __exit lab_nvmem_cell_exit(void)
{
	nvmem_cell_put(cell);
}
module_exit(lab_nvmem_cell_exit);

MODULE_DESCRIPTION("Holds an NVMEM cell for the lab");
MODULE_LICENSE("GPL");
