#define _POSIX_C_SOURCE 200809L

#include "stream.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "run.h"

enum { FIRST_CAPACITY = 1 << 20, ROOM = 1 << 16 };

void stream_open(struct stream *stream, long port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    stream->socket = socket(AF_INET, SOCK_STREAM, 0);
    if (stream->socket < 0 || connect(stream->socket, (struct sockaddr *)&address, sizeof address) != 0)
        fail("cannot connect to port %ld: %s", port, strerror(errno));
    /* An acknowledgement is small and has to leave at once: the broker waits for it. */
    int yes = 1;
    setsockopt(stream->socket, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    stream->capacity = FIRST_CAPACITY;
    stream->bytes = allocate(stream->capacity);
    stream->start = stream->end = 0;
}

void stream_send(struct stream *stream, const void *bytes, size_t size)
{
    const uint8_t *next = bytes;
    while (size > 0) {
        ssize_t sent = send(stream->socket, next, size, MSG_NOSIGNAL);
        if (sent < 0 && errno != EINTR)
            fail("cannot send: %s", strerror(errno));
        if (sent > 0) {
            next += sent;
            size -= (size_t)sent;
        }
    }
}

void stream_receive(struct stream *stream)
{
    if (stream->start == stream->end)
        stream->start = stream->end = 0;
    if (stream->capacity - stream->end < ROOM) {
        memmove(stream->bytes, stream->bytes + stream->start, stream->end - stream->start);
        stream->end -= stream->start;
        stream->start = 0;
        /* Still full: one frame is longer than the buffer. */
        if (stream->capacity - stream->end < ROOM) {
            stream->capacity *= 2;
            stream->bytes = realloc(stream->bytes, stream->capacity);
            if (stream->bytes == NULL)
                fail("out of memory");
        }
    }
    ssize_t count;
    do
        count = recv(stream->socket, stream->bytes + stream->end, stream->capacity - stream->end, 0);
    while (count < 0 && errno == EINTR);
    if (count <= 0)
        fail("the broker closed the connection");
    stream->end += (size_t)count;
}
