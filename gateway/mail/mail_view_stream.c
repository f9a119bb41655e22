/*
 * mail_view_stream - the least that GMime asks of a stream: read, seek, tell, and parts of itself.
 */
#include "mail/mail_view_stream.h"

typedef struct {
    GMimeStream parent;
    const struct mail_source *source;
    struct fault *fault;
} MailViewStream;

typedef struct {
    GMimeStreamClass parent;
} MailViewStreamClass;

static GType stream_type(void);

static gint64 end_of(const MailViewStream *stream)
{
    return stream->parent.bound_end >= 0 ? stream->parent.bound_end : (gint64)stream->source->size;
}

static ssize_t stream_read(GMimeStream *base, char *into, size_t len)
{
    MailViewStream *stream = (MailViewStream *)base;
    gint64 left = end_of(stream) - base->position;
    if (left <= 0 || len == 0) {
        return 0;
    }
    size_t wanted = (guint64)left < len ? (size_t)left : len;
    ptrdiff_t got = stream->source->read(stream->source->ctx, (uint64_t)base->position, into, wanted, stream->fault);
    if (got > 0) {
        base->position += got;
    }
    return got;
}

static ssize_t stream_write(GMimeStream *base, const char *data, size_t len)
{
    (void)base, (void)data, (void)len;
    return -1; /* messages are immutable */
}

static int stream_done(GMimeStream *base)
{
    (void)base;
    return 0;
}

static gboolean stream_eos(GMimeStream *base)
{
    return base->position >= end_of((MailViewStream *)base);
}

static int stream_reset(GMimeStream *base)
{
    base->position = base->bound_start;
    return 0;
}

static gint64 stream_seek(GMimeStream *base, gint64 offset, GMimeSeekWhence whence)
{
    gint64 from = whence == GMIME_STREAM_SEEK_SET   ? 0
                  : whence == GMIME_STREAM_SEEK_CUR ? base->position
                                                    : end_of((MailViewStream *)base);
    gint64 wanted = from + offset;
    if (wanted < base->bound_start || wanted > end_of((MailViewStream *)base)) {
        return -1;
    }
    base->position = wanted;
    return wanted;
}

static gint64 stream_tell(GMimeStream *base)
{
    return base->position;
}

static gint64 stream_length(GMimeStream *base)
{
    return end_of((MailViewStream *)base) - base->bound_start;
}

static GMimeStream *stream_part(GMimeStream *base, gint64 start, gint64 end)
{
    MailViewStream *part = g_object_new(stream_type(), NULL);
    part->source = ((MailViewStream *)base)->source;
    part->fault = ((MailViewStream *)base)->fault;
    g_mime_stream_construct(&part->parent, start, end);
    return &part->parent;
}

static void class_init(gpointer base, gpointer data)
{
    (void)data;
    MailViewStreamClass *class = base;
    class->parent.read = stream_read;
    class->parent.write = stream_write;
    class->parent.flush = stream_done;
    class->parent.close = stream_done;
    class->parent.eos = stream_eos;
    class->parent.reset = stream_reset;
    class->parent.seek = stream_seek;
    class->parent.tell = stream_tell;
    class->parent.length = stream_length;
    class->parent.substream = stream_part;
}

/* GLib's type, registered by whichever thread is first. */
static GType stream_type(void)
{
    static gsize type = 0;
    if (g_once_init_enter(&type)) {
        GType made = g_type_register_static_simple(GMIME_TYPE_STREAM, "MailViewStream", sizeof(MailViewStreamClass),
                                                   class_init, sizeof(MailViewStream), NULL, 0);
        g_once_init_leave(&type, made);
    }
    return type;
}

GMimeStream *mail_view_stream_new(const struct mail_source *source, struct fault *fault)
{
    MailViewStream *stream = g_object_new(stream_type(), NULL);
    stream->source = source;
    stream->fault = fault;
    g_mime_stream_construct(&stream->parent, 0, (gint64)source->size);
    return &stream->parent;
}
