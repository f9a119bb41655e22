/*
 * cmd_completion - completion scripts for bash, zsh and fish, made from the table of commands, so that they cannot disagree with it.
 *
 * Options are the words that begin with "--" in a command's usage line.
 */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "cli/cli.h"

/* Calls fn with each option's name, without its dashes. */
static void each_option(const struct cli_command *command,
                        void (*fn)(const struct cli_command *command, struct bytes name))
{
    for (const char *at = command->usage; (at = strstr(at, "--")) != NULL;) {
        at += 2;
        size_t len = strspn(at, "abcdefghijklmnopqrstuvwxyz-");
        if (len > 0) {
            fn(command, bytes_at(at, len));
        }
        at += len;
    }
    fn(command, bytes_of("help"));
}

static void print_dashed(const struct cli_command *command, struct bytes name)
{
    (void)command;
    printf(" --%.*s", (int)name.len, (const char *)name.ptr);
}

static void print_names(void)
{
    for (const struct cli_command *command = cli_commands; command->name != NULL; command++) {
        printf(" %s", command->name);
    }
}

static void print_bash(void)
{
    printf("# bash completion for mailweir; made by \"mailweir completion bash\".\n"
           "_mailweir() {\n    local words command=${COMP_WORDS[1]} word=${COMP_WORDS[COMP_CWORD]}\n"
           "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n        words=\"");
    print_names();
    printf("\"\n    else\n        case $command in\n");
    for (const struct cli_command *command = cli_commands; command->name != NULL; command++) {
        printf("            %s) words=\"", command->name);
        each_option(command, print_dashed);
        printf("\" ;;\n");
    }
    printf("        esac\n    fi\n"
           "    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n"
           "    [[ $word == -* || $COMP_CWORD -eq 1 ]] || mapfile -t COMPREPLY < <(compgen -f -- \"$word\")\n}\n"
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

static void print_zsh(void)
{
    printf("#compdef mailweir\n# made by \"mailweir completion zsh\".\n_mailweir() {\n    local -a commands\n    "
           "commands=(\n");
    for (const struct cli_command *command = cli_commands; command->name != NULL; command++) {
        printf("        '%s:", command->name);
        print_quoted(command->summary);
        printf("'\n");
    }
    printf("    )\n    if (( CURRENT == 2 )); then\n        _describe command commands\n        return\n    fi\n    "
           "case $words[2] in\n");
    for (const struct cli_command *command = cli_commands; command->name != NULL; command++) {
        printf("        %s) compadd -- ", command->name);
        each_option(command, print_dashed);
        printf(" ;;\n");
    }
    printf("    esac\n    _files\n}\ncompdef _mailweir mailweir\n");
}

static void print_fish_option(const struct cli_command *command, struct bytes name)
{
    printf("complete -c mailweir -n '__fish_seen_subcommand_from %s' -l %.*s\n", command->name, (int)name.len,
           (const char *)name.ptr);
}

static void print_fish(void)
{
    printf("# fish completion for mailweir; made by \"mailweir completion fish\".\n");
    for (const struct cli_command *command = cli_commands; command->name != NULL; command++) {
        printf("complete -c mailweir -n __fish_use_subcommand -f -a %s -d '", command->name);
        print_quoted(command->summary);
        printf("'\n");
        each_option(command, print_fish_option);
    }
}

int cmd_completion(const struct cli_command *command, int argc, char **argv)
{
    const struct cli_option options[] = {{.name = NULL}};
    int exit_code;
    int others = cli_parse(command, options, argc, argv, &exit_code);
    if (others < 0) {
        return exit_code;
    }
    if (others == 1 && strcmp(argv[1], "bash") == 0) {
        print_bash();
    } else if (others == 1 && strcmp(argv[1], "zsh") == 0) {
        print_zsh();
    } else if (others == 1 && strcmp(argv[1], "fish") == 0) {
        print_fish();
    } else {
        return cli_usage_error(command, "say for which shell");
    }
    return EX_OK;
}
