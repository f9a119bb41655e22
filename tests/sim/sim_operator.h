/*
 * sim_operator - an operator who works on the queue while mail flows, by the requests that commands and the API make.
 *
 * What is known of deliveries after an answer is held against what the servers file then: what was held or dropped is not filed.
 */
#ifndef MAILWEIR_SIM_OPERATOR_H
#define MAILWEIR_SIM_OPERATOR_H

#include <stdbool.h>
#include <stdint.h>

struct spool;

/* From inside an event of the gateway's: asks for something drawn from `draw`. */
void sim_operator_work(struct spool *spool, uint64_t draw);
/* The same: releases everything; resumes everything when something was ever paused. */
void sim_operator_release_all(struct spool *spool);
void sim_operator_resume_all(struct spool *spool);
/* The same: files a message elsewhere than where it is to go; NULL is fine. */
struct sim_try;
void sim_operator_reroute(struct spool *spool, struct sim_try *try);
/* The same: tries dead letters again. */
void sim_operator_retry_dead(struct spool *spool);
/* Ends the world when this delivery must not be filed. is_late: the gateway had given the connection up, and a server works on. */
void sim_operator_check_filing(unsigned server, const char *delivery, bool is_late);
/* Whether a release is under way: it may concern what comes before its answer. */
bool sim_operator_releases(void);
/* A crash: nobody hears what became of what was asked. */
void sim_operator_crash(void);

#endif
