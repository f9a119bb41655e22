/*
 * admin_private - what those that answer requests need: the request, the ways to answer it, and what they may ask of
 * the server.
 *
 *   admin_answer.c   asking a request, answering it, now or later
 *   admin_probes.c, admin_status.c, admin_queue.c, …: what stands behind the paths
 *   admin_routes.c   the table of paths (admin_routes.h)
 *   admin_http.c     one request from its head to its end (admin_life.h)
 *   admin_door.c     one address: its socket, TLS, libmicrohttpd
 *   admin.c          the server's life: its doors, the timer of each second
 *
 * Each calls only those above it in this list. A request has one owner: libmicrohttpd until its handler was called,
 * then whoever is to answer it, by exactly one admin_answer_*().
 */
#ifndef MAILWEIR_ADMIN_ADMIN_PRIVATE_H
#define MAILWEIR_ADMIN_ADMIN_PRIVATE_H

#include <jansson.h>
#include <microhttpd.h>

#include "admin/admin.h"
#include "base/list.h"
#include "net/net_lane.h"
#include "net/net_poll.h"

/* ---- limits that are not configured ---- */

#define ADMIN_ANSWER_MAX (64u << 20)
#define ADMIN_STREAM_MAX                                                                                               \
    1048576 /* octets that a live stream may lag behind; then it is ended, and its client comes again */
#define ADMIN_REROUTE_MAX 500 /* messages of one request */
#define ADMIN_LINES       200 /* log lines that are kept for who comes later */
#define ADMIN_FLUSH_MS    100 /* live streams get new log lines so often */
#define ADMIN_FLUSH_LINES 50  /* and so many of them at a time; at most ADMIN_LINES */
#define ADMIN_HISTORY     300 /* seconds of rates that are kept for who comes later */

/* ---- one request ---- */

struct admin_route;
struct admin_door;
struct admin_sessions;

/* Who asks; see admin_access.h. */
struct admin_who {
    char name[64]; /* of his token */
    bool named;    /* false: there are no tokens */
    enum config_admin_role role;
};

struct admin_request {
    struct list link;
    struct admin *admin; /* NULL: the server has gone; the answer is thrown away */
    const struct admin_door *door;
    struct MHD_Connection *connection;
    const struct admin_route *route;
    struct admin_who who; /* of routes that are not open */
    uint64_t began;
    struct buf body;
    char parameter[256]; /* what stands for {…} in the route's path */
    struct MHD_Response *response;
    unsigned status;
    bool begun;     /* the handler was called */
    bool suspended; /* libmicrohttpd waits for the answer */
};

/* A parameter of the query, or NULL. Valid until the answer. */
const char *admin_query(const struct admin_request *request, const char *name);
/* A number of the query within bounds, `fallback` when absent or no number. */
uint64_t admin_query_number(const struct admin_request *request, const char *name, uint64_t fallback, uint64_t most);
/* The body as a JSON object, a new reference; NULL after 400 was answered. An empty body is an empty object. */
json_t *admin_body(struct admin_request *request);

/* Takes the json reference. */
void admin_answer_json(struct admin_request *request, unsigned status, json_t *json);
/* A wall-clock time as ISO 8601, or null for 0: never. */
json_t *admin_moment(int64_t time_ms);
/* {"error": {"code": …, "message": …}} */
void admin_answer_error(struct admin_request *request, unsigned status, const char *code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* 400 for a value of what the request calls `key`: it must be one of the table's names, see buf_append_choices(). */
void admin_answer_choice(struct admin_request *request, const char *key, const char *const *first, size_t row,
                         size_t count);
/* 503 for our own trouble, 404 for "unknown", else 409. */
void admin_answer_fault(struct admin_request *request, const struct fault *fault);
/* Data is copied. */
void admin_answer_bytes(struct admin_request *request, unsigned status, const char *type, struct bytes data);
/* A response that was made already; takes it. */
void admin_answer_response(struct admin_request *request, unsigned status, struct MHD_Response *response);

/* ---- the server ---- */

struct admin_sample {
    uint64_t accepted, rejected, filed, deferred, dead;
};

/* One address that it listens on. */
struct admin_door {
    struct admin *admin;
    struct net_address address;
    int fd;
    bool has_tls;
    struct MHD_Daemon *http;
    struct net_poll *poll;
    struct net_timer *timer; /* libmicrohttpd's next time-out */
};

struct admin {
    struct net_loop *loop;
    struct gateway *gateway;
    struct log *log;
    struct config *config; /* a share of what it was opened with; gateway_config() may be newer */
    struct admin_door doors[CONFIG_ADMIN_ADDRESSES];
    size_t door_count;
    struct net_timer *tick;
    struct net_lane *lane; /* for questions that take long */
    struct store *store;   /* the lane's */
    struct list connections;
    struct list requests;
    struct list streams;
    json_t *attention; /* as the log was told last; NULL: nothing */
    json_t *summary;   /* of the queue, for metrics; NULL before the first */
    uint64_t summary_at;
    bool summary_asked;          /* the lane has the question */
    struct list bodies;          /* stored messages on their way out */
    int64_t certificate_expires; /* seconds since 1970; 0: there is none */
    uint64_t certificate_stamp;  /* of its files */
    struct admin_sessions *sessions;
    struct admin_figures *figures;
    struct admin_minutes *minutes;
    size_t stream_count;
    struct smtpd_budget *rates; /* requests of each client within a second */
    struct admin_counts {
        uint64_t requests, refused, limited, streams, lagged;
    } counts;
    char *lines[ADMIN_LINES]; /* a ring of JSON log lines */
    uint64_t flushed;         /* of line_count: what the live streams have got */
    bool flush_due;
    struct net_timer *flush;
    uint64_t line_count; /* ever */
    struct admin_sample history[ADMIN_HISTORY];
    uint64_t sample_count; /* ever */
};

/* Has libmicrohttpd look at its connections soon. */
void admin_kick(struct admin *admin);
/* The store, for the lane; NULL with a fault. */
struct store *admin_store(struct admin *admin, struct fault *fault);

/* admin_reroute.c: answers the request; body is looked at and kept as long as needed, by and the selection's strings
 * stand in it. */
struct store_select;
void admin_reroute(struct admin_request *request, json_t *body, const struct store_select *select, const char *by);

/* admin_attention.c: what an operator should look at now, the worst first; a new reference. */
json_t *admin_attention(const struct admin *admin);
/* admin_status.c: what `mailweir status` and the page show; a new reference. */
json_t *admin_status(const struct admin *admin);

#endif
