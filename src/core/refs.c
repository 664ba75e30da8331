#include "core/refs.h"

atomic_int tw_sharers = 1;
