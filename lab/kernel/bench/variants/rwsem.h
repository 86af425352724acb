/* SPDX-License-Identifier: GPL-2.0 */
/*
 * about: a reader-writer semaphore, read-locked around the operation
 *
 * A nested operation would deadlock once unregistering waits to write; the benchmark
 * has none.
 */
#include <linux/rwsem.h>

struct lab_gate {
	struct rw_semaphore sem;
	bool open;
};

typedef struct { } lab_token_t;

#define LAB_GATE_SLEEPS 1

static inline int lab_gate_init(struct lab_gate *gate)
{
	init_rwsem(&gate->sem);
	gate->open = false;

	return 0;
}

static inline void lab_gate_open(struct lab_gate *gate)
{
	WRITE_ONCE(gate->open, true);
}

static inline bool lab_gate_enter(struct lab_gate *gate, lab_token_t *token)
{
	down_read(&gate->sem);
	if (gate->open)
		return true;
	up_read(&gate->sem);

	return false;
}

static inline void lab_gate_leave(struct lab_gate *gate, lab_token_t token)
{
	up_read(&gate->sem);
}

static inline void lab_gate_close(struct lab_gate *gate)
{
	down_write(&gate->sem);
	gate->open = false;
	up_write(&gate->sem);
}

static inline void lab_gate_destroy(struct lab_gate *gate) { }
