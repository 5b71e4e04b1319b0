/* As much of AMQP 0-9-1 as a load needs: frames, the strings in them, and the way to an open channel. */

#ifndef AMQP_H
#define AMQP_H

#include <stdbool.h>
#include <stdint.h>

#include "octets.h"
#include "stream.h"

/* A method's class and its number, as they lie side by side at the start of its frame. */
#define METHOD(class_id, method_id) ((uint32_t)(class_id) << 16 | (uint32_t)(method_id))

enum { FRAME_METHOD = 1, FRAME_HEADER = 2, FRAME_BODY = 3, FRAME_HEAD = 7 };

#define BASIC_QOS METHOD(60, 10)
#define BASIC_QOS_OK METHOD(60, 11)
#define BASIC_CONSUME METHOD(60, 20)
#define BASIC_CONSUME_OK METHOD(60, 21)
#define BASIC_PUBLISH METHOD(60, 40)
#define BASIC_DELIVER METHOD(60, 60)
#define BASIC_ACK METHOD(60, 80)
#define CONFIRM_SELECT METHOD(85, 10)
#define CONFIRM_SELECT_OK METHOD(85, 11)

struct frame {
    int type;
    uint32_t size;
    const uint8_t *payload; /* valid until the next frame is read */
};

/* Write at `at`, and return where the next goes. */
uint8_t *put_shortstr(uint8_t *at, const char *text);

/* A frame is begun, its payload is written, then it is ended: the length is not known before. */
uint8_t *begin_frame(uint8_t *at, int type, unsigned channel);
uint8_t *begin_method(uint8_t *at, unsigned channel, uint32_t method);
uint8_t *end_frame(uint8_t *frame, uint8_t *at);

/* Whether a whole frame has come in that was not read yet. */
bool frame_waits(const struct stream *stream);

/* The next frame that is no heartbeat. Where the broker closes the channel or the connection, or refuses a message,
   the program ends with its reason. */
struct frame read_frame(struct stream *stream);

/* The arguments of this method, which must be the next. */
const uint8_t *expect(struct stream *stream, uint32_t method);

/* A connection as guest to the virtual host /. Returns how many bytes of payload a frame may have. */
uint32_t open_connection(struct stream *stream, long port);

void add_channel(struct stream *stream, unsigned channel);

/* The same with channel 1 open and the durable queue declared. */
uint32_t open_channel(struct stream *stream, long port, const char *queue);

/* On channel 1: each waits for the broker's answer, before which no deliveries may come. */
void declare_queue(struct stream *stream, const char *queue);
void declare_fanout(struct stream *stream, const char *exchange);
void bind_queue(struct stream *stream, const char *queue, const char *exchange, const char *key);

/* Consume with a tag of the broker's. */
void consume_from(struct stream *stream, const char *queue);

/* Declare the queue passively and wait for the answer: by then the broker has read all that was sent before.
   Deliveries on the way are passed over. */
void round_trip(struct stream *stream, const char *queue);

#endif
