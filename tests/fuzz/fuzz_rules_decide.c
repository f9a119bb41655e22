/*
 * fuzz_rules_decide - decisions over any message: with the index and without they are the same, folders keep their levels, and what the envelope
 * decided at RCPT TO stays decided.
 */
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "filters/filters.h"
#include "mail/mail_header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char rules[] =
    "{\"lists\":{\"l\":[\"a@b\",\"@c.example\",\"@.d.example\"]},\"maps\":{\"m\":{\"y\":\"gold\"}},"
    "\"trusted_authserv\":[{\"name\":\"mx\",\"from_clients\":[\"10.0.0.0/8\"]}],\"rules\":["
    "{\"name\":\"map\",\"if\":{\"of\":\"from.domain | "
    "lookup('m')\",\"is\":\"gold\"},\"then\":[{\"set\":{\"v\":\"gold\"}}]},"
    "{\"name\":\"every\",\"if\":{\"every\":{\"of\":\"header.To.addresses\",\"ends_with\":\"x\"}},\"then\":[{\"copy\":{"
    "\"folder\":\"E/${subject | split(',')[last] | hash(5)}\"}}]},"
    "{\"name\":\"some\",\"if\":{\"some\":{\"of\":\"attachments\",\"all\":[{\"of\":\".name\",\"ends_with\":\".x\"},{"
    "\"of\":\".size\",\"over\":3}]}},\"then\":[{\"copy\":{\"folder\":\"A\"}}]},"
    "{\"name\":\"number\",\"if\":{\"of\":\"header.X | number\",\"over\":{\"of\":\"subject | "
    "length\"}},\"then\":[{\"copy\":{\"folder\":\"N\"}}]},"
    "{\"name\":\"age\",\"if\":{\"of\":\"header.Date | "
    "age\",\"over\":\"1d\"},\"then\":[{\"copy\":{\"folder\":\"D/${header.Date | date | month | "
    "zone('Europe/Berlin')}\"}}]},"
    "{\"name\":\"report\",\"state\":\"watch\",\"if\":{\"of\":\"report\",\"exists\":true},\"then\":[{\"reject\":\"x\"}]}"
    ","
    "{\"name\":\"parts\",\"if\":{\"of\":\"parts('text/"
    "*').text\",\"contains\":{\"list\":\"l\"}},\"then\":[{\"copy\":{\"folder\":\"P/${subject | "
    "replace_pattern('[a-z]+', '$0$0') | first(9)}\"}}]},"
    "{\"name\":\"none\",\"if\":{\"none\":{\"of\":\"recipients\",\"is\":{\"of\":\"header.From.address\"}}},\"then\":[{"
    "\"copy\":{\"folder\":\"R\"}}]},"
    "{\"name\":\"list\",\"if\":{\"header\":\"Subject\",\"matches\":[\"^b\",\"(?i)q$\"]},\"then\":[{\"copy\":{"
    "\"folder\":\"L\",\"else\":[{\"folder\":\"M\",\"when\":\"refused\"}]}}]},"
    "{\"name\":\"auth\",\"if\":{\"of\":\"auth.dmarc\",\"is\":\"pass\"},\"then\":[{\"copy\":{\"folder\":\"O\"}}]},"
    "{\"name\":\"blocked\",\"if\":{\"field\":\"from\",\"in\":\"l\"},\"then\":[{\"reject\":\"no ${from}\"}]},"
    "{\"name\":\"subject\",\"on_error\":\"skip\",\"if\":{\"header\":\"Subject\",\"matches\":\"^(?<w>\\\\w+) (.*)$\"},"
    "\"then\":[{\"fileinto\":{\"folder\":\"S/${w}/${2|slug|default('x')}\",\"flags\":[\"k-${w}\"]}}]},"
    "{\"name\":\"bomb\",\"on_error\":\"default\",\"if\":{\"header\":\"*\",\"matches\":\"^(a+)+$\"},\"then\":[{\"stop\":"
    "true}]},"
    "{\"name\":\"to\",\"if\":{\"header\":[\"To\",\"Cc\",\"From\"],\"part\":\"domain\",\"is\":\"x\"},\"then\":[{"
    "\"copy\":{\"folder\":\"T\",\"date\":\"header\"}}]},"
    "{\"name\":\"body\",\"if\":{\"field\":\"body\",\"contains\":\"a\",\"ignore_case\":true},\"then\":[{\"tag_subject\":"
    "\"[b] \"},{\"hold\":true}]},"
    "{\"name\":\"file\",\"if\":{\"any\":[{\"field\":\"attachment\",\"ends_with\":\".x\"},{\"field\":\"attachment\","
    "\"part\":\"size\",\"over\":3}]},"
    "\"then\":[{\"set\":{\"v\":\"${list_id}\"}},{\"goto\":\"g\"}]}],"
    "\"groups\":{\"g\":{\"rules\":[{\"name\":\"id\",\"if\":{\"field\":\"list_id\",\"matches\":\"(.)\"},\"then\":[{"
    "\"fileinto\":{\"folder\":\"${1}/${v|first(9)}\"}}]}],"
    "\"default\":[{\"fileinto\":{\"folder\":\"G\"}}]}}}";

static struct filters_set *load(void)
{
    struct problems *problems = problems_new();
    struct filters_source source = {"r.json", bytes_of(rules)};
    struct filters_load_options options = {.sources = &source,
                                           .source_count = 1,
                                           .any_upstream = true,
                                           .fallback = {.upstream = "corp", .folder = "INBOX"}};
    struct filters_set *set = filters_load(&options, problems);
    EXPECT(set != NULL);
    problems_free(&problems);
    return set;
}

static void print(const struct filters_decision *decision, struct buf *out)
{
    buf_printf(out, "%d ", decision->reply_code);
    for (size_t i = 0; i < decision->delivery_count; i++) {
        const struct mail_delivery *delivery = &decision->deliveries[i];
        size_t levels = 0;
        for (struct bytes rest = bytes_of(delivery->folder); rest.ptr != NULL; levels++) {
            EXPECT(bytes_cut(&rest, '/').len > 0);
        }
        EXPECT(levels <= 3 && bytes_is_utf8(bytes_of(delivery->folder)) &&
               !bytes_has_control(bytes_of(delivery->folder)));
        buf_printf(out, "%s:%s %zu %zu %d;", delivery->upstream, delivery->folder, delivery->flag_count,
                   delivery->edit_count, delivery->held);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct filters_set *set = NULL;
    static struct filters_scratch *scratch = NULL;
    if (set == NULL) {
        set = load();
        scratch = filters_scratch_new();
    }
    struct bytes text = bytes_at(data, size);
    struct mail_source source = mail_source_of(&text);
    struct mail_recipient to = {.address = "c@d"};
    struct mail_envelope envelope = {
        .id = "ID", .client = {.address = "10.1.2.3"}, .from = size % 7 == 0 ? "a@b" : "x@y", .to = &to, .to_count = 1};
    bool complete;
    struct filters_message message = {.envelope = &envelope,
                                      .header = bytes_slice(text, 0, mail_header_length(text, &complete)),
                                      .source = &source,
                                      .size = size,
                                      .now_ms = INT64_C(1795417880000)};
    struct arena *arena = arena_new(16u << 20);
    struct filters_decision indexed = {0}, traced = {0}, early = {0};
    struct fault fault = FAULT_INIT, other = FAULT_INIT, third = FAULT_INIT;
    struct buf a, b, json;
    buf_init(&a, 1u << 20);
    buf_init(&b, 1u << 20);
    buf_init(&json, 64u << 20);
    int result = filters_decide(set, scratch, &message, arena, &indexed, &fault);
    disregard(filters_explain(set, scratch, &message, NULL, NULL, arena, &traced, &other, &json));
    EXPECT((result < 0) == fault_is_set(&other));
    if (result == 0) {
        print(&indexed, &a);
        print(&traced, &b);
        EXPECT(bytes_equal(buf_bytes(&a), buf_bytes(&b)));
        int refused =
            filters_decide_recipient(set, scratch, &envelope, (struct filters_clock){0}, arena, &early, &third);
        EXPECT(refused != 1 || indexed.reply_code == early.reply_code);
    }
    buf_done(&a);
    buf_done(&b);
    buf_done(&json);
    arena_free(&arena);
    return 0;
}
