#include "base/value.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "base/text.hpp"

namespace convoy::base {
namespace {

// The parts of a dotted path; quoted parts may contain dots.
std::optional<std::vector<std::string>> split_path(std::string_view path) {
  std::vector<std::string> segments(1);
  bool quoted = false;
  for (const char c : path) {
    if (c == '"') {
      quoted = !quoted;
    } else if (c == '.' && !quoted) {
      segments.emplace_back();
    } else {
      segments.back() += c;
    }
  }
  const bool empty = std::ranges::any_of(segments, [](const std::string& s) { return s.empty(); });
  if (quoted || empty) return std::nullopt;
  return segments;
}

}  // namespace

std::string Value::kind() const {
  struct Namer {
    std::string operator()(bool) const { return "a boolean"; }
    std::string operator()(std::int64_t) const { return "an integer"; }
    std::string operator()(double) const { return "a number"; }
    std::string operator()(const std::string&) const { return "a string"; }
    std::string operator()(const Array&) const { return "an array"; }
    std::string operator()(const Table&) const { return "a table"; }
  };
  return std::visit(Namer(), data);
}

const Value* Value::find(std::string_view key) const {
  const auto* table = as<Table>();
  if (table == nullptr) return nullptr;
  const auto entry = std::ranges::find(*table, key, &Entry::key);
  return entry == table->end() ? nullptr : &entry->value;
}

Value* Value::find(std::string_view key) {
  return const_cast<Value*>(std::as_const(*this).find(key));
}

const Location& Value::place_of(std::string_view key) const {
  const Value* there = find(key);
  return there != nullptr ? there->where : where;
}

void Value::set(std::string key, Value value) {
  if (Value* there = find(key)) {
    *there = std::move(value);
    return;
  }
  Location place = value.where;
  std::get<Table>(data).push_back({std::move(key), std::move(place), std::move(value)});
}

void Value::erase(std::string_view key) {
  if (auto* table = as<Table>()) {
    std::erase_if(*table, [&](const Entry& e) { return e.key == key; });
  }
}

void override_value(Value& root, std::string_view path, Value value, Diagnostics& problems) {
  const Location where = value.where;
  const auto segments = split_path(path);
  if (!segments) {
    problems.error(where, "the path has an empty part; write it like fleet.nodes.0.count=2");
    return;
  }
  Value* at = &root;
  for (std::size_t i = 0; i < segments->size(); ++i) {
    const std::string& segment = (*segments)[i];
    const bool last = i + 1 == segments->size();
    if (auto* array = at->as<Value::Array>()) {
      const auto index = as_integer(segment);
      if (!index || *index < 0 || *index >= std::ssize(*array)) {
        problems.error(where, fmt::format("\"{}\" is no index here; the array has {} elements, "
                                          "the first is 0",
                                          segment, array->size()));
        return;
      }
      at = &(*array)[static_cast<std::size_t>(*index)];
      if (last) {
        *at = std::move(value);
        return;
      }
    } else if (at->as<Value::Table>() != nullptr) {
      if (last) {
        at->set(segment, std::move(value));
        return;
      }
      if (at->find(segment) == nullptr) at->set(segment, {Value::Table{}, where});
      at = at->find(segment);
    } else {
      problems.error(where, fmt::format("\"{}\" cannot be set: what stands before it is {}",
                                        segment, at->kind()));
      return;
    }
  }
}

Value parse_value(std::string_view text, const std::string& origin) {
  Diagnostics ignored;
  const Value parsed = parse_toml(fmt::format("v = {}", text), origin, ignored);
  const auto* table = parsed.as<Value::Table>();
  const Location where{std::make_shared<const std::string>(origin), 0, 0};
  const bool one_value = !ignored.has_errors() && table != nullptr && table->size() == 1;
  Value value = one_value ? table->front().value : Value{std::string(text), where};
  value.where = where;
  return value;
}

}  // namespace convoy::base
