/*
 * must_use - whose result has to be looked at: a call that throws it away does not compile.
 *
 * MUST_USE stands on every function of a header that returns an int or a ptrdiff_t (what it found, negative for an
 * error), a bool beside a result by pointer, or an object that was made for the caller. tests/lint/results.py holds
 * that, and looks at static functions, too.
 */
#ifndef MAILWEIR_BASE_MUST_USE_H
#define MAILWEIR_BASE_MUST_USE_H

#define MUST_USE __attribute__((warn_unused_result))

/*
 * The one exemption: a writer into a buf (base/buf.h) whose only error is that the buf is full. That error sticks to
 * the buf, so a writer of many pieces asks for it once, at the end.
 */
#define STICKS_TO_BUF

/* Says that a result does not matter here: a cast to void does not silence every compiler, and says less. */
static inline void disregard(int result)
{
    (void)result;
}

#endif
