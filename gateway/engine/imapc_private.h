/*
 * imapc_private - what the files of the IMAP engine share. Nobody else includes it. Each calls only those below it:
 *
 *   imapc_engine.c     replies to phases, deadlines: the top, with the table of phases
 *   imapc_login.c      up to ready; imapc_auth.c, imapc_names.c, imapc_check.c and imapc_suspect.c: parts of that
 *   imapc_append.c     append and create
 *   imapc_locate.c     looking for messages; imapc_elsewhere.c: in the account's other places; imapc_vanished.c: what
 *                      is missing in between
 *   imapc_remove.c     a message is taken back
 *   imapc_flags.c, imapc_room.c, imapc_mark.c, imapc_special.c: around an append, and behind a search
 *   imapc_steps.c      what all of them do to the connection: enter a phase, send, end
 */
#ifndef MAILWEIR_ENGINE_IMAPC_PRIVATE_H
#define MAILWEIR_ENGINE_IMAPC_PRIVATE_H

#include "base/map.h"
#include "base/must_use.h"
#include "engine/imapc_engine.h"
#include "engine/imapc_refusal.h"
#include "proto/imap_command.h"
#include "proto/imap_name.h"

/* Octets of a message are asked for in pieces of at most this much, and while less than that waits in the output. */
#define IMAPC_BODY_PIECE ((size_t)64 << 10)
/* Responses to one command, before the server is taken for broken. */
#define IMAPC_REPLIES_MAX 100000
/* Octets of responses to one command. */
#define IMAPC_REPLY_OCTETS_MAX ((uint64_t)64 << 20)
/* A message up to this size goes as a non-synchronising literal where the server has only LITERAL- (RFC 7888). */
#define IMAPC_LITERAL_MINUS_MAX ((uint64_t)4 << 10)

enum imapc_phase {
    IMAPC_PHASE_GREETING,
    IMAPC_PHASE_CAPABILITY,
    IMAPC_PHASE_STARTTLS,
    IMAPC_PHASE_HANDSHAKE,
    IMAPC_PHASE_LOGIN,
    IMAPC_PHASE_ID,
    IMAPC_PHASE_COMPRESS,
    IMAPC_PHASE_ENABLE,
    IMAPC_PHASE_NAMESPACE,
    IMAPC_PHASE_ROOT,
    IMAPC_PHASE_NAMES,
    IMAPC_PHASE_CHECK_RIGHTS,
    IMAPC_PHASE_CHECK_QUOTA,
    IMAPC_PHASE_SUSPECT,
    IMAPC_PHASE_SUSPECT_CREATE,
    IMAPC_PHASE_SUSPECT_DELETE,
    IMAPC_PHASE_READY,
    IMAPC_PHASE_LIST,
    IMAPC_PHASE_RIGHTS,
    IMAPC_PHASE_QUOTA,
    IMAPC_PHASE_SELECT,
    IMAPC_PHASE_MARK,
    IMAPC_PHASE_APPEND,
    IMAPC_PHASE_CREATE,
    IMAPC_PHASE_PARENT,
    IMAPC_PHASE_SUBSCRIBE,
    IMAPC_PHASE_RESELECT,
    IMAPC_PHASE_STORE,
    IMAPC_PHASE_LEAVE,
    IMAPC_PHASE_MERGED,
    IMAPC_PHASE_MERGED_FETCH,
    IMAPC_PHASE_RESYNC,
    IMAPC_PHASE_EXAMINE,
    IMAPC_PHASE_BOUND,
    IMAPC_PHASE_FETCH,
    IMAPC_PHASE_VANISHED,
    IMAPC_PHASE_USES,
    IMAPC_PHASE_ELSEWHERE,
    IMAPC_PHASE_ELSEWHERE_FETCH,
    IMAPC_PHASE_UNSELECT,
    IMAPC_PHASE_REMOVE_SELECT,
    IMAPC_PHASE_REMOVE_STORE,
    IMAPC_PHASE_REMOVE_EXPUNGE,
    IMAPC_PHASE_REMOVE_LEAVE,
    IMAPC_PHASE_LOGOUT,
    IMAPC_PHASE_ENDED,
};

/* The append under way. */
struct imapc_appending {
    struct imapc_message *messages; /* NULL: none */
    size_t count;
    size_t current;     /* the message whose octets are due */
    uint64_t sent;      /* of its octets */
    bool asked;         /* BODY was handed out and not answered */
    bool literal_open;  /* the literal of the current message is announced; its octets may go once the command is out */
    bool literal_sent;  /* octets of a literal went out */
    bool created;       /* CREATE was tried for it */
    bool parents_tried; /* and for the folders above it */
    size_t parent;      /* octets of the name up to the parent that is being created */
    struct imapc_refusal create_refusal; /* of the CREATE; its code is NULL when it was not refused */
    char create_words[200];
    bool flags_asked;      /* SELECT was tried for it */
    bool keywords_sent;    /* by the last command */
    bool without_keywords; /* they were refused */
    bool answered;         /* what is known now stands: a refusal came while octets were still due, or it is filed */
    bool in_utf8;          /* the current message stands in UTF8 (...) */
    bool utf8_used;        /* the current command has a message in UTF8 (...) */
    bool again_due;        /* it was refused for that: it goes again without */
    bool create_due;       /* it was a refusal that asks for CREATE */
    bool filed;
    bool rights_asked, quota_asked; /* for it */
    bool mark_asked;                /* for it */
    size_t reached;                 /* messages of the command whose last octet went out */
    struct doubt_mark mark;         /* of the folder, before the command */
    char left_out[128];             /* see struct imapc_result */
};

/* Messages whose flags one STORE names. */
#define IMAPC_STORE_MAX 500

/* The flags of what is filed, being stored: of the messages of an append, or of those that a search has found. */
struct imapc_storing {
    size_t next; /* the first message that no STORE has named */
    bool failed;
    uint32_t validity; /* of the selected folder; 0: not said */
};

/* Challenges of one login, before the server is taken for broken. */
#define IMAPC_SASL_STEPS_MAX 8
/* Octets of a challenge; errors of OAuth2 come as JSON in one. */
#define IMAPC_CHALLENGE_MAX ((size_t)16 << 10)

/* The first window of a search, in messages from the end of the folder; each further one is four times as large. */
#define IMAPC_WINDOW_FIRST 200
#define IMAPC_WINDOW_MAX   5000
/* While others wait for the connection, which is theirs between two windows. */
#define IMAPC_WINDOW_SHARED 1000
/* A search that has seen this many messages ends; what it has not found stays unproven. */
#define IMAPC_SEARCH_MAX 200000
/* Messages, from the newest, that are looked at in each of the account's other places. */
#define IMAPC_ELSEWHERE_MAX 1000

/* The search under way. */
#define IMAPC_ELSEWHERE_PLACES 5
struct imapc_locating {
    struct imapc_wanted *wanted; /* NULL: none */
    size_t count;
    struct map *index; /* of wanted, by id */
    size_t missing;
    struct doubt_mark mark; /* of the folder, when it began */
    uint32_t first;         /* of the window, as a sequence number */
    uint32_t end;           /* the last one of it; before the first window: messages in the folder */
    uint32_t window;
    uint32_t seen;
    uint32_t lowest;   /* the lowest UID that was seen */
    uint8_t *answered; /* a bit for each message of the window */
    uint32_t answers;  /* how many of them are set */
    uint32_t *bounds; /* where the looks for wanted begin, in order, one for each; by index the messages seen from there
                         to the next */
    uint32_t *counts;
    uint32_t *uids;  /* of the window's messages, by their place in it */
    uint32_t above;  /* the lowest UID of the windows above it */
    uint32_t *gone;  /* by the same index: UIDs from there to the next that the server calls vanished */
    size_t places;   /* of the account's other ones that were looked at */
    bool shares;     /* others wait: it pauses between two windows */
    bool paused;     /* it waits itself; the folder stays selected */
    bool broken;     /* since then the numbers of the folder's messages may have changed, or it was left */
    bool has_broken; /* it has begun anew for that, and pauses no more */
    struct imapc_paused *paused_task;
};

/* The folder of the task, when it is named by its use. */
struct imapc_special {
    enum imap_special_use use; /* of a folder that may have to be created; IMAP_SPECIAL_USES: it has none */
    enum imapc_phase next;
    bool plain;          /* LIST without options */
    bool learned;        /* the server was asked for this task */
    bool named;          /* the task names it so */
    const char *written; /* it names it as Gmail does in English; NULL: not */
    bool use_refused;
    struct imapc_folders *found;
};

/* What a search takes up again when it goes on. */
struct imapc_paused {
    struct imapc_special special;
    struct imapc_result result;
    struct buf folder;
};

/* The message that was filed, as it is looked at. */
struct imapc_merging {
    struct doubt_mark mark; /* of the folder: whether its view has come so far */
    bool shown, ours;       /* there is a message of that UID; it is the one that was sent */
};

/* The message that is being removed. */
struct imapc_removing {
    uint32_t uid; /* 0: none */
    uint32_t validity;
    struct doubt_mark mark; /* of the selected folder */
};

/* What a phase does, and what it is. */
struct imapc_phase_row {
    const char *name;
    void (*enter)(struct imapc_engine *engine);
    void (*reply)(struct imapc_engine *engine, const struct imap_reply *reply);
    void (*data)(struct imapc_engine *engine, const struct imap_reply *reply); /* untagged; NULL: imapc_login_data() */
    enum imapc_question question; /* optional: the session may break in it, see imapc_habits.h; IMAPC_QUESTIONS: none */
    void (*lost)(struct imapc_engine *engine); /* the connection ended under its command; NULL: that says nothing */
};

struct imapc_engine {
    const struct imapc_phase_row *phases; /* by enum imapc_phase */
    void (*over)(struct imapc_engine *engine);
    struct imapc_engine_options options;
    enum imapc_phase phase;
    bool tls_active, authenticated, was_ready, was_lost;

    struct imap_reply_parser parser;
    struct imap_capabilities capabilities;
    bool capabilities_asked; /* by CAPABILITY; else they are those of a greeting or an OK, which may be fewer */
    struct imap_namespaces namespaces;
    bool no_personal; /* NAMESPACE names none: the first one is made up */

    struct buf output;
    struct imap_command command;
    size_t command_sent;  /* octets of its text that are in the output */
    size_t command_waits; /* waits passed */
    bool command_open;    /* its tagged answer is due */
    bool plus_due;        /* "+" is waited for */
    uint32_t tag_number;
    char tag[IMAP_COMMAND_TAG_MAX];
    enum imapc_mechanism mechanism; /* the one in use; not AUTO once the login began */
    bool sasl_open;                 /* an AUTHENTICATE is under way: "+" is a challenge */
    bool sasl_answered;             /* the initial response is out */
    bool sasl_initial;              /* it stood in the command (SASL-IR) */
    bool no_initial;                /* that was refused */
    bool no_authenticate;           /* AUTHENTICATE PLAIN was refused as a command: LOGIN */
    bool sasl_due;                  /* SASL is to be handed out */
    bool sasl_waits;                /* SASL was handed out and not answered */
    unsigned sasl_steps;
    unsigned sasl_proven; /* of them answered by the owner without a fault */
    bool can_bind;        /* the TLS connection has a channel binding */
    bool bound;           /* the mechanism in use is the -PLUS one */
    struct buf challenge;

    struct buf folder; /* of the append or search: the server's name */
    struct imapc_appending append;
    struct imapc_locating locate;
    char *elsewhere[IMAPC_ELSEWHERE_PLACES]; /* names of the places that messages were found in; or NULL */
    struct imapc_storing storing;
    struct imapc_removing removing;
    struct imapc_merging merging;
    struct imapc_special special;
    struct buf used; /* the folder of a task that named it by its use, as rules write it */
    size_t checked;  /* folders that were asked about behind the login */
    size_t suspect;  /* characters that were tried behind that; the first try is one without any */
    char plain[32];  /* what the server said of that one: imapc_refusal's code */
    uint64_t asker;  /* of imapc_folders_next_asker() */
    struct imapc_result result;
    bool result_due;
    bool tls_due, compress_due;
    bool compress_tried, enable_tried, id_tried;
    bool id_offered;        /* at any time */
    bool compress_unproven; /* nothing was understood since everything is deflated */
    char said[200];         /* see imapc_engine_said() */
    struct buf alert;
    bool alert_due;
    bool utf8;                 /* UTF8=ACCEPT is enabled: names are in UTF-8 */
    bool resync, resync_tried; /* QRESYNC is enabled; it was asked for */
    bool utf8_plain; /* messages with UTF-8 in their header go as any other: the server does not know APPEND's UTF8 */
    struct fault fault; /* why it ended */
    uint64_t retry_after_ms;
    bool crowded;
    bool account; /* the fault is of the account, not of one connection */

    uint64_t now;
    uint64_t deadline;
    unsigned replies; /* since the command began */
    uint64_t reply_octets;
};

/* imapc_steps.c */
/* Enters the phase: its `enter` sends what begins it. */
void imapc_enter(struct imapc_engine *engine, enum imapc_phase phase);
/* Begins a command with a new tag; its arguments follow, then imapc_send(). */
struct imap_command *imapc_begin(struct imapc_engine *engine, const char *name);
/* Sends the command as far as it may go; it is then open until its tagged answer. */
void imapc_send(struct imapc_engine *engine);
/* Ends the connection: the open append gets the fault (UNCERTAIN when octets of a literal went out). */
void imapc_fail(struct imapc_engine *engine, enum fault_class class, const char *code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* Ends the connection for a refusal of the server. */
void imapc_refused(struct imapc_engine *engine, const struct imap_reply *reply);
/* A command of our own was refused, and what is wanted goes on without it: its words are kept. true: the refusal is the
 * account's, and has ended the connection. */
bool imapc_set_aside(struct imapc_engine *engine, const struct imap_reply *reply);
/* Whether the question may be asked. */
bool imapc_may_ask(struct imapc_engine *engine, enum imapc_question question);
/* The append or search is over with what stands in engine->result. */
void imapc_over(struct imapc_engine *engine);
/* The same, ended by us for a fault of the task itself; the connection is ready for the next. */
void imapc_give_up(struct imapc_engine *engine, enum fault_class class, const char *code, const char *text);
/* As imapc_fail(), by what stands in engine->fault. */
void imapc_end(struct imapc_engine *engine);
/* Something moved: the phase has its whole time again. */
void imapc_move_deadline(struct imapc_engine *engine);
/* The optional question that is asked in this phase; -1: none. CAPABILITY is one only behind the login. */
MUST_USE enum imapc_question imapc_question_of(const struct imapc_engine *engine);
/* Keeps the words of a refusal, for the fault that may follow. */
void imapc_note_said(struct imapc_engine *engine, const char *command, const struct imap_reply *reply);
/* What a refusal means, into engine->result. */
void imapc_note_refusal(struct imapc_engine *engine, const struct imap_reply *reply);

/* imapc_auth.c: what the mechanism in use is called in IMAP. */
const char *imapc_mechanism_name(const struct imapc_engine *engine);
/* The connection ended in the login, without an answer to it. */
void imapc_auth_lost(struct imapc_engine *engine);
/* imapc_login.c: enter and reply of the phases up to ready. reply is called for tagged answers, continuations and
 * greetings. */
void imapc_greeting_reply(struct imapc_engine *engine, const struct imap_reply *reply);
void imapc_capability_enter(struct imapc_engine *engine);
void imapc_capability_reply(struct imapc_engine *engine, const struct imap_reply *reply);
void imapc_starttls_enter(struct imapc_engine *engine);
void imapc_starttls_reply(struct imapc_engine *engine, const struct imap_reply *reply);
void imapc_login_enter(struct imapc_engine *engine);
void imapc_login_reply(struct imapc_engine *engine, const struct imap_reply *reply);
/* The login succeeded. */
void imapc_logged_in(struct imapc_engine *engine, const struct imap_reply *reply);
void imapc_id_enter(struct imapc_engine *engine);
void imapc_id_reply(struct imapc_engine *engine, const struct imap_reply *reply);
void imapc_compress_enter(struct imapc_engine *engine);
void imapc_compress_reply(struct imapc_engine *engine, const struct imap_reply *reply);
/* The next step of the login, once the capabilities are known. */
void imapc_login_go_on(struct imapc_engine *engine);
void imapc_enable_enter(struct imapc_engine *engine);
void imapc_enable_reply(struct imapc_engine *engine, const struct imap_reply *reply);
void imapc_namespace_enter(struct imapc_engine *engine);
void imapc_namespace_reply(struct imapc_engine *engine, const struct imap_reply *reply);
void imapc_root_enter(struct imapc_engine *engine);
void imapc_root_reply(struct imapc_engine *engine, const struct imap_reply *reply);
/* Untagged data of these phases: CAPABILITY, NAMESPACE, LIST. */
void imapc_login_data(struct imapc_engine *engine, const struct imap_reply *reply);

/* imapc_append.c */
void imapc_append_enter(struct imapc_engine *engine);
void imapc_append_reply(struct imapc_engine *engine, const struct imap_reply *reply);
void imapc_create_enter(struct imapc_engine *engine);
void imapc_create_reply(struct imapc_engine *engine, const struct imap_reply *reply);
void imapc_parent_enter(struct imapc_engine *engine);
void imapc_parent_reply(struct imapc_engine *engine, const struct imap_reply *reply);
void imapc_subscribe_enter(struct imapc_engine *engine);
void imapc_subscribe_reply(struct imapc_engine *engine, const struct imap_reply *reply);
/* Whether octets of a message are due now; fills the request. */
bool imapc_append_wants_body(struct imapc_engine *engine, struct imapc_request *request);

/* imapc_special.c */
/* Puts the server's name of the folder into engine->folder and enters next, or ends the task. */
void imapc_resolve(struct imapc_engine *engine, const char *folder, enum imapc_phase next);
/* What the folder of the task is called, as rules write it, when the task names it by its use; else NULL. */
const char *imapc_special_used(struct imapc_engine *engine);
void imapc_list_enter(struct imapc_engine *engine);
void imapc_list_data(struct imapc_engine *engine, const struct imap_reply *reply);
void imapc_list_reply(struct imapc_engine *engine, const struct imap_reply *reply);

/* imapc_names.c */
void imapc_names_enter(struct imapc_engine *engine);
void imapc_names_data(struct imapc_engine *engine, const struct imap_reply *reply);
void imapc_names_reply(struct imapc_engine *engine, const struct imap_reply *reply);

/* imapc_check.c: asks what is left to be asked about the folders of options.names; then the connection is ready. */
void imapc_check_go_on(struct imapc_engine *engine);
void imapc_check_rights_enter(struct imapc_engine *engine);
void imapc_check_rights_data(struct imapc_engine *engine, const struct imap_reply *reply);
void imapc_check_quota_enter(struct imapc_engine *engine);
void imapc_check_quota_data(struct imapc_engine *engine, const struct imap_reply *reply);
void imapc_check_reply(struct imapc_engine *engine, const struct imap_reply *reply);

/* imapc_suspect.c: tries what is left of options.names' suspects; then the connection is ready. */
void imapc_suspect_go_on(struct imapc_engine *engine);
void imapc_suspect_enter(struct imapc_engine *engine);
void imapc_suspect_reply(struct imapc_engine *engine, const struct imap_reply *reply);
void imapc_suspect_create_enter(struct imapc_engine *engine);
void imapc_suspect_create_reply(struct imapc_engine *engine, const struct imap_reply *reply);
void imapc_suspect_delete_enter(struct imapc_engine *engine);
void imapc_suspect_delete_reply(struct imapc_engine *engine, const struct imap_reply *reply);

/* imapc_remove.c */
void imapc_remove_select_enter(struct imapc_engine *engine);
void imapc_remove_select_data(struct imapc_engine *engine, const struct imap_reply *reply);
void imapc_remove_select_reply(struct imapc_engine *engine, const struct imap_reply *reply);
void imapc_remove_store_enter(struct imapc_engine *engine);
void imapc_remove_expunge_enter(struct imapc_engine *engine);
/* To both. */
void imapc_remove_reply(struct imapc_engine *engine, const struct imap_reply *reply);
void imapc_remove_leave_enter(struct imapc_engine *engine);
void imapc_remove_leave_reply(struct imapc_engine *engine, const struct imap_reply *reply);

/* imapc_flags.c */
/* Whether the folder has to be asked first which flags it keeps. */
bool imapc_flags_are_asked(struct imapc_engine *engine);
/* The folder took a message without its keywords, which it had refused: it is remembered as one that keeps none. */
void imapc_flags_learn_refused(struct imapc_engine *engine);
/* Those of a message's flags that the folder keeps, into the command. */
void imapc_flags_write(struct imapc_engine *engine, const char *const *flags, size_t count);
/* What was left out, into the result, once for each folder. */
void imapc_flags_tell(struct imapc_engine *engine);
/* Whether flags are to be stored now that the APPEND has succeeded, or the search has found what it could: then
 * RESELECT is next. */
bool imapc_flags_are_stored(struct imapc_engine *engine);
void imapc_select_enter(struct imapc_engine *engine);
void imapc_select_data(struct imapc_engine *engine, const struct imap_reply *reply);
void imapc_select_reply(struct imapc_engine *engine, const struct imap_reply *reply);
void imapc_reselect_reply(struct imapc_engine *engine, const struct imap_reply *reply);
void imapc_store_enter(struct imapc_engine *engine);
void imapc_store_reply(struct imapc_engine *engine, const struct imap_reply *reply);
void imapc_leave_enter(struct imapc_engine *engine);
void imapc_leave_reply(struct imapc_engine *engine, const struct imap_reply *reply);

/* imapc_room.c */
/* Sends a command whose only argument is engine->folder. */
void imapc_ask_about(struct imapc_engine *engine, const char *name);
/* The rights of a MYRIGHTS response; false when it is none. */
MUST_USE bool imapc_rights_of(const struct imap_reply *reply, struct bytes *rights_r);
/* Calls fn for each resource of a QUOTA response that has room for messages; octets are octets. */
typedef void imapc_resource_fn(void *ctx, enum imapc_resource resource, uint64_t used, uint64_t limit);
void imapc_quota_of(const struct imap_reply *reply, imapc_resource_fn *fn, void *ctx);
/* Whether the server is asked something about the folder first: the phase is entered then, and leads back to APPEND. */
bool imapc_room_is_asked(struct imapc_engine *engine);
/* Whether the append was given up: no right, or no room. */
bool imapc_room_is_refused(struct imapc_engine *engine);
/* The messages of the append are filed: so much less room is left. */
void imapc_room_used(struct imapc_engine *engine);
/* The server says that there is no room, whatever it said before. */
void imapc_room_forget(struct imapc_engine *engine);
void imapc_rights_enter(struct imapc_engine *engine);
void imapc_rights_data(struct imapc_engine *engine, const struct imap_reply *reply);
void imapc_rights_reply(struct imapc_engine *engine, const struct imap_reply *reply);
void imapc_quota_enter(struct imapc_engine *engine);
void imapc_quota_data(struct imapc_engine *engine, const struct imap_reply *reply);
void imapc_quota_reply(struct imapc_engine *engine, const struct imap_reply *reply);

/* imapc_mark.c: the UIDNEXT of the folder, before an append. */
/* Whether the server is asked first: the phase is entered then, and leads back to APPEND. */
bool imapc_mark_is_asked(struct imapc_engine *engine);
/* The folder has come to be for the append: it is asked before the append goes on. is_new: by the server's OK; else
 * somebody else has made it. */
void imapc_mark_made(struct imapc_engine *engine, bool is_new);
void imapc_mark_enter(struct imapc_engine *engine);
void imapc_mark_data(struct imapc_engine *engine, const struct imap_reply *reply);
void imapc_mark_reply(struct imapc_engine *engine, const struct imap_reply *reply);
/* UIDVALIDITY, UIDNEXT or MAILBOXID of a response to SELECT, EXAMINE or STATUS, into the mark. */
void imapc_mark_of(struct doubt_mark *mark, const struct imap_reply *reply);
/* Whose folder it is and what the server calls it, into the mark. */
void imapc_mark_name(const struct imapc_engine *engine, struct doubt_mark *mark);
/* What the folder's mark is now, as far as it is known. */
struct doubt_mark imapc_mark_known(struct imapc_engine *engine);
/* The answer to an APPEND has told a UID. */
void imapc_mark_passed(struct imapc_engine *engine, uint32_t validity, uint32_t uid);

/* imapc_merged.c */
/* Whether what was filed is looked at: then MERGED is next. */
bool imapc_merged_is_asked(const struct imapc_engine *engine);
void imapc_merged_enter(struct imapc_engine *engine);
void imapc_merged_reply(struct imapc_engine *engine, const struct imap_reply *reply);
void imapc_merged_fetch_enter(struct imapc_engine *engine);
void imapc_merged_fetch_reply(struct imapc_engine *engine, const struct imap_reply *reply);
/* Untagged responses of both. */
void imapc_merged_data(struct imapc_engine *engine, const struct imap_reply *reply);

/* imapc_elsewhere.c: what is missing in the folder may lie in another one of the account. */
/* The place that is looked through, as rules write it; kept until it is forgotten. */
const char *imapc_elsewhere_name(struct imapc_engine *engine);
void imapc_elsewhere_forget(struct imapc_engine *engine);
/* Looks at the next place, or ends the search. */
void imapc_elsewhere_go_on(struct imapc_engine *engine);
void imapc_elsewhere_uses_enter(struct imapc_engine *engine);
void imapc_elsewhere_uses_reply(struct imapc_engine *engine, const struct imap_reply *reply);
void imapc_elsewhere_enter(struct imapc_engine *engine);
void imapc_elsewhere_reply(struct imapc_engine *engine, const struct imap_reply *reply);
void imapc_elsewhere_fetch_enter(struct imapc_engine *engine);
void imapc_elsewhere_fetch_reply(struct imapc_engine *engine, const struct imap_reply *reply);

/* imapc_locate.c */
/* UID and id fields of a FETCH response, behind its number: the fields are NULL when they are not there; *nil_r: the
 * server says so itself. */
void imapc_locate_pairs(struct bytes args, uint32_t *uid_r, struct bytes *fields_r, bool *nil_r);
void imapc_examine_enter(struct imapc_engine *engine);
void imapc_examine_reply(struct imapc_engine *engine, const struct imap_reply *reply);
void imapc_fetch_enter(struct imapc_engine *engine);
void imapc_fetch_reply(struct imapc_engine *engine, const struct imap_reply *reply);
void imapc_bound_enter(struct imapc_engine *engine);
void imapc_bound_reply(struct imapc_engine *engine, const struct imap_reply *reply);
/* What could be found is found. */
void imapc_flags_after_look(struct imapc_engine *engine);
void imapc_unselect_enter(struct imapc_engine *engine);
void imapc_unselect_reply(struct imapc_engine *engine, const struct imap_reply *reply);
/* Untagged responses of these phases. */
void imapc_locate_data(struct imapc_engine *engine, const struct imap_reply *reply);
void imapc_locate_done(struct imapc_engine *engine);
/* What the server says, or we ask, while a search is paused, that changes the numbers of the folder's messages. */
void imapc_locate_break(struct imapc_engine *engine);

/* imapc_vanished.c: what the server says of UIDs that a look misses. */
/* The phase that a look begins with. */
enum imapc_phase imapc_vanished_first(struct imapc_engine *engine);
void imapc_resync_enter(struct imapc_engine *engine);
void imapc_resync_data(struct imapc_engine *engine, const struct imap_reply *reply);
void imapc_resync_reply(struct imapc_engine *engine, const struct imap_reply *reply);
/* Whether the server is asked about them: the phase is entered then, and leads to the account's other places. */
bool imapc_vanished_is_asked(struct imapc_engine *engine);
void imapc_vanished_enter(struct imapc_engine *engine);
void imapc_vanished_data(struct imapc_engine *engine, const struct imap_reply *reply);
void imapc_vanished_reply(struct imapc_engine *engine, const struct imap_reply *reply);

#endif
