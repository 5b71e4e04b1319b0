#include "octets.h"

uint32_t get_short(const uint8_t *at)
{
    return (uint32_t)at[0] << 8 | at[1];
}

uint32_t get_long(const uint8_t *at)
{
    return get_short(at) << 16 | get_short(at + 2);
}

uint64_t get_longlong(const uint8_t *at)
{
    return (uint64_t)get_long(at) << 32 | get_long(at + 4);
}

uint8_t *put_octet(uint8_t *at, unsigned value)
{
    *at = (uint8_t)value;
    return at + 1;
}

uint8_t *put_short(uint8_t *at, unsigned value)
{
    return put_octet(put_octet(at, value >> 8), value);
}

uint8_t *put_long(uint8_t *at, uint32_t value)
{
    return put_short(put_short(at, value >> 16), value);
}

uint8_t *put_longlong(uint8_t *at, uint64_t value)
{
    return put_long(put_long(at, (uint32_t)(value >> 32)), (uint32_t)value);
}
