/* test_handover.c -- the words of a takeover: which texts are messages, which are not, and what travels
 * beside them. The whole dialogue is tested with real servers, in tests/e2e/test_takeover.py.
 *
 * SPDX-License-Identifier: MIT */
#include "net/handover.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define TEST(name) static void name(void **state __attribute__((unused)))

static int parse(struct handover_message *m, const char *text)
{
    return handover_parse(m, text, strlen(text));
}

TEST(every_message_survives_the_way_to_text_and_back)
{
    for (int word = HANDOVER_HELLO; word <= HANDOVER_LATE; word++) {
        bool counts = word == HANDOVER_LISTENERS || word == HANDOVER_SERVING;

        for (size_t n = counts; n <= (counts ? HANDOVER_MAX : 0); n++) {
            struct handover_message m = {.word = (enum handover_word)word, .n = n}, back;
            char text[HANDOVER_TEXT_MAX];

            for (size_t i = 0; word == HANDOVER_SERVING && i < n; i++)
                m.served[i] = i % 3 == 0;
            memset(&back, 0xff, sizeof back);
            assert_int_equal(handover_parse(&back, text, handover_text(text, &m)), 0);
            assert_memory_equal(&back, &m, sizeof m);
        }
    }
}

TEST(what_the_messages_look_like)
{
    struct handover_message m = {.word = HANDOVER_SERVING, .n = 3, .served = {true, false, true}};
    char text[HANDOVER_TEXT_MAX];

    assert_int_equal(handover_text(text, &m), strlen("meari-takeover 1 serving 101"));
    assert_string_equal(text, "meari-takeover 1 serving 101");
    m = (struct handover_message){.word = HANDOVER_HELLO};
    handover_text(text, &m);
    assert_string_equal(text, "meari-takeover 1 hello");
}

TEST(what_is_no_message)
{
    static const char *const texts[] = {
        "",
        "hello",
        "meari-takeover",

        "meari-takeover 1 ",
        "meari-takeover 1 hell",
        "meari-takeover 1 hello ",
        "meari-takeover 1 hello\n",
        "meari-takeover 1 hello 1",
        " meari-takeover 1 hello",
        "MEARI-takeover 1 hello",
        "meari-takeover 1  hello",
        "meari-takeover 1 listeners",
        "meari-takeover 1 listeners ",
        "meari-takeover 1 listeners 0",
        "meari-takeover 1 listeners 01",
        "meari-takeover 1 listeners -1",
        "meari-takeover 1 listeners +1",
        "meari-takeover 1 listeners 254",
        "meari-takeover 1 listeners 99999999999999999999",
        "meari-takeover 1 listeners 18446744073709551617",
        "meari-takeover 1 listeners 3x",
        "meari-takeover 1 listeners  3",
        "meari-takeover 1 serving",
        "meari-takeover 1 serving ",
        "meari-takeover 1 serving 102",
        "meari-takeover 1 serving 1 1",
        "meari-takeover 1 yours 1",
        "GET / HTTP/1.1\r\n",
    };
    struct handover_message m;
    char text[HANDOVER_TEXT_MAX + 8] = "meari-takeover 1 serving ";

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_int_equal(parse(&m, texts[i]), -EPROTO);
    assert_int_equal(handover_parse(&m, "meari-takeover 1 hello\0", 23), -EPROTO);
    assert_int_equal(handover_parse(&m, "meari-takeover 1 hello", 10), -EPROTO);
    for (size_t n = strlen(text), first = n; n < sizeof text - 1; n++) {
        text[n] = '1';
        assert_int_equal(parse(&m, text), n - first < HANDOVER_MAX ? 0 : -EPROTO);
    }
}

TEST(other_versions_are_told_apart)
{
    struct handover_message m;

    assert_int_equal(parse(&m, "meari-takeover 2 hello"), -EPROTONOSUPPORT);
    assert_int_equal(parse(&m, "meari-takeover 10 hello"), -EPROTONOSUPPORT);
    assert_int_equal(parse(&m, "meari-takeover x"), -EPROTONOSUPPORT);
}

/* --- beside the text ---------------------------------------------------------------------------- */

static int ends[2];

static int set_up(void **state)
{
    (void)state;
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends);
}

static int tear_down(void **state)
{
    (void)state;
    close(ends[0]);
    close(ends[1]);
    return 0;
}

static size_t open_fds(void)
{
    size_t n = 0;

    for (int fd = 0; fd < 1024; fd++)
        n += fcntl(fd, F_GETFD) != -1;
    return n;
}

/* Sends any text with any number of descriptors. */
static void send_raw(const char *text, int n_fds)
{
    struct iovec iov = {.iov_base = (char *)(uintptr_t)text, .iov_len = strlen(text)};
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(HANDOVER_MAX * sizeof(int))];
    } control = {.room = {0}};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

    if (n_fds > 0) {
        control.align = (struct cmsghdr){.cmsg_level = SOL_SOCKET,
                                         .cmsg_type = SCM_RIGHTS,
                                         .cmsg_len = CMSG_LEN((size_t)n_fds * sizeof(int))};
        for (int i = 0; i < n_fds; i++)
            memcpy(CMSG_DATA(&control.align) + (size_t)i * sizeof(int), &ends[0], sizeof(int));
        msg.msg_control = &control;
        msg.msg_controllen = CMSG_SPACE((size_t)n_fds * sizeof(int));
    }
    assert_int_equal(sendmsg(ends[0], &msg, 0), strlen(text));
}

TEST(descriptors_arrive_and_are_close_on_exec)
{
    const struct handover_message m = {.word = HANDOVER_LISTENERS, .n = 2};
    struct handover_message got;
    int fds[HANDOVER_MAX];

    assert_int_equal(handover_send(ends[0], &m, ends), 0);
    assert_int_equal(handover_receive(ends[1], &got, fds), 1);
    assert_int_equal(got.n, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(fcntl(fds[i], F_GETFD), FD_CLOEXEC);
        close(fds[i]);
    }
}

TEST(descriptors_that_nobody_announced_are_closed)
{
    struct handover_message m;
    int fds[HANDOVER_MAX];
    size_t before = open_fds();

    send_raw("meari-takeover 1 listeners 2", 3);
    assert_int_equal(handover_receive(ends[1], &m, fds), -EPROTO);
    send_raw("meari-takeover 1 listeners 3", 2);
    assert_int_equal(handover_receive(ends[1], &m, fds), -EPROTO);
    send_raw("meari-takeover 1 listeners 1", 0);
    assert_int_equal(handover_receive(ends[1], &m, fds), -EPROTO);
    send_raw("meari-takeover 1 yours", 1);
    assert_int_equal(handover_receive(ends[1], &m, fds), -EPROTO);
    send_raw("what?", HANDOVER_MAX);
    assert_int_equal(handover_receive(ends[1], &m, fds), -EPROTO);
    assert_int_equal(open_fds(), before);
}

TEST(a_receiver_that_wants_no_descriptors_gets_none)
{
    struct handover_message m;
    size_t before = open_fds();

    send_raw("meari-takeover 1 hello", 5);
    assert_int_equal(handover_receive(ends[1], &m, NULL), -EPROTO);
    assert_int_equal(open_fds(), before);
}

TEST(nothing_there_the_end_and_what_is_too_long)
{
    struct handover_message m;
    int fds[HANDOVER_MAX];
    char text[1000];

    assert_int_equal(handover_receive(ends[1], &m, fds), -EAGAIN);
    memset(text, '1', sizeof text);
    memcpy(text, "meari-takeover 1 serving ", 25);
    text[sizeof text - 1] = '\0';
    send_raw(text, 0);
    assert_int_equal(handover_receive(ends[1], &m, fds), -EPROTO);
    shutdown(ends[0], SHUT_RDWR);
    assert_int_equal(handover_receive(ends[1], &m, fds), 0);
    m = (struct handover_message){.word = HANDOVER_HELLO};
    assert_int_equal(handover_send(ends[1], &m, NULL), -EPIPE);
}

TEST(the_kernel_says_who_is_there)
{
    pid_t pid;
    uid_t uid;

    assert_int_equal(handover_peer(ends[0], &pid, &uid), 0);
    assert_int_equal(pid, getpid());
    assert_int_equal(uid, getuid());
    assert_int_equal(handover_peer(-1, &pid, &uid), -EBADF);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_message_survives_the_way_to_text_and_back),
        cmocka_unit_test(what_the_messages_look_like),
        cmocka_unit_test(what_is_no_message),
        cmocka_unit_test(other_versions_are_told_apart),
        cmocka_unit_test_setup_teardown(descriptors_arrive_and_are_close_on_exec, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(descriptors_that_nobody_announced_are_closed, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_receiver_that_wants_no_descriptors_gets_none, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(nothing_there_the_end_and_what_is_too_long, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(the_kernel_says_who_is_there, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
