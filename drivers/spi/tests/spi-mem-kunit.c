// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of how SPI memory drivers are bound and unbound
 *
 * The driver data of a SPI memory's device belongs to its driver. The driver core
 * for Rust relies on that: after a failed probe, and after remove, it frees what it
 * finds there. These tests look there at the same moment.
 *
 * To run them: ./tools/testing/kunit/kunit.py run --kunitconfig drivers/spi
 */

#include <kunit/device.h>
#include <kunit/test.h>
#include <linux/module.h>

#include "spi-fake.h"

MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");

/* What the driver below saw, and what its probe is to return */
static struct {
	struct spi_mem *probed;
	struct spi_mem *removed;
	struct spi_mem *shut_down;
	void *drvdata_in_probe;
	void *drvdata_at_end;
	void *drvdata;
	int ret;
	bool ended;
} spi_mem_seen;

static int spi_mem_test_probe(struct spi_mem *mem)
{
	spi_mem_seen.probed = mem;
	spi_mem_seen.drvdata_in_probe = spi_get_drvdata(mem->spi);
	spi_set_drvdata(mem->spi, spi_mem_seen.drvdata);

	return spi_mem_seen.ret;
}

static void spi_mem_test_remove(struct spi_mem *mem)
{
	spi_mem_seen.removed = mem;
}

static void spi_mem_test_shutdown(struct spi_mem *mem)
{
	spi_mem_seen.shut_down = mem;
}

static void spi_mem_test_post_unbind(struct device *dev)
{
	spi_mem_seen.ended = true;
	spi_mem_seen.drvdata_at_end = dev_get_drvdata(dev);
}

static struct spi_mem_driver spi_mem_test_driver = {
	.spidrv = {
		.driver = {
			.name = "spi-fake",
			.p_cb.post_unbind_rust = spi_mem_test_post_unbind,
		},
	},
	.probe = spi_mem_test_probe,
	.remove = spi_mem_test_remove,
	.shutdown = spi_mem_test_shutdown,
};

static int spi_mem_test_init(struct kunit *test)
{
	memset(&spi_mem_seen, 0, sizeof(spi_mem_seen));

	return spi_mem_driver_register(&spi_mem_test_driver);
}

static void spi_mem_test_exit(struct kunit *test)
{
	spi_mem_driver_unregister(&spi_mem_test_driver);
}

static void spi_mem_probe_fails(struct kunit *test)
{
	struct spi_fake *fake = spi_fake_new(test, NULL);

	spi_mem_seen.ret = -EIO;
	KUNIT_ASSERT_EQ(test, 0, spi_fake_register(fake));

	KUNIT_ASSERT_NOT_NULL(test, spi_mem_seen.probed);
	KUNIT_EXPECT_NULL(test, fake->spi->dev.driver);
	KUNIT_EXPECT_NULL(test, spi_mem_seen.drvdata_in_probe);
	KUNIT_EXPECT_TRUE(test, spi_mem_seen.ended);
	KUNIT_EXPECT_NULL(test, spi_mem_seen.drvdata_at_end);
	KUNIT_EXPECT_NULL(test, spi_to_mem(fake->spi));
	KUNIT_EXPECT_NULL(test, spi_mem_seen.removed);
}

static void spi_mem_probe_fails_with_drvdata(struct kunit *test)
{
	struct spi_fake *fake = spi_fake_new(test, NULL);

	spi_mem_seen.ret = -EIO;
	spi_mem_seen.drvdata = test;
	KUNIT_ASSERT_EQ(test, 0, spi_fake_register(fake));

	KUNIT_EXPECT_TRUE(test, spi_mem_seen.ended);
	KUNIT_EXPECT_PTR_EQ(test, spi_mem_seen.drvdata_at_end, (void *)test);
	KUNIT_EXPECT_NULL(test, spi_to_mem(fake->spi));
}

/* Every callback gets the memory, whatever the driver keeps in its driver data. */
static void spi_mem_unbind(struct kunit *test)
{
	struct spi_fake *fake = spi_fake_new(test, NULL);
	struct device *dev = &fake->spi->dev;

	spi_mem_seen.drvdata = test;
	KUNIT_ASSERT_EQ(test, 0, spi_fake_register(fake));
	KUNIT_ASSERT_PTR_EQ(test, dev->driver, &spi_mem_test_driver.spidrv.driver);
	KUNIT_ASSERT_NOT_NULL(test, spi_mem_seen.probed);
	KUNIT_EXPECT_PTR_EQ(test, spi_to_mem(fake->spi), spi_mem_seen.probed);
	KUNIT_EXPECT_PTR_EQ(test, spi_mem_seen.probed->spi, fake->spi);

	device_lock(dev);
	dev->bus->shutdown(dev);
	device_unlock(dev);
	KUNIT_EXPECT_PTR_EQ(test, spi_mem_seen.shut_down, spi_mem_seen.probed);

	device_release_driver(dev);
	KUNIT_EXPECT_PTR_EQ(test, spi_mem_seen.removed, spi_mem_seen.probed);
	KUNIT_EXPECT_TRUE(test, spi_mem_seen.ended);
	KUNIT_EXPECT_PTR_EQ(test, spi_mem_seen.drvdata_at_end, (void *)test);
	KUNIT_EXPECT_NULL(test, spi_to_mem(fake->spi));

	/* And again: nothing is left of the first time. */
	memset(&spi_mem_seen, 0, sizeof(spi_mem_seen));
	KUNIT_EXPECT_EQ(test, 1, device_attach(dev));
	KUNIT_ASSERT_NOT_NULL(test, spi_mem_seen.probed);
	KUNIT_EXPECT_NULL(test, spi_mem_seen.drvdata_in_probe);
	KUNIT_EXPECT_PTR_EQ(test, spi_to_mem(fake->spi), spi_mem_seen.probed);
}

static struct kunit_case spi_mem_cases[] = {
	KUNIT_CASE(spi_mem_probe_fails),
	KUNIT_CASE(spi_mem_probe_fails_with_drvdata),
	KUNIT_CASE(spi_mem_unbind),
	{}
};

static struct kunit_suite spi_mem_suite = {
	.name = "spi_mem",
	.init = spi_mem_test_init,
	.exit = spi_mem_test_exit,
	.test_cases = spi_mem_cases,
};

kunit_test_suite(spi_mem_suite);

MODULE_DESCRIPTION("KUnit tests for SPI memory drivers");
MODULE_LICENSE("GPL");
