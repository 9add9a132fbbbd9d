// convoy calibrate: fit a device's efficiencies and overheads to measured latencies.

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>

#include "base/csv.hpp"
#include "base/diagnostics.hpp"
#include "base/files.hpp"
#include "base/text.hpp"
#include "cli/table.hpp"
#include "cli/verbs.hpp"
#include "engine/model/submodel.hpp"
#include "platforms/calibration.hpp"
#include "platforms/catalogue.hpp"
#include "platforms/device_file.hpp"

namespace convoy::cli {
namespace {

using platforms::Calibration;
using platforms::Precision;
using platforms::Residual;

struct CalibrateArguments {
  std::string file;
  std::string device;
  std::string rows;  // the device's name in the file
  std::string power_mode;
  std::string output;
  bool overwrite = false;
  bool json = false;
};

struct Latencies {
  std::vector<engine::TimedStep> steps;
  Precision precision = Precision::fp32;
  std::set<std::string> unknown;  // models that are not known here
};

// "1x3x224x224" -> batch and pixels
bool parse_input(std::string_view text, int& batch, int& pixels) {
  std::vector<int> numbers;
  while (!text.empty()) {
    const std::size_t x = text.find('x');
    const double n = base::parse_number(text.substr(0, x));
    if (!(n >= 1 && n <= 4096)) return false;
    numbers.push_back(static_cast<int>(n));
    text.remove_prefix(x == text.npos ? text.size() : x + 1);
  }
  if (numbers.size() != 4 || numbers[2] != numbers[3]) return false;
  batch = numbers[0];
  pixels = numbers[2];
  return true;
}

// Columns: model and latency_ms; where they are there also device, precision (float32, float16) and
// input (1x3x224x224) or batch. Others are named: what they say, the fit does not know.
Latencies read_latencies(const CalibrateArguments& arguments) {
  const std::string text = base::read_text_file(arguments.file);
  base::CsvReader csv(text, arguments.file);
  const int model = csv.column("model");
  const int latency = csv.column("latency_ms");
  const int device = csv.column("device");
  const int precision = csv.column("precision");
  const int input = csv.column("input");
  const int batches = csv.column("batch");
  std::vector<std::string> unused;
  const std::set<std::string> used = {
      "model", "latency_ms",           "device", "precision", "input",
      "batch", "throughput_img_per_s", "source"};
  for (const std::string& column : csv.columns()) {
    if (!used.contains(column)) unused.push_back(base::printable(column));
  }
  if (!unused.empty()) {
    spdlog::warn("{}: not used: column{} {}", arguments.file, unused.size() > 1 ? "s" : "",
                 base::list_of(unused, "and"));
  }
  if (model < 0 || latency < 0) {
    throw base::UserError(arguments.file + ": the columns model and latency_ms are needed");
  }
  Latencies all;
  const auto& known = engine::architecture_names();
  const std::string wanted = arguments.rows.empty() ? arguments.device : arguments.rows;
  std::set<std::string> devices;
  std::set<std::string> precisions;
  std::set<std::string> models;
  while (csv.next()) {
    if (device >= 0) {
      devices.insert(std::string(csv.cell(device)));
      if (csv.cell(device) != wanted) continue;
    }
    const double ms = csv.number(latency);
    if (!(ms > 0 && ms < 1e7)) csv.fail(latency, "milliseconds above 0 are expected");
    if (precision >= 0) precisions.insert(std::string(csv.cell(precision)));
    if (precisions.size() > 1) csv.fail(precision, "differs from the rows above: one at a time");
    engine::ModelOptions options;
    options.architecture = std::string(csv.cell(model));
    options.classes = 1000;
    options.exits = {1.0};
    if (std::find(known.begin(), known.end(), options.architecture) == known.end()) {
      all.unknown.insert(options.architecture);
      continue;
    }
    int batch = 1;
    int pixels = 224;
    if (input >= 0 && !parse_input(csv.cell(input), batch, pixels)) {
      csv.fail(input, "BATCHxCHANNELSxSIDExSIDE is expected, such as 1x3x224x224");
    }
    if (batches >= 0 && !csv.cell(batches).empty()) {
      const double given = csv.number(batches);
      if (!(given >= 1 && given <= 4096 && given == std::floor(given))) {
        csv.fail(batches, "a number of samples from 1 to 4096 is expected");
      }
      if (input >= 0 && batch != static_cast<int>(given)) {
        csv.fail(batches, "is another than the first number of the column input");
      }
      batch = static_cast<int>(given);
    }
    options.image_size = pixels;
    models.insert(options.architecture);
    const engine::Architecture a = engine::make_architecture(options);
    all.steps.push_back({options.architecture,
                         engine::inference_step(engine::trace(a, engine::full_submodel(a)), batch),
                         ms / 1e3, 0});
  }
  if (!precisions.empty()) {
    const std::string& p = *precisions.begin();
    const bool half = p == "float16" || p == "fp16";
    if (!half && p != "float32" && p != "fp32") {
      throw base::UserError(fmt::format("{}: precision \"{}\": float32 or float16 is expected",
                                        arguments.file, base::printable(p)));
    }
    all.precision = half ? Precision::fp16 : Precision::fp32;
  }
  constexpr std::size_t fewest = 5;
  if (models.size() < fewest) {
    throw base::UserError(fmt::format(
        "{}: rows of {} models of {} that are known; at least {} are needed{}", arguments.file,
        models.size(), wanted, fewest,
        devices.empty()
            ? ""
            : fmt::format(" (it has rows of {}; name one by --rows)",
                          base::list_of(std::vector(devices.begin(), devices.end()), "and"))));
  }
  return all;
}

void print(const Latencies& latencies, const Calibration& found,
           const std::vector<Residual>& left_out) {
  Table table({"<Model", "measured", "fitted", "error", "left out", "error"});
  for (std::size_t i = 0; i < found.steps.size(); ++i) {
    const Residual& in = found.steps[i];
    const Residual& out = left_out[i];
    table.add({in.name, fmt::format("{:.2f} ms", 1e3 * in.measured),
               fmt::format("{:.2f} ms", 1e3 * in.predicted),
               fmt::format("{:+.1f} %", 100 * in.error()),
               fmt::format("{:.2f} ms", 1e3 * out.predicted),
               fmt::format("{:+.1f} %", 100 * out.error())});
  }
  fmt::print("{}\n", table.str());
  fmt::print(
      "Absolute error of models left out of the fit: median {:.1f} %, 90th percentile "
      "{:.1f} %, worst {:.1f} %\n",
      100 * platforms::error_quantile(left_out, 0.5),
      100 * platforms::error_quantile(left_out, 0.9), 100 * platforms::error_quantile(left_out, 1));
  if (!latencies.unknown.empty()) {
    fmt::print(
        "Left out, not known here: {}\n",
        base::list_of(std::vector(latencies.unknown.begin(), latencies.unknown.end()), "and"));
  }
}

int calibrate(const CalibrateArguments& arguments) {
  if (!arguments.output.empty()) base::check_output(arguments.output, arguments.overwrite);
  base::Diagnostics problems;
  platforms::Catalogue catalogue(".", problems);
  const platforms::Device* device = catalogue.device(arguments.device);
  if (device == nullptr) {
    if (problems.has_errors()) throw base::UserError(problems.str());
    const auto names = platforms::Catalogue::device_names();
    throw base::UserError(fmt::format("--device: \"{}\" is not in the catalogue{}",
                                      arguments.device,
                                      base::did_you_mean(arguments.device, names)));
  }
  const std::string mode_name =
      arguments.power_mode.empty() ? device->default_mode : arguments.power_mode;
  const platforms::PowerMode* mode = device->mode(mode_name);
  if (mode == nullptr) {
    throw base::UserError(fmt::format("--power-mode: {} has {}", device->name,
                                      base::list_of(device->mode_names(), "and")));
  }
  const Latencies latencies = read_latencies(arguments);
  const platforms::Machine start = platforms::beginning(
      latencies.steps, platforms::machine(*device, *mode), latencies.precision);
  const Calibration found = platforms::fit(latencies.steps, start, latencies.precision);
  const std::vector<Residual> left_out =
      platforms::leave_one_out(latencies.steps, start, latencies.precision);
  platforms::Device fitted = *device;
  const std::string note =
      fmt::format("to {} latencies in {}, mode {}", latencies.steps.size(),
                  latencies.precision == Precision::fp16 ? "FP16" : "FP32", mode_name);
  const std::vector<std::string> kept = platforms::set_fitted(fitted, start, found.machine, note);
  if (!arguments.output.empty()) {
    std::vector<std::string> comments = {
        fmt::format("Fitted by convoy {} calibrate to {}", CONVOY_VERSION,
                    std::filesystem::path(arguments.file).filename().string()),
        fmt::format("Absolute error of models left out of the fit: median {:.1f} %, 90th "
                    "percentile {:.1f} %",
                    100 * platforms::error_quantile(left_out, 0.5),
                    100 * platforms::error_quantile(left_out, 0.9))};
    for (const std::string& figure : kept) {
      comments.push_back("Kept, the latencies say nothing of it: " + figure);
    }
    base::write_output(arguments.output, platforms::to_toml(fitted, comments), arguments.overwrite);
  }
  if (arguments.json) {
    nlohmann::ordered_json json = {{"device", device->name},
                                   {"power_mode", mode_name},
                                   {"left_out",
                                    {{"median_error", platforms::error_quantile(left_out, 0.5)},
                                     {"p90_error", platforms::error_quantile(left_out, 0.9)},
                                     {"worst_error", platforms::error_quantile(left_out, 1)}}},
                                   {"kept", kept}};
    for (std::size_t i = 0; i < left_out.size(); ++i) {
      json["models"].push_back({{"model", left_out[i].name},
                                {"measured_s", left_out[i].measured},
                                {"fitted_s", found.steps[i].predicted},
                                {"left_out_s", left_out[i].predicted}});
    }
    fmt::print("{}\n", json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
  } else {
    print(latencies, found, left_out);
    if (!kept.empty()) {
      fmt::print("Kept as {} has them, the latencies say nothing of them: {}\n", device->name,
                 base::list_of(kept, "and"));
    }
  }
  return ExitStatus::done;
}

}  // namespace

void add_calibrate(CLI::App& app, int& status) {
  auto* verb = app.add_subcommand(
      "calibrate", "Fit a device to measured inference latencies, and say how well that predicts");
  auto arguments = std::make_shared<CalibrateArguments>();
  verb->add_option("latencies", arguments->file,
                   "CSV with model and latency_ms; also device, precision, input")
      ->required();
  verb->add_option("--device", arguments->device, "Whose peaks are taken: of the catalogue")
      ->required();
  verb->add_option("--rows", arguments->rows, "The device's name in the file (the same)");
  verb->add_option("--power-mode", arguments->power_mode, "In which it was measured");
  verb->add_option("-o,--output", arguments->output, "The device's file with the fitted figures");
  verb->add_flag("--overwrite", arguments->overwrite, "Replace a file that is there");
  verb->add_flag("--json", arguments->json, "As one JSON object");
  verb->callback([arguments, &status] { status = calibrate(*arguments); });
}

}  // namespace convoy::cli
