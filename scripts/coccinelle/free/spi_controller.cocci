// SPDX-License-Identifier: GPL-2.0-only
/// Find what is given back before a SPI controller is unregistered
///
/// spi_unregister_controller() waits for operations that run, and refuses new
/// ones. Until it has returned, a driver's callbacks need all that they use.
/// With devm_spi_register_controller() it is called by devres, which goes
/// backwards, and comes after the driver's remove callback.
///
//# What a callback uses cannot be seen here: a report may be about something
//# that none of them needs. Look at it.
//
// Confidence: Moderate
// Options: --no-includes --include-headers

virtual org
virtual report

// 1. Managed, and acquired after the controller was registered.

@late exists@
identifier probe;
identifier get = {devm_ioremap, devm_ioremap_resource, devm_ioremap_wc,
	devm_platform_ioremap_resource, devm_platform_ioremap_resource_byname,
	devm_platform_get_and_ioremap_resource, devm_of_iomap,
	devm_request_irq, devm_request_threaded_irq, devm_clk_get_enabled,
	devm_clk_get_prepared, devm_clk_get_optional_enabled,
	devm_clk_bulk_get_all_enabled, devm_regmap_init_mmio, devm_kzalloc,
	devm_kcalloc, devm_kmalloc, devm_pm_runtime_enable,
	devm_add_action, devm_add_action_or_reset, devm_dma_request_chan,
	dmam_alloc_coherent, devm_regulator_get_enable};
position p;
@@

probe(...)
{
	...
	devm_spi_register_controller(...)
	... when any
	get@p(...)
	... when any
}

@script:python depends on late && report@
p << late.p;
get << late.get;
@@

coccilib.report.print_report(p[0], "WARNING: %s() after devm_spi_register_controller(): released before the controller is unregistered" % get)

@script:python depends on late && org@
p << late.p;
get << late.get;
@@

coccilib.org.print_todo(p[0], "WARNING: %s() after devm_spi_register_controller()" % get)

// 2. Managed by the controller's device, and acquired by a callback, which runs
// when a flash is bound. That may be after the controller was registered.

@ops@
identifier o, create;
@@

struct spi_controller_mem_ops o = {
	.dirmap_create = create,
};

@callback exists@
identifier ops.create;
identifier get = {devm_ioremap, devm_ioremap_resource, devm_ioremap_wc,
	devm_platform_ioremap_resource, devm_platform_ioremap_resource_byname,
	devm_platform_get_and_ioremap_resource, devm_of_iomap,
	devm_request_irq, devm_request_threaded_irq, devm_clk_get_enabled,
	devm_clk_get_prepared, devm_clk_get_optional_enabled,
	devm_clk_bulk_get_all_enabled, devm_regmap_init_mmio, devm_kzalloc,
	devm_kcalloc, devm_kmalloc, devm_pm_runtime_enable,
	devm_add_action, devm_add_action_or_reset, devm_dma_request_chan,
	dmam_alloc_coherent, devm_regulator_get_enable};
position p;
@@

create(...)
{
	<+...
	get@p(...)
	...+>
}

@script:python depends on callback && report@
p << callback.p;
get << callback.get;
@@

coccilib.report.print_report(p[0], "WARNING: %s() when a flash is bound: may be released before the controller is unregistered" % get)

@script:python depends on callback && org@
p << callback.p;
get << callback.get;
@@

coccilib.org.print_todo(p[0], "WARNING: %s() when a flash is bound" % get)

// 3. Given back by a remove callback that devres comes after.

@driver@
identifier d, in, out;
@@

struct platform_driver d = {
	.probe = in,
	.remove = out,
};

@managed@
identifier driver.in;
@@

in(...)
{
	<+...
	devm_spi_register_controller(...)
	...+>
}

@early depends on managed@
identifier driver.out;
identifier put = {clk_disable, clk_unprepare, clk_disable_unprepare,
	clk_bulk_disable, clk_bulk_disable_unprepare, dma_release_channel,
	dmaengine_terminate_all, dmaengine_terminate_sync, free_irq, iounmap,
	reset_control_assert, regulator_disable, pm_runtime_disable,
	pm_runtime_force_suspend, mutex_destroy, kfree};
position p;
@@

out(...)
{
	<+...
	put@p(...)
	...+>
}

@script:python depends on early && report@
p << early.p;
put << early.put;
@@

coccilib.report.print_report(p[0], "WARNING: %s() in remove, before devres unregisters the controller" % put)

@script:python depends on early && org@
p << early.p;
put << early.put;
@@

coccilib.org.print_todo(p[0], "WARNING: %s() in remove, before devres unregisters the controller" % put)

// 4. Given back first, and the controller unregistered then.

@first exists@
identifier remove;
identifier put = {clk_disable, clk_unprepare, clk_disable_unprepare,
	clk_bulk_disable, clk_bulk_disable_unprepare, dma_release_channel,
	dmaengine_terminate_all, dmaengine_terminate_sync, free_irq, iounmap,
	reset_control_assert, regulator_disable, pm_runtime_disable,
	pm_runtime_force_suspend, mutex_destroy};
position p;
@@

remove(...)
{
	... when != spi_unregister_controller(...)
	put@p(...)
	... when any
	spi_unregister_controller(...)
	... when any
}

@script:python depends on first && report@
p << first.p;
put << first.put;
@@

coccilib.report.print_report(p[0], "WARNING: %s() before spi_unregister_controller()" % put)

@script:python depends on first && org@
p << first.p;
put << first.put;
@@

coccilib.org.print_todo(p[0], "WARNING: %s() before spi_unregister_controller()" % put)
