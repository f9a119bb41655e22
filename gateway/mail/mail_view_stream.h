/*
 * mail_view_stream - a struct mail_source as GMime reads it. Internal to mail_view.
 */
#ifndef MAILWEIR_MAIL_MAIL_VIEW_STREAM_H
#define MAILWEIR_MAIL_MAIL_VIEW_STREAM_H

#include <gmime/gmime.h>

#include "mail/mail_envelope.h"

/* The source and the fault must outlive the stream and all streams made of it. A read that fails fills the fault. */
GMimeStream *mail_view_stream_new(const struct mail_source *source, struct fault *fault);

#endif
