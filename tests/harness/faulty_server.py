"""Echoes with one fault each, for a bench that has to find it. They are handlers of a FakeServer.

A fault strikes the first connection, once, at a place that is given: so a test knows the connection and the
offset that the bench must name. Messages have one length, which both sides know. What a fault cannot do
without (a second message in flight for `swapped`, a second connection for `crossed`) it waits for.

    with FakeServer(doubled(size=64, at=10)) as fake:
        run_bench("-s", 64, f"127.0.0.1:{fake.port}")

SPDX-License-Identifier: MIT
"""

import socket
import threading

from sockets import PATIENCE, reset


def pieces(conn):
    """What comes, as it comes; none of it is kept."""
    while data := conn.sock.recv(65536):
        yield data


def messages(conn, size):
    """What comes, as (number from 1, message)."""
    held, number = bytearray(), 0
    for data in pieces(conn):
        held += data
        while len(held) >= size:
            number += 1
            yield number, bytes(held[:size])
            del held[:size]


def is_struck(conn):
    return conn.number == 1


class Turn:
    """Holds the others back until the fault has struck: a run that counts the messages of all connections
    may be over before the struck one has come as far."""

    def __init__(self):
        self.struck = threading.Event()

    def take(self, conn):
        """Call where the fault strikes, on every connection."""
        if is_struck(conn):
            self.struck.set()
        else:
            self.struck.wait(PATIENCE)


def echo(conn):
    """No fault."""
    for data in pieces(conn):
        conn.send(data)


def changed(every):
    """One bit of each `every`th byte is wrong: on all connections, again and again."""
    def handler(conn):
        done = 0
        for data in pieces(conn):
            wrong = bytearray(data)
            for i in range(every - 1 - done % every, len(data), every):
                wrong[i] ^= 0x10
            conn.send(wrong)
            done += len(data)
    return handler


def at_message(size, at, strike):
    """Sends strike(message) instead of message number `at`."""
    turn = Turn()

    def handler(conn):
        for number, message in messages(conn, size):
            if number == at:
                turn.take(conn)
            conn.send(strike(message) if is_struck(conn) and number == at else message)
    return handler


def doubled(size, at):
    """Message number `at` comes twice."""
    return at_message(size, at, lambda message: message * 2)


def skipped(size, at):
    """Message number `at` never comes; what follows does."""
    return at_message(size, at, lambda message: b"")


def unasked(size, at, words):
    """After message number `at` come bytes that nobody sent."""
    return at_message(size, at, lambda message: message + words)


def swapped(size, at):
    """Message number `at` comes after the next one. Wants two in flight."""
    turn = Turn()

    def handler(conn):
        held = b""
        for number, message in messages(conn, size):
            if number == at:
                turn.take(conn)
            if is_struck(conn) and number == at:
                held = message
            else:
                conn.send(message + held)
                held = b""
    return handler


def crossed(size, at):
    """The connections 1 and 2 get each other's message number `at`."""
    held, both = {}, threading.Barrier(2)

    def handler(conn):
        for number, message in messages(conn, size):
            if conn.number <= 2 and number == at:
                held[conn.number] = message
                both.wait(PATIENCE)
                message = held[3 - conn.number]
            conn.send(message)
    return handler


def breaking_off(after, end):
    """`after` bytes come back; then end(conn)."""
    turn = Turn()

    def handler(conn):
        left = after
        for data in pieces(conn):
            if 0 < left <= len(data):
                turn.take(conn)
            conn.send(data[:left] if is_struck(conn) else data)
            left -= len(data)
            if left <= 0 and is_struck(conn):
                return end(conn)
    return handler


def closing(after):
    """Ends its stream after so many bytes, reading on."""
    def end(conn):
        conn.sock.shutdown(socket.SHUT_WR)
        for _ in pieces(conn):
            pass
    return breaking_off(after, end)


def resetting(after):
    """Ends with a reset after so many bytes."""
    return breaking_off(after, lambda conn: reset(conn.sock))


def falling_silent(after):
    """Says nothing more after so many bytes, reading on."""
    def end(conn):
        for _ in pieces(conn):
            pass
    return breaking_off(after, end)
