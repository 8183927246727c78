/* SPDX-License-Identifier: BSD-3-Clause */
/* What of a message may reach a terminal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "container/failure.h"
#include <cmocka.h> /* last: it makes a macro of fail */

static void expect(const char *text, const char *want)
{
    char shown[64];

    strcpy(shown, text);
    make_printable(shown);
    assert_string_equal(shown, want);
}

static void test_kept(void **unused)
{
    /* first and last ones of each length */
    static const char all[] = "\xc2\xa0\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf"
                              "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf";

    (void)unused;
    expect("", "");
    expect("plain ~ \\ name", "plain ~ \\ name");
    expect(all, all);
}

static void test_controls(void **unused)
{
    (void)unused;
    expect("a\x1b[2J\n\r\t\x7f.", "a?[2J????.");
    expect("\xc2\x9b"
           "2J\xc2\x80\xc2\x85\xc2\x9f\xc2\xa0",
           "??2J??????\xc2\xa0");
}

static void test_no_utf8(void **unused)
{
    (void)unused;
    expect("\x80\x9b.\xbf\xc0\xaf\xc1\xbf\xf5\xff", "??.???????");
    expect("cut \xc3", "cut ?");
    expect("cut \xe2\x82", "cut ??");
    expect("cut \xf0\x9f\x98", "cut ???");
    expect("\xc3\xc3\xbc", "?\xc3\xbc");
    expect("\xe2\x82z\xf0\x9f\x98z\xe2\x28\xa1", "??z???z?(?");
    /* longer than need be, halves of a pair, past the last one */
    expect("\xe0\x9f\xbf\xf0\x8f\xbf\xbf\xed\xa0\x80\xed\xbf\xbf\xf4\x90\x80\x80",
           "?????????????????");
}

static void test_messages(void **unused)
{
    struct failure failure;

    (void)unused;
    assert_int_equal((fail)(&failure, "%s: %.3s", "a\xc2\x9b", "b\xe2\x82\xac"), -1);
    assert_string_equal(failure.text, "a??: b??");
    assert_int_equal(fail_errno(&failure, 2, "\x9b%s", "c"), -1);
    assert_string_equal(failure.text, "?c: No such file or directory");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kept),
        cmocka_unit_test(test_controls),
        cmocka_unit_test(test_no_utf8),
        cmocka_unit_test(test_messages),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
