/* SPDX-License-Identifier: GPL-2.0 */
/*
 * about: one SRCU domain for all gates, as DRM has: unregistering waits for every reader
 */
#include <linux/rcupdate.h>
#include <linux/srcu.h>

struct lab_gate {
	bool open;
};

typedef int lab_token_t;

/* In gate_bench.c. */
extern struct srcu_struct lab_gate_srcu;
#define LAB_GATE_DEFINE DEFINE_SRCU(lab_gate_srcu)

static inline int lab_gate_init(struct lab_gate *gate)
{
	return 0;
}

static inline void lab_gate_open(struct lab_gate *gate)
{
	WRITE_ONCE(gate->open, true);
}

static inline bool lab_gate_enter(struct lab_gate *gate, lab_token_t *token)
{
	*token = srcu_read_lock(&lab_gate_srcu);
	if (READ_ONCE(gate->open))
		return true;
	srcu_read_unlock(&lab_gate_srcu, *token);

	return false;
}

static inline void lab_gate_leave(struct lab_gate *gate, lab_token_t token)
{
	srcu_read_unlock(&lab_gate_srcu, token);
}

static inline void lab_gate_close(struct lab_gate *gate)
{
	WRITE_ONCE(gate->open, false);
	synchronize_srcu(&lab_gate_srcu);
}

static inline void lab_gate_destroy(struct lab_gate *gate) { }
