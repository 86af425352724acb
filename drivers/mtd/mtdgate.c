// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The gate of an MTD: what operations enter, and what unregistering drains
 *
 * Every operation on an MTD is a read-side critical section of an SRCU domain
 * that belongs to the master and is shared by its partitions. Unregistering the
 * master goes in phases:
 *
 * 1. dying: no new partitions and no new users, notifiers run. The gate is still
 *    open, because a user that is told to go may have to write back first.
 * 2. closed: operations are refused with -ENODEV, and those inside are waited
 *    for, holding none of partitions_lock, mtd_table_mutex and the locks of
 *    mtdchar, all of which an operation may take.
 * 3. gone: the devices are removed, and what file descriptors hold is given back.
 *
 * The gate is an object of its own because it has to outlive the mtd_info, which
 * often is memory of the driver: a file descriptor holds the gate, and finds it
 * closed for as long as it stays open, also if the same mtd_info is registered
 * again, with a new gate.
 */

#include <kunit/visibility.h>
#include <linux/ktime.h>
#include <linux/list.h>
#include <linux/mtd/mtd.h>
#include <linux/rcupdate.h>
#include <linux/rcupdate_wait.h>
#include <linux/slab.h>

#include "mtdcore.h"

#define CREATE_TRACE_POINTS
#include <trace/events/mtd.h>

/* How often unregistering says that it still waits; tests do not wait as long */
VISIBLE_IF_KUNIT unsigned int mtd_drain_report_ms = 10 * MSEC_PER_SEC;
EXPORT_SYMBOL_IF_KUNIT(mtd_drain_report_ms);

/* What an mtd_info points to instead of a gate, once it has been unregistered */
#define MTD_GATE_GONE	((struct mtd_gate *)ERR_PTR(-ENODEV))

static void mtd_gate_free(struct kref *kref)
{
	struct mtd_gate *gate = container_of(kref, struct mtd_gate, refcnt);

	cleanup_srcu_struct(&gate->srcu);
	mutex_destroy(&gate->chrdev_lock);
	kfree_const(gate->name);
	kfree(gate);
}

static void mtd_gate_put(struct mtd_gate *gate)
{
	kref_put(&gate->refcnt, mtd_gate_free);
}

/* Registering and unregistering one master is serialized by its driver. */
static struct mtd_gate *mtd_gate_of(struct mtd_info *master)
{
	struct mtd_gate *gate = rcu_dereference_protected(master->master.gate, true);

	return IS_ERR(gate) ? NULL : gate;
}

/**
 * mtd_gate_open() - give a master MTD a gate
 * @master: the MTD, which must not be a partition
 *
 * To be called before the first device of @master, or of one of its partitions,
 * is registered. Until then, operations are let in without a gate: partition
 * parsers and OTP set-up read while nobody can unregister.
 *
 * Context: may sleep.
 *
 * Return: 0 if @master has a new gate, -EEXIST if it has an open one already,
 * -ENOMEM.
 */
int mtd_gate_open(struct mtd_info *master)
{
	struct mtd_gate *gate;
	int ret;

	if (mtd_gate_of(master))
		return -EEXIST;

	gate = kzalloc_obj(*gate);
	if (!gate)
		return -ENOMEM;

	gate->name = kstrdup_const(master->name ?: "mtd", GFP_KERNEL);
	if (!gate->name) {
		kfree(gate);
		return -ENOMEM;
	}

	ret = init_srcu_struct(&gate->srcu);
	if (ret) {
		kfree_const(gate->name);
		kfree(gate);
		return ret;
	}

	kref_init(&gate->refcnt);
	mutex_init(&gate->chrdev_lock);
	INIT_LIST_HEAD(&gate->files);
	rcu_assign_pointer(master->master.gate, gate);

	return 0;
}

/**
 * mtd_gate_set_dying() - let nobody add a partition to a master any more
 * @master: the MTD
 *
 * Context: under partitions_lock, which makes it final: an addition that was
 * under way has ended, and its partition is on the list.
 */
void mtd_gate_set_dying(struct mtd_info *master)
{
	struct mtd_gate *gate = mtd_gate_of(master);

	lockdep_assert_held(&master->master.partitions_lock);
	if (gate)
		gate->dying = true;
}

/**
 * mtd_gate_is_dying() - may no partition be added to a master any more?
 * @master: the MTD
 *
 * Context: under partitions_lock.
 *
 * Return: true if @master is being unregistered, or has been.
 */
bool mtd_gate_is_dying(struct mtd_info *master)
{
	struct mtd_gate *gate;

	lockdep_assert_held(&master->master.partitions_lock);
	gate = rcu_dereference_protected(master->master.gate,
					 lockdep_is_held(&master->master.partitions_lock));

	return IS_ERR(gate) || (gate && gate->dying);
}

/*
 * This is synchronize_srcu(), but it says so if it takes long. It never gives up:
 * what the driver is about to release is in use.
 */
static void mtd_gate_drain(struct mtd_gate *gate)
{
	ktime_t start = ktime_get();
	struct rcu_synchronize rs;
	unsigned long ms = 0;

	/* call_srcu() does not check that we are not inside ourselves. */
	srcu_lock_sync(&gate->srcu.dep_map);

	trace_mtd_gate_drain_begin(gate->name);
	init_rcu_head_on_stack(&rs.head);
	init_completion(&rs.completion);
	call_srcu(&gate->srcu, &rs.head, wakeme_after_rcu);
	while (!wait_for_completion_timeout(&rs.completion,
					    msecs_to_jiffies(mtd_drain_report_ms))) {
		ms += mtd_drain_report_ms;
		pr_warn("mtd: unregistering %s has waited %lu s for operations to end\n",
			gate->name, ms / MSEC_PER_SEC);
	}
	destroy_rcu_head_on_stack(&rs.head);
	trace_mtd_gate_drain_end(gate->name, ktime_sub(ktime_get(), start));
}

/**
 * mtd_gate_close() - refuse operations, and wait for those that are running
 * @master: the MTD, unpublished with all its partitions
 *
 * The two grace periods are for two kinds of callers. One that comes by way of
 * @master finds the gate under rcu_read_lock() and enters it before it unlocks;
 * after synchronize_rcu() all of those are inside, or are turned away by the
 * replaced pointer. One that comes with a file descriptor has a reference to the
 * gate. For both, draining waits for whoever entered before it began, and whoever
 * enters later sees that the gate is closed.
 *
 * Context: may sleep, for as long as an operation takes. Called from inside an
 * operation of @master it would wait for itself. The caller holds none of the
 * locks that an operation may take.
 *
 * Return: the closed gate, for mtd_gate_release(), or NULL if there was none.
 */
struct mtd_gate *mtd_gate_close(struct mtd_info *master)
{
	struct mtd_gate *gate = mtd_gate_of(master);

	if (!gate)
		return NULL;

	trace_mtd_gate_close(gate->name);
	WRITE_ONCE(gate->closed, true);
	rcu_assign_pointer(master->master.gate, MTD_GATE_GONE);
	synchronize_rcu();
	mtd_gate_drain(gate);

	return gate;
}

/**
 * mtd_gate_shut() - refuse operations of an MTD that stays registered
 * @master: the MTD
 *
 * This waits for those that are running, as mtd_gate_close() does. The pointer to
 * the gate stays, so the flag alone refuses: whoever enters reads it when inside.
 *
 * Context: as for mtd_gate_close(), which may follow.
 */
void mtd_gate_shut(struct mtd_info *master)
{
	struct mtd_gate *gate = mtd_gate_of(master);

	if (!gate)
		return;

	trace_mtd_gate_close(gate->name);
	WRITE_ONCE(gate->closed, true);
	mtd_gate_drain(gate);
}

/**
 * mtd_gate_release() - give back what file descriptors hold, and the gate
 * @gate: the closed gate, or NULL
 *
 * A file descriptor may stay open for ever. It must not keep the driver's module,
 * or memory that the driver is about to free, for that long.
 *
 * Context: may sleep; takes mtd_table_mutex.
 */
void mtd_gate_release(struct mtd_gate *gate)
{
	struct mtd_file *file, *next;

	if (!gate)
		return;

	mutex_lock(&mtd_table_mutex);
	list_for_each_entry_safe(file, next, &gate->files, node) {
		list_del_init(&file->node);
		__put_mtd_device(file->mtd);
		file->mtd = NULL;
	}
	mutex_unlock(&mtd_table_mutex);

	mtd_gate_put(gate);
}

/**
 * mtd_gate_enter() - enter the gate of an MTD
 * @mtd: the MTD, a master or a partition
 *
 * Use it through CLASS(mtd_gate, ...), which also leaves the gate.
 *
 * Context: process context; may be nested, also with the gates of other MTDs.
 * Code that is inside may sleep, but does not touch user memory.
 *
 * Return: a guard whose err is 0, or -ENODEV if @mtd has been unregistered.
 */
struct mtd_gate_guard mtd_gate_enter(struct mtd_info *mtd)
{
	struct mtd_info *master = mtd_get_master(mtd);
	struct mtd_gate_guard guard = {};
	struct mtd_gate *gate;

	rcu_read_lock();
	gate = rcu_dereference(master->master.gate);
	if (IS_ERR(gate)) {
		guard.err = PTR_ERR(gate);
	} else if (gate) {
		guard.gate = gate;
		guard.idx = srcu_read_lock(&gate->srcu);
	}
	rcu_read_unlock();

	/* Pairs with who closes it: it waits for us, or we see its store. */
	if (guard.gate && (READ_ONCE(gate->closed) || READ_ONCE(mtd->part.gone))) {
		mtd_gate_leave(guard);
		guard.gate = NULL;
		guard.err = -ENODEV;
	}

	if (guard.err)
		trace_mtd_gate_refuse(mtd->name);

	return guard;
}
EXPORT_SYMBOL_IF_KUNIT(mtd_gate_enter);

/**
 * mtd_gate_leave() - leave the gate of an MTD
 * @guard: what mtd_gate_enter() returned
 */
void mtd_gate_leave(struct mtd_gate_guard guard)
{
	if (guard.gate)
		srcu_read_unlock(&guard.gate->srcu, guard.idx);
}
EXPORT_SYMBOL_IF_KUNIT(mtd_gate_leave);

/**
 * mtd_file_get() - find an MTD for a file descriptor
 * @file: what the file descriptor will hold
 * @num: number of the MTD
 *
 * Unlike get_mtd_device(), what this takes can be taken back by unregistering.
 *
 * Context: may sleep; takes mtd_table_mutex.
 *
 * Return: 0, -ENODEV if there is no such MTD, or what its driver returns.
 */
int mtd_file_get(struct mtd_file *file, int num)
{
	struct mtd_gate *gate;
	struct mtd_info *mtd;
	int ret;

	guard(mutex)(&mtd_table_mutex);

	mtd = __mtd_find_device(num);
	if (!mtd)
		return -ENODEV;

	/* It is published: under mtd_table_mutex it has a gate, and keeps it. */
	gate = mtd_gate_of(mtd_get_master(mtd));

	ret = __get_mtd_device(mtd);
	if (ret)
		return ret;

	kref_get(&gate->refcnt);
	file->gate = gate;
	file->mtd = mtd;
	list_add_tail(&file->node, &gate->files);

	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(mtd_file_get);

/**
 * mtd_file_put() - let go of what mtd_file_get() took
 * @file: what the file descriptor holds
 *
 * If the MTD has been unregistered, this touches the gate alone.
 *
 * Context: may sleep; takes mtd_table_mutex.
 */
void mtd_file_put(struct mtd_file *file)
{
	mutex_lock(&mtd_table_mutex);
	if (file->mtd) {
		list_del(&file->node);
		__put_mtd_device(file->mtd);
	}
	mutex_unlock(&mtd_table_mutex);

	mtd_gate_put(file->gate);
}
EXPORT_SYMBOL_IF_KUNIT(mtd_file_put);

/**
 * mtd_file_enter() - enter the gate that a file descriptor holds
 * @file: what the file descriptor holds
 *
 * The MTD of @file is only to be used inside. Use it through CLASS(mtd_file, ...),
 * which also leaves the gate.
 *
 * Context: as for mtd_gate_enter().
 *
 * Return: a guard whose err is 0, or -ENODEV if the MTD has been unregistered, or
 * if it is a partition that has been deleted.
 */
struct mtd_file_guard mtd_file_enter(struct mtd_file *file)
{
	struct mtd_file_guard guard = {
		.file = file,
		.gate.gate = file->gate,
		.gate.idx = srcu_read_lock(&file->gate->srcu),
	};

	/* As in mtd_gate_enter(). While it is open, the mtd stays. */
	if (!READ_ONCE(file->gate->closed) && !READ_ONCE(file->mtd->part.gone)) {
		guard.mtd = file->mtd;
		return guard;
	}

	trace_mtd_gate_refuse(file->gate->name);
	mtd_gate_leave(guard.gate);
	guard.gate.gate = NULL;
	guard.err = -ENODEV;

	return guard;
}
EXPORT_SYMBOL_IF_KUNIT(mtd_file_enter);

/**
 * mtd_is_gone() - are operations on an MTD refused?
 * @mtd: the MTD, a master or a partition
 *
 * For those who cannot enter the gate, or are inside and want to know whether
 * somebody waits for them: mtd_panic_write(), since in a panic nobody waits, and
 * drivers whose operation consists of many steps and may take long. When the
 * answer is yes, a driver may end its operation between two steps, with -ENODEV.
 *
 * No answer stays true by itself. It does not replace the gate.
 *
 * Context: any.
 *
 * Return: true if @mtd has been unregistered or is about to be, or is a partition
 * that was deleted; false before it is registered.
 */
bool mtd_is_gone(struct mtd_info *mtd)
{
	struct mtd_info *master = mtd_get_master(mtd);
	struct mtd_gate *gate;

	guard(rcu)();
	gate = rcu_dereference(master->master.gate);
	if (IS_ERR(gate))
		return true;

	return gate && (READ_ONCE(gate->closed) || READ_ONCE(mtd->part.gone));
}
EXPORT_SYMBOL_GPL(mtd_is_gone);
