#pragma once

// Strict reading of one table of a configuration file: every key that is asked for is checked for
// type and range, every key that is not asked for is reported with the nearest known one. Reading
// goes on after a problem (with the fallback), so that all of them are found at once.
// Constructed without a file, it notes in a KeyCatalogue which keys it is asked for.
//
//   TableReader fleet(value, "fleet", problems);
//   const double quorum = fleet.number("quorum", above(0).up_to(1), 0.5);
//   fleet.finish();

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/key_catalogue.hpp"
#include "base/range.hpp"
#include "base/value.hpp"
#include "base/words.hpp"

namespace convoy::base {

class TableReader {
 public:
  // `path` names the table in messages ("fleet.nodes.0", or "" for the whole file). A value that is
  // not a table is reported and read as an empty table.
  TableReader(const Value& table, std::string path, Diagnostics& problems);
  // Listing mode, without a file: has() is true, and every key that is asked for is noted.
  TableReader(KeyCatalogue& catalogue, Diagnostics& ignored);

  [[nodiscard]] bool has(std::string_view key);
  // For keys with several forms: is the value a T? Gives one answer (false if the key is absent).
  // In listing mode gives both answers, so that each branch declares its form.
  //   for (const bool table : reader.either<Value::Table>("link")) table ? ... : ...;
  template <class T>
  [[nodiscard]] std::vector<bool> either(std::string_view key) {
    if (describes()) return {true, false};
    const Value* value = find(key);
    return {value != nullptr && value->as<T>() != nullptr};
  }

  // These functions give the value of the key; without the key the fallback; without a fallback the
  // missing key is reported. After a report they give the fallback or the lowest allowed value.
  // integer() accepts 2.0 as 2.
  std::string text(const Key& key, const std::optional<std::string>& fallback = {});
  double number(const Key& key, Range range, std::optional<double> fallback = {});
  std::int64_t integer(const Key& key, Range range, std::optional<std::int64_t> fallback = {});
  bool flag(const Key& key, std::optional<bool> fallback = {});
  // One of the words of an enum or a flag; of words that are known at run time only, their index.
  template <class E>
  E choice(const Key& key, Words<E> words, std::optional<std::type_identity_t<E>> fallback = {}) {
    std::optional<std::size_t> at;
    if (fallback) at = &word_of(words, *fallback) - words.begin();
    return (words.begin() + choice(key, texts_of(words), at))->value;
  }
  std::size_t choice(const Key& key, std::span<const std::string> words,
                     std::optional<std::size_t> fallback = {});

  // For keys without a default: nothing if the key is absent.
  std::optional<double> maybe_number(const Key& key, Range range);
  std::optional<std::int64_t> maybe_integer(const Key& key, Range range);
  // The index of one of these words.
  std::optional<std::size_t> maybe_choice(const Key& key, std::span<const std::string> words);

  std::vector<double> numbers(const Key& key, Range range, std::vector<double> fallback);
  // A list of some of the known words; empty if the key is absent.
  std::vector<std::string> words(const Key& key, std::span<const std::string> known);

  // The table of this key; empty if the key is absent.
  TableReader table(const Key& key);
  // The tables of an array of tables; empty if the key is absent.
  std::vector<TableReader> tables(const Key& key);
  // The raw value, null if absent. The caller reads it and declares it with describe().
  const Value* raw(std::string_view key);
  void describe(const Key& key, KeyForm form, const std::optional<Value>& fallback = {});
  // All keys of the table in the order of the file; all count as known afterwards. In the listing
  // they appear as `standing_for`; `pattern` is a regular expression for their names.
  std::vector<std::string> keys(std::string_view standing_for = "NAME",
                                std::string_view pattern = "");

  // Reports keys that no call has asked for.
  void finish();

  void error(std::string_view key, const std::string& message);  // located at the key's value
  [[nodiscard]] const Location& where() const { return where_; }
  [[nodiscard]] std::string full(std::string_view key) const;  // "fleet.nodes.0.count"
  [[nodiscard]] Diagnostics& problems() { return *problems_; }
  [[nodiscard]] bool describes() const { return catalogue_ != nullptr; }
  [[nodiscard]] const Value::Table& entries() const { return *table_->as<Value::Table>(); }
  [[nodiscard]] const std::vector<std::string>& asked() const { return known_; }

 private:
  TableReader(const Value* table, Location where, std::string path, Diagnostics& problems);

  template <class T>
  std::optional<T> scalar(std::string_view key, const std::string& expected);
  template <class T>
  std::optional<T> in_range(std::string_view key, Range range, const std::string& noun);
  const Value* find(std::string_view key);
  void missing(std::string_view key, const std::string& expected);
  void type_error(std::string_view key, const Value& value, const std::string& expected);
  KeyCatalogue::Note& note(const Key& key, KeyForm form);
  // Notes a key that is required, or whose default is `fallback`.
  template <class T>
  void note(const Key& key, KeyForm form, const std::optional<T>& fallback);
  [[nodiscard]] TableReader described(std::string path) const;

  const Value* table_;
  Location where_;  // place of the table, or of its parent if it is absent
  std::string path_;
  Diagnostics* problems_;
  KeyCatalogue* catalogue_ = nullptr;
  std::vector<std::string> known_;
  std::string standing_for_;  // listing mode: name that stands for any key
  std::string pattern_;       // regular expression for such keys
};

}  // namespace convoy::base
