#include "sim/scenario/identity.hpp"

#include <cmath>
#include <filesystem>
#include <system_error>

#include "base/text.hpp"

namespace convoy::sim {
namespace {

using base::Value;

// Identifies data and weights given by path, by labels and sizes.
std::string data_signature(const Scenario& scenario) {
  std::string text;
  if (scenario.source && scenario.data.source != "glyphs") {
    for (const int label : scenario.source->labels()) text += std::to_string(label) + " ";
    text += std::to_string(scenario.source->test_size());
  }
  std::error_code ignored;
  if (!scenario.initial_weights.empty()) {
    text += std::to_string(std::filesystem::file_size(scenario.initial_weights, ignored));
  }
  return text;
}

// 2, 2.0 and 2e0 are equal, and so are scenarios that differ only in that. Except `participants`,
// where 1 means one node and 1.0 all of them.
void unify_numbers(Value& value) {
  constexpr double exact = 9007199254740992;  // up to here every integer is a double
  if (const double* number = value.as<double>()) {
    if (std::trunc(*number) == *number && std::abs(*number) <= exact) {
      value.data = static_cast<std::int64_t>(*number);
    }
  } else if (auto* array = value.as<Value::Array>()) {
    for (Value& item : *array) unify_numbers(item);
  } else if (auto* table = value.as<Value::Table>()) {
    for (base::Entry& entry : *table) {
      if (entry.key != "participants") unify_numbers(entry.value);
    }
  }
}

}  // namespace

void identify(Scenario& scenario, Value root, const std::string& files) {
  root.erase("sweep");
  root.erase("output");
  scenario.resolved = to_toml(root);
  unify_numbers(root);
  const std::string rest = files + data_signature(scenario);
  scenario.hash = base::content_hash(to_toml(root) + rest);
  // Stop goals and accuracy targets do not change the course of a run.
  root.erase("stop");
  if (Value* evaluation = root.find("evaluation")) evaluation->erase("target");
  scenario.course = base::content_hash(to_toml(root) + rest);
}

}  // namespace convoy::sim
