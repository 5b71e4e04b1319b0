/* Load a broker over AMQP 0-9-1 with many connections at once, from one thread.

   Options, key=value: port, name (what the names of queues begin with), producers, consumers, queues, count (messages
   that are published in all), size, persistent (0, 1), confirm (how many publishes of each producer may wait), fanout (1:
   each message goes to all queues, through an exchange).

   Producer and consumer number N use the queue with the number N modulo queues; with fanout the queues are shared out
   among the consumers. Prints deliveries a second as sub/s: from the first publish to the last delivery. */

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#include "amqp.h"
#include "run.h"

enum { PREFETCH = 100, MULTIPLE = 1, DELIVERY_MODE = 1 << 12, NAME = 200, EVENTS = 256, ROOM = 512 };

static long port = 5672, producers = 1, consumers = 1, queues = 1, count = 10000, size = 16, persistent = 0;
static long window = 100, fanout = 0;
static const char *name = "many";

struct client {
    struct stream stream;
    bool produces;
    long share, sent, confirmed; /* a producer's */
    uint8_t *seen;               /* its confirms, by delivery tag */
    uint64_t settled;            /* all tags up to here are confirmed */
    uint64_t unsettled;          /* a consumer's last delivery that it has not acknowledged; 0: none */
    uint8_t *batch;              /* `window` messages */
    size_t length;               /* of one of them */
};

static const char *queue_name(long number)
{
    static char text[NAME + 32];
    snprintf(text, sizeof text, "%.*s-%ld", NAME, name, number);
    return text;
}

static uint8_t *put_message(uint8_t *at, const char *exchange, const char *key)
{
    uint8_t *frame = at;
    at = put_short(begin_method(at, 1, BASIC_PUBLISH), 0);
    at = put_octet(put_shortstr(put_shortstr(at, exchange), key), 0);
    at = end_frame(frame, at);
    frame = at;
    at = put_short(put_short(begin_frame(at, FRAME_HEADER, 1), BASIC_PUBLISH >> 16), 0);
    at = put_short(put_longlong(at, (uint64_t)size), persistent ? DELIVERY_MODE : 0);
    if (persistent)
        at = put_octet(at, 2);
    at = end_frame(frame, at);
    if (size > 0) {
        frame = at;
        at = begin_frame(at, FRAME_BODY, 1);
        memset(at, 'x', (size_t)size);
        at = end_frame(frame, at + size);
    }
    return at;
}

static void open_producer(struct client *client, long number)
{
    const char *queue = queue_name(number % queues);
    if ((uint32_t)size > open_channel(&client->stream, port, queue))
        fail("size=%ld: a body must fit into a frame here", size);
    uint8_t bytes[64];
    uint8_t *at = put_octet(begin_method(bytes, 1, CONFIRM_SELECT), 0);
    stream_send(&client->stream, bytes, (size_t)(end_frame(bytes, at) - bytes));
    expect(&client->stream, CONFIRM_SELECT_OK);
    client->produces = true;
    client->share = count / producers + (number < count % producers);
    client->seen = allocate((size_t)client->share + 2);
    client->batch = allocate((size_t)window * ((size_t)size + ROOM));
    client->length = (size_t)(put_message(client->batch, fanout ? name : "", fanout ? "" : queue) - client->batch);
    for (long index = 1; index < window; index++)
        memcpy(client->batch + (size_t)index * client->length, client->batch, client->length);
}

static void open_consumer(struct client *client, long number)
{
    uint8_t bytes[ROOM];
    open_channel(&client->stream, port, queue_name(number % queues));
    uint8_t *at = put_octet(put_short(put_long(begin_method(bytes, 1, BASIC_QOS), 0), PREFETCH), 0);
    stream_send(&client->stream, bytes, (size_t)(end_frame(bytes, at) - bytes));
    expect(&client->stream, BASIC_QOS_OK);
    for (long queue = number % queues; queue < queues; queue += fanout ? consumers : queues)
        consume_from(&client->stream, queue_name(queue));
}

static void publish(struct client *client)
{
    long room = window - (client->sent - client->confirmed), left = client->share - client->sent;
    long number = left < room ? left : room;
    if (number > 0)
        stream_send(&client->stream, client->batch, (size_t)number * client->length);
    client->sent += number;
}

static long take_confirm(struct client *client)
{
    const uint8_t *ack = expect(&client->stream, BASIC_ACK);
    uint64_t tag = get_longlong(ack);
    long before = client->confirmed;
    if (tag < 1 || tag > (uint64_t)client->sent)
        fail("a confirm of a message that was not published");
    for (uint64_t each = ack[8] & MULTIPLE ? client->settled + 1 : tag; each <= tag; each++) {
        client->confirmed += !client->seen[each];
        client->seen[each] = 1;
    }
    while (client->seen[client->settled + 1]) /* the one after the last is never set */
        client->settled++;
    return client->confirmed - before;
}

/* Take what has come in; how many confirms (of a producer) or deliveries (of a consumer) were in it. */
static long receive(struct client *client)
{
    long found = 0;
    stream_receive(&client->stream);
    while (frame_waits(&client->stream)) {
        if (client->produces) {
            found += take_confirm(client);
            continue;
        }
        struct frame frame = read_frame(&client->stream);
        if (frame.type == FRAME_METHOD && get_long(frame.payload) == BASIC_DELIVER) {
            const uint8_t *deliver = frame.payload + 4;
            client->unsettled = get_longlong(deliver + 1 + deliver[0]);
            found++;
        }
    }
    if (client->produces)
        publish(client);
    else if (client->unsettled > 0) {
        uint8_t bytes[32];
        uint8_t *at = put_octet(put_longlong(begin_method(bytes, 1, BASIC_ACK), client->unsettled), MULTIPLE);
        stream_send(&client->stream, bytes, (size_t)(end_frame(bytes, at) - bytes));
        client->unsettled = 0;
    }
    return found;
}

int main(int argc, char **argv)
{
    const struct option options[] = {
        {"port", &port, NULL},           {"name", NULL, &name},           {"producers", &producers, NULL},
        {"consumers", &consumers, NULL}, {"queues", &queues, NULL},       {"count", &count, NULL},
        {"size", &size, NULL},           {"persistent", &persistent, NULL}, {"confirm", &window, NULL},
        {"fanout", &fanout, NULL},       {NULL, NULL, NULL},
    };
    read_options(argc, argv, options);
    if (producers < 1 || consumers < 1 || queues < 1 || count < 1 || window < 1)
        fail("producers, consumers, queues, count and confirm are at least 1");
    long clients = producers + consumers;
    struct client *all = allocate((size_t)clients * sizeof *all);
    struct epoll_event *events = allocate(EVENTS * sizeof *events);
    int watched = epoll_create1(0);
    for (long index = 0; index < clients; index++) {
        if (index == 0 && fanout) {
            struct stream setup;
            open_channel(&setup, port, queue_name(0));
            declare_fanout(&setup, name);
            for (long queue = 0; queue < queues; queue++) {
                declare_queue(&setup, queue_name(queue));
                bind_queue(&setup, queue_name(queue), name, "");
            }
        }
        if (index < consumers)
            open_consumer(&all[index], index);
        else
            open_producer(&all[index], index - consumers);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &all[index]};
        if (epoll_ctl(watched, EPOLL_CTL_ADD, all[index].stream.socket, &event) != 0)
            fail("cannot watch a connection");
    }
    long confirmed = 0, delivered = 0, expected = fanout ? count * queues : count;
    double began = seconds();
    for (long index = consumers; index < clients; index++)
        publish(&all[index]);
    while (confirmed < count || delivered < expected) {
        int ready = epoll_wait(watched, events, EVENTS, -1);
        for (int index = 0; index < ready; index++) {
            struct client *client = events[index].data.ptr;
            *(client->produces ? &confirmed : &delivered) += receive(client);
        }
    }
    double took = seconds() - began;
    for (long index = 0; index < consumers; index++) /* the broker has read the acknowledgements */
        round_trip(&all[index].stream, queue_name(0));
    printf("connections=%ld pub/s=%.0f sub/s=%.0f\n", clients, (double)count / took, (double)expected / took);
    return 0;
}
