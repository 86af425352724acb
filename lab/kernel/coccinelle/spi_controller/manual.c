// The same acquisitions as in fires.c are right when remove unregisters the
// controller: devres comes after it. Nothing is marked, and the rule is silent.

static int window_create(struct spi_mem_dirmap_desc *desc)
{
	struct window *w = to_window(desc);

	w->base = devm_ioremap(w->dev, w->start, w->size);

	return 0;
}

static const struct spi_controller_mem_ops window_ops = {
	.dirmap_create = window_create,
};

static int buffer_setup(struct spi_device *spi)
{
	struct device *dev = spi->controller->dev.parent;

	spi_set_ctldata(spi, devm_kzalloc(dev, 4096, GFP_KERNEL));

	return 0;
}

static int manual_probe(struct platform_device *pdev)
{
	ctlr->setup = buffer_setup;
	ctlr->mem_ops = &window_ops;

	return spi_register_controller(ctlr);
}

static void manual_remove(struct platform_device *pdev)
{
	spi_unregister_controller(ctlr);
	clk_disable_unprepare(clk);
}

static struct platform_driver manual_driver = {
	.probe = manual_probe,
	.remove = manual_remove,
};
