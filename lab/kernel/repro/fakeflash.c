// SPDX-License-Identifier: GPL-2.0-only
/* A flash in memory, as a platform device; for reproducing bugs of the MTD core. */
#include <linux/delay.h>
#include <linux/kmsg_dump.h>
#include <linux/module.h>
#include <linux/mtd/mtd.h>
#include <linux/of.h>
#include <linux/platform_device.h>
#include <linux/vmalloc.h>

#define SIZE (16 << 20)

static long fail_read = -1, fail_write = -1;
static int slow, twice;
module_param(fail_read, long, 0600);
module_param(fail_write, long, 0600);
module_param(slow, int, 0600);
module_param(twice, int, 0600);

static int oops_set(const char *val, const struct kernel_param *kp)
{
	kmsg_dump(KMSG_DUMP_OOPS);
	return 0;
}
static const struct kernel_param_ops oops_ops = { .set = oops_set };
module_param_cb(oops, &oops_ops, NULL, 0200);

struct fake {
	struct mtd_info mtd;
	u8 *mem;
};

static int fake_erase(struct mtd_info *mtd, struct erase_info *e)
{
	struct fake *f = mtd->priv;

	memset(f->mem + e->addr, 0xff, e->len);
	return 0;
}

static int fake_read(struct mtd_info *mtd, loff_t from, size_t len,
		     size_t *retlen, u_char *buf)
{
	struct fake *f = mtd->priv;
	size_t ok = len;

	if (fail_read >= 0 && from <= fail_read && from + len > fail_read)
		ok = fail_read - from;
	memcpy(buf, f->mem + from, ok);
	*retlen = ok;
	return ok == len ? 0 : -EIO;
}

static int fake_write(struct mtd_info *mtd, loff_t to, size_t len,
		      size_t *retlen, const u_char *buf)
{
	struct fake *f = mtd->priv;
	size_t ok = len;

	msleep(slow);
	if (fail_write >= 0 && to <= fail_write && to + len > fail_write)
		ok = fail_write - to;
	memcpy(f->mem + to, buf, ok);
	*retlen = ok;
	return ok == len ? 0 : -EIO;
}

static int fake_read_oob(struct mtd_info *mtd, loff_t from,
			 struct mtd_oob_ops *ops)
{
	return ops->datbuf ? fake_read(mtd, from, ops->len, &ops->retlen,
				       ops->datbuf) : -EIO;
}

static int fake_write_oob(struct mtd_info *mtd, loff_t to,
			  struct mtd_oob_ops *ops)
{
	return ops->datbuf ? fake_write(mtd, to, ops->len, &ops->retlen,
					ops->datbuf) : -EIO;
}

static int fake_otp_info(struct mtd_info *mtd, size_t len, size_t *retlen,
			 struct otp_info *info)
{
	memset(info, 0, sizeof(*info));
	info->length = 64;
	*retlen = sizeof(*info);
	return 0;
}

static int fake_otp_read(struct mtd_info *mtd, loff_t from, size_t len,
			 size_t *retlen, u_char *buf)
{
	memset(buf, 0x5a, len);
	*retlen = len;
	return 0;
}

static void fake_vfree(void *mem)
{
	vfree(mem);
}

static int fake_probe(struct platform_device *pdev)
{
	struct device *dev = &pdev->dev;
	struct mtd_info *mtd;
	struct fake *f;
	int ret;

	f = devm_kzalloc(dev, sizeof(*f), GFP_KERNEL);
	if (!f)
		return -ENOMEM;
	f->mem = vmalloc(SIZE);
	if (!f->mem)
		return -ENOMEM;
	memset(f->mem, 0xff, SIZE);
	ret = devm_add_action_or_reset(dev, fake_vfree, f->mem);
	if (ret)
		return ret;
	mtd = &f->mtd;
	mtd->priv = f;
	mtd->dev.parent = dev;
	mtd->name = of_node_full_name(dev->of_node);
	mtd_set_of_node(mtd, dev->of_node);
	mtd->type = MTD_NORFLASH;
	mtd->flags = MTD_CAP_NORFLASH;
	mtd->size = SIZE;
	mtd->erasesize = 65536;
	mtd->writesize = 1;
	mtd->writebufsize = 1;
	mtd->_erase = fake_erase;
	if (of_property_read_bool(dev->of_node, "oob")) {
		mtd->writesize = 512;
		mtd->oobsize = 16;
		mtd->_read_oob = fake_read_oob;
		mtd->_write_oob = fake_write_oob;
	} else {
		mtd->_read = fake_read;
		mtd->_write = fake_write;
	}
	if (of_property_read_bool(dev->of_node, "rom"))
		mtd->type = MTD_DATAFLASH;
	mtd->_get_user_prot_info = fake_otp_info;
	mtd->_read_user_prot_reg = fake_otp_read;
	platform_set_drvdata(pdev, f);
	return mtd_device_register(mtd, NULL, 0);
}

static void fake_remove(struct platform_device *pdev)
{
	struct fake *f = platform_get_drvdata(pdev);

	WARN_ON(mtd_device_unregister(&f->mtd));
	if (twice)
		WARN_ON(mtd_device_unregister(&f->mtd));
}

static const struct of_device_id fake_match[] = {
	{ .compatible = "test,fake-flash" },
	{ }
};

static struct platform_driver fake_driver = {
	.probe = fake_probe,
	.remove = fake_remove,
	.driver = {
		.name = "fakeflash",
		.of_match_table = fake_match,
	},
};
builtin_platform_driver(fake_driver);
