#define _POSIX_C_SOURCE 200809L

#include "run.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char *program = "load";

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool ready = false;

void fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "%s: ", program);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    fflush(stderr);
    _Exit(2); /* not exit(): the other thread is still at work */
}

void *allocate(size_t size)
{
    void *memory = calloc(1, size);
    if (memory == NULL)
        fail("out of memory");
    return memory;
}

double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void set(const struct option *option, const char *value)
{
    if (option->text != NULL) {
        *option->text = value;
        return;
    }
    char *end;
    *option->number = strtol(value, &end, 10);
    if (end == value || *end != '\0' || *option->number < 0)
        fail("%s=%s: not a number", option->key, value);
}

void read_options(int argc, char **argv, const struct option *options)
{
    const char *slash = strrchr(argv[0], '/');
    program = slash != NULL ? slash + 1 : argv[0];
    for (int index = 1; index < argc; index++) {
        const char *equals = strchr(argv[index], '=');
        if (equals == NULL)
            fail("%s: options are key=value", argv[index]);
        size_t length = (size_t)(equals - argv[index]);
        const struct option *option = options;
        while (option->key != NULL && (strlen(option->key) != length || strncmp(option->key, argv[index], length) != 0))
            option++;
        if (option->key == NULL)
            fail("%s: no such option", argv[index]);
        set(option, equals + 1);
    }
}

void consumer_is_ready(void)
{
    pthread_mutex_lock(&lock);
    ready = true;
    pthread_cond_signal(&changed);
    pthread_mutex_unlock(&lock);
}

struct work {
    task *task;
    struct span span;
};

static void *thread(void *argument)
{
    struct work *work = argument;
    work->task(&work->span);
    return NULL;
}

void run(const char *mode, long count, task *produce, task *consume)
{
    bool both = strcmp(mode, "both") == 0;
    bool publishes = both || strcmp(mode, "pub") == 0;
    bool consumes = both || strcmp(mode, "sub") == 0;
    if (!publishes && !consumes)
        fail("mode=%s: pub, sub or both", mode);
    if (count < 1)
        fail("count=%ld: at least one", count);

    struct work producer = {.task = produce}, consumer = {.task = consume};
    pthread_t second;
    if (consumes && pthread_create(&second, NULL, thread, &consumer) != 0)
        fail("cannot start a thread");
    if (both) {
        pthread_mutex_lock(&lock);
        while (!ready)
            pthread_cond_wait(&changed, &lock);
        pthread_mutex_unlock(&lock);
    }
    if (publishes)
        thread(&producer);
    if (consumes)
        pthread_join(second, NULL);

    printf("mode=%s count=%ld", mode, count);
    if (publishes)
        printf(" pub/s=%.0f", (double)count / (producer.span.ended - producer.span.began));
    if (consumes)
        printf(" sub/s=%.0f", (double)count / (consumer.span.ended - consumer.span.began));
}
