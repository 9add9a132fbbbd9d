#pragma once

// Strict reading of one table of a configuration file: every key that is asked for is checked for
// type and range, every key that is not asked for is reported with the nearest known one. Reading
// goes on after a problem (with the fallback), so that all of them are found at once.
//
//   TableReader fleet(value, "fleet", problems);
//   const double quorum = fleet.number("quorum", above(0).up_to(1), 0.5);
//   fleet.finish();

#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/value.hpp"

namespace convoy::base {

struct Range {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
  bool low_open = false;   // low itself is outside
  bool high_open = false;  // high itself is outside

  [[nodiscard]] constexpr Range up_to(double limit) const { return {low, limit, low_open, false}; }
  [[nodiscard]] constexpr Range below(double limit) const { return {low, limit, low_open, true}; }
  [[nodiscard]] bool holds(double x) const;
  [[nodiscard]] std::string str() const;  // "at least 0 and below 1"
};
constexpr Range at_least(double low) { return {.low = low}; }
constexpr Range above(double low) { return {.low = low, .low_open = true}; }

class TableReader {
 public:
  // `path` names the table in messages ("fleet.nodes.0", or "" for the whole file). A value that
  // is no table is reported and read as an empty one.
  TableReader(const Value& table, std::string path, Diagnostics& problems);

  [[nodiscard]] bool has(std::string_view key);

  // Each of these: the value of the key; without the key the fallback; without a fallback the
  // missing key is reported. After a report the fallback, or the lowest value allowed, is given.
  std::string text(std::string_view key, const std::optional<std::string>& fallback = {});
  double number(std::string_view key, Range range, std::optional<double> fallback = {});
  std::int64_t integer(std::string_view key, Range range,
                       std::optional<std::int64_t> fallback = {});
  bool flag(std::string_view key, std::optional<bool> fallback = {});
  // One of the given words; their index.
  std::size_t choice(std::string_view key, std::span<const std::string> words,
                     std::optional<std::size_t> fallback = {});

  // For a key without a default: nothing where it is absent.
  std::optional<double> maybe_number(std::string_view key, Range range);
  std::optional<std::int64_t> maybe_integer(std::string_view key, Range range);

  std::vector<double> numbers(std::string_view key, Range range, std::vector<double> fallback);

  // A table below this one; an empty one where the key is absent.
  TableReader table(std::string_view key);
  // The tables of an array of tables; none where the key is absent.
  std::vector<TableReader> tables(std::string_view key);
  // The raw value, for a key of several forms; null where absent.
  const Value* raw(std::string_view key);
  // Every key of the table in the order of the file; they then count as known.
  std::vector<std::string> keys();

  // Reports the keys that nobody asked for.
  void finish();

  void error(std::string_view key, const std::string& message);  // at the key's value
  [[nodiscard]] const Location& where() const { return where_; }
  [[nodiscard]] std::string full(std::string_view key) const;  // "fleet.nodes.0.count"
  [[nodiscard]] Diagnostics& problems() { return *problems_; }

 private:
  TableReader(const Value* table, Location where, std::string path, Diagnostics& problems);

  template <class T>
  std::optional<T> scalar(std::string_view key, const std::string& expected);
  template <class T>
  std::optional<T> in_range(std::string_view key, Range range, const std::string& noun);
  const Value* find(std::string_view key);
  void missing(std::string_view key, const std::string& expected);
  void type_error(std::string_view key, const Value& value, const std::string& expected);

  const Value* table_;
  Location where_;  // of the table, or of the one above where it is absent
  std::string path_;
  Diagnostics* problems_;
  std::vector<std::string> known_;
};

}  // namespace convoy::base
