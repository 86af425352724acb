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

static int early_probe(struct platform_device *pdev)
{
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

static void first_remove(struct platform_device *pdev)
{
	pm_runtime_disable(&pdev->dev);					/* FIRES */
	spi_unregister_controller(ctlr);
}
