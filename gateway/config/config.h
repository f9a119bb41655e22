/*
 * config - what the operator configured, checked as a whole and then immutable.
 *
 * Loading gives either a whole configuration or a list of problems with their places, all at once. The keys stand in
 * tables (config_tables.c): a new key is a row there and a member here.
 */
#ifndef MAILWEIR_CONFIG_CONFIG_H
#define MAILWEIR_CONFIG_CONFIG_H

#include "base/arena.h"
#include "base/log.h"
#include "base/must_use.h"
#include "filters/filters.h"
#include "upstream/upstream_pool.h"
#include "net/net_stream.h"
#include "reception/reception.h"

struct config_strings {
    const char *const *items;
    size_t count;
};

/* Objects of one kind, in file order. */
struct config_list {
    void *items;
    size_t count;
};

enum config_tls_mode { CONFIG_TLS_NONE, CONFIG_TLS_STARTTLS, CONFIG_TLS_IMPLICIT, CONFIG_TLS_MODES };
/* Their words; a NULL ends them. */
extern const char *const config_tls_modes[CONFIG_TLS_MODES + 1];

struct config_tls {
    enum config_tls_mode mode;
    const char *certificate;
    const char *key;
    const char *ca_file;
    const char *server_name;
};

/* One more certificate of a listener, for clients that ask for its names (SNI). */
struct config_certificate {
    const char *certificate;
    const char *key;
};

struct config_sender_rule {
    struct config_strings networks;
    struct config_strings senders;
};

enum config_protocol { CONFIG_PROTOCOL_SMTP, CONFIG_PROTOCOL_LMTP, CONFIG_PROTOCOLS };

/* When the sender hears 250. */
enum config_acknowledge { CONFIG_ACKNOWLEDGE_SPOOLED, CONFIG_ACKNOWLEDGE_DELIVERED, CONFIG_ACKNOWLEDGEMENTS };

struct config_listener {
    const char *name;
    struct net_address address;
    enum config_protocol protocol;
    struct config_strings allow;
    struct config_tls tls;
    struct config_list certificates; /* struct config_certificate */
    bool tls_required;
    bool client_certificate_required;
    const char *users; /* path */
    bool auth_required;
    bool auth_in_clear;
    struct config_strings proxies;
    struct config_strings xclients;
    struct config_strings senders;
    struct config_list sender_rules; /* struct config_sender_rule */
    struct config_strings recipients;
    enum config_acknowledge acknowledge;
    uint64_t acknowledge_timeout;
    uint64_t max_message_size;
    uint64_t max_recipients;
    uint64_t max_recipients_per_session;
    uint64_t max_recipients_per_minute;
    uint64_t max_messages_per_minute;
    uint64_t max_sessions;
    uint64_t max_sessions_per_network;
    uint64_t max_sessions_per_user;
    uint64_t max_errors;
    uint64_t max_unknown_commands;
    uint64_t max_auth_failures;
    uint64_t max_auth_failures_per_network;
    uint64_t max_transactions;
    struct config_strings lenient;
    bool add_missing;
    enum net_tls_version tls_minimum;
    enum smtpd_recipients recipients_per_transaction;
    struct config_strings mechanisms;
    uint64_t max_refusals_logged;
    uint64_t max_received;
    uint64_t command_timeout;
    uint64_t data_timeout;
    uint64_t session_timeout;
    uint64_t greeting_delay;
    uint64_t duplicate_window;
};

struct config_upstream {
    const char *name;
    struct net_address address;
    struct config_strings standby; /* further addresses of the same mailboxes */
    unsigned profile;              /* index for upstream_profile_at() */
    struct config_tls tls;
    bool insecure;
    const char *username;
    const char *password;
    enum imapc_mechanism mechanism;
    enum imapc_binding binding;
    struct upstream_token_options token;
    struct config_strings token_command;
    uint64_t settings[UPSTREAM_SETTINGS]; /* resolved */
    enum upstream_compress compress;
    const char *device_endpoint, *authorization_endpoint; /* of "mailweir upstreams login"; NULL: by the profile */
    const char *special_names[IMAP_SPECIAL_USES];         /* NULL: as the profile says */
    const char *folders_forbidden;                        /* characters; NULL: as the profile says */
    const char *folders_replacement;
    uint64_t connect_timeout;
    uint64_t command_timeout;
    uint64_t idle_timeout;
    uint64_t retry_initial;
    uint64_t retry_maximum;
    uint64_t failback;
    uint64_t warn_after;
    uint64_t fallback_after;
    uint64_t give_up;
};

/* The HTTP door for operators. */
/* What the holder of a token may do; each also what those before it may. Words: config_admin_roles. */
enum config_admin_role { CONFIG_ADMIN_METRICS, CONFIG_ADMIN_READ, CONFIG_ADMIN_OPERATE };
extern const char *const config_admin_roles[];

/* A certificate that expires within it is warned of: as the alert MailweirCertificateExpires does. */
#define CONFIG_EXPIRY_DAYS 14

struct config_admin_token {
    const char *name;
    const char *token;
    enum config_admin_role role;
};

/* Where the admin server listens. */
#define CONFIG_ADMIN_ADDRESSES 8
struct config_addresses {
    const struct net_address *items;
    size_t count;
};

struct config_admin {
    bool enabled;
    struct config_addresses addresses; /* none: admin.sock in the spool's folder; see config_admin_addresses() */
    enum config_tls_mode tls_mode;     /* of the TCP addresses, once there is a certificate */
    const char *certificate, *key;     /* NULL: no TLS */
    const char *token;                 /* of "admin", who may operate */
    struct config_list tokens;         /* of struct config_admin_token */
    uint64_t session_idle;             /* milliseconds */
    bool behind_tls_proxy;
    uint64_t max_connections;
    uint64_t max_requests; /* per second */
    uint64_t max_body;
    uint64_t max_streams;
    uint64_t max_trace_time, max_trace_size; /* milliseconds, octets */
    uint64_t recent_messages, recent_size;   /* 0: none; octets */
};

/* A message of our own that goes all the way, now and then; daemon/probe.h. Resolved: all but a login is there. */
struct config_probe {
    bool enabled;
    uint64_t every; /* 0: only when somebody says "mailweir probe" */
    uint64_t timeout;
    const char *listener;
    struct net_address address; /* of the listener, from here; host "": there is none to be known */
    const char *ca_file;
    const char *from, *to;
    const char *username, *password; /* NULL: no login */
    const char *upstream, *folder;
};

enum config_sandbox { CONFIG_SANDBOX_AUTO, CONFIG_SANDBOX_REQUIRED, CONFIG_SANDBOX_OFF, CONFIG_SANDBOXES };

/* AUTO: text on a terminal, else JSON. */
enum config_log_format { CONFIG_LOG_AUTO, CONFIG_LOG_TEXT, CONFIG_LOG_JSON, CONFIG_LOG_FORMATS };

/* The queue lies in a database of PostgreSQL; connection NULL: it does not. */
struct config_postgresql {
    const char *connection; /* libpq's, without the password */
    const char *password;   /* or NULL */
    const char *node;       /* what this one of several nodes is called; NULL: as the machine is */
    uint64_t lease;
    bool insecure;
    const char *overflow; /* folder of what comes while the database does not answer; or NULL */
};

struct config {
    struct arena *arena; /* of everything below */
    unsigned owners;     /* besides the first owner */
    const char *file;
    const char *hostname;
    struct config_list listeners;    /* struct config_listener */
    struct config_list upstreams;    /* struct config_upstream */
    const char *spool_path;          /* with PostgreSQL: of what this node keeps for itself */
    size_t spool_line, spool_column; /* where it is written */
    struct config_postgresql postgresql;
    uint64_t spool_minimum_free;
    uint64_t spool_check_every;
    uint64_t spool_history;
    uint64_t spool_history_messages;
    uint64_t refusal_history;
    uint64_t search_history;
    bool search_subject;
    uint64_t active_max; /* deliveries in memory, per upstream */
    struct config_strings rules;
    uint64_t decision_timeout;
    uint64_t pattern_time, pattern_memory;
    struct config_probe probe;
    const char *dead_upstream; /* where reports about dead letters are filed; NULL: nowhere */
    const char *dead_folder;
    const char *default_upstream;
    const char *default_fallback; /* or NULL */
    const char *default_folder;
    struct config_strings default_flags;
    bool default_reject;
    enum config_log_format log_format;
    enum log_level log_level;
    uint64_t shutdown_timeout;
    struct config_admin admin;
    struct filters_set *rule_set;            /* loaded from the rule files */
    const struct filters_source *rule_files; /* the texts that it was loaded from, in their order */
    size_t rule_file_count;
    const struct filters_folder *written; /* folders that the rules and the default name as they are */
    size_t written_count;
    /* Every file that was read, and every folder that was looked through: whose change asks for a reload. */
    struct config_strings sources;
    uint64_t stamp;                /* of the sources, each as it was before it was read */
    struct config_strings named;   /* of them, those that a rule file names: lists, messages of tests */
    struct config_strings paths;   /* the others that the keys name: the spool, what is read whenever it is used */
    struct config_strings secrets; /* of all these, those that nobody else should read */
    const char *user;              /* whom it becomes when it is started as root; NULL: nobody else */
    enum config_sandbox sandbox;
};

/*
 * Reads the configuration and its rule files; blocks. NULL when there is any error; warnings alone do not prevent it.
 * Relative paths are taken from the configuration file's folder.
 */
MUST_USE struct config *config_load(const char *file, struct problems *problems);
/*
 * The same without running the tests that stand beside the rules: config_load() takes a test that fails for an error.
 */
MUST_USE struct config *config_load_untested(const char *file, struct problems *problems);
/*
 * The rules of a configuration, whatever else is wrong with it (secrets and certificates may be missing where rules are
 * tested). NULL when the file is not JSON or a rule has an error.
 */
MUST_USE struct config *config_load_rules(const char *file, struct problems *problems);
/*
 * Reads what a rule file names, from that file's folder; blocks. For filters_load() and filters_test_run(). ctx: the
 * struct config whose sources the file joins, or NULL.
 */
MUST_USE int config_read_beside(void *ctx, const char *from, const char *path, struct buf *out, struct fault *fault);
/*
 * Reads the rules again, knowing which folders there are: adds a warning for each folder that they, the default or the
 * dead letters name and that there is not, beside what loading them says anyway. An upstream without any here is not
 * looked at. Blocks.
 */
void config_check_folders(struct config *config, const struct filters_folder *folders, size_t count,
                          struct problems *problems);
/*
 * Adds a warning for each two values that become one folder's name where a server does not take some characters: of the
 * tests beside the rules, and of what the rules compare with. Blocks.
 */
void config_check_names(struct config *config, struct problems *problems);
/*
 * Adds a problem when no file can be created where the spool is to be; blocks, and tries it. That the user may not is a
 * warning, because whoever only checks may be another one than the gateway's, and an error when `certain`: this process
 * is the gateway, or root.
 */
void config_check_spool(const struct config *config, bool certain, struct problems *problems);
/*
 * Loads rules from texts under this configuration's upstreams and default, as config_load() does from files; blocks.
 * NULL when there is any error. Who writes such texts may be far away: of files, they can name only those that the
 * configuration's own rules name.
 */
struct filters_set *config_rules(const struct config *config, const struct filters_source *sources, size_t count,
                                 struct problems *problems);
/*
 * Reads a file that such texts name; ctx: the configuration. For filters_test_run(). Fault "not-named" for one that the
 * configuration's own rules do not name.
 */
MUST_USE int config_read_named(void *ctx, const char *from, const char *path, struct buf *out, struct fault *fault);
/*
 * Reads the configuration file alone, as far as it can be read, for a command that only wants to find the running
 * gateway: no rules, no checks. NULL when it is no JSON object.
 */
MUST_USE struct config *config_load_part(const char *file, struct problems *problems);
/* How the stamps of files (net_file_stamp) make the one of a configuration's sources, in their order. */
uint64_t config_stamp_add(uint64_t stamp, uint64_t file);
/* One owner more, who gives it back by config_free(). From the loop only. */
struct config *config_share(struct config *config);
/* Sets *config to NULL; NULL is fine. It goes with its last owner. */
void config_free(struct config **config);

const struct config_listener *config_listener_at(const struct config *config, size_t index);
const struct config_upstream *config_upstream_at(const struct config *config, size_t index);
bool config_has_upstream(const struct config *config, const char *name);

/* NULL when there is none of that name. */
const struct config_upstream *config_upstream_named(const struct config *config, const char *name);
/* Where the probe knocks: the one that it names, else the first of SMTP; NULL when there is none. */
const struct config_listener *config_probe_listener(const struct config *config);

/*
 * Where the admin server listens: into[] of CONFIG_ADMIN_ADDRESSES; -1 when the spool's path is too long for a socket
 * in it.
 */
MUST_USE int config_admin_addresses(const struct config *config, struct net_address *into, size_t *count_r,
                                    struct fault *fault);
/* The one of them that commands on this machine ask: a socket before anything else. */
MUST_USE int config_admin_address(const struct config *config, struct net_address *address_r, struct fault *fault);

/*
 * Whether the rules, or the default, name this folder of the upstream as it is, for every message: mail has no part in
 * it.
 */
bool config_names_folder(const struct config *config, const char *upstream, const char *folder);

#endif
