/* SPDX-License-Identifier: MIT */
#ifndef WEIR_FLOW_GATE_H
#define WEIR_FLOW_GATE_H
/*
 * gate - a suspect is inside its handler alone in the whole process
 *
 * Thread   init, fini: main. The rest: lanes.
 *  GT1 while a suspect passes, no other handler of this process runs: what dies then, dies of it.
 *  GT2 who waits to be alone is passed by nobody who came later.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct weir_gate {
        pthread_mutex_t mutex;
        pthread_cond_t cond;
        uint32_t inside;  /* @mutex  with others */
        uint32_t waiting; /* @mutex  to be alone */
        bool alone;       /* @mutex  somebody is */
};

void weir_gate_init(struct weir_gate *gate);
void weir_gate_fini(struct weir_gate *gate);
/* Wait to be let in, @alone or with others; false: @stopping said so meanwhile. */
bool weir_gate_enter(struct weir_gate *gate, bool alone, int (*stopping)(void *), void *context);
void weir_gate_leave(struct weir_gate *gate);

#endif
