/* Load a broker over STOMP 1.2 through one queue. The generator does as little as it can for each message, so that the
   broker is what is measured.

   Options, key=value: port, dest (the destination), count, size (bytes of a body), mode (pub, sub, both), persistent (0,
   1), receipt (how many sends may wait for a receipt; 0: only the last message asks for one).

   A message counts as published when a receipt of it, or of one after it, has come; as consumed when it has come. The
   consumer's acknowledgements are read before the program ends. */

#define _POSIX_C_SOURCE 200809L

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run.h"
#include "stream.h"

enum {
    BATCH = 1 << 16, /* bytes that are handed to the system at once */
    PREFETCH = 1000, /* messages that the consumer may hold */
    ACK_EVERY = 100, /* messages that are settled by one ACK: the subscription is cumulative */
    HEADERS = 1024,  /* room for those of one frame that is sent */
};

static long port = 61613, count = 100000, size = 16, persistent = 0, window = 0;
static const char *destination = "/queue/load", *mode = "both";

static void send_text(struct stream *stream, const char *frame)
{
    stream_send(stream, frame, strlen(frame) + 1); /* the end of a frame is the end of the string */
}

/* The next frame, as a string: no body here has a NUL, so that the first one ends the frame. Valid until the next. */
static const char *read_frame(struct stream *stream)
{
    size_t searched = 0;
    for (;;) {
        while (stream->start < stream->end && strchr("\r\n", stream->bytes[stream->start]) != NULL &&
               stream->bytes[stream->start] != '\0')
            stream->start++; /* line ends between frames: heartbeats */
        const char *frame = (const char *)stream->bytes + stream->start;
        size_t unread = stream->end - stream->start;
        const char *end = unread > searched ? memchr(frame + searched, '\0', unread - searched) : NULL;
        if (end != NULL) {
            stream->start += (size_t)(end - frame) + 1;
            if (strncmp(frame, "ERROR", 5) == 0)
                fail("the broker says: %.*s", (int)strcspn(frame + 6, "\n"), frame + 6);
            return frame;
        }
        searched = unread;
        stream_receive(stream);
    }
}

static bool is(const char *frame, const char *command)
{
    size_t length = strlen(command);
    return strncmp(frame, command, length) == 0 && (frame[length] == '\n' || frame[length] == '\r');
}

static void expect(struct stream *stream, const char *command)
{
    const char *frame = read_frame(stream);
    if (!is(frame, command))
        fail("expected %s, got %.*s", command, (int)strcspn(frame, "\r\n"), frame);
}

static void open_session(struct stream *stream)
{
    stream_open(stream, port);
    send_text(stream, "CONNECT\naccept-version:1.2\nhost:/\nlogin:guest\npasscode:guest\n\n");
    expect(stream, "CONNECTED");
}

/* One SEND, with a receipt of that number if it is not 0; where the next goes. */
static char *put_message(char *at, long receipt)
{
    at += sprintf(at, "SEND\ndestination:%s\ncontent-length:%ld\npersistent:%s\n", destination, size,
                  persistent ? "true" : "false");
    if (receipt > 0)
        at += sprintf(at, "receipt:%ld\n", receipt);
    *at++ = '\n';
    memset(at, 'x', (size_t)size);
    at += size;
    *at++ = '\0';
    return at;
}

static void produce(struct span *span)
{
    struct stream stream;
    open_session(&stream);

    /* The same message over and over, encoded once, but for the last of a batch: its receipt has a number. */
    char *message = allocate((size_t)size + HEADERS);
    size_t length = (size_t)(put_message(message, 0) - message);
    long most = (long)(BATCH / length) > 1 ? (long)(BATCH / length) : 1;
    if (window > 0 && most > (window + 1) / 2) /* so that one is on its way while the broker has another */
        most = (window + 1) / 2;
    char *batch = allocate((size_t)most * length + HEADERS);
    for (long index = 0; index < most; index++)
        memcpy(batch + (size_t)index * length, message, length);

    long told = 0; /* receipts come in order, one for each batch */
    span->began = seconds();
    for (long sent = 0; sent < count;) {
        long number = count - sent < most ? count - sent : most;
        for (; window > 0 && sent - told + number > window; told += most)
            expect(&stream, "RECEIPT");
        char *end = batch + (size_t)number * length;
        sent += number;
        if (window > 0 || sent == count)
            end = put_message(end - length, sent);
        stream_send(&stream, batch, (size_t)(end - batch));
    }
    for (; window > 0 ? told < count : told == 0; told += most)
        expect(&stream, "RECEIPT");
    span->ended = seconds();
}

/* Acknowledge this message and all before it. */
static void acknowledge(struct stream *stream, const char *message)
{
    char bytes[HEADERS];
    const char *id = strstr(message, "\nack:");
    if (id == NULL)
        fail("a message without an ack header");
    id += strlen("\nack:");
    int written = snprintf(bytes, sizeof bytes, "ACK\nid:%.*s\n\n", (int)strcspn(id, "\r\n"), id);
    if (written < 0 || (size_t)written >= sizeof bytes)
        fail("an ack header that is too long");
    send_text(stream, bytes);
}

static void consume(struct span *span)
{
    struct stream stream;
    char bytes[HEADERS];
    open_session(&stream);
    /* Both names of the prefetch: RabbitMQ's, which is ours, and ActiveMQ's. */
    snprintf(bytes, sizeof bytes,
             "SUBSCRIBE\nid:0\ndestination:%s\nack:client\nprefetch-count:%d\nactivemq.prefetchSize:%d\nreceipt:0\n\n",
             destination, PREFETCH, PREFETCH);
    send_text(&stream, bytes);
    expect(&stream, "RECEIPT");
    consumer_is_ready();

    for (long taken = 1; taken <= count; taken++) {
        const char *message = read_frame(&stream);
        if (!is(message, "MESSAGE"))
            fail("expected MESSAGE, got %.*s", (int)strcspn(message, "\r\n"), message);
        if (taken == 1)
            span->began = seconds();
        if (taken % ACK_EVERY == 0 || taken == count)
            acknowledge(&stream, message);
    }
    span->ended = seconds();
    send_text(&stream, "DISCONNECT\nreceipt:1\n\n");
    while (!is(read_frame(&stream), "RECEIPT"))
        ; /* messages of others that were on their way */
}

int main(int argc, char **argv)
{
    const struct option options[] = {
        {"port", &port, NULL}, {"dest", NULL, &destination},      {"count", &count, NULL},    {"size", &size, NULL},
        {"mode", NULL, &mode}, {"persistent", &persistent, NULL}, {"receipt", &window, NULL}, {NULL, NULL, NULL},
    };
    read_options(argc, argv, options);
    if (strlen(destination) > HEADERS / 2)
        fail("a destination that is too long");
    run(mode, count, produce, consume);
    printf("\n");
    return 0;
}
