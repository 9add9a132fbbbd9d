#pragma once

// A pipeline of groups that trains by hand, one compute after another, for the tests of
// engine/learning/pipeline_session.hpp.

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/learning/pipeline_session.hpp"
#include "tests/engine/learning/stage_chain.hpp"
#include "tests/support/expect_refused.hpp"

extern "C" convoy::engine::Engine* convoy_make_engine(const convoy::engine::EngineOptions&);

namespace convoy::engine::test {

using convoy::test::expect_refused;

using Made = std::shared_ptr<const Artifact>;

// What a stage does, in order: a micro-batch forward (m >= 0) or back (-1 - m).
using StageOrder = std::vector<int>;

inline StageOrder gpipe(int microbatches, bool reverse = false) {
  StageOrder order;
  for (int m = 0; m < microbatches; ++m) order.push_back(m);
  for (int m = 0; m < microbatches; ++m) order.push_back(-1 - (reverse ? microbatches - 1 - m : m));
  return order;
}
inline StageOrder one_f_one_b(int window, int microbatches) {
  StageOrder order;
  for (int m = 0; m < microbatches + window; ++m) {
    if (m >= window) order.push_back(-1 - (m - window));
    if (m < microbatches) order.push_back(m);
  }
  return order;
}

struct Group {
  Stage stage;
  std::vector<int> samples;  // by member
  StageOrder order;
};

// How the gradients of a group are summed.
enum class Summing { all_to_all, ring, server };

class Pipeline {
 public:
  Pipeline(std::shared_ptr<const Engine> engine, std::vector<Group> groups)
      : engine_(std::move(engine)), groups_(std::move(groups)) {}

  int microbatches = 1;
  Summing summing = Summing::all_to_all;
  bool stashes = false;
  bool vertical_sync = false;
  double samples_before = 0;
  bool backwards = false;  // neighbours' parts come in the other order

  void begin(std::shared_ptr<const Weights> version, std::int64_t task = 1) {
    sessions.clear();
    given.clear();
    int node = 0;
    for (const Group& group : groups_) {
      auto& members = sessions.emplace_back();
      for (std::size_t i = 0; i < group.samples.size(); ++i) {
        members.push_back(open(++node, task, version));
      }
    }
    server = open(0, task, version);
  }

  void round() {
    made_.clear();
    std::vector<std::size_t> next(groups_.size());
    for (bool goes_on = true; goes_on;) {
      goes_on = false;
      for (std::size_t p = 0; p < groups_.size(); ++p) {
        const StageOrder& order = groups_[p].order;
        if (next[p] == order.size() || !can(p, order[next[p]])) continue;
        compute(p, order[next[p]++]);
        if (next[p] == order.size() && !stashes) step(p, {}, true);
        goes_on = true;
      }
    }
    for (std::size_t p = 0; p < groups_.size(); ++p) ASSERT_EQ(next[p], groups_[p].order.size());
  }

  // The version, by the stages' first members.
  std::shared_ptr<const TensorWeights> join() {
    std::vector<Input> stages;
    for (std::size_t p = 0; p < groups_.size(); ++p) stages.push_back({given.at({p, 0}), {}});
    return as_weights(server->run(JoinWeights{}, stages));
  }

  [[nodiscard]] int samples() const {
    int sum = 0;
    for (const int n : groups_.front().samples) sum += n;
    return sum;
  }
  [[nodiscard]] int begin_of(std::size_t p, std::size_t member) const {
    int from = 0;
    for (std::size_t i = 0; i < member; ++i) from += groups_[p].samples[i];
    return from;
  }
  [[nodiscard]] ForwardPart forward_of(std::size_t p, std::size_t i, int m) const {
    const int from = begin_of(p, i);
    return {.first = groups_[p].stage.first,
            .last = groups_[p].stage.last,
            .from = from,
            .to = from + groups_[p].samples[i],
            .samples = samples(),
            .microbatch = m,
            .microbatches = microbatches,
            .stashes = stashes,
            .vertical_sync = vertical_sync};
  }
  // What its stage's members made of a micro-batch: forward, or back (-1 - m).
  [[nodiscard]] const std::vector<Made>& made(std::size_t p, int what) const {
    return made_.at({p, what});
  }
  // Of those that have samples of a member.
  [[nodiscard]] std::vector<Input> overlapping(std::size_t from, int what, std::size_t p,
                                               std::size_t i) const {
    std::vector<Input> inputs;
    const int begin = begin_of(p, i);
    const int end = begin + groups_[p].samples[i];
    for (std::size_t j = 0; j < groups_[from].samples.size(); ++j) {
      const int first = begin_of(from, j);
      if (first >= end || first + groups_[from].samples[j] <= begin) continue;
      inputs.push_back({made(from, what)[j], {}});
    }
    if (backwards) std::reverse(inputs.begin(), inputs.end());
    return inputs;
  }

  std::vector<std::vector<std::unique_ptr<Session>>> sessions;  // by stage and member
  std::unique_ptr<Session> server;
  std::map<std::pair<std::size_t, std::size_t>, Made> given;  // by stage and member, last

 private:
  std::unique_ptr<Session> open(int node, std::int64_t task,
                                const std::shared_ptr<const Weights>& version) {
    return engine_->open({.node = node,
                          .task = task,
                          .brief = {.samples_before = samples_before},
                          .received = version},
                         {});
  }

  [[nodiscard]] bool can(std::size_t p, int what) const {
    if (what >= 0) return p == 0 || made_.contains({p - 1, what});
    return p + 1 == groups_.size() || made_.contains({p + 1, what});
  }

  void compute(std::size_t p, int what) {
    std::vector<Made> all;
    const Stage& stage = groups_[p].stage;
    for (std::size_t i = 0; i < sessions[p].size(); ++i) {
      if (what >= 0) {
        std::vector<Input> inputs;
        if (p > 0) inputs = overlapping(p - 1, what, p, i);
        all.push_back(sessions[p][i]->run(forward_of(p, i, what), inputs));
      } else {
        std::vector<Input> inputs = {{made(p, -1 - what)[i], {}}};
        if (p + 1 < groups_.size()) inputs = overlapping(p + 1, what, p, i);
        all.push_back(
            sessions[p][i]->run(BackwardPart{stage.first, stage.last, -1 - what}, inputs));
      }
    }
    made_[{p, what}] = std::move(all);
    if (what < 0 && stashes) step(p, -1 - what, -1 - what + 1 == microbatches);
  }

  void step(std::size_t p, std::optional<int> m, bool gives) {
    const Stage& stage = groups_[p].stage;
    const int n = static_cast<int>(sessions[p].size());
    AddGradients add{.first = stage.first, .last = stage.last, .microbatch = m};
    std::vector<std::vector<Input>> came(sessions[p].size());
    if (n > 1 && summing == Summing::ring) {
      add.chunks = n;
      for (add.chunk = 0; add.chunk < n; ++add.chunk) {
        Made at;
        for (int i = 0; i < n; ++i) {
          const auto member = static_cast<std::size_t>((add.chunk + i) % n);
          at = sessions[p][member]->run(add, {{at, {}}});
        }
        for (auto& inputs : came) inputs.push_back({at, {}});
      }
    } else if (n > 1) {
      std::vector<Input> sums;
      for (auto& session : sessions[p]) sums.push_back({session->run(add, {}), {}});
      add.own = false;
      if (summing == Summing::server) sums = {{server->run(add, sums), {}}};
      for (auto& inputs : came) {
        inputs = sums;
        std::rotate(sums.begin(), sums.begin() + 1, sums.end());  // any order
      }
    }
    for (std::size_t i = 0; i < sessions[p].size(); ++i) {
      sessions[p][i]->run(StepPart{stage.first, stage.last, m}, came[i]);
      if (gives) given[{p, i}] = sessions[p][i]->run(GiveWeights{stage.first, stage.last}, {});
    }
  }

  std::shared_ptr<const Engine> engine_;
  std::vector<Group> groups_;
  std::map<std::pair<std::size_t, int>, std::vector<Made>> made_;  // of the round
};

// --- options, and what is compared ------------------------------------------------------------

inline constexpr double learning_rate = 0.05;
inline constexpr double momentum = 0.9;

inline EngineOptions options_for(std::shared_ptr<const Architecture> architecture,
                                 int samples = 40) {
  EngineOptions options;
  options.train = striped_images(samples, architecture->classes, architecture->height);
  options.test = options.train;
  options.parts = dealt(samples, 3);
  options.rules.transfer.weight = 0;
  options.training.optimizer.learning_rate = learning_rate;
  options.training.optimizer.momentum = momentum;
  options.architecture = std::move(architecture);
  return options;
}

inline std::shared_ptr<const Architecture> small(const std::string& name) {
  ModelOptions model;
  model.exits = {1};
  model.architecture = name;
  model.classes = 4;
  model.image_size = 16;
  return std::make_shared<const Architecture>(make_architecture(model));
}

// The whole model on one device, by the means of split learning: the micro-batches of `rounds`
// rounds, back in the order of one stage.
class WholeModel {
 public:
  explicit WholeModel(const EngineOptions& options, const TensorWeights& weights,
                      bool stashes_weights = false)
      : options_(options),
        layout_(options.architecture),
        samples_(options.train, *options.architecture, normalization_of(*options.train), at::kCPU),
        stream_(options.parts, options.seed) {
    StageOptions stage;
    stage.name = "the whole";
    stage.optimizer = options.training.optimizer;
    stage.learning_rate = learning_rate;
    stage.transfer.weight = 0;
    stage.stashes_weights = stashes_weights;
    const Submodel full = full_submodel(*options.architecture);
    const Trace traced = trace(*options.architecture, full);
    training.emplace(layout_, full, whole(traced), weights, at::kCPU, stage);
  }

  [[nodiscard]] Batch batch(std::int64_t from, std::int64_t count) {
    return samples_.batch(stream_.at(from, count));
  }
  void round(std::int64_t from, int samples, int microbatches, const StageOrder& order) {
    for (const int what : order) {
      const int m = what < 0 ? -1 - what : what;
      const int counted = (rounds_ * microbatches) + m;
      if (what < 0) {
        training->backward(counted, {});
        continue;
      }
      const Batch batch = this->batch(from + (std::int64_t{m} * samples), samples);
      training->forward(counted, {{0, batch.input}}, Targets{batch.labels, 1.0 / microbatches});
    }
    training->step();
    ++rounds_;
  }
  [[nodiscard]] const Layout& layout() const { return layout_; }

  std::optional<StageTraining> training;

 private:
  const EngineOptions& options_;
  Layout layout_;
  Samples samples_;
  SampleStream stream_;
  int rounds_ = 0;
};

inline void expect_equal(const Tensors& tensors, const Tensors& wanted, double tolerance = 0) {
  ASSERT_EQ(tensors.size(), wanted.size());
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    SCOPED_TRACE(i);
    ASSERT_EQ(tensors[i].defined(), wanted[i].defined());
    if (!wanted[i].defined()) continue;
    if (tolerance > 0) {
      EXPECT_LE(difference(tensors[i], wanted[i].detach()), tolerance);
    } else {
      EXPECT_TRUE(at::equal(tensors[i], wanted[i])) << difference(tensors[i], wanted[i].detach());
    }
  }
}

// Cuts that leave each of so many stages a part.
inline std::vector<Stage> stages_of(const Architecture& a, int count) {
  const Trace traced = trace(a, full_submodel(a));
  const std::vector<int> possible = cuts(traced);
  std::vector<int> taken;
  for (int i = 1; i < count; ++i) {
    taken.push_back(
        possible[possible.size() * static_cast<std::size_t>(i) / static_cast<std::size_t>(count)]);
  }
  return stages_between(traced, taken);
}

enum class Order { gpipe, reverse, one_f_one_b, one_f_one_b_doubled };

inline std::vector<Group> groups_of(const Architecture& a,
                                    const std::vector<std::vector<int>>& samples, Order order,
                                    int microbatches) {
  const int count = static_cast<int>(samples.size());
  const std::vector<Stage> stages = stages_of(a, count);
  std::vector<Group> groups;
  for (int p = 0; p < count; ++p) {
    const int window = order == Order::one_f_one_b ? count - p : (2 * (count - p)) - 1;
    const bool flushes = order == Order::gpipe || order == Order::reverse;
    groups.push_back({stages[static_cast<std::size_t>(p)], samples[static_cast<std::size_t>(p)],
                      flushes ? gpipe(microbatches, order == Order::reverse)
                              : one_f_one_b(std::min(window, microbatches), microbatches)});
  }
  return groups;
}

}  // namespace convoy::engine::test
