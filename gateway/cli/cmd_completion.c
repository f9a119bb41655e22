/*
 * cmd_completion - completion scripts for bash, zsh and fish. The commands come from their table; a command's options,
 * and the verbs of the queue, are asked of the program when they are wanted: its --help prints the table that it parses
 * by, so that they cannot disagree. States, upstreams, listeners, rules and ids are asked of the program, too
 * (--words): it looks into the configuration, and asks the running gateway for what only that knows.
 */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "cli/cli_api.h"
#include "cli/queue.h"
#include "document/document_member.h"
#include "store/store.h"

/* What is asked prints a word on each line that begins with two blanks: "  --config   the configuration file". */
/* Of a help the first words of its lines, but for the examples. */
#define WORDS "sed -n '/^  mailweir /d; s/^  \\([a-z-]*\\) .*/\\1/p'"

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

/* Which verbs of the queue take what, as its table has it. */
struct verbs {
    char ids[200], upstreams[100];
};

static struct verbs verbs_of_queue(const char *between)
{
    struct verbs verbs = {0};
    queue_list_verbs("ID", between, verbs.ids, sizeof verbs.ids);
    queue_list_verbs("[UPSTREAM]", between, verbs.upstreams, sizeof verbs.upstreams);
    return verbs;
}

static void print_bash(const struct cli_command *commands)
{
    const struct verbs verbs = verbs_of_queue("|");
    printf("# bash completion for mailweir; made by \"mailweir completion bash\".\n"
           "_mailweir_words() {\n    local ask=(\"$1\" \"$2\")\n"
           "    [[ $2 != queue || $# -lt 3 ]] || ask+=(\"$3\")\n"
           "    \"${ask[@]}\" --help 2>/dev/null | " WORDS "\n}\n"
           "_mailweir_kind() {\n"
           "    case ${COMP_WORDS[COMP_CWORD-1]} in\n"
           "        --state) echo states; return ;;\n        --upstream) echo upstreams; return ;;\n"
           "        --listener) echo listeners; return ;;\n        --rule) echo rules; return ;;\n    esac\n"
           "    [[ ${COMP_WORDS[COMP_CWORD]} != -* && ${COMP_WORDS[COMP_CWORD-1]} != --* ]] || return\n"
           "    case ${COMP_WORDS[1]} in\n        why) echo ids ;;\n        upstreams) echo upstreams ;;\n"
           "        queue) [ \"$COMP_CWORD\" -ne 3 ] || case ${COMP_WORDS[2]} in\n"
           "            %s) echo ids ;;\n            %s) echo upstreams ;;\n        esac ;;\n    esac\n}\n"
           "_mailweir_values() {\n    local i config=()\n"
           "    for ((i = 1; i < COMP_CWORD - 1; i++)); do\n"
           "        [[ ${COMP_WORDS[i]} != --config && ${COMP_WORDS[i]} != -c ]] || config=(--config "
           "\"${COMP_WORDS[i+1]}\")\n    done\n"
           "    \"${COMP_WORDS[0]}\" completion --words \"$1\" \"${config[@]}\" 2>/dev/null |\n        grep -E "
           "'^[A-Za-z0-9@._:/+-]+$'\n}\n"
           "_mailweir() {\n    local words kind word=${COMP_WORDS[COMP_CWORD]}\n"
           "    kind=$(_mailweir_kind)\n"
           "    if [[ $kind && ${COMP_WORDS[COMP_CWORD-1]} == --* ]]; then\n"
           "        mapfile -t COMPREPLY < <(compgen -W \"$(_mailweir_values \"$kind\")\" -- \"$word\")\n"
           "        return\n    fi\n"
           "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n        words=\"",
           verbs.ids, verbs.upstreams);
    print_names(commands);
    printf("\"\n    else\n        words=$(_mailweir_words \"${COMP_WORDS[@]:0:COMP_CWORD}\")\n"
           "        case ${COMP_WORDS[1]} in\n");
    print_words(commands, "            ", ") words+=\"", "\" ;;\n");
    printf("        esac\n    fi\n"
           "    [ -z \"$kind\" ] || words+=\" $(_mailweir_values \"$kind\")\"\n"
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
    const struct verbs verbs = verbs_of_queue("|");
    printf("#compdef mailweir\n# made by \"mailweir completion zsh\".\n_mailweir() {\n    local -a commands\n    "
           "commands=(\n");
    for (const struct cli_command *command = commands; command->name != NULL; command++) {
        printf("        '%s:", command->name);
        print_quoted(command->summary);
        printf("'\n");
    }
    printf(
        "    )\n    if (( CURRENT == 2 )); then\n        _describe command commands\n        return\n    fi\n"
        "    local kind\n    case $words[CURRENT-1] in\n        --state) kind=states ;;\n        --upstream) "
        "kind=upstreams ;;\n"
        "        --listener) kind=listeners ;;\n        --rule) kind=rules ;;\n    esac\n"
        "    local -a config\n    local -i at=${words[(I)(--config|-c)]}\n    (( at )) && config=(--config "
        "$words[at+1])\n"
        "    if [[ -n $kind ]]; then\n"
        "        compadd -- ${(f)\"$($words[1] completion --words $kind $config 2>/dev/null)\"}\n        return\n    "
        "fi\n"
        "    case $words[2]:$words[3] in\n        why:*|queue:(%s)) kind=ids ;;\n"
        "        upstreams:*|queue:(%s)) kind=upstreams ;;\n    esac\n"
        "    [[ -z $kind || $words[CURRENT] == -* ]] || compadd -- ${(f)\"$($words[1] completion --words $kind $config "
        "2>/dev/null)\"}\n"
        "    local -a ask=($words[1] $words[2])\n"
        "    [[ $words[2] != queue || $CURRENT -lt 4 ]] || ask+=($words[3])\n"
        "    compadd -- ${(f)\"$($ask --help 2>/dev/null | " WORDS ")\"}\n    case $words[2] in\n",
        verbs.ids, verbs.upstreams);
    print_words(commands, "        ", ") compadd --", " ;;\n");
    printf("    esac\n    _files\n}\n"
           "if [[ $funcstack[1] == _mailweir ]]; then _mailweir \"$@\"; else compdef _mailweir mailweir; fi\n");
}

static void print_fish(const struct cli_command *commands)
{
    const struct verbs verbs = verbs_of_queue(" ");
    printf("# fish completion for mailweir; made by \"mailweir completion fish\".\n"
           "function __mailweir_words\n    set -l ask (commandline -opc)\n    set -l last 2\n"
           "    test \"$ask[2]\" = queue; and set last 3\n"
           "    set ask $ask[1..$last]\n    $ask --help 2>/dev/null | "
           "string match -v '  mailweir *' | string replace -rf '^  ([a-z-]+) +(.*)' '$1\\t$2'\nend\n"
           "complete -c mailweir -n 'not __fish_use_subcommand' -a '(__mailweir_words)'\n"
           "function __mailweir_values\n    set -l config\n    set -l words (commandline -opc)\n"
           "    for i in (seq (count $words))\n"
           "        contains -- $words[$i] --config -c; and set -q words[(math $i + 1)]; and set config --config "
           "$words[(math "
           "$i + 1)]\n"
           "    end\n    $words[1] completion --words $argv[1] $config 2>/dev/null\nend\n"
           "complete -c mailweir -l state -x -a '(__mailweir_values states)'\n"
           "complete -c mailweir -l upstream -x -a '(__mailweir_values upstreams)'\n"
           "complete -c mailweir -l listener -x -a '(__mailweir_values listeners)'\n"
           "complete -c mailweir -l rule -x -a '(__mailweir_values rules)'\n"
           "complete -c mailweir -n '__fish_seen_subcommand_from why %s' -a "
           "'(__mailweir_values ids)'\n"
           "complete -c mailweir -n '__fish_seen_subcommand_from upstreams %s' -a '(__mailweir_values "
           "upstreams)'\n",
           verbs.ids, verbs.upstreams);
    for (const struct cli_command *command = commands; command->name != NULL; command++) {
        printf("complete -c mailweir -n __fish_use_subcommand -f -a %s -d '", command->name);
        print_quoted(command->summary);
        printf("'\n");
    }
    print_words(commands, "complete -c mailweir -n '__fish_seen_subcommand_from ", "' -a '", "'\n");
}

/* ---- words that only a configuration, or a running gateway, knows ---- */

static void print_members(const json_t *list, const char *name)
{
    size_t i;
    json_t *one;
    json_array_foreach((json_t *)(uintptr_t)list, i, one)
    {
        const char *text = document_member_text(one, name);
        if (text[0] != '\0') {
            puts(text);
        }
    }
}

/* Names of the configuration, also where no gateway runs. */
static int print_configured(const char *file, bool upstreams)
{
    struct problems *problems = problems_new();
    struct config *config = config_load_part(cli_config_file(file), problems);
    for (size_t i = 0; config != NULL && i < (upstreams ? config->upstreams.count : config->listeners.count); i++) {
        const char *name = upstreams ? config_upstream_at(config, i)->name : config_listener_at(config, i)->name;
        puts(name == NULL ? "" : name);
    }
    int result = config == NULL ? EX_CONFIG : EX_OK;
    config_free(&config);
    problems_free(&problems);
    return result;
}

static int print_asked(const char *file, const char *path, const char *list, const char *name)
{
    json_t *answer = NULL;
    int exit_code = cli_api_ask(file, path, NULL, &answer);
    print_members(json_object_get(answer, list), name);
    json_decref(answer);
    return exit_code;
}

static int print_states(const char *file)
{
    (void)file;
    for (int state = 0; state < STORE_STATES; state++) {
        puts(store_state_name((enum store_state)state));
    }
    return EX_OK;
}

static int print_upstreams(const char *file)
{
    return print_configured(file, true);
}

static int print_listeners(const char *file)
{
    return print_configured(file, false);
}

static int print_rules(const char *file)
{
    return print_asked(file, "/api/v1/rules", "rules", "name");
}

/* The newest: whoever completes one has just seen it. */
static int print_ids(const char *file)
{
    return print_asked(file, "/api/v1/find?limit=50", "messages", "id");
}

static const struct {
    const char *name;
    int (*words)(const char *file);
} kinds[] = {
    {"states", print_states}, {"upstreams", print_upstreams}, {"listeners", print_listeners}, {"rules", print_rules},
    {"ids", print_ids},
};
static const struct {
    const char *name;
    void (*script)(const struct cli_command *commands);
} shells[] = {{"bash", print_bash}, {"zsh", print_zsh}, {"fish", print_fish}};

#define COUNT(rows) (sizeof(rows) / sizeof(rows)[0])

/* "WHAT a, b or c", of a table's names. */
static int refuse_choice(const struct cli_command *command, const char *what, const char *const *first, size_t row,
                         size_t count)
{
    struct buf names;
    buf_init(&names, 200);
    buf_append_choices(&names, first, row, count);
    int exit_code = cli_usage_error(command, "%s %s", what, buf_text(&names));
    buf_done(&names);
    return exit_code;
}

static int print_kind(const struct cli_command *command, const char *kind, const char *file)
{
    for (size_t i = 0; i < COUNT(kinds); i++) {
        if (strcmp(kinds[i].name, kind) == 0) {
            return kinds[i].words(file);
        }
    }
    return refuse_choice(command, "--words takes", &kinds[0].name, sizeof kinds[0], COUNT(kinds));
}

static int print_script(const struct cli_command *commands, const struct cli_command *command, const char *shell)
{
    for (size_t i = 0; shell != NULL && i < COUNT(shells); i++) {
        if (strcmp(shells[i].name, shell) == 0) {
            shells[i].script(commands);
            return EX_OK;
        }
    }
    return refuse_choice(command, "name the shell:", &shells[0].name, sizeof shells[0], COUNT(shells));
}

int cmd_completion(const struct cli_command *commands, const struct cli_command *command, int argc, char **argv)
{
    const char *words = NULL, *file = NULL;
    const struct cli_option options[] = {
        CLI_OPTION_CONFIG(&file),
        {.name = "words",
         .value = &words,
         .help = "instead of a script, print the existing states, upstreams, listeners, rules or ids"},
        {.name = NULL}};
    int exit_code;
    int others = cli_parse(command, options, argc, argv, &exit_code);
    if (others < 0) {
        return exit_code;
    }
    if (words != NULL && others == 0) {
        return print_kind(command, words, file);
    }
    return print_script(commands, command, others == 1 ? argv[1] : NULL);
}
