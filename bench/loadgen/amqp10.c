#include "amqp10.h"

#include <string.h>

#include "run.h"

enum {
    NONE = 0x40,
    TRUE = 0x41,
    FALSE = 0x42,
    UINT_0 = 0x43,
    ULONG_0 = 0x44,
    LIST_0 = 0x45,
    UBYTE = 0x50,
    SMALL_ULONG = 0x53,
    UINT = 0x70,
    BINARY_8 = 0xA0,
    STRING_8 = 0xA1,
    SYMBOL_8 = 0xA3,
    LIST_8 = 0xC0,
    LIST_32 = 0xD0,
    SOURCE = 0x28,
    TARGET = 0x29,
    SASL_MECHANISMS = 0x40,
    SASL_INIT = 0x41,
    SASL_OUTCOME = 0x44,
    AMQP = 0,
    SASL = 1,
    LIST_HEAD = 12,        /* descriptor, code, size and count, each as long as it gets */
    LONGEST_NAME = 200,    /* of an address, a user, a password */
    FRAME_SIZE = 1 << 17,  /* the most that a frame to us may have */
    WINDOW = 0x7FFFFFFF,   /* transfers that may come before the next flow: more than there are */
};

/* What is left of a frame. */
struct rest {
    const uint8_t *at;
    const uint8_t *end;
};

static const uint8_t *take(struct rest *rest, size_t size)
{
    const uint8_t *at = rest->at;
    if ((size_t)(rest->end - at) < size)
        fail("a value that is longer than its frame");
    rest->at += size;
    return at;
}

uint64_t number(const struct value *value, uint64_t otherwise)
{
    uint64_t result = value->code == TRUE;
    if (value->code == NONE)
        return otherwise;
    for (uint32_t index = 0; value->code < BINARY_8 && index < value->size; index++)
        result = result << 8 | value->bytes[index];
    return result;
}

/* The upper half of a code says how long a value is, or how its length is written (part 1, section 1.2). */
static uint32_t size_of(uint8_t code, struct rest *rest)
{
    static const uint8_t fixed[] = {0, 1, 2, 4, 8, 16};
    unsigned width = code >> 4;
    if (width >= 4 && width < 4 + sizeof fixed)
        return fixed[width - 4];
    if (width < 0xA)
        fail("a type that AMQP 1.0 does not have: 0x%02x", code);
    return width & 1 ? get_long(take(rest, 4)) : *take(rest, 1);
}

static struct value next_value(struct rest *rest)
{
    struct value value = {.code = *take(rest, 1), .descriptor = 0};
    if (value.code == 0) {
        struct value descriptor = next_value(rest);
        value = next_value(rest);
        value.descriptor = number(&descriptor, 0);
        return value;
    }
    value.size = size_of(value.code, rest);
    value.bytes = take(rest, value.size);
    return value;
}

/* The fields of a list; those that it does not have are absent. */
static void read_fields(const struct value *list, struct value *fields)
{
    struct rest rest = {list->bytes, list->bytes + list->size};
    uint32_t count = 0;
    if (list->code == LIST_32)
        count = get_long(take(&rest, 4));
    else if (list->code == LIST_8)
        count = *take(&rest, 1);
    else if (list->code != LIST_0)
        fail("expected a list");
    for (uint32_t index = 0; index < MOST_FIELDS; index++)
        fields[index] = index < count ? next_value(&rest) : (struct value){.code = NONE};
}

uint8_t *put_null(uint8_t *at)
{
    return put_octet(at, NONE);
}

uint8_t *put_boolean(uint8_t *at, bool value)
{
    return put_octet(at, value ? TRUE : FALSE);
}

uint8_t *put_ubyte(uint8_t *at, unsigned value)
{
    return put_octet(put_octet(at, UBYTE), value);
}

uint8_t *put_uint(uint8_t *at, uint32_t value)
{
    return put_long(put_octet(at, UINT), value);
}

static uint8_t *put_bytes(uint8_t *at, unsigned code, const void *bytes, size_t size)
{
    if (size > LONGEST_NAME)
        fail("a name has at most %d bytes", LONGEST_NAME);
    at = put_octet(put_octet(at, code), (unsigned)size);
    memcpy(at, bytes, size);
    return at + size;
}

static uint8_t *put_text(uint8_t *at, unsigned code, const char *text)
{
    return put_bytes(at, code, text, strlen(text));
}

uint8_t *begin_list(uint8_t *at, unsigned descriptor)
{
    at = put_octet(put_octet(put_octet(at, 0), SMALL_ULONG), descriptor);
    return put_longlong(put_octet(at, LIST_32), 0);
}

uint8_t *end_list(uint8_t *list, uint8_t *at, unsigned fields)
{
    put_long(put_long(list + LIST_HEAD - 8, (uint32_t)(at - list - LIST_HEAD + 4)), fields);
    return at;
}

static uint8_t *begin_frame_of(uint8_t *at, unsigned type)
{
    return put_short(put_octet(put_octet(put_long(at, 0), 2), type), 0); /* the head ends after 2 words; channel 0 */
}

uint8_t *begin_frame(uint8_t *at)
{
    return begin_frame_of(at, AMQP);
}

void end_frame(uint8_t *frame, uint8_t *at)
{
    put_long(frame, (uint32_t)(at - frame));
}

static void send_frame(struct link *link, uint8_t *frame, uint8_t *at)
{
    end_frame(frame, at);
    stream_send(&link->stream, frame, (size_t)(at - frame));
}

/* End the program with the error that a detach, an end or a close carries. */
static _Noreturn void fail_as(const char *what, const struct value *error)
{
    struct value fields[MOST_FIELDS];
    if (error->code == NONE)
        fail("the broker %s, and does not say why", what);
    read_fields(error, fields);
    fail("the broker %s: %.*s %.*s", what, (int)fields[0].size, (const char *)fields[0].bytes, (int)fields[1].size,
         (const char *)fields[1].bytes);
}

static struct performative read_frame(struct link *link, unsigned type)
{
    struct stream *stream = &link->stream;
    for (;;) {
        size_t unread = stream->end - stream->start;
        const uint8_t *head = stream->bytes + stream->start;
        if (unread < FRAME_HEAD || unread < get_long(head)) {
            stream_receive(stream);
            continue;
        }
        uint32_t size = get_long(head);
        size_t begins = 4 * (size_t)head[4];
        if (begins < FRAME_HEAD || begins > size || head[5] != type)
            fail("a frame that was not expected");
        stream->start += size;
        if (begins == size)
            continue; /* a sign of life */
        struct performative found;
        struct rest rest = {head + begins, head + size};
        struct value list = next_value(&rest);
        found.descriptor = list.descriptor;
        read_fields(&list, found.fields);
        found.payload = rest.at;
        found.size = (size_t)(rest.end - rest.at);
        return found;
    }
}

struct performative read_performative(struct link *link, unsigned awaited)
{
    struct performative found = read_frame(link, AMQP);
    if (found.descriptor == CLOSE && (awaited != CLOSE || found.fields[0].code != NONE))
        fail_as("closed the connection", &found.fields[0]);
    if (found.descriptor == END)
        fail_as("ended the session", &found.fields[0]);
    if (found.descriptor == DETACH && (awaited != DETACH || found.fields[2].code != NONE))
        fail_as("detached the link", &found.fields[2]);
    return found;
}

static struct performative expect(struct link *link, unsigned descriptor)
{
    struct performative found = read_performative(link, descriptor);
    if (found.descriptor != descriptor)
        fail("expected performative 0x%02x, got 0x%02x", descriptor, (unsigned)found.descriptor);
    return found;
}

struct performative next_performative(struct link *link)
{
    struct performative found = read_performative(link, 0);
    if (found.descriptor == TRANSFER)
        link->received++;
    if (found.descriptor == FLOW) {
        link->window_ends = (uint32_t)(number(&found.fields[0], 0) + number(&found.fields[1], 0));
        if (found.fields[4].code != NONE) /* the link's, not only the session's */
            link->credit_ends = (uint32_t)(number(&found.fields[5], 0) + number(&found.fields[6], 0));
    }
    return found;
}

/* Say which protocol is spoken, and hear the same from the broker. */
static void exchange_headers(struct link *link, unsigned protocol)
{
    const uint8_t greeting[] = {'A', 'M', 'Q', 'P', (uint8_t)protocol, 1, 0, 0};
    struct stream *stream = &link->stream;
    stream_send(stream, greeting, sizeof greeting);
    while (stream->end - stream->start < sizeof greeting)
        stream_receive(stream);
    if (memcmp(stream->bytes + stream->start, greeting, sizeof greeting) != 0)
        fail("the broker does not speak AMQP 1.0%s", protocol == AMQP ? "" : " with SASL");
    stream->start += sizeof greeting;
}

static void log_in(struct link *link, const char *user, const char *password)
{
    enum { SASL_ID = 3 };
    uint8_t bytes[1024], login[2 * LONGEST_NAME + 2];
    size_t name = strlen(user), secret = strlen(password);
    if (name + secret + 2 > LONGEST_NAME)
        fail("a user and a password that are too long");
    exchange_headers(link, SASL_ID);
    if (read_frame(link, SASL).descriptor != SASL_MECHANISMS)
        fail("expected the broker's mechanisms");

    memset(login, 0, sizeof login); /* PLAIN: two names, each after a zero */
    memcpy(login + 1, user, name);
    memcpy(login + 2 + name, password, secret);
    uint8_t *list = begin_frame_of(bytes, SASL);
    uint8_t *at = put_text(begin_list(list, SASL_INIT), SYMBOL_8, "PLAIN");
    at = put_bytes(at, BINARY_8, login, name + secret + 2);
    send_frame(link, bytes, end_list(list, at, 2));
    struct performative outcome = read_frame(link, SASL);
    if (outcome.descriptor != SASL_OUTCOME || number(&outcome.fields[0], 1) != 0)
        fail("the broker does not let %s in", user);
    exchange_headers(link, AMQP);
}

/* A source or a target: the address, and that it is a queue, which an ActiveMQ has to be told. */
static uint8_t *put_terminus(uint8_t *at, unsigned descriptor, const char *address)
{
    enum { SOURCE_FIELDS = 11, TARGET_FIELDS = 7 };
    unsigned fields = descriptor == SOURCE ? SOURCE_FIELDS : TARGET_FIELDS;
    uint8_t *list = at;
    at = put_text(begin_list(list, descriptor), STRING_8, address);
    for (unsigned index = 1; index < fields - 1; index++)
        at = put_null(at);
    return end_list(list, put_text(at, SYMBOL_8, "queue"), fields);
}

static void attach(struct link *link, unsigned role, const char *address, bool settled)
{
    enum { FIELDS = 10, UNSETTLED_MODE = 0, SETTLED_MODE = 1, FIRST = 0 };
    uint8_t bytes[2048];
    uint8_t *list = begin_frame(bytes);
    uint8_t *at = put_text(begin_list(list, ATTACH), STRING_8, role == SENDER ? "load-producer" : "load-consumer");
    at = put_boolean(put_uint(at, 0), role == RECEIVER); /* handle 0 */
    at = put_ubyte(put_ubyte(at, settled ? SETTLED_MODE : UNSETTLED_MODE), FIRST);
    at = put_terminus(put_terminus(at, SOURCE, address), TARGET, address);
    at = put_uint(put_null(put_null(at)), 0); /* nothing unsettled, and the first delivery-count */
    send_frame(link, bytes, end_list(list, at, FIELDS));

    struct performative answer = expect(link, ATTACH);
    /* A terminus that is not there is a refusal; the detach that says why comes next. */
    if (answer.fields[role == SENDER ? 6 : 5].code == NONE)
        read_performative(link, 0);
}

void open_link(struct link *link, long port, const char *user, const char *password, unsigned role, const char *address,
               bool settled)
{
    uint8_t bytes[512];
    memset(link, 0, sizeof *link);
    stream_open(&link->stream, port);
    log_in(link, user, password);

    uint8_t *list = begin_frame(bytes);
    uint8_t *at = put_text(begin_list(list, OPEN), STRING_8, role == SENDER ? "load-sender" : "load-receiver");
    at = put_uint(put_null(at), FRAME_SIZE); /* no hostname */
    send_frame(link, bytes, end_list(list, at, 3));
    struct performative open = expect(link, OPEN);
    link->frame_size = (uint32_t)number(&open.fields[2], UINT32_MAX);

    list = begin_frame(bytes);
    at = put_uint(put_null(begin_list(list, BEGIN)), 0);
    at = put_uint(put_uint(at, WINDOW), WINDOW);
    send_frame(link, bytes, end_list(list, at, 4));
    struct performative begin = expect(link, BEGIN);
    link->received = (uint32_t)number(&begin.fields[1], 0);
    link->window_ends = (uint32_t)number(&begin.fields[2], 0);
    attach(link, role, address, settled);
}

void give_credit(struct link *link, uint32_t delivery_count, uint32_t credit)
{
    enum { FIELDS = 7 };
    uint8_t bytes[128];
    uint8_t *list = begin_frame(bytes);
    uint8_t *at = put_uint(put_uint(begin_list(list, FLOW), link->received), WINDOW);
    at = put_uint(put_uint(put_uint(at, link->sent), WINDOW), 0); /* handle 0 */
    at = put_uint(put_uint(at, delivery_count), credit);
    send_frame(link, bytes, end_list(list, at, FIELDS));
}

void close_link(struct link *link)
{
    uint8_t bytes[64];
    uint8_t *list = begin_frame(bytes);
    uint8_t *at = put_boolean(put_uint(begin_list(list, DETACH), 0), true);
    send_frame(link, bytes, end_list(list, at, 2));
    while (read_performative(link, DETACH).descriptor != DETACH)
        ; /* deliveries, dispositions and flows on their way */
}

void close_connection(struct link *link)
{
    uint8_t bytes[64];
    uint8_t *list = begin_frame(bytes);
    send_frame(link, bytes, end_list(list, begin_list(list, CLOSE), 0));
    while (read_performative(link, CLOSE).descriptor != CLOSE)
        ;
}
