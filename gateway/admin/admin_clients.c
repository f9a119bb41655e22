/*
 * admin_clients - who came to the listeners, and what was refused: what `mailweir clients`, `mailweir why` and the page
 * ask for.
 */
#include "admin/admin_handlers.h"
#include "admin/admin_private.h"

#define CLIENTS_DEFAULT  100
#define REFUSALS_DEFAULT 100

/* A parameter that was given; NULL when it is absent or empty. */
static const char *query_value(const struct admin_request *request, const char *name)
{
    const char *text = admin_query(request, name);
    return text == NULL || text[0] == '\0' ? NULL : text;
}

void admin_get_clients(struct admin_request *request)
{
    const struct reception *reception = gateway_smtpd(request->admin->gateway);
    size_t most = (size_t)admin_query_number(request, "limit", CLIENTS_DEFAULT, RECEPTION_CLIENTS_MAX);
    json_t *list = reception_clients_list(reception_clients(reception), query_value(request, "client"), most);
    size_t i;
    json_t *client;
    json_array_foreach(list, i, client)
    {
        const char *address = json_string_value(json_object_get(client, "client.address"));
        json_t *last = reception_refusals_list(reception_refusals(reception), address, NULL, 1);
        json_t *refusal = json_array_get(last, 0);
        json_object_set(client, "last_refusal", refusal == NULL ? json_null() : refusal);
        json_decref(last);
    }
    admin_answer_json(request, MHD_HTTP_OK, json_pack("{s:o}", "clients", list));
}

void admin_get_refusals(struct admin_request *request)
{
    const struct reception *reception = gateway_smtpd(request->admin->gateway);
    size_t most = (size_t)admin_query_number(request, "limit", REFUSALS_DEFAULT, RECEPTION_REFUSALS_MAX);
    json_t *list = reception_refusals_list(reception_refusals(reception), query_value(request, "client"),
                                           query_value(request, "id"), most);
    admin_answer_json(request, MHD_HTTP_OK, json_pack("{s:o}", "refusals", list));
}
