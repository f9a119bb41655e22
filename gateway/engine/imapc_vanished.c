/*
 * imapc_vanished - whether UIDs that a look misses belong to messages that came and went: a server with QRESYNC (RFC
 * 7162) remembers what was expunged, and says VANISHED. That makes a gap certain, which no later look can close; it
 * does not tell whose the messages were, and so proves nothing. See imapc_private.h and doubt.h.
 *
 * ENABLE comes before any folder is selected (RFC 5161 section 3.1), and only where an earlier look has shown a gap: a
 * look that finds costs no more than before.
 */
#include "engine/imapc_private.h"

/* UIDs that one question spans: the answer names the messages among them, too. */
#define SPAN_MAX 20000

enum imapc_phase imapc_vanished_first(struct imapc_engine *engine)
{
    const struct imapc_locating *locate = &engine->locate;
    bool had_gap = false;
    for (size_t i = 0; i < locate->count; i++) {
        had_gap = had_gap || locate->wanted[i].doubt->looks > 0;
    }
    uint32_t both = IMAP_CAP_QRESYNC | IMAP_CAP_ENABLE;
    bool asks = had_gap && (engine->capabilities.has & both) == both && !engine->resync_tried &&
                imapc_may_ask(engine, IMAPC_QUESTION_VANISHED);
    return asks ? IMAPC_PHASE_RESYNC : IMAPC_PHASE_EXAMINE;
}

void imapc_resync_enter(struct imapc_engine *engine)
{
    struct imap_command *command = imapc_begin(engine, "ENABLE");
    engine->resync_tried = true;
    imap_command_word(command, "QRESYNC");
    imap_command_end(command);
    imapc_send(engine);
}

/* * ENABLED QRESYNC CONDSTORE */
void imapc_resync_data(struct imapc_engine *engine, const struct imap_reply *reply)
{
    struct bytes rest = reply->args;
    while (bytes_is_nocase(reply->name, "ENABLED") && rest.len > 0) {
        engine->resync = bytes_is_nocase(bytes_cut(&rest, ' '), "QRESYNC") || engine->resync;
    }
}

void imapc_resync_reply(struct imapc_engine *engine, const struct imap_reply *reply)
{
    if (!imapc_set_aside(engine, reply)) {
        imapc_enter(engine, IMAPC_PHASE_EXAMINE);
    }
}

/* Where the lowest look begins that misses a UID; 0: none does. */
static uint32_t lowest_gap(const struct imapc_engine *engine)
{
    const struct imapc_locating *locate = &engine->locate;
    uint32_t lowest = 0;
    for (size_t i = 0; i < locate->count; i++) {
        const struct imapc_wanted *wanted = &locate->wanted[i];
        uint32_t from = doubt_from(wanted->doubt, &locate->mark);
        bool has_gap =
            wanted->uid == 0 && !wanted->cut && locate->mark.next > from && wanted->seen < locate->mark.next - from;
        lowest = has_gap && (lowest == 0 || from < lowest) ? from : lowest;
    }
    return lowest;
}

bool imapc_vanished_is_asked(struct imapc_engine *engine)
{
    uint32_t from = engine->resync && engine->result.sight == DOUBT_SIGHT_WHOLE ? lowest_gap(engine) : 0;
    if (from == 0 || engine->locate.mark.next - from > SPAN_MAX || !imapc_may_ask(engine, IMAPC_QUESTION_VANISHED)) {
        return false;
    }
    engine->locate.first = from;
    imapc_enter(engine, IMAPC_PHASE_VANISHED);
    return true;
}

void imapc_vanished_enter(struct imapc_engine *engine)
{
    struct imap_command *command = imapc_begin(engine, "UID FETCH");
    /* Since ever: of what it does not remember, a server names each UID that is not there (section 3.2.6). */
    buf_printf(&command->text, " %u:%u (UID) (CHANGEDSINCE 1 VANISHED)", engine->locate.first,
               engine->locate.mark.next - 1);
    imap_command_end(command);
    imapc_send(engine);
}

/* Those of the range that lie between the bound and the next one. */
static uint32_t overlap_of_range(const struct imapc_locating *locate, size_t index, const struct imap_uid_range *range)
{
    uint32_t from = locate->bounds[index];
    uint32_t end = index + 1 < locate->count ? locate->bounds[index + 1] : locate->mark.next;
    uint32_t first = range->first > from ? range->first : from;
    uint64_t last = (uint64_t)range->last + 1 < end ? (uint64_t)range->last + 1 : end;
    return first < last ? (uint32_t)(last - first) : 0;
}

/* * VANISHED (EARLIER) 300:310,405 */
void imapc_vanished_data(struct imapc_engine *engine, const struct imap_reply *reply)
{
    struct imapc_locating *locate = &engine->locate;
    struct bytes set = reply->args;
    struct imap_uid_range range;
    engine->replies = 0; /* a FETCH for each message of the span, as was asked for */
    engine->reply_octets = 0;
    if (!bytes_is_nocase(reply->name, "VANISHED")) {
        return;
    }
    if (bytes_starts_nocase(set, "(EARLIER) ")) {
        (void)bytes_cut(&set, ' ');
    }
    while (imap_uid_range_next(&set, &range) == 1) {
        for (size_t i = 0; i < locate->count; i++) {
            locate->gone[i] += overlap_of_range(locate, i, &range);
        }
    }
}

void imapc_vanished_reply(struct imapc_engine *engine, const struct imap_reply *reply)
{
    const struct imapc_locating *locate = &engine->locate;
    if (imapc_set_aside(engine, reply)) {
        return;
    }
    for (size_t i = 0; i < locate->count && reply->status == IMAP_STATUS_OK; i++) {
        struct imapc_wanted *wanted = &locate->wanted[i];
        uint32_t from = doubt_from(wanted->doubt, &locate->mark);
        for (size_t k = 0; k < locate->count; k++) {
            wanted->vanished += locate->bounds[k] >= from ? locate->gone[k] : 0;
        }
    }
    imapc_elsewhere_go_on(engine);
}
