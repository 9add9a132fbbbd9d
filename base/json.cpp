#include "base/json.hpp"

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <unordered_set>

namespace convoy::base {
namespace {

using Json = nlohmann::json;

constexpr std::size_t deepest = 100;

// Builds the tree while parsing, so that errors and limits stop it before it takes memory.
class Builder : public Json::json_sax_t {
 public:
  explicit Builder(Location where) : where_(std::move(where)) {}

  bool null() override { return refuse("null is no value here; leave the key out"); }
  bool boolean(bool value) override { return put(value); }
  bool number_integer(number_integer_t value) override { return put(std::int64_t{value}); }
  bool number_unsigned(number_unsigned_t value) override {
    constexpr auto most = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    if (value > most) return put(static_cast<double>(value));
    return put(static_cast<std::int64_t>(value));
  }
  bool number_float(number_float_t value, const string_t& /*text*/) override { return put(value); }
  bool string(string_t& value) override { return put(std::move(value)); }
  bool binary(binary_t& /*value*/) override { return refuse("bytes are no value here"); }
  bool start_object(std::size_t /*size*/) override { return open(Value::Table{}); }
  bool start_array(std::size_t /*size*/) override { return open(Value::Array{}); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(string_t& name) override {
    if (!names_.back().insert(name).second) {
      return refuse(fmt::format("\"{}\" is there twice", name));
    }
    keys_.back() = std::move(name);
    return true;
  }
  bool parse_error(std::size_t at, const std::string& /*last*/,
                   const nlohmann::detail::exception& /*e*/) override {
    return refuse(fmt::format("is no JSON from byte {} on", at));
  }

  [[nodiscard]] const std::string& problem() const { return problem_; }
  [[nodiscard]] Value result() { return std::move(result_); }

 private:
  bool refuse(std::string why) {
    problem_ = std::move(why);
    return false;
  }

  bool open(Value::Data empty) {
    if (open_.size() >= deepest) {
      return refuse(fmt::format("goes down more than {} levels", deepest));
    }
    open_.emplace_back(std::move(empty), where_);
    keys_.emplace_back();
    names_.emplace_back();
    return true;
  }

  bool close() {
    Value done = std::move(open_.back());
    open_.pop_back();
    keys_.pop_back();
    names_.pop_back();
    if (!open_.empty()) return put(std::move(done.data));
    result_ = std::move(done);
    return true;
  }

  bool put(Value::Data data) {
    if (open_.empty()) return refuse("an object is expected");
    Value value(std::move(data), where_);
    if (auto* array = open_.back().as<Value::Array>()) {
      array->push_back(std::move(value));
    } else {
      open_.back().as<Value::Table>()->push_back({keys_.back(), where_, std::move(value)});
    }
    return true;
  }

  Location where_;
  std::vector<Value> open_;
  std::vector<std::string> keys_;                       // the present key of each open object
  std::vector<std::unordered_set<std::string>> names_;  // all keys of each open object
  std::string problem_;
  Value result_;
};

nlohmann::ordered_json json_of(const Value& value) {
  struct Writer {
    nlohmann::ordered_json operator()(bool v) const { return v; }
    nlohmann::ordered_json operator()(std::int64_t v) const { return v; }
    nlohmann::ordered_json operator()(double v) const {
      if (std::isfinite(v)) return v;
      return std::isnan(v) ? "nan" : v > 0 ? "inf" : "-inf";
    }
    nlohmann::ordered_json operator()(const std::string& v) const { return v; }
    nlohmann::ordered_json operator()(const Value::Array& v) const {
      auto array = nlohmann::ordered_json::array();
      for (const Value& inner : v) array.push_back(json_of(inner));
      return array;
    }
    nlohmann::ordered_json operator()(const Value::Table& v) const {
      auto table = nlohmann::ordered_json::object();
      for (const Entry& e : v) table[e.key] = json_of(e.value);
      return table;
    }
  };
  return std::visit(Writer(), value.data);
}

}  // namespace

Value parse_json(std::string_view text, const std::string& file, Diagnostics& problems) {
  const Location where{std::make_shared<const std::string>(file), 0, 0};
  Builder builder(where);
  Json::sax_parse(text.begin(), text.end(), &builder);
  Value result = builder.result();
  if (builder.problem().empty() && result.as<Value::Table>() == nullptr) {
    problems.error(where, "an object is expected");
  }
  if (!builder.problem().empty()) problems.error(where, builder.problem());
  if (problems.has_errors()) return {Value::Table{}, where};
  return result;
}

std::string to_json(const Value& value) {
  return json_of(value).dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) +
         "\n";
}

}  // namespace convoy::base
