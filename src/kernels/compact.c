/* Blocks of 64 mask bytes: none marked, all marked, or a loop without branches, whose every store goes to the place after the last element
 * taken. Such a store may come to nothing, so that the last 64 places are filled with a branch instead. */
#include "kernels/compact.h"
#include "kernels/vec.h"

enum { BLOCK = 64 };
typedef struct pair { uint64_t part[2]; } pair;

TW_INLINE int marked(const uint8_t *mask) {
    int count = 0;
    for (int i = 0; i < BLOCK; i++) count += mask[i] != 0;
    return count;
}

static int64_t count(int64_t n, const uint8_t *mask) {
    int64_t total = 0, i = 0;
    for (; i + BLOCK <= n; i += BLOCK) {
        uint8_t lane[BLOCK];
        for (int j = 0; j < BLOCK; j++) lane[j] = mask[i + j] != 0;
        for (int64_t end = n - BLOCK < i + 254 * BLOCK ? n - BLOCK : i + 254 * BLOCK; i + BLOCK <= end; i += BLOCK)
            for (int j = 0; j < BLOCK; j++) lane[j] = (uint8_t)(lane[j] + (mask[i + BLOCK + j] != 0));
        for (int j = 0; j < BLOCK; j++) total += lane[j];
    }
    for (; i < n; i++) total += mask[i] != 0;
    return total;
}

/* TAKE(i): the element of place i; T its type. */
#define PICK(T, TAKE) \
    int64_t i = 0, k = 0; \
    for (; i + BLOCK <= n && k + BLOCK <= count; i += BLOCK) { \
        const int many = marked(mask + i); \
        if (many == 0) continue; \
        if (many == BLOCK) { \
            for (int j = 0; j < BLOCK; j++) to[k + j] = TAKE(i + j); \
        } else { \
            T *at = to + k; \
            for (int j = 0; j < BLOCK; j++) { \
                *at = TAKE(i + j); \
                at += mask[i + j] != 0; \
            } \
        } \
        k += many; \
    } \
    for (; k < count; i++) \
        if (mask[i]) to[k++] = TAKE(i)

static void places(int64_t n, const uint8_t *mask, int64_t count, int64_t first, int64_t *to) {
#define PLACE(i) (first + (i))
    PICK(int64_t, PLACE);
}

#define OF_TYPE(T, BITS) \
    static void take_##BITS(int64_t n, const uint8_t *mask, int64_t count, const void *elements, void *out) { \
        const T *from = elements; \
        T *to = out; \
        PICK(T, ELEMENT); \
    } \
    static void fill_##BITS(int64_t n, const uint8_t *mask, const void *value, const void *elements, void *out) { \
        const T *from = elements, by = *(const T *)value; \
        T *to = out; \
        for (int64_t i = 0; i < n; i++) to[i] = mask[i] ? by : from[i]; \
    }
#define ELEMENT(i) from[i]
OF_TYPE(uint8_t, 8)
OF_TYPE(uint16_t, 16)
OF_TYPE(uint32_t, 32)
OF_TYPE(uint64_t, 64)
OF_TYPE(pair, 128)

const tw_compact_kernels TW_K(tw_compact_kernels) = {
    count, places, {take_8, take_16, take_32, take_64, take_128}, {fill_8, fill_16, fill_32, fill_64, fill_128}
};
