// SPDX-License-Identifier: GPL-2.0-only
/// Find what is given back before an MTD is unregistered
///
/// Users read and write an MTD until mtd_device_unregister() has returned,
/// which is also when mtdblock writes back what it has cached. Until then, a
/// driver's callbacks need all that they use. The same holds when probe fails
/// after an MTD was registered: it has to be unregistered, and first.
///
//# What a callback uses cannot be seen here: a report may be about something
//# that none of them needs. Look at it. Functions that are called in between
//# are looked into, if they are in the same file, but not those that these
//# call in turn.
//
// Confidence: Moderate
// Options: --no-includes --include-headers

virtual context
virtual org
virtual report

@release@
identifier put = {bch_free, clk_bulk_disable_unprepare, clk_disable,
	clk_disable_unprepare, clk_put, clk_unprepare, destroy_workqueue,
	dma_free_coherent, dma_pool_destroy, dma_release_channel,
	dma_unmap_resource, dma_unmap_single, dmaengine_terminate_all,
	dmaengine_terminate_sync, free_irq, free_rs, gen_pool_free, gpiod_put,
	ingenic_ecc_release, iounmap, kfree, kvfree, map_destroy, memunmap,
	mtd_concat_destroy, mtk_ecc_release, mutex_destroy, nand_cleanup,
	of_iounmap, pci_disable_device, pci_iounmap, pm_runtime_disable,
	pm_runtime_force_suspend, pm_runtime_put_sync_suspend,
	rawnand_sw_bch_cleanup, regulator_disable, reset_control_assert, vfree};
position p;
@@

put@p(...)

// Functions of this file that unregister.

@unregistering exists@
identifier gone;
@@

gone(...)
{
	... when any
	\(mtd_device_unregister\|onenand_release\|hyperbus_unregister_device\)(...)
	... when any
}

// 1. Given back first, and the MTD unregistered then.

@first exists@
identifier remove;
identifier release.put;
position release.p;
position q;
@@

remove(...)
{
	... when != \(mtd_device_unregister\|onenand_release\|hyperbus_unregister_device\)(...)
*	put@p@q(...)
	... when any
	\(mtd_device_unregister\|onenand_release\|hyperbus_unregister_device\)(...)
	... when any
}

@script:python depends on first && report@
p << first.q;
put << release.put;
@@

coccilib.report.print_report(p[0], "WARNING: %s() before mtd_device_unregister()" % put)

@script:python depends on first && org@
p << first.q;
put << release.put;
@@

coccilib.org.print_todo(p[0], "WARNING: %s() before mtd_device_unregister()" % put)

@before exists@
identifier remove, helper;
@@

remove(...)
{
	... when != \(mtd_device_unregister\|onenand_release\|hyperbus_unregister_device\)(...)
	helper(...);
	... when any
	\(mtd_device_unregister\|onenand_release\|hyperbus_unregister_device\)(...)
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
	... when != \(mtd_device_unregister\|onenand_release\|hyperbus_unregister_device\)(...)
*	put@p@q(...)
	... when any
}

@script:python depends on inside && report@
p << inside.q;
put << release.put;
@@

coccilib.report.print_report(p[0], "WARNING: %s() before mtd_device_unregister()" % put)

@script:python depends on inside && org@
p << inside.q;
put << release.put;
@@

coccilib.org.print_todo(p[0], "WARNING: %s() before mtd_device_unregister()" % put)

// 2. The same, where a function of its own unregisters.

@second exists@
identifier remove;
identifier unregistering.gone;
identifier release.put;
position release.p;
position q;
@@

remove(...)
{
	... when != mtd_device_unregister(...)
	    when != gone(...)
*	put@p@q(...)
	... when any
	gone(...)
	... when any
}

@script:python depends on second && report@
p << second.q;
put << release.put;
gone << unregistering.gone;
@@

coccilib.report.print_report(p[0], "WARNING: %s() before %s() unregisters the MTD" % (put, gone))

@script:python depends on second && org@
p << second.q;
put << release.put;
gone << unregistering.gone;
@@

coccilib.org.print_todo(p[0], "WARNING: %s() before %s() unregisters the MTD" % (put, gone))

@ahead exists@
identifier remove, helper;
identifier unregistering.gone;
@@

remove(...)
{
	... when != mtd_device_unregister(...)
	    when != gone(...)
	helper(...);
	... when any
	gone(...)
	... when any
}

@within exists@
identifier ahead.helper;
identifier release.put;
identifier unregistering.gone;
position release.p;
position q;
@@

helper(...)
{
	... when != mtd_device_unregister(...)
	    when != gone(...)
*	put@p@q(...)
	... when any
}

@script:python depends on within && report@
p << within.q;
put << release.put;
gone << unregistering.gone;
@@

coccilib.report.print_report(p[0], "WARNING: %s() before %s() unregisters the MTD" % (put, gone))

@script:python depends on within && org@
p << within.q;
put << release.put;
gone << unregistering.gone;
@@

coccilib.org.print_todo(p[0], "WARNING: %s() before %s() unregisters the MTD" % (put, gone))

// 3. Registered, and given up without unregistering.

@kept exists@
expression ret;
statement S;
position q;
identifier up = {nand_cleanup, map_destroy};
@@

	ret = \(mtd_device_register\|mtd_device_parse_register\)(...);
	if (\(ret\|ret < 0\)) S
	... when any
	    when != mtd_device_unregister(...)
*	up@q(...);

@script:python depends on kept && report@
p << kept.q;
up << kept.up;
@@

coccilib.report.print_report(p[0], "WARNING: %s() of an MTD that is registered" % up)

@script:python depends on kept && org@
p << kept.q;
up << kept.up;
@@

coccilib.org.print_todo(p[0], "WARNING: %s() of an MTD that is registered" % up)
