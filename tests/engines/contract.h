/* contract.h -- the contract of io.h, run against every engine alike.
 *
 * What is written in the tests here is what a server or a bench may rely on, so nothing refers to how an engine does it:
 * real sockets of this kernel, an io on one end, plain blocking calls on the other. Each *fact* gets a world of its own,
 * once for each engine in io_engines(), and once more with spinning for each that can. So a new engine is tested by being
 * there.
 *
 * Each test_*.c holds the facts of one theme, and its main() is contract_run().
 *
 * SPDX-License-Identifier: MIT */
#ifndef ENGINES_CONTRACT_H
#define ENGINES_CONTRACT_H

#include "base/clock.h"
#include "io/io.h"
#include "net/addr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define PATIENCE_NS (20 * NS_PER_S) /* never waited for in full when all is well */
#define BUF 4096                    /* bytes of a buffer */
#define SPIN_NS (10 * NS_PER_MS)

/* One io, one socket of its, and the other end in our hands. */
struct world {
    const char *engine;
    int64_t spin_ns; /* as io_config */
    struct io *io;
    struct io_sock sock;
    int peer;
};

struct fact {
    const char *name;
    void (*run)(struct world *w);
};

#define FACT(f) \
    {           \
#f, f   \
    }

/* Runs the facts, each for each engine. Returns what main() does. */
int contract_run(const char *theme, const struct fact *facts, size_t n_facts);

/* --- events: the next one, or the one that has to come; each asserts what holds for all */

struct io_event next(struct world *w);
struct io_event expect(struct world *w, const struct io_sock *sock, enum io_op op);
void expect_bytes(struct world *w, const char *bytes);
void expect_result(struct world *w, enum io_op op, int result);

/* Nothing is going to happen: asked with a deadline in the past and once more a little later. */
void assert_nothing(struct world *w);

/* Events that come quickly, so that an io which may spin does from here on. */
void be_quick(struct world *w);

/* Sends full buffers until one does not go out: it stays outstanding. Returns the bytes that went. */
size_t fill(struct world *w);

/* --- the other end */

void peer_sends(struct world *w, const void *data, size_t n);

/* Reads until 'n' bytes came. */
void peer_reads(struct world *w, size_t n);

/* --- another connection */

/* A listener's descriptor; *ret is where it listens. */
int listen_on_loopback(struct addr *ret);

/* The descriptor of who calls there. */
int call(const struct addr *to);

#endif
