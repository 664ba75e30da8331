/* A call of grid_sample and its gradients, and the loops over it in half types. */
#ifndef TW_KERNELS_GRID_H
#define TW_KERNELS_GRID_H
#include "kernels/kernel.h"

enum { TW_GRID_BILINEAR, TW_GRID_NEAREST, TW_GRID_BICUBIC };
enum { TW_GRID_ZEROS, TW_GRID_BORDER, TW_GRID_REFLECTION };
enum { TW_GRID_BLOCK = 32, TW_GRID_GROUP = 4 }; /* places whose taps are held at a time; channels of a unit */

/* All arrays are dense: x (images, channels, plane), g and y (images, channels, places), grid (images, places, dims). */
typedef struct tw_sampling {
    int dims, mode, padding;
    bool align;
    int64_t images, channels, in[3], plane, places, blocks, groups;
    const void *x, *grid, *g; /* g: gradient of the result */
    void *y;
} tw_sampling;

/* Bodies for tw_parallel over a tw_sampling. Units: image and block of places; for the gradient of the input, image and group of channels. */
typedef enum tw_grid_body { TW_GRID_SAMPLE, TW_GRID_INPUT_GRADIENT, TW_GRID_GRID_GRADIENT, TW_GRID_BODIES } tw_grid_body;
typedef struct tw_grid_bodies { void (*run[TW_GRID_BODIES])(void *sampling, int64_t begin, int64_t end); } tw_grid_bodies;
typedef struct tw_grid_kernels { tw_grid_bodies f16, bf16; } tw_grid_kernels; /* on float32 arrays */
const tw_grid_kernels *tw_grid(void);
#endif
