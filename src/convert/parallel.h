// Running a handful of equal jobs on a few threads.
#pragma once

#include <cstddef>
#include <functional>

namespace mlxe {

/// Calls job(i) for i in [0, count) on up to `threads` threads, this one included; returns when all are done.
/// \throws the first exception of a job; jobs not yet begun are dropped then
void run_parallel(std::size_t count, int threads, const std::function<void(std::size_t)>& job);

}  // namespace mlxe
