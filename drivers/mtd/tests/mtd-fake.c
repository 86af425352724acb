// SPDX-License-Identifier: GPL-2.0-only
/*
 * An MTD without hardware, for KUnit tests of the MTD core
 */

#include <kunit/device.h>
#include <kunit/test.h>
#include <kunit/visibility.h>
#include <linux/delay.h>
#include <linux/module.h>
#include <linux/mtd/partitions.h>
#include <linux/random.h>
#include <linux/sched/task.h>
#include <linux/slab.h>

#include "mtd-fake.h"

const struct mtd_partition mtd_fake_parts[MTD_FAKE_PARTS] = {
	{ .name = "mtd-fake-a", .size = MTD_FAKE_SIZE / 2, .offset = 0 },
	{ .name = "mtd-fake-b", .size = MTD_FAKE_SIZE / 2, .offset = MTD_FAKE_SIZE / 2 },
};
EXPORT_SYMBOL_IF_KUNIT(mtd_fake_parts);

/*
 * What all callbacks begin with. The memory of the test outlives the mtd_info, so
 * that a call that comes too late is counted. With KASAN it is also reported, by
 * the caller at the latest, who uses the mtd_info.
 */
static int mtd_fake_called(struct mtd_info *mtd, enum mtd_fake_call call)
{
	struct mtd_fake *fake = mtd->priv;
	int ret = 0;

	atomic_inc(&fake->calls[call]);
	if (READ_ONCE(fake->gone))
		atomic_inc(&fake->late);

	if (test_and_clear_bit(call, &fake->block)) {
		complete(&fake->entered);
		if (!wait_for_completion_timeout(&fake->release, MTD_FAKE_TIMEOUT))
			WRITE_ONCE(fake->timed_out, true);
		if (fake->inside)
			ret = fake->inside(fake, mtd);
	}

	if (fake->jitter) {
		u32 rnd = get_random_u32_below(100);

		if (rnd < 2)
			usleep_range(100, 200);
		else
			udelay(rnd / 10);
	}

	if (READ_ONCE(fake->gone))
		atomic_inc(&fake->late);

	return fake->fail & BIT(call) ? -EIO : ret;
}

static int mtd_fake_read(struct mtd_info *mtd, loff_t from, size_t len, size_t *retlen,
			 u_char *buf)
{
	*retlen = len;

	return mtd_fake_called(mtd, MTD_FAKE_READ);
}

static int mtd_fake_write(struct mtd_info *mtd, loff_t to, size_t len, size_t *retlen,
			  const u_char *buf)
{
	*retlen = len;

	return mtd_fake_called(mtd, MTD_FAKE_WRITE);
}

static int mtd_fake_panic_write(struct mtd_info *mtd, loff_t to, size_t len,
				size_t *retlen, const u_char *buf)
{
	*retlen = len;

	return mtd_fake_called(mtd, MTD_FAKE_PANIC_WRITE);
}

static int mtd_fake_read_oob(struct mtd_info *mtd, loff_t from, struct mtd_oob_ops *ops)
{
	ops->retlen = ops->len;

	return mtd_fake_called(mtd, MTD_FAKE_READ_OOB);
}

static int mtd_fake_write_oob(struct mtd_info *mtd, loff_t to, struct mtd_oob_ops *ops)
{
	ops->retlen = ops->len;

	return mtd_fake_called(mtd, MTD_FAKE_WRITE_OOB);
}

static int mtd_fake_writev(struct mtd_info *mtd, const struct kvec *vecs,
			   unsigned long count, loff_t to, size_t *retlen)
{
	return mtd_fake_called(mtd, MTD_FAKE_WRITEV);
}

static int mtd_fake_erase(struct mtd_info *mtd, struct erase_info *instr)
{
	return mtd_fake_called(mtd, MTD_FAKE_ERASE);
}

static int mtd_fake_point(struct mtd_info *mtd, loff_t from, size_t len, size_t *retlen,
			  void **virt, resource_size_t *phys)
{
	struct mtd_fake *fake = mtd->priv;

	*virt = fake->buf;
	*retlen = fake->entry && fake->entry->short_point ? len / 2 : len;

	return mtd_fake_called(mtd, MTD_FAKE_POINT);
}

static int mtd_fake_unpoint(struct mtd_info *mtd, loff_t from, size_t len)
{
	return mtd_fake_called(mtd, MTD_FAKE_UNPOINT);
}

static void mtd_fake_sync(struct mtd_info *mtd)
{
	mtd_fake_called(mtd, MTD_FAKE_SYNC);
}

static int mtd_fake_lock(struct mtd_info *mtd, loff_t ofs, uint64_t len)
{
	return mtd_fake_called(mtd, MTD_FAKE_LOCK);
}

static int mtd_fake_unlock(struct mtd_info *mtd, loff_t ofs, uint64_t len)
{
	return mtd_fake_called(mtd, MTD_FAKE_UNLOCK);
}

static int mtd_fake_is_locked(struct mtd_info *mtd, loff_t ofs, uint64_t len)
{
	return mtd_fake_called(mtd, MTD_FAKE_IS_LOCKED);
}

static int mtd_fake_block_isreserved(struct mtd_info *mtd, loff_t ofs)
{
	return mtd_fake_called(mtd, MTD_FAKE_ISRESERVED);
}

static int mtd_fake_block_isbad(struct mtd_info *mtd, loff_t ofs)
{
	return mtd_fake_called(mtd, MTD_FAKE_ISBAD);
}

static int mtd_fake_block_markbad(struct mtd_info *mtd, loff_t ofs)
{
	return mtd_fake_called(mtd, MTD_FAKE_MARKBAD);
}

static int mtd_fake_max_bad_blocks(struct mtd_info *mtd, loff_t ofs, size_t len)
{
	return mtd_fake_called(mtd, MTD_FAKE_MAX_BAD);
}

static int mtd_fake_get_fact_prot_info(struct mtd_info *mtd, size_t len, size_t *retlen,
				       struct otp_info *buf)
{
	/* No regions, so that registering does not read any. */
	*retlen = 0;

	return mtd_fake_called(mtd, MTD_FAKE_FACT_INFO);
}

static int mtd_fake_get_user_prot_info(struct mtd_info *mtd, size_t len, size_t *retlen,
				       struct otp_info *buf)
{
	*retlen = 0;

	return mtd_fake_called(mtd, MTD_FAKE_USER_INFO);
}

static int mtd_fake_read_fact_prot_reg(struct mtd_info *mtd, loff_t from, size_t len,
				       size_t *retlen, u_char *buf)
{
	*retlen = len;

	return mtd_fake_called(mtd, MTD_FAKE_FACT_READ);
}

static int mtd_fake_read_user_prot_reg(struct mtd_info *mtd, loff_t from, size_t len,
				       size_t *retlen, u_char *buf)
{
	*retlen = len;

	return mtd_fake_called(mtd, MTD_FAKE_USER_READ);
}

static int mtd_fake_write_user_prot_reg(struct mtd_info *mtd, loff_t to, size_t len,
					size_t *retlen, const u_char *buf)
{
	*retlen = len;

	return mtd_fake_called(mtd, MTD_FAKE_USER_WRITE);
}

static int mtd_fake_lock_user_prot_reg(struct mtd_info *mtd, loff_t from, size_t len)
{
	return mtd_fake_called(mtd, MTD_FAKE_USER_LOCK);
}

static int mtd_fake_erase_user_prot_reg(struct mtd_info *mtd, loff_t from, size_t len)
{
	return mtd_fake_called(mtd, MTD_FAKE_USER_ERASE);
}

static int mtd_fake_ooblayout_ecc(struct mtd_info *mtd, int section,
				  struct mtd_oob_region *oobecc)
{
	return mtd_fake_called(mtd, MTD_FAKE_OOB_ECC);
}

static int mtd_fake_ooblayout_free(struct mtd_info *mtd, int section,
				   struct mtd_oob_region *oobfree)
{
	return mtd_fake_called(mtd, MTD_FAKE_OOB_FREE);
}

static const struct mtd_ooblayout_ops mtd_fake_ooblayout = {
	.ecc = mtd_fake_ooblayout_ecc,
	.free = mtd_fake_ooblayout_free,
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

static int mtd_fake_suspend(struct mtd_info *mtd)
{
	return mtd_fake_called(mtd, MTD_FAKE_SUSPEND);
}

static void mtd_fake_resume(struct mtd_info *mtd)
{
	mtd_fake_called(mtd, MTD_FAKE_RESUME);
}

static int mtd_fake_get_device(struct mtd_info *mtd)
{
	struct mtd_fake *fake = mtd->priv;

	if (fake->get_error)
		return fake->get_error;

	atomic_inc(&fake->gets);

	return 0;
}

static void mtd_fake_put_device(struct mtd_info *mtd)
{
	struct mtd_fake *fake = mtd->priv;

	atomic_inc(&fake->puts);
}

/* The ways in */

int mtd_fake_run_read(struct mtd_fake *fake, struct mtd_info *mtd)
{
	size_t retlen;

	return mtd_read(mtd, 0, MTD_FAKE_LEN, &retlen, fake->buf);
}
EXPORT_SYMBOL_IF_KUNIT(mtd_fake_run_read);

static int mtd_fake_run_read_oob(struct mtd_fake *fake, struct mtd_info *mtd)
{
	struct mtd_oob_ops ops = { .datbuf = fake->buf, .len = MTD_FAKE_LEN };

	return mtd_read_oob(mtd, 0, &ops);
}

int mtd_fake_run_write(struct mtd_fake *fake, struct mtd_info *mtd)
{
	size_t retlen;

	return mtd_write(mtd, 0, MTD_FAKE_LEN, &retlen, fake->buf);
}
EXPORT_SYMBOL_IF_KUNIT(mtd_fake_run_write);

static int mtd_fake_run_write_oob(struct mtd_fake *fake, struct mtd_info *mtd)
{
	struct mtd_oob_ops ops = { .datbuf = fake->buf, .len = MTD_FAKE_LEN };

	return mtd_write_oob(mtd, 0, &ops);
}

static int mtd_fake_run_writev(struct mtd_fake *fake, struct mtd_info *mtd)
{
	struct kvec vec = { .iov_base = fake->buf, .iov_len = MTD_FAKE_LEN };
	size_t retlen;

	return mtd_writev(mtd, &vec, 1, 0, &retlen);
}

static int mtd_fake_run_panic_write(struct mtd_fake *fake, struct mtd_info *mtd)
{
	size_t retlen;

	return mtd_panic_write(mtd, 0, MTD_FAKE_LEN, &retlen, fake->buf);
}

int mtd_fake_run_erase(struct mtd_fake *fake, struct mtd_info *mtd)
{
	struct erase_info instr = { .addr = 0, .len = MTD_FAKE_ERASESIZE };

	return mtd_erase(mtd, &instr);
}
EXPORT_SYMBOL_IF_KUNIT(mtd_fake_run_erase);

static int mtd_fake_run_point(struct mtd_fake *fake, struct mtd_info *mtd)
{
	size_t retlen;
	void *virt;

	return mtd_point(mtd, 0, MTD_FAKE_LEN, &retlen, &virt, NULL);
}

static int mtd_fake_run_unpoint(struct mtd_fake *fake, struct mtd_info *mtd)
{
	return mtd_unpoint(mtd, 0, MTD_FAKE_LEN);
}

static int mtd_fake_run_sync(struct mtd_fake *fake, struct mtd_info *mtd)
{
	mtd_sync(mtd);

	return 0;
}

static int mtd_fake_run_lock(struct mtd_fake *fake, struct mtd_info *mtd)
{
	return mtd_lock(mtd, 0, MTD_FAKE_ERASESIZE);
}

static int mtd_fake_run_unlock(struct mtd_fake *fake, struct mtd_info *mtd)
{
	return mtd_unlock(mtd, 0, MTD_FAKE_ERASESIZE);
}

static int mtd_fake_run_is_locked(struct mtd_fake *fake, struct mtd_info *mtd)
{
	return mtd_is_locked(mtd, 0, MTD_FAKE_ERASESIZE);
}

static int mtd_fake_run_isreserved(struct mtd_fake *fake, struct mtd_info *mtd)
{
	return mtd_block_isreserved(mtd, 0);
}

static int mtd_fake_run_isbad(struct mtd_fake *fake, struct mtd_info *mtd)
{
	return mtd_block_isbad(mtd, 0);
}

static int mtd_fake_run_markbad(struct mtd_fake *fake, struct mtd_info *mtd)
{
	return mtd_block_markbad(mtd, 0);
}

static int mtd_fake_run_max_bad(struct mtd_fake *fake, struct mtd_info *mtd)
{
	return mtd_max_bad_blocks(mtd, 0, MTD_FAKE_ERASESIZE);
}

static int mtd_fake_run_fact_info(struct mtd_fake *fake, struct mtd_info *mtd)
{
	struct otp_info info;
	size_t retlen;

	return mtd_get_fact_prot_info(mtd, sizeof(info), &retlen, &info);
}

static int mtd_fake_run_fact_read(struct mtd_fake *fake, struct mtd_info *mtd)
{
	size_t retlen;

	return mtd_read_fact_prot_reg(mtd, 0, MTD_FAKE_LEN, &retlen, fake->buf);
}

static int mtd_fake_run_user_info(struct mtd_fake *fake, struct mtd_info *mtd)
{
	struct otp_info info;
	size_t retlen;

	return mtd_get_user_prot_info(mtd, sizeof(info), &retlen, &info);
}

static int mtd_fake_run_user_read(struct mtd_fake *fake, struct mtd_info *mtd)
{
	size_t retlen;

	return mtd_read_user_prot_reg(mtd, 0, MTD_FAKE_LEN, &retlen, fake->buf);
}

static int mtd_fake_run_user_write(struct mtd_fake *fake, struct mtd_info *mtd)
{
	size_t retlen;

	return mtd_write_user_prot_reg(mtd, 0, MTD_FAKE_LEN, &retlen, fake->buf);
}

static int mtd_fake_run_user_lock(struct mtd_fake *fake, struct mtd_info *mtd)
{
	return mtd_lock_user_prot_reg(mtd, 0, MTD_FAKE_LEN);
}

static int mtd_fake_run_user_erase(struct mtd_fake *fake, struct mtd_info *mtd)
{
	return mtd_erase_user_prot_reg(mtd, 0, MTD_FAKE_LEN);
}

int mtd_fake_run_unmapped_area(struct mtd_fake *fake, struct mtd_info *mtd)
{
	unsigned long addr = mtd_get_unmapped_area(mtd, MTD_FAKE_LEN, 0, 0);

	return IS_ERR_VALUE(addr) ? (int)addr : 0;
}
EXPORT_SYMBOL_IF_KUNIT(mtd_fake_run_unmapped_area);

static int mtd_fake_run_pairing_info(struct mtd_fake *fake, struct mtd_info *mtd)
{
	struct mtd_pairing_info info;

	return mtd_wunit_to_pairing_info(mtd, 0, &info);
}

static int mtd_fake_run_pairing_wunit(struct mtd_fake *fake, struct mtd_info *mtd)
{
	struct mtd_pairing_info info = {};

	return mtd_pairing_info_to_wunit(mtd, &info);
}

/* The core remembers whether it is suspended, and then does not call again. */
static int mtd_fake_run_suspend(struct mtd_fake *fake, struct mtd_info *mtd)
{
	mtd_get_master(mtd)->master.suspended = false;

	return mtd_suspend(mtd);
}

static int mtd_fake_run_resume(struct mtd_fake *fake, struct mtd_info *mtd)
{
	mtd_get_master(mtd)->master.suspended = true;
	mtd_resume(mtd);

	return 0;
}

#define ENTRY(_run, _call, ...)			\
	{					\
		.name = #_run,			\
		.run = mtd_fake_run_##_run,	\
		.call = MTD_FAKE_##_call,	\
		.refused = -ENODEV,		\
		.dead = -EIO,			\
		__VA_ARGS__			\
	}

const struct mtd_fake_entry mtd_fake_entries[] = {
	ENTRY(read, READ),
	ENTRY(read, READ_OOB, .name = "read_by_oob", .oob = true),
	ENTRY(read_oob, READ),
	ENTRY(read_oob, READ_OOB, .name = "read_oob_by_oob", .oob = true),
	ENTRY(write, WRITE),
	ENTRY(write, WRITE_OOB, .name = "write_by_oob", .oob = true),
	ENTRY(write_oob, WRITE),
	ENTRY(write_oob, WRITE_OOB, .name = "write_oob_by_oob", .oob = true),
	ENTRY(writev, WRITEV),
	ENTRY(writev, WRITE, .name = "writev_by_write", .no_writev = true),
	ENTRY(panic_write, PANIC_WRITE, .no_wait = true),
	ENTRY(erase, ERASE),
	ENTRY(point, POINT),
	ENTRY(unpoint, UNPOINT),
	ENTRY(unmapped_area, POINT),
	ENTRY(unmapped_area, UNPOINT, .name = "unmapped_area_short", .short_point = true,
	      .ok = -ENOSYS, .dead = -ENOSYS),
	ENTRY(sync, SYNC, .refused = 0, .dead = 0),
	ENTRY(lock, LOCK),
	ENTRY(unlock, UNLOCK),
	ENTRY(is_locked, IS_LOCKED),
	ENTRY(isreserved, ISRESERVED),
	ENTRY(isbad, ISBAD),
	ENTRY(markbad, MARKBAD),
	ENTRY(max_bad, MAX_BAD),
	ENTRY(fact_info, FACT_INFO),
	ENTRY(fact_read, FACT_READ),
	ENTRY(user_info, USER_INFO),
	ENTRY(user_read, USER_READ),
	ENTRY(user_write, USER_WRITE),
	ENTRY(user_lock, USER_LOCK),
	ENTRY(user_erase, USER_ERASE),
	ENTRY(pairing_info, PAIRING_INFO),
	ENTRY(pairing_wunit, PAIRING_WUNIT),
	ENTRY(suspend, SUSPEND, .refused = 0),
	ENTRY(resume, RESUME, .refused = 0, .dead = 0),
};
EXPORT_SYMBOL_IF_KUNIT(mtd_fake_entries);

const unsigned int mtd_fake_nr_entries = ARRAY_SIZE(mtd_fake_entries);
EXPORT_SYMBOL_IF_KUNIT(mtd_fake_nr_entries);

/*
 * Members of a struct in their order: on machines of 64 bits, no pointer to a
 * function fits between two of them. If this does not compile, somebody has added
 * one. Let whoever calls it enter the gate of the MTD, add a way to it to
 * mtd_fake_entries, and name it here; or name it here with the reason why it needs
 * neither.
 */
#ifndef CONFIG_RANDSTRUCT
#define FIRST(_type, _member)							\
	static_assert(!offsetof(struct _type, _member),				\
		      "a new member before " #_member ": does it need the gate?")
#define NEXT(_type, _member, _next)						\
	static_assert(offsetof(struct _type, _next) -				\
		      offsetofend(struct _type, _member) < sizeof(u64),		\
		      "a new member before " #_next ": does it need the gate?")
#define LAST(_type, _member)							\
	static_assert(sizeof(struct _type) -					\
		      offsetofend(struct _type, _member) < sizeof(u64),		\
		      "a new member after " #_member ": does it need the gate?")

NEXT(mtd_info, eraseregions, _erase);
NEXT(mtd_info, _erase, _point);
NEXT(mtd_info, _point, _unpoint);
NEXT(mtd_info, _unpoint, _read);
NEXT(mtd_info, _read, _write);
NEXT(mtd_info, _write, _panic_write);
NEXT(mtd_info, _panic_write, _read_oob);	/* looks at the flag only */
NEXT(mtd_info, _read_oob, _write_oob);
NEXT(mtd_info, _write_oob, _get_fact_prot_info);
NEXT(mtd_info, _get_fact_prot_info, _read_fact_prot_reg);
NEXT(mtd_info, _read_fact_prot_reg, _get_user_prot_info);
NEXT(mtd_info, _get_user_prot_info, _read_user_prot_reg);
NEXT(mtd_info, _read_user_prot_reg, _write_user_prot_reg);
NEXT(mtd_info, _write_user_prot_reg, _lock_user_prot_reg);
NEXT(mtd_info, _lock_user_prot_reg, _erase_user_prot_reg);
NEXT(mtd_info, _erase_user_prot_reg, _writev);
NEXT(mtd_info, _writev, _sync);
NEXT(mtd_info, _sync, _lock);
NEXT(mtd_info, _lock, _unlock);
NEXT(mtd_info, _unlock, _is_locked);
NEXT(mtd_info, _is_locked, _block_isreserved);
NEXT(mtd_info, _block_isreserved, _block_isbad);
NEXT(mtd_info, _block_isbad, _block_markbad);
NEXT(mtd_info, _block_markbad, _max_bad_blocks);
NEXT(mtd_info, _max_bad_blocks, _suspend);
NEXT(mtd_info, _suspend, _resume);		/* and ungated from the PM core */
NEXT(mtd_info, _resume, _reboot);
NEXT(mtd_info, _reboot, _get_device);		/* its notifier is unregistered first */
NEXT(mtd_info, _get_device, _put_device);	/* about memory; no operations */
NEXT(mtd_info, _put_device, oops_panic_write);

/* From here on there are none, to the end. */
NEXT(mtd_info, oops_panic_write, reboot_notifier);
NEXT(mtd_info, reboot_notifier, ecc_stats);
NEXT(mtd_info, ecc_stats, subpage_sft);
NEXT(mtd_info, subpage_sft, priv);
NEXT(mtd_info, priv, owner);
NEXT(mtd_info, owner, dev);
NEXT(mtd_info, dev, refcnt);
NEXT(mtd_info, refcnt, dbg);
NEXT(mtd_info, dbg, nvmem);
NEXT(mtd_info, nvmem, otp_user_nvmem);
NEXT(mtd_info, otp_user_nvmem, otp_factory_nvmem);
NEXT(mtd_info, otp_factory_nvmem, parent);
NEXT(mtd_info, parent, partitions);
NEXT(mtd_info, partitions, part);
NEXT(mtd_info, part, master);
LAST(mtd_info, master);

/* These are asked by drivers in the middle of operations, and do not enter. */
FIRST(mtd_ooblayout_ops, ecc);
NEXT(mtd_ooblayout_ops, ecc, free);
LAST(mtd_ooblayout_ops, free);

FIRST(mtd_pairing_scheme, ngroups);
NEXT(mtd_pairing_scheme, ngroups, get_info);
NEXT(mtd_pairing_scheme, get_info, get_wunit);
LAST(mtd_pairing_scheme, get_wunit);
#endif

static const void *mtd_fake_next_param(const struct mtd_fake_entry *entry, char *desc,
				       bool no_wait)
{
	do {
		entry = entry ? entry + 1 : mtd_fake_entries;
		if (entry == mtd_fake_entries + ARRAY_SIZE(mtd_fake_entries))
			return NULL;
	} while (entry->no_wait && !no_wait);

	strscpy(desc, entry->name, KUNIT_PARAM_DESC_SIZE);

	return entry;
}

const void *mtd_fake_gen_params(struct kunit *test, const void *prev, char *desc)
{
	return mtd_fake_next_param(prev, desc, true);
}
EXPORT_SYMBOL_IF_KUNIT(mtd_fake_gen_params);

const void *mtd_fake_gen_wait_params(struct kunit *test, const void *prev, char *desc)
{
	return mtd_fake_next_param(prev, desc, false);
}
EXPORT_SYMBOL_IF_KUNIT(mtd_fake_gen_wait_params);

int mtd_fake_hammer(struct mtd_fake *fake, struct mtd_info *mtd)
{
	unsigned int i = get_random_u32_below(ARRAY_SIZE(mtd_fake_entries));

	while (!READ_ONCE(fake->stop)) {
		const struct mtd_fake_entry *entry;
		int ret;

		entry = &mtd_fake_entries[i++ % ARRAY_SIZE(mtd_fake_entries)];
		/* Nothing protects the first; the other wants another driver. */
		if (entry->no_wait || entry->short_point)
			continue;

		ret = entry->run(fake, mtd);
		if (ret != entry->ok && ret != entry->refused) {
			pr_err("%s: %d\n", entry->name, ret);
			atomic_inc(&fake->bad);
		}
		cond_resched();
	}

	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(mtd_fake_hammer);

/* Its life */

static void mtd_fake_init(struct mtd_fake *fake)
{
	struct mtd_info *mtd = fake->mtd;
	bool oob = fake->entry && fake->entry->oob;

	mtd->priv = fake;
	mtd->name = fake->name;
	mtd->owner = THIS_MODULE;
	mtd->dev.parent = fake->parent;
	mtd->type = MTD_NORFLASH;
	mtd->flags = MTD_WRITEABLE;
	mtd->size = MTD_FAKE_SIZE;
	mtd->erasesize = MTD_FAKE_ERASESIZE;
	mtd->writesize = 1;
	mtd->_read = oob ? NULL : mtd_fake_read;
	mtd->_write = oob ? NULL : mtd_fake_write;
	mtd->_read_oob = oob ? mtd_fake_read_oob : NULL;
	mtd->_write_oob = oob ? mtd_fake_write_oob : NULL;
	mtd->_writev = fake->entry && fake->entry->no_writev ? NULL : mtd_fake_writev;
	mtd->_panic_write = mtd_fake_panic_write;
	mtd->_erase = mtd_fake_erase;
	mtd->_point = mtd_fake_point;
	mtd->_unpoint = mtd_fake_unpoint;
	mtd->_sync = mtd_fake_sync;
	mtd->_lock = mtd_fake_lock;
	mtd->_unlock = mtd_fake_unlock;
	mtd->_is_locked = mtd_fake_is_locked;
	mtd->_block_isreserved = mtd_fake_block_isreserved;
	mtd->_block_isbad = mtd_fake_block_isbad;
	mtd->_block_markbad = mtd_fake_block_markbad;
	mtd->_max_bad_blocks = mtd_fake_max_bad_blocks;
	mtd->_get_fact_prot_info = mtd_fake_get_fact_prot_info;
	mtd->_read_fact_prot_reg = mtd_fake_read_fact_prot_reg;
	mtd->_get_user_prot_info = mtd_fake_get_user_prot_info;
	mtd->_read_user_prot_reg = mtd_fake_read_user_prot_reg;
	mtd->_write_user_prot_reg = mtd_fake_write_user_prot_reg;
	mtd->_lock_user_prot_reg = mtd_fake_lock_user_prot_reg;
	mtd->_erase_user_prot_reg = mtd_fake_erase_user_prot_reg;
	mtd->_suspend = mtd_fake_suspend;
	mtd->_resume = mtd_fake_resume;
	mtd->_get_device = mtd_fake_get_device;
	mtd->_put_device = mtd_fake_put_device;
	mtd_set_ooblayout(mtd, &mtd_fake_ooblayout);
	mtd_set_pairing_scheme(mtd, &mtd_fake_pairing);
}

static void mtd_fake_cleanup(void *data)
{
	struct mtd_fake *fake = data;
	struct kunit *test = fake->test;

	if (!mtd_fake_free(fake))
		KUNIT_FAIL(test, "something does not end; leaked");
}

/* For tests that make many; the caller calls mtd_fake_free() */
struct mtd_fake *mtd_fake_new_on(struct kunit *test, struct device *parent,
				 const struct mtd_fake_entry *entry)
{
	struct mtd_fake *fake;

	/* Not the test's memory: callbacks that do not end may use it. */
	fake = kzalloc_obj(*fake);
	KUNIT_ASSERT_NOT_NULL(test, fake);

	fake->mtd = kzalloc_obj(*fake->mtd);
	if (!fake->mtd) {
		kfree(fake);
		KUNIT_FAIL_AND_ABORT(test, "out of memory");
	}

	fake->test = test;
	fake->name = "mtd-fake";
	fake->parent = parent;
	memset(fake->index, -1, sizeof(fake->index));
	fake->entry = entry;
	init_completion(&fake->entered);
	init_completion(&fake->release);
	mtd_fake_init(fake);

	return fake;
}
EXPORT_SYMBOL_IF_KUNIT(mtd_fake_new_on);

struct mtd_fake *mtd_fake_new(struct kunit *test, const struct mtd_fake_entry *entry)
{
	struct device *parent = kunit_device_register(test, "mtd-fake");
	struct mtd_fake *fake;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, parent);
	fake = mtd_fake_new_on(test, parent, entry);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, mtd_fake_cleanup, fake));

	return fake;
}
EXPORT_SYMBOL_IF_KUNIT(mtd_fake_new);

int mtd_fake_register(struct mtd_fake *fake, bool parts)
{
	int ret;

	/* From here on, calls are in time (again). */
	WRITE_ONCE(fake->gone, false);
	ret = mtd_device_register(fake->mtd, parts ? mtd_fake_parts : NULL,
				  parts ? ARRAY_SIZE(mtd_fake_parts) : 0);
	WRITE_ONCE(fake->gone, !!ret);
	WRITE_ONCE(fake->registered, !ret);

	return ret;
}
EXPORT_SYMBOL_IF_KUNIT(mtd_fake_register);

int mtd_fake_unregister(struct mtd_fake *fake, struct mtd_info *mtd)
{
	int ret;

	WRITE_ONCE(fake->registered, false);
	ret = mtd_device_unregister(fake->mtd);
	WRITE_ONCE(fake->gone, true);
	if (!fake->keep) {
		kfree(fake->mtd);
		fake->mtd = NULL;
	}

	return ret;
}
EXPORT_SYMBOL_IF_KUNIT(mtd_fake_unregister);

bool mtd_fake_free(struct mtd_fake *fake)
{
	bool ended = true;
	unsigned int i;

	WRITE_ONCE(fake->stop, true);
	complete_all(&fake->release);
	for (i = 0; i < fake->nr_threads; i++)
		if (!mtd_fake_join(&fake->threads[i]))
			ended = false;

	if (!ended)
		return false;

	if (fake->registered)
		mtd_fake_unregister(fake, NULL);
	kfree(fake->mtd);
	kfree(fake);

	return true;
}
EXPORT_SYMBOL_IF_KUNIT(mtd_fake_free);

void mtd_fake_block(struct mtd_fake *fake, enum mtd_fake_call call)
{
	reinit_completion(&fake->entered);
	reinit_completion(&fake->release);
	set_bit(call, &fake->block);
}
EXPORT_SYMBOL_IF_KUNIT(mtd_fake_block);

bool mtd_fake_wait_entered(struct mtd_fake *fake)
{
	return wait_for_completion_timeout(&fake->entered, MTD_FAKE_TIMEOUT);
}
EXPORT_SYMBOL_IF_KUNIT(mtd_fake_wait_entered);

unsigned int mtd_fake_total(struct mtd_fake *fake)
{
	unsigned int i, sum = 0;

	for (i = 0; i < MTD_FAKE_CALLS; i++)
		sum += atomic_read(&fake->calls[i]);

	return sum;
}
EXPORT_SYMBOL_IF_KUNIT(mtd_fake_total);

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

	if (fake->nr_threads == ARRAY_SIZE(fake->threads))
		return NULL;

	thread->fake = fake;
	thread->fn = fn;
	thread->mtd = mtd;
	init_completion(&thread->done);
	task = kthread_create(mtd_fake_thread_fn, thread, "mtd-fake/%u",
			      fake->nr_threads);
	if (IS_ERR(task))
		return NULL;

	thread->task = get_task_struct(task);
	fake->nr_threads++;
	wake_up_process(task);

	return thread;
}
EXPORT_SYMBOL_IF_KUNIT(mtd_fake_start);

bool mtd_fake_join(struct mtd_fake_thread *thread)
{
	if (!thread->task)
		return true;
	if (!wait_for_completion_timeout(&thread->done, MTD_FAKE_TIMEOUT))
		return false;

	kthread_stop_put(thread->task);
	thread->task = NULL;

	return true;
}
EXPORT_SYMBOL_IF_KUNIT(mtd_fake_join);

MODULE_DESCRIPTION("MTD without hardware for KUnit tests");
MODULE_LICENSE("GPL");
