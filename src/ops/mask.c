#include "ops/mask.h"
#include "core/memory.h"
#include "core/threads.h"
#include "kernels/compact.h"
#include "ops/copy.h"
#include <string.h>

static int64_t pieces_of(const tw_mask *m) { return (m->truth->numel + TW_MASK_PIECE - 1) / TW_MASK_PIECE; }

static int64_t piece_size(const tw_mask *m, int64_t piece) {
    const int64_t rest = m->truth->numel - piece * TW_MASK_PIECE;
    return rest < TW_MASK_PIECE ? rest : TW_MASK_PIECE;
}

static const uint8_t *piece_at(const tw_mask *m, int64_t piece) { return (const uint8_t *)tw_data(m->truth) + piece * TW_MASK_PIECE; }

static void count_pieces(void *context, int64_t begin, int64_t end) {
    const tw_mask *m = context;
    for (int64_t i = begin; i < end; i++) m->start[i + 1] = tw_compact()->count(piece_size(m, i), piece_at(m, i));
}

bool tw_mask_init(tw_mask *m, tw_tensor *t) {
    *m = (tw_mask){.truth = tw_contiguous_new(t, TW_BOOL)};
    if (!m->truth) return false;
    const int64_t pieces = pieces_of(m);
    if (!(m->start = tw_calloc((size_t)pieces + 1, sizeof *m->start))) {
        tw_mask_clear(m);
        return false;
    }
    tw_parallel(pieces, 16, count_pieces, m);
    for (int64_t i = 0; i < pieces; i++) m->start[i + 1] += m->start[i];
    m->count = m->start[pieces];
    return true;
}

void tw_mask_clear(tw_mask *m) {
    tw_release(m->truth);
    tw_free(m->start);
    *m = (tw_mask){0};
}

typedef struct taking { const tw_mask *m; size_t bytes; const char *from; char *to; } taking;

static void place_pieces(void *context, int64_t begin, int64_t end) {
    const taking *t = context;
    for (int64_t i = begin; i < end; i++)
        tw_compact()->places(piece_size(t->m, i), piece_at(t->m, i), t->m->start[i + 1] - t->m->start[i], i * TW_MASK_PIECE,
                             (int64_t *)(void *)t->to + t->m->start[i]);
}

void tw_mask_places(const tw_mask *m, int64_t *to) {
    tw_parallel(pieces_of(m), 1, place_pieces, &(taking){.m = m, .to = (char *)to});
}

/* The positions stand in the last column. They ascend, so that most have the row of their neighbour. */
static void split_range(void *context, int64_t begin, int64_t end) {
    const taking *t = context;
    const tw_tensor *shape = t->m->truth;
    const int last = shape->ndim - 1;
    const int64_t width = shape->sizes[last], n = t->m->count;
    int64_t *column = (int64_t *)(void *)t->to + last * n, coordinate[TW_MAX_DIMS] = {0}, row_end = 0;
    for (int64_t i = begin; i < end; i++) {
        const int64_t place = column[i];
        if (place >= row_end) {
            int64_t row = place / width;
            row_end = (row + 1) * width;
            for (int d = last - 1; d >= 0; d--) {
                coordinate[d] = row % shape->sizes[d];
                row /= shape->sizes[d];
            }
        }
        column[i] = place - (row_end - width);
        for (int d = 0; d < last; d++) column[(d - last) * n + i] = coordinate[d];
    }
}

void tw_mask_coordinates(const tw_mask *m, int64_t *to) {
    const int last = m->truth->ndim - 1;
    if (m->count == 0 || last < 0) return;
    tw_mask_places(m, to + last * m->count);
    if (last > 0) tw_parallel(m->count, 8192, split_range, &(taking){.m = m, .to = (char *)to});
}

static void take_pieces(void *context, int64_t begin, int64_t end) {
    const taking *t = context;
    for (int64_t i = begin; i < end; i++) {
        const int64_t n = piece_size(t->m, i), count = t->m->start[i + 1] - t->m->start[i];
        const uint8_t *mask = piece_at(t->m, i);
        const char *from = t->from + (size_t)(i * TW_MASK_PIECE) * t->bytes;
        char *to = t->to + (size_t)t->m->start[i] * t->bytes;
        if ((t->bytes & (t->bytes - 1)) == 0 && t->bytes <= 16) {
            tw_compact()->take[__builtin_ctzll(t->bytes)](n, mask, count, from, to);
            continue;
        }
        for (int64_t j = 0; j < n; j++, from += t->bytes) {
            if (!mask[j]) continue;
            memcpy(to, from, t->bytes);
            to += t->bytes;
        }
    }
}

void tw_mask_take(const tw_mask *m, size_t bytes, const void *from, void *to) {
    if (m->count == 0 || bytes == 0) return;
    tw_parallel(pieces_of(m), 1, take_pieces, &(taking){m, bytes, from, to});
}
