// One record after the other.
#include "record_output.h"

#include <fmt/format.h>
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include "flag_text.h"
#include "json_text.h"
#include "mlxe/families.h"
#include "standard_output.h"

namespace mlxe::cli {

void add_record_flags(CLI::App& command, RecordFlags& flags, const std::string& what) {
  add_texts_argument(command, flags.input.arguments, what + " (put -- before one that starts with a dash)");
  add_text_option(command, "-i,--input", flags.input.file,
                  "a file of " + what + ", one a line, or .jsonl; - is standard input")
      ->type_name("FILE");
  add_text_option(command, "--field", flags.input.field, "the input is JSON lines with the text under NAME [text]")
      ->type_name("NAME");
  limit_to_names(command.add_option("--output", flags.output, "a table for reading, json, or jsonl [table]"),
                 {"table", "json", "jsonl"});
}

void RecordWriter::add(std::string_view record) {
  if (output_ == "json") {
    begin_json();
    write_stdout(any_ ? ",\n    " : "    ");
  }
  any_ = true;
  write_stdout(record);
  if (output_ == "jsonl") {
    write_stdout("\n");
  }
}

void RecordWriter::flush() const {
  flush_stdout();
}

void RecordWriter::finish() {
  if (output_ == "json") {
    begin_json();
    write_stdout(any_ ? "\n  ]\n}\n" : "  ]\n}\n");
  }
  flush_stdout();
}

void RecordWriter::begin_json() {
  if (!begun_) {
    write_stdout(fmt::format("{{\n  \"model\": {},\n  \"resolved_model\": {},\n  \"results\": [\n", json_string(model_),
                             json_string(canonical_model_name(model_))));
    begun_ = true;
  }
}

}  // namespace mlxe::cli
