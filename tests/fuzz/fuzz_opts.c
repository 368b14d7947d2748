/* fuzz_opts.c -- any command line in any environment, read by a table with an option of each kind.
 *
 * Each line is one word of the command line; a line that begins with MEARI_ is a variable instead. What is
 * accepted must be within the bounds of the table and leave the operands whole, what is refused must be
 * refused in one clean sentence, and the same words read again must mean the same.
 *
 * SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include "base/err.h"
#include "base/opts.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define WORDS_MAX 24

struct values {
    uint64_t backlog, buffer, verbose;
    int64_t idle_ns;
    bool quiet, classic;
    int engine;
};

static struct values now;

static const char *const engines[] = {"auto", "epoll", "classic", NULL};
static const char *const preset[] = {"engine", "classic", "backlog", "5", NULL};

#define BACKLOG_MAX 100000
#define BUFFER_MIN 16
#define BUFFER_MAX (1 << 20)
#define IDLE_MIN 1000

static const struct opt table[] = {
    {'b', "backlog", "N", OPT_COUNT, &now.backlog, .max = BACKLOG_MAX, .help = "how many may wait"},
    {0, "buffer", "BYTES", OPT_BYTES, &now.buffer, .min = BUFFER_MIN, .max = BUFFER_MAX,
     .help = "what one receive takes,\nin one piece"},
    {'t', "idle-timeout", "TIME", OPT_DURATION, &now.idle_ns, .min = IDLE_MIN,
     .help = "end when quiet"},
    {'e', "engine", "NAME", OPT_CHOICE, &now.engine, .choices = engines, .help = "which one"},
    {0, "classic", NULL, OPT_SWITCH, &now.classic, .preset = preset, .help = "the first lesson"},
    {'q', "quiet", NULL, OPT_SWITCH, &now.quiet, .help = "say less"},
    {'v', "verbose", NULL, OPT_LEVEL, &now.verbose, .help = "say more"},
};

static const struct opts opts = {
    .program = "echo-it",
    .synopsis = "[options] WORD...",
    .about = "Do nothing well.",
    .notes = "These are the notes.\n",
    .version = "1.2.3",
    .table = table,
    .n = sizeof table / sizeof *table,
};

static const struct values defaults = {.backlog = 7, .buffer = 4096, .idle_ns = IDLE_MIN};

struct words {
    char *word[WORDS_MAX + 1];
    int n;
};

static void forget_variables(void)
{
    for (char **variable = environ; *variable;) {
        char *name = copy_string(*variable, strcspn(*variable, "="));

        if (strncmp(name, "MEARI_", 6) == 0) {
            unsetenv(name);
            variable = environ;
        } else {
            variable++;
        }
        free(name);
    }
}

static void read_words(struct words *w, struct bytes *in)
{
    char *line;

    w->word[w->n++] = copy_string("echo-it", 7);
    while (w->n < WORDS_MAX && (line = take_line(in))) {
        char *equals = strchr(line, '=');

        if (strncmp(line, "MEARI_", 6) == 0 && equals) {
            *equals = '\0';
            setenv(line, equals + 1, 1);
            free(line);
        } else {
            w->word[w->n++] = line;
        }
    }
}

/* Every word is still there once, whatever the order; the operands came last, in theirs. */
static void check_words(const struct words *before, const struct words *after, int operand)
{
    int next = 0;

    HOLDS(operand >= 1 && operand <= after->n && after->word[after->n] == NULL);
    for (int i = 0; i < after->n; i++) {
        int seen = 0;

        for (int k = 0; k < before->n; k++)
            if (before->word[k] == after->word[i]) {
                seen++;
                HOLDS(i < operand || k >= next);
                next = i < operand ? next : k;
            }
        HOLDS(seen == 1);
    }
}

static bool same_values(const struct values *a, const struct values *b)
{
    return a->backlog == b->backlog && a->buffer == b->buffer && a->verbose == b->verbose &&
           a->idle_ns == b->idle_ns && a->quiet == b->quiet && a->classic == b->classic &&
           a->engine == b->engine;
}

static void check_values(const struct values *v)
{
    HOLDS(v->backlog <= BACKLOG_MAX);
    HOLDS(v->buffer >= BUFFER_MIN && v->buffer <= BUFFER_MAX);
    HOLDS(v->idle_ns >= IDLE_MIN);
    HOLDS(v->engine >= 0 && v->engine < 3);
}

/* Standard output is where --help goes; nobody reads it here. */
static void silence(void)
{
    static bool silent;
    int fd;

    if (silent)
        return;
    fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    HOLDS(fd != -1 && dup2(fd, STDOUT_FILENO) == STDOUT_FILENO);
    close(fd);
    silent = true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes in = {data, size};
    struct words words = {.n = 0}, before;
    struct err err = {.code = 0};
    struct values first;
    int operand = -1, r, again;

    silence();
    forget_variables();
    read_words(&words, &in);
    before = words;
    now = defaults;
    r = opts_read(&opts, words.n, words.word, &operand, &err);
    first = now;
    if (r == 0) {
        check_values(&first);
        check_words(&before, &words, operand);
    } else if (r < 0) {
        HOLDS(r == -EINVAL && err.code == EINVAL && operand == -1);
        HOLDS(*err.text && is_clean(err.text));
    } else {
        HOLDS(r == 1);
    }
    now = defaults; /* what was moved to the end means what it meant where it stood */
    again = opts_read(&opts, words.n, words.word, &operand, &err);
    HOLDS(again == r && (r != 0 || same_values(&now, &first)));
    for (int i = 0; i < words.n; i++)
        free(words.word[i]);
    return 0;
}
