/* What rules decide: conditions of every kind, order, actions, merging, captures in folder names, limits, the envelope's stage. */
#include <stdlib.h>

#include "filters_fixture.h"

/* One rule "a" that files into X when the condition holds. */
#define IF(condition) "{\"rules\":[{\"name\":\"a\",\"if\":" condition ",\"then\":[{\"fileinto\":{\"folder\":\"X\"}}]}]}"
/* One rule with these actions. */
#define THEN(actions)    "{\"rules\":[{\"name\":\"a\",\"then\":[" actions "]}]}"
#define H(name, test)    IF("{\"header\":\"" name "\"," test "}")
#define O(formula, test) IF("{\"of\":\"" formula "\"," test "}")
#define WITH(more, condition)                                                                                          \
    "{" more ",\"rules\":[{\"name\":\"a\",\"if\":" condition ",\"then\":[{\"fileinto\":{\"folder\":\"X\"}}]}]}"
#define F(name, test) IF("{\"field\":\"" name "\"," test "}")

static const char plain[] = "From: \"Ada L\" <ada+news@Example.COM>, bob@sub.example.org\r\n"
                            "To: undisclosed-recipients:;\r\n"
                            "Cc: Team: carl@x.example, dora@y.example;\r\n"
                            "Subject: =?utf-8?B?UmVjaG51bmcgw4RyZ2Vy?= 42\r\n"
                            "List-Id: The list <News.Lists.example>\r\n"
                            "X-Empty:\r\n"
                            "X-Two: one\r\n"
                            "X-Two: two\r\n"
                            "Date: Mon, 23 Nov 2026 07:11:20 +0100\r\n"
                            "MIME-Version: 1.0\r\n"
                            "Content-Type: multipart/mixed; boundary=\"b\"\r\n"
                            "\r\n"
                            "--b\r\n"
                            "Content-Type: text/plain; charset=iso-8859-1\r\n"
                            "Content-Transfer-Encoding: quoted-printable\r\n"
                            "\r\n"
                            "Gr=FC=DFe aus K=F6ln\r\n"
                            "--b\r\n"
                            "Content-Type: text/html; charset=utf-8\r\n"
                            "\r\n"
                            "<p>Order <b>num</b>ber &#49;7</p><script>hidden</script>\r\n"
                            "--b\r\n"
                            "Content-Type: application/PDF; name*=utf-8''R%C3%A9sum%C3%A9.PDF\r\n"
                            "Content-Disposition: attachment\r\n"
                            "Content-Transfer-Encoding: base64\r\n"
                            "\r\n"
                            "MDEyMzQ1Njc4OQ==\r\n"
                            "--b--\r\n";

static const struct {
    const char *rules;
    bool yes;
} conditions[] = {
    {H("Subject", "\"is\":\"Rechnung \xc3\x84rger 42\""), true},
    {H("subject", "\"is\":\"rechnung \xc3\xa4rger 42\""), false},
    {H("subject", "\"is\":\"rechnung \xc3\xa4rger 42\",\"ignore_case\":true"), true},
    {H("Subject", "\"contains\":[\"nothing\",\"\xc3\x84rg\"]"), true},
    {H("Subject", "\"starts_with\":\"Rechnung\""), true},
    {H("Subject", "\"starts_with\":\"rechnung\""), false},
    {H("Subject", "\"ends_with\":\"42\""), true},
    {H("Subject", "\"ends_with\":\"a much longer text than the subject itself is 42\""), false},
    {H("Subject", "\"matches\":\"\\\\b\\\\w+rger\\\\b\""), true},
    {H("Subject", "\"matches\":\"\xc3\xa4RGER\",\"ignore_case\":true"), true},
    {H("Subject", "\"exists\":true"), true},
    {H("X-Empty", "\"exists\":true"), true},
    {H("X-Empty", "\"is\":\"\""), true},
    {H("X-None", "\"exists\":true"), false},
    {H("X-None", "\"exists\":false"), true},
    {H("X-Two", "\"is\":\"two\""), true},
    {H("X-Two", "\"part\":\"count\",\"is\":2"), true},
    {H("X-Two", "\"part\":\"count\",\"under\":2"), false},
    {H("*", "\"contains\":\"Lists.example\""), true},
    {IF("{\"header\":[\"X-One\",\"X-Two\"],\"is\":\"one\"}"), true},
    {H("From", "\"part\":\"address\",\"is\":\"ADA+news@example.com\""), true},
    {H("From", "\"part\":\"user\",\"is\":\"ada\""), true},
    {H("From", "\"part\":\"detail\",\"is\":\"news\""), true},
    {H("From", "\"part\":\"domain\",\"is\":\"sub.example.org\""), true},
    {H("From", "\"part\":\"domain\",\"in\":[\".example.org\"]"), true},
    {H("From", "\"part\":\"domain\",\"in\":[\".sub.example.org\",\"example.org\"]"), false},
    {H("From", "\"part\":\"address\",\"in\":[\"@example.com\"]"), true},
    {H("From", "\"part\":\"address\",\"in\":[\"@.org\"]"), true},
    {H("From", "\"part\":\"address\",\"in\":[\"@.com\"]"), true},
    {H("From", "\"part\":\"address\",\"in\":[\"@com\"]"), false},
    {H("From", "\"part\":\"address\",\"in\":[\"*@Example.com\"]"), true},
    {H("From", "\"part\":\"address\",\"in\":[\"*@*.example.org\"]"), true},
    {H("From", "\"part\":\"address\",\"in\":[\"*@*.example.com\"]"), false},
    {H("From", "\"part\":\"address\",\"in\":[\"*@org\"]"), false},
    {H("From", "\"part\":\"name\",\"is\":\"Ada L\""), true},
    {H("Cc", "\"part\":\"domain\",\"is\":\"y.example\""), true},
    {H("To", "\"part\":\"address\",\"exists\":true"), false},
    /* one grammar for values */
    {O("from", "\"is\":\"SENDER+x@Client.example\""), true},
    {O("from.domain", "\"is\":\"CLIENT.example\""), true},
    {O("subject | lower", "\"is\":\"rechnung \xc3\xa4rger 42\""), true},
    {O("subject | first", "\"is\":\"Rechnung\""), true},
    {O("subject | last", "\"is\":\"42\""), true},
    {O("subject | last(4)", "\"is\":\"r 42\""), true},
    {O("subject | last(8)", "\"is\":\"\xc3\x84rger 42\""), true},
    {O("subject | last | number", "\"between\":[41.5,42]"), true},
    {O("subject | number", "\"exists\":false"), true},
    {O("subject | length", "\"is\":17"), true},
    {O("subject | split(' ')", "\"is\":\"\xc3\x84rger\""), true},
    {O("subject | split(' ')[2]", "\"is\":\"\xc3\x84rger\""), true},
    {O("subject | split(' ')[-1]", "\"is\":\"42\""), true},
    {O("subject | split(' ')[9]", "\"exists\":true"), false},
    {O("subject | split(' ') | count", "\"is\":3"), true},
    {O("subject | replace_pattern('(\\\\w)(\\\\w+)','$2$$${1}')", "\"starts_with\":\"echnung$R\""), true},
    {O("subject | replace_pattern('','-') | length", "\"is\":35"), true},
    {O("subject | hash(7) | number", "\"under\":7"), true},
    {O("subject | hash", "\"matches\":\"^[0-9a-f]{64}$\""), true},
    {O("header.None | default('it''s')", "\"is\":\"it's\""), true},
    {O("header.None | count", "\"is\":0"), true},
    {O("header.X-Two", "\"is\":\"two\""), true},
    {O("header.X-Two[first]", "\"is\":\"two\""), false},
    {O("header.X-Two[last]", "\"is\":\"two\""), true},
    {O("header.X-Two | join('/')", "\"is\":\"one/two\""), true},
    {O("header.X-Two.count", "\"is\":2"), true},
    {O("header.From.domain", "\"is\":\"sub.example.org\""), true},
    {O("header.From.addresses | count", "\"is\":2"), true},
    {O("header.From.addresses[first].detail", "\"is\":\"news\""), true},
    {O("header.Date | date", "\"is\":\"2026-11-23\""), true},
    {O("header.Date | date | hour", "\"is\":6"), true},
    {O("header.Date | date | zone('Europe/Berlin') | hour", "\"is\":7"), true},
    {O("header.Date | date | zone('America/New_York') | time", "\"between\":[\"01:11\",\"01:11\"]"), true},
    {O("header.Date | date | weekday", "\"is\":[\"mon\",\"tue\"]"), true},
    {O("header.Date | age", "\"between\":[\"59m\",\"1h\"]"), true},
    {O("header.Date | age", "\"over\":\"2d\""), false},
    {O("subject | date", "\"exists\":true"), false},
    {O("date.hour | zone('+05:30')", "\"is\":12"), true},
    {O("time | zone('Europe/Berlin')", "\"is\":\"08:11\""), true},
    {F("time", "\"is\":\"08:11\",\"zone\":\"Europe/Berlin\""), true},
    {O("header.From.address", "\"is\":{\"of\":\"from\"}"), false},
    {O("header.From.domain", "\"ends_with\":{\"of\":\"list_id | split('.')[last]\"}"), false},
    {O("header.X-Two", "\"is\":{\"of\":\"header.X-Two[last]\"}"), true},
    {O("subject", "\"contains\":{\"of\":\"subject | split(' ')[2]\"}"), true},
    {O("size", "\"over\":{\"of\":\"subject | length\"}"), true},
    {O("attachments", "\"ends_with\":\".pdf\""), true},
    {O("attachments.type", "\"is\":\"application/pdf\""), true},
    {O("attachments | count", "\"is\":1"), true},
    {IF("{\"some\":{\"of\":\"attachments\",\"all\":[{\"of\":\".name\",\"ends_with\":\".pdf\"},{\"of\":\".size\",\"is\":"
        "10}]}}"),
     true},
    {IF("{\"some\":{\"of\":\"attachments\",\"all\":[{\"of\":\".name\",\"ends_with\":\".pdf\"},{\"of\":\".size\","
        "\"over\":10}]}}"),
     false},
    {IF("{\"every\":{\"of\":\"header.From.addresses\",\"matches\":\"(?i)example\"}}"), true},
    {IF("{\"every\":{\"of\":\"header.From.addresses\",\"ends_with\":\"@example.com\"}}"), false},
    {IF("{\"some\":{\"of\":\"header.From.addresses\",\"ends_with\":\"@example.com\"}}"), true},
    {IF("{\"none\":{\"of\":\"header.From.addresses\",\"ends_with\":\"@example.com\"}}"), false},
    {IF("{\"none\":{\"of\":\"header.None\",\"is\":\"x\"}}"), true},
    {IF("{\"every\":{\"of\":\"header.None\",\"is\":\"x\"}}"), true},
    {IF("{\"some\":{\"of\":\"header.None\",\"exists\":true}}"), false},
    {IF("{\"some\":{\"of\":\"header.Cc.addresses\",\"some\":{\"of\":\".domain | split('.')\",\"is\":\"y\"}}}"), true},
    /* A display name belongs to its address: the pair, and not one of each. */
    {IF("{\"some\":{\"of\":\"header.From.addresses\",\"all\":[{\"of\":\".name\",\"is\":\"Ada L\"},{\"of\":\".domain\","
        "\"is\":\"example.com\"}]}}"),
     true},
    {IF("{\"some\":{\"of\":\"header.From.addresses\",\"all\":[{\"of\":\".name\",\"is\":\"Ada L\"},{\"of\":\".domain\","
        "\"is\":\"sub.example.org\"}]}}"),
     false},
    {O("header.From.addresses[last].name", "\"exists\":false"), true},
    {IF("{\"every\":{\"of\":\"header.Cc.addresses\",\"not\":{\"of\":\".user\",\"is\":\"dora\"}}}"), false},
    {IF("{\"all\":[{\"header\":\"Subject\",\"matches\":\"(?<n>\\\\d+)$\"},{\"of\":\"n | number\",\"at_least\":42}]}"),
     true},
    {IF("{\"all\":[{\"header\":\"Subject\",\"matches\":\"(?<n>\\\\d+)$\"},{\"of\":\"n | number\",\"over\":42}]}"),
     false},
    {O("parts", "\"is\":\"multipart/mixed\""), true},
    {O("parts | count", "\"is\":4"), true},
    {O("parts('text/*') | count", "\"is\":2"), true},
    {O("parts('text/plain').text", "\"is\":\"Gr\xc3\xbc\xc3\x9f"
                                   "e aus K\xc3\xb6ln\""),
     true},
    {O("parts('TEXT/html').text", "\"contains\":\"<script>\""), true},
    {O("parts('application/pdf').text", "\"exists\":false"), true},
    {O("report", "\"exists\":false"), true},
    {H("Subject", "\"matches\":[\"^x\",\"42$\"]"), true},
    {H("Subject", "\"matches\":[\"^x\",\"43$\"]"), false},
    {WITH("\"lists\":{\"w\":[\"nothing\",\"\xc3\x84rg\"]}", "{\"header\":\"Subject\",\"contains\":{\"list\":\"w\"}}"),
     true},
    {WITH("\"lists\":{\"w\":[\"nothing\",\"\xc3\xa4RG\"]}",
          "{\"header\":\"Subject\",\"contains\":{\"list\":\"w\"},\"ignore_case\":true}"),
     true},
    {WITH("\"lists\":{\"w\":[\"nothing\",\"\xc3\xa4RG\"]}", "{\"header\":\"Subject\",\"contains\":{\"list\":\"w\"}}"),
     false},
    {WITH("\"lists\":{\"w\":[\"two\"]}", "{\"header\":\"X-Two\",\"is\":{\"list\":\"w\"}}"), true},
    {WITH("\"lists\":{\"w\":[\"tw\"]}", "{\"header\":\"X-Two\",\"is\":{\"list\":\"w\"}}"), false},
    {WITH("\"lists\":{\"w\":[\"^t.o$\"]}", "{\"header\":\"X-Two\",\"matches\":{\"list\":\"w\"}}"), true},
    {WITH("\"lists\":{\"w\":[\"^T.o$\"]}", "{\"header\":\"X-Two\",\"matches\":{\"list\":\"w\"},\"ignore_case\":true}"),
     true},
    {WITH("\"lists\":{\"w\":[\"^T.o$\"]}", "{\"header\":\"X-Two\",\"matches\":{\"list\":\"w\"}}"), false},
    {WITH("\"maps\":{\"m\":{\"Client.Example\":\"gold\"}}", "{\"of\":\"from.domain | lookup('m')\",\"is\":\"gold\"}"),
     true},
    {WITH("\"maps\":{\"m\":{\"by\":\"domain\",\"entries\":{\"example\":\"a\",\"client.example\":\"b\"}}}",
          "{\"of\":\"from | lookup('m')\",\"is\":\"b\"}"),
     true},
    {WITH("\"maps\":{\"m\":{\"by\":\"domain\",\"entries\":{\"lient.example\":\"b\"}}}",
          "{\"of\":\"from | lookup('m')\",\"exists\":true}"),
     false},
    {WITH("\"maps\":{\"m\":{\"x\":\"a\"}}", "{\"of\":\"from | lookup('m') | default('none')\",\"is\":\"none\"}"), true},
    {WITH("\"zone\":\"Europe/Berlin\"", "{\"field\":\"time\",\"is\":\"08:11\"}"), true},
    {WITH("\"zone\":\"Europe/Berlin\"", "{\"of\":\"header.Date | date | hour\",\"is\":7}"), true},
    {F("from", "\"is\":\"SENDER+x@Client.example\""), true},
    {F("from", "\"part\":\"user\",\"is\":\"sender\""), true},
    {F("from", "\"part\":\"detail\",\"is\":\"x\""), true},
    {F("from", "\"part\":\"domain\",\"ends_with\":\".EXAMPLE\""), true},
    {F("to", "\"is\":\"c@d\""), true},
    {F("to", "\"part\":\"detail\",\"exists\":true"), false},
    {F("client", "\"in\":[\"10.0.0.0/8\",\"192.0.2.0/25\"]"), true},
    {F("client", "\"is\":\"192.0.2.7\""), true},
    {F("client", "\"in\":[\"192.0.2.128/25\",\"::/0\"]"), true}, /* IPv4 is kept as IPv4-mapped IPv6 */
    {F("client", "\"in\":[\"2001:db8::/32\"]"), false},
    {F("client", "\"matches\":\"^192\\\\.\""), true},
    {F("helo", "\"is\":\"MX.client.example\""), true},
    {F("user", "\"exists\":false"), true},
    {F("listener", "\"is\":\"apps\""), true},
    {F("tls", "\"starts_with\":\"TLSv1\""), true},
    {F("certificate", "\"exists\":true"), false},
    {F("protocol", "\"in\":[\"esmtps\"]"), true},
    {F("size", "\"over\":500"), true},
    {F("size", "\"at_most\":\"500B\""), false},
    {F("size", "\"between\":[500,\"2KiB\"]"), true},
    {F("recipients", "\"is\":1"), true},
    {F("time", "\"between\":[\"07:00\",\"07:11\"]"), true}, /* a time without seconds is the whole minute */
    {F("time", "\"between\":[\"07:00\",\"07:11:19\"]"), false},
    {F("time", "\"between\":[\"07:00\",\"07:10\"]"), false},
    {F("time", "\"between\":[\"20:00\",\"07:11\"]"), true},
    {F("time", "\"between\":[\"20:00\",\"07:10\"]"), false},
    {F("time", "\"at_most\":\"07:11\""), true},
    {F("time", "\"at_least\":\"07:11\""), true},
    {F("time", "\"over\":\"07:11\""), false},
    {F("time", "\"over\":\"07:10\""), true},
    {F("time", "\"over\":\"07:11:19\""), true},
    {F("time", "\"under\":\"07:11\""), false},
    {F("time", "\"under\":\"07:12\""), true},
    {F("time", "\"is\":\"07:11\""), true},
    {F("time", "\"between\":[\"22:00\",\"08:00\"]"), true},
    {F("time", "\"between\":[\"08:00\",\"09:00\"],\"zone\":\"+01:00\""), true},
    {F("time", "\"under\":\"07:00\""), false},
    {F("weekday", "\"is\":\"Mon\""), true},
    {F("weekday", "\"in\":[\"sat\",\"sun\"]"), false},
    {F("weekday", "\"is\":\"sun\",\"zone\":\"-08:00\""), true},
    {F("date", "\"is\":\"2026-11-23\""), true},
    {F("date", "\"between\":[\"2026-12-01\",\"2026-12-31\"]"), false},
    {F("list_id", "\"is\":\"news.lists.example\""), true},
    {F("body", "\"contains\":\"Gr\xc3\xbc\xc3\x9f"
               "e aus\""),
     true},
    {F("body", "\"contains\":\"gr\xc3\xbc\xc3\x9f"
               "e AUS K\xc3\x96LN\",\"ignore_case\":true"),
     true},
    {F("body", "\"matches\":\"number 17\""), true},
    {F("body", "\"contains\":\"hidden\""), false},
    {F("body", "\"contains\":\"0123\""), false},
    {F("attachment", "\"is\":\"r\xc3\xa9sum\xc3\xa9.pdf\""), true},
    {F("attachment", "\"part\":\"name\",\"ends_with\":[\".exe\",\".pdf\"]"), true},
    {F("attachment", "\"part\":\"type\",\"is\":\"application/pdf\""), true},
    {F("attachment", "\"part\":\"size\",\"is\":10"), true},
    {F("attachment", "\"part\":\"count\",\"is\":1"), true},
    {F("mime_limit", "\"exists\":false"), true},
    {IF("{\"not\":{\"field\":\"from\",\"is\":\"x\"}}"), true},
    {IF("{\"all\":[{\"field\":\"listener\",\"is\":\"apps\"},{\"not\":{\"field\":\"to\",\"is\":\"c@d\"}}]}"), false},
    {IF("{\"any\":[{\"field\":\"listener\",\"is\":\"x\"},{\"all\":[{\"field\":\"to\",\"in\":[\"@d\"]}]}]}"), true},
};

static ptrdiff_t read_text(void *ctx, uint64_t offset, void *into, size_t len, struct fault *fault)
{
    (void)fault;
    struct bytes part = bytes_slice(bytes_of(ctx), (size_t)offset, len);
    memcpy(into, part.ptr, part.len);
    return (ptrdiff_t)part.len;
}

/* A message with everything that a condition can look at. */
static int decide_plain(const struct filters_set *set, bool trace, struct arena *arena,
                        struct filters_decision *decision, struct fault *fault, struct buf *explained)
{
    struct filters_scratch *scratch = filters_scratch_new();
    struct mail_recipient to = {.address = "c@d"};
    struct mail_envelope envelope = {.id = "ID",
                                     .client = {.listener = "apps",
                                                .address = "192.0.2.7",
                                                .helo = "mx.client.example",
                                                .protocol = "ESMTPS",
                                                .tls_version = "TLSv1.3"},
                                     .from = "Sender+x@client.example",
                                     .to = &to,
                                     .to_count = 1};
    struct mail_source source = {.size = strlen(plain), .read = read_text, .ctx = (void *)(uintptr_t)plain};
    struct filters_message message = {.envelope = &envelope,
                                      .header = bytes_of(plain),
                                      .source = &source,
                                      .size = strlen(plain),
                                      .now_ms = INT64_C(1795417880000)};
    int result = trace ? filters_explain(set, scratch, &message, NULL, NULL, arena, decision, fault, explained)
                       : filters_decide(set, scratch, &message, arena, decision, fault);
    filters_scratch_free(&scratch);
    return result;
}

static void conditions_hold(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof conditions / sizeof *conditions; i++) {
        struct buf out;
        buf_init(&out, 1 << 20);
        struct filters_set *set = fixture_load(conditions[i].rules, &out);
        if (set == NULL || out.len > 0) {
            fail_msg("%s: %s", conditions[i].rules, buf_text(&out));
        }
        for (int trace = 0; trace < 2; trace++) { /* with the index, and without */
            struct arena *arena = arena_new(1 << 20);
            struct filters_decision decision;
            struct fault fault = FAULT_INIT;
            assert_int_equal(decide_plain(set, trace == 1, arena, &decision, &fault, &out), 0);
            if ((decision.rule_count == 1) != conditions[i].yes) {
                fail_msg("%s is %s", conditions[i].rules, conditions[i].yes ? "no" : "yes");
            }
            arena_free(&arena);
        }
        filters_set_free(&set);
        buf_done(&out);
    }
}

#define X "{\"fileinto\":{\"folder\":\"X\"}}"

static const struct {
    const char *rules, *expected;
} actions[] = {
    {THEN(X), "corp:X <c@d>; a"},
    {THEN("{\"fileinto\":{\"folder\":\"X\",\"flags\":[\"${header.None}\",\"k\",\"${header.X-Two}\",\"K\",\"${header.X-"
          "Two}\"]}}"),
     "corp:X k one <c@d>; a"},
    {THEN("{\"copy\":{\"folder\":\"X\"}}"), "corp:X <c@d>;corp:INBOX <c@d>; a"},
    {THEN("{\"fileinto\":[{\"folder\":\"A\"},{\"upstream\":\"archive\",\"folder\":\"A\",\"flags\":[\"\\\\Seen\",\"d-${"
          "from.domain}\"]}]}"),
     "corp:A <c@d>;archive:A \\Seen d-client.example <c@d>; a"},
    /* What a server does not take in names, in what mail brings in: also the fallback's server; what the rule itself says stays. */
    {THEN("{\"fileinto\":[{\"folder\":\"A/${from.domain}\"},{\"upstream\":\"archive\",\"folder\":\"v1.0/"
          "${from.domain}\"}]}"),
     "corp:A/client.example <c@d>;archive:v1.0/client-example <c@d>; a"},
    {THEN("{\"fileinto\":{\"folder\":\"A/${from.domain}\",\"fallback\":\"archive\"}}"),
     "corp:A/client-example <c@d>; a"},
    {THEN("{\"fileinto\":{\"folder\":\"A\",\"else\":[{\"folder\":\"B/${from.domain}\",\"when\":[\"refused\"]},"
          "{\"upstream\":\"archive\",\"when\":[\"down>1h\",\"full > 30m\"]}]}}"),
     "corp:A else :B/client-example refused else archive: down>3600000 full>1800000 <c@d>; a"},
    {THEN("{\"fileinto\":{\"folder\":\"A\",\"else\":{\"folder\":\"B\"}}}"),
     "corp:A else :B refused down>0 full>0 <c@d>; a"},
    {THEN("{\"copy\":{\"folder\":\"A\",\"else\":{\"upstream\":\"archive\",\"folder\":\"B\",\"when\":\"down\"}}},"
          "{\"fileinto\":{\"folder\":\"A\"}}"),
     "corp:A else archive:B down>0 <c@d>; a"},
    {THEN("{\"reject\":\"no ${from}\"}"), "550 5.7.1 no Sender+x@client.example; a"},
    {THEN("{\"reject\":{\"text\":\"gr\xc3\xbc\xc3\x9f"
          "e\",\"code\":554,\"enhanced\":\"5.6.0\"}}"),
     "554 5.6.0 gr????e; a"},
    {THEN("{\"defer\":\"later\"}"), "450 4.7.1 later; a"},
    {THEN(X ",{\"reject\":\"no\"}"), "550 5.7.1 no; a"},
    {THEN("{\"discard\":true}"), " a"},
    {THEN(X ",{\"discard\":true}"), "corp:X <c@d>; a"},
    {THEN("{\"hold\":true}"), "corp:INBOX held <c@d>; a"},
    {THEN("{\"hold\":true}," X), "corp:X held <c@d>; a"},
    {THEN("{\"addheader\":{\"name\":\"X-A\",\"value\":\"f ${from}\"}},{\"deleteheader\":\"X-Two\"}," X),
     "corp:X +X-A:f Sender+x@client.example -X-Two <c@d>; a"},
    {THEN(X ",{\"addheader\":{\"name\":\"X-A\",\"value\":\"1\"}},{\"fileinto\":{\"folder\":\"Y\"}}"),
     "corp:X <c@d>;corp:Y +X-A:1 <c@d>; a"},
    {THEN("{\"replaceheader\":{\"name\":\"X-Two\",\"value\":\"${header.X-Two}!\"}}," X), "corp:X =X-Two:one! <c@d>; a"},
    {THEN("{\"tag_subject\":\"[ext] \"},{\"tag_subject\":\"[ext] \"}," X),
     "corp:X =Subject:[ext] Rechnung \xc3\x84rger 42 <c@d>; a"},
    {THEN("{\"fileinto\":{\"folder\":\"X\",\"date\":\"header\"}}"), "corp:X @1795414280 <c@d>; a"},
    {THEN("{\"set\":{\"v\":\"${from.user}-1\"}},{\"fileinto\":{\"folder\":\"${v}\"}}"), "corp:Sender-1 <c@d>; a"},
    {THEN("{\"fileinto\":{\"folder\":\"${date.year}/${date.month}/${date.day}/${date.hour}${date.minute}/"
          "${date.weekday}/${date.week}\"}}"),
     "corp:2026/11/23/0711/mon/48 <c@d>; a"},
    {THEN("{\"fileinto\":{\"folder\":\"${subject|slug}/${subject|first}/${subject|upper|first(3)}/"
          "${header.X-None|default('none')}\"}}"),
     "corp:rechnung-\xc3\xa4rger-42/Rechnung/REC/none <c@d>; a"},
    {THEN("{\"fileinto\":{\"folder\":\"${from.domain|replace('.','/')}/${id}/${list_id|lower}\"}}"),
     "corp:client_example/ID/news.lists.example <c@d>; a"},
    {THEN("{\"fileinto\":{\"folder\":\"\\\\Junk\"}}"), "corp:\\Junk <c@d>; a"},
    {THEN("{\"set\":{\"v\":\"\\\\Junk\"}},{\"fileinto\":{\"folder\":\"${v}\"}}"), "corp:_Junk <c@d>; a"},
    {THEN("{\"set\":{\"v\":\" \\\\\",\"w\":\"Sent\"}},{\"fileinto\":{\"folder\":\"${v}${w}\"}}"),
     "corp:_Sent <c@d>; a"},
    {THEN("{\"stop\":true}"), "corp:INBOX <c@d>; a"},
    {"{\"rules\":[{\"name\":\"a\",\"enabled\":false,\"then\":[" X "]}]}", "corp:INBOX <c@d>;"},
    {"{\"rules\":[{\"name\":\"a\",\"then\":[{\"goto\":\"g\"}]},{\"name\":\"after\",\"then\":[" X "]}],"
     "\"groups\":{\"g\":{\"rules\":[{\"name\":\"b\",\"if\":{\"field\":\"from\",\"is\":\"x\"},\"then\":[" X "]}],"
     "\"default\":[{\"fileinto\":{\"folder\":\"G\"}}]}}}",
     "corp:G <c@d>; a"},
    {"{\"rules\":[{\"name\":\"a\",\"then\":[{\"goto\":\"g\"}]}],"
     "\"groups\":{\"g\":{\"rules\":[{\"name\":\"b\",\"then\":[" X
     "]}],\"default\":[{\"fileinto\":{\"folder\":\"G\"}}]}}}",
     "corp:X <c@d>; a b"},
    {"{\"rules\":[{\"name\":\"a\",\"then\":[{\"goto\":\"g\"}]}],\"groups\":{\"g\":{\"rules\":[]}}}",
     "corp:INBOX <c@d>; a"},
    {"{\"rules\":[{\"name\":\"a\",\"if\":{\"header\":\"From\",\"matches\":\"(?<n>ada)\"},\"then\":[{\"set\":{\"n\":\"${"
     "n|upper}\"}}]},"
     "{\"name\":\"b\",\"then\":[{\"fileinto\":{\"folder\":\"${n}\"}}]}]}",
     "corp:ADA <c@d>; a b"},
};

static void print_plain(const struct filters_decision *decision, struct buf *out)
{
    if (decision->reply_code != 0) {
        buf_printf(out, "%d %s %s;", decision->reply_code, decision->enhanced, decision->reply_text);
    }
    for (size_t i = 0; i < decision->delivery_count; i++) {
        const struct mail_delivery *delivery = &decision->deliveries[i];
        buf_printf(out, "%s:%s", delivery->upstream, delivery->folder);
        fixture_print_ways(delivery, out);
        for (size_t j = 0; j < delivery->flag_count; j++) {
            buf_printf(out, " %s", delivery->flags[j]);
        }
        for (size_t j = 0; j < delivery->edit_count; j++) {
            const struct mail_edit *edit = &delivery->edits[j];
            buf_printf(out, " %c%s%s%s", "+-="[edit->kind], edit -> field, edit -> value == NULL ? "" : ":",
                       edit->value == NULL ? "" : edit->value);
        }
        buf_append_text(out, delivery->held ? " held" : "");
        if (delivery->date_ms != 0) {
            buf_printf(out, " @%lld", (long long)delivery->date_ms / 1000);
        }
        buf_printf(out, " <%s>;", delivery->recipients[0]);
    }
    for (size_t i = 0; i < decision->rule_count; i++) {
        buf_printf(out, " %s", decision->rules[i]);
    }
}

static void actions_are_done(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++) {
        struct buf out;
        buf_init(&out, 1 << 20);
        struct filters_set *set = fixture_load(actions[i].rules, &out);
        if (set == NULL) {
            fail_msg("%s: %s", actions[i].rules, buf_text(&out));
        }
        struct arena *arena = arena_new(1 << 20);
        struct filters_decision decision;
        struct fault fault = FAULT_INIT;
        assert_int_equal(decide_plain(set, false, arena, &decision, &fault, NULL), 0);
        buf_clear(&out);
        print_plain(&decision, &out);
        if (!bytes_is(buf_bytes(&out), actions[i].expected)) {
            fail_msg("%s: %s\n  instead of %s", actions[i].rules, buf_text(&out), actions[i].expected);
        }
        arena_free(&arena);
        filters_set_free(&set);
        buf_done(&out);
    }
}

/* One rule that files into what its pattern captured; the header; the decision. */
#define CAPTURED(condition)                                                                                            \
    "{\"rules\":[{\"name\":\"a\",\"if\":" condition                                                                    \
    ",\"then\":[{\"fileinto\":{\"folder\":\"X${w | default('none')}\"}}]}]}"
#define S(pattern) "{\"header\":\"Subject\",\"matches\":\"" pattern "\"}"

static const struct {
    const char *rules, *header, *expected;
} captured[] = {
    /* What stands under "not" matches, and takes room while it does. */
    {IF("{\"all\":[" S("^failed") ",{\"not\":" S("flaky") "}]}"), "Subject: failed: flaky\r\n", "corp:INBOX <c@d>;"},
    {IF("{\"all\":[" S("^failed") ",{\"not\":" S("flaky") "}]}"), "Subject: failed\r\n", "corp:X <c@d>; a"},
    {IF("{\"not\":" S("x") "}"), "Subject: x\r\n", "corp:INBOX <c@d>;"},
    {IF("{\"not\":{\"not\":" S("x") "}}"), "Subject: x\r\n", "corp:X <c@d>; a"},
    {IF("{\"not\":{\"all\":[" S("x") "," S("y") "," S("z") "]}}"), "Subject: xyz\r\n", "corp:INBOX <c@d>;"},
    {CAPTURED("{\"all\":[{\"not\":{\"not\":" S("b(?<w>.)") "}}," S("a(?<w>.)") "]}"), "Subject: a1b2\r\n",
     "corp:X1 <c@d>; a"},
    {CAPTURED("{\"all\":[" S("a(?<w>.)") ",{\"not\":{\"not\":" S("b(?<w>.)") "}}]}"), "Subject: a1b2\r\n",
     "corp:X1 <c@d>; a"},
    /* A branch that did not hold gives nothing. */
    {CAPTURED("{\"any\":[{\"all\":[" S("a(?<w>.)") "," S("missing") "]}," S("b") "]}"), "Subject: a1b2\r\n",
     "corp:Xnone <c@d>; a"},
    {CAPTURED("{\"any\":[{\"all\":[" S("a(?<w>.)") "," S("missing") "]}," S("b(?<w>.)") "]}"), "Subject: a1b2\r\n",
     "corp:X2 <c@d>; a"},
    {CAPTURED(S("(?J)(?:b(?<w>.)z|a(?<w>.))")), "Subject: a1b2\r\n", "corp:X1 <c@d>; a"}, /* two groups of one name */
    {CAPTURED(S("(?J)(?:a(?<w>.)|b(?<w>.)z)")), "Subject: a1b2\r\n", "corp:X1 <c@d>; a"},
    {CAPTURED("{\"all\":[" S("a(?<w>.)") "," S("b(?<w>.)") "]}"), "Subject: a1b2\r\n", "corp:X2 <c@d>; a"},
};

static void captures_are_those_of_what_holds(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof captured / sizeof *captured; i++) {
        struct buf out;
        buf_init(&out, 10000);
        struct filters_set *set = fixture_load(captured[i].rules, &out);
        if (set == NULL) {
            fail_msg("%s: %s", captured[i].rules, buf_text(&out));
        }
        buf_truncate(&out, 0);
        fixture_decide(set, "a@b", "c@d", captured[i].header, &out);
        if (strcmp(buf_text(&out), captured[i].expected) != 0) {
            fail_msg("%s: %s\n  instead of %s", captured[i].rules, buf_text(&out), captured[i].expected);
        }
        filters_set_free(&set);
        buf_done(&out);
    }
}

/* Which rules are tried, and which of them act: the header, the decision. */
#define RULES(rules)          "{\"rules\":[" rules "]}"
#define R(name, more, folder) "{\"name\":\"" name "\"" more ",\"then\":[{\"fileinto\":{\"folder\":\"" folder "\"}}]}"
#define FIRST(rules)                                                                                                   \
    "{\"rules\":[{\"name\":\"r\",\"then\":[{\"goto\":\"g\"}]}],\"groups\":{\"g\":{\"match\":\"first\",\"rules\":"      \
    "[" rules "],\"default\":[{\"fileinto\":{\"folder\":\"D\"}}]}}}"

static const struct {
    const char *rules, *header, *expected;
} tried[] = {
    {RULES(R("w", ",\"state\":\"watch\"", "W") "," R("x", "", "X")), "", "corp:X <c@d>; x ~w"},
    {RULES(R("w", ",\"state\":\"watch\"", "W")), "", "corp:INBOX <c@d>; ~w"},
    {RULES(R("w", ",\"state\":\"watch\",\"if\":{\"header\":\"X\",\"exists\":true}", "W")), "", "corp:INBOX <c@d>;"},
    {RULES("{\"name\":\"w\",\"state\":\"watch\",\"then\":[{\"reject\":\"no\"}]}"), "", "corp:INBOX <c@d>; ~w"},
    {RULES("{\"name\":\"w\",\"state\":\"watch\",\"if\":{\"header\":\"X\",\"matches\":\"^(a+)+$\"},\"then\":[{"
           "\"reject\":\"no\"}]}"),
     "X: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!\r\n", "corp:INBOX <c@d>;"},
    {RULES(R("o", ",\"off\":\"until the move is over\"", "O")), "", "corp:INBOX <c@d>;"},
    {RULES(R("o", ",\"state\":\"active\"", "O")), "", "corp:O <c@d>; o"},
    {RULES(R("u", ",\"until\":\"2026-11-23\"", "U")), "", "corp:U <c@d>; u"},
    {RULES(R("u", ",\"until\":\"2026-11-22\"", "U")), "", "corp:INBOX <c@d>;"},
    {FIRST(R("a", ",\"if\":{\"header\":\"X\",\"exists\":true}", "A") "," R("b", "", "B") "," R("c", "", "C")), "",
     "corp:B <c@d>; r b"},
    {FIRST(R("a", ",\"if\":{\"header\":\"X\",\"exists\":true}", "A") "," R("b", "", "B") "," R("c", "", "C")),
     "X: 1\r\n", "corp:A <c@d>; r a"},
    {FIRST(R("a", ",\"state\":\"watch\"", "A") "," R("b", "", "B")), "", "corp:B <c@d>; r b ~a"},
    {FIRST("{\"name\":\"a\",\"then\":[{\"copy\":{\"folder\":\"A\"}}]}," R("b", "", "B")), "",
     "corp:A <c@d>;corp:D <c@d>; r a"},
    {FIRST(R("a", ",\"if\":{\"header\":\"X\",\"exists\":true}", "A")), "", "corp:D <c@d>; r"},
    {"{\"actions\":{\"f\":[{\"fileinto\":{\"folder\":\"F/"
     "${w}\"}},{\"actions\":\"s\"}],\"s\":[{\"stop\":true}]},\"rules\":["
     "{\"name\":\"a\",\"if\":{\"header\":\"X\",\"matches\":\"(?<w>.)\"},\"then\":[{\"copy\":{\"folder\":\"C\"}},{"
     "\"actions\":\"f\"}]}," R("b", "", "B") "]}",
     "X: 1\r\n", "corp:C <c@d>;corp:F/1 <c@d>; a"},
};

static void rules_are_tried_as_their_state_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof tried / sizeof *tried; i++) {
        struct buf out;
        buf_init(&out, 10000);
        struct filters_set *set = fixture_load(tried[i].rules, &out);
        if (set == NULL) {
            fail_msg("%s: %s", tried[i].rules, buf_text(&out));
        }
        buf_truncate(&out, 0);
        fixture_decide(set, "a@b", "c@d", tried[i].header, &out);
        if (strcmp(buf_text(&out), tried[i].expected) != 0) {
            fail_msg("%s: %s\n  instead of %s", tried[i].rules, buf_text(&out), tried[i].expected);
        }
        filters_set_free(&set);
        buf_done(&out);
    }
}

static const char rules_text[] =
    "{ \"rules\": ["
    "  { \"name\": \"ci\","
    "    \"if\": { \"all\": ["
    "      { \"field\": \"from\", \"is\": \"ci@build.example\" },"
    "      { \"header\": \"Subject\", \"matches\": \"^failed: (?<project>[\\\\w./ -]*)\", \"ignore_case\": true } ] },"
    "    \"then\": [ { \"fileinto\": { \"upstream\": \"corp\", \"folder\": \"CI/${project}\", \"flags\": "
    "[\"\\\\Flagged\", \"ci\"] } },"
    "              { \"stop\": true } ] },"
    "  { \"name\": \"sales\", \"if\": { \"field\": \"to\", \"is\": [\"sales@x\", \"orders@x\"] },"
    "    \"then\": [ { \"fileinto\": { \"upstream\": \"corp\", \"folder\": \"Sales\" } } ] },"
    "  { \"name\": \"vip\", \"if\": { \"any\": [ { \"header\": \"X-Vip\", \"is\": \"YES\", \"ignore_case\": true },"
    "                                  { \"not\": { \"field\": \"from\", \"matches\": \"@\" } } ] },"
    "    \"then\": [ { \"fileinto\": { \"upstream\": \"archive\", \"folder\": \"VIP\" } } ] },"
    "  { \"name\": \"end\", \"if\": { \"header\": \"X-End\", \"is\": \"1\" }, \"then\": [ { \"stop\": true } ] },"
    "  { \"name\": \"number\", \"if\": { \"header\": \"X-Id\", \"matches\": \"^(\\\\d+)-(x)?\" },"
    "    \"then\": [ { \"fileinto\": { \"upstream\": \"corp\", \"folder\": \"N/${1}/${2}\" } } ] },"
    "  { \"name\": \"bomb\", \"if\": { \"header\": \"X-Bomb\", \"matches\": \"^(a+)+$\" },"
    "    \"then\": [ { \"fileinto\": { \"upstream\": \"corp\", \"folder\": \"Bomb\" } } ] },"
    "  { \"name\": \"bomb skipped\", \"on_error\": \"skip\", \"if\": { \"header\": \"X-Skip\", \"matches\": "
    "\"^(a+)+$\" },"
    "    \"then\": [ { \"discard\": true } ] },"
    "  { \"name\": \"bomb filed\", \"on_error\": \"default\", \"if\": { \"header\": \"X-Default\", \"matches\": "
    "\"^(a+)+$\" },"
    "    \"then\": [ { \"discard\": true } ] },"
    "  { \"name\": \"refuse one\", \"if\": { \"all\": [ { \"field\": \"to\", \"is\": \"bad@x\" }, { \"header\": "
    "\"X-Bad\", \"exists\": true } ] },"
    "    \"then\": [ { \"reject\": \"bad\" } ] },"
    "  { \"name\": \"defer one\", \"if\": { \"field\": \"to\", \"is\": \"later@x\" }, \"then\": [ { \"defer\": "
    "\"later\" } ] }"
    "] }";

#define BOMB "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!\r\n"

static const struct {
    const char *from, *to, *header, *expected;
} cases[] = {
    {"a@b", "c@d", "Subject: x\r\n", "corp:INBOX <c@d>;"},
    {"ci@build.example", "c@d", "Subject: FAILED: web\r\n", "corp:CI/web \\Flagged ci <c@d>; ci"},
    {"CI@Build.example", "c@d", "Subject: failed: web\r\n", "corp:CI/web \\Flagged ci <c@d>; ci"},
    {"ci@build.example", "c@d", "Subject: failed:\r\n  web\r\n", "corp:CI/web \\Flagged ci <c@d>; ci"},
    {"ci@build.example", "c@d", "Subject: failed: a/../b\r\n", "corp:CI/a_.._b \\Flagged ci <c@d>; ci"},
    {"ci@build.example", "c@d", "Subject: failed: ..\r\n", "corp:CI/_ \\Flagged ci <c@d>; ci"},
    {"ci@build.example", "c@d", "Subject: failed: .\r\n", "corp:CI/_ \\Flagged ci <c@d>; ci"},
    {"ci@build.example", "c@d", "Subject: failed: !\r\n", "corp:CI/_ \\Flagged ci <c@d>; ci"},
    {"ci@build.example", "c@d e@f", "Subject: failed: web\r\n", "corp:CI/web \\Flagged ci <c@d e@f>; ci"},
    {"a@b", "sales@x c@d orders@x", "Subject: x\r\n", "corp:Sales <sales@x orders@x>;corp:INBOX <c@d>; sales"},
    {"a@b", "sales@x", "X-Vip: no\r\nX-VIP: yes\r\n", "corp:Sales <sales@x>;archive:VIP <sales@x>; sales vip"},
    {"", "c@d", "Subject: x\r\n", "archive:VIP <c@d>; vip"},
    {"a@b", "c@d", "X-End: 1\r\nX-Id: 5-\r\n", "corp:INBOX <c@d>; end"},
    {"a@b", "c@d", "X-Id: 17-x\r\n", "corp:N/17/x <c@d>; number"},
    {"a@b", "c@d", "X-Id: 17-\r\n", "corp:N/17/_ <c@d>; number"},
    {"a@b", "c@d", "X-Id: 17-\r\n\r\nX-End: 1\r\n", "corp:N/17/_ <c@d>; number"},
    {"a@b", "c@d", "X-Bomb: aaa\r\n", "corp:Bomb <c@d>; bomb"},
    {"a@b", "c@d", "X-Bomb: " BOMB, "fault pattern-limit"},
    {"a@b", "c@d", "X-Skip: " BOMB "X-Id: 1-\r\n", "corp:N/1/_ <c@d>; number"},
    {"a@b", "c@d", "X-Default: " BOMB, "corp:INBOX <c@d>;"},
    {"a@b", "c@d", "X-Id: 1-\r\nX-Vip: \xff\xfe\r\n", "corp:N/1/_ <c@d>; number"},
    {"a@b", "c@d", "", "corp:INBOX <c@d>;"},
    {"a@b", "c@d bad@x", "X-Bad: 1\r\n", "550 5.7.1 bad; refuse one"},
    {"a@b", "later@x bad@x", "X-Bad: 1\r\n", "550 5.7.1 bad; defer one refuse one"},
    {"a@b", "c@d later@x", "X-Id: 1-\r\n", "450 4.7.1 later; number defer one"},
};

static void messages_are_decided(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 1 << 16);
    struct filters_set *set = fixture_load(rules_text, &out);
    if (set == NULL) {
        fail_msg("%s", buf_text(&out));
    }
    assert_int_equal(filters_rule_count(set), 10);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        buf_clear(&out);
        fixture_decide(set, cases[i].from, cases[i].to, cases[i].header, &out);
        if (!bytes_is(buf_bytes(&out), cases[i].expected)) {
            fail_msg("%zu: %s\n  instead of %s", i, buf_text(&out), cases[i].expected);
        }
    }
    filters_set_free(&set);
    buf_done(&out);
}

#define REJECT    "\"then\":[{\"reject\":\"no\"}]}"
#define FROM_X    "{\"field\":\"from\",\"is\":\"x@y\"}"
#define SUBJECT_Y "{\"header\":\"Subject\",\"is\":\"y\"}"

/* What is certain at RCPT TO for <x@y> to <c@d>: 1 refused, 0 not. */
static const struct {
    const char *rules;
    int refused;
} recipients[] = {
    {"{\"rules\":[{\"name\":\"a\",\"if\":" FROM_X "," REJECT "]}", 1},
    {"{\"rules\":[{\"name\":\"a\",\"if\":{\"field\":\"from\",\"is\":\"z\"}," REJECT "]}", 0},
    {"{\"rules\":[{\"name\":\"a\",\"if\":" SUBJECT_Y "," REJECT "]}", 0},
    {"{\"rules\":[{\"name\":\"a\",\"if\":{\"any\":[" SUBJECT_Y "," FROM_X "]}," REJECT "]}", 1},
    {"{\"rules\":[{\"name\":\"a\",\"if\":{\"all\":[" SUBJECT_Y "," FROM_X "]}," REJECT "]}", 0},
    {"{\"rules\":[{\"name\":\"a\",\"if\":{\"not\":" SUBJECT_Y "}," REJECT "]}", 0},
    {"{\"rules\":[{\"name\":\"s\",\"if\":" SUBJECT_Y ",\"then\":[{\"stop\":true}]},{\"name\":\"a\",\"if\":" FROM_X
     "," REJECT "]}",
     0},
    {"{\"rules\":[{\"name\":\"s\",\"if\":" SUBJECT_Y ",\"then\":[{\"hold\":true}]},{\"name\":\"a\",\"if\":" FROM_X
     "," REJECT "]}",
     1},
    {"{\"rules\":[{\"name\":\"s\",\"if\":" FROM_X ",\"then\":[{\"stop\":true}]},{\"name\":\"a\"," REJECT "]}", 0},
    {"{\"rules\":[{\"name\":\"s\",\"then\":[{\"goto\":\"g\"}]}],\"groups\":{\"g\":{\"rules\":[{\"name\":\"a\","
     "\"if\":" FROM_X "," REJECT "]}}}",
     1},
    {"{\"rules\":[{\"name\":\"a\",\"if\":" FROM_X ",\"then\":[{\"reject\":\"no ${subject}\"}]}]}", 0},
    {"{\"rules\":[{\"name\":\"a\",\"if\":" FROM_X ",\"then\":[{\"reject\":\"no ${to}\"}]}]}", 1},
    {"{\"rules\":[{\"name\":\"a\",\"if\":{\"field\":\"body\",\"exists\":false}," REJECT "]}", 0},
    {"{\"rules\":[{\"name\":\"a\",\"if\":{\"field\":\"size\",\"under\":1}," REJECT "]}", 0},
    {"{\"rules\":[{\"name\":\"a\",\"if\":" FROM_X ",\"then\":[{\"defer\":\"x\"}]}]}", 1},
};

static void the_envelope_alone_decides_where_it_can(void **state)
{
    (void)state;
    struct mail_recipient to = {.address = "c@d"};
    struct mail_envelope envelope = {.from = "x@y", .to = &to, .to_count = 1};
    for (size_t i = 0; i < sizeof recipients / sizeof *recipients; i++) {
        struct buf out;
        buf_init(&out, 1 << 16);
        struct filters_set *set = fixture_load(recipients[i].rules, &out);
        if (set == NULL) {
            fail_msg("%s: %s", recipients[i].rules, buf_text(&out));
        }
        struct filters_scratch *scratch = filters_scratch_new();
        struct arena *arena = arena_new(1 << 16);
        struct filters_decision decision = {0};
        struct fault fault = FAULT_INIT;
        int refused =
            filters_decide_recipient(set, scratch, &envelope, (struct filters_clock){0}, arena, &decision, &fault);
        if (refused != recipients[i].refused || (refused == 1) != (decision.reply_code >= 400)) {
            fail_msg("%s: %d %d", recipients[i].rules, refused, decision.reply_code);
        }
        arena_free(&arena);
        filters_scratch_free(&scratch);
        filters_set_free(&set);
        buf_done(&out);
    }
}

/* A clock that goes on by as much as each look at it says. */
struct ticking {
    uint64_t now_us, step_us;
    unsigned looks;
};

static uint64_t tick(void *ctx)
{
    struct ticking *ticking = ctx;
    ticking->looks++;
    return ticking->now_us += ticking->step_us;
}

/* 2,000 rules over one field, none of which matches, and none of which can be told so without trying; the last acts always. */
static struct filters_set *many_patterns(const char *on_error)
{
    struct buf text, out;
    buf_init(&text, 1u << 20);
    buf_init(&out, 1u << 20);
    buf_append_text(&text, "{\"rules\":[");
    for (int i = 0; i < 2000; i++) {
        buf_printf(&text, "{\"name\":\"r%d\",\"if\":{\"field\":\"from\",\"matches\":\"^(%d|x)!\"},%s\"then\":[" X "]},",
                   i, i, on_error);
    }
    buf_append_text(&text, "{\"name\":\"last\",\"then\":[{\"reject\":\"last\"}]}]}");
    struct filters_set *set = fixture_load(buf_text(&text), &out);
    if (set == NULL) {
        fail_msg("%s", buf_text(&out));
    }
    buf_done(&text);
    buf_done(&out);
    return set;
}

static const struct {
    const char *on_error;
    uint64_t step_us;
    const char *expected; /* what comes of it, or the fault's code */
} times[] = {
    {"", 1, "550 5.7.1 last; last"},
    {"", 1000, "time-limit"},
    {"\"on_error\":\"skip\",", 1000, "time-limit"}, /* nothing is left that it could be skipped for */
    {"\"on_error\":\"default\",", 1000, "corp:INBOX <c@d>;"},
};

static void the_time_of_a_message_is_bounded(void **state)
{
    (void)state;
    struct mail_recipient to[] = {{.address = "c@d"}, {.address = "e@f"}};
    struct mail_envelope envelope = {.from = "x@y", .to = to, .to_count = 1};
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        struct filters_set *set = many_patterns(times[i].on_error);
        struct filters_scratch *scratch = filters_scratch_new();
        struct arena *arena = arena_new(1u << 20);
        struct ticking ticking = {.step_us = times[i].step_us};
        struct filters_message message = {.envelope = &envelope,
                                          .clock = {.now_us = tick, .ctx = &ticking, .budget_us = 10000}};
        struct filters_decision decision = {0};
        struct fault fault = FAULT_INIT;
        struct buf out;
        buf_init(&out, 4096);
        int result = filters_decide(set, scratch, &message, arena, &decision, &fault);
        print_plain(&decision, &out);
        assert_string_equal(result < 0 ? fault.code : buf_text(&out), times[i].expected);
        assert_int_equal(decision.out_of_time, i == 3);
        assert_true(ticking.looks > 5 && ticking.looks < 2000); /* now and then, not for each test */
        if (result < 0) {
            assert_non_null(strstr(fault.text, "within 10 ms"));
            assert_int_equal(fault.where[0], 'r'); /* the rule that was being tried */
        }
        /* At RCPT TO it is not known yet, whatever on_error says. */
        ticking = (struct ticking){.step_us = times[i].step_us};
        fault = FAULT_INIT;
        assert_int_equal(filters_decide_recipient(set, scratch, &envelope, message.clock, arena, &decision, &fault),
                         i == 0);
        assert_false(fault_is_set(&fault));
        buf_done(&out);
        arena_free(&arena);
        filters_scratch_free(&scratch);
        filters_set_free(&set);
    }
}

/* Rules of many networks, some of them in lists, by one look-up for each length: the same ones act as when each is tried. */
static void networks_are_looked_up(void **state)
{
    (void)state;
    static const char rules[] =
        "{\"lists\":{\"ours\":[\"192.0.2.0/26\",\"10.0.0.0/8\"],\"theirs\":[\"198.51.100.0/24\"]},\"rules\":["
        "{\"name\":\"a\",\"if\":{\"field\":\"client\",\"in\":[\"192.0.2.0/24\",\"10.0.0.0/"
        "8\"]},\"then\":[{\"copy\":{\"folder\":\"A\"}}]},"
        "{\"name\":\"b\",\"if\":{\"field\":\"client\",\"is\":\"192.0.2.7\"},\"then\":[{\"copy\":{\"folder\":\"B\"}}]},"
        "{\"name\":\"c\",\"if\":{\"field\":\"client\",\"is\":\"192.0.2.8\"},\"then\":[{\"copy\":{\"folder\":\"C\"}}]},"
        "{\"name\":\"d\",\"if\":{\"field\":\"client\",\"in\":\"ours\"},\"then\":[{\"copy\":{\"folder\":\"D\"}}]},"
        "{\"name\":\"e\",\"if\":{\"field\":\"client\",\"in\":\"theirs\"},\"then\":[{\"copy\":{\"folder\":\"E\"}}]},"
        "{\"name\":\"f\",\"if\":{\"not\":{\"field\":\"client\",\"in\":[\"192.0.2.0/"
        "24\"]}},\"then\":[{\"copy\":{\"folder\":\"F\"}}]},"
        "{\"name\":\"g\",\"if\":{\"any\":[{\"field\":\"client\",\"is\":\"2001:db8::1\"},{\"field\":\"client\",\"in\":["
        "\"::/0\"]}]},"
        "\"then\":[{\"copy\":{\"folder\":\"G\"}}]}]}";
    static const struct {
        const char *client, *acted;
    } clients[] = {{"192.0.2.7", "abdg"}, {"192.0.2.200", "ag"}, {"198.51.100.1", "efg"},
                   {"2001:db8::1", "fg"}, {"unix", "f"},         {NULL, "f"}};
    struct buf out;
    buf_init(&out, 1u << 20);
    struct filters_set *set = fixture_load(rules, &out);
    if (set == NULL) {
        fail_msg("%s", buf_text(&out));
    }
    struct filters_scratch *scratch = filters_scratch_new();
    struct mail_recipient to = {.address = "c@d"};
    for (size_t i = 0; i < 2 * sizeof clients / sizeof *clients; i++) {
        struct mail_envelope envelope = {
            .client = {.address = clients[i / 2].client}, .from = "x@y", .to = &to, .to_count = 1};
        struct filters_message message = {.envelope = &envelope};
        struct arena *arena = arena_new(1u << 20);
        struct filters_decision decision = {0};
        struct fault fault = FAULT_INIT;
        char acted[16] = "";
        int result = i % 2 == 0 ? filters_decide(set, scratch, &message, arena, &decision, &fault)
                                : filters_explain(set, scratch, &message, NULL, NULL, arena, &decision, &fault, &out);
        assert_int_equal(result, 0);
        for (size_t rule = 0; rule < decision.rule_count; rule++) {
            acted[rule] = decision.rules[rule][0];
        }
        assert_string_equal(acted, clients[i / 2].acted);
        arena_free(&arena);
    }
    filters_scratch_free(&scratch);
    filters_set_free(&set);
    buf_done(&out);
}

static void without_a_default_the_message_is_refused(void **state)
{
    (void)state;
    struct problems *problems = problems_new();
    struct filters_set *set = filters_load(&(struct filters_load_options){.source_count = 0}, problems);
    assert_non_null(set);
    struct buf out;
    buf_init(&out, 4096);
    fixture_decide(set, "a@b", "c@d", "Subject: x\r\n", &out);
    assert_string_equal(buf_text(&out), "550 5.7.1 no rule takes this message;");
    buf_done(&out);
    filters_set_free(&set);
    problems_free(&problems);
}

static void a_body_that_is_missing_is_never_guessed(void **state)
{
    (void)state;
    static const struct {
        const char *condition, *outcome;
    } rows[] = {
        {"{\"header\":\"Subject\",\"is\":\"x\"}", "corp:X <c@d>; a"},
        {"{\"field\":\"body\",\"contains\":\"x\"}", "fault body-missing a"},
        {"{\"not\":{\"field\":\"body\",\"contains\":\"x\"}}", "fault body-missing a"},
        {"{\"all\":[{\"header\":\"Subject\",\"is\":\"y\"},{\"field\":\"body\",\"contains\":\"x\"}]}",
         "corp:INBOX <c@d>;"},
        {"{\"any\":[{\"header\":\"Subject\",\"is\":\"x\"},{\"field\":\"body\",\"contains\":\"x\"}]}",
         "corp:X <c@d>; a"},
        {"{\"field\":\"size\",\"over\":0}", "corp:X <c@d>; a"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf out, rules;
        buf_init(&out, 4096);
        buf_init(&rules, 4096);
        buf_printf(&rules, IF("%s"), rows[i].condition);
        struct filters_set *set = fixture_load(buf_text(&rules), &out);
        assert_non_null(set);
        struct arena *arena = arena_new(1 << 20);
        struct filters_scratch *scratch = filters_scratch_new();
        struct mail_recipient to = {.address = "c@d"};
        struct mail_envelope envelope = {.from = "a@b", .to = &to, .to_count = 1};
        struct filters_message message = {
            .envelope = &envelope, .header = bytes_of("Subject: x\r\n\r\n"), .size = 100, .body_missing = true};
        struct filters_decision decision;
        struct fault fault = FAULT_INIT;
        if (filters_decide(set, scratch, &message, arena, &decision, &fault) < 0) {
            buf_printf(&out, "fault %s %s", fault.code, fault.where);
        } else {
            fixture_print(&decision, &out);
        }
        assert_string_equal(buf_text(&out), rows[i].outcome);
        filters_scratch_free(&scratch);
        arena_free(&arena);
        filters_set_free(&set);
        buf_done(&rules);
        buf_done(&out);
    }
}

static void a_full_arena_is_a_fault(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 4096);
    struct filters_set *set = fixture_load(rules_text, &out);
    struct arena *arena = arena_new(16);
    struct filters_scratch *scratch = filters_scratch_new();
    struct mail_recipient to = {.address = "c@d"};
    struct mail_envelope envelope = {.from = "a@b", .to = &to, .to_count = 1};
    struct filters_message message = {.envelope = &envelope};
    struct filters_decision decision = {.reply_code = 1};
    struct fault fault = FAULT_INIT;
    assert_int_equal(filters_decide(set, scratch, &message, arena, &decision, &fault), -1);
    assert_string_equal(fault.code, "rules-memory");
    assert_int_equal(decision.reply_code, 1);
    filters_scratch_free(&scratch);
    arena_free(&arena);
    filters_set_free(&set);
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conditions_hold),
        cmocka_unit_test(actions_are_done),
        cmocka_unit_test(captures_are_those_of_what_holds),
        cmocka_unit_test(rules_are_tried_as_their_state_says),
        cmocka_unit_test(messages_are_decided),
        cmocka_unit_test(the_envelope_alone_decides_where_it_can),
        cmocka_unit_test(the_time_of_a_message_is_bounded),
        cmocka_unit_test(networks_are_looked_up),
        cmocka_unit_test(without_a_default_the_message_is_refused),
        cmocka_unit_test(a_body_that_is_missing_is_never_guessed),
        cmocka_unit_test(a_full_arena_is_a_fault),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
