#include "sensors/tegrastats.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include "sensors/kernel_files.hpp"

namespace convoy::sensors {
namespace {

constexpr double bytes_a_megabyte = 1024.0 * 1024.0;  // "MB" of tegrastats are MiB
constexpr double most_power_w = 1000;                 // more is a broken line

// Takes the next word. A list in brackets is one word, also if it contains blanks.
std::string_view next_word(std::string_view& rest) {
  rest.remove_prefix(std::min(rest.find_first_not_of(blanks), rest.size()));
  std::size_t end = 0;
  int open = 0;
  for (; end < rest.size(); ++end) {
    const char c = rest[end];
    if (c == '[') ++open;
    if (c == ']') --open;
    if (open <= 0 && blanks.find(c) != std::string_view::npos) break;
  }
  const std::string_view word = rest.substr(0, end);
  rest.remove_prefix(end);
  return word;
}

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

bool is_name(std::string_view word) {
  if (word.empty() || !is_letter(word.front())) return false;
  return std::all_of(word.begin(), word.end(),
                     [](char c) { return is_letter(c) || (c >= '0' && c <= '9') || c == '_'; });
}

// "1234/3956MB": used and total memory, in bytes.
bool read_memory(std::string_view word, std::optional<double>& used, std::optional<double>& total) {
  const std::optional<double> first = take_number(word);
  if (!first || !take(word, "/")) return false;
  const std::optional<double> second = take_number(word);
  // The unit shows that the number before it is complete.
  if (!second || word.substr(0, 2) != "MB" || *first < 0 || *first > *second) {
    return false;
  }
  used = *first * bytes_a_megabyte;
  total = *second * bytes_a_megabyte;
  return true;
}

// "12%", "12%@1479", "12%@[1300,0]" -> 0.12
std::optional<double> read_load(std::string_view word) {
  const std::optional<double> percent = take_number(word);
  if (!percent || !take(word, "%") || !(word.empty() || word.front() == '@')) return std::nullopt;
  if (*percent < 0 || *percent > 100) return std::nullopt;
  return *percent / 100;
}

// "[12%@1479,off]", "[0%,5%,off]@2601". Empty if the list is cut off or contains anything else.
std::vector<std::optional<double>> read_cores(std::string_view word) {
  const std::size_t end = word.find(']');
  if (!take(word, "[") || end == std::string_view::npos) return {};
  std::string_view rest = word.substr(0, end - 1);
  std::vector<std::optional<double>> loads;
  while (!rest.empty()) {
    std::string_view core = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(core.size() + 1, rest.size()));
    core.remove_prefix(std::min(core.find_first_not_of(blanks), core.size()));
    const std::optional<double> load = read_load(core);
    if (!load && !core.empty() && core != "off") return {};  // old releases leave "off" out
    loads.push_back(load);
  }
  return loads;
}

// "CPU@45.5C", "tj@66.6C/66.6C"
std::optional<NamedValue> read_temperature(std::string_view word) {
  const std::size_t at = word.find('@');
  if (at == std::string_view::npos || !is_name(word.substr(0, at))) return std::nullopt;
  const std::string name(word.substr(0, at));
  word.remove_prefix(at + 1);
  const std::optional<double> celsius = take_number(word);
  if (!celsius || !take(word, "C") || !(word.empty() || word.front() == '/')) return std::nullopt;
  return NamedValue{name, *celsius};
}

// "2064/2064", "5003mW/5003mW", "7006mW/7006mW/7006mW" -> the first one in W
std::optional<double> read_power(std::string_view word) {
  std::optional<double> milliwatts;
  int values = 0;
  do {
    const std::optional<double> value = take_number(word);
    if (!value) return std::nullopt;
    if (values++ == 0) milliwatts = value;
    take(word, "mW");
  } while (take(word, "/"));
  if (!word.empty() || values < 2 || std::abs(*milliwatts) > most_power_w * 1000) {
    return std::nullopt;
  }
  return *milliwatts / 1000;
}

// Takes `value` as the field `name`; false if it is no value of that field.
bool read_field(std::string_view name, std::string_view value, TegrastatsLine& line) {
  const auto set_load = [value](std::optional<double>& load) {
    const std::optional<double> parsed = read_load(value);
    if (parsed) load = parsed;
    return parsed.has_value();
  };
  if (name == "RAM") return read_memory(value, line.ram_used_bytes, line.ram_total_bytes);
  if (name == "SWAP") return read_memory(value, line.swap_used_bytes, line.swap_total_bytes);
  if (name == "GR3D_FREQ" || name == "GR3D") return set_load(line.gpu_load);
  if (name == "EMC_FREQ" || name == "EMC") return set_load(line.emc_load);
  if ((name == "CPU" || name == "cpu") && value.substr(0, 1) == "[") {
    line.core_loads = read_cores(value);
    return true;
  }
  if (name == "IRAM") return false;  // if "0/252kB" is cut off, it looks like a power
  const std::optional<double> power = read_power(value);
  if (power) line.rails_w.push_back({std::string(name), *power});
  return power.has_value();
}

}  // namespace

std::optional<double> TegrastatsLine::cpu_load() const {
  double sum = 0;
  int on = 0;
  for (const std::optional<double>& load : core_loads) {
    if (!load) continue;
    sum += *load;
    ++on;
  }
  if (on == 0) return std::nullopt;
  return sum / on;
}

std::optional<double> TegrastatsLine::power_w() const { return total_power(rails_w); }

std::optional<double> TegrastatsLine::temperature_c() const {
  return chip_temperature(temperatures_c);
}

std::optional<TegrastatsLine> parse_tegrastats(std::string_view line) {
  TegrastatsLine parsed;
  std::string_view rest = line;
  for (std::string_view word = next_word(rest); !word.empty(); word = next_word(rest)) {
    if (std::optional<NamedValue> temperature = read_temperature(word)) {
      parsed.temperatures_c.push_back(std::move(*temperature));
      continue;
    }
    if (!is_name(word)) continue;
    // The next word may be another field: it is skipped only if it is this field's value.
    std::string_view after = rest;
    const std::string_view value = next_word(after);
    if (read_field(word, value, parsed)) rest = after;
  }
  const bool known = parsed.ram_used_bytes || parsed.swap_used_bytes ||
                     !parsed.core_loads.empty() || parsed.emc_load || parsed.gpu_load ||
                     !parsed.temperatures_c.empty() || !parsed.rails_w.empty();
  if (!known) return std::nullopt;
  return parsed;
}

}  // namespace convoy::sensors
