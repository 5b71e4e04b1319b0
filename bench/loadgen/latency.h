/* End-to-end latency: a body carries the time when it was sent. */

#ifndef LATENCY_H
#define LATENCY_H

#include <stdint.h>

/* So many messages at most are to come, with bodies of this size, which must hold a time. */
void latency_measure(long count, long size);

/* A message has come, with the time at `sent`. */
void latency_take(const uint8_t *sent);

/* ` lat_ms p50=... p95=... p99=... p99.9=... max=... histogram=STEP:COUNT,...`, if anything was measured. Step 0 of the
   histogram is all up to 1 microsecond, and each step ends at 2^(1/4) of the one before. */
void latency_print(void);

#endif
