/* SPDX-License-Identifier: MIT */
/*
 * fuzz_key - two names of events are equal exactly when their keys are
 *
 * Lines: worker, source, id of one, then of another. The second one is also made of the first by moving a byte over each
 * border, which a key of joined texts would not see. And a fingerprint tells absent from empty, key from value.
 */
#include "event/key.h"
#include "fuzz.h"

struct named {
        struct weir_view worker, source, id;
};

static struct weir_key key_of(const struct named *named)
{
        struct weir_event event = { .source = named->source, .id = named->id };
        struct weir_key key;

        MUST(weir_key_of(named->worker, &event, &key) == 0);
        return key;
}

static void check(const struct named *a, const struct named *b)
{
        struct weir_key left = key_of(a), right = key_of(b);
        bool same = fuzz_same(a->worker, b->worker) && fuzz_same(a->source, b->source) &&
                    fuzz_same(a->id, b->id);

        MUST(same == (memcmp(left.bytes, right.bytes, sizeof left.bytes) == 0));
}

/* The last byte of @left becomes the first one of @right. */
static void move(struct fuzz *fuzz, struct weir_view *left, struct weir_view *right)
{
        char *joined = malloc(right->size + 1);

        MUST(joined);
        joined[0] = left->ptr[left->size - 1];
        memcpy(joined + 1, right->ptr, right->size);
        *right = fuzz_keep(fuzz, joined, right->size + 1);
        *left = fuzz_keep(fuzz, left->ptr, left->size - 1);
        free(joined);
}

static int64_t fingerprint(struct weir_view key, struct weir_view value)
{
        int64_t ret = 0;

        MUST(weir_key_fingerprint(7, key, value, &ret) == 0);
        return ret;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        const struct weir_view none = { NULL, 0 }, empty = { "", 0 };
        struct named first, second, moved;
        struct fuzz fuzz;

        fuzz_begin(&fuzz, data, size);
        first.worker = fuzz_line(&fuzz);
        first.source = fuzz_line(&fuzz);
        first.id = fuzz_line(&fuzz);
        second.worker = fuzz_line(&fuzz);
        second.source = fuzz_line(&fuzz);
        second.id = fuzz_rest(&fuzz);
        check(&first, &second);
        check(&first, &first);
        moved = first;
        if (first.worker.size) {
                move(&fuzz, &moved.worker, &moved.source);
                check(&first, &moved);
        }
        moved = first;
        if (first.source.size) {
                move(&fuzz, &moved.source, &moved.id);
                check(&first, &moved);
        }
        MUST(fingerprint(none, first.id) != fingerprint(empty, first.id));
        MUST(fingerprint(first.id, none) != fingerprint(first.id, empty));
        if (!fuzz_same(first.source, first.id))
                MUST(fingerprint(first.source, first.id) != fingerprint(first.id, first.source));
        fuzz_end(&fuzz);
        return 0;
}
