/* terminal.h -- leave the terminal as it was found, whatever ends the program.
 *
 * A line editor changes the terminal's modes while it waits for a key. Whoever is about to do that says
 * so here, and a signal that ends the program puts the modes back first. The handler needs only
 * tcsetattr(3), write(2) and _exit(2), which are async-signal-safe (signal-safety(7)); so Ctrl-C works
 * everywhere, in a blocking name lookup as well as at the prompt.
 *
 * SPDX-License-Identifier: MIT */
#ifndef CLIENT_TERMINAL_H
#define CLIENT_TERMINAL_H

/* From now on SIGINT, SIGTERM, SIGHUP and SIGQUIT end the program with 128 + signal. One that was
 * ignored when the program started (nohup, a background job of a script) stays so. */
void terminal_guard(void);

/* Remembers the modes of standard input. Until terminal_back() they are put back by an ending, and the
 * cursor leaves the prompt's line. */
void terminal_lend(void);
void terminal_back(void);

/* Runs 'handler' on 'signo', unless the signal is ignored. */
void terminal_on_signal(int signo, void (*handler)(int));

#endif
