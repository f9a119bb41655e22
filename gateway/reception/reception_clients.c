/* reception_clients - who came, and what became of it. Contract: reception_clients.h. */
#include "reception/reception_clients.h"

#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "base/list.h"
#include "base/log.h"
#include "base/map.h"
#include "engine/smtpd_budget.h"

#define ADDRESS_MAX  64
#define LISTENER_MAX 64
#define MINUTE_MS    ((uint64_t)60 * 1000)

struct client {
    struct list link;            /* the quietest first */
    char address[ADDRESS_MAX];   /* from which it came last; an IPv6 /64 is one client */
    char listener[LISTENER_MAX]; /* where it came last */
    int64_t first, last;         /* wall clock */
    uint64_t counts[RECEPTION_CLIENT_EVENTS];
    uint64_t minute;       /* when the one under way began */
    unsigned told, untold; /* refusals within it */
};

struct reception_clients {
    struct map *map;
    struct list order;
    unsigned untold; /* clients that have some */
};

struct reception_clients *reception_clients_new(const uint8_t *seed)
{
    struct reception_clients *clients = expect_calloc(1, sizeof *clients);
    clients->map = map_new(RECEPTION_CLIENTS_MAX, seed);
    list_init(&clients->order);
    return clients;
}

void reception_clients_free(struct reception_clients **clients)
{
    if (*clients == NULL) {
        return;
    }
    map_free(&(*clients)->map, free);
    free(*clients);
    *clients = NULL;
}

static void copy_cut(char *into, size_t size, const char *text)
{
    size_t len = strnlen(text, size - 1);
    memcpy(into, text, len);
    into[len] = '\0';
}

static void forget_quietest(struct reception_clients *clients)
{
    struct client *client = LIST_ITEM(list_take(&clients->order), struct client, link);
    uint8_t binary[16];
    clients->untold -= client->untold > 0 ? 1 : 0;
    free(map_remove(clients->map, smtpd_network_key(client->address, binary)));
}

static struct client *client_of(struct reception_clients *clients, const char *address)
{
    uint8_t binary[16];
    struct bytes key = smtpd_network_key(address, binary);
    struct client *client = map_get(clients->map, key);
    if (client == NULL && map_count(clients->map) >= RECEPTION_CLIENTS_MAX) {
        forget_quietest(clients);
    }
    if (client == NULL) {
        client = expect_calloc(1, sizeof *client);
        list_init(&client->link);
        EXPECT(map_set(clients->map, key, client) == 0);
    }
    copy_cut(client->address, sizeof client->address, address);
    list_remove(&client->link);
    list_append(&clients->order, &client->link);
    return client;
}

void reception_clients_note(struct reception_clients *clients, const char *address, const char *listener,
                            enum reception_client_event event, int64_t wall)
{
    struct client *client = client_of(clients, address);
    copy_cut(client->listener, sizeof client->listener, listener);
    client->first = client->first == 0 ? wall : client->first;
    client->last = wall;
    client->counts[event]++;
}

bool reception_clients_may_tell(struct reception_clients *clients, const char *address, uint64_t now, unsigned max)
{
    struct client *client = client_of(clients, address);
    /* Untold ones are asked for before a new minute begins for this client. */
    if (now - client->minute >= MINUTE_MS && client->untold == 0) {
        client->minute = now;
        client->told = 0;
    }
    if (max == 0 || client->told < max) {
        client->told++;
        return true;
    }
    clients->untold += client->untold == 0 ? 1 : 0;
    client->untold++;
    return false;
}

bool reception_clients_untold(struct reception_clients *clients, uint64_t now, const char **address_r,
                              unsigned *count_r)
{
    LIST_EACH(link, &clients->order)
    {
        struct client *client = LIST_ITEM(link, struct client, link);
        if (clients->untold == 0) {
            return false;
        }
        if (client->untold > 0 && now - client->minute >= MINUTE_MS) {
            *address_r = client->address;
            *count_r = client->untold;
            client->untold = client->told = 0;
            client->minute = now;
            clients->untold--;
            return true;
        }
    }
    return false;
}

bool reception_clients_have_untold(const struct reception_clients *clients)
{
    return clients->untold > 0;
}

static json_t *client_json(const struct client *client)
{
    char first[25], last[25];
    log_time(client->first, first);
    log_time(client->last, last);
    return json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:I}", "client.address", client->address, "listener",
                     client->listener, "first", first, "last", last, "sessions",
                     (json_int_t)client->counts[RECEPTION_CLIENT_SESSION], "accepted",
                     (json_int_t)client->counts[RECEPTION_CLIENT_ACCEPTED], "refused",
                     (json_int_t)client->counts[RECEPTION_CLIENT_REFUSED]);
}

json_t *reception_clients_list(const struct reception_clients *clients, const char *address, size_t most)
{
    json_t *list = json_array();
    for (const struct list *link = clients->order.prev; link != &clients->order && json_array_size(list) < most;
         link = link->prev) {
        const struct client *client = LIST_ITEM(link, const struct client, link);
        if (client->last != 0 && (address == NULL || strcmp(client->address, address) == 0)) {
            json_array_append_new(list, client_json(client));
        }
    }
    return list;
}
