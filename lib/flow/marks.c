/* SPDX-License-Identifier: MIT */
/*
 * marks - a thousand idle partitions ask one question a second, not a thousand
 *
 * The race      two lanes find the time come: the one that moves look_at_us under the mutex looks, the
 *               other goes by what is known. No lock is held across the query.
 * Moves         a lane finds out by its fence that its position was moved, so in a quiet partition never: an operator who
 *               set it back to have records read again waited for the next one. The same look brings the epochs. What it
 *               brought may be older than the lane's own; it only counts where it is newer. A position whose row names another
 *               process (a member that was expelled and did not know it took it meanwhile) counts when it has rested for a minute:
 *               at once, two that both think it theirs would take it from each other every second.
 * Not chosen    NOTIFY alone: a lane that holds no connection cannot listen, and one that was missed in
 *               a failover would be missed for ever.
 */
#include "flow/marks.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "store/deadletter.h"

#define LOOK_EVERY_US 1000000

void weir_marks_init(struct weir_marks *marks)
{
        *marks = (struct weir_marks){ .count = 0 };
        pthread_mutex_init(&marks->mutex, NULL);
}

void weir_marks_fini(struct weir_marks *marks)
{
        pthread_mutex_destroy(&marks->mutex);
}

static void look(struct weir_marks *marks, const struct weir_lane_env *env,
                 struct weir_latch *interrupt)
{
        struct weir_position_epoch epochs[WEIR_MARKS_MAX];
        int32_t positions[WEIR_MARKS_MAX];
        struct weir_error error;
        struct weir_pg *pg;
        size_t count = 0, epoch_count = 0;

        if (weir_pool_acquire(env->pool, interrupt, &pg, &error) < 0)
                return; /* whoever has work to do says that the database is away */
        if (weir_deadletter_marked(pg, positions, WEIR_COUNT_OF(positions), &count, &error) < 0)
                count = 0;
        if (weir_position_epochs(pg, env->worker->name, env->owner, epochs, WEIR_COUNT_OF(epochs),
                                 &epoch_count, &error) < 0)
                epoch_count = 0;
        weir_pool_release(env->pool, pg);
        pthread_mutex_lock(&marks->mutex);
        memcpy(marks->positions, positions, count * sizeof *positions);
        marks->count = count;
        memcpy(marks->epochs, epochs, epoch_count * sizeof *epochs);
        marks->epoch_count = epoch_count;
        pthread_mutex_unlock(&marks->mutex);
}

static bool known(const struct weir_marks *marks, int32_t position)
{
        for (size_t i = 0; i < marks->count; i++)
                if (marks->positions[i] == position)
                        return true;
        /* Full: beyond the last one nobody has looked, and maybe nobody runs those before it. Look for yourself. */
        return marks->count == WEIR_MARKS_MAX && position > marks->positions[marks->count - 1];
}

bool weir_marks_has(struct weir_marks *marks, const struct weir_lane_env *env,
                    struct weir_latch *interrupt, int32_t position)
{
        int64_t now_us = weir_clock_us();
        bool found, mine;

        pthread_mutex_lock(&marks->mutex);
        mine = now_us >= marks->look_at_us;
        if (mine)
                marks->look_at_us = now_us + LOOK_EVERY_US;
        pthread_mutex_unlock(&marks->mutex);
        if (mine)
                look(marks, env, interrupt);
        pthread_mutex_lock(&marks->mutex);
        found = known(marks, position);
        pthread_mutex_unlock(&marks->mutex);
        return found;
}

static int by_id(const void *key, const void *element)
{
        const struct weir_position_epoch *place = element;
        int32_t id = *(const int32_t *)key;

        return (id > place->id) - (id < place->id);
}

bool weir_marks_moved(struct weir_marks *marks, const struct weir_position *position)
{
        const struct weir_position_epoch *found;
        bool moved;

        pthread_mutex_lock(&marks->mutex);
        found = bsearch(&position->id, marks->epochs, marks->epoch_count, sizeof *marks->epochs,
                        by_id);
        moved = found && found->epoch > position->epoch;
        pthread_mutex_unlock(&marks->mutex);
        return moved;
}
