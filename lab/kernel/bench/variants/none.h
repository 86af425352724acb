/* SPDX-License-Identifier: GPL-2.0 */
/*
 * about: no gate: nothing is entered, nothing is waited for
 */
#define LAB_GATE_NONE

#include <linux/rcupdate.h>

struct lab_gate { };
typedef struct { } lab_token_t;

static inline int lab_gate_init(struct lab_gate *gate) { return 0; }
static inline void lab_gate_open(struct lab_gate *gate) { }
static inline bool lab_gate_enter(struct lab_gate *gate, lab_token_t *token) { return true; }
static inline void lab_gate_leave(struct lab_gate *gate, lab_token_t token) { }
static inline void lab_gate_close(struct lab_gate *gate) { }
static inline void lab_gate_destroy(struct lab_gate *gate) { }

