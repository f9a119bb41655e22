/*
 * imapc_merged - some servers keep one message of those with the same Message-ID: they answer the APPEND of another
 * with OK and a UID, and throw it away (Gmail). What was filed is looked at under its UID, by the id in its own field:
 * the outcome stays "filed", and who asks is told which message lies there. See imapc_private.h.
 *
 * A view that has not come so far tells nothing. Whatever fails here leaves the outcome as it is.
 */
#include "engine/imapc_private.h"
#include "mail/mail_header.h"
#include "mail/mail_rope.h"

static struct imapc_message *filed(const struct imapc_engine *engine)
{
    return &engine->append.messages[0];
}

bool imapc_merged_is_asked(const struct imapc_engine *engine)
{
    /* Such servers have no MULTIAPPEND. */
    return engine->options.merges && engine->append.count == 1 && filed(engine)->uid != 0 && filed(engine)->id != NULL;
}

void imapc_merged_enter(struct imapc_engine *engine)
{
    struct imap_command *command = imapc_begin(engine, "EXAMINE");
    engine->merging = (struct imapc_merging){.shown = false};
    imap_command_string(command, buf_bytes(&engine->folder));
    imap_command_end(command);
    imapc_send(engine);
}

/* The folder stays selected: the next EXAMINE leaves it, and an APPEND does not mind. */
static void end_merged(struct imapc_engine *engine)
{
    imapc_over(engine);
    imapc_enter(engine, IMAPC_PHASE_READY);
}

void imapc_merged_reply(struct imapc_engine *engine, const struct imap_reply *reply)
{
    const struct doubt_mark *mark = &engine->merging.mark;
    bool has_come = mark->validity == engine->result.uidvalidity && mark->next > filed(engine)->uid;
    if (reply->status == IMAP_STATUS_OK && has_come) {
        imapc_enter(engine, IMAPC_PHASE_MERGED_FETCH);
    } else {
        end_merged(engine);
    }
}

void imapc_merged_fetch_enter(struct imapc_engine *engine)
{
    struct imap_command *command = imapc_begin(engine, "UID FETCH");
    buf_printf(&command->text, " %u (UID BODY.PEEK[HEADER.FIELDS (" MAIL_ID_FIELD ")])", filed(engine)->uid);
    imap_command_end(command);
    imapc_send(engine);
}

void imapc_merged_data(struct imapc_engine *engine, const struct imap_reply *reply)
{
    struct bytes fields;
    uint32_t uid;
    bool is_nil;
    if (engine->phase == IMAPC_PHASE_MERGED) {
        imapc_mark_of(&engine->merging.mark, reply);
        return;
    }
    if (!bytes_is_nocase(reply->name, "FETCH")) {
        return;
    }
    imapc_locate_pairs(reply->args, &uid, &fields, &is_nil);
    if (uid == filed(engine)->uid && fields.ptr != NULL) {
        struct mail_header_field field;
        bool has_field = mail_header_find(fields, MAIL_ID_FIELD, &field) == 1;
        engine->merging.shown = true;
        engine->merging.ours = has_field && bytes_is(bytes_trim(field.value), filed(engine)->id);
    }
}

void imapc_merged_fetch_reply(struct imapc_engine *engine, const struct imap_reply *reply)
{
    if (reply->status == IMAP_STATUS_OK && !engine->merging.ours) {
        filed(engine)->merged = engine->merging.shown ? IMAPC_MERGED_ANOTHER : IMAPC_MERGED_GONE;
    }
    end_merged(engine);
}
