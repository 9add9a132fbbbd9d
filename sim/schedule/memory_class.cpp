#include "sim/schedule/memory_class.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cmath>

namespace convoy::sim {
namespace {

using base::Value;

// Accepts 32.0 as an integer.
double read_value(base::TableReader& reader, const base::Key& key, base::Range range, bool whole) {
  if (whole) reader.describe(key, {base::KeyType::integer, range});
  if (whole && reader.describes()) return range.low;
  const double value = reader.maybe_number(key, range).value_or(range.low);
  if (whole && value != std::floor(value)) reader.error(key.name, "expected a whole number");
  return value;
}

std::map<int, double> read_classes(base::TableReader table, base::Range range, bool whole) {
  std::map<int, double> values;
  for (const std::string& name : table.keys("Ngb", "^[1-9][0-9]*gb$")) {
    const base::Key key(name, "of devices with N GiB or more, up to the next class that is given");
    const double value = read_value(table, key, range, whole);
    int gb = 0;
    const auto [end, failure] = std::from_chars(name.data(), name.data() + name.size(), gb);
    if (failure == std::errc() && std::string_view(end) == "gb" && gb >= 1) {
      values[gb] = value;
    } else {
      table.error(name, "expected a memory class such as 64gb, 32gb, 16gb or 8gb as the key");
    }
  }
  return values;
}

Value written(double value, bool whole) {
  if (whole) return {static_cast<std::int64_t>(value), {}};
  return {value, {}};
}

// In the form of a scenario.
std::optional<Value> written(const std::map<int, double>& values, bool whole) {
  if (values.empty()) return std::nullopt;
  if (values.size() == 1 && values.begin()->first == 0)
    return written(values.begin()->second, whole);
  Value table;
  for (auto value = values.rbegin(); value != values.rend(); ++value) {
    table.set(fmt::format("{}gb", value->first), written(value->second, whole));
  }
  return table;
}

}  // namespace

ByMemoryClass<double> read_by_memory_class(base::TableReader& reader, const base::Key& key,
                                           base::Range range, std::map<int, double> fallback,
                                           bool whole) {
  reader.describe(key, {whole ? base::KeyType::integer : base::KeyType::number, range},
                  written(fallback, whole));
  if (!reader.has(key.name)) return {std::move(fallback)};
  std::map<int, double> values;
  for (const bool by_class : reader.either<Value::Table>(key.name)) {
    if (by_class) {
      values = read_classes(reader.table(key), range, whole);
    } else {
      values = {{0, read_value(reader, key, range, whole)}};
    }
  }
  if (values.empty()) {
    reader.error(key.name, "expected at least one memory class, such as { 8gb = 0.25 }");
    return {std::move(fallback)};
  }
  return {std::move(values)};
}

}  // namespace convoy::sim
