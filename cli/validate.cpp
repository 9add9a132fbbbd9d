// convoy validate: predicted step times and draws held against measured ones.

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "base/diagnostics.hpp"
#include "base/files.hpp"
#include "base/text.hpp"
#include "cli/command_line.hpp"
#include "cli/table.hpp"
#include "cli/terminal_json.hpp"
#include "cli/validation_page.hpp"
#include "cli/verbs.hpp"
#include "platforms/catalogue.hpp"
#include "platforms/measurements.hpp"
#include "platforms/validation.hpp"

namespace convoy::cli {
namespace {

struct ValidateArguments {
  std::vector<std::string> files;
  std::string odd;
  std::string output;
  bool overwrite = false;
  bool markdown = false;
  bool json = false;
};

nlohmann::ordered_json json_of(const platforms::ErrorSummary& s) {
  return {
      {"rows", s.rows}, {"median_error", s.median}, {"p90_error", s.p90}, {"worst_error", s.worst}};
}

nlohmann::ordered_json json_of(const platforms::Validation& validation) {
  using Metric = platforms::Measurement::Metric;
  static constexpr base::Words<Metric> metrics = {{Metric::step_time, "step_time_s"},
                                                  {Metric::power, "power_w"},
                                                  {Metric::idle_power, "idle_power_w"}};
  nlohmann::ordered_json json = {{"groups", nlohmann::ordered_json::array()},
                                 {"not_compared", nlohmann::ordered_json::array()}};
  for (const auto& group : validation.groups) {
    nlohmann::ordered_json rows = nlohmann::ordered_json::array();
    for (const auto& row : group.rows) {
      const auto& m = row.row;
      nlohmann::ordered_json one = {{"power_mode", m.mode},
                                    {"model", m.model},
                                    {"training", m.training},
                                    {"batch", m.batch},
                                    {"precision", name_of(engine::precision_words, m.precision)},
                                    {"measured", m.value},
                                    {"predicted", row.predicted}};
      if (row.without_model) one["model_left_out"] = *row.without_model;
      if (row.without_mode) one["mode_left_out"] = *row.without_mode;
      if (row.without_batch) one["batch_left_out"] = *row.without_batch;
      if (!m.adjusted.empty()) one["adjusted"] = m.adjusted;
      rows.push_back(std::move(one));
    }
    nlohmann::ordered_json one = {{"device", group.device},
                                  {"metric", name_of(metrics, group.metric)},
                                  {"predicted", json_of(group.predicted)}};
    if (group.without_model.rows > 0) one["models_left_out"] = json_of(group.without_model);
    if (group.without_mode.rows > 0) one["modes_left_out"] = json_of(group.without_mode);
    if (group.without_batch.rows > 0) one["batches_left_out"] = json_of(group.without_batch);
    one["rows"] = std::move(rows);
    json["groups"].push_back(std::move(one));
  }
  for (const auto& row : validation.unused) {
    json["not_compared"].push_back(
        {{"row", row.place}, {"what", row.what}, {"reason", row.reason}});
  }
  return json;
}

int validate(const ValidateArguments& arguments) {
  if (!arguments.output.empty()) base::check_output(arguments.output, arguments.overwrite);
  platforms::Measurements measurements;
  for (const std::string& file : arguments.files) platforms::read_measurements(file, measurements);
  if (!arguments.odd.empty()) platforms::set_right(measurements, arguments.odd);
  for (const std::string& remark : measurements.remarks) {
    spdlog::warn("{}", base::escaped(remark));
  }
  base::Diagnostics problems;
  platforms::Catalogue catalogue(".", problems);
  const platforms::Validation validation = platforms::validate(std::move(measurements), catalogue);
  if (problems.has_errors()) throw base::UserError(problems.str());
  if (validation.groups.empty()) {
    throw base::UserError("no row has a model, a device and a mode that Convoy knows");
  }
  if (!arguments.output.empty()) {
    base::write_output(arguments.output, validation_page(validation), arguments.overwrite);
  }
  if (arguments.json) {
    fmt::print("{}\n", terminal_json(json_of(validation)));
  } else if (arguments.markdown) {
    fmt::print("{}", validation_markdown(validation));
  } else {
    fmt::print("{}", validation_text(validation));
  }
  return ExitStatus::done;
}

}  // namespace

void add_validate(CLI::App& app, int& status) {
  auto* verb = app.add_subcommand(
      "validate", "Compare predicted step times and power draws with measured ones, row by row");
  auto arguments = std::make_shared<ValidateArguments>();
  verb->add_option("measurements", arguments->files, "CSV or report.json, as for convoy calibrate")
      ->required();
  verb->add_option("--odd", arguments->odd,
                   "TOML: rows to leave out, and rows measured in another mode than they say");
  verb->add_option("-o,--output", arguments->output, "HTML page to write, with all rows");
  verb->add_flag("--overwrite", arguments->overwrite, "Replace an existing file");
  verb->add_flag("--markdown", arguments->markdown, "Print a summary as a Markdown table");
  verb->add_flag("--json", arguments->json, "Print one JSON object");
  add_wide(*verb);
  add_examples(*verb, {"convoy validate latencies.csv"});
  verb->callback([arguments, &status] { status = validate(*arguments); });
}

}  // namespace convoy::cli
