/*
 * fuzz_mail_query - what people look for, as the admin API's "q" brings it. What is refused says why in one line; what is taken has no more conditions than there
 * may be, none without a text, and says the same of a message each time, wherever it is cut.
 */
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "mail/mail_query.h"

#define NOW INT64_C(1790000000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool fits(const struct mail_query *query)
{
    static const struct mail_recipient to[] = {{.address = "ops@example.net"}, {.address = "Sales.Team@example.org"}};
    static const char *const header_from[] = {"Billing <billing@vendor.example>"};
    const struct mail_envelope envelope = {.id = "01J00000000000000000000000",
                                           .from = "app@example.com",
                                           .to = (struct mail_recipient *)(uintptr_t)to,
                                           .to_count = 2,
                                           .subject = "Invoice 17 for Grüße",
                                           .message_id = "<1@x.example>",
                                           .header_from = (const char **)(uintptr_t)header_from,
                                           .header_from_count = 1,
                                           .client = {.listener = "apps", .address = "192.0.2.7", .user = "app"},
                                           .received_ms = NOW};
    return mail_query_fits(query, &envelope) &&
           mail_query_fits_delivery(query, "waiting", "corp", "Finance/Invoices", "invoices");
}

static void check(const struct mail_query *query)
{
    EXPECT(query->count <= MAIL_QUERY_CONDITIONS_MAX);
    for (size_t i = 0; i < query->count; i++) {
        EXPECT(query->conditions[i].text != NULL && query->conditions[i].field <= MAIL_QUERY_UNTIL);
    }
    bool once = fits(query);
    EXPECT(fits(query) == once);
    disregard(mail_query_wants_state(query, "dead"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = expect_calloc(1, size + 1);
    if (size > 0) {
        memcpy(text, data, size);
    }
    struct arena *arena = arena_new((size_t)1 << 20);
    struct mail_query query;
    struct fault fault = FAULT_INIT;
    if (mail_query_read(text, NOW, arena, &query, &fault) == 0) {
        check(&query);
    } else {
        EXPECT(fault_is_set(&fault) && fault.text[0] != '\0' && strpbrk(fault.text, "\r\n\033") == NULL);
    }
    arena_free(&arena);
    free(text);
    return 0;
}
