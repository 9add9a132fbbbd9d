#include "sim/schedule/schedule.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "sim/schedule/kinds.hpp"

namespace convoy::sim {
namespace {

using base::Entry;
using base::TableReader;

bool has(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// Reads the options of all kinds, each from its two tables, and reports unknown and unused keys.
class KindsReader {
 public:
  KindsReader(TableReader& reader, std::vector<std::string> used,
              const std::vector<ScheduleKind>& kinds)
      : reader_(reader), used_(std::move(used)), kinds_(kinds) {}

  ScheduleSpec read() {
    std::vector<std::string> names;
    for (const ScheduleKind& kind : kinds_) names.push_back(kind.name);
    const std::size_t chosen = reader_.choice({"kind", meaning()}, names, 0);
    if (!has(used_, names[chosen])) used_.push_back(names[chosen]);
    ScheduleSpec spec;
    const TableReader fresh = reader_;
    for (std::size_t i = 0; i < names.size(); ++i) {
      // In listing mode reads only the keys of the chosen kind.
      if (reader_.describes() && i != chosen) continue;
      const ScheduleKind& kind = kinds_[i];
      TableReader common = fresh;
      TableReader own = reader_.table({kind.name, kind.meaning});
      ScheduleSpec read = kind.read(common, own);
      if (i == chosen) spec = std::move(read);
      parts_.push_back({kind.name, common, own});
    }
    spec.kind = names[chosen];
    check_common();
    for (Part& part : parts_) check_own(part);
    return spec;
  }

 private:
  struct Part {
    std::string kind;
    TableReader common;
    TableReader own;
  };

  [[nodiscard]] std::string meaning() const {
    std::string text;
    for (const ScheduleKind& kind : kinds_) {
      text += fmt::format("{}{}: {}", text.empty() ? "" : "; ", kind.name, kind.meaning);
    }
    return text;
  }

  void check_common() {
    std::vector<std::string> known = reader_.asked();
    for (const Part& part : parts_) {
      const auto& asked = part.common.asked();
      known.insert(known.end(), asked.begin(), asked.end());
    }
    for (const Entry& entry : reader_.entries()) {
      if (has(reader_.asked(), entry.key)) continue;  // kind, and the kinds' tables
      const auto reads = [&](const Part& part) { return has(part.common.asked(), entry.key); };
      if (std::none_of(parts_.begin(), parts_.end(), reads)) {
        unknown(reader_, entry, hint(entry.key, known));
      } else if (std::none_of(parts_.begin(), parts_.end(), [&](const Part& part) {
                   return reads(part) && has(used_, part.kind);
                 })) {
        not_used(reader_, entry);
      }
    }
  }

  void check_own(Part& part) {
    for (const Entry& entry : part.own.entries()) {
      if (has(part.own.asked(), entry.key)) {
        if (!has(used_, part.kind)) not_used(part.own, entry);
      } else if (has(part.common.asked(), entry.key)) {
        reader_.problems().error(
            entry.where, fmt::format("{}: stands in [{}] itself: {}", part.own.full(entry.key),
                                     reader_.full(""), reader_.full(entry.key)));
      } else {
        unknown(part.own, entry, base::did_you_mean(entry.key, part.own.asked()));
      }
    }
  }

  // The nearest key of [schedule], else of some kind's table.
  [[nodiscard]] std::string hint(const std::string& key,
                                 const std::vector<std::string>& known) const {
    std::string near = base::did_you_mean(key, known);
    if (!near.empty()) return near;
    for (const Part& part : parts_) {
      const std::string own = base::nearest(key, part.own.asked());
      if (!own.empty()) return fmt::format("; did you mean \"{}\"?", part.own.full(own));
    }
    return "";
  }

  static void unknown(TableReader& table, const Entry& entry, const std::string& hint) {
    table.problems().error(
        entry.where, fmt::format("unknown key \"{}\" in [{}]{}", entry.key, table.full(""), hint));
  }

  void not_used(TableReader& table, const Entry& entry) const {
    table.problems().warning(
        entry.where, fmt::format("{}: is not used: the file's kind{} {}", table.full(entry.key),
                                 used_.size() > 1 ? "s are" : " is", base::list_of(used_, "and")));
  }

  TableReader& reader_;
  std::vector<std::string> used_;
  const std::vector<ScheduleKind>& kinds_;
  std::vector<Part> parts_;
};

}  // namespace

std::string name_of(const Order& order) {
  static const std::vector<std::string> names = {"assign",       "cancel", "evaluate", "set_timer",
                                                 "cancel_timer", "finish", "planned"};
  return names[order.index()];
}

const std::vector<ScheduleKind>& schedule_kinds() {
  static const std::vector<ScheduleKind> all = {
#define CONVOY_MAKE(name) schedules::name(),
      CONVOY_SCHEDULE_KINDS(CONVOY_MAKE)
#undef CONVOY_MAKE
  };
  return all;
}

ScheduleSpec read_schedule(TableReader reader, std::vector<std::string> used,
                           const std::vector<ScheduleKind>& kinds) {
  return KindsReader(reader, std::move(used), kinds).read();
}

}  // namespace convoy::sim
