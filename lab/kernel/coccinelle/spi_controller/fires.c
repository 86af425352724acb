// Examples on which scripts/coccinelle/free/spi_controller.cocci fires, once a mark.

static int late_probe(struct platform_device *pdev)
{
	struct device *dev = &pdev->dev;
	int ret;

	ret = devm_spi_register_controller(dev, ctlr);
	if (ret)
		return ret;

	return devm_request_irq(dev, irq, handler, 0, "late", dev);	/* FIRES */
}

static int dma_init(struct device *dev)
{
	buffer = dmam_alloc_coherent(dev, size, &addr, GFP_KERNEL);	/* FIRES */

	return buffer ? 0 : -ENOMEM;
}

static int later_probe(struct device *dev, struct spi_controller *ctlr)
{
	int ret;

	ret = devm_spi_register_controller(dev, ctlr);
	if (ret)
		return ret;

	if (has_dma)
		ret = dma_init(dev);

	return ret;
}

static int window_create(struct spi_mem_dirmap_desc *desc)
{
	struct window *w = to_window(desc);

	w->base = devm_ioremap(w->dev, w->start, w->size);		/* FIRES */

	return 0;
}

static const struct spi_controller_mem_ops window_ops = {
	.exec_op = window_exec,
	.dirmap_create = window_create,
};

static int buffer_setup(struct spi_device *spi)
{
	struct device *dev = spi->controller->dev.parent;

	spi_set_ctldata(spi, devm_kzalloc(dev, 4096, GFP_KERNEL));	/* FIRES */

	return 0;
}

static int early_probe(struct platform_device *pdev)
{
	ctlr->setup = buffer_setup;
	ctlr->mem_ops = &window_ops;

	return devm_spi_register_controller(&pdev->dev, ctlr);
}

static void early_remove(struct platform_device *pdev)
{
	clk_disable_unprepare(early->clk);				/* FIRES */
}

static struct platform_driver early_driver = {
	.probe = early_probe,
	.remove = early_remove,
};

static void earlier_stop(struct early *early)
{
	dma_release_channel(early->chan);				/* FIRES */
}

static void earlier_remove(struct pci_dev *pdev)
{
	earlier_stop(pci_get_drvdata(pdev));
}

static struct pci_driver earlier_driver = {
	.probe = earlier_probe,
	.remove = earlier_remove,
};

static void first_remove(struct platform_device *pdev)
{
	pm_runtime_disable(&pdev->dev);					/* FIRES */
	spi_unregister_controller(ctlr);
}

static void first_stop(struct first *first)
{
	if (first->irq)
		free_irq(first->irq, first);				/* FIRES */
}

static void bitbang_remove(struct platform_device *pdev)
{
	first_stop(platform_get_drvdata(pdev));
	spi_bitbang_stop(&bitbang);
}
