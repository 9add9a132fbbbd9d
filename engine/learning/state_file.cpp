// States of nodes, and of the server's rule, as safetensors.

#include <fmt/format.h>

#include <sstream>

#include "engine/learning/file_parts.hpp"
#include "engine/learning/files.hpp"

namespace convoy::engine {
namespace {

void put_rule(const Layout& layout, const RuleState& rule, TensorFile& file) {
  file.metadata["rule"] = fmt::format("{}", fmt::join(rule.names, " "));
  file.metadata["aggregations"] = std::to_string(rule.aggregations);
  file.metadata["sizes"] = fmt::format("{}", fmt::join(rule.sizes, " "));
  for (std::size_t s = 0; s < rule.slots.size(); ++s) {
    for (std::size_t i = 0; i < layout.size(); ++i) {
      const Tensor& t = rule.slots[s][i];
      if (!t.defined()) continue;
      file.tensors.emplace_back(fmt::format("rule:{}:{}", rule.names[s], layout.tensors[i].name),
                                t);
    }
  }
}

// Nothing where the file has no rule's state.
std::optional<RuleState> read_rule(TensorSource& source) {
  if (!source.says("rule")) return std::nullopt;
  const Layout& layout = source.layout();
  RuleState rule;
  rule.aggregations = source.whole("aggregations");
  std::istringstream words(source.text("rule"));
  for (std::string word; words >> word;) rule.names.push_back(word);
  rule.sizes = source.numbers("sizes");
  for (const std::string& slot : rule.names) {
    rule.slots.emplace_back(layout.size());
    for (std::size_t i = 0; i < layout.size(); ++i) {
      const ParameterTensor& p = layout.tensors[i];
      const std::string name = fmt::format("rule:{}:{}", slot, p.name);
      if (source.has(name)) rule.slots.back()[i] = source.get(name, p.shape);
    }
  }
  return rule;
}

}  // namespace

TensorFile to_file(const Layout& layout, const TensorState& state) {
  TensorFile file;
  put_submodel(layout, state.submodel, file);
  for (std::size_t g = 0; g < state.logits.size(); ++g) {
    if (!state.logits[g].defined()) continue;
    file.tensors.emplace_back("logits:" + layout.architecture->groups[g].name, state.logits[g]);
  }
  if (state.optimizer) put_optimizer(layout, *state.optimizer, "steps", file);
  for (std::size_t i = 0; i < state.residual.size(); ++i) {
    if (!state.residual[i].defined()) continue;
    file.tensors.emplace_back("residual:" + layout.tensors[i].name, state.residual[i]);
  }
  for (std::size_t i = 0; i < state.squares.size(); ++i) {
    if (!state.squares[i].defined()) continue;
    file.tensors.emplace_back("gathered:" + layout.tensors[i].name, state.squares[i]);
  }
  for (std::size_t i = 0; i < state.own.size(); ++i) {
    if (!state.own[i].defined()) continue;
    file.tensors.emplace_back("own:" + layout.tensors[i].name, state.own[i]);
  }
  if (state.rule) put_rule(layout, *state.rule, file);
  return file;
}

std::shared_ptr<const TensorState> state_from(const Layout& layout, TensorFile file,
                                              const std::string& from) {
  TensorSource source(layout, std::move(file), from);
  const Architecture& a = *layout.architecture;
  auto state = std::make_shared<TensorState>();
  state->submodel = read_submodel(source);
  state->logits.resize(a.groups.size());
  for (std::size_t g = 0; g < a.groups.size(); ++g) {
    const std::string name = "logits:" + a.groups[g].name;
    if (source.has(name)) state->logits[g] = source.get(name, {a.groups[g].size});
  }
  state->optimizer = read_optimizer(source, state->submodel, "steps");
  for (std::size_t i = 0; i < layout.size(); ++i) {
    const ParameterTensor& p = layout.tensors[i];
    const std::string name = "residual:" + p.name;
    if (!source.has(name)) continue;
    state->residual.resize(layout.size());
    state->residual[i] = source.get(name, shape_in(p, kept_of(p, a, state->submodel)));
  }
  for (std::size_t i = 0; i < layout.size(); ++i) {
    const ParameterTensor& p = layout.tensors[i];
    const std::string name = "gathered:" + p.name;
    if (!source.has(name)) continue;
    state->squares.resize(layout.size());
    state->squares[i] = source.squares(name, p.shape);
  }
  for (std::size_t i = 0; i < layout.size(); ++i) {
    const ParameterTensor& p = layout.tensors[i];
    const std::string name = "own:" + p.name;
    if (!source.has(name)) continue;
    state->own.resize(layout.size());
    state->own[i] = source.get(name, p.shape);
    source.check_variance(p, name, state->own[i]);
  }
  state->rule = read_rule(source);
  source.finish();
  return state;
}

}  // namespace convoy::engine
