/*
 * admin_life - what the server's life needs of its parts: libmicrohttpd's calls, and what is begun, looked after each
 * second, and ended.
 */
#ifndef MAILWEIR_ADMIN_ADMIN_LIFE_H
#define MAILWEIR_ADMIN_ADMIN_LIFE_H

#include "admin/admin_private.h"
#include "base/must_use.h"

#define ADMIN_CONNECTION_MEMORY 32768 /* of which a request line and header section may take half */
#define ADMIN_TIMEOUT_S         15    /* a connection on which nothing moves is closed after it */
/* A connection without a whole request head is closed after it, however it moves. */
#define ADMIN_HEADER_MS  5000
#define ADMIN_BODY_MS    60000 /* a body must be whole by then */
#define ADMIN_SMALL_BODY 65536 /* body of a request whose route asks for no more */

struct admin_connection {
    struct list link;
    int fd;
    uint64_t idle_since; /* net_now(); 0 while a request is under way */
};

/* admin_door.c: opens one address; blocks while a name is looked up. */
MUST_USE int admin_door_open(struct admin *admin, const struct net_address *address, struct fault *fault);
/* Ends its connections; requests that somebody else is still to answer are freed with that answer. */
void admin_door_close(struct admin_door *door);
/* Has libmicrohttpd look at its connections now. */
void admin_door_run(struct admin_door *door);
/* Takes over a certificate that was put in place of the one before. */
void admin_doors_tick(struct admin *admin);

/* admin_http.c: ctx is the door */
enum MHD_Result admin_http_access(void *ctx, struct MHD_Connection *connection, const char *url, const char *method,
                                  const char *version, const char *upload, size_t *upload_len, void **request);
void admin_http_completed(void *ctx, struct MHD_Connection *connection, void **request,
                          enum MHD_RequestTerminationCode why);
void admin_http_connection(void *ctx, struct MHD_Connection *connection, void **socket_ctx,
                           enum MHD_ConnectionNotificationCode code);
/* Cuts off who dawdles. */
void admin_http_expire(struct admin *admin);

/* admin_body.c: ends those that are on their way out. */
void admin_bodies_done(struct admin *admin);

/* admin_trace.c: ends the traces whose time is over. */
void admin_traces_tick(struct admin *admin);

/* admin_attention.c: tells the log what is new of it, and what is over. */
void admin_attention_tick(struct admin *admin);

/* admin_events.c */
void admin_events_init(struct admin *admin);
/* Each second. */
void admin_events_tick(struct admin *admin);
void admin_events_done(struct admin *admin);
/* Ends the streams that are open; their clients come again. */
void admin_events_end(struct admin *admin);
/* The connection, which may be a stream's, is closed because nothing moved on it: its client did not read. */
void admin_events_stood_still(struct admin *admin, const struct MHD_Connection *connection);

#endif
