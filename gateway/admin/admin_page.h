/*
 * admin_page - the files of the built-in page as the build embeds them (gateway/admin/page/embed.cmake).
 */
#ifndef MAILWEIR_ADMIN_ADMIN_PAGE_H
#define MAILWEIR_ADMIN_ADMIN_PAGE_H

#include <stddef.h>

struct admin_page_file {
    const char *name;
    const unsigned char *data;
    size_t len;
};

/* A NULL name ends the table. */
extern const struct admin_page_file admin_page_files[];

#endif
