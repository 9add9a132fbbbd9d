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
  return fmt::format("{}{}{}: {}", place, place.empty() ? "" : ": ",
                     severity == Severity::error ? "error" : "warning", message);
}

void Diagnostics::add(Diagnostic problem) {
  const std::string text = problem.str();
  const bool known =
      std::any_of(all_.begin(), all_.end(), [&](const Diagnostic& d) { return d.str() == text; });
  if (known) return;
  if (problem.severity == Severity::error) ++errors_;
  all_.push_back(std::move(problem));
}

void Diagnostics::error(Location where, std::string message) {
  add({Severity::error, std::move(where), std::move(message)});
}

void Diagnostics::warn(Location where, std::string message) {
  add({Severity::warning, std::move(where), std::move(message)});
}

std::string Diagnostics::str() const {
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
  for (const Diagnostic* d : order) text += d->str() + "\n";
  return text;
}

}  // namespace convoy::base
