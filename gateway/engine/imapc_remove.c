/*
 * imapc_remove - removes one message: SELECT, UID STORE \Deleted, UID EXPUNGE (RFC 4315 section 2.1), UNSELECT. See
 * imapc_private.h.
 *
 * EXPUNGE without UIDs, and CLOSE, would remove what others have marked as well: a server without UIDPLUS keeps the
 * message, and so does one in whose mailbox the UID may mean another one by now (UIDVALIDITY).
 */
#include "base/expect.h"
#include "engine/imapc_private.h"

void imapc_engine_remove(struct imapc_engine *engine, uint64_t now, const char *folder, uint32_t uidvalidity,
                         uint32_t uid)
{
    EXPECT(imapc_engine_is_ready(engine) && uid != 0);
    engine->now = now;
    engine->result = (struct imapc_result){0};
    engine->append.answered = false;
    engine->removing = (struct imapc_removing){.uid = uid, .validity = uidvalidity};
    if (!(engine->capabilities.has & IMAP_CAP_UIDPLUS)) {
        imapc_give_up(engine, FAULT_PERM, "no-uidplus",
                      "the server has no UIDPLUS, which is needed to remove a single message: the message stays there");
    } else {
        imapc_resolve(engine, folder, IMAPC_PHASE_REMOVE_SELECT);
    }
}

void imapc_remove_select_enter(struct imapc_engine *engine)
{
    imapc_ask_about(engine, "SELECT");
}

void imapc_remove_select_data(struct imapc_engine *engine, const struct imap_reply *reply)
{
    imapc_mark_of(&engine->removing.mark, reply);
}

void imapc_remove_select_reply(struct imapc_engine *engine, const struct imap_reply *reply)
{
    const struct imapc_removing *removing = &engine->removing;
    if (reply->status != IMAP_STATUS_OK) {
        imapc_note_refusal(engine, reply);
        imapc_over(engine);
        imapc_enter(engine, IMAPC_PHASE_READY);
    } else if (removing->mark.validity == 0 || removing->mark.validity != removing->validity) {
        fault_set(&engine->result.fault, FAULT_PERM, "uidvalidity", "select",
                  "the folder has been replaced (UIDVALIDITY): nothing is removed from it");
        imapc_enter(engine, IMAPC_PHASE_REMOVE_LEAVE);
    } else {
        imapc_enter(engine, IMAPC_PHASE_REMOVE_STORE);
    }
}

void imapc_remove_store_enter(struct imapc_engine *engine)
{
    struct imap_command *command = imapc_begin(engine, "UID");
    buf_printf(&command->text, " STORE %u +FLAGS.SILENT (\\Deleted)", engine->removing.uid);
    imap_command_end(command);
    imapc_send(engine);
}

void imapc_remove_expunge_enter(struct imapc_engine *engine)
{
    struct imap_command *command = imapc_begin(engine, "UID");
    buf_printf(&command->text, " EXPUNGE %u", engine->removing.uid);
    imap_command_end(command);
    imapc_send(engine);
}

void imapc_remove_reply(struct imapc_engine *engine, const struct imap_reply *reply)
{
    if (reply->status != IMAP_STATUS_OK) {
        imapc_note_refusal(engine, reply);
        imapc_enter(engine, IMAPC_PHASE_REMOVE_LEAVE);
    } else {
        imapc_enter(engine,
                    engine->phase == IMAPC_PHASE_REMOVE_STORE ? IMAPC_PHASE_REMOVE_EXPUNGE : IMAPC_PHASE_REMOVE_LEAVE);
    }
}

/* ---- the end: what is known by now stands ---- */

static void end_remove(struct imapc_engine *engine)
{
    imapc_over(engine);
    imapc_enter(engine, IMAPC_PHASE_READY);
}

void imapc_remove_leave_enter(struct imapc_engine *engine)
{
    engine->append.answered = true;
    if (engine->capabilities.has & IMAP_CAP_UNSELECT) {
        imap_command_end(imapc_begin(engine, "UNSELECT"));
        imapc_send(engine);
    } else {
        end_remove(engine); /* the next SELECT leaves it, or the goodbye */
    }
}

void imapc_remove_leave_reply(struct imapc_engine *engine, const struct imap_reply *reply)
{
    (void)reply;
    end_remove(engine);
}
