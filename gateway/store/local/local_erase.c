/*
 * local_erase - ERASE: a person's mail is forgotten. Who is named anywhere in an envelope has the words of his address
 * in the index, so the search finds the candidates; whether they name him, the envelope says. What is still open stays,
 * and is counted: mail that was acknowledged is delivered.
 */
#include <stdlib.h>

#include "base/expect.h"
#include "mail/mail_fold.h"
#include "store/local/local_private.h"

/* An address is a few words. */
#define WORDS_MAX (64u << 10)

struct erasing {
    struct store_erase *erase;
    uint64_t *seqs;
    size_t count;
};

static int note_mention(void *ctx, uint64_t seq, unsigned open, const struct mail_envelope *envelope)
{
    struct erasing *erasing = ctx;
    if (!mail_query_mentions(envelope, erasing->erase->address)) {
        return 0;
    }
    if (open > 0) {
        erasing->erase->open++;
    } else {
        erasing->seqs[erasing->count++] = seq;
    }
    return 0;
}

static int search_mentions(struct local *local, struct erasing *erasing, struct arena *arena, struct fault *fault)
{
    struct mail_query query = {.until_ms = INT64_MAX, .count = 1};
    struct buf words;
    buf_init(&words, WORDS_MAX);
    mail_fold_words(bytes_of(erasing->erase->address), &words);
    query.conditions[0] = (struct mail_query_condition){
        .field = MAIL_QUERY_ANY, .text = erasing->erase->address, .words = arena_text(arena, buf_text(&words))};
    buf_done(&words);
    struct store_search search = {.query = &query,
                                  .before = erasing->erase->before,
                                  .limit = erasing->erase->limit,
                                  .look = (uint64_t)erasing->erase->limit * 20};
    if (local_index_search(local->index, &search, note_mention, erasing, fault) != 0) {
        return -1;
    }
    erasing->erase->next = search.next;
    return 0;
}

static int erase_address(struct local *local, struct store_op *op, struct fault *fault)
{
    struct store_erase *wanted = &op->erase;
    struct arena *arena = arena_new(STORE_CHUNK);
    struct erasing erasing = {.erase = wanted, .seqs = expect_calloc(wanted->limit, sizeof(uint64_t))};
    wanted->erased = wanted->open = wanted->next = 0;
    int result = search_mentions(local, &erasing, arena, fault);
    for (size_t i = 0; result == 0 && i < erasing.count; i++) {
        bool gone = local_index_forget_message(local->index, erasing.seqs[i], fault) == 0;
        /* A folder may bear his name. */
        result = gone ? local_index_chunk_anew(local->index, erasing.seqs[i], fault) : -1;
        wanted->erased++;
    }
    free(erasing.seqs);
    arena_free(&arena);
    return result;
}

const struct local_kind local_erase = {.index = erase_address};
