// Tests how a task's graph is carried out: what its outcome is made of.

#include <gtest/gtest.h>

#include <set>

#include "sim/run/task_computation.hpp"
#include "tests/support/idle_engine.hpp"

namespace convoy::sim {
namespace {

struct Thing : engine::Artifact {};

// The sessions of some nodes make what is not finite.
class Engine : public test::IdleEngine {
 public:
  explicit Engine(std::set<int> nodes) : not_finite(std::move(nodes)) {}

  std::unique_ptr<engine::Session> open(const engine::TaskInput& input,
                                        std::stop_token /*stop*/) const override {
    struct Session : engine::Session {
      std::shared_ptr<const engine::Artifact> run(const engine::Work&,
                                                  const std::vector<engine::Input>&) override {
        return std::make_shared<const Thing>();
      }
      engine::Outcome outcome() override { return {.loss = loss, .finite = finite}; }
      [[nodiscard]] const engine::Submodel& submodel() const override { return kept; }
      engine::Submodel kept;
      double loss = 0;
      bool finite = true;
    };
    auto session = std::make_unique<Session>();
    session->loss = input.node;
    session->finite = !not_finite.contains(input.node);
    return session;
  }

  std::set<int> not_finite;
};

// Node 3 works, and what it made goes to the server; that makes something of it, or not.
engine::Outcome outcome_of(const std::set<int>& not_finite, bool server_makes) {
  auto graph = std::make_shared<TaskGraph>(2);
  const int made =
      graph->compute({.label = "train", .at = 1, .work = engine::Train{}}, {}, {"update", 8});
  const int there = graph->transfer("upload", made, 0);
  if (server_makes) {
    graph->compute({.label = "join", .at = 0, .work = engine::JoinStages{}}, {there},
                   {"update", 8});
  }
  TaskComputation task;
  task.worker = 1;
  task.result = graph->result();
  task.graph = graph;
  task.inputs = {engine::TaskInput{.node = 0}, engine::TaskInput{.node = 3}};
  return carry_out(Engine(not_finite), task, {}, [](const engine::Submodel&) {});
}

TEST(TaskOutcome, TheOutcomeIsTheWorkersAndFiniteIfTheResultIsWhereItWasMade) {
  EXPECT_TRUE(outcome_of({}, true).finite);
  EXPECT_TRUE(outcome_of({}, true).result);
  EXPECT_EQ(outcome_of({}, true).loss, 3);
  EXPECT_FALSE(outcome_of({3}, true).finite);
  EXPECT_FALSE(outcome_of({0}, true).finite) << "the server made the result";
  EXPECT_TRUE(outcome_of({0}, false).finite) << "it did not";
  EXPECT_FALSE(outcome_of({3}, false).finite);
}

}  // namespace
}  // namespace convoy::sim
