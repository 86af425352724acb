// SPDX-License-Identifier: GPL-2.0-only
/*
 * An MTD without hardware, for KUnit tests of the MTD core
 */

#include <kunit/device.h>
#include <kunit/test.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/mtd/partitions.h>
#include <linux/random.h>
#include <linux/sched/task.h>
#include <linux/slab.h>

#include "mtd-fake.h"

/*
 * What all callbacks begin with. The memory of struct mtd_fake outlives the
 * mtd_info, so that a call that comes too late is counted. With KASAN it is
 * also reported, by the caller at the latest, who uses the mtd_info.
 */
static int mtd_fake_called(struct mtd_info *mtd, unsigned int call)
{
	struct mtd_fake *fake = mtd->priv;
	int ret = 0;

	atomic_inc(&fake->calls[call]);
	atomic_inc(&fake->running);
	if (!READ_ONCE(fake->live))
		atomic_inc(&fake->late);

	if (READ_ONCE(fake->releases) == call)
		complete(&fake->release);

	if (cmpxchg(&fake->block, call, -1) == call) {
		complete(&fake->entered);
		if (!wait_for_completion_timeout(&fake->release,
						 MTD_FAKE_TIMEOUT))
			WRITE_ONCE(fake->timed_out, true);
		if (fake->inside)
			ret = fake->inside(fake);
	}

	if (fake->jitter) {
		u32 rnd = get_random_u32_below(100);

		if (rnd < 2)
			usleep_range(100, 200);
		else
			udelay(rnd / 10);
	}

	if (!READ_ONCE(fake->live))
		atomic_inc(&fake->late);
	atomic_dec(&fake->running);

	return fake->fail == call ? fake->error : ret;
}

/* A callback that does @_does, and the rest as all do */
#define CALLBACK(_cb, _does, ...)					\
static int mtd_fake_do##_cb(struct mtd_info *mtd, __VA_ARGS__)		\
{									\
	_does;								\
	return mtd_fake_called(mtd, MTD_FAKE_NR(_cb));			\
}

CALLBACK(_erase, (void)0, struct erase_info *instr)
CALLBACK(_point, *retlen = len, loff_t from, size_t len, size_t *retlen,
	 void **virt, resource_size_t *phys)
CALLBACK(_unpoint, (void)0, loff_t from, size_t len)
CALLBACK(_read, (*retlen = len, mtd->ecc_stats.corrected++), loff_t from,
	 size_t len, size_t *retlen, u_char *buf)
CALLBACK(_write, *retlen = len, loff_t to, size_t len, size_t *retlen,
	 const u_char *buf)
CALLBACK(_panic_write, *retlen = len, loff_t to, size_t len, size_t *retlen,
	 const u_char *buf)
CALLBACK(_read_oob, ops->retlen = ops->len, loff_t from,
	 struct mtd_oob_ops *ops)
CALLBACK(_write_oob, ops->retlen = ops->len, loff_t to,
	 struct mtd_oob_ops *ops)
CALLBACK(_read_fact_prot_reg, *retlen = len, loff_t from, size_t len,
	 size_t *retlen, u_char *buf)
CALLBACK(_read_user_prot_reg, *retlen = len, loff_t from, size_t len,
	 size_t *retlen, u_char *buf)
CALLBACK(_write_user_prot_reg, *retlen = len, loff_t to, size_t len,
	 size_t *retlen, const u_char *buf)
CALLBACK(_lock_user_prot_reg, (void)0, loff_t from, size_t len)
CALLBACK(_erase_user_prot_reg, (void)0, loff_t from, size_t len)
CALLBACK(_writev, (void)0, const struct kvec *vecs, unsigned long count,
	 loff_t to, size_t *retlen)
CALLBACK(_lock, (void)0, loff_t ofs, uint64_t len)
CALLBACK(_unlock, (void)0, loff_t ofs, uint64_t len)
CALLBACK(_is_locked, (void)0, loff_t ofs, uint64_t len)
CALLBACK(_block_isreserved, (void)0, loff_t ofs)
CALLBACK(_block_isbad, (void)0, loff_t ofs)
CALLBACK(_block_markbad, mtd->ecc_stats.badblocks++, loff_t ofs)
CALLBACK(_max_bad_blocks, (void)0, loff_t ofs, size_t len)

static size_t mtd_fake_otp(struct mtd_info *mtd, struct otp_info *buf)
{
	struct mtd_fake *fake = mtd->priv;

	buf->start = 0;
	buf->length = fake->otp;

	return fake->otp ? sizeof(*buf) : 0;
}

CALLBACK(_get_fact_prot_info, *retlen = mtd_fake_otp(mtd, buf), size_t len,
	 size_t *retlen, struct otp_info *buf)
CALLBACK(_get_user_prot_info, *retlen = mtd_fake_otp(mtd, buf), size_t len,
	 size_t *retlen, struct otp_info *buf)

static void mtd_fake_do_sync(struct mtd_info *mtd)
{
	mtd_fake_called(mtd, MTD_FAKE_NR(_sync));
}

static int mtd_fake_do_suspend(struct mtd_info *mtd)
{
	return mtd_fake_called(mtd, MTD_FAKE_NR(_suspend));
}

static void mtd_fake_do_resume(struct mtd_info *mtd)
{
	mtd_fake_called(mtd, MTD_FAKE_NR(_resume));
}

static void mtd_fake_do_reboot(struct mtd_info *mtd)
{
}

static int mtd_fake_do_get_device(struct mtd_info *mtd)
{
	struct mtd_fake *fake = mtd->priv;

	if (fake->fail == MTD_FAKE_NR(_get_device))
		return fake->error;

	atomic_inc(&fake->gets);

	return 0;
}

static void mtd_fake_do_put_device(struct mtd_info *mtd)
{
	struct mtd_fake *fake = mtd->priv;

	atomic_inc(&fake->puts);
	if (!READ_ONCE(fake->live))
		atomic_inc(&fake->late);
}

static int mtd_fake_oob_ecc(struct mtd_info *mtd, int section,
			    struct mtd_oob_region *region)
{
	if (section)
		return -ERANGE;

	region->length = MTD_FAKE_LEN;

	return mtd_fake_called(mtd, MTD_FAKE_OOB_ECC);
}

static int mtd_fake_oob_free(struct mtd_info *mtd, int section,
			     struct mtd_oob_region *region)
{
	if (section)
		return -ERANGE;

	region->length = MTD_FAKE_LEN;

	return mtd_fake_called(mtd, MTD_FAKE_OOB_FREE);
}

static const struct mtd_ooblayout_ops mtd_fake_ooblayout = {
	.ecc = mtd_fake_oob_ecc,
	.free = mtd_fake_oob_free,
};

static int mtd_fake_pairing_info(struct mtd_info *mtd, int wunit,
				 struct mtd_pairing_info *info)
{
	return mtd_fake_called(mtd, MTD_FAKE_PAIRING_INFO);
}

static int mtd_fake_pairing_wunit(struct mtd_info *mtd,
				  const struct mtd_pairing_info *info)
{
	return mtd_fake_called(mtd, MTD_FAKE_PAIRING_WUNIT);
}

static const struct mtd_pairing_scheme mtd_fake_pairing = {
	.ngroups = 1,
	.get_info = mtd_fake_pairing_info,
	.get_wunit = mtd_fake_pairing_wunit,
};

/* The ways in */

struct mtd_fake_args {
	u8 buf[MTD_FAKE_LEN];
	u8 oob[MTD_FAKE_LEN];
	size_t len;
	int section;
	void *virt;
	struct mtd_oob_ops ops;
	struct erase_info erase;
	struct kvec vec;
	struct otp_info otp;
	struct mtd_oob_region region;
	struct mtd_pairing_info pairing;
};

#define RUN(_name, ...)							\
static int mtd_run_##_name(struct mtd_info *mtd)			\
{									\
	struct mtd_fake_args a = {					\
		.ops = { .datbuf = a.buf, .len = MTD_FAKE_LEN },	\
		.erase = { .len = MTD_FAKE_ERASESIZE },			\
		.vec = { .iov_base = a.buf, .iov_len = MTD_FAKE_LEN },	\
	};								\
									\
	return __VA_ARGS__;						\
}

RUN(read, mtd_read(mtd, 0, MTD_FAKE_LEN, &a.len, a.buf))
RUN(read_oob, mtd_read_oob(mtd, 0, &a.ops))
RUN(write, mtd_write(mtd, 0, MTD_FAKE_LEN, &a.len, a.buf))
RUN(write_oob, mtd_write_oob(mtd, 0, &a.ops))
RUN(writev, mtd_writev(mtd, &a.vec, 1, 0, &a.len))
RUN(panic_write, mtd_panic_write(mtd, 0, MTD_FAKE_LEN, &a.len, a.buf))
RUN(erase, mtd_erase(mtd, &a.erase))
RUN(point, mtd_point(mtd, 0, MTD_FAKE_LEN, &a.len, &a.virt, NULL))
RUN(unpoint, mtd_unpoint(mtd, 0, MTD_FAKE_LEN))
RUN(unmapped_area, (int)mtd_get_unmapped_area(mtd, MTD_FAKE_LEN, 0, 0))
RUN(sync, (mtd_sync(mtd), 0))
RUN(lock, mtd_lock(mtd, 0, MTD_FAKE_ERASESIZE))
RUN(unlock, mtd_unlock(mtd, 0, MTD_FAKE_ERASESIZE))
RUN(is_locked, mtd_is_locked(mtd, 0, MTD_FAKE_ERASESIZE))
RUN(isreserved, mtd_block_isreserved(mtd, 0))
RUN(isbad, mtd_block_isbad(mtd, 0))
RUN(markbad, mtd_block_markbad(mtd, 0))
RUN(max_bad, mtd_max_bad_blocks(mtd, 0, MTD_FAKE_ERASESIZE))
RUN(fact_info, mtd_get_fact_prot_info(mtd, sizeof(a.otp), &a.len, &a.otp))
RUN(fact_read, mtd_read_fact_prot_reg(mtd, 0, MTD_FAKE_LEN, &a.len, a.buf))
RUN(user_info, mtd_get_user_prot_info(mtd, sizeof(a.otp), &a.len, &a.otp))
RUN(user_read, mtd_read_user_prot_reg(mtd, 0, MTD_FAKE_LEN, &a.len, a.buf))
RUN(user_write, mtd_write_user_prot_reg(mtd, 0, MTD_FAKE_LEN, &a.len, a.buf))
RUN(user_lock, mtd_lock_user_prot_reg(mtd, 0, MTD_FAKE_LEN))
RUN(user_erase, mtd_erase_user_prot_reg(mtd, 0, MTD_FAKE_LEN))
RUN(pairing_info, mtd_wunit_to_pairing_info(mtd, 0, &a.pairing))
RUN(pairing_wunit, mtd_pairing_info_to_wunit(mtd, &a.pairing))
RUN(oob_ecc, mtd_ooblayout_ecc(mtd, 0, &a.region))
RUN(oob_free, mtd_ooblayout_free(mtd, 0, &a.region))
RUN(oob_find, mtd_ooblayout_find_eccregion(mtd, 0, &a.section, &a.region))
RUN(oob_get_ecc, mtd_ooblayout_get_eccbytes(mtd, a.buf, a.oob, 0, MTD_FAKE_LEN))
RUN(oob_set_ecc, mtd_ooblayout_set_eccbytes(mtd, a.buf, a.oob, 0, MTD_FAKE_LEN))
RUN(oob_get, mtd_ooblayout_get_databytes(mtd, a.buf, a.oob, 0, MTD_FAKE_LEN))
RUN(oob_set, mtd_ooblayout_set_databytes(mtd, a.buf, a.oob, 0, MTD_FAKE_LEN))
/* These enter twice, and are refused then */
RUN(oob_count_ecc, min(mtd_ooblayout_count_eccbytes(mtd), 0))
RUN(oob_count_free, min(mtd_ooblayout_count_freebytes(mtd), 0))
/* The core remembers whether it is suspended, and does not call again */
RUN(suspend, (mtd_resume(mtd), mtd_suspend(mtd)))
RUN(resume, (mtd_suspend(mtd), mtd_resume(mtd), 0))

#define ENTRY_(_run, _call, ...)					\
	{ .name = #_run, .run = mtd_run_##_run, .call = _call,		\
	  .refused = -ENODEV, __VA_ARGS__ }
#define ENTRY(_run, _cb, ...)	ENTRY_(_run, MTD_FAKE_NR(_cb), __VA_ARGS__)

const struct mtd_fake_entry mtd_fake_entries[] = {
	ENTRY(read, _read),
	ENTRY(read, _read_oob, .name = "read_by_oob", .oob = true),
	ENTRY(read_oob, _read),
	ENTRY(read_oob, _read_oob, .name = "read_oob_by_oob", .oob = true),
	ENTRY(write, _write),
	ENTRY(write, _write_oob, .name = "write_by_oob", .oob = true),
	ENTRY(write_oob, _write),
	ENTRY(write_oob, _write_oob, .name = "write_oob_by_oob", .oob = true),
	ENTRY(writev, _writev),
	ENTRY(writev, _write, .name = "writev_by_write", .no_writev = true),
	ENTRY(panic_write, _panic_write, .no_wait = true),
	ENTRY(erase, _erase),
	ENTRY(point, _point),
	ENTRY(unpoint, _unpoint),
	ENTRY(unmapped_area, _point),
	ENTRY(sync, _sync, .refused = 0),
	ENTRY(lock, _lock),
	ENTRY(unlock, _unlock),
	ENTRY(is_locked, _is_locked),
	ENTRY(isreserved, _block_isreserved),
	ENTRY(isbad, _block_isbad),
	ENTRY(markbad, _block_markbad),
	ENTRY(max_bad, _max_bad_blocks),
	ENTRY(fact_info, _get_fact_prot_info),
	ENTRY(fact_read, _read_fact_prot_reg),
	ENTRY(user_info, _get_user_prot_info),
	ENTRY(user_read, _read_user_prot_reg),
	ENTRY(user_write, _write_user_prot_reg),
	ENTRY(user_lock, _lock_user_prot_reg),
	ENTRY(user_erase, _erase_user_prot_reg),
	ENTRY_(pairing_info, MTD_FAKE_PAIRING_INFO),
	ENTRY_(pairing_wunit, MTD_FAKE_PAIRING_WUNIT),
	ENTRY_(oob_ecc, MTD_FAKE_OOB_ECC),
	ENTRY_(oob_free, MTD_FAKE_OOB_FREE),
	ENTRY_(oob_find, MTD_FAKE_OOB_ECC),
	ENTRY_(oob_get_ecc, MTD_FAKE_OOB_ECC),
	ENTRY_(oob_set_ecc, MTD_FAKE_OOB_ECC),
	ENTRY_(oob_get, MTD_FAKE_OOB_FREE),
	ENTRY_(oob_set, MTD_FAKE_OOB_FREE),
	ENTRY_(oob_count_ecc, MTD_FAKE_OOB_ECC, .waited = -ENODEV),
	ENTRY_(oob_count_free, MTD_FAKE_OOB_FREE, .waited = -ENODEV),
	ENTRY(suspend, _suspend, .refused = 0),
	ENTRY(resume, _resume, .refused = 0),
};

const unsigned int mtd_fake_nr_entries = ARRAY_SIZE(mtd_fake_entries);

const void *mtd_fake_gen_params(struct kunit *test, const void *prev,
				char *desc)
{
	const struct mtd_fake_entry *entry = prev;

	entry = entry ? entry + 1 : mtd_fake_entries;
	if (entry == mtd_fake_entries + ARRAY_SIZE(mtd_fake_entries))
		return NULL;

	strscpy(desc, entry->name, KUNIT_PARAM_DESC_SIZE);

	return entry;
}

int mtd_fake_run(struct mtd_fake *fake, struct mtd_info *mtd)
{
	return fake->entry->run(mtd);
}

int mtd_fake_read(struct mtd_fake *fake, struct mtd_info *mtd)
{
	return mtd_run_read(mtd);
}

int mtd_fake_lock(struct mtd_fake *fake, struct mtd_info *mtd)
{
	return mtd_run_lock(mtd);
}

/* Its life */

static void mtd_fake_init(struct mtd_fake *fake)
{
	struct mtd_info *mtd = fake->mtd;
	bool oob = fake->entry && fake->entry->oob;

	mtd->priv = fake;
	mtd->name = "fake";
	mtd->owner = THIS_MODULE;
	mtd->dev.parent = fake->parent;
	mtd->type = MTD_NORFLASH;
	mtd->flags = MTD_WRITEABLE;
	mtd->size = MTD_FAKE_SIZE;
	mtd->erasesize = MTD_FAKE_ERASESIZE;
	mtd->writesize = 1;
	mtd->_erase = mtd_fake_do_erase;
	mtd->_point = mtd_fake_do_point;
	mtd->_unpoint = mtd_fake_do_unpoint;
	mtd->_read = oob ? NULL : mtd_fake_do_read;
	mtd->_write = oob ? NULL : mtd_fake_do_write;
	mtd->_panic_write = mtd_fake_do_panic_write;
	mtd->_read_oob = oob ? mtd_fake_do_read_oob : NULL;
	mtd->_write_oob = oob ? mtd_fake_do_write_oob : NULL;
	mtd->_get_fact_prot_info = mtd_fake_do_get_fact_prot_info;
	mtd->_read_fact_prot_reg = mtd_fake_do_read_fact_prot_reg;
	mtd->_get_user_prot_info = mtd_fake_do_get_user_prot_info;
	mtd->_read_user_prot_reg = mtd_fake_do_read_user_prot_reg;
	mtd->_write_user_prot_reg = mtd_fake_do_write_user_prot_reg;
	mtd->_lock_user_prot_reg = mtd_fake_do_lock_user_prot_reg;
	mtd->_erase_user_prot_reg = mtd_fake_do_erase_user_prot_reg;
	if (!fake->entry || !fake->entry->no_writev)
		mtd->_writev = mtd_fake_do_writev;
	mtd->_sync = mtd_fake_do_sync;
	mtd->_lock = mtd_fake_do_lock;
	mtd->_unlock = mtd_fake_do_unlock;
	mtd->_is_locked = mtd_fake_do_is_locked;
	mtd->_block_isreserved = mtd_fake_do_block_isreserved;
	mtd->_block_isbad = mtd_fake_do_block_isbad;
	mtd->_block_markbad = mtd_fake_do_block_markbad;
	mtd->_max_bad_blocks = mtd_fake_do_max_bad_blocks;
	mtd->_suspend = mtd_fake_do_suspend;
	mtd->_resume = mtd_fake_do_resume;
	mtd->_reboot = mtd_fake_do_reboot;
	mtd->_get_device = mtd_fake_do_get_device;
	mtd->_put_device = mtd_fake_do_put_device;
	mtd_set_ooblayout(mtd, &mtd_fake_ooblayout);
	mtd_set_pairing_scheme(mtd, &mtd_fake_pairing);
}

static bool mtd_fake_end(struct mtd_fake_thread *thread)
{
	if (!thread->task)
		return true;
	if (!wait_for_completion_timeout(&thread->done, MTD_FAKE_TIMEOUT))
		return false;

	kthread_stop_put(thread->task);
	thread->task = NULL;

	return true;
}

static void mtd_fake_cleanup(void *data)
{
	struct mtd_fake *fake = data;
	unsigned int i;

	WRITE_ONCE(fake->stop, true);
	complete_all(&fake->release);
	for (i = 0; i < fake->nr_threads; i++) {
		if (!mtd_fake_end(&fake->threads[i])) {
			KUNIT_FAIL(fake->test, "a thread does not end; leaked");
			return;
		}
	}

	if (fake->registered)
		mtd_fake_unregister(fake, NULL);
	KUNIT_EXPECT_EQ(fake->test, 0, atomic_read(&fake->late));
	KUNIT_EXPECT_EQ(fake->test, 0, atomic_read(&fake->bad));
	KUNIT_EXPECT_FALSE(fake->test, fake->timed_out);
	kfree(fake->mtd);
	kfree(fake);
}

static void mtd_fake_alloc(struct mtd_fake *fake)
{
	fake->mtd = kzalloc_obj(*fake->mtd, GFP_KERNEL | __GFP_NOFAIL);
	mtd_fake_init(fake);
}

struct mtd_fake *mtd_fake_new(struct kunit *test,
			      const struct mtd_fake_entry *entry)
{
	struct device *parent = kunit_device_register(test, "mtd-fake");
	struct mtd_fake *fake;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, parent);

	/* Not the test's memory: callbacks that do not end may use it */
	fake = kzalloc_obj(*fake);
	KUNIT_ASSERT_NOT_NULL(test, fake);
	fake->test = test;
	fake->parent = parent;
	fake->entry = entry;
	fake->block = -1;
	fake->fail = -1;
	fake->releases = -1;
	/* Callbacks may be called before it is registered */
	fake->live = true;
	init_completion(&fake->entered);
	init_completion(&fake->release);
	mtd_fake_alloc(fake);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test,
							   mtd_fake_cleanup,
							   fake));

	return fake;
}

int mtd_fake_register(struct mtd_fake *fake, bool parts)
{
	static const struct mtd_partition ab[] = {
		{ .name = "fake-a", .size = MTD_FAKE_SIZE / 2 },
		{ .name = "fake-b", .size = MTD_FAKE_SIZE / 2,
		  .offset = MTD_FAKE_SIZE / 2 },
	};
	static const char * const none[] = { NULL };
	int ret;

	if (!fake->mtd)
		mtd_fake_alloc(fake);

	WRITE_ONCE(fake->live, true);
	ret = mtd_device_parse_register(fake->mtd, fake->types ?: none, NULL,
					parts ? ab : NULL,
					parts ? ARRAY_SIZE(ab) : 0);
	WRITE_ONCE(fake->live, !ret);
	WRITE_ONCE(fake->registered, !ret);

	return ret;
}

int mtd_fake_unregister(struct mtd_fake *fake, struct mtd_info *mtd)
{
	int ret;

	WRITE_ONCE(fake->registered, false);
	ret = mtd_device_unregister(fake->mtd);
	WRITE_ONCE(fake->live, false);
	/* If it has not waited that is seen, and other tests can run */
	if (!fake->keep && !atomic_read(&fake->running)) {
		kfree(fake->mtd);
		fake->mtd = NULL;
	}

	return ret;
}

static void mtd_fake_put_action(void *mtd)
{
	put_mtd_device(mtd);
}

struct mtd_info *mtd_fake_get(struct kunit *test, const char *name)
{
	struct mtd_info *mtd = get_mtd_device_nm(name);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, mtd);
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, mtd_fake_put_action,
						  mtd));

	return mtd;
}

void mtd_fake_put(struct kunit *test, struct mtd_info *mtd)
{
	kunit_release_action(test, mtd_fake_put_action, mtd);
}

static int mtd_fake_thread_fn(void *data)
{
	struct mtd_fake_thread *thread = data;

	thread->ret = thread->fn(thread->fake, thread->mtd);
	complete_all(&thread->done);

	return 0;
}

struct mtd_fake_thread *
mtd_fake_start(struct mtd_fake *fake,
	       int (*fn)(struct mtd_fake *fake, struct mtd_info *mtd),
	       struct mtd_info *mtd)
{
	struct mtd_fake_thread *thread = &fake->threads[fake->nr_threads];
	struct task_struct *task;

	KUNIT_ASSERT_LT(fake->test, fake->nr_threads,
			ARRAY_SIZE(fake->threads));

	thread->fake = fake;
	thread->fn = fn;
	thread->mtd = mtd;
	init_completion(&thread->done);
	task = kthread_create(mtd_fake_thread_fn, thread, "mtd-fake/%u",
			      fake->nr_threads);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(fake->test, task);

	thread->task = get_task_struct(task);
	fake->nr_threads++;
	wake_up_process(task);

	return thread;
}

struct mtd_fake_thread *
mtd_fake_start_op(struct mtd_fake *fake, unsigned int call,
		  int (*fn)(struct mtd_fake *fake, struct mtd_info *mtd),
		  struct mtd_info *mtd)
{
	struct mtd_fake_thread *thread;

	WRITE_ONCE(fake->block, call);
	thread = mtd_fake_start(fake, fn, mtd);
	KUNIT_ASSERT_NE_MSG(fake->test, 0,
			    wait_for_completion_timeout(&fake->entered,
							MTD_FAKE_TIMEOUT),
			    "the callback is not called");

	return thread;
}

struct mtd_fake_thread *mtd_fake_start_unregister(struct mtd_fake *fake)
{
	struct mtd_fake_thread *thread;

	thread = mtd_fake_start(fake, mtd_fake_unregister, NULL);
	KUNIT_EXPECT_EQ_MSG(fake->test, 0,
			    wait_for_completion_timeout(&thread->done,
							MTD_FAKE_MOMENT),
			    "unregistering does not wait");

	return thread;
}

int mtd_fake_join(struct mtd_fake *fake, struct mtd_fake_thread *thread)
{
	KUNIT_ASSERT_TRUE_MSG(fake->test, mtd_fake_end(thread),
			      "%ps does not end", thread->fn);

	return thread->ret;
}

void mtd_fake_finish(struct mtd_fake *fake, struct mtd_fake_thread *op,
		     int ret, struct mtd_fake_thread *unregister)
{
	complete(&fake->release);
	KUNIT_EXPECT_EQ(fake->test, ret, mtd_fake_join(fake, op));
	KUNIT_EXPECT_EQ(fake->test, 0, mtd_fake_join(fake, unregister));
	KUNIT_EXPECT_EQ(fake->test, atomic_read(&fake->gets),
			atomic_read(&fake->puts));
}

MODULE_DESCRIPTION("KUnit tests for unregistering MTDs");
MODULE_LICENSE("GPL");
