#include "sim/schedule/memory_class.hpp"

#include <charconv>

namespace convoy::sim {

ByMemoryClass<double> read_by_memory_class(base::TableReader& reader, std::string_view key,
                                           base::Range range, std::map<int, double> fallback) {
  const base::Value* value = reader.raw(key);
  if (value == nullptr) return {std::move(fallback)};
  if (value->as<base::Value::Table>() == nullptr) {
    return {std::map<int, double>{{0, reader.number(key, range, range.low)}}};
  }
  std::map<int, double> values;
  base::TableReader table = reader.table(key);
  for (const std::string& name : table.keys()) {
    int gb = 0;
    const auto [end, failure] = std::from_chars(name.data(), name.data() + name.size(), gb);
    if (failure != std::errc() || std::string_view(end) != "gb" || gb < 1) {
      table.error(name, "expected a memory class such as 64gb, 32gb, 16gb or 8gb as the key");
      continue;
    }
    values[gb] = table.number(name, range);
  }
  if (values.empty()) {
    reader.error(key, "expected at least one memory class, such as { 8gb = 0.25 }");
    return {std::move(fallback)};
  }
  return {std::move(values)};
}

}  // namespace convoy::sim
