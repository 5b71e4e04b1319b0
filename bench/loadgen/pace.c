#define _GNU_SOURCE /* ppoll */

#include "pace.h"

#include <poll.h>
#include <time.h>
#if defined(__linux__)
#include <sys/prctl.h>
#endif

#include "run.h"

enum { SLACK = 1000 }; /* nanoseconds; 50,000 by default */

static double began, interval;

void pace_start(long rate)
{
#if defined(__linux__)
    prctl(PR_SET_TIMERSLACK, (unsigned long)SLACK, 0, 0, 0);
#endif
    interval = 1.0 / (double)rate;
    began = seconds();
}

double pace_time(long number)
{
    return began + (double)number * interval;
}

long pace_due(long sent, long most)
{
    long due = (long)((seconds() - began) / interval) + 1 - sent;
    return due < 0 ? 0 : due < most ? due : most;
}

bool pace_wait(long sent, int socket)
{
    double left = pace_time(sent) - seconds();
    if (left < 0)
        left = 0;
    struct timespec limit = {.tv_sec = (time_t)left, .tv_nsec = (long)((left - (double)(time_t)left) * 1e9)};
    struct pollfd wanted = {.fd = socket, .events = POLLIN};
    return ppoll(&wanted, 1, &limit, NULL) > 0;
}
