/* A TCP connection to a broker on this machine, with a buffer of what has come in. Whatever goes wrong ends the program. */

#ifndef STREAM_H
#define STREAM_H

#include <stddef.h>
#include <stdint.h>

struct stream {
    int socket;
    uint8_t *bytes;
    size_t capacity;
    size_t start; /* what lies before this has been read */
    size_t end;   /* what lies before this has come in */
};

void stream_open(struct stream *stream, long port);
void stream_send(struct stream *stream, const void *bytes, size_t size);

/* Wait for more. What is unread may move in memory: pointers into it are no longer valid. */
void stream_receive(struct stream *stream);

#endif
