/* The life of two flashes with a concatenation, in a program with ASAN. */
#include "stub.h"
#include <linux/mtd/concat.h>
static struct device_node one = { "one-a", 1 }, two = { "two-a", 1, 1, { &one } };
static struct device_node *nodes[] = { &one, &two };
struct device_node *of_find_node_with_property(struct device_node *from, const char *p)
{
	int i = 0;
	if (from) { while (nodes[i] != from) i++; i++; of_node_put(from); }
	for (; i < 2; i++)
		if (nodes[i]->ncat) return of_node_get(nodes[i]);
	return NULL;
}
struct device_node *of_parse_phandle(struct device_node *n, const char *p, int i) { return i < n->ncat ? of_node_get(n->cat[i]) : NULL; }
int of_count_phandle_with_args(struct device_node *n, const char *p, const char *c) { return n->ncat ?: -ENOENT; }
static struct mtd_info *table[8];
int fail_add;
int add_mtd_device(struct mtd_info *m)
{
	if (fail_add) { fail_add = 0; return -ENOMEM; }
	for (int i = 0; i < 8; i++) if (!table[i]) { table[i] = m; break; }
	m->dev.registered = 1; m->dev.type = "mtd"; m->users = 1;
	printf("  + %s (%llu)\n", m->name, (unsigned long long)m->size);
	return 0;
}
static void release(struct mtd_info *m)
{
	printf("  - %s\n", m->name);
	for (int i = 0; i < 8; i++) if (table[i] == m) table[i] = NULL;
	memset(&m->dev, 0, sizeof(m->dev));
}
void put_mtd_device(struct mtd_info *m) { if (--m->users == 0) release(m); else if (m->users < 0) printf("BUG: users of %s below zero\n", m->name); }
int del_mtd_device(struct mtd_info *m)
{
	for (int i = 0; i < 8; i++) if (table[i] == m) { if (--m->users == 0) release(m); return 0; }
	return -ENODEV;
}
int mtd_device_unregister(struct mtd_info *m)
{
	struct mtd_info *c, *n;
	mutex_lock(&m->master.partitions_lock);
	list_for_each_entry_safe(c, n, &m->partitions, part.node) ;
	return del_mtd_device(m);
}
void release_mtd_partition(struct mtd_info *m) { if (!list_empty(&m->part.node)) puts("BUG: list"); free((void *)m->name); free(m); }
int mtd_read(struct mtd_info *m, loff_t o, size_t l, size_t *r, u_char *b)
{
	struct mtd_info *master = mtd_get_master(m);
	*r = 0;
	if (o + l > m->size) return -EINVAL;
	return master->_read(m, o, l, r, b);
}
static int fake_read(struct mtd_info *m, loff_t o, size_t l, size_t *r, u_char *b) { memset(b, mtd_get_master(m)->tag, l); *r += l; return 0; }
static struct mtd_info *bind(const char *name, struct device_node *node, int type)
{
	struct mtd_info *m = calloc(1, sizeof(*m)), *p = calloc(1, sizeof(*p));
	int ret;
	m->name = strdup(name); m->type = p->type = type; m->size = p->size = 4096; m->erasesize = p->erasesize = 512;
	m->writesize = p->writesize = 1; m->_read = fake_read; m->tag = name[0];
	INIT_LIST_HEAD(&m->partitions); mutex_init(&m->master.partitions_lock);
	printf("bind %s\n", name);
	if (mtd_virt_concat_node_create() < 0) puts("BUG: node_create");
	p->parent = m; p->name = strdup(node->name); p->dev.of_node = node;
	if (!mtd_virt_concat_add(p)) add_mtd_device(p);
	ret = mtd_virt_concat_create_join();
	if (ret) printf("  create_join %d\n", ret);
	return m;
}
static void unbind(struct mtd_info *m)
{
	printf("unbind %s\n", m->name);
	mtd_virt_concat_destroy(m);
	free((void *)m->name); memset(m, 0x6b, sizeof(*m)); free(m);
}
static struct mtd_info *concat(void)
{
	for (int i = 0; i < 8; i++) if (table[i] && strstr(table[i]->name, "concat")) return table[i];
	return NULL;
}
static void look(void)
{
	struct mtd_info *c = concat();
	char b[2] = ""; size_t r; int e1 = 0, e2 = 0;
	if (!c) { puts("  no concat"); return; }
	e1 = mtd_read(c, 0, 1, &r, (u_char *)b); e2 = mtd_read(c, 4096, 1, &r, (u_char *)b + 1);
	printf("  concat: %d %c, %d %c\n", e1, b[0] ?: '-', e2, b[1] ?: '-');
}
int main(int argc, char **argv)
{
	const char *t = argv[1];
	setvbuf(stdout, NULL, _IONBF, 0);
	struct mtd_info *a, *b, *c;
	a = bind("1", &one, 3); b = bind("2", &two, 3); look();
	if (!strcmp(t, "order")) return 0;
	if (!strcmp(t, "rebind")) {
		for (int i = 0; i < 3; i++) { unbind(a); look(); a = bind("1", &one, 3); look(); }
		unbind(b); look(); b = bind("2", &two, 3); look();
		unbind(a); unbind(b); b = bind("2", &two, 3); a = bind("1", &one, 3); look(); unbind(b); unbind(a);
	} else if (!strcmp(t, "use")) { unbind(a); look(); unbind(b);
	} else if (!strcmp(t, "held")) {
		c = concat(); c->users++;
		unbind(a); look(); a = bind("1", &one, 3); look(); unbind(a); a = bind("1", &one, 3);
		put_mtd_device(c); look(); unbind(b); look(); b = bind("2", &two, 3); look(); unbind(b); unbind(a);
	} else if (!strcmp(t, "misfit")) {
		unbind(a); a = bind("1", &one, 4); look(); unbind(a); a = bind("1", &one, 3); look(); unbind(a); unbind(b);
	} else if (!strcmp(t, "addfails")) {
		unbind(a); fail_add = 1; a = bind("1", &one, 3); look(); unbind(a); a = bind("1", &one, 3); look(); unbind(a); unbind(b);
	} else if (!strcmp(t, "exit")) { unbind(a);
#ifdef JOINS
		mtd_virt_concat_destroy_joins();
#endif
		unbind(b); mtd_virt_concat_destroy_items(); return 0;
	}
	mtd_virt_concat_destroy_items();
	printf("refs: one %d two %d\n", one.refs, two.refs);
	return 0;
}
