#include "sim/scenario/axes.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <set>

#include "base/text.hpp"
#include "sim/schedule/flat_keys.hpp"

namespace convoy::sim {
namespace {

using base::Entry;
using base::Value;

constexpr double most_repetitions = 100'000;
constexpr base::Key zip_key(
    "zip", "groups of axes that count as one, such as [[\"schedule.kind\", \"seed\"]]");
constexpr base::Key cases_key("cases", "an axis of tables; each changes several keys at once");
constexpr base::Key repetitions_key("repetitions", "runs of each point, with seeds from seed on");

class AxesReader {
 public:
  AxesReader(const Value::Table& sweep, std::uint64_t seed, base::Diagnostics& problems)
      : sweep_(sweep), seed_(seed), problems_(problems) {}

  std::vector<SweepAxis> read() {
    for (const Entry& entry : sweep_) {
      const bool axis = entry.key != zip_key.name && entry.key != cases_key.name &&
                        entry.key != repetitions_key.name;
      if (!axis) continue;
      read_axis(entry);
    }
    for (const Entry& entry : sweep_) {
      if (entry.key == zip_key.name) read_zip(entry.value);
      if (entry.key == cases_key.name) read_cases(entry.value);
    }
    for (const Entry& entry : sweep_) {
      if (entry.key == repetitions_key.name) read_repetitions(entry.value);
    }
    check_number();
    for (std::size_t i = 0; i < axes_.size(); ++i) check_twice(i);
    return std::move(axes_);
  }

 private:
  void read_axis(const Entry& entry) {
    const auto* values = entry.value.as<Value::Array>();
    if (values == nullptr || values->empty()) {
      problems_.error(
          entry.value.where,
          fmt::format("sweep.\"{}\": expected an array of the values to try", entry.key));
      return;
    }
    SweepAxis axis{{entry.key}, {}};
    for (const Value& value : *values) axis.choices.push_back({{entry.key, value}});
    axes_.push_back(std::move(axis));
  }

  SweepAxis* axis_of(const std::string& key) {
    const auto found = std::ranges::find_if(
        axes_, [&](const SweepAxis& axis) { return axis.keys == std::vector<std::string>{key}; });
    return found == axes_.end() ? nullptr : &*found;
  }

  void read_zip(const Value& zip) {
    const auto* groups = zip.as<Value::Array>();
    bool right = groups != nullptr;
    for (std::size_t i = 0; right && i < groups->size(); ++i) right = read_group((*groups)[i]);
    if (right) return;
    problems_.error(zip.where,
                    "sweep.zip: expected arrays of axis names, such as "
                    "[[\"schedule.kind\", \"seed\"]]");
  }

  // Joins paired axes at the place of the first; false if the value is no array of strings.
  bool read_group(const Value& group) {
    const auto* items = group.as<Value::Array>();
    if (items == nullptr) return false;
    std::string first;
    for (const Value& item : *items) {
      const auto* name = item.as<std::string>();
      if (name == nullptr) return false;
      SweepAxis* axis = axis_of(*name);
      if (axis == nullptr) {
        std::vector<std::string> names;
        for (const SweepAxis& a : axes_) {
          if (!a.keys.empty()) names.push_back(a.keys.front());
        }
        problems_.error(item.where, fmt::format("sweep.zip: \"{}\" is no axis of this sweep{}",
                                                *name, base::did_you_mean(*name, names)));
        continue;
      }
      if (first.empty()) {
        first = *name;
        joined_.push_back(std::move(*axis));
        axis->keys.clear();
        continue;
      }
      SweepAxis& into = joined_.back();
      if (into.choices.size() != axis->choices.size()) {
        problems_.error(item.where,
                        fmt::format("sweep.zip: \"{}\" has {} values, \"{}\" {}; axes that are "
                                    "paired have equally many",
                                    *name, axis->choices.size(), first, into.choices.size()));
        continue;
      }
      for (std::size_t i = 0; i < into.choices.size(); ++i) {
        into.choices[i].push_back(axis->choices[i].front());
      }
      into.keys.push_back(*name);
      axes_.erase(axes_.begin() + (axis - axes_.data()));
    }
    // Insert at the place of the first axis.
    const auto place =
        std::find_if(axes_.begin(), axes_.end(), [](const SweepAxis& a) { return a.keys.empty(); });
    if (place != axes_.end()) *place = std::move(joined_.back());
    return true;
  }

  void read_cases(const Value& cases) {
    const auto* list = cases.as<Value::Array>();
    SweepAxis axis;
    bool right = list != nullptr && !list->empty();
    for (std::size_t i = 0; right && i < list->size(); ++i) {
      const auto* keys = (*list)[i].as<Value::Table>();
      right = keys != nullptr && !keys->empty();
      if (!right) break;
      std::vector<Change> changes;
      for (const Entry& entry : *keys) {
        changes.push_back({entry.key, entry.value});
        if (std::find(axis.keys.begin(), axis.keys.end(), entry.key) == axis.keys.end()) {
          axis.keys.push_back(entry.key);
        }
      }
      axis.choices.push_back(std::move(changes));
    }
    if (right) {
      axes_.push_back(std::move(axis));
    } else {
      problems_.error(cases.where,
                      "sweep.cases: expected an array of tables, such as [{ \"schedule.kind\" = "
                      "\"fedavg\" }, { \"schedule.kind\" = \"cos2p\", \"stop.rounds\" = 30 }]");
    }
  }

  void read_repetitions(const Value& value) {
    constexpr auto most = static_cast<std::int64_t>(most_repetitions);
    const auto* whole = value.as<std::int64_t>();
    const auto* number = value.as<double>();
    std::optional<std::int64_t> count;
    if (whole != nullptr) count = *whole;
    if (number != nullptr && *number == std::floor(*number) && std::abs(*number) <= most) {
      count = static_cast<std::int64_t>(*number);
    }
    constexpr auto largest = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    if (!count || *count < 1 || *count > most || seed_ > largest - most) {
      problems_.error(value.where, "sweep.repetitions: expected a whole number from 1 to 100000");
      return;
    }
    SweepAxis axis{{"seed"}, {}};
    for (std::int64_t i = 0; i < *count; ++i) {
      axis.choices.push_back({{"seed", Value(static_cast<std::int64_t>(seed_) + i, value.where)}});
    }
    axes_.push_back(std::move(axis));
  }

  // Called before single values are tried: with too many points, reports that and drops all axes.
  void check_number() {
    double points = 1;
    for (const SweepAxis& axis : axes_) points *= static_cast<double>(axis.choices.size());
    if (points <= most_points && axes_.size() <= most_axes) return;
    problems_.error(sweep_.front().where,
                    axes_.size() > most_axes
                        ? fmt::format("sweep: {} axes; at most {}", axes_.size(), most_axes)
                        : fmt::format("sweep: {:.15g} points; at most {}", points, most_points));
    axes_.clear();
  }

  void check_twice(std::size_t which) {
    for (const std::string& key : axes_[which].keys) {
      for (std::size_t i = 0; i < which; ++i) {
        // Overlap: equal keys, or one within the other.
        const auto& keys = axes_[i].keys;
        const auto overlaps = [one = moved_key(key)](const std::string& axis) {
          const std::string other = moved_key(axis);
          return one == other || one.starts_with(other + ".") || other.starts_with(one + ".");
        };
        if (std::none_of(keys.begin(), keys.end(), overlaps)) continue;
        problems_.error(axes_[which].choices.front().front().value.where,
                        fmt::format("sweep: \"{}\" is changed by two axes", key));
      }
    }
  }

  const Value::Table& sweep_;
  std::uint64_t seed_;
  base::Diagnostics& problems_;
  std::vector<SweepAxis> axes_;
  std::vector<SweepAxis> joined_;
};

}  // namespace

std::vector<SweepAxis> read_axes(const Value& root, std::uint64_t seed,
                                 base::Diagnostics& problems) {
  const Value* sweep = root.find("sweep");
  if (sweep == nullptr) return {};
  const auto* table = sweep->as<Value::Table>();
  if (table == nullptr) {
    problems.error(sweep->where, "sweep: expected a table, got " + sweep->kind());
    return {};
  }
  return AxesReader(*table, seed, problems).read();
}

void describe_axes(base::TableReader reader) {
  using base::KeyType;
  for (const std::string& key : reader.keys("AXIS")) {
    reader.describe({key, "values that a key takes in turn; AXIS is its path in quotation marks"},
                    {KeyType::array});
  }
  reader.describe(zip_key, {KeyType::array});
  reader.describe(cases_key, {KeyType::tables});
  reader.describe(repetitions_key, {KeyType::integer, base::at_least(1).up_to(most_repetitions)});
}

void check_axes(const std::vector<SweepAxis>& axes,
                const std::function<void(const std::vector<Change>&, base::Diagnostics&)>& check,
                base::Diagnostics& problems) {
  std::set<std::string> warned;  // to warn once, not for each value
  for (const SweepAxis& axis : axes) {
    if (axis.keys == std::vector<std::string>{"seed"}) {
      // All seeds are equally valid: long lists are not tried.
      if (axis.choices.size() > 8) continue;
    }
    for (const std::vector<Change>& choice : axis.choices) {
      base::Diagnostics found;
      check(choice, found);
      for (const base::Diagnostic& d : found.all()) {
        if (d.severity == base::Severity::warning && !warned.insert(d.message).second) continue;
        problems.add({choice.front().value.where,
                      fmt::format("sweep.\"{}\": {}", choice.front().path, d.message), d.severity});
      }
    }
  }
}

}  // namespace convoy::sim
