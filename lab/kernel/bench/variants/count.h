/* SPDX-License-Identifier: GPL-2.0 */
/*
 * about: an atomic count, a flag and a wait queue
 */
#include <linux/atomic.h>
#include <linux/wait.h>

struct lab_gate {
	atomic_t users;
	bool open;
	wait_queue_head_t wait;
};

typedef struct { } lab_token_t;

static inline int lab_gate_init(struct lab_gate *gate)
{
	atomic_set(&gate->users, 0);
	gate->open = false;
	init_waitqueue_head(&gate->wait);

	return 0;
}

static inline void lab_gate_open(struct lab_gate *gate)
{
	WRITE_ONCE(gate->open, true);
}

/*
 * Fully ordered: whoever closes sees the count as zero only after the last use. The
 * last one touches the gate after that, so a real one would have to free it by RCU.
 */
static inline void lab_gate_leave(struct lab_gate *gate, lab_token_t token)
{
	if (atomic_dec_and_test(&gate->users) && unlikely(!READ_ONCE(gate->open)))
		wake_up_all(&gate->wait);
}

static inline bool lab_gate_enter(struct lab_gate *gate, lab_token_t *token)
{
	/* Against lab_gate_close(): it sees the count, or we see the flag. */
	atomic_inc(&gate->users);
	smp_mb__after_atomic();
	if (likely(READ_ONCE(gate->open)))
		return true;
	lab_gate_leave(gate, *token);

	return false;
}

static inline void lab_gate_close(struct lab_gate *gate)
{
	WRITE_ONCE(gate->open, false);
	smp_mb();
	wait_event(gate->wait, !atomic_read(&gate->users));
}

static inline void lab_gate_destroy(struct lab_gate *gate) { }
