/*
 * store_meta - writing by hand, because every message passes here; reading by jansson. Both walk the member tables of
 * mail/, and know no member by name. See store_meta.h.
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

static void write_texts(struct buf *out, const char *const *texts, size_t count)
{
    buf_append_octet(out, '[');
    for (size_t i = 0; i < count; i++) {
        if (i > 0) {
            buf_append_octet(out, ',');
        }
        write_string(out, texts[i]);
    }
    buf_append_octet(out, ']');
}

static void write_members(struct buf *out, const struct mail_members *members, const void *object);

static void write_objects(struct buf *out, const struct mail_members *members, const uint8_t *objects, size_t count)
{
    buf_append_octet(out, '[');
    for (size_t i = 0; i < count; i++) {
        buf_append_text(out, i > 0 ? ",{" : "{");
        write_members(out, members, objects + i * members->size);
        buf_append_octet(out, '}');
    }
    buf_append_octet(out, ']');
}

static bool says_nothing(const struct mail_member *member, const void *object);

static bool all_say_nothing(const struct mail_members *members, const void *object)
{
    bool nothing = true;
    for (size_t i = 0; nothing && i < members->count; i++) {
        nothing = says_nothing(&members->rows[i], object);
    }
    return nothing;
}

static bool says_nothing(const struct mail_member *member, const void *object)
{
    const void *at = mail_member_at(member, object);
    switch (member->kind) {
    case MAIL_MEMBER_TEXT:
        return *(const char *const *)at == NULL;
    case MAIL_MEMBER_NUMBER: {
        int64_t number = mail_member_number(member, object);
        return number >= 0 && number <= member->silent;
    }
    case MAIL_MEMBER_TRUE:
        return !*(const bool *)at;
    case MAIL_MEMBER_OBJECT:
        return !member->always && all_say_nothing(member->of, at);
    case MAIL_MEMBER_FLAT:
        return all_say_nothing(member->of, at);
    case MAIL_MEMBER_TEXTS:
    case MAIL_MEMBER_OBJECTS:
        break;
    }
    return !member->always && mail_member_count(member, object) == 0;
}

static void write_value(struct buf *out, const struct mail_member *member, const void *object)
{
    const void *at = mail_member_at(member, object);
    switch (member->kind) {
    case MAIL_MEMBER_TEXT:
        write_string(out, *(const char *const *)at);
        break;
    case MAIL_MEMBER_TEXTS:
        write_texts(out, *(const char *const *const *)at, mail_member_count(member, object));
        break;
    case MAIL_MEMBER_NUMBER:
        buf_printf(out, "%" PRId64, mail_member_number(member, object));
        break;
    case MAIL_MEMBER_TRUE:
        buf_append_text(out, "true");
        break;
    case MAIL_MEMBER_OBJECT:
    case MAIL_MEMBER_FLAT:
        buf_append_octet(out, '{');
        write_members(out, member->of, at);
        buf_append_octet(out, '}');
        break;
    case MAIL_MEMBER_OBJECTS:
        write_objects(out, member->of, *(const uint8_t *const *)at, mail_member_count(member, object));
        break;
    }
}

static void write_members(struct buf *out, const struct mail_members *members, const void *object)
{
    for (size_t i = 0; i < members->count; i++) {
        const struct mail_member *member = &members->rows[i];
        if (member->kind == MAIL_MEMBER_FLAT) {
            write_members(out, member->of, mail_member_at(member, object));
        } else if (!says_nothing(member, object)) {
            write_name(out, member->name);
            write_value(out, member, object);
        }
    }
}

void store_meta_write_envelope(struct buf *out, const struct mail_envelope *envelope)
{
    buf_append_octet(out, '{');
    write_members(out, &mail_envelope_members, envelope);
    buf_append_octet(out, '}');
}

void store_meta_write_delivery(struct buf *out, const struct mail_delivery *delivery)
{
    buf_append_octet(out, '{');
    write_members(out, &mail_delivery_members, delivery);
    buf_append_octet(out, '}');
}

/* ---- reading ---- */

/* One pass over an object: what is missing, of the wrong kind or too large is kept in `failure`. */
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

static const char *read_text(struct reader *reader, const struct mail_member *member, const json_t *value)
{
    if (value == NULL && member->needed) {
        reader->failure = "damaged";
    }
    return value == NULL ? NULL : keep_text(reader, value);
}

static int64_t read_number(struct reader *reader, const struct mail_member *member, const json_t *value)
{
    int64_t number = json_integer_value(value);
    bool wide = member->size == sizeof number;
    int64_t largest = wide ? INT64_MAX : (int64_t)(UINT64_MAX >> (64 - 8 * member->size + member->is_signed));
    int64_t most = member->most > 0 ? member->most : largest;
    int64_t least = !member->is_signed || member->most > 0 ? 0 : wide ? INT64_MIN : -largest - 1;
    if (number < least || number > most) {
        reader->failure = "damaged";
        return 0;
    }
    return number;
}

/* Room for the items of an array, and how many; NULL when there are none or no room. */
static void *read_array(struct reader *reader, const json_t *array, size_t size, size_t *count_r)
{
    *count_r = json_array_size(array);
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

static const char *const *read_texts(struct reader *reader, const json_t *array, size_t *count_r)
{
    const char **texts = read_array(reader, array, sizeof *texts, count_r);
    for (size_t i = 0; i < *count_r; i++) {
        texts[i] = keep_text(reader, json_array_get(array, i));
    }
    return texts;
}

static void read_members(struct reader *reader, const struct mail_members *members, const json_t *from, void *object);

static void *read_objects(struct reader *reader, const struct mail_members *members, const json_t *array,
                          size_t *count_r)
{
    uint8_t *objects = read_array(reader, array, members->size, count_r);
    for (size_t i = 0; i < *count_r; i++) {
        read_members(reader, members, json_array_get(array, i), objects + i * members->size);
    }
    return objects;
}

static void read_member(struct reader *reader, const struct mail_member *member, const json_t *from, void *object)
{
    const json_t *value = json_object_get(from, member->name);
    void *at = mail_member_in(member, object);
    size_t *count = (void *)((uint8_t *)object + member->count_offset);
    switch (member->kind) {
    case MAIL_MEMBER_TEXT:
        *(const char **)at = read_text(reader, member, value);
        break;
    case MAIL_MEMBER_TEXTS:
        *(const char *const **)at = read_texts(reader, value, count);
        break;
    case MAIL_MEMBER_NUMBER:
        mail_member_set_number(member, object, read_number(reader, member, value));
        break;
    case MAIL_MEMBER_TRUE:
        *(bool *)at = json_is_true(value);
        break;
    case MAIL_MEMBER_OBJECT:
        read_members(reader, member->of, value, at);
        break;
    case MAIL_MEMBER_FLAT:
        read_members(reader, member->of, from, at);
        break;
    case MAIL_MEMBER_OBJECTS:
        *(void **)at = read_objects(reader, member->of, value, count);
        break;
    }
}

static void read_members(struct reader *reader, const struct mail_members *members, const json_t *from, void *object)
{
    for (size_t i = 0; i < members->count; i++) {
        read_member(reader, &members->rows[i], from, object);
    }
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
static int finish_meta(const struct reader *reader, json_t *root, struct fault *fault)
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
    read_members(&reader, &mail_envelope_members, root, &envelope);
    if (finish_meta(&reader, root, fault) != 0) {
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
    read_members(&reader, &mail_delivery_members, root, &delivery);
    if (finish_meta(&reader, root, fault) != 0) {
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
    read_members(&reader, &mail_envelope_members, json_object_get(root, "envelope"), &envelope);
    struct mail_delivery *deliveries =
        read_objects(&reader, &mail_delivery_members, json_object_get(root, "deliveries"), &count);
    if (finish_meta(&reader, root, fault) != 0) {
        return -1;
    }
    *envelope_r = envelope;
    *deliveries_r = deliveries;
    *count_r = count;
    return 0;
}
