/* What every unit test includes: cmocka with the headers that it wants before it. */
#ifndef MAILWEIR_TESTS_UNIT_TEST_H
#define MAILWEIR_TESTS_UNIT_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#undef expect_memory /* ours is in base/expect.h; nothing here uses the mock checks */

#endif
