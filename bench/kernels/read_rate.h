// How fast all threads together read memory: a mark for a query, which meets every weight once.
#pragma once

#include <cstddef>

namespace mlxe::bench {

/// Bytes/s at which `threads` threads read `bytes` bytes again and again, each its own part of them: the best of
/// several bouts. Where caches hold so many bytes, it is their rate. Memory that other machines share is not steady: 29
/// to 51 GB/s within a minute were seen.
double measure_read_rate(std::size_t bytes, int threads);

}  // namespace mlxe::bench
