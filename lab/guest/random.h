/* SPDX-License-Identifier: GPL-2.0 */
/* Numbers that follow from a seed. */

#ifndef RANDOM_H
#define RANDOM_H

#include <stdint.h>

/* splitmix64, as lab/src/data/image.rs has it. */
static inline uint64_t next(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;

	return z ^ (z >> 31);
}

static inline uint64_t below(uint64_t *state, uint64_t limit)
{
	return next(state) % limit;
}

#endif /* RANDOM_H */
