#include "base/diagnostics.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "base/text.hpp"

namespace convoy::base {

std::string Location::str() const {
  if (!file) return "";
  if (line == 0) return *file;
  return fmt::format("{}:{}:{}", *file, line, column);
}

std::string Diagnostic::str() const {
  const std::string place = where.str();
  return fmt::format("{}{}{}: {}", place, place.empty() ? "" : ": ",
                     severity == Severity::error ? "error" : "warning", message);
}

void Diagnostics::error(Location where, std::string message) {
  add({std::move(where), std::move(message), Severity::error});
}

void Diagnostics::warning(Location where, std::string message) {
  add({std::move(where), std::move(message), Severity::warning});
}

void Diagnostics::add(Diagnostic problem) {
  if (!known_.insert(problem.str()).second) return;
  errors_ += problem.severity == Severity::error ? 1 : 0;
  all_.push_back(std::move(problem));
}

std::string Diagnostics::str() const {
  constexpr std::size_t shown = 100;
  std::vector<const Diagnostic*> order;
  order.reserve(all_.size());
  // If not all can be shown, errors go before warnings.
  const bool all = all_.size() <= shown || errors_ == 0;
  for (const Diagnostic& d : all_) {
    if (all || d.severity == Severity::error) order.push_back(&d);
  }
  const auto key = [](const Diagnostic* d) {
    return std::tuple(d->where.file ? *d->where.file : std::string(), d->where.line,
                      d->where.column);
  };
  std::ranges::stable_sort(order, {}, key);
  std::string text;
  for (std::size_t i = 0; i < std::min(order.size(), shown); ++i)
    text += escaped(order[i]->str()) + "\n";
  const std::size_t left = all_.size() - std::min(order.size(), shown);
  if (left > 0) text += fmt::format("... and {} more\n", left);
  return text;
}

}  // namespace convoy::base
