// Examples on which scripts/coccinelle/free/mtd_device.cocci stays silent.

static void good_stop(struct good *good)
{
	dma_release_channel(good->chan);
	clk_disable_unprepare(good->clk);
}

static void good_remove(struct platform_device *pdev)
{
	struct good *good = platform_get_drvdata(pdev);

	dev_dbg(&pdev->dev, "bye\n");
	WARN_ON(mtd_device_unregister(&good->mtd));
	nand_cleanup(&good->chip);
	free_irq(good->irq, good);
	good_stop(good);
	kfree(good->buf);
}

static void chips_cleanup(struct second *second)
{
	struct chip *chip;
	int ret;

	list_for_each_entry(chip, &second->chips, node) {
		ret = mtd_device_unregister(nand_to_mtd(&chip->nand));
		WARN_ON(ret);
		nand_cleanup(&chip->nand);
		kfree(chip->name);
	}
}

static int chip_init(struct second *second, struct chip *chip)
{
	int ret;

	ret = nand_scan(&chip->nand, 1);
	if (ret)
		return ret;

	ret = mtd_device_register(nand_to_mtd(&chip->nand), NULL, 0);
	if (ret) {
		nand_cleanup(&chip->nand);
		return ret;
	}

	list_add_tail(&chip->node, &second->chips);

	return 0;
}

static int second_probe(struct platform_device *pdev)
{
	int ret;

	for_each_child_of_node_scoped(pdev->dev.of_node, np) {
		ret = chip_init(second, to_chip(np));
		if (ret)
			goto err;
	}

	return 0;

err:
	chips_cleanup(second);
	clk_disable_unprepare(second->clk);
	return ret;
}

static void second_remove(struct platform_device *pdev)
{
	chips_cleanup(second);
	ingenic_ecc_release(second->ecc);
	reset_control_assert(second->rst);
}

static int given_up_init(struct chip *chip)
{
	int ret;

	ret = mtd_device_register(mtd, parts, nr_parts);
	if (ret)
		goto err_cleanup;

	ret = chip_fixup(chip);
	if (ret)
		goto err_unregister;

	return 0;

err_unregister:
	mtd_device_unregister(mtd);
err_cleanup:
	nand_cleanup(&chip->nand);
	return ret;
}
