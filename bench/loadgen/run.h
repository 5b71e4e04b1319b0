/* What both generators do alike: read their options, run a producer and a consumer at once, print the rates. */

#ifndef RUN_H
#define RUN_H

#include <stddef.h>

/* One `key=value` of the command line: a number or a text, where it is to be written. */
struct option {
    const char *key;
    long *number;
    const char **text;
};

/* When the first message went or came, and when the last was done with, in seconds of a clock that only goes forward. */
struct span {
    double began;
    double ended;
};

typedef void task(struct span *span);

/* Say what went wrong, on stderr and in one line, and end with status 2. Any thread may. */
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

void *allocate(size_t size);
double seconds(void);

/* The last option has no key. An unknown key, or a number below 0, is a failure. */
void read_options(int argc, char **argv, const struct option *options);

/* `mode` is pub, sub or both. With both, the producer begins when the consumer has said that it is ready.
   Prints `mode=... count=... pub/s=... sub/s=...`, and leaves the line open. */
void run(const char *mode, long count, task *produce, task *consume);
void consumer_is_ready(void);

#endif
