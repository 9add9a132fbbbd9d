#include "analysis/report/pipeline.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "analysis/pipeline.hpp"
#include "analysis/report/columns.hpp"

namespace convoy::analysis {
namespace {

Json labels_json(const PipelineTables& tables) {
  const auto number = [](auto member) {
    return [member](const auto& label) { return label ? (*label).*member : -1; };
  };
  using Label = sim::PipelineLabel;
  return {{"kind", column(tables.labels,
                          [](const auto& label) {
                            return label ? std::string(name_of(pipeline_kind_words, label->kind))
                                         : std::string();
                          })},
          {"microbatch", column(tables.labels, number(&Label::microbatch))},
          {"stage", column(tables.labels, number(&Label::stage))},
          {"to_stage", column(tables.labels, number(&Label::to_stage))}};
}

Json devices_json(const std::vector<PipelineDevice>& devices) {
  Json json = {{"node", column(devices, &PipelineDevice::node)},
               {"stage", column(devices, &PipelineDevice::stage)},
               {"rounds", column(devices, &PipelineDevice::rounds)},
               {"rounds_s", column(devices, &PipelineDevice::rounds_s)},
               {"computing_s", column(devices, &PipelineDevice::computing_s)}};
  for (const auto& [cause, word] : pipeline_wait_words) {
    json[fmt::format("{}_s", word)] = column(
        devices, [at = static_cast<std::size_t>(cause)](const auto& d) { return d.waiting_s[at]; });
  }
  return json;
}

// Leaves the longest: all of at least the length that `shortest_s` then has; 0: all.
template <class Span>
std::vector<Span> longest(std::vector<Span> spans, std::size_t most, double& shortest_s) {
  shortest_s = 0;
  if (spans.size() <= most) return spans;
  std::vector<double> lengths;
  lengths.reserve(spans.size());
  for (const Span& span : spans) lengths.push_back(span.end_s - span.begin_s);
  const auto at = lengths.begin() + static_cast<std::ptrdiff_t>(most);
  std::nth_element(lengths.begin(), at, lengths.end(), std::greater<>());
  shortest_s = std::nextafter(*at, HUGE_VAL);
  std::erase_if(spans, [&](const Span& s) { return s.end_s - s.begin_s < shortest_s; });
  return spans;
}

Json bubbles_json(const std::vector<Bubble>& bubbles, const Clock& clock) {
  return {{"round", column(bubbles, &Bubble::round)},
          {"node", column(bubbles, &Bubble::node)},
          {"begin_s", column(bubbles, [&](const Bubble& b) { return clock(b.begin_s); })},
          {"end_s", column(bubbles, [&](const Bubble& b) { return clock(b.end_s); })},
          {"cause", column(bubbles, [](const Bubble& b) { return static_cast<int>(b.cause); })}};
}

Json path_json(const RunTables& run, const std::vector<PathPiece>& path, const Clock& clock) {
  const auto of = [&](auto member) {
    return [&run, member](const PathPiece& piece) {
      return piece.activity < 0 ? std::int32_t{-1}
                                : run.activities[static_cast<std::size_t>(piece.activity)].*member;
    };
  };
  return {{"round", column(path, &PathPiece::round)},
          {"label", column(path, of(&Activity::label))},
          {"node", column(path, of(&Activity::node))},
          {"peer", column(path, of(&Activity::peer))},
          {"waits", column(path, [](const PathPiece& p) { return p.waits ? 1 : 0; })},
          {"begin_s", column(path, [&](const PathPiece& p) { return clock(p.begin_s); })},
          {"end_s", column(path, [&](const PathPiece& p) { return clock(p.end_s); })}};
}

// Seconds of all rounds' critical paths by stage, or pair of stages, and kind.
Json path_sums_json(const RunTables& run, const PipelineTables& tables) {
  struct Sum {
    std::string kind;  // "wait" also of what is ready; "other": a label of another form, or nothing
    int stage = -1;
    int to_stage = -1;
    double s = 0;
  };
  std::map<std::tuple<int, int, std::string>, Sum> sums;
  for (const PathPiece& piece : tables.path) {
    Sum sum{.kind = "other"};
    if (piece.activity >= 0) {
      const Activity& a = run.activities[static_cast<std::size_t>(piece.activity)];
      if (const auto& label = tables.labels[static_cast<std::size_t>(a.label)]; label) {
        sum = {std::string(name_of(pipeline_kind_words, label->kind)), label->stage,
               label->to_stage};
      }
    }
    if (piece.waits) sum.kind = "wait";
    Sum& all = sums.try_emplace({sum.stage, sum.to_stage, sum.kind}, sum).first->second;
    all.s += piece.end_s - piece.begin_s;
  }
  std::vector<Sum> rows;
  rows.reserve(sums.size());
  for (const auto& [key, sum] : sums) rows.push_back(sum);
  return {{"kind", column(rows, &Sum::kind)},
          {"stage", column(rows, &Sum::stage)},
          {"to_stage", column(rows, &Sum::to_stage)},
          {"s", column(rows, &Sum::s)}};
}

// By node, then time. Of a long run the greatest of each interval: so no peak is lost.
Json memory_json(const RunTables& run, const PageLimits& limits, const Clock& clock) {
  std::vector<sim::MemoryRow> rows = run.memory;
  std::erase_if(rows,
                [&](const auto& r) { return r.node >= static_cast<std::int64_t>(limits.nodes); });
  std::ranges::stable_sort(rows, {}, &sim::MemoryRow::node);
  double bin_s = 0;
  constexpr double finest = 1e5;
  while (rows.size() > limits.pipeline_rows && bin_s < run.until_s()) {
    bin_s = bin_s == 0 ? run.until_s() / finest : 2 * bin_s;
    std::vector<sim::MemoryRow> fewer;
    for (const sim::MemoryRow& row : rows) {
      const bool same = !fewer.empty() && fewer.back().node == row.node &&
                        std::floor(fewer.back().time_s / bin_s) == std::floor(row.time_s / bin_s);
      if (!same) {
        fewer.push_back(row);
      } else {
        fewer.back().bytes = std::max(fewer.back().bytes, row.bytes);
      }
    }
    rows = std::move(fewer);
  }
  return {{"node", column(rows, &sim::MemoryRow::node)},
          {"time_s", column(rows, [&](const auto& r) { return clock(r.time_s); })},
          {"bytes", column(rows, &sim::MemoryRow::bytes)},
          {"greatest_of_s", bin_s}};
}

}  // namespace

Json pipeline_json(const RunTables& run, const PageLimits& limits) {
  if (!has_pipeline(run)) return {};
  PipelineTables tables = read_pipeline(run);
  const Clock clock(run.until_s());
  const auto is_left_out = [&](std::int32_t node) {
    return static_cast<std::size_t>(node) >= limits.nodes;
  };
  Json sums = path_sums_json(run, tables);
  std::erase_if(tables.bubbles, [&](const Bubble& b) { return is_left_out(b.node); });
  std::erase_if(tables.devices, [&](const PipelineDevice& d) { return is_left_out(d.node); });
  double shortest_bubble = 0;
  double shortest_piece = 0;
  const auto bubbles = longest(std::move(tables.bubbles), limits.pipeline_rows, shortest_bubble);
  const auto path = longest(std::move(tables.path), limits.pipeline_rows, shortest_piece);
  Json causes = Json::array();
  for (const auto& [cause, word] : pipeline_wait_words) causes.push_back(word);
  return {{"labels", labels_json(tables)},
          {"rounds",
           {{"task", column(tables.rounds, &PipelineRound::task)},
            {"iteration", column(tables.rounds, &PipelineRound::iteration)},
            {"begin_s", column(tables.rounds, &PipelineRound::begin_s)},
            {"end_s", column(tables.rounds, &PipelineRound::end_s)}}},
          {"devices", devices_json(tables.devices)},
          {"causes", std::move(causes)},
          {"bubbles", bubbles_json(bubbles, clock)},
          {"bubbles_from_s", shortest_bubble},
          {"path", path_json(run, path, clock)},
          {"path_from_s", shortest_piece},
          {"path_sums", std::move(sums)},
          {"memory", memory_json(run, limits, clock)}};
}

}  // namespace convoy::analysis
