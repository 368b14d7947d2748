/* test_confine.c -- what a process that gave up its privileges and entered the sandbox can still do, tried
 * from inside: everything that serving takes works, and everything else fails with the errno that the
 * headers promise.
 *
 * Each test confines a child of its own, whose exit code says which line failed. The sources under test
 * are compiled once more for this program, never with sanitizers or coverage, whose builds have lax
 * rules (base/sandbox.h): what is tested is what is released.
 *
 * SPDX-License-Identifier: MIT */
#include "base/err.h"
#include "base/filter.h"
#include "base/landlock.h"
#include "base/privilege.h"
#include "base/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define TEST(name) static void name(void **state __attribute__((unused)))

/* In a child: ends it with the line that failed, as far as an exit code goes. */
#define CHECK(condition)               \
    do {                               \
        if (!(condition))              \
            _exit(__LINE__ % 255 + 1); \
    } while (0)

/* A call fails, with this errno. */
#define FAILS(code, call) CHECK((errno = 0, (long)(call)) == -1 && errno == (code))

static int status_of_child(void (*run)(void))
{
    int status = -1;
    pid_t child;

    fflush(NULL);
    child = fork();
    if (child == 0) {
        run();
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void in_child(void (*run)(void))
{
    int status = status_of_child(run);

    if (WIFEXITED(status) && WEXITSTATUS(status))
        print_error("the check on line %d (modulo 255) failed\n", WEXITSTATUS(status) - 1);
    assert_int_equal(status, 0);
}

/* --- what it takes to serve --------------------------------------------------------------------- */

/* Opened before the sandbox closes, as a server does. */
static int listener, outside; /* outside: a socket that is connected to nothing */
static struct sockaddr_in address = {.sin_family = AF_INET};

static void open_sockets(void)
{
    socklen_t len = sizeof address;

    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    outside = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(listener != -1 && outside != -1);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(bind(listener, (struct sockaddr *)&address, sizeof address) == 0);
    CHECK(listen(listener, 5) == 0);
    CHECK(getsockname(listener, (struct sockaddr *)&address, &len) == 0);
}

static void confine_with(const struct sandbox_config *config)
{
    struct sandbox sandbox;
    struct err err;

    CHECK(privilege_give_up(NULL, &err) == 0);
    CHECK(sandbox_enter(&sandbox, config, &err) == 0);
    CHECK(sandbox.filter && sandbox.landlock >= 1 && sandbox.lacks[0] == '\0');
}

static void confine(void)
{
    open_sockets();
    confine_with(&(struct sandbox_config){.mode = SANDBOX_REQUIRE});
}

static void *echo_once(void *arg)
{
    const int *fd = arg;
    char *large = malloc(1 << 20), *grown;
    ssize_t n;

    CHECK(large);
    grown = realloc(large, 64 << 20);
    CHECK(grown);
    n = recv(*fd, grown, 1 << 20, 0);
    CHECK(n > 0 && send(*fd, grown, (size_t)n, MSG_NOSIGNAL) == n);
    free(grown);
    return NULL;
}

static void serve(void)
{
    struct epoll_event event = {.events = EPOLLIN};
    struct sockaddr_storage peer;
    struct pollfd p = {.events = POLLIN};
    struct timespec now;
    socklen_t len = sizeof peer;
    pthread_t thread;
    int client = socket(AF_INET, SOCK_STREAM, 0), epoll, wake, fd, value;
    char byte = 'x';

    CHECK(client != -1);
    open_sockets();
    CHECK(connect(client, (struct sockaddr *)&address, sizeof address) == 0);
    epoll = epoll_create1(EPOLL_CLOEXEC);
    confine_with(&(struct sandbox_config){.mode = SANDBOX_REQUIRE});

    CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event) == 0);
    CHECK(epoll_wait(epoll, &event, 1, 1000) == 1);
    fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    CHECK(fd != -1 && getpeername(fd, (struct sockaddr *)&peer, &len) == 0);
    wake = eventfd(0, EFD_CLOEXEC);
    CHECK(wake != -1 && write(wake, &(uint64_t){1}, 8) == 8);
    p.fd = wake;
    CHECK(poll(&p, 1, 1000) == 1);
    CHECK(send(client, &byte, 1, 0) == 1);
    CHECK(pthread_create(&thread, NULL, echo_once, &fd) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(recv(client, &byte, 1, 0) == 1 && byte == 'x');
    len = sizeof value;
    CHECK(getsockopt(fd, SOL_SOCKET, SO_ERROR, &value, &len) == 0);
    CHECK(shutdown(fd, SHUT_WR) == 0 && close(fd) == 0);
    CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    CHECK(signal(SIGTERM, SIG_IGN) != SIG_ERR && raise(SIGTERM) == 0);
}

TEST(everything_that_serving_takes_works)
{
    in_child(serve);
}

static void exit_in_order(void)
{
    confine();
    exit(0); /* with all that atexit(3) brings */
}

TEST(the_process_ends_in_order)
{
    assert_int_equal(status_of_child(exit_in_order), 0);
}

static void abort_confined(void)
{
    confine();
    abort();
}

TEST(abort_works)
{
    int status = status_of_child(abort_confined);

    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

/* --- and nothing else --------------------------------------------------------------------------- */

static void files(void)
{
    confine();
    FAILS(EPERM, open("/etc/passwd", O_RDONLY));
    FAILS(EPERM, open("/proc/self/mem", O_RDWR));
    FAILS(EPERM, open("/tmp/meari-confined", O_WRONLY | O_CREAT, 0600));
    FAILS(EPERM, syscall(SYS_openat2, AT_FDCWD, "/", NULL, 0));
    FAILS(EPERM, unlink("/tmp/meari-confined"));
    FAILS(EPERM, rename("/tmp/meari-confined", "/tmp/meari-confined-2"));
    FAILS(EPERM, mkdir("/tmp/meari-confined", 0700));
    FAILS(EPERM, chmod("/tmp", 0777));
    FAILS(EPERM, access("/", R_OK));
    FAILS(EPERM, chdir("/"));
    FAILS(EPERM, chroot("/"));
    FAILS(EPERM, syscall(SYS_memfd_create, "x", 0));
    FAILS(EPERM, dup(1));
    FAILS(EPERM, ioctl(0, TIOCSTI, "x"));
}

TEST(no_file_can_be_touched)
{
    in_child(files);
}

static void sockets(void)
{
    struct sockaddr_in any = {.sin_family = AF_INET};
    int pair[2];

    confine();
    FAILS(EPERM, socket(AF_INET, SOCK_STREAM, 0));
    FAILS(EPERM, socket(AF_UNIX, SOCK_STREAM, 0));
    FAILS(EPERM, socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    FAILS(EPERM, connect(outside, (struct sockaddr *)&address, sizeof address));
    FAILS(EPERM, bind(outside, (struct sockaddr *)&any, sizeof any));
    FAILS(EPERM, listen(outside, 1));
    FAILS(EPERM, sendmsg(outside, &(struct msghdr){.msg_iovlen = 0}, 0));
    FAILS(EPERM, recvmsg(outside, &(struct msghdr){.msg_iovlen = 0}, 0));
}

TEST(no_socket_can_be_made_or_connected)
{
    in_child(sockets);
}

/* A listener that is shut down for reading is a new socket again, and a send with "fast open" would connect it
 * past all that looks at connect(2). */
static void listener_turned(void)
{
    confine();
    FAILS(EPERM, shutdown(listener, SHUT_RD));
    FAILS(EPERM, shutdown(listener, SHUT_RDWR));
    FAILS(EISCONN, sendto(listener, "x", 1, MSG_FASTOPEN | MSG_NOSIGNAL,
                          (struct sockaddr *)&address, sizeof address));
}

TEST(a_listener_does_not_become_a_connection)
{
    in_child(listener_turned);
}

static void processes(void)
{
    char *const argv[] = {(char *)"true", NULL};
    pid_t parent = getppid();

    confine();
    FAILS(EPERM, execv("/bin/true", argv));
    FAILS(EPERM, fork());
    FAILS(EPERM, syscall(SYS_vfork));
    FAILS(EPERM, syscall(SYS_clone, CLONE_VM | SIGCHLD, 0, 0, 0, 0));
    FAILS(EPERM,
          syscall(SYS_clone, CLONE_VM | CLONE_SIGHAND | CLONE_THREAD | CLONE_NEWNS, 0, 0, 0, 0));
    FAILS(ENOSYS, syscall(SYS_clone3, NULL, 0));
    FAILS(EPERM, unshare(CLONE_NEWUSER));
    FAILS(EPERM, kill(parent, 0));
    FAILS(EPERM, syscall(SYS_tgkill, 1, 1, 0));
    FAILS(EPERM, syscall(SYS_ptrace, 0, 0, 0, 0));
    FAILS(EPERM, syscall(SYS_process_vm_readv, getpid(), NULL, 0, NULL, 0, 0));
    FAILS(EPERM, syscall(SYS_process_vm_writev, getpid(), NULL, 0, NULL, 0, 0));
    FAILS(EPERM, syscall(SYS_pidfd_open, getpid(), 0));
    FAILS(EPERM, syscall(SYS_prlimit64, parent, 7, NULL, NULL));
}

TEST(nothing_is_executed_forked_or_signalled)
{
    in_child(processes);
}

static void privileges(void)
{
    confine();
    FAILS(EPERM, setuid(0));
    FAILS(EPERM, setresuid(0, 0, 0));
    FAILS(EPERM, syscall(SYS_setgroups, 0, NULL));
    FAILS(EPERM, syscall(SYS_capset, NULL, NULL));
    FAILS(EPERM, prctl(PR_SET_DUMPABLE, 1, 0, 0, 0));
    FAILS(EPERM, syscall(SYS_seccomp, 0, 0, NULL));
    FAILS(EPERM, syscall(SYS_landlock_create_ruleset, NULL, 0, 1));
    FAILS(EPERM, syscall(SYS_bpf, 0, NULL, 0));
    FAILS(EPERM, syscall(SYS_perf_event_open, NULL, 0, 0, 0, 0));
    FAILS(EPERM, syscall(SYS_userfaultfd, 0));
    FAILS(EPERM, syscall(SYS_io_uring_setup, 1, NULL));
    FAILS(EPERM, syscall(SYS_keyctl, 0, 0, 0, 0, 0));
    FAILS(EPERM, syscall(SYS_mount, "", "/", "", 0, NULL));
    FAILS(EPERM, syscall(SYS_init_module, NULL, 0, ""));
}

TEST(no_privilege_can_be_had)
{
    in_child(privileges);
}

static void code(void)
{
    const int rw = PROT_READ | PROT_WRITE;
    void *page;

    confine();
    page = mmap(NULL, 4096, rw, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(page != MAP_FAILED);
    CHECK(mprotect(page, 4096, PROT_READ) == 0);
    FAILS(EPERM, mprotect(page, 4096, PROT_READ | PROT_EXEC));
    FAILS(EPERM, mmap(NULL, 4096, rw | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    FAILS(EPERM, syscall(SYS_pkey_mprotect, page, 4096, PROT_EXEC, -1));
}

TEST(no_memory_becomes_code)
{
    in_child(code);
}

#ifdef __x86_64__
static void foreign_call(void)
{
    long r;

    confine();
    __asm__ volatile("int $0x80" : "=a"(r) : "0"(20l) : "memory"); /* getpid, as i386 calls it */
    _exit(1);
}

TEST(a_call_in_the_manner_of_another_architecture_kills)
{
    int status = status_of_child(foreign_call);

    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
}
#endif

/* --- each lock by itself ------------------------------------------------------------------------ */

static int landlock_abi(void)
{
    return (int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
}

static void only_landlock(void)
{
    struct sockaddr_in any = {.sin_family = AF_INET};
    int abi = landlock_abi();
    struct err err;

    open_sockets();
    CHECK(privilege_give_up(NULL, &err) == 0);
    CHECK(landlock_enter(NULL, 0) == abi);
    FAILS(EACCES, open("/etc/passwd", O_RDONLY));
    FAILS(EACCES, open("/tmp/meari-confined", O_WRONLY | O_CREAT, 0600));
    FAILS(EACCES, mkdir("/tmp/meari-confined", 0700));
    FAILS(EACCES, execl("/bin/true", "true", NULL));
    if (abi >= 4) {
        FAILS(EACCES, bind(outside, (struct sockaddr *)&any, sizeof any));
        FAILS(EACCES, connect(outside, (struct sockaddr *)&address, sizeof address));
    }
    if (abi >= 6)
        FAILS(EPERM, kill(getppid(), 0));
}

TEST(landlock_alone_closes_files_and_tcp_and_signals)
{
    in_child(only_landlock);
}

static void only_filter(void)
{
    struct err err;

    CHECK(privilege_give_up(NULL, &err) == 0);
    CHECK(filter_enter(false) == 0);
    FAILS(EPERM, open("/etc/passwd", O_RDONLY));
    FAILS(EPERM, socket(AF_INET, SOCK_STREAM, 0));
    FAILS(EPERM, kill(getpid(), 0));
}

TEST(the_filter_alone_does_it_too)
{
    in_child(only_filter);
}

/* --- a folder for sockets ----------------------------------------------------------------------- */

static char folder[] = "/tmp/meari-confine-XXXXXX";

static struct sockaddr_un unix_address(const char *name)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};

    snprintf(sa.sun_path, sizeof sa.sun_path, "%s/%s", folder, name);
    return sa;
}

static void socket_folder(void)
{
    const char *const dirs[] = {folder};
    struct sockaddr_un one = unix_address("one"), two = unix_address("two");
    struct sockaddr_un elsewhere = {.sun_family = AF_UNIX, .sun_path = "/tmp/meari-confined"};
    struct stat st;
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    CHECK(fd != -1 && bind(fd, (struct sockaddr *)&one, sizeof one) == 0 && listen(fd, 1) == 0);
    confine_with(
        &(struct sandbox_config){.mode = SANDBOX_REQUIRE, .socket_dirs = dirs, .n_socket_dirs = 1});
    CHECK(rename(one.sun_path, two.sun_path) == 0);
    CHECK(lstat(two.sun_path, &st) == 0 && S_ISSOCK(st.st_mode));
    FAILS(EACCES, rename(two.sun_path, elsewhere.sun_path));
    CHECK(unlink(two.sun_path) == 0);
    FAILS(EACCES, unlink("/etc/passwd"));
    FAILS(EPERM, socket(AF_UNIX, SOCK_STREAM, 0));
    FAILS(EPERM, bind(fd, (struct sockaddr *)&one, sizeof one));
    FAILS(EPERM, mkdir(one.sun_path, 0700));
    FAILS(EPERM, open(two.sun_path, O_WRONLY | O_CREAT, 0600));
    FAILS(EPERM, socket(AF_INET, SOCK_STREAM, 0));
    FAILS(EPERM, socket(AF_NETLINK, SOCK_RAW, 0));
}

TEST(sockets_may_be_moved_in_their_folder_and_nothing_else)
{
    assert_non_null(mkdtemp(folder));
    in_child(socket_folder);
    assert_int_equal(rmdir(folder), 0);
}

static void missing_folder(void)
{
    const char *const dirs[] = {"/no/such/folder"};
    struct sandbox_config config = {SANDBOX_REQUIRE, dirs, 1};
    struct sandbox sandbox;
    struct err err;

    CHECK(privilege_give_up(NULL, &err) == 0);
    CHECK(sandbox_enter(&sandbox, &config, &err) == -EINVAL);
    CHECK(strcmp(err.text, "--sandbox require: no landlock (No such file or directory)") == 0);
}

TEST(a_folder_that_is_not_there_is_an_error)
{
    in_child(missing_folder);
}

/* --- modes -------------------------------------------------------------------------------------- */

static void without_no_new_privileges(void)
{
    struct sandbox sandbox;
    struct err err;

    CHECK(setresuid(65534, 65534, 65534) == 0 || geteuid() != 0);
    /* landlock insists on it (landlock(7)); libseccomp sets it by itself */
    CHECK(sandbox_enter(&sandbox, &(struct sandbox_config){.mode = SANDBOX_AUTO}, &err) == 0);
    CHECK(sandbox.landlock == 0 && sandbox.filter);
    CHECK(strcmp(sandbox.lacks, "no landlock (Operation not permitted)") == 0);
}

TEST(auto_says_what_is_lacking)
{
    in_child(without_no_new_privileges);
}

static void nothing(void)
{
    struct sandbox sandbox;
    struct err err;

    CHECK(sandbox_enter(&sandbox, &(struct sandbox_config){.mode = SANDBOX_OFF}, &err) == 0);
    CHECK(!sandbox.filter && !sandbox.landlock && !sandbox.lacks[0]);
    CHECK(open("/dev/null", O_RDONLY) != -1);
}

TEST(off_is_off)
{
    in_child(nothing);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_that_serving_takes_works),
        cmocka_unit_test(the_process_ends_in_order),
        cmocka_unit_test(abort_works),
        cmocka_unit_test(no_file_can_be_touched),
        cmocka_unit_test(no_socket_can_be_made_or_connected),
        cmocka_unit_test(a_listener_does_not_become_a_connection),
        cmocka_unit_test(nothing_is_executed_forked_or_signalled),
        cmocka_unit_test(no_privilege_can_be_had),
        cmocka_unit_test(no_memory_becomes_code),
#ifdef __x86_64__
        cmocka_unit_test(a_call_in_the_manner_of_another_architecture_kills),
#endif
        cmocka_unit_test(landlock_alone_closes_files_and_tcp_and_signals),
        cmocka_unit_test(the_filter_alone_does_it_too),
        cmocka_unit_test(sockets_may_be_moved_in_their_folder_and_nothing_else),
        cmocka_unit_test(a_folder_that_is_not_there_is_an_error),
        cmocka_unit_test(auto_says_what_is_lacking),
        cmocka_unit_test(off_is_off),
    };

    return cmocka_run_group_tests_name("confine", tests, NULL, NULL);
}
