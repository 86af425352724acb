// SPDX-License-Identifier: GPL-2.0-only
/*
 * A SPI controller without hardware, for KUnit tests of the SPI core
 */

#include <kunit/device.h>
#include <kunit/test.h>
#include <kunit/visibility.h>
#include <linux/delay.h>
#include <linux/module.h>
#include <linux/random.h>
#include <linux/sched/task.h>
#include <linux/slab.h>

#include "spi-fake.h"

#define SPI_FAKE_OP_RDSR	0x05
#define SPI_FAKE_READY		BIT(0)

/*
 * What all callbacks begin with. The memory of the test outlives the controller,
 * so that a call that comes too late is counted; with KASAN it is also reported.
 */
static int spi_fake_called(struct spi_fake *fake, enum spi_fake_call call)
{
	atomic_inc(&fake->calls[call]);
	if (READ_ONCE(fake->gone))
		atomic_inc(&fake->late);

	if (test_and_clear_bit(call, &fake->block)) {
		complete(&fake->entered);
		if (!wait_for_completion_timeout(&fake->release, SPI_FAKE_TIMEOUT))
			WRITE_ONCE(fake->timed_out, true);
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
	READ_ONCE(fake->hw->reg);

	if (fake->unsupported & BIT(call))
		return -EOPNOTSUPP;

	return READ_ONCE(fake->dead) ? -ENODEV : 0;
}

static struct spi_fake *spi_fake_of(struct spi_controller *ctlr)
{
	return *(struct spi_fake **)spi_controller_get_devdata(ctlr);
}

static u8 spi_fake_status(struct spi_fake *fake)
{
	return atomic_inc_return(&fake->polls) % SPI_FAKE_POLLS ? 0 : SPI_FAKE_READY;
}

static int spi_fake_exec_op(struct spi_mem *mem, const struct spi_mem_op *op)
{
	struct spi_fake *fake = spi_fake_of(mem->spi->controller);
	int ret;

	ret = spi_fake_called(fake, SPI_FAKE_EXEC_OP);
	if (!ret && op->cmd.opcode == SPI_FAKE_OP_RDSR)
		*(u8 *)op->data.buf.in = spi_fake_status(fake);

	return ret;
}

static bool spi_fake_supports_op(struct spi_mem *mem, const struct spi_mem_op *op)
{
	/* Drivers answer this without the hardware. */
	return spi_fake_called(spi_fake_of(mem->spi->controller),
			       SPI_FAKE_SUPPORTS_OP) != -EOPNOTSUPP;
}

static int spi_fake_adjust_op_size(struct spi_mem *mem, struct spi_mem_op *op)
{
	return spi_fake_called(spi_fake_of(mem->spi->controller), SPI_FAKE_ADJUST_OP_SIZE);
}

static int spi_fake_dirmap_create(struct spi_mem_dirmap_desc *desc)
{
	return spi_fake_called(spi_fake_of(desc->mem->spi->controller),
			       SPI_FAKE_DIRMAP_CREATE);
}

static ssize_t spi_fake_dirmap_read(struct spi_mem_dirmap_desc *desc, u64 offs,
				    size_t len, void *buf)
{
	return spi_fake_called(spi_fake_of(desc->mem->spi->controller),
			       SPI_FAKE_DIRMAP_READ) ?: len;
}

static ssize_t spi_fake_dirmap_write(struct spi_mem_dirmap_desc *desc, u64 offs,
				     size_t len, const void *buf)
{
	return spi_fake_called(spi_fake_of(desc->mem->spi->controller),
			       SPI_FAKE_DIRMAP_WRITE) ?: len;
}

static int spi_fake_poll_status(struct spi_mem *mem, const struct spi_mem_op *op,
				u16 mask, u16 match, unsigned long initial_delay_us,
				unsigned long polling_rate_us,
				unsigned long timeout_ms)
{
	return spi_fake_called(spi_fake_of(mem->spi->controller), SPI_FAKE_POLL_STATUS);
}

static const struct spi_controller_mem_ops spi_fake_mem_ops = {
	.adjust_op_size = spi_fake_adjust_op_size,
	.supports_op = spi_fake_supports_op,
	.exec_op = spi_fake_exec_op,
	.dirmap_create = spi_fake_dirmap_create,
	.dirmap_read = spi_fake_dirmap_read,
	.dirmap_write = spi_fake_dirmap_write,
	.poll_status = spi_fake_poll_status,
};

static int spi_fake_transfer_one(struct spi_controller *ctlr, struct spi_device *spi,
				 struct spi_transfer *xfer)
{
	struct spi_fake *fake = spi_fake_of(ctlr);
	int ret;

	/* A command and its data are transfers of one message. */
	if (xfer->len == 1 && xfer->tx_buf)
		return 0;

	ret = spi_fake_called(fake, SPI_FAKE_TRANSFER_ONE);
	if (xfer->len == 1 && xfer->rx_buf)
		*(u8 *)xfer->rx_buf = spi_fake_status(fake);

	return ret ?: READ_ONCE(fake->xfer_ret);
}

static int spi_fake_setup(struct spi_device *spi)
{
	return spi_fake_called(spi_fake_of(spi->controller), SPI_FAKE_SETUP);
}

static int spi_fake_optimize(struct spi_message *msg)
{
	return spi_fake_called(spi_fake_of(msg->spi->controller), SPI_FAKE_OPTIMIZE);
}

static int spi_fake_unoptimize(struct spi_message *msg)
{
	return spi_fake_called(spi_fake_of(msg->spi->controller), SPI_FAKE_UNOPTIMIZE);
}

static int spi_fake_target_abort(struct spi_controller *ctlr)
{
	struct spi_fake *fake = spi_fake_of(ctlr);

	int ret;

	ret = spi_fake_called(fake, SPI_FAKE_TARGET_ABORT);
	WRITE_ONCE(fake->xfer_ret, -EINTR);
	complete(&fake->release);

	return ret;
}

static size_t spi_fake_max_transfer(struct spi_device *spi)
{
	spi_fake_called(spi_fake_of(spi->controller), SPI_FAKE_MAX_TRANSFER);

	return SPI_FAKE_MAX_SIZE;
}

static size_t spi_fake_max_message(struct spi_device *spi)
{
	spi_fake_called(spi_fake_of(spi->controller), SPI_FAKE_MAX_MESSAGE);

	return SPI_FAKE_MAX_SIZE;
}

/* The ways in */

static struct spi_mem_op spi_fake_read_op(struct spi_fake *fake)
{
	return (struct spi_mem_op)
		SPI_MEM_OP(SPI_MEM_OP_CMD(0x03, 1), SPI_MEM_OP_ADDR(3, 0, 1),
			   SPI_MEM_OP_NO_DUMMY,
			   SPI_MEM_OP_DATA_IN(SPI_FAKE_LEN, fake->buf, 1));
}

long spi_fake_run_exec_op(struct spi_fake *fake)
{
	struct spi_mem_op op = spi_fake_read_op(fake);

	return spi_mem_exec_op(&fake->mem, &op);
}
EXPORT_SYMBOL_IF_KUNIT(spi_fake_run_exec_op);

long spi_fake_run_supports_op(struct spi_fake *fake)
{
	struct spi_mem_op op = spi_fake_read_op(fake);

	return spi_mem_supports_op(&fake->mem, &op);
}
EXPORT_SYMBOL_IF_KUNIT(spi_fake_run_supports_op);

static long spi_fake_run_adjust_op_size(struct spi_fake *fake)
{
	struct spi_mem_op op = spi_fake_read_op(fake);

	return spi_mem_adjust_op_size(&fake->mem, &op);
}

static struct spi_mem_dirmap_info spi_fake_dirmap_info(void)
{
	return (struct spi_mem_dirmap_info) {
		.primary_op_tmpl = SPI_MEM_OP(SPI_MEM_OP_CMD(0x03, 1),
					      SPI_MEM_OP_ADDR(3, 0, 1),
					      SPI_MEM_OP_NO_DUMMY,
					      SPI_MEM_OP_DATA_IN(0, NULL, 1)),
		.length = SPI_FAKE_LEN,
	};
}

static long spi_fake_run_dirmap_create(struct spi_fake *fake)
{
	struct spi_mem_dirmap_info info = spi_fake_dirmap_info();
	struct spi_mem_dirmap_desc *desc;

	desc = spi_mem_dirmap_create(&fake->mem, &info);
	if (IS_ERR(desc))
		return PTR_ERR(desc);

	spi_mem_dirmap_destroy(desc);

	return 0;
}

/* Made by hand, to have one also when the controller is not registered */
static void spi_fake_dirmap(struct spi_fake *fake, struct spi_mem_dirmap_desc *desc,
			    enum spi_mem_data_dir dir)
{
	*desc = (struct spi_mem_dirmap_desc) {
		.mem = &fake->mem,
		.info = spi_fake_dirmap_info(),
		.nodirmap = !fake->ctlr->mem_ops ||
			    fake->unsupported & BIT(SPI_FAKE_DIRMAP_CREATE),
	};
	desc->info.primary_op_tmpl.data.dir = dir;
	desc->info.op_tmpl = &desc->info.primary_op_tmpl;
}

static long spi_fake_run_dirmap_read(struct spi_fake *fake)
{
	struct spi_mem_dirmap_desc desc;

	spi_fake_dirmap(fake, &desc, SPI_MEM_DATA_IN);

	return spi_mem_dirmap_read(&desc, 0, SPI_FAKE_LEN, fake->buf);
}

static long spi_fake_run_dirmap_write(struct spi_fake *fake)
{
	struct spi_mem_dirmap_desc desc;

	spi_fake_dirmap(fake, &desc, SPI_MEM_DATA_OUT);

	return spi_mem_dirmap_write(&desc, 0, SPI_FAKE_LEN, fake->buf);
}

static long spi_fake_run_poll_status(struct spi_fake *fake)
{
	struct spi_mem_op op =
		SPI_MEM_OP(SPI_MEM_OP_CMD(SPI_FAKE_OP_RDSR, 1), SPI_MEM_OP_NO_ADDR,
			   SPI_MEM_OP_NO_DUMMY,
			   SPI_MEM_OP_DATA_IN(1, fake->buf, 1));

	return spi_mem_poll_status(&fake->mem, &op, SPI_FAKE_READY, SPI_FAKE_READY,
				   0, 10, 60000);
}

static void spi_fake_msg_complete(void *context)
{
	struct spi_fake_msg *m = context;

	atomic_inc(&m->completed);
	complete(&m->done);
}

void spi_fake_msg_init(struct spi_fake *fake, struct spi_fake_msg *m)
{
	memset(m, 0, sizeof(*m));
	m->xfer.rx_buf = fake->buf;
	m->xfer.len = SPI_FAKE_LEN;
	spi_message_init_with_transfers(&m->msg, &m->xfer, 1);
	init_completion(&m->done);
}
EXPORT_SYMBOL_IF_KUNIT(spi_fake_msg_init);

int spi_fake_async(struct spi_fake *fake, struct spi_fake_msg *m)
{
	m->msg.complete = spi_fake_msg_complete;
	m->msg.context = m;

	return spi_async(fake->spi, &m->msg);
}
EXPORT_SYMBOL_IF_KUNIT(spi_fake_async);

long spi_fake_run_sync(struct spi_fake *fake)
{
	struct spi_fake_msg m;

	spi_fake_msg_init(fake, &m);

	return spi_sync(fake->spi, &m.msg);
}
EXPORT_SYMBOL_IF_KUNIT(spi_fake_run_sync);

static long spi_fake_run_sync_locked(struct spi_fake *fake)
{
	struct spi_fake_msg m;
	long ret;

	spi_fake_msg_init(fake, &m);
	spi_bus_lock(fake->ctlr);
	ret = spi_sync_locked(fake->spi, &m.msg);
	spi_bus_unlock(fake->ctlr);

	return ret;
}

long spi_fake_run_async(struct spi_fake *fake)
{
	struct spi_fake_msg *m;
	long ret;

	m = kmalloc_obj(*m);
	if (!m)
		return -ENOMEM;

	spi_fake_msg_init(fake, m);
	do {
		ret = spi_fake_async(fake, m);
		/* Somebody else has locked the bus. */
		if (ret == -EBUSY)
			cond_resched();
	} while (ret == -EBUSY);

	if (!ret) {
		/* It may still be on the queue then: leak it. */
		if (!wait_for_completion_timeout(&m->done, 2 * SPI_FAKE_TIMEOUT))
			return -ETIMEDOUT;
		ret = m->msg.status;
	}
	kfree(m);

	return ret;
}
EXPORT_SYMBOL_IF_KUNIT(spi_fake_run_async);

static long spi_fake_run_setup(struct spi_fake *fake)
{
	return spi_setup(fake->spi);
}

static long spi_fake_run_optimize(struct spi_fake *fake)
{
	struct spi_fake_msg m;
	long ret;

	spi_fake_msg_init(fake, &m);
	ret = spi_optimize_message(fake->spi, &m.msg);
	if (!ret)
		spi_unoptimize_message(&m.msg);

	return ret;
}

static long spi_fake_run_target_abort(struct spi_fake *fake)
{
	return spi_target_abort(fake->spi);
}

static long spi_fake_run_max_transfer(struct spi_fake *fake)
{
	return spi_max_transfer_size(fake->spi);
}

static long spi_fake_run_max_message(struct spi_fake *fake)
{
	return spi_max_message_size(fake->spi);
}

#define ENTRY(_name, _run, _call, _ok, _refused, ...)		\
	{							\
		.name = _name,					\
		.run = spi_fake_run_##_run,			\
		.call = SPI_FAKE_##_call,			\
		.ok = _ok,					\
		.refused = _refused,				\
		.dead = -ENODEV,				\
		.count = 1,					\
		__VA_ARGS__					\
	}
#define NO(_call)	BIT(SPI_FAKE_##_call)

const struct spi_fake_entry spi_fake_entries[] = {
	ENTRY("exec_op", exec_op, EXEC_OP, 0, -ESHUTDOWN),
	ENTRY("exec_op_by_sync", exec_op, TRANSFER_ONE, 0, -ESHUTDOWN,
	      .count = 2, .unsupported = NO(EXEC_OP)),
	ENTRY("exec_op_by_queue", exec_op, TRANSFER_ONE, 0, -ESHUTDOWN,
	      .count = 2, .unsupported = NO(EXEC_OP), .must_async = true),
	ENTRY("exec_op_no_mem_ops", exec_op, TRANSFER_ONE, 0, -ESHUTDOWN,
	      .count = 2, .no_mem_ops = true),
	ENTRY("supports_op", supports_op, SUPPORTS_OP, true, false,
	      .dead = true),
	ENTRY("adjust_op_size", adjust_op_size, ADJUST_OP_SIZE, 0, -ESHUTDOWN),
	ENTRY("adjust_op_size_by_message", adjust_op_size, MAX_MESSAGE, 0, -ESHUTDOWN,
	      .dead = 0, .count = 3, .no_mem_ops = true),
	ENTRY("adjust_op_size_by_transfer", adjust_op_size, MAX_TRANSFER, 0, -ESHUTDOWN,
	      .dead = 0, .count = 2, .no_mem_ops = true),
	ENTRY("dirmap_create", dirmap_create, DIRMAP_CREATE, 0, -ESHUTDOWN,
	      .dead = 0 /* falls back to operations */),
	ENTRY("dirmap_read", dirmap_read, DIRMAP_READ, SPI_FAKE_LEN, -ESHUTDOWN),
	ENTRY("dirmap_read_by_op", dirmap_read, EXEC_OP, SPI_FAKE_LEN, -ESHUTDOWN,
	      .unsupported = NO(DIRMAP_CREATE)),
	ENTRY("dirmap_read_by_sync", dirmap_read, TRANSFER_ONE, SPI_FAKE_LEN, -ESHUTDOWN,
	      .count = 2, .unsupported = NO(DIRMAP_CREATE) | NO(EXEC_OP)),
	ENTRY("dirmap_write", dirmap_write, DIRMAP_WRITE, SPI_FAKE_LEN, -ESHUTDOWN),
	ENTRY("dirmap_write_by_op", dirmap_write, EXEC_OP, SPI_FAKE_LEN, -ESHUTDOWN,
	      .unsupported = NO(DIRMAP_CREATE)),
	ENTRY("poll_status", poll_status, POLL_STATUS, 0, -ESHUTDOWN),
	ENTRY("poll_status_by_op", poll_status, EXEC_OP, 0, -ESHUTDOWN,
	      .count = SPI_FAKE_POLLS, .unsupported = NO(POLL_STATUS)),
	ENTRY("poll_status_by_sync", poll_status, TRANSFER_ONE, 0, -ESHUTDOWN,
	      .count = SPI_FAKE_POLLS, .unsupported = NO(POLL_STATUS) | NO(EXEC_OP)),
	ENTRY("spi_sync", sync, TRANSFER_ONE, 0, -ESHUTDOWN),
	ENTRY("spi_sync_by_queue", sync, TRANSFER_ONE, 0, -ESHUTDOWN, .must_async = true),
	ENTRY("spi_sync_locked", sync_locked, TRANSFER_ONE, 0, -ESHUTDOWN),
	ENTRY("spi_async", async, TRANSFER_ONE, 0, -ESHUTDOWN),
	ENTRY("spi_setup", setup, SETUP, 0, -ESHUTDOWN),
	ENTRY("spi_optimize_message", optimize, OPTIMIZE, 0, -ESHUTDOWN),
	ENTRY("spi_target_abort", target_abort, TARGET_ABORT, 0, -ESHUTDOWN, .target = true),
	ENTRY("spi_max_transfer_size", max_transfer, MAX_TRANSFER, SPI_FAKE_MAX_SIZE,
	      (long)SIZE_MAX, .dead = SPI_FAKE_MAX_SIZE),
	ENTRY("spi_max_message_size", max_message, MAX_MESSAGE, SPI_FAKE_MAX_SIZE,
	      (long)SIZE_MAX, .dead = SPI_FAKE_MAX_SIZE),
};
EXPORT_SYMBOL_IF_KUNIT(spi_fake_entries);

const unsigned int spi_fake_nr_entries = ARRAY_SIZE(spi_fake_entries);
EXPORT_SYMBOL_IF_KUNIT(spi_fake_nr_entries);

/*
 * Members of a struct in their order: on machines of 64 bits, no pointer to a
 * function fits between two of them. If this does not compile, somebody has added
 * one. Let whoever calls it enter the gate of the controller, add a way to it to
 * spi_fake_entries, and name it here; or name it here with the reason why it needs
 * neither. Of struct spi_controller, this looks at the places where there are
 * callbacks, and spi-gate-kunit.c at its end.
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

FIRST(spi_controller_mem_ops, adjust_op_size);
NEXT(spi_controller_mem_ops, adjust_op_size, supports_op);
NEXT(spi_controller_mem_ops, supports_op, exec_op);
NEXT(spi_controller_mem_ops, exec_op, get_name);
NEXT(spi_controller_mem_ops, get_name, dirmap_create);	/* when probing */
NEXT(spi_controller_mem_ops, dirmap_create, dirmap_destroy);
NEXT(spi_controller_mem_ops, dirmap_destroy, dirmap_read);	/* by devres of a child */
NEXT(spi_controller_mem_ops, dirmap_read, dirmap_write);
NEXT(spi_controller_mem_ops, dirmap_write, poll_status);
LAST(spi_controller_mem_ops, poll_status);

NEXT(spi_controller, target, max_transfer_size);
NEXT(spi_controller, max_transfer_size, max_message_size);
NEXT(spi_controller, max_message_size, io_mutex);

NEXT(spi_controller, bus_lock_flag, setup);
NEXT(spi_controller, setup, set_cs_timing);
NEXT(spi_controller, set_cs_timing, transfer);		/* inside spi_setup() */
NEXT(spi_controller, transfer, cleanup);		/* inside spi_async() */
NEXT(spi_controller, cleanup, can_dma);			/* by a child that goes */
NEXT(spi_controller, can_dma, dma_map_dev);		/* with a message */

NEXT(spi_controller, max_dma_len, optimize_message);
NEXT(spi_controller, optimize_message, unoptimize_message);
/* Gives back what a child got */
NEXT(spi_controller, unoptimize_message, prepare_transfer_hardware);
/* With a message, or in the queue, which is stopped after the gate is closed */
NEXT(spi_controller, prepare_transfer_hardware, transfer_one_message);
NEXT(spi_controller, transfer_one_message, unprepare_transfer_hardware);
NEXT(spi_controller, unprepare_transfer_hardware, prepare_message);
NEXT(spi_controller, prepare_message, unprepare_message);
NEXT(spi_controller, unprepare_message, target_abort);
NEXT(spi_controller, target_abort, set_cs);
/* Inside spi_setup(), or with a message */
NEXT(spi_controller, set_cs, transfer_one);
NEXT(spi_controller, transfer_one, handle_err);
NEXT(spi_controller, handle_err, mem_ops);

NEXT(spi_controller, dtr_caps, get_offload);
NEXT(spi_controller, get_offload, put_offload);
NEXT(spi_controller, put_offload, cs_gpiods);		/* gives back what a child got */

NEXT(spi_controller, dummy_tx, fw_translate_cs);
NEXT(spi_controller, fw_translate_cs, ptp_sts_supported);	/* when registering */
NEXT(spi_controller, ptp_sts_supported, irq_flags);
NEXT(spi_controller, irq_flags, queue_empty);
NEXT(spi_controller, queue_empty, must_async);
NEXT(spi_controller, must_async, defer_optimize_message);
#endif

/* Its life */

static void spi_fake_cleanup(void *data)
{
	struct spi_fake *fake = data;
	struct kunit *test = fake->test;

	if (!spi_fake_free(fake))
		KUNIT_FAIL(test, "something does not end; leaked");
}

/* For tests that make many; the caller calls spi_fake_free() */
struct spi_fake *spi_fake_new_on(struct kunit *test, struct device *parent,
				 const struct spi_fake_entry *entry)
{
	struct spi_fake *fake;

	/* Not the test's memory: callbacks that do not end may use it. */
	fake = kzalloc_obj(*fake);
	KUNIT_ASSERT_NOT_NULL(test, fake);
	fake->test = test;
	fake->parent = parent;
	init_completion(&fake->entered);
	init_completion(&fake->release);

	fake->hw = kzalloc_obj(*fake->hw);
	if (!fake->hw)
		goto err_free;

	fake->ctlr = entry && entry->target ? spi_alloc_target(parent, sizeof(fake)) :
					      spi_alloc_host(parent, sizeof(fake));
	if (!fake->ctlr)
		goto err_free_hw;

	*(struct spi_fake **)spi_controller_get_devdata(fake->ctlr) = fake;
	fake->ctlr->transfer_one = spi_fake_transfer_one;
	fake->ctlr->setup = spi_fake_setup;
	fake->ctlr->optimize_message = spi_fake_optimize;
	fake->ctlr->unoptimize_message = spi_fake_unoptimize;
	fake->ctlr->target_abort = spi_fake_target_abort;
	fake->ctlr->max_transfer_size = spi_fake_max_transfer;
	fake->ctlr->max_message_size = spi_fake_max_message;
	fake->ctlr->must_async = entry && entry->must_async;
	fake->unsupported = entry ? entry->unsupported : 0;
	if (!entry || !entry->no_mem_ops)
		fake->ctlr->mem_ops = &spi_fake_mem_ops;

	/* It is added by spi_fake_register(). */
	fake->spi = spi_alloc_device(fake->ctlr);
	if (!fake->spi)
		goto err_put;

	spi_set_chipselect(fake->spi, 0, 0);
	fake->spi->cs_index_mask = BIT(0);
	fake->spi->max_speed_hz = 1000000;
	strscpy(fake->spi->modalias, "spi-fake", sizeof(fake->spi->modalias));
	fake->mem.spi = fake->spi;

	return fake;

err_put:
	spi_controller_put(fake->ctlr);
err_free_hw:
	kfree(fake->hw);
err_free:
	kfree(fake);
	KUNIT_FAIL_AND_ABORT(test, "out of memory");
	return NULL;
}
EXPORT_SYMBOL_IF_KUNIT(spi_fake_new_on);

struct spi_fake *spi_fake_new(struct kunit *test, const struct spi_fake_entry *entry)
{
	struct device *parent = kunit_device_register(test, "spi-fake");
	struct spi_fake *fake;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, parent);
	fake = spi_fake_new_on(test, parent, entry);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, spi_fake_cleanup, fake));

	return fake;
}
EXPORT_SYMBOL_IF_KUNIT(spi_fake_new);

int spi_fake_register(struct spi_fake *fake)
{
	int ret;

	ret = spi_register_controller(fake->ctlr);
	if (ret)
		return ret;

	WRITE_ONCE(fake->registered, true);
	ret = spi_add_device(fake->spi);
	if (ret)
		return ret;

	/* Keep it, as a user would who does not hear that it goes. */
	get_device(&fake->spi->dev);

	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(spi_fake_register);

long spi_fake_unregister(struct spi_fake *fake)
{
	WRITE_ONCE(fake->registered, false);
	spi_unregister_controller(fake->ctlr);
	WRITE_ONCE(fake->gone, true);
	kfree(fake->hw);

	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(spi_fake_unregister);

bool spi_fake_free(struct spi_fake *fake)
{
	bool ended = true;
	unsigned int i;

	complete_all(&fake->release);
	for (i = 0; i < fake->nr_threads; i++)
		if (!spi_fake_join(&fake->threads[i]))
			ended = false;

	if (!ended)
		return false;

	if (fake->registered)
		spi_fake_unregister(fake);
	if (!fake->gone)
		kfree(fake->hw);
	spi_dev_put(fake->spi);
	spi_controller_put(fake->ctlr);
	kfree(fake);

	return true;
}
EXPORT_SYMBOL_IF_KUNIT(spi_fake_free);

void spi_fake_block(struct spi_fake *fake, enum spi_fake_call call)
{
	reinit_completion(&fake->entered);
	reinit_completion(&fake->release);
	set_bit(call, &fake->block);
}
EXPORT_SYMBOL_IF_KUNIT(spi_fake_block);

bool spi_fake_wait_entered(struct spi_fake *fake)
{
	return wait_for_completion_timeout(&fake->entered, SPI_FAKE_TIMEOUT);
}
EXPORT_SYMBOL_IF_KUNIT(spi_fake_wait_entered);

unsigned int spi_fake_total(struct spi_fake *fake)
{
	unsigned int i, sum = 0;

	for (i = 0; i < SPI_FAKE_CALLS; i++)
		sum += atomic_read(&fake->calls[i]);

	return sum;
}
EXPORT_SYMBOL_IF_KUNIT(spi_fake_total);

static int spi_fake_thread_fn(void *data)
{
	struct spi_fake_thread *thread = data;

	thread->ret = thread->fn(thread->fake);
	complete_all(&thread->done);

	return 0;
}

struct spi_fake_thread *spi_fake_start(struct spi_fake *fake,
				       long (*fn)(struct spi_fake *fake))
{
	struct spi_fake_thread *thread = &fake->threads[fake->nr_threads];
	struct task_struct *task;

	if (fake->nr_threads == ARRAY_SIZE(fake->threads))
		return NULL;

	thread->fake = fake;
	thread->fn = fn;
	init_completion(&thread->done);
	task = kthread_create(spi_fake_thread_fn, thread, "spi-fake/%u",
			      fake->nr_threads);
	if (IS_ERR(task))
		return NULL;

	thread->task = get_task_struct(task);
	fake->nr_threads++;
	wake_up_process(task);

	return thread;
}
EXPORT_SYMBOL_IF_KUNIT(spi_fake_start);

bool spi_fake_join(struct spi_fake_thread *thread)
{
	if (!thread->task)
		return true;
	if (!wait_for_completion_timeout(&thread->done, SPI_FAKE_TIMEOUT))
		return false;

	kthread_stop_put(thread->task);
	thread->task = NULL;

	return true;
}
EXPORT_SYMBOL_IF_KUNIT(spi_fake_join);

const void *spi_fake_gen_params(struct kunit *test, const void *prev, char *desc)
{
	const struct spi_fake_entry *entry = prev ?: spi_fake_entries - 1;

	if (++entry == spi_fake_entries + ARRAY_SIZE(spi_fake_entries))
		return NULL;

	strscpy(desc, entry->name, KUNIT_PARAM_DESC_SIZE);

	return entry;
}
EXPORT_SYMBOL_IF_KUNIT(spi_fake_gen_params);

#define SPI_FAKE_STRESS_ROUNDS	100
#define SPI_FAKE_STRESS_TIME	(5 * HZ)

static long spi_fake_hammer(struct spi_fake *fake)
{
	unsigned int i = get_random_u32_below(ARRAY_SIZE(spi_fake_entries));

	while (!READ_ONCE(fake->stop)) {
		const struct spi_fake_entry *entry;
		long ret;

		entry = &spi_fake_entries[i++ % ARRAY_SIZE(spi_fake_entries)];
		if (entry->target)
			continue;

		ret = entry->run(fake);
		if (READ_ONCE(fake->dead) && (ret == -ENODEV || ret == entry->dead))
			continue;
		if (ret != entry->ok && ret != entry->refused) {
			pr_err("%s: %ld\n", entry->name, ret);
			atomic_inc(&fake->bad);
		}
		cond_resched();
	}

	return 0;
}

static void spi_fake_start_hammers(struct kunit *test, struct spi_fake *fake)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(fake->threads); i++)
		KUNIT_EXPECT_NOT_NULL(test, spi_fake_start(fake, spi_fake_hammer));
}

static bool spi_fake_stress_round(struct kunit *test, struct spi_fake *fake, bool early,
				  bool dies)
{
	fake->jitter = true;
	if (early)
		spi_fake_start_hammers(test, fake);

	KUNIT_EXPECT_EQ(test, 0, spi_fake_register(fake));
	if (!early)
		spi_fake_start_hammers(test, fake);

	usleep_range(100, 5000);
	WRITE_ONCE(fake->dead, dies);
	spi_fake_unregister(fake);
	usleep_range(100, 1000);
	WRITE_ONCE(fake->stop, true);

	KUNIT_EXPECT_EQ(test, 0, atomic_read(&fake->bad));
	KUNIT_EXPECT_EQ(test, 0, atomic_read(&fake->late));

	return spi_fake_free(fake);
}

void spi_fake_stress(struct kunit *test, bool early)
{
	struct device *parent = kunit_device_register(test, "spi-fake");
	unsigned long end = jiffies + SPI_FAKE_STRESS_TIME;
	unsigned int i;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, parent);

	for (i = 0; i < SPI_FAKE_STRESS_ROUNDS && time_before(jiffies, end); i++) {
		const struct spi_fake_entry *entry;
		struct spi_fake *fake;

		/* It is not a target, but has that entry's fallbacks. */
		entry = &spi_fake_entries[i % ARRAY_SIZE(spi_fake_entries)];
		fake = spi_fake_new_on(test, parent, entry->target ? NULL : entry);
		KUNIT_ASSERT_TRUE_MSG(test, spi_fake_stress_round(test, fake, early, i % 2),
				      "something does not end; leaked");
	}

	kunit_info(test, "%u rounds\n", i);
}
EXPORT_SYMBOL_IF_KUNIT(spi_fake_stress);

MODULE_DESCRIPTION("SPI controller without hardware for KUnit tests");
MODULE_LICENSE("GPL");
