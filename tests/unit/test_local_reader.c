/*
 * Tests of store/local/local_reader: parts of bodies, checked as a whole before the first octet is given; more segments than stay open; a message that was
 * moved; a segment that is gone, cut off or altered.
 */
#include "spool_fixture.h"

#include <unistd.h>

#include "store/local/local_private.h"

#define BODY 200000u

static uint8_t body_octet(uint64_t segment, size_t at)
{
    return (uint8_t)(segment * 7 + at * 13 + (at >> 8));
}

struct reading {
    char folder[LOCAL_PATH_MAX];
    struct local_index *index;
    struct local_reader *reader;
};

/* A segment with one record of `len` octets behind `start` others; only the body matters here. */
static struct store_place make(const struct reading *reading, uint64_t segment, uint64_t start, size_t len)
{
    static uint8_t octets[BODY];
    char path[LOCAL_PATH_MAX];
    for (size_t i = 0; i < len; i++) {
        octets[i] = body_octet(segment, i);
    }
    local_segment_path(reading->folder, segment, path);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fseek(file, (long)(start + LOCAL_RECORD_HEAD), SEEK_SET), 0);
    assert_int_equal(fwrite(octets, 1, len, file), len);
    fclose(file);
    return (struct store_place){segment, start, LOCAL_RECORD_HEAD + len, len, store_sum_of(bytes_at(octets, len))};
}

static struct reading begin(struct fixture *fixture)
{
    struct reading reading;
    struct fault fault = FAULT_INIT;
    snprintf(reading.folder, sizeof reading.folder, "%s/segments", fixture->path);
    char file[LOCAL_PATH_MAX];
    snprintf(file, sizeof file, "%s/index.sqlite", fixture->path);
    assert_int_equal(local_index_open(&reading.index, file, NULL, LOCAL_INDEX_READ, &fault), 0);
    reading.reader = local_reader_new(reading.folder, reading.index);
    return reading;
}

/* Reads and compares; returns the code of the fault, or "". */
static const char *read_part(struct reading *reading, struct store_place *place, bool *checked, uint64_t offset,
                             size_t len)
{
    static uint8_t into[BODY];
    static struct fault fault;
    fault = FAULT_INIT;
    ptrdiff_t got = local_reader_read(reading->reader, 999, place, checked, offset, into, len, &fault);
    if (got < 0) {
        return fault.code;
    }
    uint64_t left = offset < place->body_len ? place->body_len - offset : 0;
    assert_int_equal(got, len < left ? len : left);
    for (size_t i = 0; i < (size_t)got; i++) {
        assert_int_equal(into[i], body_octet(place->segment, offset + i));
    }
    return "";
}

static void test_parts(void **state)
{
    struct reading reading = begin(*state);
    bool checked = false;
    struct store_place place = make(&reading, 100, 5000, BODY);
    assert_string_equal(read_part(&reading, &place, &checked, BODY - 3, 100), "");
    assert_true(checked);
    assert_string_equal(read_part(&reading, &place, &checked, 0, BODY), "");
    assert_string_equal(read_part(&reading, &place, &checked, 12345, 1), "");
    assert_string_equal(read_part(&reading, &place, &checked, BODY, 10), "");
    assert_string_equal(read_part(&reading, &place, &checked, UINT64_MAX, 10), "");
    struct store_place empty = make(&reading, 101, 0, 0);
    checked = false;
    assert_string_equal(read_part(&reading, &empty, &checked, 0, 10), "");
    local_reader_free(&reading.reader);
}

static void test_many_segments(void **state)
{
    struct reading reading = begin(*state);
    struct store_place places[40];
    for (uint64_t i = 0; i < 40; i++) {
        places[i] = make(&reading, 200 + i, i, 1000);
    }
    for (unsigned round = 0; round < 3; round++) {
        for (size_t i = 0; i < 40; i++) {
            bool checked = false;
            assert_string_equal(read_part(&reading, &places[round == 1 ? 39 - i : i], &checked, 10, 20), "");
        }
    }
    local_reader_release(&reading.reader);
    local_index_close(&reading.index);
}

/* Damage is found whichever part is asked for, and also when the whole is asked for at once. */
static void test_damage(void **state)
{
    struct reading reading = begin(*state);
    struct store_place place = make(&reading, 300, 0, BODY);
    char path[LOCAL_PATH_MAX];
    bool checked = false;
    place.body_sum ^= 1;
    assert_string_equal(read_part(&reading, &place, &checked, 0, 10), "damaged");
    assert_string_equal(read_part(&reading, &place, &checked, 0, BODY), "damaged");
    assert_false(checked);
    place.body_sum ^= 1;
    local_segment_path(reading.folder, 300, path);
    assert_int_equal(truncate(path, LOCAL_RECORD_HEAD + BODY - 1), 0);
    assert_string_equal(read_part(&reading, &place, &checked, 0, 10), "damaged");
    checked = true; /* it was whole once */
    assert_string_equal(read_part(&reading, &place, &checked, 0, 10), "");
    assert_string_equal(read_part(&reading, &place, &checked, BODY - 10, 10), "damaged");
    struct store_place gone = {.segment = 301, .body_len = 5};
    checked = false;
    assert_string_equal(read_part(&reading, &gone, &checked, 0, 5), "damaged");
    local_reader_free(&reading.reader);
}

/* The segment is gone, and the index knows where the message went. */
static void test_moved(void **state)
{
    struct fixture *fixture = *state;
    fixture->takes = false;
    commit_and_wait(fixture, "moved body", 1);
    struct reading reading = begin(fixture);
    struct store_place now, place = {.segment = 400, .start = 77, .body_len = 10};
    struct fault fault = FAULT_INIT;
    char into[20];
    bool checked = false;
    assert_int_equal(local_index_place(reading.index, 1, &now, &fault), 0);
    assert_int_equal(local_reader_read(reading.reader, 1, &place, &checked, 0, into, sizeof into, &fault), 10);
    assert_memory_equal(into, "moved body", 10);
    assert_int_equal(place.segment, now.segment);
    assert_int_equal(place.start, now.start);
    assert_true(checked);
    local_reader_free(&reading.reader);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_parts),
        TEST(test_many_segments),
        TEST(test_damage),
        TEST(test_moved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
