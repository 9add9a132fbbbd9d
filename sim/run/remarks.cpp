#include "sim/run/remarks.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <numeric>

#include "base/text.hpp"

namespace convoy::sim {
namespace {

using CountByNode = std::map<NodeId, std::int64_t>;

std::int64_t sum(const CountByNode& counts) {
  return std::accumulate(counts.begin(), counts.end(), std::int64_t{0},
                         [](std::int64_t n, const auto& entry) { return n + entry.second; });
}

std::map<std::string, std::int64_t> by_cause(const std::map<Cause, CountByNode>& counted) {
  std::map<std::string, std::int64_t> all;
  for (const auto& [cause, counts] : counted) all[std::string(name_of(cause))] = sum(counts);
  return all;
}

// "orin-1 (55), orin-2 (54) and 3 more nodes", those with the most first.
std::string of_nodes(const CountByNode& counts, const ByGroup<NodeConfig>& nodes) {
  constexpr std::size_t named = 4;
  std::vector<std::pair<NodeId, std::int64_t>> all(counts.begin(), counts.end());
  std::ranges::stable_sort(all, std::greater(), [](const auto& a) { return a.second; });
  std::vector<std::string> words;
  for (std::size_t i = 0; i < std::min(named, all.size()); ++i) {
    words.push_back(
        fmt::format("{} ({})", nodes[all[i].first].name.of(all[i].first), all[i].second));
  }
  std::string text = fmt::format("{}", fmt::join(words, ", "));
  if (all.size() > named) text += fmt::format(" and {} more nodes", all.size() - named);
  return text;
}

// "; up to 3 GB was needed on server, where 1 GB of 8 GB was free"; of the nodes where most was
// needed.
std::string lacked_text(const std::map<NodeId, Event>& lacked, const ByGroup<NodeConfig>& nodes) {
  constexpr std::size_t named = 3;
  std::vector<Event> all;
  for (const auto& [node, event] : lacked) all.push_back(event);
  std::ranges::stable_sort(all, std::greater(), &Event::needed);
  std::vector<std::string> words;
  for (std::size_t i = 0; i < std::min(named, all.size()); ++i) {
    const Event& e = all[i];
    words.push_back(fmt::format("up to {} was needed on {}, where {} of {} was free",
                                base::human_bytes(e.needed), nodes[e.node].name.of(e.node),
                                base::human_bytes(e.free), base::human_bytes(e.capacity)));
  }
  return fmt::format("; {}", fmt::join(words, "; "));
}

std::string said(Cause cause) {
  switch (cause) {
    case Cause::node_lost:
      return "their node was lost or away";
    case Cause::out_of_memory:
      return "out of memory";
    case Cause::diverged:
      return "the result held NaN or infinity";
    case Cause::timed_out:
      return "a real node missed its deadline";
    case Cause::failed:
      return "a real node could not carry it out";
    case Cause::refused:
      return "what a real node sent was refused";
    case Cause::none:
    case Cause::left_out:
    case Cause::cancelled:
    case Cause::stale:
    case Cause::run_ended:
      break;
  }
  return std::string(name_of(cause));
}

}  // namespace

void Remarks::failed(Cause cause, NodeId node) { ++failed_[cause][node]; }
void Remarks::dropped(Cause cause, NodeId node) { ++dropped_[cause][node]; }
void Remarks::needed_memory(double bytes) { memory_ = std::max(memory_, bytes); }
void Remarks::lacked_memory(const Event& event) {
  Event& most = lacked_[event.node];
  if (event.needed > most.needed) most = event;
}
void Remarks::limited(NodeId node) { ++limited_[node]; }
void Remarks::not_finite(std::int64_t version) {
  if (not_finite_++ == 0) first_not_finite_ = version;
}

std::map<std::string, std::int64_t> Remarks::failures() const { return by_cause(failed_); }
std::map<std::string, std::int64_t> Remarks::dropped() const { return by_cause(dropped_); }

std::vector<std::string> Remarks::told(const ByGroup<NodeConfig>& nodes, std::int64_t done) const {
  std::vector<std::string> told;
  std::int64_t failed = 0;
  std::vector<std::pair<std::int64_t, std::string>> causes;
  for (const auto& [cause, counts] : failed_) {
    // Intended by the schedule, or ended with the run.
    if (cause == Cause::cancelled || cause == Cause::run_ended) continue;
    failed += sum(counts);
    std::string text =
        fmt::format("{} because {}: {}", sum(counts), said(cause), of_nodes(counts, nodes));
    if (cause == Cause::out_of_memory && !lacked_.empty()) {
      text += lacked_text(lacked_, nodes);
    } else if (cause == Cause::out_of_memory && memory_ > 0) {
      text += fmt::format("; up to {} was needed", base::human_bytes(memory_));
    }
    causes.emplace_back(sum(counts), std::move(text));
  }
  if (failed > 0) {
    std::ranges::stable_sort(causes, std::greater(), [](const auto& c) { return c.first; });
    const bool most = failed > done;
    std::string text =
        fmt::format("{}{} of {} node updates failed",
                    most ? "most of the work came to nothing: " : "", failed, failed + done);
    for (const auto& [count, cause] : causes) text += "; " + cause;
    told.push_back(std::move(text));
  }
  // Those too old to be used are the schedule's intention.
  if (const auto out = dropped_.find(Cause::left_out); out != dropped_.end()) {
    told.push_back(fmt::format(
        "{} updates were left out, since the model would have held NaN or infinity with them: {}",
        sum(out->second), of_nodes(out->second, nodes)));
  }
  if (not_finite_ > 0) {
    told.push_back(
        fmt::format("the loss of {} evaluations was NaN or infinite, first that of version {}: "
                    "their accuracy is that of chance",
                    not_finite_, first_not_finite_));
  }
  if (!limited_.empty()) {
    told.push_back(fmt::format("{} updates were scaled down to the norm_bound of their rule: {}",
                               sum(limited_), of_nodes(limited_, nodes)));
  }
  return told;
}

}  // namespace convoy::sim
