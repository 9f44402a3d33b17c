// The log: which levels reach stderr. Each case runs in a child process, because the level is read once.
#include "base/log.h"

#include <cstdlib>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mlxe {
namespace {

/// Logs one message per level with MLXE_LOG set like this, and ends the process.
[[noreturn]] void log_all_levels(const char* setting) {
  if (setting == nullptr) {
    unsetenv("MLXE_LOG");
  } else {
    setenv("MLXE_LOG", setting, 1);
  }
  log(LogLevel::kDebug, "a detail");
  log(LogLevel::kInfo, "a fact");
  log(LogLevel::kWarn, "a doubt {}");
  log(LogLevel::kError, "a failure");
  const bool enabled[] = {log_enabled(LogLevel::kDebug), log_enabled(LogLevel::kInfo), log_enabled(LogLevel::kWarn),
                          log_enabled(LogLevel::kError)};
  std::exit(enabled[0] * 8 + enabled[1] * 4 + enabled[2] * 2 + enabled[3]);
}

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

TEST(LogDeathTest, WritesWarningsAndErrorsByDefault) {
  const auto wanted =
      AllOf(Not(HasSubstr("a fact")), HasSubstr("mlxe warning: a doubt {}\n"), HasSubstr("mlxe error: a failure\n"));
  EXPECT_EXIT(log_all_levels(nullptr), testing::ExitedWithCode(2 + 1), wanted);
  EXPECT_EXIT(log_all_levels(""), testing::ExitedWithCode(2 + 1), wanted);
}

TEST(LogDeathTest, ObeysTheEnvironmentVariable) {
  EXPECT_EXIT(log_all_levels("debug"), testing::ExitedWithCode(8 + 4 + 2 + 1), HasSubstr("mlxe debug: a detail"));
  EXPECT_EXIT(log_all_levels("info"), testing::ExitedWithCode(4 + 2 + 1),
              AllOf(HasSubstr("mlxe info: a fact"), Not(HasSubstr("a detail"))));
  EXPECT_EXIT(log_all_levels("error"), testing::ExitedWithCode(1),
              AllOf(HasSubstr("a failure"), Not(HasSubstr("a doubt"))));
  EXPECT_EXIT(log_all_levels("off"), testing::ExitedWithCode(0), IsEmpty());
}

TEST(LogDeathTest, SaysWhatAnUnknownLevelIs) {
  EXPECT_EXIT(log_all_levels("loud"), testing::ExitedWithCode(2 + 1),
              AllOf(HasSubstr("MLXE_LOG is 'loud', wanted error, warn, info, debug or off"), HasSubstr("a doubt")));
}

}  // namespace
}  // namespace mlxe
