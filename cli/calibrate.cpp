// convoy calibrate: fit devices to what was measured of models on them.

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>

#include "base/diagnostics.hpp"
#include "base/files.hpp"
#include "base/median.hpp"
#include "base/text.hpp"
#include "cli/command_line.hpp"
#include "cli/table.hpp"
#include "cli/terminal_json.hpp"
#include "cli/verbs.hpp"
#include "platforms/catalogue.hpp"
#include "platforms/device_file.hpp"
#include "platforms/fitted_device.hpp"
#include "platforms/measurements.hpp"
#include "platforms/power_fit.hpp"
#include "platforms/validation.hpp"

namespace convoy::cli {
namespace {

using platforms::Device;
using platforms::Figure;
using platforms::Fit;
using platforms::Measurement;
using platforms::Measurements;
using platforms::Observation;
using platforms::Origin;
using platforms::Residual;
using Metric = Measurement::Metric;

struct CalibrateArguments {
  std::vector<std::string> files;
  std::vector<std::string> devices;
  std::string rows;  // device's name in the files
  std::string power_mode;
  std::string odd;
  std::string output;
  bool overwrite = false;
  bool json = false;
};

// Devices fitted together, and their rows.
struct Subject {
  std::vector<Device> devices;
  std::vector<Measurement> rows;
  std::vector<std::size_t> device_of;  // by row
};

// Absolute errors of leave-one-out predictions.
struct LeftOut {
  std::vector<Residual> models;
  std::vector<Residual> modes;    // empty with a single mode
  std::vector<Residual> batches;  // empty with a single batch size
  [[nodiscard]] const std::vector<Residual>& strictest() const {
    return modes.empty() ? models : modes;
  }
};

std::string list_of(const std::set<std::string>& names) {
  return base::list_of(std::vector<std::string>(names.begin(), names.end()), "and");
}

std::string errors_of(const std::vector<Residual>& residuals) {
  return fmt::format("median {:.1f} %, 90th percentile {:.1f} %, worst {:.1f} %",
                     100 * platforms::error_quantile(residuals, 0.5),
                     100 * platforms::error_quantile(residuals, 0.9),
                     100 * platforms::error_quantile(residuals, 1));
}

nlohmann::ordered_json json_of(const std::vector<Residual>& residuals) {
  return {{"median_error", platforms::error_quantile(residuals, 0.5)},
          {"p90_error", platforms::error_quantile(residuals, 0.9)},
          {"worst_error", platforms::error_quantile(residuals, 1)}};
}

Device device_named(const std::string& name, const Measurements& measurements) {
  base::Diagnostics problems;
  platforms::Catalogue catalogue(".", problems);
  const Device* device = catalogue.device(name);
  if (problems.has_errors()) throw base::UserError(problems.str());
  if (device != nullptr) return *device;
  const auto came_along = measurements.devices.find(name);
  if (came_along != measurements.devices.end()) return came_along->second;
  throw base::UserError(
      fmt::format("--device: \"{}\" is not in the catalogue{}", name,
                  base::did_you_mean(name, platforms::Catalogue::device_names())));
}

Measurements read_all(const CalibrateArguments& arguments) {
  Measurements all;
  for (const std::string& file : arguments.files) platforms::read_measurements(file, all);
  const std::size_t unused = all.unused_columns.size();
  if (unused > 0) {
    spdlog::warn("{}: not used: column{} {}", base::list_of(arguments.files, "and"),
                 unused > 1 ? "s" : "", base::list_of(all.unused_columns, "and"));
  }
  if (!arguments.odd.empty()) platforms::set_right(all, arguments.odd);
  for (const std::string& remark : all.remarks) spdlog::warn("{}", base::escaped(remark));
  return all;
}

// The mode in which a row was measured.
std::string mode_of(const Measurement& row, const Device& device,
                    const std::string& if_not_stated) {
  std::string wanted = !row.mode.empty()        ? row.mode
                       : !if_not_stated.empty() ? if_not_stated
                                                : device.default_mode;
  if (device.mode(wanted) != nullptr) return wanted;
  const std::string has =
      fmt::format("{} has {}", device.name, base::list_of(device.mode_names(), "and"));
  if (row.mode.empty()) throw base::UserError("--power-mode: " + has);
  throw base::UserError(
      fmt::format("{}: no mode \"{}\": {} (a table of odd rows, --odd, can give the mode "
                  "that was meant)",
                  row.place, base::printable(row.mode), has));
}

std::vector<Device> chosen_devices(const CalibrateArguments& arguments,
                                   const Measurements& measurements) {
  if (arguments.devices.size() > 1 && !arguments.rows.empty()) {
    throw base::UserError("--rows needs exactly one --device");
  }
  std::vector<Device> devices;
  for (const std::string& name : arguments.devices) {
    devices.push_back(device_named(name, measurements));
    const std::string& own = devices.back().name;
    const auto same = std::ranges::count(devices, own, &Device::name);
    if (same > 1) throw base::UserError("--device: " + own + " is given twice");
  }
  const bool with_clocks = devices.front().chip.has_value();
  for (const Device& device : devices) {
    if (device.chip.has_value() == with_clocks) continue;
    throw base::UserError(
        "--device: several devices can be fitted together only if their files have a [chip]");
  }
  return devices;
}

// Requires enough models in all, and step times for each device.
void require_enough(const Subject& subject, const std::vector<std::string>& names,
                    const std::set<std::string>& others, const std::string& files) {
  std::set<std::string> models;
  std::vector<std::size_t> rows(names.size(), 0);
  for (std::size_t i = 0; i < subject.rows.size(); ++i) {
    if (subject.rows[i].metric != Metric::step_time) continue;
    models.insert(subject.rows[i].model);
    ++rows[subject.device_of[i]];
  }
  constexpr std::size_t fewest = 5;
  if (models.size() < fewest) {
    throw base::UserError(fmt::format(
        "{}: has rows of {} known models on {}; at least {} are needed{}", files, models.size(),
        base::list_of(names, "and"), fewest,
        others.empty()
            ? ""
            : fmt::format(" (it has rows of {}; give one of them as --rows)", list_of(others))));
  }
  const auto none = std::find(rows.begin(), rows.end(), 0U);
  if (none == rows.end()) return;
  throw base::UserError(fmt::format("{}: no step times of {}", files,
                                    names[static_cast<std::size_t>(none - rows.begin())]));
}

Subject subject_of(const CalibrateArguments& arguments, Measurements measurements) {
  Subject subject;
  subject.devices = chosen_devices(arguments, measurements);
  std::vector<std::string> names;  // in the files
  for (const Device& device : subject.devices) {
    names.push_back(arguments.rows.empty() ? device.name : arguments.rows);
  }
  std::set<std::string> others;
  for (Measurement& row : measurements.rows) {
    const auto found = std::find(names.begin(), names.end(), row.device);
    if (!row.device.empty() && found == names.end()) {
      others.insert(row.device);
      continue;
    }
    if (row.device.empty() && names.size() > 1) {
      throw base::UserError(row.place + ": names no device, and there are several");
    }
    const auto which = row.device.empty() ? 0 : static_cast<std::size_t>(found - names.begin());
    const Device& device = subject.devices[which];
    row.mode = mode_of(row, device, arguments.power_mode);
    if (!platforms::computes(*device.mode(row.mode), row.precision)) {
      throw base::UserError(fmt::format(
          "{}: {} has no half precision in its file (peak_fp16_flops)", row.place, device.name));
    }
    subject.device_of.push_back(which);
    subject.rows.push_back(std::move(row));
  }
  require_enough(subject, names, others, base::list_of(arguments.files, "and"));
  Measurements used;
  used.rows = subject.rows;
  platforms::require_agreement(used);
  return subject;
}

// Rows of one kind, with the machines on which they were measured.
struct Part {
  std::vector<const Measurement*> rows;
  std::vector<platforms::Machine> machines;
  std::vector<std::string> models, modes;
};

Part part_of(const Subject& subject, Metric metric) {
  Part part;
  for (std::size_t i = 0; i < subject.rows.size(); ++i) {
    const Measurement& row = subject.rows[i];
    if (row.metric != metric) continue;
    const Device& device = subject.devices[subject.device_of[i]];
    part.rows.push_back(&row);
    part.machines.push_back(platforms::machine(device, *device.mode(row.mode)));
    part.models.push_back(row.model);
    part.modes.push_back(device.name + " " + row.mode);
  }
  return part;
}

bool several(const std::vector<std::string>& all) {
  return std::set<std::string>(all.begin(), all.end()).size() > 1;
}

std::string precision_of(const Measurement& row) {
  return std::string(name_of(engine::precision_words, row.precision));
}

// --- how long the devices take ------------------------------------------------------------------

// Results of the fit to step times.
struct Times : Part {
  std::set<std::string> precisions;
  Fit fit;
  LeftOut left_out;
};

Times fit_times(const Subject& subject) {
  Times times{part_of(subject, Metric::step_time)};
  std::vector<Observation> observations;
  std::vector<std::string> batches;
  for (std::size_t i = 0; i < times.rows.size(); ++i) {
    const Measurement& row = *times.rows[i];
    observations.push_back(platforms::observed(row, times.machines[i]));
    batches.push_back(std::to_string(row.batch));
    times.precisions.insert(precision_of(row));
  }
  const std::vector<Observation> from = platforms::beginning(observations);
  times.fit = platforms::fit(from);
  times.left_out.models = platforms::leave_out(from, times.models);
  if (several(times.modes)) times.left_out.modes = platforms::leave_out(from, times.modes);
  if (several(batches)) times.left_out.batches = platforms::leave_out(from, batches);
  return times;
}

// By device: figures that stay because the measurements do not depend on them.
using Kept = std::vector<std::vector<std::string>>;

Kept set_times(Subject& subject, const Times& times) {
  const std::set<std::string> modes(times.modes.begin(), times.modes.end());
  const std::string note =
      fmt::format("to {} step times in {}, {}", times.rows.size(), list_of(times.precisions),
                  modes.size() > 1 ? fmt::format("{} modes", modes.size())
                                   : "mode " + times.rows.front()->mode);
  const std::string of = fmt::format("{} rows, {} left out of the fit", times.rows.size(),
                                     times.left_out.modes.empty() ? "models" : "modes");
  const std::vector<Residual>& errors = times.left_out.strictest();
  const bool training = std::any_of(times.rows.begin(), times.rows.end(),
                                    [](const Measurement* row) { return row->training; });
  Kept kept;
  for (Device& device : subject.devices) {
    kept.push_back(platforms::set_fitted(device, times.fit, note));
    device.uncertainty = {{platforms::error_quantile(errors, 0.5), Origin::measured, of},
                          {platforms::error_quantile(errors, 0.9), Origin::measured, of},
                          {times.precisions.begin(), times.precisions.end()},
                          training};
  }
  return kept;
}

// --- what the devices draw ----------------------------------------------------------------------

struct Draws {
  std::size_t rows = 0;
  platforms::PowerFit fit;
  std::vector<Residual> left_out;  // modes
};

// From draws in at least two modes: fits busy_w unless it was measured, and the draw of depthwise
// kernels. From idle draws: idle_w.
std::optional<Draws> set_draws(Subject& subject) {
  const Part idle = part_of(subject, Metric::idle_power);
  std::map<std::pair<std::string, std::string>, std::vector<double>> by_mode;
  for (std::size_t i = 0; i < idle.rows.size(); ++i) {
    by_mode[{idle.machines[i].device, idle.machines[i].mode}].push_back(idle.rows[i]->value);
  }
  for (const auto& [key, watts] : by_mode) {
    for (Device& device : subject.devices) {
      for (platforms::PowerMode& mode : device.modes) {
        if (device.name != key.first || mode.name != key.second) continue;
        mode.idle_w = {base::median(watts), Origin::measured,
                       fmt::format("median of {} rows", watts.size())};
      }
    }
  }
  const Part draws = part_of(subject, Metric::power);
  constexpr std::size_t fewest = 5;
  const bool clocks = subject.devices.front().chip.has_value();
  if (!clocks || draws.rows.size() < fewest || !several(draws.modes)) return std::nullopt;
  std::vector<platforms::DrawObservation> observations;
  for (std::size_t i = 0; i < draws.rows.size(); ++i) {
    const Measurement& row = *draws.rows[i];
    observations.push_back({row.model, platforms::step_of(row), draws.machines[i], row.value});
  }
  Draws found{draws.rows.size(), platforms::fit_power(observations),
              platforms::leave_out(observations, draws.modes)};
  const std::string note =
      fmt::format("to {} draws: idle + {:.3g} W x 1000 cores x GHz x (1 + {:.3g} x GHz)^2",
                  found.rows, found.fit.watts, found.fit.per_ghz);
  for (Device& device : subject.devices) {
    if (found.fit.depthwise < 1) {
      device.depthwise_power =
          Figure{found.fit.depthwise, Origin::fitted, fmt::format("to {} draws", found.rows)};
    }
    for (platforms::PowerMode& mode : device.modes) {
      if (mode.busy_w.origin != Origin::assumed && mode.busy_w.origin != Origin::fitted) continue;
      mode.busy_w = {found.fit.on(platforms::machine(device, mode)).busy_w, Origin::fitted, note};
    }
  }
  return found;
}

// --- output -------------------------------------------------------------------------------------

std::string row_name(const Measurement& row, bool with_mode) {
  std::string name = row.model;
  if (row.training) name += ", training";
  if (row.batch > 1) name += fmt::format(", batch {}", row.batch);
  if (with_mode) name += ", " + row.mode;
  return name;
}

void print(const Times& times, const std::vector<platforms::UnusedRow>& unused) {
  const Fit& fit = times.fit;
  const LeftOut& left_out = times.left_out;
  const bool modes = !left_out.modes.empty();
  std::vector<std::string> headings = {"<Model", "measured", "fitted",
                                       "error",  "left out", "error"};
  if (modes) headings.insert(headings.end(), {"mode left out", "error"});
  Table table(headings);
  const auto ms = [](double s) { return fmt::format("{:.2f} ms", 1e3 * s); };
  const auto percent = [](double e) { return fmt::format("{:+.1f} %", 100 * e); };
  for (std::size_t i = 0; i < fit.steps.size(); ++i) {
    std::vector<std::string> cells = {
        row_name(*times.rows[i], modes),  ms(fit.steps[i].measured),
        ms(fit.steps[i].predicted),       percent(fit.steps[i].error()),
        ms(left_out.models[i].predicted), percent(left_out.models[i].error())};
    if (modes) {
      cells.push_back(ms(left_out.modes[i].predicted));
      cells.push_back(percent(left_out.modes[i].error()));
    }
    table.add(std::move(cells));
  }
  fmt::print("{}\n", table.str());
  fmt::print("Absolute error of models left out of the fit: {}\n", errors_of(left_out.models));
  if (modes) fmt::print("Absolute error of modes left out: {}\n", errors_of(left_out.modes));
  if (!left_out.batches.empty()) {
    fmt::print("Absolute error of batch sizes left out: {}\n", errors_of(left_out.batches));
  }
  std::map<std::string, int> reasons;
  for (const auto& row : unused) ++reasons[row.reason];
  for (const auto& [reason, count] : reasons) {
    fmt::print("Not used: {} row{}, {}\n", count, count > 1 ? "s" : "", reason);
  }
}

std::string path_of(const CalibrateArguments& arguments, const Device& device) {
  if (arguments.devices.size() == 1) return arguments.output;
  return (std::filesystem::path(arguments.output) / (device.name + ".toml")).string();
}

void write(const CalibrateArguments& arguments, const Subject& subject, const LeftOut& left_out,
           const Kept& kept) {
  std::vector<std::string> files;
  for (const std::string& file : arguments.files) {
    files.push_back(std::filesystem::path(file).filename().string());
  }
  std::vector<std::string> comments = {
      fmt::format("Fitted by convoy {} calibrate to {}", CONVOY_VERSION,
                  base::list_of(files, "and")),
      "Absolute error of models left out of the fit: " + errors_of(left_out.models)};
  if (!left_out.modes.empty()) {
    comments.push_back("Absolute error of modes left out: " + errors_of(left_out.modes));
  }
  if (subject.devices.size() > 1) std::filesystem::create_directories(arguments.output);
  for (std::size_t i = 0; i < subject.devices.size(); ++i) {
    const Device& device = subject.devices[i];
    std::vector<std::string> all = comments;
    for (const std::string& figure : kept[i]) {
      all.push_back("Kept, since the measurements do not depend on it: " + figure);
    }
    base::write_output(path_of(arguments, device), platforms::to_toml(device, all),
                       arguments.overwrite);
  }
}

std::string json_text(const Subject& subject, const Times& times, const Kept& kept,
                      const std::optional<Draws>& draws,
                      const std::vector<platforms::UnusedRow>& unused) {
  const LeftOut& left_out = times.left_out;
  nlohmann::ordered_json json = {{"device", subject.devices.front().name},
                                 {"power_mode", times.rows.front()->mode},
                                 {"left_out", json_of(left_out.models)},
                                 {"kept", kept.front()}};
  if (!left_out.modes.empty()) json["modes_left_out"] = json_of(left_out.modes);
  if (!left_out.batches.empty()) json["batches_left_out"] = json_of(left_out.batches);
  for (const auto& row : unused) {
    json["not_used"].push_back({{"row", row.place}, {"what", row.what}, {"reason", row.reason}});
  }
  if (draws) json["draws_of_modes_left_out"] = json_of(draws->left_out);
  for (std::size_t i = 0; i < times.rows.size(); ++i) {
    const Measurement& row = *times.rows[i];
    json["models"].push_back({{"model", row.model},
                              {"power_mode", row.mode},
                              {"batch", row.batch},
                              {"precision", precision_of(row)},
                              {"measured_s", row.value},
                              {"fitted_s", times.fit.steps[i].predicted},
                              {"left_out_s", left_out.models[i].predicted}});
  }
  return terminal_json(json);
}

int calibrate(const CalibrateArguments& arguments) {
  Measurements measurements = read_all(arguments);
  const std::vector<platforms::UnusedRow> unused = measurements.unused;
  Subject subject = subject_of(arguments, std::move(measurements));
  if (!arguments.output.empty()) {
    for (const Device& device : subject.devices) {
      base::check_output(path_of(arguments, device), arguments.overwrite);
    }
  }
  const Times times = fit_times(subject);
  const Kept kept = set_times(subject, times);
  // Fits draws after times: draws depend on the device's new times.
  const std::optional<Draws> draws = set_draws(subject);
  if (!arguments.output.empty()) write(arguments, subject, times.left_out, kept);

  if (arguments.json) {
    fmt::print("{}\n", json_text(subject, times, kept, draws, unused));
    return ExitStatus::done;
  }
  print(times, unused);
  if (draws) {
    fmt::print("Draws ({} rows), absolute error of modes left out: {}\n", draws->rows,
               errors_of(draws->left_out));
  }
  for (std::size_t i = 0; i < kept.size(); ++i) {
    if (kept[i].empty()) continue;
    fmt::print("Kept from {}, since the measurements do not depend on them: {}\n",
               subject.devices[i].name, base::list_of(kept[i], "and"));
  }
  return ExitStatus::done;
}

}  // namespace

void add_calibrate(CLI::App& app, int& status) {
  auto* verb = app.add_subcommand(
      "calibrate",
      "Fit devices to measured step times and power draws; show the prediction errors");
  auto arguments = std::make_shared<CalibrateArguments>();
  verb->add_option("measurements", arguments->files,
                   "CSV: model and latency_ms (also device, mode, precision, input, batch); or one "
                   "value per row (device, mode, model, batch, precision, metric, value, unit); or "
                   "the report.json of convoy-node --self-test")
      ->required();
  verb->add_option(
          "--device", arguments->devices,
          "Device whose clocks and peaks are used: name in the catalogue, or a device's file. "
          "Several devices are fitted together, and -o is then a folder")
      ->required()
      ->expected(1)
      ->take_all();
  verb->add_option("--rows", arguments->rows,
                   "The device's name in the files (default: the name of --device)");
  verb->add_option("--power-mode", arguments->power_mode,
                   "Mode of rows that give none (default: the device's usual one)");
  verb->add_option("--odd", arguments->odd,
                   "TOML: rows to leave out, and rows measured in another mode than they say");
  verb->add_option("-o,--output", arguments->output,
                   "Device's file to write, with the fitted figures");
  verb->add_flag("--overwrite", arguments->overwrite, "Replace an existing file");
  verb->add_flag("--json", arguments->json, "Print one JSON object");
  add_wide(*verb);
  add_examples(*verb, {"convoy calibrate latencies.csv --device jetson-nano -o mine.toml"});
  verb->callback([arguments, &status] { status = calibrate(*arguments); });
}

}  // namespace convoy::cli
