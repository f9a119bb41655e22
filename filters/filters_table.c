/*
 * filters_table - see filters_table.h.
 */
#include "filters/filters_table.h"

#include <stddef.h>

#define ADDRESS_PARTS                                                                                                  \
    (FILTERS_PART_BIT(FILTERS_PART_USER) | FILTERS_PART_BIT(FILTERS_PART_DETAIL) |                                     \
     FILTERS_PART_BIT(FILTERS_PART_DOMAIN))

const struct filters_field_row filters_fields[] = {
    {"from", FILTERS_SUBJECT_FROM, FILTERS_TYPE_TEXT, FILTERS_EXTENT_ENVELOPE, true, ADDRESS_PARTS,
     "the sender of the envelope; \"\" is the null sender"},
    {"to", FILTERS_SUBJECT_TO, FILTERS_TYPE_TEXT, FILTERS_EXTENT_ENVELOPE, true, ADDRESS_PARTS,
     "the envelope recipient that the decision is for"},
    {"client", FILTERS_SUBJECT_CLIENT, FILTERS_TYPE_NETWORK, FILTERS_EXTENT_ENVELOPE, false, 0,
     "the client's address: \"is\" and \"in\" take networks such as \"10.0.0.0/8\""},
    {"helo", FILTERS_SUBJECT_HELO, FILTERS_TYPE_TEXT, FILTERS_EXTENT_ENVELOPE, true, 0,
     "the name that the client gave at EHLO"},
    {"user", FILTERS_SUBJECT_USER, FILTERS_TYPE_TEXT, FILTERS_EXTENT_ENVELOPE, false, 0, "the authenticated user"},
    {"listener", FILTERS_SUBJECT_LISTENER, FILTERS_TYPE_TEXT, FILTERS_EXTENT_ENVELOPE, false, 0, "the listener's name"},
    {"protocol", FILTERS_SUBJECT_PROTOCOL, FILTERS_TYPE_TEXT, FILTERS_EXTENT_ENVELOPE, true, 0,
     "how the message was received: SMTP, ESMTP, ESMTPS, ESMTPA, ESMTPSA, LMTP ..."},
    {"tls", FILTERS_SUBJECT_TLS, FILTERS_TYPE_TEXT, FILTERS_EXTENT_ENVELOPE, false, 0,
     "the TLS version, such as \"TLSv1.3\"; no value without TLS"},
    {"certificate", FILTERS_SUBJECT_CERTIFICATE, FILTERS_TYPE_TEXT, FILTERS_EXTENT_ENVELOPE, true, 0,
     "the subject of the client's verified certificate"},
    {"recipients", FILTERS_SUBJECT_RECIPIENTS, FILTERS_TYPE_NUMBER, FILTERS_EXTENT_HEADER, false, 0,
     "how many recipients the envelope has"},
    {"size", FILTERS_SUBJECT_SIZE, FILTERS_TYPE_NUMBER, FILTERS_EXTENT_HEADER, false, 0, "octets of the whole message"},
    {"time", FILTERS_SUBJECT_TIME, FILTERS_TYPE_TIME, FILTERS_EXTENT_HEADER, false, 0,
     "time of day of reception, \"08:30\""},
    {"weekday", FILTERS_SUBJECT_WEEKDAY, FILTERS_TYPE_WEEKDAY, FILTERS_EXTENT_HEADER, false, 0,
     "weekday of reception: mon, tue, wed, thu, fri, sat, sun"},
    {"date", FILTERS_SUBJECT_DATE, FILTERS_TYPE_DATE, FILTERS_EXTENT_HEADER, false, 0,
     "date of reception, \"2026-12-24\""},
    {"list_id", FILTERS_SUBJECT_LIST_ID, FILTERS_TYPE_TEXT, FILTERS_EXTENT_HEADER, true, 0,
     "the identifier in List-Id, without the angle brackets (RFC 2919)"},
    {"body", FILTERS_SUBJECT_BODY, FILTERS_TYPE_TEXT, FILTERS_EXTENT_BODY, false, FILTERS_PART_BIT(FILTERS_PART_RAW),
     "each text that mail programs show, in UTF-8 with LF line ends; HTML as the text that people see"},
    {"attachment", FILTERS_SUBJECT_ATTACHMENT, FILTERS_TYPE_TEXT, FILTERS_EXTENT_BODY, true,
     FILTERS_PART_BIT(FILTERS_PART_NAME) | FILTERS_PART_BIT(FILTERS_PART_TYPE) | FILTERS_PART_BIT(FILTERS_PART_SIZE) |
         FILTERS_PART_BIT(FILTERS_PART_COUNT),
     "each attachment: its file names; with \"part\": its type, its size, or how many there are"},
    {"report", FILTERS_SUBJECT_REPORT, FILTERS_TYPE_TEXT, FILTERS_EXTENT_BODY, true, 0,
     "mail that programs send to programs: dsn (a bounce), mdn (a receipt), arf (abuse), tlsrpt, dmarc, calendar, "
     "auto_reply; no value for other mail"},
    {"mime_limit", FILTERS_SUBJECT_MIME_LIMIT, FILTERS_TYPE_TEXT, FILTERS_EXTENT_BODY, false, 0,
     "has a value (header-size, nesting, parts, text) when part of the message was not decoded because of a limit"},
    {"mime_error", FILTERS_SUBJECT_MIME_ERROR, FILTERS_TYPE_TEXT, FILTERS_EXTENT_BODY, false, 0,
     "has values (boundary, charset, content-type, encoding, encrypted, partial, tnef) when part of the message could "
     "not be read as declared"},
    {NULL, 0, 0, 0, false, 0, NULL},
};

const struct filters_field_row filters_header_field = {
    "header",
    FILTERS_SUBJECT_HEADER,
    FILTERS_TYPE_TEXT,
    FILTERS_EXTENT_HEADER,
    false,
    ADDRESS_PARTS | FILTERS_PART_BIT(FILTERS_PART_ADDRESS) | FILTERS_PART_BIT(FILTERS_PART_NAME) |
        FILTERS_PART_BIT(FILTERS_PART_COUNT),
    "header fields of this name, or of these names; \"*\" is every field"};

const struct filters_part_row filters_parts[] = {
    {"address", FILTERS_PART_ADDRESS, FILTERS_TYPE_TEXT, true, "each address in the field, user@domain"},
    {"user", FILTERS_PART_USER, FILTERS_TYPE_TEXT, true, "the part before the @, up to a +"},
    {"detail", FILTERS_PART_DETAIL, FILTERS_TYPE_TEXT, true, "the part between the first + and the @"},
    {"domain", FILTERS_PART_DOMAIN, FILTERS_TYPE_TEXT, true, "the part after the @"},
    {"name", FILTERS_PART_NAME, FILTERS_TYPE_TEXT, true,
     "the display name of an address; each file name of an attachment"},
    {"type", FILTERS_PART_TYPE, FILTERS_TYPE_TEXT, true, "the media type, such as application/pdf"},
    {"size", FILTERS_PART_SIZE, FILTERS_TYPE_NUMBER, false, "octets, decoded"},
    {"count", FILTERS_PART_COUNT, FILTERS_TYPE_NUMBER, false, "how many there are"},
    {"raw", FILTERS_PART_RAW, FILTERS_TYPE_TEXT, false,
     "the lines of a text as they were received: format=flowed not joined, HTML with its tags"},
    {"text", FILTERS_PART_TEXT, FILTERS_TYPE_TEXT, false, "the content of one of \"parts\", as text"},
    {NULL, 0, 0, false, NULL},
};

#define TEXT FILTERS_TYPE_TEXT
#define ORDERED                                                                                                        \
    (FILTERS_TYPE_NUMBER | FILTERS_TYPE_TIME | FILTERS_TYPE_DATE | FILTERS_TYPE_DECIMAL | FILTERS_TYPE_DURATION)
#define ANY_TYPE (TEXT | ORDERED | FILTERS_TYPE_NETWORK | FILTERS_TYPE_WEEKDAY)

const struct filters_operator_row filters_operators[] = {
    {"is", FILTERS_IS, ANY_TYPE, FILTERS_SHAPE_SCALARS, "equal to this, or to one of these"},
    {"contains", FILTERS_CONTAINS, TEXT, FILTERS_SHAPE_WORDS, "contains this, or one of these"},
    {"starts_with", FILTERS_STARTS_WITH, TEXT, FILTERS_SHAPE_WORDS, "begins with this, or with one of these"},
    {"ends_with", FILTERS_ENDS_WITH, TEXT, FILTERS_SHAPE_WORDS, "ends with this, or with one of these"},
    {"in", FILTERS_IN, ANY_TYPE, FILTERS_SHAPE_LIST,
     "an entry of a list; for addresses and domains, \"@example.com\" and \".example.com\" are entries for a whole "
     "domain and for all below it"},
    {"matches", FILTERS_MATCHES, TEXT | FILTERS_TYPE_NETWORK, FILTERS_SHAPE_PATTERNS,
     "a PCRE2 pattern, or one of a list of patterns, finds something in the value"},
    {"exists", FILTERS_EXISTS, ANY_TYPE, FILTERS_SHAPE_BOOLEAN, "whether there is any value"},
    {"over", FILTERS_OVER, ORDERED, FILTERS_SHAPE_SCALAR, "more than, later than"},
    {"under", FILTERS_UNDER, ORDERED, FILTERS_SHAPE_SCALAR, "less than, earlier than"},
    {"at_least", FILTERS_AT_LEAST, ORDERED, FILTERS_SHAPE_SCALAR, "this or more"},
    {"at_most", FILTERS_AT_MOST, ORDERED, FILTERS_SHAPE_SCALAR, "this or less"},
    {"between", FILTERS_BETWEEN, ORDERED, FILTERS_SHAPE_PAIR,
     "from the first to the second, both included; a time range may pass midnight"},
    {NULL, 0, 0, 0, NULL},
};

#define END                                                                                                            \
    {                                                                                                                  \
        NULL, 0, false, NULL                                                                                           \
    }

const struct filters_key filters_file_keys[] = {
    {"rules", FILTERS_SHAPE_RULES, false, "the rules, in the order in which they are tried"},
    {"conditions", FILTERS_SHAPE_CONDITION_MAP, false,
     "named conditions, for use in several rules by {\"condition\": name}"},
    {"actions", FILTERS_SHAPE_ACTION_MAP, false,
     "named lists of actions, for use in several rules by {\"actions\": name}"},
    {"lists", FILTERS_SHAPE_LISTS, false, "named lists, for \"in\" and, as {\"list\": name}, for every operator"},
    {"maps", FILTERS_SHAPE_MAPS, false, "named maps for lookup(): a key and its value"},
    {"zone", FILTERS_SHAPE_TEXT, false,
     "the zone of times and dates that name none, for all files: \"Europe/Berlin\"; default: UTC"},
    {"trusted_authserv", FILTERS_SHAPE_AUTHSERV, false,
     "whose Authentication-Results are believed, for all files: the name in them, and the clients that bring them"},
    {"groups", FILTERS_SHAPE_GROUPS, false, "named groups of rules that \"goto\" leads into"},
    {"tests", FILTERS_SHAPE_TESTS, false,
     "messages with the expected result; rules whose tests fail are not put in force"},
    END,
};

const struct filters_key filters_rule_keys[] = {
    {"name", FILTERS_SHAPE_TEXT, true, "the rule's name, which is unique; used in logs, metrics and tests"},
    {"if", FILTERS_SHAPE_CONDITION, false, "when the rule acts; default: always"},
    {"then", FILTERS_SHAPE_ACTIONS, true, "what the rule does, in order"},
    {"on_error", FILTERS_SHAPE_ON_ERROR, false,
     "when a limit is hit while the condition is decided: \"defer\" the message (451), \"skip\" the rule, or go to the "
     "\"default\""},
    {"enabled", FILTERS_SHAPE_BOOLEAN, false, "false: the rule is checked but not tried"},
    {"off", FILTERS_SHAPE_TEXT, false, "the same, with the reason why the rule is off"},
    {"state", FILTERS_SHAPE_STATE, false,
     "\"watch\": the rule is tried, counted and reported but does nothing; default: \"active\""},
    {"until", FILTERS_SHAPE_DATE, false, "the last day on which the rule is tried, \"2026-12-31\""},
    END,
};

const struct filters_key filters_group_keys[] = {
    {"rules", FILTERS_SHAPE_RULES, true, "the rules of the group, in order"},
    {"match", FILTERS_SHAPE_MATCH, false,
     "\"first\": after the first rule that matches, no further rule of this group is tried; default: \"all\""},
    {"default", FILTERS_SHAPE_ACTIONS, false, "the actions when no rule of the group took the message"},
    END,
};

const struct filters_key filters_test_subject_keys[] = {
    {"field", FILTERS_SHAPE_FIELD, false, "the value to look at: of the envelope, the connection or the message"},
    {"header", FILTERS_SHAPE_TEXTS, false,
     "or the header fields with this name, or with these names; \"*\" is every field"},
    {"part", FILTERS_SHAPE_PART, false, "which part of the field, such as the domain of an address"},
    {"ignore_case", FILTERS_SHAPE_BOOLEAN, false,
     "compare without regard to case; addresses and host names always are, but for \"matches\""},
    {"of", FILTERS_SHAPE_TEXT, false,
     "or a value as templates write it: \"from.domain | lookup('tenant')\", \"header.Date | age\", \"var.team\""},
    {"zone", FILTERS_SHAPE_TEXT, false,
     "for time, weekday and date: \"Europe/Berlin\", or an offset from UTC: \"+01:00\""},
    {"counter", FILTERS_SHAPE_TEXT, false,
     "or how many messages {\"count\": name} has counted before this one; compared as a number"},
    {"key", FILTERS_SHAPE_TEXT, false,
     "of a counter: only those with the same key, a template; an empty one counts as none"},
    {"within", FILTERS_SHAPE_DURATION, false, "of a counter: only messages within this time, \"1h\"; at most 31d"},
    {"nested", FILTERS_SHAPE_BOOLEAN, false,
     "for body and attachment: false leaves out messages that are attached to the message; true is the default"},
    END,
};

const struct filters_key filters_junction_keys[] = {
    {"all", FILTERS_SHAPE_CONDITIONS, false, "all of these must hold; the first that does not decides"},
    {"any", FILTERS_SHAPE_CONDITIONS, false, "one of these must hold; the first that does decides"},
    {"not", FILTERS_SHAPE_CONDITION, false, "the opposite"},
    {"condition", FILTERS_SHAPE_TEXT, false, "the named condition"},
    {"some", FILTERS_SHAPE_EACH, false, "holds for at least one of the values"},
    {"every", FILTERS_SHAPE_EACH, false, "holds for every value; also when there are no values"},
    {"none", FILTERS_SHAPE_EACH, false, "holds for none of the values"},
    END,
};

/* In the order of enum filters_action_kind. */
const struct filters_key filters_action_keys[] = {
    {"fileinto", FILTERS_SHAPE_TARGETS, false, "file the message into this folder, or these; rules go on"},
    {"copy", FILTERS_SHAPE_TARGETS, false,
     "the same, but the message does not count as taken, so the default still files it"},
    {"stop", FILTERS_SHAPE_TRUE, false, "try no further rules for this recipient"},
    {"reject", FILTERS_SHAPE_REFUSAL, false, "refuse the message permanently (5xx) and stop"},
    {"defer", FILTERS_SHAPE_REFUSAL, false, "refuse the message temporarily (4xx) and stop"},
    {"discard", FILTERS_SHAPE_TRUE, false,
     "accept the message, file nothing more for this recipient, and stop; the log has a line about it"},
    {"hold", FILTERS_SHAPE_TRUE, false, "deliveries after this wait in the spool until an operator releases them"},
    {"addheader", FILTERS_SHAPE_HEADER_EDIT, false, "add a header field to what is filed after this"},
    {"deleteheader", FILTERS_SHAPE_TEXT, false, "delete the header fields of this name from what is filed after this"},
    {"replaceheader", FILTERS_SHAPE_HEADER_EDIT, false,
     "replace the header fields of this name by a single one in what is filed after this"},
    {"tag_subject", FILTERS_SHAPE_TEXT, false, "put this before the subject, once, in what is filed after this"},
    {"set", FILTERS_SHAPE_TEXT_MAP, false, "set variables for later templates of this recipient"},
    {"goto", FILTERS_SHAPE_TEXT, false, "continue in this group; the rules after this one are not tried"},
    {"count", FILTERS_SHAPE_TEXT, false,
     "count the message once in this counter when it is acknowledged; \"key\" beside it chooses the key"},
    {"actions", FILTERS_SHAPE_TEXT, false, "do the named actions here"},
    END,
};

bool filters_action_ends(enum filters_action_kind kind)
{
    return kind == FILTERS_STOP || kind == FILTERS_REJECT || kind == FILTERS_DEFER || kind == FILTERS_DISCARD ||
           kind == FILTERS_GOTO;
}

const struct filters_key filters_count_keys[] = {
    {"key", FILTERS_SHAPE_TEXT, false,
     "the key to count under, a template; with an empty key the message is not counted"},
    END,
};

const struct filters_key filters_target_keys[] = {
    {"upstream", FILTERS_SHAPE_TEXT, false,
     "the upstream's name; default: the upstream of the configuration's default"},
    {"fallback", FILTERS_SHAPE_TEXT, false,
     "short for \"else\": the upstream that gets the message, in the same folder, when the first one has been down for "
     "its \"fallback_after\""},
    {"folder", FILTERS_SHAPE_TEXT, true,
     "the folder, \"/\" between levels; a template, or the folder with a special use: \"\\Junk\", \"\\Archive\" ..."},
    {"flags", FILTERS_SHAPE_TEXTS, false, "IMAP flags and keywords; keywords are templates"},
    {"date", FILTERS_SHAPE_DATE_SOURCE, false,
     "the date that the folder shows: \"received\", or \"header\", that of the Date field"},
    {"else", FILTERS_SHAPE_WAYS, false,
     "where the message goes instead when that fails, the first that fits; a message that may have been filed already "
     "stays where it is"},
    END,
};

const struct filters_key filters_way_keys[] = {
    {"upstream", FILTERS_SHAPE_TEXT, false, "another upstream; default: the one where the message is"},
    {"folder", FILTERS_SHAPE_TEXT, false, "another folder, a template; default: the same"},
    {"when", FILTERS_SHAPE_WHEN, false,
     "one of these, or a list: \"refused\", the server takes no such folder or lets nobody write into it; \"down>1h\", "
     "the upstream has been down for that long; \"full>30m\", its mailbox has been full for that long; \"down\" and "
     "\"full\" alone, for its \"fallback_after\". By default, each of the three"},
    END,
};

const struct filters_key filters_refusal_keys[] = {
    {"text", FILTERS_SHAPE_TEXT, true, "what the sender hears; a template"},
    {"code", FILTERS_SHAPE_NUMBER, false, "the reply's code; default: 550 and 450"},
    {"enhanced", FILTERS_SHAPE_TEXT, false, "the enhanced status code; default: 5.7.1 and 4.7.1"},
    END,
};

const struct filters_key filters_add_keys[] = {
    {"name", FILTERS_SHAPE_TEXT, true, "the field's name"},
    {"value", FILTERS_SHAPE_TEXT, true, "the value of the field; a template"},
    END,
};

const struct filters_key filters_list_file_keys[] = {
    {"file", FILTERS_SHAPE_TEXT, true,
     "a text file, one entry a line, # begins a comment; the path is taken from the rule file's folder"},
    END,
};

const struct filters_key filters_list_name_keys[] = {
    {"list", FILTERS_SHAPE_TEXT, true, "the name of a list in \"lists\""},
    END,
};

const struct filters_key filters_of_keys[] = {
    {"of", FILTERS_SHAPE_TEXT, true, "a value as templates write it"},
    END,
};

const struct filters_key filters_map_keys[] = {
    {"file", FILTERS_SHAPE_TEXT, false,
     "a CSV file, key,value in each line, # begins a comment; or a .json file with one object; the path is taken from "
     "the rule file's folder"},
    {"entries", FILTERS_SHAPE_ENTRIES, false, "or the keys with their values right here"},
    {"by", FILTERS_SHAPE_MAP_BY, false,
     "how a key is found: \"key\", the whole text; \"domain\", an address or domain by the longest matching domain; "
     "\"network\", an address by the longest matching network"},
    {"column", FILTERS_SHAPE_NUMBER, false, "the column of a CSV file that has the value; default: 2"},
    END,
};

const struct filters_key filters_authserv_keys[] = {
    {"name", FILTERS_SHAPE_TEXT, true,
     "the host's name, as it stands first in the Authentication-Results fields of this host"},
    {"from_clients", FILTERS_SHAPE_TEXTS, true,
     "the networks of the clients that bring the fields of this host; anybody could write them elsewhere"},
    END,
};

const struct filters_key filters_case_keys[] = {
    {"name", FILTERS_SHAPE_TEXT, true, "the test's name: what the test shows"},
    {"message", FILTERS_SHAPE_TEXT, false, "a file with the message, from the rule file's folder"},
    {"headers", FILTERS_SHAPE_HEADERS, false, "in the place of a file: the header fields of the message"},
    {"body", FILTERS_SHAPE_TEXT, false, "in the place of a file: the text of the message"},
    {"from", FILTERS_SHAPE_TEXT, true, "envelope sender"},
    {"to", FILTERS_SHAPE_TEXTS, true, "envelope recipients"},
    {"client", FILTERS_SHAPE_TEXT, false, "the client's address; default: 127.0.0.1"},
    {"helo", FILTERS_SHAPE_TEXT, false, "the client's name"},
    {"user", FILTERS_SHAPE_TEXT, false, "the authenticated user"},
    {"listener", FILTERS_SHAPE_TEXT, false, "the listener's name"},
    {"protocol", FILTERS_SHAPE_TEXT, false, "default: ESMTP"},
    {"tls", FILTERS_SHAPE_TEXT, false, "TLS version"},
    {"certificate", FILTERS_SHAPE_TEXT, false, "subject of the client's certificate"},
    {"now", FILTERS_SHAPE_TEXT, false, "time of reception, \"2026-11-23T07:11:20Z\"; default: the present"},
    {"counters", FILTERS_SHAPE_COUNTERS, false,
     "what was counted before: the counter's name with a number, or with an object of keys and numbers; default: 0"},
    {"expect", FILTERS_SHAPE_EXPECT, true, "the expected result"},
    END,
};

const struct filters_key filters_expect_keys[] = {
    {"rules", FILTERS_SHAPE_TEXTS, false, "the rules that acted, in order"},
    {"filed", FILTERS_SHAPE_FILED, false,
     "the deliveries in any order, each as \"upstream:folder\" or as an object that says more about the delivery"},
    {"watched", FILTERS_SHAPE_TEXTS, false, "the rules in the state \"watch\" that would have acted, in order"},
    {"flags", FILTERS_SHAPE_TEXTS, false, "the flags of every delivery, in any order"},
    {"held", FILTERS_SHAPE_BOOLEAN, false, "whether every delivery is held"},
    {"discarded", FILTERS_SHAPE_BOOLEAN, false, "whether the message is accepted and filed nowhere"},
    {"rejected", FILTERS_SHAPE_REFUSED, false, "true, the reply's code, or a part of the reply: a refusal for good"},
    {"deferred", FILTERS_SHAPE_REFUSED, false, "the same for a refusal for now"},
    {"counted", FILTERS_SHAPE_TEXTS, false, "what is counted, in any order: the counter's name, or \"name:key\""},
    {"headers", FILTERS_SHAPE_TEXT_MAP, false, "header fields that edits add or set, with their values"},
    END,
};

const struct filters_key filters_filed_keys[] = {
    {"folder", FILTERS_SHAPE_TEXT, true, "the folder"},
    {"upstream", FILTERS_SHAPE_TEXT, false, "the upstream of the delivery; default: that of the default"},
    {"flags", FILTERS_SHAPE_TEXTS, false, "the flags of the delivery, in any order"},
    {"held", FILTERS_SHAPE_BOOLEAN, false, "whether the delivery is held"},
    {"to", FILTERS_SHAPE_TEXTS, false, "the recipients that the delivery is for, in any order"},
    {"date", FILTERS_SHAPE_DATE_SOURCE, false, "which date the folder shows"},
    {"else", FILTERS_SHAPE_WAYS_FILED, false,
     "the alternative targets in order, each as \"upstream:folder\" or as the rule writes it; a \"fallback\" is one of "
     "them"},
    {"fallback", FILTERS_SHAPE_TEXT, false, "short for \"else\": the same folder of this upstream"},
    END,
};

const char *const filters_when_words[] = {"refused", "down", "full", NULL};
const char *const filters_state_words[] = {"active", "watch", NULL};
const char *const filters_match_words[] = {"all", "first", NULL};
const char *const filters_on_error_words[] = {
    [FILTERS_ERROR_DEFER] = "defer", [FILTERS_ERROR_SKIP] = "skip", [FILTERS_ERROR_DEFAULT] = "default", NULL};
const char *const filters_date_words[] = {"received", "header", NULL};
const char *const filters_weekdays[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat", NULL};

void filters_key_names(const struct filters_key *keys, const char **names, unsigned max)
{
    unsigned count = 0;
    for (; keys->name != NULL && count + 1 < max; keys++) {
        names[count++] = keys->name;
    }
    names[count] = NULL;
}
