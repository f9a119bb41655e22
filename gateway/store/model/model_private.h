/*
 * model_private - what the files of the model share: a list of messages, each with its deliveries, in the order of
 * their numbers.
 */
#ifndef MAILWEIR_STORE_MODEL_MODEL_PRIVATE_H
#define MAILWEIR_STORE_MODEL_MODEL_PRIVATE_H

#include "base/map.h"
#include "base/must_use.h"
#include "store/model/model.h"
#include "store/store_ask.h"
#include "store/store_batch.h"

struct model_attempt {
    unsigned number;
    int64_t at_ms;
    struct fault what;
};

struct model_note {
    int64_t at_ms;
    char *text;
};

struct model_delivery {
    struct list link;
    struct model_message *message;
    unsigned number;
    enum store_state state;
    char *upstream, *folder, *rule, *fallback, *doubt; /* never NULL */
    int64_t turn;
    int64_t due_ms, changed_ms;
    unsigned attempts;
    bool uncertain;
    uint64_t handed; /* the run in whose hands it is, or was; 0: nobody's */
    uint32_t uidvalidity, uid;
    struct buf detail;
    struct model_attempt *tries;
    size_t try_count;
    struct model_note *notes;
    size_t note_count;
};

struct model_message {
    struct list link;
    uint64_t seq;
    char *id, *sender, *message_id; /* message_id: or NULL */
    int64_t received_ms, settled_ms;
    int64_t taken_ms;   /* when it was received, by the store's clock */
    int64_t unheard_ms; /* since when its sender waits to hear that all have it; 0: he does not */
    uint64_t print, body_sum;
    uint64_t body_len;
    unsigned open;
    struct buf envelope, body;
    struct list deliveries;
};

struct model_pause {
    int64_t since_ms;
    char upstream[256], by[256];
};

/* One of several that share the model; see model.h. */
struct model_node {
    struct list link;
    uint64_t epoch;
    char name[MODEL_NAME_MAX];
    int64_t lease_until_ms;
    int64_t ended_ms; /* 0: it lives */
    bool draining;
    char *state;
};

/* Connections of a node to an account. */
struct model_slot {
    struct list link;
    char account[256];
    uint64_t epoch;
    unsigned held, wanted;
    int64_t free_at_ms; /* of a node that was ended; 0 */
    bool turn;
};

/* What became of a batch: it was written, or it never can be any more. */
struct model_key {
    struct list link;
    uint64_t epoch, number;
    bool written;
};

struct model {
    struct store store;
    int64_t (*wall)(void *ctx);
    void *clock;
    uint64_t run; /* in whose hands is what is handed out now: a life, or the epoch of a node */
    uint64_t next_message;
    struct list nodes, slots, keys;
    uint64_t last_epoch;
    int64_t changed;           /* by operators or the end of a node */
    uint64_t learnt, unlearnt; /* as the index keeps them: the last message of each ... */
    int64_t unlearnt_ms;       /* ... and when it was settled */
    struct list messages;
    struct map *pauses, *memos, *cursors;
};

static inline struct model *model_of(struct store *store)
{
    return LIST_ITEM(store, struct model, store);
}

static inline int64_t model_now(const struct model *model)
{
    return model->wall(model->clock);
}

static inline struct model_delivery *model_delivery_at(struct list *link)
{
    return LIST_ITEM(link, struct model_delivery, link);
}

static inline struct model_message *model_message_at(struct list *link)
{
    return LIST_ITEM(link, struct model_message, link);
}

/* model_kept.c */
struct model_message *model_find_seq(struct model *model, uint64_t seq);
void model_copy_bytes(struct buf *to, struct bytes data);
struct model_message *model_find_id(struct model *model, const char *id);
struct model_delivery *model_find(struct model *model, struct store_key key);
struct model_node *model_find_node(const struct model *model, uint64_t epoch);
void model_forget(struct model_message *message);
void model_set_text(char **text, const char *value);
void model_add_delivery(struct model *model, struct model_message *message, const struct store_row *row);
/* It has the place of this row from now on. */
void model_redirect(struct model_delivery *delivery, const struct store_row *row);
/* One of its deliveries is settled. */
void model_settle(struct model *model, struct model_message *message);
void model_note(struct model_delivery *delivery, int64_t at_ms, const char *text);
bool model_is_doubtful(const struct model *model, const struct model_delivery *delivery);
/* Whether it is in the hands of somebody who lives. */
bool model_is_in_hands(const struct model *model, const struct model_delivery *delivery);
/* The arena is to be freed. An envelope in the model is one that was written. */
struct mail_envelope model_envelope(const struct model_message *message, struct arena **arena_r);
/* Whether the selection chooses the delivery; its `after` is not looked at. */
bool model_chooses(const struct model *model, const struct store_select *select, const struct model_delivery *delivery);
bool model_is_behind(const struct model_delivery *delivery, struct store_key after);

/* model_change.c */
void model_set_state(struct model *model, struct store_set_state *set);
void model_reroute(struct model *model, struct store_reroute *reroute);
void model_divert(struct model *model, struct store_divert *divert);
void model_forget_old(struct model *model, struct store_forget *forget);
/* model_search.c */
bool model_fits(const struct store_search *search, struct model_message *message);
void model_learn(struct model *model, struct store_learn *learn);
void model_erase(struct model *model, struct store_erase *erase);
/* model_node.c */
void model_node_free_all(struct model *model);
void model_node_copy_all(struct model *to, const struct model *from);
/* model_slots.c */
void model_slots_share(struct model *model, uint64_t epoch, struct store_beat *beat);
void model_slots_forget(struct model *model, uint64_t epoch);
/* model_claim.c */
MUST_USE int model_claim(struct store *store, struct store_claim *claim, struct fault *fault);
/* model_ask.c */
MUST_USE int model_ask(struct store *store, const struct store_question *question, store_row_fn *fn, void *ctx,
                       struct fault *fault);
void model_count(struct model *model, struct store_counts *counts_r);

#endif
