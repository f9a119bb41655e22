/*
 * admin_figures - see admin_figures.h.
 */
#include "admin/admin_figures.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/admin_handlers.h"
#include "admin/admin_private.h"
#include "base/expect.h"
#include "net/net_file.h"

#define MINUTE_MS  60000
#define SLOTS      10080 /* minutes of seven days */
#define MAGIC      "mailweir figures 1\n"
#define HEAD_LEN   64
#define RECORD_LEN (8 + 4 * ADMIN_FIGURES + 4)
#define FILE_LEN   (HEAD_LEN + SLOTS * RECORD_LEN)
#define PATH_LEN   4200

struct record {
    uint64_t minute; /* since 1970; 0: none */
    uint32_t values[ADMIN_FIGURES];
};

struct admin_figures {
    struct record slots[SLOTS]; /* by minute % SLOTS; the loop's */
    struct record now;          /* the minute under way */
    uint64_t last[ADMIN_FIGURES_COUNTED];
    struct net_file *file; /* NULL: kept in memory only. The lane's while the loop runs */
};

/* What the API calls them. */
static const char *const names[ADMIN_FIGURES] = {
    [ADMIN_FIGURE_ACCEPTED] = "accepted", [ADMIN_FIGURE_REFUSED] = "refused",
    [ADMIN_FIGURE_PUT_OFF] = "put_off",   [ADMIN_FIGURE_FILED] = "filed",
    [ADMIN_FIGURE_DEFERRED] = "deferred", [ADMIN_FIGURE_DEAD] = "dead",
    [ADMIN_FIGURE_WAITING] = "waiting",   [ADMIN_FIGURE_LOGIN_FAILURES] = "login_failures",
    [ADMIN_FIGURE_HELD] = "held",         [ADMIN_FIGURE_DEAD_LETTERS] = "dead_letters"};

/* ---- records as octets, the lowest first ---- */

static void put_number(uint8_t *into, uint64_t value, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        into[i] = (uint8_t)(value >> (8 * i));
    }
}

static uint64_t get_number(const uint8_t *from, size_t len)
{
    uint64_t value = 0;
    for (size_t i = 0; i < len; i++) {
        value |= (uint64_t)from[i] << (8 * i);
    }
    return value;
}

/* FNV-1a: it has to see a torn record, not an enemy. */
static uint32_t sum_of(const uint8_t *octets, size_t len)
{
    uint32_t sum = 2166136261u;
    for (size_t i = 0; i < len; i++) {
        sum = (sum ^ octets[i]) * 16777619u;
    }
    return sum;
}

static void encode(const struct record *record, uint8_t out[RECORD_LEN])
{
    put_number(out, record->minute, 8);
    for (size_t i = 0; i < ADMIN_FIGURES; i++) {
        put_number(out + 8 + 4 * i, record->values[i], 4);
    }
    put_number(out + RECORD_LEN - 4, sum_of(out, RECORD_LEN - 4), 4);
}

static void decode(const uint8_t octets[RECORD_LEN], struct record *record_r)
{
    *record_r = (struct record){.minute = get_number(octets, 8)};
    if (get_number(octets + RECORD_LEN - 4, 4) != sum_of(octets, RECORD_LEN - 4)) {
        record_r->minute = 0;
    }
    for (size_t i = 0; i < ADMIN_FIGURES; i++) {
        record_r->values[i] = (uint32_t)get_number(octets + 8 + 4 * i, 4);
    }
}

static size_t slot_of(uint64_t minute)
{
    return (size_t)(minute % SLOTS);
}

static uint64_t offset_of(uint64_t minute)
{
    return HEAD_LEN + slot_of(minute) * RECORD_LEN;
}

/* ---- the file ---- */

static void read_slots(struct admin_figures *figures, const uint8_t *octets)
{
    for (size_t i = 0; i < SLOTS; i++) {
        const uint8_t *slot = octets + HEAD_LEN + i * RECORD_LEN;
        struct record record;
        if (get_number(slot, 8) == 0) {
            continue; /* most of them in the first week: their sums alone were an eighth of a start */
        }
        decode(slot, &record);
        if (record.minute != 0 && slot_of(record.minute) == i) {
            figures->slots[i] = record;
        }
    }
}

/* Whether the file is one of ours, whole; then its slots are read. */
static bool take_file(struct admin_figures *figures, const char *path)
{
    struct fault fault = FAULT_INIT;
    uint8_t *octets = expect_calloc(1, FILE_LEN);
    bool good = net_file_open(&figures->file, path, NET_FILE_WRITE, &fault) == 0 &&
                net_file_read(figures->file, 0, octets, FILE_LEN, &fault) == FILE_LEN &&
                memcmp(octets, MAGIC, strlen(MAGIC)) == 0;
    if (good) {
        read_slots(figures, octets);
    } else if (figures->file != NULL) {
        disregard(net_file_close(&figures->file, &fault));
    }
    free(octets);
    return good;
}

static void make_file(struct admin *admin, struct admin_figures *figures, const char *path)
{
    struct fault fault = FAULT_INIT;
    uint8_t *octets = expect_calloc(1, FILE_LEN);
    memcpy(octets, MAGIC, strlen(MAGIC));
    const struct bytes whole = bytes_at(octets, FILE_LEN);
    disregard(net_file_remove(path, &fault)); /* of another kind; mostly there is none */
    fault = FAULT_INIT;
    if (net_file_open(&figures->file, path, NET_FILE_CREATE, &fault) < 0 ||
        net_file_write(figures->file, 0, &whole, 1, &fault) < 0) {
        log_event(admin->log, LOG_LEVEL_WARNING, "figures_failed", LOG_STR("path", path),
                  LOG_STR("error.message", fault.text),
                  LOG_STR("note", "at the next restart the page's charts lose their past"));
        if (figures->file != NULL) {
            disregard(net_file_close(&figures->file, &fault));
        }
    }
    free(octets);
}

struct admin_figures *admin_figures_open(struct admin *admin)
{
    struct admin_figures *figures = expect_calloc(1, sizeof *figures);
    char path[PATH_LEN];
    if (admin->config->spool_path != NULL) {
        snprintf(path, sizeof path, "%s/figures", admin->config->spool_path);
        if (!take_file(figures, path)) {
            make_file(admin, figures, path);
        }
    }
    return figures;
}

struct writing {
    struct net_file *file;
    uint64_t offset;
    uint8_t octets[RECORD_LEN];
};

/* What cannot be written is not there after a restart: the disk's trouble is told by those whose mail is on it. */
static void write_record(void *ctx)
{
    struct writing *writing = ctx;
    struct fault fault = FAULT_INIT;
    const struct bytes piece = bytes_at(writing->octets, RECORD_LEN);
    disregard(net_file_write(writing->file, writing->offset, &piece, 1, &fault));
}

/* ---- the minute under way ---- */

static void begin_minute(struct admin_figures *figures, uint64_t minute)
{
    const struct record *known = &figures->slots[slot_of(minute)];
    figures->now = known->minute == minute ? *known : (struct record){.minute = minute};
}

static void end_minute(struct admin *admin)
{
    struct admin_figures *figures = admin->figures;
    const struct record *now = &figures->now;
    if (now->minute == 0) {
        return;
    }
    figures->slots[slot_of(now->minute)] = *now;
    if (figures->file != NULL) {
        struct writing *writing = expect_calloc(1, sizeof *writing);
        *writing = (struct writing){.file = figures->file, .offset = offset_of(now->minute)};
        encode(now, writing->octets);
        net_lane_submit(admin->lane, write_record, free, writing);
    }
}

static void count_now(struct admin *admin)
{
    struct admin_figures *figures = admin->figures;
    struct gateway_counts counts;
    gateway_count(admin->gateway, &counts);
    const uint64_t values[ADMIN_FIGURES] = {[ADMIN_FIGURE_ACCEPTED] = counts.reception.accepted,
                                            [ADMIN_FIGURE_REFUSED] = counts.reception.rejected,
                                            [ADMIN_FIGURE_PUT_OFF] = counts.reception.deferred,
                                            [ADMIN_FIGURE_FILED] = counts.dispatch.filed,
                                            [ADMIN_FIGURE_DEFERRED] = counts.dispatch.deferred,
                                            [ADMIN_FIGURE_DEAD] = counts.dispatch.dead,
                                            [ADMIN_FIGURE_LOGIN_FAILURES] = counts.reception.login_failures,
                                            [ADMIN_FIGURE_WAITING] = counts.spool.waiting,
                                            [ADMIN_FIGURE_HELD] = counts.spool.held,
                                            [ADMIN_FIGURE_DEAD_LETTERS] = counts.spool.dead};
    for (size_t i = 0; i < ADMIN_FIGURES_COUNTED; i++) {
        figures->now.values[i] += (uint32_t)(values[i] - figures->last[i]);
        figures->last[i] = values[i];
    }
    for (size_t i = ADMIN_FIGURES_COUNTED; i < ADMIN_FIGURES; i++) {
        uint64_t value = values[i] > UINT32_MAX ? UINT32_MAX : values[i];
        figures->now.values[i] = value > figures->now.values[i] ? (uint32_t)value : figures->now.values[i];
    }
}

void admin_figures_tick(struct admin *admin)
{
    uint64_t minute = (uint64_t)(net_wall(admin->loop) / MINUTE_MS);
    if (minute != admin->figures->now.minute) {
        end_minute(admin);
        begin_minute(admin->figures, minute);
    }
    count_now(admin);
}

void admin_figures_close(struct admin *admin)
{
    struct admin_figures *figures = admin->figures;
    struct fault fault = FAULT_INIT;
    if (figures == NULL) {
        return;
    }
    if (figures->file != NULL && figures->now.minute != 0) {
        count_now(admin);
        struct writing writing = {.file = figures->file, .offset = offset_of(figures->now.minute)};
        encode(&figures->now, writing.octets);
        write_record(&writing);
    }
    if (figures->file != NULL) {
        disregard(net_file_close(&figures->file, &fault));
    }
    free(figures);
    admin->figures = NULL;
}

/* NULL when nothing is known of the minute. */
static const struct record *record_at(const struct admin_figures *figures, uint64_t minute)
{
    const struct record *record = figures->now.minute == minute ? &figures->now : &figures->slots[slot_of(minute)];
    return record->minute == minute && minute != 0 ? record : NULL;
}

uint64_t admin_figures_sum(const struct admin *admin, enum admin_figure figure, unsigned minutes)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < minutes && i < 60 && i < admin->figures->now.minute; i++) {
        const struct record *record = record_at(admin->figures, admin->figures->now.minute - i);
        sum += record == NULL ? 0 : record->values[figure];
    }
    return sum;
}

/* ---- asked ---- */

static const struct range {
    const char *name;
    unsigned minutes, step;
} ranges[] = {{"1h", 60, 1}, {"24h", 1440, 10}, {"7d", SLOTS, 60}};

/* The minutes from `first` on as one point: null when the gateway was not there in any of them. */
static json_t *point(const struct admin_figures *figures, uint64_t first, unsigned step)
{
    uint64_t values[ADMIN_FIGURES] = {0};
    bool known = false;
    for (uint64_t minute = first; minute < first + step; minute++) {
        const struct record *record = record_at(figures, minute);
        for (size_t i = 0; record != NULL && i < ADMIN_FIGURES; i++) {
            uint64_t value = record->values[i];
            values[i] = i < ADMIN_FIGURES_COUNTED ? values[i] + value : value > values[i] ? value : values[i];
        }
        known = known || record != NULL;
    }
    if (!known) {
        return json_null();
    }
    json_t *list = json_array();
    for (size_t i = 0; i < ADMIN_FIGURES; i++) {
        json_array_append_new(list, json_integer((json_int_t)values[i]));
    }
    return list;
}

void admin_get_figures(struct admin_request *request)
{
    const struct admin_figures *figures = request->admin->figures;
    admin_figures_tick(request->admin); /* or a minute that has just begun would be one that nobody counted */
    const char *asked = admin_query(request, "range");
    const struct range *range = NULL;
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        if (strcmp(ranges[i].name, asked == NULL ? "1h" : asked) == 0) {
            range = &ranges[i];
        }
    }
    if (range == NULL) {
        admin_answer_choice(request, "range", &ranges[0].name, sizeof ranges[0], sizeof ranges / sizeof ranges[0]);
        return;
    }
    /* Steps begin at whole hours and ten minutes, so that a point stays the same as long as it is shown. */
    uint64_t end = (uint64_t)(net_wall(request->admin->loop) / MINUTE_MS) / range->step * range->step + range->step;
    uint64_t first = end - range->minutes;
    json_t *points = json_array(), *columns = json_array();
    for (uint64_t minute = first; minute < end; minute += range->step) {
        json_array_append_new(points, point(figures, minute, range->step));
    }
    for (size_t i = 0; i < ADMIN_FIGURES; i++) {
        json_array_append_new(columns, json_string(names[i]));
    }
    char from[25];
    log_time((int64_t)first * MINUTE_MS, from);
    admin_answer_json(request, 200,
                      json_pack("{s:s,s:s,s:i,s:o,s:o}", "range", range->name, "from", from, "step_seconds",
                                (int)range->step * 60, "columns", columns, "points", points));
}
