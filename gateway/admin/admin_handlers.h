/*
 * admin_handlers - what stands behind the paths of admin_routes.c; each answers its request once, now or later.
 */
#ifndef MAILWEIR_ADMIN_ADMIN_HANDLERS_H
#define MAILWEIR_ADMIN_ADMIN_HANDLERS_H

struct admin_request;

/* admin_probes.c */
void admin_get_livez(struct admin_request *request);
void admin_get_readyz(struct admin_request *request);

/* admin_login.c */
void admin_get_session(struct admin_request *request);
void admin_post_session(struct admin_request *request);
void admin_post_session_end(struct admin_request *request);

/* admin_metrics.c */
void admin_get_metrics(struct admin_request *request);

/* admin_status.c */
void admin_get_status(struct admin_request *request);

/* admin_events.c */
void admin_get_events(struct admin_request *request);

/* admin_page.c */
void admin_get_page(struct admin_request *request);
void admin_get_page_file(struct admin_request *request);

/* admin_figures.c */
void admin_get_figures(struct admin_request *request);

/* admin_rules.c */
void admin_get_flows(struct admin_request *request);
void admin_get_rules(struct admin_request *request);

/* admin_workshop.c */
void admin_get_rule_files(struct admin_request *request);
void admin_get_rule_schema(struct admin_request *request);
void admin_get_rule_tests(struct admin_request *request);
void admin_post_rule_check(struct admin_request *request);

/* admin_explain.c */
void admin_post_explain(struct admin_request *request);

/* admin_diff.c */
void admin_post_diff(struct admin_request *request);

/* admin_queue.c */
void admin_get_queue(struct admin_request *request);
void admin_post_queue(struct admin_request *request);
void admin_get_facts(struct admin_request *request);
void admin_get_why(struct admin_request *request);
void admin_post_pause(struct admin_request *request);
void admin_post_resume(struct admin_request *request);

/* admin_find.c */
void admin_get_find(struct admin_request *request);
void admin_post_forget(struct admin_request *request);

/* admin_clients.c */
void admin_get_clients(struct admin_request *request);
void admin_get_refusals(struct admin_request *request);

/* admin_body.c */
void admin_get_message(struct admin_request *request);

/* admin_trace.c */
void admin_get_traces(struct admin_request *request);
void admin_post_traces(struct admin_request *request);
void admin_post_trace_stop(struct admin_request *request);

/* admin_control.c */
void admin_get_log(struct admin_request *request);
void admin_post_log(struct admin_request *request);
void admin_post_reload(struct admin_request *request);
void admin_post_drain(struct admin_request *request);

#endif
