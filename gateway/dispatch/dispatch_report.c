/*
 * dispatch_report - a multipart/report: words for a human, message/delivery-status, and the message as it was received.
 */
#include "dispatch/dispatch_report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/date.h"
#include "base/expect.h"
#include "base/units.h"
#include "net/net_loop.h"
#include "store/store_sum.h"

#define PIECE    65536u
#define HEAD_MAX (256u << 10)

struct report {
    struct dispatch_report_options options;
    struct spool_item *item;
    struct spool_outcome outcome;
    struct spool_stage *stage;
    uint64_t offset; /* of the body */
    bool stopped;    /* the stage waits for the disk */
    char id[UNITS_ID_LEN + 1];
    char boundary[2 * UNITS_ID_LEN];
    void (*done)(void *ctx);
    void *ctx;
};

bool dispatch_report_wanted(const struct config *config, const struct spool_item *item,
                            const struct spool_outcome *outcome)
{
    const char *rule = item->delivery.rule == NULL ? "" : item->delivery.rule;
    return outcome->kind == SPOOL_DEAD && config->dead_upstream != NULL && strcmp(rule, DISPATCH_REPORT_RULE) != 0;
}

/* ---- the text ---- */

static void write_fields(const struct report *report, struct buf *out)
{
    const char *hostname = report->options.config->hostname;
    char date[DATE_LEN];
    date_rfc5322(report->options.ended_ms, date);
    buf_printf(out,
               "From: mailweir <postmaster@%s>\r\nTo: postmaster@%s\r\nDate: %s\r\nMessage-ID: <%s@%s>\r\n"
               "Subject: Dead letter %s\r\nAuto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n"
               "Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=\"%s\"\r\n\r\n",
               hostname, hostname, date, report->id, hostname, report->item->id, report->boundary);
}

static void write_words(const struct report *report, struct buf *out)
{
    const struct spool_item *item = report->item;
    const struct fault *fault = &report->outcome.fault;
    char received[DATE_LEN];
    date_rfc5322(item->envelope.received_ms, received);
    buf_printf(out,
               "--%s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
               "A message could not be filed, and trying again will not help. The gateway keeps it as a dead letter "
               "until you act.\r\n\r\n"
               "  delivery   %s\r\n  to         %s: %s\r\n  rule       %s\r\n  from       <%s>\r\n  received   %s\r\n"
               "  attempts   %u\r\n  reason     %s (%s, %s)\r\n\r\n",
               report->boundary, item->id, item->delivery.upstream, item->delivery.folder,
               item->delivery.rule == NULL ? "" : item->delivery.rule, item->envelope.from, received,
               item->attempts + 1, fault->text, fault->code, fault->where);
    buf_printf(out,
               "Full story:   mailweir why %s\r\nTry again:    mailweir queue retry %s\r\nGive it up:   mailweir queue "
               "drop %s\r\n\r\n",
               item->envelope.id, item->id, item->id);
}

static void write_status(const struct report *report, struct buf *out)
{
    const struct spool_item *item = report->item;
    char received[DATE_LEN];
    date_rfc5322(item->envelope.received_ms, received);
    buf_printf(out,
               "--%s\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; %s\r\nArrival-Date: %s\r\n",
               report->boundary, report->options.config->hostname, received);
    for (size_t i = 0; i < item->delivery.recipient_count || i == 0; i++) {
        buf_printf(
            out,
            "\r\nFinal-Recipient: rfc822; %s\r\nAction: failed\r\nStatus: 5.0.0\r\nDiagnostic-Code: x-imap; %s\r\n",
            item->delivery.recipient_count > 0 ? item->delivery.recipients[i] : "unknown", report->outcome.fault.text);
    }
    buf_printf(out, "\r\n--%s\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\n",
               report->boundary);
}

/* ---- the end ---- */

static void finish_report(struct report *report, const struct fault *fault)
{
    /* Known: it was made before a crash came between it and the end of its delivery. */
    if (fault != NULL && strcmp(fault->code, "known") != 0) {
        log_event(report->options.log, LOG_LEVEL_ERROR, "report_failed", LOG_STR("delivery", report->item->id),
                  LOG_STR("error.code", fault->code), LOG_STR("error.message", fault->text));
    }
    void (*done)(void *ctx) = report->done;
    void *ctx = report->ctx;
    spool_stage_free(&report->stage);
    config_free(&report->options.config);
    free(report);
    done(ctx);
}

static void on_committed(void *ctx, const struct fault *fault)
{
    finish_report(ctx, fault);
}

static void commit_report(struct report *report)
{
    const struct config *config = report->options.config;
    const char *to = "postmaster";
    struct mail_recipient recipient = {.address = to};
    const struct mail_envelope envelope = {
        .id = report->id,
        .received_ms = report->options.ended_ms,
        .hostname = config->hostname,
        .client = {.address = "127.0.0.1", .helo = config->hostname, .protocol = "local"},
        .from = "",
        .to = &recipient,
        .to_count = 1,
        .body = MAIL_BODY_8BITMIME,
    };
    const struct mail_delivery delivery = {
        .number = 1,
        .upstream = config->dead_upstream,
        .folder = config->dead_folder,
        .rule = DISPATCH_REPORT_RULE,
        .recipients = &to,
        .recipient_count = 1,
    };
    spool_commit(&report->stage, &envelope, &delivery, 1, on_committed, report);
}

/* ---- the original ---- */

static void read_next(struct report *report);

static void write_end(struct report *report)
{
    struct buf end;
    buf_init(&end, 200);
    buf_printf(&end, "\r\n--%s--\r\n", report->boundary);
    disregard(spool_stage_write(report->stage, buf_bytes(&end)));
    buf_done(&end);
    commit_report(report);
}

static void on_piece(void *ctx, struct bytes data, const struct fault *fault)
{
    struct report *report = ctx;
    if (fault != NULL || data.len == 0) {
        write_end(report); /* a damaged body may be the very reason */
        return;
    }
    report->offset += data.len;
    int result = spool_stage_write(report->stage, data);
    report->stopped = result > 0;
    if (result < 0) {
        struct fault failure = *spool_stage_fault(report->stage);
        finish_report(report, &failure);
    } else if (result == 0) {
        read_next(report);
    }
}

static void read_next(struct report *report)
{
    if (report->offset >= report->item->body_size) {
        write_end(report);
        return;
    }
    spool_item_read(report->options.spool, report->item, report->offset, PIECE, on_piece, report);
}

static void on_writable(void *ctx)
{
    struct report *report = ctx;
    if (report->stopped) {
        report->stopped = false;
        read_next(report);
    }
}

static void begin_report(void *ctx)
{
    struct report *report = ctx;
    struct buf head;
    buf_init(&head, HEAD_MAX);
    write_fields(report, &head);
    write_words(report, &head);
    write_status(report, &head);
    disregard(spool_stage_write(report->stage, buf_bytes(&head)));
    buf_done(&head);
    read_next(report);
}

/*
 * The id follows from the delivery and the attempt that it is about: after a crash between the report and the end of
 * the delivery, the attempt is made again, and its report is known already.
 */
static void name_report(struct report *report)
{
    const struct spool_item *item = report->item;
    char about[sizeof item->id + 40];
    uint8_t octets[16];
    int len = snprintf(about, sizeof about, "report %s %u", item->id, item->attempts + 1);
    for (size_t i = 0; i < 2; i++) {
        about[0] = "rR"[i];
        uint64_t sum = store_sum_of(bytes_at(about, (size_t)len));
        memcpy(octets + i * sizeof sum, &sum, sizeof sum);
    }
    units_id(item->envelope.received_ms, octets, report->id);
}

void dispatch_report_start(const struct dispatch_report_options *options, struct spool_item *item,
                           const struct spool_outcome *outcome, void (*done)(void *ctx), void *ctx)
{
    struct report *report = expect_calloc(1, sizeof *report);
    *report = (struct report){.options = *options, .item = item, .outcome = *outcome, .done = done, .ctx = ctx};
    config_share(report->options.config);
    uint8_t random[10];
    name_report(report);
    net_random(random, sizeof random);
    units_id(options->ended_ms, random, report->boundary);
    report->stage = spool_stage_new(options->spool, on_writable, report);
    spool_stage_unique(report->stage, false);
    net_defer(options->loop, begin_report, report);
}
