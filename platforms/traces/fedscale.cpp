#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/diagnostics.hpp"
#include "base/median.hpp"
#include "base/text.hpp"
#include "platforms/traces/import.hpp"

namespace convoy::platforms {
namespace {

using nlohmann::json;

json parsed(std::string_view text, const std::string& file) {
  json all;
  try {
    all = json::parse(text);
  } catch (const json::exception& e) {  // no JSON, or a number out of range
    throw base::UserError(
        fmt::format("{}: no JSON: {} (FedScale's files are pickles; write them "
                    "out by Python's json.dump)",
                    file, base::printable(e.what())));
  }
  if (!all.is_object() || all.empty()) {
    throw base::UserError(file + ": an object with the clients by their numbers is expected");
  }
  return all;
}

double number(const json& client, const char* key, const std::string& where, double low,
              double high) {
  const auto found = client.find(key);
  if (found == client.end() || !found->is_number()) {
    throw base::UserError(fmt::format("{}: {} is missing, or no number", where, key));
  }
  const auto value = found->get<double>();
  if (!(value >= low && value <= high)) {
    throw base::UserError(
        fmt::format("{}: {} = {:g}: expected from {:g} to {:g}", where, key, value, low, high));
  }
  return value;
}

std::vector<double> moments(const json& client, const char* key, const std::string& where) {
  const auto found = client.find(key);
  if (found == client.end() || !found->is_array()) {
    throw base::UserError(fmt::format("{}: {} is missing, or no list", where, key));
  }
  std::vector<double> all;
  for (const json& t : *found) {
    const double value = t.is_number() ? t.get<double>() : -1;
    if (!(value >= 0 && value < 1e12) || (!all.empty() && value < all.back())) {
      throw base::UserError(fmt::format("{}: {}[{}]: times in seconds that rise are expected",
                                        where, key, all.size()));
    }
    all.push_back(value);
  }
  return all;
}

Trace behaviour(const json& client, const std::string& where) {
  const std::vector<double> on = moments(client, "active", where);
  const std::vector<double> off = moments(client, "inactive", where);
  const double end = number(client, "finish_time", where, 1e-3, 1e12);
  // Of several changes at one moment the last one in this order counts: the device is present.
  std::vector<std::pair<double, double>> changes;
  changes.reserve(on.size() + off.size());
  for (const double t : off) changes.emplace_back(t, 0);
  for (const double t : on) changes.emplace_back(t, 1);
  std::stable_sort(changes.begin(), changes.end());
  Trace trace;
  std::vector<double>& available = trace.of(Column::available);
  const auto put = [&](double time, double value) {
    if (!trace.time.empty() && trace.time.back() == time) {
      available.back() = value;
      return;
    }
    if (!available.empty() && available.back() == value) return;
    trace.time.push_back(time);
    available.push_back(value);
  };
  // The state before the first change is the opposite one.
  put(0, changes.empty() ? 0 : 1 - changes.front().second);
  for (const auto& [time, value] : changes) {
    if (time <= end) put(time, value);
  }
  if (trace.time.back() < end) {
    trace.time.push_back(end);
    available.push_back(available.back());
  }
  return trace;
}

Trace capacity(const json& all, const json& client, const std::string& file,
               const std::string& where) {
  constexpr double kilo = 1000;
  std::vector<double> computations;
  for (const auto& [id, other] : all.items()) {
    computations.push_back(
        number(other, "computation", fmt::format("{}: client {}", file, id), 1e-6, 1e9));
  }
  const double median = base::median(std::move(computations));
  const double rate = kilo * number(client, "communication", where, 0, 1e10);
  Trace trace;
  trace.time = {0};
  trace.of(Column::up_bps) = {rate};
  trace.of(Column::down_bps) = {rate};
  trace.of(Column::speed) = {median / number(client, "computation", where, 1e-6, 1e9)};
  trace.remarks.push_back(fmt::format(
      "speed: the median of {} clients, {:g} ms a sample, over its own", all.size(), median));
  trace.remarks.emplace_back(
      "the rates are those of a measurement of its link, in both directions");
  return trace;
}

}  // namespace

Trace import_fedscale(std::string_view text, const std::string& file, const std::string& client) {
  const json all = parsed(text, file);
  const auto found = client.empty() ? all.begin() : all.find(client);
  if (found == all.end()) {
    throw base::UserError(fmt::format("{}: has no client \"{}\"", file, base::printable(client)));
  }
  const std::string where = fmt::format("{}: client {}", file, base::printable(found.key()));
  if (!found->is_object()) throw base::UserError(where + ": an object is expected");
  Trace trace =
      found->contains("active") ? behaviour(*found, where) : capacity(all, *found, file, where);
  trace.name = where;
  for (const auto& [column, word] : column_words) {
    for (const double v : trace.of(column)) {
      if (const auto wrong = out_of_range(column, v)) {
        throw base::UserError(fmt::format("{}: {}: {}", where, word, *wrong));
      }
    }
  }
  return trace;
}

}  // namespace convoy::platforms
