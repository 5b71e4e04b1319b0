/* Load a broker over AMQP 0-9-1 through one durable queue. The generator does as little as it can for each message, so
   that the broker is what is measured.

   Options, key=value: port, queue, count, size (bytes of a body), mode (pub, sub, both), persistent (0, 1), confirm (how
   many publishes may wait for their confirm; 0: no confirms), rate (messages a second; 0: as many as can be), lat (1:
   end-to-end latency, for which a body has at least 8 bytes; with a rate from when a message was to be sent), acks (how
   many deliveries the consumer settles with one basic.ack; 100).

   A message counts as published when it was confirmed, or, without confirms, when the broker has read all of them; as
   consumed when the broker has read its acknowledgement. */

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "amqp.h"
#include "latency.h"
#include "pace.h"
#include "run.h"

enum {
    BATCH = 1 << 16,   /* bytes that are handed to the system at once */
    PREFETCH = 1000,   /* deliveries that the consumer may hold */
    MULTIPLE = 1,
    DELIVERY_MODE = 1 << 12, /* the flag of the property; 2 is its value for persistent messages */
};

static long port = 5672, count = 100000, size = 16, persistent = 0, window = 0, latency = 0, rate = 0,
            acks = 100;
static const char *queue = "load", *mode = "both";

/* Publishes that were confirmed. A broker may confirm them out of order, one by one and many at once. */
struct confirms {
    uint8_t *seen;   /* by delivery tag */
    uint64_t settled; /* all tags up to here are confirmed */
    long count;
};

static void take_confirm(struct stream *stream, struct confirms *confirms)
{
    struct frame frame = read_frame(stream);
    if (frame.type != FRAME_METHOD || get_long(frame.payload) != BASIC_ACK)
        fail("expected a confirm");
    uint64_t tag = get_longlong(frame.payload + 4);
    if (tag < 1 || tag > (uint64_t)count)
        fail("a confirm of a message that was not published");
    for (uint64_t each = frame.payload[12] & MULTIPLE ? confirms->settled + 1 : tag; each <= tag; each++) {
        confirms->count += !confirms->seen[each];
        confirms->seen[each] = 1;
    }
    while (confirms->seen[confirms->settled + 1]) /* the one after the last is never set */
        confirms->settled++;
}

/* The frames of one message, none with more payload than `most`. `*body` becomes the body's place in them. */
static uint8_t *put_message(uint8_t *at, uint32_t most, uint8_t **body)
{
    uint8_t *frame = at;
    at = put_short(begin_method(at, 1, BASIC_PUBLISH), 0);
    at = put_octet(put_shortstr(put_shortstr(at, ""), queue), 0);
    at = end_frame(frame, at);

    frame = at;
    at = put_short(put_short(begin_frame(at, FRAME_HEADER, 1), BASIC_PUBLISH >> 16), 0);
    at = put_short(put_longlong(at, (uint64_t)size), persistent ? DELIVERY_MODE : 0);
    if (persistent)
        at = put_octet(at, 2);
    at = end_frame(frame, at);

    *body = at + FRAME_HEAD;
    for (uint64_t left = (uint64_t)size; left > 0;) {
        size_t part = left < most ? (size_t)left : most;
        frame = at;
        at = begin_frame(at, FRAME_BODY, 1);
        memset(at, 'x', part);
        at = end_frame(frame, at + part);
        left -= part;
    }
    return at;
}

/* How many messages are due, `most` at most. Confirms are read meanwhile: a broker must not wait for its client. */
static long wait_for_due(struct stream *stream, struct confirms *confirms, long sent, long most)
{
    while (frame_waits(stream))
        take_confirm(stream, confirms);
    long due = pace_due(sent, most);
    if (due == 0 && pace_wait(sent, stream->socket))
        stream_receive(stream);
    return due;
}

static void produce(struct span *span)
{
    struct stream stream;
    struct confirms confirms = {.seen = allocate((size_t)count + 2)};
    uint8_t bytes[64];
    uint32_t payload = open_channel(&stream, port, queue);
    if (window > 0) {
        uint8_t *at = put_octet(begin_method(bytes, 1, CONFIRM_SELECT), 0);
        stream_send(&stream, bytes, (size_t)(end_frame(bytes, at) - bytes));
        expect(&stream, CONFIRM_SELECT_OK);
    }

    /* The same message over and over, encoded once. */
    uint8_t *body;
    uint8_t *message = allocate(2 * (size_t)size + 1024); /* room for the body's frames, however small a broker wants them */
    size_t length = (size_t)(put_message(message, payload, &body) - message);
    long most = (long)(BATCH / length) > 1 ? (long)(BATCH / length) : 1;
    if (window > 0 && most > window)
        most = window;
    uint8_t *batch = allocate((size_t)most * length);
    for (long index = 0; index < most; index++)
        memcpy(batch + (size_t)index * length, message, length);

    if (rate > 0)
        pace_start(rate);
    span->began = seconds();
    for (long sent = 0; sent < count;) {
        long number = count - sent < most ? count - sent : most;
        if (rate > 0 && (number = wait_for_due(&stream, &confirms, sent, number)) == 0)
            continue;
        while (window > 0 && sent - confirms.count + number > window)
            take_confirm(&stream, &confirms);
        if (latency) {
            double now = seconds();
            for (long index = 0; index < number; index++) {
                double time = rate > 0 ? pace_time(sent + index) : now;
                memcpy(batch + (size_t)index * length + (body - message), &time, sizeof time);
            }
        }
        stream_send(&stream, batch, (size_t)number * length);
        sent += number;
    }
    while (window > 0 && confirms.count < count)
        take_confirm(&stream, &confirms);
    if (window == 0)
        round_trip(&stream, queue);
    span->ended = seconds();
}

static void acknowledge(struct stream *stream, uint64_t tag)
{
    uint8_t bytes[32];
    uint8_t *at = put_octet(put_longlong(begin_method(bytes, 1, BASIC_ACK), tag), MULTIPLE);
    stream_send(stream, bytes, (size_t)(end_frame(bytes, at) - bytes));
}

/* Read one message; its delivery tag. */
static uint64_t take_message(struct stream *stream)
{
    const uint8_t *deliver = expect(stream, BASIC_DELIVER);
    uint64_t tag = get_longlong(deliver + 1 + deliver[0]); /* after the consumer tag */
    struct frame frame = read_frame(stream);
    if (frame.type != FRAME_HEADER)
        fail("expected a content header");
    uint64_t missing = get_longlong(frame.payload + 4);
    for (bool first = true; missing > 0; first = false) {
        frame = read_frame(stream);
        if (frame.type != FRAME_BODY || frame.size > missing)
            fail("expected a body");
        if (first && latency && frame.size >= sizeof(double)) {
            latency_take(frame.payload);
        }
        missing -= frame.size;
    }
    return tag;
}

static void consume(struct span *span)
{
    struct stream stream;
    uint8_t bytes[64];
    open_channel(&stream, port, queue);
    uint8_t *at = put_octet(put_short(put_long(begin_method(bytes, 1, BASIC_QOS), 0), PREFETCH), 0);
    stream_send(&stream, bytes, (size_t)(end_frame(bytes, at) - bytes));
    expect(&stream, BASIC_QOS_OK);
    consume_from(&stream, queue);
    consumer_is_ready();

    for (long taken = 1; taken <= count; taken++) {
        uint64_t tag = take_message(&stream);
        if (taken == 1)
            span->began = seconds();
        if (taken % acks == 0 || taken == count)
            acknowledge(&stream, tag);
    }
    round_trip(&stream, queue);
    span->ended = seconds();
}

int main(int argc, char **argv)
{
    const struct option options[] = {
        {"port", &port, NULL}, {"count", &count, NULL},           {"size", &size, NULL},      {"queue", NULL, &queue},
        {"mode", NULL, &mode}, {"persistent", &persistent, NULL}, {"confirm", &window, NULL}, {"lat", &latency, NULL},
        {"rate", &rate, NULL}, {"acks", &acks, NULL},             {NULL, NULL, NULL},
    };
    read_options(argc, argv, options);
    if (acks < 1 || acks > PREFETCH)
        fail("acks: from 1 to what the consumer may hold");
    if (latency)
        latency_measure(count, size);
    run(mode, count, produce, consume);
    latency_print();
    printf("\n");
    return 0;
}
