/* Sending at a fixed rate. A message is timed from the moment at which it was to be sent, whatever kept it from being
   sent then: a broker that stands still makes all who wait late, not only the one that it answers last. */

#ifndef PACE_H
#define PACE_H

#include <stdbool.h>

/* From now on so many messages a second. The calling thread is woken as exactly as the system can. */
void pace_start(long rate);

/* When the message of this number, from 0 on, is to be sent, in seconds of the clock of `seconds`. */
double pace_time(long number);

/* How many messages are due by now beyond those that were sent, `most` at most. */
long pace_due(long sent, long most);

/* Wait until the next message after those sent is due, or something has come in; whether something has. */
bool pace_wait(long sent, int socket);

#endif
