#pragma once

// Internal to sim/plan: Asteroid's dynamic programming for one order of the devices.
//
// What a list of steps needs to be known by when steps are put in front of it:
//   round     its own round, T
//   longest   forward + backward of the dominant step, D
//   before    forward + backward of the steps before the dominant one
//   late      the largest, over the stages s, of what follows the last backward of s less the
//             backwards of the steps before s
// T of the longer list follows from these and the new steps. A candidate with none of the four
// larger than another's is at least as good if the link to it is no slower, either: where links
// differ, if its first group has no device that the other's has not.
//
// What takes the time is sharing micro-batches, at most once for a range of layers, a group and a
// window; a stage that has room for more micro-batches in flight is not shared anew for them.

#include <optional>
#include <span>
#include <vector>

#include "sim/plan/asteroid.hpp"
#include "sim/plan/pipeline_allocation.hpp"
#include "sim/plan/slowest_pairs.hpp"

namespace convoy::sim {

class StageSearch {
 public:
  // `times` has the problem. Devices by their place in `order`. Groups may leave their slowest ones
  // out where devices may be left out and `leaves_slow_out`, which takes longer.
  StageSearch(StageTimes& times, std::vector<int> order, const AsteroidOptions& options,
              bool leaves_slow_out);

  // Nothing where no plan fits.
  [[nodiscard]] std::optional<PipelinePlan> run();
  // Only plans with a shorter round: much faster.
  [[nodiscard]] std::optional<PipelinePlan> run_below(double round_s);
  [[nodiscard]] double round_s() const { return best_s_; }  // of the plan that was found

 private:
  struct Candidate {
    double round = 0;
    double longest = 0;
    double before = 0;
    double late = 0;
    int begin = 0;  // the head stage: places [begin, end) of the order
    int end = 0;
    int cut = 0;      // its last layer + 1
    int classes = 0;  // as of Head
    int shared_for = 1;
    int group = -1;
    int next = -1;  // the candidate that follows, of the state (L - cut, N - end, p - 1)
  };
  struct Head {
    PipelineStep step;
    double after = 0;  // what follows its last backward
    int classes = 0;   // so many of the fastest classes have work; 0: all
    // The micro-batch is shared as for so many stages with this one; it fits with more of them,
    // too.
    int shared_for = 1;
    int group = -1;  // of groups_: who has work; -1: all of its places
    std::vector<StageMember> members;
  };
  struct Place {  // of a head in front of what is left
    int layers = 0;
    int devices = 0;
    int rest_layers = 0;
    int rest_devices = 0;
    int stages = 0;  // with the head
  };
  using State = std::vector<Candidate>;

  State& state(int layers, int devices, int stages);
  [[nodiscard]] std::vector<StageMember> members(LayerRange layers, int begin, int end, int stages,
                                                 int classes);
  [[nodiscard]] std::optional<Head> head(LayerRange layers, int begin, int end, int stages,
                                         int classes);
  [[nodiscard]] std::vector<Head> heads(LayerRange layers, int begin, int end, int stages);
  [[nodiscard]] std::vector<int> by_speed(LayerRange layers, int begin, int end);
  [[nodiscard]] Candidate behind(const Head& head, const PipelineStep& link,
                                 const Candidate& rest) const;
  void keep(State& state, const Candidate& candidate) const;
  [[nodiscard]] bool is_no_better(const Candidate& candidate, const Candidate& known) const;
  [[nodiscard]] std::span<const int> working(int group, int begin, int end) const;
  [[nodiscard]] double link(const Head& head, int begin, int end, const Candidate& rest) const;
  void find_room();
  [[nodiscard]] bool may_be_fast(LayerRange layers, int begin, int end) const;
  [[nodiscard]] double ideal_round() const;
  [[nodiscard]] bool is_possible();
  void single_stage(int layers, int devices);
  void longer(int layers, int devices);
  [[nodiscard]] bool fit(const std::vector<Head>& heads, LayerRange layers, int stages);
  void with_head(int layers, int devices, int rest_layers, int rest_devices);
  void put_in_front(const std::vector<Head>& heads, const Place& place);
  [[nodiscard]] int window(int stages) const;  // of the first of so many stages
  [[nodiscard]] PipelinePlan plan_of(int stages, int which);

  StageTimes& times_;
  const PipelineProblem& problem_;
  std::vector<int> order_;
  AsteroidOptions options_;
  int layers_ = 0;
  int devices_ = 0;
  int stages_ = 0;           // the most
  std::vector<bool> sizes_;  // of groups that are looked at, by devices
  bool leaves_slow_out_ = false;
  std::vector<State> states_;
  double below_s_ = std::numeric_limits<double>::infinity();  // rounds that are looked for
  // By range, then place: samples that the devices before this place can have without being so slow
  // that the round is not below.
  std::vector<int> room_;
  double best_s_ = std::numeric_limits<double>::infinity();
  SlowestPairs slowest_;
  // Links differ, and the fleet is small enough to look at who has work in a group, and to keep
  // candidates for their first group.
  bool tells_apart_ = false;
  std::vector<std::vector<int>> groups_;  // devices of heads that have idle ones
};

}  // namespace convoy::sim
