#include "sim/schedule/split_problem.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "base/text.hpp"
#include "engine/model/stage.hpp"

namespace convoy::sim {
namespace {

constexpr double unlimited = std::numeric_limits<double>::infinity();
// bytes/s; the planner needs a finite bandwidth. (Every link of a scenario has a rate.)
constexpr double no_limit = 1e15;

// Of a machine without a figure there is no limit.
double memory_of(const NodeSetting& node) {
  return node.machine->memory > 0 ? node.machine->memory : unlimited;
}

double rate_of_direction(double bps) { return bps > 0 ? bps / 8 : unlimited; }

}  // namespace

double slower_direction(const platforms::Link& link) {
  const double bps = std::min(link.down_bps, link.up_bps);
  return bps > 0 ? bps / 8 : unlimited;
}

SplitProblems::SplitProblems(std::shared_ptr<const Setting> setting,
                             const SplitProblemOptions& options)
    : setting_(std::move(setting)),
      options_(options),
      trace_(
          engine::trace(*setting_->architecture, engine::full_submodel(*setting_->architecture))) {
  if (setting_->fixed) {
    throw base::UserError(
        "training.fixed_cost: what a part of the model costs follows from its layers; leave it "
        "out, or choose a schedule that does not split the model");
  }
  find_places();
  find_bandwidth(options.bandwidth_bytes_per_s);
}

void SplitProblems::find_places() {
  const std::vector<int> cuts = engine::cuts(trace_);
  const bool labels_stay = options_.labels_stay;
  // The smallest part that has the scores, unless another is wanted.
  const int last = options_.tail > 0 || cuts.empty() ? options_.tail : cuts.back();
  const int tail = labels_stay ? last : 0;
  for (const int cut : cuts) {
    if (cut == options_.also || why_not(cut, tail).empty()) {
      places_.push_back({cut, tail, engine::name_of_cut(trace_, cut)});
    }
  }
  if (!places_.empty()) return;
  throw base::UserError(fmt::format(
      "model.architecture: {} has no place to cut{}; choose another model",
      setting_->architecture->name,
      labels_stay && !cuts.empty() ? " with which all labels stay on the devices" : ""));
}

// Why a model that can be cut there is not; "" if it is.
std::string SplitProblems::why_not(int cut, int tail) const {
  const int end = tail > 0 ? tail : layers();
  if (tail > 0 && cut >= tail) return "nothing would be left for the server";
  if (engine::parameters(trace_, {0, cut}) == 0) return "the devices would have nothing to train";
  if (engine::parameters(trace_, {cut, end}) == 0) return "the server would have nothing to train";
  // It needs the labels of an exit that it has.
  const bool needs_labels = tail > 0 && engine::exits_in(trace_, {cut, end}) > 0;
  return needs_labels ? "the labels could not stay on the devices" : "";
}

void SplitProblems::find_bandwidth(std::optional<double> wanted) {
  const double link = slower_direction(setting_->nodes.front().link);
  bandwidth_ = wanted.value_or(link);
  if (wanted && *wanted > link * (1 + 1e-12)) {
    throw base::UserError(
        fmt::format("schedule.edgesplit.bandwidth_mbps: {} is more than the server's link has "
                    "({}); lower it, or "
                    "choose another fleet.server.link",
                    base::human_rate(*wanted * 8), base::human_rate(link * 8)));
  }
  if (std::isfinite(bandwidth_)) {
    const platforms::Link& all = setting_->nodes.front().link;
    // What the devices send the server receives.
    bandwidth_up_ = wanted.value_or(rate_of_direction(all.down_bps));
    bandwidth_down_ = wanted.value_or(rate_of_direction(all.up_bps));
    return;
  }
  bandwidth_ = 0;
  for (std::size_t i = 1; i < setting_->nodes.size(); ++i) {
    bandwidth_ += std::min(slower_direction(setting_->nodes[i].link), no_limit);
  }
  bandwidth_up_ = bandwidth_down_ = bandwidth_;
}

FullRates SplitProblems::full_rates(NodeId node, double link_bytes_per_s) const {
  const platforms::Link& link = setting_->nodes[node].link;
  const double nominal = slower_direction(link);
  const bool has_rate = std::isfinite(nominal);
  const double part = has_rate ? link_bytes_per_s / nominal : 1;
  const auto rate = [&](double bps, double shared) {
    const double own = has_rate ? part * rate_of_direction(bps) : link_bytes_per_s;
    return std::min(own, shared);
  };
  FullRates full{rate(link.up_bps, bandwidth_up_), rate(link.down_bps, bandwidth_down_)};
  full.limit =
      std::max(full.up * (bandwidth_ / bandwidth_up_), full.down * (bandwidth_ / bandwidth_down_));
  return full;
}

std::size_t SplitProblems::read(const std::string& text, const std::string& key) const {
  const int cut = engine::read_cut(trace_, text, key);
  const auto place = std::ranges::find(places_, cut, &SplitPlace::cut);
  if (place != places_.end()) return static_cast<std::size_t>(place - places_.begin());
  const auto nearest = std::ranges::min_element(
      places_, {}, [&](const SplitPlace& other) { return std::abs(other.cut - cut); });
  throw base::UserError(fmt::format("{}: at \"{}\" {}; the nearest cut is \"{}\" (position {})",
                                    key, text, why_not(cut, places_.front().tail), nearest->name,
                                    nearest->cut));
}

SplitWork SplitProblems::work(std::size_t place) const {
  const SplitPlace& at = places_.at(place);
  return {.cut = at.cut,
          .tail = at.tail,
          .shared = options_.shared,
          .own = options_.own,
          .recompute = options_.recompute};
}

const std::vector<SplitCost>& SplitProblems::costs(NodeId id) const {
  const NodeSetting& node = setting_->nodes[id];
  std::vector<SplitCost>& costs = costs_[Key(node.machine.get(), node.samples, node.batch)];
  if (!costs.empty()) return costs;
  LocalWork task{.weight_epochs = setting_->local_epochs, .weight_steps = setting_->local_steps};
  for (std::size_t place = 0; place < places_.size(); ++place) {
    task.split = work(place);
    costs.push_back(split_cost(*setting_, node, task));
  }
  return costs;
}

const SplitCost& SplitProblems::cost(NodeId node, std::size_t place) const {
  return costs(node).at(place);
}

bool SplitProblems::fits_somewhere(NodeId node) const {
  return cost(node, smallest(node)).node_memory <= memory_of(setting_->nodes[node]);
}

std::size_t SplitProblems::smallest(NodeId node) const {
  const std::vector<SplitCost>& all = costs(node);
  const auto least = std::ranges::min_element(all, {}, &SplitCost::node_memory);
  return static_cast<std::size_t>(least - all.begin());
}

double SplitProblems::latency_s(NodeId node) const {
  return setting_->nodes[node].link.latency_s + setting_->nodes.front().link.latency_s;
}

ByNode<Condition> SplitProblems::nominal() const {
  ByNode<Condition> all;
  for (const NodeSetting& node : setting_->nodes) all.push_back({1, slower_direction(node.link)});
  return all;
}

SplitProblem SplitProblems::of(std::span<const NodeId> nodes,
                               const ByNode<Condition>& conditions) const {
  SplitProblem problem{.bandwidth_bytes_per_s = bandwidth_,
                       .server_is_shared = options_.server_is_shared,
                       .server_memory_bytes = memory_of(setting_->nodes.front())};
  const double server_speed = conditions.front().speed;
  for (const NodeId node : nodes) {
    const Condition& now = conditions[node];
    const FullRates full = full_rates(node, now.link_bytes_per_s);
    const double up = full.limit / full.up;
    const double down = full.limit / full.down;
    SplitDevice device{.name = setting_->nodes[node].name.of(node),
                       .memory_bytes = memory_of(setting_->nodes[node]),
                       .link_bytes_per_s = full.limit,
                       .latency_s = latency_s(node)};
    for (std::size_t place = 0; place < places_.size(); ++place) {
      const SplitCost& cost = this->cost(node, place);
      device.cuts.push_back({.name = places_[place].name,
                             .device_s = cost.node_s / now.speed,
                             .server_s = cost.server_s / server_speed,
                             .bytes = cost.bytes_up * up + cost.bytes_down * down,
                             .bytes_up = cost.bytes_up * up,
                             .messages = cost.messages,
                             .device_bytes = cost.node_memory,
                             .server_bytes = cost.server_memory,
                             .weight_bytes = cost.part_bytes * std::max(up, down)});
    }
    problem.devices.push_back(std::move(device));
  }
  return problem;
}

}  // namespace convoy::sim
