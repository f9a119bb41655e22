/*
 * admin_queue - the queue over HTTP: what waits, a message's whole story and its octets; retry, hold, release, drop, pause, resume.
 *
 * Questions read the spool's index through a connection of their own on a lane of their own, so that a long list holds up neither the loop nor a
 * commit. Changes go through the spool, which makes them beside its other work.
 */
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "daemon/admin_handlers.h"
#include "daemon/admin_private.h"
#include "spool/spool_admin.h"
#include "spool/spool_export.h"
#include "spool/spool_query.h"

#define LIST_DEFAULT 100
#define LIST_MAX     1000
#define FOUND_MAX    20
#define BODY_MAX     (64u << 20)

/* One question on its way to the lane and back. */
struct question {
    struct admin_request *request;
    struct admin *admin;
    int (*ask)(struct question *question, struct spool_index *index, struct fault *fault);
    /* copies of what was asked, NULL when it was not */
    char *state, *upstream, *folder, *sender, *rule, *id;
    uint64_t limit, older_ms, uid;
    json_t *answer;
    struct buf body;
    struct fault fault;
};

static char *copy_query(const struct admin_request *request, const char *name)
{
    const char *text = admin_query(request, name);
    return text == NULL || text[0] == '\0' ? NULL : expect_strdup(text);
}

static void question_free(struct question *question)
{
    char *const texts[] = {question->state,  question->upstream, question->folder,
                           question->sender, question->rule,     question->id};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        free(texts[i]);
    }
    json_decref(question->answer);
    buf_done(&question->body);
    free(question);
}

/* ---- on the lane ---- */

static void on_lane(void *ctx)
{
    struct question *question = ctx;
    struct admin *admin = question->admin;
    if (admin->index == NULL && spool_export_open(&admin->index, admin->config->spool_path, &question->fault) < 0) {
        return;
    }
    question->ask(question, admin->index, &question->fault);
}

static int take_row(void *ctx, const json_t *object)
{
    struct question *question = ctx;
    json_array_append_new(json_object_get(question->answer, "deliveries"), json_deep_copy(object));
    return 0;
}

static int ask_list(struct question *question, struct spool_index *index, struct fault *fault)
{
    const struct spool_select select = {.id = question->id,
                                        .state = question->state,
                                        .upstream = question->upstream,
                                        .folder = question->folder,
                                        .sender = question->sender,
                                        .rule = question->rule,
                                        .before_ms = (int64_t)question->older_ms};
    json_t *summary = NULL;
    question->answer = json_pack("{s:[]}", "deliveries");
    if (spool_query_list(index, &select, question->limit, take_row, question, fault) != 0 ||
        spool_query_summary(index, &summary, fault) != 0) {
        return -1;
    }
    return json_object_set_new(question->answer, "summary", summary);
}

static int find(const struct question *question, struct spool_index *index, uint64_t *found, size_t limit,
                size_t *count_r, struct fault *fault)
{
    return question->id != NULL ? spool_query_find(index, question->id, found, limit, count_r, fault)
                                : spool_query_find_uid(index, question->upstream, question->folder,
                                                       (uint32_t)question->uid, found, limit, count_r, fault);
}

static int ask_why(struct question *question, struct spool_index *index, struct fault *fault)
{
    uint64_t found[FOUND_MAX];
    size_t count = 0;
    if (find(question, index, found, FOUND_MAX, &count, fault) != 0) {
        return -1;
    }
    json_t *stories = json_array();
    question->answer = json_pack("{s:o}", "messages", stories);
    for (size_t i = 0; i < count; i++) {
        json_t *story = NULL;
        if (spool_query_story(index, found[i], &story, fault) != 0) {
            return -1;
        }
        if (story != NULL) {
            json_array_append_new(stories, story);
        }
    }
    return 0;
}

static int take_piece(void *ctx, struct bytes piece)
{
    struct question *question = ctx;
    return buf_append_bytes(&question->body, piece);
}

static int ask_body(struct question *question, struct spool_index *index, struct fault *fault)
{
    uint64_t found;
    size_t count = 0;
    if (spool_query_find(index, question->id, &found, 1, &count, fault) != 0) {
        return -1;
    }
    if (count == 0) {
        fault_set(fault, FAULT_PERM, "unknown", question->id, "no such message is known");
        return -1;
    }
    return spool_export_body(question->admin->config->spool_path, index, found, take_piece, question, fault);
}

/* ---- back on the loop ---- */

static void on_answered(void *ctx)
{
    struct question *question = ctx;
    struct admin_request *request = question->request;
    if (fault_is_set(&question->fault)) {
        admin_answer_fault(request, &question->fault);
    } else if (question->answer != NULL) {
        admin_answer_json(request, 200, question->answer);
        question->answer = NULL;
    } else {
        /* Never shown as what it claims to be: a message may hold anything. */
        admin_answer_bytes(request, 200, "application/octet-stream", buf_bytes(&question->body));
    }
    question_free(question);
}

static struct question *question_new(struct admin_request *request,
                                     int (*ask)(struct question *, struct spool_index *, struct fault *))
{
    struct question *question = expect_calloc(1, sizeof *question);
    question->request = request;
    question->admin = request->admin;
    question->ask = ask;
    buf_init(&question->body, BODY_MAX);
    return question;
}

static void submit(struct question *question)
{
    net_lane_submit(question->admin->lane, on_lane, on_answered, question);
}

void admin_get_queue(struct admin_request *request)
{
    const char *state = admin_query(request, "state");
    if (state != NULL && state[0] != '\0' && spool_state_of(state) < 0) {
        admin_answer_error(request, 400, "state", "\"%s\" is no state: waiting, held, dead, filed or dropped", state);
        return;
    }
    struct question *question = question_new(request, ask_list);
    question->state = copy_query(request, "state");
    question->upstream = copy_query(request, "upstream");
    question->folder = copy_query(request, "folder");
    question->sender = copy_query(request, "sender");
    question->rule = copy_query(request, "rule");
    question->id = copy_query(request, "id");
    question->limit = admin_query_number(request, "limit", LIST_DEFAULT, LIST_MAX);
    question->older_ms = admin_query_number(request, "before_ms", 0, INT64_MAX);
    submit(question);
}

void admin_get_why(struct admin_request *request)
{
    const char *id = admin_query(request, "id");
    uint64_t uid = admin_query_number(request, "uid", 0, UINT32_MAX);
    if (id == NULL &&
        (uid == 0 || admin_query(request, "upstream") == NULL || admin_query(request, "folder") == NULL)) {
        admin_answer_error(
            request, 400, "query",
            "ask by \"id\" (a message's, a delivery's, a Message-ID), or by \"upstream\", \"folder\" and \"uid\"");
        return;
    }
    struct question *question = question_new(request, ask_why);
    question->id = copy_query(request, "id");
    question->upstream = copy_query(request, "upstream");
    question->folder = copy_query(request, "folder");
    question->uid = uid;
    submit(question);
}

void admin_get_message(struct admin_request *request)
{
    struct question *question = question_new(request, ask_body);
    question->id = expect_strdup(request->parameter);
    submit(question);
}

/* ---- changes ---- */

static void on_changed(void *ctx, const char *reply)
{
    struct admin_request *request = ctx;
    json_t *json = json_loads(reply, 0, NULL);
    const char *error = json_string_value(json_object_get(json, "error"));
    const char *code = json_string_value(json_object_get(json, "code"));
    if (json == NULL || error != NULL) {
        bool usage = code != NULL && strcmp(code, "usage") == 0;
        admin_answer_error(request, usage ? 400 : 503, code == NULL ? "spool" : code, "%s",
                           error == NULL ? reply : error);
    } else {
        admin_answer_json(request, 200, json_incref(json));
    }
    json_decref(json);
}

/* Takes the command. */
static void change(struct admin_request *request, json_t *command)
{
    json_object_set_new(command, "by", json_string("api"));
    char *text = json_dumps(command, JSON_COMPACT);
    log_event(request->admin->log, LOG_LEVEL_INFO, "queue_command", LOG_STR("command", text));
    spool_admin_request(gateway_spool(request->admin->gateway), text, on_changed, request);
    free(text);
    json_decref(command);
}

static bool is_verb(const char *verb)
{
    static const char *const verbs[] = {"retry", "hold", "release", "drop", NULL};
    for (size_t i = 0; verb != NULL && verbs[i] != NULL; i++) {
        if (strcmp(verb, verbs[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* {"verb": "retry", "select": {"state": "dead", "upstream": "corp"}} */
void admin_post_queue(struct admin_request *request)
{
    json_t *body = admin_body(request);
    if (body == NULL) {
        return;
    }
    const char *verb = json_string_value(json_object_get(body, "verb"));
    json_t *select = json_object_get(body, "select");
    if (!is_verb(verb)) {
        admin_answer_error(request, 400, "verb", "\"verb\" must be retry, hold, release or drop");
    } else if (!json_is_object(select) || json_object_size(select) == 0) {
        /* All of the queue at once is asked for by name, never by leaving something out. */
        admin_answer_error(
            request, 400, "select",
            "\"select\" must choose: by id, message_id, state, upstream, folder, from, rule, before_ms or tried");
    } else {
        change(request, json_pack("{s:s,s:O}", "verb", verb, "select", select));
    }
    json_decref(body);
}

static bool is_upstream(const struct admin *admin, const char *name)
{
    const struct config *config = gateway_config(admin->gateway);
    for (size_t i = 0; i < config->upstreams.count; i++) {
        if (strcmp(config_upstream_at(config, i)->name, name) == 0) {
            return true;
        }
    }
    return false;
}

static void pause_or_resume(struct admin_request *request, const char *verb)
{
    if (!is_upstream(request->admin, request->parameter)) {
        admin_answer_error(request, 404, "unknown", "there is no upstream \"%s\"", request->parameter);
    } else {
        change(request, json_pack("{s:s,s:s}", "verb", verb, "upstream", request->parameter));
    }
}

void admin_post_pause(struct admin_request *request)
{
    pause_or_resume(request, "pause");
}

void admin_post_resume(struct admin_request *request)
{
    pause_or_resume(request, "resume");
}
