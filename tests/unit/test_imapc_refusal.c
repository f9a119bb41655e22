/* imapc_refusal: what servers say, and what it means. The words are those of real servers. */
#include "test.h"

#include "engine/imapc_refusal.h"

static const struct {
    const char *line; /* a tagged answer or BYE */
    enum fault_class class;
    const char *code;
    bool account, create, crowded;
    uint64_t pause;
} rows[] = {
    {"T NO [TRYCREATE] Mailbox doesn't exist: x", FAULT_PERM, "nonexistent", false, true, false, 0},
    {"T NO Invalid mailbox name.", FAULT_PERM, "nonexistent", false, true, false, 0},
    {"T NO [NONEXISTENT] Mailbox does not exist", FAULT_PERM, "nonexistent", false, true, false, 0},
    {"T NO [OVERQUOTA] Quota exceeded (mailbox for user is full)", FAULT_TEMP, "overquota", false, false, false, 0},
    {"T NO Over quota", FAULT_TEMP, "overquota", false, false, false, 0},
    {"T NO [ALERT] You exceeded your mail quota.", FAULT_TEMP, "overquota", false, false, false, 0},
    {"T NO [TOOBIG] Message too large", FAULT_PERM, "toobig", false, false, false, 0},
    {"T BAD [TOOBIG] Message too large.", FAULT_PERM, "toobig", false, false, false, 0},
    {"T NO Maximum size of appendable message has been exceeded", FAULT_PERM, "toobig", false, false, false, 0},
    {"T NO [NOPERM] No permission", FAULT_PERM, "noperm", false, false, false, 0},
    {"T NO Permission denied", FAULT_PERM, "noperm", false, false, false, 0},
    {"T NO [CANNOT] APPEND Contains Deleted flag", FAULT_PERM, "cannot", false, false, false, 0},
    {"T BAD [CLIENTBUG] Message must end in CRLF", FAULT_PERM, "clientbug", false, false, false, 0},
    {"T NO [LIMIT] slow down", FAULT_TEMP, "limit", false, false, false, 0},
    {"T NO [INUSE] Mailbox is locked", FAULT_TEMP, "inuse", false, false, false, 0},
    {"T NO [UNAVAILABLE] Maximum number of connections from user+IP exceeded (mail_max_userip_connections=10)",
     FAULT_TEMP, "connections", true, false, true, 0},
    {"T NO [UNAVAILABLE] Internal error", FAULT_TEMP, "unavailable", true, false, false, 0},
    {"* BYE [ALERT] Too many simultaneous connections. (Failure)", FAULT_TEMP, "connections", true, false, true, 0},
    {"T NO Request is throttled. Suggested Backoff Time: 299937 milliseconds", FAULT_TEMP, "throttled", true, false,
     false, 299937},
    {"T BAD Request is throttled. Suggested Backoff Time: 99999999999 milliseconds", FAULT_TEMP, "throttled", true,
     false, false, 3600000},
    {"T NO [AUTHENTICATIONFAILED] Authentication failed.", FAULT_PERM, "authentication", true, false, false, 0},
    {"T NO [EXPIRED] Password expired", FAULT_PERM, "expired", true, false, false, 0},
    {"T BAD User is authenticated but not connected.", FAULT_PERM, "authorization", true, false, false, 0},
    {"* BYE server closing connection; service busy", FAULT_TEMP, "unavailable", true, false, false, 0},
    {"* BYE", FAULT_TEMP, "bye", false, false, false, 0},
    {"T NO something nobody ever saw", FAULT_TEMP, "refused", false, false, false, 0},
    {"T NO [X-NEW 1 2] something", FAULT_TEMP, "refused", false, false, false, 0},
    {"T BAD Command Argument Error. 11", FAULT_PERM, "bad", false, false, false, 0},
};

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct imap_reply_parser parser;
        struct imap_reply reply;
        size_t used;
        imap_reply_init(&parser);
        imap_reply_next(&parser, bytes_of(rows[i].line), &used, &reply);
        assert_int_equal(imap_reply_next(&parser, bytes_of("\r\n"), &used, &reply), 1);
        struct imapc_refusal refusal = imapc_refusal_of(&reply);
        assert_string_equal(refusal.code, rows[i].code);
        assert_int_equal(refusal.class, rows[i].class);
        assert_int_equal(refusal.account, rows[i].account);
        assert_int_equal(refusal.create, rows[i].create);
        assert_int_equal(refusal.crowded, rows[i].crowded);
        assert_int_equal(refusal.retry_after_ms, rows[i].pause);
        imap_reply_done(&parser);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
