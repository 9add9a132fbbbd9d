// Tests several kinds of schedules in one [schedule]: which keys each kind reads. schedule_test.cpp
// tests the schedules themselves.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sim/schedule/client_pool.hpp"
#include "sim/schedule/kinds.hpp"

namespace convoy::sim {
namespace {

using testing::HasSubstr;

// Has no clients. Like cos2p it has a key `quorum`, but with another type.
ScheduleKind alone() {
  return {"alone", "a schedule without federated workers",
          [](base::TableReader&, base::TableReader& own) {
            own.integer({"quorum", "a number of nodes"}, base::at_least(1), 3);
            return ScheduleSpec{};
          }};
}

class Kinds : public testing::Test {
 protected:
  ScheduleSpec read(const std::string& toml, std::vector<std::string> used = {}) {
    problems_ = {};
    const base::Value root = base::parse_toml(toml, "t.toml", problems_);
    base::TableReader file(root, "", problems_);
    return read_schedule(file.table("schedule"), std::move(used), kinds_);
  }
  base::Diagnostics problems_;
  std::vector<ScheduleKind> kinds_ = {schedules::fedavg(), schedules::cos2p(), alone()};
};

TEST_F(Kinds, UseOneWordForDifferentThings) {
  const std::string both = "[schedule.cos2p]\nquorum = 0.5\n[schedule.alone]\nquorum = 4\n";
  read("[schedule]\nkind = \"alone\"\n" + both, {"alone", "cos2p"});
  EXPECT_EQ(problems_.str(), "");
  read("[schedule]\nkind = \"alone\"\n[schedule.alone]\nquorum = 0.5\n");
  EXPECT_THAT(problems_.str(), HasSubstr("schedule.alone.quorum: expected an integer"));
}

TEST_F(Kinds, WithoutACrewAskNothingOfTheEngine) {
  const ScheduleSpec spec = read("[schedule]\nkind = \"alone\"\nmask = { epochs = 9 }\n");
  EXPECT_EQ(spec.kind, "alone");
  EXPECT_EQ(spec.learning.mask.epochs, engine::MaskOptions{}.epochs);
  EXPECT_EQ(problems_.str(),
            "t.toml:3:1: warning: schedule.mask: is not used: the file's kind is alone\n");
  EXPECT_EQ(read("[schedule]\nmask = { epochs = 9 }\n").learning.mask.epochs, 9);
  EXPECT_EQ(problems_.str(), "");
}

TEST_F(Kinds, NewOnesHaveNoFlatKeys) {
  read("[schedule]\nkind = \"alone\"\nquorum = 4\n");
  EXPECT_THAT(problems_.str(), HasSubstr("error: unknown key \"quorum\" in [schedule]"));
}

TEST_F(Kinds, NameTheNearestOfAnUnknownTableOrKey) {
  read("[schedule]\n[schedule.alnoe]\nquorum = 4\n");
  EXPECT_THAT(problems_.str(), HasSubstr("did you mean \"alone\"?"));
  read("[schedule]\nmax_stalenes = 4\n");
  EXPECT_THAT(problems_.str(), HasSubstr("did you mean \"schedule.cos2p.max_staleness\"?"));
  read("[schedule.fedavg]\nunfit = \"skip\"\n");
  EXPECT_THAT(problems_.str(), HasSubstr("schedule.fedavg.unfit: stands in [schedule] itself"));
}

TEST_F(Kinds, SeveralInUseAreAllNamed) {
  read("[schedule]\nkind = \"fedavg\"\n[schedule.alone]\nquorum = 4\n", {"cos2p"});
  EXPECT_THAT(problems_.str(), HasSubstr("is not used: the file's kinds are cos2p and fedavg"));
}

}  // namespace
}  // namespace convoy::sim
