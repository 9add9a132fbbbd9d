// Tests what FedProx adds to rounds.

#include "sim/schedule/fedprox.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "sim/schedule/local_update.hpp"
#include "tests/support/desk.hpp"

namespace convoy::sim {
namespace {

using testing::HasSubstr;

std::shared_ptr<Setting> setting_with(int workers, int epochs) {
  auto setting = setting_of(workers);
  setting->local_epochs = epochs;
  return setting;
}

const Activity& training(const Assign& task) {
  return *std::find_if(task.graph->activities().begin(), task.graph->activities().end(),
                       [](const Activity& a) { return a.label == "train"; });
}

int epochs_of(const Assign& task) { return std::get<engine::Train>(training(task).work).epochs; }

// The tasks of a number of rounds in which all asked nodes answer.
std::vector<std::vector<Assign>> rounds_of(std::unique_ptr<Schedule> schedule, int rounds) {
  Desk desk(std::move(schedule));
  std::vector<std::vector<Assign>> all;
  for (int round = 0; round < rounds; ++round) {
    all.push_back(std::exchange(desk.assigned, {}));
    std::vector<Event> events;
    for (const auto& [task, node] : std::map(desk.open)) events.push_back(desk.done(task));
    desk.give(events);
    desk.give({desk.aggregated()});
  }
  return all;
}

TEST(FedProx, WithoutAPullAndStragglersGivesTheOrdersOfFedAvg) {
  RoundsOptions plain;
  plain.participants.number = 4;
  FedProxOptions options{plain};
  options.mu = 0;
  const auto setting = setting_with(10, 3);
  const auto expected = rounds_of(std::make_unique<Rounds>(setting, plain), 20);
  const auto got = rounds_of(std::make_unique<FedProx>(setting, options), 20);
  for (std::size_t round = 0; round < expected.size(); ++round) {
    ASSERT_EQ(got[round].size(), expected[round].size());
    for (std::size_t i = 0; i < expected[round].size(); ++i) {
      const Assign& a = expected[round][i];
      const Assign& b = got[round][i];
      EXPECT_EQ(b.task, a.task);
      EXPECT_EQ(b.members, a.members);
      EXPECT_EQ(b.samples, a.samples);
      EXPECT_EQ(engine::to_text(b.brief), engine::to_text(a.brief));
      EXPECT_EQ(training(b).seconds, training(a).seconds);
      EXPECT_EQ(training(b).memory, training(a).memory);
    }
  }
}

TEST(FedProx, TellsItsNodesMuAndCountsWhatTheyKeep) {
  FedProxOptions options;
  options.mu = 0.3;
  const auto setting = setting_with(2, 1);
  const auto pulled = rounds_of(std::make_unique<FedProx>(setting, options), 1)[0][0];
  EXPECT_EQ(pulled.brief.proximal, 0.3);
  EXPECT_EQ(engine::read_brief(engine::to_text(pulled.brief), "test").proximal, 0.3);
  // Equal to training.proximal: memory for the weights once more.
  auto same = setting_with(2, 1);
  same->proximal = 0.3;
  const auto trained = rounds_of(std::make_unique<Rounds>(same, RoundsOptions{}), 1)[0][0];
  const auto plain = rounds_of(std::make_unique<Rounds>(setting, RoundsOptions{}), 1)[0][0];
  EXPECT_EQ(trained.brief.proximal, std::nullopt);
  EXPECT_EQ(training(pulled).memory, training(trained).memory);
  EXPECT_GT(training(pulled).memory, training(plain).memory);
}

TEST(FedProx, StragglersTrainFewerEpochsAndCostLess) {
  FedProxOptions options;
  options.participants.number = 10;
  options.stragglers = 0.5;
  const int epochs = 4;
  std::map<int, int> counts;
  std::set<std::set<NodeId>> sets;
  std::map<int, double> seconds;
  for (const auto& round :
       rounds_of(std::make_unique<FedProx>(setting_with(20, epochs), options), 60)) {
    ASSERT_EQ(round.size(), 10);
    std::set<NodeId> stragglers;
    for (const Assign& task : round) {
      const int trains = epochs_of(task);
      ++counts[trains];
      if (trains < epochs) stragglers.insert(task.worker_node());
      EXPECT_EQ(task.samples, 10 * trains);
      seconds[trains] = training(task).seconds;
    }
    EXPECT_EQ(stragglers.size(), 5);
    sets.insert(stragglers);
  }
  EXPECT_GT(sets.size(), 30) << "others in every round";
  EXPECT_EQ(counts[epochs], 300);
  for (int trains = 1; trains < epochs; ++trains) {
    EXPECT_NEAR(counts[trains], 100, 35) << trains;
    EXPECT_NEAR(seconds[trains], seconds[epochs] * trains / epochs, 1e-12);
  }
  EXPECT_EQ(counts.size(), 4);
}

// The FedAvg of the authors' repository: the same clients are drawn, stragglers get no task.
TEST(FedProx, DropAsksJustThoseThatAreNoStragglersUnderKeep) {
  FedProxOptions options;
  options.participants.number = 10;
  options.stragglers = 0.9;
  const auto setting = setting_with(20, 5);
  const auto kept = rounds_of(std::make_unique<FedProx>(setting, options), 20);
  options.keep = false;
  const auto dropped = rounds_of(std::make_unique<FedProx>(setting, options), 20);
  for (std::size_t round = 0; round < kept.size(); ++round) {
    std::vector<NodeId> whole;
    for (const Assign& task : kept[round]) {
      if (epochs_of(task) == 5) whole.push_back(task.worker_node());
    }
    std::vector<NodeId> asked;
    for (const Assign& task : dropped[round]) asked.push_back(task.worker_node());
    EXPECT_EQ(asked, whole);
    EXPECT_EQ(asked.size(), 1);
  }
}

TEST(FedProx, OneOfARoundIsNoStraggler) {
  FedProxOptions options;
  options.stragglers = 0.9;
  options.keep = false;
  const auto rounds = rounds_of(std::make_unique<FedProx>(setting_with(1, 2), options), 3);
  for (const auto& round : rounds) EXPECT_EQ(round.size(), 1);
}

TEST(FedProx, SaysWhatDoesNotFit) {
  const auto said = [](const std::shared_ptr<Setting>& setting, const FedProxOptions& options) {
    try {
      const FedProx made(setting, options);
    } catch (const base::UserError& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  FedProxOptions options;
  EXPECT_EQ(said(setting_with(2, 1), options), "");
  options.stragglers = 0.5;
  EXPECT_THAT(said(setting_with(2, 1), options), HasSubstr("training.local_epochs to 2 or more"));
  EXPECT_EQ(said(setting_with(2, 2), options), "");
  auto setting = setting_with(2, 2);
  setting->local_steps = 7;
  EXPECT_THAT(said(setting, options), HasSubstr("who train steps"));
  setting = setting_with(2, 2);
  setting->proximal = 0.5;
  EXPECT_THAT(said(setting, options), HasSubstr("give mu alone"));
  options.mu = 0.5;
  EXPECT_EQ(said(setting, options), "");
}

}  // namespace
}  // namespace convoy::sim
