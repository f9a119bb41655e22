/*
 * dispatch_nodes - an account that this node does not reach and another one does: it is not down, and its mail
 * is left to them. See gateway_node.c for what nodes say of their upstreams.
 */
#include <jansson.h>

#include "dispatch/dispatch_private.h"
#include "document/document_member.h"
#include "spool/spool_node.h"

/* What another node that lives says of the account; NULL: nothing. */
static const json_t *account_at(const json_t *node, const char *upstream)
{
    bool is_other = !json_is_true(json_object_get(node, "me")) && document_member_number(node, "lease_ms") > 0;
    const json_t *all = json_object_get(json_object_get(node, "state"), "upstreams");
    return is_other ? json_object_get(all, upstream) : NULL;
}

/* It has connections there, and they work. */
static bool reaches(const json_t *node, const char *upstream)
{
    const json_t *account = account_at(node, upstream);
    return document_member_number(account, "connections") > 0 && json_is_false(json_object_get(account, "down"));
}

/* Or it has none, because nothing was to be done. */
static bool may_reach(const json_t *node, const char *upstream)
{
    bool drains = json_is_true(json_object_get(node, "draining"));
    return !drains && json_is_false(json_object_get(account_at(node, upstream), "down"));
}

static bool any_node(const struct dispatch_upstream *upstream, bool (*fits)(const json_t *node, const char *upstream))
{
    size_t i;
    bool any = false;
    json_t *node, *nodes = upstream->dispatch->shares ? spool_node_list(upstream->dispatch->spool) : NULL;
    json_array_foreach(nodes, i, node)
    {
        any = any || fits(node, upstream->config->name);
    }
    json_decref(nodes);
    return any;
}

bool dispatch_works_elsewhere(const struct dispatch_upstream *upstream)
{
    return any_node(upstream, reaches);
}

void dispatch_leave_to_others(struct dispatch_upstream *upstream)
{
    upstream->left_to_others = upstream->failures > 0 && any_node(upstream, may_reach);
}
