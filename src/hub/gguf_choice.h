// Which GGUF file of several is meant.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mlxe {

/// True for what may stand behind a name's colon: a plain word, such as "Q4_K_M" or "model-q4.gguf".
[[nodiscard]] bool is_gguf_choice(std::string_view choice);

/// The file that is meant. Projectors of images (mmproj) are never.
/// \param choice  a file's name, or the word of a name that tells its quantisation, in any case. Nothing: the only
///                file, or that of 8 bits, else the nearest to it in quality.
/// \param where   names the place in errors
/// \return nothing if there are no files and none was chosen
/// \throws Error{kModelNotFound} with the list if the choice means none of them or several, or if none was chosen and
///         the names do not tell which is which
[[nodiscard]] std::optional<std::string> choose_gguf(const std::vector<std::string>& names,
                                                     const std::optional<std::string>& choice, std::string_view where);

}  // namespace mlxe
