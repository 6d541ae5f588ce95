/* SPDX-License-Identifier: BSD-2-Clause */
/* How many connections each address has: an IPv4 address, or the /64 of an IPv6 one, as in
 * limits.clients_per_address. In memory, as long as there is a connection, and nowhere else. One
 * owner. */
#ifndef DAEMON_CROWD_H
#define DAEMON_CROWD_H

#include <stdbool.h>
#include <sys/socket.h>

struct crowd;
struct crowd_one; /* somebody with at least one connection */

struct crowd *crowd_new(void); /* NULL: no memory */
void crowd_free(struct crowd *c);
/* One more, if that makes no more than `max`. NULL: too many, or no memory. */
struct crowd_one *crowd_enter(struct crowd *c, const struct sockaddr *from, unsigned max);
void crowd_leave(struct crowd *c, struct crowd_one *one);
/* One more request of somebody that others may have to wait for. False: too many. */
bool crowd_asks(struct crowd_one *one, unsigned max);
void crowd_answered(struct crowd_one *one);

#endif
