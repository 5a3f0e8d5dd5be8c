// AMX tiles: sixteen rows of 64 bytes each, in all eight.
#pragma once

#include "common.h"

#if defined(__x86_64__) && defined(TUNESMITH_AVX512)

#define TUNESMITH_TILES __attribute__((target("amx-tile,amx-bf16,avx512f,avx512bw,avx512vl")))

namespace tunesmith {

struct alignas(64) TileShape {
    uint8_t palette = 1, start = 0, reserved[14] = {};
    uint16_t bytes_of_a_row[16] = {64, 64, 64, 64, 64, 64, 64, 64};
    uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

// Before a thread's first tile, in every call: another library may have set its own shape on this thread meanwhile.
TUNESMITH_TILES inline void configure_tiles() {
    static const TileShape shape;
    _tile_loadconfig(&shape);
}

}  // namespace tunesmith

#endif
