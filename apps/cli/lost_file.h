// A model file that is cut short while it is mapped: what the kernel then sends becomes a message and an exit code.
#pragma once

namespace mlxe::cli {

/// From here on a read of a mapped file behind its new end names the file and ends the program with the exit code of
/// a model that cannot be used. Nothing is cleaned up then: the thread that reads cannot go on.
void catch_lost_files();

}  // namespace mlxe::cli
