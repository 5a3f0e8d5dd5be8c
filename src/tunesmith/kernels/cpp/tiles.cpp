// Whether AMX tiles may be used here. Some virtual machines announce them and hide how large they are (CPUID leaf
// 0x1D); the instructions may work all the same. So: ask for permission, then try one small product under guard.
#include "common.h"

#if defined(__x86_64__) && defined(__linux__) && defined(TUNESMITH_AVX512)

#include <csetjmp>
#include <csignal>
#include <sys/syscall.h>
#include <unistd.h>

#include "tiles.h"

namespace {

constexpr int ASK_FOR_STATE = 0x1023, TILE_DATA = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILE_DATA

sigjmp_buf way_out;

void leave(int) { siglongjmp(way_out, 1); }

// C (16, 16) of ones (16, 32) times ones (32, 16): 32 everywhere.
TUNESMITH_TILES __attribute__((noinline)) bool product_is_right() {
    alignas(64) uint16_t ones[16 * 32];
    alignas(64) float product[16 * 16] = {};
    for (uint16_t& one : ones) one = 0x3F80;
    tunesmith::configure_tiles();
    _tile_zero(0);
    _tile_loadd(4, ones, 64);
    _tile_loadd(6, ones, 64);
    _tile_dpbf16ps(0, 4, 6);
    _tile_stored(0, product, 64);
    _tile_release();
    for (float number : product)
        if (number != 32.0f) return false;
    return true;
}

}  // namespace

extern "C" int tiles_work() {
    if (syscall(SYS_arch_prctl, ASK_FOR_STATE, TILE_DATA) != 0) return 0;
    constexpr int SIGNALS[] = {SIGILL, SIGSEGV, SIGBUS, SIGFPE};
    struct sigaction guard = {}, before[4];
    guard.sa_handler = leave;
    sigemptyset(&guard.sa_mask);
    for (int i = 0; i < 4; i++) sigaction(SIGNALS[i], &guard, &before[i]);
    volatile int works = 0;
    if (sigsetjmp(way_out, 1) == 0) works = product_is_right();
    for (int i = 0; i < 4; i++) sigaction(SIGNALS[i], &before[i], nullptr);
    return works;
}

#else

extern "C" int tiles_work() { return 0; }

#endif
