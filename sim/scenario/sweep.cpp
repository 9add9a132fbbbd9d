#include "sim/scenario/sweep.hpp"

#include <fmt/format.h>

#include <map>

#include "base/text.hpp"

namespace convoy::sim {
namespace {

using base::Entry;
using base::Value;

void check_axis(const Value& root, const Entry& axis,
                const std::function<void(Value, base::Diagnostics&)>& check,
                base::Diagnostics& problems) {
  const auto* values = axis.value.as<Value::Array>();
  if (values == nullptr || values->empty()) {
    problems.error(axis.value.where, fmt::format("sweep.\"{}\": expected an array of the values "
                                                 "to try",
                                                 axis.key));
    return;
  }
  for (const Value& value : *values) {
    Value changed = root;
    changed.erase("sweep");
    base::Diagnostics found;
    Value copy = value;
    override_value(changed, axis.key, std::move(copy), "", found);
    if (!found.has_errors()) check(std::move(changed), found);
    for (const base::Diagnostic& d : found.all()) {
      if (d.severity != base::Severity::error) continue;
      // An unknown key sits at the axis, a wrong value at its own place.
      problems.error(value.where, fmt::format("sweep.\"{}\": {}", axis.key, d.message));
    }
  }
}

void check_zip(const Value& zip, const std::map<std::string, std::size_t>& lengths,
               base::Diagnostics& problems) {
  std::vector<std::string> names;
  names.reserve(lengths.size());
  for (const auto& [name, length] : lengths) names.push_back(name);
  const auto* groups = zip.as<Value::Array>();
  bool right = groups != nullptr;
  for (std::size_t g = 0; right && g < groups->size(); ++g) {
    const auto* axes = (*groups)[g].as<Value::Array>();
    right = axes != nullptr;
    std::size_t length = 0;
    for (std::size_t i = 0; right && i < axes->size(); ++i) {
      const auto* name = (*axes)[i].as<std::string>();
      right = name != nullptr;
      if (!right) break;
      const auto axis = lengths.find(*name);
      if (axis == lengths.end()) {
        problems.error((*axes)[i].where, fmt::format("sweep.zip: \"{}\" is no axis of this sweep{}",
                                                     *name, base::did_you_mean(*name, names)));
      } else if (length != 0 && axis->second != length) {
        problems.error((*axes)[i].where,
                       fmt::format("sweep.zip: \"{}\" has {} values, the axis before it {}; axes "
                                   "that are paired have equally many",
                                   *name, axis->second, length));
      } else {
        length = axis->second;
      }
    }
  }
  if (!right) {
    problems.error(zip.where,
                   "sweep.zip: expected arrays of axis names, such as "
                   "[[\"schedule.kind\", \"seed\"]]");
  }
}

}  // namespace

void check_sweep(const Value& root, const std::function<void(Value, base::Diagnostics&)>& check,
                 base::Diagnostics& problems) {
  const Value* sweep = root.find("sweep");
  if (sweep == nullptr) return;
  const auto* axes = sweep->as<Value::Table>();
  if (axes == nullptr) {
    problems.error(sweep->where, "sweep: expected a table, got " + sweep->kind());
    return;
  }
  std::map<std::string, std::size_t> lengths;
  for (const Entry& axis : *axes) {
    if (axis.key == "zip") continue;
    check_axis(root, axis, check, problems);
    const auto* values = axis.value.as<Value::Array>();
    lengths[axis.key] = values != nullptr ? values->size() : 0;
  }
  if (const Value* zip = sweep->find("zip")) check_zip(*zip, lengths, problems);
}

}  // namespace convoy::sim
