/*
 * cli_paint - see cli_paint.h.
 */
#include "cli/cli_paint.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "document/problems.h"

#define PROBLEMS_TEXT_MAX (1u << 20)

bool cli_has_colour(int fd)
{
    const char *no_color = getenv("NO_COLOR");
    const char *term = getenv("TERM");
    bool dumb = term == NULL || strcmp(term, "dumb") == 0;
    return isatty(fd) == 1 && !dumb && (no_color == NULL || no_color[0] == '\0');
}

const char *cli_paint(FILE *stream, enum cli_tone tone)
{
    static const char *const tones[] = {[CLI_PLAIN] = "\033[0m", [CLI_GOOD] = "\033[32m", [CLI_BAD] = "\033[31m",
                                        [CLI_WARN] = "\033[33m", [CLI_DIM] = "\033[2m",   [CLI_BOLD] = "\033[1m"};
    return cli_has_colour(fileno(stream)) ? tones[tone] : "";
}

enum cli_tone cli_tone_of(const char *state)
{
    static const struct {
        const char *state;
        enum cli_tone tone;
    } rows[] = {{"filed", CLI_GOOD},   {"dead", CLI_BAD},  {"refused", CLI_BAD},
                {"waiting", CLI_WARN}, {"held", CLI_WARN}, {"open", CLI_GOOD}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (strcmp(rows[i].state, state) == 0) {
            return rows[i].tone;
        }
    }
    return CLI_DIM;
}

/* One line: "file:1:2: error: text". */
static void print_line(struct bytes line)
{
    static const struct {
        const char *word;
        enum cli_tone tone;
    } kinds[] = {{": error: ", CLI_BAD}, {": warning: ", CLI_WARN}};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        ptrdiff_t at = bytes_find(line, bytes_of(kinds[i].word));
        size_t len = strlen(kinds[i].word);
        if (at >= 0) {
            struct bytes rest = bytes_from(line, (size_t)at + len);
            fprintf(stderr, "%s%.*s%s: %s%.*s%s: %.*s\n", cli_paint(stderr, CLI_BOLD), (int)at, (const char *)line.ptr,
                    cli_paint(stderr, CLI_PLAIN), cli_paint(stderr, kinds[i].tone), (int)len - 4, kinds[i].word + 2,
                    cli_paint(stderr, CLI_PLAIN), (int)rest.len, (const char *)rest.ptr);
            return;
        }
    }
    fprintf(stderr, "%.*s\n", (int)line.len, (const char *)line.ptr);
}

void cli_print_problems(const struct problems *problems, bool errors_only)
{
    struct buf text;
    buf_init(&text, PROBLEMS_TEXT_MAX);
    (errors_only ? problems_print_errors : problems_print)(problems, &text);
    for (struct bytes rest = buf_bytes(&text); rest.len > 0;) {
        print_line(bytes_cut(&rest, '\n'));
    }
    buf_done(&text);
}
