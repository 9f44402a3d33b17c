// Team: a few threads that share the work inside single operations.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>

namespace mlxe::cpu {

/// Where share `index` of [0, count) begins, of num_shares that differ by one at most; the last one ends at `count`.
[[nodiscard]] constexpr int begin_of_share(int index, int num_shares, int count) {
  return static_cast<int>(static_cast<std::int64_t>(count) * index / num_shares);
}

/// Member 0 is the thread that calls for_each(); the others stay in help() and join a round when they can: a member
/// that wakes late costs nothing. A team of one calls everything at once.
class Team {
 public:
  using Part = std::function<void(int part, int member)>;

  explicit Team(int size) : size_(size) {}
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  [[nodiscard]] int size() const { return size_; }

  /// Calls part(i, member) once for every i in [0, count), `member` in [0, size()) being the calling thread's number.
  /// Returns when all are done. Parts must not throw.
  void for_each(int count, const Part& part);

  void help(int member);  ///< for members 1 .. size - 1: works until dismiss()
  void dismiss();         ///< no for_each() may follow

 private:
  /// Parts of this round, until there are none to take. \returns how many
  int take_parts(int member);
  void announce();

  const int size_;
  const Part* part_ = nullptr;
  // One word, so that a late member cannot take a number of one round for a part of another:
  // parts of this round in the upper half, the next one to take in the lower.
  std::atomic<std::uint64_t> ticket_{0};
  std::atomic<std::uint32_t> round_{0};
  std::atomic<int> sleepers_{0};
  std::atomic<bool> dismissed_{false};
  // What members 1 .. size - 1 have done, on a cache line away from what they look at while member 0 looks at this.
  alignas(64) std::atomic<int> done_by_others_{0};
};

}  // namespace mlxe::cpu
