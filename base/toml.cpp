#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <optional>

#include "base/files.hpp"
#include "base/value.hpp"

namespace convoy::base {
namespace {

using File = std::shared_ptr<const std::string>;

Location place(const toml::source_region& region, const File& file) {
  return {file, static_cast<int>(region.begin.line), static_cast<int>(region.begin.column)};
}

// Limit for nested tables and arrays. The parser and the functions on its trees are recursive:
// foreign text must not overflow the stack. Other errors are left to the parser.
constexpr std::size_t deepest = 100;

// Finds the line and column where a text exceeds the limit.
class DepthCheck {
 public:
  explicit DepthCheck(std::string_view text) : text_(text) {}

  std::optional<std::pair<int, int>> too_deep() {
    while (at_ < text_.size()) {
      step();
      if (levels_.back() > deepest) return std::pair(line_, static_cast<int>(at_ - begin_));
    }
    return std::nullopt;
  }

 private:
  [[nodiscard]] bool is_next(std::string_view what) const {
    return text_.substr(at_, what.size()) == what;
  }
  void next() {
    if (text_[at_++] != '\n') return;
    ++line_;
    begin_ = at_;
  }

  void step() {
    switch (text_[at_]) {
      case '#':
        while (at_ < text_.size() && text_[at_] != '\n') next();
        return;
      case '"':
        return skip_string(is_next("\"\"\"") ? "\"\"\"" : "\"", true);
      case '\'':
        return skip_string(is_next("'''") ? "'''" : "'", false);
      case '.':
        ++levels_.back();
        break;
      case '[':
      case '{':
        levels_.push_back(levels_.back() + 1);
        break;
      case ']':
      case '}':
        if (levels_.size() > 1) levels_.pop_back();
        break;
      case '\n':
      case ',':
        // A new key or value starts at the depth of its bracket.
        levels_.back() = levels_.size() > 1 ? levels_[levels_.size() - 2] + 1 : 0;
        break;
      default:
        break;
    }
    next();
  }

  void skip_string(std::string_view quotes, bool escapes) {
    for (std::size_t i = 0; i < quotes.size(); ++i) next();
    while (at_ < text_.size() && !is_next(quotes)) {
      if (quotes.size() == 1 && text_[at_] == '\n') return;  // not closed: reported by the parser
      if (escapes && text_[at_] == '\\' && at_ + 1 < text_.size()) next();
      next();
    }
    for (std::size_t i = 0; i < quotes.size() && at_ < text_.size(); ++i) next();
    // One or two further quotation marks belong to the text of the long string.
    for (int i = 0; quotes.size() > 1 && i < 2 && is_next(quotes.substr(0, 1)); ++i) next();
  }

  std::string_view text_;
  std::size_t at_ = 0;
  int line_ = 1;
  std::size_t begin_ = 0;  // start of the line
  // Number of brackets and dots, for each open bracket and for the line outside of all.
  std::vector<std::size_t> levels_ = {0};
};

Value convert(const toml::node& node, const File& file, Diagnostics& problems) {
  Location where = place(node.source(), file);
  switch (node.type()) {
    case toml::node_type::boolean:
      return {node.as_boolean()->get(), where};
    case toml::node_type::integer:
      return {node.as_integer()->get(), where};
    case toml::node_type::floating_point:
      return {node.as_floating_point()->get(), where};
    case toml::node_type::string:
      return {node.as_string()->get(), where};
    case toml::node_type::array: {
      Value::Array array;
      for (const toml::node& item : *node.as_array()) {
        array.push_back(convert(item, file, problems));
      }
      return {std::move(array), where};
    }
    case toml::node_type::table: {
      Value::Table table;
      for (auto&& [key, item] : *node.as_table()) {
        table.push_back(
            {std::string(key.str()), place(key.source(), file), convert(item, file, problems)});
      }
      std::ranges::stable_sort(
          table, {}, [](const Entry& e) { return std::pair(e.where.line, e.where.column); });
      return {std::move(table), where};
    }
    default:
      problems.error(where, "dates and times are not used here; write seconds as a number");
      return {std::string(), where};
  }
}

std::string in_quotes(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      out += fmt::format("\\u{:04X}", static_cast<unsigned>(c));
    } else {
      out += c;
    }
  }
  return out + "\"";
}

std::string quoted_key(const std::string& key) {
  const bool bare = !key.empty() && std::all_of(key.begin(), key.end(), [](unsigned char c) {
    return (c < 128 && std::isalnum(c) != 0) || c == '_' || c == '-';
  });
  return bare ? key : in_quotes(key);
}

std::vector<const Entry*> sorted(const Value::Table& table) {
  std::vector<const Entry*> order;
  for (const Entry& e : table) order.push_back(&e);
  std::ranges::sort(order, {}, &Entry::key);
  return order;
}

std::string inline_text(const Value& value) {
  if (const auto* b = value.as<bool>()) return *b ? "true" : "false";
  if (const auto* i = value.as<std::int64_t>()) return fmt::format("{}", *i);
  if (const auto* s = value.as<std::string>()) return in_quotes(*s);
  if (const auto* d = value.as<double>()) {
    const std::string text = fmt::format("{}", *d);
    return text.find_first_of(".enia") == std::string::npos ? text + ".0" : text;
  }
  std::string text;
  if (const auto* array = value.as<Value::Array>()) {
    for (const Value& item : *array) text += (text.empty() ? "" : ", ") + inline_text(item);
    return "[" + text + "]";
  }
  for (const Entry* e : sorted(*value.as<Value::Table>())) {
    text += (text.empty() ? " " : ", ") + quoted_key(e->key) + " = " + inline_text(e->value);
  }
  return text.empty() ? "{}" : "{" + text + " }";
}

void write_table(const Value::Table& table, const std::string& path, std::string& out) {
  std::string body;
  std::string below;
  for (const Entry* e : sorted(table)) {
    const std::string key = quoted_key(e->key);
    const std::string full = path.empty() ? key : fmt::format("{}.{}", path, key);
    const auto* array = e->value.as<Value::Array>();
    const bool tables = array != nullptr && !array->empty() &&
                        std::all_of(array->begin(), array->end(),
                                    [](const Value& v) { return v.as<Value::Table>() != nullptr; });
    if (const auto* nested = e->value.as<Value::Table>()) {
      write_table(*nested, full, below);
    } else if (tables) {
      for (const Value& item : *array) {
        below += fmt::format("\n[[{}]]\n", full);
        for (const Entry* inner : sorted(*item.as<Value::Table>())) {
          below += fmt::format("{} = {}\n", quoted_key(inner->key), inline_text(inner->value));
        }
      }
    } else {
      body += fmt::format("{} = {}\n", key, inline_text(e->value));
    }
  }
  if (!path.empty() && (!body.empty() || below.empty())) out += fmt::format("\n[{}]\n", path);
  out += body + below;
}

}  // namespace

Value parse_toml(std::string_view text, const std::string& file, Diagnostics& problems) {
  auto name = std::make_shared<const std::string>(file);
  if (const auto where = DepthCheck(text).too_deep()) {
    problems.error({name, where->first, where->second},
                   fmt::format("tables and arrays are nested deeper than {} levels", deepest));
    return {Value::Table{}, {name, 0, 0}};
  }
  try {
    const toml::table table = toml::parse(text, file);
    return convert(table, name, problems);
  } catch (const toml::parse_error& e) {
    problems.error(place(e.source(), name), fmt::format("not valid TOML: {}", e.description()));
    return {Value::Table{}, {name, 0, 0}};
  }
}

Value read_toml_file(const std::string& path, Diagnostics& problems) {
  auto name = std::make_shared<const std::string>(path);
  try {
    return parse_toml(read_file(path, longest_text), path, problems);
  } catch (const UserError& e) {
    std::string what = e.what();
    if (what.starts_with(path + ": ")) what.erase(0, path.size() + 2);
    problems.error({name, 0, 0}, what);
    return {Value::Table{}, {name, 0, 0}};
  }
}

std::string to_text(const Value& value) {
  const auto* text = value.as<std::string>();
  return text != nullptr ? *text : inline_text(value);
}

std::string to_toml(const Value& table) {
  std::string out;
  if (const auto* root = table.as<Value::Table>()) write_table(*root, "", out);
  return out;
}

}  // namespace convoy::base
