/* libuv.c -- an echo server on libuv.
 *
 *     libuv PORT
 *
 * All connections read into one buffer, and what was read is written at once (uv_try_write). Only what the peer
 * does not take is copied and queued, and reading stops until it is gone.
 *
 * SPDX-License-Identifier: MIT */
#include "rival.h"

#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

struct rest {
    uv_write_t request;
    char data[];
};

static _Alignas(RIVAL_ALIGN) char buffer[RIVAL_READ];

static void on_data(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf);

static void need(int status, const char *what)
{
    if (status >= 0)
        return;
    fprintf(stderr, "%s: %s\n", what, uv_strerror(status));
    exit(2);
}

static void lend(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    (void)handle, (void)suggested;
    *buf = uv_buf_init(buffer, sizeof buffer);
}

static void on_closed(uv_handle_t *handle)
{
    free(handle);
}

static void end(uv_stream_t *stream)
{
    if (!uv_is_closing((uv_handle_t *)stream))
        uv_close((uv_handle_t *)stream, on_closed);
}

static void on_rest_written(uv_write_t *request, int status)
{
    uv_stream_t *stream = request->handle;

    free(request->data);
    if (status < 0)
        end(stream);
    else
        need(uv_read_start(stream, lend, on_data), "uv_read_start");
}

static void write_rest(uv_stream_t *stream, const char *data, size_t len)
{
    struct rest *rest = malloc(sizeof *rest + len);
    uv_buf_t buf;

    rival_need(rest, "malloc");
    memcpy(rest->data, data, len);
    rest->request.data = rest;
    buf = uv_buf_init(rest->data, (unsigned)len);
    uv_read_stop(stream);
    if (uv_write(&rest->request, stream, &buf, 1, on_rest_written) < 0) {
        free(rest);
        end(stream);
    }
}

static void on_data(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf)
{
    uv_buf_t data = uv_buf_init(buf->base, (unsigned)(got > 0 ? got : 0));
    int sent;

    if (got < 0)
        end(stream); /* at the end everything was written: else nothing would be read */
    if (got <= 0)
        return;
    sent = uv_try_write(stream, &data, 1);
    if (sent < 0 && sent != UV_EAGAIN)
        end(stream);
    else if (sent < got)
        write_rest(stream, data.base + (sent > 0 ? sent : 0),
                   (size_t)(got - (sent > 0 ? sent : 0)));
}

static void on_client(uv_stream_t *listener, int status)
{
    uv_tcp_t *tcp = malloc(sizeof *tcp);

    need(status, "listen");
    rival_need(tcp, "malloc");
    need(uv_tcp_init(listener->loop, tcp), "uv_tcp_init");
    need(uv_accept(listener, (uv_stream_t *)tcp), "uv_accept");
    need(uv_tcp_nodelay(tcp, 1), "uv_tcp_nodelay");
    need(uv_read_start((uv_stream_t *)tcp, lend, on_data), "uv_read_start");
}

int main(int argc, char **argv)
{
    struct sockaddr_in addr;
    int len = sizeof addr;
    uv_tcp_t listener;

    signal(SIGPIPE, SIG_IGN);
    need(uv_ip4_addr("127.0.0.1", rival_port(argc, argv), &addr), "uv_ip4_addr");
    need(uv_tcp_init(uv_default_loop(), &listener), "uv_tcp_init");
    need(uv_tcp_bind(&listener, (struct sockaddr *)&addr, 0), "uv_tcp_bind");
    need(uv_listen((uv_stream_t *)&listener, RIVAL_BACKLOG, on_client), "uv_listen");
    need(uv_tcp_getsockname(&listener, (struct sockaddr *)&addr, &len), "uv_tcp_getsockname");
    rival_announce(ntohs(addr.sin_port));
    return uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}
