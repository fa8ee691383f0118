/* SPDX-License-Identifier: MIT */
/*
 * random - the only source of chance: SplitMix64, a stream for each purpose
 *
 * Streams are apart so that a seed that fails can be made smaller: with half of the records, the scheduler still draws
 * what it drew.
 * Not chosen   one stream: every smaller run would be another run.
 */
#include "sim.h"

uint64_t sim_next(struct sim_random *random)
{
        uint64_t z = random->state += UINT64_C(0x9e3779b97f4a7c15);

        z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
        return z ^ z >> 31;
}

uint64_t sim_below(struct sim_random *random, uint64_t bound)
{
        return bound ? (uint64_t)((unsigned __int128)sim_next(random) * bound >> 64) : 0;
}

int64_t sim_between(struct sim_random *random, int64_t low, int64_t high)
{
        return low + (int64_t)sim_below(random, (uint64_t)(high - low) + 1);
}

bool sim_chance(struct sim_random *random, uint32_t per_million)
{
        return per_million && sim_below(random, 1000000) < per_million;
}
