/* Load a broker over AMQP 1.0 through one queue. The generator does as little as it can for each message, so that the
   broker is what is measured.

   Options, key=value: port, user, password, address (of the queue, as the broker calls it), count, size (bytes of a
   body), mode (pub, sub, both), persistent (0, 1), window (how many messages may wait for their outcome; 0: they are sent
   settled), settled (1: the consumer's come settled), credit (how many deliveries the consumer lets come), lat (1:
   end-to-end latency, for which a body has at least 8 bytes).

   A message counts as published when it was accepted, or, sent settled, when the broker has read all of them; as consumed
   when the broker has read its disposition. */

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "amqp10.h"
#include "latency.h"
#include "run.h"

enum {
    BATCH = 1 << 16,       /* bytes that are handed to the system at once */
    TRANSFER_ROOM = 64,    /* more than a transfer has beside its payload */
    SECTIONS_ROOM = 32,    /* more than a message has beside its body */
    MORE_FIELDS = 6,       /* of a transfer, up to `more` */
    DATA = 0x75,
    HEADER = 0x70,
    BINARY_32 = 0xB0,
    SMALL_ULONG = 0x53,
    BINARY_8 = 0xA0,
};

static long port = 5672, count = 100000, size = 16, persistent = 0, window = 1000, settled = 0, credit = 1000, latency = 0;
static long settle_every = 100, renew = 0;
static const char *address = "load", *mode = "both", *user = "guest", *password = "guest";

/* A message that is sent over and over: its frames, and where in them each has its numbers. */
struct message {
    uint8_t *bytes;
    size_t length;
    size_t body_ends;
    uint32_t frames;
};

/* Messages that were accepted. A broker may do so out of order, one by one and many at once. */
struct outcomes {
    uint8_t *seen; /* by delivery-id */
    long count;
};

static void take_outcomes(struct link *link, struct outcomes *outcomes)
{
    struct performative found = next_performative(link);
    if (found.descriptor != DISPOSITION || number(&found.fields[0], SENDER) != RECEIVER)
        return;
    uint64_t first = number(&found.fields[1], 0), last = number(&found.fields[2], first);
    if (first > last || last >= (uint64_t)count)
        fail("a disposition of what was not sent");
    if (found.fields[4].descriptor != ACCEPTED)
        fail("the broker did not accept a message: outcome 0x%02x", (unsigned)found.fields[4].descriptor);
    for (uint64_t id = first; number(&found.fields[3], 0) && id <= last; id++) {
        outcomes->count += !outcomes->seen[id];
        outcomes->seen[id] = 1;
    }
}

/* The sections of a message. RabbitMQ takes one without a header for a durable one: there always is a header. */
static uint8_t *put_sections(uint8_t *at)
{
    uint8_t *header = at;
    at = end_list(header, put_boolean(begin_list(header, HEADER), persistent), 1);
    at = put_octet(put_octet(put_octet(at, 0), SMALL_ULONG), DATA);
    at = put_long(put_octet(at, BINARY_32), (uint32_t)size);
    memset(at, 'x', (size_t)size);
    return at + size;
}

/* A transfer's fields up to `more`: of the same length always, its id and its tag being filled in for each message. */
enum { ID = FRAME_HEAD + 12 + 5 + 1, TAG = ID + 4 + 2 };

static uint8_t *put_transfer(uint8_t *at, bool more)
{
    uint8_t *list = at;
    at = put_uint(put_uint(begin_list(list, TRANSFER), 0), 0); /* handle, delivery-id */
    at = put_long(put_octet(put_octet(at, BINARY_8), 4), 0);   /* delivery-tag */
    at = put_boolean(put_uint(at, 0), window == 0);            /* message-format, settled */
    return end_list(list, put_boolean(at, more), MORE_FIELDS);
}

static struct message make_message(uint32_t frame_size)
{
    uint8_t *sections = allocate((size_t)size + SECTIONS_ROOM);
    size_t left = (size_t)(put_sections(sections) - sections), most = frame_size - TRANSFER_ROOM;
    struct message message = {.frames = (uint32_t)((left + most - 1) / most)};
    message.bytes = allocate(left + message.frames * (size_t)TRANSFER_ROOM);
    uint8_t *at = message.bytes;
    for (const uint8_t *next = sections; left > 0;) {
        size_t part = left < most ? left : most;
        uint8_t *frame = at;
        at = put_transfer(begin_frame(frame), part < left);
        memcpy(at, next, part);
        at += part;
        end_frame(frame, at);
        next += part;
        left -= part;
    }
    message.length = (size_t)(at - message.bytes);
    return message;
}

/* Give a message its delivery-id, in all its frames, and where latency is measured the time. */
static void stamp(uint8_t *bytes, const struct message *message, uint32_t id, const double *now)
{
    for (size_t frame = 0; frame < message->length; frame += get_long(bytes + frame)) {
        put_long(bytes + frame + ID, id);
        put_long(bytes + frame + TAG, id);
    }
    if (now != NULL) /* the last bytes of a body: whatever a broker adds comes before */
        memcpy(bytes + message->length - sizeof *now, now, sizeof *now);
}

/* How many messages the broker takes now, `wanted` at most; one at a time where a message has several frames. */
static long room(const struct link *link, const struct message *message, long id, long wanted)
{
    int32_t frames = (int32_t)(link->window_ends - link->sent), credits = (int32_t)(link->credit_ends - (uint32_t)id);
    long most = frames > 0 ? frames / (long)message->frames : 0;
    if (most > credits)
        most = credits > 0 ? credits : 0;
    return most < wanted ? most : wanted;
}

static void produce(struct span *span)
{
    struct link link;
    struct outcomes outcomes = {.seen = allocate((size_t)count + 1)};
    open_link(&link, port, user, password, SENDER, address, window == 0);
    struct message message = make_message(link.frame_size < BATCH ? link.frame_size : BATCH);
    long most = (long)(BATCH / message.length) > 1 ? (long)(BATCH / message.length) : 1;
    if (window > 0 && most > (window + 1) / 2) /* so that some are on their way while the broker has others */
        most = (window + 1) / 2;
    uint8_t *batch = allocate((size_t)most * message.length);
    for (long index = 0; index < most; index++)
        memcpy(batch + (size_t)index * message.length, message.bytes, message.length);

    span->began = seconds();
    for (long sent = 0; sent < count;) {
        long number = count - sent < most ? count - sent : most;
        while (window > 0 && sent - outcomes.count + number > window)
            take_outcomes(&link, &outcomes);
        long taken = room(&link, &message, sent, number);
        if (taken == 0) {
            take_outcomes(&link, &outcomes);
            continue;
        }
        double now = latency ? seconds() : 0;
        for (long index = 0; index < taken; index++)
            stamp(batch + (size_t)index * message.length, &message, (uint32_t)(sent + index), latency ? &now : NULL);
        stream_send(&link.stream, batch, (size_t)taken * message.length);
        sent += taken;
        link.sent += (uint32_t)taken * message.frames;
    }
    while (window > 0 && outcomes.count < count)
        take_outcomes(&link, &outcomes);
    if (window == 0)
        close_link(&link);
    span->ended = seconds();
    close_connection(&link);
}

/* Accept the deliveries from the first to the last. */
static void settle(struct link *link, uint32_t first, uint32_t last)
{
    uint8_t bytes[128];
    uint8_t *list = begin_frame(bytes);
    uint8_t *at = put_uint(put_uint(put_boolean(begin_list(list, DISPOSITION), true), first), last);
    at = put_boolean(at, true);
    uint8_t *state = at;
    at = end_list(list, end_list(state, begin_list(state, ACCEPTED), 0), 5);
    end_frame(bytes, at);
    stream_send(&link->stream, bytes, (size_t)(at - bytes));
}

/* Read one message; its delivery-id, which only its first frame must have. */
static uint32_t take_message(struct link *link)
{
    uint64_t id = UINT64_MAX;
    for (;;) {
        struct performative found = next_performative(link);
        if (found.descriptor != TRANSFER)
            continue;
        if (id == UINT64_MAX)
            id = number(&found.fields[1], UINT64_MAX);
        if (number(&found.fields[5], 0)) /* more */
            continue;
        if (id == UINT64_MAX)
            fail("a delivery without an id");
        if (latency && found.size >= sizeof(double))
            latency_take(found.payload + found.size - sizeof(double));
        return (uint32_t)id;
    }
}

static void consume(struct span *span)
{
    struct link link;
    open_link(&link, port, user, password, RECEIVER, address, settled);
    long given = count < credit ? count : credit;
    give_credit(&link, 0, (uint32_t)given);
    consumer_is_ready();

    uint32_t first = 0;
    bool open = false; /* whether deliveries wait to be settled */
    for (long taken = 1; taken <= count; taken++) {
        uint32_t id = take_message(&link);
        if (taken == 1)
            span->began = seconds();
        if (!open)
            first = id;
        open = true;
        if (taken % settle_every != 0 && taken != given && taken != count)
            continue;
        if (!settled)
            settle(&link, first, id);
        open = false;
        if (given < count && given - taken <= credit - renew) { /* no more than there are to come */
            given = count - taken < credit ? count : taken + credit;
            give_credit(&link, (uint32_t)taken, (uint32_t)(given - taken));
        }
    }
    close_link(&link);
    span->ended = seconds();
    close_connection(&link);
}

int main(int argc, char **argv)
{
    const struct option options[] = {
        {"port", &port, NULL},       {"user", NULL, &user},           {"password", NULL, &password},
        {"count", &count, NULL},     {"address", NULL, &address},     {"size", &size, NULL},
        {"mode", NULL, &mode},       {"persistent", &persistent, NULL}, {"window", &window, NULL},
        {"settled", &settled, NULL}, {"credit", &credit, NULL},       {"lat", &latency, NULL},
        {"settle", &settle_every, NULL}, {"renew", &renew, NULL},  {NULL, NULL, NULL},
    };
    read_options(argc, argv, options);
    if (credit < 1)
        fail("credit=%ld: at least one", credit);
    if (settle_every < 1)
        fail("settle=%ld: at least one", settle_every);
    if (renew > credit)
        fail("renew=%ld: no more than the credit, %ld", renew, credit);
    if (renew == 0)
        renew = (credit + 1) / 2;
    if (latency)
        latency_measure(count, size);
    run(mode, count, produce, consume);
    latency_print();
    printf("\n");
    return 0;
}
