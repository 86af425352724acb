// SPDX-License-Identifier: GPL-2.0

#include <linux/mtd/mtd.h>

__rust_helper void rust_helper_mtd_set_of_node(struct mtd_info *mtd,
					       struct device_node *np)
{
	mtd_set_of_node(mtd, np);
}
