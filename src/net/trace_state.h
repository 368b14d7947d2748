/* trace_state.h -- the states of RFC 9293, 3.3.2, as the kernel tells them, and as it does not.
 *
 * TCP_INFO has the state of a connection as long as there is a descriptor, with two gaps that a trace fills with what
 * the kernel is known to do: after a FIN of ours the state may be over before we can ask, and TIME_WAIT is never told.
 *
 * SPDX-License-Identifier: MIT */
#ifndef NET_TRACE_STATE_H
#define NET_TRACE_STATE_H

#include <stdbool.h>

/* Of the kernel's numbers (netinet/tcp.h); "" for 0, which means that the kernel did not say. */
const char *trace_state_name(int state);

/* The state now. */
int trace_state_of(int fd);

/* What a FIN of ours makes of a state. */
int trace_state_after_fin(int state);

/* Has this end sent its FIN before the other one? Each connection begins with no. */
void trace_note_end(int fd, bool first);

#endif
