#pragma once

// A configuration tree (the content of a TOML file) that keeps the place of each value.

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/diagnostics.hpp"

namespace convoy::base {

class Value;
struct Entry;

class Value {
 public:
  using Array = std::vector<Value>;
  using Table = std::vector<Entry>;  // in the order of the file
  using Data = std::variant<bool, std::int64_t, double, std::string, Array, Table>;

  Value();  // an empty table
  Value(Data content, Location place);

  template <class T>
  [[nodiscard]] const T* as() const {
    return std::get_if<T>(&data);
  }
  template <class T>
  [[nodiscard]] T* as() {
    return std::get_if<T>(&data);
  }
  [[nodiscard]] std::string kind() const;  // "a string", "an integer", ...: for messages

  // The value of a key, or null if this is not a table or has no such key.
  [[nodiscard]] const Value* find(std::string_view key) const;
  [[nodiscard]] Value* find(std::string_view key);
  // The place of a key's value, or of this table where it has no such key.
  [[nodiscard]] const Location& place_of(std::string_view key) const;
  // Sets a key of a table; replaces an existing value. This must be a table.
  void set(std::string key, Value value);
  void erase(std::string_view key);

  Data data;
  Location where;
};

struct Entry {
  std::string key;
  Location where;  // of the key
  Value value;
};

inline Value::Value() : data(Table{}) {}
inline Value::Value(Data content, Location place)
    : data(std::move(content)), where(std::move(place)) {}

// Parses TOML 1.0. Syntax errors, invalid UTF-8 and dates (no key takes one) are reported and give
// an empty table.
Value parse_toml(std::string_view text, const std::string& file, Diagnostics& problems);

// Reads and parses a file. Reports a file that cannot be read.
Value read_toml_file(const std::string& path, Diagnostics& problems);

// Canonical TOML: sorted keys, one key a line with its full path where possible. Equal trees give
// equal texts, wherever their values come from.
std::string to_toml(const Value& table);

// A value on one line; strings without their quotation marks.
std::string to_text(const Value& value);

// Parses a TOML value as given by --set; text that is not TOML becomes a string. `origin` names its
// source in messages ("--set a=b").
Value parse_value(std::string_view text, const std::string& origin);

// Sets the value at a dotted path ("fleet.nodes.3.backend"; a number is an array index). Missing
// tables are created, missing array elements are not. Problems are reported at the value's place.
void override_value(Value& root, std::string_view path, Value value, Diagnostics& problems);

}  // namespace convoy::base
