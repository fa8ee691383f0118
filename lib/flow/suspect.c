/* SPDX-License-Identifier: MIT */
/*
 * suspect - who was there may have done it; who was there alone did
 *
 * The supervisor writes one death for each event that was inside a handler (store/suspicion). From then on each of
 * them is run alone: the innocent is applied and its row goes with its offset, the culprit kills the process again and
 * is the only one to be counted. After crash.attempts deaths nobody asks it any more.
 *
 * Always true   SS1 an event that was never in a handler at a death is never condemned as a crash.
 *               SS2 the first death condemns nobody: crash.attempts is 2 at least.
 */
#include "flow/suspect.h"

#include <stdio.h>
#include <string.h>

#include "flow/policy.h"

void weir_suspect_reason(const char *death, char ret[8])
{
        snprintf(ret, 8, "%.*s", (int)strcspn(death, " :\n"), death);
}

static void condemn(struct weir_batch *batch, struct weir_item *item)
{
        const char *death = item->death ? item->death : "";
        char reason[sizeof item->reason];

        weir_suspect_reason(death, reason);
        item->attempts += item->deaths;
        weir_batch_describe(batch, item, reason, death);
        weir_batch_condemn(item, WEIR_CLASS_CRASH);
}

void weir_suspect_condemn(const struct weir_conf_worker *worker, const struct weir_retry *retry,
                          struct weir_batch *batch)
{
        for (size_t i = 0; retry->count && i < batch->item_count; i++) {
                struct weir_item *item = &batch->items[i];

                if (item->deaths && !item->dead && weir_policy_deadly(worker, item->deaths))
                        condemn(batch, item);
        }
}

bool weir_suspect_at(const struct weir_retry *retry, const struct weir_batch *batch, size_t record)
{
        const struct weir_batch_record *entry = &batch->records[record];

        for (uint32_t i = 0; retry->count && i < entry->item_count; i++) {
                const struct weir_item *item = &batch->items[entry->first_item + i];

                if (item->deaths && !item->dead && !item->parked)
                        return true;
        }
        return false;
}
