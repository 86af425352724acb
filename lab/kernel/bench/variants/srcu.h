/* SPDX-License-Identifier: GPL-2.0 */
/*
 * about: SRCU as in the series, with the choice of how to wait
 */
#include <linux/completion.h>
#include <linux/rcupdate.h>
#include <linux/rcupdate_wait.h>
#include <linux/srcu.h>

struct lab_gate {
	struct srcu_struct srcu;
	bool open;
};

typedef int lab_token_t;

static inline int lab_gate_init(struct lab_gate *gate)
{
	return init_srcu_struct(&gate->srcu);
}

static inline void lab_gate_open(struct lab_gate *gate)
{
	WRITE_ONCE(gate->open, true);
}

static inline bool lab_gate_enter(struct lab_gate *gate, lab_token_t *token)
{
	*token = srcu_read_lock(&gate->srcu);
	if (READ_ONCE(gate->open))
		return true;
	srcu_read_unlock(&gate->srcu, *token);

	return false;
}

static inline void lab_gate_leave(struct lab_gate *gate, lab_token_t token)
{
	srcu_read_unlock(&gate->srcu, token);
}

/* Chosen by gate_bench.c, while nobody unregisters. */
#define LAB_GATE_DRAINS { "call_srcu", "synchronize_srcu", "synchronize_srcu_expedited", \
			  "call_srcu+srcu_expedite_current", \
			  "all-expedited" }
extern int lab_gate_drain;

static inline void lab_gate_close(struct lab_gate *gate)
{
	struct rcu_synchronize rs;

	WRITE_ONCE(gate->open, false);
	if (lab_gate_drain == 1)
		return synchronize_srcu(&gate->srcu);
	if (lab_gate_drain == 2 || lab_gate_drain == 4)
		return synchronize_srcu_expedited(&gate->srcu);

	init_rcu_head_on_stack(&rs.head);
	init_completion(&rs.completion);
	call_srcu(&gate->srcu, &rs.head, wakeme_after_rcu);
	if (lab_gate_drain == 3)
		srcu_expedite_current(&gate->srcu);
	wait_for_completion(&rs.completion);
	destroy_rcu_head_on_stack(&rs.head);
}

static inline void lab_gate_destroy(struct lab_gate *gate)
{
	/* srcu_expedite_current() leaves a callback. */
	srcu_barrier(&gate->srcu);
	cleanup_srcu_struct(&gate->srcu);
}
