/*
 * count_exit - a process that a test has forked and that ends by _exit() tells which branches it took: only exit() does by itself. Linked into the unit tests
 * of the coverage build.
 */
_Noreturn void __real__exit(int status);
_Noreturn void __wrap__exit(int status);
void __gcov_dump(void);

_Noreturn void __wrap__exit(int status)
{
    __gcov_dump();
    __real__exit(status);
}
