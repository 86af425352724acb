/* SPDX-License-Identifier: GPL-2.0 */
/*
 * about: a dead flag under bus_lock_mutex (SPI), a mutex around the operation (MTD)
 *
 * For SPI this is not a gate: what runs before or after the mutex is held, or without
 * it (supports_op, adjust_op_size, runtime PM), is not waited for. A nested operation of
 * MTD would deadlock; the benchmark has none.
 */
#include <linux/mutex.h>

struct lab_gate {
	struct mutex lock;
	bool open;
};

typedef struct { } lab_token_t;

#define LAB_GATE_SLEEPS 1

static inline int lab_gate_init(struct lab_gate *gate)
{
	mutex_init(&gate->lock);
	gate->open = false;

	return 0;
}

static inline void lab_gate_open(struct lab_gate *gate)
{
	WRITE_ONCE(gate->open, true);
}

static inline bool lab_gate_enter(struct lab_gate *gate, lab_token_t *token)
{
	mutex_lock(&gate->lock);
	if (gate->open)
		return true;
	mutex_unlock(&gate->lock);

	return false;
}

static inline void lab_gate_leave(struct lab_gate *gate, lab_token_t token)
{
	mutex_unlock(&gate->lock);
}

static inline void lab_gate_close(struct lab_gate *gate)
{
	mutex_lock(&gate->lock);
	gate->open = false;
	mutex_unlock(&gate->lock);
}

static inline void lab_gate_destroy(struct lab_gate *gate)
{
	mutex_destroy(&gate->lock);
}

#define LAB_GATE_SPI

static inline bool lab_spi_enter(struct lab_gate *gate, lab_token_t *token) { return true; }
static inline void lab_spi_leave(struct lab_gate *gate, lab_token_t token) { }

/* spi_mem_access_start(), which has taken the lock. */
static inline bool lab_spi_refused_locked(struct lab_gate *gate)
{
	return !gate->open;
}

static inline void lab_spi_close(struct lab_gate *gate, struct mutex *bus_lock)
{
	mutex_lock(bus_lock);
	gate->open = false;
	mutex_unlock(bus_lock);
}
