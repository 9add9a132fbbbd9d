#pragma once

// Lists all keys of a file from the readers themselves. The call that reads a key also declares it:
//
//   reader.number({"quorum", "share of the updates under way that ends a round"},
//                 above(0).up_to(1), 0.5);
//
// So the list always agrees with the readers: they run once without a file, and the TableReader
// notes each call in a KeyCatalogue.

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/range.hpp"
#include "base/value.hpp"

namespace convoy::base {

// A key as a reader asks for it. A name alone is enough where keys are not listed.
struct Key {
  constexpr Key(const char* key) : name(key) {}
  Key(const std::string& key) : name(key) {}
  constexpr Key(std::string_view key) : name(key) {}
  constexpr Key(std::string_view key, std::string_view what_for, std::string_view without = {})
      : name(key), meaning(what_for), otherwise(without) {}

  std::string_view name;
  std::string_view meaning;    // one short clause: what the key does, and its unit
  std::string_view otherwise;  // the behaviour without the key, if not a single default
};

enum class KeyType { text, number, integer, flag, choice, numbers, words, table, tables, array };

// One type that a key's value may have; some keys have several.
struct KeyForm {
  KeyType type = KeyType::text;
  Range range = {};                     // number, integer, numbers: range of each
  std::vector<std::string> words = {};  // choice, words: the allowed words
  std::string like = {};                // table: path of another table with the same keys
  bool operator==(const KeyForm&) const = default;
};

// Another key, a choice, that must have one of these words: only then the key is read.
struct KeyCondition {
  std::string path;
  std::vector<std::string> words;
};

// What a pass of the readers says of a key.
struct KeyNote {
  std::vector<KeyForm> forms;
  bool any_name = false;  // the last part of the path stands for any name of the user's choice
  std::string pattern;    // regular expression for these names; may be empty
  std::string meaning;
  bool required = false;          // in its table
  std::string otherwise;          // in words, or empty
  std::optional<Value> fallback;  // the default, where it is one value
};

struct KeyRow : KeyNote {
  std::string path;  // "fleet.nodes.N.count"; N: the number of an element
  std::vector<std::pair<KeyCondition, Value>> other_fallbacks;  // with these words another one
  std::vector<KeyCondition> conditions;

  [[nodiscard]] bool is(KeyType type) const;  // one of its forms has this type
  [[nodiscard]] std::string section() const;  // path of its table; empty: the root
  [[nodiscard]] std::string name() const;     // last part of the path
};

// The keys that the readers ask for in one pass.
class KeyCatalogue {
 public:
  using Note = KeyNote;

  // `words`: by path of a choice, the index of its word in this pass; others take their default.
  explicit KeyCatalogue(std::map<std::string, std::size_t> words = {}) : words_(std::move(words)) {}

  Note& note(const std::string& path, const Key& key, KeyForm form);
  [[nodiscard]] std::optional<std::size_t> word(const std::string& path) const;

  [[nodiscard]] const std::map<std::string, Note>& notes() const { return notes_; }
  [[nodiscard]] const std::vector<std::string>& order() const { return order_; }

 private:
  std::map<std::string, std::size_t> words_;
  std::map<std::string, Note> notes_;
  std::vector<std::string> order_;  // paths in the order of the calls
};

// All keys that `read` asks for, the keys of each table together. `read` is called once for each
// word of each choice, to find also the keys that only some words need.
std::vector<KeyRow> list_keys(const std::function<void(KeyCatalogue&)>& read);

}  // namespace convoy::base
