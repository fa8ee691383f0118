/* SPDX-License-Identifier: MIT */
#ifndef WEIR_GUARD_PROCESS_H
#define WEIR_GUARD_PROCESS_H
/*
 * process - one process of the family: forked, looked at, and what it died of written down
 *
 * Thread   supervisor.
 */
#include <signal.h>

#include "conf/conf.h"
#include "guard/child.h"
#include "guard/death.h"
#include "guard/supervisor.h"
#include "guard/kept.h"
#include "guard/watch.h"

struct weir_offer;

/* What every process of the family is started with. */
struct weir_process_env {
        const struct weir_conf *conf; /* in force */
        struct weir_child_policy policy;
        sigset_t mask;                  /* ours, before we were the supervisor */
        sigset_t blocked;               /* what a process begins with */
        struct weir_texts texts;        /* what it works by */
        const struct weir_offer *offer; /* what it is asked */
        const struct weir_supervisor_calls *calls;
};
/* @conf is in force for all that are started. */
void weir_process_env_take(struct weir_process_env *env, const struct weir_conf *conf);

/* What a process of the family is told, by the words that it is started with. */
struct weir_birth {
        const char *worker; /* NULL = the relay */
        uint32_t index;     /* among the processes of its worker, from 0 */
        int board_fd;
        struct weir_texts texts;
        const struct weir_image *image; /* its plugin; NULL = it has none */
        pid_t supervisor;
};

struct weir_process {
        struct weir_child child;
        struct weir_watch watch;
        struct weir_death death;  /* what NOTES writes down */
        int32_t stuck_thread;     /* ended because of it; 0 = not */
        struct weir_image *image; /* its plugin as it is in force */
        struct weir_image *next;  /* the same, of an offer that is open; NULL = none */
        bool renewed;   /* told to end, to begin anew; told once, a second SIGTERM would hurry it */
        char *worker;   /* its name, as long as we live; NULL = the relay */
        uint32_t notes; /* tries to write the suspicions */
        int64_t note_at_us; /* the next one */
        int64_t died_us;    /* CLOCK_MONOTONIC */
        bool waits_told;    /* since then */
        char name[80];      /* in the log: "audit", "audit/1", "relay" */
};

/* The @index-th of @of processes of @worker. < 0: no memory, or no board, errno says which. */
int weir_process_init(struct weir_process *process, const char *worker, uint32_t index,
                      uint32_t of);
void weir_process_fini(struct weir_process *process);
void weir_process_start(struct weir_process *process, const struct weir_process_env *env);
/* It died of @wait_status, not as it was told: said in the log, and its suspicions begin to be written (CH1). */
void weir_process_died(struct weir_process *process, const struct weir_process_env *env,
                       int wait_status);
/* Was it ready, and did it end as somebody else than we told it to? Then that is said in the log, it counts for nothing, and it is started
 * at once. */
bool weir_process_left(struct weir_process *process, int wait_status);
/* We have told it to end: did it? False: it died on the way. A handler that calls exit() during the drain is no end of
 * the process's own: that says on its board that it leaves. */
bool weir_process_ended(struct weir_process *process, int wait_status);
/* What wrote the suspicions has ended. */
void weir_process_noted(struct weir_process *process, const struct weir_process_env *env,
                        int wait_status);
/* Start it, watch it, or write again, when it is time to. @stopping: it is not started any more. */
void weir_process_look_after(struct weir_process *process, const struct weir_process_env *env,
                             bool stopping, int64_t now_us);

#endif
