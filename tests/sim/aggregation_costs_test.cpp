// What an aggregation costs the server beside the updates themselves: the versions that a rule
// compares, and decoding what came compressed.

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

#include "engine/api/compression.hpp"
#include "engine/api/update_bytes.hpp"
#include "engine/model/costs.hpp"
#include "engine/rules/registry.hpp"
#include "platforms/roofline.hpp"
#include "sim/schedule/buffered.hpp"
#include "sim/schedule/cos2p.hpp"
#include "sim/schedule/kinds.hpp"
#include "sim/schedule/rounds.hpp"
#include "tests/support/desk.hpp"

namespace convoy::sim {
namespace {

std::shared_ptr<const engine::Rule> rule_of(const std::string& name) {
  base::Diagnostics problems;
  const base::Value root =
      base::parse_toml("aggregation = { rule = \"" + name + "\" }", "t.toml", problems);
  base::TableReader reader(root, "", problems);
  auto rule = engine::read_aggregation(reader, "coverage").rule;
  EXPECT_EQ(problems.str(), "");
  return rule;
}

// An aggregation that a schedule ordered, and what it is told of versions.
struct Ordered {
  Activity work;
  std::vector<double> bytes;  // of the updates
  std::size_t behind = 0;
  std::set<std::int64_t> versions_behind;
};

// Nodes that end their tasks in an order that is drawn, and versions that are made meanwhile: some
// updates are behind.
class Bazaar {
 public:
  Bazaar(std::unique_ptr<Schedule> schedule, int seed)
      : schedule_(std::move(schedule)), random_(static_cast<unsigned>(seed)) {
    give({{.kind = EventKind::run_started}});
  }

  std::vector<Ordered> run(int steps) {
    for (int i = 0; i < steps && !(open_.empty() && under_way_.empty()); ++i) {
      ++time_;
      // Who began last ends first three times out of four: somebody falls behind.
      const bool publishes = !under_way_.empty() && (open_.empty() || random_() % 3 == 0);
      if (publishes) {
        const TaskId task = under_way_.front();
        under_way_.pop_front();
        give({{.kind = EventKind::published, .task = task, .version = ++version_}});
        continue;
      }
      const auto task = random_() % 4 == 0 ? open_.begin() : std::prev(open_.end());
      const Event done{.kind = EventKind::task_done, .node = task->second, .task = task->first};
      open_.erase(task);
      give({done});
    }
    return ordered_;
  }

 private:
  void give(std::vector<Event> events) {
    events.back().last = true;
    for (Event& event : events) {
      event.time = time_;
      for (const Order& order : schedule_->on(event)) {
        if (const auto* assign = std::get_if<Assign>(&order)) take(*assign);
        if (const auto* cancel = std::get_if<Cancel>(&order)) open_.erase(cancel->task);
      }
    }
  }

  void take(const Assign& assign) {
    if (assign.kind == TaskKind::update) {
      open_[assign.task] = assign.worker_node();
      base_[assign.task] = version_;
      return;
    }
    Ordered ordered{.work = assign.graph->activities().front()};
    const std::int64_t added_to = version_ + std::ssize(under_way_);
    for (const TaskId task : assign.consumes) {
      if (base_.at(task) == added_to) continue;
      ++ordered.behind;
      ordered.versions_behind.insert(base_.at(task));
    }
    const auto& artifacts = assign.graph->artifacts();
    for (std::size_t i = 1; i <= assign.consumes.size(); ++i) {
      ordered.bytes.push_back(artifacts.at(i).bytes);
    }
    ordered_.push_back(std::move(ordered));
    under_way_.push_back(assign.task);
  }

  std::unique_ptr<Schedule> schedule_;
  std::minstd_rand random_;
  std::map<TaskId, NodeId> open_;
  std::map<TaskId, std::int64_t> base_;
  std::deque<TaskId> under_way_;
  std::int64_t version_ = 0;
  double time_ = 0;  // s
  std::vector<Ordered> ordered_;
};

double model_bytes(const Setting& setting) {
  const engine::Architecture& a = *setting.architecture;
  return engine::transfer_bytes(engine::trace(a, engine::full_submodel(a)));
}

double seconds(const Setting& setting, const engine::StepCost& step) {
  return platforms::predict(step, *setting.nodes.front().machine).seconds;
}

TEST(AggregationCosts, AComparedVersionIsReadBesideThePresentOne) {
  const engine::StepCost plain = engine::aggregation_step(40, {20, 20});
  const engine::StepCost compared = engine::aggregation_step(40, {20, 20}, 2);
  ASSERT_EQ(compared.kernels.size(), plain.kernels.size() + 2);
  double bytes = 0;
  for (const engine::Kernel& k : compared.kernels) bytes += k.bytes;
  for (const engine::Kernel& k : plain.kernels) bytes -= k.bytes;
  EXPECT_EQ(bytes, 2 * 80);
  EXPECT_EQ(compared.flops() - plain.flops(), 2 * 3 * 10) << "difference, magnitude, sum";
}

// Of every kind there is: whoever does not tell its pool which version is there is found here.
TEST(AggregationCosts, VersionsThatARuleComparesAreHeldAndRead) {
  int kinds = 0;
  int kinds_with_old_updates = 0;
  for (const ScheduleKind& kind : schedule_kinds()) {
    SCOPED_TRACE(kind.name);
    const auto setting = setting_of(6);
    const double model = model_bytes(*setting);
    base::Diagnostics problems;
    const base::Value root = base::parse_toml(
        "[schedule]\nkind = \"" + kind.name + "\"\naggregation = { rule = \"drift\" }\n", "t.toml",
        problems);
    base::TableReader file(root, "", problems);
    // A kind may insist on a rule of its own.
    std::unique_ptr<Schedule> schedule;
    try {
      const ScheduleSpec spec = read_schedule(file.table("schedule"));
      if (!problems.str().empty()) continue;
      const auto& rule = spec.learning.aggregation.rule;
      if (!rule || rule->name() != "drift") continue;
      schedule = spec.make(setting);
    } catch (const base::UserError&) {
    }
    if (dynamic_cast<FederatedSchedule*>(schedule.get()) == nullptr) continue;
    const std::vector<Ordered> all = Bazaar(std::move(schedule), 5).run(300);
    ASSERT_GT(all.size(), 3);
    bool behind = false;
    for (const Ordered& o : all) {
      const double largest = *std::ranges::max_element(o.bytes);
      const auto versions = static_cast<double>(o.versions_behind.size());
      EXPECT_EQ(o.work.memory, (2 + versions) * model + largest);
      EXPECT_EQ(o.work.seconds,
                seconds(*setting, engine::aggregation_step(model, o.bytes, o.behind)));
      behind = behind || o.behind > 0;
    }
    kinds_with_old_updates += behind ? 1 : 0;
    ++kinds;
  }
  EXPECT_GE(kinds, 8);
  EXPECT_GE(kinds_with_old_updates, 3);
}

// The same updates in the same order, by a rule that compares nothing.
TEST(AggregationCosts, OfARuleThatComparesNothingTheyStayAsTheyWere) {
  const auto setting = setting_of(6);
  const double model = model_bytes(*setting);
  for (const char* rule : {"coverage", "fedbuff", "fedadam"}) {
    CoS2POptions options;
    options.clients.learning.aggregation.rule = rule_of(rule);
    const auto slots = options.clients.learning.aggregation.rule->state().size();
    bool behind = false;
    for (const Ordered& o : Bazaar(std::make_unique<CoS2P>(setting, options), 5).run(300)) {
      std::vector<double> moved = o.bytes;
      moved.insert(moved.end(), slots, model);
      EXPECT_EQ(o.work.seconds, seconds(*setting, engine::aggregation_step(model, moved)));
      EXPECT_EQ(o.work.memory,
                (2 + static_cast<double>(slots)) * model + *std::ranges::max_element(o.bytes));
      behind = behind || o.behind > 0;
    }
    EXPECT_TRUE(behind) << rule;
  }
}

TEST(AggregationCosts, WhatCameCompressedIsReadAndWrittenOutWhole) {
  const auto setting = setting_of(6);
  const double model = model_bytes(*setting);
  BufferedOptions options{.buffer = 2};
  options.clients.compression.update.first = {.keep = 0.01, .bits = 8};
  const engine::Architecture& a = *setting->architecture;
  const double encoded =
      engine::update_bytes(a, engine::full_submodel(a), options.clients.compression.update.first);
  const auto all = Bazaar(std::make_unique<Buffered>(setting, options), 5).run(60);
  ASSERT_FALSE(all.empty());
  for (const Ordered& o : all) {
    engine::StepCost step = engine::aggregation_step(model, o.bytes);
    for (const double bytes : o.bytes) {
      EXPECT_LT(encoded, 0.05 * bytes);
      step.kernels.push_back({engine::OpClass::elementwise, bytes / 4, encoded + bytes});
    }
    EXPECT_EQ(o.work.seconds, seconds(*setting, step));
    EXPECT_EQ(o.work.memory, 2 * model + *std::ranges::max_element(o.bytes));
  }
}

double planned_memory(const Schedule& schedule) {
  for (const PlannedTask& task : schedule.plan()) {
    if (task.node == server_node) return task.memory;
  }
  ADD_FAILURE() << "no aggregation is planned";
  return 0;
}

// As many versions behind as an aggregation can have, before anything has run.
TEST(AggregationCosts, ThePlanCountsTheVersionsThatMayBeBehind) {
  const auto setting = setting_of(6);
  const double model = model_bytes(*setting);
  const auto drift = rule_of("drift");
  CoS2POptions bounded{.max_staleness = 2};
  bounded.clients.learning.aggregation.rule = drift;
  EXPECT_EQ(planned_memory(CoS2P(setting, bounded)), 5 * model);
  BufferedOptions unbounded{.buffer = 4};
  unbounded.clients.learning.aggregation.rule = drift;
  EXPECT_EQ(planned_memory(Buffered(setting, unbounded)), 7 * model);
  unbounded.max_staleness = 3;
  EXPECT_EQ(planned_memory(Buffered(setting, unbounded)), 6 * model);
  RoundsOptions rounds;
  rounds.clients.learning.aggregation.rule = drift;
  EXPECT_EQ(planned_memory(Rounds(setting, rounds)), 3 * model) << "all start from the present one";
  bounded.clients.learning.aggregation.rule = rule_of("coverage");
  EXPECT_EQ(planned_memory(CoS2P(setting, bounded)), 3 * model);
}

}  // namespace
}  // namespace convoy::sim
