/* Integers in network byte order, as both AMQPs have them. */

#ifndef OCTETS_H
#define OCTETS_H

#include <stdint.h>

uint32_t get_short(const uint8_t *at);
uint32_t get_long(const uint8_t *at);
uint64_t get_longlong(const uint8_t *at);

/* Each writes at `at` and returns where the next goes. */
uint8_t *put_octet(uint8_t *at, unsigned value);
uint8_t *put_short(uint8_t *at, unsigned value);
uint8_t *put_long(uint8_t *at, uint32_t value);
uint8_t *put_longlong(uint8_t *at, uint64_t value);

#endif
