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
    case MAIL_MEMBER_FLAT:
        return false; /* it is there, whatever is in it */
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

/* ---- reading a part ---- */

/* Behind the string whose quote stands first; what is left is empty when it does not end. */
static struct bytes behind_string(struct bytes text)
{
    size_t at = 1;
    while (at < text.len && text.ptr[at] != '"') {
        at += text.ptr[at] == '\\' ? 2 : 1;
    }
    return bytes_from(text, at + 1 < text.len ? at + 1 : text.len);
}

/* Behind the value that stands first: at the comma or the end of what holds it. */
static struct bytes behind_value(struct bytes text)
{
    for (size_t depth = 0; text.len > 0;) {
        uint8_t c = text.ptr[0];
        if (c == '"') {
            text = behind_string(text);
            continue;
        }
        if (depth == 0 && (c == ',' || c == '}' || c == ']')) {
            break;
        }
        depth += c == '{' || c == '[';
        depth -= c == '}' || c == ']';
        text = bytes_from(text, 1);
    }
    return text;
}

/*
 * Takes the next member off an object as we write them: no blanks, names without escapes. Whoever wrote it otherwise is
 * not read here: false, as at the end.
 */
static bool next_member(struct bytes *rest, struct bytes *name_r, struct bytes *value_r)
{
    if (rest->len < 2 || (rest->ptr[0] != '{' && rest->ptr[0] != ',') || rest->ptr[1] != '"') {
        return false;
    }
    struct bytes name = bytes_from(*rest, 1), value = behind_string(name);
    if (value.len < 2 || value.ptr[0] != ':') {
        return false;
    }
    value = bytes_from(value, 1);
    *rest = behind_value(value);
    *name_r = bytes_at(name.ptr + 1, (size_t)(value.ptr - name.ptr) - 3);
    *value_r = bytes_at(value.ptr, value.len - rest->len);
    return true;
}

static const struct mail_member *find_member(const struct mail_members *members, struct bytes name)
{
    for (size_t i = 0; i < members->count; i++) {
        if (bytes_is(name, members->rows[i].name)) {
            return &members->rows[i];
        }
    }
    return NULL;
}

/* The next item of an array as we write them; false at the end. */
static bool next_item(struct bytes *rest, struct bytes *item_r)
{
    if (rest->len < 2 || (rest->ptr[0] != '[' && rest->ptr[0] != ',') || rest->ptr[1] == ']') {
        return false;
    }
    struct bytes item = bytes_from(*rest, 1);
    *rest = behind_value(item);
    *item_r = bytes_at(item.ptr, item.len - rest->len);
    return true;
}

static size_t count_items(struct bytes array)
{
    size_t count = 0;
    for (struct bytes item; next_item(&array, &item); count++) {
    }
    return count;
}

/* The text of a string in which every octet stands for itself; NULL when it is none, or there is no room. */
static const char *copy_plain(struct reader *reader, struct bytes value)
{
    struct bytes text = value.len < 2 ? value : bytes_slice(value, 1, value.len - 2);
    bool plain = value.len >= 2 && value.ptr[0] == '"' && value.ptr[value.len - 1] == '"';
    for (size_t i = 0; plain && i < text.len; i++) {
        plain = text.ptr[i] >= ' ' && text.ptr[i] < 0x7F && text.ptr[i] != '"' && text.ptr[i] != '\\';
    }
    return plain ? arena_copy(reader->arena, text) : NULL;
}

static bool read_plain(struct reader *reader, const struct mail_member *member, struct bytes value, void *object);

static bool read_plain_object(struct reader *reader, const struct mail_members *members, struct bytes json,
                              void *object)
{
    struct bytes name, value;
    memset(object, 0, members->size);
    while (next_member(&json, &name, &value)) {
        const struct mail_member *member = find_member(members, name);
        if (member == NULL || !read_plain(reader, member, value, object)) {
            return false;
        }
    }
    bool whole = bytes_is(json, "}");
    for (size_t i = 0; whole && i < members->count; i++) {
        const struct mail_member *member = &members->rows[i];
        whole = !member->needed || *(const char *const *)mail_member_at(member, object) != NULL;
    }
    return whole;
}

/* What is simple enough needs no tree; false: it is not, and nothing counts that was done. */
static bool read_plain(struct reader *reader, const struct mail_member *member, struct bytes value, void *object)
{
    size_t *count = (void *)((uint8_t *)object + member->count_offset), room = count_items(value);
    struct bytes item;
    bool plain = true;
    if (member->kind == MAIL_MEMBER_TEXT) {
        const char *text = copy_plain(reader, value);
        *(const char **)mail_member_in(member, object) = text;
        return text != NULL;
    }
    if ((member->kind != MAIL_MEMBER_TEXTS && member->kind != MAIL_MEMBER_OBJECTS) || room == 0) {
        return false;
    }
    size_t size = member->kind == MAIL_MEMBER_TEXTS ? sizeof(const char *) : member->of->size;
    uint8_t *items = arena_array(reader->arena, room, size);
    for (size_t i = 0; items != NULL && plain && next_item(&value, &item); i++) {
        if (member->kind == MAIL_MEMBER_OBJECTS) {
            plain = read_plain_object(reader, member->of, item, items + i * size);
        } else {
            ((const char **)(void *)items)[i] = copy_plain(reader, item);
            plain = ((const char **)(void *)items)[i] != NULL;
        }
    }
    *(void **)mail_member_in(member, object) = items;
    *count = room;
    return items != NULL && plain && bytes_is(value, "]");
}

static bool is_among(struct bytes name, const char *const *names)
{
    while (*names != NULL && !bytes_is(name, *names)) {
        names++;
    }
    return *names != NULL;
}

static void read_one(struct reader *reader, const struct mail_member *member, struct bytes value, void *object)
{
    if (read_plain(reader, member, value, object)) {
        return;
    }
    json_t *root = json_object();
    json_t *parsed = json_loadb((const char *)value.ptr, value.len, JSON_DECODE_ANY, NULL);
    if (parsed == NULL || json_object_set_new(root, member->name, parsed) != 0) {
        reader->failure = "damaged";
    } else {
        read_member(reader, member, root, object);
    }
    json_decref(root);
}

int store_meta_read_some(struct bytes json, const char *const *names, struct arena *arena,
                         struct mail_envelope *envelope_r, struct fault *fault)
{
    struct reader reader = {.arena = arena};
    struct mail_envelope envelope = {0};
    struct bytes rest = json, name, value;
    while (next_member(&rest, &name, &value)) {
        const struct mail_member *member = is_among(name, names) ? find_member(&mail_envelope_members, name) : NULL;
        if (member != NULL) {
            read_one(&reader, member, value, &envelope);
        }
    }
    if (!bytes_is(rest, "}") || reader.failure != NULL || envelope.from == NULL) {
        return store_meta_read_envelope(json, arena, envelope_r, fault); /* it knows what is wrong, if anything */
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

bool store_meta_is_unheard(struct bytes json)
{
    json_t *root = parse(json, NULL);
    bool is_unheard = root != NULL && json_is_true(json_object_get(root, "unheard"));
    json_decref(root);
    return is_unheard;
}
