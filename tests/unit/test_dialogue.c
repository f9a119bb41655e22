/* dialogue: what of a dialogue is shown; given whole and octet by octet, it is the same, and no secret is in it. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "proto/dialogue.h"
#include "test.h"

#define SECRET "c2VjcmV0"

struct turn {
    char who;
    const char *octets;
};

struct scene {
    const char *name;
    bool imap, late; /* late: it is heard from the middle on */
    struct turn turns[16];
    const char *shown; /* "C: line\n" … */
};

static const struct scene scenes[] = {
    {"smtp",
     false,
     false,
     {{'S', "220 gw ESMTP\r\n"},
      {'C', "EHLO a\r\n"},
      {'S', "250-gw\r\n250 SIZE\r\n"},
      {'C', "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n"},
      {'S', "250 ok\r\n250 ok\r\n354 go\r\n"},
      {'C', "Subject: " SECRET "\r\n\r\nMAIL " SECRET "\r\n.\r\n"},
      {'S', "250 kept\r\n"},
      {'C', "QUIT\r\n"},
      {'S', "221 bye\r\n"}},
     "S: 220 gw ESMTP\nC: EHLO a\nS: 250-gw\nS: 250 SIZE\nC: MAIL FROM:<a@b>\nC: RCPT TO:<c@d>\nC: DATA\nS: 250 ok\nS: "
     "250 ok\n"
     "S: 354 go\nC: [39 octets]\nS: 250 kept\nC: QUIT\nS: 221 bye\n"},
    {"bdat",
     false,
     false,
     {{'C', "BDAT 8 LAST\r\n" SECRET "NOOP\r\n"}, {'S', "250 ok\r\n250 ok\r\n"}},
     "C: BDAT 8 LAST\nC: [8 octets]\nC: NOOP\nS: 250 ok\nS: 250 ok\n"},
    {"auth plain",
     false,
     false,
     {{'C', "auth PLAIN " SECRET "\r\n"}, {'S', "235 in\r\n"}, {'C', "NOOP\r\n"}},
     "C: auth PLAIN [8 octets]\nS: 235 in\nC: NOOP\n"},
    {"auth login",
     false,
     false,
     {{'C', "AUTH LOGIN\r\n"},
      {'S', "334 VXNlcg==\r\n"},
      {'C', SECRET "\r\n"},
      {'S', "334 UGFzcw==\r\n"},
      {'C', SECRET "\r\n"},
      {'S', "535 no\r\n"},
      {'C', SECRET "\r\n"},
      {'S', "500 what\r\n"}},
     "C: AUTH LOGIN [0 octets]\nS: 334 [8 octets]\nC: answer: [8 octets]\nS: 334 [8 octets]\nC: answer: [8 octets]\nS: "
     "535 no\n"
     "C: no command: [8 octets]\nS: 500 what\n"},
    {"from the middle of a message",
     false,
     true,
     {{'C', "MAIL " SECRET "\r\n.\r\n"}, {'S', "250 kept\r\n"}, {'C', "NOOP\r\n"}},
     "C: [18 octets]\nS: 250 kept\nC: NOOP\n"},
    {"imap login",
     true,
     false,
     {{'S', "* OK hi\r\n"},
      {'C', "a1 LOGIN user " SECRET "\r\n"},
      {'S', "* CAPABILITY X\r\na1 OK in\r\n"},
      {'C', "a2 NOOP\r\n"}},
     "S: * OK hi\nC: a1 LOGIN [13 octets]\nS: * CAPABILITY X\nS: a1 OK in\nC: a2 NOOP\n"},
    {"imap login with literals",
     true,
     false,
     {{'C', "a1 LOGIN {4}\r\n"},
      {'S', "+ go\r\n"},
      {'C', "user {8}\r\n"},
      {'S', "+ go\r\n"},
      {'C', SECRET "\r\n"},
      {'S', "a1 OK\r\n"}},
     "C: a1 LOGIN [3 octets]\nS: + [2 octets]\nC: answer: [8 octets]\nS: + [2 octets]\nC: answer: [8 octets]\nS: a1 "
     "OK\n"},
    {"imap authenticate",
     true,
     false,
     {{'C', "a1 AUTHENTICATE XOAUTH2 " SECRET "\r\n"},
      {'S', "+ " SECRET "\r\n"},
      {'C', "\r\n"},
      {'S', "a1 NO expired\r\n"},
      {'C', "a2 AUTHENTICATE SCRAM-SHA-256\r\n"},
      {'S', "+ \r\n"},
      {'C', SECRET "\r\n"},
      {'S', "+ " SECRET "\r\n"},
      {'C', SECRET "\r\n"},
      {'S', "a2 OK\r\n"}},
     "C: a1 AUTHENTICATE XOAUTH2 [8 octets]\nS: + [8 octets]\nC: answer: [0 octets]\nS: a1 NO expired\n"
     "C: a2 AUTHENTICATE SCRAM-SHA-256 [0 octets]\nS: + [0 octets]\nC: answer: [8 octets]\nS: + [8 octets]\nC: answer: "
     "[8 octets]\n"
     "S: a2 OK\n"},
    {"imap append",
     true,
     false,
     {{'C', "a APPEND x {8}\r\n"},
      {'S', "+ go\r\n"},
      {'C', SECRET " (\\Seen) {8+}\r\n" SECRET "\r\n"},
      {'S', "a OK\r\n"}},
     "C: a APPEND x {8}\nS: + go\nC: [8 octets]\nC:  (\\Seen) {8+}\nC: [8 octets]\nC: \nS: a OK\n"},
    {"imap fetch",
     true,
     false,
     {{'S', "* 1 FETCH (BODY[] {8}\r\n" SECRET ")\r\na OK\r\n"}},
     "S: * 1 FETCH (BODY[] {8}\nS: [8 octets]\nS: )\nS: a OK\n"},
    {"imap from the middle",
     true,
     true,
     {{'C', SECRET "\r\n"}, {'S', "* 1 EXISTS\r\n"}, {'C', SECRET}, {'S', "a OK\r\n"}, {'C', "b NOOP\r\n"}},
     "C: [10 octets]\nS: * 1 EXISTS\nC: [8 octets]\nS: a OK\nC: b NOOP\n"},
};

static void on_line(void *ctx, char who, struct bytes line)
{
    buf_printf(ctx, "%c: ", who);
    buf_append_bytes(ctx, line);
    buf_append_text(ctx, "\n");
}

static void play(const struct scene *scene, size_t piece, struct buf *out)
{
    struct dialogue *dialogue =
        scene->imap ? dialogue_new_imap(!scene->late, on_line, out) : dialogue_new_smtp(!scene->late, on_line, out);
    for (const struct turn *turn = scene->turns; turn->octets != NULL; turn++) {
        struct bytes rest = bytes_of(turn->octets);
        while (rest.len > 0) {
            struct bytes part = bytes_slice(rest, 0, piece);
            if (turn->who == 'C') {
                dialogue_client(dialogue, part);
            } else {
                dialogue_server(dialogue, part);
            }
            rest = bytes_from(rest, part.len);
        }
    }
    dialogue_free(&dialogue);
}

static void scenes_show_what_may_be_shown(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof scenes / sizeof *scenes; i++) {
        for (size_t piece = 1; piece <= 200; piece += piece < 9 ? 1 : 191) {
            struct buf out;
            buf_init(&out, 100000);
            play(&scenes[i], piece, &out);
            if (strcmp(buf_text(&out), scenes[i].shown) != 0) {
                fail_msg("%s, pieces of %zu:\n%s", scenes[i].name, piece, buf_text(&out));
            }
            assert_null(strstr(buf_text(&out), SECRET));
            buf_done(&out);
        }
    }
}

/* Also behind a line that is too long to be kept, a literal is seen. */
static void a_long_line_ends_in_a_literal(void **state)
{
    (void)state;
    struct buf out, line;
    buf_init(&out, 100000);
    buf_init(&line, 10000);
    buf_append_text(&line, "a APPEND \"");
    for (int i = 0; i < 3000; i++) {
        buf_append_octet(&line, 'x');
    }
    buf_append_text(&line, "\" {8}\r\n" SECRET "\r\n");
    struct dialogue *dialogue = dialogue_new_imap(true, on_line, &out);
    dialogue_client(dialogue, buf_bytes(&line));
    dialogue_server(dialogue, bytes_of("a OK\r\n"));
    dialogue_free(&dialogue);
    assert_null(strstr(buf_text(&out), SECRET));
    assert_non_null(strstr(buf_text(&out), "C: [8 octets]"));
    buf_done(&out);
    buf_done(&line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scenes_show_what_may_be_shown),
        cmocka_unit_test(a_long_line_ends_in_a_literal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
