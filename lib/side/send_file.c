/* SPDX-License-Identifier: MIT */
/*
 * send_file - a line per event, on disk before its row goes
 *
 * Opened for each round, so that a file that was moved away for rotation is made anew. One fsync a round. What stops in
 * the middle of a line leaves half of it: the next round begins with a newline then, so that the half spoils itself
 * only. Lines that were written and not yet removed from the table come again, with the same id.
 *
 * Pipes         may be named too. One is opened for writing alone: for reading and writing Linux opens it without anybody at
 *               the other end, and what was written then is gone with our descriptor. One that is full takes what it has
 *               room for: those lines have arrived, and only the one that did not fit waits.
 *
 * Line breaks inside the JSON can only be white space between its parts, and become spaces.
 */
#include "side/relay_state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* 0 or -errno; *torn: it ends in half a line. A pipe that is full and a disk that is full are both a reason to wait. */
static int put(int fd, const char *bytes, size_t size, bool *torn)
{
        while (size > 0) {
                ssize_t n = write(fd, bytes, size);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                bytes += n;
                size -= (size_t)n;
                *torn = size > 0;
        }
        return 0;
}

static int open_file(const char *path, bool *torn)
{
        int fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0640), r;
        char last = '\n';
        struct stat st;

        if (fd >= 0 && (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))) {
                close(fd);
                fd = -1;
        }
        if (fd >= 0)
                *torn = st.st_size > 0 && pread(fd, &last, 1, st.st_size - 1) == 1 && last != '\n';
        else /* no file, or one that may not be read */
                fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NONBLOCK);
        if (fd < 0)
                return -errno;
        r = *torn ? put(fd, "\n", 1, torn) : 0;
        if (r < 0)
                close(fd);
        return r < 0 ? r : fd;
}

static int put_line(int fd, const struct weir_outbox_row *row, bool *torn)
{
        WEIR_FREE char *line = malloc(row->body.size + 1);

        if (!line)
                return -ENOMEM;
        for (size_t i = 0; i < row->body.size; i++)
                line[i] = row->body.ptr[i] == '\n' || row->body.ptr[i] == '\r' ? ' '
                                                                               : row->body.ptr[i];
        line[row->body.size] = '\n';
        return put(fd, line, row->body.size + 1, torn);
}

/* Asked only where there is a line: a moment that was taken is gone. */
static bool may_leave(struct weir_outlet *outlet, const struct weir_queue *queue, int64_t now_us,
                      bool *paid)
{
        bool may = queue->head < queue->count && (*paid || weir_outlet_token(outlet, now_us));

        *paid = *paid && !may;
        return may;
}

void weir_send_file(struct weir_relay *relay, struct weir_outlet *outlet, bool paid)
{
        struct weir_parcel *sent = NULL, **end = &sent, *failed = NULL, *parcel;
        int fd = open_file(outlet->sink->file, &outlet->torn), error = fd < 0 ? -fd : 0;
        bool fails = false;
        char text[200];

        for (struct weir_queue *queue = outlet->queues; queue; queue = queue->next)
                while (!failed && may_leave(outlet, queue, relay->now_us, &paid)) {
                        parcel = weir_queue_take(queue);
                        weir_parcel_begin(relay, parcel);
                        parcel->next = NULL;
                        *end = parcel;
                        end = &parcel->next;
                        if (!error)
                                error = -put_line(fd, parcel->row, &outlet->torn);
                        failed = error ? parcel : NULL;
                }
        if (fd >= 0 && fdatasync(fd) < 0 && errno != EINVAL && errno != EROFS) {
                error = errno;
                failed = sent; /* nobody knows which are on disk */
        }
        if (fd >= 0)
                close(fd);
        snprintf(text, sizeof text, "file %.100s: %s", outlet->sink->file,
                 error == ENXIO ? "a pipe that nobody reads" : strerror(error));
        while ((parcel = sent) != NULL) {
                sent = parcel->next;
                fails = fails || parcel == failed;
                parcel->host_at_fault = true;
                weir_parcel_end(relay, parcel, fails ? WEIR_PARCEL_FAILED : WEIR_PARCEL_DELIVERED,
                                fails ? "file" : "", fails ? text : "");
        }
}
