/*
 * config_tables_listener - every key of a listener: its type, default, range and meaning. A new key is a row here.
 */
#include "config/config_rows.h"

static const char *const protocols[] = {
    [CONFIG_PROTOCOL_SMTP] = "smtp",
    [CONFIG_PROTOCOL_LMTP] = "lmtp",
    [CONFIG_PROTOCOLS] = NULL,
};
static const char *const tls_versions[] = {
    [NET_TLS_1_0] = "1.0", [NET_TLS_1_1] = "1.1",     [NET_TLS_1_2] = "1.2",
    [NET_TLS_1_3] = "1.3", [NET_TLS_VERSIONS] = NULL,
};
static const char *const recipient_groups[] = {
    [SMTPD_RECIPIENTS_ANY] = "any",
    [SMTPD_RECIPIENTS_ONE_DOMAIN] = "one_domain",
    [SMTPD_RECIPIENTS_ONE] = "one",
    [SMTPD_RECIPIENTS_GROUPS] = NULL,
};
static const char *const acknowledgements[] = {
    [CONFIG_ACKNOWLEDGE_SPOOLED] = "spooled",
    [CONFIG_ACKNOWLEDGE_DELIVERED] = "delivered",
    [CONFIG_ACKNOWLEDGEMENTS] = NULL,
};

static const struct config_key certificate_keys[] = {
    {"certificate", PATH(config_certificate, certificate), .required = true,
     .help = "PEM file, its own certificate first"},
    {"key", PATH(config_certificate, key), .required = true, .secret = true, .help = "PEM file of its key"},
    END,
};
static const struct config_table certificate_table = {certificate_keys, sizeof(struct config_certificate)};

static const struct config_key tls_keys[] = {
    {"mode", WORD(config_listener, tls.mode, config_tls_modes), .required = true,
     .help = "TLS from the first octet, after STARTTLS, or not at all"},
    {"certificate", PATH(config_listener, tls.certificate), .help = "PEM file, the listener's own certificate first"},
    {"key", PATH(config_listener, tls.key), .secret = true, .help = "PEM file of its key"},
    {"certificates", LIST(config_listener, certificates, &certificate_table),
     .help = "further certificates, for clients that ask for one of their names (SNI)"},
    {"ca_file", PATH(config_listener, tls.ca_file),
     .help = "PEM file of the CAs of client certificates; who has one of them may send"},
    {"client_certificate_required", BOOLEAN(config_listener, client_certificate_required),
     .help = "no session without a client certificate"},
    {"required", BOOLEAN(config_listener, tls_required), .help = "no mail before STARTTLS"},
    {"minimum", WORD(config_listener, tls_minimum, tls_versions), .fallback = "1.2",
     .help = "the oldest TLS; 1.0 and 1.1 are for the clients that \"lenient\" names only, the others keep 1.2"},
    END,
};
static const struct config_table tls_table = {tls_keys, 0};

static const struct config_key auth_keys[] = {
    {"users", PATH(config_listener, users), .required = true, .secret = true,
     .help = "JSON file of users, made by \"mailweir passwd\""},
    {"mechanisms", STRINGS(config_listener, mechanisms),
     .help = "those that are offered: \"PLAIN\", \"LOGIN\", \"SCRAM-SHA-256\", \"SCRAM-SHA-256-PLUS\"; without it, all "
             "that the "
             "users file has keys for"},
    {"required", BOOLEAN(config_listener, auth_required),
     .help = "whoever sends must authenticate, those in \"allow\" too"},
    {"in_clear", BOOLEAN(config_listener, auth_in_clear),
     .help = "offer authentication without TLS; passwords can be read on the way"},
    END,
};
static const struct config_table auth_table = {auth_keys, 0};

static const struct config_key sender_rule_keys[] = {
    {"networks", STRINGS(config_sender_rule, networks), .required = true, .help = "clients in these networks"},
    {"senders", STRINGS(config_sender_rule, senders), .required = true,
     .help = "may send as these addresses: \"@example.net\", \".example.net\", \"app-*@example.net\", \"<>\""},
    END,
};
static const struct config_table sender_rule_table = {sender_rule_keys, sizeof(struct config_sender_rule)};

static const struct config_key timeout_keys[] = {
    {"command", DURATION(config_listener, command_timeout), .fallback = "5m", .least = 100,
     .help = "longest wait for a command"},
    {"data", DURATION(config_listener, data_timeout), .fallback = "3m", .least = 100,
     .help = "longest wait for the next KiB of a message"},
    {"session", DURATION(config_listener, session_timeout), .fallback = "1h", .least = 1000,
     .help = "longest session in all"},
    {"greeting", DURATION(config_listener, greeting_delay), .fallback = "250ms", .most = 60000,
     .help = "who is not in \"allow\" waits so long for the greeting, and is refused when it talks before"},
    {"acknowledge", DURATION(config_listener, acknowledge_timeout), .fallback = "2m", .least = 100,
     .help = "longest wait for the upstream with \"acknowledge\": \"delivered\"; then 451"},
    END,
};
static const struct config_table timeout_table = {timeout_keys, 0};

static const struct config_key keys[] = {
    {"name", STRING(config_listener, name), .required = true, .help = "in logs, metrics and rules"},
    {"address", ADDRESS(config_listener, address), .required = true,
     .help = "host:port, [v6]:port, unix:/path, or inherited:NAME of systemd's socket activation"},
    {"protocol", WORD(config_listener, protocol, protocols), .fallback = "smtp", .help = "what is spoken"},
    {"duplicate_window", DURATION(config_listener, duplicate_window), .fallback = "0",
     .help =
         "a message that comes again within it, with the same envelope and body, is answered 250 and kept once, unless "
         "what it brought was dropped; 0: off"},
    {"allow", STRINGS(config_listener, allow),
     .help = "networks that may send without authentication; without it, loopback only"},
    {"lenient", STRINGS(config_listener, lenient),
     .help =
         "addresses and networks of devices whose mistakes are let pass: HELO without name or none, addresses without "
         "brackets, with too many or too few, with a name, with odd dots or without domain (it becomes the gateway's "
         "hostname), parameters behind HELO, an LF alone in a message (it becomes CR LF; the end of a message stays CR "
         "LF . CR LF)"},
    {"add_missing", BOOLEAN(config_listener, add_missing),
     .help = "messages of the clients in \"lenient\" get the Date and Message-ID that they lack"},
    {"tls", OBJECT(&tls_table), .help = "transport security"},
    {"auth", OBJECT(&auth_table), .help = "who may send from elsewhere"},
    {"proxy_protocol", STRINGS(config_listener, proxies),
     .help = "networks of load balancers: each connection from them must begin with a PROXY header"},
    {"xclient", STRINGS(config_listener, xclients), .help = "networks that may say by XCLIENT for whom they stand"},
    {"senders", STRINGS(config_listener, senders),
     .help = "addresses that may stand in MAIL FROM, \"@example.net\" for all at a domain; without it, all"},
    {"sender_rules", LIST(config_listener, sender_rules, &sender_rule_table),
     .help = "senders by network; the first rule that has the client decides instead of \"senders\""},
    {"recipients", STRINGS(config_listener, recipients),
     .help = "addresses that may stand in RCPT TO; without it, all"},
    {"recipients_per_transaction", WORD(config_listener, recipients_per_transaction, recipient_groups),
     .fallback = "any",
     .help = "who may be a recipient of the same message: any, those of one domain, or one; others hear 452 and come "
             "in a transaction of their own, "
             "so that a refusal by content for one does not refuse the message for others; announced by LIMITS"},
    {"acknowledge", WORD(config_listener, acknowledge, acknowledgements), .fallback = "spooled",
     .help = "when the sender hears 250: the message is on disk, or the upstream has it"},
    {"max_message_size", SIZE(config_listener, max_message_size), .fallback = "25MiB", .least = 1024,
     .most = UINT64_C(1) << 40, .help = "announced by SIZE; larger messages are refused"},
    {"max_recipients", NUMBER(config_listener, max_recipients), .fallback = "1000", .least = 1, .most = 10000,
     .help = "recipients of one message; above, 452"},
    {"max_recipients_per_session", NUMBER(config_listener, max_recipients_per_session), .fallback = "100000",
     .least = 1, .most = 1000000000, .help = "recipients in one session; above, 452"},
    {"max_recipients_per_minute", NUMBER(config_listener, max_recipients_per_minute), .fallback = "0",
     .most = 1000000000, .help = "recipients from one network a minute; above, 451; 0 is no limit"},
    {"max_messages_per_minute", NUMBER(config_listener, max_messages_per_minute), .fallback = "0", .most = 1000000000,
     .help = "messages from one network a minute; above, 451; 0 is no limit"},
    {"max_sessions", NUMBER(config_listener, max_sessions), .fallback = "1000", .least = 1, .most = 100000,
     .help = "sessions at once; above, 421"},
    {"max_sessions_per_network", NUMBER(config_listener, max_sessions_per_network), .fallback = "100", .least = 1,
     .most = 100000, .help = "sessions at once from one IPv4 address or one IPv6 /64; above, 421"},
    {"max_sessions_per_user", NUMBER(config_listener, max_sessions_per_user), .fallback = "100", .least = 1,
     .most = 100000, .help = "sessions at once of one authenticated user; above, 421"},
    {"max_errors", NUMBER(config_listener, max_errors), .fallback = "20", .least = 1, .most = 10000,
     .help = "refused commands, since the last message, before the session is ended"},
    {"max_unknown_commands", NUMBER(config_listener, max_unknown_commands), .fallback = "10", .least = 1, .most = 10000,
     .help = "unknown commands before the session is ended"},
    {"max_auth_failures", NUMBER(config_listener, max_auth_failures), .fallback = "3", .least = 1, .most = 100,
     .help = "failed logins before the session is ended"},
    {"max_auth_failures_per_network", NUMBER(config_listener, max_auth_failures_per_network), .fallback = "30",
     .most = 1000000,
     .help = "failed logins from one network within 15 minutes; above, it is refused with 421; 0 is no limit"},
    {"max_transactions", NUMBER(config_listener, max_transactions), .fallback = "1000000", .least = 1, .most = 1000000,
     .help = "messages in one session; announced by LIMITS"},
    {"max_refusals_logged", NUMBER(config_listener, max_refusals_logged), .fallback = "30", .most = 1000000,
     .help = "refusals of one client that the log has one by one, a minute; the rest is counted; 0 is no limit"},
    {"max_received", NUMBER(config_listener, max_received), .fallback = "100", .least = 1, .most = 1000,
     .help = "Received fields in a message; above, it loops and is refused"},
    {"timeouts", OBJECT(&timeout_table), .help = "how long a session may wait"},
    END,
};
const struct config_table config_listener_table = {keys, sizeof(struct config_listener)};
