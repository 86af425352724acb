// Examples on which scripts/coccinelle/free/spi_controller.cocci stays silent.

static int good_resources(struct platform_device *pdev)
{
	struct device *dev = &pdev->dev;

	base = devm_platform_ioremap_resource(pdev, 0);
	buffer = devm_kzalloc(dev, 4096, GFP_KERNEL);

	return devm_request_irq(dev, irq, handler, 0, "good", dev);
}

static int good_setup(struct spi_device *spi)
{
	spi_set_ctldata(spi, kzalloc(4096, GFP_KERNEL));

	return 0;
}

static int good_probe(struct platform_device *pdev)
{
	struct device *dev = &pdev->dev;
	int ret;

	ret = good_resources(pdev);
	if (ret)
		return ret;

	ctlr->setup = good_setup;

	return devm_spi_register_controller(dev, ctlr);
}

static int good_create(struct spi_mem_dirmap_desc *desc)
{
	base = ioremap(start, size);

	return base ? 0 : -ENOMEM;
}

static const struct spi_controller_mem_ops good_ops = {
	.dirmap_create = good_create,
};

static void good_remove(struct platform_device *pdev)
{
	dev_dbg(&pdev->dev, "bye\n");
}

static struct platform_driver good_driver = {
	.probe = good_probe,
	.remove = good_remove,
};

static void manual_stop(struct manual *manual)
{
	free_irq(manual->irq, manual);
	iounmap(manual->base);
}

static void manual_remove(struct platform_device *pdev)
{
	pm_runtime_get_sync(&pdev->dev);
	spi_unregister_controller(ctlr);
	clk_disable_unprepare(clk);
	pm_runtime_disable(&pdev->dev);
	manual_stop(platform_get_drvdata(pdev));
}
