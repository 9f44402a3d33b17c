// Results that are one record for each text, as a table, JSON or JSON lines.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "mlxe/output.h"
#include "session.h"
#include "text_source.h"

namespace CLI {
class App;
}

namespace mlxe::cli {

/// Flags of the commands that read texts and print records.
struct RecordFlags {
  TextInput input;
  std::string output = "table";  ///< table, json, jsonl
};

/// texts, -i, --field, --output; `what` names the texts in the help.
void add_record_flags(CLI::App& command, RecordFlags& flags, const std::string& what);

/// Prints each record as it comes; json is one object with `model`, `resolved_model` and the list `results`, which a
/// run that fails leaves open.
class RecordWriter {
 public:
  RecordWriter(const RecordFlags& flags, const Session& session) : output_(flags.output), model_(session.model) {}

  [[nodiscard]] bool wants_table() const { return output_ == "table"; }
  /// \param record  lines of a table, or a JSON object; as wants_table() says
  void add(std::string_view record);
  void flush() const;  ///< a reader that follows us sees every window at once
  void finish();

 private:
  void begin_json();  // once

  std::string output_;
  std::string model_;
  bool begun_ = false;  // the object of json
  bool any_ = false;    // records
};

}  // namespace mlxe::cli
