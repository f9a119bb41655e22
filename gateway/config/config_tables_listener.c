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
     .help = "PEM file of the certificate chain, the server's own certificate first"},
    {"key", PATH(config_certificate, key), .required = true, .secret = true, .help = "PEM file of the private key"},
    END,
};
static const struct config_table certificate_table = {certificate_keys, sizeof(struct config_certificate)};

static const struct config_key tls_keys[] = {
    {"mode", WORD(config_listener, tls.mode, config_tls_modes), .required = true,
     .help = "TLS from the first octet, after STARTTLS, or not at all"},
    {"certificate", PATH(config_listener, tls.certificate),
     .help = "PEM file of the certificate chain, the listener's own certificate first; needed with TLS"},
    {"key", PATH(config_listener, tls.key), .secret = true, .help = "PEM file of the private key; needed with TLS"},
    {"certificates", LIST(config_listener, certificates, &certificate_table),
     .help = "further certificates, for clients that ask for one of their names (SNI)"},
    {"ca_file", PATH(config_listener, tls.ca_file),
     .help = "PEM file of the CAs of client certificates; whoever has such a certificate may send; default: none is "
             "asked for"},
    {"client_certificate_required", BOOLEAN(config_listener, client_certificate_required),
     .help = "refuse sessions without a client certificate"},
    {"required", BOOLEAN(config_listener, tls_required), .help = "refuse mail before STARTTLS"},
    {"minimum", WORD(config_listener, tls_minimum, tls_versions), .fallback = "1.2",
     .help = "the oldest TLS version; 1.0 and 1.1 apply only to the clients named in \"lenient\", all others need 1.2"},
    END,
};
static const struct config_table tls_table = {tls_keys, 0};

static const struct config_key auth_keys[] = {
    {"users", PATH(config_listener, users), .required = true, .secret = true,
     .help = "JSON file of users, written by \"mailweir passwd\""},
    {"mechanisms", STRINGS(config_listener, mechanisms),
     .help = "the mechanisms to offer: \"PLAIN\", \"LOGIN\", \"SCRAM-SHA-256\", \"SCRAM-SHA-256-PLUS\"; default: all "
             "that the users file supports"},
    {"required", BOOLEAN(config_listener, auth_required),
     .help = "every sender must authenticate, even those in \"allow\""},
    {"in_clear", BOOLEAN(config_listener, auth_in_clear),
     .help = "offer authentication without TLS; passwords can then be read on the network"},
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
    {"session", DURATION(config_listener, session_timeout), .fallback = "1h", .least = 1000, .help = "longest session"},
    {"greeting", DURATION(config_listener, greeting_delay), .fallback = "250ms", .most = 60000,
     .help =
         "clients that are not in \"allow\" wait this long for the greeting, and are refused if they talk before it"},
    {"acknowledge", DURATION(config_listener, acknowledge_timeout), .fallback = "2m", .least = 100,
     .help = "longest wait for the upstream with \"acknowledge\": \"delivered\"; then 451"},
    END,
};
static const struct config_table timeout_table = {timeout_keys, 0};

static const struct config_key keys[] = {
    {"name", STRING(config_listener, name), .required = true, .help = "the listener's name in logs, metrics and rules"},
    {"address", ADDRESS(config_listener, address), .required = true,
     .help = "host:port, [v6]:port, unix:/path, or inherited:NAME of systemd's socket activation"},
    {"protocol", WORD(config_listener, protocol, protocols), .fallback = "smtp",
     .help = "SMTP, or LMTP, where each recipient of a message is answered for itself"},
    {"duplicate_window", DURATION(config_listener, duplicate_window), .fallback = "0",
     .help = "a message received again within this time, with the same envelope and body, is answered 250 but kept "
             "only once, unless its deliveries were dropped; 0: off"},
    {"allow", STRINGS(config_listener, allow),
     .help = "networks that may send without authentication; default: only loopback"},
    {"lenient", STRINGS(config_listener, lenient),
     .help =
         "addresses and networks of devices whose mistakes are accepted (default: none): HELO without name or none, "
         "addresses without "
         "brackets, with too many or too few, with a name, with odd dots or without domain (it becomes the gateway's "
         "hostname), parameters after HELO, a bare LF in a message (it becomes CR LF; the end of a message stays CR "
         "LF . CR LF)"},
    {"add_missing", BOOLEAN(config_listener, add_missing),
     .help = "add a missing Date or Message-ID to messages of the clients in \"lenient\""},
    {"tls", OBJECT(&tls_table), .help = "transport security; default: none"},
    {"auth", OBJECT(&auth_table),
     .help = "users who may send from any network once they have logged in; default: none"},
    {"proxy_protocol", STRINGS(config_listener, proxies),
     .help = "networks of load balancers: every connection from them must begin with a PROXY header; default: none"},
    {"xclient", STRINGS(config_listener, xclients),
     .help = "networks that may name the real client with XCLIENT; default: none"},
    {"senders", STRINGS(config_listener, senders),
     .help = "addresses allowed in MAIL FROM, \"@example.net\" for a whole domain; default: all addresses"},
    {"sender_rules", LIST(config_listener, sender_rules, &sender_rule_table),
     .help = "senders by network; the first rule with the client's network decides instead of \"senders\""},
    {"recipients", STRINGS(config_listener, recipients),
     .help = "addresses allowed in RCPT TO; default: all addresses"},
    {"recipients_per_transaction", WORD(config_listener, recipients_per_transaction, recipient_groups),
     .fallback = "any",
     .help = "which recipients may share a message: any, those of one domain, or only one; further ones hear 452 and "
             "need a transaction of their own, so that a refusal by content for one recipient does not refuse the "
             "message for others; announced with LIMITS"},
    {"acknowledge", WORD(config_listener, acknowledge, acknowledgements), .fallback = "spooled",
     .help = "when the sender hears 250: when the message is on disk, or when the upstream has it"},
    {"max_message_size", SIZE(config_listener, max_message_size), .fallback = "25MiB", .least = 1024,
     .most = UINT64_C(1) << 40, .help = "largest message, announced with SIZE; larger ones are refused"},
    {"max_recipients", NUMBER(config_listener, max_recipients), .fallback = "1000", .least = 1, .most = 10000,
     .help = "recipients of one message; further ones hear 452"},
    {"max_recipients_per_session", NUMBER(config_listener, max_recipients_per_session), .fallback = "100000",
     .least = 1, .most = 1000000000, .help = "recipients in one session; further ones hear 452"},
    {"max_recipients_per_minute", NUMBER(config_listener, max_recipients_per_minute), .fallback = "0",
     .most = 1000000000, .help = "recipients from one network per minute; further ones hear 451; 0: no limit"},
    {"max_messages_per_minute", NUMBER(config_listener, max_messages_per_minute), .fallback = "0", .most = 1000000000,
     .help = "messages from one network per minute; further ones hear 451; 0: no limit"},
    {"max_sessions", NUMBER(config_listener, max_sessions), .fallback = "1000", .least = 1, .most = 100000,
     .help = "sessions at once; further ones hear 421"},
    {"max_sessions_per_network", NUMBER(config_listener, max_sessions_per_network), .fallback = "100", .least = 1,
     .most = 100000, .help = "sessions at once from one IPv4 address or one IPv6 /64; further ones hear 421"},
    {"max_sessions_per_user", NUMBER(config_listener, max_sessions_per_user), .fallback = "100", .least = 1,
     .most = 100000, .help = "sessions at once of one authenticated user; further ones hear 421"},
    {"max_errors", NUMBER(config_listener, max_errors), .fallback = "20", .least = 1, .most = 10000,
     .help = "refused commands since the last message before the session is closed"},
    {"max_unknown_commands", NUMBER(config_listener, max_unknown_commands), .fallback = "10", .least = 1, .most = 10000,
     .help = "unknown commands before the session is closed"},
    {"max_auth_failures", NUMBER(config_listener, max_auth_failures), .fallback = "3", .least = 1, .most = 100,
     .help = "failed logins before the session is closed"},
    {"max_auth_failures_per_network", NUMBER(config_listener, max_auth_failures_per_network), .fallback = "30",
     .most = 1000000,
     .help =
         "failed logins from one network within 15 minutes; after that, the network is refused with 421; 0: no limit"},
    {"max_transactions", NUMBER(config_listener, max_transactions), .fallback = "1000000", .least = 1, .most = 1000000,
     .help = "messages in one session; announced with LIMITS"},
    {"max_refusals_logged", NUMBER(config_listener, max_refusals_logged), .fallback = "30", .most = 1000000,
     .help = "refusals of one client per minute that get a log line of their own; further ones are only counted; 0: no "
             "limit"},
    {"max_received", NUMBER(config_listener, max_received), .fallback = "100", .least = 1, .most = 1000,
     .help = "Received fields in a message; with more, the message is in a loop and is refused"},
    {"timeouts", OBJECT(&timeout_table), .help = "how long a session may wait"},
    END,
};
const struct config_table config_listener_table = {keys, sizeof(struct config_listener)};
