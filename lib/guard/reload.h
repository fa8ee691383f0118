/* SPDX-License-Identifier: MIT */
#ifndef WEIR_GUARD_RELOAD_H
#define WEIR_GUARD_RELOAD_H
/*
 * reload - what the service works by, and how another file comes into force
 *
 *      none ──SIGHUP──▶ reads ──good──▶ offers ──all prepared──▶ takes ──all are over──▶ none
 *        ▲                └─bad──┐         └─one refused──┐        └─too slow, told──────▲
 *        └───────────────────────┴────────────────────────┘
 *
 *  RE1 what is in force changes at one place, between offers and takes: for the supervisor, for processes that are
 *      started, and for those that run (offer.h) alike: the text and the plugins (IM1).
 *  RE2 keys that need a restart are as the file of the start said, for whoever is started whenever (conf/keep.c).
 *  RE3 each step has an end by time.
 *
 * Thread   supervisor.
 */
#include "guard/offer.h"
#include "guard/supervisor.h"

enum weir_reload_state {
        WEIR_RELOAD_NONE,
        WEIR_RELOAD_READS,
        WEIR_RELOAD_OFFERS,
        WEIR_RELOAD_TAKES
};

struct weir_reload {
        enum weir_reload_state state;
        uint32_t count; /* begun so far */
        bool again;     /* told so while one was on: one more, afterwards */
        pid_t reader;   /* that reads the file; 0 = none */
        int pad;        /* to write */
        struct weir_family *family;
        struct weir_process_env *env; /* what is in force, for those that are started */
        struct weir_conf *first;      /* RE2 */
        struct weir_conf *conf;       /* in force; may be @first */
        struct weir_conf *candidate;
        char *text; /* of the candidate */
        size_t text_size;
        struct weir_offer offer;
        int64_t began_us, until_us;
        bool relay_renewed;
};

/* Takes over @conf, also on failure. @env->calls must be set. -1 and errno. */
int weir_reload_init(struct weir_reload *reload, struct weir_conf *conf, struct weir_family *family,
                     struct weir_process_env *env);
void weir_reload_fini(struct weir_reload *reload);
/* SIGHUP. */
void weir_reload_ask(struct weir_reload *reload);
/* Was @pid the one that reads? It is no more. */
bool weir_reload_reaped(struct weir_reload *reload, pid_t pid, int wait_status);
/* Each round: goes on where it can. */
void weir_reload_look(struct weir_reload *reload, int64_t now_us);
/* The service ends: nothing comes into force any more. */
void weir_reload_stop(struct weir_reload *reload);

#endif
