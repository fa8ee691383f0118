/* SPDX-License-Identifier: MIT */
/*
 * send_file - a line per event, on disk before its row goes
 *
 * Opened for each round, so that a file that was moved away for rotation is made anew. One fsync a round. A crash in
 * the middle of a line leaves half of it: the next round begins with a newline then, so that the half spoils itself
 * only. Lines that were written and not yet removed from the table come again, with the same id.
 *
 * Line breaks inside the JSON can only be white space between its parts, and become spaces.
 */
#include "side/relay_state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* 0 or -errno. A pipe that is full and a disk that is full are both a reason to wait. */
static int put(int fd, const char *bytes, size_t size)
{
        while (size > 0) {
                ssize_t n = write(fd, bytes, size);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                bytes += n;
                size -= (size_t)n;
        }
        return 0;
}

static int open_file(const char *path)
{
        int fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0640);
        char last = '\n';

        if (fd < 0) /* a pipe or a terminal may not be read */
                fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NONBLOCK);
        if (fd < 0)
                return -errno;
        if (lseek(fd, -1, SEEK_END) >= 0 && read(fd, &last, 1) == 1 && last != '\n')
                put(fd, "\n", 1);
        return fd;
}

static int put_line(int fd, const struct weir_outbox_row *row)
{
        WEIR_FREE char *line = malloc(row->body.size + 1);

        if (!line)
                return -ENOMEM;
        for (size_t i = 0; i < row->body.size; i++)
                line[i] = row->body.ptr[i] == '\n' || row->body.ptr[i] == '\r' ? ' '
                                                                               : row->body.ptr[i];
        line[row->body.size] = '\n';
        return put(fd, line, row->body.size + 1);
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
        struct weir_parcel *sent = NULL, **end = &sent, *parcel;
        int fd = open_file(outlet->sink->file), error = fd < 0 ? -fd : 0;
        char text[200];

        for (struct weir_queue *queue = outlet->queues; queue; queue = queue->next)
                while (!(error && sent) && may_leave(outlet, queue, relay->now_us, &paid)) {
                        parcel = weir_queue_take(queue);
                        weir_parcel_begin(relay, parcel);
                        parcel->next = NULL;
                        *end = parcel;
                        end = &parcel->next;
                        if (!error)
                                error = -put_line(fd, parcel->row);
                }
        if (fd >= 0 && !error && fdatasync(fd) < 0 && errno != EINVAL && errno != EROFS)
                error = errno;
        if (fd >= 0)
                close(fd);
        snprintf(text, sizeof text, "file %.100s: %s", outlet->sink->file, strerror(error));
        while ((parcel = sent) != NULL) {
                sent = parcel->next;
                parcel->host_at_fault = true;
                weir_parcel_end(relay, parcel, error ? WEIR_PARCEL_FAILED : WEIR_PARCEL_DELIVERED,
                                error ? "file" : "", error ? text : "");
        }
}
