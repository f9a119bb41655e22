/*
 * A copy of a spool beside a gateway that works: between the copy of the index and that of a segment, mail comes, is settled, and takes its segment with it. The
 * copy is the spool of one moment all the same, or says why it is none.
 */
#include "local_fixture.h"

#include "store/local/local_backup.h"
#include "store/local/local_segment.h"

/* ---- what happens meanwhile ---- */

static struct {
    unsigned left; /* segments of the spool that are opened before something happens; 0: nothing does */
    bool again;    /* at each one from then on */
    void (*happens)(uint64_t segment);
} meanwhile;

int __real_net_file_open(struct net_file **file_r, const char *path, enum net_file_mode mode, struct fault *fault);
int __wrap_net_file_open(struct net_file **file_r, const char *path, enum net_file_mode mode, struct fault *fault);
int __wrap_net_file_open(struct net_file **file_r, const char *path, enum net_file_mode mode, struct fault *fault)
{
    char folder[200];
    snprintf(folder, sizeof folder, "%s/segments/", w.path);
    if (meanwhile.left > 0 && mode == NET_FILE_READ && strncmp(path, folder, strlen(folder)) == 0 &&
        --meanwhile.left == 0) {
        void (*happens)(uint64_t segment) = meanwhile.happens;
        meanwhile.happens = NULL;
        happens(local_segment_id(path + strlen(folder)));
        meanwhile.happens = happens;
        meanwhile.left = meanwhile.again ? 1 : 0;
    }
    return __real_net_file_open(file_r, path, mode, fault);
}

/* ---- a spool and its copy ---- */

static char copy[sizeof w.path];
static struct local_backup_result made;

static void copy_segment_path(char out[200], uint64_t segment)
{
    snprintf(out, 200, "%s/segments/%016llx.seg", copy, (unsigned long long)segment);
}

static bool copy_has(uint64_t segment)
{
    char path[200];
    copy_segment_path(path, segment);
    return access(path, F_OK) == 0;
}

static int back_up(struct fault *fault)
{
    w.reports = 0;
    w.said[0] = '\0';
    return local_backup(w.path, copy, on_report, NULL, NULL, &made, fault);
}

static void expect_copy(uint64_t count)
{
    struct fault fault = FAULT_INIT;
    if (back_up(&fault) != 0) {
        fail_msg("%s", fault.text);
    }
    assert_int_equal(made.messages, count);
    assert_int_equal(made.damaged, 0);
    assert_int_equal(w.reports, 0);
}

/* Each in a segment of its own: a store that is opened begins another. */
static void add_apart(const char *const *ids, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        close_store();
        open_store();
        add(ids[i], "a body");
    }
}

static int set_up_both(void **state)
{
    memset(&meanwhile, 0, sizeof meanwhile);
    set_up(state);
    snprintf(copy, sizeof copy, "%.*s-copy", (int)sizeof copy - 10, w.path);
    return 0;
}

static int tear_down_both(void **state)
{
    folder_remove(copy);
    return tear_down(state);
}

/* ---- the tests ---- */

static const char *const three[] = {"ONE", "TWO", "THREE"};

/* It is a spool: what waits is found in it, in doubt, because the original may file it; what operators decided goes with it. */
static void a_copy_is_a_spool(void **state)
{
    (void)state;
    add_apart(three, 3);
    operate(STORE_DROP, "ONE");
    operate(STORE_HOLD, "TWO");
    expect_copy(2);
    assert_int_equal(made.deliveries, 2);
    close_store();
    char spool[sizeof w.path], decisions[200];
    memcpy(spool, w.path, sizeof spool);
    memcpy(w.path, copy, sizeof w.path);
    snprintf(decisions, sizeof decisions, "%s/decisions", copy);
    assert_int_equal(access(decisions, F_OK), 0);
    open_store();
    assert_int_equal(count_uncertain(), 2);
    close_store();
    memcpy(w.path, spool, sizeof spool);
}

static void drop_all_below(uint64_t segment)
{
    (void)segment;
    operate(STORE_DROP, "ONE");
    operate(STORE_DROP, "TWO");
}

/* The segment that is copied next is gone: the index is copied again, and what was copied for the first one is given up. */
static void a_segment_goes(void **state)
{
    (void)state;
    add_apart(three, 3);
    meanwhile.left = 2;
    meanwhile.happens = drop_all_below;
    expect_copy(1);
    assert_false(copy_has(1) || copy_has(2));
    assert_true(copy_has(3));
}

static void grow_and_drop(uint64_t segment)
{
    (void)segment;
    add("LATER", "a body that is longer than the one before it");
    operate(STORE_DROP, "TWO");
}

/* The last segment was copied, and more of it is wanted when the index is copied again. */
static void a_segment_grows(void **state)
{
    (void)state;
    add_apart(three, 3);
    operate(STORE_DROP, "ONE");
    meanwhile.left = 1;
    meanwhile.happens = grow_and_drop;
    expect_copy(2);
    assert_true(copy_has(3));
    assert_false(copy_has(2));
}

static void take_away(uint64_t segment)
{
    char path[200];
    segment_path(path, segment);
    unlink(path);
}

/* One that is missing and stays missing ends it, with what to do. */
static void a_segment_is_missing(void **state)
{
    (void)state;
    struct fault fault = FAULT_INIT;
    add_apart(three, 3);
    meanwhile.left = 2;
    meanwhile.again = true;
    meanwhile.happens = take_away;
    assert_int_equal(back_up(&fault), -1);
    assert_string_equal(fault.code, "moving");
    assert_non_null(strstr(fault.text, "spool check"));
}

/* What is damaged is copied as far as it goes, and told. */
static void a_segment_is_cut(void **state)
{
    (void)state;
    struct fault fault = FAULT_INIT;
    char path[200];
    add_apart(three, 2);
    segment_path(path, 1);
    assert_int_equal(truncate(path, 10), 0);
    assert_int_equal(back_up(&fault), 0);
    assert_int_equal(made.damaged, 1);
    assert_int_equal(w.reports, 1);
    assert_int_equal(made.messages, 2);
}

/* Nothing that lies in the folder is overwritten. */
static void a_folder_that_is_not_empty(void **state)
{
    (void)state;
    struct fault fault = FAULT_INIT;
    add_apart(three, 1);
    expect_copy(1);
    assert_int_equal(back_up(&fault), -1);
    assert_string_equal(fault.code, "not-empty");
    assert_non_null(strstr(fault.text, copy));
}

static void drop_one(uint64_t segment)
{
    (void)segment;
    operate(STORE_DROP, "ONE");
}

/* Who checks beside a gateway calls nothing damaged that was settled while he looked. */
static void a_check_beside_a_gateway(void **state)
{
    (void)state;
    struct local_check_result found;
    struct fault fault = FAULT_INIT;
    add_apart(three, 3);
    meanwhile.left = 1;
    meanwhile.happens = drop_one;
    assert_int_equal(local_check(w.path, on_report, NULL, NULL, &found, &fault), 0);
    assert_false(has_segment(1));
    assert_int_equal(found.damaged, 0);
    assert_int_equal(w.reports, 0);
}

#define COPY(name) cmocka_unit_test_setup_teardown(name, set_up_both, tear_down_both)

int main(void)
{
    const struct CMUnitTest tests[] = {
        COPY(a_copy_is_a_spool),        COPY(a_segment_goes),   COPY(a_segment_grows),
        COPY(a_segment_is_missing),     COPY(a_segment_is_cut), COPY(a_folder_that_is_not_empty),
        COPY(a_check_beside_a_gateway),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
