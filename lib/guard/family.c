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

/* One that is there already stays: memory, and what the processes that are told of it have mapped. */
static void share_image(const struct weir_family *family, struct weir_process *process,
                        struct weir_image *image)
{
        for (size_t i = 0; i < family->count; i++) {
                struct weir_image *const has[] = { family->processes[i].image,
                                                   family->processes[i].next };

                for (size_t k = 0; k < WEIR_COUNT_OF(has); k++)
                        if (has[k] && strcmp(has[k]->path, image->path) == 0 &&
                            weir_hash_mark_is(&has[k]->mark, &image->mark)) {
                                process->next = weir_image_share(has[k]);
                                weir_image_put(image);
                                return;
                        }
        }
        process->next = image;
}

static const struct weir_conf_worker *worker_of(const struct weir_conf *conf, const char *name)
{
        for (size_t i = 0; i < conf->worker_count; i++)
                if (strcmp(conf->workers[i].name, name) == 0)
                        return &conf->workers[i];
        return NULL;
}

static int try_image(struct weir_family *family, size_t index, const struct weir_conf *conf,
                     const struct weir_supervisor_calls *calls, struct weir_error *reterr)
{
        struct weir_process *process = &family->processes[index];
        const struct weir_process *before = index ? process - 1 : NULL;
        const struct weir_conf_worker *worker;
        struct weir_image *image = NULL;
        int r;

        if (!process->worker)
                return 0;
        if (before && before->worker && strcmp(before->worker, process->worker) == 0) {
                process->next = weir_image_share(before->next);
                return 0;
        }
        worker = worker_of(conf, process->worker);
        if (!worker)
                return weir_fail(reterr, WEIR_ECONF, 0, "no worker %s", process->worker);
        r = calls->image(calls->context, conf, worker, &image, reterr);
        if (r == 0)
                share_image(family, process, image);
        return r;
}

int weir_family_try_images(struct weir_family *family, const struct weir_conf *conf,
                           const struct weir_supervisor_calls *calls,
                           const struct weir_process **ret_process, struct weir_error *reterr)
{
        weir_family_drop_images(family);
        for (size_t i = 0; i < family->count; i++) {
                int r = try_image(family, i, conf, calls, reterr);

                if (r < 0) {
                        *ret_process = &family->processes[i];
                        weir_family_drop_images(family);
                        return r;
                }
        }
        return 0;
}

void weir_family_take_images(struct weir_family *family)
{
        for (size_t i = 0; i < family->count; i++) {
                struct weir_process *process = &family->processes[i];

                if (!process->next)
                        continue;
                weir_image_put(process->image);
                process->image = WEIR_TAKE(process->next);
        }
}

void weir_family_drop_images(struct weir_family *family)
{
        for (size_t i = 0; i < family->count; i++)
                weir_image_put(WEIR_TAKE(family->processes[i].next));
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
