/*
 * cli_explain - see cli_explain.h. Texts from mail were made printable when the explanation was written.
 */
#include "cli/cli_explain.h"
#include "document/document_member.h"

#include <jansson.h>
#include <string.h>

struct printer {
    FILE *out;
    bool colour;
};

static void print_result(const struct printer *printer, const char *result)
{
    const char *colour = strcmp(result, "yes") == 0      ? "\033[32m"
                         : strcmp(result, "failed") == 0 ? "\033[31m"
                                                         : "\033[2m";
    fprintf(printer->out, "%s%-7s%s ", printer->colour ? colour : "", result, printer->colour ? "\033[0m" : "");
}

static void print_quoted(const struct printer *printer, const char *value)
{
    fprintf(printer->out, "\"%s\"", value);
}

static void print_values(const struct printer *printer, const json_t *saw, const char *before, const char *none)
{
    size_t i;
    json_t *value;
    fputs(json_array_size(saw) == 0 ? none : before, printer->out);
    json_array_foreach(saw, i, value)
    {
        fputs(i == 0 ? "" : ", ", printer->out);
        print_quoted(printer, json_string_value(value));
    }
}

/* What each step of a formula gave: header.Date = "Mon, 23 ..." | age = "172800s". */
static void print_steps(const struct printer *printer, const json_t *steps, int depth)
{
    size_t i, k;
    json_t *step, *value;
    json_array_foreach(steps, i, step)
    {
        fprintf(printer->out, "%*s%s =", depth * 2 + 14, "", document_member_text(step, "step"));
        json_array_foreach(json_object_get(step, "values"), k, value)
        {
            fputs(k == 0 ? " " : ", ", printer->out);
            print_quoted(printer, json_string_value(value));
        }
        fputs(k == 0 ? " nothing\n" : "\n", printer->out);
    }
}

static void print_captures(const struct printer *printer, const json_t *captured, int depth)
{
    size_t i;
    json_t *group;
    json_array_foreach(captured, i, group)
    {
        if (i == 0 || !json_is_object(group)) {
            continue;
        }
        const char *name = document_member_text(group, "name");
        fprintf(printer->out, "%*s${%zu}%s%s%s = ", depth * 2 + 14, "", i, name[0] == '\0' ? "" : " ${", name,
                name[0] == '\0' ? "" : "}");
        print_quoted(printer, document_member_text(group, "text"));
        fputc('\n', printer->out);
    }
}

static void print_condition(const struct printer *printer, const json_t *condition, int depth)
{
    size_t i;
    json_t *part;
    fprintf(printer->out, "%*s", depth * 2 + 6, "");
    print_result(printer, document_member_text(condition, "result"));
    if (document_member_text(condition, "condition")[0] != '\0') {
        fprintf(printer->out, "%s: ", document_member_text(condition, "condition"));
    }
    fputs(document_member_text(condition, "test"), printer->out);
    fputs(document_member_text(condition, "kind"), printer->out);
    if (json_object_get(condition, "saw") != NULL) {
        print_values(printer, json_object_get(condition, "saw"), "; saw ", "; there is none");
    }
    if (json_object_get(condition, "with") != NULL) {
        print_values(printer, json_object_get(condition, "with"), ", compared with ", ", compared with nothing");
    }
    if (document_member_text(condition, "of")[0] != '\0') {
        fprintf(printer->out, " of %s", document_member_text(condition, "of"));
    }
    fputc('\n', printer->out);
    print_steps(printer, json_object_get(condition, "steps"), depth);
    print_captures(printer, json_object_get(condition, "captured"), depth);
    json_array_foreach(json_object_get(condition, "parts"), i, part)
    {
        print_condition(printer, part, depth + 1);
    }
}

static void print_rule(const struct printer *printer, const json_t *rule)
{
    if (json_object_get(rule, "note") != NULL) {
        fprintf(printer->out, "  %s\n", document_member_text(rule, "note"));
        return;
    }
    fputs("  ", printer->out);
    print_result(printer, document_member_text(rule, "result"));
    fprintf(printer->out, "%s%s%s%s  (%s:%lld", printer->colour ? "\033[1m" : "", document_member_text(rule, "rule"),
            printer->colour ? "\033[0m" : "", json_object_get(rule, "group") == NULL ? "" : " in its group",
            document_member_text(rule, "file"), (long long)json_integer_value(json_object_get(rule, "line")));
    if (json_object_get(rule, "us") != NULL) {
        fprintf(printer->out, ", %lld us", (long long)json_integer_value(json_object_get(rule, "us")));
    }
    fputs(document_member_text(rule, "state")[0] == '\0' ? "" : ", only watched", printer->out);
    fprintf(printer->out, "%s%s",
            document_member_text(rule, "off")[0] == '\0' ? "" : ", off: ", document_member_text(rule, "off"));
    fprintf(printer->out, ")%s%s\n", json_object_get(rule, "error") == NULL ? "" : ": ",
            document_member_text(rule, "error"));
    if (json_object_get(rule, "if") != NULL) {
        print_condition(printer, json_object_get(rule, "if"), 0);
    }
}

static void print_list(const struct printer *printer, const json_t *list, const char *before)
{
    size_t i;
    json_t *value;
    json_array_foreach(list, i, value)
    {
        fprintf(printer->out, "%s%s", before, json_string_value(value));
    }
}

static void print_ways(const struct printer *printer, const json_t *delivery)
{
    size_t i;
    json_t *way;
    json_array_foreach(json_object_get(delivery, "else"), i, way)
    {
        const char *upstream =
            document_member_text(json_object_get(way, "upstream") != NULL ? way : delivery, "upstream");
        const char *folder = document_member_text(json_object_get(way, "folder") != NULL ? way : delivery, "folder");
        fprintf(printer->out, "   else %s:%s when", upstream, folder);
        print_list(printer, json_object_get(way, "when"), " ");
        fputc('\n', printer->out);
    }
}

static void print_delivery(const struct printer *printer, const json_t *delivery)
{
    size_t i;
    json_t *edit;
    fprintf(printer->out, "=> %s:%s", document_member_text(delivery, "upstream"),
            document_member_text(delivery, "folder"));
    if (json_object_get(delivery, "fallback") != NULL) {
        fprintf(printer->out, " (fallback %s)", document_member_text(delivery, "fallback"));
    }
    print_list(printer, json_object_get(delivery, "flags"), " ");
    fprintf(printer->out, "  by %s for", document_member_text(delivery, "rule"));
    print_list(printer, json_object_get(delivery, "recipients"), " ");
    fprintf(printer->out, "%s\n", json_is_true(json_object_get(delivery, "held")) ? "  (held)" : "");
    print_ways(printer, delivery);
    json_array_foreach(json_object_get(delivery, "edits"), i, edit)
    {
        fprintf(printer->out, "   %s %s", document_member_text(edit, "edit"), document_member_text(edit, "field"));
        fprintf(printer->out, "%s%s\n", json_object_get(edit, "value") == NULL ? "" : ": ",
                document_member_text(edit, "value"));
    }
}

static void print_decision(const struct printer *printer, const json_t *decision)
{
    size_t i;
    json_t *delivery, *counted;
    json_array_foreach(json_object_get(decision, "counted"), i, counted)
    {
        fprintf(printer->out, "=> would count %s %s\n", document_member_text(counted, "counter"),
                document_member_text(counted, "key"));
    }
    json_array_foreach(json_object_get(decision, "deliveries"), i, delivery)
    {
        print_delivery(printer, delivery);
    }
    if (json_object_get(decision, "code") != NULL) {
        fprintf(printer->out, "=> %s: %lld %s%s%s\n", document_member_text(decision, "outcome"),
                (long long)json_integer_value(json_object_get(decision, "code")),
                document_member_text(decision, "enhanced"),
                document_member_text(decision, "enhanced")[0] == '\0' ? "" : " ",
                document_member_text(decision, "text"));
    } else if (strcmp(document_member_text(decision, "outcome"), "discarded") == 0) {
        fputs("=> discarded\n", printer->out);
    }
    if (json_object_get(decision, "mime_limit") != NULL) {
        fprintf(printer->out, "   not all of it was decoded: %s\n", document_member_text(decision, "mime_limit"));
    }
    if (json_object_get(decision, "mime_errors") != NULL) {
        fputs("   the message could not be read as declared:", printer->out);
        print_list(printer, json_object_get(decision, "mime_errors"), " ");
        fputc('\n', printer->out);
    }
}

void cli_explain_print(const char *name, const struct filters_message *message, struct bytes explanation, bool colour,
                       FILE *out)
{
    struct printer printer = {out, colour};
    json_t *root = json_loadb((const char *)explanation.ptr, explanation.len, 0, NULL);
    size_t i, j;
    json_t *recipient, *rule;
    fprintf(out, "%s: %llu octets from <%s>\n", name, (unsigned long long)message->size, message->envelope->from);
    json_array_foreach(json_object_get(root, "recipients"), i, recipient)
    {
        fprintf(out, "to <%s>\n", document_member_text(recipient, "to"));
        json_array_foreach(json_object_get(recipient, "rules"), j, rule)
        {
            print_rule(&printer, rule);
        }
    }
    print_decision(&printer, json_object_get(root, "decision"));
    json_decref(root);
}
