/*
 * store_meta - writing by hand, because every message passes here; reading by jansson. See store_meta.h.
 */
#include "store/store_meta.h"

#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#include "base/log.h"

/* ---- writing ---- */

static void write_name(struct buf *out, const char *name)
{
    uint8_t last = buf_bytes(out).ptr[out->len - 1];
    if (last != '{' && last != '[') {
        buf_append_octet(out, ',');
    }
    buf_append_octet(out, '"');
    buf_append_text(out, name);
    buf_append_text(out, "\":");
}

static void write_string(struct buf *out, const char *text)
{
    buf_append_octet(out, '"');
    log_json_escape(out, bytes_of(text));
    buf_append_octet(out, '"');
}

static void write_text(struct buf *out, const char *name, const char *text)
{
    if (text != NULL) {
        write_name(out, name);
        write_string(out, text);
    }
}

static void write_number(struct buf *out, const char *name, int64_t number)
{
    if (number != 0) {
        write_name(out, name);
        buf_printf(out, "%" PRId64, number);
    }
}

static void write_true(struct buf *out, const char *name, bool value)
{
    if (value) {
        write_name(out, name);
        buf_append_text(out, "true");
    }
}

static void write_texts(struct buf *out, const char *name, const char *const *texts, size_t count)
{
    if (count == 0) {
        return;
    }
    write_name(out, name);
    buf_append_octet(out, '[');
    for (size_t i = 0; i < count; i++) {
        if (i > 0) {
            buf_append_octet(out, ',');
        }
        write_string(out, texts[i]);
    }
    buf_append_octet(out, ']');
}

static void write_client(struct buf *out, const struct mail_client *client)
{
    write_name(out, "client");
    buf_append_octet(out, '{');
    write_text(out, "listener", client->listener);
    write_text(out, "address", client->address);
    write_number(out, "port", client->port);
    write_text(out, "helo", client->helo);
    write_text(out, "protocol", client->protocol);
    write_text(out, "tls_version", client->tls_version);
    write_text(out, "tls_cipher", client->tls_cipher);
    write_text(out, "tls_peer", client->tls_peer);
    write_text(out, "user", client->user);
    buf_append_octet(out, '}');
}

static void write_recipients(struct buf *out, const struct mail_envelope *envelope)
{
    write_name(out, "to");
    buf_append_octet(out, '[');
    for (size_t i = 0; i < envelope->to_count; i++) {
        buf_append_text(out, i > 0 ? ",{" : "{");
        write_text(out, "address", envelope->to[i].address);
        write_text(out, "notify", envelope->to[i].notify);
        write_text(out, "orcpt", envelope->to[i].orcpt);
        buf_append_octet(out, '}');
    }
    buf_append_octet(out, ']');
}

void store_meta_write_envelope(struct buf *out, const struct mail_envelope *envelope)
{
    buf_append_octet(out, '{');
    write_text(out, "id", envelope->id);
    write_number(out, "received_ms", envelope->received_ms);
    write_text(out, "hostname", envelope->hostname);
    write_client(out, &envelope->client);
    write_text(out, "from", envelope->from);
    write_recipients(out, envelope);
    write_number(out, "body", envelope->body);
    write_true(out, "smtputf8", envelope->smtputf8);
    write_true(out, "requiretls", envelope->requiretls);
    write_text(out, "envid", envelope->envid);
    write_text(out, "ret", envelope->ret);
    write_text(out, "message_id", envelope->message_id);
    write_texts(out, "rules", envelope->rules, envelope->rule_count);
    write_texts(out, "tried", envelope->tried, envelope->tried_count);
    if (envelope->shape.longest_line > MAIL_LINE_MAX) {
        write_number(out, "longest_line", (int64_t)envelope->shape.longest_line);
    }
    write_true(out, "header_8bit", envelope->shape.header_8bit);
    buf_append_octet(out, '}');
}

static void write_edits(struct buf *out, const struct mail_delivery *delivery)
{
    if (delivery->edit_count == 0) {
        return;
    }
    write_name(out, "edits");
    buf_append_octet(out, '[');
    for (size_t i = 0; i < delivery->edit_count; i++) {
        buf_append_text(out, i > 0 ? ",{" : "{");
        write_number(out, "kind", delivery->edits[i].kind);
        write_text(out, "field", delivery->edits[i].field);
        write_text(out, "value", delivery->edits[i].value);
        buf_append_octet(out, '}');
    }
    buf_append_octet(out, ']');
}

void store_meta_write_delivery(struct buf *out, const struct mail_delivery *delivery)
{
    buf_append_octet(out, '{');
    write_number(out, "number", delivery->number);
    write_text(out, "upstream", delivery->upstream);
    write_text(out, "fallback", delivery->fallback);
    write_text(out, "instead_of", delivery->instead_of);
    write_text(out, "folder", delivery->folder);
    write_texts(out, "flags", delivery->flags, delivery->flag_count);
    write_number(out, "date_ms", delivery->date_ms);
    write_text(out, "rule", delivery->rule);
    write_texts(out, "recipients", delivery->recipients, delivery->recipient_count);
    write_edits(out, delivery);
    write_true(out, "held", delivery->held);
    buf_append_octet(out, '}');
}

/* ---- reading ---- */

/* One pass over an object: the first thing that is missing, of the wrong kind or too large is kept in `failure`. */
struct reader {
    struct arena *arena;
    const char *failure;
};

static const char *keep_text(struct reader *reader, const json_t *value)
{
    const char *text = json_string_value(value);
    if (text == NULL) {
        reader->failure = "damaged";
        return NULL;
    }
    const char *copy = arena_copy(reader->arena, bytes_at(text, json_string_length(value)));
    if (copy == NULL) {
        reader->failure = "too-large";
    }
    return copy;
}

static const char *read_text(struct reader *reader, const json_t *object, const char *name)
{
    json_t *value = json_object_get(object, name);
    return value == NULL ? NULL : keep_text(reader, value);
}

/* A member that must be there. */
static const char *need_text(struct reader *reader, const json_t *object, const char *name)
{
    if (json_object_get(object, name) == NULL) {
        reader->failure = "damaged";
        return "";
    }
    return read_text(reader, object, name);
}

static int64_t read_number(struct reader *reader, const json_t *object, const char *name, int64_t most)
{
    int64_t number = json_integer_value(json_object_get(object, name));
    if (number < 0 || number > most) {
        reader->failure = "damaged";
        return 0;
    }
    return number;
}

static bool read_true(const json_t *object, const char *name)
{
    return json_is_true(json_object_get(object, name));
}

/* Room for the items of an array member, and how many; NULL when there are none or no room. */
static void *read_array(struct reader *reader, const json_t *object, const char *name, size_t size, size_t *count_r)
{
    *count_r = json_array_size(json_object_get(object, name));
    if (*count_r == 0) {
        return NULL;
    }
    void *items = arena_array(reader->arena, *count_r, size);
    if (items == NULL) {
        reader->failure = "too-large";
        *count_r = 0;
    }
    return items;
}

static const char *const *read_texts(struct reader *reader, const json_t *object, const char *name, size_t *count_r)
{
    const char **texts = read_array(reader, object, name, sizeof *texts, count_r);
    for (size_t i = 0; i < *count_r; i++) {
        texts[i] = keep_text(reader, json_array_get(json_object_get(object, name), i));
    }
    return texts;
}

static void read_client(struct reader *reader, const json_t *object, struct mail_client *client)
{
    client->listener = read_text(reader, object, "listener");
    client->address = read_text(reader, object, "address");
    client->port = (uint16_t)read_number(reader, object, "port", UINT16_MAX);
    client->helo = read_text(reader, object, "helo");
    client->protocol = read_text(reader, object, "protocol");
    client->tls_version = read_text(reader, object, "tls_version");
    client->tls_cipher = read_text(reader, object, "tls_cipher");
    client->tls_peer = read_text(reader, object, "tls_peer");
    client->user = read_text(reader, object, "user");
}

static void read_recipients(struct reader *reader, const json_t *object, struct mail_envelope *envelope)
{
    envelope->to = read_array(reader, object, "to", sizeof *envelope->to, &envelope->to_count);
    for (size_t i = 0; i < envelope->to_count; i++) {
        const json_t *item = json_array_get(json_object_get(object, "to"), i);
        envelope->to[i].address = need_text(reader, item, "address");
        envelope->to[i].notify = read_text(reader, item, "notify");
        envelope->to[i].orcpt = read_text(reader, item, "orcpt");
    }
}

static void read_envelope(struct reader *reader, const json_t *object, struct mail_envelope *envelope)
{
    envelope->id = need_text(reader, object, "id");
    envelope->received_ms = read_number(reader, object, "received_ms", INT64_MAX);
    envelope->hostname = read_text(reader, object, "hostname");
    read_client(reader, json_object_get(object, "client"), &envelope->client);
    envelope->from = need_text(reader, object, "from");
    read_recipients(reader, object, envelope);
    envelope->body = (enum mail_body)read_number(reader, object, "body", MAIL_BODY_BINARYMIME);
    envelope->smtputf8 = read_true(object, "smtputf8");
    envelope->requiretls = read_true(object, "requiretls");
    envelope->envid = read_text(reader, object, "envid");
    envelope->ret = read_text(reader, object, "ret");
    envelope->message_id = read_text(reader, object, "message_id");
    envelope->rules = read_texts(reader, object, "rules", &envelope->rule_count);
    envelope->tried = read_texts(reader, object, "tried", &envelope->tried_count);
    envelope->shape.longest_line = (uint64_t)read_number(reader, object, "longest_line", INT64_MAX);
    envelope->shape.header_8bit = read_true(object, "header_8bit");
}

static void read_edits(struct reader *reader, const json_t *object, struct mail_delivery *delivery)
{
    struct mail_edit *edits = read_array(reader, object, "edits", sizeof *edits, &delivery->edit_count);
    for (size_t i = 0; i < delivery->edit_count; i++) {
        const json_t *item = json_array_get(json_object_get(object, "edits"), i);
        edits[i].kind = (int)read_number(reader, item, "kind", MAIL_EDIT_REPLACE);
        edits[i].field = need_text(reader, item, "field");
        edits[i].value = read_text(reader, item, "value");
    }
    delivery->edits = edits;
}

static void read_delivery(struct reader *reader, const json_t *object, struct mail_delivery *delivery)
{
    delivery->number = (unsigned)read_number(reader, object, "number", UINT16_MAX);
    delivery->upstream = need_text(reader, object, "upstream");
    delivery->fallback = read_text(reader, object, "fallback");
    delivery->instead_of = read_text(reader, object, "instead_of");
    delivery->folder = need_text(reader, object, "folder");
    delivery->flags = read_texts(reader, object, "flags", &delivery->flag_count);
    delivery->date_ms = read_number(reader, object, "date_ms", INT64_MAX);
    delivery->rule = read_text(reader, object, "rule");
    delivery->recipients = read_texts(reader, object, "recipients", &delivery->recipient_count);
    read_edits(reader, object, delivery);
    delivery->held = read_true(object, "held");
}

static json_t *parse(struct bytes json, struct fault *fault)
{
    json_error_t error;
    json_t *root = json_loadb((const char *)json.ptr, json.len, 0, &error);
    if (root == NULL) {
        fault_set(fault, FAULT_LOCAL, "damaged", "spool", "stored facts of a message are not JSON: %s", error.text);
    }
    return root;
}

/* Frees the document; 0, or -1 with the fault when the reader met a failure. */
static int finish(const struct reader *reader, json_t *root, struct fault *fault)
{
    json_decref(root);
    if (reader->failure != NULL) {
        fault_set(fault, FAULT_LOCAL, reader->failure, "spool", "stored facts of a message cannot be read");
        return -1;
    }
    return 0;
}

int store_meta_read_envelope(struct bytes json, struct arena *arena, struct mail_envelope *envelope_r,
                             struct fault *fault)
{
    json_t *root = parse(json, fault);
    if (root == NULL) {
        return -1;
    }
    struct reader reader = {.arena = arena};
    struct mail_envelope envelope = {0};
    read_envelope(&reader, root, &envelope);
    if (finish(&reader, root, fault) != 0) {
        return -1;
    }
    *envelope_r = envelope;
    return 0;
}

int store_meta_read_delivery(struct bytes json, struct arena *arena, struct mail_delivery *delivery_r,
                             struct fault *fault)
{
    json_t *root = parse(json, fault);
    if (root == NULL) {
        return -1;
    }
    struct reader reader = {.arena = arena};
    struct mail_delivery delivery = {0};
    read_delivery(&reader, root, &delivery);
    if (finish(&reader, root, fault) != 0) {
        return -1;
    }
    *delivery_r = delivery;
    return 0;
}

int store_meta_read(struct bytes json, struct arena *arena, struct mail_envelope *envelope_r,
                    struct mail_delivery **deliveries_r, size_t *count_r, struct fault *fault)
{
    json_t *root = parse(json, fault);
    if (root == NULL) {
        return -1;
    }
    struct reader reader = {.arena = arena};
    struct mail_envelope envelope = {0};
    size_t count;
    read_envelope(&reader, json_object_get(root, "envelope"), &envelope);
    struct mail_delivery *deliveries = read_array(&reader, root, "deliveries", sizeof *deliveries, &count);
    for (size_t i = 0; i < count; i++) {
        read_delivery(&reader, json_array_get(json_object_get(root, "deliveries"), i), &deliveries[i]);
    }
    if (finish(&reader, root, fault) != 0) {
        return -1;
    }
    *envelope_r = envelope;
    *deliveries_r = deliveries;
    *count_r = count;
    return 0;
}

/* ---- copying ---- */

/* Copies *text in place; NULL stays NULL. Returns whether there was room. */
static bool copy_text(struct arena *arena, const char **text)
{
    if (*text == NULL) {
        return true;
    }
    *text = arena_text(arena, *text);
    return *text != NULL;
}

static bool copy_texts(struct arena *arena, const char *const **texts, size_t count)
{
    const char **copy = arena_array(arena, count, sizeof *copy);
    bool ok = copy != NULL;
    for (size_t i = 0; ok && i < count; i++) {
        copy[i] = (*texts)[i];
        ok = copy_text(arena, &copy[i]);
    }
    *texts = copy;
    return ok;
}

static bool copy_client(struct arena *arena, struct mail_client *client)
{
    const char **texts[] = {&client->listener,    &client->address,    &client->helo,     &client->protocol,
                            &client->tls_version, &client->tls_cipher, &client->tls_peer, &client->user};
    bool ok = true;
    for (size_t i = 0; ok && i < sizeof texts / sizeof texts[0]; i++) {
        ok = copy_text(arena, texts[i]);
    }
    return ok;
}

int store_meta_copy_envelope(struct arena *arena, const struct mail_envelope *from, struct mail_envelope *to_r)
{
    struct mail_envelope copy = *from;
    bool ok = copy_text(arena, &copy.id) && copy_text(arena, &copy.hostname) && copy_client(arena, &copy.client) &&
              copy_text(arena, &copy.from) && copy_text(arena, &copy.envid) && copy_text(arena, &copy.ret) &&
              copy_text(arena, &copy.message_id) && copy_texts(arena, &copy.rules, copy.rule_count) &&
              copy_texts(arena, &copy.tried, copy.tried_count);
    copy.to = arena_array(arena, from->to_count, sizeof *copy.to);
    ok = ok && copy.to != NULL;
    for (size_t i = 0; ok && i < from->to_count; i++) {
        struct mail_recipient *to = &copy.to[i];
        *to = from->to[i];
        ok = copy_text(arena, &to->address) && copy_text(arena, &to->notify) && copy_text(arena, &to->orcpt);
    }
    if (!ok) {
        return -1;
    }
    *to_r = copy;
    return 0;
}

static bool copy_edits(struct arena *arena, struct mail_delivery *delivery)
{
    struct mail_edit *edits = arena_array(arena, delivery->edit_count, sizeof *edits);
    bool ok = edits != NULL;
    for (size_t i = 0; ok && i < delivery->edit_count; i++) {
        edits[i] = delivery->edits[i];
        ok = copy_text(arena, &edits[i].field) && copy_text(arena, &edits[i].value);
    }
    delivery->edits = edits;
    return ok;
}

int store_meta_copy_delivery(struct arena *arena, const struct mail_delivery *from, struct mail_delivery *to_r)
{
    struct mail_delivery copy = *from;
    bool ok = copy_text(arena, &copy.upstream) && copy_text(arena, &copy.folder) && copy_text(arena, &copy.rule) &&
              copy_texts(arena, &copy.flags, copy.flag_count) &&
              copy_texts(arena, &copy.recipients, copy.recipient_count) && copy_edits(arena, &copy);
    if (!ok) {
        return -1;
    }
    *to_r = copy;
    return 0;
}
