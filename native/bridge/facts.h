/* What the host tells an engine, as frames. */
#ifndef FACTS_H
#define FACTS_H

#include "bridge.h"
#include "frame.h"

/* HELLO and FACTS; frame_end completes them. deadline: milliseconds for the engine's verdict. */
void facts_put_hello(struct frame_writer *frame);
/* GROUPS: the names, or why they could not be read. */
void facts_put_groups(struct frame_writer *frame, const struct account_groups *groups);
void facts_put(struct frame_writer *frame, const struct bridge_facts *facts, uint32_t deadline);

#endif
