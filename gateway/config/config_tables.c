/*
 * config_tables - every key of the configuration file: its type, default, range and meaning. A new key is a row here;
 * those of a listener are in config_tables_listener.c.
 */
#include "config/config_rows.h"

static const char *const log_formats[] = {
    [CONFIG_LOG_AUTO] = "auto",
    [CONFIG_LOG_TEXT] = "text",

    [CONFIG_LOG_JSON] = "json",
    [CONFIG_LOG_FORMATS] = NULL,
};
static const char *const sandboxes[] = {
    [CONFIG_SANDBOX_AUTO] = "auto",
    [CONFIG_SANDBOX_REQUIRED] = "required",
    [CONFIG_SANDBOX_OFF] = "off",
    [CONFIG_SANDBOXES] = NULL,
};

/* ---- upstreams ---- */

static const struct config_key upstream_tls_keys[] = {
    {"mode", WORD(config_upstream, tls.mode, config_tls_modes), .required = true, .fallback = "implicit",
     .help = "TLS from the first octet, after STARTTLS, or not at all"},
    {"ca_file", PATH(config_upstream, tls.ca_file), .help = "PEM file of the CAs to trust instead of the system's"},
    {"server_name", STRING(config_upstream, tls.server_name),
     .help = "the name in the server's certificate, if it differs from the address"},
    {"certificate", PATH(config_upstream, tls.certificate),
     .help = "the client certificate, if the server asks for one"},
    {"key", PATH(config_upstream, tls.key), .secret = true, .help = "the private key of the certificate"},
    END,
};
static const struct config_table upstream_tls = {upstream_tls_keys, 0};

static const char *const mechanisms[] = {
    [IMAPC_AUTH_AUTO] = "auto",
    [IMAPC_AUTH_PLAIN] = "plain",
    [IMAPC_AUTH_LOGIN] = "login",
    [IMAPC_AUTH_SCRAM_SHA_1] = "scram-sha-1",
    [IMAPC_AUTH_SCRAM_SHA_256] = "scram-sha-256",
    [IMAPC_AUTH_EXTERNAL] = "external",
    [IMAPC_AUTH_XOAUTH2] = "xoauth2",
    [IMAPC_AUTH_OAUTHBEARER] = "oauthbearer",
    [IMAPC_AUTH_MECHANISMS] = NULL,
};
static const char *const bindings[] = {
    [IMAPC_BINDING_AUTO] = "auto",
    [IMAPC_BINDING_NEVER] = "never",
    [IMAPC_BINDING_REQUIRED] = "required",
    [IMAPC_BINDINGS] = NULL,
};

static const struct config_key upstream_oauth2_keys[] = {
    {"token_endpoint", STRING(config_upstream, token.endpoint), .required = true,
     .help = "https:// address at which the provider issues tokens"},
    {"client_id", STRING(config_upstream, token.client_id), .required = true,
     .help = "the id that the provider gave this application"},
    {"client_secret", SECRET(config_upstream, token.client_secret),
     .help = "the secret that the provider gave this application, if it is not a public client"},
    {"refresh_token", SECRET(config_upstream, token.refresh_token),
     .help = "the account's refresh token; without it, client credentials are used"},
    {"refresh_token_file", PATH(config_upstream, token.refresh_file), .unwatched = true, .secret = true,
     .help = "instead of refresh_token: the file in which \"mailweir upstreams login\" keeps it; new ones from the "
             "provider are written there"},
    {"device_endpoint", STRING(config_upstream, device_endpoint),
     .help =
         "for \"mailweir upstreams login\": https:// address of the device grant (RFC 8628); microsoft365 has its own"},
    {"authorization_endpoint", STRING(config_upstream, authorization_endpoint),
     .help = "for \"mailweir upstreams login\" where there is no device grant: https:// address for the browser; gmail "
             "has its own"},
    {"scope", STRING(config_upstream, token.scope),
     .help = "the scope to ask for, such as https://outlook.office365.com/.default; default: none is asked for"},
    {"ca_file", PATH(config_upstream, token.ca_file), .help = "PEM file of the CAs to trust instead of the system's"},
    END,
};
static const struct config_table upstream_oauth2 = {upstream_oauth2_keys, 0};

static const struct config_key upstream_token_keys[] = {
    {"command", STRINGS(config_upstream, token_command), .required = true,
     .help = "program with its full path, and arguments, run without a shell; it must print the token, or JSON with "
             "access_token and expires_in, and exit with 0"},
    {"lifetime", DURATION(config_upstream, token.lifetime_ms), .fallback = "5m", .least = 1000,
     .help = "how long the token is valid if the program prints no expires_in"},
    {"timeout", DURATION(config_upstream, token.timeout_ms), .fallback = "20s", .least = 100,
     .help = "how long the program may run; then it is killed"},
    END,
};
static const struct config_table upstream_token = {upstream_token_keys, 0};

static const struct config_key upstream_service_keys[] = {
    {"file", PATH(config_upstream, token.key_file), .required = true, .unwatched = true, .secret = true,
     .help = "the service account's key file in JSON, as Google issues it; read for each token"},
    {"subject", STRING(config_upstream, token.subject),
     .help = "the user to act for (domain-wide delegation); default: username"},
    {"scope", STRING(config_upstream, token.scope), .help = "the scope to ask for; default: https://mail.google.com/"},
    {"ca_file", PATH(config_upstream, token.ca_file), .help = "PEM file of the CAs to trust instead of the system's"},
    END,
};
static const struct config_table upstream_service = {upstream_service_keys, 0};

static const struct config_key upstream_auth_keys[] = {
    {"username", STRING(config_upstream, username), .required = true,
     .help = "the name of the account, as its server knows it"},
    {"password", SECRET(config_upstream, password),
     .help = "the password of the account; not needed where tokens or a client certificate log in"},
    {"mechanism", WORD(config_upstream, mechanism, mechanisms), .fallback = "auto",
     .help = "auto: with a password PLAIN or LOGIN, and SCRAM where the server accepts neither; with a token "
             "OAUTHBEARER or "
             "XOAUTH2. With scram-sha-256 the server never sees the password"},
    {"channel_binding", WORD(config_upstream, binding, bindings), .fallback = "auto",
     .help = "whether SCRAM is bound to the TLS connection (SCRAM-SHA-256-PLUS), so that nobody in between can use the "
             "login; auto: if the server offers it"},
    {"token_file", PATH(config_upstream, token.file), .unwatched = true, .secret = true,
     .help = "instead of a password: file with an OAuth2 access token, read again for each connection"},
    {"oauth2", OBJECT(&upstream_oauth2), .help = "instead of a password: how to get OAuth2 access tokens"},
    {"token", OBJECT(&upstream_token), .help = "instead of a password: a command that prints an OAuth2 access token"},
    {"service_account", OBJECT(&upstream_service),
     .help = "instead of a password: a service account that asks for OAuth2 access tokens by a signed JWT (RFC 7523)"},
    END,
};
static const struct config_table upstream_auth = {upstream_auth_keys, 0};

static const struct config_key upstream_timeout_keys[] = {
    {"connect", DURATION(config_upstream, connect_timeout), .fallback = "30s", .least = 10,
     .help = "longest wait for the connection and the server's greeting"},
    {"command", DURATION(config_upstream, command_timeout), .fallback = "60s", .least = 10,
     .help = "longest time without any octet sent or received; then the connection is closed, and what it was sending "
             "is tried "
             "again"},
    {"idle", DURATION(config_upstream, idle_timeout), .fallback = "60s", .least = 10,
     .help = "an unused connection is closed after this time"},
    END,
};
static const struct config_table upstream_timeouts = {upstream_timeout_keys, 0};

static const struct config_key upstream_retry_keys[] = {
    {"initial", DURATION(config_upstream, retry_initial), .fallback = "10s", .least = 10,
     .help = "first wait after a failure; doubled after each further one"},
    {"maximum", DURATION(config_upstream, retry_maximum), .fallback = "15m", .least = 10,
     .help = "longest wait between two attempts"},
    {"settle", DURATION(config_upstream, settings[UPSTREAM_SETTLE]),
     .help = "a message whose outcome is unknown is looked for after 2 s, but is not considered absent before this "
             "time, because servers may show mail late; 0 or unset: the profile's value, 5s, or 10s or 15s for stores "
             "that show mail late (mailweir upstreams --profiles)"},
    {"failback", DURATION(config_upstream, failback), .fallback = "5m", .least = 100,
     .help = "while a standby address is in use, the first address is tried again after this time"},
    {"fallback_after", DURATION(config_upstream, fallback_after), .fallback = "1h", .least = 1000,
     .help = "when the account has been down for this long, mail whose rule names a \"fallback\" goes there, except "
             "mail that may have been filed already; it stays there afterwards; keep this shorter than \"give_up\""},
    {"warn_after", DURATION(config_upstream, warn_after), .fallback = "4h", .least = 1000,
     .help = "deferrals of deliveries older than this are logged as errors (\"delayed\")"},
    {"give_up", DURATION(config_upstream, give_up), .fallback = "5d", .least = 1000,
     .help = "deliveries older than this become dead letters"},
    END,
};
static const struct config_table upstream_retry = {upstream_retry_keys, 0};

/* The order of upstream_profile_at(); a test holds them against each other. */
static const char *const profiles[] = {"generic",  "dovecot", "cyrus",  "courier", "gmail", "microsoft365",
                                       "exchange", "yahoo",   "icloud", "zimbra",  NULL};
static const char *const compressions[] = {
    [UPSTREAM_COMPRESS_AUTO] = "auto",
    [UPSTREAM_COMPRESS_NO] = "no",
    [UPSTREAM_COMPRESS_YES] = "yes",
    [UPSTREAM_COMPRESSIONS] = NULL,
};
static const char *const switches[] = {"profile", "no", "yes", NULL};

static const struct config_key upstream_limit_keys[] = {
    {"folder_connections", NUMBER(config_upstream, settings[UPSTREAM_FOLDER_CONNECTIONS]), .least = 1, .most = 1000,
     .help = "connections at once into one folder, when messages are sent one by one"},
    {"batch", NUMBER(config_upstream, settings[UPSTREAM_BATCH]), .least = 1, .most = 1000,
     .help = "messages in one MULTIAPPEND at most; 1 switches MULTIAPPEND off"},
    {"batch_octets", SIZE(config_upstream, settings[UPSTREAM_BATCH_OCTETS]), .least = 1,
     .help = "octets in one MULTIAPPEND at most"},
    {"batch_atomic", SWITCH(config_upstream, settings[UPSTREAM_BATCH_ATOMIC]),
     .help = "whether the server keeps nothing of a refused batch; no: its messages are looked for"},
    {"literal_max", SIZE(config_upstream, settings[UPSTREAM_LITERAL_MAX]), .least = 1,
     .help =
         "the largest message that is sent without waiting for the server's consent; 1: every message waits for it"},
    {"max_message_size", SIZE(config_upstream, settings[UPSTREAM_MESSAGE_MAX]), .least = 1024,
     .help = "the largest message that the server takes; larger ones become dead letters without being sent"},
    {"daily", SIZE(config_upstream, settings[UPSTREAM_DAILY_OCTETS]), .least = 1024,
     .help =
         "octets sent within 24 hours, counted from the first message; what is over waits for the next 24, also over a "
         "restart"},
    {"keywords", SWITCH(config_upstream, settings[UPSTREAM_KEYWORDS]),
     .help = "whether keywords are sent in addition to system flags"},
    {"plain_refusals", SWITCH(config_upstream, settings[UPSTREAM_PLAIN_REFUSALS]),
     .help = "whether a NO without a response code, or about a lock or a limit of the server, proves that the message "
             "was not kept; no: the message is looked for"},
    {"tls_exporter", SWITCH(config_upstream, settings[UPSTREAM_TLS_EXPORTER]),
     .help = "whether SCRAM can be bound to TLS 1.3; no: SCRAM is not bound under TLS 1.3"},
    {"subscribe", SWITCH(config_upstream, settings[UPSTREAM_SUBSCRIBE]),
     .help = "whether created folders are subscribed to"},
    {"utf8", SWITCH(config_upstream, settings[UPSTREAM_UTF8]),
     .help = "whether UTF8=ACCEPT is enabled where the server offers it"},
    {"header_8bit", SWITCH(config_upstream, settings[UPSTREAM_HEADER_8BIT]),
     .help = "whether the server keeps octets above 127 in header fields; no: they are encoded before sending"},
    {"line_max", SIZE(config_upstream, settings[UPSTREAM_LINE_MAX]), .least = 998,
     .help = "octets in the longest line that the server takes; longer lines are broken before sending"},
    {"store_flags", SWITCH(config_upstream, settings[UPSTREAM_STORE_FLAGS]),
     .help = "whether flags are stored after the APPEND, and when a message in doubt is found, because the server's "
             "APPEND loses them"},
    {"merges", SWITCH(config_upstream, settings[UPSTREAM_MERGES]),
     .help = "whether the server keeps only one of several messages with the same Message-ID: each filed message is "
             "then checked, so that mailweir why can say if it was merged with an older one"},
    END,
};
static const struct config_table upstream_limits = {upstream_limit_keys, 0};

static const struct config_key upstream_special_keys[] = {
    {"all", STRING(config_upstream, special_names[IMAP_SPECIAL_ALL]), .help = "the folder for \\All"},
    {"archive", STRING(config_upstream, special_names[IMAP_SPECIAL_ARCHIVE]), .help = "the folder for \\Archive"},
    {"drafts", STRING(config_upstream, special_names[IMAP_SPECIAL_DRAFTS]), .help = "the folder for \\Drafts"},
    {"flagged", STRING(config_upstream, special_names[IMAP_SPECIAL_FLAGGED]), .help = "the folder for \\Flagged"},
    {"junk", STRING(config_upstream, special_names[IMAP_SPECIAL_JUNK]), .help = "the folder for \\Junk"},
    {"sent", STRING(config_upstream, special_names[IMAP_SPECIAL_SENT]), .help = "the folder for \\Sent"},
    {"trash", STRING(config_upstream, special_names[IMAP_SPECIAL_TRASH]), .help = "the folder for \\Trash"},
    END,
};
static const struct config_table upstream_special = {upstream_special_keys, 0};

static const struct config_key upstream_folder_keys[] = {
    {"forbidden", STRING(config_upstream, folders_forbidden),
     .help = "characters that the server does not accept in folder names, such as \".\": where ${...} brings them into "
             "a name, they become the replacement; default: the profile's"},
    {"replacement", STRING(config_upstream, folders_replacement), .fallback = "_",
     .help = "what takes the place of such a character: one ASCII character that is not forbidden itself, or \"\" for "
             "nothing"},
    END,
};
static const struct config_table upstream_folders = {upstream_folder_keys, 0};

static const struct config_key upstream_keys[] = {
    {"address", ADDRESS(config_upstream, address), .required = true, .help = "host:port or [v6]:port"},
    {"standby", STRINGS(config_upstream, standby),
     .help = "further addresses of the same mailboxes, tried in this order when the addresses before do not answer"},
    {"profile", WORD(config_upstream, profile, profiles), .fallback = "generic",
     .help = "kind of server; mailweir upstreams --profiles prints what each sets"},
    {"tls", OBJECT(&upstream_tls), .help = "transport security; default: implicit TLS, checked with the system's CAs"},
    {"insecure", BOOLEAN(config_upstream, insecure), .help = "allow a connection off loopback without TLS"},
    {"auth", OBJECT(&upstream_auth), .required = true, .help = "how to log in"},
    {"connections", NUMBER(config_upstream, settings[UPSTREAM_CONNECTIONS]), .least = 1, .most = 1000,
     .help = "maximum number of connections; default: the profile's"},
    {"compress", WORD(config_upstream, compress, compressions), .fallback = "auto",
     .help = "COMPRESS=DEFLATE if the server offers it; auto: not on loopback and private addresses"},
    {"limits", OBJECT(&upstream_limits),
     .help = "values to use instead of the profile's, which mailweir upstreams --profiles prints"},
    {"special_use", OBJECT(&upstream_special),
     .help = "folder names for special uses that rules name and the server does not have; without an entry, the folder "
             "is named after the use"},
    {"folders", OBJECT(&upstream_folders),
     .help = "how folder names that rules make from mail are adapted to the server"},
    {"timeouts", OBJECT(&upstream_timeouts), .help = "how long to wait for the server"},
    {"retry", OBJECT(&upstream_retry), .help = "when to try again"},
    END,
};
const struct config_table config_upstream_table = {upstream_keys, sizeof(struct config_upstream)};

/* ---- the rest ---- */

static const struct config_key postgresql_keys[] = {
    {"connection", STRING(config, postgresql.connection), .required = true,
     .help = "libpq's keyword=value pairs, such as host=db.example.net dbname=mailweir user=mailweir; except on a unix "
             "socket, sslmode is verify-full"},
    {"password", SECRET(config, postgresql.password), .help = "the role's password"},
    {"node", STRING(config, postgresql.node),
     .help = "the name of this node among several; default: the machine's name"},
    {"lease", DURATION(config, postgresql.lease), .fallback = "15s", .least = 5000, .most = 600000,
     .help = "how long a silent node counts as alive; after that another node takes over its mail"},
    {"insecure", BOOLEAN(config, postgresql.insecure),
     .help = "allow a connection over the network that does not check the server's certificate"},
    {"overflow", PATH(config, postgresql.overflow), .unwatched = true, .secret = true,
     .help = "folder on a disk of this machine that takes new mail while the database does not answer, and hands it to "
             "the database when it answers again; without it, senders hear 451 meanwhile"},
    END,
};
static const struct config_table postgresql_table = {postgresql_keys, 0};

static const struct config_key spool_keys[] = {
    {"path", PATH(config, spool_path), .unwatched = true, .secret = true,
     .help = "folder of the queue, on a disk that survives restarts; with postgresql, the folder of what this node "
             "keeps for itself (admin.sock, refusals), by default /var/lib/mailweir"},
    {"postgresql", OBJECT(&postgresql_table),
     .help =
         "instead of a folder: a database, which several nodes may share; mailweir spool migrate creates its tables"},
    {"minimum_free", SIZE(config, spool_minimum_free), .fallback = "64MiB",
     .help = "disk space to keep free; with less, senders hear 452"},
    {"check_every", DURATION(config, spool_check_every), .fallback = "15m",
     .help =
         "pause between two rounds of the background check of everything that is kept, bodies and index; 0: no check"},
    {"history", DURATION(config, spool_history), .fallback = "7d", .help = "how long settled messages are remembered"},
    {"history_messages", NUMBER(config, spool_history_messages), .fallback = "1000000", .least = 1, .most = 1000000000,
     .help = "how many settled messages are remembered at most"},
    {"active", NUMBER(config, active_max), .fallback = "1000", .least = 1, .most = 100000,
     .help = "deliveries kept in memory per upstream; the rest waits on the disk"},
    END,
};
static const struct config_table spool_table = {spool_keys, 0};

static const struct config_key history_keys[] = {
    {"refusals", DURATION(config, refusal_history), .fallback = "7d",
     .help = "how long refusals of clients are remembered, in a file beside the queue; 0: until the gateway stops"},
    {"search", DURATION(config, search_history), .fallback = "7d",
     .help = "how long subject and header addresses of settled mail are kept for mailweir find; 0: not at all"},
    {"subject", BOOLEAN(config, search_subject), .fallback = "true",
     .help = "whether the subject is kept for searching; false: only addresses"},
    END,
};
static const struct config_table history_table = {history_keys, 0};

static const struct config_key pattern_keys[] = {
    {"time", DURATION(config, pattern_time), .fallback = "60s", .most = 3600000,
     .help = "how long the compilation may take; patterns that are not ready by then are tried one by one; 0: nothing "
             "is compiled"},
    {"memory", SIZE(config, pattern_memory), .fallback = "128MiB", .most = UINT64_C(16) << 30,
     .help = "once the compiled patterns take more memory than this, the others are tried one by one"},
    END,
};
static const struct config_table pattern_table = {pattern_keys, 0};

static const struct config_key dead_keys[] = {
    {"upstream", STRING(config, dead_upstream), .required = true,
     .help = "the upstream that reports about dead letters are filed to"},
    {"folder", STRING(config, dead_folder), .fallback = "Dead letters", .help = "the folder of these reports"},
    END,
};
static const struct config_table dead_table = {dead_keys, 0};

static const struct config_key default_keys[] = {
    {"upstream", STRING(config, default_upstream),
     .help = "the upstream for mail that no rule files; this or \"reject\" is needed"},
    {"fallback", STRING(config, default_fallback),
     .help = "the upstream to use when that one stays down; see \"fallback_after\""},
    {"folder", STRING(config, default_folder), .fallback = "INBOX", .help = "the folder for mail that no rule files"},
    {"flags", STRINGS(config, default_flags), .help = "the flags and keywords of that mail; default: none"},
    {"reject", BOOLEAN(config, default_reject),
     .help = "refuse mail that no rule files, with 550, instead of filing it"},
    END,
};
static const struct config_table default_table = {default_keys, 0};

static const struct config_key probe_keys[] = {
    {"every", DURATION(config, probe.every), .least = 1000, .most = UINT64_C(7) * 86400000,
     .help = "how often the running gateway sends a probe message through its own front door, reads it back and "
             "removes it; by default, only \"mailweir probe\" does that"},
    {"upstream", STRING(config, probe.upstream),
     .help = "the upstream of the probe message; default: the upstream of \"default\", or the first one"},
    {"folder", STRING(config, probe.folder),
     .help = "the folder of the probe message; default: \"mailweir-probe\", a folder that nobody reads"},
    {"listener", STRING(config, probe.listener),
     .help = "the listener to send to; default: the first one that speaks SMTP"},
    {"address", ADDRESS(config, probe.address),
     .help = "the address of that listener as seen from here, if the listener's own entry does not say: behind a load "
             "balancer, or with a socket from systemd"},
    {"ca_file", PATH(config, probe.ca_file),
     .help = "PEM file of the CA that signed the listener's certificate; default: the system's CAs, and no check on "
             "loopback"},
    {"from", STRING(config, probe.from), .help = "the sender; default: mailweir-probe at the gateway's host name"},
    {"to", STRING(config, probe.to),
     .help = "the recipient, by default mailweir-probe at the gateway's host name; mail for this address goes into the "
             "probe's folder before any rule is tried"},
    {"username", STRING(config, probe.username), .help = "a user of the listener, if the listener requires a login"},
    {"password", SECRET(config, probe.password), .help = "the user's password"},
    {"timeout", DURATION(config, probe.timeout), .fallback = "60s", .least = 1000, .most = 3600000,
     .help = "how long the message may take to arrive"},
    END,
};
static const struct config_table probe_table = {probe_keys, 0};

static const struct config_key log_keys[] = {
    {"format", WORD(config, log_format, log_formats), .fallback = "auto",
     .help = "how events are written; auto: as text on a terminal, else as JSON"},
    {"level", WORD(config, log_level, log_level_words), .fallback = "info",
     .help = "events below this level are not written"},
    END,
};
static const struct config_table log_table = {log_keys, 0};

const char *const config_admin_roles[] = {
    [CONFIG_ADMIN_METRICS] = "metrics", [CONFIG_ADMIN_READ] = "read", [CONFIG_ADMIN_OPERATE] = "operate", NULL};

static const struct config_key admin_token_keys[] = {
    {"token", SECRET(config_admin_token, token), .required = true, .help = "the secret that the client must show"},
    {"role", WORD(config_admin_token, role, config_admin_roles), .fallback = "read",
     .help = "metrics: only the metrics; read: also status, queue and why, without the mail itself; operate: also the "
             "mail, and everything that changes something"},
    END,
};
static const struct config_table admin_token_table = {admin_token_keys, sizeof(struct config_admin_token)};

static const struct config_key admin_tls_keys[] = {
    {"mode", WORD(config, admin.tls_mode, config_tls_modes), .fallback = "implicit",
     .help = "implicit: TLS from the first octet; or none"},
    {"certificate", PATH(config, admin.certificate), .required = true,
     .help = "PEM file of the certificate chain, the server's own certificate first"},
    {"key", PATH(config, admin.key), .required = true, .secret = true, .help = "PEM file of the private key"},
    END,
};
static const struct config_table admin_tls_table = {admin_tls_keys, 0};

static const struct config_key admin_keys[] = {
    {"enabled", BOOLEAN(config, admin.enabled), .fallback = "true", .help = "whether there is an admin server"},
    {"address", ADDRESSES(config, admin.addresses),
     .help = "unix:/path, host:port or [v6]:port, or a list of these; default: admin.sock in the spool's folder"},
    {"tls", OBJECT(&admin_tls_table), .help = "TLS of the admin server itself, on its TCP addresses"},
    {"token", SECRET(config, admin.token), .live = true,
     .help = "the token of clients that may do everything; on TCP, this or \"tokens\" is needed"},
    {"tokens", MAP(config, admin.tokens, &admin_token_table), .live = true,
     .help = "further tokens, each under the name of its user and with a role; the log and the history of changes show "
             "the name"},
    {"session_idle", DURATION(config, admin.session_idle), .fallback = "8h", .least = 1000,
     .most = UINT64_C(30) * 86400000, .help = "a browser's login ends when its pages have been idle for this long"},
    {"behind_tls_proxy", BOOLEAN(config, admin.behind_tls_proxy),
     .help = "allow a network address without TLS, because a proxy in front of it speaks TLS"},
    {"max_connections", NUMBER(config, admin.max_connections), .fallback = "100", .least = 4, .most = 10000,
     .help = "connections at once; further ones wait"},
    {"max_requests", NUMBER(config, admin.max_requests), .fallback = "200", .least = 1, .most = 100000,
     .help = "requests of one client per second; more get 429; probes do not count"},
    {"max_body", SIZE(config, admin.max_body), .fallback = "32MiB", .least = 65536, .most = UINT64_C(1) << 30,
     .help = "the largest request, such as a message to explain; larger ones get 413"},
    {"max_streams", NUMBER(config, admin.max_streams), .fallback = "20", .least = 1, .most = 1000,
     .help = "live streams at once: open pages, mailweir top"},
    {"max_trace_time", DURATION(config, admin.max_trace_time), .fallback = "1h", .least = 1000,
     .most = UINT64_C(7) * 86400000, .help = "how long a trace of a dialogue may run (mailweir trace)"},
    {"max_trace_size", SIZE(config, admin.max_trace_size), .fallback = "16MiB", .least = 1024,
     .most = UINT64_C(1) << 34, .help = "how much a trace may write to the log; then the trace ends"},
    {"recent_messages", NUMBER(config, admin.recent_messages), .fallback = "200", .least = 0, .most = 10000,
     .help = "how many of the last messages are remembered for trying changed rules on them: envelope and header, and "
             "short bodies if the rules look at bodies; in memory, never on disk; 0: none"},
    {"recent_size", SIZE(config, admin.recent_size), .fallback = "4MiB", .least = 65536, .most = UINT64_C(1) << 30,
     .help = "how much memory the remembered messages may take; beyond it, the oldest are forgotten"},
    END,
};
static const struct config_table admin_table = {admin_keys, 0};

static const struct config_key root_keys[] = {
    {"hostname", STRING(config, hostname), .restart = true, .required = true,
     .help = "the gateway's name in greetings and Received fields"},
    {"listeners", LIST(config, listeners, &config_listener_table), .required = true,
     .help = "where the gateway receives mail"},
    {"upstreams", MAP(config, upstreams, &config_upstream_table), .required = true, .help = "IMAP accounts, by name"},
    {"spool", OBJECT(&spool_table), .restart = true, .required = true, .help = "the durable queue"},
    {"history", OBJECT(&history_table), .help = "what is remembered about mail for searching, and about refused mail"},
    {"rules", STRINGS(config, rules),
     .help = "rule files; * and ? in the last part of a path match several files, in order of name; default: none"},
    {"decision_timeout", DURATION(config, decision_timeout), .fallback = "5s", .least = 10, .most = 600000,
     .help = "time in which the rules must decide about a message, for all patterns and recipients together; after "
             "that, the on_error of the rule being tried applies: 451, or \"default\""},
    {"patterns", OBJECT(&pattern_table),
     .help =
         "after a start or a reload, the patterns of the rules are compiled to be looked for in one pass, while the "
         "rules already decide"},
    {"dead_letters", OBJECT(&dead_table),
     .help = "file a report, with the message attached, about each dead letter; default: none is filed"},
    {"probe", OBJECT(&probe_table),
     .help =
         "a probe message that goes all the way, so that operators notice before users do when mail does not arrive"},
    {"default", OBJECT(&default_table), .help = "what happens to mail that no rule takes"},
    {"log", OBJECT(&log_table), .restart = true, .help = "the log on standard error"},
    {"admin", OBJECT(&admin_table), .restart = true,
     .help = "the HTTP server for probes, metrics, commands and the page"},
    {"user", STRING(config, user), .restart = true,
     .help = "the user to become when started as root, a name or UID:GID; of root's rights the gateway keeps only the "
             "one to listen on ports below 1024; default: the user who starts it"},
    {"sandbox", WORD(config, sandbox, sandboxes), .restart = true, .fallback = "auto",
     .help = "auto: allow only the system calls and paths that the gateway needs, as far as the kernel supports that; "
             "required: do not start without all of it; off: no sandbox"},
    {"shutdown_timeout", DURATION(config, shutdown_timeout), .fallback = "25s", .least = 100,
     .help = "after SIGTERM, how long work under way may take to finish"},
    END,
};
const struct config_table config_root_table = {root_keys, sizeof(struct config)};
