/*
 * cmd_completion - completion scripts for bash, zsh and fish. The commands come from their table; a command's options,
 * and the verbs of the queue, are asked of the program when they are wanted: its --help prints the table that it parses
 * by, so that they cannot disagree.
 */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "cli/cli.h"

/* What is asked prints a word on each line that begins with two blanks: "  --config   the configuration file". */
#define WORDS "sed -n 's/^  \\([a-z-]*\\) .*/\\1/p'"

/* The words that a usage line offers beside options: "check | rebuild [--config FILE]". */
static void add_words(const struct cli_command *command, struct buf *out)
{
    for (struct bytes rest = bytes_of(command->usage); rest.len > 0;) {
        struct bytes word = bytes_cut(&rest, ' ');
        while (word.len > 0 && strchr("[]()", word.ptr[0]) != NULL) {
            word = bytes_from(word, 1);
        }
        size_t len = 0;
        while (len < word.len && word.ptr[len] >= 'a' && word.ptr[len] <= 'z') {
            len++;
        }
        if (len > 0) {
            buf_printf(out, " %.*s", (int)len, (const char *)word.ptr);
        }
    }
}

/* For each command that offers words: its name and the words, among these three. */
static void print_words(const struct cli_command *commands, const char *before, const char *between, const char *after)
{
    for (const struct cli_command *command = commands; command->name != NULL; command++) {
        struct buf words;
        buf_init(&words, 1000);
        add_words(command, &words);
        if (words.len > 0) {
            printf("%s%s%s%s%s", before, command->name, between, buf_text(&words), after);
        }
        buf_done(&words);
    }
}

static void print_names(const struct cli_command *commands)
{
    for (const struct cli_command *command = commands; command->name != NULL; command++) {
        printf(" %s", command->name);
    }
}

static void print_bash(const struct cli_command *commands)
{
    printf("# bash completion for mailweir; made by \"mailweir completion bash\".\n"
           "_mailweir_words() {\n    local ask=(\"$1\" \"$2\")\n"
           "    [[ $2 != queue || $# -lt 3 ]] || ask+=(\"$3\")\n"
           "    \"${ask[@]}\" --help 2>/dev/null | " WORDS "\n}\n"
           "_mailweir() {\n    local words word=${COMP_WORDS[COMP_CWORD]}\n"
           "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n        words=\"");
    print_names(commands);
    printf("\"\n    else\n        words=$(_mailweir_words \"${COMP_WORDS[@]:0:COMP_CWORD}\")\n"
           "        case ${COMP_WORDS[1]} in\n");
    print_words(commands, "            ", ") words+=\"", "\" ;;\n");
    printf("        esac\n    fi\n"
           "    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\"\n"
           "        [[ $word == -* || $COMP_CWORD -eq 1 ]] || compgen -f -- \"$word\")\n}\n"
           "complete -o filenames -F _mailweir mailweir\n");
}

/* Inside single quotes. */
static void print_quoted(const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '\'') {
            printf("'\\''");
        } else {
            putchar(*text == ':' ? ',' : *text); /* a colon parts name and meaning in zsh */
        }
    }
}

static void print_zsh(const struct cli_command *commands)
{
    printf("#compdef mailweir\n# made by \"mailweir completion zsh\".\n_mailweir() {\n    local -a commands\n    "
           "commands=(\n");
    for (const struct cli_command *command = commands; command->name != NULL; command++) {
        printf("        '%s:", command->name);
        print_quoted(command->summary);
        printf("'\n");
    }
    printf("    )\n    if (( CURRENT == 2 )); then\n        _describe command commands\n        return\n    fi\n"
           "    local -a ask=($words[1] $words[2])\n"
           "    [[ $words[2] != queue || $CURRENT -lt 4 ]] || ask+=($words[3])\n"
           "    compadd -- ${(f)\"$($ask --help 2>/dev/null | " WORDS ")\"}\n    case $words[2] in\n");
    print_words(commands, "        ", ") compadd --", " ;;\n");
    printf("    esac\n    _files\n}\ncompdef _mailweir mailweir\n");
}

static void print_fish(const struct cli_command *commands)
{
    printf("# fish completion for mailweir; made by \"mailweir completion fish\".\n"
           "function __mailweir_words\n    set -l ask (commandline -opc)\n    set -l last 2\n"
           "    test \"$ask[2]\" = queue; and set last 3\n"
           "    set ask $ask[1..$last]\n    $ask --help 2>/dev/null | "
           "string replace -rf '^  ([a-z-]+) +(.*)' '$1\\t$2'\nend\n"
           "complete -c mailweir -n 'not __fish_use_subcommand' -a '(__mailweir_words)'\n");
    for (const struct cli_command *command = commands; command->name != NULL; command++) {
        printf("complete -c mailweir -n __fish_use_subcommand -f -a %s -d '", command->name);
        print_quoted(command->summary);
        printf("'\n");
    }
    print_words(commands, "complete -c mailweir -n '__fish_seen_subcommand_from ", "' -a '", "'\n");
}

int cmd_completion(const struct cli_command *commands, const struct cli_command *command, int argc, char **argv)
{
    const struct cli_option options[] = {{.name = NULL}};
    int exit_code;
    int others = cli_parse(command, options, argc, argv, &exit_code);
    if (others < 0) {
        return exit_code;
    }
    if (others == 1 && strcmp(argv[1], "bash") == 0) {
        print_bash(commands);
    } else if (others == 1 && strcmp(argv[1], "zsh") == 0) {
        print_zsh(commands);
    } else if (others == 1 && strcmp(argv[1], "fish") == 0) {
        print_fish(commands);
    } else {
        return cli_usage_error(command, "say for which shell");
    }
    return EX_OK;
}
