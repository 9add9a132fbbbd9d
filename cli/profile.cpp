// convoy profile: measure this machine into a device's file.

#include "engine/api/profile.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <memory>

#include "base/diagnostics.hpp"
#include "base/files.hpp"
#include "base/median.hpp"
#include "cli/command_line.hpp"
#include "cli/signals.hpp"
#include "cli/table.hpp"
#include "cli/verbs.hpp"
#include "engine/api/engine.hpp"
#include "platforms/calibration.hpp"
#include "platforms/profiled.hpp"

namespace convoy::cli {
namespace {

using platforms::Calibration;

struct ProfileArguments {
  std::string device = "cpu";
  std::string path;
  std::string name;
  bool overwrite = false;
  bool quick = false;
  bool quiet = false;
};

// --- the file -----------------------------------------------------------------------------------

// Checks everything that could fail before minutes of measuring.
void check_place(const ProfileArguments& arguments) {
  if (std::filesystem::path(arguments.path).extension() != ".toml") {
    throw base::UserError(arguments.path + ": give -o a name that ends in .toml");
  }
  base::check_output(arguments.path, arguments.overwrite);
}

std::string name_from(const ProfileArguments& arguments) {
  std::string name = arguments.name.empty() ? std::filesystem::path(arguments.path).stem().string()
                                            : arguments.name;
  const auto fits = [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.';
  };
  if (name.empty() || !std::all_of(name.begin(), name.end(), fits)) {
    throw base::UserError("--name: letters, digits, '-', '_' and '.' only");
  }
  return name;
}

// --- what is said -------------------------------------------------------------------------------

void show(double share, const std::string& what) {
  if (::isatty(STDERR_FILENO) != 0) {
    fmt::print(stderr, "\r\x1b[K{:3.0f} %  {}", 100 * share, what);
    std::fflush(stderr);
  }
}

std::string duration(double seconds) {
  constexpr double milli = 1e-3;
  return seconds < milli ? fmt::format("{:.2f} us", 1e6 * seconds)
                         : fmt::format("{:.2f} ms", 1e3 * seconds);
}

void print(const engine::Profile& profile, const Calibration& found) {
  Table operators({"<Operator", "time", "GFLOP/s", "GB/s", "repeats within"});
  for (const engine::TimedStep& t : profile.operators) {
    const engine::Kernel& k = t.cost.kernels.front();
    operators.add({t.name, duration(t.seconds), fmt::format("{:.1f}", k.flops / t.seconds / 1e9),
                   fmt::format("{:.1f}", k.bytes / t.seconds / 1e9),
                   fmt::format("{:.0f} %", 100 * t.spread)});
  }
  Table steps({"<Training step", "measured", "predicted", "error", "repeats within"});
  for (std::size_t i = 0; i < found.steps.size(); ++i) {
    const platforms::Residual& r = found.steps[i];
    steps.add({r.name, duration(r.measured), duration(r.predicted),
               fmt::format("{:+.1f} %", 100 * r.error()),
               fmt::format("{:.0f} %", 100 * profile.steps[i].spread)});
  }
  fmt::print("{}\n{}", operators.str(), steps.str());
  fmt::print("\nAbsolute error of the predictions: median {:.1f} %, worst {:.1f} %\n",
             100 * found.median_error, 100 * found.worst_error);
}

// Half of the steps vary so much between visits that the machine must be busy.
void warn_of_noise(const engine::Profile& profile) {
  constexpr double much = 0.15;
  std::vector<double> spreads;
  for (const engine::TimedStep& t : profile.steps) spreads.push_back(t.spread);
  if (spreads.empty() || base::median(spreads) < much) return;
  fmt::print(stderr,
             "convoy: warning: repetitions differ by {:.0f} %: the machine is busy with other "
             "work, or changes its clock; measure again when it is idle\n",
             100 * base::median(spreads));
}

int profile(const ProfileArguments& arguments) {
  name_from(arguments);
  check_place(arguments);
  stop_on_signals();  // interrupts between two measurements; nothing is written then
  engine::ProfileOptions options;
  options.device = arguments.device;
  options.cases = engine::profile_cases(arguments.quick);
  options.quick = arguments.quick;
  options.interrupted = &interrupted;
  if (!arguments.quiet) {
    options.progress = show;
    fmt::print(stderr, "convoy: measuring {} for {}; do not use the machine meanwhile\n",
               arguments.device, arguments.quick ? "some seconds" : "a minute or two");
  }
  engine::Profile profile;
  try {
    profile = engine::measure(options);
  } catch (const engine::Stopped&) {
    fmt::print(stderr, "\nconvoy: stopped by a signal; nothing was written\n");
    return ExitStatus::stopped;
  }
  if (!arguments.quiet && ::isatty(STDERR_FILENO) != 0) fmt::print(stderr, "\r\x1b[K");
  const platforms::ProfileLabel label{name_from(arguments), arguments.device,
                                      "convoy " CONVOY_VERSION " profile", arguments.quick};
  const Calibration found = platforms::calibrate(profile, label);
  base::write_output(arguments.path, platforms::profiled_toml(profile, found, label),
                     arguments.overwrite);
  print(profile, found);
  if (!arguments.quiet) warn_of_noise(profile);
  fmt::print(
      "{}: write device = \"{}\" in a scenario in the same folder\n", arguments.path,
      (std::filesystem::path(".") / std::filesystem::path(arguments.path).filename()).string());
  return ExitStatus::done;
}

}  // namespace

void add_profile(CLI::App& app, int& status) {
  auto* verb = app.add_subcommand("profile", "Measure this machine and write a device's file");
  auto arguments = std::make_shared<ProfileArguments>();
  verb->add_option("--device", arguments->device, "Device to measure: cpu, cuda or cuda:N");
  verb->add_option("-o,--output", arguments->path, "File to write (DEVICE.toml)")->required();
  verb->add_option("--name", arguments->name, "The device's name (default: the file's name)");
  verb->add_flag("--overwrite", arguments->overwrite, "Replace an existing file");
  verb->add_flag("--quick", arguments->quick,
                 "Measure for a few seconds; not exact enough for use");
  verb->add_flag("--quiet", arguments->quiet, "No progress, no warnings");
  add_wide(*verb);
  add_examples(*verb, {"convoy profile -o this.toml"});
  verb->callback([arguments, &status] { status = profile(*arguments); });
}

}  // namespace convoy::cli
