/*
 * sim_server_people - what people and filters do to a simulated server's mail while the gateway files into it; see sim_server.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "sim_server_private.h"

/* Where people and filters put things: the places that are looked through for what is missing in its folder. */
static const char *const places[] = {"Archive", "Trash", "Junk"};
#define PLACES (sizeof places / sizeof places[0])

static bool is_place(const struct sim_folder *folder)
{
    for (size_t i = 0; i < PLACES; i++) {
        if (strcmp(folder->name, places[i]) == 0) {
            return true;
        }
    }
    return false;
}

struct sim_folder *sim_server_folder(struct sim_server *server, const char *name)
{
    for (size_t i = 0; i < server->folder_count; i++) {
        if (strcmp(server->folders[i].name, name) == 0) {
            return &server->folders[i];
        }
    }
    EXPECT(server->folder_count < SIM_SERVER_FOLDERS);
    struct sim_folder *folder = &server->folders[server->folder_count++];
    snprintf(folder->name, sizeof folder->name, "%s", name);
    folder->uidvalidity = ++server->next_validity;
    folder->uidnext = 1;
    list_init(&folder->messages);
    return folder;
}

void sim_stored_free(struct sim_stored **stored)
{
    list_remove(&(*stored)->link);
    buf_done(&(*stored)->octets);
    free(*stored);
    *stored = NULL;
}

/* ---- mail of others ---- */

static void add_foreign(struct sim_server *server, struct sim_folder *folder)
{
    struct sim_stored *stored = expect_calloc(1, sizeof *stored);
    snprintf(stored->date, sizeof stored->date, "01-Jan-2020 10:00:00 +0000");
    stored->uid = folder->uidnext++;
    buf_init(&stored->octets, 200);
    buf_printf(&stored->octets, "Subject: old\r\nMessage-ID: <old%u@elsewhere.sim>\r\n\r\nx\r\n", stored->uid);
    list_append(&folder->messages, &stored->link);
    server->octets += stored->octets.size;
}

void sim_server_crowd(struct sim_server *server, unsigned count)
{
    for (size_t i = 0; i < server->folder_count; i++) {
        for (unsigned k = 0; k < count; k++) {
            add_foreign(server, &server->folders[i]);
        }
    }
}

void sim_server_expunge(struct sim_server *server, bool with_ours)
{
    for (size_t i = 0; i < server->folder_count; i++) {
        LIST_EACH(at, &server->folders[i].messages)
        {
            struct sim_stored *stored = LIST_ITEM(at, struct sim_stored, link);
            if (stored->filing != NULL && !(with_ours && sim_random_chance(&server->random, 30))) {
                continue;
            }
            if (stored->filing != NULL && !is_place(&server->folders[i])) {
                stored->filing->lost++;
            }
            sim_stored_free(&stored);
        }
    }
}

/* ---- movers ---- */

static void move(struct sim_server *server, struct sim_stored *stored)
{
    struct sim_folder *to = sim_server_folder(server, places[sim_random_between(&server->random, 0, PLACES - 1)]);
    sim_say("server %u moves a message to %s", server->index, to->name);
    stored->filing->lost++;
    stored->uid = to->uidnext++;
    list_remove(&stored->link);
    list_append(&to->messages, &stored->link);
}

static void on_move(void *ctx)
{
    struct sim_server *server = ctx;
    if (!server->is_moving) {
        return;
    }
    for (size_t i = 0, count = server->folder_count; i < count; i++) {
        LIST_EACH(at, &server->folders[i].messages)
        {
            struct sim_stored *stored = LIST_ITEM(at, struct sim_stored, link);
            if (stored->filing != NULL && !is_place(&server->folders[i]) && sim_random_chance(&server->random, 40)) {
                move(server, stored);
            }
        }
    }
    sim_after(sim_random_between(&server->random, 10 * SIM_MS, 2 * (uint64_t)SIM_SECOND), on_move, server);
}

void sim_server_set_moving(struct sim_server *server, bool is_moving)
{
    bool begins = is_moving && !server->is_moving;
    server->is_moving = is_moving;
    if (begins) {
        on_move(server);
    }
}
