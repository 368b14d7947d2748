/* sim.c -- runs the simulation for many seeds, one process per CPU, or replays one of them.
 *
 *     sim [--from SEED] [--seeds N] [--jobs N] [--twice]
 *     sim --seed SEED                  one run, with every step printed
 *     sim --script FILE                likewise, as a script tells (choose.h, tests/fuzz/fuzz_conn.c)
 *     sim --seed SEED --script FILE    writes the script of a seed
 *
 * A run that fails, however it does, costs its process; the parent prints one line, with the way to
 * replay it, and starts another. Seeds are dealt out one by one, so a slow one holds up nobody.
 *
 * rows: O02 O03
 *
 * SPDX-License-Identifier: MIT */
#include "../../src/base/units.h"
#include "choose.h"
#include "trace.h"
#include "world.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define JOBS_MAX 256
#define FAILURES_MAX 10 /* then it is enough */
#define CPU_SECONDS_MAX 20
#define SCRIPT_MAX (1 << 20)
#define CLEAR_LINE "\r\033[K"

enum { FOUND = 1, CANNOT_RUN = 2, RUN_FAILED = 3 }; /* exit codes */

/* What a child is at, where the parent can read it after the child's end. */
struct job {
    uint64_t seed;
    char complaint[512];
};

/* Shared by all. */
struct board {
    atomic_uint_fast64_t next; /* seeds dealt out so far */
    atomic_uint_fast64_t done;
    struct job jobs[JOBS_MAX];
};

static struct {
    uint64_t from, seeds, jobs, seed;
    bool twice, replay;
    const char *script;
} options = {.from = 1, .seeds = 10000};

static struct board *board;
static struct job *own;

/* --- a child ------------------------------------------------------------------------------------ */

static void complain(const char *complaint)
{
    snprintf(own->complaint, sizeof own->complaint, "%s", complaint);
    _exit(RUN_FAILED);
}

static void on_timeout(int signo)
{
    (void)signo;
    complain("the run takes too long: an endless loop");
}

static uint64_t run(uint64_t seed, enum trace_mode mode)
{
    struct itimerval limit = {.it_value.tv_sec = CPU_SECONDS_MAX};

    setitimer(ITIMER_PROF, &limit, NULL);
    choose_from_seed(seed);
    trace_begin(mode);
    world_run();
    return trace_hash();
}

static void run_one(uint64_t seed)
{
    own->seed = seed;
    if (!options.twice)
        (void)run(seed, TRACE_OFF);
    else if (run(seed, TRACE_HASH) != run(seed, TRACE_HASH))
        complain("two runs of this seed differ");
}

static _Noreturn void child(struct job *job)
{
    uint64_t i;

    own = job;
    own->complaint[0] = '\0';
    fail_handler = complain;
    signal(SIGPROF, on_timeout);
    while ((i = atomic_fetch_add(&board->next, 1)) < options.seeds) {
        run_one(options.from + i);
        atomic_fetch_add(&board->done, 1);
    }
    exit(0);
}

/* --- the parent --------------------------------------------------------------------------------- */

static int64_t real_now_ns(void)
{
    struct timeval t; /* clock_gettime() tells the virtual time here */

    gettimeofday(&t, NULL);
    return (int64_t)t.tv_sec * NS_PER_S + t.tv_usec * NS_PER_US;
}

/* A line that is redrawn on a terminal twice a second; elsewhere one a minute. */
static void show_progress(int64_t began_ns, unsigned failures)
{
    static int64_t shown_ns;
    bool terminal = isatty(STDERR_FILENO);
    int64_t now = real_now_ns();
    uint64_t done = atomic_load(&board->done);
    double rate = (double)done * 1e9 / (double)(now - began_ns + 1);
    char left[UNITS_TEXT_MAX];

    if (now - (shown_ns ? shown_ns : began_ns) < (terminal ? NS_PER_S / 2 : 60 * NS_PER_S) || !done)
        return;
    shown_ns = now;
    units_duration_text(left, (int64_t)((double)(options.seeds - done) / rate * 1e9));
    fprintf(stderr, "%s%" PRIu64 " of %" PRIu64 " seeds, %.0f a second, %u failed, %s left%s",
            terminal ? CLEAR_LINE : "", done, options.seeds, rate, failures, left,
            terminal ? "" : "\n");
}

static void sum_up(int64_t began_ns, unsigned failures)
{
    char span[UNITS_TEXT_MAX];

    printf("%s%" PRIu64 " seeds from %" PRIu64 " on in %s: ",
           isatty(STDERR_FILENO) ? CLEAR_LINE : "", atomic_load(&board->done), options.from,
           units_duration_text(span, real_now_ns() - began_ns));
    if (failures == 0)
        puts(options.twice ? "all promises held, twice the same way" : "all promises held");
    else
        printf("%u failed%s\n", failures,
               failures == FAILURES_MAX ? ", the rest was left out" : "");
}

static pid_t start(struct job *job)
{
    pid_t pid;

    fflush(NULL);
    pid = fork();
    if (pid == 0)
        child(job);
    if (pid == -1) {
        perror("sim: cannot fork");
        exit(CANNOT_RUN);
    }
    return pid;
}

/* How this child ended, if it failed. Returns whether it did. */
static bool report(const struct job *job, int status)
{
    char words[64];

    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return false;
    if (WIFSIGNALED(status))
        snprintf(words, sizeof words, "it crashed: %s", strsignal(WTERMSIG(status)));
    else
        snprintf(words, sizeof words, "a sanitizer ended it with %d", WEXITSTATUS(status));
    printf("%sseed %" PRIu64 ": %s; replay: ./dev sim --seed %" PRIu64 "\n",
           isatty(STDERR_FILENO) ? CLEAR_LINE : "", job->seed,
           job->complaint[0] ? job->complaint : words, job->seed);
    return true;
}

static int run_all(void)
{
    pid_t pids[JOBS_MAX];
    unsigned running = 0, failures = 0;
    int64_t began_ns = real_now_ns();

    for (; running < options.jobs; running++)
        pids[running] = start(&board->jobs[running]);
    while (running > 0) {
        int status;
        pid_t pid = waitpid(-1, &status, WNOHANG);

        show_progress(began_ns, failures);
        if (pid <= 0) {
            usleep(20 * 1000);
            continue;
        }
        for (unsigned i = 0; i < options.jobs; i++) {
            if (pids[i] != pid)
                continue;
            running--;
            pids[i] = 0;
            if (!report(&board->jobs[i], status))
                continue;
            if (++failures >= FAILURES_MAX) { /* nobody takes another seed */
                atomic_store(&board->next, options.seeds);
            } else {
                pids[i] = start(&board->jobs[i]);
                running++;
            }
        }
    }
    sum_up(began_ns, failures);
    return failures ? FOUND : 0;
}

/* --- one seed ----------------------------------------------------------------------------------- */

static void complain_aloud(const char *complaint)
{
    fflush(stdout);
    printf("seed %" PRIu64 ": %s\n", options.seed, complaint);
    exit(FOUND);
}

static int replay(void)
{
    fail_handler = complain_aloud;
    setvbuf(stdout, NULL, _IOLBF, 0); /* a crash must not swallow what led to it */
    (void)run(options.seed, TRACE_PRINT);
    printf("seed %" PRIu64 ": all promises held\n", options.seed);
    return 0;
}

static FILE *open_script(const char *mode)
{
    FILE *file = fopen(options.script, mode);

    if (!file) {
        fprintf(stderr, "sim: cannot open '%s': %s\n", options.script, strerror(errno));
        exit(CANNOT_RUN);
    }
    return file;
}

static int write_script(void)
{
    FILE *file = open_script("w");

    fail_handler = complain_aloud; /* the script of a failure is the one worth keeping */
    choose_and_write(file);
    (void)run(options.seed, TRACE_OFF);
    return fclose(file) == 0 ? 0 : CANNOT_RUN;
}

static int replay_script(void)
{
    static unsigned char script[SCRIPT_MAX];
    FILE *file = open_script("r");
    size_t n = fread(script, 1, sizeof script, file);

    fclose(file);
    fail_handler = complain_aloud;
    setvbuf(stdout, NULL, _IOLBF, 0);
    choose_from_script(script, n);
    trace_begin(TRACE_PRINT);
    world_run();
    puts("all promises held");
    return 0;
}

/* --- main --------------------------------------------------------------------------------------- */

static uint64_t number(const char *text)
{
    char *end;
    double n;
    uint64_t exact;

    errno = 0;
    exact = strtoull(text, &end, 10);
    if (*text >= '0' && *text <= '9' && !*end && errno == 0)
        return exact;
    n = strtod(text, &end); /* 1e6 */
    if (*text >= '0' && *text <= '9' && !*end && n < 1e18)
        return (uint64_t)n;
    fprintf(stderr, "sim: '%s' is not a number\n", text);
    exit(CANNOT_RUN);
}

static void read_options(int argc, char **argv)
{
    static const struct option table[] = {
        {"from", required_argument, NULL, 'f'},
        {"seeds", required_argument, NULL, 'n'},
        {"jobs", required_argument, NULL, 'j'},
        {"seed", required_argument, NULL, 's'},
        {"twice", no_argument, NULL, '2'},
        {"script", required_argument, NULL, 'x'},
        {0},
    };
    int c;

    options.jobs = (uint64_t)sysconf(_SC_NPROCESSORS_ONLN);
    while ((c = getopt_long(argc, argv, "", table, NULL)) != -1) {
        switch (c) {
        case 'f':
            options.from = number(optarg);
            break;
        case 'n':
            options.seeds = number(optarg);
            break;
        case 'j':
            options.jobs = number(optarg);
            break;
        case 's':
            options.seed = number(optarg);
            options.replay = true;
            break;
        case 'x':
            options.script = optarg;
            break;
        case '2':
            options.twice = true;
            break;
        default:
            exit(CANNOT_RUN);
        }
    }
    if (optind < argc) {
        fprintf(stderr, "sim: what is '%s'?\n", argv[optind]);
        exit(CANNOT_RUN);
    }
    if (options.jobs < 1 || options.jobs > JOBS_MAX)
        options.jobs = 1;
}

int main(int argc, char **argv)
{
    read_options(argc, argv);
    world_init();
    if (options.script)
        return options.replay ? write_script() : replay_script();
    if (options.replay)
        return replay();
    board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (board == MAP_FAILED) {
        perror("sim: cannot share memory");
        return CANNOT_RUN;
    }
    return run_all();
}
