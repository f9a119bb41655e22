/* reception_clients: what became of whom, how much of it may be told in a minute, and how many are known. */
#include <stdio.h>

#include "reception/reception_clients.h"
#include "test.h"

static const uint8_t seed[16] = "0123456789abcdef";

static void a_minute_has_so_many(void **state)
{
    struct reception_clients *clients = reception_clients_new(seed);
    const char *address;
    unsigned count, told = 0;
    (void)state;
    for (uint64_t now = 100000; now < 110000; now += 1000) {
        told += reception_clients_may_tell(clients, "192.0.2.1", now, 3) ? 1 : 0;
        assert_true(reception_clients_may_tell(clients, "192.0.2.2", now, 0));
    }
    assert_int_equal(told, 3);
    assert_true(reception_clients_have_untold(clients));
    assert_false(reception_clients_untold(clients, 159999, &address, &count));
    assert_true(reception_clients_untold(clients, 160000, &address, &count));
    assert_string_equal(address, "192.0.2.1");
    assert_int_equal(count, 7);
    assert_false(reception_clients_untold(clients, 160000, &address, &count));
    assert_false(reception_clients_have_untold(clients));
    assert_true(reception_clients_may_tell(clients, "192.0.2.1", 160001, 3));
    reception_clients_free(&clients);
}

static void a_v6_network_is_one_client(void **state)
{
    struct reception_clients *clients = reception_clients_new(seed);
    char address[64];
    unsigned told = 0;
    (void)state;
    for (int i = 1; i <= 100; i++) {
        snprintf(address, sizeof address, "2001:db8:0:1::%x", i);
        told += reception_clients_may_tell(clients, address, 100000, 3) ? 1 : 0;
    }
    assert_int_equal(told, 3);
    reception_clients_free(&clients);
}

static void the_quietest_is_forgotten(void **state)
{
    struct reception_clients *clients = reception_clients_new(seed);
    char address[64];
    (void)state;
    for (int i = 0; i < RECEPTION_CLIENTS_MAX + 5; i++) {
        snprintf(address, sizeof address, "10.0.%d.%d", i / 256, i % 256);
        reception_clients_note(clients, address, "in", RECEPTION_CLIENT_SESSION, 1000 + i);
        reception_clients_note(clients, "10.9.9.9", "in", i == 0 ? RECEPTION_CLIENT_ACCEPTED : RECEPTION_CLIENT_REFUSED,
                               1000 + i);
    }
    json_t *all = reception_clients_list(clients, NULL, 100000);
    assert_int_equal(json_array_size(all), RECEPTION_CLIENTS_MAX);
    json_decref(all);
    json_t *one = reception_clients_list(clients, "10.9.9.9", 10),
           *gone = reception_clients_list(clients, "10.0.0.0", 10);
    assert_int_equal(json_array_size(one), 1);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(one, 0), "accepted")), 1);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(one, 0), "refused")), RECEPTION_CLIENTS_MAX + 4);
    assert_int_equal(json_array_size(gone), 0);
    json_decref(one);
    json_decref(gone);
    reception_clients_free(&clients);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_minute_has_so_many),
        cmocka_unit_test(a_v6_network_is_one_client),
        cmocka_unit_test(the_quietest_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
