/* reception_refusals: the ring and its file, which has everything when it is closed, however much was under way. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "reception/reception_refusals.h"
#include "test.h"

static json_t *refusal(const struct net_loop *loop, int number, int64_t age_ms)
{
    return json_pack("{s:I, s:s, s:o, s:i}", "time_ms", (json_int_t)(net_wall(loop) - age_ms), "client.address",
                     number % 2 == 0 ? "192.0.2.2" : "192.0.2.1", "id", json_sprintf("ID%d", number), "number", number);
}

static int first_number(const struct reception_refusals *refusals, const char *client, const char *id, size_t wanted)
{
    json_t *list = reception_refusals_list(refusals, client, id, 100000);
    int number = (int)json_integer_value(json_object_get(json_array_get(list, 0), "number"));
    assert_int_equal(json_array_size(list), wanted);
    json_decref(list);
    return number;
}

static void they_are_known_behind_a_restart(void **state)
{
    char folder[] = "/tmp/test_refusals_XXXXXX", path[100];
    (void)state;
    assert_non_null(mkdtemp(folder));
    struct net_loop *loop = net_loop_new();
    struct reception_refusals *refusals = reception_refusals_new(loop);
    reception_refusals_keep(refusals, folder, 3600 * 1000);
    for (int i = 1; i <= 500; i++) {
        json_t *one = refusal(loop, i, i <= 10 ? 2 * 3600 * 1000 : 0);
        reception_refusals_add(refusals, &one);
        assert_null(one);
    }
    reception_refusals_free(&refusals);
    refusals = reception_refusals_new(loop);
    reception_refusals_keep(refusals, folder, 3600 * 1000);
    /* Ten were too old. */
    assert_int_equal(first_number(refusals, NULL, NULL, 490), 500);
    assert_int_equal(first_number(refusals, "192.0.2.1", NULL, 245), 499);
    assert_int_equal(first_number(refusals, NULL, "ID77", 1), 77);
    reception_refusals_free(&refusals);
    net_loop_free(&loop);
    snprintf(path, sizeof path, "%s/refusals.jsonl", folder);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);
}

static void the_ring_and_the_file_are_bounded(void **state)
{
    char folder[] = "/tmp/test_refusals_XXXXXX", path[100], text[3001];
    (void)state;
    assert_non_null(mkdtemp(folder));
    struct net_loop *loop = net_loop_new();
    struct reception_refusals *refusals = reception_refusals_new(loop);
    reception_refusals_keep(refusals, folder, 3600 * 1000);
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    for (int round = 0; round < 40; round++) {
        for (int i = 0; i < 50; i++) {
            json_t *one = refusal(loop, round * 50 + i, 0);
            json_object_set_new(one, "reply.text", json_string(text));
            reception_refusals_add(refusals, &one);
        }
        net_loop_run(loop); /* until the lane has nothing to do */
    }
    assert_int_equal(first_number(refusals, NULL, NULL, RECEPTION_REFUSALS_MAX), 1999);
    reception_refusals_free(&refusals);
    net_loop_free(&loop);
    const char *const names[] = {"refusals.jsonl", "refusals.jsonl.1"};
    for (size_t i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        FILE *file = fopen(path, "rb");
        if (file != NULL) {
            fseek(file, 0, SEEK_END);
            assert_true(ftell(file) < (2L << 20));
            fclose(file);
            unlink(path);
        }
    }
    assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(they_are_known_behind_a_restart),
        cmocka_unit_test(the_ring_and_the_file_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
