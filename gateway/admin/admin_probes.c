/*
 * admin_probes - /livez and /readyz, as container platforms ask them.
 *
 * livez says that the loop turns; restarting helps when it does not. readyz says whether mail can be taken, and each
 * reason.
 */
#include "admin/admin_handlers.h"
#include "admin/admin_private.h"

void admin_get_livez(struct admin_request *request)
{
    admin_answer_json(request, 200, json_pack("{s:b}", "live", 1));
}

void admin_get_readyz(struct admin_request *request)
{
    struct gateway_check checks[GATEWAY_CHECKS];
    bool ready = gateway_ready(request->admin->gateway, checks);
    json_t *json = json_object();
    for (size_t i = 0; i < GATEWAY_CHECKS; i++) {
        json_object_set_new(json, checks[i].name,
                            json_pack("{s:b,s:s}", "good", checks[i].good, "reason", checks[i].reason));
    }
    admin_answer_json(request, ready ? 200 : 503, json_pack("{s:b,s:o}", "ready", ready, "checks", json));
}
