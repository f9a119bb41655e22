/* daemon/gateway_node: whether nodes that live decide by different rules. */
#include "test.h"

#include <jansson.h>

#include "daemon/gateway_private.h"
#include "spool/spool_node.h"

static const char *nodes; /* as the spool lists them; NULL: there is one node only */

json_t *__wrap_spool_node_list(const struct spool *spool);

json_t *__wrap_spool_node_list(const struct spool *spool)
{
    assert_null(spool);
    return nodes == NULL ? NULL : json_loads(nodes, 0, NULL);
}

#define NODE(lease, digest) "{\"lease_ms\":" lease ",\"state\":{\"rules_digest\":\"" digest "\"}}"

static void test_rules_differ(void **state)
{
    static const struct {
        const char *nodes;
        bool differ;
    } cases[] = {
        {NULL, false},
        {"[]", false},
        {"[" NODE("9", "a") "]", false},
        {"[" NODE("9", "a") "," NODE("9", "a") "]", false},
        {"[" NODE("9", "a") "," NODE("9", "b") "]", true},
        {"[" NODE("9", "a") "," NODE("9", "a") "," NODE("9", "b") "]", true},
        {"[" NODE("9", "a") "," NODE("9", "b") "," NODE("9", "b") "]", true},
        {"[" NODE("9", "a") "," NODE("0", "b") "]", false},            /* it is dead */
        {"[" NODE("9", "a") "," NODE("9", "") "]", false},             /* it has not said yet */
        {"[" NODE("9", "a") ",{\"lease_ms\":9,\"state\":{}}]", false}, /* nor has this one */
        {"[" NODE("-5", "a") "," NODE("9", "b") "," NODE("9", "b") "]", false},
    };
    const struct gateway gateway = {.spool = NULL};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        nodes = cases[i].nodes;
        if (gateway_rules_differ(&gateway) != cases[i].differ) {
            fail_msg("%s", nodes);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rules_differ)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
