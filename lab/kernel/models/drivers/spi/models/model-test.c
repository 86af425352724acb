// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of what models of controllers have in common: that faults are found, that
 * interrupts come when they are allowed to, and that operations stop where they are told.
 */

#include <kunit/test.h>
#include <linux/clk.h>
#include <linux/interrupt.h>
#include <linux/io.h>
#include <linux/irqdomain.h>
#include <linux/kthread.h>

#include "model.h"

/* Writing GO starts an operation that sets END and raises the interrupt, if wanted. */
#define GO	0x00
#define END	0x04
#define WANTED	0x08

struct test_model {
	u32 regs[4];
};

static void test_model_reset(struct model *m)
{
	memset(m->state, 0, sizeof(struct test_model));
}

static u32 test_model_read(struct model *m, unsigned int offset, int size)
{
	struct test_model *t = m->state;

	return t->regs[offset / 4 % 4];
}

static void test_model_write(struct model *m, unsigned int offset, int size, u32 val)
{
	struct test_model *t = m->state;

	t->regs[offset / 4 % 4] = val;
	if (offset == GO)
		model_started(m);
}

static bool test_model_starts(struct model *m, unsigned int offset, u32 val)
{
	return offset == GO;
}

static bool test_model_is_status(struct model *m, unsigned int offset)
{
	return offset == END;
}

static bool test_model_finish(struct model *m)
{
	struct test_model *t = m->state;

	t->regs[END / 4] = 1;

	return !m->ops->polled;
}

static bool test_model_irq(struct model *m)
{
	struct test_model *t = m->state;

	return t->regs[END / 4] && t->regs[WANTED / 4];
}

static void test_model_window(struct model *m, void *buf, unsigned int offset, size_t len)
{
	u8 *to = buf;

	while (len--)
		*to++ = offset++;
}

#define TEST_MODEL						\
	.name = "test",						\
	.clks = 1,						\
	.resets = 1,						\
	.state_size = sizeof(struct test_model),		\
	.reset = test_model_reset,				\
	.read = test_model_read,				\
	.write = test_model_write,				\
	.starts = test_model_starts,				\
	.finish = test_model_finish,				\
	.irq = test_model_irq,					\
	.window = test_model_window

static const struct model_ops test_model = {
	TEST_MODEL,
};

static const struct model_ops test_model_polled = {
	TEST_MODEL,
	.polled = true,
	.is_status = test_model_is_status,
};

static const struct model_ops test_model_be = {
	TEST_MODEL,
	.big_endian = true,
};

struct test_ctx {
	struct model *m;
	void __iomem *regs;
	void __iomem *window;
	struct clk *clk;
	unsigned int virq;
	atomic_t irqs;
	struct completion irq;
	struct task_struct *task;
	struct completion done;
	u8 buf[16];
};

static irqreturn_t test_irq(int irq, void *data)
{
	struct test_ctx *c = data;

	WARN_ON_ONCE(!irqs_disabled());
	writel(0, c->regs + END);
	atomic_inc(&c->irqs);
	complete(&c->irq);

	return IRQ_HANDLED;
}

static struct test_ctx *test_on(struct kunit *test, const struct model_ops *ops)
{
	struct test_ctx *c = kunit_kzalloc(test, sizeof(*c), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, c);
	test->priv = c;
	init_completion(&c->irq);
	init_completion(&c->done);
	c->m = model_power_on(test, ops, NULL);
	c->regs = ioremap(MODEL_REGS, MODEL_REGS_SIZE);
	KUNIT_ASSERT_NOT_NULL(test, (void __force *)c->regs);
	c->window = ioremap(MODEL_WINDOW, SZ_4K);
	KUNIT_ASSERT_NOT_NULL(test, (void __force *)c->window);
	c->clk = clk_hw_get_clk(&c->m->clks[0].hw, NULL);
	KUNIT_ASSERT_FALSE(test, IS_ERR(c->clk));
	KUNIT_ASSERT_EQ(test, 0, clk_prepare_enable(c->clk));
	c->virq = irq_create_mapping(c->m->domain, 0);
	KUNIT_ASSERT_NE(test, 0, c->virq);
	KUNIT_ASSERT_EQ(test, 0, request_irq(c->virq, test_irq, 0, "model-test", c));

	return c;
}

static void test_exit(struct kunit *test)
{
	struct test_ctx *c = test->priv;

	if (!c)
		return;
	if (c->m)
		model_release(c->m);
	if (c->task)
		kthread_stop_put(c->task);
	if (c->virq)
		free_irq(c->virq, c);
	if (!IS_ERR_OR_NULL(c->clk)) {
		clk_disable_unprepare(c->clk);
		clk_put(c->clk);
	}
	if (c->window)
		iounmap(c->window);
	if (c->regs)
		iounmap(c->regs);
	if (c->m)
		model_power_off(test, c->m);
}

static void model_has_registers(struct kunit *test)
{
	struct test_ctx *c = test_on(test, &test_model);

	writel(0x12345678, c->regs + 0xc);
	KUNIT_EXPECT_EQ(test, 0x12345678, readl(c->regs + 0xc));
	KUNIT_EXPECT_EQ(test, 2, c->m->accesses);
}

static void model_has_big_endian_registers(struct kunit *test)
{
	struct test_ctx *c = test_on(test, &test_model_be);
	struct test_model *t = c->m->state;

	iowrite32be(0x12345678, c->regs + 0xc);
	KUNIT_EXPECT_EQ(test, 0x12345678, t->regs[3]);
	KUNIT_EXPECT_EQ(test, 0x12345678, ioread32be(c->regs + 0xc));
}

static void model_has_window(struct kunit *test)
{
	static const u8 want[] = { 0x21, 0x22, 0x23, 0x24, 0x25 };
	struct test_ctx *c = test_on(test, &test_model);

	memcpy_fromio(c->buf, c->window + 0x21, sizeof(want));
	KUNIT_EXPECT_MEMEQ(test, c->buf, want, sizeof(want));
	KUNIT_EXPECT_EQ(test, 0x13121110, readl(c->window + 0x10));
}

static void model_finds_clock_off(struct kunit *test)
{
	struct test_ctx *c = test_on(test, &test_model);

	clk_disable(c->clk);
	readl(c->regs);
	KUNIT_EXPECT_EQ(test, 1, model_clear_faults(c->m));
	memcpy_fromio(c->buf, c->window, 4);
	KUNIT_EXPECT_NE(test, 0, model_clear_faults(c->m));
	KUNIT_ASSERT_EQ(test, 0, clk_enable(c->clk));
	readl(c->regs);
	KUNIT_EXPECT_EQ(test, 0, model_clear_faults(c->m));
}

static void model_finds_window_written(struct kunit *test)
{
	struct test_ctx *c = test_on(test, &test_model);

	writel(0, c->window);
	KUNIT_EXPECT_EQ(test, 1, model_clear_faults(c->m));
}

/* Emulated I/O memory warns: that a test fails by it is seen in model_power_off(). */
static void model_finds_unmapped(struct kunit *test)
{
	struct test_ctx *c = test_on(test, &test_model);
	unsigned int before = c->m->accesses;
	void __iomem *gone = c->regs;

	iounmap(c->regs);
	c->regs = NULL;
	KUNIT_EXPECT_EQ(test, 0, c->m->mapped[0]);
	kunit_warning_suppress(test) {
		KUNIT_EXPECT_EQ(test, ~0U, readl(gone));
		KUNIT_EXPECT_SUPPRESSED_WARNING_COUNT(test, 1);
	}
	KUNIT_EXPECT_EQ(test, before, c->m->accesses);
}

static void model_interrupts(struct kunit *test)
{
	struct test_ctx *c = test_on(test, &test_model);

	/* Not wanted */
	writel(1, c->regs + GO);
	KUNIT_EXPECT_EQ(test, 1, readl(c->regs + END));
	KUNIT_EXPECT_EQ(test, 0, wait_for_completion_timeout(&c->irq, HZ / 20));
	/* Its level counts, not what has changed. */
	writel(1, c->regs + WANTED);
	KUNIT_EXPECT_NE(test, 0, wait_for_completion_timeout(&c->irq, HZ));
	KUNIT_EXPECT_EQ(test, 0, readl(c->regs + END));
	/* Cleared by its handler, it does not come again. */
	KUNIT_EXPECT_EQ(test, 0, wait_for_completion_timeout(&c->irq, HZ / 20));
	KUNIT_EXPECT_EQ(test, 1, atomic_read(&c->irqs));
}

static void model_stops_running(struct kunit *test)
{
	struct test_ctx *c = test_on(test, &test_model);

	writel(1, c->regs + WANTED);
	model_stop_at(c->m, MODEL_RUNNING);
	writel(1, c->regs + GO);
	KUNIT_EXPECT_TRUE(test, model_wait_stopped(c->m));
	KUNIT_EXPECT_EQ(test, 0, wait_for_completion_timeout(&c->irq, HZ / 20));
	KUNIT_EXPECT_EQ(test, 0, readl(c->regs + END));
	model_release(c->m);
	KUNIT_EXPECT_NE(test, 0, wait_for_completion_timeout(&c->irq, HZ));
	/* Only once */
	writel(1, c->regs + GO);
	KUNIT_EXPECT_NE(test, 0, wait_for_completion_timeout(&c->irq, HZ));
}

static void model_stops_done(struct kunit *test)
{
	struct test_ctx *c = test_on(test, &test_model);

	writel(1, c->regs + WANTED);
	model_stop_at(c->m, MODEL_DONE);
	writel(1, c->regs + GO);
	KUNIT_EXPECT_TRUE(test, model_wait_stopped(c->m));
	KUNIT_EXPECT_EQ(test, 1, readl(c->regs + END));
	KUNIT_EXPECT_EQ(test, 0, wait_for_completion_timeout(&c->irq, HZ / 20));
	model_release(c->m);
	KUNIT_EXPECT_NE(test, 0, wait_for_completion_timeout(&c->irq, HZ));
}

static int test_go(void *data)
{
	struct test_ctx *c = data;

	writel(1, c->regs + GO);
	readl(c->regs + END);
	memcpy_fromio(c->buf, c->window, sizeof(c->buf));
	complete(&c->done);

	return 0;
}

static void test_start(struct kunit *test, struct test_ctx *c)
{
	c->task = kthread_create(test_go, c, "model-test");
	KUNIT_ASSERT_FALSE(test, IS_ERR(c->task));
	get_task_struct(c->task);
	wake_up_process(c->task);
}

static void test_stops(struct kunit *test, const struct model_ops *ops,
		       enum model_point point, u32 end, u8 copied)
{
	struct test_ctx *c = test_on(test, ops);
	struct test_model *t = c->m->state;

	model_stop_at(c->m, point);
	test_start(test, c);
	KUNIT_ASSERT_TRUE(test, model_wait_stopped(c->m));
	KUNIT_EXPECT_EQ(test, 0, wait_for_completion_timeout(&c->done, HZ / 20));
	KUNIT_EXPECT_EQ(test, end, t->regs[END / 4]);
	KUNIT_EXPECT_EQ(test, copied, c->buf[sizeof(c->buf) / 2 - 1]);
	KUNIT_EXPECT_EQ(test, 0, c->buf[sizeof(c->buf) - 1]);
	model_release(c->m);
	KUNIT_EXPECT_NE(test, 0, wait_for_completion_timeout(&c->done, HZ));
	KUNIT_EXPECT_EQ(test, 1, t->regs[END / 4]);
	KUNIT_EXPECT_EQ(test, 15, c->buf[sizeof(c->buf) - 1]);
}

static void model_stops_before_start(struct kunit *test)
{
	test_stops(test, &test_model, MODEL_START, 0, 0);
}

static void model_stops_in_copy(struct kunit *test)
{
	test_stops(test, &test_model, MODEL_COPY, 1, 7);
}

static void model_stops_polled_running(struct kunit *test)
{
	test_stops(test, &test_model_polled, MODEL_RUNNING, 0, 0);
}

static void model_stops_polled_done(struct kunit *test)
{
	test_stops(test, &test_model_polled, MODEL_DONE, 1, 0);
}

static struct kunit_case model_cases[] = {
	KUNIT_CASE(model_has_registers),
	KUNIT_CASE(model_has_big_endian_registers),
	KUNIT_CASE(model_has_window),
	KUNIT_CASE(model_finds_clock_off),
	KUNIT_CASE(model_finds_window_written),
	KUNIT_CASE(model_finds_unmapped),
	KUNIT_CASE(model_interrupts),
	KUNIT_CASE(model_stops_running),
	KUNIT_CASE(model_stops_done),
	KUNIT_CASE(model_stops_before_start),
	KUNIT_CASE(model_stops_in_copy),
	KUNIT_CASE(model_stops_polled_running),
	KUNIT_CASE(model_stops_polled_done),
	{}
};

static struct kunit_suite model_suite = {
	.name = "model_harness",
	.exit = test_exit,
	.test_cases = model_cases,
};

kunit_test_suite(model_suite);
