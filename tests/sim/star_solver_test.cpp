// Tests StarSolver, StarNetwork and weighted_shares() against shares found step by step: all rates
// rise together until somebody reaches its limit, or a link is full.

#include "sim/world/star_solver.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "base/random.hpp"
#include "sim/world/star_network.hpp"
#include "sim/world/weighted_shares.hpp"
#include "tests/support/seed.hpp"

namespace convoy::sim {
namespace {

constexpr double unlimited = StarSolver::unlimited;

// A flow as the test follows it.
struct Followed {
  double weight = 1;
  double limit = 0;
  std::vector<int> path;
  double bytes = 0;
  double left = 0;
  double rate = 0;
  double fastest = 0;  // bytes/s, so far
  StarSolver::Flow at_star = 0;
};

// Rates by water-filling, without any order kept from event to event.
void pour(std::vector<Followed>& flows, const std::vector<double>& capacity) {
  std::vector<double> room = capacity;
  std::vector<bool> stays(flows.size(), false);
  for (Followed& flow : flows) flow.rate = 0;
  double level = 0;
  while (true) {
    // The level at which the next one stays.
    double next = unlimited;
    std::vector<double> weights(room.size(), 0);
    for (std::size_t i = 0; i < flows.size(); ++i) {
      if (stays[i]) continue;
      next = std::min(next, flows[i].limit / flows[i].weight);
      for (const int link : flows[i].path)
        weights[static_cast<std::size_t>(link)] += flows[i].weight;
    }
    std::vector<double> full_at(room.size(), unlimited);
    for (std::size_t link = 0; link < room.size(); ++link) {
      if (weights[link] > 0) full_at[link] = std::max(level, room[link] / weights[link]);
      next = std::min(next, full_at[link]);
    }
    if (std::ranges::count(stays, false) == 0) return;
    ASSERT_LT(next, unlimited);
    level = next;
    bool anybody = false;
    for (std::size_t i = 0; i < flows.size(); ++i) {
      if (stays[i]) continue;
      const bool at_limit = flows[i].limit <= flows[i].weight * level * (1 + 1e-14);
      const bool at_full = std::ranges::any_of(flows[i].path, [&](int link) {
        return full_at[static_cast<std::size_t>(link)] <= level * (1 + 1e-14);
      });
      if (!at_limit && !at_full) continue;
      anybody = true;
      stays[i] = true;
      flows[i].rate = std::min(flows[i].limit, flows[i].weight * level);
    }
    ASSERT_TRUE(anybody);
    for (std::size_t link = 0; link < room.size(); ++link) {
      room[link] = capacity[link];
      for (std::size_t i = 0; i < flows.size(); ++i) {
        if (stays[i] && std::ranges::count(flows[i].path, static_cast<int>(link)) > 0) {
          room[link] -= flows[i].rate;
        }
      }
      room[link] = std::max(room[link], 0.0);
    }
  }
}

void expect_same(double is, double expected, double scale) {
  ASSERT_NEAR(is, expected, 1e-9 * std::max(std::abs(scale), 1e-300));
}

// To 1e-9 of the flow's bytes, and to what it moves in the time that a double cannot tell apart.
double tolerance(const Followed& flow, double now) {
  constexpr double events = 50;
  return 1e-9 * flow.bytes + events * std::numeric_limits<double>::epsilon() * now * flow.fastest;
}

double some_rate(base::Random& random) { return std::pow(10, 2 + 5 * random.uniform()); }
double some_weight(base::Random& random) {
  return random.below(3) == 0 ? 1 : std::pow(10, -2 + 5 * random.uniform());
}

// What both solvers can do, with an event of each kind; times from event to event.
template <class Net>
class Case {
 public:
  explicit Case(base::Random& random) : random_(random), net_(random) {}

  void run(int events) {
    for (int i = 0; i < events && !testing::Test::HasFatalFailure(); ++i) {
      // Nobody asks for the rates between changes of one time.
      for (std::uint64_t changes = 1 + random_.below(4); changes > 0; --changes) {
        switch (flows_.empty() ? 0 : random_.below(6)) {
          case 0:
          case 1:
            arrive();
            break;
          case 2:
            if (random_.below(3) == 0) leave();
            break;
          default:
            net_.change(now_, flows_, random_);
        }
        if (testing::Test::HasFatalFailure()) return;
      }
      check();
      if (testing::Test::HasFatalFailure()) return;
      pass(random_.below(4) == 0 ? 1e3 : std::pow(10, -3 + 3 * random_.uniform()));
    }
    finish();
  }

 private:
  void arrive() {
    Followed flow{.weight = some_weight(random_),
                  .limit = random_.below(8) == 0 ? 0 : some_rate(random_),
                  .bytes = random_.below(20) == 0 ? 0 : some_rate(random_)};
    flow.left = flow.bytes;
    net_.add(now_, flow, random_);
    flows_.push_back(flow);
  }

  void leave() {
    const std::size_t i = random_.below(flows_.size());
    net_.remove(now_, flows_[i]);
    flows_.erase(flows_.begin() + static_cast<std::ptrdiff_t>(i));
  }

  void check() {
    const std::vector<double> capacity = net_.capacity();
    pour(flows_, capacity);
    if (testing::Test::HasFatalFailure()) return;
    std::vector<double> used(capacity.size(), 0);
    for (Followed& flow : flows_) {
      flow.fastest = std::max(flow.fastest, flow.rate);
      expect_same(net_.rate(flow), flow.rate, flow.rate);
      ASSERT_NEAR(net_.left(now_, flow), flow.left, tolerance(flow, now_));
      for (const int link : flow.path) used[static_cast<std::size_t>(link)] += net_.rate(flow);
    }
    for (std::size_t link = 0; link < used.size(); ++link) {
      ASSERT_LE(used[link], capacity[link] * (1 + 1e-12));
    }
  }

  [[nodiscard]] double next_end() const {
    double next = unlimited;
    for (const Followed& flow : flows_) {
      if (flow.left <= 0) next = now_;
      if (flow.rate > 0) next = std::min(next, now_ + flow.left / flow.rate);
    }
    return next;
  }

  // Lets time pass, with all ends on the way.
  void pass(double seconds) {
    const double until = now_ + seconds;
    while (!testing::Test::HasFatalFailure()) {
      const double end = next_end();
      const double said = net_.next_end();
      if (std::isinf(end)) {
        ASSERT_TRUE(std::isinf(said));
      } else {
        // A rate may be so small that the end is far away.
        expect_same(said - now_, end - now_, std::max(end, 1.0));
      }
      const double to = std::min(end, until);
      for (Followed& flow : flows_) flow.left = std::max(flow.left - flow.rate * (to - now_), 0.0);
      now_ = std::max(now_, to);
      if (end > until) return;
      // The end's own time, as the solver sees it.
      const double slack = 1e-9 * std::max(1.0, now_);
      const auto ending = net_.ending_by(now_ + slack);
      ASSERT_FALSE(ending.empty());
      for (const auto id : ending) {
        const auto flow =
            std::ranges::find_if(flows_, [&](const auto& f) { return f.at_star == id; });
        ASSERT_NE(flow, flows_.end());
        // All its bytes were delivered, and it is the time for that.
        ASSERT_LE(flow->left, flow->rate * 2 * slack + tolerance(*flow, now_));
        ASSERT_LE(net_.left(now_, *flow), flow->rate * 2 * slack + tolerance(*flow, now_));
        net_.remove(now_, *flow);
        flows_.erase(flow);
      }
      check();
    }
  }

  void finish() {
    if (testing::Test::HasFatalFailure()) return;
    net_.open(now_, flows_);
    check();
    while (!flows_.empty() && !testing::Test::HasFatalFailure()) pass(1e12);
  }

  base::Random& random_;
  Net net_;
  std::vector<Followed> flows_;
  double now_ = 0;
};

// One star.
class OneStar {
 public:
  explicit OneStar(base::Random& random)
      : capacity_(random.below(10) == 0 ? unlimited : some_rate(random)), star_(capacity_) {}
  void add(double now, Followed& flow, base::Random& random) {
    if (!std::isinf(capacity_) && random.below(4) == 0) flow.limit = unlimited;
    flow.path = {0};
    flow.at_star = star_.add(now, flow.bytes, flow.weight, flow.limit);
  }
  void remove(double now, const Followed& flow) { star_.remove(now, flow.at_star); }
  void change(double now, std::vector<Followed>& flows, base::Random& random) {
    Followed& flow = flows[random.below(flows.size())];
    switch (random.below(3)) {
      case 0:
        if (std::isinf(capacity_)) return;
        capacity_ = random.below(6) == 0 ? 0 : some_rate(random);
        star_.set_capacity(now, capacity_);
        return;
      case 1:
        flow.limit = random.below(6) == 0 ? 0 : some_rate(random);
        star_.set_limit(now, flow.at_star, flow.limit);
        return;
      default:
        flow.weight = some_weight(random);
        star_.set_weight(now, flow.at_star, flow.weight);
    }
  }
  void open(double now, std::vector<Followed>& flows) {
    capacity_ = std::isinf(capacity_) ? capacity_ : 1e5;
    star_.set_capacity(now, capacity_);
    for (Followed& flow : flows) star_.set_limit(now, flow.at_star, flow.limit = 1e4);
  }
  [[nodiscard]] std::vector<double> capacity() const { return {capacity_}; }
  double rate(const Followed& flow) { return star_.rate(flow.at_star); }
  double left(double now, const Followed& flow) { return star_.left(now, flow.at_star); }
  double next_end() { return star_.next_end(); }
  auto ending_by(double time) { return star_.ending_by(time); }

 private:
  double capacity_;
  StarSolver star_;
};

// Own links and shared ones; some paths over several.
class AnyNetwork {
 public:
  explicit AnyNetwork(base::Random& random) {
    const std::size_t shared = 1 + random.below(3);
    const std::size_t own = 2 + random.below(6);
    for (std::size_t i = 0; i < own; ++i) net_.add_own_link(next_capacity(random));
    for (std::size_t i = 0; i < shared; ++i) net_.add_shared_link(next_capacity(random));
    own_ = own;
    mixed_ = random.below(2) == 0;
  }
  void add(double now, Followed& flow, base::Random& random) {
    // Half of the cases mostly consist of stars: so both ways are tried, and the changes of way.
    flow.path = {static_cast<int>(random.below(own_))};
    if (mixed_ && random.below(3) == 0) {
      const int other = static_cast<int>(random.below(own_));
      if (other != flow.path.front()) flow.path.push_back(other);
    }
    const std::size_t shared = capacity_.size() - own_;
    if (random.below(5) > 0) {
      flow.path.push_back(static_cast<int>(own_ + random.below(shared)));
      const int second = static_cast<int>(own_ + random.below(shared));
      if (mixed_ && random.below(4) == 0 && second != flow.path.back()) flow.path.push_back(second);
    }
    if (random.below(2) == 0) flow.limit = unlimited;
    flow.at_star = net_.add(now, flow.bytes, flow.weight, flow.limit, flow.path);
  }
  void remove(double now, const Followed& flow) { net_.remove(now, flow.at_star); }
  void change(double now, std::vector<Followed>& /*flows*/, base::Random& random) {
    const std::size_t link = random.below(capacity_.size());
    capacity_[link] = random.below(6) == 0 ? 0 : some_rate(random);
    net_.set_capacity(now, static_cast<int>(link), capacity_[link]);
  }
  void open(double now, std::vector<Followed>& flows) {
    for (std::size_t link = 0; link < capacity_.size(); ++link) {
      capacity_[link] = 1e4;
      net_.set_capacity(now, static_cast<int>(link), 1e4);
    }
    std::erase_if(flows, [&](const Followed& flow) {
      if (flow.limit > 0) return false;
      net_.remove(now, flow.at_star);
      return true;
    });
  }
  [[nodiscard]] std::vector<double> capacity() const { return capacity_; }
  double rate(const Followed& flow) { return net_.rate(flow.at_star); }
  double left(double now, const Followed& flow) { return net_.left(now, flow.at_star); }
  double next_end() { return net_.next_end(); }
  auto ending_by(double time) { return net_.ending_by(time); }

 private:
  double next_capacity(base::Random& random) {
    capacity_.push_back(some_rate(random));
    return capacity_.back();
  }

  StarNetwork net_;
  std::vector<double> capacity_;
  std::size_t own_ = 0;
  bool mixed_ = false;
};

template <class Net>
void try_cases(int cases) {
  const std::uint64_t seed = test::drawn_seed();
  for (int i = 0; i < cases; ++i) {
    base::Random random({seed, static_cast<std::uint64_t>(i)});
    SCOPED_TRACE("case " + std::to_string(i));
    Case<Net>(random).run(static_cast<int>(5 + random.below(40)));
    if (testing::Test::HasFatalFailure()) return;
  }
}

TEST(StarSolver, HasTheSharesOfWaterFillingInTenThousandRandomCases) { try_cases<OneStar>(10'000); }

TEST(StarNetwork, HasTheSharesOfWaterFillingInTenThousandRandomCases) {
  try_cases<AnyNetwork>(10'000);
}

// Flows that come and go within one time leave nothing behind.
TEST(StarNetwork, WhatWasCrowdedForAMomentAloneIsAStarAgain) {
  const double unlimited_rate = StarNetwork::unlimited;
  StarNetwork network;
  const int own = network.add_own_link(100);
  const auto first = network.add(0, 1000, 1, unlimited_rate, {own});
  EXPECT_EQ(network.next_end(), 10);
  const auto second = network.add(1, 1000, 1, unlimited_rate, {own});
  network.remove(1, first);
  EXPECT_EQ(network.rate(second), 100);
  EXPECT_EQ(network.next_end(), 11);
}

TEST(StarNetwork, ACapacityThatChangesMeanwhileIsNotForgotten) {
  StarNetwork network;
  const int own = network.add_own_link(100);
  const int shared = network.add_shared_link(1000);
  const auto first = network.add(0, 1000, 1, StarNetwork::unlimited, {own, shared});
  const auto second = network.add(0, 1000, 1, StarNetwork::unlimited, {own, shared});
  network.set_capacity(0, shared, 10);
  network.remove(0, second);
  EXPECT_EQ(network.rate(first), 10);
}

// A star in which many flows come and go for long: the clock starts anew on the way, and the sums
// lose no digits.
TEST(StarSolver, LosesNoDigitsInALongRun) {
  base::Random random({test::drawn_seed()});
  StarSolver star(1e6);
  std::vector<Followed> flows;
  double now = 1e5;
  double delivered = 0;
  for (int i = 0; i < 60'000; ++i) {
    if (flows.size() < 200) {
      Followed flow{.weight = some_weight(random), .limit = some_rate(random)};
      flow.path = {0};
      flow.bytes = 1e3 + 1e4 * random.uniform();
      flow.at_star = star.add(now, flow.bytes, flow.weight, flow.limit);
      flows.push_back(flow);
      continue;
    }
    now = star.next_end();
    for (const StarSolver::Flow id : star.ending_by(now)) {
      const auto flow = std::ranges::find_if(flows, [&](const auto& f) { return f.at_star == id; });
      ASSERT_NE(flow, flows.end());
      delivered += flow->bytes;
      flow->fastest = flow->limit;
      ASSERT_NEAR(star.left(now, id), 0, tolerance(*flow, now));
      star.remove(now, id);
      flows.erase(flow);
    }
    if (i % 1000 > 1) continue;
    pour(flows, {1e6});
    for (const Followed& flow : flows) expect_same(star.rate(flow.at_star), flow.rate, flow.rate);
    if (testing::Test::HasFatalFailure()) return;
  }
  for (const Followed& flow : flows) delivered += flow.bytes - star.left(now, flow.at_star);
  // Nothing is delivered faster than the capacity.
  EXPECT_LE(delivered, 1e6 * (now - 1e5) * (1 + 1e-9));
}

}  // namespace
}  // namespace convoy::sim
