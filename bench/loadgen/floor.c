/* What no broker can be faster than: the bytes of messages go through a TCP connection of the loopback, what has come in
   is appended to a file and synced, and the sender is told. There is no broker between.

   Options, key=value: count, size (bytes of a body), persistent (1: append and fdatasync), confirm (how many messages may
   wait for their confirm; 0: no confirms), rate, lat (as of amqpload), file (where to append). */

#define _POSIX_C_SOURCE 200809L

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "latency.h"
#include "octets.h"
#include "pace.h"
#include "run.h"
#include "stream.h"

enum {
    BATCH = 1 << 16,
    ENVELOPE = 64, /* what a publish of AMQP 0-9-1 has beside its body, with a queue's name of 17 bytes */
    CONFIRM = 21,  /* the frame of a basic.ack */
};

static long count = 100000, size = 16, persistent = 0, window = 0, rate = 0, latency = 0, port = 0;
static const char *file = "floor.data";
static int listener;

static void take_confirms(struct stream *stream, long *confirmed)
{
    while (stream->end - stream->start >= CONFIRM) {
        *confirmed = (long)get_longlong(stream->bytes + stream->start);
        stream->start += CONFIRM;
    }
}

static void produce(struct span *span)
{
    struct stream stream;
    stream_open(&stream, port);
    size_t length = (size_t)size + ENVELOPE;
    long most = (long)(BATCH / length) > 1 ? (long)(BATCH / length) : 1, confirmed = 0;
    if (window > 0 && most > window)
        most = window;
    uint8_t *batch = allocate((size_t)most * length);
    if (rate > 0)
        pace_start(rate);
    span->began = seconds();
    for (long sent = 0; sent < count;) {
        long number = count - sent < most ? count - sent : most;
        take_confirms(&stream, &confirmed);
        if (rate > 0 && (number = pace_due(sent, number)) == 0) {
            if (pace_wait(sent, stream.socket))
                stream_receive(&stream);
            continue;
        }
        while (window > 0 && sent - confirmed + number > window) {
            stream_receive(&stream);
            take_confirms(&stream, &confirmed);
        }
        for (long index = 0; latency && index < number; index++) {
            double time = rate > 0 ? pace_time(sent + index) : seconds();
            memcpy(batch + (size_t)index * length + ENVELOPE, &time, sizeof time);
        }
        stream_send(&stream, batch, (size_t)number * length);
        sent += number;
    }
    while (confirmed < count) {
        stream_receive(&stream);
        take_confirms(&stream, &confirmed);
    }
    span->ended = seconds();
}

static void append(int log, const uint8_t *bytes, size_t length)
{
    while (length > 0) {
        ssize_t written = write(log, bytes, length);
        if (written < 0)
            fail("cannot write to %s: %s", file, strerror(errno));
        bytes += written;
        length -= (size_t)written;
    }
    if (fdatasync(log) != 0)
        fail("cannot sync %s: %s", file, strerror(errno));
}

static void consume(struct span *span)
{
    struct stream stream = {.capacity = BATCH, .bytes = allocate(2 * BATCH + (size_t)size)};
    int log = -1;
    if (persistent && (log = open(file, O_WRONLY | O_CREAT | O_APPEND, 0600)) < 0)
        fail("cannot open %s: %s", file, strerror(errno));
    consumer_is_ready();
    stream.socket = accept(listener, NULL, NULL);
    if (stream.socket < 0)
        fail("cannot accept: %s", strerror(errno));
    int yes = 1;
    setsockopt(stream.socket, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    size_t length = (size_t)size + ENVELOPE, unread = 0;
    for (long taken = 0; taken < count;) {
        ssize_t came = recv(stream.socket, stream.bytes + unread, BATCH, 0);
        if (came <= 0)
            fail("the sender has closed the connection");
        if (taken == 0 && unread == 0)
            span->began = seconds();
        if (persistent)
            append(log, stream.bytes + unread, (size_t)came);
        unread += (size_t)came;
        uint8_t *at = stream.bytes;
        long before = taken;
        for (; unread >= length; at += length, unread -= length, taken++)
            if (latency)
                latency_take(at + ENVELOPE);
        memmove(stream.bytes, at, unread);
        if (taken > before && (window > 0 || taken == count)) {
            uint8_t confirm[CONFIRM] = {0};
            put_longlong(confirm, (uint64_t)taken);
            stream_send(&stream, confirm, sizeof confirm);
        }
    }
    span->ended = seconds();
    if (log >= 0)
        close(log);
}

int main(int argc, char **argv)
{
    const struct option options[] = {
        {"count", &count, NULL}, {"size", &size, NULL},   {"persistent", &persistent, NULL}, {"confirm", &window, NULL},
        {"rate", &rate, NULL},   {"lat", &latency, NULL}, {"file", NULL, &file},             {NULL, NULL, NULL},
    };
    read_options(argc, argv, options);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof address;
    listener = socket(AF_INET, SOCK_STREAM, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, bytes) != 0 || listen(listener, 1) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &bytes) != 0)
        fail("cannot listen: %s", strerror(errno));
    port = ntohs(address.sin_port);
    if (latency)
        latency_measure(count, size);
    run("both", count, produce, consume);
    latency_print();
    printf("\n");
    return 0;
}
