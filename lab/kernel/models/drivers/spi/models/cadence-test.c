// SPDX-License-Identifier: GPL-2.0-only
/*
 * Drivers of Cadence's controller on its model: that in C, and that in Rust where there
 * is one. What is special with each variant, and what happens when something fails.
 * Part of driver-test.c.
 */

#define CADENCE_RUST	"cadence-qspi-rust"

/* Drivers give up after half a second at a time, at most twice. */
#define GIVES_UP	(10 * HZ)

static bool is_rust(struct driver_test *t)
{
	return !strcmp(t->m->ops->driver, CADENCE_RUST);
}

static struct cadence *cadence(struct driver_test *t)
{
	return t->m->state;
}

static int mem_read(struct driver_test *t, struct spi_device *spi, u32 from, u32 len)
{
	struct spi_mem mem = { .spi = spi };
	struct spi_mem_op op =
		SPI_MEM_OP(SPI_MEM_OP_CMD(SPINOR_OP_READ_FAST, 1),
			   SPI_MEM_OP_ADDR(3, from, 1), SPI_MEM_OP_DUMMY(1, 1),
			   SPI_MEM_OP_DATA_IN(len, t->buf, 1));

	memset(t->buf, 0, len);

	return spi_mem_exec_op(&mem, &op);
}

static bool mem_reads_right(struct driver_test *t, u32 from, u32 len)
{
	return !mem_read(t, t->spi, from, len) && !memcmp(t->buf, t->nor->mem + from, len);
}

/* A page, and no more */
static int mem_write(struct driver_test *t)
{
	int ret;

	t->way = MEM_WRITE;
	ret = prepare_op(t) ?: op_write(t);

	return ret ?: spi_mem_wait(t);
}

static void mem_erase(struct kunit *test)
{
	struct driver_test *t = test->priv;
	struct erase_info erase = { .addr = SCRATCH, .len = t->mtd->erasesize };

	KUNIT_ASSERT_EQ(test, 0, mtd_erase(t->mtd, &erase));
}

static void expect_page(struct kunit *test)
{
	struct driver_test *t = test->priv;

	mem_erase(test);
	memset(t->buf, 0x5a, NOR_PAGE);
	KUNIT_EXPECT_EQ(test, 0, mem_write(t));
	KUNIT_EXPECT_PTR_EQ(test, NULL, memchr_inv(t->nor->mem + SCRATCH, 0x5a, NOR_PAGE));
	KUNIT_EXPECT_TRUE(test, mem_reads_right(t, SCRATCH, NOR_PAGE));
}

/* Which way operations go: a variant that takes another is not driven as it should be. */

struct cadence_ways {
	enum cadence_way short_read;
	enum cadence_way long_read;
	enum cadence_way write;
	u32 read_mask;
};

static void expect_ways(struct kunit *test, const struct cadence_ways *want)
{
	struct driver_test *t = test->priv;
	struct cadence *c = cadence(t);
	unsigned int before[CADENCE_WAYS];

	bind(test);
	mem_erase(test);

	memcpy(before, c->ways, sizeof(before));
	KUNIT_EXPECT_TRUE(test, mem_reads_right(t, READ_AT + 3, 8));
	before[want->short_read]++;
	KUNIT_EXPECT_MEMEQ(test, before, c->ways, sizeof(before));

	memcpy(before, c->ways, sizeof(before));
	KUNIT_EXPECT_TRUE(test, mem_reads_right(t, READ_AT + 1, 1001));
	before[want->long_read]++;
	/* Each half of a copy is an access of its own, if it does not go on where it was. */
	KUNIT_EXPECT_MEMEQ(test, before, c->ways, sizeof(before));
	if (want->long_read == CADENCE_READING)
		KUNIT_EXPECT_EQ(test, want->read_mask, c->read_mask);

	memset(t->buf, 0x5a, NOR_PAGE);
	t->way = MEM_WRITE;
	KUNIT_EXPECT_EQ(test, 0, prepare_op(t));
	memcpy(before, c->ways, sizeof(before));
	KUNIT_EXPECT_EQ(test, 0, op_write(t));
	before[want->write]++;
	KUNIT_EXPECT_MEMEQ(test, before, c->ways, sizeof(before));
	KUNIT_EXPECT_EQ(test, 0, spi_mem_wait(t));
	KUNIT_EXPECT_PTR_EQ(test, NULL, memchr_inv(t->nor->mem + SCRATCH, 0x5a, NOR_PAGE));
	/* The one that is not to be left on */
	KUNIT_EXPECT_EQ(test, 0, cadence_reg(t->m, CADENCE_IRQMASK));
	KUNIT_EXPECT_EQ(test, 0, cadence_reg(t->m, CADENCE_WR_PROTECT));
}

#define WAYS(_name, ...)						\
static void _name(struct kunit *test)					\
{									\
	static const struct cadence_ways want = { __VA_ARGS__ };	\
									\
	expect_ways(test, &want);					\
}

WAYS(cadence_goes_indirect, CADENCE_COMMAND, CADENCE_READING, CADENCE_WRITING, 0x1044)
WAYS(cadence_goes_without_commands, CADENCE_READING, CADENCE_READING, CADENCE_WRITING, 0x44)
WAYS(cadence_goes_polled, CADENCE_COMMAND, CADENCE_READING, CADENCE_WRITING, 0)
WAYS(cadence_reads_direct, CADENCE_COMMAND, CADENCE_READING_DIRECT, CADENCE_WRITING)
WAYS(cadence_goes_direct, CADENCE_COMMAND, CADENCE_READING_DIRECT, CADENCE_WRITING_DIRECT)

/* Reads come through the SRAM in parts, each of which is an event. */
static void cadence_trickles(struct kunit *test)
{
	static const u32 lens[] = { 9, 511, 512, 513, 515, 1024, 4095, 4096, 4097 };
	struct driver_test *t = test->priv;
	unsigned int i;

	bind(test);
	cadence(t)->trickle = true;
	for (i = 0; i < ARRAY_SIZE(lens); i++)
		KUNIT_EXPECT_TRUE_MSG(test, mem_reads_right(t, READ_AT + i, lens[i]), "%u bytes",
				      lens[i]);
	expect_parts_right(test, t->mtd);
}

/* An interrupt is lost, or late: what is in the SRAM is found nevertheless. */
static void cadence_reads_without_interrupts(struct kunit *test)
{
	struct driver_test *t = test->priv;
	unsigned int irqs;

	bind(test);
	irqs = t->m->irqs;
	cadence(t)->trickle = true;
	cadence(t)->silent = true;
	KUNIT_EXPECT_TRUE(test, mem_reads_right(t, READ_AT, 4097));
	KUNIT_EXPECT_EQ(test, irqs, t->m->irqs);
}

/* All clocks run, and all lines are pulsed, that of the reference clock's domain first. */
static void cadence_pulses_resets(struct kunit *test)
{
	struct driver_test *t = test->priv;
	unsigned int i;

	bind(test);
	KUNIT_EXPECT_EQ(test, 0x312, t->m->resets_asserted);
	KUNIT_EXPECT_EQ(test, 0, t->m->in_reset);
	expect_page(test);
	put_mtd(t);
	unbind(t, MTD_CONTROLLER);
	for (i = 0; i < 3; i++) {
		KUNIT_EXPECT_GT(test, t->m->clks[i].switched, 0);
		KUNIT_EXPECT_EQ(test, 0, t->m->clks[i].enabled);
	}
}

/* Rates, and transfer rates, of the one that has no SRAM */
static void cadence_has_limits(struct kunit *test)
{
	struct driver_test *t = test->priv;
	struct spi_mem_op op =
		SPI_MEM_OP(SPI_MEM_OP_CMD(SPINOR_OP_RDSR, 1), SPI_MEM_OP_NO_ADDR,
			   SPI_MEM_OP_NO_DUMMY, SPI_MEM_OP_DATA_IN(2, t->buf, 1));
	struct spi_mem mem = {};

	bind(test);
	mem.spi = t->spi;
	KUNIT_EXPECT_EQ(test, MODEL_RATE / 2, t->spi->controller->max_speed_hz);
	KUNIT_EXPECT_EQ(test, MODEL_RATE / 32, t->spi->controller->min_speed_hz);
	KUNIT_EXPECT_TRUE(test, spi_mem_supports_op(&mem, &op));
	op.cmd = (typeof(op.cmd)) { .nbytes = 2, .opcode = 0x505, .buswidth = 8, .dtr = true };
	op.data.buswidth = 8;
	op.data.dtr = true;
	KUNIT_EXPECT_FALSE(test, spi_mem_supports_op(&mem, &op));
}

/* 31 dummy cycles can be sent, and are; more are refused. */
static void cadence_refuses_dummies(struct kunit *test)
{
	struct driver_test *t = test->priv;
	struct spi_mem_op op =
		SPI_MEM_OP(SPI_MEM_OP_CMD(SPINOR_OP_READ_FAST, 1),
			   SPI_MEM_OP_ADDR(3, READ_AT, 1), SPI_MEM_OP_DUMMY(4, 1),
			   SPI_MEM_OP_DATA_IN(64, t->buf, 1));
	/* C's driver refuses late: the core then tries to send it as a message. */
	int refused = is_rust(t) ? -EOPNOTSUPP : -ENOTSUPP;
	struct spi_mem mem = {};

	bind(test);
	mem.spi = t->spi;
	KUNIT_EXPECT_EQ(test, refused, spi_mem_exec_op(&mem, &op));
	op.data.nbytes = 4;
	KUNIT_EXPECT_EQ(test, refused, spi_mem_exec_op(&mem, &op));
	KUNIT_EXPECT_EQ(test, 0, t->nor->flash.faults);
	op.dummy.nbytes = 3;
	KUNIT_EXPECT_EQ(test, 0, spi_mem_exec_op(&mem, &op));
	/* The flash wants eight, and has seen 24. */
	KUNIT_EXPECT_EQ(test, 1, t->nor->flash.faults);
	t->nor->flash.faults = 0;
	KUNIT_EXPECT_TRUE(test, mem_reads_right(t, READ_AT, 64));
}

/*
 * A delay that can be seen: five cycles at 1 MHz. Drivers wait for 50, of which UML's
 * udelay(), which counts loops, makes 16 us and more.
 */
static void cadence_delays_writes(struct kunit *test)
{
	struct driver_test *t = test->priv;

	t->m->clks[0].rate = 1000000;
	bind(test);
	expect_page(test);
}

/* Half of the flash is behind the window: the rest, and what begins in it, goes indirect. */
static void cadence_leaves_window(struct kunit *test)
{
	struct driver_test *t = test->priv;
	struct cadence *c = cadence(t);
	unsigned int direct, indirect;

	bind(test);
	indirect = c->ways[CADENCE_READING];
	direct = c->ways[CADENCE_READING_DIRECT];
	KUNIT_EXPECT_TRUE(test, mem_reads_right(t, SZ_1M - 100, 100));
	KUNIT_EXPECT_EQ(test, indirect, c->ways[CADENCE_READING]);
	KUNIT_EXPECT_EQ(test, direct + 1, c->ways[CADENCE_READING_DIRECT]);
	KUNIT_EXPECT_TRUE(test, mem_reads_right(t, SZ_1M - 99, 100));
	KUNIT_EXPECT_TRUE(test, mem_reads_right(t, SZ_1M, 100));
	KUNIT_EXPECT_EQ(test, indirect + 2, c->ways[CADENCE_READING]);
	KUNIT_EXPECT_EQ(test, direct + 1, c->ways[CADENCE_READING_DIRECT]);
}

/* Where there is no other way, there is an error: C's driver goes beyond its mapping. */
static void cadence_stays_in_window(struct kunit *test)
{
	struct driver_test *t = test->priv;

	bind(test);
	KUNIT_EXPECT_LT(test, mem_read(t, t->spi, MODEL_WINDOW_SIZE - 8, 16), 0);
	KUNIT_EXPECT_TRUE(test, mem_reads_right(t, READ_AT, 64));
}

/* Registers that firmware's words, or the lack of them, lead to */
static void expect_fifo(struct kunit *test, u32 words)
{
	struct driver_test *t = test->priv;

	bind(test);
	KUNIT_EXPECT_EQ(test, words / 2, cadence_reg(t->m, CADENCE_SRAMPARTITION));
	KUNIT_EXPECT_EQ(test, words * 4 / 2, cadence_reg(t->m, CADENCE_RD_WATERMARK));
	KUNIT_EXPECT_EQ(test, words * 4 / 8, cadence_reg(t->m, CADENCE_WR_WATERMARK));
	cadence(t)->trickle = true;
	expect_parts_right(test, t->mtd);
	expect_page(test);
}

static void cadence_finds_depth(struct kunit *test)
{
	expect_fifo(test, 256);
}

static void cadence_believes_depth(struct kunit *test)
{
	expect_fifo(test, 128);
}

/* Two flashes */

struct cadence_timing {
	u32 read_delay;
	u32 tshsl_ns;
	u32 tsd2d_ns;
	u32 tchsh_ns;
	u32 tslch_ns;
};

static u32 cadence_cycles(u32 ns)
{
	return DIV_ROUND_UP(MODEL_RATE / 1000000 * ns, 1000);
}

static void expect_timing(struct driver_test *t, unsigned int cs,
			  const struct cadence_timing *timing, u32 hz)
{
	u32 tshsl = max(cadence_cycles(timing->tshsl_ns), DIV_ROUND_UP(MODEL_RATE, hz));
	struct cadence *c = cadence(t);

	c->expect[cs].delay = tshsl << 24 | cadence_cycles(timing->tsd2d_ns) << 16 |
			      cadence_cycles(timing->tchsh_ns) << 8 |
			      cadence_cycles(timing->tslch_ns);
	/* Bit 0: the clock does not come back from the flash. */
	c->expect[cs].capture = timing->read_delay << 1 | 1;
	c->expect[cs].baud = DIV_ROUND_UP(MODEL_RATE, 2 * hz) - 1;
	c->expect[cs].set = true;
}

static int find_spi(struct device *dev, const void *data)
{
	return spi_get_chipselect(to_spi_device(dev), 0) == *(const unsigned int *)data;
}

/* As models.dtso has them */
static const struct cadence_timing two_timings[] = {
	{ 3, 100, 200, 30, 40 },
	{ 1, 250, 50, 60, 20 },
};

static void two_flashes(struct kunit *test, u32 first_hz, u32 second_hz)
{
	static const unsigned int chip_selects[] = { 0, 2 };
	struct driver_test *t = test->priv;
	u32 hz[] = { first_hz, second_hz };
	struct spi_device *spi[2];
	struct nor *nor[2];
	unsigned int i, j;

	nor[0] = t->nor;
	nor[1] = nor_new(test, FLASH_SIZE);
	for (i = 0; i < FLASH_SIZE; i++)
		nor[1]->mem[i] = ~t->nor->mem[i];
	cadence(t)->flash[2] = &nor[1]->flash;

	bind(test);
	put_mtd(t);
	for (i = 0; i < 2; i++) {
		struct device *dev = bus_find_device(&spi_bus_type, NULL, &chip_selects[i],
						     find_spi);

		KUNIT_ASSERT_NOT_NULL(test, dev);
		/* The test goes before it does. */
		put_device(dev);
		KUNIT_ASSERT_TRUE(test, device_is_bound(dev));
		spi[i] = to_spi_device(dev);
		spi[i]->max_speed_hz = MODEL_RATE / 20;
		KUNIT_ASSERT_EQ(test, 0, mem_read(t, spi[i], READ_AT, 1));
		spi[i]->max_speed_hz = hz[i];
		expect_timing(t, chip_selects[i], &two_timings[i], hz[i]);
	}

	for (i = 0; i < 20; i++) {
		j = model_random(t->m, 2);
		KUNIT_EXPECT_EQ(test, 0, mem_read(t, spi[j], READ_AT + i, 4 + 50 * i));
		KUNIT_EXPECT_MEMEQ(test, t->buf, nor[j]->mem + READ_AT + i, 4 + 50 * i);
	}
	KUNIT_EXPECT_EQ(test, 0, nor[1]->flash.faults);
}

static void cadence_has_two_rates(struct kunit *test)
{
	two_flashes(test, 50000000, 20000000);
}

/* C's driver sets delays when the rate changes, and only then. */
static void cadence_has_two_timings(struct kunit *test)
{
	two_flashes(test, 50000000, 50000000);
}

/* A cycle of a slow bus does not fit where it is to be the least delay. */
static void cadence_delays_fit(struct kunit *test)
{
	struct driver_test *t = test->priv;

	bind(test);
	t->spi->max_speed_hz = MODEL_RATE / 400;
	KUNIT_EXPECT_TRUE(test, mem_reads_right(t, READ_AT, 100));
	KUNIT_EXPECT_EQ(test, 0xff, cadence_reg(t->m, CADENCE_DELAY) >> 24);
	KUNIT_EXPECT_EQ(test, CADENCE_CONFIG_BAUD,
			cadence_reg(t->m, CADENCE_CONFIG) & CADENCE_CONFIG_BAUD);
}

/* Interrupts without a reason */

static void cadence_survives_spurious(struct kunit *test)
{
	struct driver_test *t = test->priv;
	struct cadence *c = cadence(t);
	unsigned int i;

	bind(test);
	for (i = 0; i < 100; i++)
		model_interrupt(t->m);
	KUNIT_EXPECT_TRUE(test, mem_reads_right(t, READ_AT, 1000));

	/* An event that nobody waits for is acknowledged, and is forgotten. */
	c->regs[CADENCE_IRQSTATUS / 4] = CADENCE_IRQ_ILLEGAL;
	model_interrupt(t->m);
	KUNIT_EXPECT_EQ(test, 0, cadence_reg(t->m, CADENCE_IRQSTATUS));
	/* One that was left over is not that of the operation that begins. */
	c->regs[CADENCE_IRQSTATUS / 4] = 0x44;
	KUNIT_EXPECT_TRUE(test, mem_reads_right(t, READ_AT, 1000));
	c->regs[CADENCE_IRQSTATUS / 4] = 0x44;
	expect_page(test);
}

/* While a write runs: it is not over for that. */
static void cadence_survives_spurious_inside(struct kunit *test)
{
	struct driver_test *t = test->priv;
	struct cadence *c = cadence(t);

	bind(test);
	mem_erase(test);
	memset(t->buf, 0x5a, NOR_PAGE);
	t->way = MEM_WRITE;
	KUNIT_ASSERT_EQ(test, 0, prepare_op(t));
	model_stop_at(t->m, MODEL_RUNNING);
	t->op = start(test, op_thread, t);
	KUNIT_ASSERT_TRUE(test, model_wait_stopped(t->m));
	model_interrupt(t->m);
	c->regs[CADENCE_IRQSTATUS / 4] = CADENCE_IRQ_ILLEGAL;
	model_interrupt(t->m);
	KUNIT_EXPECT_EQ(test, 0, wait_for_completion_timeout(&t->op_done, HZ / 20));
	model_release(t->m);
	KUNIT_ASSERT_TRUE(test, join(&t->op, &t->op_done));
	KUNIT_EXPECT_EQ(test, 0, t->op_ret);
	KUNIT_EXPECT_EQ(test, 0, spi_mem_wait(t));
	KUNIT_EXPECT_PTR_EQ(test, NULL, memchr_inv(t->nor->mem + SCRATCH, 0x5a, NOR_PAGE));
}

/* Nobody else has the line. */
static irqreturn_t other_handler(int irq, void *data)
{
	return IRQ_NONE;
}

static void cadence_does_not_share(struct kunit *test)
{
	struct driver_test *t = test->priv;
	int irq;

	bind(test);
	irq = platform_get_irq(t->m->pdev, 0);
	KUNIT_ASSERT_GT(test, irq, 0);
	KUNIT_EXPECT_EQ(test, -EBUSY, request_irq(irq, other_handler, IRQF_SHARED, "other", t));
}

/* Broken hardware */

static void times_out(struct kunit *test, u32 dead, int (*op)(struct driver_test *t))
{
	struct driver_test *t = test->priv;
	struct cadence *c = cadence(t);
	unsigned long before;

	bind(test);
	mem_erase(test);
	memset(t->buf, 0x5a, NOR_PAGE);
	t->way = MEM_WRITE;
	KUNIT_ASSERT_EQ(test, 0, prepare_op(t));

	c->dead = dead;
	before = jiffies;
	KUNIT_EXPECT_EQ(test, -ETIMEDOUT, op(t));
	KUNIT_EXPECT_TRUE(test, time_before(jiffies, before + GIVES_UP));
	/* Nothing interrupts any more. */
	KUNIT_EXPECT_EQ(test, 0, cadence_reg(t->m, CADENCE_IRQMASK));
	if (dead & ~(CADENCE_DEAD_COMMAND | CADENCE_DEAD_IDLE))
		KUNIT_EXPECT_EQ_MSG(test, CADENCE_NOTHING, c->running, "it was not cancelled");

	/* It was a whim of the hardware. */
	cadence_revive(t->m);
	t->nor->busy = 0;
	KUNIT_EXPECT_TRUE(test, mem_reads_right(t, READ_AT, 1000));
	expect_page(test);
	expect_parts_right(test, t->mtd);

	/* It is broken, and is taken away. */
	t->way = MEM_WRITE;
	KUNIT_ASSERT_EQ(test, 0, prepare_op(t));
	c->dead = dead;
	op(t);
	put_mtd(t);
	unbind(t, MTD_CONTROLLER);
	cadence_revive(t->m);
	t->nor->busy = 0;
	bind(test);
	expect_parts_right(test, t->mtd);
}

static int op_status(struct driver_test *t)
{
	struct spi_mem mem = { .spi = t->spi };
	struct spi_mem_op rdsr =
		SPI_MEM_OP(SPI_MEM_OP_CMD(SPINOR_OP_RDSR, 1), SPI_MEM_OP_NO_ADDR,
			   SPI_MEM_OP_NO_DUMMY, SPI_MEM_OP_DATA_IN(1, t->buf, 1));

	return spi_mem_exec_op(&mem, &rdsr);
}

static int op_read(struct driver_test *t)
{
	return mem_read(t, t->spi, READ_AT, 1000);
}

#define TIMES_OUT(_name, _dead, _op)			\
static void _name(struct kunit *test)			\
{							\
	times_out(test, _dead, _op);			\
}

TIMES_OUT(cadence_times_out_command, CADENCE_DEAD_COMMAND, op_status)
TIMES_OUT(cadence_times_out_idle, CADENCE_DEAD_IDLE, op_status)
TIMES_OUT(cadence_times_out_read, CADENCE_DEAD_READ, op_read)
TIMES_OUT(cadence_times_out_read_done, CADENCE_DEAD_READ_DONE, op_read)
TIMES_OUT(cadence_times_out_write, CADENCE_DEAD_WRITE, op_write)
TIMES_OUT(cadence_times_out_write_done, CADENCE_DEAD_WRITE_DONE, op_write)
TIMES_OUT(cadence_times_out_write_idle, CADENCE_DEAD_IDLE, op_write)

/* No data comes, for longer than any driver should wait for it. */
static void expect_gives_up(struct kunit *test, bool restless)
{
	struct driver_test *t = test->priv;
	struct cadence *c = cadence(t);
	bool ended;

	bind(test);
	c->dead = CADENCE_DEAD_READ;
	c->restless = restless;
	t->way = MEM_DIRMAP;
	t->op = start(test, op_thread, t);
	ended = wait_for_completion_timeout(&t->op_done, 2 * HZ);
	KUNIT_EXPECT_TRUE_MSG(test, ended, "it looks for data for ever");
	/* It is waited for again. */
	if (ended)
		complete(&t->op_done);
	c->restless = false;
	cadence_recover(t->m);
	KUNIT_ASSERT_TRUE(test, join(&t->op, &t->op_done));
	KUNIT_EXPECT_EQ(test, -ETIMEDOUT, t->op_ret);
	KUNIT_EXPECT_TRUE(test, mem_reads_right(t, READ_AT, 1000));
}

static void cadence_gives_up_polling(struct kunit *test)
{
	expect_gives_up(test, false);
}

/* There are events, but never any data. */
static void cadence_gives_up_interrupted(struct kunit *test)
{
	expect_gives_up(test, true);
}

/* A read whose data stops in the middle */
static int op_read_half(struct driver_test *t)
{
	struct cadence *c = cadence(t);

	c->dead = 0;
	c->trickle = true;
	model_stop_at(t->m, MODEL_COPY);
	t->way = MEM_DIRMAP;
	t->op = start(t->test, op_thread, t);
	if (!model_wait_stopped(t->m))
		return -ENODATA;
	c->dead = CADENCE_DEAD_READ;
	model_release(t->m);
	if (!join(&t->op, &t->op_done))
		return -EDEADLK;
	reinit_completion(&t->op_done);
	c->trickle = false;

	return t->op_ret;
}

TIMES_OUT(cadence_times_out_read_half, CADENCE_DEAD_READ, op_read_half)

/* Probing while something fails */

static void expect_nothing_left(struct kunit *test, const char *what, unsigned int nth)
{
	struct driver_test *t = test->priv;
	unsigned int i;

	for (i = 0; i < MODEL_CLKS; i++) {
		KUNIT_EXPECT_EQ_MSG(test, 0, t->m->clks[i].enabled, "%s %u: clock %u", what,
				    nth, i);
		KUNIT_EXPECT_EQ_MSG(test, 0, t->m->clks[i].prepared, "%s %u: clock %u", what,
				    nth, i);
	}
	KUNIT_EXPECT_EQ_MSG(test, 0, t->m->mapped[0], "%s %u", what, nth);
	KUNIT_EXPECT_EQ_MSG(test, 0, t->m->mapped[1], "%s %u", what, nth);
	KUNIT_EXPECT_EQ_MSG(test, 0, t->m->faults, "%s %u: %s", what, nth, t->m->why);
}

/* Binds, when nothing fails any more. */
static void bind_at_last(struct kunit *test)
{
	struct driver_test *t = test->priv;

	KUNIT_ASSERT_EQ(test, 0, model_attach(t->m));
	t->mtd = find_mtd();
	KUNIT_ASSERT_NOT_NULL(test, t->mtd);
	t->spi = to_spi_device(t->mtd->dev.parent);
	get_device(&t->spi->dev);
	expect_parts_right(test, t->mtd);
	expect_page(test);
}

/* @want: the error, or 0 for any: drivers have their own words for some. */
static void probe_fails(struct kunit *test, enum model_step step, const char *what,
			int error, int want, unsigned int times)
{
	struct driver_test *t = test->priv;
	unsigned int nth;
	int ret;

	model_add_unbound(test, t->m);
	for (nth = 1; nth <= times; nth++) {
		model_fail(t->m, step, nth, error);
		ret = model_attach(t->m);
		if (want)
			KUNIT_EXPECT_EQ_MSG(test, want, ret, "%s %u", what, nth);
		else
			KUNIT_EXPECT_LT_MSG(test, ret, 0, "%s %u", what, nth);
		KUNIT_EXPECT_EQ_MSG(test, 0, t->m->fail_nth, "%s %u", what, nth);
		if (device_is_bound(&t->m->pdev->dev))
			device_release_driver(&t->m->pdev->dev);
		expect_nothing_left(test, what, nth);
	}
	model_fail(t->m, step, 0, 0);
	bind_at_last(test);
}

#define PROBE_FAILS(_name, _step, _error, _want, _times)		\
static void _name(struct kunit *test)					\
{									\
	probe_fails(test, _step, #_step, _error, _want, _times);	\
}

/* The others are optional, and the clock framework takes whatever error for absence. */
PROBE_FAILS(cadence_fails_clk_get, MODEL_CLK_GET, -EINVAL, 0, 1)
PROBE_FAILS(cadence_defers_clk_get, MODEL_CLK_GET, -EPROBE_DEFER, -EAGAIN, 3)
PROBE_FAILS(cadence_fails_clk_prepare, MODEL_CLK_PREPARE, -EIO, -EIO, 3)
PROBE_FAILS(cadence_fails_clk_enable, MODEL_CLK_ENABLE, -EIO, -EIO, 3)
PROBE_FAILS(cadence_fails_reset_get, MODEL_RESET_GET, -EINVAL, -EINVAL, 3)
PROBE_FAILS(cadence_defers_reset_get, MODEL_RESET_GET, -EPROBE_DEFER, -EAGAIN, 3)
PROBE_FAILS(cadence_fails_reset_assert, MODEL_RESET_ASSERT, -EIO, -EIO, 3)
PROBE_FAILS(cadence_fails_reset_deassert, MODEL_RESET_DEASSERT, -EIO, -EIO, 3)
/* Whatever is wrong with it, it is -ENXIO. */
PROBE_FAILS(cadence_fails_irq_get, MODEL_IRQ_GET, -EIO, -ENXIO, 1)

/* What firmware has to say: without it there is an error, and not a guess. */
static void cadence_needs_properties(struct kunit *test)
{
	static const struct {
		bool flash;
		const char *name;
	} needed[] = {
		{ false, "cdns,trigger-address" },
		{ true, "reg" },
		{ true, "spi-max-frequency" },
		{ true, "cdns,read-delay" },
		{ true, "cdns,tshsl-ns" },
		{ true, "cdns,tsd2d-ns" },
		{ true, "cdns,tchsh-ns" },
		{ true, "cdns,tslch-ns" },
	};
	struct driver_test *t = test->priv;
	struct device_node *flash;
	unsigned int i;

	model_add_unbound(test, t->m);
	flash = of_get_child_by_name(t->m->np, "flash");
	KUNIT_ASSERT_NOT_NULL(test, flash);
	for (i = 0; i < ARRAY_SIZE(needed); i++) {
		struct device_node *np = needed[i].flash ? flash : t->m->np;
		struct property *prop = of_find_property(np, needed[i].name, NULL);

		KUNIT_EXPECT_NOT_NULL_MSG(test, prop, "%s", needed[i].name);
		if (!prop)
			continue;
		of_remove_property(np, prop);
		KUNIT_EXPECT_LT_MSG(test, model_attach(t->m), 0, "%s", needed[i].name);
		of_add_property(np, prop);
		expect_nothing_left(test, needed[i].name, i);
	}
	of_node_put(flash);
	bind_at_last(test);
}

/* Nodes keep what was removed from them: both have to be there for good. */
static void exchange_property(struct device_node *np, struct property *old,
			      struct property *new)
{
	of_remove_property(np, old);
	of_add_property(np, new);
}

/* Of more cycles than there are bits for. Binding has read, to know the flash. */
static void cadence_read_delay_fits(struct kunit *test)
{
	static __be32 cycles = cpu_to_be32(16);
	static struct property long_delay = {
		.name = "cdns,read-delay",
		.value = &cycles,
		.length = sizeof(cycles),
	};
	struct driver_test *t = test->priv;
	struct device_node *flash;
	struct property *own;

	model_add_unbound(test, t->m);
	flash = of_get_child_by_name(t->m->np, "flash");
	KUNIT_ASSERT_NOT_NULL(test, flash);
	own = of_find_property(flash, long_delay.name, NULL);
	KUNIT_EXPECT_NOT_NULL(test, own);
	if (own) {
		exchange_property(flash, own, &long_delay);
		bind_at_last(test);
		KUNIT_EXPECT_EQ(test, 0xf << 1 | 1, cadence_reg(t->m, CADENCE_CAPTURE));
		exchange_property(flash, &long_delay, own);
	}
	of_node_put(flash);
}

/* Regions that are too small for what the driver does with them */
static void cadence_needs_regions(struct kunit *test)
{
	static const struct {
		unsigned int region;
		resource_size_t size;
	} small[] = {
		{ 0, 0x80 },
		/* Not whole words */
		{ 1, 0x1001 },
	};
	struct driver_test *t = test->priv;
	unsigned int i;

	model_add_unbound(test, t->m);
	for (i = 0; i < ARRAY_SIZE(small); i++) {
		struct resource *res = platform_get_resource(t->m->pdev, IORESOURCE_MEM,
							     small[i].region);
		resource_size_t end;

		KUNIT_ASSERT_NOT_NULL(test, res);
		end = res->end;
		res->end = res->start + small[i].size - 1;
		KUNIT_EXPECT_LT_MSG(test, model_attach(t->m), 0, "region %u", small[i].region);
		res->end = end;
		expect_nothing_left(test, "region", small[i].region);
	}
	bind_at_last(test);
}

/* Those that the driver in Rust does not drive, by their fallback either */
static void cadence_leaves_versal(struct kunit *test)
{
#define FALLS_BACK(_name) {						\
	.name = "compatible",						\
	.value = _name "\0cdns,qspi-nor",				\
	.length = sizeof(_name "\0cdns,qspi-nor"),			\
}
	static struct property others[] = {
		FALLS_BACK("xlnx,versal-ospi-1.0"),
		FALLS_BACK("amd,versal2-ospi"),
	};
	struct driver_test *t = test->priv;
	struct property *own;
	unsigned int i;

	model_add_unbound(test, t->m);
	own = of_find_property(t->m->np, "compatible", NULL);
	KUNIT_ASSERT_NOT_NULL(test, own);
	for (i = 0; i < ARRAY_SIZE(others); i++) {
		exchange_property(t->m->np, own, &others[i]);
		KUNIT_EXPECT_EQ(test, -ENODEV, model_attach(t->m));
		exchange_property(t->m->np, &others[i], own);
		expect_nothing_left(test, others[i].value, i);
	}
	KUNIT_EXPECT_EQ(test, 0, t->m->accesses);
	bind_at_last(test);
}

/* Deferred for real, and tried again when another device is bound */
static void cadence_is_tried_again(struct kunit *test)
{
	struct driver_test *t = test->priv;

	model_add_unbound(test, t->m);
	KUNIT_ASSERT_EQ(test, 0, device_set_driver_override(&t->m->pdev->dev,
							    t->m->ops->driver));
	model_fail(t->m, MODEL_CLK_GET, 2, -EPROBE_DEFER);
	KUNIT_EXPECT_NE(test, 1, device_attach(&t->m->pdev->dev));
	KUNIT_EXPECT_FALSE(test, device_is_bound(&t->m->pdev->dev));
	KUNIT_EXPECT_EQ(test, 0, t->m->fail_nth);
	driver_deferred_probe_trigger();
	wait_for_device_probe();
	KUNIT_EXPECT_TRUE(test, device_is_bound(&t->m->pdev->dev));
	t->mtd = find_mtd();
	KUNIT_ASSERT_NOT_NULL(test, t->mtd);
	expect_parts_right(test, t->mtd);
}

/* Of the test's thread, the nth allocation from now */
static void fail_allocation(unsigned int nth)
{
	model_failslab_all();
	WRITE_ONCE(current->fail_nth, nth);
}

/* Whether there was one */
static bool allocation_failed(void)
{
	return !xchg(&current->fail_nth, 0);
}

#define MANY_ALLOCATIONS	3000

/*
 * The allocations of the controller's driver, of the SPI core for it, and of the flash's
 * driver, one after the other. When one of the flash's fails, the controller is bound
 * without it.
 */
static void cadence_fails_allocation(struct kunit *test)
{
	struct driver_test *t = test->priv;
	unsigned int nth, refused = 0, bound = 0;
	bool failed = false;
	int ret = 0;

	model_add_unbound(test, t->m);
	for (nth = 1; nth < MANY_ALLOCATIONS; nth++) {
		/* The SPI core warns where only memory can be lacking. */
		kunit_warning_suppress(test) {
			fail_allocation(nth);
			ret = model_attach(t->m);
			failed = allocation_failed();
		}
		if (ret) {
			refused++;
			KUNIT_EXPECT_TRUE_MSG(test, failed, "allocation %u: %d", nth, ret);
			KUNIT_EXPECT_FALSE(test, device_is_bound(&t->m->pdev->dev));
		} else {
			bound++;
			device_release_driver(&t->m->pdev->dev);
		}
		expect_nothing_left(test, "allocation", nth);
		/* Those of the flash's driver are many. */
		if (!failed || bound > cycles)
			break;
	}
	kunit_info(test, "%u allocations: %u times not bound, %u times bound\n", nth,
		   refused, bound);
	KUNIT_EXPECT_LT(test, nth, MANY_ALLOCATIONS);
	/* Or nothing was tried. */
	KUNIT_EXPECT_GT(test, refused, 10);
	bind_at_last(test);
}

/* The same while the device is unbound: nothing there may depend on memory. */
static void cadence_unbinds_without_memory(struct kunit *test)
{
	struct driver_test *t = test->priv;
	unsigned int nth;
	bool failed = true;

	model_add_unbound(test, t->m);
	for (nth = 1; failed && nth < MANY_ALLOCATIONS; nth++) {
		KUNIT_ASSERT_EQ(test, 0, model_attach(t->m));
		fail_allocation(nth);
		device_release_driver(&t->m->pdev->dev);
		failed = allocation_failed();
		expect_nothing_left(test, "allocation", nth);
	}
	KUNIT_EXPECT_FALSE(test, failed);
	bind_at_last(test);
}

static void operation_fails_allocation(struct kunit *test, int (*op)(struct driver_test *t))
{
	struct driver_test *t = test->priv;
	unsigned int nth;
	bool failed;
	int ret;

	for (nth = 1; nth < MANY_ALLOCATIONS; nth++) {
		fail_allocation(nth);
		ret = op(t);
		failed = allocation_failed();
		KUNIT_EXPECT_TRUE_MSG(test, !ret || (failed && ret == -ENOMEM),
				      "allocation %u: %d", nth, ret);
		/* If it was to be waited for */
		t->nor->busy = 0;
		if (!failed)
			break;
		KUNIT_EXPECT_TRUE(test, mem_reads_right(t, READ_AT, 100));
	}
	KUNIT_EXPECT_EQ(test, 0, ret);
}

static int op_dirmap(struct driver_test *t)
{
	t->way = MEM_DIRMAP;

	return op_by_mem(t);
}

static void cadence_operation_fails_allocation(struct kunit *test)
{
	struct driver_test *t = test->priv;

	bind(test);
	operation_fails_allocation(test, op_status);
	operation_fails_allocation(test, op_read);
	operation_fails_allocation(test, op_dirmap);
	mem_erase(test);
	operation_fails_allocation(test, mem_write);
	expect_parts_right(test, t->mtd);
}

/* What the variants have in common, unbinding as far as it is theirs */
#define CADENCE_CASES							\
	KUNIT_CASE(driver_probes),					\
	KUNIT_CASE_SLOW(driver_reads),					\
	KUNIT_CASE_SLOW(driver_writes),					\
	KUNIT_CASE(driver_binds_again),					\
	KUNIT_CASE(unbind_mem_copy),					\
	KUNIT_CASE(unbind_write_running),				\
	KUNIT_CASE(unbind_write_copy)

/* Where all points can be stopped at */
#define CADENCE_ALL_CASES						\
	NOR_DATA_CASES,							\
	DRIVER_CASES,							\
	NOR_MEM_CASES,							\
	NOR_PART_CASES,							\
	KUNIT_CASE(unbind_flash_security),				\
	KUNIT_CASE(unbind_controller_security),				\
	KUNIT_CASE(unbind_command_start),				\
	KUNIT_CASE(unbind_command_running),				\
	KUNIT_CASE(unbind_command_done),				\
	KUNIT_CASE(unbind_write_start),					\
	KUNIT_CASE(unbind_write_running),				\
	KUNIT_CASE(unbind_write_done),					\
	KUNIT_CASE(unbind_write_copy)

#define CADENCE_SUITE(_id, _model, ...)					\
	DRIVER_SUITE_OF(_id, &_model.ops, false, NOR_PLAIN, __VA_ARGS__)

/* A suite with C's driver, and one with the driver in Rust, where there is that */
#if IS_ENABLED(CONFIG_SPI_CADENCE_QUADSPI_RUST)
#define RUST_SUITE	CADENCE_SUITE
#define RUST_OCTAL_SUITE(_id, _model)					\
	DRIVER_SUITE_OF(_id, &_model.ops, false, NOR_MICRON, OCTAL_CASES)
#else
#define RUST_SUITE(...)
#define RUST_OCTAL_SUITE(...)
#endif

#define CADENCE_SUITES(_id, ...)					\
	CADENCE_SUITE(_id, _id##_model, __VA_ARGS__);			\
	RUST_SUITE(_id##_rust, _id##_rust_model, __VA_ARGS__)

CADENCE_SUITES(cadence, CADENCE_ALL_CASES,
	       KUNIT_CASE(cadence_goes_indirect),
	       KUNIT_CASE_SLOW(cadence_trickles),
	       KUNIT_CASE(cadence_reads_without_interrupts),
	       KUNIT_CASE(cadence_refuses_dummies),
	       KUNIT_CASE(cadence_survives_spurious),
	       KUNIT_CASE(cadence_survives_spurious_inside),
	       KUNIT_CASE(cadence_does_not_share));
#define SOCFPGA_CASES							\
	KUNIT_CASE(cadence_goes_without_commands),			\
	KUNIT_CASE_SLOW(cadence_trickles)
CADENCE_SUITE(cadence_socfpga, cadence_socfpga_model,
	      NOR_DATA_CASES, DRIVER_CASES, NOR_MEM_CASES, SOCFPGA_CASES);
RUST_SUITE(cadence_socfpga_rust, cadence_socfpga_rust_model, CADENCE_CASES,
	   KUNIT_CASE(unbind_mem_running), SOCFPGA_CASES);

#define POLLED_CASES							\
	KUNIT_CASE(cadence_goes_polled),				\
	KUNIT_CASE_SLOW(cadence_trickles)
CADENCE_SUITE(cadence_polled, cadence_polled_model,
	      NOR_DATA_CASES, DRIVER_CASES, NOR_MEM_CASES, POLLED_CASES);
RUST_SUITE(cadence_polled_rust, cadence_polled_rust_model, CADENCE_CASES,
	   KUNIT_CASE(unbind_mem_running),
	   KUNIT_CASE(unbind_mem_done), KUNIT_CASE_SLOW(unbind_random), POLLED_CASES);
CADENCE_SUITES(cadence_lgm, CADENCE_CASES,
	       KUNIT_CASE(cadence_goes_indirect),
	       KUNIT_CASE_SLOW(cadence_believes_depth));
CADENCE_SUITES(cadence_elba, CADENCE_CASES,
	       KUNIT_CASE(cadence_goes_indirect));
CADENCE_SUITES(cadence_jh7110, CADENCE_CASES,
	       KUNIT_CASE(cadence_goes_indirect),
	       KUNIT_CASE(cadence_pulses_resets));
CADENCE_SUITES(cadence_k2g, CADENCE_CASES,
	       KUNIT_CASE(unbind_dirmap_start),
	       KUNIT_CASE(unbind_command_running),
	       KUNIT_CASE(cadence_reads_direct),
	       KUNIT_CASE(cadence_delays_writes),
	       KUNIT_CASE(cadence_leaves_window));
CADENCE_SUITES(cadence_am654, CADENCE_CASES,
	       KUNIT_CASE(unbind_dirmap_start),
	       KUNIT_CASE(cadence_reads_direct),
	       KUNIT_CASE(cadence_delays_writes));
CADENCE_SUITES(cadence_rzn1, CADENCE_CASES,
	       KUNIT_CASE(unbind_dirmap_start),
	       KUNIT_CASE(unbind_command_running),
	       KUNIT_CASE(unbind_write_start),
	       KUNIT_CASE(unbind_write_done),
	       KUNIT_CASE_SLOW(unbind_random),
	       KUNIT_CASE(cadence_goes_direct),
	       KUNIT_CASE(cadence_has_limits));
/* 8D-8D-8D, through the window and through the SRAM */
#define OCTAL_CASES							\
	NOR_DATA_CASES,							\
	KUNIT_CASE(driver_is_octal),					\
	KUNIT_CASE(driver_inverts_commands),				\
	KUNIT_CASE(driver_binds_again),					\
	KUNIT_CASE(unbind_mem_copy)
#define OCTAL_SUITES(_id, _kind)					\
	DRIVER_SUITE_OF(_id, &_kind##_model.ops, false, NOR_MICRON, OCTAL_CASES); \
	RUST_OCTAL_SUITE(_id##_rust, _kind##_rust_model)
OCTAL_SUITES(cadence_octal, cadence_am654);
OCTAL_SUITES(cadence_octal_polled, cadence_polled_octal);
CADENCE_SUITES(cadence_two,
	       KUNIT_CASE_SLOW(cadence_finds_depth),
	       KUNIT_CASE(cadence_has_two_rates));

/* What C's driver does not do is only in the second. */
#define BROKEN_CASES							\
	KUNIT_CASE_SLOW(cadence_times_out_command),			\
	KUNIT_CASE_SLOW(cadence_times_out_idle),			\
	KUNIT_CASE_SLOW(cadence_times_out_read),			\
	KUNIT_CASE_SLOW(cadence_times_out_read_half),			\
	KUNIT_CASE_SLOW(cadence_times_out_read_done),			\
	KUNIT_CASE_SLOW(cadence_times_out_write),			\
	KUNIT_CASE_SLOW(cadence_times_out_write_done)

CADENCE_SUITE(cadence_broken, cadence_model, BROKEN_CASES);
RUST_SUITE(cadence_broken_rust, cadence_rust_model, BROKEN_CASES,
	   KUNIT_CASE_SLOW(cadence_times_out_write_idle));

#define ERROR_CASES							\
	KUNIT_CASE(cadence_fails_clk_get),				\
	KUNIT_CASE(cadence_defers_clk_get),				\
	KUNIT_CASE(cadence_fails_clk_prepare),				\
	KUNIT_CASE(cadence_fails_clk_enable),				\
	KUNIT_CASE(cadence_fails_reset_get),				\
	KUNIT_CASE(cadence_defers_reset_get),				\
	KUNIT_CASE(cadence_fails_irq_get),				\
	KUNIT_CASE(cadence_needs_properties),				\
	KUNIT_CASE(cadence_is_tried_again)

CADENCE_SUITE(cadence_errors, cadence_jh7110_model, ERROR_CASES);
RUST_SUITE(cadence_errors_rust, cadence_jh7110_rust_model, ERROR_CASES,
	   KUNIT_CASE(cadence_fails_reset_assert),
	   KUNIT_CASE(cadence_fails_reset_deassert));

/* Not of the kind with more clocks and with resets: lack of memory is taken for lack of these. */
#define MEMORY_CASES							\
	KUNIT_CASE_SLOW(cadence_fails_allocation),			\
	KUNIT_CASE_SLOW(cadence_unbinds_without_memory),		\
	KUNIT_CASE_SLOW(cadence_operation_fails_allocation)

CADENCE_SUITE(cadence_memory, cadence_model, MEMORY_CASES);
RUST_SUITE(cadence_memory_rust, cadence_rust_model, MEMORY_CASES);

/*
 * Those of C's driver fail as listed, for its bugs: it keeps the delays of the flash
 * before if the rate is the same, masks delays that do not fit, does not look whether a
 * write ended or a reset line could be moved, and looks for data for ever.
 */
CADENCE_SUITE(cadence_known, cadence_model,
	      KUNIT_CASE_SLOW(cadence_times_out_write_idle),
	      KUNIT_CASE(cadence_delays_fit));
CADENCE_SUITE(cadence_known_two, cadence_two_model,
	      KUNIT_CASE(cadence_has_two_timings));
CADENCE_SUITE(cadence_known_polled, cadence_polled_model,
	      KUNIT_CASE_SLOW(cadence_gives_up_polling));
CADENCE_SUITE(cadence_known_resets, cadence_jh7110_model,
	      KUNIT_CASE(cadence_fails_reset_assert));

RUST_SUITE(cadence_more_rust, cadence_two_rust_model,
	   KUNIT_CASE(cadence_has_two_timings));
RUST_SUITE(cadence_window_rust, cadence_rzn1_rust_model,
	   KUNIT_CASE(cadence_stays_in_window));
RUST_SUITE(cadence_plain_more_rust, cadence_rust_model,
	   KUNIT_CASE(cadence_delays_fit),
	   KUNIT_CASE(cadence_read_delay_fits),
	   KUNIT_CASE_SLOW(cadence_gives_up_interrupted),
	   KUNIT_CASE(cadence_needs_regions),
	   KUNIT_CASE(cadence_leaves_versal));
RUST_SUITE(cadence_polled_broken_rust, cadence_polled_rust_model,
	   KUNIT_CASE_SLOW(cadence_gives_up_polling),
	   KUNIT_CASE_SLOW(cadence_times_out_read),
	   KUNIT_CASE_SLOW(cadence_times_out_read_half),
	   KUNIT_CASE_SLOW(cadence_times_out_read_done));
