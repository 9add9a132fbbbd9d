#include "sim/scenario/sweep.hpp"

#include <fmt/format.h>

#include <map>

#include "base/text.hpp"

namespace convoy::sim {
namespace {

using base::Entry;
using base::Value;
using Axes = std::map<std::string, const Value::Array*>;  // key -> values

// The axes that are well formed; the others are reported.
Axes read_axes(const Value::Table& sweep, base::Diagnostics& problems) {
  Axes axes;
  for (const Entry& entry : sweep) {
    if (entry.key == "zip") continue;
    const auto* values = entry.value.as<Value::Array>();
    if (values != nullptr && !values->empty()) {
      axes[entry.key] = values;
    } else {
      problems.error(entry.value.where, fmt::format("sweep.\"{}\": expected an array of the "
                                                    "values to try",
                                                    entry.key));
    }
  }
  return axes;
}

using Group = std::vector<std::string>;  // axes that are paired

// One group of zip; false where it is no array of strings.
bool read_group(const Value& value, const Axes& axes, std::vector<Group>& groups,
                base::Diagnostics& problems) {
  const auto* items = value.as<Value::Array>();
  if (items == nullptr) return false;
  Group group;
  for (const Value& item : *items) {
    const auto* name = item.as<std::string>();
    if (name == nullptr) return false;
    std::vector<std::string> names;
    names.reserve(axes.size());
    for (const auto& [axis, values] : axes) names.push_back(axis);
    const auto axis = axes.find(*name);
    if (axis == axes.end()) {
      problems.error(item.where, fmt::format("sweep.zip: \"{}\" is no axis of this sweep{}", *name,
                                             base::did_you_mean(*name, names)));
      continue;
    }
    const std::size_t length = axis->second->size();
    if (!group.empty() && axes.at(group.front())->size() != length) {
      problems.error(item.where,
                     fmt::format("sweep.zip: \"{}\" has {} values, \"{}\" {}; axes that are paired "
                                 "have equally many",
                                 *name, length, group.front(), axes.at(group.front())->size()));
      continue;
    }
    group.push_back(*name);
  }
  groups.push_back(std::move(group));
  return true;
}

std::vector<Group> read_zip(const Value* zip, const Axes& axes, base::Diagnostics& problems) {
  std::vector<Group> groups;
  if (zip == nullptr) return groups;
  const auto* array = zip->as<Value::Array>();
  bool right = array != nullptr;
  for (std::size_t i = 0; right && i < array->size(); ++i) {
    right = read_group((*array)[i], axes, groups, problems);
  }
  if (!right) {
    problems.error(zip->where,
                   "sweep.zip: expected arrays of axis names, such as "
                   "[[\"schedule.kind\", \"seed\"]]");
  }
  return groups;
}

}  // namespace

void check_sweep(const Value& root,
                 const std::function<void(const std::vector<Change>&, base::Diagnostics&)>& check,
                 base::Diagnostics& problems) {
  const Value* sweep = root.find("sweep");
  if (sweep == nullptr) return;
  const auto* table = sweep->as<Value::Table>();
  if (table == nullptr) {
    problems.error(sweep->where, "sweep: expected a table, got " + sweep->kind());
    return;
  }
  Axes axes = read_axes(*table, problems);
  std::vector<Group> groups = read_zip(sweep->find("zip"), axes, problems);
  Axes single = axes;
  for (const Group& group : groups) {
    for (const std::string& name : group) single.erase(name);
  }
  for (const auto& [name, values] : single) groups.push_back({name});
  for (const Group& group : groups) {
    if (group.empty()) continue;
    for (std::size_t i = 0; i < axes.at(group.front())->size(); ++i) {
      std::vector<Change> changes;
      for (const std::string& name : group) changes.push_back({name, (*axes.at(name))[i]});
      base::Diagnostics found;
      check(changes, found);
      for (const base::Diagnostic& d : found.all()) {
        problems.error(changes.front().value.where,
                       fmt::format("sweep.\"{}\": {}", group.front(), d.message));
      }
    }
  }
}

}  // namespace convoy::sim
