#include "cli/key_schema.hpp"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/text.hpp"

namespace convoy::cli {
namespace {

using base::KeyForm;
using base::KeyRow;
using base::KeyType;
using base::Value;
using nlohmann::ordered_json;

// 1 rather than 1.0
ordered_json limit(double value) {
  constexpr double exact = 9e15;
  if (value != std::floor(value) || std::abs(value) > exact) return value;
  return static_cast<std::int64_t>(value);
}

ordered_json to_json(const Value& value) {
  struct Writer {
    ordered_json operator()(const Value::Array& array) const {
      ordered_json json = ordered_json::array();
      for (const Value& item : array) json.push_back(to_json(item));
      return json;
    }
    ordered_json operator()(const Value::Table& table) const {
      ordered_json json = ordered_json::object();
      for (const base::Entry& entry : table) json[entry.key] = to_json(entry.value);
      return json;
    }
    ordered_json operator()(bool flag) const { return flag; }
    ordered_json operator()(std::int64_t number) const { return number; }
    ordered_json operator()(double number) const { return limit(number); }
    ordered_json operator()(const std::string& text) const { return text; }
  };
  return std::visit(Writer(), value.data);
}

ordered_json number(const char* type, const base::Range& range) {
  ordered_json json = {{"type", type}};
  const char* low = range.low_open ? "exclusiveMinimum" : "minimum";
  const char* high = range.high_open ? "exclusiveMaximum" : "maximum";
  if (!std::isinf(range.low)) json[low] = limit(range.low);
  if (!std::isinf(range.high)) json[high] = limit(range.high);
  return json;
}

class SchemaWriter {
 public:
  explicit SchemaWriter(const std::vector<KeyRow>& keys) : keys_(keys) {}

  // The schema of a table. `optional`: none of its keys is required.
  [[nodiscard]] ordered_json table(const std::string& path, bool optional = false) const {
    ordered_json json = {{"type", "object"}};
    ordered_json others = false;
    ordered_json required = ordered_json::array();
    bool has_keys = false;
    for (const KeyRow& row : keys_) {
      if (row.section() != path) continue;
      has_keys = true;
      if (row.any_name && row.pattern.empty()) {
        others = key(row);
      } else if (row.any_name) {
        json["patternProperties"][row.pattern] = key(row);
      } else {
        json["properties"][row.name()] = key(row);
      }
      if (row.required && !optional) required.push_back(row.name());
    }
    if (!has_keys) return json;  // any keys, as in a case of a sweep
    if (!required.empty()) json["required"] = required;
    json["additionalProperties"] = others;
    return json;
  }

 private:
  [[nodiscard]] ordered_json key(const KeyRow& row) const {
    ordered_json json;
    if (row.forms.size() == 1) {
      json = form(row.forms.front(), row);
    } else {
      for (const KeyForm& one : row.forms) json["anyOf"].push_back(form(one, row));
    }
    std::string text = row.meaning;
    for (const base::KeyCondition& condition : row.conditions) {
      text += fmt::format("; only with {} = {}", condition.path, base::list_of(condition.words));
    }
    if (!row.otherwise.empty()) text += "; default: " + row.otherwise;
    for (const auto& [condition, fallback] : row.other_fallbacks) {
      text += fmt::format("; default {} with {} = {}", to_json(fallback).dump(), condition.path,
                          base::list_of(condition.words));
    }
    if (!text.empty()) json["description"] = text;
    if (row.fallback && row.other_fallbacks.empty() && row.otherwise.empty()) {
      json["default"] = to_json(*row.fallback);
    }
    return json;
  }

  [[nodiscard]] ordered_json form(const KeyForm& form, const KeyRow& row) const {
    switch (form.type) {
      case KeyType::text:
        return {{"type", "string"}};
      case KeyType::number:
        return number("number", form.range);
      case KeyType::integer:
        return number("integer", form.range);
      case KeyType::flag:
        return {{"type", "boolean"}};
      case KeyType::choice:
        return {{"enum", form.words}};
      case KeyType::numbers:
        return {{"type", "array"}, {"items", number("number", form.range)}};
      case KeyType::words:
        return {{"type", "array"}, {"items", {{"enum", form.words}}}};
      case KeyType::table:
        return form.like.empty() ? table(row.path) : table(form.like, true);
      case KeyType::tables:
        return {{"type", "array"}, {"items", table(row.path + ".N")}};
      case KeyType::array:
        return {{"type", "array"}};
    }
    return {};
  }

  const std::vector<KeyRow>& keys_;
};

}  // namespace

std::string key_schema(const std::vector<KeyRow>& keys) {
  ordered_json schema = {{"$schema", "https://json-schema.org/draft/2020-12/schema"},
                         {"title", "A scenario of Convoy"}};
  schema.update(SchemaWriter(keys).table(""));
  return schema.dump(2);
}

}  // namespace convoy::cli
