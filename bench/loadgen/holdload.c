/* Make many of something that is idle, say "ready", and hold it until the input ends: for what it costs a broker.

   Options, key=value: port, name (what names begin with), what (connections, channels, queues, consumers, bindings),
   count. Channels, consumers and bindings belong to one connection, or to as few as a broker allows. */

#include <stdio.h>
#include <string.h>

#include "amqp.h"
#include "run.h"

enum { NAME = 200, CHANNELS = 1000 /* of one connection; brokers allow 2,047 */ };

static long port = 5672, count = 1000;
static const char *name = "hold", *what = "connections";

static const char *numbered(long number)
{
    static char text[NAME + 32];
    snprintf(text, sizeof text, "%.*s-%ld", NAME, name, number);
    return text;
}

int main(int argc, char **argv)
{
    const struct option options[] = {
        {"port", &port, NULL}, {"count", &count, NULL}, {"name", NULL, &name}, {"what", NULL, &what}, {NULL, NULL, NULL},
    };
    read_options(argc, argv, options);
    if (count < 1)
        fail("count=%ld: at least one", count);
    struct stream stream;
    if (strcmp(what, "connections") == 0) {
        for (long index = 0; index < count; index++)
            open_connection(&stream, port);
    } else if (strcmp(what, "channels") == 0) {
        for (long index = 0; index < count; index++) {
            if (index % CHANNELS == 0)
                open_connection(&stream, port);
            add_channel(&stream, (unsigned)(index % CHANNELS) + 1);
        }
    } else {
        open_channel(&stream, port, name);
        for (long index = 0; index < count; index++) {
            if (strcmp(what, "queues") == 0)
                declare_queue(&stream, numbered(index));
            else if (strcmp(what, "consumers") == 0)
                consume_from(&stream, name);
            else if (strcmp(what, "bindings") == 0)
                bind_queue(&stream, name, "amq.direct", numbered(index));
            else
                fail("what=%s: connections, channels, queues, consumers or bindings", what);
        }
    }
    printf("ready\n");
    fflush(stdout);
    while (getchar() != EOF)
        ;
    return 0;
}
