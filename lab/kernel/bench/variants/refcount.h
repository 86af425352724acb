/* SPDX-License-Identifier: GPL-2.0 */
/*
 * about: a flag and a refcount_t, taken unless zero; the last one inside completes
 */
#include <linux/completion.h>
#include <linux/refcount.h>

struct lab_gate {
	refcount_t users;
	bool open;
	struct completion done;
};

typedef struct { } lab_token_t;

static inline int lab_gate_init(struct lab_gate *gate)
{
	refcount_set(&gate->users, 0);
	gate->open = false;
	init_completion(&gate->done);

	return 0;
}

static inline void lab_gate_open(struct lab_gate *gate)
{
	refcount_set(&gate->users, 1);
	WRITE_ONCE(gate->open, true);
}

static inline void lab_gate_put(struct lab_gate *gate)
{
	if (refcount_dec_and_test(&gate->users))
		complete(&gate->done);
}

static inline bool lab_gate_enter(struct lab_gate *gate, lab_token_t *token)
{
	/* Else a busy gate might never close: the count is not zero until all have left. */
	return likely(READ_ONCE(gate->open)) && refcount_inc_not_zero(&gate->users);
}

static inline void lab_gate_leave(struct lab_gate *gate, lab_token_t token)
{
	lab_gate_put(gate);
}

static inline void lab_gate_close(struct lab_gate *gate)
{
	WRITE_ONCE(gate->open, false);
	lab_gate_put(gate);
	wait_for_completion(&gate->done);
}

static inline void lab_gate_destroy(struct lab_gate *gate) { }
