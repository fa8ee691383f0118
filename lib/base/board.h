/* SPDX-License-Identifier: MIT */
#ifndef WEIR_BASE_BOARD_H
#define WEIR_BASE_BOARD_H
/*
 * board - what the lanes of a process are doing, written where it outlives the process
 *
 * A page of shared memory with a slot for each lane. The process writes, its supervisor reads, also after the process
 * is dead: then it says which events were inside a handler.
 *
 * Owner    the supervisor makes it and hands its descriptor to the process it starts; each process has its own, so a
 *          plugin that writes through a wild pointer blames its own worker at most.
 * Thread   claim, release: any. The rest of a slot: the lane that claimed it, by weir_board_here. Readers: any
 *          process; what they read is checked as foreign data is.
 *
 *  BD1  a slot says WEIR_BOARD_HANDLES from before the first instruction of the handler until after its last.
 *  BD2  the coordinates in a slot do not change while it says so.
 *  BD4  a handler that has closed all descriptors of its process is dead before it is believed: nothing works any more.
 *  BD3  a reader never follows a pointer or an unbounded length of a board.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/hash.h"

enum {
        WEIR_BOARD_LANES = 1024,
        WEIR_BOARD_TOPIC_BYTES = 256,
        WEIR_BOARD_TRACE_BYTES = 8192,
        WEIR_BOARD_WHY_BYTES = 1024
};

/* What a lane does, or waits for. */
enum weir_board_doing {
        WEIR_BOARD_FREE = 0, /* nobody's slot */
        WEIR_BOARD_TAKES,    /* its position, out of PostgreSQL */
        WEIR_BOARD_LOCATES,  /* compares the position with the log */
        WEIR_BOARD_READS,    /* waits for records */
        WEIR_BOARD_APPLIES,  /* between BEGIN and COMMIT, outside the handler */
        WEIR_BOARD_HANDLES,  /* inside the handler */
        WEIR_BOARD_RETRIES,  /* waits until an event may be tried again */
        WEIR_BOARD_WAITS,    /* for PostgreSQL to come back, or for a connection */
        WEIR_BOARD_ASKS,     /* PostgreSQL for other work: letters, parked events, a move */
        WEIR_BOARD_ROOM,     /* waits until other lanes give room in memory.budget back */
        WEIR_BOARD_HALTS     /* stands still until an operator speaks */
};
const char *weir_board_doing_name(int doing);

/* Where an event came from that is inside a handler. */
enum weir_board_kind {
        WEIR_BOARD_RECORD = 0, /* offset .. last_offset of the partition, item (-1: any) */
        WEIR_BOARD_PARKED,     /* row of weir.parked */
        WEIR_BOARD_LETTER      /* row of weir.dead_letter, run again */
};

/* Inside code of a plugin that is no handler; one thread of a process does that. */
enum weir_board_plugin {
        WEIR_BOARD_OUTSIDE = 0,
        WEIR_BOARD_LOADS,  /* its constructors run */
        WEIR_BOARD_OPENS,  /* open(), but for what we do for it there */
        WEIR_BOARD_CLOSES, /* close() */
        WEIR_BOARD_UNLOADS /* its destructors run */
};
const char *weir_board_plugin_name(int plugin);

struct weir_board_slot {
        _Atomic int32_t doing;  /* enum weir_board_doing */
        _Atomic int32_t thread; /* kernel's number of the lane's thread */
        int32_t partition;
        int32_t kind; /* enum weir_board_kind */
        int32_t item;
        int32_t count; /* events in the call */
        int64_t offset, last_offset;
        int64_t row;
        _Atomic int64_t since_us; /* CLOCK_MONOTONIC: since when it does that */
        _Atomic int64_t moved_us; /* the last COMMIT that moved the position, or the start */
        _Atomic int64_t next_offset;
        _Atomic int64_t end_offset; /* of the log, as far as is known; -1: not */
        char topic[WEIR_BOARD_TOPIC_BYTES];
};

/* A reload: what the supervisor says of it and what the process answers (guard/offer.h). Numbers of reloads, from 1. */
struct weir_board_offer {
        uint64_t size; /* of the text that is offered, */
        uint8_t digest[32];
        struct weir_hash_mark object; /* of the plugin that belongs to it */
        _Atomic uint32_t offered;     /* to be tried, */
        _Atomic uint32_t go;          /* to be taken over, */
        _Atomic uint32_t dropped;     /* nothing any more */
        _Atomic uint32_t prepared;    /* the process can take it over at once, */
        _Atomic uint32_t refused;     /* or cannot at all: why, */
        _Atomic uint32_t taken;       /* has taken it over, all of its lanes */
        char why[WEIR_BOARD_WHY_BYTES];
};

struct weir_board {
        uint32_t magic, size;          /* of the program that made it */
        _Atomic int32_t ready;         /* 1: the worker has joined or is about to */
        _Atomic int64_t end_at_us;     /* CLOCK_MONOTONIC: told to end, and gone by then; 0 = not */
        _Atomic int64_t commits;       /* transactions committed since the start */
        _Atomic int32_t crash_signal;  /* a deadly signal was caught … */
        _Atomic int32_t crash_thread;  /* … in this thread */
        _Atomic int32_t stack_asked;   /* the supervisor wants the stack of this thread */
        _Atomic int32_t stack_given;   /* … and has it in trace */
        _Atomic int32_t exhausted;     /* it ended itself: memory.limit was used up */
        _Atomic int32_t left;          /* 1: it ends as told, by no plugin */
        _Atomic int32_t plugin;        /* enum weir_board_plugin: in which of its calls … */
        _Atomic int32_t plugin_thread; /* … this thread is … */
        _Atomic int64_t plugin_since_us; /* … CLOCK_MONOTONIC: since when */
        _Atomic uint32_t trace_size;
        char trace[WEIR_BOARD_TRACE_BYTES]; /* backtrace, lines of text */
        struct weir_board_offer offer;
        struct weir_board_slot slots[WEIR_BOARD_LANES];
};

/* A new board. *ret_fd is closed by exec unless that is changed for the one process that shall have it. NULL: errno. */
struct weir_board *weir_board_new(int *ret_fd);
/* The board of @fd, for the process that writes it. NULL: errno, EPROTO for one of another program. */
struct weir_board *weir_board_open(int fd);
void weir_board_close(struct weir_board *board);
void weir_board_clear(struct weir_board *board); /* before a process is started with it again */

/* The board of this process, NULL = nobody looks. Set once, before threads. */
void weir_board_use(struct weir_board *board);
struct weir_board *weir_board_used(void);

/* The calling thread's slot; NULL = none, and then all below does nothing. */
extern __thread struct weir_board_slot *weir_board_here;
/* More lanes than slots: the lane goes unseen, and says so once. */
void weir_board_claim(const char *topic, int32_t partition);
void weir_board_release(void);

void weir_board_do(enum weir_board_doing doing);
void weir_board_at(int64_t next_offset);    /* where the lane begins */
void weir_board_moved(int64_t next_offset); /* COMMIT succeeded */
void weir_board_log_end(int64_t end_offset);
/* What the next call is about, where it is not a record in the partition's order. */
void weir_board_aside(enum weir_board_kind kind, int64_t row);
/* BD1, around each call of a handler. */
void weir_board_item(int32_t item); /* which event of its record comes next; -1: any */
void weir_board_enter(int64_t offset, int64_t last_offset, int32_t count);
void weir_board_leave(void);
/* Around each of those calls. Main thread. */
void weir_board_plugin(enum weir_board_plugin plugin);

#endif
