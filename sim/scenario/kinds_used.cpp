#include "sim/scenario/kinds_used.hpp"

#include <algorithm>

#include "sim/schedule/schedule.hpp"

namespace convoy::sim {
namespace {

using base::Entry;
using base::Value;

class KindsUsed {
 public:
  void add_file(const Value& file) {
    const Value* schedule = file.find("schedule");
    const Value* kind = schedule != nullptr ? schedule->find("kind") : nullptr;
    if (kind != nullptr) {
      add(*kind);
    } else {
      add(Value(schedule_kinds().front().name, {}));  // the default
    }
  }

  // Adds the values of an axis, and the changes of cases, of a sweep.
  void add_sweep(const Value::Table& sweep) {
    for (const Entry& axis : sweep) {
      const auto* values = axis.value.as<Value::Array>();
      if (values == nullptr) continue;
      for (const Value& value : *values) {
        add_change(axis.key, value);
        const auto* changes = axis.key == "cases" ? value.as<Value::Table>() : nullptr;
        if (changes == nullptr) continue;
        for (const Entry& change : *changes) add_change(change.key, change.value);
      }
    }
  }

  std::vector<std::string> kinds;

 private:
  void add(const Value& kind) {
    const auto* word = kind.as<std::string>();
    if (word == nullptr || std::find(kinds.begin(), kinds.end(), *word) != kinds.end()) return;
    kinds.push_back(*word);
  }

  void add_change(const std::string& path, const Value& value) {
    if (path == "schedule.kind") add(value);
    const Value* kind = path == "schedule" ? value.find("kind") : nullptr;
    if (kind != nullptr) add(*kind);
  }
};

}  // namespace

std::vector<std::string> kinds_used(const Value& tree, const Value& root) {
  KindsUsed used;
  used.add_file(tree);
  used.add_file(root);
  const Value* sweep = root.find("sweep");
  const auto* axes = sweep != nullptr ? sweep->as<Value::Table>() : nullptr;
  if (axes != nullptr) used.add_sweep(*axes);
  return used.kinds;
}

}  // namespace convoy::sim
