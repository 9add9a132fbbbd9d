#pragma once

// All keys of a file, as its readers read them. A reader declares a key by the call that reads it:
//
//   reader.number({"quorum", "share of the updates under way that ends a round"},
//                 above(0).up_to(1), 0.5);
//
// So the list cannot differ from what is read: the readers run once without a file, over a
// TableReader that notes each call in a KeyCatalogue.

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

// A key as a reader asks for it. A name alone is enough where nobody lists the keys.
struct Key {
  constexpr Key(const char* key) : name(key) {}
  Key(const std::string& key) : name(key) {}
  constexpr Key(std::string_view key) : name(key) {}
  constexpr Key(std::string_view key, std::string_view what_for, std::string_view without = {})
      : name(key), meaning(what_for), otherwise(without) {}

  std::string_view name;
  std::string_view meaning;    // one short clause: the effect, and the unit
  std::string_view otherwise;  // what holds without the key, where no one value says it
};

enum class KeyType { text, number, integer, flag, choice, numbers, words, table, tables, array };

// One way to write a key's value; some keys have several.
struct KeyForm {
  KeyType type = KeyType::text;
  Range range = {};                     // number, integer, numbers: of each
  std::vector<std::string> words = {};  // choice, words: those that are known
  std::string like = {};                // table: the path of another table whose keys it has
  bool operator==(const KeyForm&) const = default;
};

// A key is read only with these words of another key, which is a choice.
struct KeyCondition {
  std::string path;
  std::vector<std::string> words;
};

// What a pass of the readers says of a key.
struct KeyNote {
  std::vector<KeyForm> forms;
  bool any_name = false;  // the last part of the path stands for names that the user chooses,
  std::string pattern;    // which match this regular expression, if there is one
  std::string meaning;
  bool required = false;          // in its table
  std::string otherwise;          // in words, or empty
  std::optional<Value> fallback;  // the default, where it is one value
};

struct KeyRow : KeyNote {
  std::string path;  // "fleet.nodes.N.count"; N: the number of an element
  std::vector<std::pair<KeyCondition, Value>> other_fallbacks;  // with these words another one
  std::vector<KeyCondition> conditions;

  [[nodiscard]] bool is(KeyType type) const;  // in one of its forms
  [[nodiscard]] std::string section() const;  // the path of its table; empty: the file
  [[nodiscard]] std::string name() const;     // the last part of its path
};

// What one pass of the readers asks for.
class KeyCatalogue {
 public:
  using Note = KeyNote;

  // `words`: by the path of a choice the one that is read in this pass; else its default.
  explicit KeyCatalogue(std::map<std::string, std::size_t> words = {}) : words_(std::move(words)) {}

  Note& note(const std::string& path, const Key& key, KeyForm form);
  [[nodiscard]] std::optional<std::size_t> word(const std::string& path) const;

  [[nodiscard]] const std::map<std::string, Note>& notes() const { return notes_; }
  [[nodiscard]] const std::vector<std::string>& order() const { return order_; }

 private:
  std::map<std::string, std::size_t> words_;
  std::map<std::string, Note> notes_;
  std::vector<std::string> order_;  // in which they were asked for
};

// The keys that `read` asks for, those of a table side by side. It is called once for each word of
// each choice, so that keys which only some words read are found, too.
std::vector<KeyRow> list_keys(const std::function<void(KeyCatalogue&)>& read);

}  // namespace convoy::base
