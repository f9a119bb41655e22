/*
 * dispatch_tell - counts and logs what became of a delivery, once that is settled; see dispatch_private.h.
 */
#include "dispatch/dispatch_private.h"

static void log_filed(const struct dispatch_upstream *upstream, const struct dispatch_told *told)
{
    const struct spool_item *item = told->item;
    const struct spool_outcome *outcome = told->outcome;
    log_event(upstream->dispatch->log, LOG_LEVEL_INFO, "filed", LOG_STR("id", item->envelope.id),
              LOG_STR("delivery", item->id), LOG_STR("upstream", item->delivery.upstream),
              LOG_STR("folder", outcome->folder != NULL ? outcome->folder : item->delivery.folder),
              LOG_STR("rule", item->delivery.rule), LOG_INT("size", told->octets),
              LOG_INT("uidvalidity", outcome->uidvalidity), LOG_INT("uid", outcome->uid),
              LOG_INT("attempt", item->attempts + 1), LOG_STR("note", outcome->note != NULL ? outcome->note : ""));
}

/* Whether the delivery waits longer than its upstream's operator finds normal. */
static bool is_delayed(const struct dispatch_upstream *upstream, const struct dispatch_told *told)
{
    return told->ended_ms - told->item->envelope.received_ms > (int64_t)upstream->config->warn_after;
}

/* What an operator does about one that nobody tries any more; "" while that is still done. */
static const char *advice_of(const struct dispatch_told *told)
{
    if (told->outcome->kind != SPOOL_DEAD) {
        return "";
    }
    return spool_item_is_damaged(told->item)
               ? "this delivery is never sent: look at the disk, have the message sent again by whoever sent it, then "
                 "give this delivery up with \"mailweir queue drop ID\""
               : "this delivery is not tried again by itself: when the reason is mended, \"mailweir queue retry ID\" "
                 "sends it; \"mailweir queue reroute ID\" decides again by the rules in force, \"mailweir queue drop "
                 "ID\" gives it up";
}

static void log_failed(const struct dispatch_upstream *upstream, const struct dispatch_told *told, const char *action)
{
    const struct spool_item *item = told->item;
    const struct fault *fault = &told->outcome->fault;
    char next[25] = "";
    if (told->outcome->kind == SPOOL_DEFERRED) {
        log_time(told->ended_ms + (int64_t)told->outcome->again_in_ms, next);
    }
    bool serious = told->outcome->kind == SPOOL_DEAD || is_delayed(upstream, told);
    log_event(upstream->dispatch->log, serious ? LOG_LEVEL_ERROR : LOG_LEVEL_WARNING, action,
              LOG_STR("id", item->envelope.id), LOG_STR("delivery", item->id),
              LOG_STR("upstream", item->delivery.upstream), LOG_STR("folder", item->delivery.folder),
              LOG_STR("error.type", fault_class_name(fault->class)), LOG_STR("error.code", fault->code),
              LOG_STR("error.message", fault->text), LOG_STR("during", fault->where),
              LOG_INT("attempt", item->attempts + 1), LOG_STR("next", next), LOG_STR("note", advice_of(told)));
}

static void log_moved(const struct dispatch_upstream *upstream, const struct dispatch_told *told)
{
    const struct spool_item *item = told->item;
    const struct mail_delivery *instead = told->outcome->instead;
    log_event(
        upstream->dispatch->log, LOG_LEVEL_WARNING, "folder_refused", LOG_STR("id", item->envelope.id),
        LOG_STR("delivery", item->id), LOG_STR("upstream", item->delivery.upstream),
        LOG_STR("folder", item->delivery.folder), LOG_STR("fallback", instead->upstream),
        LOG_STR("instead", instead->folder), LOG_STR("error.code", told->outcome->fault.code),
        LOG_STR("error.message", told->outcome->fault.text),
        LOG_STR(
            "note",
            "the message goes there instead; if the name is at fault, list the character that the server refuses in "
            "the upstream's \"folders\" (forbidden, replacement), so that the next message gets a folder of its own"));
}

void dispatch_tell(struct dispatch_upstream *upstream, const struct dispatch_told *told)
{
    struct dispatch_counts *counts = &upstream->counts;
    switch (told->outcome->kind) {
    case SPOOL_MOVED:
        counts->diverted++;
        log_moved(upstream, told);
        break;
    case SPOOL_FILED:
        counts->filed++;
        counts->possible_duplicates += told->possible_duplicate;
        counts->octets += told->octets;
        log_filed(upstream, told);
        break;
    case SPOOL_DEFERRED:
        counts->deferred++;
        counts->uncertain += told->outcome->fault.class == FAULT_UNCERTAIN;
        log_failed(upstream, told, is_delayed(upstream, told) ? "delayed" : "deferred");
        break;
    case SPOOL_DEAD:
        counts->dead++;
        log_failed(upstream, told, "dead_letter");
        break;
    case SPOOL_UNTOUCHED:
        counts->untouched++;
        break;
    }
}

void dispatch_tell_unsettled(struct dispatch_upstream *upstream, const struct dispatch_told *told,
                             const struct fault *fault)
{
    static const char *const outcomes[] = {[SPOOL_FILED] = "filed",
                                           [SPOOL_DEFERRED] = "deferred",
                                           [SPOOL_DEAD] = "dead",
                                           [SPOOL_UNTOUCHED] = "untouched",
                                           [SPOOL_MOVED] = "diverted"};
    const struct spool_item *item = told->item;
    const struct spool_outcome *outcome = told->outcome;
    log_event(upstream->dispatch->log, LOG_LEVEL_ERROR, "settle_failed", LOG_STR("id", item->envelope.id),
              LOG_STR("delivery", item->id), LOG_STR("upstream", item->delivery.upstream),
              LOG_STR("folder", outcome->folder != NULL ? outcome->folder : item->delivery.folder),
              LOG_STR("outcome", outcomes[outcome->kind]), LOG_INT("uidvalidity", outcome->uidvalidity),
              LOG_INT("uid", outcome->uid), LOG_STR("error.code", fault->code), LOG_STR("error.message", fault->text),
              LOG_STR("reason", fault_is_set(&outcome->fault) ? outcome->fault.text : outcome->note),
              LOG_STR("note", "nothing is to be done: the delivery is looked for on its server before it is sent "
                              "again, here or by another node"));
}
