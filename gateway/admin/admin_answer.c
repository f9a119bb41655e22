/*
 * admin_answer - what those that answer a request ask of it and give back; see admin_private.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/admin_private.h"
#include "base/expect.h"
#include "spool/spool.h"

void admin_kick(struct admin *admin)
{
    for (size_t i = 0; i < admin->door_count; i++) {
        if (admin->doors[i].timer != NULL) {
            net_timer_start(admin->doors[i].timer, 0);
        }
    }
}

struct store *admin_store(struct admin *admin, struct fault *fault)
{
    if (admin->store == NULL) {
        disregard(spool_look(gateway_spool(admin->gateway), &admin->store, fault));
    }
    return admin->store;
}

/* ---- answers ---- */

static void answer_request(struct admin_request *request, unsigned status, struct MHD_Response *response)
{
    EXPECT(request->response == NULL);
    request->status = status;
    request->response = response;
    if (request->suspended) {
        request->suspended = false;
        MHD_resume_connection(request->connection);
        admin_kick(request->admin);
    }
}

/* The server has gone meanwhile, and the connection with it. */
static bool is_orphan(struct admin_request *request)
{
    if (request->admin != NULL) {
        return false;
    }
    buf_done(&request->body);
    free(request);
    return true;
}

void admin_answer_response(struct admin_request *request, unsigned status, struct MHD_Response *response)
{
    if (is_orphan(request)) {
        MHD_destroy_response(response);
    } else {
        answer_request(request, status, response);
    }
}

void admin_answer_bytes(struct admin_request *request, unsigned status, const char *type, struct bytes data)
{
    struct MHD_Response *response =
        expect_memory(MHD_create_response_from_buffer(data.len, (void *)data.ptr, MHD_RESPMEM_MUST_COPY));
    MHD_add_response_header(response, "Content-Type", type);
    MHD_add_response_header(response, "Cache-Control", "no-store");
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    admin_answer_response(request, status, response);
}

json_t *admin_moment(int64_t time_ms)
{
    char text[25];
    if (time_ms == 0) {
        return json_null();
    }
    log_time(time_ms, text);
    return json_string(text);
}

void admin_answer_json(struct admin_request *request, unsigned status, json_t *json)
{
    size_t len = json_dumpb(json, NULL, 0, JSON_COMPACT);
    char *text = expect_calloc(1, len + 2);
    json_dumpb(json, text, len, JSON_COMPACT);
    text[len] = '\n';
    json_decref(json);
    admin_answer_bytes(request, status, "application/json", bytes_at(text, len + 1));
    free(text);
}

void admin_answer_error(struct admin_request *request, unsigned status, const char *code, const char *format, ...)
{
    char text[600];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    /* What a peer sent may stand in the text and end anywhere. */
    json_t *message = json_string(text);
    message = message != NULL ? message : json_string("the request is not UTF-8");
    admin_answer_json(request, status, json_pack("{s:{s:s,s:o}}", "error", "code", code, "message", message));
}

void admin_answer_choice(struct admin_request *request, const char *key, const char *const *first, size_t row,
                         size_t count)
{
    struct buf names;
    buf_init(&names, 200);
    buf_append_choices(&names, first, row, count);
    admin_answer_error(request, 400, key, "\"%s\" must be %s", key, buf_text(&names));
    buf_done(&names);
}

void admin_answer_fault(struct admin_request *request, const struct fault *fault)
{
    unsigned status = fault->class == FAULT_LOCAL ? 503 : 409;
    status = strcmp(fault->code, "unknown") == 0 ? 404 : status;
    admin_answer_error(request, status, fault->code, "%s: %s", fault->where, fault->text);
}

/* ---- what handlers ask ---- */

const char *admin_query(const struct admin_request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, name);
}

uint64_t admin_query_number(const struct admin_request *request, const char *name, uint64_t fallback, uint64_t most)
{
    const char *text = admin_query(request, name);
    uint64_t value;
    if (text == NULL || !bytes_to_u64(bytes_of(text), &value)) {
        return fallback;
    }
    return value > most ? most : value;
}

json_t *admin_body(struct admin_request *request)
{
    json_error_t error;
    struct bytes body = buf_bytes(&request->body);
    json_t *json =
        body.len == 0 ? json_object() : json_loadb((const char *)body.ptr, body.len, JSON_REJECT_DUPLICATES, &error);
    if (!json_is_object(json)) {
        admin_answer_error(request, 400, "json", "the body must be a JSON object: %s",
                           json == NULL ? error.text : "the value is of another kind");
        json_decref(json);
        return NULL;
    }
    return json;
}
