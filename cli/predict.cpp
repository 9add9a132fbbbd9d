// convoy predict: the time of one inference or training step on a device, and where it goes.

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/diagnostics.hpp"
#include "base/text.hpp"
#include "cli/command_line.hpp"
#include "cli/table.hpp"
#include "cli/terminal_json.hpp"
#include "cli/verbs.hpp"
#include "engine/model/costs.hpp"
#include "engine/model/submodel.hpp"
#include "platforms/catalogue.hpp"
#include "platforms/roofline.hpp"

namespace convoy::cli {
namespace {

struct PredictArguments {
  std::string device;
  std::string power_mode;
  engine::ModelOptions model;
  int batch = 1;
  double rate = 1;
  std::string mode = "inference";
  std::string precision = "fp32";
  std::string optimizer = "sgd";
  bool all_exits = false;
  int image_size = 0;
  int image_width = 0;
  int sequence = 0;
  bool json = false;
};

using Uncertainty = std::optional<platforms::Device::Uncertainty>;

// A device in one mode.
struct Subject {
  platforms::Machine machine;
  std::vector<std::string> assumed;
  Uncertainty uncertainty;
};

Subject subject_of(const PredictArguments& arguments, engine::Precision precision) {
  base::Diagnostics problems;
  platforms::Catalogue catalogue(".", problems);
  const platforms::Device* device = catalogue.device(arguments.device);
  if (device == nullptr) {
    if (problems.has_errors()) throw base::UserError(problems.str());
    const auto names = platforms::Catalogue::device_names();
    throw base::UserError(
        fmt::format("--device: \"{}\" is not in the catalogue (known: {}; or a "
                    "path to a .toml file){}",
                    arguments.device, base::list_of(names, "and"),
                    base::did_you_mean(arguments.device, names)));
  }
  const std::string name =
      arguments.power_mode.empty() ? device->default_mode : arguments.power_mode;
  const platforms::PowerMode* mode = device->mode(name);
  if (mode == nullptr) {
    throw base::UserError(fmt::format("--power-mode: {} has no mode \"{}\"; it has {}",
                                      device->name, name,
                                      base::list_of(device->mode_names(), "and")));
  }
  if (!platforms::computes(*mode, precision)) {
    throw base::UserError(
        fmt::format("--precision: the file of {} gives no half precision "
                    "(peak_fp16_flops)",
                    device->name));
  }
  return {platforms::machine(*device, *mode), device->assumed(*mode, precision),
          device->uncertainty};
}

// The command line has checked that the word is one of them.
engine::Precision precision_of(const PredictArguments& arguments) {
  return value_of(engine::precision_words, arguments.precision).value();
}

engine::Optimizer optimizer_of(const PredictArguments& arguments) {
  return value_of(engine::optimizer_words, arguments.optimizer).value();
}

// True if steps of this kind were measured on the device.
bool applies(const Uncertainty& uncertainty, const PredictArguments& arguments) {
  if (!uncertainty || (arguments.mode == "training" && !uncertainty->training)) return false;
  const auto& precisions = uncertainty->precisions;
  return std::find(precisions.begin(), precisions.end(), arguments.precision) != precisions.end();
}

std::string how_far_off(const Uncertainty& uncertainty, const PredictArguments& arguments,
                        double seconds) {
  if (!applies(uncertainty, arguments)) {
    return fmt::format("nobody has measured the error of such a prediction on this device ({}, {})",
                       arguments.precision, arguments.mode);
  }
  const double far = uncertainty->p90.value;
  const std::string most =
      far < 1 ? fmt::format("{:.3f} ms", 1e3 * seconds / (1 - far)) : "any time";
  return fmt::format(
      "in nine of ten measured cases the error was below {:.0f} %: {:.3f} ms to {} "
      "({})",
      100 * far, 1e3 * seconds / (1 + far), most, uncertainty->p90.note);
}

engine::Architecture architecture_of(const PredictArguments& arguments) {
  engine::ModelOptions options = arguments.model;
  if (arguments.image_size > 0) options.image_size = arguments.image_size;
  if (arguments.image_width > 0) options.image_width = arguments.image_width;
  if (arguments.sequence > 0) options.sequence = arguments.sequence;
  if (!arguments.all_exits) options.exits = {1.0};
  engine::Architecture a = engine::make_architecture(options);
  const bool text = a.input == engine::InputKind::tokens;
  if (text && (arguments.image_size > 0 || arguments.image_width > 0)) {
    throw base::UserError("--image-size: " + a.name + " reads tokens and has no image");
  }
  if (!text && arguments.sequence > 0) {
    throw base::UserError("--sequence: " + a.name + " reads images and has no tokens");
  }
  return a;
}

// Where the time of a step goes, in seconds.
struct Shares {
  // Of the classes of operators that there are, what each would take alone, already launched.
  std::vector<std::pair<std::string, double>> classes;
  double launching = 0;
};

Shares shares_of(const engine::StepCost& step, platforms::Machine machine) {
  Shares shares;
  shares.launching = static_cast<double>(step.kernels.size()) * machine.launch_overhead;
  machine.launch_overhead = 0;
  for (const auto& [op, word] : engine::op_class_words) {
    engine::StepCost part;
    for (const engine::Kernel& k : step.kernels) {
      if (k.op == op) part.kernels.push_back(k);
    }
    const double alone = platforms::seconds(part, machine);
    if (alone > 0) shares.classes.emplace_back(word, alone);
  }
  return shares;
}

struct Predicted {
  Subject on;
  std::string model;
  engine::StepCost step;
  platforms::Prediction whole;
  Shares shares;
  std::optional<double> memory;  // bytes, of a training step
};

Predicted predict(const PredictArguments& arguments) {
  const engine::Precision precision = precision_of(arguments);
  const bool training = arguments.mode == "training";
  if (precision == engine::Precision::fp16 && training) {
    throw base::UserError("--precision: training needs fp16-mixed; fp16 is for inference only");
  }
  Predicted p;
  p.on = subject_of(arguments, precision);
  const engine::Architecture a = architecture_of(arguments);
  const engine::Trace trace = engine::trace(a, engine::nested_submodel(a, arguments.rate));
  const engine::Optimizer optimizer = optimizer_of(arguments);
  constexpr auto phase = engine::Phase::weights;
  p.model = a.name;
  p.step = training ? engine::training_step(trace, optimizer, phase, arguments.batch, precision)
                    : engine::inference_step(trace, arguments.batch, precision);
  p.whole = platforms::predict(p.step, p.on.machine);
  p.shares = shares_of(p.step, p.on.machine);
  if (training) {
    p.memory =
        engine::training_memory(trace, optimizer, phase, arguments.batch, false, precision).total();
  }
  return p;
}

std::string json_text(const PredictArguments& arguments, const Predicted& p) {
  const double seconds = p.whole.seconds;
  nlohmann::ordered_json json = {
      {"device", p.on.machine.device},
      {"power_mode", p.on.machine.mode},
      {"model", p.model},
      {"mode", arguments.mode},
      {"precision", arguments.precision},
      {"batch", arguments.batch},
      {"rate", arguments.rate},
      {"seconds", seconds},
      {"latency_ms", 1e3 * seconds},
      {"samples_per_s", arguments.batch / seconds},
      {"watts", p.whole.watts},
      {"joules", p.whole.watts * seconds},
      {"flops", p.step.flops()},
      {"kernels", p.step.kernels.size()},
      {"launching_s", p.shares.launching},
      {"assumed", p.on.assumed},
  };
  if (p.memory) json["memory_bytes"] = *p.memory;
  if (applies(p.on.uncertainty, arguments)) {
    json["error_of_others"] = {{"median", p.on.uncertainty->median.value},
                               {"p90", p.on.uncertainty->p90.value},
                               {"of", p.on.uncertainty->p90.note}};
  }
  for (const auto& [word, alone] : p.shares.classes) json["by_class_s"][word] = alone;
  return terminal_json(json);
}

void print(const PredictArguments& arguments, const Predicted& p) {
  const platforms::Machine& machine = p.on.machine;
  const double seconds = p.whole.seconds;
  fmt::print("{} of {}, batch {}{}, {}, on {} ({})\n\n  {:.3f} ms, {:.1f} samples/s, {:.1f} W\n",
             p.memory ? "A training step" : "Inference", p.model, arguments.batch,
             arguments.rate < 1 ? fmt::format(" at rate {:g}", arguments.rate) : "",
             arguments.precision, machine.device, machine.mode, 1e3 * seconds,
             arguments.batch / seconds, p.whole.watts);
  fmt::print("  {}\n\n", how_far_off(p.on.uncertainty, arguments, seconds));
  Table table({"<where it goes", "ms"});
  for (const auto& [word, alone] : p.shares.classes) {
    table.add({word, fmt::format("{:.3f}", 1e3 * alone)});
  }
  table.add({fmt::format("launching {} kernels{}", p.step.kernels.size(),
                         machine.launches_ahead ? ", at the same time" : ""),
             fmt::format("{:.3f}", 1e3 * p.shares.launching)});
  fmt::print("{}\n  {:.3g} GFLOP", table.str(), p.step.flops() / 1e9);
  if (p.memory) {
    const double needed = *p.memory + machine.context;
    fmt::print("; {} of {} memory{}", base::human_bytes(needed), base::human_bytes(machine.memory),
               needed > machine.memory ? ": DOES NOT FIT" : "");
  }
  fmt::print("\n");
  if (!p.on.assumed.empty()) {
    fmt::print("  assumed (neither measured nor published): {}\n",
               base::list_of(p.on.assumed, "and"));
  }
}

}  // namespace

void add_predict(CLI::App& app, int& status) {
  auto* verb = app.add_subcommand("predict", "Predict the time of one step of a model on a device");
  auto arguments = std::make_shared<PredictArguments>();
  verb->add_option("--device", arguments->device, "Name in the catalogue, or a device's file")
      ->required();
  verb->add_option("--power-mode", arguments->power_mode,
                   "Power mode (default: the device's usual one)");
  verb->add_option("--model", arguments->model.architecture, "Architecture")->required();
  verb->add_option("--batch", arguments->batch, "Samples per step (1)")
      ->check(CLI::Range(1, 1 << 20));
  verb->add_option("--rate", arguments->rate, "Rate of the submodel (1: the full model)")
      ->check(CLI::Range(0.01, 1.0));
  verb->add_option("--mode", arguments->mode, "inference or training (inference)")
      ->check(CLI::IsMember({"inference", "training"}));
  verb->add_option("--precision", arguments->precision,
                   "fp32 (as PyTorch computes it: TF32 on GPUs that have it), fp32-strict, fp16 "
                   "(inference), fp16-mixed (autocast); default fp32")
      ->check(CLI::IsMember(texts_of(engine::precision_words)));
  verb->add_option("--optimizer", arguments->optimizer, "training: sgd, sgd-momentum, adamw, adan")
      ->check(CLI::IsMember(texts_of(engine::optimizer_words)));
  arguments->model.classes = 1000;
  verb->add_option("--classes", arguments->model.classes, "Number of classes (1000)")
      ->check(CLI::Range(2, 1'000'000));
  verb->add_option("--image-size", arguments->image_size,
                   "Pixels (default: the architecture's size)")
      ->check(CLI::Range(1, 4096));
  verb->add_option("--image-width", arguments->image_width,
                   "Pixels across; --image-size is then the height (default: square images)")
      ->check(CLI::Range(1, 4096));
  verb->add_option("--sequence", arguments->sequence,
                   "Tokens per sample (default: the architecture's length)")
      ->check(CLI::Range(1, 4096));
  verb->add_flag("--all-exits", arguments->all_exits,
                 "With exits after 1/4, 1/2, 3/4 and all of the blocks");
  verb->add_flag("--json", arguments->json, "Print one JSON object");
  add_wide(*verb);
  add_examples(*verb, {"convoy predict --device jetson-nano --model resnet50 --precision fp16"});
  verb->callback([arguments, &status] {
    const Predicted p = predict(*arguments);
    if (arguments->json) {
      fmt::print("{}\n", json_text(*arguments, p));
    } else {
      print(*arguments, p);
    }
    status = ExitStatus::done;
  });
}

}  // namespace convoy::cli
