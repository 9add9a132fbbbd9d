#include "base/table_reader.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/text.hpp"

namespace convoy::base {
namespace {

// Defaults as values without a place.
Value value_of(const std::string& text) { return {text, {}}; }
Value value_of(double number) { return {number, {}}; }
Value value_of(std::int64_t number) { return {number, {}}; }
Value value_of(bool flag) { return {flag, {}}; }
Value value_of(const std::vector<double>& numbers) {
  Value::Array array;
  for (const double number : numbers) array.push_back(value_of(number));
  return {std::move(array), {}};
}

const Value& empty_table() {
  static const Value empty;
  return empty;
}

// A short text of a value, on one line, for messages.
std::string shown(const Value& value) {
  if (const auto* s = value.as<std::string>()) {
    constexpr std::size_t longest = 40;
    return fmt::format("\"{}{}\"", escaped(s->substr(0, longest)),
                       s->size() > longest ? "..." : "");
  }
  if (const auto* b = value.as<bool>()) return *b ? "true" : "false";
  if (const auto* i = value.as<std::int64_t>()) return fmt::format("{}", *i);
  if (const auto* d = value.as<double>()) return fmt::format("{}", *d);
  return value.kind();
}

// Integers count as numbers, and numbers without a fraction as integers, since programs may write
// 2.0 for 2. Above 2^53 a number may have been rounded.
template <class T>
std::optional<T> get(const Value& value) {
  if (const T* found = value.as<T>()) return *found;
  if constexpr (std::is_same_v<T, double>) {
    if (const auto* i = value.as<std::int64_t>()) return static_cast<double>(*i);
  }
  if constexpr (std::is_same_v<T, std::int64_t>) {
    constexpr double exact = 9007199254740992.0;  // 2^53
    const auto* d = value.as<double>();
    if (d != nullptr && std::abs(*d) <= exact && *d == std::floor(*d)) {
      return static_cast<std::int64_t>(*d);
    }
  }
  return std::nullopt;
}

}  // namespace

bool Range::holds(double x) const {
  if (std::isnan(x) || std::isinf(x)) return false;
  return (low_open ? x > low : x >= low) && (high_open ? x < high : x <= high);
}

std::string Range::str() const {
  std::string text;
  if (!std::isinf(low)) text = fmt::format("{} {}", low_open ? "above" : "at least", low);
  if (!std::isinf(high)) {
    text +=
        fmt::format("{}{} {}", text.empty() ? "" : " and ", high_open ? "below" : "at most", high);
  }
  return text.empty() ? "finite" : text;
}

TableReader::TableReader(const Value& table, std::string path, Diagnostics& problems)
    : TableReader(&table, table.where, std::move(path), problems) {
  if (table.as<Value::Table>() == nullptr) {
    problems.error(table.where, fmt::format("{}: expected a table, got {}", path_, shown(table)));
    table_ = &empty_table();
  }
}

TableReader::TableReader(const Value* table, Location where, std::string path,
                         Diagnostics& problems)
    : table_(table), where_(std::move(where)), path_(std::move(path)), problems_(&problems) {}

TableReader::TableReader(KeyCatalogue& catalogue, Diagnostics& ignored)
    : TableReader(&empty_table(), {}, "", ignored) {
  catalogue_ = &catalogue;
}

TableReader TableReader::described(std::string path) const {
  TableReader reader(*catalogue_, *problems_);
  reader.path_ = std::move(path);
  return reader;
}

KeyCatalogue::Note& TableReader::note(const Key& key, KeyForm form) {
  KeyCatalogue::Note& note = catalogue_->note(full(key.name), key, std::move(form));
  if (!standing_for_.empty() && key.name == standing_for_) {
    note.any_name = true;
    note.pattern = pattern_;
  }
  return note;
}

template <class T>
void TableReader::note(const Key& key, KeyForm form, const std::optional<T>& fallback) {
  KeyCatalogue::Note& noted = note(key, std::move(form));
  if (!fallback) {
    noted.required = !noted.any_name;
    return;
  }
  if constexpr (std::is_same_v<T, std::string>) {
    if (fallback->empty()) return;  // no default
  }
  noted.fallback = value_of(*fallback);
}

std::string TableReader::full(std::string_view key) const {
  if (path_.empty() || key.empty()) return path_ + std::string(key);
  return fmt::format("{}.{}", path_, key);
}

const Value* TableReader::find(std::string_view key) {
  if (std::find(known_.begin(), known_.end(), key) == known_.end()) known_.emplace_back(key);
  return table_->find(key);
}

bool TableReader::has(std::string_view key) { return find(key) != nullptr || describes(); }

void TableReader::missing(std::string_view key, const std::string& expected) {
  if (describes()) return;
  problems_->error(where_, fmt::format("{}: missing; expected {}", full(key), expected));
}

void TableReader::type_error(std::string_view key, const Value& value,
                             const std::string& expected) {
  problems_->error(value.where,
                   fmt::format("{}: expected {}, got {}{}", full(key), expected, shown(value),
                               value.as<std::string>() ? " (a string)" : ""));
}

template <class T>
std::optional<T> TableReader::scalar(std::string_view key, const std::string& expected) {
  const Value* value = find(key);
  if (value == nullptr) return std::nullopt;
  std::optional<T> found = get<T>(*value);
  if (!found) type_error(key, *value, expected);
  return found;
}

template <class T>
std::optional<T> TableReader::in_range(std::string_view key, Range range, const std::string& noun) {
  const std::string expected = fmt::format("{} {}", noun, range.str());
  std::optional<T> found = scalar<T>(key, expected);
  if (found && !range.holds(static_cast<double>(*found))) {
    problems_->error(find(key)->where,
                     fmt::format("{}: expected {}, got {}", full(key), expected, *found));
    found.reset();
  }
  return found;
}

std::string TableReader::text(const Key& key, const std::optional<std::string>& fallback) {
  if (describes()) note(key, {KeyType::text}, fallback);
  if (auto found = scalar<std::string>(key.name, "a string")) return *found;
  if (!fallback && find(key.name) == nullptr) missing(key.name, "a string");
  return fallback.value_or("");
}

double TableReader::number(const Key& key, Range range, std::optional<double> fallback) {
  if (describes()) note(key, {KeyType::number, range}, fallback);
  if (auto found = in_range<double>(key.name, range, "a number")) return *found;
  if (!fallback && find(key.name) == nullptr) missing(key.name, "a number " + range.str());
  return fallback.value_or(std::isinf(range.low) ? 0.0 : range.low);
}

std::int64_t TableReader::integer(const Key& key, Range range,
                                  std::optional<std::int64_t> fallback) {
  if (describes()) note(key, {KeyType::integer, range}, fallback);
  if (auto found = in_range<std::int64_t>(key.name, range, "an integer")) return *found;
  if (!fallback && find(key.name) == nullptr) missing(key.name, "an integer " + range.str());
  return fallback.value_or(std::isinf(range.low) ? 0 : static_cast<std::int64_t>(range.low));
}

bool TableReader::flag(const Key& key, std::optional<bool> fallback) {
  if (describes()) note(key, {KeyType::flag}, fallback);
  if (auto found = scalar<bool>(key.name, "true or false")) return *found;
  if (!fallback && find(key.name) == nullptr) missing(key.name, "true or false");
  return fallback.value_or(false);
}

std::size_t TableReader::choice(const Key& key, std::span<const std::string> words,
                                std::optional<std::size_t> fallback) {
  if (describes()) {
    std::optional<std::string> word;
    if (fallback) word = words[*fallback];
    note(key, {KeyType::choice, {}, {words.begin(), words.end()}}, word);
    return catalogue_->word(full(key.name)).value_or(fallback.value_or(0));
  }
  std::vector<std::string> quoted;
  for (const std::string& word : words) quoted.push_back(fmt::format("\"{}\"", word));
  const std::string expected = list_of(quoted);
  const auto found = scalar<std::string>(key.name, expected);
  if (found) {
    const auto at = std::find(words.begin(), words.end(), *found);
    if (at != words.end()) return static_cast<std::size_t>(at - words.begin());
    const Value& value = *find(key.name);
    problems_->error(value.where, fmt::format("{}: expected {}, got {}{}", full(key.name), expected,
                                              shown(value), did_you_mean(*found, words)));
  } else if (!fallback && find(key.name) == nullptr) {
    missing(key.name, expected);
  }
  return fallback.value_or(0);
}

std::optional<std::size_t> TableReader::maybe_choice(const Key& key,
                                                     std::span<const std::string> words) {
  if (describes()) {
    note(key, {KeyType::choice, {}, {words.begin(), words.end()}});
    return std::nullopt;
  }
  if (find(key.name) == nullptr) return std::nullopt;
  return choice(key, words, 0);
}

std::optional<double> TableReader::maybe_number(const Key& key, Range range) {
  if (describes()) note(key, {KeyType::number, range});
  return in_range<double>(key.name, range, "a number");
}

std::optional<std::int64_t> TableReader::maybe_integer(const Key& key, Range range) {
  if (describes()) note(key, {KeyType::integer, range});
  return in_range<std::int64_t>(key.name, range, "an integer");
}

std::vector<double> TableReader::numbers(const Key& key, Range range,
                                         std::vector<double> fallback) {
  if (describes()) note(key, {KeyType::numbers, range}, std::optional(fallback));
  const Value* value = find(key.name);
  if (value == nullptr) return fallback;
  const std::string expected = fmt::format("an array of numbers, each {}", range.str());
  const auto* array = value->as<Value::Array>();
  if (array == nullptr) {
    type_error(key.name, *value, expected);
    return fallback;
  }
  std::vector<double> found;
  for (const Value& item : *array) {
    const std::optional<double> x = get<double>(item);
    if (x && range.holds(*x)) {
      found.push_back(*x);
    } else {
      type_error(key.name, item, expected);
    }
  }
  return found;
}

std::vector<std::string> TableReader::words(const Key& key, std::span<const std::string> known) {
  if (describes()) note(key, {KeyType::words, {}, {known.begin(), known.end()}});
  const Value* value = find(key.name);
  if (value == nullptr) return {};
  const std::string expected = "an array of some of " + list_of(known, "and");
  const auto* array = value->as<Value::Array>();
  if (array == nullptr) {
    type_error(key.name, *value, expected);
    return {};
  }
  std::vector<std::string> found;
  for (const Value& item : *array) {
    const auto* word = item.as<std::string>();
    if (word != nullptr && std::find(known.begin(), known.end(), *word) != known.end()) {
      found.push_back(*word);
    } else {
      type_error(key.name, item, expected);
    }
  }
  return found;
}

TableReader TableReader::table(const Key& key) {
  if (describes()) {
    note(key, {KeyType::table});
    return described(full(key.name));
  }
  if (const Value* value = find(key.name)) return {*value, full(key.name), *problems_};
  return {&empty_table(), where_, full(key.name), *problems_};
}

std::vector<TableReader> TableReader::tables(const Key& key) {
  if (describes()) {
    note(key, {KeyType::tables});
    return {described(full(key.name) + ".N")};
  }
  std::vector<TableReader> readers;
  const Value* value = find(key.name);
  if (value == nullptr) return readers;
  const auto* array = value->as<Value::Array>();
  if (array == nullptr) {
    type_error(key.name, *value, "an array of tables ([[" + full(key.name) + "]])");
    return readers;
  }
  for (std::size_t i = 0; i < array->size(); ++i) {
    readers.emplace_back((*array)[i], fmt::format("{}.{}", full(key.name), i), *problems_);
  }
  return readers;
}

const Value* TableReader::raw(std::string_view key) { return find(key); }

void TableReader::describe(const Key& key, KeyForm form, const std::optional<Value>& fallback) {
  if (!describes()) return;
  KeyCatalogue::Note& noted = note(key, std::move(form));
  if (fallback) noted.fallback = fallback;
}

std::vector<std::string> TableReader::keys(std::string_view standing_for,
                                           std::string_view pattern) {
  if (describes()) {
    standing_for_ = standing_for;
    pattern_ = pattern;
    return {standing_for_};
  }
  std::vector<std::string> names;
  for (const Entry& e : entries()) names.push_back(e.key);
  for (const std::string& name : names) find(name);
  return names;
}

void TableReader::finish() {
  constexpr std::size_t most = 50;
  std::size_t unknown = 0;
  for (const Entry& e : entries()) {
    if (std::find(known_.begin(), known_.end(), e.key) != known_.end()) continue;
    if (++unknown > most) {
      problems_->error(e.where, "and more unknown keys behind it");
      return;
    }
    const std::string table = path_.empty() ? "at the top of the file" : "in [" + path_ + "]";
    problems_->error(e.where, fmt::format("unknown key \"{}\" {}{}", escaped(e.key), table,
                                          did_you_mean(e.key, known_)));
  }
}

void TableReader::error(std::string_view key, const std::string& message) {
  const Value* value = find(key);
  problems_->error(value != nullptr ? value->where : where_,
                   fmt::format("{}: {}", full(key), message));
}

}  // namespace convoy::base
