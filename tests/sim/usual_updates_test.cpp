// What schedules say of the updates of a version beforehand, against versions that they make of
// equal nodes.

#include <gtest/gtest.h>

#include "sim/schedule/client_pool.hpp"
#include "tests/support/desk.hpp"

namespace convoy::sim {
namespace {

// The mean number of updates over the later half of the versions.
double updates_per_version(std::unique_ptr<Schedule> schedule) {
  Desk desk(std::move(schedule));
  for (int i = 0; i < 2000 && desk.aggregations.size() < 40; ++i) {
    if (!desk.under_way.empty()) {
      desk.give({desk.aggregated()});
    } else {
      desk.give({desk.done(desk.open.begin()->first)});  // the task that was begun first
    }
  }
  EXPECT_EQ(desk.aggregations.size(), 40);
  double updates = 0;
  for (std::size_t i = 20; i < desk.aggregations.size(); ++i) {
    updates += static_cast<double>(desk.aggregations[i].consumes.size());
  }
  return updates / 20;
}

TEST(UsualUpdates, AreThoseOfTheVersionsThatAreMade) {
  for (const char* options :
       {"kind = \"cos2p\"", "kind = \"cos2p\"\n[schedule.cos2p]\nquorum = 0.25",
        "kind = \"cos2p\"\n[schedule.cos2p]\nquorum = 1.0",
        "kind = \"cos2p\"\n[schedule.cos2p]\nat_work = 4",
        "kind = \"cos2p\"\n[schedule.cos2p]\nat_work = 4\nquorum = 0.2",
        "kind = \"cos2p\"\n[schedule.cos2p]\nat_work = 10\nquorum = 0.9", "kind = \"fedavg\"",
        "kind = \"fedavg\"\n[schedule.fedavg]\nparticipants = 3",
        "kind = \"fedavg\"\n[schedule.fedavg]\nparticipants = 50",
        "kind = \"fedbuff\"\n[schedule.fedbuff]\nbuffer = 5", "kind = \"fedasync\""}) {
    base::Diagnostics problems;
    const base::Value root =
        base::parse_toml(std::string("[schedule]\n") + options + "\n", "t.toml", problems);
    base::TableReader file(root, "", problems);
    const ScheduleSpec spec = read_schedule(file.table("schedule"));
    EXPECT_EQ(problems.str(), "");
    const auto setting = setting_of(16);
    const std::optional<double> told = spec.make(setting)->usual_updates();
    ASSERT_TRUE(told) << options;
    EXPECT_NEAR(*told, updates_per_version(spec.make(setting)), 0.5) << options;
  }
}

}  // namespace
}  // namespace convoy::sim
