#include "sim/plan/stage_search.hpp"

#include <algorithm>
#include <bit>

#include "sim/plan/pipeline_parts.hpp"

namespace convoy::sim {
namespace {

constexpr int most_to_leave_out = 32;  // devices of a fleet of which a group leaves slow ones out
constexpr int all_groups = 8;  // devices: larger groups have no more than samples in a micro-batch

constexpr int few_devices = 8;  // of a fleet: groups also leave out whose links are slow

// Of large fleets the sizes 1 to 15, 16 to 30 in steps of 2, 32 to 60 in steps of 4, and so on.
bool is_step(int size) {
  const int octave = static_cast<int>(std::bit_floor(static_cast<unsigned>(size)));
  return octave < 16 || size % (octave / 8) == 0;
}

}  // namespace

StageSearch::StageSearch(StageTimes& times, std::vector<int> order, const AsteroidOptions& options,
                         bool leaves_slow_out)
    : times_(times),
      problem_(times.problem()),
      order_(std::move(order)),
      options_(options),
      layers_(problem_.costs->layers()),
      devices_(static_cast<int>(order_.size())),
      stages_(std::min({layers_, devices_, options.most_stages})),
      leaves_slow_out_(options.may_leave_out && leaves_slow_out && devices_ <= most_to_leave_out),
      slowest_(problem_, order_),
      tells_apart_(!slowest_.is_uniform() && devices_ <= options.every_size) {
  const auto states = static_cast<std::size_t>(layers_ + 1) *
                      static_cast<std::size_t>(devices_ + 1) *
                      static_cast<std::size_t>(stages_ + 1);
  states_.resize(states);
  const int most = options.may_leave_out ? std::max(problem_.microbatch, all_groups) : devices_;
  for (int size = 0; size <= devices_; ++size) {
    sizes_.push_back(size > 0 && size <= most && (devices_ <= options.every_size || is_step(size)));
  }
  if (!options.may_leave_out) sizes_.back() = true;
}

StageSearch::State& StageSearch::state(int layers, int devices, int stages) {
  return states_[static_cast<std::size_t>((((layers * (devices_ + 1)) + devices) * (stages_ + 1)) +
                                          stages)];
}

int StageSearch::window(int stages) const {
  return window_of(options_.window, stages, 0, problem_.microbatches);
}

std::vector<StageMember> StageSearch::members(LayerRange layers, int begin, int end, int stages,
                                              int classes) {
  const std::span<const int> group(order_.begin() + begin, order_.begin() + end);
  if (classes == 0) return allocate(times_, layers, group, window(stages), 1);
  std::vector<int> used;
  const std::vector<int> fast = by_speed(layers, begin, end);
  for (const int device : group) {
    const auto at = std::find(fast.begin(), fast.end(), times_.class_of(device));
    if (at - fast.begin() < classes) used.push_back(device);
  }
  return allocate(times_, layers, used, window(stages), 1);
}

std::optional<StageSearch::Head> StageSearch::head(LayerRange layers, int begin, int end,
                                                   int stages, int classes) {
  std::vector<StageMember> all = members(layers, begin, end, stages, classes);
  if (all.empty()) return std::nullopt;
  Head head{.classes = classes, .shared_for = stages};
  for (const StageMember& member : all) {
    const PipelineStep pass = times_.pass(member.device, layers, member.samples);
    head.step.forward_s = std::max(head.step.forward_s, pass.forward_s);
    head.step.backward_s = std::max(head.step.backward_s, pass.backward_s);
  }
  double slowest = slowest_.within(begin, end);
  if (static_cast<int>(all.size()) < end - begin && tells_apart_) {
    head.group = static_cast<int>(groups_.size());
    groups_.push_back(devices_of(all));
    slowest = slowest_within(problem_, groups_.back());
  }
  head.after = all_reduce_s(problem_, layers, static_cast<int>(all.size()), slowest) +
               update_s(problem_, layers, all);
  head.members = std::move(all);
  return head;
}

// The classes of a group's devices, the fastest one first.
std::vector<int> StageSearch::by_speed(LayerRange layers, int begin, int end) {
  std::vector<std::pair<double, int>> classes;
  for (int at = begin; at < end; ++at) {
    const int device = order_[static_cast<std::size_t>(at)];
    const PipelineStep pass = times_.pass(device, layers, problem_.microbatch);
    classes.emplace_back(pass.forward_s + pass.backward_s, times_.class_of(device));
  }
  std::sort(classes.begin(), classes.end());
  classes.erase(std::unique(classes.begin(), classes.end()), classes.end());
  std::vector<int> fast;
  for (const auto& [seconds, known_as] : classes) fast.push_back(known_as);
  return fast;
}

// The group's devices as a stage; where devices may be left out, the same without its slowest ones.
std::vector<StageSearch::Head> StageSearch::heads(LayerRange layers, int begin, int end,
                                                  int stages) {
  std::vector<Head> heads;
  const auto all = head(layers, begin, end, stages, 0);
  if (!all) return heads;
  heads.push_back(*all);
  const double busy = problem_.microbatches * (all->step.forward_s + all->step.backward_s);
  if (!leaves_slow_out_ || end - begin < 2) return heads;
  const bool may_slow_a_link = tells_apart_ && devices_ <= few_devices;
  if (all->after < 0.01 * busy && !may_slow_a_link) return heads;
  const auto classes = static_cast<int>(by_speed(layers, begin, end).size());
  for (int fastest = classes - 1; fastest >= 1; --fastest) {
    const auto some = head(layers, begin, end, stages, fastest);
    if (!some) break;
    heads.push_back(*some);
  }
  return heads;
}

StageSearch::Candidate StageSearch::behind(const Head& head, const PipelineStep& link,
                                           const Candidate& rest) const {
  const int m = problem_.microbatches;
  const double first = head.step.forward_s + head.step.backward_s;
  const double second = link.forward_s + link.backward_s;
  const double forward = head.step.forward_s + link.forward_s;
  const double backward = head.step.backward_s + link.backward_s;
  Candidate all;
  all.late = std::max(head.after, rest.late - backward);
  if (first >= second && first >= rest.longest) {
    all.longest = first;
    all.before = 0;
    all.round = (m * first) + all.late;
  } else if (second >= rest.longest) {
    all.longest = second;
    all.before = first;
    all.round = (m * second) + first + std::max(head.after, rest.late - backward);
  } else {
    all.longest = rest.longest;
    all.before = first + second + rest.before;
    all.round = std::max((m * rest.longest) + all.before + head.after, forward + rest.round);
  }
  return all;
}

// The devices of a head that have work.
std::span<const int> StageSearch::working(int group, int begin, int end) const {
  if (group >= 0) return groups_[static_cast<std::size_t>(group)];
  return {order_.begin() + begin, order_.begin() + end};
}

// bytes/s between a head, of places [begin, end), and the first group behind it.
double StageSearch::link(const Head& head, int begin, int end, const Candidate& rest) const {
  if (head.group < 0 && rest.group < 0) return slowest_.between(begin, end, rest.begin, rest.end);
  return slowest_between(problem_, working(head.group, begin, end),
                         working(rest.group, rest.begin, rest.end));
}

bool StageSearch::is_no_better(const Candidate& candidate, const Candidate& known) const {
  if (candidate.round < known.round || candidate.longest < known.longest ||
      candidate.before < known.before || candidate.late < known.late) {
    return false;
  }
  if (!tells_apart_) return true;
  return known.begin >= candidate.begin && known.end <= candidate.end &&
         (candidate.group < 0 || candidate.group == known.group);
}

void StageSearch::keep(State& state, const Candidate& candidate) const {
  if (problem_.microbatches * candidate.longest >= below_s_) return;
  const auto room = static_cast<std::size_t>(options_.kept);
  if (state.size() == room && candidate.round >= state.back().round) return;
  for (const Candidate& known : state) {
    if (is_no_better(candidate, known)) return;
  }
  std::erase_if(state, [&](const Candidate& known) { return is_no_better(known, candidate); });
  if (state.size() == room) state.pop_back();
  const auto at =
      std::upper_bound(state.begin(), state.end(), candidate,
                       [](const Candidate& a, const Candidate& b) { return a.round < b.round; });
  state.insert(at, candidate);
}

void StageSearch::single_stage(int layers, int devices) {
  const int begin = devices_ - devices;
  const LayerRange range{layers_ - layers, layers_};
  if (!sizes_[static_cast<std::size_t>(devices)] || !may_be_fast(range, begin, devices_)) return;
  for (const Head& stage : heads(range, begin, devices_, 1)) {
    Candidate one;
    one.longest = stage.step.forward_s + stage.step.backward_s;
    one.late = stage.after;
    one.round = (problem_.microbatches * one.longest) + one.late;
    one.begin = begin;
    one.end = devices_;
    one.cut = layers_;
    one.classes = stage.classes;
    one.shared_for = stage.shared_for;
    one.group = stage.group;
    keep(state(layers, devices, 1), one);
  }
}

// Whether the micro-batches of a list of heads, shared as they are, fit in so many stages as well.
bool StageSearch::fit(const std::vector<Head>& heads, LayerRange layers, int stages) {
  return std::ranges::all_of(heads, [&](const Head& head) {
    return std::ranges::all_of(head.members, [&](const StageMember& member) {
      return member.samples <= times_.most_samples(member.device, layers, window(stages), 1);
    });
  });
}

void StageSearch::with_head(int layers, int devices, int rest_layers, int rest_devices) {
  const LayerRange range{layers_ - layers, layers_ - rest_layers};
  const int begin = devices_ - devices;
  const int end = devices_ - rest_devices;
  if (!sizes_[static_cast<std::size_t>(end - begin)] || !may_be_fast(range, begin, end)) return;
  const int most = std::min({stages_, rest_layers + 1, rest_devices + 1});
  std::vector<Head> stages;
  int known_as = 0;  // for which number of stages
  for (int p = 2; p <= most; ++p) {
    if (state(rest_layers, rest_devices, p - 1).empty()) continue;
    const bool is_known = known_as > 0 && (window(p) == window(known_as) || fit(stages, range, p));
    if (!is_known) stages = heads(range, begin, end, p);
    known_as = p;
    if (stages.empty()) return;  // with more stages behind it, it has more in flight
    put_in_front(stages, {layers, devices, rest_layers, rest_devices, p});
  }
}

void StageSearch::put_in_front(const std::vector<Head>& heads, const Place& place) {
  const int begin = devices_ - place.devices;
  const int end = devices_ - place.rest_devices;
  const int cut = layers_ - place.rest_layers;
  const State& rests = state(place.rest_layers, place.rest_devices, place.stages - 1);
  State& all = state(place.layers, place.devices, place.stages);
  for (std::size_t i = 0; i < rests.size(); ++i) {
    for (const Head& head : heads) {
      const PipelineStep step =
          transfer_step(problem_, cut - 1, problem_.microbatch, link(head, begin, end, rests[i]));
      Candidate candidate = behind(head, step, rests[i]);
      candidate.begin = begin;
      candidate.end = end;
      candidate.cut = cut;
      candidate.classes = head.classes;
      candidate.shared_for = head.shared_for;
      candidate.group = head.group;
      candidate.next = static_cast<int>(i);
      keep(all, candidate);
    }
  }
}

void StageSearch::longer(int layers, int devices) {
  for (int rest_layers = 1; rest_layers < layers; ++rest_layers) {
    for (int rest_devices = 1; rest_devices < devices; ++rest_devices) {
      with_head(layers, devices, rest_layers, rest_devices);
    }
  }
}

// If the devices computed as fast together as each does alone.
double StageSearch::ideal_round() const {
  double speed = 0;
  for (const int device : order_) {
    const PipelineStep pass = times_.pass(device, {0, layers_}, problem_.microbatch);
    speed += 1 / std::max(pass.forward_s + pass.backward_s, 1e-30);
  }
  return problem_.microbatches / speed;
}

void StageSearch::find_room() {
  room_.assign(static_cast<std::size_t>(layers_) * static_cast<std::size_t>(layers_) *
                   static_cast<std::size_t>(devices_ + 1),
               0);
  const double longest = below_s_ / problem_.microbatches;
  std::vector<int> of_class(order_.size(), 0);
  for (int first = 0; first < layers_; ++first) {
    for (int last = first + 1; last <= layers_; ++last) {
      of_class.assign(problem_.devices.size(), -1);
      const auto row = static_cast<std::size_t>(((first * layers_) + last - 1) * (devices_ + 1));
      for (std::size_t at = 0; at < order_.size(); ++at) {
        int& samples = of_class[static_cast<std::size_t>(times_.class_of(order_[at]))];
        if (samples < 0) {
          samples = times_.fast_samples(order_[at], {first, last}, longest, window(1));
        }
        room_[row + at + 1] = std::min(room_[row + at] + samples, 1 << 30);
      }
    }
  }
}

bool StageSearch::may_be_fast(LayerRange layers, int begin, int end) const {
  const auto row =
      static_cast<std::size_t>(((layers.first * layers_) + layers.last - 1) * (devices_ + 1));
  return room_[row + static_cast<std::size_t>(end)] -
             room_[row + static_cast<std::size_t>(begin)] >=
         problem_.microbatch;
}

std::optional<PipelinePlan> StageSearch::run() {
  if (!is_possible()) return std::nullopt;
  // Bounds that grow: what is slower than the bound is not looked at, which is most.
  double below = ideal_round();
  for (int trial = 0; trial < 40; ++trial) {
    below *= trial < 10 ? 1.4 : 2;
    if (auto plan = run_below(below)) return plan;
  }
  return run_below(std::numeric_limits<double>::infinity());
}

std::optional<PipelinePlan> StageSearch::run_below(double round_s) {
  below_s_ = round_s;
  best_s_ = round_s;
  groups_.clear();
  for (State& state : states_) state.clear();
  find_room();
  for (int layers = 1; layers <= layers_; ++layers) {
    for (int devices = 1; devices <= devices_; ++devices) {
      single_stage(layers, devices);
      longer(layers, devices);
      if (!options_.may_leave_out) continue;
      for (int p = 1; p <= stages_; ++p) {
        for (const Candidate& fewer : state(layers, devices - 1, p)) {
          keep(state(layers, devices, p), fewer);
        }
      }
    }
  }
  int best = 0;
  for (int p = 1; p <= stages_; ++p) {
    const State& plans = state(layers_, devices_, p);
    if (plans.empty() || plans.front().round >= best_s_) continue;
    best_s_ = plans.front().round;
    best = p;
  }
  if (best == 0) return std::nullopt;
  return plan_of(best, 0);
}

PipelinePlan StageSearch::plan_of(int stages, int which) {
  PipelinePlan plan{.microbatch = problem_.microbatch, .microbatches = problem_.microbatches};
  plan.planner = "asteroid";
  int layers = layers_;
  int devices = devices_;
  for (int p = stages; p >= 1; --p) {
    const Candidate& head = state(layers, devices, p)[static_cast<std::size_t>(which)];
    const LayerRange range{layers_ - layers, head.cut};
    plan.stages.push_back(
        {range, members(range, head.begin, head.end, head.shared_for, head.classes), window(p)});
    layers = layers_ - head.cut;
    devices = devices_ - head.end;
    which = head.next;
  }
  return plan;
}

}  // namespace convoy::sim
