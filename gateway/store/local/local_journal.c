/*
 * local_journal - see local_journal.h.
 */
#include "store/local/local_journal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/local/local_segment.h"
#include "store/store_sum.h"
#include "store/store_ask.h"

#define SUM_DIGITS 16

static void path_of(const char *spool, char out[LOCAL_PATH_MAX])
{
    snprintf(out, LOCAL_PATH_MAX, "%s/decisions", spool);
}

void local_journal_line(struct buf *out, json_t *decision)
{
    char *text = json_dumps(decision, JSON_COMPACT);
    buf_printf(out, "%016" PRIx64 " ", store_sum_of(bytes_of(text)));
    buf_append_text(out, text);
    buf_append_text(out, "\n");
    free(text);
    json_decref(decision);
}

void local_journal_pause(struct buf *out, const struct store_pause_row *pause, bool paused)
{
    local_journal_line(out, json_pack("{s:s, s:b, s:I, s:s}", "upstream", pause->upstream, "paused", paused, "since_ms",
                                      (json_int_t)pause->since_ms, "by", pause->by == NULL ? "" : pause->by));
}

/* Opens the file for writing at *end_r, behind its last octet. */
static int open_end(struct net_file **file_r, const char *spool, uint64_t *end_r, struct fault *fault)
{
    char path[LOCAL_PATH_MAX];
    struct fault found = FAULT_INIT;
    path_of(spool, path);
    *end_r = 0;
    if (net_file_open(file_r, path, NET_FILE_WRITE, &found) == 0) {
        if (net_file_size(*file_r, end_r, fault) != 0) {
            disregard(net_file_close(file_r, NULL));
            return -1;
        }
        return 0;
    }
    if (strcmp(found.code, "enoent") != 0) {
        fault_set(fault, found.class, found.code, found.where, "%s", found.text);
        return -1;
    }
    if (net_file_open(file_r, path, NET_FILE_CREATE, fault) != 0) {
        return -1;
    }
    if (net_file_sync_directory(spool, fault) != 0) {
        disregard(net_file_close(file_r, NULL));
        return -1;
    }
    return 0;
}

int local_journal_write(const char *spool, struct bytes lines, struct fault *fault)
{
    struct net_file *file = NULL;
    uint64_t end;
    if (open_end(&file, spool, &end, fault) != 0) {
        return -1;
    }
    /* What a crash has cut off ends here, and is left out when it is read. */
    const struct bytes pieces[2] = {bytes_at("\n", end == 0 ? 0 : 1), lines};
    int result = net_file_write(file, end, pieces, 2, fault) != 0 || net_file_sync(file, fault) != 0 ? -1 : 0;
    return net_file_close(&file, fault) != 0 ? -1 : result;
}

/* The decision of a line, or NULL. */
static json_t *read_line(struct bytes line)
{
    char sum[SUM_DIGITS + 1];
    if (line.len < SUM_DIGITS + 1) {
        return NULL;
    }
    struct bytes text = bytes_from(line, SUM_DIGITS + 1);
    snprintf(sum, sizeof sum, "%016" PRIx64, store_sum_of(text));
    bool good = memcmp(sum, line.ptr, SUM_DIGITS) == 0 && line.ptr[SUM_DIGITS] == ' ';
    return good ? json_loadb((const char *)text.ptr, text.len, JSON_REJECT_DUPLICATES, NULL) : NULL;
}

int local_journal_each(const char *spool, int (*fn)(void *ctx, const json_t *decision, struct bytes line), void *ctx,
                       uint64_t *damaged_r, struct fault *fault)
{
    char path[LOCAL_PATH_MAX];
    struct buf text;
    struct fault found = FAULT_INIT;
    path_of(spool, path);
    buf_init(&text, LOCAL_JOURNAL_MAX);
    *damaged_r = 0;
    if (net_file_read_all(path, &text, &found) != 0 && strcmp(found.code, "enoent") != 0) {
        buf_done(&text);
        fault_set(fault, found.class, found.code, found.where, "%s", found.text);
        return -1;
    }
    int result = 0;
    for (struct bytes rest = buf_bytes(&text); result == 0 && rest.len > 0;) {
        struct bytes line = bytes_cut(&rest, '\n');
        json_t *decision = read_line(line);
        if (decision != NULL) {
            result = fn(ctx, decision, line);
        } else {
            *damaged_r += line.len > 0;
        }
        json_decref(decision);
    }
    buf_done(&text);
    return result == 0 ? 0 : -1;
}

int local_journal_replace(const char *spool, struct bytes lines, struct fault *fault)
{
    char path[LOCAL_PATH_MAX];
    path_of(spool, path);
    return net_file_replace(path, lines, fault);
}
