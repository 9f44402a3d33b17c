// EXPECT_ERROR: a call must throw mlxe::Error with a code and with some words in its message.
#pragma once

#include <string>

#include <gmock/gmock.h>

#include "mlxe/error.h"

namespace mlxe::testing {

/// Runs `work` and returns the message of the Error of this code that it must throw; "" with a failure otherwise.
template <typename Work>
std::string message_of_error(ErrorCode code, const Work& work) {
  try {
    work();
  } catch (const Error& error) {
    EXPECT_EQ(static_cast<int>(error.code()), static_cast<int>(code)) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "no error was thrown";
  return "";
}

}  // namespace mlxe::testing

/// EXPECT_ERROR(kCorruptModel, "2_Dense", load(folder)): `words` is a substring of the message.
#define EXPECT_ERROR(code, words, call)                                                                     \
  EXPECT_THAT(::mlxe::testing::message_of_error(::mlxe::ErrorCode::code, [&] { static_cast<void>(call); }), \
              ::testing::HasSubstr(words))
