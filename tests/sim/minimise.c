/* SPDX-License-Identifier: MIT */
/*
 * minimise - from a day on which everything broke to the two things that must
 *
 * Bounds are tried one after the other, each by halves and then one less at a time, and whatever still breaks the same
 * rule is kept: processes, records, faults (the last ones first, then any), switches. Nothing says that less of one
 * makes the failure less likely, so it is a search and no proof: what comes out is small, not smallest.
 */
#include "minimise.h"

#include <string.h>

enum { TRIES_MAX = 1500 };

static int tries;

/* Is the same rule broken? Then it is the new least. */
static bool try(struct sim_options *least, struct sim_result *found, const struct sim_options *next)
{
        struct sim_result result;

        if (tries++ >= TRIES_MAX)
                return false;
        sim_run(next, &result);
        if (!result.failed || strcmp(result.check, found->check) != 0)
                return false;
        *least = *next;
        *found = result;
        return true;
}

static void lower(struct sim_options *least, struct sim_result *found, size_t at, int64_t begin,
                  int64_t end)
{
        int64_t *bound = (int64_t *)((char *)least + at);
        int64_t step = begin / 2 ? begin / 2 : 1;

        while (step) {
                struct sim_options next = *least;
                int64_t from = *bound < 0 ? begin : *bound;

                *(int64_t *)((char *)&next + at) = from - step > end ? from - step : end;
                if (from == end || !try(least, found, &next))
                        step /= 2;
        }
}

static void drop_faults(struct sim_options *least, struct sim_result *found)
{
        for (int64_t i = (int64_t)found->faults - 1; i >= 0; i--) {
                struct sim_options next = *least;

                if (next.dropped_count == SIM_DROPPED_MAX ||
                    (least->faults >= 0 && i >= least->faults))
                        continue;
                next.dropped[next.dropped_count++] = i;
                try(least, found, &next);
        }
}

void sim_minimise(struct sim_options *options, struct sim_result *result)
{
        tries = 0;
        for (int round = 0; round < 2; round++) {
                lower(options, result, offsetof(struct sim_options, processes), 3, 1);
                lower(options, result, offsetof(struct sim_options, records), 128, 0);
                lower(options, result, offsetof(struct sim_options, faults),
                      (int64_t)result->faults, 0);
                lower(options, result, offsetof(struct sim_options, switches),
                      (int64_t)result->switches, 0);
        }
        drop_faults(options, result);
}

void sim_call(const struct sim_options *options, char ret[SIM_CALL_BYTES])
{
        size_t used = (size_t)snprintf(ret, SIM_CALL_BYTES, "simulate --seed %llu",
                                       (unsigned long long)options->seed);
        const struct {
                const char *name;
                int64_t value;
        } bounds[] = { { "processes", options->processes },
                       { "records", options->records },
                       { "faults", options->faults },
                       { "switches", options->switches } };

        for (size_t i = 0; i < sizeof bounds / sizeof *bounds; i++)
                if (bounds[i].value >= 0)
                        used += (size_t)snprintf(ret + used, SIM_CALL_BYTES - used, " --%s %lld",
                                                 bounds[i].name, (long long)bounds[i].value);
        for (size_t i = 0; i < options->dropped_count; i++)
                used += (size_t)snprintf(ret + used, SIM_CALL_BYTES - used, "%s%lld",
                                         i ? "," : " --without ", (long long)options->dropped[i]);
}
