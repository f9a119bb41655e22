/*
 * imapc_habits - see imapc_habits.h.
 */
#include "engine/imapc_habits.h"

#include <stddef.h>

static const char *const names[] = {
    [IMAPC_QUESTION_ID] = "ID",
    [IMAPC_QUESTION_COMPRESS] = "COMPRESS",
    [IMAPC_QUESTION_ENABLE] = "ENABLE",
    [IMAPC_QUESTION_CAPABILITY] = "CAPABILITY behind the login",
    [IMAPC_QUESTION_NAMESPACE] = "NAMESPACE",
    [IMAPC_QUESTION_DELIMITER] = "LIST for the delimiter",
    [IMAPC_QUESTION_USES] = "LIST for special uses",
    [IMAPC_QUESTION_RIGHTS] = "MYRIGHTS",
    [IMAPC_QUESTION_QUOTA] = "GETQUOTAROOT",
    [IMAPC_QUESTION_FLAGS] = "SELECT for the flags that a folder keeps",
    [IMAPC_QUESTION_STORE] = "STORE of flags behind the APPEND",
    [IMAPC_QUESTION_SUBSCRIBE] = "SUBSCRIBE",
    [IMAPC_QUESTION_LEAVE] = "UNSELECT",
    [IMAPC_QUESTION_MARK] = "STATUS",
    [IMAPC_QUESTION_VANISHED] = "ENABLE QRESYNC and VANISHED",
};
_Static_assert(sizeof names / sizeof names[0] == IMAPC_QUESTIONS, "each question has its name");

void imapc_habits_init(struct imapc_habits *habits)
{
    *habits = (struct imapc_habits){.news = IMAPC_QUESTIONS};
}

bool imapc_habits_may_ask(struct imapc_habits *habits, enum imapc_question question, uint64_t now)
{
    if (habits == NULL || habits->questions[question].until == 0) {
        return true;
    }
    if (now < habits->questions[question].until) {
        return false;
    }
    habits->questions[question].until = 0;
    habits->questions[question].strikes = 0;
    return true;
}

void imapc_habits_answered(struct imapc_habits *habits, enum imapc_question question)
{
    if (habits != NULL) {
        habits->questions[question].strikes = 0;
    }
}

void imapc_habits_broke(struct imapc_habits *habits, enum imapc_question question, uint64_t now)
{
    if (habits == NULL || habits->questions[question].until != 0) {
        return;
    }
    if (++habits->questions[question].strikes >= IMAPC_HABITS_STRIKES) {
        habits->questions[question].until = now + IMAPC_HABITS_AGE_MS;
        habits->news = question;
    }
}

enum imapc_question imapc_habits_take_news(struct imapc_habits *habits)
{
    enum imapc_question news = habits->news;
    habits->news = IMAPC_QUESTIONS;
    return news;
}

const char *imapc_habits_name(enum imapc_question question)
{
    return names[question];
}
