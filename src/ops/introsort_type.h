/* Sorting and selecting of one kind of items: ITEM, of which KEY(x) is compared; NAME(f) is the function's name. See introsort.c. */

static inline void NAME(swap)(ITEM *a, ITEM *b) {
    ITEM t = *a;
    *a = *b;
    *b = t;
}

/* Up to RUN items, stably, as by insertion, but without its branches: each goes where as many stand before it as are less. */
static void NAME(insertion)(ITEM *x, int64_t n) {
    ITEM sorted[RUN];
    int8_t place[RUN];
    for (int i = 0; i < n; i++) {
        const uint64_t key = KEY(x[i]);
        int8_t less = 0;
        for (int j = 0; j < i; j++) {
            const int8_t after = key < KEY(x[j]);
            place[j] = (int8_t)(place[j] + after);
            less = (int8_t)(less + after);
        }
        place[i] = (int8_t)(i - less);
    }
    for (int i = 0; i < n; i++) sorted[place[i]] = x[i];
    for (int i = 0; i < n; i++) x[i] = sorted[i];
}

/* Notes which of n items from the left stay not (key >= pivot), or from the right (key <= pivot), by their distances; without branches. */
static inline int NAME(stops_left)(const ITEM *x, int n, uint64_t pivot, uint8_t *at) {
    int count = 0;
    for (int i = 0; i < n; i++) {
        at[count] = (uint8_t)i;
        count += KEY(x[i]) >= pivot;
    }
    return count;
}
static inline int NAME(stops_right)(const ITEM *last, int n, uint64_t pivot, uint8_t *at) {
    int count = 0;
    for (int i = 0; i < n; i++) {
        at[count] = (uint8_t)i;
        count += KEY(last[-i]) <= pivot;
    }
    return count;
}

/* The median of the second, the middle and the last element comes first and is the pivot. Where the upper part begins.
 * Pointers from both ends meet, each swap exchanging the next element from the left that is not less with the next from the right that is
 * not greater. Which those are can be told ahead, block by block, as nothing between the pointers has moved (S. Edelkamp and A. Weiss,
 * BlockQuicksort, 2016). */
static int64_t NAME(partition)(ITEM *x, int64_t n) {
    ITEM *a = x + 1, *b = x + n / 2, *c = x + n - 1, *median;
    if (KEY(*a) < KEY(*b)) median = KEY(*b) < KEY(*c) ? b : KEY(*a) < KEY(*c) ? c : a;
    else median = KEY(*a) < KEY(*c) ? a : KEY(*b) < KEY(*c) ? c : b;
    NAME(swap)(x, median);
    const uint64_t pivot = KEY(*x);
    uint8_t left[BLOCK], right[BLOCK];
    int64_t i = 1, j = n; /* [i, j) has not been looked at, but for the blocks at hand */
    int lefts = 0, rights = 0, l = 0, r = 0;
    for (int width = BLOCK; width;) {
        int left_width = width, right_width = width;
        if (j - i < 2 * BLOCK) { /* the rest, once, in two halves */
            i += l < lefts ? left[l] : 0;
            j -= r < rights ? right[r] : 0;
            left_width = (int)((j - i) / 2);
            right_width = (int)(j - i) - left_width;
            lefts = rights = l = r = width = 0;
        }
        if (l == lefts) {
            lefts = NAME(stops_left)(x + i, left_width, pivot, left);
            l = 0;
        }
        if (r == rights) {
            rights = NAME(stops_right)(x + j - 1, right_width, pivot, right);
            r = 0;
        }
        const int many = lefts - l < rights - r ? lefts - l : rights - r;
        for (int k = 0; k < many; k++) NAME(swap)(x + i + left[l + k], x + j - 1 - right[r + k]);
        l += many;
        r += many;
        if (width == 0) {
            i += l < lefts ? left[l] : left_width;
            j -= r < rights ? right[r] : right_width;
        } else {
            if (l == lefts) i += BLOCK;
            if (r == rights) j -= BLOCK;
        }
    }
    for (;;) {
        while (KEY(x[i]) < pivot) i++;
        do j--; while (pivot < KEY(x[j]));
        if (i >= j) return i;
        NAME(swap)(x + i++, x + j);
    }
}

/* A max-heap x[0..n) with a hole: the larger child moves up all the way down, then v rises from there, to `top` at most. */
static void NAME(sift)(ITEM *x, int64_t hole, int64_t n, ITEM v) {
    const int64_t top = hole;
    int64_t child = hole;
    while (child < (n - 1) / 2) {
        child = 2 * child + 2;
        if (KEY(x[child]) < KEY(x[child - 1])) child--;
        x[hole] = x[child];
        hole = child;
    }
    if (n % 2 == 0 && child == (n - 2) / 2) {
        child = 2 * child + 1;
        x[hole] = x[child];
        hole = child;
    }
    for (int64_t parent; hole > top && KEY(x[parent = (hole - 1) / 2]) < KEY(v); hole = parent) x[hole] = x[parent];
    x[hole] = v;
}

static void NAME(make_heap)(ITEM *x, int64_t k) {
    for (int64_t i = k / 2 - 1; i >= 0; i--) NAME(sift)(x, i, k, x[i]);
}

/* The k smallest of n, as a heap. */
static void NAME(heap_select)(ITEM *x, int64_t n, int64_t k) {
    NAME(make_heap)(x, k);
    for (int64_t i = k; i < n; i++) {
        if (KEY(x[i]) >= KEY(x[0])) continue;
        ITEM v = x[i];
        x[i] = x[0];
        NAME(sift)(x, 0, k, v);
    }
}

static void NAME(heap_sort)(ITEM *x, int64_t n) {
    for (n--; n > 0; n--) {
        ITEM v = x[n];
        x[n] = x[0];
        NAME(sift)(x, 0, n, v);
    }
}

/* What the library leaves to one insertion sort at the end is sorted piece by piece here: no element leaves its piece there either. */
static void NAME(loop)(ITEM *x, int64_t n, int depth) {
    while (n > RUN) {
        if (depth-- == 0) {
            NAME(heap_select)(x, n, n);
            NAME(heap_sort)(x, n);
            return;
        }
        int64_t cut = NAME(partition)(x, n);
        NAME(loop)(x + cut, n - cut, depth);
        n = cut;
    }
    NAME(insertion)(x, n);
}

/* Pieces that threads may sort apart. */
typedef struct NAME(pieces) {
    ITEM *x[PIECES];
    int64_t n[PIECES];
    int depth[PIECES], count;
} NAME(pieces);

static void NAME(divide)(NAME(pieces) *p, ITEM *x, int64_t n, int depth) {
    while (n > FEW && p->count < PIECES && depth > 0) {
        const int64_t cut = NAME(partition)(x, n);
        NAME(divide)(p, x + cut, n - cut, --depth);
        n = cut;
    }
    if (p->count == PIECES) {
        NAME(loop)(x, n, depth);
        return;
    }
    p->x[p->count] = x;
    p->n[p->count] = n;
    p->depth[p->count++] = depth;
}

static void NAME(sort_pieces)(void *context, int64_t begin, int64_t end) {
    const NAME(pieces) *p = context;
    for (int64_t i = begin; i < end; i++) NAME(loop)(p->x[i], p->n[i], p->depth[i]);
}

void NAME(tw_introsort)(ITEM *x, int64_t n) {
    if (n < 2) return;
    if (n <= FEW) {
        NAME(loop)(x, n, depth_limit(n));
        return;
    }
    NAME(pieces) p = {.count = 0};
    NAME(divide)(&p, x, n, depth_limit(n));
    tw_parallel(p.count, 1, NAME(sort_pieces), &p);
}

/* What would stand at place nth in order stands there, nothing greater before it and nothing smaller after. */
static void NAME(introselect)(ITEM *x, int64_t n, int64_t nth) {
    for (int depth = depth_limit(n); n > 3; depth--) {
        if (depth == 0) {
            NAME(heap_select)(x, n, nth + 1);
            NAME(swap)(x, x + nth);
            return;
        }
        int64_t cut = NAME(partition)(x, n);
        if (cut <= nth) x += cut, nth -= cut, n -= cut;
        else n = cut;
    }
    NAME(insertion)(x, n);
}

void NAME(tw_smallest_first)(ITEM *x, int64_t n, int64_t k, bool sorted) {
    if (tw_few_of(k, n)) { /* in order whatever `sorted` says */
        NAME(heap_select)(x, n, k);
        NAME(heap_sort)(x, k);
        return;
    }
    NAME(introselect)(x, n, k - 1);
    if (sorted) NAME(tw_introsort)(x, k - 1);
}
