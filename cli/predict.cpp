// convoy predict: the time of one inference or training step on a device, and where it goes.

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/diagnostics.hpp"
#include "base/text.hpp"
#include "cli/table.hpp"
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

platforms::Machine machine_of(const PredictArguments& arguments, platforms::Catalogue& catalogue,
                              const base::Diagnostics& problems, engine::Precision precision,
                              std::vector<std::string>& assumed,
                              std::optional<platforms::Device::Uncertainty>& uncertainty) {
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
  assumed = device->assumed(*mode, precision);
  uncertainty = device->uncertainty;
  return platforms::machine(*device, *mode);
}

// The command line has checked that the word is one of them.
engine::Precision precision_of(const PredictArguments& arguments) {
  return value_of(engine::precision_words, arguments.precision).value();
}

engine::Optimizer optimizer_of(const PredictArguments& arguments) {
  return value_of(engine::optimizer_words, arguments.optimizer).value();
}

// Did anybody measure steps of that kind on the device?
bool applies(const std::optional<platforms::Device::Uncertainty>& uncertainty,
             const PredictArguments& arguments) {
  if (!uncertainty || (arguments.mode == "training" && !uncertainty->training)) return false;
  const auto& precisions = uncertainty->precisions;
  return std::find(precisions.begin(), precisions.end(), arguments.precision) != precisions.end();
}

std::string how_far_off(const std::optional<platforms::Device::Uncertainty>& uncertainty,
                        const PredictArguments& arguments, double seconds) {
  if (!applies(uncertainty, arguments)) {
    return fmt::format(
        "how far that is from a real one nobody has measured on this device (in {}, {})",
        arguments.precision, arguments.mode);
  }
  const double far = uncertainty->p90.value;
  const std::string most =
      far < 1 ? fmt::format("{:.3f} ms", 1e3 * seconds / (1 - far)) : "any time";
  return fmt::format(
      "of nine in ten measured ones the prediction is off by less than {:.0f} %: {:.3f} "
      "ms to {} ({})",
      100 * far, 1e3 * seconds / (1 + far), most, uncertainty->p90.note);
}

int predict(PredictArguments arguments) {
  const engine::Precision precision = precision_of(arguments);
  if (precision == engine::Precision::fp16 && arguments.mode == "training") {
    throw base::UserError("--precision: nobody trains in fp16 alone; give fp16-mixed");
  }
  if (arguments.image_size > 0) arguments.model.image_size = arguments.image_size;
  if (arguments.image_width > 0) arguments.model.image_width = arguments.image_width;
  if (arguments.sequence > 0) arguments.model.sequence = arguments.sequence;
  if (!arguments.all_exits) arguments.model.exits = {1.0};
  base::Diagnostics problems;
  platforms::Catalogue catalogue(".", problems);
  std::vector<std::string> assumed;
  std::optional<platforms::Device::Uncertainty> uncertainty;
  const platforms::Machine machine =
      machine_of(arguments, catalogue, problems, precision, assumed, uncertainty);
  const engine::Architecture a = engine::make_architecture(arguments.model);
  const bool text = a.input == engine::InputKind::tokens;
  if (text && (arguments.image_size > 0 || arguments.image_width > 0)) {
    throw base::UserError("--image-size: " + a.name + " reads tokens and has no image");
  }
  if (!text && arguments.sequence > 0) {
    throw base::UserError("--sequence: " + a.name + " reads images and has no tokens");
  }
  const engine::Trace trace = engine::trace(a, engine::nested_submodel(a, arguments.rate));
  const bool training = arguments.mode == "training";
  const engine::StepCost step =
      training ? engine::training_step(trace, optimizer_of(arguments), engine::Phase::weights,
                                       arguments.batch, precision)
               : engine::inference_step(trace, arguments.batch, precision);
  const platforms::Prediction predicted = platforms::predict(step, machine);
  const double seconds = predicted.seconds;
  // Of each class of operators, what it would take alone, without launching.
  platforms::Machine bare = machine;
  bare.launch_overhead = 0;
  std::vector<std::pair<std::string, double>> alone;
  for (const auto& [op, word] : engine::op_class_words) {
    engine::StepCost part;
    for (const engine::Kernel& k : step.kernels) {
      if (k.op == op) part.kernels.push_back(k);
    }
    const double taken = platforms::seconds(part, bare);
    if (taken > 0) alone.emplace_back(word, taken);
  }
  const double launching = static_cast<double>(step.kernels.size()) * machine.launch_overhead;
  const double memory =
      training ? engine::training_memory(trace, optimizer_of(arguments), engine::Phase::weights,
                                         arguments.batch, false, precision)
                     .total()
               : 0;
  if (arguments.json) {
    nlohmann::ordered_json json = {
        {"device", machine.device},
        {"power_mode", machine.mode},
        {"model", a.name},
        {"mode", arguments.mode},
        {"precision", arguments.precision},
        {"batch", arguments.batch},
        {"rate", arguments.rate},
        {"seconds", seconds},
        {"latency_ms", 1e3 * seconds},
        {"samples_per_s", arguments.batch / seconds},
        {"watts", predicted.watts},
        {"joules", predicted.watts * seconds},
        {"flops", step.flops()},
        {"kernels", step.kernels.size()},
        {"launching_s", launching},
        {"assumed", assumed},
    };
    if (training) json["memory_bytes"] = memory;
    if (applies(uncertainty, arguments)) {
      json["error_of_others"] = {{"median", uncertainty->median.value},
                                 {"p90", uncertainty->p90.value},
                                 {"of", uncertainty->p90.note}};
    }
    for (const auto& [word, taken] : alone) json["by_class_s"][word] = taken;
    fmt::print("{}\n", json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
    return ExitStatus::done;
  }
  const double gib = machine.memory;
  fmt::print("{} of {}, batch {}{}, {}, on {} ({})\n\n  {:.3f} ms, {:.1f} samples/s, {:.1f} W\n",
             training ? "A training step" : "Inference", a.name, arguments.batch,
             arguments.rate < 1 ? fmt::format(" at rate {:g}", arguments.rate) : "",
             arguments.precision, machine.device, machine.mode, 1e3 * seconds,
             arguments.batch / seconds, predicted.watts);
  fmt::print("  {}\n\n", how_far_off(uncertainty, arguments, seconds));
  Table table({"<where it goes", "ms"});
  for (const auto& [word, taken] : alone) table.add({word, fmt::format("{:.3f}", 1e3 * taken)});
  table.add({fmt::format("launching {} kernels{}", step.kernels.size(),
                         machine.launches_ahead ? ", beside the above" : ""),
             fmt::format("{:.3f}", 1e3 * launching)});
  fmt::print("{}\n  {:.3g} GFLOP", table.str(), step.flops() / 1e9);
  if (training) {
    fmt::print("; {} of {} memory{}", base::human_bytes(memory + machine.context),
               base::human_bytes(gib), memory + machine.context > gib ? ": DOES NOT FIT" : "");
  }
  fmt::print("\n");
  if (!assumed.empty()) {
    fmt::print("  assumed, neither measured nor published: {}\n", base::list_of(assumed, "and"));
  }
  return ExitStatus::done;
}

}  // namespace

void add_predict(CLI::App& app, int& status) {
  auto* verb = app.add_subcommand("predict", "The time of one step of a model on a device");
  auto arguments = std::make_shared<PredictArguments>();
  verb->add_option("--device", arguments->device, "Of the catalogue, or a device's file")
      ->required();
  verb->add_option("--power-mode", arguments->power_mode, "Of the device (its default)");
  verb->add_option("--model", arguments->model.architecture, "Architecture")->required();
  verb->add_option("--batch", arguments->batch, "Samples a step (1)")
      ->check(CLI::Range(1, 1 << 20));
  verb->add_option("--rate", arguments->rate, "Of the submodel (1: the full model)")
      ->check(CLI::Range(0.01, 1.0));
  verb->add_option("--mode", arguments->mode, "inference or training (inference)")
      ->check(CLI::IsMember({"inference", "training"}));
  verb->add_option(
          "--precision", arguments->precision,
          "fp32 as PyTorch computes it (with TF32 where a GPU has that), fp32-strict, fp16 "
          "(inference), fp16-mixed (autocast) (fp32)")
      ->check(CLI::IsMember(texts_of(engine::precision_words)));
  verb->add_option("--optimizer", arguments->optimizer, "training: sgd, sgd-momentum, adamw, adan")
      ->check(CLI::IsMember(texts_of(engine::optimizer_words)));
  arguments->model.classes = 1000;
  verb->add_option("--classes", arguments->model.classes, "1000")->check(CLI::Range(2, 1'000'000));
  verb->add_option("--image-size", arguments->image_size, "Pixels (the architecture's own)")
      ->check(CLI::Range(1, 4096));
  verb->add_option("--image-width", arguments->image_width,
                   "Pixels across, where --image-size is the height (as high as wide)")
      ->check(CLI::Range(1, 4096));
  verb->add_option("--sequence", arguments->sequence, "Tokens a sample (the architecture's own)")
      ->check(CLI::Range(1, 4096));
  verb->add_flag("--all-exits", arguments->all_exits, "With exits at 1/4, 1/2, 3/4 and the end");
  verb->add_flag("--json", arguments->json, "As one JSON object");
  verb->callback([arguments, &status] { status = predict(*arguments); });
}

}  // namespace convoy::cli
