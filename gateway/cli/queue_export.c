/*
 * queue_export - `mailweir queue export`: messages as files of their own (as received) or as one mbox (the "mboxrd"
 * kind: lines that begin with "From ", quoted or not, get one more ">"; line ends become LF). Beside them goes what
 * import wants to know (facts.jsonl).
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <time.h>

#include "cli/queue_source.h"

#define PATH_LEN 4096

struct export
{
    const struct queue_options *options;
    FILE *out; /* the mbox, or the file of this message */
    bool mbox;
    bool at_start; /* of a line */
    size_t quotes; /* ">" seen since then and not yet written */
    uint64_t count;
    FILE *facts; /* what import wants to know of each */
};

/* ---- the mbox ---- */

static bool write_octets(struct export *export, struct bytes data)
{
    return fwrite(data.ptr, 1, data.len, export->out) == data.len;
}

/* One line, or what a piece ends with; quoting looks at the beginning of lines only. A "From " that two pieces divide
 * is quoted too: the decision is made at its "F". */
static bool write_line(struct export *export, struct bytes line)
{
    if (export->at_start) {
        size_t quotes = 0;
        while (quotes < line.len && line.ptr[quotes] == '>') {
            quotes++;
        }
        struct bytes rest = bytes_from(line, quotes);
        bool from = rest.len > 0 && memcmp(rest.ptr, "From ", rest.len < 5 ? rest.len : 5) == 0;
        if (from && fputc('>', export->out) == EOF) {
            return false;
        }
    }
    export->at_start = line.len > 0 && line.ptr[line.len - 1] == '\n';
    if (export->at_start && line.len > 1 && line.ptr[line.len - 2] == '\r') {
        return write_octets(export, bytes_slice(line, 0, line.len - 2)) && fputc('\n', export->out) != EOF;
    }
    return write_octets(export, line);
}

static int write_mbox(void *ctx, struct bytes piece)
{
    struct export *export = ctx;
    while (piece.len > 0) {
        ptrdiff_t end = bytes_find_octet(piece, '\n');
        size_t len = end < 0 ? piece.len : (size_t)end + 1;
        if (!write_line(export, bytes_slice(piece, 0, len))) {
            return -1;
        }
        piece = bytes_from(piece, len);
    }
    return 0;
}

static int write_plain(void *ctx, struct bytes piece)
{
    return write_octets(ctx, piece) ? 0 : -1;
}

static void begin_mbox_message(struct export *export, struct queue_source *source, const char *id)
{
    json_t *stories = NULL;
    char date[40] = "Thu Jan  1 00:00:00 1970";
    disregard(queue_source_stories(source, id, &stories));
    const json_t *story = json_array_get(stories, 0);
    if (story != NULL) {
        time_t seconds = (time_t)(json_integer_value(json_object_get(story, "received_ms")) / 1000);
        struct tm parts;
        strftime(date, sizeof date, "%a %b %e %H:%M:%S %Y", gmtime_r(&seconds, &parts));
    }
    const char *from = json_string_value(json_object_get(json_object_get(story, "envelope"), "from"));
    fprintf(export->out, "From %s %s\n", from == NULL || from[0] == '\0' ? "MAILER-DAEMON" : from, date);
    export->at_start = true;
    json_decref(stories);
}

/* ---- messages ---- */

static int cannot_export(const char *path)
{
    fprintf(stderr, "mailweir: cannot write %s: %s\n", path, strerror(errno));
    return EX_CANTCREAT;
}

/* One line for the message: import recognises it by its octets. */
static int write_facts(struct export *export, struct queue_source *source, const char *id)
{
    json_t *facts = NULL;
    if (queue_source_facts(source, id, &facts) != EX_OK) {
        fprintf(stderr, "mailweir: the envelope of %s is left out\n", id);
        return 1;
    }
    json_dumpf(facts, export->facts, JSON_COMPACT);
    fputc('\n', export->facts);
    json_decref(facts);
    return EX_OK;
}

static int export_body(struct export *export, struct queue_source *source, const char *id)
{
    if (queue_source_body(source, id, export->mbox ? write_mbox : write_plain, export) != EX_OK) {
        fprintf(stderr, "mailweir: %s is left out\n", id);
        return 1;
    }
    export->count++;
    return write_facts(export, source, id);
}

static int export_message(void *ctx, struct queue_source *source, const char *id)
{
    struct export *export = ctx;
    char path[PATH_LEN];
    if (export->mbox) {
        begin_mbox_message(export, source, id);
        int result = export_body(export, source, id);
        fputs(export->at_start ? "\n" : "\n\n", export->out);
        return ferror(export->out) != 0 ? cannot_export(export->options->to) : result;
    }
    snprintf(path, sizeof path, "%s/%s.eml", export->options->to, id);
    export->out = fopen(path, "wbx");
    if (export->out == NULL) {
        return cannot_export(path);
    }
    int result = export_body(export, source, id);
    bool broken = ferror(export->out) != 0;
    return fclose(export->out) != 0 || broken ? cannot_export(path) : result;
}

static int open_target(struct export *export)
{
    const char *to = export->options->to;
    char path[PATH_LEN];
    if (!export->mbox && mkdir(to, 0700) != 0 && errno != EEXIST) {
        return cannot_export(to);
    }
    snprintf(path, sizeof path, "%s%sfacts.jsonl", to, export->mbox ? "." : "/");
    /* Into a folder one may export again and again; an mbox is written once. */
    export->facts = fopen(path, export->mbox ? "wbx" : "ab");
    if (export->facts == NULL) {
        return cannot_export(path);
    }
    if (export->mbox && (export->out = fopen(to, "wbx")) == NULL) {
        int exit_code = cannot_export(to);
        fclose(export->facts);
        return exit_code;
    }
    return EX_OK;
}

/* Closes what was written to: what cannot be written any more shows there. */
static int close_target(struct export *export, int exit_code)
{
    if (export->mbox && fclose(export->out) != 0) {
        exit_code = cannot_export(export->options->to);
    }
    bool broken = ferror(export->facts) != 0;
    return fclose(export->facts) != 0 || broken ? cannot_export("facts.jsonl") : exit_code;
}

int queue_export(struct queue_options *options, int argc, char **argv)
{
    struct export export = {.options = options,
                            .mbox = options->format != NULL && strcmp(options->format, "mbox") == 0};
    int exit_code = queue_choose(options, argc, argv);
    if (exit_code != EX_OK) {
        return exit_code;
    }
    if (options->to == NULL || (options->format != NULL && !export.mbox && strcmp(options->format, "eml") != 0)) {
        fprintf(stderr, "mailweir queue export: name the target with --to; --format is eml or mbox\n");
        return EX_USAGE;
    }
    if ((exit_code = open_target(&export)) != EX_OK) {
        return exit_code;
    }
    exit_code = queue_each_message(options, "exporting", export_message, &export);
    exit_code = close_target(&export, exit_code);
    printf(options->json ? "{\"exported\":%" PRIu64 "}\n" : "%" PRIu64 " exported\n", export.count);
    if (exit_code == EX_OK && export.count == 0 && options->select.id != NULL) {
        fprintf(stderr, "mailweir: there is no open message with the id %s\n", options->select.id);
        exit_code = 1;
    }
    return exit_code;
}
