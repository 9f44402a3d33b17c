// AMX: eight tiles of 16 rows of 64 bytes, and products of two tiles added to a third.
// By asm, as the compilers' own functions do not say what memory a load reads.
#pragma once

#include <cstddef>
#include <cstdint>

namespace mlxe::cpu::amx {
namespace {  // each translation unit its own

constexpr int kTileRows = 16;
constexpr int kTileWords = 16;  // of four bytes, in each row

/// Tiles as the products here use them: 0 to 3 are sums, two by two; 4 and 5 hold rows of a, 6 and 7 columns of b.
/// While it lives, this thread's tiles have their shapes. Making one costs some 220 cycles.
class TileShapes {
 public:
  /// \param rows  1 .. 16, of sums and of a
  explicit TileShapes(int rows) {
    struct alignas(64) {
      std::uint8_t palette = 1;
      std::uint8_t start_row = 0;
      std::uint8_t reserved[14] = {};
      std::uint16_t row_bytes[16] = {};
      std::uint8_t rows[16] = {};
    } shapes;
    static_assert(sizeof(shapes) == 64);
    for (int tile = 0; tile < 8; ++tile) {
      shapes.row_bytes[tile] = kTileWords * sizeof(std::int32_t);
      shapes.rows[tile] = static_cast<std::uint8_t>(tile < 6 ? rows : kTileRows);
    }
    asm volatile("ldtilecfg %0" : : "m"(shapes));
  }
  ~TileShapes() { asm volatile("tilerelease" : :); }
  TileShapes(const TileShapes&) = delete;
  TileShapes& operator=(const TileShapes&) = delete;
};

template <int kTile>
inline __attribute__((always_inline)) void zero_tile() {
  asm volatile("tilezero %%tmm%c0" : : "i"(kTile));
}

/// \param stride  words from one row to the next
template <int kTile>
inline __attribute__((always_inline)) void load_tile(const void* rows, std::ptrdiff_t stride) {
  asm volatile("tileloadd (%1,%2,1), %%tmm%c0"
               :
               : "i"(kTile), "r"(rows), "r"(stride * sizeof(std::int32_t)), "m"(*static_cast<const char(*)[]>(rows)));
}

/// As load_tile, of what will not be read again soon: what is in the L1 cache stays there.
template <int kTile>
inline __attribute__((always_inline)) void stream_tile(const void* rows, std::ptrdiff_t stride) {
  asm volatile("tileloaddt1 (%1,%2,1), %%tmm%c0"
               :
               : "i"(kTile), "r"(rows), "r"(stride * sizeof(std::int32_t)), "m"(*static_cast<const char(*)[]>(rows)));
}

/// What lies between the rows stays.
template <int kTile>
inline __attribute__((always_inline)) void store_tile(void* rows, std::ptrdiff_t stride) {
  asm volatile("tilestored %%tmm%c1, (%2,%3,1)"
               : "+m"(*static_cast<char(*)[]>(rows))
               : "i"(kTile), "r"(rows), "r"(stride * sizeof(std::int32_t)));
}

}  // namespace
}  // namespace mlxe::cpu::amx
