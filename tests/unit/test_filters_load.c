/* What is wrong with a rule file is told with its place, all of it at once; what is hardly meant is a warning. */
#include "filters_fixture.h"

#define RULE(condition, then) "{\"rules\":[{\"name\":\"a\",\"if\":" condition ",\"then\":" then "}]}"
#define FILE_X                "[{\"fileinto\":{\"upstream\":\"corp\",\"folder\":\"X\"}}]"
#define FROM_A                "{\"field\":\"from\",\"is\":\"a\"}"
#define ACTION(action)        RULE(FROM_A, "[" action "]")
#define IF(condition)         RULE(condition, FILE_X)
#define FOLDER(name)                                                                                                   \
    RULE("{\"field\":\"from\",\"matches\":\"(?<p>x)(y)?\"}",                                                           \
         "[{\"fileinto\":{\"upstream\":\"corp\",\"folder\":\"" name "\"}}]")
#define TEST_OF(members) "{\"tests\":[{\"name\":\"t\",\"from\":\"\",\"to\":\"a@b\"," members "}]}"

static const char *const good[] = {
    "{}",
    "{\"rules\": [], \"tests\": []}",
    "{\"$schema\": \"rules.schema.json\", \"description\": \"nothing yet\", \"rules\": []}",
    IF(FROM_A),
    RULE("{\"any\":[{\"not\":" FROM_A "}]}", "[{\"stop\":true}]"),
    "{\"rules\":[{\"name\":\"always\",\"then\":" FILE_X "}]}",
    FOLDER("A/${p}"),
    FOLDER("A/${2}-${0}"),
    FOLDER("A $${p} $ {} \xc3\xa4"),
    FOLDER("${from.domain|default('none')}/${date.year}/${date.month} w${date.week}/${id}"),
    FOLDER("${header.X-Project | slug | first(8) | default('x')}/${subject|replace('/', '}')|default('s')}"),
    IF("{\"header\":[\"To\",\"Cc\"],\"part\":\"domain\",\"in\":[\"example.com\",\".example.net\"]}"),
    IF("{\"field\":\"client\",\"in\":[\"10.0.0.0/8\",\"::1\"]}"),
    IF("{\"field\":\"size\",\"over\":\"25MiB\"}"),
    IF("{\"field\":\"size\",\"between\":[1,\"1KiB\"]}"),
    IF("{\"field\":\"time\",\"between\":[\"18:00\",\"08:00\"],\"zone\":\"+01:00\"}"),
    IF("{\"field\":\"weekday\",\"in\":[\"sat\",\"sun\"]}"),
    IF("{\"field\":\"date\",\"at_least\":\"2026-12-24\"}"),
    IF("{\"field\":\"attachment\",\"part\":\"count\",\"is\":0}"),
    IF("{\"field\":\"tls\",\"exists\":false}"),
    "{\"lists\":{\"l\":[\"a\"]},\"conditions\":{\"c\":{\"field\":\"from\",\"in\":\"l\"}},"
    "\"rules\":[{\"name\":\"a\",\"if\":{\"condition\":\"c\"},\"then\":[{\"goto\":\"g\"}]}],"
    "\"groups\":{\"g\":{\"rules\":[{\"name\":\"b\",\"then\":[{\"discard\":true}]}],\"default\":[{\"hold\":true}]}}}",
    ACTION("{\"reject\":\"no\"}"),
    ACTION("{\"defer\":{\"text\":\"later\",\"code\":451,\"enhanced\":\"4.3.0\"}}"),
    ACTION("{\"fileinto\":[{\"folder\":\"A\"},{\"upstream\":\"archive\",\"folder\":\"B\",\"date\":\"header\",\"flags\":"
           "\"from-${from.domain}\"}]}"),
    ACTION("{\"addheader\":{\"name\":\"X-A\",\"value\":\"${from}\"}},{\"deleteheader\":\"X-B\"},{\"tag_subject\":\"[x] "
           "\"}"),
    ACTION("{\"set\":{\"team\":\"ops\"}},{\"fileinto\":{\"folder\":\"T/${team|default('x')}\"}}"),
    TEST_OF("\"message\":\"m.eml\",\"expect\":{\"filed\":[]}"),
    TEST_OF("\"headers\":{\"Subject\":\"x\"},\"now\":\"2026-11-23T07:11:20Z\",\"expect\":{\"rejected\":\"5.7.1\"}"),
};

static const struct {
    const char *text;
    const char *says[3]; /* one for each problem */
} broken[] = {
    {"[]", {"r.json:1:1: error: a rule file is an object"}},
    {"{\"rulez\":[]}", {"did you mean \"rules\"? (at /rulez)"}},
    {"{\"rules\":{}}", {"must be a list of rules"}},
    {"{\"rules\":[1]}", {"a rule is an object"}},
    {"{\"rules\":[{\"name\":\"a\"}]}", {"\"then\" is missing"}},
    {"{\"rules\":[{\"then\":" FILE_X "}]}", {"\"name\" is missing"}},
    {"{\"rules\":[{\"name\":\"a\",\"then\":[{\"fileinto\":{\"folder\":\"\\\\Spam\"}}]}]}", {"a special use"}},
    {"{\"rules\":[{\"name\":\"a\",\"then\":[{\"fileinto\":{\"folder\":\"\\\\Junk/x\"}}]}]}", {"a special use"}},
    {"{\"rules\":[{\"name\":\"a\",\"then\":[{\"fileinto\":{\"folder\":\"\\\\Junk${from.user}\"}}]}]}",
     {"a special use"}},
    {"{\"rules\":[{\"name\":\"\",\"then\":" FILE_X "}]}", {"1 to 100 printable"}},
    {"{\"rules\":[{\"name\":\"a\",\"on_error\":\"drop\",\"then\":" FILE_X "}]}", {"there is no choice \"drop\""}},
    {"{\"rules\":[{\"name\":\"a\",\"enabled\":1,\"then\":" FILE_X "}]}", {"must be true or false"}},
    {"{\"rules\":[{\"name\":\"a\",\"then\":" FILE_X "},\n{\"name\":\"a\",\"then\":" FILE_X "}]}",
     {"r.json:2:1: error: another rule"}},
    {IF("{\"field\":\"form\",\"is\":\"a\"}"),
     {"there is no field \"form\"; did you mean \"from\"? (at /rules/0/if/field)"}},
    {IF("[" FROM_A "]"), {"write {\"all\": [...]} when all of these must hold"}},
    {IF("\"x\""), {"a condition is an object, such as"}},
    {IF("{\"field\":\"from\",\"is\":5}"), {"write \"5\" in quotes"}},
    {IF("{\"field\":\"from\",\"is\":[\"a\",5]}"), {"write \"5\" in quotes"}},
    {IF("{\"header\":\"X-N\",\"over\":5}"), {"{\"of\": \"header.NAME | number\"}"}},
    {IF("{\"field\":\"subject\",\"is\":\"x\"}"), {"write {\"header\": \"Subject\", ...}"}},
    {IF("{\"field\":\"X-Mailer\",\"is\":\"x\"}"), {"write {\"header\": \"X-Mailer\", ...}"}},
    {"{\"conditions\":{\"night\":" FROM_A
     "},\"rules\":[{\"name\":\"a\",\"if\":{\"condition\":\"nigth\"},\"then\":" FILE_X "}]}",
     {"there is no condition \"nigth\"; did you mean \"night\"?"}},
    {ACTION("{\"fileinto\":\"X\"}"), {"a target is an object: write {\"folder\": \"X\"}"}},
    {ACTION("\"stop\""), {"an action is an object: write {\"stop\": true}"}},
    {ACTION("\"fileinto\""), {"an action is an object: write {\"fileinto\": ...}"}},
    {ACTION("{\"addheader\":{\"name\":\"X\",\"value\":\"a\\nb\"}}"),
     {"without line breaks (at /rules/0/then/0/addheader/value)"}},
    {ACTION("{\"replaceheader\":{\"name\":\"X\",\"value\":\"a\\r\"}}"), {"without line breaks"}},
    {ACTION("{\"tag_subject\":\"a\\nBcc: x\"}"), {"without line breaks"}},
    {"{\"rules\":[{\"name\":\"red-builds\",\"then\":" FILE_X
     "}],\"tests\":[{\"name\":\"t\",\"from\":\"\",\"to\":\"a@b\","
     "\"message\":\"m\",\"expect\":{\"rules\":[\"red-build\"]}}]}",
     {"did you mean \"red-builds\"?"}},
    {IF("{\"of\":\"from | lowr\",\"is\":\"a\"}"),
     {"did you mean \"lower\"? (at character 8 of \"from | lowr\") (at /rules/0/if/of)"}},
    {IF("{\"of\":\"form\",\"is\":\"a\"}"), {"did you mean ${from}? (at character 1 of"}},
    {IF("{\"of\":\"\",\"is\":\"a\"}"), {"no value is named here"}},
    {IF("{\"of\":\"from lower\",\"is\":\"a\"}"), {"write \"|\" between"}},
    {IF("{\"of\":\"header.X[0]\",\"is\":\"a\"}"), {"[first], [last], [2], [-2] (at character 9"}},
    {IF("{\"of\":\"header.X[first\",\"is\":\"a\"}"), {"[first], [last]"}},
    {IF("{\"of\":\"header.X | number\",\"contains\":\"a\"}"), {"where the values are numbers"}},
    {IF("{\"of\":\"header.X | number\",\"over\":\"many\"}"), {"a number such as 5 or 7.5"}},
    {IF("{\"of\":\"header.Date | age\",\"over\":2}"), {"a duration such as"}},
    {IF("{\"of\":\"header.Date | zone('Europe/Berlin')\",\"is\":\"a\"}"), {"\"zone\" follows a date"}},
    {IF("{\"of\":\"header.Date | date | zone('Europe/Berln')\",\"is\":\"2026-12-24\"}"), {"no zone \"Europe/Berln\""}},
    {IF("{\"of\":\"from | month\",\"is\":1}"), {"\"month\" follows a date"}},
    {IF("{\"of\":\"from | lookup('t')\",\"is\":\"a\"}"), {"there is no map \"t\""}},
    {IF("{\"of\":\"from | replace_pattern('(','b')\",\"is\":\"a\"}"), {"does not compile"}},
    {IF("{\"of\":\"from | replace_pattern('a','$1')\",\"is\":\"a\"}"), {"the number of a group of the pattern"}},
    {IF("{\"of\":\"from | split('')\",\"is\":\"a\"}"), {"cannot split at nothing"}},
    {IF("{\"of\":\"var.none\",\"is\":\"a\"}"), {"no rule sets a variable \"none\""}},
    {IF("{\"of\":\".name\",\"is\":\"a\"}"), {"this is not inside one"}},
    {IF("{\"of\":\"from\",\"part\":\"domain\",\"is\":\"a\"}"), {"cannot be used beside \"of\""}},
    {IF("{\"of\":\"from\",\"is\":{\"of\":\"size\"}}"), {"one is a text, the other a count"}},
    {IF("{\"of\":\"from\",\"matches\":{\"of\":\"to\"}}"), {"does not take a value of the message"}},
    {IF("{\"of\":\"attachments.host\",\"is\":\"a\"}"), {"no such part"}},
    {IF("{\"of\":\"attachments[first].host\",\"is\":\"a\"}"), {"there is .name, .type, .size"}},
    {IF("{\"of\":\"subject[first].name\",\"is\":\"a\"}"), {"these values have no attributes"}},
    {IF("{\"some\":{\"of\":\"attachments\"}}"), {"a test has one of \"is\""}},
    {IF("{\"some\":{\"is\":\"a\"}}"), {"an object with \"of\" (the values)"}},
    {IF("{\"every\":{\"of\":\"attachments\",\"all\":[{\"of\":\".nam\",\"is\":\"x\"}]}}"),
     {"there is .name, .type, .size"}},
    {IF("{\"header\":\"Subject\",\"contains\":{\"list\":\"wrods\"}}"), {"there is no list \"wrods\""}},
    {IF("{\"header\":\"Subject\",\"matches\":[\"a\",\"(\"]}"),
     {"does not compile: missing closing parenthesis, at offset 1 of the pattern (at /rules/0/if/matches/1)"}},
    {"{\"maps\":{\"m\":{\"by\":\"network\",\"entries\":{\"10.0.0.300\":\"x\"}}}}", {"is not a network"}},
    {"{\"maps\":{\"m\":{\"by\":\"net\",\"entries\":{}}}}", {"there is no choice \"net\""}},
    {"{\"maps\":{\"m\":{\"A\":\"x\",\"a\":\"y\"}}}", {"\"a\" is in the map twice"}},
    {"{\"maps\":{\"m\":{\"a\":1}}}", {"a value in a map must be a text (at /maps/m/a)"}},
    {"{\"rules\":[{\"name\":\"a\",\"state\":\"wach\",\"then\":" FILE_X "}]}", {"did you mean \"watch\"?"}},
    {"{\"rules\":[{\"name\":\"a\",\"until\":\"soon\",\"then\":" FILE_X "}]}",
     {"must be a date such as \"2026-12-31\""}},
    {"{\"rules\":[{\"name\":\"a\",\"enabled\":true,\"off\":\"x\",\"then\":" FILE_X "}]}", {"keep one of them"}},
    {"{\"groups\":{\"g\":{\"match\":\"frist\",\"rules\":[]}}}", {"did you mean \"first\"?"}},
    {"{\"actions\":{\"file\":" FILE_X "},\"rules\":[{\"name\":\"a\",\"then\":[{\"actions\":\"fiel\"}]}]}",
     {"did you mean \"file\"? (at /rules/0/then/0/actions)"}},
    {"{\"actions\":{\"a\":[{\"actions\":\"b\"}],\"b\":[{\"actions\":\"a\"}]},\"rules\":[{\"name\":\"a\",\"then\":[{"
     "\"actions\":\"a\"}]}]}",
     {"use themselves"}},
    {"{\"actions\":{\"a\":[{\"fileinto\":{\"folder\":\"${q}\"}}]},\"rules\":[{\"name\":\"a\",\"then\":[{\"actions\":"
     "\"a\"}]}]}",
     {"${q}: no pattern"}},
    {TEST_OF("\"message\":\"m\",\"expect\":{\"filed\":[{\"flags\":[]}]}"), {"\"folder\" is missing"}},
    {TEST_OF("\"message\":\"m\",\"expect\":{\"filed\":[1]}"), {"a delivery is \"upstream:folder\", or"}},
    {IF("{\"of\":\"auth.dmarc\",\"is\":\"pass\"}"), {"\"trusted_authserv\" is missing"}},
    {"{\"trusted_authserv\":[{\"name\":\"mx\"}]}", {"\"from_clients\" is missing"}},
    {"{\"trusted_authserv\":[{\"name\":\"mx\",\"from_clients\":[]}]}", {"no field would be believed"}},
    {"{\"trusted_authserv\":[{\"name\":\"mx\",\"from_clients\":[\"mx.example\"]}]}",
     {"\"mx.example\" is not a network"}},
    {IF("{\"of\":\"parts('a','b')\",\"exists\":true}"), {"takes one media type"}},
    {IF("{\"of\":\"parts('text/calendar'\",\"exists\":true}"), {"takes one media type"}},
    {IF("{\"of\":\"parts.name\",\"exists\":true}"), {"there is .type, .text"}},
    {"{\"maps\":{\"m\":[]}}", {"a map must be an object"}},
    {"{\"zone\":\"Berlin\"}", {"there is no zone \"Berlin\""}},
    {"{\"rules\":[{\"name\":\"a\",\"if\":{\"of\":\"var.team\",\"is\":\"x\"},\"then\":[{\"stop\":true}]},\n{\"name\":"
     "\"b\",\"then\":[{\"set\":{\"team\":\"x\"}}]}]}",
     {"set only by a later rule (r.json:2"}},
    {IF("{\"is\":\"a\"}"), {"\"field\" or \"header\""}},
    {IF("{\"field\":\"from\",\"header\":\"X\",\"is\":\"a\"}"), {"either \"field\" or \"header\""}},
    {IF("{\"header\":\"X Y\",\"is\":\"a\"}"), {"not the name of a header field"}},
    {IF("{\"header\":[],\"is\":\"a\"}"), {"no header field is named"}},
    {IF("{\"field\":\"from\"}"), {"a test has one of \"is\""}},
    {IF("{\"field\":\"from\",\"is\":\"a\",\"in\":[\"b\"]}"), {"\"is\" and \"in\" are two tests"}},
    {IF("{\"field\":\"from\",\"is\":{}}"), {"must be a text, a number, or a list"}},
    {IF("{\"field\":\"from\",\"is\":[]}"), {"nothing to compare with"}},
    {IF("{\"field\":\"from\",\"contains\":\"\"}"), {"every text contains the empty text"}},
    {IF("{\"field\":\"from\",\"over\":3}"), {"\"over\" cannot be used here"}},
    {IF("{\"field\":\"size\",\"contains\":\"3\"}"), {"\"contains\" cannot be used here"}},
    {IF("{\"field\":\"size\",\"over\":\"big\"}"), {"a size such as \"25MiB\""}},
    {IF("{\"field\":\"size\",\"over\":-1}"), {"must be a number"}},
    {IF("{\"field\":\"size\",\"between\":[2,1]}"), {"the first value is larger than the second"}},
    {IF("{\"field\":\"time\",\"is\":\"25:00\"}"), {"a time of day"}},
    {IF("{\"field\":\"date\",\"is\":\"2026-13-01\"}"), {"a date such as"}},
    {IF("{\"field\":\"weekday\",\"is\":\"monday\"}"), {"a weekday"}},
    {IF("{\"field\":\"weekday\",\"is\":\"mon\",\"zone\":\"CETX\"}"), {"offset from UTC"}},
    {IF("{\"field\":\"from\",\"is\":\"mon\",\"zone\":\"+01:00\"}"), {"for time, weekday and date"}},
    {IF("{\"field\":\"client\",\"in\":[\"10.0.0.0/8\",\"10.0.0.300\"]}"),
     {"\"10.0.0.300\" is not a network such as \"10.0.0.0/8\" or one address (at /rules/0/if/in/1)"}},
    {IF("{\"field\":\"from\",\"part\":\"host\",\"is\":\"a\"}"), {"there is no part \"host\""}},
    {IF("{\"field\":\"size\",\"part\":\"domain\",\"is\":1}"), {"\"size\" has no parts"}},
    {IF("{\"field\":\"from\",\"in\":\"vips\"}"), {"there is no list \"vips\""}},
    {IF("{\"field\":\"from\",\"in\":[1]}"), {"an entry in a list must be a text (at /rules/0/if/in/0)"}},
    {IF("{\"field\":\"from\",\"in\":{\"file\":\"none.txt\"}}"), {"list files cannot be read here"}},
    {IF("{\"condition\":\"c\"}"), {"there is no condition \"c\""}},
    {"{\"conditions\":{\"a\":{\"not\":{\"condition\":\"b\"}},\"b\":{\"condition\":\"a\"}},\"rules\":[]}",
     {"uses itself"}},
    {"{\"conditions\":{\"a\":{\"field\":\"x\",\"is\":\"1\"}},\"rules\":[]}", {"there is no field \"x\""}},
    {IF("{\"field\":\"from\",\"matches\":\"(\"}"), {"does not compile: missing closing parenthesis, at offset 1"}},
    {IF("{\"field\":\"from\",\"matches\":\"\\\\C\"}"), {"does not compile"}},
    {IF("{\"field\":\"from\",\"matches\":\"a\",\"ignore_case\":1}"), {"must be true or false"}},
    {IF("{\"all\":[]}"), {"one or more conditions (at /rules/0/if/all)"}},
    {IF("{\"all\":[" FROM_A ",{\"not\":[]}],\"x\":1}"),
     {"unknown key \"x\"", "{\"any\": [...]} when one is enough (at /rules/0/if/all/1/not)"}},
    {RULE(FROM_A, "[]"), {"one or more actions"}},
    {ACTION("{}"), {"an empty action"}},
    {ACTION("{\"stop\":false}"), {"must be true, or left out"}},
    {ACTION("{\"stop\":true,\"discard\":true}"), {"two actions"}},
    {ACTION("{\"fielinto\":{}}"), {"did you mean \"fileinto\"?"}},
    {ACTION("{\"fileinto\":{}}"), {"\"folder\" is missing"}},
    {ACTION("{\"fileinto\":[]}"), {"an empty list of targets"}},
    {ACTION("{\"fileinto\":{\"upstream\":\"crop\",\"folder\":\"X\",\"flags\":[\"\\\\Deleted\"]}}"),
     {"did you mean \"corp\"?", "\"\\Deleted\" cannot be a flag"}},
    {ACTION("{\"fileinto\":{\"folder\":\"X\",\"flags\":\"a b\"}}"), {"without blanks"}},
    {ACTION("{\"fileinto\":{\"folder\":\"X\",\"flags\":\"${q}\"}}"), {"${q}: no pattern"}},
    {ACTION("{\"fileinto\":{\"folder\":\"X\",\"date\":\"now\"}}"), {"there is no choice \"now\""}},
    {ACTION("{\"reject\":{\"text\":\"x\",\"code\":450}}"), {"the code of \"reject\" must be from 500 to 599"}},
    {ACTION("{\"defer\":{\"text\":\"x\",\"enhanced\":\"5.7.1\"}}"), {"enhanced status code such as \"4.7.1\""}},
    {ACTION("{\"addheader\":{\"name\":\"X A\",\"value\":\"x\"}}"), {"not the name of a header field"}},
    {ACTION("{\"replaceheader\":{\"name\":\"received\",\"value\":\"x\"}}"), {"cannot be changed"}},
    {IF("{\"subject\":\"x\"}"), {"write {\"header\": \"Subject\", ...} (at /rules/0/if/subject)"}},
    {IF("{\"from\":\"a@b.example\"}"), {"write {\"field\": \"from\", \"is\": ...}"}},
    {IF("{\"field\":\"from\",\"equals\":\"x\"}"), {"there is no \"equals\"; did you mean \"is\"?"}},
    {IF("{\"or\":[" FROM_A "]}"), {"did you mean \"any\"?"}},
    {IF("{\"not\":" FROM_A ",\"field\":\"to\",\"is\":\"y\"}"), {"\"not\" and \"field\" are two conditions"}},
    {IF("{\"of\":\"${from}\",\"is\":\"x\"}"), {"without \"${\" and \"}\": \"from\""}},
    {IF("{\"of\":\"from.domian\",\"is\":\"x\"}"), {"did you mean \"from.domain\"?"}},
    {IF("{\"header\":\"X\",\"matches\":[\"a\",\"(q\"]}"), {"\"(q\" does not compile", "(at /rules/0/if/matches/1)"}},
    {"{\"lists\":{\"l\":[\"5\",\"x\"]},\"rules\":[{\"name\":\"a\",\"if\":{\"field\":\"size\",\"in\":\"l\"},"
     "\"then\":" FILE_X "}]}",
     {"\"x\" is not"}},
    {ACTION("{\"fileinto\":{\"folder\":\"X\",\"else\":\"b\"}}"),
     {"write {\"upstream\": \"b\"} or {\"folder\": \"b\"}"}},
    {ACTION("{\"tag_subject\":\"a\\nb\"}"), {"without line breaks (at /rules/0/then/0/tag_subject)"}},
    {"{\"rules\":[{\"name\":\"a\",\"state\":{\"of\":\"x\"},\"then\":" FILE_X "}]}", {"{\"off\": \"the reason\"}"}},
    {ACTION("{\"set\":{\"1a\":\"x\"}}"), {"a variable's name"}},
    {ACTION("{\"set\":{\"a\":1}}"), {"must be a text"}},
    {ACTION("{\"goto\":\"x\"}"), {"there is no group \"x\""}},
    {"{\"rules\":[{\"name\":\"r\",\"then\":[{\"goto\":\"a\"}]}],\"groups\":{\"a\":{\"rules\":[{\"name\":\"x\",\"then\":"
     "[{\"goto\":\"b\"}]}]},"
     "\"b\":{\"rules\":[{\"name\":\"y\",\"then\":[{\"goto\":\"a\"}]}]}}}",
     {"leads in a circle"}},
    {"{\"groups\":{\"a b\":{\"rules\":[]}}}", {"1 to 100 letters"}},
    {FOLDER(""), {"must not be empty"}},
    {FOLDER("A//B"), {"a level"}},
    {FOLDER("/A"), {"a level"}},
    {FOLDER("A/"), {"a level"}},
    {FOLDER("A/../B"), {"a level"}},
    {FOLDER("A\\u0007"), {"must not have control characters"}},
    {FOLDER("A*"), {"must not have control characters"}},
    {FOLDER("A/${q}"), {"${q}: no pattern of this rule has a group of that name"}},
    {FOLDER("A/${form}"), {"did you mean ${from}?"}},
    {FOLDER("A/${3}"), {"${3}: no pattern of this rule has a group 3"}},
    {FOLDER("A/${p"), {"without its \"}\""}},
    {FOLDER("A/${}"), {"names nothing"}},
    {FOLDER("A/${p|}"), {"there is no function"}},
    {FOLDER("A/${p|lowr}"), {"did you mean \"lower\"?"}},
    {FOLDER("A/${p|first(0)}"), {"first() takes a number"}},
    {FOLDER("A/${p|replace('a')}"), {"replace() takes 2 arguments"}},
    {FOLDER("A/${p|default(x)}"), {"arguments are texts"}},
    {FOLDER("A/${body}"), {"cannot use values from the body"}},
    {FOLDER("A/${from.host}"), {"no such part"}},
    {FOLDER("${1}${1}${1}${1}${1}${1}"), {"longer than 480"}},
    {RULE("{\"not\":{\"field\":\"from\",\"matches\":\"(?<p>x)\"}}",
          "[{\"fileinto\":{\"upstream\":\"corp\",\"folder\":\"${p}\"}}]"),
     {"${p}: no pattern"}},
    {"{\"tests\":[{}]}", {"\"name\" is missing", "\"from\" is missing", "either \"message\""}},
    {"{\"tests\":[{\"name\":\"t\",\"message\":\"m\",\"from\":\"\",\"to\":[],\"expect\":{}}]}",
     {"at least one recipient", "expects nothing"}},
    {TEST_OF("\"message\":\"m\",\"expect\":{\"rules\":[\"x\"]}"), {"expects the rule \"x\", which does not exist"}},
    {TEST_OF("\"message\":\"m\",\"now\":\"today\",\"expect\":{\"filed\":[]}"), {"must be a time such as"}},
    {"{\"rules\":[{\"name\":\"a\",\"iff\":1,\"then\":[{\"stop\":1}]},\n{\"name\":\"b\",\"then\":[{\"halt\":1}]}]}",
     {"unknown key \"iff\"", "must be true, or left out", "r.json:2:22: error: unknown key \"halt\""}},
};

#define TWO(first, second) "{\"rules\":[{\"name\":\"a\"" first "},\n{\"name\":\"b\"" second "}]}"
#define STOP               ",\"then\":[{\"stop\":true}]"

#define LIST(field, one, other)                                                                                        \
    "{\"lists\":{\"l\":[\"" one "\",\"" other "\"]},\"rules\":[{\"name\":\"a\",\"if\":{\"field\":\"" field             \
    "\",\"in\":\"l\"},\"then\":" FILE_X "}]}"

static const struct {
    const char *text, *says; /* NULL: no warning */
} lints[] = {
    {TWO(STOP, STOP), "r.json:2:1: warning: rule \"b\" can never act: every message ends at \"a\""},
    {TWO(",\"if\":" FROM_A STOP, ",\"if\":" FROM_A STOP), "every message that meets the condition ends at \"a\""},
    {TWO(",\"if\":{\"field\":\"from\",\"in\":[\"a\",\"b\"]}" STOP,
         ",\"if\":{\"all\":[" FROM_A ",{\"field\":\"to\",\"is\":\"x\"}]}" STOP),
     "every message that meets the condition ends at"},
    {TWO(",\"if\":" FROM_A STOP, ",\"if\":{\"field\":\"from\",\"in\":[\"a\",\"b\"]}" STOP), NULL},
    {TWO(",\"if\":" FROM_A ",\"then\":" FILE_X, ",\"if\":" FROM_A STOP), NULL},
    {TWO(",\"if\":" FROM_A STOP, ",\"if\":{\"field\":\"to\",\"is\":\"a\"}" STOP), NULL},
    {TWO(",\"enabled\":false" STOP, STOP), NULL},
    {ACTION("{\"stop\":true},{\"discard\":true},{\"hold\":true}"), "never done"},
    {IF("{\"header\":\"X\",\"matches\":\"^(a+)+$\"}"), "\"(a+)+\" is a repetition inside a repetition"},
    {IF("{\"header\":\"X\",\"matches\":\"^(\\\\w+\\\\s?)*!\"}"), "is a repetition inside a repetition"},
    {IF("{\"header\":\"X\",\"matches\":\"^(?:a|aa)+$\"}"), "is a repetition inside a repetition"},
    {IF("{\"header\":\"X\",\"matches\":\"^(?:[a-z]+\\\\.)+com$\"}"), NULL},
    {IF("{\"header\":\"X\",\"matches\":\"^(?>a+)+$\"}"), NULL},
    {IF("{\"header\":\"X\",\"matches\":\"[(a+)+]$\"}"), NULL},
    {FOLDER("A/${2}"), "${2} may be empty"},
    {FOLDER("A/${2|default('x')}"), NULL},
    {FOLDER("A/x${2}"), NULL},
    {FOLDER("A/${p}"), NULL},
    {FOLDER("A/${p|slug}"), "may be empty"},
    {FOLDER("${subject}/B"), "${subject} may be empty"},
    {IF("{\"field\":\"from\",\"is\":\"*@example.net\"}"), "{\"in\": [\"@example.net\"]}"},
    {IF("{\"field\":\"from\",\"is\":\"@example.net\"}"), "\"is\" compares whole addresses"},
    {IF("{\"field\":\"to\",\"is\":[\"a@b.example\",\"<a@b.example>\"]}"),
     "without angle brackets (at /rules/0/if/is/1)"},
    {IF("{\"field\":\"from\",\"in\":[\"example.net\"]}"), "\"@example.net\" in a list of \"in\""},
    {IF("{\"field\":\"from\",\"in\":[\".example.net\"]}"), "write \"@.example.net\""},
    {IF("{\"field\":\"from\",\"is\":\"example.net\"}"), "is not an address"},
    {IF("{\"field\":\"from\",\"is\":[\"\",\"root\",\"a@b.example\"]}"), NULL},
    {IF("{\"field\":\"from\",\"in\":[\"@example.net\",\"*@a.example\",\"@.example.org\"]}"), NULL},
    {IF("{\"field\":\"from\",\"part\":\"domain\",\"is\":\"@example.net\"}"), "write \"example.net\""},
    {IF("{\"field\":\"from\",\"part\":\"domain\",\"in\":[\"*.example.net\"]}"), "\".example.net\" in a list"},
    {IF("{\"field\":\"from\",\"part\":\"domain\",\"in\":[\"a@b.example\"]}"), "write \"b.example\""},
    {LIST("from", "a@b.example", "<q@b.example>"), "\"<q@b.example>\" never matches"},
    {LIST("from", "a@b.example", "b.example"), "\"b.example\" is not an address"},
    {LIST("from", "a@b.example", "*@b.example"), NULL},
    {LIST("helo", "mx.b.example", "a@b.example"), "\"a@b.example\" is not a domain"},
    {LIST("helo", "mx.b.example", "b.example"), NULL},
    {IF("{\"header\":\"From\",\"is\":\"a@b.example\"}"), "add \"part\": \"address\""},
    {IF("{\"header\":[\"To\",\"Cc\"],\"in\":[\"@b.example\"]}"), "add \"part\": \"address\""},
    {IF("{\"of\":\"header.From\",\"is\":\"a@b.example\"}"), "\"header.From.address\""},
    {IF("{\"every\":{\"of\":\"header.To.addresses\",\"in\":[\"b.example\"]}}"), "\"@b.example\" in a list"},
    {IF("{\"some\":{\"of\":\"recipients\",\"any\":[{\"of\":\".domain\",\"is\":\"@b.example\"}]}}"), "is not a domain"},
    {IF("{\"header\":\"Subject\",\"matches\":[\"x\",\"/^CI/i\"]}"), "write \"^CI\""},
    {"{\"lists\":{\"l\":[\"/^CI/"
     "\"]},\"rules\":[{\"name\":\"a\",\"if\":{\"header\":\"X\",\"matches\":{\"list\":\"l\"}},\"then\":" FILE_X "}]}",
     "the slashes are part of the pattern"},
    {IF("{\"field\":\"report\",\"is\":\"bounce\"}"), "\"bounce\" never occurs here: the possible values are dsn"},
    {IF("{\"of\":\"report\",\"in\":[\"dsn\",\"arff\"]}"), "\"arff\" never occurs"},
    {IF("{\"field\":\"protocol\",\"is\":\"esmtps\"}"), NULL},
    {IF("{\"field\":\"protocol\",\"is\":\"smtps\"}"), "never occurs here"},
    {IF("{\"header\":\"From\",\"contains\":\"a@b.example\"}"), NULL},
    {IF("{\"field\":\"attachment\",\"is\":\"*.pdf\"}"), "write {\"ends_with\": \".pdf\"}"},
    {IF("{\"header\":\"Subject\",\"is\":\"CI*\"}"), "write {\"starts_with\": \"CI\"}"},
    {IF("{\"header\":\"Subject\",\"is\":\"*** SPAM ***\"}"), NULL},
    {IF("{\"header\":\"Subject\",\"matches\":\"/^CI/i\"}"), "write \"^CI\" and \"ignore_case\": true"},
    {IF("{\"header\":\"Subject\",\"matches\":\"/^CI/\"}"), "the slashes are part of the pattern"},
    {IF("{\"header\":\"Subject\",\"matches\":\"/var/log/\\\\w+\"}"), NULL},
    {IF("{\"header\":\"Sender\",\"is\":\"${from}\"}"), "{\"is\": {\"of\": \"from\"}}"},
    {"{\"lists\":{\"words\":[\"a\"]},\"rules\":[{\"name\":\"a\",\"if\":{\"header\":\"Subject\",\"contains\":\"words\"},"
     "\"then\":" FILE_X "}]}",
     "{\"contains\": {\"list\": \"words\"}}"},
    {IF("{\"field\":\"date\",\"is\":\"2026-02-30\"}"), "there is no 2026-02-30"},
    {IF("{\"field\":\"date\",\"is\":\"2028-02-29\"}"), NULL},
    {IF("{\"field\":\"date\",\"is\":\"2026-11-20\"}"), "2026-11-20 is past"},
    {IF("{\"field\":\"date\",\"between\":[\"2026-11-01\",\"2026-11-20\"]}"), "2026-11-20 is past"},
    {IF("{\"field\":\"date\",\"between\":[\"2026-11-01\",\"2026-12-31\"]}"), NULL},
    {IF("{\"field\":\"date\",\"under\":\"2026-11-20\"}"), "2026-11-20 is past"},
    {IF("{\"field\":\"date\",\"at_least\":\"2026-11-20\"}"), NULL},
    {IF("{\"of\":\"date\",\"is\":\"2026-11-20\"}"), "2026-11-20 is past"},
    {IF("{\"of\":\"header.Date | date\",\"is\":\"2026-11-20\"}"), NULL},
    {IF("{\"of\":\"header.Date | date\",\"is\":\"2026-02-30\"}"), "there is no 2026-02-30"},
    {ACTION("{\"fileinto\":{\"folder\":\"X\",\"flags\":[\"Seen\"]}}"), "the system flag is \"\\Seen\""},
    {ACTION("{\"fileinto\":{\"folder\":\"X\"}},{\"reject\":\"no\"}"), "refuses the whole message"},
    {ACTION("{\"fileinto\":{\"folder\":\"X\"}},{\"defer\":\"no\"}"), "\"defer\" refuses the whole message"},
    {"{\"rules\":[{\"name\":\"a\",\"then\":[{\"goto\":\"g\"}]}],\"groups\":{\"g\":{\"rules\":[],\"default\":[{\"stop\":"
     "true},{\"hold\":"
     "true}]}}}",
     "the actions after \"stop\" are never done (at /groups/g/default)"},
    {ACTION("{\"fileinto\":{\"folder\":\"X\"}},{\"hold\":true}"), "write it before \"fileinto\""},
    {ACTION("{\"fileinto\":{\"folder\":\"X\"}},{\"tag_subject\":\"[x]\"},{\"stop\":true}"),
     "write it before \"fileinto\""},
    {ACTION("{\"copy\":{\"folder\":\"X\"}},{\"tag_subject\":\"[x]\"}"), NULL},
    {ACTION("{\"fileinto\":{\"folder\":\"X\"}},{\"hold\":true},{\"fileinto\":{\"folder\":\"Y\"}}"), NULL},
    {IF("{\"not\":{\"header\":\"To\",\"part\":\"address\",\"is\":\"a@x\"}}"), "holds when none of them matches"},
    {IF("{\"not\":{\"field\":\"attachment\",\"ends_with\":\".pdf\"}}"), "write \"none\""},
    {IF("{\"not\":{\"header\":\"Subject\",\"is\":\"x\"}}"), NULL},
    {IF("{\"not\":{\"header\":\"To\",\"part\":\"count\",\"over\":3}}"), NULL},
    {IF("{\"not\":{\"header\":\"To\",\"exists\":true}}"), NULL},
    {IF("{\"not\":{\"every\":{\"of\":\"header.To.addresses\",\"ends_with\":\"@x.example\"}}}"), NULL},
    {IF("{\"all\":[{\"field\":\"to\",\"is\":\"a@x\"},{\"field\":\"to\",\"is\":\"b@x\"}]}"),
     "this condition can never hold"},
    {IF("{\"any\":[{\"field\":\"to\",\"is\":\"a@x\"},{\"field\":\"to\",\"is\":\"b@x\"}]}"), NULL},
    {IF("{\"all\":[{\"field\":\"to\",\"is\":\"a@x\"},{\"all\":[{\"field\":\"to\",\"is\":\"b@x\"}]}]}"),
     "this condition can never hold"},
    {IF("{\"all\":[{\"of\":\"recipients\",\"is\":\"a@x\"},{\"of\":\"recipients\",\"is\":\"b@x\"}]}"), NULL},
    {IF("{\"all\":[{\"of\":\"header.X | lower\",\"is\":\"a\"},{\"of\":\"header.X | lower\",\"is\":\"b\"}]}"), NULL},
    {IF("{\"all\":[{\"of\":\"to | split('@')\",\"is\":\"a\"},{\"of\":\"to | split('@')\",\"is\":\"x\"}]}"), NULL},
    {IF("{\"all\":[{\"of\":\"to | lower\",\"is\":\"a\"},{\"of\":\"to | lower\",\"is\":\"x\"}]}"),
     "this condition can never hold"},
    {"{\"conditions\":{\"c\":{\"field\":\"to\",\"is\":\"a@x\"}},\"rules\":[{\"name\":\"a\",\"if\":{\"all\":[{"
     "\"condition\":\"c\"},"
     "{\"field\":\"to\",\"is\":\"b@x\"}]},\"then\":" FILE_X "}]}",
     "this condition can never hold"},
    {"{\"conditions\":{\"c\":{\"not\":{\"header\":\"To\",\"part\":\"address\",\"is\":\"a@x\"}}},\"rules\":[{\"name\":"
     "\"a\",\"if\":"
     "{\"condition\":\"c\"},\"then\":" FILE_X "}]}",
     "holds when none of them matches: write \"none\" for that, and {\"not\": {\"every\": ...}} for \"at least one "
     "does not match\" "
     "(at "
     "/conditions/c)"},
    {IF("{\"not\":{\"any\":[{\"header\":\"To\",\"part\":\"address\",\"is\":\"a@x\"}," FROM_A "]}}"), "write \"none\""},
    {IF("{\"all\":[{\"field\":\"to\",\"is\":[\"a@x\",\"b@x\"]},{\"field\":\"to\",\"is\":\"b@x\"}]}"), NULL},
    {FOLDER("${to.detail}/B"), "${to.detail} may be empty"},
    {RULE("{\"all\":[{\"field\":\"to\",\"part\":\"detail\",\"exists\":true}," FROM_A "]}",
          "[{\"fileinto\":{\"folder\":\"${to.detail}\"}}]"),
     NULL},
    {RULE("{\"any\":[{\"field\":\"to\",\"part\":\"detail\",\"exists\":true}," FROM_A "]}",
          "[{\"fileinto\":{\"folder\":\"${to.detail}\"}}]"),
     "may be empty"},
    {"{\"rules\":[{\"name\":\"a\",\"until\":\"2026-11-22\",\"then\":" FILE_X "}]}",
     "2026-11-22 is past: the rule is no longer tried"},
    {"{\"rules\":[{\"name\":\"a\",\"until\":\"2026-11-23\",\"then\":" FILE_X "}]}", NULL},
    {"{\"rules\":[{\"name\":\"a\",\"until\":\"2027-02-30\",\"then\":" FILE_X "}]}", "there is no 2027-02-30"},
    {RULE("{\"counter\":\"c\",\"key\":\"${from}\",\"over\":1,\"within\":\"1h\"}", "[{\"count\":\"c\"}]"),
     "always counted without"},
    {RULE("{\"counter\":\"c\",\"over\":1,\"within\":\"1h\"}", "[{\"count\":\"c\",\"key\":\"x\"}]"),
     "always counted with one"},
    {RULE("{\"counter\":\"c\",\"over\":1,\"within\":\"1h\"}", "[{\"count\":\"c\"}]"), NULL},
    {RULE("{\"not\":{\"header\":\"X\",\"exists\":false}}", "[{\"fileinto\":{\"folder\":\"${header.X}\"}}]"), NULL},
    {RULE("{\"some\":{\"of\":\"header.X\",\"starts_with\":\"a\"}}", "[{\"fileinto\":{\"folder\":\"${header.X}\"}}]"),
     NULL},
    {RULE("{\"every\":{\"of\":\"header.X\",\"starts_with\":\"a\"}}", "[{\"fileinto\":{\"folder\":\"${header.X}\"}}]"),
     "may be empty"},
    {"{\"actions\":{\"a\":" FILE_X "}}", "no rule uses the list of actions \"a\""},
    {TWO(",\"state\":\"watch\"" STOP, STOP), NULL},
    {TWO(",\"until\":\"2026-12-31\"" STOP, STOP), NULL},
    {"{\"rules\":[{\"name\":\"r\",\"then\":[{\"goto\":\"g\"}]}],\"groups\":{\"g\":{\"match\":\"first\",\"rules\":[{"
     "\"name\":\"x\",\"then\":" FILE_X "},{\"name\":\"y\",\"then\":" FILE_X "}]}}}",
     "rule \"y\" can never act"},
    {ACTION("{\"set\":{\"team\":\"x\"}}"), "the variable \"team\" is set but never used"},
    {"{\"maps\":{\"m\":{\"a\":\"b\"}}}", "no rule uses the map \"m\""},
    {"{\"lists\":{\"l\":[\"a\"]}}", "no rule uses the list \"l\""},
    {"{\"conditions\":{\"c\":" FROM_A "}}", "no rule uses the condition \"c\""},
    {"{\"groups\":{\"g\":{\"rules\":[]}}}", "no \"goto\" leads into the group \"g\""},
};

static void good_files_load(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct buf out;
        buf_init(&out, 1 << 16);
        struct filters_set *set = fixture_load(good[i], &out);
        if (set == NULL) {
            fail_msg("%s: %s", good[i], buf_text(&out));
        }
        filters_set_free(&set);
        buf_done(&out);
    }
}

static void broken_files_say_what_is_wrong(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        struct buf out;
        buf_init(&out, 1 << 16);
        assert_null(fixture_load(broken[i].text, &out));
        for (size_t j = 0; j < 3 && broken[i].says[j] != NULL; j++) {
            if (strstr(buf_text(&out), broken[i].says[j]) == NULL) {
                fail_msg("%s says\n%s\n  not: %s", broken[i].text, buf_text(&out), broken[i].says[j]);
            }
        }
        buf_done(&out);
    }
}

static void what_is_hardly_meant_is_warned_of(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof lints / sizeof *lints; i++) {
        struct buf out;
        buf_init(&out, 1 << 16);
        struct filters_set *set = fixture_load(lints[i].text, &out);
        const char *said = buf_text(&out);
        if (set == NULL || (lints[i].says == NULL ? said[0] != '\0' : strstr(said, lints[i].says) == NULL)) {
            fail_msg("%s says\n%s\n  not: %s", lints[i].text, said, lints[i].says == NULL ? "nothing" : lints[i].says);
        }
        filters_set_free(&set);
        buf_done(&out);
    }
}

/* A rule far behind the one that takes its messages is warned of, too: all of them are compared. */
static void a_shadow_may_be_far_before(void **state)
{
    (void)state;
    struct buf text, out;
    buf_init(&text, 1 << 20);
    buf_init(&out, 1 << 20);
    buf_append_text(&text, "{\"rules\":[");
    for (int i = 0; i < 3000; i++) {
        buf_printf(
            &text,
            "{\"name\":\"r%d\",\"if\":{\"field\":\"from\",\"is\":\"a%d@x.example\"},\"then\":[{\"stop\":true}]},\n", i,
            i % 2999);
    }
    buf_append_text(&text, "{\"name\":\"last\",\"if\":{\"header\":\"X\",\"is\":\"1\"},\"then\":[{\"stop\":true}]}]}");
    struct filters_set *set = fixture_load(buf_text(&text), &out);
    assert_non_null(set);
    assert_string_equal(buf_text(&out), "r.json:3000:1: warning: rule \"r2999\" can never act: every message that "
                                        "meets the condition ends at \"r0\" (r.json:1)\n");
    filters_set_free(&set);
    buf_done(&text);
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_files_load),
        cmocka_unit_test(broken_files_say_what_is_wrong),
        cmocka_unit_test(what_is_hardly_meant_is_warned_of),
        cmocka_unit_test(a_shadow_may_be_far_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
