// Benchmarks of learning: the engine against a bare LibTorch loop with the same model, batches and
// optimizer; two workers against one; memory of large models. Compared variants alternate in one
// run. Exit status 1 if a bound is missed.

#include <fmt/format.h>
#include <torch/torch.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <numeric>

#include "base/diagnostics.hpp"
#include "bench/child.hpp"
#include "bench/report.hpp"
#include "engine/api/engine.hpp"
#include "engine/model/stage.hpp"
#include "engine/model/submodel.hpp"

extern "C" convoy::engine::Engine* convoy_make_engine(const convoy::engine::EngineOptions&);

namespace convoy::bench {
namespace {

using engine::EngineOptions;

// --- the engine against a bare loop -------------------------------------------------------------

// The same four-layer network written directly in LibTorch, with the requested exits.
struct BareNetwork : torch::nn::Module {
  BareNetwork(std::vector<int> channels, int inputs, int classes) {
    for (std::size_t i = 0; i < channels.size(); ++i) {
      const int in = i == 0 ? inputs : channels[i - 1];
      convolutions.push_back(register_module(
          fmt::format("conv{}", i),
          torch::nn::Conv2d(torch::nn::Conv2dOptions(in, channels[i], 3).padding(1))));
      exits.push_back(
          register_module(fmt::format("exit{}", i), torch::nn::Linear(channels[i], classes)));
    }
  }
  torch::Tensor loss(torch::Tensor x, const torch::Tensor& labels) {
    torch::Tensor sum;
    for (std::size_t i = 0; i < convolutions.size(); ++i) {
      x = torch::max_pool2d(torch::relu(convolutions[i](x)), 2);
      const torch::Tensor one =
          torch::nn::functional::cross_entropy(exits[i](x.mean({2, 3})), labels);
      sum = i == 0 ? one : sum + one;
    }
    return sum;
  }
  std::vector<torch::nn::Conv2d> convolutions;
  std::vector<torch::nn::Linear> exits;
};

// An epoch of split learning: a device has the first stage and a server the second.
void train_in_stages(const engine::Engine& engine,
                     const std::shared_ptr<const engine::Weights>& start,
                     const std::array<engine::Stage, 2>& stages, int task, int batch,
                     std::int64_t batches) {
  const auto device =
      engine.open({.node = 1, .task = task, .brief = {.batch = batch}, .received = start}, {});
  const auto server = engine.open({.node = 0,
                                   .task = task,
                                   .brief = {.batch = batch},
                                   .received = start,
                                   .part = device->submodel()},
                                  {});
  const auto& [first, last] = stages;
  for (std::int64_t b = 0; b < batches; ++b) {
    const auto sent = device->run(engine::Forward{first.first, first.last}, {{start, nullptr}});
    const auto back = server->run(engine::TrainStage{last.first, last.last}, {{sent, nullptr}});
    device->run(engine::Backward{.first = first.first, .last = first.last, .step = true},
                {{back, nullptr}});
  }
  const auto one = device->run(engine::TakeStage{first.first, first.last}, {});
  const auto other = server->run(engine::TakeStage{last.first, last.last}, {});
  server->run(engine::JoinStages{}, {{one, nullptr}, {other, nullptr}});
  device->outcome();
}

void against_a_bare_loop(int repetitions) {
  constexpr int batch = 32;
  const engine::DataOptions drawn{.samples = 2048};
  const auto source = engine::open_source(drawn, ".");
  EngineOptions options;
  engine::ModelOptions model;
  model.architecture = "cnn-small";
  options.architecture =
      std::make_shared<const engine::Architecture>(engine::make_architecture(model));
  options.train = std::make_shared<const engine::Dataset>(source->train());
  options.training.optimizer = {.learning_rate = 0.01, .momentum = 0.9};
  options.rules.transfer.weight = 0;
  options.parts.resize(2);
  options.parts[1].train.resize(static_cast<std::size_t>(options.train->size()));
  std::iota(options.parts[1].train.begin(), options.parts[1].train.end(), 0);
  const std::unique_ptr<engine::Engine> ours(convoy_make_engine(options));
  ours->prepare_thread();
  const auto start = ours->initial();

  // The bare loop has its data normalized in memory.
  const auto n = options.train->size();
  const torch::Tensor images =
      torch::from_blob(const_cast<std::uint8_t*>(options.train->pixels.data()), {n, 1, 28, 28},
                       torch::kByte)
          .to(torch::kFloat)
          .div(255)
          .sub(0.3)
          .div(0.3);
  const torch::Tensor labels =
      torch::from_blob(const_cast<int*>(options.train->labels.data()), {n}, torch::kInt)
          .to(torch::kLong);
  BareNetwork network({16, 32, 48, 64}, 1, 10);
  torch::optim::SGD sgd(network.parameters(), torch::optim::SGDOptions(0.01).momentum(0.9));
  std::vector<double> bare;
  std::vector<double> engine;
  std::vector<double> staged;
  const engine::Trace traced =
      engine::trace(*options.architecture, engine::full_submodel(*options.architecture));
  const std::vector<int> places = engine::cuts(traced);
  const int cut = places[places.size() / 2];
  for (int i = 0; i <= repetitions; ++i) {
    double begin = cpu_seconds();
    const torch::Tensor order = torch::randperm(n);
    for (std::int64_t from = 0; from < n; from += batch) {
      const torch::Tensor which = order.slice(0, from, from + batch);
      sgd.zero_grad();
      network.loss(images.index_select(0, which), labels.index_select(0, which)).backward();
      sgd.step();
    }
    bare.push_back(cpu_seconds() - begin);
    begin = cpu_seconds();
    const auto task =
        ours->open({.node = 1, .task = i, .brief = {.batch = batch}, .received = start}, {});
    task->run(engine::Train{1, {}}, {{start, nullptr}});
    task->outcome();
    engine.push_back(cpu_seconds() - begin);
    begin = cpu_seconds();
    train_in_stages(*ours, start, {engine::Stage{0, cut}, {cut, engine::whole(traced).last}}, i,
                    batch, (n + batch - 1) / batch);
    staged.push_back(cpu_seconds() - begin);
  }
  bare.erase(bare.begin());  // warm-up
  engine.erase(engine.begin());
  staged.erase(staged.begin());
  fmt::print(
      "An epoch of cnn-small on {} images, batch {}, CPU time: bare {:.3f} s, engine {:.3f} s, in "
      "two "
      "stages cut at \"{}\" {:.3f} s\n",
      n, batch, median(bare), median(engine), engine::name_of_cut(traced, cut), median(staged));
  report("  ratio of the engine to bare", median(engine) / median(bare), "x", 1.05);
  report("  ratio of two stages to bare", median(staged) / median(bare), "x", 1.05);
}

// --- whole runs ---------------------------------------------------------------------------------

std::string run_line(const std::filesystem::path& folder, const std::string& name,
                     const std::string& text, const std::string& more,
                     const std::string& store = "--no-store") {
  const std::string file = (folder / (name + ".toml")).string();
  std::ofstream(file) << text;
  return fmt::format("{} run {} {} --quiet {} >/dev/null", CONVOY_BINARY, file, store, more);
}

std::string scenario(const std::string& model, const std::string& training, int nodes,
                     const std::string& data, const std::string& stop) {
  return fmt::format(
      "[fleet]\n[[fleet.nodes]]\ndevice = \"jetson-agx-orin-64gb\"\ncount = {}\n[model]\n{}\n"
      "[data]\nsource = \"glyphs\"\n{}\n[training]\nlearn = true\n{}\n[stop]\n{}\n",
      nodes, model, data, training, stop);
}

void two_workers(const std::filesystem::path& folder, int repetitions) {
  const std::string text = scenario("architecture = \"cnn-small\"", "batch = 16", 16,
                                    "samples = 6000\ntest_samples = 100", "rounds = 16");
  std::vector<double> one;
  std::vector<double> two;
  for (int i = 0; i < repetitions; ++i) {
    one.push_back(command(run_line(folder, "workers", text, "--workers 1")).seconds);
    two.push_back(command(run_line(folder, "workers", text, "--workers 2")).seconds);
  }
  fmt::print("16 nodes, 16 rounds, cnn-small: 1 worker {:.2f} s, 2 workers {:.2f} s\n", median(one),
             median(two));
  report_at_least("  gain by the second worker", median(one) / median(two), "x", 1.8);
}

// A synchronous round; what waits for its end lies in memory or, all of it, in files.
void thousand_nodes(const std::filesystem::path& folder) {
  const std::string text = scenario("architecture = \"cnn-small\"", "batch = 16\nlocal_steps = 2",
                                    1000, "samples = 16000\ntest_samples = 100", "rounds = 1");
  const std::string store = "--overwrite -o " + (folder / "thousand").string();
  for (const char* held : {"512", "0"}) {
    const Measured round =
        command(run_line(folder, "thousand", text,
                         fmt::format("--workers 2 --set output.held_mib={}", held), store));
    fmt::print(
        "1,000 nodes of cnn-small, a round of two local steps, {} MiB for what waits: {:.1f} s\n",
        held, round.seconds);
    report("  peak memory", round.peak_mib / 1024, "GiB", 2);
  }
}

void large_models(const std::filesystem::path& folder) {
  const std::string vit =
      scenario("architecture = \"vit-b16\"\nimage_size = 224\nchannels = 3",
               "batch = 1\nlocal_steps = 1", 16, "samples = 64\ntest_samples = 2", "rounds = 1");
  const Measured sixteen = command(run_line(folder, "vit", vit, "--workers 2"));
  fmt::print("16 nodes of vit-b16, one local step each, batch 1: {:.1f} s\n", sixteen.seconds);
  report("  peak memory", sixteen.peak_mib / 1024, "GiB", 10);
  const std::string large =
      scenario("architecture = \"vit-0.11b\"\nimage_size = 224\nchannels = 3",
               "batch = 8\nlocal_steps = 1\noptimizer = { kind = \"adan\", learning_rate = 1e-3 }",
               1, "samples = 20\ntest_samples = 1", "rounds = 1");
  const Measured step = command(run_line(folder, "large", large, "--workers 1"));
  report("vit-0.11b, one step of Adan at batch 8, the whole run", step.seconds, "s", 0);
  report("  its peak memory", step.peak_mib / 1024, "GiB", 0);
}

}  // namespace
}  // namespace convoy::bench

int main() {
  using namespace convoy::bench;
  return run_all("convoy_learning_bench", [](const std::filesystem::path& folder) {
    against_a_bare_loop(9);
    two_workers(folder, 3);
    thousand_nodes(folder);
    large_models(folder);
  });
}
