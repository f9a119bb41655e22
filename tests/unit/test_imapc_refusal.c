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
    {"T NO [LIMIT] too much of it", FAULT_TEMP, "limit", false, false, false, 0},
    {"T NO [LIMIT] slow down", FAULT_TEMP, "throttled", true, false, false, 0},
    {"T NO [LIMIT] rate limit exceeded (17)", FAULT_TEMP, "throttled", true, false, false, 0},
    {"T NO [ALERT] You are sending too fast", FAULT_TEMP, "throttled", true, false, false, 0},
    {"T NO invalid destination folder", FAULT_PERM, "nonexistent", false, true, false, 0},
    {"T NO APPEND failed: no mailbox Sales", FAULT_PERM, "nonexistent", false, true, false, 0},
    {"T NO Folder name contains illegal characters", FAULT_PERM, "folder-name", false, false, false, 0},
    {"T NO [CANNOT] Mailbox names may not hold that", FAULT_PERM, "folder-name", false, false, false, 0},
    {"T BAD [CLIENTBUG] Invalid character in the name of the folder", FAULT_PERM, "folder-name", false, false, false,
     0},
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
    {"T BAD User is authenticated but not connected.", FAULT_TEMP, "authorization", true, false, false, 0},
    {"* BYE server closing connection; service busy", FAULT_TEMP, "unavailable", true, false, false, 0},
    {"* BYE", FAULT_TEMP, "bye", false, false, false, 0},
    {"T NO something nobody ever saw", FAULT_TEMP, "refused", false, false, false, 0},
    {"T NO [X-NEW 1 2] something", FAULT_TEMP, "refused", false, false, false, 0},
    {"T NO [THROTTLED] Account exceeded command or bandwidth limits. (Failure)", FAULT_TEMP, "throttled", true, false,
     false, 0},
    {"T NO [OVERQUOTA] Account exceeded command or bandwidth limits. (Failure)", FAULT_TEMP, "throttled", true, false,
     false, 0},
    {"T NO [ALERT] Account exceeded bandwidth limits.", FAULT_TEMP, "throttled", true, false, false, 0},
    {"T BAD Server Unavailable. 15", FAULT_TEMP, "unavailable", true, false, false, 0},
    {"T BAD Internal server error", FAULT_TEMP, "serverbug", false, false, false, 0},
    {"T BAD backend timed out", FAULT_TEMP, "unavailable", false, false, false, 0},
    {"T BAD please try again later", FAULT_TEMP, "refused", false, false, false, 0},
    {"T NO mailbox is locked by another session", FAULT_TEMP, "inuse", false, false, false, 0},
    {"T NO APPEND The 1500 MB storage limit has been exceeded.", FAULT_TEMP, "overquota", false, false, false, 0},
    {"T NO Message size exceeds fixed maximum message size", FAULT_PERM, "toobig", false, false, false, 0},
    {"T NO APPEND failed: message too large", FAULT_PERM, "toobig", false, false, false, 0},
    {"T NO The message would exceed the mailbox size limit", FAULT_TEMP, "overquota", false, false, false, 0},
    {"T NO APPEND failed. No such mailbox.", FAULT_PERM, "nonexistent", false, true, false, 0},
    {"T NO Sales doesn't exist.", FAULT_PERM, "nonexistent", false, true, false, 0},
    {"T NO APPEND Mailbox does not exist", FAULT_PERM, "nonexistent", false, true, false, 0},
    {"T NO Could not find folder Sales", FAULT_PERM, "nonexistent", false, true, false, 0},
    {"T NO Mailbox 'Sales' is not found", FAULT_PERM, "nonexistent", false, true, false, 0},
    {"T NO Target mailbox missing", FAULT_PERM, "nonexistent", false, true, false, 0},
    {"T NO Sales: No such file or directory", FAULT_PERM, "nonexistent", false, true, false, 0},
    {"T NO [CANNOT] Mailbox does not exist", FAULT_PERM, "nonexistent", false, true, false, 0},
    {"T NO [CLIENTBUG] There is no such folder", FAULT_PERM, "nonexistent", false, true, false, 0},
    {"T NO Unknown flag", FAULT_TEMP, "refused", false, false, false, 0},
    {"T NO Message exceeds the size limit", FAULT_PERM, "toobig", false, false, false, 0},
    {"T NO literal of 30 octets over the limit of 20", FAULT_PERM, "toobig", false, false, false, 0},
    {"T NO [LIMIT] Message too big", FAULT_PERM, "toobig", false, false, false, 0},
    {"T NO Oversized message", FAULT_PERM, "toobig", false, false, false, 0},
    {"T NO Maximum number of bytes per day exceeded", FAULT_TEMP, "throttled", true, false, false, 0},
    {"T NO Storing the message took too long", FAULT_TEMP, "unavailable", false, false, false, 0},
    {"T NO [CANNOT] temporarily disabled, try later", FAULT_TEMP, "refused", false, false, false, 0},
    {"T NO [CANNOT] Contains Deleted flag", FAULT_PERM, "cannot", false, false, false, 0},
    {"T BAD Session expired", FAULT_TEMP, "unavailable", false, false, false, 0},
    {"T BAD Could not lock mailbox", FAULT_TEMP, "inuse", false, false, false, 0},
    {"T BAD Command Argument Error. 11", FAULT_PERM, "bad", false, false, false, 0},
};

/* The owner calls imap_reply_done(). */
static void parse(struct imap_reply_parser *parser, const char *line, struct imap_reply *reply)
{
    size_t used;
    imap_reply_init(parser);
    disregard(imap_reply_next(parser, bytes_of(line), &used, reply));
    assert_int_equal(imap_reply_next(parser, bytes_of("\r\n"), &used, reply), 1);
}

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct imap_reply_parser parser;
        struct imap_reply reply;
        parse(&parser, rows[i].line, &reply);
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

static struct imapc_refusal about(const char *line, const char *folder)
{
    struct imap_reply_parser parser;
    struct imap_reply reply;
    parse(&parser, line, &reply);
    struct imapc_refusal refusal = imapc_refusal_about(&reply, bytes_of(folder));
    imap_reply_done(&parser);
    return refusal;
}

/* Words inside the folder's name mean nothing, however much of the name the server says. */
static const struct {
    const char *line, *folder, *code;
} named[] = {
    {"T NO Mailbox does not exist: Quotations", "Quotations", "nonexistent"},
    {"T NO Mailbox does not exist: Quotations", "INBOX.Sales.Quotations", "nonexistent"},
    {"T NO Mailbox does not exist: Too big to fail", "Too big to fail", "nonexistent"},
    {"T NO Mailbox does not exist: quota/INBOX", "INBOX/quota", "nonexistent"},
    {"T NO Cannot write to Locked", "Locked", "refused"},
    {"T NO Over quota", "Quotations", "overquota"},
    {"T NO Quotations: over quota", "Quotations", "overquota"},
    {"T NO Mailbox is over its quota", "Mailbox", "overquota"},
    {"T NO Mailbox does not exist", "Mailbox", "nonexistent"},
    {"T NO quota exceeded", "a", "overquota"},
};

static void test_names(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof named / sizeof named[0]; i++) {
        assert_string_equal(about(named[i].line, named[i].folder).code, named[i].code);
    }
}

static void test_kinds(void **state)
{
    (void)state;
    assert_true(about("T NO [SERVERBUG] x", "").sick);
    assert_true(about("T BAD User is authenticated but not connected.", "").sick);
    assert_false(about("T NO [OVERQUOTA] x", "").sick);
    assert_true(about("T NO x", "").general && about("T BAD x", "").general && about("* BYE x", "").general);
    assert_false(about("T NO [LIMIT] x", "").general);
}

/* What a server says of an APPEND that has come whole, and whether it may have kept it: a code of RFC 5530 that says
 * what was not done is believed, and so are words about room, size, name and rights; other words without a code only
 * where they are known to leave nothing behind. */
static const struct {
    const char *line;
    bool doubtful, plain;
} doubts[] = {
    {"T NO [UNAVAILABLE] x", true, false},
    {"T NO [SERVERBUG] x", true, false},
    {"T NO [CONTACTADMIN] x", true, false},
    {"T NO [CORRUPTION] x", true, false},
    {"T NO [EXPUNGEISSUED] x", true, false},
    {"T NO timed out", true, false},
    {"T NO x", true, true},
    {"T BAD x", true, true},
    {"T NO [X-OWN] x", true, true},
    {"T NO mailbox is locked", true, true},
    {"T NO could not lock it", true, true},
    {"T NO unable to obtain lock", true, true},
    {"T NO failed to acquire lock", true, true},
    {"T NO it is in use", true, true},
    {"T BAD busy", true, true},
    {"T NO [INUSE] locked", true, true},
    {"T NO [LIMIT] x", true, true},
    {"T NO [LIMIT] message too large", false, false},
    {"T NO [LIMIT] no such mailbox", false, false},
    {"T NO [THROTTLED] x", true, true},
    {"T NO [OVERQUOTA] Account exceeded command or bandwidth limits", true, true},
    {"T NO rate limit", true, true},
    {"T NO too many messages per hour", true, true},
    {"T NO Too many simultaneous connections", true, true},
    {"T NO [UNAVAILABLE] Maximum number of connections exceeded", true, true},
    {"T NO [LIMIT] connection limit", true, true},
    {"T NO [EXPIRED] x", true, true},
    {"T NO [AUTHENTICATIONFAILED] x", true, true},
    {"T NO [AUTHORIZATIONFAILED] x", true, true},
    {"T NO [PRIVACYREQUIRED] x", true, true},
    {"T NO mailbox is full", false, false},
    {"T NO [TOOBIG] x", false, false},
    {"T NO [OVERQUOTA] x", false, false},
    {"T NO over quota", false, false},
    {"T NO [NOPERM] x", false, false},
    {"T NO [TRYCREATE] x", false, false},
    {"T NO message too large", false, false},
};

static void test_doubts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof doubts / sizeof doubts[0]; i++) {
        struct imapc_refusal refusal = about(doubts[i].line, "");
        assert_int_equal(refusal.doubtful, doubts[i].doubtful);
        assert_int_equal(refusal.plain, doubts[i].plain);
    }
}

static const struct {
    const char *line;
    bool of_command;
} logins[] = {
    {"T BAD anything", true},
    {"T NO Initial response is not supported", true},
    {"T NO AUTHENTICATE: unknown mechanism", true},
    {"T NO Unsupported authentication mechanism", true},
    {"T NO AUTHENTICATE failed.", false},
    {"T NO Unknown user or bad password", false},
    {"T NO this account is not supported any more", false},
};

static void test_logins(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof logins / sizeof logins[0]; i++) {
        struct imap_reply_parser parser;
        struct imap_reply reply;
        parse(&parser, logins[i].line, &reply);
        assert_int_equal(imapc_refusal_is_command(&reply), logins[i].of_command);
        imap_reply_done(&parser);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows), cmocka_unit_test(test_names),
                                       cmocka_unit_test(test_kinds), cmocka_unit_test(test_doubts),
                                       cmocka_unit_test(test_logins)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
