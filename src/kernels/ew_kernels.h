/* What the generated elementwise kernels (build/gen/ew_kernels_*.c) stand on. */
#ifndef TW_KERNELS_EW_KERNELS_H
#define TW_KERNELS_EW_KERNELS_H
#include "kernels/kernel.h"
#include "kernels/math.h"
#include "kernels/vec.h"

/* An output may equal an input exactly, but never overlaps one otherwise: element i depends on elements i only. */
#if defined(__clang__)
#define TW_IVDEP _Pragma("clang loop vectorize(assume_safety)")
#else
#define TW_IVDEP _Pragma("GCC ivdep")
#endif
#endif
