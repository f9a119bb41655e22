/*
 * postgresql_search - finds messages by what people remember of them, the last one first. What decides is
 * mail_query_fits(), on the envelope; candidates come page by page.
 */
#include <stdlib.h>

#include "base/expect.h"
#include "store/postgresql/postgresql_private.h"
#include "store/store_meta.h"

#define PAGE 500

struct searching {
    struct postgresql *pg;
    struct store_search *search;
    store_row_fn *fn;
    void *ctx;
    struct fault *fault;
    struct arena *arena;
    uint64_t before, looked, found;
};

/* ---- candidates ---- */

static PGresult *ask_page(const struct searching *searching)
{
    const struct mail_query *query = searching->search->query;
    struct postgresql_values values = postgresql_values_new(searching->arena);
    postgresql_add_number(&values, (int64_t)searching->before);
    postgresql_add_number(&values, query->since_ms);
    postgresql_add_number(&values, query->until_ms);
    postgresql_add_number(&values, PAGE);
    return postgresql_ask(&searching->pg->reader,
                          "SELECT " POSTGRESQL_MESSAGE_COLUMNS " FROM message m WHERE m.seq < $1"
                          " AND m.received_ms >= $2 AND m.received_ms < $3 ORDER BY m.seq DESC LIMIT $4",
                          &values, false, searching->fault);
}

static PGresult *ask_deliveries(const struct searching *searching, PGresult *page)
{
    int count = PQntuples(page);
    struct postgresql_values values = postgresql_values_new(searching->arena);
    postgresql_add_number(&values, postgresql_number_at(page, count - 1, 0));
    postgresql_add_number(&values, postgresql_number_at(page, 0, 0));
    return postgresql_ask(&searching->pg->reader,
                          "SELECT " POSTGRESQL_DELIVERY_COLUMNS " FROM delivery d WHERE d.message >= $1"
                          " AND d.message <= $2 ORDER BY d.message DESC, d.number",
                          &values, false, searching->fault);
}

/* ---- one of them ---- */

static bool delivery_fits(const struct mail_query *query, PGresult *rows, int first, int end)
{
    bool fits = first == end && mail_query_fits_delivery(query, MAIL_QUERY_DISCARDED, "", "", "");
    for (int row = first; row < end && !fits; row++) {
        const struct store_delivery_row delivery = postgresql_delivery_at(rows, row, 0);
        fits = mail_query_fits_delivery(query, store_state_name(delivery.state), delivery.upstream, delivery.folder,
                                        delivery.rule);
    }
    return fits;
}

/* An envelope that cannot be read is passed over: somebody who looks for mail is no judge of damage. */
static bool message_fits(const struct searching *searching, PGresult *page, int row)
{
    struct mail_envelope envelope;
    arena_clear(searching->arena);
    return store_meta_read_envelope(postgresql_message_at(page, row, 0).envelope, searching->arena, &envelope, NULL) ==
               0 &&
           mail_query_fits(searching->search->query, &envelope);
}

static int tell_found(const struct searching *searching, PGresult *page, int at, PGresult *rows, int first, int end)
{
    const struct store_answer_row message = {.kind = STORE_ROW_MESSAGE, .message = postgresql_message_at(page, at, 0)};
    int stop = searching->fn(searching->ctx, &message);
    for (int row = first; row < end && stop == 0; row++) {
        const struct store_answer_row delivery = {.kind = STORE_ROW_DELIVERY,
                                                  .delivery = postgresql_delivery_at(rows, row, 0)};
        stop = searching->fn(searching->ctx, &delivery);
    }
    return stop;
}

/* Whether it is over. */
static bool look_at_page(struct searching *searching, PGresult *page, PGresult *rows)
{
    struct store_search *search = searching->search;
    bool over = false;
    int first = 0, end = 0;
    for (int at = 0; !over && at < PQntuples(page); at++) {
        int64_t message = postgresql_number_at(page, at, 0);
        while (first < PQntuples(rows) && postgresql_number_at(rows, first, 0) > message) {
            first++;
        }
        for (end = first; end < PQntuples(rows) && postgresql_number_at(rows, end, 0) == message; end++) {
        }
        search->next = (uint64_t)message;
        searching->looked++;
        if ((!search->query->of_delivery || delivery_fits(search->query, rows, first, end)) &&
            message_fits(searching, page, at)) {
            searching->found++;
            over = tell_found(searching, page, at, rows, first, end) != 0;
        }
        over = over || (search->limit != 0 && searching->found >= search->limit) ||
               (search->look != 0 && searching->looked >= search->look);
    }
    return over;
}

int postgresql_search(struct postgresql *pg, struct store_search *search, store_row_fn *fn, void *ctx,
                      struct fault *fault)
{
    struct searching searching = {.pg = pg, .search = search, .fn = fn, .ctx = ctx, .fault = fault};
    searching.arena = arena_new(STORE_ITEM_MAX);
    searching.before = search->before == 0 ? INT64_MAX : search->before;
    bool over = false;
    int result = 0, count = PAGE;
    while (result == 0 && !over && count == PAGE) {
        PGresult *page = ask_page(&searching), *rows = NULL;
        count = page == NULL ? 0 : PQntuples(page);
        rows = count == 0 ? NULL : ask_deliveries(&searching, page);
        result = page == NULL || (count > 0 && rows == NULL) ? -1 : 0;
        if (result == 0 && count > 0) {
            searching.before = (uint64_t)postgresql_number_at(page, count - 1, 0);
            over = look_at_page(&searching, page, rows);
        }
        PQclear(page);
        PQclear(rows);
    }
    search->next = over ? search->next : 0;
    arena_free(&searching.arena);
    return result;
}
