/* SPDX-License-Identifier: MIT */
/*
 * family - made once, from the first file: how many processes there are is no key that a reload can change
 *
 * The relay is one of them, and the last to go: it carries what workers committed last.
 */
#include "guard/family.h"

#include <stdlib.h>
#include <string.h>

static int add(struct weir_family *family, const char *worker, uint32_t index, uint32_t of)
{
        if (weir_process_init(&family->processes[family->count], worker, index, of) < 0)
                return -1;
        family->count++;
        return 0;
}

int weir_family_init(struct weir_family *family, const struct weir_conf *conf, const char *only)
{
        size_t room = 1;
        int r = 0;

        for (size_t i = 0; i < conf->worker_count; i++)
                room += conf->workers[i].processes;
        *family = (struct weir_family){ .processes = calloc(room, sizeof *family->processes) };
        if (!family->processes)
                return -1;
        for (size_t i = 0; i < conf->worker_count; i++) {
                const struct weir_conf_worker *worker = &conf->workers[i];

                if (only && strcmp(only, worker->name) != 0)
                        continue;
                for (uint32_t k = 0; r == 0 && k < worker->processes; k++)
                        r = add(family, worker->name, k, worker->processes);
        }
        return r < 0 ? r : add(family, NULL, 0, 1);
}

void weir_family_fini(struct weir_family *family)
{
        for (size_t i = 0; i < family->count; i++)
                weir_process_fini(&family->processes[i]);
        free(family->processes);
}

void weir_family_signal(const struct weir_family *family, int number, bool relay_too)
{
        for (size_t i = 0; i < family->count; i++) {
                const struct weir_child *child = &family->processes[i].child;

                if (child->state == WEIR_CHILD_RUNS && (relay_too || child->worker))
                        kill(child->pid, number);
        }
}

bool weir_family_lives(const struct weir_family *family, bool relay_too)
{
        for (size_t i = 0; i < family->count; i++) {
                const struct weir_child *child = &family->processes[i].child;

                if (child->state != WEIR_CHILD_ENDED && child->state != WEIR_CHILD_FAILED &&
                    (relay_too || child->worker))
                        return true;
        }
        return false;
}

struct weir_process *weir_family_find(const struct weir_family *family, pid_t pid)
{
        for (size_t i = 0; i < family->count; i++)
                if (family->processes[i].child.pid == pid)
                        return &family->processes[i];
        return NULL;
}
