/* SPDX-License-Identifier: MIT */
/* side/signature, base/hmac: known answers, rotation, ids that cannot be read in two ways */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/hmac.h"
#include "side/signature.h"

#define BODY                                                                                       \
        (struct weir_view)                                                                         \
        {                                                                                          \
                "{\"test\": 2432232314}", 20                                                       \
        }

/* RFC 4231, test cases 1, 2 and 6 (a key longer than a block). */
static const struct {
        const char *key, *data, *digest;
} known[] = {
        { "\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b",
          "Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7" },
        { "Jefe", "what do ya want for nothing?",
          "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843" },
        { NULL, "Test Using Larger Than Block-Size Key - Hash Key First",
          "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54" },
};

START_TEST(hmac_gives_the_known_answers)
{
        char key[132] = "", hex[65];
        uint8_t digest[32];
        size_t half = strlen(known[_i].data) / 2;
        const struct weir_hash_part parts[] = {
                { known[_i].data, half },
                { "", 0 },
                { known[_i].data + half, strlen(known[_i].data) - half },
        };

        if (known[_i].key)
                snprintf(key, sizeof key, "%s", known[_i].key);
        else
                memset(key, 0xaa, 131);
        ck_assert_int_eq(weir_hmac_sha256(key, strlen(key), parts, 3, digest), 0);
        for (int i = 0; i < 32; i++)
                snprintf(hex + 2 * i, 3, "%02x", digest[i]);
        ck_assert_str_eq(hex, known[_i].digest);
}
END_TEST

START_TEST(an_empty_key_is_a_key)
{
        const struct weir_hash_part parts[] = { { "", 0 } };
        uint8_t digest[32];
        static const uint8_t wanted[] = { 0xb6, 0x13, 0x67, 0x9a }; /* HMAC-SHA256("", "") */

        ck_assert_int_eq(weir_hmac_sha256(NULL, 0, parts, 1, digest), 0);
        ck_assert_mem_eq(digest, wanted, sizeof wanted);
}
END_TEST

START_TEST(the_example_of_standard_webhooks_verifies)
{
        char signature[WEIR_SIGNATURE_BYTES];

        ck_assert_int_eq(weir_signature_make("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", NULL,
                                             "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, BODY,
                                             signature, NULL),
                         0);
        ck_assert_str_eq(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}
END_TEST

START_TEST(during_rotation_both_secrets_sign)
{
        char both[WEIR_SIGNATURE_BYTES], one[WEIR_SIGNATURE_BYTES], other[WEIR_SIGNATURE_BYTES];
        char joined[2 * WEIR_SIGNATURE_BYTES];

        ck_assert_int_eq(weir_signature_make("old", "new", "id", 1, BODY, both, NULL), 0);
        ck_assert_int_eq(weir_signature_make("old", NULL, "id", 1, BODY, one, NULL), 0);
        ck_assert_int_eq(weir_signature_make("new", NULL, "id", 1, BODY, other, NULL), 0);
        snprintf(joined, sizeof joined, "%s %s", one, other);
        ck_assert_str_eq(both, joined);
        ck_assert_str_ne(one, other);
        ck_assert_uint_eq(strlen(both), WEIR_SIGNATURE_BYTES - 1);
}
END_TEST

START_TEST(a_secret_in_base64_equals_its_bytes)
{
        char plain[WEIR_SIGNATURE_BYTES], coded[WEIR_SIGNATURE_BYTES];

        ck_assert_int_eq(weir_signature_make("bytes!", NULL, "id", 1, BODY, plain, NULL), 0);
        ck_assert_int_eq(weir_signature_make("whsec_Ynl0ZXMh", NULL, "id", 1, BODY, coded, NULL),
                         0);
        ck_assert_str_eq(plain, coded);
}
END_TEST

static const char *const unusable[] = { "", "whsec_", "whsec_not*base64", "whsec_abc" };

START_TEST(a_secret_that_cannot_be_read_is_an_error_that_does_not_repeat_it)
{
        char signature[WEIR_SIGNATURE_BYTES];
        struct weir_error error = { 0 };

        ck_assert_int_eq(weir_signature_make(unusable[_i], NULL, "id", 1, BODY, signature, &error),
                         WEIR_ECONF);
        ck_assert_ptr_null(strstr(error.text, "not*"));
        ck_assert_ptr_null(strstr(error.text, "abc"));
        ck_assert_int_eq(weir_signature_make("good", unusable[_i], "id", 1, BODY, signature, NULL),
                         WEIR_ECONF);
}
END_TEST

static const struct {
        const char *id, *written;
} ids[] = {
        { "A234-1234-1234", "A234-1234-1234" },
        { "a.b", "a%2Eb" },
        { "a%2Eb", "a%252Eb" },
        { "two words", "two%20words" },
        { "\xc3\xa4", "%C3%A4" },
        { "line\r\nx-evil: 1", "line%0D%0Ax-evil:%201" },
        { "orders/7,8;\"9\"", "orders/7,8;\"9\"" },
};

START_TEST(an_id_fits_into_a_header_and_holds_no_full_stop)
{
        char out[WEIR_SIGNATURE_ID_BYTES(64)];
        struct weir_view id = { ids[_i].id, strlen(ids[_i].id) };

        ck_assert_uint_eq(weir_signature_id(id, out), strlen(ids[_i].written));
        ck_assert_str_eq(out, ids[_i].written);
}
END_TEST

START_TEST(every_byte_of_an_id_is_safe_and_stays_different)
{
        char out[WEIR_SIGNATURE_ID_BYTES(1)], seen[256][4];

        for (int c = 0; c < 256; c++) {
                char byte = (char)c;

                weir_signature_id((struct weir_view){ &byte, 1 }, out);
                for (const char *p = out; *p; p++)
                        ck_assert(*p > 0x20 && *p < 0x7f && *p != '.');
                ck_assert_uint_lt(snprintf(seen[c], sizeof seen[c], "%s", out), sizeof seen[c]);
                for (int other = 0; other < c; other++)
                        ck_assert_str_ne(seen[other], seen[c]);
        }
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("webhook_signature");
        TCase *tcase = tcase_create("signature");
        SRunner *runner = srunner_create(suite);
        int failed;

        tcase_add_loop_test(tcase, hmac_gives_the_known_answers, 0, WEIR_COUNT_OF(known));
        tcase_add_test(tcase, an_empty_key_is_a_key);
        tcase_add_test(tcase, the_example_of_standard_webhooks_verifies);
        tcase_add_test(tcase, during_rotation_both_secrets_sign);
        tcase_add_test(tcase, a_secret_in_base64_equals_its_bytes);
        tcase_add_loop_test(tcase, a_secret_that_cannot_be_read_is_an_error_that_does_not_repeat_it,
                            0, WEIR_COUNT_OF(unusable));
        tcase_add_loop_test(tcase, an_id_fits_into_a_header_and_holds_no_full_stop, 0,
                            WEIR_COUNT_OF(ids));
        tcase_add_test(tcase, every_byte_of_an_id_is_safe_and_stays_different);
        suite_add_tcase(suite, tcase);
        srunner_run_all(runner, CK_NORMAL);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
