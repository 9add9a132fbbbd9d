#include "engine/api/work.hpp"

#include <cstdint>
#include <limits>
#include <type_traits>
#include <utility>
#include <vector>

namespace convoy::engine {
namespace {

using base::Value;

// Writes fields into a table.
class FieldWriter {
 public:
  void operator()(const char* key, double value, base::Range = {}) { put(key, value); }
  void operator()(const char* key, int value, base::Range = {}) { put(key, std::int64_t{value}); }
  void operator()(const char* key, bool value) { put(key, value); }
  void operator()(const char* key, const std::optional<int>& value, base::Range = {}) {
    if (value) put(key, std::int64_t{*value});
  }
  void operator()(const char* key, const std::optional<double>& value, base::Range = {}) {
    if (value) put(key, *value);
  }

  void operator()(const char* key, const std::optional<bool>& value) {
    if (value) put(key, *value);
  }
  void operator()(const char* key, const std::vector<double>& values, base::Range = {}) {
    Value::Array array;
    for (const double v : values) array.emplace_back(v, base::Location{});
    put(key, std::move(array));
  }

  void put(const char* key, Value::Data data) { table_.set(key, Value(std::move(data), {})); }
  [[nodiscard]] std::string text() const { return base::to_toml(table_); }

 private:
  Value table_;
};

// Reads fields from a table; missing ones keep their defaults.
class FieldReader {
 public:
  explicit FieldReader(base::TableReader& reader) : reader_(reader) {}
  void operator()(const char* key, double& value, base::Range range) {
    value = reader_.number(key, range, value);
  }
  void operator()(const char* key, int& value, base::Range range) {
    value = static_cast<int>(reader_.integer(key, within_int(range), value));
  }
  void operator()(const char* key, bool& value) { value = reader_.flag(key, value); }
  void operator()(const char* key, std::optional<double>& value, base::Range range) {
    if (const auto found = reader_.maybe_number(key, range)) value = found;
  }
  void operator()(const char* key, std::optional<int>& value, base::Range range) {
    if (const auto found = reader_.maybe_integer(key, within_int(range))) {
      value = static_cast<int>(*found);
    }
  }
  void operator()(const char* key, std::optional<bool>& value) {
    if (reader_.has(key)) value = reader_.flag(key, false);
  }
  void operator()(const char* key, std::vector<double>& values, base::Range range) {
    values = reader_.numbers(key, range, values);
  }

 private:
  static base::Range within_int(base::Range range) {
    range.high = std::min<double>(range.high, std::numeric_limits<int>::max());
    return range;
  }

  base::TableReader& reader_;
};

// Parses a text and reads its table; reports all problems together.
template <class Read>
auto read_text(const std::string& text, const std::string& from, Read read) {
  base::Diagnostics problems;
  const Value root = base::parse_toml(text, from, problems);
  if (problems.has_errors()) throw base::UserError(problems.str());
  base::TableReader reader(root, "", problems);
  auto made = read(reader);
  reader.finish();
  if (problems.has_errors()) throw base::UserError(problems.str());
  return made;
}

template <std::size_t... i>
std::vector<std::string> kinds_of(std::index_sequence<i...>) {
  return {std::variant_alternative_t<i + 1, Work>::kind...};
}

// Reads the alternative number i.
template <std::size_t i = 1>
Work read_alternative(std::size_t number, base::TableReader& reader) {
  if constexpr (i < std::variant_size_v<Work>) {
    if (number != i) return read_alternative<i + 1>(number, reader);
    using Alternative = std::variant_alternative_t<i, Work>;
    Alternative work;
    FieldReader fields(reader);
    Alternative::fields(work, fields);
    return work;
  } else {
    return {};
  }
}

}  // namespace

std::string to_text(const Work& work) {
  return std::visit(
      [](const auto& w) -> std::string {
        using Alternative = std::decay_t<decltype(w)>;
        if constexpr (std::is_same_v<Alternative, std::monostate>) {
          return "";
        } else {
          FieldWriter fields;
          fields.put("kind", std::string(Alternative::kind));
          Alternative::fields(w, fields);
          return fields.text();
        }
      },
      work);
}

std::string to_text(const TaskBrief& brief) {
  FieldWriter fields;
  TaskBrief::fields(brief, fields);
  return fields.text();
}

Work read_work(const std::string& text, const std::string& from) {
  if (text.empty()) return {};
  static const std::vector<std::string> kinds =
      kinds_of(std::make_index_sequence<std::variant_size_v<Work> - 1>());
  return read_text(text, from, [](base::TableReader& reader) {
    return read_alternative(1 + reader.choice("kind", kinds), reader);
  });
}

TaskBrief read_brief(const std::string& text, const std::string& from) {
  if (text.empty()) throw base::UserError(from + ": does not say what the task is");
  return read_text(text, from, [](base::TableReader& reader) {
    TaskBrief brief;
    FieldReader fields(reader);
    TaskBrief::fields(brief, fields);
    return brief;
  });
}

}  // namespace convoy::engine
