// The program's exit codes, as docs/cli.md and --help list them.
#pragma once

#include "mlxe/error.h"

namespace mlxe::cli {

inline constexpr int kExitOk = 0;
inline constexpr int kExitInternal = 1;
inline constexpr int kExitUsage = 2;
inline constexpr int kExitModel = 3;
inline constexpr int kExitFiles = 4;
inline constexpr int kExitMemory = 5;
inline constexpr int kExitSignalBase = 128;       ///< plus the signal's number: 130 for Ctrl-C
inline constexpr int kExitPipeClosed = 128 + 13;  ///< as a shell reports a program that SIGPIPE ended

[[nodiscard]] inline int exit_code(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidInput:
    case ErrorCode::kTooLong: return kExitUsage;
    case ErrorCode::kModelNotFound:
    case ErrorCode::kCorruptModel:
    case ErrorCode::kUnsupported:
    case ErrorCode::kNonFinite: return kExitModel;
    case ErrorCode::kIo: return kExitFiles;
    case ErrorCode::kOutOfMemory: return kExitMemory;
    case ErrorCode::kCancelled: return kExitSignalBase + 2;
    case ErrorCode::kInternal: return kExitInternal;
  }
  return kExitInternal;
}

}  // namespace mlxe::cli
