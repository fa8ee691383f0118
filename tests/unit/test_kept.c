/* SPDX-License-Identifier: MIT */
/* test_kept - texts that processes are started with, and the pad that a new one is offered on */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "conf_fixture.h"
#include "guard/kept.h"
#include "guard/offer.h"

START_TEST(TX1_a_text_that_is_kept_never_changes)
{
        int fd = weir_kept_new("abc", 3);
        char *text;
        size_t size;

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(pwrite(fd, "x", 1, 0), -1);
        ck_assert_int_eq(ftruncate(fd, 1), -1);
        ck_assert_int_eq(ftruncate(fd, 9), -1);
        ck_assert_ptr_eq(mmap(NULL, 3, PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
        ck_assert(fcntl(fd, F_GETFD) & FD_CLOEXEC);
        ck_assert_int_eq(weir_kept_read(fd, 3, &text, &size), 0);
        ck_assert_uint_eq(size, 3);
        ck_assert_str_eq(text, "abc");
        free(text);
        ck_assert_int_eq(weir_kept_read(fd, 2, &text, &size), -1);
        ck_assert_int_eq(errno, EFBIG);
        close(fd);
}
END_TEST

START_TEST(TX2_a_pad_is_written_by_one_and_believed_only_by_its_mark)
{
        struct weir_board *page = calloc(1, sizeof *page);
        struct weir_hash_mark mark, other;
        int reader, pad = weir_kept_pad(&reader);
        char *text;
        size_t size;

        ck_assert_int_ge(pad, 0);
        ck_assert_int_eq(weir_kept_write(pad, "a longer text", 13), 0);
        ck_assert_int_eq(weir_kept_write(pad, "first", 5), 0);
        ck_assert_int_eq(pwrite(reader, "x", 1, 0), -1); /* what a process gets */
        ck_assert_int_eq(ftruncate(reader, 0), -1);
        ck_assert_int_eq(weir_hash_mark("first", 5, &mark), 0);
        ck_assert_int_eq(weir_hash_mark("second", 6, &other), 0);
        ck_assert(weir_hash_mark_is(&mark, &mark) && !weir_hash_mark_is(&mark, &other));
        page->offer.size = mark.size;
        memcpy(page->offer.digest, mark.digest, sizeof mark.digest);
        ck_assert_int_eq(weir_offer_text(page, reader, &text, &size), 0);
        ck_assert_str_eq(text, "first");
        free(text);
        ck_assert_int_eq(weir_kept_write(pad, "fists", 5), 0); /* as long, and another one */
        ck_assert_int_eq(weir_offer_text(page, reader, &text, &size), -1);
        ck_assert_int_eq(errno, EBADMSG);
        ck_assert_int_eq(weir_kept_write(pad, "firs", 4), 0); /* half written */
        ck_assert_int_eq(weir_offer_text(page, reader, &text, &size), -1);
        close(pad);
        close(reader);
        ck_assert_int_eq(weir_offer_text(page, reader, &text, &size), -1);
        ck_assert_int_eq(errno, EBADF);
        free(page);
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("kept");
        TCase *tcase = tcase_create("kept");
        SRunner *runner = srunner_create(suite);
        int failed;

        tcase_add_test(tcase, TX1_a_text_that_is_kept_never_changes);
        tcase_add_test(tcase, TX2_a_pad_is_written_by_one_and_believed_only_by_its_mark);
        suite_add_tcase(suite, tcase);
        srunner_run_all(runner, CK_NORMAL);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
