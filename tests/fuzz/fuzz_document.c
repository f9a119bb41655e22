/*
 * fuzz_document - the reader of JSON with places, over any text: a document or problems, never both; each value's and each key's place lies in the text
 * and is where the value begins; what is not JSON without its comments is refused.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "document/document.h"
#include "document/document_member.h"
#include "document/nearest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct walk {
    const struct document *document;
    struct bytes text;
    struct problems *problems;
    char pointer[4096];
    size_t budget;
};

/* The octet that stands at a place, or -1. Lines and columns begin with 1; columns are characters. */
static int octet_at(struct bytes text, size_t line, size_t column)
{
    size_t at = 0;
    for (size_t now = 1; now < line; now++) {
        const uint8_t *end = at < text.len ? memchr(text.ptr + at, '\n', text.len - at) : NULL;
        EXPECT(end != NULL);
        at = (size_t)(end - text.ptr) + 1;
    }
    EXPECT(column >= 1);
    for (size_t now = 1; at < text.len; at++) {
        bool begins = (text.ptr[at] & 0xC0) != 0x80; /* a comment may hold octets that are no character's first */
        if (begins && now++ == column) {
            break;
        }
    }
    return at < text.len ? text.ptr[at] : -1;
}

static void check_place(const struct walk *walk, const json_t *value)
{
    size_t line = 0, column = 0;
    document_place(walk->document, walk->pointer, &line, &column);
    int octet = octet_at(walk->text, line, column);
    EXPECT(octet > 0);
    EXPECT(!json_is_object(value) || octet == '{');
    EXPECT(!json_is_array(value) || octet == '[');
    EXPECT(!json_is_string(value) || octet == '"');
}

static void walk_value(struct walk *walk, json_t *value, size_t len);

static void walk_member(struct walk *walk, const char *key, json_t *value, size_t len)
{
    size_t at = len;
    walk->pointer[at++] = '/';
    for (const char *c = key; *c != '\0' && at + 3 < sizeof walk->pointer; c++) {
        if (*c == '~' || *c == '/') {
            walk->pointer[at++] = '~';
            walk->pointer[at++] = *c == '~' ? '0' : '1';
        } else {
            walk->pointer[at++] = *c;
        }
    }
    walk->pointer[at] = '\0';
    if (at + 4 < sizeof walk->pointer) {
        size_t line = 0, column = 0;
        document_key_place(walk->document, walk->pointer, &line, &column);
        EXPECT(octet_at(walk->text, line, column) == '"');
        walk_value(walk, value, at);
    }
    walk->pointer[len] = '\0';
}

static void walk_value(struct walk *walk, json_t *value, size_t len)
{
    if (walk->budget == 0 || len + 32 > sizeof walk->pointer) {
        return;
    }
    walk->budget--;
    check_place(walk, value);
    const char *key;
    json_t *member;
    json_object_foreach(value, key, member)
    {
        walk_member(walk, key, member, len);
    }
    for (size_t i = 0; json_is_array(value) && i < json_array_size(value); i++) {
        snprintf(walk->pointer + len, sizeof walk->pointer - len, "/%zu", i);
        walk_value(walk, json_array_get(value, i), strlen(walk->pointer));
        walk->pointer[len] = '\0';
    }
    if (json_is_object(value)) {
        static const char *const known[] = {"name", "address", "rules", NULL};
        EXPECT(document_unknown_keys(walk->document, walk->problems, walk->pointer, value, known) <=
               json_object_size(value));
        disregard(document_member_text(value, "name") != NULL && document_member_number(value, "rules") != 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct problems *problems = problems_new();
    struct walk walk = {.text = bytes_at(data, size), .problems = problems, .budget = 500};
    struct document *document = document_parse("text.json", walk.text, problems);
    EXPECT((document == NULL) == (problems_count(problems) > 0));
    if (document != NULL) {
        walk.document = document;
        walk_value(&walk, document_root(document), 0);
        size_t line, column;
        document_place(document, "/no/such~1value/7", &line, &column);
    }
    struct buf out;
    buf_init(&out, 1 << 20);
    problems_print(problems, &out);
    buf_done(&out);
    problems_free(&problems);
    document_free(&document);
    return 0;
}
