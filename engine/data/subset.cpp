#include "engine/data/subset.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "base/diagnostics.hpp"
#include "base/text.hpp"
#include "engine/data/input_file.hpp"

namespace convoy::engine {

Taken take(const DataOptions& options, Part part, const std::vector<int>& labels) {
  constexpr std::uint64_t purpose = 0x737562736574ULL;  // a stream of its own
  const bool train = part == Part::train;
  const auto wanted = static_cast<std::size_t>(
      (train ? options.samples : options.test_samples).value_or(std::ssize(labels)));
  std::vector<std::int64_t> indices(labels.size());
  std::iota(indices.begin(), indices.end(), 0);
  if (wanted == labels.size()) return {std::move(indices), labels};
  if (wanted > labels.size()) {
    throw base::UserError(fmt::format("data.{} = {}: {} has {} {} samples; ask for no more",
                                      train ? "samples" : "test_samples", wanted, options.source,
                                      labels.size(), train ? "training" : "test"));
  }
  base::Random random({options.seed, purpose, static_cast<std::uint64_t>(part)});
  shuffle(indices, random);
  indices.resize(wanted);
  std::sort(indices.begin(), indices.end());
  std::vector<int> picked = pick(labels, indices);
  return {std::move(indices), std::move(picked)};
}

std::vector<int> pick(const std::vector<int>& labels, const std::vector<std::int64_t>& indices) {
  std::vector<int> picked;
  picked.reserve(indices.size());
  for (const std::int64_t i : indices) picked.push_back(labels[static_cast<std::size_t>(i)]);
  return picked;
}

void check_size(const std::string& source, std::int64_t samples, std::int64_t bytes_each) {
  if (samples > largest_data / std::max<std::int64_t>(bytes_each, 1)) {
    throw base::UserError(fmt::format(
        "{}: {} samples of {} each need more than {} of memory; set data.samples to fewer", source,
        samples, base::human_bytes(static_cast<double>(bytes_each)),
        base::human_bytes(static_cast<double>(largest_data))));
  }
}

LocalSplit split_by_label(const std::vector<std::int64_t>& indices, const std::vector<int>& labels,
                          double test_share, std::int64_t kept, base::Random& random) {
  std::map<int, std::vector<std::int64_t>> by_label;
  for (const std::int64_t i : indices) by_label[labels[static_cast<std::size_t>(i)]].push_back(i);
  LocalSplit split;
  for (auto& [label, members] : by_label) {
    shuffle(members, random);
    const auto count = static_cast<std::int64_t>(members.size());
    const std::int64_t tested =
        std::clamp<std::int64_t>(std::llround(test_share * static_cast<double>(count)), 0,
                                 std::max<std::int64_t>(count - kept, 0));
    const auto middle = members.begin() + tested;
    split.test.insert(split.test.end(), members.begin(), middle);
    split.train.insert(split.train.end(), middle, members.end());
  }
  std::sort(split.train.begin(), split.train.end());
  std::sort(split.test.begin(), split.test.end());
  return split;
}

LocalSplit split_local(const std::vector<std::int64_t>& indices, const std::vector<int>& labels,
                       double test_share, std::uint64_t seed, std::int64_t node) {
  constexpr std::uint64_t purpose = 0x6c6f63616cULL;  // a stream of its own
  base::Random random({seed, purpose, static_cast<std::uint64_t>(node)});
  LocalSplit split = split_by_label(indices, labels, test_share, 0, random);
  if (split.train.empty() && !split.test.empty()) {
    split.train.push_back(split.test.front());
    split.test.erase(split.test.begin());
  }
  return split;
}

std::vector<std::vector<std::int64_t>> class_counts(
    const std::vector<std::vector<std::int64_t>>& parts, const std::vector<int>& labels,
    int classes) {
  std::vector<std::vector<std::int64_t>> counts;
  counts.reserve(parts.size());
  for (const auto& part : parts) {
    std::vector<std::int64_t>& of_part = counts.emplace_back(classes, 0);
    for (const std::int64_t i : part) {
      ++of_part[static_cast<std::size_t>(labels[static_cast<std::size_t>(i)])];
    }
  }
  return counts;
}

}  // namespace convoy::engine
