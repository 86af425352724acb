// Examples on which scripts/coccinelle/free/mtd_device.cocci fires, once a mark.

static void first_remove(struct platform_device *pdev)
{
	struct first *first = platform_get_drvdata(pdev);

	clk_disable_unprepare(first->clk);				/* FIRES */
	WARN_ON(mtd_device_unregister(&first->mtd));
}

static void first_stop(struct first *first)
{
	if (first->chan)
		dma_release_channel(first->chan);			/* FIRES */
}

static void helped_remove(struct platform_device *pdev)
{
	struct first *first = platform_get_drvdata(pdev);

	first_stop(first);
	mtd_device_unregister(&first->mtd);
}

static void __exit loop_exit(void)
{
	struct mtd_info *mtd;

	while ((mtd = list)) {
		list = next(mtd);
		if (mtd->priv)
			iounmap(mtd->priv);				/* FIRES */
		mtd_device_unregister(mtd);
		kfree(mtd);
	}
}

static void chips_cleanup(struct second *second)
{
	struct chip *chip;
	int ret;

	list_for_each_entry(chip, &second->chips, node) {
		ret = mtd_device_unregister(nand_to_mtd(&chip->nand));
		WARN_ON(ret);
		nand_cleanup(&chip->nand);
	}
}

static void second_remove(struct platform_device *pdev)
{
	struct second *second = platform_get_drvdata(pdev);
	int i;

	for (i = 0; i < second->ncs; i++)
		gpiod_put(second->cs[i]);				/* FIRES */

	chips_cleanup(second);
}

static void second_stop(struct second *second)
{
	kfree(second->buf);						/* FIRES */
}

static void stopped_remove(struct platform_device *pdev)
{
	struct second *second = platform_get_drvdata(pdev);

	second_stop(second);
	chips_cleanup(second);
}

static int failing_probe(struct platform_device *pdev)
{
	int ret;

	ret = chips_init(second);
	if (ret)
		goto err;

	ret = later(second);
	if (ret)
		goto err;

	return 0;

err:
	bch_free(second->bch);						/* FIRES */
	chips_cleanup(second);
	return ret;
}

static void onenand_first_remove(struct platform_device *pdev)
{
	dma_release_channel(chan);					/* FIRES */
	onenand_release(&mtd);
}

static int kept_init(struct chip *chip)
{
	int ret;

	ret = nand_scan(&chip->nand, 1);
	if (ret)
		return ret;

	ret = mtd_device_parse_register(mtd, probes, NULL, NULL, 0);
	if (ret)
		goto err;

	if (chip->fixup) {
		ret = chip_fixup(chip);
		if (ret)
			goto err;
	}

	return 0;

err:
	nand_cleanup(&chip->nand);					/* FIRES */
	return ret;
}
