#include "base/diagnostics.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

namespace convoy::base {

std::string Location::str() const {
  if (!file) return "";
  if (line == 0) return *file;
  return fmt::format("{}:{}:{}", *file, line, column);
}

std::string Diagnostic::str() const {
  const std::string place = where.str();
  return fmt::format("{}{}error: {}", place, place.empty() ? "" : ": ", message);
}

void Diagnostics::error(Location where, std::string message) {
  Diagnostic problem{std::move(where), std::move(message)};
  if (known_.insert(problem.str()).second) all_.push_back(std::move(problem));
}

std::string Diagnostics::str() const {
  constexpr std::size_t shown = 100;
  std::vector<const Diagnostic*> order;
  order.reserve(all_.size());
  for (const Diagnostic& d : all_) order.push_back(&d);
  const auto key = [](const Diagnostic* d) {
    return std::tuple(d->where.file ? *d->where.file : std::string(), d->where.line,
                      d->where.column);
  };
  std::stable_sort(order.begin(), order.end(),
                   [&](const Diagnostic* a, const Diagnostic* b) { return key(a) < key(b); });
  std::string text;
  for (std::size_t i = 0; i < std::min(order.size(), shown); ++i) text += order[i]->str() + "\n";
  if (order.size() > shown) text += fmt::format("... and {} more\n", order.size() - shown);
  return text;
}

}  // namespace convoy::base
