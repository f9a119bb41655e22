/*
 * filters_report - what programs tell programs: reports recognised by what their formats demand, and the results of
 * trusted hosts' authentication checks (RFC 8601). Internal; see filters_run.h.
 */
#include <string.h>

#include "filters/filters_run.h"
#include "mail/mail_header.h"
#include "mail/mail_parameter.h"
#include "mail/mail_token.h"

static int add_report(struct filters_run *run, struct filters_fetched *fetched, const char *word)
{
    return filters_run_add_text(run, fetched, bytes_of(word));
}

/* The first field of that name, unfolded; empty when there is none. */
static void field_of(struct filters_run *run, const char *name, struct buf *out)
{
    struct mail_header_field field;
    buf_init(out, FILTERS_VALUE_MAX);
    if (mail_header_find(run->message->header, name, &field) == 1) {
        mail_header_unfold(bytes_slice(field.value, 0, FILTERS_VALUE_MAX), out);
    }
}

static bool has_part(const struct filters_run *run, const char *type)
{
    for (size_t i = 0; i < run->view->part_count; i++) {
        if (!run->view->parts[i].nested && strcmp(run->view->parts[i].type, type) == 0) {
            return true;
        }
    }
    return false;
}

struct wanted {
    const char *value;
    bool found;
};

static void on_parameter(void *ctx, struct bytes value)
{
    struct wanted *wanted = ctx;
    wanted->found = wanted->found || bytes_is_nocase(bytes_trim(value), wanted->value);
}

/* RFC 6522: multipart/report with that report-type. */
static bool is_report_type(struct bytes content_type, const char *type)
{
    struct wanted wanted = {type, false};
    if (bytes_is_nocase(mail_token_head(content_type), "multipart/report")) {
        mail_parameter_each(content_type, "report-type", on_parameter, &wanted);
    }
    return wanted.found;
}

/* RFC 7489 section 7.2.1.1: receiver!domain!begin!end[!id].xml, packed or not. */
static bool is_dmarc_name(const char *name)
{
    static const char *const ends[] = {".xml", ".xml.gz", ".zip", ".gz", NULL};
    size_t marks = 0, len = strlen(name);
    for (const char *c = name; *c != '\0'; c++) {
        marks += *c == '!';
    }
    for (size_t i = 0; ends[i] != NULL && (marks == 3 || marks == 4); i++) {
        size_t end = strlen(ends[i]);
        if (len > end && bytes_is_nocase(bytes_of(name + len - end), ends[i])) {
            return true;
        }
    }
    return false;
}

static bool has_dmarc(const struct filters_run *run)
{
    for (size_t i = 0; i < run->view->attachment_count; i++) {
        const struct mail_view_attachment *attachment = &run->view->attachments[i];
        for (size_t k = 0; k < attachment->name_count; k++) {
            if (!attachment->nested && is_dmarc_name(attachment->names[k])) {
                return true;
            }
        }
    }
    return false;
}

/* RFC 3834 section 5, and what programs wrote before it. */
static bool is_auto_reply(struct filters_run *run)
{
    struct buf automatic, precedence, old;
    field_of(run, "Auto-Submitted", &automatic);
    field_of(run, "Precedence", &precedence);
    field_of(run, "X-Autoreply", &old);
    struct bytes head = mail_token_head(buf_bytes(&automatic));
    bool is = bytes_starts_nocase(head, "auto-replied") ||
              bytes_is_nocase(bytes_trim(buf_bytes(&precedence)), "auto_reply") ||
              (old.len > 0 && !bytes_is_nocase(bytes_trim(buf_bytes(&old)), "no"));
    buf_done(&automatic);
    buf_done(&precedence);
    buf_done(&old);
    return is;
}

int filters_run_report(struct filters_run *run, struct filters_fetched *fetched)
{
    struct buf type;
    field_of(run, "Content-Type", &type);
    struct bytes content_type = buf_bytes(&type);
    const struct {
        const char *word;
        bool is;
    } reports[] = {
        {"dsn", is_report_type(content_type, "delivery-status") || has_part(run, "message/delivery-status") ||
                    has_part(run, "message/global-delivery-status")},
        {"mdn",
         is_report_type(content_type, "disposition-notification") || has_part(run, "message/disposition-notification")},
        {"arf", is_report_type(content_type, "feedback-report") || has_part(run, "message/feedback-report")},
        {"tlsrpt", is_report_type(content_type, "tlsrpt") || has_part(run, "application/tlsrpt+gzip") ||
                       has_part(run, "application/tlsrpt+json")},
        {"dmarc", has_dmarc(run)},
        {"calendar", has_part(run, "text/calendar")},
        {"auto_reply", is_auto_reply(run)},
    };
    int result = 0;
    for (size_t i = 0; i < sizeof reports / sizeof *reports && result == 0; i++) {
        result = reports[i].is ? add_report(run, fetched, reports[i].word) : 0;
    }
    buf_done(&type);
    return result;
}

/* ---- Authentication-Results ---- */

/* Copies the value without its comments (RFC 5322 section 3.2.2) and quotes. */
static void plain(struct bytes value, struct buf *out)
{
    size_t depth = 0;
    bool quoted = false;
    for (size_t i = 0; i < value.len; i++) {
        uint8_t octet = value.ptr[i];
        if (octet == '\\' && (depth > 0 || quoted)) {
            i++;
        } else if (octet == '"' && depth == 0) {
            quoted = !quoted;
        } else if (octet == '(' && !quoted) {
            depth++;
        } else if (octet == ')' && !quoted && depth > 0) {
            depth--;
        } else if (depth == 0) {
            buf_append_octet(out, quoted && octet == ';' ? ' ' : octet);
        }
    }
}

static bool is_trusted(const struct filters_run *run, struct bytes name)
{
    const char *client = run->message->envelope->client.address;
    for (size_t i = 0; client != NULL && i < run->set->authserv_count; i++) {
        const struct filters_authserv *authserv = &run->set->authservs[i];
        if (bytes_is_nocase(name, authserv->name) && filters_words_has_network(authserv->clients, bytes_of(client))) {
            return true;
        }
    }
    return false;
}

/* "dkim=pass header.d=example.net": the result when it is of the method, which may have a version behind a slash. */
static struct bytes result_of(struct bytes info, const char *method)
{
    struct bytes name = bytes_trim(bytes_cut(&info, '='));
    struct bytes version = name;
    name = bytes_trim(bytes_cut(&version, '/'));
    info = bytes_trim(info);
    size_t len = 0;
    while (len < info.len && memchr(" \t\r\n", info.ptr[len], 4) == NULL) {
        len++;
    }
    return bytes_is_nocase(name, method) ? bytes_slice(info, 0, len) : bytes_at(NULL, 0);
}

static int add_results(struct filters_run *run, struct filters_fetched *fetched, struct bytes value, const char *method)
{
    struct bytes host = bytes_trim(bytes_cut(&value, ';'));
    size_t len = 0;
    while (len < host.len && memchr(" \t", host.ptr[len], 2) == NULL) {
        len++; /* a version may follow */
    }
    int result = 0;
    while (is_trusted(run, bytes_slice(host, 0, len)) && value.len > 0 && result == 0) {
        struct bytes found = result_of(bytes_cut(&value, ';'), method);
        result = found.len == 0 ? 0 : filters_run_add_text(run, fetched, found);
    }
    return result;
}

int filters_run_auth(struct filters_run *run, const char *method, struct filters_fetched *fetched)
{
    struct bytes rest = run->message->header;
    struct mail_header_field field;
    int result = 0;
    while (result == 0 && mail_header_next(&rest, &field) == 1) {
        if (!bytes_is_nocase(field.name, "Authentication-Results")) {
            continue;
        }
        struct buf line, text;
        buf_init(&line, FILTERS_VALUE_MAX);
        buf_init(&text, FILTERS_VALUE_MAX);
        mail_header_unfold(bytes_slice(field.value, 0, FILTERS_VALUE_MAX), &line);
        plain(buf_bytes(&line), &text);
        result = add_results(run, fetched, buf_bytes(&text), method);
        buf_done(&line);
        buf_done(&text);
    }
    return result;
}
