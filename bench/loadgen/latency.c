#include "latency.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run.h"

enum { STEPS = 4 }; /* classes of the histogram from one power of two to the next */

static double *latencies;
static long measured = 0;

void latency_measure(long count, long size)
{
    if (size < (long)sizeof(double))
        fail("lat=1 needs a size of at least %zu", sizeof(double));
    latencies = allocate((size_t)count * sizeof *latencies);
}

void latency_take(const uint8_t *sent)
{
    double time;
    memcpy(&time, sent, sizeof time);
    latencies[measured++] = seconds() - time;
}

static int by_size(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static double milliseconds(double part)
{
    long index = (long)((double)measured * part);
    return latencies[index < measured ? index : measured - 1] * 1e3;
}

/* How many came within 1 microsecond, within 2^(1/STEPS) of it, and so on: each class is some 19 % wide. */
static void print_histogram(void)
{
    double bound = 1e-6;
    long index = 0;
    printf(" histogram=");
    for (int step = 0; index < measured; step++) {
        long first = index;
        while (index < measured && latencies[index] <= bound)
            index++;
        if (index > first)
            printf("%d:%ld,", step, index - first);
        bound *= pow(2.0, 1.0 / STEPS);
    }
}

void latency_print(void)
{
    if (measured == 0)
        return;
    qsort(latencies, (size_t)measured, sizeof *latencies, by_size);
    printf(" lat_ms p50=%.3f p95=%.3f p99=%.3f p99.9=%.3f max=%.3f", milliseconds(0.5), milliseconds(0.95),
           milliseconds(0.99), milliseconds(0.999), milliseconds(1.0));
    print_histogram();
}
