#pragma once

// An engine whose model is a number, in two halves: nodes have the first, and the server the
// second, which is stepped by what it is sent. Every step multiplies before it adds, so that a
// number tells the order of all that led to it. And the same by hand, one step after another.

#include <atomic>
#include <chrono>
#include <fstream>
#include <thread>

#include "sim/task/graph.hpp"
#include "tests/support/idle_engine.hpp"

namespace convoy::test {

struct Whole : engine::Weights {
  explicit Whole(std::uint64_t v) : value(v) { ++alive; }
  Whole(const Whole&) = delete;
  Whole& operator=(const Whole&) = delete;
  ~Whole() override { --alive; }
  std::uint64_t value;
  static inline std::atomic<int> alive = 0;
};

struct Tasks : engine::NodeState {
  explicit Tasks(std::uint64_t n) : count(n) {}
  std::uint64_t count;  // that the node has done
};

// A task's or the server's half. `count`: of the node's tasks before.
struct Half {
  Half(std::uint64_t version, int node, std::uint64_t count)
      : value(version * 31 + static_cast<std::uint64_t>(node) * 7 + count) {}
  std::uint64_t forward() { return value = value * 1'000'003 + ++batches; }
  std::uint64_t serve(std::uint64_t came) { return value = value * 1'000'003 + came; }
  void back(std::uint64_t came) { value = value * 1'000'003 + came; }

  std::uint64_t value;
  std::uint64_t batches = 0;
};

class HalvesEngine : public IdleEngine {
 public:
  HalvesEngine() = default;
  // `full`: the submodel that all nodes keep.
  explicit HalvesEngine(engine::Submodel full) : full_(std::move(full)) {}

  // Counted over all sessions.
  mutable std::atomic<int> forwards = 0;
  mutable std::atomic<int> served = 0;
  // Forward throws on this node.
  int dislikes = -1;
  // What the shared session makes is no number.
  bool spoils = false;
  // A forward ends only when it is told to stop.
  bool waits_for_stop = false;
  mutable std::atomic<bool> is_waiting = false;

  std::shared_ptr<const engine::Weights> initial(const std::filesystem::path&) const override {
    return std::make_shared<Whole>(1);
  }
  std::unique_ptr<engine::Session> open(const engine::TaskInput& input,
                                        std::stop_token stop) const override {
    return std::make_unique<HalfSession>(*this, input, std::move(stop));
  }
  std::shared_ptr<const engine::Weights> next_version(
      const std::shared_ptr<const engine::Weights>&,
      const std::shared_ptr<const engine::Artifact>& result) const override {
    return std::dynamic_pointer_cast<const engine::Weights>(result);
  }
  engine::Evaluation evaluate(const engine::Weights& w, double,
                              const std::stop_token&) const override {
    engine::Evaluation e;
    e.exits.push_back({.top1 = static_cast<double>(value_of(w) >> 12)});  // exact in a double
    return e;
  }
  void save(const engine::Weights& w, const std::filesystem::path& file,
            const Metadata&) const override {
    std::ofstream(file) << value_of(w);
  }
  void save(const engine::NodeState& s, const std::filesystem::path& file) const override {
    std::ofstream(file) << dynamic_cast<const Tasks&>(s).count;
  }
  void save(const engine::Artifact& a, const std::filesystem::path& file) const override {
    std::ofstream(file) << value_of(a);
  }
  std::shared_ptr<const engine::Weights> load_weights(
      const std::filesystem::path& file) const override {
    return std::make_shared<Whole>(read(file));
  }
  std::shared_ptr<const engine::NodeState> load_state(
      const std::filesystem::path& file) const override {
    return std::make_shared<Tasks>(read(file));
  }
  std::shared_ptr<const engine::Artifact> load_artifact(
      const std::filesystem::path& file) const override {
    return std::make_shared<Whole>(read(file));
  }

  static std::uint64_t value_of(const engine::Artifact& a) {
    return dynamic_cast<const Whole&>(a).value;
  }

 private:
  static std::uint64_t read(const std::filesystem::path& file) {
    std::uint64_t value = 0;
    std::ifstream(file) >> value;
    return value;
  }

  class HalfSession : public engine::Session {
   public:
    HalfSession(const HalvesEngine& engine, const engine::TaskInput& input, std::stop_token stop)
        : engine_(engine),
          input_(input),
          stop_(std::move(stop)),
          before_(input.state ? dynamic_cast<const Tasks&>(*input.state).count : 0),
          half_(value_of(*input.received), input.node, before_) {}

    std::shared_ptr<const engine::Artifact> run(const engine::Work& work,
                                                const std::vector<engine::Input>& inputs) override {
      // Threads take turns in another way each time.
      std::this_thread::sleep_for(std::chrono::microseconds(half_.value % 97));
      const std::uint64_t came = inputs.empty() ? 0 : value_of(*inputs.back().artifact);
      if (std::holds_alternative<engine::Forward>(work)) {
        ++engine_.forwards;
        engine_.is_waiting = engine_.waits_for_stop;
        while (engine_.is_waiting && !stop_.stop_requested()) {
          std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
        if (input_.node == engine_.dislikes) throw base::UserError("it does not like it");
        return made(half_.forward());
      }
      if (std::holds_alternative<engine::TrainStage>(work)) {
        if (!input_.shared) throw std::logic_error("the server's half is not shared");
        ++engine_.served;
        return made(half_.serve(came));
      }
      if (std::holds_alternative<engine::Backward>(work)) {
        half_.back(came);
        return made(came);
      }
      if (std::holds_alternative<engine::Aggregate>(work)) {
        std::uint64_t sum = 0;
        for (const engine::Input& input : inputs) sum = sum * 17 + value_of(*input.artifact);
        return made(sum);
      }
      return made(half_.value);  // Step, TakeStage
    }
    engine::Outcome outcome() override {
      engine::Outcome outcome;
      outcome.loss = static_cast<double>(half_.value >> 12);
      outcome.state = std::make_shared<Tasks>(before_ + 1);
      outcome.submodel = engine_.full_;
      outcome.finite = !(engine_.spoils && input_.shared);
      return outcome;
    }
    const engine::Submodel& submodel() const override { return engine_.full_; }

   private:
    static std::shared_ptr<const Whole> made(std::uint64_t value) {
      return std::make_shared<const Whole>(value);
    }

    const HalvesEngine& engine_;
    engine::TaskInput input_;
    std::stop_token stop_;
    std::uint64_t before_;
    Half half_;
  };

  engine::Submodel full_;
};

// A node's task: for each batch forward, activations, serve, gradients, backward, step.
inline std::shared_ptr<sim::TaskGraph> halves_graph(int batches, int passes = 1) {
  auto graph = std::make_shared<sim::TaskGraph>(2);
  int part = graph->transfer("download", graph->artifact("model", 8, 0), 1);
  for (int b = 0; b < batches; ++b) {
    int at = graph->compute({.label = "forward", .at = 1, .flops = 1, .work = engine::Forward{}},
                            {part}, {"activations", 8});
    at = graph->transfer("activations", at, 0);
    at = graph->compute({.label = "serve", .at = 0, .flops = 1, .work = engine::TrainStage{1, 2}},
                        {at}, {"gradients", 8});
    at = graph->transfer("gradients", at, 1);
    at = graph->compute({.label = "backward", .at = 1, .flops = 1, .work = engine::Backward{}},
                        {at}, {"gradient", 8});
    part = graph->compute({.label = "step", .at = 1, .work = engine::Step{}}, {at}, {"part", 8});
  }
  graph->transfer("upload", part, 0);
  graph->repeat(passes);
  return graph;
}

// The same by hand: the halves of a task and of the server, one activity after another.
class ByHand {
 public:
  ByHand(const sim::TaskGraph& graph, Half half) : graph_(graph), own(half) {}
  [[nodiscard]] bool is_over() const {
    return next_ == static_cast<int>(graph_.activities().size()) * graph_.repeat();
  }
  // The next activity; gives its index.
  int advance(Half& server) {
    const int index = next_++ % static_cast<int>(graph_.activities().size());
    const std::string& label = graph_.activities()[static_cast<std::size_t>(index)].label;
    if (label == "forward") sent_ = own.forward();
    if (label == "serve") sent_ = server.serve(sent_);
    if (label == "backward") own.back(sent_);
    return index;
  }

 private:
  const sim::TaskGraph& graph_;
  int next_ = 0;
  std::uint64_t sent_ = 0;

 public:
  Half own;
};

}  // namespace convoy::test
