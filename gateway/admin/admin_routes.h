/*
 * admin_routes - the table of paths, with who may ask and who answers.
 */
#ifndef MAILWEIR_ADMIN_ADMIN_ROUTES_H
#define MAILWEIR_ADMIN_ADMIN_ROUTES_H

#include <stdbool.h>

struct admin_request;
typedef void admin_handler_fn(struct admin_request *request);

enum admin_access {
    ADMIN_OPEN,    /* anybody: probes and the page itself, which hold nothing */
    ADMIN_LOGIN,   /* who has no session yet; with a JSON body */
    ADMIN_METRICS, /* the role "metrics", where there are tokens */
    ADMIN_READ,    /* the role "read" */
    ADMIN_PREVIEW, /* the role "operate": what stands in the mail */
    ADMIN_OWN,     /* the role "read", for a change of what is one's own: as ADMIN_WRITE */
    ADMIN_WRITE,   /* the role "operate", with a JSON body, or an empty one with its content type */
};

struct admin_route {
    const char *method;
    const char *path; /* at most one {…} in it, a whole segment */
    enum admin_access access;
    bool large_body; /* up to the configuration's max_body */
    admin_handler_fn *handler;
    const char *summary;
};
/* A NULL method ends the table. */
extern const struct admin_route admin_routes[];
/* The route, or NULL: then *exists_r says whether the path exists with another method. parameter: of 256 octets. */
const struct admin_route *admin_route_find(const char *method, const char *path, char *parameter, bool *exists_r);

#endif
