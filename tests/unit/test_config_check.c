/*
 * config_check, one thing wrong at a time: whether it is refused or warned of, at which key, and in which words. In the texts here ' stands for ".
 */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/config.h"
#include "config/config_spool.h"

static char file[] = "/tmp/mailweir-test-XXXXXX";

/* What a configuration has where a case says nothing. */
enum part { ROOT, HOSTNAME, LISTENER, UPSTREAM, AUTH, SPOOL, DEFAULT, PARTS };
static const char *const parts[PARTS] = {
    [ROOT] = "'admin': {'enabled': false}",
    [HOSTNAME] = "'gw.example'",
    [LISTENER] = "'name': 'in', 'address': '127.0.0.1:2525'",
    [UPSTREAM] = "'address': '127.0.0.1:143', 'tls': {'mode': 'none'}",
    [AUTH] = "'username': 'u', 'password': 'p'",
    [SPOOL] = "'path': '/tmp/spool'",
    [DEFAULT] = "'upstream': 'corp'",
};

struct check_case {
    enum part part; /* what stands otherwise */
    const char *text;
    bool refused;
    const char *pointer; /* NULL: nothing is said */
    const char *says;
};

static void write_config(enum part part, const char *text)
{
    const char *at[PARTS];
    for (size_t i = 0; i < PARTS; i++) {
        at[i] = i == part ? text : parts[i];
    }
    struct buf out;
    buf_init(&out, 20000);
    buf_printf(&out,
               "{'hostname': %s, 'listeners': [{%s}], 'upstreams': {'corp': {%s, 'auth': {%s}}, 'two': {'address': "
               "'127.0.0.1:144', 'tls': {'mode': 'none'}, 'auth': {'username': 'v', 'password': 'p'}}}, 'spool': {%s}, "
               "'default': {%s}, %s}",
               at[HOSTNAME], at[LISTENER], at[UPSTREAM], at[AUTH], at[SPOOL], at[DEFAULT], at[ROOT]);
    FILE *stream = fopen(file, "w");
    assert_non_null(stream);
    for (size_t i = 0; i < out.len; i++) {
        fputc(buf_text(&out)[i] == '\'' ? '"' : buf_text(&out)[i], stream);
    }
    fclose(stream);
    buf_done(&out);
}

/* The problems as they are printed go into said_r. */
static struct config *load(enum part part, const char *text, char said_r[4000])
{
    struct problems *problems = problems_new();
    struct buf out;
    write_config(part, text);
    struct config *config = config_load(file, problems);
    buf_init(&out, 3999);
    problems_print(problems, &out);
    snprintf(said_r, 4000, "%s", buf_text(&out));
    buf_done(&out);
    problems_free(&problems);
    return config;
}

static void check(const struct check_case *one)
{
    char said[4000];
    struct config *config = load(one->part, one->text, said);
    bool refused = config == NULL;
    config_free(&config);
    bool good = refused == one->refused &&
                (one->pointer == NULL ? said[0] == '\0'
                                      : strstr(said, one->pointer) != NULL && strstr(said, one->says) != NULL);
    if (!good) {
        fail_msg("%s\nis %s, and what is said is:\n%s", one->text, refused ? "refused" : "taken", said);
    }
}

static void check_all(const struct check_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        check(&cases[i]);
    }
}
#define CHECK_ALL(cases) check_all(cases, sizeof(cases) / sizeof((cases)[0]))

#define IN "'name': 'in', 'address': '127.0.0.1:2525', "
static void a_listener(void **state)
{
    (void)state;
    static const struct check_case cases[] = {
        {LISTENER, IN "'tls': {'mode': 'none', 'required': true}", true, "/listeners/0/tls/required",
         "there is no TLS on this listener"},
        {LISTENER,
         IN "'tls': {'mode': 'starttls', 'certificate': 'c', 'key': 'k', 'client_certificate_required': true}", true,
         "/tls/client_certificate_required", "in \"ca_file\""},
        {LISTENER, IN "'tls': {'mode': 'none', 'minimum': '1.0'}", true, "/listeners/0/tls/minimum",
         "only for devices named in \"lenient\""},
        {LISTENER, IN "'lenient': ['10.0.0.7'], 'tls': {'mode': 'none', 'minimum': '1.0'}", false, NULL, NULL},
        {LISTENER, IN "'lenient': ['10.0.0.0/16']", false, "/listeners/0/lenient", "is a wide network"},
        {LISTENER, IN "'lenient': ['::ffff:10.0.0.0/112']", false, "/listeners/0/lenient", "is a wide network"},
        {LISTENER, IN "'lenient': ['2001:db8::/60']", false, "/listeners/0/lenient", "is a wide network"},
        {LISTENER, IN "'lenient': ['2001:db8::/64']", false, NULL, NULL},
        {LISTENER, IN "'lenient': ['somewhere']", true, "/listeners/0/lenient", "\"somewhere\" is not a network"},
        {LISTENER, IN "'lenient': ['10.0.0.0/24'], 'proxy_protocol': ['10.0.0.9']", false, "/listeners/0/lenient",
         "10.0.0.0/24 holds 10.0.0.9 of \"proxy_protocol\""},
        {LISTENER, IN "'lenient': ['10.0.0.9'], 'xclient': ['10.0.0.0/24']", false, "/listeners/0/lenient",
         "10.0.0.9 holds 10.0.0.0/24 of \"xclient\""},
        {LISTENER, IN "'lenient': ['10.0.1.9'], 'xclient': ['10.0.0.0/24']", false, NULL, NULL},
        {LISTENER, IN "'add_missing': true", false, "/listeners/0/add_missing", "\"lenient\" names none"},
        {LISTENER, IN "'auth': {'mechanisms': ['plain', 'magic']}", true, "/listeners/0/auth/mechanisms",
         "\"magic\" is not one of the known values"},
        {LISTENER, IN "'auth': {'users': '/nowhere/users.json'}", true, "/nowhere/users.json", "o such file"},
        {LISTENER, IN "'allow': ['0.0.0.0/0']", false, "/listeners/0/allow", "this is an open relay"},
        {LISTENER, IN "'allow': ['::/0']", false, "/listeners/0/allow", "this is an open relay"},
        {LISTENER, IN "'allow': ['::ffff:0:0/96']", false, "/listeners/0/allow", "this is an open relay"},
        {LISTENER, IN "'allow': ['10.0.0.0/8', '2001::/16']", false, NULL, NULL},
        {LISTENER, IN "'proxy_protocol': ['0.0.0.0/0']", false, "/listeners/0/proxy_protocol",
         "may claim any client address"},
        {LISTENER, IN "'xclient': ['::/0']", false, "/listeners/0/xclient", "may claim any client address and user"},
        {LISTENER, IN "'xclient': ['x']", true, "/listeners/0/xclient", "\"x\" is not a network"},
        {LISTENER, IN "'sender_rules': [{'networks': ['y'], 'senders': ['*']}]", true, "/listeners/0/sender_rules",
         "\"y\" is not a network"},
        {LISTENER, "'name': 'in', 'address': '0.0.0.0:2525'", false, "/listeners/0/address",
         "only this machine may send here"},
        {LISTENER, "'name': 'in', 'address': '0.0.0.0:2525', 'allow': ['10.0.0.0/8']", false, NULL, NULL},
        {LISTENER, IN "'max_recipients': 1000001", true, "/listeners/0/max_recipients", "must be at most"},
        {LISTENER, IN "'allow': '10.0.0.0/8'", true, "/listeners/0/allow", "expected an array of strings"},
        {LISTENER, IN "'allow': [7]", true, "/listeners/0/allow/0", "expected a string"},
        {LISTENER, IN "'sender_rules': 7", true, "/listeners/0/sender_rules", "expected an array of objects"},
        {LISTENER, IN "'sender_rules': [7]", true, "/listeners/0/sender_rules/0", "expected an object"},
        {LISTENER, IN "'add_missing': 1", true, "/listeners/0/add_missing", "expected true or false"},
        {LISTENER, "'name': 'a\\nb', 'address': '127.0.0.1:2525'", true, "/listeners/0/name", "control characters"},
        {LISTENER, IN "'timeouts': {'data': 7}", true, "/listeners/0/timeouts/data", "expected a duration such as"},
        {LISTENER, IN "'max_message_size': 7", true, "/listeners/0/max_message_size", "must be at least"},
    };
    CHECK_ALL(cases);
}

#define AT "'address': '127.0.0.1:143', 'tls': {'mode': 'none'}, "
static void an_upstream(void **state)
{
    (void)state;
    static const struct check_case cases[] = {
        {UPSTREAM, AT "'retry': {'initial': '2h', 'maximum': '1h'}", true, "/upstreams/corp/retry",
         "\"initial\" is longer"},
        {UPSTREAM, AT "'standby': ['127.0.0.1:1', '127.0.0.1']", true, "/upstreams/corp/standby/1", "port"},
        {UPSTREAM, AT "'standby': ['imap.example:143']", true, "/upstreams/corp/tls", "unencrypted"},
        {UPSTREAM, AT "'standby': ['imap.example:143'], 'insecure': true", false, NULL, NULL},
        {UPSTREAM,
         AT "'standby': ['127.0.0.1:1','127.0.0.1:2','127.0.0.1:3','127.0.0.1:4','127.0.0.1:5','127.0.0.1:6',"
            "'127.0.0.1:7','127.0.0.1:8','127.0.0.1:9']",
         true, "/upstreams/corp/standby", "addresses can stand by"},
        {UPSTREAM, AT "'folders': {'forbidden': '/'}", true, "/upstreams/corp/folders/forbidden", "separates levels"},
        {UPSTREAM, AT "'folders': {'replacement': 'ab'}", true, "/upstreams/corp/folders/replacement",
         "one ASCII character"},
        {UPSTREAM, AT "'folders': {'replacement': '*'}", true, "/upstreams/corp/folders/replacement",
         "one ASCII character"},
        {UPSTREAM, AT "'folders': {'replacement': 'é'}", true, "/upstreams/corp/folders/replacement",
         "one ASCII character"},
        {UPSTREAM, AT "'folders': {'forbidden': '._', 'replacement': '_'}", true, "/upstreams/corp/folders/replacement",
         "one of the forbidden characters"},
        {UPSTREAM, AT "'folders': {'forbidden': '.', 'replacement': ''}", false, NULL, NULL},
        {UPSTREAM, "'address': '127.0.0.1:993', 'tls': {'ca_file': '/nowhere/ca.pem'}", true, "/upstreams/corp/tls",
         "/nowhere/ca.pem"},
        {UPSTREAM, AT "'limits': {'keywords': 'perhaps'}", true, "/upstreams/corp/limits/keywords",
         "\"perhaps\" is not one of \"profile\", \"no\", \"yes\""},
        {UPSTREAM, AT "'profile': 'pigeon'", true, "/upstreams/corp/profile", "is not one of"},
        {AUTH, "'username': 'u'", true, "/upstreams/corp/auth", "exactly one of"},
        {AUTH, "'username': 'u', 'password': 'p', 'token_file': 't'", true, "/upstreams/corp/auth", "exactly one of"},
        {AUTH, "'username': 'u', 'password': 'p', 'mechanism': 'xoauth2'", true, "/upstreams/corp/auth/mechanism",
         "OAuth2 mechanisms go with a token"},
        {AUTH, "'username': 'u', 'token_file': '/tmp/t', 'mechanism': 'plain'", true, "/upstreams/corp/auth/mechanism",
         "OAuth2 mechanisms go with a token"},
        {AUTH, "'username': 'u', 'mechanism': 'external'", true, "/upstreams/corp/tls", "needs a \"certificate\""},
        {AUTH, "'username': 'u', 'password': 'p', 'channel_binding': 'required'", true,
         "/upstreams/corp/auth/channel_binding", "channel binding needs TLS"},
        {AUTH, "'username': 'u', 'password': 'p', 'mechanism': 'scram-sha-256', 'channel_binding': 'required'", true,
         "/upstreams/corp/auth/channel_binding", "channel binding needs TLS"},
        {AUTH, "'username': 'u', 'password': {'env': 'A', 'file': 'b'}", true, "/upstreams/corp/auth/password",
         "expected a string, {\"env\""},
        {AUTH, "'username': 'u', 'password': ''", true, "/upstreams/corp/auth/password", "the secret is empty"},
        {AUTH, "'username': 'u', 'token': {'command': ['get-token']}", true, "/upstreams/corp/auth/token/command/0",
         "the full path of the program"},
        {AUTH, "'username': 'u', 'token': {'command': ['/nowhere/get-token']}", true,
         "/upstreams/corp/auth/token/command/0", "there is no program /nowhere/get-token"},
        {AUTH, "'username': 'u', 'token': {'command': ['/bin/true', '--user']}", false, NULL, NULL},
        {AUTH, "'username': 'u', 'oauth2': {'token_endpoint': 'http://login.example/token', 'client_id': 'c'}", true,
         "/upstreams/corp/auth/oauth2/token_endpoint", "it must begin with https://"},
        {AUTH, "'username': 'u', 'service_account': {'file': '/nowhere/key.json'}", true,
         "/upstreams/corp/auth/service_account/file", "/nowhere/key.json"},
    };
    CHECK_ALL(cases);
}

#define TOKEN "'0123456789abcdef'"
static void the_admin_server(void **state)
{
    (void)state;
    static const struct check_case cases[] = {
        {ROOT, "'admin': {'token': 'short'}", true, "/admin/token", "shorter than 16 characters"},
        {ROOT, "'admin': {'tokens': {'a': {'token': 'short'}}}", true, "/admin/tokens/a/token", "shorter than 16"},
        {ROOT, "'admin': {'tokens': {'admin': {'token': " TOKEN "}}}", true, "/admin/tokens/admin/token",
         "\"admin\" is the name of whoever uses \"token\""},
        {ROOT, "'admin': {'token': " TOKEN ", 'tokens': {'a': {'token': " TOKEN "}}}", true, "/admin/tokens/a/token",
         "another token is the same"},
        {ROOT, "'admin': {'tokens': {'a': {'token': " TOKEN "}, 'b': {'token': " TOKEN "}}}", true,
         "/admin/tokens/b/token", "another token is the same"},
        {ROOT, "'admin': {'tokens': {'description': 'who', 'a': {'token': " TOKEN ", 'role': 'king'}}}", true,
         "/admin/tokens/a/role", "is not one of"},
        {ROOT, "'admin': {'tokens': []}", true, "/admin/tokens", "expected an object whose keys are names"},
        {ROOT, "'admin': {'address': '127.0.0.1:8025'}", true, "/admin/token", "anybody who reaches a TCP address"},
        {ROOT, "'admin': {'address': ['unix:/run/a', '127.0.0.1:8025']}", true, "/admin/token", "anybody who reaches"},
        {ROOT, "'admin': {'address': '10.0.0.1:8025', 'token': " TOKEN "}", true, "/admin/address",
         "cross the network unencrypted"},
        {ROOT, "'admin': {'address': []}", true, "/admin/address", "1 to 8 in a list"},
        {ROOT, "'admin': {'address': ['unix:/run/a', 'unix:/run/a']}", true, "/admin/address/1",
         "is in the list twice"},
        {ROOT, "'admin': {'address': ['unix:/run/a', 'nowhere']}", true, "/admin/address/1", "port"},
        {ROOT, "'admin': {'tls': {'mode': 'starttls', 'certificate': '/nowhere/c', 'key': '/nowhere/k'}}", true,
         "/admin/tls/mode", "HTTP has no STARTTLS"},
        {ROOT, "'admin': {'tls': {'certificate': '/nowhere/c', 'key': '/nowhere/k'}}", true, "/admin/tls",
         "/nowhere/c"},
    };
    CHECK_ALL(cases);
}

static void the_rest(void **state)
{
    (void)state;
    static const struct check_case cases[] = {
        {HOSTNAME, "'gw example'", true, "/hostname", "\"gw example\" is not a host name"},
        {HOSTNAME, "7", true, "/hostname", "expected a string"},
        {DEFAULT, "'reject': true, 'upstream': 'corp'", true, "/default", "not both"},
        {DEFAULT, "'reject': true", false, NULL, NULL},
        {DEFAULT, "'upstream': 'corp', 'fallback': 'nobody'", true, "/default/fallback",
         "there is no upstream \"nobody\""},
        {DEFAULT, "'upstream': 'corp', 'fallback': 'corp'", true, "/default/fallback", "must be another upstream"},
        {DEFAULT, "'upstream': 'corp', 'fallback': 'two'", false, NULL, NULL},
        {DEFAULT, "'upstream': 'corp', 'folder': '\\\\Spam'", true, "/default/folder",
         "\"\\Spam\" is not a special use"},
        {DEFAULT, "'upstream': 'corp', 'folder': '\\\\Junk'", false, NULL, NULL},
        {ROOT, "'dead_letters': {'upstream': 'nobody'}", true, "/dead_letters/upstream", "there is no upstream"},
        {ROOT, "'dead_letters': {'upstream': 'corp', 'folder': '\\\\Dead'}", true, "/dead_letters/folder",
         "is not a special use"},
        {ROOT, "'probe': {'folder': 'Probes'}", false, NULL, NULL},
        {ROOT, "'probe': {'folder': 'Probes/$x'}", true, "/probe/folder", "must be a fixed name"},
        {ROOT, "'probe': {'every': '5m', 'upstream': 'nobody'}", true, "/probe/upstream", "there is no upstream"},
        {ROOT, "'probe': {'every': '5m', 'listener': 'nobody'}", true, "/probe/listener", "there is no listener"},
        {ROOT, "'probe': {'every': '5m', 'username': 'u'}", true, "/probe", "needs both \"username\" and \"password\""},
        {ROOT, "'probe': {'every': '5m', 'from': 'me'}", true, "/probe/from", "\"me\" is not an address"},
        {ROOT, "'probe': {'every': '5m', 'to': 'a@'}", true, "/probe/to", "\"a@\" is not an address"},
        {ROOT, "'rules': ['/nowhere/*.json']", true, "/rules", "/nowhere"},
        {ROOT, "'rules': ['/usr/include/*.rules.json']", false, "/rules", "no file matches"},
    };
    CHECK_ALL(cases);
}

#define DATABASE(text) "'postgresql': {'connection': '" text "'}"
static void a_spool_in_a_database(void **state)
{
    (void)state;
    static const struct check_case cases[] = {
        {SPOOL, "", true, "/spool", "\"path\" is missing"},
        {SPOOL, DATABASE("postgresql://db/mailweir"), true, "/spool/postgresql/connection", "write keyword=value"},
        {SPOOL, DATABASE("dbname=mailweir password=p"), true, "/spool/postgresql/connection",
         "do not write the password here"},
        {SPOOL, DATABASE("host=db"), true, "/spool/postgresql/connection", "the connection names no database"},
        {SPOOL, DATABASE("host=db dbname=m sslmode=require"), true, "/spool/postgresql/connection",
         "sslmode=require does not check who the server is"},
        {SPOOL, DATABASE("host=/run/postgresql dbname=m sslmode=disable"), false, NULL, NULL},
        {SPOOL, DATABASE("host"), true, "/spool/postgresql/connection", "this is not a connection string"},
        {SPOOL, "'path': '/tmp/s', 'postgresql': {'connection': 'dbname=m', 'overflow': '/tmp/s'}", true,
         "/spool/postgresql/overflow", "name one inside of it, such as \"/tmp/s/overflow\""},
        {SPOOL, "'path': '/tmp/s', 'postgresql': {'connection': 'dbname=m', 'overflow': '/etc/passwd'}", true,
         "/spool/postgresql/overflow", "/etc/passwd is a file, so it cannot hold the overflow"},
        {SPOOL, DATABASE("=m"), true, "/spool/postgresql/connection", "this is not a connection string"},
    };
    CHECK_ALL(cases);
}

/* What the store is told, and what people see of it. */
static void the_place_of_a_spool(void **state)
{
    static const struct {
        const char *spool, *place;
    } cases[] = {
        {"'path': '/tmp/s'", "/tmp/s"},
        {"'path': '/tmp/s', 'postgresql': {'connection': 'host=db dbname=m'}", "host=db dbname=m sslmode=verify-full"},
        {"'path': '/tmp/s', 'postgresql': {'connection': 'host = db  dbname=m', 'password': 'a b'}",
         "host = db  dbname=m password='a b' sslmode=verify-full"},
        {"'path': '/tmp/s', 'postgresql': {'connection': 'host=/run/p dbname=m'}", "host=/run/p dbname=m"},
        {"'path': '/tmp/s', 'postgresql': {'connection': 'dbname=m'}", "dbname=m"},
        {"'path': '/tmp/s', 'postgresql': {'connection': 'host=@p dbname=m'}", "host=@p dbname=m"},
        {"'path': '/tmp/s', 'postgresql': {'connection': 'host=/a,db dbname=m'}",
         "host=/a,db dbname=m sslmode=verify-full"},
        {"'path': '/tmp/s', 'postgresql': {'connection': 'hostaddr=10.0.0.1 dbname=m'}",
         "hostaddr=10.0.0.1 dbname=m sslmode=verify-full"},
        {"'path': '/tmp/s', 'postgresql': {'connection': 'host=db dbname=m', 'insecure': true}", "host=db dbname=m"},
        {"'path': '/tmp/s', 'postgresql': {'connection': 'host=db dbname=m sslmode=verify-full'}",
         "host=db dbname=m sslmode=verify-full"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char said[4000];
        struct config *config = load(SPOOL, cases[i].spool, said);
        struct buf place;
        buf_init(&place, 2000);
        assert_non_null(config);
        config_spool_place(config, &place);
        assert_string_equal(buf_text(&place), cases[i].place);
        assert_null(strstr(config_spool_shown(config), "password"));
        buf_done(&place);
        config_free(&config);
    }
}

static void a_password_is_quoted(void **state)
{
    (void)state;
    struct config config = {
        .postgresql = {.connection = "host=/p dbname='m\\'x' user='u v'", .password = "it's \\ so"}};
    struct buf place;
    buf_init(&place, 2000);
    config_spool_place(&config, &place);
    assert_string_equal(buf_text(&place), "host=/p dbname='m\\'x' user='u v' password='it\\'s \\\\ so'");
    buf_done(&place);
}

/* Where the probe knocks, and the rule that files its message. */
static void a_probe_takes_what_is_not_said_from_the_rest(void **state)
{
    (void)state;
    char said[4000];
    struct config *config = load(ROOT, "'probe': {'every': '5m'}, 'admin': {'enabled': false}", said);
    assert_non_null(config);
    assert_true(config->probe.enabled);
    assert_string_equal(config->probe.to, "mailweir-probe@gw.example");
    assert_string_equal(config->probe.upstream, "corp");
    assert_string_equal(config->probe.folder, "mailweir-probe");
    assert_true(config_names_folder(config, "corp", "mailweir-probe"));
    assert_false(config_names_folder(config, "two", "mailweir-probe"));
    assert_string_equal(config->probe.address.host, "127.0.0.1");
    assert_string_equal(config_probe_listener(config)->name, "in");
    config_free(&config);
    config = load(LISTENER,
                  "'name': 'in', 'address': '[::]:2525', 'allow': ['10.0.0.0/8']}, {'name': 'l', 'address': "
                  "'127.0.0.1:24', 'protocol': 'lmtp'",
                  said);
    assert_non_null(config);
    assert_false(config->probe.enabled);
    config_free(&config);
}

static int make_file(void **state)
{
    (void)state;
    int fd = mkstemp(file);
    return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_listener),
        cmocka_unit_test(an_upstream),
        cmocka_unit_test(the_admin_server),
        cmocka_unit_test(the_rest),
        cmocka_unit_test(a_spool_in_a_database),
        cmocka_unit_test(the_place_of_a_spool),
        cmocka_unit_test(a_password_is_quoted),
        cmocka_unit_test(a_probe_takes_what_is_not_said_from_the_rest),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
