#include "base/key_catalogue.hpp"

#include <algorithm>
#include <deque>
#include <set>

namespace convoy::base {
namespace {

using Words = std::map<std::string, std::size_t>;

// A choice, and one pass of the readers for each of its words.
struct Family {
  std::string path;
  std::vector<std::string> words;
  std::vector<std::size_t> passes;
  Words within;  // words of other choices in the pass that found it
};

class Explorer {
 public:
  explicit Explorer(const std::function<void(KeyCatalogue&)>& read) {
    std::set<std::string> known;
    std::deque<std::size_t> fresh = {pass(read, {})};
    for (; !fresh.empty(); fresh.pop_front()) {
      const std::size_t at = fresh.front();
      for (const std::string& path : std::vector(passes_[at].order())) {
        const KeyForm* choice = choice_of(passes_[at].notes().at(path));
        if (choice == nullptr || !known.insert(path).second) continue;
        Family family{path, choice->words, {}, words_[at]};
        for (std::size_t word = 0; word < family.words.size(); ++word) {
          Words words = family.within;
          words[path] = word;
          family.passes.push_back(pass(read, words));
          fresh.push_back(family.passes.back());
        }
        families_.push_back(std::move(family));
      }
    }
  }

  std::vector<KeyRow> rows() {
    std::map<std::string, std::vector<KeyRow>> below;  // by section
    std::set<std::string> seen;
    for (const KeyCatalogue& pass : passes_) {
      for (const std::string& path : pass.order()) {
        if (!seen.insert(path).second) continue;
        KeyRow one = row(path);
        below[one.section()].push_back(std::move(one));
      }
    }
    inherit(below);
    // Keys that need certain words come after those that are always read.
    for (auto& [section, keys] : below) {
      std::stable_partition(keys.begin(), keys.end(),
                            [](const KeyRow& key) { return key.conditions.empty(); });
    }
    std::vector<KeyRow> rows;
    add("", below, rows);
    return rows;
  }

 private:
  static const KeyForm* choice_of(const KeyCatalogue::Note& note) {
    const auto choice = std::ranges::find(note.forms, KeyType::choice, &KeyForm::type);
    return choice == note.forms.end() ? nullptr : &*choice;
  }

  std::size_t pass(const std::function<void(KeyCatalogue&)>& read, const Words& words) {
    passes_.emplace_back(words);
    words_.push_back(words);
    read(passes_.back());
    return passes_.size() - 1;
  }

  // What a table needs its keys need: a pass of another choice may have read them in it without.
  static void inherit(std::map<std::string, std::vector<KeyRow>>& below) {
    for (auto& [section, keys] : below) {  // a table comes before the keys in it
      const std::string table =
          section.ends_with(".N") ? section.substr(0, section.size() - 2) : section;
      const auto dot = table.rfind('.');
      const auto around = below.find(dot == std::string::npos ? "" : table.substr(0, dot));
      if (table.empty() || around == below.end()) continue;
      const auto row = std::ranges::find(around->second, table, &KeyRow::path);
      if (row == around->second.end()) continue;
      for (const KeyCondition& condition : row->conditions) {
        for (KeyRow& key : keys) {
          const auto same = [&](const KeyCondition& c) { return c.path == condition.path; };
          if (std::ranges::none_of(key.conditions, same)) key.conditions.push_back(condition);
        }
      }
    }
  }

  // Each key of a table is followed by the keys below it.
  static void add(const std::string& section,
                  const std::map<std::string, std::vector<KeyRow>>& below,
                  std::vector<KeyRow>& rows) {
    const auto found = below.find(section);
    if (found == below.end()) return;
    for (const KeyRow& key : found->second) {
      rows.push_back(key);
      add(key.path, below, rows);
      add(key.path + ".N", below, rows);
    }
  }

  [[nodiscard]] const KeyCatalogue::Note* found(std::size_t pass, const std::string& path) const {
    const auto note = passes_[pass].notes().find(path);
    return note == passes_[pass].notes().end() ? nullptr : &note->second;
  }

  [[nodiscard]] KeyRow row(const std::string& path) const {
    std::size_t first = 0;
    while (found(first, path) == nullptr) ++first;
    KeyRow row{*found(first, path), path, {}, {}};
    for (std::size_t pass = first; pass < passes_.size(); ++pass) {
      const KeyCatalogue::Note* here = found(pass, path);
      if (here == nullptr) continue;
      for (const KeyForm& form : here->forms) {
        if (std::find(row.forms.begin(), row.forms.end(), form) == row.forms.end()) {
          row.forms.push_back(form);
        }
      }
    }
    for (const Family& family : families_) compare(family, row);
    return row;
  }

  // Notes how a key differs between the words of a choice.
  void compare(const Family& family, KeyRow& row) const {
    KeyCondition with{family.path, {}};
    std::map<std::string, KeyCondition> defaults;  // by their text; "": no default
    std::map<std::string, Value> values;
    for (std::size_t word = 0; word < family.words.size(); ++word) {
      const KeyCatalogue::Note* note = found(family.passes[word], row.path);
      if (note == nullptr) continue;
      with.words.push_back(family.words[word]);
      const std::string text = note->fallback ? to_text(*note->fallback) : "";
      defaults.try_emplace(text, KeyCondition{family.path, {}})
          .first->second.words.push_back(family.words[word]);
      if (note->fallback) values.emplace(text, *note->fallback);
    }
    if (with.words.empty()) return;
    const std::string usual = row.fallback ? to_text(*row.fallback) : "";
    for (const auto& [text, words] : defaults) {
      const bool another = defaults.size() > 1 && text != usual && !text.empty();
      if (another) row.other_fallbacks.emplace_back(words, values.at(text));
    }
    if (with.words.size() == family.words.size()) return;
    row.conditions.push_back(std::move(with));
    for (const auto& [path, word] : family.within) {
      const auto same = [&path = path](const KeyCondition& c) { return c.path == path; };
      if (std::any_of(row.conditions.begin(), row.conditions.end(), same)) continue;
      for (const Family& outer : families_) {
        if (outer.path == path) row.conditions.push_back({path, {outer.words[word]}});
      }
    }
  }

  std::vector<KeyCatalogue> passes_;
  std::vector<Words> words_;  // of each pass
  std::vector<Family> families_;
};

}  // namespace

bool KeyRow::is(KeyType type) const {
  return std::ranges::find(forms, type, &KeyForm::type) != forms.end();
}

std::string KeyRow::section() const {
  const auto dot = path.rfind('.');
  return dot == std::string::npos ? "" : path.substr(0, dot);
}

std::string KeyRow::name() const {
  const auto dot = path.rfind('.');
  return dot == std::string::npos ? path : path.substr(dot + 1);
}

KeyCatalogue::Note& KeyCatalogue::note(const std::string& path, const Key& key, KeyForm form) {
  const auto [at, fresh] = notes_.try_emplace(path);
  if (fresh) order_.push_back(path);
  Note& note = at->second;
  if (note.meaning.empty()) note.meaning = key.meaning;
  if (note.otherwise.empty()) note.otherwise = key.otherwise;
  if (std::find(note.forms.begin(), note.forms.end(), form) == note.forms.end()) {
    note.forms.push_back(std::move(form));
  }
  return note;
}

std::optional<std::size_t> KeyCatalogue::word(const std::string& path) const {
  const auto found = words_.find(path);
  return found == words_.end() ? std::nullopt : std::optional(found->second);
}

std::vector<KeyRow> list_keys(const std::function<void(KeyCatalogue&)>& read) {
  return Explorer(read).rows();
}

}  // namespace convoy::base
