// SPDX-License-Identifier: GPL-2.0-only
/// Find what is given back before a SPI controller is unregistered
///
/// spi_unregister_controller() waits for operations that run, and refuses new
/// ones. Until it has returned, a driver's callbacks need all that they use.
/// With devm_spi_register_controller() it is called by devres, which goes
/// backwards, and comes after the driver's remove callback.
///
//# What a callback uses cannot be seen here: a report may be about something
//# that none of them needs. Look at it. Functions that probe, remove and the
//# callbacks call are looked into, if they are in the same file, but not those
//# that these call in turn.
//
// Confidence: Moderate
// Options: --no-includes --include-headers

virtual context
virtual org
virtual report

@acquire@
identifier get = {devm_ioremap, devm_ioremap_resource, devm_ioremap_wc,
	devm_platform_ioremap_resource, devm_platform_ioremap_resource_byname,
	devm_platform_get_and_ioremap_resource, devm_of_iomap,
	devm_request_irq, devm_request_threaded_irq, devm_clk_get_enabled,
	devm_clk_get_prepared, devm_clk_get_optional_enabled,
	devm_clk_bulk_get_all_enabled, devm_regmap_init_mmio, devm_kzalloc,
	devm_kcalloc, devm_kmalloc, devm_kmalloc_array, devm_kmemdup,
	devm_kasprintf, devm_pm_runtime_enable, devm_add_action,
	devm_add_action_or_reset, devm_dma_request_chan,
	dmam_alloc_coherent, dmam_pool_create, devm_regulator_get_enable};
position p;
@@

get@p(...)

@release@
identifier put = {clk_disable, clk_unprepare, clk_disable_unprepare,
	clk_bulk_disable, clk_bulk_disable_unprepare, dma_release_channel,
	dmaengine_terminate_all, dmaengine_terminate_sync, free_irq, iounmap,
	reset_control_assert, regulator_disable, pm_runtime_disable,
	pm_runtime_force_suspend, mutex_destroy, kfree};
position p;
@@

put@p(...)

@managed@
@@

devm_spi_register_controller(...)

// 1. Managed, and acquired after the controller was registered, by the function
// that registers it, or by one that this calls then.

@late exists@
identifier probe;
identifier acquire.get;
position acquire.p;
position q;
@@

probe(...)
{
	...
	devm_spi_register_controller(...)
	... when any
*	get@p@q(...)
	... when any
}

@script:python depends on late && report@
p << late.q;
get << acquire.get;
@@

coccilib.report.print_report(p[0], "WARNING: %s() after devm_spi_register_controller(): released before the controller is unregistered" % get)

@script:python depends on late && org@
p << late.q;
get << acquire.get;
@@

coccilib.org.print_todo(p[0], "WARNING: %s() after devm_spi_register_controller(): released before the controller is unregistered" % get)

@then exists@
identifier probe, helper;
@@

probe(...)
{
	...
	devm_spi_register_controller(...)
	... when any
	helper(...)
	... when any
}

@later exists@
identifier then.helper;
identifier acquire.get;
position acquire.p;
position q;
@@

helper(...)
{
	<+...
*	get@p@q(...)
	...+>
}

@script:python depends on later && report@
p << later.q;
get << acquire.get;
@@

coccilib.report.print_report(p[0], "WARNING: %s() after devm_spi_register_controller(): released before the controller is unregistered" % get)

@script:python depends on later && org@
p << later.q;
get << acquire.get;
@@

coccilib.org.print_todo(p[0], "WARNING: %s() after devm_spi_register_controller(): released before the controller is unregistered" % get)

// 2. Managed by the controller's device, and acquired by a callback, which runs
// when a device is added or a flash is bound. That may be after the controller
// was registered.

@mapping depends on managed@
identifier o, create;
@@

struct spi_controller_mem_ops o = {
	.dirmap_create = create,
};

@bound exists@
identifier mapping.create;
identifier acquire.get;
position acquire.p;
position q;
@@

create(...)
{
	<+...
*	get@p@q(...)
	...+>
}

@script:python depends on bound && report@
p << bound.q;
get << acquire.get;
@@

coccilib.report.print_report(p[0], "WARNING: %s() when a flash is bound: may be released before the controller is unregistered" % get)

@script:python depends on bound && org@
p << bound.q;
get << acquire.get;
@@

coccilib.org.print_todo(p[0], "WARNING: %s() when a flash is bound: may be released before the controller is unregistered" % get)

@adding depends on managed@
expression ctlr;
identifier fn;
@@

ctlr->setup = fn;

@added exists@
identifier adding.fn;
identifier acquire.get;
position acquire.p;
position q;
@@

fn(...)
{
	<+...
*	get@p@q(...)
	...+>
}

@script:python depends on added && report@
p << added.q;
get << acquire.get;
@@

coccilib.report.print_report(p[0], "WARNING: %s() when a device is added: may be released before the controller is unregistered" % get)

@script:python depends on added && org@
p << added.q;
get << acquire.get;
@@

coccilib.org.print_todo(p[0], "WARNING: %s() when a device is added: may be released before the controller is unregistered" % get)

// 3. Given back by a remove callback that devres comes after.

@driver depends on managed@
identifier bus, d, out;
@@

struct bus d = {
	.remove = out,
};

@early exists@
identifier driver.out;
identifier release.put;
position release.p;
position q;
@@

out(...)
{
	<+...
*	put@p@q(...)
	...+>
}

@script:python depends on early && report@
p << early.q;
put << release.put;
@@

coccilib.report.print_report(p[0], "WARNING: %s() in remove, before devres unregisters the controller" % put)

@script:python depends on early && org@
p << early.q;
put << release.put;
@@

coccilib.org.print_todo(p[0], "WARNING: %s() in remove, before devres unregisters the controller" % put)

@leaving exists@
identifier driver.out;
identifier helper;
@@

out(...)
{
	<+...
	helper(...)
	...+>
}

@earlier exists@
identifier leaving.helper;
identifier release.put;
position release.p;
position q;
@@

helper(...)
{
	<+...
*	put@p@q(...)
	...+>
}

@script:python depends on earlier && report@
p << earlier.q;
put << release.put;
@@

coccilib.report.print_report(p[0], "WARNING: %s() in remove, before devres unregisters the controller" % put)

@script:python depends on earlier && org@
p << earlier.q;
put << release.put;
@@

coccilib.org.print_todo(p[0], "WARNING: %s() in remove, before devres unregisters the controller" % put)

// 4. Given back first, and the controller unregistered then.

@first exists@
identifier remove;
identifier release.put;
position release.p;
position q;
@@

remove(...)
{
	... when != \(spi_unregister_controller\|spi_bitbang_stop\)(...)
*	put@p@q(...)
	... when any
	\(spi_unregister_controller\|spi_bitbang_stop\)(...)
	... when any
}

@script:python depends on first && report@
p << first.q;
put << release.put;
@@

coccilib.report.print_report(p[0], "WARNING: %s() before spi_unregister_controller()" % put)

@script:python depends on first && org@
p << first.q;
put << release.put;
@@

coccilib.org.print_todo(p[0], "WARNING: %s() before spi_unregister_controller()" % put)

@before exists@
identifier remove, helper;
@@

remove(...)
{
	... when != \(spi_unregister_controller\|spi_bitbang_stop\)(...)
	helper(...)
	... when any
	\(spi_unregister_controller\|spi_bitbang_stop\)(...)
	... when any
}

@inside exists@
identifier before.helper;
identifier release.put;
position release.p;
position q;
@@

helper(...)
{
	<+...
*	put@p@q(...)
	...+>
}

@script:python depends on inside && report@
p << inside.q;
put << release.put;
@@

coccilib.report.print_report(p[0], "WARNING: %s() before spi_unregister_controller()" % put)

@script:python depends on inside && org@
p << inside.q;
put << release.put;
@@

coccilib.org.print_todo(p[0], "WARNING: %s() before spi_unregister_controller()" % put)
