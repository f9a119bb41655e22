/*
 * cli_ask - see cli_ask.h.
 */
#include "cli/cli_ask.h"

#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

/* What is too long is read to its end all the same: the rest of it is no answer to the next question. */
static void skip_line(void)
{
    int octet;
    do {
        octet = getchar();
    } while (octet != EOF && octet != '\n');
}

enum cli_answer cli_ask(const char *question, char into[CLI_ASK_SIZE])
{
    if (question != NULL) {
        fputs(question, stderr);
    }
    if (fgets(into, CLI_ASK_SIZE, stdin) == NULL) {
        return CLI_ANSWER_NONE;
    }
    size_t len = strcspn(into, "\r\n");
    if (len > CLI_ASK_MAX) {
        skip_line();
        return CLI_ANSWER_TOO_LONG;
    }
    into[len] = '\0';
    return CLI_ANSWER_GIVEN;
}

enum cli_answer cli_ask_secret(const char *question, char into[CLI_ASK_SIZE])
{
    struct termios before, quiet;
    if (tcgetattr(STDIN_FILENO, &before) != 0) {
        return cli_ask(question, into);
    }
    quiet = before;
    quiet.c_lflag &= ~(tcflag_t)ECHO;
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
    enum cli_answer answer = cli_ask(question, into);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
    fputc('\n', stderr);
    return answer;
}
