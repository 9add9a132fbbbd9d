// How well a profile of this machine predicts training steps that it does not contain: step times
// of four models with three batch sizes and two rates, measured directly afterwards. Exit status 1
// if the bound is missed.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "base/diagnostics.hpp"
#include "bench/child.hpp"
#include "bench/report.hpp"
#include "engine/api/profile.hpp"
#include "platforms/catalogue.hpp"
#include "platforms/roofline.hpp"

namespace convoy::bench {
namespace {

std::vector<engine::ProfileCase> cases() {
  std::vector<engine::ProfileCase> all;
  for (const char* model : {"resnet18", "vit-tiny", "cnn-small", "bert-small"}) {
    for (const int batch : {4, 8, 16}) {
      for (const double rate : {0.5, 1.0}) {
        engine::ProfileCase c;
        c.model.architecture = model;
        c.batch = batch;
        c.rate = rate;
        c.optimizer.kind = engine::OptimizerKind::sgd;
        c.optimizer.momentum = 0.9;
        c.optimizer.learning_rate = 1e-6;
        all.push_back(c);
      }
    }
  }
  return all;
}

void predictions(const std::filesystem::path& folder) {
  const std::filesystem::path file = folder / "this.toml";
  fmt::print("Training steps predicted from a profile of this machine (some minutes)\n");
  std::fflush(stdout);
  const Measured profile =
      command(fmt::format("{} profile -o {} --quiet > /dev/null", CONVOY_BINARY, file.string()));
  base::Diagnostics problems;
  platforms::Catalogue catalogue(folder, problems);
  const platforms::Device* device = catalogue.device(file.string());
  if (device == nullptr) throw std::runtime_error(problems.str());
  const platforms::Machine machine = platforms::machine(*device, device->modes.front());
  engine::ProfileOptions options;
  options.cases = cases();
  options.budget_s = 1;  // one visit each
  const engine::Profile measured = engine::measure(options);
  std::vector<double> errors;
  for (const engine::TimedStep& t : measured.steps) {
    const double predicted = platforms::seconds(t.cost, machine);
    errors.push_back(std::abs(predicted / t.seconds - 1));
    fmt::print("    {:<46} {:>9.2f} ms, predicted {:>9.2f} ms, {:>+6.1f} %\n", t.name,
               1e3 * t.seconds, 1e3 * predicted, 100 * (predicted / t.seconds - 1));
  }
  report("convoy profile", profile.seconds, "s", 300);
  report("24 steps, absolute error of the prediction, median", 100 * median(errors), "%", 10);
  report("  worst", 100 * *std::max_element(errors.begin(), errors.end()), "%", 0);
}

}  // namespace
}  // namespace convoy::bench

int main() {
  using namespace convoy::bench;
  return run_all("convoy_prediction_bench",
                 [](const std::filesystem::path& folder) { predictions(folder); });
}
