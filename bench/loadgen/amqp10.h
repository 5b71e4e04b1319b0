/* As much of AMQP 1.0 as a load needs: types, frames, and the way to one link on one session of one connection. */

#ifndef AMQP10_H
#define AMQP10_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "octets.h"
#include "stream.h"

enum {
    OPEN = 0x10,
    BEGIN = 0x11,
    ATTACH = 0x12,
    FLOW = 0x13,
    TRANSFER = 0x14,
    DISPOSITION = 0x15,
    DETACH = 0x16,
    END = 0x17,
    CLOSE = 0x18,
    ACCEPTED = 0x24,
    MOST_FIELDS = 16, /* attach, with 14, has the most */
    SENDER = 0,
    RECEIVER = 1, /* values of `role` */
};

/* A value as it lies in a frame, its constructor taken off. Absent where the code is NONE. */
struct value {
    uint8_t code;
    uint32_t size;
    const uint8_t *bytes;
    uint64_t descriptor; /* 0 where it has none, or a symbolic one */
};

/* What a frame holds. Valid until the next is read. */
struct performative {
    uint64_t descriptor;
    struct value fields[MOST_FIELDS];
    const uint8_t *payload;
    size_t size; /* of the payload */
};

/* The numbers that both sides of a link keep, as the last flow has them. */
struct link {
    struct stream stream;
    uint32_t frame_size;  /* the most that the broker takes in a frame, with its head */
    uint32_t sent;        /* transfers: the next outgoing id */
    uint32_t received;    /* transfers: the next incoming id */
    uint32_t window_ends; /* the outgoing id that the broker's session does not take yet */
    uint32_t credit_ends; /* the delivery-count at which the broker's link credit ends */
};

/* A number or a boolean; `otherwise` where the field is absent. */
uint64_t number(const struct value *value, uint64_t otherwise);

/* Each writes at `at` and returns where the next goes. */
uint8_t *put_null(uint8_t *at);
uint8_t *put_boolean(uint8_t *at, bool value);
uint8_t *put_ubyte(uint8_t *at, unsigned value);
uint8_t *put_uint(uint8_t *at, uint32_t value);

/* A list with a descriptor: it is begun, its fields are written, then it is ended. */
uint8_t *begin_list(uint8_t *at, unsigned descriptor);
uint8_t *end_list(uint8_t *list, uint8_t *at, unsigned fields);

/* A frame with one performative, whose fields and perhaps a payload are written between the two. */
enum { FRAME_HEAD = 8 };
uint8_t *begin_frame(uint8_t *at);
void end_frame(uint8_t *frame, uint8_t *at);

/* The next frame that has a performative. Where the broker detaches the link, ends the session or closes the connection,
   the program ends with its reason, unless it is what `awaited` says. */
struct performative read_performative(struct link *link, unsigned awaited);

/* Read one performative, and keep what it says of windows and credit. */
struct performative next_performative(struct link *link);

/* Log in, open a connection and a session, and attach to the node. With `settled`, every delivery is. */
void open_link(struct link *link, long port, const char *user, const char *password, unsigned role, const char *address,
               bool settled);

/* Let the broker send so many more deliveries than have come. */
void give_credit(struct link *link, uint32_t delivery_count, uint32_t credit);

/* Detach, and wait for the answer: by then the broker has read all that was sent before. */
void close_link(struct link *link);

/* Close, and wait for the answer: a broker need not complain of a client that went away. */
void close_connection(struct link *link);

#endif
