/*
 * admin_find - one search for every message, filed, waiting, held, dead or refused; and forgetting a person.
 *
 * What the store keeps is searched on the admin server's lane. Refusals are a ring in memory, at most
 * RECEPTION_REFUSALS_MAX
 * of them, and are looked at on the loop when the store has answered. Both answer newest first; a page takes
 * from both.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "admin/admin_handlers.h"
#include "admin/admin_private.h"
#include "base/expect.h"
#include "document/document_member.h"
#include "spool/spool_change.h"
#include "spool/spool_query.h"

#define PAGE_DEFAULT 50
#define PAGE_MAX     1000
/* What one request looks at, a message and its envelope being one each: a search that finds little answers all the
 * same, and says where it goes on. */
#define LOOK 12000
/* Where the store goes on when it has no more. */
#define STORE_END   1
#define ADDRESS_MAX 320
/* Octets of arena that one refusal may take as a message. */
#define REFUSAL_MAX (1u << 20)

struct finding {
    struct admin_request *request;
    struct admin *admin;
    struct arena *arena;
    struct mail_query query;
    struct store_search search; /* for one more than the page takes, which tells that there is more */
    uint64_t limit;             /* of the page */
    int64_t refused_until_ms;   /* refusals of then or before */
    uint64_t refused_given;     /* of those of that very millisecond, so many are in the pages before */
    json_t *hits;               /* of the store */
    struct fault fault;
};

static void finding_free(struct finding *finding)
{
    json_decref(finding->hits);
    arena_free(&finding->arena);
    free(finding);
}

/* ---- refusals ---- */

static const char *text_of(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

/* The strings of a list, by reference; in the arena. */
static const char *const *texts_of(const json_t *object, const char *name, struct arena *arena, size_t *count_r)
{
    const json_t *list = json_object_get(object, name);
    const char **texts = arena_array(arena, json_array_size(list) + 1, sizeof *texts);
    *count_r = texts == NULL ? 0 : json_array_size(list);
    for (size_t i = 0; i < *count_r; i++) {
        const char *text = json_string_value(json_array_get(list, i));
        texts[i] = text == NULL ? "" : text;
    }
    return texts;
}

/* A refusal as the message that it would have been. */
static struct mail_envelope envelope_of(const json_t *refusal, struct arena *arena)
{
    const char *from = document_member_text(refusal, "from"), *to = text_of(refusal, "to");
    struct mail_envelope envelope = {
        .id = document_member_text(refusal, "id"),
        .received_ms = json_integer_value(json_object_get(refusal, "time_ms")),
        .from = strcmp(from, "<>") == 0 ? "" : from,
        .message_id = text_of(refusal, "message_id"),
        .subject = text_of(refusal, "subject"),
        .client = {.address = text_of(refusal, "client.address"),
                   .listener = text_of(refusal, "listener"),
                   .user = text_of(refusal, "user")},
    };
    size_t count;
    const char *const *recipients = texts_of(refusal, "recipients", arena, &count);
    struct mail_recipient *list = arena_array(arena, count + 1, sizeof *list);
    envelope.header_from = texts_of(refusal, "header_from", arena, &envelope.header_from_count);
    envelope.header_to = texts_of(refusal, "header_to", arena, &envelope.header_to_count);
    for (size_t i = 0; list != NULL && i < count; i++) {
        list[envelope.to_count++] = (struct mail_recipient){.address = recipients[i]};
    }
    if (list != NULL && count == 0 && to != NULL) {
        list[envelope.to_count++] = (struct mail_recipient){.address = to};
    }
    envelope.to = list;
    return envelope;
}

static bool refusal_fits(const struct finding *finding, const json_t *refusal)
{
    struct arena *arena = arena_new(REFUSAL_MAX);
    const struct mail_envelope envelope = envelope_of(refusal, arena);
    bool fits = envelope.received_ms <= finding->refused_until_ms && mail_query_fits(&finding->query, &envelope) &&
                mail_query_fits_delivery(&finding->query, MAIL_QUERY_REFUSED, "", "", text_of(refusal, "rule"));
    arena_free(&arena);
    return fits;
}

/* The same members as of a message that the store keeps. */
static json_t *refused_object(const json_t *refusal)
{
    static const char *const members[] = {"id",        "from",       "subject", "header_from",
                                          "header_to", "message_id", "listener"};
    json_t *object = json_object(), *to = json_object_get(refusal, "recipients");
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        json_object_set(object, members[i], json_object_get(refusal, members[i]));
    }
    json_object_set(object, "received_ms", json_object_get(refusal, "time_ms"));
    json_object_set(object, "client", json_object_get(refusal, "client.address"));
    json_object_set_new(object, "to",
                        json_is_array(to) ? json_incref(to) : json_pack("[O*]", json_object_get(refusal, "to")));
    json_object_set_new(object, "deliveries", json_array());
    json_object_set(object, "refusal", (json_t *)(uintptr_t)refusal);
    return object;
}

/* ---- one page of both ---- */

static int64_t time_of(const json_t *hit)
{
    return json_integer_value(json_object_get(hit, "received_ms"));
}

/* While the store has more, older refusals wait until it has come to their time. */
static int64_t horizon(const struct finding *finding)
{
    size_t count = json_array_size(finding->hits);
    return finding->search.next == 0 ? INT64_MIN
           : count == 0              ? INT64_MAX
                                     : time_of(json_array_get(finding->hits, count - 1));
}

struct page {
    json_t *list;
    uint64_t seq;     /* where the store goes on */
    int64_t until_ms; /* and the refusals: */
    uint64_t given;   /* behind so many of that millisecond */
    bool more;
};

static void take_refusal(struct page *page, const json_t *refusal)
{
    int64_t time_ms = json_integer_value(json_object_get(refusal, "time_ms"));
    page->given = time_ms == page->until_ms ? page->given + 1 : 1;
    page->until_ms = time_ms;
    json_array_append_new(page->list, refused_object(refusal));
}

/* Takes of the store's hits those that came after the time. */
static void take_hits(struct page *page, const struct finding *finding, size_t *taken, int64_t after_ms)
{
    size_t count = json_array_size(finding->hits);
    while (*taken < count && json_array_size(page->list) < finding->limit) {
        json_t *hit = json_array_get(finding->hits, *taken);
        if (time_of(hit) < after_ms) {
            return;
        }
        page->seq = (uint64_t)json_integer_value(json_object_get(hit, "seq"));
        json_array_append(page->list, hit);
        (*taken)++;
    }
}

static void merge(const struct finding *finding, struct page *page)
{
    json_t *refusals = reception_refusals_list(reception_refusals(gateway_smtpd(finding->admin->gateway)), NULL, NULL,
                                               RECEPTION_REFUSALS_MAX);
    int64_t oldest_ms = horizon(finding);
    size_t taken = 0, i;
    uint64_t given = finding->refused_given;
    const json_t *refusal;
    json_array_foreach(refusals, i, refusal)
    {
        int64_t time_ms = json_integer_value(json_object_get(refusal, "time_ms"));
        if (!refusal_fits(finding, refusal)) {
            continue;
        }
        if (time_ms == finding->refused_until_ms && given > 0) {
            given--;
            continue;
        }
        take_hits(page, finding, &taken, time_ms);
        page->more = time_ms < oldest_ms || json_array_size(page->list) == finding->limit;
        if (page->more) {
            break;
        }
        take_refusal(page, refusal);
    }
    take_hits(page, finding, &taken, INT64_MIN);
    if (taken < json_array_size(finding->hits)) {
        page->more = true;
    } else {
        page->seq = finding->search.next == 0 ? STORE_END : finding->search.next;
        page->more = page->more || finding->search.next != 0;
    }
    json_decref(refusals);
}

static void on_found(void *ctx)
{
    struct finding *finding = ctx;
    if (fault_is_set(&finding->fault) || finding->request->admin == NULL) {
        admin_answer_fault(finding->request, &finding->fault);
        finding_free(finding);
        return;
    }
    struct page page = {.list = json_array(),
                        .seq = finding->search.before,
                        .until_ms = finding->refused_until_ms,
                        .given = finding->refused_given};
    merge(finding, &page);
    json_t *next =
        page.more ? json_sprintf("%" PRIu64 ".%" PRId64 ".%" PRIu64, page.seq, page.until_ms, page.given) : json_null();
    admin_answer_json(finding->request, MHD_HTTP_OK, json_pack("{s:o, s:o}", "messages", page.list, "next", next));
    finding_free(finding);
}

/* ---- asking ---- */

static void on_lane(void *ctx)
{
    struct finding *finding = ctx;
    struct store *store = NULL;
    bool of_store = finding->search.before != STORE_END;
    bool any = false;
    for (int state = 0; state < STORE_STATES; state++) {
        any = any || mail_query_wants_state(&finding->query, store_state_name((enum store_state)state));
    }
    any = any || mail_query_wants_state(&finding->query, MAIL_QUERY_DISCARDED);
    if (!of_store || !any) {
        finding->hits = json_array();
    } else if ((store = admin_store(finding->admin, &finding->fault)) != NULL) {
        /* Without hits there is a fault, which is looked at on the loop. */
        disregard(spool_query_search(store, &finding->search, &finding->hits, &finding->fault));
    }
}

/* "<message>.<milliseconds>.<refusals>", as "next" says it; nothing is the beginning. */
static bool read_cursor(const char *text, struct finding *finding)
{
    uint64_t until_ms;
    finding->refused_until_ms = INT64_MAX;
    if (text == NULL || text[0] == '\0') {
        return true;
    }
    struct bytes rest = bytes_of(text);
    if (!bytes_to_u64(bytes_cut(&rest, '.'), &finding->search.before) ||
        !bytes_to_u64(bytes_cut(&rest, '.'), &until_ms) || !bytes_to_u64(rest, &finding->refused_given) ||
        until_ms > INT64_MAX || finding->search.before > INT64_MAX) {
        return false;
    }
    finding->refused_until_ms = (int64_t)until_ms;
    return true;
}

/* Whoever has a token of his own cannot say that he is somebody else. */
static const char *who_asks(const struct admin_request *request, const char *said)
{
    return request->who.named ? request->who.name : said == NULL || strlen(said) > 100 ? "api" : said;
}

void admin_get_find(struct admin_request *request)
{
    const char *text = admin_query(request, "q");
    struct finding *finding = expect_calloc(1, sizeof *finding);
    *finding = (struct finding){.request = request, .admin = request->admin, .arena = arena_new(STORE_CHUNK)};
    struct fault fault = FAULT_INIT;
    if (mail_query_read(text == NULL ? "" : text, net_wall(request->admin->loop), finding->arena, &finding->query,
                        &fault) != 0) {
        admin_answer_error(request, 400, fault.code, "%s", fault.text);
        finding_free(finding);
        return;
    }
    if (!read_cursor(admin_query(request, "after"), finding)) {
        admin_answer_error(request, 400, "after", "\"after\" must be the \"next\" of the answer before");
        finding_free(finding);
        return;
    }
    finding->search.query = &finding->query;
    finding->limit = admin_query_number(request, "limit", PAGE_DEFAULT, PAGE_MAX);
    finding->limit = finding->limit == 0 ? PAGE_DEFAULT : finding->limit;
    finding->search.limit = finding->limit + 1;
    finding->search.look = LOOK;
    /* Who reads what others wrote to each other can be found, too. */
    log_event(request->admin->log, LOG_LEVEL_INFO, "searched",
              LOG_STR("by", who_asks(request, admin_query(request, "by"))), LOG_STR("query", text == NULL ? "" : text));
    net_lane_submit(request->admin->lane, on_lane, on_found, finding);
}

/* ---- forgetting ---- */

static void forget_lines(struct admin *admin, const char *address)
{
    for (size_t i = 0; i < ADMIN_LINES; i++) {
        if (admin->lines[i] != NULL && mail_query_is_in(bytes_of(admin->lines[i]), address)) {
            json_t *line = json_loads(admin->lines[i], 0, NULL);
            json_t *rest =
                json_pack("{s:O*, s:O*, s:O*}", "@timestamp", json_object_get(line, "@timestamp"), "log.level",
                          json_object_get(line, "log.level"), "event.action", json_object_get(line, "event.action"));
            free(admin->lines[i]);
            admin->lines[i] = expect_memory(json_dumps(rest, JSON_COMPACT));
            json_decref(rest);
            json_decref(line);
        }
    }
}

struct forgetting {
    struct admin_request *request;
    char *address, *by;
};

static void forgetting_free(struct forgetting *forgetting)
{
    free(forgetting->address);
    free(forgetting->by);
    free(forgetting);
}

/* What an operator must still do himself: nobody shall believe that a person is forgotten who is not. */
static json_t *not_reached(uint64_t open)
{
    json_t *list = json_array();
    if (open > 0) {
        json_array_append_new(list, json_sprintf("%" PRIu64
                                                 " messages that name the address still wait, are held or are dead "
                                                 "letters: drop them, or run forget again when they are settled",
                                                 open));
    }
    json_array_append_new(
        list,
        json_string("the text of settled messages, until the segment file of the spool that holds it is deleted: "
                    "\"mailweir spool rebuild\" finds them again, and then the address must be forgotten once more"));
    json_array_append_new(list, json_string("mail filed in mailboxes, existing log files, exports, and backups"));
    return list;
}

static void on_forgotten(void *ctx, const struct spool_change_result *result, const struct fault *fault)
{
    struct forgetting *forgetting = ctx;
    struct admin_request *request = forgetting->request;
    if (fault != NULL || request->admin == NULL) {
        const struct fault ended = FAULT_INIT;
        admin_answer_fault(request, fault == NULL ? &ended : fault);
        forgetting_free(forgetting);
        return;
    }
    const struct gateway_forgotten memory = gateway_forget_address(request->admin->gateway, forgetting->address);
    forget_lines(request->admin, forgetting->address);
    /* Without the address: a log that names it would be one more place to clean. */
    log_event(request->admin->log, LOG_LEVEL_INFO, "forgot", LOG_STR("by", forgetting->by),
              LOG_INT("messages", result->changed), LOG_INT("refusals", memory.refusals),
              LOG_INT("recent", memory.recent), LOG_INT("open", result->busy));
    admin_answer_json(request, MHD_HTTP_OK,
                      json_pack("{s:I, s:I, s:I, s:I, s:o}", "messages", (json_int_t)result->changed, "refusals",
                                (json_int_t)memory.refusals, "recent", (json_int_t)memory.recent, "open",
                                (json_int_t)result->busy, "not_reached", not_reached(result->busy)));
    forgetting_free(forgetting);
}

void admin_post_forget(struct admin_request *request)
{
    json_t *body = admin_body(request);
    if (body == NULL) {
        return;
    }
    const char *address = text_of(body, "address");
    size_t len = address == NULL ? 0 : strlen(address);
    if (len == 0 || len > ADDRESS_MAX || bytes_find_octet(bytes_of(address), ' ') >= 0) {
        admin_answer_error(request, 400, "address", "\"address\" must be one whole address, such as anna@example.net");
    } else {
        struct forgetting *forgetting = expect_calloc(1, sizeof *forgetting);
        *forgetting = (struct forgetting){.request = request,
                                          .address = expect_strdup(address),
                                          .by = expect_strdup(who_asks(request, text_of(body, "by")))};
        spool_change_erase(gateway_spool(request->admin->gateway), address, on_forgotten, forgetting);
    }
    json_decref(body);
}
