/*
 * outcome - see outcome.h.
 */
#include "decision/outcome.h"

#include <string.h>

static void write_deliveries(const struct filters_decision *decision, struct buf *out)
{
    for (size_t i = 0; i < decision->delivery_count; i++) {
        const struct mail_delivery *delivery = &decision->deliveries[i];
        buf_printf(out, "%s%s:%s", i == 0 ? "" : ", ", delivery->upstream, delivery->folder);
        for (size_t j = 0; j < delivery->flag_count; j++) {
            buf_printf(out, " %s", delivery->flags[j]);
        }
        buf_append_text(out, delivery->held ? " (held)" : "");
        for (size_t j = 0; j < delivery->edit_count; j++) {
            const struct mail_edit *edit = &delivery->edits[j];
            buf_printf(out, " %c%s", "+-="[edit->kind], edit -> field);
        }
    }
}

int outcome_write(const struct filters_set *set, struct filters_scratch *scratch, const struct filters_message *message,
                  size_t memory, struct buf *out, struct fault *fault)
{
    struct arena *arena = arena_new(memory);
    struct filters_decision decision;
    struct fault own = FAULT_INIT;
    int result = 0;
    if (filters_decide(set, scratch, message, arena, &decision, &own) < 0) {
        if (strcmp(own.code, "body-missing") == 0) {
            fault_set(fault, own.class, own.code, own.where, "%s", own.text);
            result = -1;
        } else {
            buf_printf(out, "deferred (%s: %s)", own.where, own.text);
        }
    } else if (decision.reply_code != 0) {
        buf_printf(out, "%d %s %s", decision.reply_code, decision.enhanced, decision.reply_text);
    } else if (decision.delivery_count == 0) {
        buf_append_text(out, "discarded");
    } else {
        write_deliveries(&decision, out);
    }
    arena_free(&arena);
    return result;
}
