#include "platforms/self_test_report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "base/diagnostics.hpp"
#include "base/json.hpp"
#include "base/table_reader.hpp"
#include "platforms/catalogue.hpp"

namespace convoy::platforms {
namespace {

using base::TableReader;
using Metric = Measurement::Metric;

// One of the report's rows; its other figures are for people.
Measurement row_of(TableReader& reader, const std::string& device, const std::string& mode) {
  constexpr double most = 1e9;
  Measurement row;
  row.device = device;
  row.mode = mode;
  row.metric = reader.choice("metric", Measurement::metrics);
  row.value = reader.number("value", base::above(0).below(most));
  const std::vector<std::string> unit = {row.metric == Metric::step_time ? "s" : "W"};
  reader.choice("unit", unit);
  if (row.metric == Metric::idle_power) return row;
  TableReader model = reader.table("model");
  row.options = engine::read_model(model);
  model.finish();
  row.model = row.options.architecture;
  row.rate = reader.number("rate", base::above(0).up_to(1));
  row.batch = static_cast<int>(reader.integer("batch", base::at_least(1).up_to(1e6)));
  row.optimizer = reader.choice("optimizer", engine::optimizer_words);
  row.precision = reader.choice("precision", engine::precision_words);
  row.training = reader.flag("training");
  if (row.training && row.precision == engine::Precision::fp16) {
    reader.error("precision", "nobody trains in half precision alone");
  }
  return row;
}

// Some options are each in order, and no model together, or not one that can be so small.
bool can_be_made(TableReader& reader, const Measurement& row) {
  try {
    step_of(row);
    return true;
  } catch (const base::UserError& e) {
    reader.error("model", e.what());
    return false;
  }
}

}  // namespace

void read_report(std::string_view text, const std::string& file, Measurements& into) {
  base::Diagnostics problems;
  const base::Value tree = base::parse_json(text, file, problems);
  if (problems.has_errors()) throw base::UserError(problems.str());
  if (tree.find(report_key) == nullptr) {
    throw base::UserError(file + ": is no report of convoy-node --self-test");
  }
  TableReader reader(tree, "", problems);
  const auto version = reader.integer(report_key, base::at_least(1));
  if (version > report_version) {
    throw base::UserError(fmt::format(
        "{}: was written by a later Convoy (version {} of the report; {} is known here)", file,
        version, report_version));
  }
  const std::string device = reader.text("device");
  if (Catalogue::is_path(device)) reader.error("device", "the name of a device is expected");
  if (reader.flag("quick", false)) {
    into.remarks.push_back(file + ": was made with --quick: too inexact for use");
  }
  const std::string mode = reader.text("power_mode");
  const std::string profile = reader.text("profile", "");
  std::vector<Measurement> rows;
  for (TableReader& row : reader.tables("rows")) {
    const int before = problems.errors();
    Measurement read = row_of(row, device, mode);
    if (problems.errors() > before) continue;
    if (read.metric != Metric::idle_power && !can_be_made(row, read)) continue;
    read.place = fmt::format("{}: rows.{}", file, rows.size());
    read.source = std::filesystem::path(file).filename().string();
    rows.push_back(std::move(read));
  }
  if (!problems.has_errors() && !profile.empty()) {
    const base::Value own = base::parse_toml(profile, file + ": profile", problems);
    if (!problems.has_errors()) {
      Device made = read_device(own, problems);
      const auto names = Catalogue::device_names();
      if (std::find(names.begin(), names.end(), made.name) != names.end()) {
        reader.error("profile", fmt::format("\"{}\" is the catalogue's", made.name));
      }
      // Each report's is called the same: those after the first get a number.
      std::string name = made.name;
      for (int n = 2; into.devices.contains(name); ++n) name = fmt::format("{}-{}", made.name, n);
      for (Measurement& row : rows) {
        if (row.device == made.name) row.device = name;
      }
      made.name = name;
      into.devices.emplace(name, std::move(made));
    }
  }
  if (problems.has_errors()) throw base::UserError(problems.str());
  std::move(rows.begin(), rows.end(), std::back_inserter(into.rows));
}

}  // namespace convoy::platforms
