#include "sim/schedule/flat_keys.hpp"

#include <fmt/format.h>

#include <map>

namespace convoy::sim {
namespace {

using base::Entry;
using base::Value;

// Key -> its kind.
const std::map<std::string, std::string>& flat_keys() {
  static const std::map<std::string, std::string> all = {{"participants", "fedavg"},
                                                         {"deadline_s", "fedavg"},
                                                         {"quorum", "cos2p"},
                                                         {"max_staleness", "cos2p"},
                                                         {"on_stale", "cos2p"}};
  return all;
}

constexpr std::string_view section = "schedule.";

// Moves a key into its kind's table, unless the name is taken by something else.
void move(Value& schedule, const Entry& entry, base::Diagnostics& problems) {
  const std::string& kind = flat_keys().at(entry.key);
  if (schedule.find(kind) == nullptr) schedule.set(kind, Value(Value::Table{}, entry.where));
  Value& own = *schedule.find(kind);
  auto* table = own.as<Value::Table>();
  if (table == nullptr) return;  // reported where it is read
  if (own.find(entry.key) != nullptr) {
    problems.error(entry.where,
                   fmt::format("schedule.{0}: stands in [schedule.{1}] too; keep schedule.{1}.{0}",
                               entry.key, kind));
    return;
  }
  warn_of_flat_key(std::string(section) + entry.key, entry.where, problems);
  table->push_back(entry);
}

}  // namespace

std::string moved_key(const std::string& path) {
  if (!path.starts_with(section)) return path;
  const auto found = flat_keys().find(path.substr(section.size()));
  if (found == flat_keys().end()) return path;
  return fmt::format("{}{}.{}", section, found->second, found->first);
}

void warn_of_flat_key(const std::string& path, const base::Location& where,
                      base::Diagnostics& problems) {
  const std::string now = moved_key(path);
  problems.warning(
      where, fmt::format("{}: stands in [{}] now: {}", path, now.substr(0, now.rfind('.')), now));
}

void move_flat_keys(Value& root, base::Diagnostics& problems) {
  Value* schedule = root.find("schedule");
  if (schedule == nullptr || schedule->as<Value::Table>() == nullptr) return;
  const Value::Table before = *schedule->as<Value::Table>();
  for (const Entry& entry : before) {
    if (!flat_keys().contains(entry.key)) continue;
    schedule->erase(entry.key);
    move(*schedule, entry, problems);
  }
}

}  // namespace convoy::sim
