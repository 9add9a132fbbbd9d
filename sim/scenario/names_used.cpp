#include "sim/scenario/names_used.hpp"

#include <fmt/format.h>

#include <optional>
#include <utility>

#include "base/text.hpp"

namespace convoy::sim {
namespace {

// "orin-7" is number 7 of "orin"; "orin-07" and "orin" are none.
std::optional<std::pair<std::string, std::int64_t>> as_numbered(const std::string& name) {
  const std::size_t dash = name.rfind('-');
  if (dash == std::string::npos) return std::nullopt;
  const auto number = base::as_integer(name.substr(dash + 1));
  std::string text = name.substr(0, dash);
  if (!number || *number < 0 || fmt::format("{}-{}", text, *number) != name) return std::nullopt;
  return std::pair(std::move(text), static_cast<std::int64_t>(*number));
}

}  // namespace

std::int64_t NamesUsed::next_number(const std::string& text) const {
  const auto there = next_.find(text);
  return there == next_.end() ? 0 : there->second;
}

std::vector<std::string> NamesUsed::add(const std::string& name) {
  bool is_new = written_.insert(name).second;
  if (const auto numbered = as_numbered(name)) {
    look_numbered_[numbered->first].insert(numbered->second);
    is_new = is_new && numbered->second >= next_number(numbered->first);
  }
  if (is_new) return {};
  return {name};
}

std::vector<std::string> NamesUsed::add(const std::string& text, std::int64_t count) {
  const std::int64_t from = next_number(text);
  next_[text] = from + count;
  std::vector<std::string> twice;
  const auto there = look_numbered_.find(text);
  if (there == look_numbered_.end()) return twice;
  for (auto at = there->second.lower_bound(from); at != there->second.end() && *at < from + count;
       ++at) {
    twice.push_back(fmt::format("{}-{}", text, *at));
  }
  return twice;
}

}  // namespace convoy::sim
