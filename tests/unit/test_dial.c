/* test_dial.c -- the first address that answers is taken, and of those that do not each is named.
 *
 * All of it on the loopback interface. A dead address is a port that is bound and not listened on, so
 * that nobody else can get it and no connection can meet itself. A silent one is a listener whose
 * accept queue is full: Linux then drops what else wants in (see listener.h).
 *
 * SPDX-License-Identifier: MIT */
#include "net/dial.h"

#include "base/clock.h"
#include "base/err.h"
#include "net/listener.h"
#include "net/sock.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

#define TEST(name) static void name(void **state __attribute__((unused)))

/* Long enough for a connection over loopback on a busy machine, and never waited for in full. */
#define PATIENCE_NS (20 * NS_PER_S)
#define SHORT_NS (50 * NS_PER_MS)

static struct addr dead, alive, silent;
static int dead_fd, alive_fd, silent_fd, filler_fd;

static struct addr loopback(void)
{
    return (struct addr){.in = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}},
                         .len = sizeof(struct sockaddr_in)};
}

static int open_listener(struct addr *addr, int backlog)
{
    struct listener_config config = {.backlog = backlog};
    struct err err;
    int fd = -1;

    *addr = loopback();
    assert_int_equal(listener_open(&fd, addr, &config, &err), 0);
    assert_int_equal(sock_local(addr, fd), 0);
    return fd;
}

static int open_all(void **state __attribute__((unused)))
{
    struct pollfd p;

    dead = loopback();
    dead_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(dead_fd, &dead.sa, dead.len), 0);
    assert_int_equal(sock_local(&dead, dead_fd), 0);

    alive_fd = open_listener(&alive, 100);

    silent_fd = open_listener(&silent, 0);
    filler_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(filler_fd, &silent.sa, silent.len), 0);
    p = (struct pollfd){.fd = silent_fd, .events = POLLIN};
    assert_int_equal(poll(&p, 1, 20000), 1); /* it is in the queue, which is full with it */
    return 0;
}

static int close_all(void **state __attribute__((unused)))
{
    close(filler_fd);
    close(silent_fd);
    close(alive_fd);
    close(dead_fd);
    return 0;
}

static int open_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int n = 0;

    assert_non_null(dir);
    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

/* A dial that fails: the result, nothing touched, nothing left open. */
static void fails(const struct addr *list, size_t n, int64_t timeout_ns, int code,
                  const char *sentence)
{
    struct addr answered = {.len = 4711};
    int fd = 4711, before = open_descriptors();
    struct err err = {0};

    assert_int_equal(dial(&fd, &answered, list, n, "there:7", timeout_ns, &err), -code);
    assert_int_equal(err.code, code);
    assert_string_equal(err.text, sentence);
    assert_int_equal(fd, 4711);
    assert_int_equal(answered.len, 4711);
    assert_int_equal(open_descriptors(), before);
}

/* A dial that reaches 'alive'. */
static void reaches(const struct addr *list, size_t n, int64_t timeout_ns)
{
    struct addr answered, peer;
    struct err err = {0};
    int fd = -1, r = dial(&fd, &answered, list, n, "there:7", timeout_ns, &err);

    if (r != 0)
        print_error("%s\n", err.text);
    assert_int_equal(r, 0);
    assert_true(addr_equal(&answered, &alive));
    assert_int_equal(sock_peer(&peer, fd), 0);
    assert_true(addr_equal(&peer, &alive));
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    close(fd);
}

TEST(listening_address_is_reached)
{
    reaches(&alive, 1, PATIENCE_NS);
    reaches(&alive, 1, NEVER);
}

TEST(refusal_is_said_once)
{
    fails(&dead, 1, PATIENCE_NS, ECONNREFUSED, "cannot connect to 'there:7': Connection refused");
    fails(&dead, 1, NEVER, ECONNREFUSED, "cannot connect to 'there:7': Connection refused");
}

TEST(dead_addresses_are_passed_over)
{
    const struct addr list[] = {dead, dead, alive, dead};

    reaches(list, 4, PATIENCE_NS);
}

TEST(silent_address_costs_its_time_only)
{
    const struct addr list[] = {silent, alive};

    reaches(list, 2, SHORT_NS);
}

TEST(silence_is_a_timeout)
{
    fails(&silent, 1, SHORT_NS, ETIMEDOUT, "cannot connect to 'there:7': Connection timed out");
    fails(&silent, 1, 0, ETIMEDOUT, "cannot connect to 'there:7': Connection timed out");
}

TEST(each_failed_address_is_named)
{
    const struct addr list[] = {dead, silent, dead};
    char sentence[512];

    snprintf(sentence, sizeof sentence,
             "cannot connect to 'there:7': 127.0.0.1:%u: Connection refused; "
             "127.0.0.1:%u: Connection timed out; 127.0.0.1:%u: Connection refused",
             addr_port(&dead), addr_port(&silent), addr_port(&dead));
    fails(list, 3, SHORT_NS, ECONNREFUSED, sentence);
}

TEST(address_that_cannot_be_tried_is_named_too)
{
    const struct addr strange = {.sa = {.sa_family = 255}, .len = sizeof(struct sockaddr)};
    const struct addr list[] = {dead, strange};
    char sentence[512];

    snprintf(sentence, sizeof sentence,
             "cannot connect to 'there:7': 127.0.0.1:%u: Connection refused; an unknown address: "
             "Address family not supported by protocol",
             addr_port(&dead));
    fails(list, 2, PATIENCE_NS, EAFNOSUPPORT, sentence);
}

TEST(list_too_long_for_a_sentence_is_cut_and_says_so)
{
    struct addr list[30], answered;
    struct err err = {0};
    int fd = -1;

    for (size_t i = 0; i < 30; i++)
        list[i] = dead;
    assert_int_equal(dial(&fd, &answered, list, 30, "there:7", PATIENCE_NS, &err), -ECONNREFUSED);
    assert_true(strlen(err.text) > 400);
    assert_string_equal(err.text + strlen(err.text) - 3, "...");
}

TEST(no_address_is_an_error)
{
    fails(NULL, 0, PATIENCE_NS, EADDRNOTAVAIL,
          "cannot connect to 'there:7': Cannot assign requested address");
}

static volatile sig_atomic_t alarms;

static void on_alarm(int signo)
{
    (void)signo;
    alarms = 1;
}

/* Each interrupts poll(2); the wait goes on to its end. */
TEST(signals_do_not_end_the_wait)
{
    struct sigaction action = {.sa_handler = on_alarm}, before; /* without SA_RESTART */
    struct itimerval often = {{0, 1000}, {0, 1000}}, off = {{0, 0}, {0, 0}};

    assert_int_equal(sigaction(SIGALRM, &action, &before), 0);
    assert_int_equal(setitimer(ITIMER_REAL, &often, NULL), 0);
    fails(&silent, 1, SHORT_NS, ETIMEDOUT, "cannot connect to 'there:7': Connection timed out");
    assert_int_equal(setitimer(ITIMER_REAL, &off, NULL), 0);
    assert_int_equal(sigaction(SIGALRM, &before, NULL), 0);
    assert_int_equal(alarms, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(listening_address_is_reached),
        cmocka_unit_test(refusal_is_said_once),
        cmocka_unit_test(dead_addresses_are_passed_over),
        cmocka_unit_test(silent_address_costs_its_time_only),
        cmocka_unit_test(silence_is_a_timeout),
        cmocka_unit_test(each_failed_address_is_named),
        cmocka_unit_test(address_that_cannot_be_tried_is_named_too),
        cmocka_unit_test(list_too_long_for_a_sentence_is_cut_and_says_so),
        cmocka_unit_test(no_address_is_an_error),
        cmocka_unit_test(signals_do_not_end_the_wait),
    };

    return cmocka_run_group_tests_name("dial", tests, open_all, close_all);
}
