/*
 * dispatch_nodes - an account that this node does not reach and another one does: it is not down. See gateway_node.c
 * for what nodes say of their upstreams.
 */
#include <jansson.h>

#include "dispatch/dispatch_private.h"
#include "document/document_member.h"
#include "spool/spool_node.h"

/* It has connections there, and they work. */
static bool reaches(const json_t *node, const char *upstream)
{
    const json_t *state = json_object_get(json_object_get(json_object_get(node, "state"), "upstreams"), upstream);
    bool is_other = !json_is_true(json_object_get(node, "me")) && document_member_number(node, "lease_ms") > 0;
    return is_other && document_member_number(state, "connections") > 0 &&
           json_is_false(json_object_get(state, "down"));
}

bool dispatch_works_elsewhere(const struct dispatch_upstream *upstream)
{
    size_t i;
    bool any = false;
    json_t *node, *nodes = upstream->dispatch->shares ? spool_node_list(upstream->dispatch->spool) : NULL;
    json_array_foreach(nodes, i, node)
    {
        any = any || reaches(node, upstream->config->name);
    }
    json_decref(nodes);
    return any;
}
