/* terminal.c -- see terminal.h.
 *
 * SPDX-License-Identifier: MIT */
#include "terminal.h"

#include "../base/process.h"

#include <signal.h>
#include <stddef.h>
#include <termios.h>
#include <unistd.h>

static struct termios lent_modes;
static volatile sig_atomic_t lent;

/* Setting modes from the background would stop us (SIGTTOU), and they are not ours to set there. */
static void put_back(void)
{
    if (tcgetpgrp(STDIN_FILENO) == getpgrp())
        tcsetattr(STDIN_FILENO, TCSANOW, &lent_modes);
}

static void on_ending(int signo)
{
    if (lent) {
        put_back();
        if (write(STDOUT_FILENO, "\n", 1) == -1)
            _exit(128 + signo); /* nobody looks; the compiler wants the result used */
    }
    _exit(128 + signo);
}

void terminal_on_signal(int signo, void (*handler)(int))
{
    struct sigaction old;

    if (sigaction(signo, NULL, &old) == 0 && old.sa_handler != SIG_IGN)
        process_on_signal(signo, handler);
}

void terminal_guard(void)
{
    static const int endings[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};

    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
        terminal_on_signal(endings[i], on_ending);
}

void terminal_lend(void)
{
    lent = tcgetattr(STDIN_FILENO, &lent_modes) == 0;
}

void terminal_back(void)
{
    lent = 0;
}
