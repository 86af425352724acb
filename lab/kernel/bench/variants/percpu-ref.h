/* SPDX-License-Identifier: GPL-2.0 */
/*
 * about: a percpu_ref, killed when unregistering
 */
#include <linux/completion.h>
#include <linux/container_of.h>
#include <linux/gfp.h>
#include <linux/percpu-refcount.h>

struct lab_gate {
	struct percpu_ref users;
	struct completion done;
};

typedef struct { } lab_token_t;

static inline void lab_gate_release(struct percpu_ref *ref)
{
	complete(&container_of(ref, struct lab_gate, users)->done);
}

static inline int lab_gate_init(struct lab_gate *gate)
{
	init_completion(&gate->done);

	return percpu_ref_init(&gate->users, lab_gate_release, PERCPU_REF_INIT_DEAD,
			       GFP_KERNEL);
}

static inline void lab_gate_open(struct lab_gate *gate)
{
	percpu_ref_reinit(&gate->users);
}

static inline bool lab_gate_enter(struct lab_gate *gate, lab_token_t *token)
{
	return percpu_ref_tryget_live(&gate->users);
}

static inline void lab_gate_leave(struct lab_gate *gate, lab_token_t token)
{
	percpu_ref_put(&gate->users);
}

static inline void lab_gate_close(struct lab_gate *gate)
{
	percpu_ref_kill(&gate->users);
	wait_for_completion(&gate->done);
}

static inline void lab_gate_destroy(struct lab_gate *gate)
{
	percpu_ref_exit(&gate->users);
}
