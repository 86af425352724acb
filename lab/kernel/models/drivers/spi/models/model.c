// SPDX-License-Identifier: GPL-2.0-only
/*
 * What models of controllers have in common: see model.h
 */

#include <kunit/of.h>
#include <kunit/test.h>
#include <linux/bitfield.h>
#include <linux/clk-provider.h>
#include <linux/delay.h>
#include <linux/interrupt.h>
#include <linux/io.h>
#include <linux/irq.h>
#include <linux/irqdomain.h>
#include <linux/kthread.h>
#include <linux/logic_iomem.h>
#include <linux/of.h>
#include <linux/of_fdt.h>
#include <linux/of_platform.h>
#include <linux/platform_device.h>
#include <linux/reset-controller.h>
#include <linux/slab.h>

#include "../../base/base.h"
#include "../../of/of_private.h"
#include "model.h"

/* Regions and what the device tree refers to stay: they cannot be removed. */
static struct model the_model;
static bool powered;

enum { REGS, WINDOW };

/* A fault is what hardware answers with a hang, an abort, or damage. */
static void model_vfault(struct model *m, const char *fmt, va_list args)
{
	char why[sizeof(m->why)];

	vscnprintf(why, sizeof(why), fmt, args);
	if (!m->faults++) {
		strscpy(m->why, why);
		pr_err("model: fault: %s\n", why);
	}
}

void model_fault(struct model *m, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	model_vfault(m, fmt, args);
	va_end(args);
}

void flash_fault(struct flash *flash, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	if (!flash->faults++) {
		vscnprintf(flash->why, sizeof(flash->why), fmt, args);
		pr_err("flash: fault: %s\n", flash->why);
	}
	va_end(args);
}

u32 model_random(struct model *m, u32 below)
{
	unsigned long flags;
	u32 val;

	spin_lock_irqsave(&m->lock, flags);
	val = prandom_u32_state(&m->rnd);
	spin_unlock_irqrestore(&m->lock, flags);

	return below ? val % below : val;
}

static bool model_may_sleep(void)
{
	return !in_hardirq() && !irqs_disabled() && !in_atomic();
}

static void model_delay(struct model *m)
{
	if (!m->jitter || model_random(m, 100) >= m->jitter)
		return;

	if (model_may_sleep() && model_random(m, 4))
		usleep_range(20, 20 + model_random(m, 400));
	else
		udelay(model_random(m, 20));
}

/* Stops whoever comes here, when the test has said so. */
static void model_block(struct model *m, enum model_point point)
{
	unsigned long flags;
	bool here;

	spin_lock_irqsave(&m->lock, flags);
	here = m->stop_at == point;
	if (here)
		m->stop_at = MODEL_NOWHERE;
	spin_unlock_irqrestore(&m->lock, flags);
	if (!here)
		return;

	if (!model_may_sleep()) {
		model_fault(m, "cannot stop here");
		return;
	}

	complete(&m->entered);
	if (!wait_for_completion_timeout(&m->released, MODEL_TIMEOUT))
		model_fault(m, "nobody released the operation that was stopped");
}

static void model_check(struct model *m, const char *what, unsigned int offset)
{
	unsigned int i;

	m->accesses++;
	if (!powered)
		model_fault(m, "%s %#x used without power", what, offset);
	for (i = 0; i < m->ops->clks; i++)
		if (!m->clks[i].enabled)
			model_fault(m, "%s %#x used with clock %u off", what, offset, i);
	if (m->in_reset)
		model_fault(m, "%s %#x used in reset", what, offset);
}

/* Interrupts */

static void model_irq_work(struct kthread_work *work)
{
	struct model *m = &the_model;
	unsigned long flags;
	bool line;

	model_delay(m);

	spin_lock_irqsave(&m->lock, flags);
	line = powered && !m->irq_held && m->ops->irq(m);
	spin_unlock_irqrestore(&m->lock, flags);
	if (!line)
		return;

	m->irqs++;
	generic_handle_domain_irq_safe(m->domain, 0);
}

/*
 * The line may have changed. As a rule this CPU takes it, which is quick, for its task
 * will wait; but any may.
 */
static void model_update_irq(struct model *m)
{
	unsigned int cpu = raw_smp_processor_id();

	if (m->irq_held || !m->ops->irq || !m->ops->irq(m))
		return;

	if (m->jitter && prandom_u32_state(&m->rnd) % 100 < m->jitter)
		cpu++;
	cpu %= num_online_cpus();
	kthread_queue_work(m->workers[cpu], &m->irq_work[cpu]);
}

static void model_finish(struct model *m)
{
	bool by_irq = m->ops->finish(m);

	if (m->stop_at == MODEL_DONE && by_irq) {
		m->stop_at = MODEL_NOWHERE;
		m->irq_held = true;
		complete(&m->entered);
	}
	model_update_irq(m);
}

/**
 * model_started() - the hardware has got all that it needs for an operation
 * @m: model
 */
void model_started(struct model *m)
{
	m->started++;
	if (m->stop_at == MODEL_RUNNING) {
		m->held = true;
		if (!m->ops->polled || (m->ops->by_irq && m->ops->by_irq(m))) {
			m->stop_at = MODEL_NOWHERE;
			complete(&m->entered);
		}
		return;
	}

	model_finish(m);
}

void model_exec(struct model *m, struct flash_op *op)
{
	if (op->in)
		memset(op->in, 0xff, op->len);
	if (!m->flash)
		return;

	m->flash->ops++;
	m->flash->exec(m->flash, op);
}

/* Look-up tables, as NXP's controllers have them: operand, lines, instruction */

#define LUT_OPERAND		GENMASK(7, 0)
#define LUT_PADS		GENMASK(9, 8)
#define LUT_INSTR		GENMASK(15, 10)
#define LUT_SEQ			8

/**
 * model_decode_lut() - turn a sequence into what the flash will see
 * @m:		model
 * @actions:	what instructions do, by their number; &enum lut_action
 * @count:	of @actions
 * @seq:	the sequence, two instructions a word
 * @addr:	where an instruction wants an address
 * @len:	bytes, where one wants data
 * @op:		what the flash will see; buffers are the caller's
 */
bool model_decode_lut(struct model *m, const u8 *actions, unsigned int count, const u32 *seq,
		      u32 addr, size_t len, struct flash_op *op)
{
	unsigned int i, dtr = 0;

	memset(op, 0, sizeof(*op));
	for (i = 0; i < LUT_SEQ; i++) {
		u32 instr = seq[i / 2] >> i % 2 * 16;
		u8 lines = 1 << FIELD_GET(LUT_PADS, instr);
		u8 operand = FIELD_GET(LUT_OPERAND, instr);
		unsigned int code = FIELD_GET(LUT_INSTR, instr);
		u8 action = code < count ? actions[code] : LUT_STOP;

		if (!code)
			break;
		if (action & LUT_DTR)
			dtr++;
		switch (action & ~LUT_DTR) {
		case LUT_CMD:
			if (op->cmd_width) {
				op->has_ext = true;
				op->ext = operand;
				break;
			}
			op->opcode = operand;
			op->cmd_width = lines;
			break;
		case LUT_ADDR:
			op->addr = addr;
			op->addr_nbytes = operand / 8;
			op->addr_width = lines;
			break;
		case LUT_MODE:
			op->addr = op->addr << 8 | operand;
			op->addr_nbytes++;
			op->addr_width = lines;
			break;
		case LUT_DUMMY:
			/* At double rate, two of the controller's are one of the flash's. */
			op->dummy = action & LUT_DTR ? operand / 2 : operand;
			break;
		case LUT_WRITE:
			op->write = true;
			fallthrough;
		case LUT_READ:
			op->data_width = lines;
			op->len = len;
			break;
		default:
			model_fault(m, "instruction %#x in a sequence", instr);
			return false;
		}
	}
	if (!i || (dtr && dtr != i)) {
		model_fault(m, "a sequence is empty, or of mixed rates");
		return false;
	}
	op->dtr = dtr;

	return true;
}

/**
 * model_give_buffers() - give an operation its data
 * @m:		model
 * @op:		operation, without buffers
 * @tx:		data that there is to send
 * @tx_len:	of @tx
 * @rx:		where data from the flash goes
 * @rx_size:	of @rx
 */
bool model_give_buffers(struct model *m, struct flash_op *op, const void *tx, size_t tx_len,
			void *rx, size_t rx_size)
{
	if (op->write && op->len > tx_len) {
		model_fault(m, "%zu bytes to send, %zu there", op->len, tx_len);
		return false;
	}
	if (!op->write && op->len > rx_size) {
		model_fault(m, "%zu bytes for a buffer of %zu", op->len, rx_size);
		return false;
	}

	op->out = op->write ? tx : NULL;
	op->in = op->write || !op->len ? NULL : rx;

	return true;
}

/* Registers */

static unsigned long model_reg_read(void *priv, unsigned int offset, int size)
{
	enum model_point point = MODEL_NOWHERE;
	struct model *m = priv;
	unsigned long flags;
	u32 val;

	model_delay(m);
	spin_lock_irqsave(&m->lock, flags);
	if (m->ops->settle)
		m->ops->settle(m);
	if (m->ops->polled && m->ops->is_status(m, offset))
		point = m->held ? MODEL_RUNNING : MODEL_DONE;
	else if (m->ops->copies && m->ops->copies(m, offset))
		point = MODEL_COPY;
	spin_unlock_irqrestore(&m->lock, flags);
	if (point != MODEL_NOWHERE)
		model_block(m, point);

	spin_lock_irqsave(&m->lock, flags);
	model_check(m, "register", offset);
	val = m->ops->read(m, offset, size);
	model_update_irq(m);
	spin_unlock_irqrestore(&m->lock, flags);

	return m->ops->big_endian ? swab32(val) : val;
}

static void model_reg_write(void *priv, unsigned int offset, int size,
			    unsigned long val)
{
	struct model *m = priv;
	unsigned long flags;
	bool starts;

	if (m->ops->big_endian)
		val = swab32(val);

	model_delay(m);
	spin_lock_irqsave(&m->lock, flags);
	if (m->ops->settle)
		m->ops->settle(m);
	starts = m->ops->starts && m->ops->starts(m, offset, val);
	spin_unlock_irqrestore(&m->lock, flags);
	if (starts)
		model_block(m, MODEL_START);

	spin_lock_irqsave(&m->lock, flags);
	model_check(m, "register", offset);
	m->ops->write(m, offset, size, val);
	model_update_irq(m);
	spin_unlock_irqrestore(&m->lock, flags);
}

static void model_unmap(void *priv, int which)
{
	struct model *m = priv;

	if (!m->mapped[which]--)
		model_fault(m, "unmapped what was not mapped");
}

static void model_reg_unmap(void *priv)
{
	model_unmap(priv, REGS);
}

static const struct logic_iomem_ops model_reg_ops = {
	.read = model_reg_read,
	.write = model_reg_write,
	.unmap = model_reg_unmap,
};

/* Offsets of accesses are those into the mapping plus what this returns. */
static long model_map_regs(unsigned long offset, size_t size,
			   const struct logic_iomem_ops **ops, void **priv)
{
	the_model.mapped[REGS]++;
	*ops = &model_reg_ops;
	*priv = &the_model;

	return offset;
}

static const struct logic_iomem_region_ops model_regs_ops = {
	.map = model_map_regs,
};

/* The window */

static noinline void model_window_part(struct model *m, void *buf, unsigned int offset, int size)
{
	unsigned long flags;

	spin_lock_irqsave(&m->lock, flags);
	model_check(m, "window", offset);
	/* What begins after that, the kernel finds itself. */
	if (!m->mapped[WINDOW])
		model_fault(m, "the window was unmapped under a read");
	if (m->ops->window) {
		m->ops->window(m, buf, offset, size);
		model_update_irq(m);
	} else {
		model_fault(m, "there is no window");
	}
	spin_unlock_irqrestore(&m->lock, flags);
}

static void model_window_copy(void *priv, void *buf, unsigned int offset, int size)
{
	struct model *m = priv;
	int half = size / 2;

	/* What is octal goes by words; at double rate, by two bytes. */
	if (half >= 2)
		half = round_down(half, half >= 8 ? 8 : 2);
	model_delay(m);
	model_block(m, MODEL_START);
	model_window_part(m, buf, offset, half);
	model_delay(m);
	model_block(m, MODEL_COPY);
	model_window_part(m, buf + half, offset + half, size - half);
}

static unsigned long model_window_read(void *priv, unsigned int offset, int size)
{
	struct model *m = priv;
	unsigned long flags;
	unsigned long val = 0;
	bool copies;

	/* As a rule nobody is to be stopped, and there are many words to be read. */
	if (READ_ONCE(m->stop_at) == MODEL_COPY) {
		spin_lock_irqsave(&m->lock, flags);
		copies = m->ops->copies && m->ops->copies(m, MODEL_IN_WINDOW);
		spin_unlock_irqrestore(&m->lock, flags);
		if (copies)
			model_block(m, MODEL_COPY);
	}
	model_window_part(priv, &val, offset, min_t(int, size, sizeof(val)));

	return val;
}

static void model_window_write(void *priv, unsigned int offset, int size,
			       unsigned long val)
{
	enum model_point point = MODEL_NOWHERE;
	struct model *m = priv;
	unsigned long flags;

	spin_lock_irqsave(&m->lock, flags);
	if (m->ops->starts && m->ops->starts(m, MODEL_IN_WINDOW, val))
		point = MODEL_START;
	else if (m->ops->copies && m->ops->copies(m, MODEL_IN_WINDOW))
		point = MODEL_COPY;
	spin_unlock_irqrestore(&m->lock, flags);
	if (point != MODEL_NOWHERE)
		model_block(m, point);

	spin_lock_irqsave(&m->lock, flags);
	model_check(m, "window", offset);
	if (!m->ops->window_write) {
		model_fault(m, "the window %#x was written", offset);
	} else {
		m->ops->window_write(m, offset, size, val);
		model_update_irq(m);
	}
	spin_unlock_irqrestore(&m->lock, flags);
}

static void model_window_unmap(void *priv)
{
	model_unmap(priv, WINDOW);
}

static const struct logic_iomem_ops model_window_ops = {
	.read = model_window_read,
	.write = model_window_write,
	.copy_from = model_window_copy,
	.unmap = model_window_unmap,
};

static long model_map_window(unsigned long offset, size_t size,
			     const struct logic_iomem_ops **ops, void **priv)
{
	the_model.mapped[WINDOW]++;
	*ops = &model_window_ops;
	*priv = &the_model;

	return offset;
}

static const struct logic_iomem_region_ops model_windows_ops = {
	.map = model_map_window,
};

static struct resource model_regs_res =
	DEFINE_RES_MEM_NAMED(MODEL_REGS, MODEL_REGS_SIZE, "model registers");
static struct resource model_window_res =
	DEFINE_RES_MEM_NAMED(MODEL_WINDOW, MODEL_WINDOW_SIZE, "model window");

/* Clocks */

static struct model_clk *to_model_clk(struct clk_hw *hw)
{
	return container_of(hw, struct model_clk, hw);
}

/* Whether it is now that this is to fail */
static int model_step(struct model *m, enum model_step step)
{
	unsigned long flags;
	int ret = 0;

	spin_lock_irqsave(&m->lock, flags);
	if (m->fail_nth && m->fail_step == step && !--m->fail_nth)
		ret = m->fail_error;
	spin_unlock_irqrestore(&m->lock, flags);

	return ret;
}

/**
 * model_fail() - let something fail, once
 * @m:		model
 * @step:	what
 * @nth:	which time from now; 0 for never. What is left when nothing failed is in
 *		model::fail_nth.
 * @error:	how
 */
void model_fail(struct model *m, enum model_step step, unsigned int nth, int error)
{
	unsigned long flags;

	spin_lock_irqsave(&m->lock, flags);
	m->fail_step = step;
	m->fail_nth = nth;
	m->fail_error = error;
	spin_unlock_irqrestore(&m->lock, flags);
}

static int model_clk_prepare(struct clk_hw *hw)
{
	int ret = model_step(to_model_clk(hw)->m, MODEL_CLK_PREPARE);

	if (!ret)
		to_model_clk(hw)->prepared++;

	return ret;
}

static void model_clk_unprepare(struct clk_hw *hw)
{
	to_model_clk(hw)->prepared--;
}

static int model_clk_enable(struct clk_hw *hw)
{
	int ret = model_step(to_model_clk(hw)->m, MODEL_CLK_ENABLE);

	if (ret)
		return ret;
	to_model_clk(hw)->enabled++;
	to_model_clk(hw)->switched++;

	return 0;
}

static void model_clk_disable(struct clk_hw *hw)
{
	to_model_clk(hw)->enabled--;
}

static int model_clk_is_enabled(struct clk_hw *hw)
{
	return to_model_clk(hw)->enabled;
}

static unsigned long model_clk_recalc(struct clk_hw *hw, unsigned long parent)
{
	return to_model_clk(hw)->rate;
}

static int model_clk_determine(struct clk_hw *hw, struct clk_rate_request *req)
{
	return 0;
}

static int model_clk_set_rate(struct clk_hw *hw, unsigned long rate, unsigned long parent)
{
	to_model_clk(hw)->rate = rate;

	return 0;
}

static const struct clk_ops model_clk_ops = {
	.prepare = model_clk_prepare,
	.unprepare = model_clk_unprepare,
	.enable = model_clk_enable,
	.disable = model_clk_disable,
	.is_enabled = model_clk_is_enabled,
	.recalc_rate = model_clk_recalc,
	.determine_rate = model_clk_determine,
	.set_rate = model_clk_set_rate,
};

static struct clk_hw *model_clk_get(struct of_phandle_args *spec, void *data)
{
	struct model *m = data;
	int ret = model_step(m, MODEL_CLK_GET);

	if (ret)
		return ERR_PTR(ret);
	if (spec->args[0] >= MODEL_CLKS)
		return ERR_PTR(-EINVAL);

	return &m->clks[spec->args[0]].hw;
}

/* Resets */

static int model_reset_assert(struct reset_controller_dev *rcdev, unsigned long id)
{
	int ret = model_step(&the_model, MODEL_RESET_ASSERT);
	unsigned long flags;

	if (ret)
		return ret;
	spin_lock_irqsave(&the_model.lock, flags);
	the_model.in_reset |= BIT(id);
	the_model.resets_asserted = the_model.resets_asserted << 4 | (id + 1);
	if (powered)
		the_model.ops->reset(&the_model);
	spin_unlock_irqrestore(&the_model.lock, flags);

	return 0;
}

static int model_reset_deassert(struct reset_controller_dev *rcdev, unsigned long id)
{
	int ret = model_step(&the_model, MODEL_RESET_DEASSERT);
	unsigned long flags;

	if (ret)
		return ret;
	spin_lock_irqsave(&the_model.lock, flags);
	the_model.in_reset &= ~BIT(id);
	spin_unlock_irqrestore(&the_model.lock, flags);

	return 0;
}

static int model_reset_status(struct reset_controller_dev *rcdev, unsigned long id)
{
	return !!(the_model.in_reset & BIT(id));
}

static const struct reset_control_ops model_reset_ops = {
	.assert = model_reset_assert,
	.deassert = model_reset_deassert,
	.status = model_reset_status,
};

static int model_reset_xlate(struct reset_controller_dev *rcdev,
			     const struct of_phandle_args *spec)
{
	int ret = model_step(&the_model, MODEL_RESET_GET);

	if (ret)
		return ret;

	return spec->args[0] < MODEL_RESETS ? spec->args[0] : -EINVAL;
}

static struct reset_controller_dev model_rcdev = {
	.ops = &model_reset_ops,
	.nr_resets = MODEL_RESETS,
	.of_reset_n_cells = 1,
	.of_xlate = model_reset_xlate,
};

/* Interrupt controller */

static int model_irq_map(struct irq_domain *domain, unsigned int irq, irq_hw_number_t hw)
{
	irq_set_chip_and_handler(irq, &dummy_irq_chip, handle_simple_irq);
	irq_modify_status(irq, IRQ_NOREQUEST | IRQ_NOAUTOEN, IRQ_NOPROBE);

	return 0;
}

static int model_irq_xlate(struct irq_domain *domain, struct device_node *np,
			   const u32 *spec, unsigned int count, unsigned long *hwirq,
			   unsigned int *type)
{
	int ret = model_step(&the_model, MODEL_IRQ_GET);

	return ret ?: irq_domain_xlate_onecell(domain, np, spec, count, hwirq, type);
}

static const struct irq_domain_ops model_domain_ops = {
	.map = model_irq_map,
	.xlate = model_irq_xlate,
};

/**
 * model_interrupt() - an interrupt that has no reason, or whose reason has gone
 * @m:	model
 */
void model_interrupt(struct model *m)
{
	generic_handle_domain_irq_safe(m->domain, 0);
}

static struct device_node *model_node(const char *name)
{
	struct device_node *parent __free(device_node) = of_find_node_by_path("/models");

	return of_get_child_by_name(parent, name);
}

/* Overlays cannot have aliases, and some drivers want one. */
static void model_add_alias(const char *node, const char *stem, int id)
{
	struct alias_prop *alias = kzalloc(struct_size(alias, stem, strlen(stem) + 1),
					   GFP_KERNEL);

	if (!alias)
		return;
	alias->np = model_node(node);
	alias->alias = stem;
	alias->id = id;
	memcpy(alias->stem, stem, strlen(stem) + 1);
	mutex_lock(&of_mutex);
	list_add_tail(&alias->link, &aliases_lookup);
	mutex_unlock(&of_mutex);
}

OF_OVERLAY_DECLARE(models);

/* Once, and for good: before the devices that need it there is nothing to undo. */
static int model_setup(struct model *m)
{
	static const char * const names[] = {
		"model-clk0", "model-clk1", "model-clk2", "model-clk3"
	};
	struct device_node *np;
	unsigned int i;
	int ret, id;

	if (m->workers[0])
		return 0;

	ret = of_overlay_fdt_apply(of_overlay_begin(models),
				   of_overlay_end(models) - of_overlay_begin(models),
				   &id, NULL);
	if (ret)
		return ret;

	ret = logic_iomem_add_region(&model_regs_res, &model_regs_ops);
	if (!ret)
		ret = logic_iomem_add_region(&model_window_res, &model_windows_ops);
	if (ret)
		return ret;

	model_add_alias("npcm-fiu", "fiu", 0);
	np = model_node("interrupt-controller");
	m->domain = irq_domain_create_linear(of_fwnode_handle(np), 1, &model_domain_ops, m);
	if (!m->domain)
		return -ENOMEM;

	for (i = 0; i < MODEL_CLKS; i++) {
		struct clk_init_data init = {
			.name = names[i],
			.ops = &model_clk_ops,
			/* The next test has another rate, whoever has set it. */
			.flags = CLK_GET_RATE_NOCACHE,
		};

		m->clks[i].m = m;
		m->clks[i].rate = MODEL_RATE;
		m->clks[i].hw.init = &init;
		ret = clk_hw_register(NULL, &m->clks[i].hw);
		if (ret)
			return ret;
	}
	ret = of_clk_add_hw_provider(model_node("clock"), model_clk_get, m);
	if (ret)
		return ret;

	model_rcdev.of_node = model_node("reset");
	ret = reset_controller_register(&model_rcdev);
	if (ret)
		return ret;
	/* The other providers' cores say so themselves. */
	fwnode_dev_initialized(of_fwnode_handle(model_rcdev.of_node), true);

	spin_lock_init(&m->lock);
	init_completion(&m->entered);
	init_completion(&m->released);
	for (i = 0; i < ARRAY_SIZE(m->workers) && cpu_online(i); i++) {
		struct kthread_worker *worker;

		kthread_init_work(&m->irq_work[i], model_irq_work);
		worker = kthread_run_worker_on_cpu(i, 0, "model/%u");
		if (IS_ERR(worker))
			return PTR_ERR(worker);
		sched_set_fifo_low(worker->task);
		m->workers[i] = worker;
	}

	return 0;
}

/* What the kernel has reported beside its tests, as far as it can be seen here */
static unsigned long model_taints(void)
{
	return get_taint() & (BIT(TAINT_WARN) | BIT(TAINT_DIE) | BIT(TAINT_BAD_PAGE));
}

/**
 * model_power_on() - make hardware
 * @test:	that it is for
 * @ops:	what to make
 * @flash:	to put behind it, or NULL
 *
 * The caller ends with model_power_off().
 */
struct model *model_power_on(struct kunit *test, const struct model_ops *ops,
			     struct flash *flash)
{
	struct model *m = &the_model;
	unsigned int i;

	KUNIT_ASSERT_EQ(test, 0, model_setup(m));
	KUNIT_ASSERT_FALSE_MSG(test, powered, "what an earlier test left is still on");

	m->ops = ops;
	m->flash = flash;
	m->state = kzalloc(ops->state_size ?: 1, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, m->state);
	m->in_reset = ops->in_reset;
	m->accesses = 0;
	m->irqs = 0;
	m->started = 0;
	m->jitter = 0;
	m->stop_at = MODEL_NOWHERE;
	m->held = false;
	m->irq_held = false;
	m->resets_asserted = 0;
	m->fail_nth = 0;
	m->faults = 0;
	m->taints = model_taints();
	prandom_seed_state(&m->rnd, 1);
	reinit_completion(&m->entered);
	reinit_completion(&m->released);
	for (i = 0; i < MODEL_CLKS; i++)
		m->clks[i].switched = 0;
	if (ops->reset)
		ops->reset(m);
	powered = true;

	return m;
}

/**
 * model_power_off() - take the hardware away, and look what was done to it
 * @test:	fails when there were faults, when a clock runs, when something is mapped,
 *		and when the kernel reported something
 * @m:		model
 */
void model_power_off(struct kunit *test, struct model *m)
{
	unsigned int i;

	model_remove_device(m);
	model_release(m);
	for (i = 0; i < num_online_cpus(); i++)
		kthread_flush_worker(m->workers[i]);
	powered = false;

	KUNIT_EXPECT_EQ_MSG(test, 0, m->faults, "%s", m->why);
	if (m->flash)
		KUNIT_EXPECT_EQ_MSG(test, 0, m->flash->faults, "%s", m->flash->why);
	KUNIT_EXPECT_EQ_MSG(test, m->taints, model_taints(), "the kernel reported something");
	for (i = 0; i < MODEL_CLKS; i++) {
		KUNIT_EXPECT_EQ_MSG(test, 0, m->clks[i].enabled, "clock %u", i);
		KUNIT_EXPECT_EQ_MSG(test, 0, m->clks[i].prepared, "clock %u", i);
		m->clks[i].rate = MODEL_RATE;
	}
	KUNIT_EXPECT_EQ(test, 0, m->mapped[REGS]);
	KUNIT_EXPECT_EQ(test, 0, m->mapped[WINDOW]);
	kfree(m->state);
	m->state = NULL;
	m->flash = NULL;
}

unsigned int model_clear_faults(struct model *m)
{
	return xchg(&m->faults, 0);
}

/* No driver is called that. */
#define MODEL_NO_DRIVER		"none"

static const char *model_override;

/* Before drivers are tried */
static int model_choose_driver(struct notifier_block *nb, unsigned long action, void *data)
{
	struct device *dev = data;

	if (action == BUS_NOTIFY_ADD_DEVICE && the_model.np && dev->of_node == the_model.np)
		return notifier_from_errno(device_set_driver_override(dev, model_override));

	return NOTIFY_DONE;
}

static struct notifier_block model_chooses_driver = {
	.notifier_call = model_choose_driver,
};

static void model_add(struct kunit *test, struct model *m, const char *override)
{
	m->np = model_node(m->ops->name);
	KUNIT_ASSERT_NOT_NULL_MSG(test, m->np, "no node %s", m->ops->name);
	model_override = override;
	KUNIT_ASSERT_EQ(test, 0, bus_register_notifier(&platform_bus_type, &model_chooses_driver));
	m->pdev = of_platform_device_create(m->np, m->ops->name, NULL);
	bus_unregister_notifier(&platform_bus_type, &model_chooses_driver);
	KUNIT_ASSERT_NOT_NULL(test, m->pdev);
}

/* Drivers are built in: it is bound, and so is the flash, when this returns. */
void model_add_device(struct kunit *test, struct model *m)
{
	model_add(test, m, m->ops->driver);
	if (m->pdev->dev.driver && m->ops->driver)
		KUNIT_EXPECT_STREQ(test, m->ops->driver, m->pdev->dev.driver->name);
}

/**
 * model_add_unbound() - make a device for model_attach()
 * @test:	that it is for
 * @m:		model, of a kind that names its driver
 */
void model_add_unbound(struct kunit *test, struct model *m)
{
	model_add(test, m, MODEL_NO_DRIVER);
	KUNIT_ASSERT_FALSE(test, device_is_bound(&m->pdev->dev));
}

/**
 * model_attach() - bind the driver, once, here and now
 * @m:	model
 *
 * Return: what its probe function returned, but -EAGAIN for -EPROBE_DEFER
 */
int model_attach(struct model *m)
{
	struct device_driver *drv = driver_find(m->ops->driver, &platform_bus_type);

	return drv ? device_driver_attach(drv, &m->pdev->dev) : -ENOENT;
}

void model_remove_device(struct model *m)
{
	if (m->pdev)
		of_platform_device_destroy(&m->pdev->dev, NULL);
	of_node_put(m->np);
	m->pdev = NULL;
	m->np = NULL;
}

/**
 * model_stop_at() - stop the next operation that comes to a point
 * @m:		model
 * @point:	where
 */
void model_stop_at(struct model *m, enum model_point point)
{
	unsigned long flags;

	spin_lock_irqsave(&m->lock, flags);
	reinit_completion(&m->entered);
	reinit_completion(&m->released);
	m->stop_at = point;
	spin_unlock_irqrestore(&m->lock, flags);
}

bool model_wait_stopped(struct model *m)
{
	return wait_for_completion_timeout(&m->entered, MODEL_TIMEOUT / 4);
}

/* What was stopped goes on. Does no harm when nothing is. */
void model_release(struct model *m)
{
	unsigned long flags;

	spin_lock_irqsave(&m->lock, flags);
	m->stop_at = MODEL_NOWHERE;
	if (m->held) {
		m->held = false;
		model_finish(m);
	}
	if (m->irq_held) {
		m->irq_held = false;
		model_update_irq(m);
	}
	complete_all(&m->released);
	spin_unlock_irqrestore(&m->lock, flags);
}
