/*
 * admin_access - who may ask: tokens with names and roles, and the sessions that a browser has by a cookie.
 *
 *   metrics   the metrics alone, for a scraper
 *   read      also status, flows, rules, the queue, why: what there is, but not what stands in the mail
 *   operate   also the mail itself, and all that changes something
 *
 * The configuration's "token" is of somebody called "admin", who may operate; those in "tokens" carry their own names.
 * Where there is no token at all, whoever reaches the socket may operate, under the name that he gives himself (a
 * command line says its user's).
 *
 * A browser on another site gets nothing: an Origin other than ourselves is refused, what changes anything wants a JSON
 * content type (which a form cannot send), and without a token only local names are answered (a foreign name that
 * points at this machine is not enough). A session's cookie is HttpOnly and SameSite=Strict; what changes anything
 * wants, beside it, our own Origin and the session's key in a header, which no other site can read.
 */
#ifndef MAILWEIR_ADMIN_ADMIN_ACCESS_H
#define MAILWEIR_ADMIN_ADMIN_ACCESS_H

#include "admin/admin_private.h"
#include "base/must_use.h"

#define ADMIN_KEY_HEADER "X-Mailweir-Key" /* the session's key, which /api/v1/session tells */

/* Whether the request may not be: it is answered then. Else *who of the request is filled. The route is known. */
bool admin_access_refuse(struct admin_request *request);

/* ---- tokens (admin_token.c) ---- */

bool admin_has_tokens(const struct admin *admin);
/* Whose token this is; false when it is nobody's. */
MUST_USE bool admin_access_token(const struct admin *admin, const char *token, struct admin_who *who_r);
/* In a time that does not tell how much of it was right. */
bool admin_access_equal(const char *text, const char *secret);
/* A header of the request, or NULL. */
const char *admin_access_header(const struct admin_request *request, const char *name);

/* ---- sessions (admin_session.c) ---- */

#define ADMIN_SESSIONS_MAX 64 /* at once; a further one ends the one that was idle longest */

void admin_sessions_init(struct admin *admin);
void admin_sessions_done(struct admin *admin);
struct admin_session *admin_session_begin(struct admin *admin, const struct admin_who *who, const char *token);
void admin_session_end(struct admin_session *session);
/* The session whose cookie the request shows, if it has not ended; its idle time begins anew. NULL without one. */
struct admin_session *admin_session_of(struct admin_request *request);
const struct admin_who *admin_session_who(const struct admin_session *session);
const char *admin_session_key(const struct admin_session *session);
const char *admin_session_cookie(const struct admin_session *session);
/* The name of the cookie. */
void admin_session_name(const struct admin_request *request, char out[32]);
/* Whether the request shows the session's key, too. */
bool admin_session_has_key(const struct admin_session *session, const struct admin_request *request);

#endif
