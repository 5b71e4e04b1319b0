#include "amqp.h"

#include <string.h>

#include "run.h"

#define CONNECTION_START METHOD(10, 10)
#define CONNECTION_START_OK METHOD(10, 11)
#define CONNECTION_TUNE METHOD(10, 30)
#define CONNECTION_TUNE_OK METHOD(10, 31)
#define CONNECTION_OPEN METHOD(10, 40)
#define CONNECTION_OPEN_OK METHOD(10, 41)
#define CONNECTION_CLOSE METHOD(10, 50)
#define CHANNEL_OPEN METHOD(20, 10)
#define CHANNEL_OPEN_OK METHOD(20, 11)
#define CHANNEL_CLOSE METHOD(20, 40)
#define EXCHANGE_DECLARE METHOD(40, 10)
#define EXCHANGE_DECLARE_OK METHOD(40, 11)
#define QUEUE_DECLARE METHOD(50, 10)
#define QUEUE_DECLARE_OK METHOD(50, 11)
#define QUEUE_BIND METHOD(50, 20)
#define QUEUE_BIND_OK METHOD(50, 21)
#define BASIC_NACK METHOD(60, 120)

enum { FRAME_HEARTBEAT = 8, FRAME_END = 0xCE, PASSIVE = 1, DURABLE = 2, LONGEST_NAME = 255 };

uint8_t *put_shortstr(uint8_t *at, const char *text)
{
    size_t length = strlen(text);
    if (length > LONGEST_NAME)
        fail("a name has at most %d bytes", LONGEST_NAME);
    at = put_octet(at, (unsigned)length);
    memcpy(at, text, length);
    return at + length;
}

uint8_t *begin_frame(uint8_t *at, int type, unsigned channel)
{
    return put_long(put_short(put_octet(at, (unsigned)type), channel), 0);
}

uint8_t *begin_method(uint8_t *at, unsigned channel, uint32_t method)
{
    return put_long(begin_frame(at, FRAME_METHOD, channel), method);
}

uint8_t *end_frame(uint8_t *frame, uint8_t *at)
{
    put_long(frame + 3, (uint32_t)(at - frame - FRAME_HEAD));
    return put_octet(at, FRAME_END);
}

static void check(const uint8_t *payload)
{
    uint32_t method = get_long(payload);
    if (method == CONNECTION_CLOSE || method == CHANNEL_CLOSE)
        fail("the broker closed the %s: %u %.*s", method == CHANNEL_CLOSE ? "channel" : "connection",
             get_short(payload + 4), (int)payload[6], (const char *)payload + 7);
    if (method == BASIC_NACK)
        fail("the broker refused a message");
}

bool frame_waits(const struct stream *stream)
{
    size_t unread = stream->end - stream->start;
    const uint8_t *head = stream->bytes + stream->start;
    return unread >= FRAME_HEAD && unread >= get_long(head + 3) + (size_t)FRAME_HEAD + 1;
}

struct frame read_frame(struct stream *stream)
{
    for (;;) {
        while (!frame_waits(stream))
            stream_receive(stream);
        const uint8_t *head = stream->bytes + stream->start;
        struct frame frame = {.type = head[0], .size = get_long(head + 3), .payload = head + FRAME_HEAD};
        if (frame.payload[frame.size] != FRAME_END)
            fail("a frame does not end where it should");
        stream->start += FRAME_HEAD + frame.size + 1;
        if (frame.type == FRAME_METHOD)
            check(frame.payload);
        if (frame.type != FRAME_HEARTBEAT)
            return frame;
    }
}

const uint8_t *expect(struct stream *stream, uint32_t method)
{
    struct frame frame = read_frame(stream);
    if (frame.type != FRAME_METHOD || get_long(frame.payload) != method)
        fail("expected method %u.%u", method >> 16, method & 0xFFFF);
    return frame.payload + 4;
}

static void declare(struct stream *stream, const char *queue, unsigned flags)
{
    uint8_t bytes[LONGEST_NAME + 64];
    uint8_t *at = put_short(begin_method(bytes, 1, QUEUE_DECLARE), 0);
    at = put_long(put_octet(put_shortstr(at, queue), flags), 0); /* no arguments */
    stream_send(stream, bytes, (size_t)(end_frame(bytes, at) - bytes));
}

uint32_t open_connection(struct stream *stream, long port)
{
    static const uint8_t greeting[] = {'A', 'M', 'Q', 'P', 0, 0, 9, 1};
    static const char login[] = "\0guest\0guest";
    uint8_t bytes[256];

    stream_open(stream, port);
    stream_send(stream, greeting, sizeof greeting);
    expect(stream, CONNECTION_START);

    uint8_t *at = put_long(begin_method(bytes, 0, CONNECTION_START_OK), 0); /* no client properties */
    at = put_long(put_shortstr(at, "PLAIN"), sizeof login - 1);
    memcpy(at, login, sizeof login - 1);
    at = put_shortstr(at + sizeof login - 1, "en_US");
    stream_send(stream, bytes, (size_t)(end_frame(bytes, at) - bytes));

    /* The broker's limits of channels and frames, and no heartbeats: nothing here sends them. */
    const uint8_t *tune = expect(stream, CONNECTION_TUNE);
    at = put_short(begin_method(bytes, 0, CONNECTION_TUNE_OK), get_short(tune));
    uint32_t frame_max = get_long(tune + 2);
    at = put_short(put_long(at, frame_max), 0);
    at = end_frame(bytes, at);
    uint8_t *open = at;
    at = put_shortstr(begin_method(open, 0, CONNECTION_OPEN), "/");
    at = end_frame(open, put_octet(put_shortstr(at, ""), 0));
    stream_send(stream, bytes, (size_t)(at - bytes));
    expect(stream, CONNECTION_OPEN_OK);

    return frame_max > 0 ? frame_max - FRAME_HEAD - 1 : UINT32_MAX; /* 0: no limit */
}

void add_channel(struct stream *stream, unsigned channel)
{
    uint8_t bytes[32];
    uint8_t *at = put_shortstr(begin_method(bytes, channel, CHANNEL_OPEN), "");
    stream_send(stream, bytes, (size_t)(end_frame(bytes, at) - bytes));
    expect(stream, CHANNEL_OPEN_OK);
}

uint32_t open_channel(struct stream *stream, long port, const char *queue)
{
    uint32_t most = open_connection(stream, port);
    add_channel(stream, 1);
    declare_queue(stream, queue);
    return most;
}

void declare_queue(struct stream *stream, const char *queue)
{
    declare(stream, queue, DURABLE);
    expect(stream, QUEUE_DECLARE_OK);
}

void declare_fanout(struct stream *stream, const char *exchange)
{
    uint8_t bytes[LONGEST_NAME + 64];
    uint8_t *at = put_short(begin_method(bytes, 1, EXCHANGE_DECLARE), 0);
    at = put_octet(put_shortstr(put_shortstr(at, exchange), "fanout"), DURABLE);
    stream_send(stream, bytes, (size_t)(end_frame(bytes, put_long(at, 0)) - bytes)); /* no arguments */
    expect(stream, EXCHANGE_DECLARE_OK);
}

void bind_queue(struct stream *stream, const char *queue, const char *exchange, const char *key)
{
    uint8_t bytes[3 * (LONGEST_NAME + 1) + 64];
    uint8_t *at = put_shortstr(put_short(begin_method(bytes, 1, QUEUE_BIND), 0), queue);
    at = put_octet(put_shortstr(put_shortstr(at, exchange), key), 0);
    stream_send(stream, bytes, (size_t)(end_frame(bytes, put_long(at, 0)) - bytes)); /* no arguments */
    expect(stream, QUEUE_BIND_OK);
}

void consume_from(struct stream *stream, const char *queue)
{
    uint8_t bytes[LONGEST_NAME + 64];
    uint8_t *at = put_shortstr(put_short(begin_method(bytes, 1, BASIC_CONSUME), 0), queue);
    at = put_long(put_octet(put_shortstr(at, ""), 0), 0); /* no tag of ours, no flags, no arguments */
    stream_send(stream, bytes, (size_t)(end_frame(bytes, at) - bytes));
    expect(stream, BASIC_CONSUME_OK);
}

void round_trip(struct stream *stream, const char *queue)
{
    declare(stream, queue, PASSIVE);
    struct frame frame;
    do
        frame = read_frame(stream);
    while (frame.type != FRAME_METHOD || get_long(frame.payload) != QUEUE_DECLARE_OK);
}
