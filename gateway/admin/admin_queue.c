/*
 * admin_queue - the queue over HTTP: what waits, a message's whole story and its octets; retry, hold, release, drop,
 * pause, resume.
 *
 * Questions read the spool's store through a connection of their own on a lane of their own, so that a long list holds
 * up neither the loop nor a commit. Changes go through the spool, which makes them beside its other work.
 */
#include <stdlib.h>
#include <string.h>

#include "admin/admin_handlers.h"
#include "admin/admin_private.h"
#include "base/expect.h"
#include "dispatch/dispatch_condition.h"
#include "spool/spool_admin.h"
#include "spool/spool_export.h"
#include "spool/spool_query.h"

#define LIST_DEFAULT 100
#define LIST_MAX     1000
#define FOUND_MAX    20
#define BY_MAX       100

/* One question on its way to the lane and back. */
struct question {
    struct admin_request *request;
    struct admin *admin;
    int (*ask)(struct question *question, struct store *store, struct fault *fault);
    /* copies of what was asked, NULL when it was not */
    char *state, *upstream, *folder, *sender, *rule, *id, *message_id, *to, *subject;
    struct store_key after;
    uint64_t limit, older_ms, since_ms, uid;
    bool newest;
    json_t *answer;
    struct fault fault;
};

static char *copy_query(const struct admin_request *request, const char *name)
{
    const char *text = admin_query(request, name);
    return text == NULL || text[0] == '\0' ? NULL : expect_strdup(text);
}

static void question_free(struct question *question)
{
    char *const texts[] = {question->state, question->upstream,   question->folder, question->sender, question->rule,
                           question->id,    question->message_id, question->to,     question->subject};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        free(texts[i]);
    }
    json_decref(question->answer);
    free(question);
}

/* ---- on the lane ---- */

static void on_lane(void *ctx)
{
    struct question *question = ctx;
    struct store *store = admin_store(question->admin, &question->fault);
    if (store != NULL) {
        question->ask(question, store, &question->fault);
    }
}

static int take_row(void *ctx, const json_t *object)
{
    struct question *question = ctx;
    json_t *rows = json_object_get(question->answer, "deliveries");
    if (json_array_size(rows) == question->limit) {
        const json_t *last = json_array_get(rows, json_array_size(rows) - 1);
        json_object_set_new(question->answer, "next",
                            json_sprintf("%" JSON_INTEGER_FORMAT ".%" JSON_INTEGER_FORMAT,
                                         json_integer_value(json_object_get(last, "seq")),
                                         json_integer_value(json_object_get(last, "number"))));
        return 1;
    }
    json_array_append_new(rows, json_deep_copy(object));
    return 0;
}

static int ask_list(struct question *question, struct store *store, struct fault *fault)
{
    const struct store_select select = {.id = question->id,
                                        .state = question->state,
                                        .upstream = question->upstream,
                                        .folder = question->folder,
                                        .sender = question->sender,
                                        .rule = question->rule,
                                        .message_id = question->message_id,
                                        .after = question->after,
                                        .to = question->to,
                                        .subject = question->subject,
                                        .newest = question->newest,
                                        .since_ms = (int64_t)question->since_ms,
                                        .before_ms = (int64_t)question->older_ms};
    json_t *summary = NULL;
    question->answer = json_pack("{s:[],s:n}", "deliveries", "next");
    if (spool_query_list(store, &select, question->limit + 1, take_row, question, fault) != 0 ||
        spool_query_summary(store, &summary, fault) != 0) {
        return -1;
    }
    return json_object_set_new(question->answer, "summary", summary);
}

static int find_deliveries(const struct question *question, struct store *store, uint64_t *found, size_t limit,
                           size_t *count_r, struct fault *fault)
{
    return question->id != NULL ? spool_query_find(store, question->id, found, limit, count_r, fault)
                                : spool_query_find_uid(store, question->upstream, question->folder,
                                                       (uint32_t)question->uid, found, limit, count_r, fault);
}

static int ask_why(struct question *question, struct store *store, struct fault *fault)
{
    uint64_t found[FOUND_MAX];
    size_t count = 0;
    if (find_deliveries(question, store, found, FOUND_MAX, &count, fault) != 0) {
        return -1;
    }
    json_t *stories = json_array();
    question->answer = json_pack("{s:o}", "messages", stories);
    for (size_t i = 0; i < count; i++) {
        json_t *story = NULL;
        if (spool_query_story(store, found[i], &story, fault) != 0) {
            return -1;
        }
        if (story != NULL) {
            json_array_append_new(stories, story);
        }
    }
    return 0;
}

static int ask_facts(struct question *question, struct store *store, struct fault *fault)
{
    uint64_t found;
    size_t count = 0;
    if (spool_query_find(store, question->id, &found, 1, &count, fault) != 0) {
        return -1;
    }
    if (count == 0) {
        fault_set(fault, FAULT_PERM, "unknown", question->id, "no message with this id is known");
        return -1;
    }
    return spool_query_facts(store, found, &question->answer, fault);
}

/* ---- back on the loop ---- */

static void on_answered(void *ctx)
{
    struct question *question = ctx;
    struct admin_request *request = question->request;
    if (fault_is_set(&question->fault)) {
        admin_answer_fault(request, &question->fault);
    } else {
        admin_answer_json(request, 200, json_incref(question->answer));
    }
    question_free(question);
}

static struct question *question_new(struct admin_request *request,
                                     int (*ask)(struct question *, struct store *, struct fault *))
{
    struct question *question = expect_calloc(1, sizeof *question);
    question->request = request;
    question->admin = request->admin;
    question->ask = ask;
    return question;
}

static void submit_question(struct question *question)
{
    net_lane_submit(question->admin->lane, on_lane, on_answered, question);
}

/* "<message>.<number>", as "next" says it; nothing is the beginning. */
static bool read_key(const char *text, struct store_key *key_r)
{
    uint64_t number;
    if (text == NULL || text[0] == '\0') {
        return true;
    }
    struct bytes rest = bytes_of(text);
    if (!bytes_to_u64(bytes_cut(&rest, '.'), &key_r->message) || !bytes_to_u64(rest, &number) || number > INT32_MAX) {
        return false;
    }
    key_r->number = (unsigned)number;
    return true;
}

void admin_get_queue(struct admin_request *request)
{
    const char *state = admin_query(request, "state"), *order = admin_query(request, "order");
    if (state != NULL && state[0] != '\0' && store_state_of(state) < 0) {
        admin_answer_error(request, 400, "state", "\"%s\" is no state: " STORE_STATE_WORDS, state);
        return;
    }
    struct store_key after = {0};
    if (!read_key(admin_query(request, "after"), &after)) {
        admin_answer_error(request, 400, "after", "\"after\" must be the \"next\" of the answer before");
        return;
    }
    struct question *question = question_new(request, ask_list);
    question->after = after;
    question->message_id = copy_query(request, "message_id");
    question->state = copy_query(request, "state");
    question->upstream = copy_query(request, "upstream");
    question->folder = copy_query(request, "folder");
    question->sender = copy_query(request, "sender");
    question->rule = copy_query(request, "rule");
    question->id = copy_query(request, "id");
    question->limit = admin_query_number(request, "limit", LIST_DEFAULT, LIST_MAX);
    question->to = copy_query(request, "to");
    question->subject = copy_query(request, "subject");
    question->newest = order != NULL && strcmp(order, "newest") == 0;
    question->since_ms = admin_query_number(request, "since_ms", 0, INT64_MAX);
    question->older_ms = admin_query_number(request, "before_ms", 0, INT64_MAX);
    submit_question(question);
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
    submit_question(question);
}

void admin_get_facts(struct admin_request *request)
{
    struct question *question = question_new(request, ask_facts);
    question->id = expect_strdup(request->parameter);
    submit_question(question);
}

/* ---- changes ---- */

/* An upstream that nobody had paused, but that waits for another reason: whoever says "resume" has it tried at once. */
static void tell_tried(const struct admin *admin, const char *name, json_t *answer)
{
    const struct dispatch *dispatch = gateway_dispatch(admin->gateway);
    struct dispatch_state state;
    for (size_t i = 0; i < dispatch_upstream_count(dispatch); i++) {
        dispatch_state(dispatch, i, &state);
        enum dispatch_condition condition = dispatch_condition_of(&state);
        if (strcmp(state.config->name, name) == 0 && condition != DISPATCH_OPEN) {
            json_object_set_new(
                answer, "note",
                json_sprintf("%s was not paused by anybody: its state is \"%s\", and the gateway tries it "
                             "again now",
                             name, dispatch_condition_name(condition)));
        }
    }
}

static void on_changed(void *ctx, const json_t *reply)
{
    struct admin_request *request = ctx;
    const char *resumed = json_string_value(json_object_get(reply, "resumed"));
    const char *error = json_string_value(json_object_get(reply, "error"));
    const char *code = json_string_value(json_object_get(reply, "code"));
    if (error != NULL) {
        bool usage = code != NULL && strcmp(code, "usage") == 0;
        admin_answer_error(request, usage ? 400 : 503, code == NULL ? "spool" : code, "%s", error);
    } else {
        json_t *answer = json_deep_copy(reply);
        if (resumed != NULL) {
            tell_tried(request->admin, resumed, answer);
        }
        admin_answer_json(request, 200, answer);
    }
}

/* Who asks, for the history: the command line says its user's name. */
static const char *who_changes(const struct admin_request *request, const json_t *body)
{
    if (request->who.named) {
        return request->who.name; /* whoever has a token of his own cannot say that he is somebody else */
    }
    const char *by = json_string_value(json_object_get(body, "by"));
    return by == NULL || strlen(by) > BY_MAX ? "api" : by;
}

/* Takes the command. */
static void change_deliveries(struct admin_request *request, const json_t *body, json_t *command)
{
    json_object_set_new(command, "by", json_string(who_changes(request, body)));
    char *text = json_dumps(command, JSON_COMPACT);
    log_event(request->admin->log, LOG_LEVEL_INFO, "queue_command", LOG_STR("request", text));
    free(text);
    spool_admin_request(gateway_spool(request->admin->gateway), command, on_changed, request);
    json_decref(command);
}

static void reroute_messages(struct admin_request *request, json_t *body)
{
    struct store_select select;
    struct fault fault = FAULT_INIT;
    if (spool_select_from_json(json_object_get(body, "select"), &select, &fault) != 0) {
        admin_answer_error(request, 400, fault.code, "%s", fault.text);
    } else if (!read_key(json_string_value(json_object_get(body, "after")), &select.after)) {
        admin_answer_error(request, 400, "after", "\"after\" must be the \"next\" of the answer before");
    } else {
        admin_reroute(request, body, &select, who_changes(request, body));
    }
}

/* All of the queue at once is asked for by name, never by leaving something out. */
static bool is_chosen(struct admin_request *request, json_t *body)
{
    const json_t *select = json_object_get(body, "select");
    bool chosen =
        json_is_object(select) && (json_object_size(select) > 0 || json_is_true(json_object_get(body, "all")));
    if (!chosen) {
        struct buf names;
        buf_init(&names, 300);
        spool_select_names(&names);
        admin_answer_error(request, 400, "select", "\"select\" must choose: by %s; or it is empty and \"all\" is true",
                           buf_text(&names));
        buf_done(&names);
    }
    return chosen;
}

/* {"verb": "retry", "select": {"state": "dead", "upstream": "corp"}} */
static void choose_and_change(struct admin_request *request, json_t *body, const char *verb)
{
    if (is_chosen(request, body)) {
        change_deliveries(request, body,
                          json_pack("{s:s,s:O,s:b}", "verb", verb, "select", json_object_get(body, "select"), "again",
                                    json_is_true(json_object_get(body, "again"))));
    }
}

static void choose_and_reroute(struct admin_request *request, json_t *body, const char *verb)
{
    (void)verb;
    if (is_chosen(request, body)) {
        reroute_messages(request, body);
    }
}

static void import_messages(struct admin_request *request, json_t *body, const char *verb)
{
    change_deliveries(request, body,
                      json_pack("{s:s,s:O*}", "verb", verb, "messages", json_object_get(body, "messages")));
}

static bool is_upstream(const struct admin *admin, const char *name)
{
    const struct config *config = gateway_config(admin->gateway); /* a reload brings others */
    for (size_t i = 0; i < config->upstreams.count; i++) {
        if (strcmp(config_upstream_at(config, i)->name, name) == 0) {
            return true;
        }
    }
    return false;
}

/* upstream NULL: all of them. */
static void pause_or_resume(struct admin_request *request, const json_t *body, const char *verb, const char *upstream)
{
    if (upstream != NULL && !is_upstream(request->admin, upstream)) {
        admin_answer_error(request, 404, "unknown", "there is no upstream \"%s\"", upstream);
    } else {
        change_deliveries(request, body, json_pack("{s:s,s:s*}", "verb", verb, "upstream", upstream));
    }
}

static void pause_one_or_all(struct admin_request *request, json_t *body, const char *verb)
{
    pause_or_resume(request, body, verb, json_string_value(json_object_get(body, "upstream")));
}

static const struct {
    const char *name;
    void (*run)(struct admin_request *request, json_t *body, const char *verb);
} verbs[] = {
    {"retry", choose_and_change}, {"hold", choose_and_change},     {"release", choose_and_change},
    {"drop", choose_and_change},  {"reroute", choose_and_reroute}, {"import", import_messages},
    {"pause", pause_one_or_all},  {"resume", pause_one_or_all},
};
#define VERBS (sizeof verbs / sizeof verbs[0])

void admin_post_queue(struct admin_request *request)
{
    json_t *body = admin_body(request);
    if (body == NULL) {
        return;
    }
    const char *verb = json_string_value(json_object_get(body, "verb"));
    size_t at = 0;
    while (at < VERBS && (verb == NULL || strcmp(verbs[at].name, verb) != 0)) {
        at++;
    }
    if (at < VERBS) {
        verbs[at].run(request, body, verb);
    } else {
        admin_answer_choice(request, "verb", &verbs[0].name, sizeof verbs[0], VERBS);
    }
    json_decref(body);
}

void admin_post_pause(struct admin_request *request)
{
    pause_or_resume(request, NULL, "pause", request->parameter);
}

void admin_post_resume(struct admin_request *request)
{
    pause_or_resume(request, NULL, "resume", request->parameter);
}
