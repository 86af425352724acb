/* Enough of the kernel to compile mtd_virt_concat.c and mtdconcat.c as a program. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <sys/types.h>
typedef uint8_t u_char_; typedef uint32_t u32; typedef uint64_t u64; typedef uint8_t u8;
#define __counted_by(x)
#define EXPORT_SYMBOL(x)
#define MODULE_LICENSE(x)
#define MODULE_AUTHOR(x)
#define MODULE_DESCRIPTION(x)
#define KERN_NOTICE
#define printk(...) do { } while (0)
#define GFP_KERNEL 0
#define unlikely(x) (x)
#define BUG_ON(x) do { if (x) abort(); } while (0)
#define EXPORT_SYMBOL_GPL(x)
#define kmalloc(s, f) malloc(s)
#define kfree(p) free((void *)(p))
#define kzalloc_flex(o, m, n) calloc(1, sizeof(o) + (n) * sizeof((o).m[0]))
#define kmalloc_obj(t) malloc(sizeof(t))
#define kmalloc_objs(t, n) malloc(sizeof(t) * (n))
static inline void *kmemdup_array(const void *p, size_t n, size_t s, int f)
{ void *q = malloc(n * s); return memcpy(q, p, n * s); }
#define container_of(p, t, m) ((t *)((char *)(p) - offsetof(t, m)))
#define do_div(n, b) ({ uint32_t r_ = (n) % (b); (n) /= (b); r_; })
#define min_t(t, a, b) ((t)(a) < (t)(b) ? (t)(a) : (t)(b))
#define READ_ONCE(x) (x)
#define WRITE_ONCE(x, v) ((x) = (v))
struct list_head { struct list_head *next, *prev; };
#define LIST_HEAD(n) struct list_head n = { &(n), &(n) }
static inline void INIT_LIST_HEAD(struct list_head *l) { l->next = l->prev = l; }
static inline void list_add_tail(struct list_head *n, struct list_head *h)
{ n->next = h; n->prev = h->prev; h->prev->next = n; h->prev = n; }
static inline void list_del(struct list_head *n)
{ n->next->prev = n->prev; n->prev->next = n->next; n->next = n->prev = NULL; }
static inline bool list_empty(struct list_head *h) { return h->next == h; }
#define list_entry(p, t, m) container_of(p, t, m)
#define list_for_each_entry(e, h, m) \
	for (e = list_entry((h)->next, typeof(*e), m); &e->m != (h); e = list_entry(e->m.next, typeof(*e), m))
#define list_for_each_entry_safe(e, n, h, m) \
	for (e = list_entry((h)->next, typeof(*e), m), n = list_entry(e->m.next, typeof(*e), m); &e->m != (h); e = n, n = list_entry(n->m.next, typeof(*e), m))
struct mutex { int magic; };
#define DEFINE_MUTEX(n) struct mutex n = { 1 }
static inline void mutex_init(struct mutex *m) { m->magic = 1; }
static inline void mutex_lock(struct mutex *m) { if (m->magic != 1) { puts("BUG: mutex not initialized"); } }
static inline void mutex_unlock(struct mutex *m) { }
#define guard(x) guard_
#define guard_(m) mutex_lock(m)
#define __free(x) __attribute__((cleanup(of_node_put_cleanup)))
struct device_node { const char *name; int refs; int ncat; struct device_node *cat[4]; };
static inline struct device_node *of_node_get(struct device_node *n) { if (n) n->refs++; return n; }
static inline void of_node_put(struct device_node *n) { if (n && --n->refs < 0) printf("BUG: refs of %s below zero\n", n->name); }
static inline void of_node_put_cleanup(struct device_node **n) { if (*n) of_node_put(*n); }
struct device { struct device *parent; struct device_node *of_node; void *type; int registered; };
static inline bool device_is_registered(struct device *d) { return d->registered; }
struct erase_info { u64 addr, len, fail_addr; };
struct mtd_ecc_stats { u32 corrected, failed, badblocks; };
struct mtd_erase_region_info { u64 offset; u32 erasesize, numblocks; };
struct mtd_oob_ops { size_t len, retlen, ooblen, oobretlen; u8 *datbuf, *oobbuf; };
struct mtd_ooblayout_ops { int x; };
struct kvec { void *iov_base; size_t iov_len; };
#define MTD_WRITEABLE 0x400
#define MTD_FAIL_ADDR_UNKNOWN -1LL
struct mtd_info {
	int type, numeraseregions; u32 flags, erasesize, writesize, writebufsize, oobsize, oobavail;
	int subpage_sft; u64 size; const char *name; struct mtd_erase_region_info *eraseregions;
	const struct mtd_ooblayout_ops *ooblayout; struct mtd_ecc_stats ecc_stats;
	int (*_erase)(struct mtd_info *, struct erase_info *);
	int (*_read)(struct mtd_info *, loff_t, size_t, size_t *, u_char *);
	int (*_write)(struct mtd_info *, loff_t, size_t, size_t *, const u_char *);
	int (*_panic_write)(struct mtd_info *, loff_t, size_t, size_t *, const u_char *);
	int (*_read_oob)(struct mtd_info *, loff_t, struct mtd_oob_ops *);
	int (*_write_oob)(struct mtd_info *, loff_t, struct mtd_oob_ops *);
	int (*_writev)(struct mtd_info *, const struct kvec *, unsigned long, loff_t, size_t *);
	void (*_sync)(struct mtd_info *);
	int (*_lock)(struct mtd_info *, loff_t, u64);
	int (*_unlock)(struct mtd_info *, loff_t, u64);
	int (*_is_locked)(struct mtd_info *, loff_t, u64);
	int (*_suspend)(struct mtd_info *);
	void (*_resume)(struct mtd_info *);
	int (*_block_isbad)(struct mtd_info *, loff_t);
	int (*_block_markbad)(struct mtd_info *, loff_t);
	struct device dev; struct mtd_info *parent; struct list_head partitions;
	struct { struct list_head node; } part;
	struct { struct mutex partitions_lock, chrdev_lock; } master;
	int users; char tag;
};
static inline struct mtd_info *mtd_get_master(struct mtd_info *m) { while (m->parent) m = m->parent; return m; }
static inline struct device_node *mtd_get_of_node(struct mtd_info *m) { return m->dev.of_node; }
static inline void mtd_set_of_node(struct mtd_info *m, struct device_node *n) { m->dev.of_node = n; }
static inline void mtd_set_ooblayout(struct mtd_info *m, const struct mtd_ooblayout_ops *o) { m->ooblayout = o; }
int mtd_read(struct mtd_info *, loff_t, size_t, size_t *, u_char *);
#define NOT(n, ...) static inline int n(__VA_ARGS__) { return -EOPNOTSUPP; }
NOT(mtd_write, struct mtd_info *m, loff_t o, size_t l, size_t *r, const u_char *b)
NOT(mtd_panic_write, struct mtd_info *m, loff_t o, size_t l, size_t *r, const u_char *b)
NOT(mtd_writev, struct mtd_info *m, const struct kvec *v, unsigned long c, loff_t o, size_t *r)
NOT(mtd_read_oob, struct mtd_info *m, loff_t o, struct mtd_oob_ops *p)
NOT(mtd_write_oob, struct mtd_info *m, loff_t o, struct mtd_oob_ops *p)
NOT(mtd_erase, struct mtd_info *m, struct erase_info *e)
NOT(mtd_lock, struct mtd_info *m, loff_t o, u64 l)
NOT(mtd_unlock, struct mtd_info *m, loff_t o, u64 l)
NOT(mtd_is_locked, struct mtd_info *m, loff_t o, u64 l)
NOT(mtd_suspend, struct mtd_info *m)
NOT(mtd_block_isbad, struct mtd_info *m, loff_t o)
NOT(mtd_block_markbad, struct mtd_info *m, loff_t o)
static inline void mtd_sync(struct mtd_info *m) { }
static inline void mtd_resume(struct mtd_info *m) { }
static inline int mtd_can_have_bb(struct mtd_info *m) { return 0; }
static inline bool mtd_is_eccerr(int e) { return false; }
static inline bool mtd_is_bitflip(int e) { return false; }
int add_mtd_device(struct mtd_info *);
int del_mtd_device(struct mtd_info *);
int mtd_device_unregister(struct mtd_info *);
void put_mtd_device(struct mtd_info *);
void release_mtd_partition(struct mtd_info *);
struct device_node *of_find_node_with_property(struct device_node *from, const char *p);
static inline bool of_device_is_available(struct device_node *n) { return n; }
struct device_node *of_parse_phandle(struct device_node *n, const char *p, int i);
int of_count_phandle_with_args(struct device_node *n, const char *p, const char *c);
