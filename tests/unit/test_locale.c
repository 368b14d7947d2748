/* test_locale.c -- what a user's locale must not change: numbers, their text, option names.
 *
 * A program that shows people's text calls setlocale(3), and from then on printf(3) may write a
 * decimal comma, and toupper(3) may have other ideas about "i" (Turkish has two). Such locales are
 * rarely installed where tests run, so this test makes its own: it copies the binary files of
 * C.UTF-8 and patches what differs. Where glibc's files are not there, it skips.
 *
 * SPDX-License-Identifier: MIT */
#include "base/err.h"
#include "base/opts.h"
#include "base/units.h"

#include <ctype.h>
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define TEST(name) static void name(void **state __attribute__((unused)))

#define LOCALE "xx_XX.UTF-8"

static char root[] = "/tmp/meari-locale-XXXXXX";

/* The binary form of one category of C.UTF-8. Returns its size, 0 where there is none. */
static size_t load(const char *category, unsigned char *out, size_t size)
{
    static const char *const places[] = {"/usr/lib/locale/C.utf8", "/usr/lib/locale/C.UTF-8"};
    char path[128];
    size_t n = 0;
    FILE *in = NULL;

    for (size_t i = 0; i < sizeof places / sizeof *places && !in; i++) {
        snprintf(path, sizeof path, "%s/%s", places[i], category);
        in = fopen(path, "r");
    }
    if (!in)
        return 0;
    n = fread(out, 1, size, in);
    fclose(in);
    return n < size ? n : 0;
}

static void store(const char *category, const unsigned char *data, size_t n)
{
    char path[128];
    FILE *out;

    snprintf(path, sizeof path, "%s/" LOCALE "/%s", root, category);
    out = fopen(path, "w");
    assert_non_null(out);
    assert_int_equal(fwrite(data, 1, n, out), n);
    assert_int_equal(fclose(out), 0);
}

/* The decimal point, as bytes and as a wide character: every "." there is. */
static bool make_comma(void)
{
    unsigned char data[4096];
    size_t n = load("LC_NUMERIC", data, sizeof data);
    unsigned char *dot;

    if (n == 0)
        return false;
    /* the header holds small offsets, and 0x2e among them must stay: look behind it */
    for (dot = data + 32; (dot = memchr(dot, '.', (size_t)(data + n - dot))); dot++)
        *dot = ',';
    store("LC_NUMERIC", data, n);
    return true;
}

/* Where the table of toupper() says I for i. The table is of int32_t, from -128 on. */
static bool make_turkish(void)
{
    static unsigned char data[1 << 20];
    size_t n = load("LC_CTYPE", data, sizeof data);
    int32_t letters[26];
    unsigned char *found;

    for (int i = 0; i < 26; i++)
        letters[i] = 'A' + i;
    /* the run A to Z stands at a to z in toupper's table, and at A to Z in both: patch all that
     * come in lower-case places, which are those followed by '{' */
    found = data;
    while (n && (found = memmem(found, n - (size_t)(found - data), letters, sizeof letters))) {
        int32_t behind, i = 'i';

        memcpy(&behind, found + sizeof letters, sizeof behind);
        if (behind == '{')
            memcpy(found + ('i' - 'a') * sizeof i, &i, sizeof i);
        found += sizeof letters;
    }
    if (n)
        store("LC_CTYPE", data, n);
    return n > 0;
}

static int make_locale(void **state __attribute__((unused)))
{
    char path[128];

    if (!mkdtemp(root))
        return -1;
    snprintf(path, sizeof path, "%s/" LOCALE, root);
    if (mkdir(path, 0700) == -1)
        return -1;
    if (!make_comma() || !make_turkish())
        return 0; /* setlocale will fail, and the tests skip */
    return setenv("LOCPATH", root, 1);
}

static int remove_locale(void **state __attribute__((unused)))
{
    static const char *const files[] = {"LC_NUMERIC", "LC_CTYPE", ""};
    char path[128];

    setlocale(LC_ALL, "C");
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(path, sizeof path, "%s/" LOCALE "/%s", root, files[i]);
        (void)remove(path);
    }
    (void)rmdir(root);
    return 0;
}

TEST(decimal_comma_changes_no_number)
{
    char text[UNITS_TEXT_MAX];
    int64_t span_ns = 0;
    uint64_t value = 0;

    if (!setlocale(LC_NUMERIC, LOCALE))
        skip();
    snprintf(text, sizeof text, "%.1f", 1.5);
    assert_string_equal(text, "1,5"); /* so the locale does what it is for */
    assert_int_equal(units_duration(&span_ns, "1.5s"), 0);
    assert_int_equal(span_ns, 1500000000);
    assert_int_equal(units_bytes(&value, "1.5k"), 0);
    assert_int_equal(value, 1536);
    assert_true(units_count(&value, "1,5k") < 0);
}

TEST(decimal_comma_changes_no_text)
{
    char text[UNITS_TEXT_MAX];

    if (!setlocale(LC_NUMERIC, LOCALE))
        skip();
    assert_string_equal(units_duration_text(text, 1200000000), "1.2 s");
    assert_string_equal(units_duration_text(text, 1500000), "1.5 ms");
    assert_string_equal(units_bytes_text(text, 1536), "1.5 KiB");
}

TEST(turkish_i_changes_no_variable_name)
{
    int64_t idle_ns = 0;
    const struct opt table[] = {{0, "idle-timeout", "TIME", OPT_DURATION, &idle_ns, .help = "x"}};
    const struct opts opts = {.program = "x",
                              .synopsis = "",
                              .about = "",
                              .notes = "",
                              .version = "",
                              .table = table,
                              .n = 1};
    char program[] = "x", *argv[] = {program, NULL};
    struct err err = {0};
    int operand = 0;

    if (!setlocale(LC_CTYPE, LOCALE))
        skip();
    assert_int_equal(toupper('h'), 'H');
    assert_int_equal(toupper('i'), 'i');
    assert_int_equal(setenv("MEARI_IDLE_TIMEOUT", "2s", 1), 0);
    assert_int_equal(opts_read(&opts, 1, argv, &operand, &err), 0);
    unsetenv("MEARI_IDLE_TIMEOUT");
    assert_int_equal(idle_ns, 2000000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decimal_comma_changes_no_number),
        cmocka_unit_test(decimal_comma_changes_no_text),
        cmocka_unit_test(turkish_i_changes_no_variable_name),
    };

    return cmocka_run_group_tests_name("locale", tests, make_locale, remove_locale);
}
