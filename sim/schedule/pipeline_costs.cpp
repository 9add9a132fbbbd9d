#include "sim/schedule/pipeline_costs.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <utility>

#include "base/diagnostics.hpp"
#include "base/text.hpp"
#include "platforms/roofline.hpp"

namespace convoy::sim {
namespace {

using engine::Pass;
using engine::Stage;

constexpr double unbounded = std::numeric_limits<double>::infinity();

std::size_t nth(int i) { return static_cast<std::size_t>(i); }

double rate_of(double bps) { return bps > 0 ? bps / 8 : 1e15; }

bool is_between_blocks(const engine::Trace& trace, int cut) {
  return engine::name_of_cut(trace, cut).find('.') == std::string::npos;
}

}  // namespace

PipelineModel::PipelineModel(std::shared_ptr<const Setting> setting,
                             const PipelineModelOptions& options)
    : setting_(std::move(setting)),
      options_(options),
      trace_(
          engine::trace(*setting_->architecture, engine::full_submodel(*setting_->architecture))) {
  if (setting_->fixed) {
    throw base::UserError(
        "training.fixed_cost: what a stage of a pipeline costs follows from the model's layers; "
        "leave it out, or choose a schedule that does not split the model");
  }
  find_pieces();
  find_kinds();
}

void PipelineModel::find_pieces() {
  const int layers = engine::whole(trace_).last;
  int begin = 0;  // of the piece at hand
  int best = 0;   // the cut that ends it, so far
  double bytes = unbounded;
  const auto end_at = [&](int cut) {
    ends_.push_back(cut);
    begin = cut;
    best = 0;
    bytes = unbounded;
  };
  for (const int cut : engine::cuts(trace_)) {
    if (options_.places == PipelinePlaces::blocks && !is_between_blocks(trace_, cut)) continue;
    if (engine::parameters(trace_, {cut, layers}) == 0) break;
    // Behind the best so far something has parameters: that was the last position before them.
    if (best > 0 && engine::parameters(trace_, {best, cut}) > 0) end_at(best);
    if (engine::parameters(trace_, {begin, cut}) == 0) continue;
    const double here = engine::bytes_forward(trace_, cut, 1, setting_->precision);
    if (here > bytes) continue;
    best = cut;
    bytes = here;
  }
  if (best > 0) end_at(best);
  ends_.push_back(layers);
  parameters_.push_back(0);
  buffers_.push_back(0);
  begin = 0;
  for (const int end : ends_) {
    parameters_.push_back(parameters_.back() + engine::parameters(trace_, {begin, end}));
    buffers_.push_back(buffers_.back() + engine::buffers(trace_, {begin, end}));
    begin = end;
    if (end == layers) {
      const std::string& path = trace_.layers.back().path;
      names_.push_back(path.substr(0, path.find('.')));
      forward_bytes_.push_back(0);
      backward_bytes_.push_back(0);
      continue;
    }
    names_.push_back(engine::name_of_cut(trace_, end));
    forward_bytes_.push_back(engine::bytes_forward(trace_, end, 1, setting_->precision));
    backward_bytes_.push_back(engine::bytes_backward(trace_, end, 1, setting_->precision));
  }
}

void PipelineModel::find_kinds() {
  for (const NodeSetting& node : setting_->nodes) {
    const auto known = std::ranges::find(machines_, node.machine);
    kinds_.push_back(static_cast<int>(known - machines_.begin()));
    if (known == machines_.end()) machines_.push_back(node.machine);
  }
}

const std::string& PipelineModel::name(int layer) const { return names_.at(nth(layer)); }

Stage PipelineModel::stage(LayerRange range) const {
  return {range.first > 0 ? ends_.at(nth(range.first - 1)) : 0, ends_.at(nth(range.last - 1))};
}

int PipelineModel::read(const std::string& text, const std::string& key) const {
  if (text == "end") return layers();
  const int cut = engine::read_cut(trace_, text, key);
  const auto nearest =
      std::ranges::min_element(ends_, {}, [&](int end) { return std::abs(end - cut); });
  if (*nearest == cut) return static_cast<int>(nearest - ends_.begin()) + 1;
  const auto place = nearest + 1 == ends_.end() && nearest != ends_.begin() ? nearest - 1 : nearest;
  throw base::UserError(fmt::format(
      "{}: stages do not end at \"{}\"{}; the nearest end is \"{}\"", key, text,
      options_.places == PipelinePlaces::blocks ? ", since the model is cut between blocks" : "",
      names_.at(static_cast<std::size_t>(place - ends_.begin()))));
}

const platforms::Machine& PipelineModel::machine(int kind) const {
  return *machines_.at(nth(kind));
}

engine::StepCost PipelineModel::kernels(const Key& key) const {
  std::vector<Pass> passes;
  switch (key.work) {
    case Work::forward:
      passes = {Pass::forward};
      break;
    case Work::backward:
      passes = {Pass::backward};
      break;
    case Work::backward_again:
      passes = {Pass::backward, Pass::accumulate};
      break;
    case Work::update:
      passes = {Pass::update};
      break;
  }
  if (options_.recompute && (key.work == Work::backward || key.work == Work::backward_again)) {
    passes.insert(passes.begin(), Pass::forward);
  }
  engine::StepCost all;
  for (const Pass pass : passes) {
    const engine::StepCost one = engine::stage_step(
        trace_, stage(key.range), pass, setting_->optimizer, key.samples, setting_->precision);
    all.kernels.insert(all.kernels.end(), one.kernels.begin(), one.kernels.end());
  }
  return all;
}

const StagePass& PipelineModel::pass(int kind, const Key& key) const {
  std::vector<StagePass>& all = passes_[key];
  if (all.empty()) {
    const engine::StepCost cost = kernels(key);
    for (const auto& machine : machines_) {
      const platforms::Prediction one = platforms::predict(cost, *machine);
      all.push_back({one.seconds, one.watts, cost.flops()});
    }
  }
  return all.at(nth(kind));
}

const StagePass& PipelineModel::forward(int kind, LayerRange range, int samples) const {
  return pass(kind, {Work::forward, range, samples});
}

const StagePass& PipelineModel::backward(int kind, LayerRange range, int samples,
                                         bool accumulates) const {
  return pass(kind, {accumulates ? Work::backward_again : Work::backward, range, samples});
}

const StagePass& PipelineModel::update(int kind, LayerRange range) const {
  return pass(kind, {Work::update, range, 0});
}

double PipelineModel::forward_bytes(int layer, int samples) const {
  return forward_bytes_.at(nth(layer)) * samples;
}

double PipelineModel::backward_bytes(int layer, int samples) const {
  return backward_bytes_.at(nth(layer)) * samples;
}

double PipelineModel::gradient_bytes(LayerRange range) const {
  return (parameters_.at(nth(range.last)) - parameters_.at(nth(range.first))) *
         engine::bytes_per_value;
}

double PipelineModel::copy_bytes(LayerRange range) const {
  return gradient_bytes(range) +
         (buffers_.at(nth(range.last)) - buffers_.at(nth(range.first))) * engine::bytes_per_value;
}

// The optimizer's state does not depend on the micro-batch.
double PipelineModel::kept_bytes(LayerRange range) const { return memory(range, 1).kept; }

double PipelineModel::stash_bytes(LayerRange range, int samples) const {
  return memory(range, samples).stash;
}

double PipelineModel::peak_bytes(LayerRange range, int samples, int stashes,
                                 bool accumulates) const {
  const Memory& m = memory(range, samples);
  const double passes = accumulates ? m.first_again : m.first;
  return std::max(passes + (stashes - 1) * m.stash, accumulates ? m.update_again : m.update);
}

const PipelineModel::Memory& PipelineModel::memory(LayerRange range, int samples) const {
  const auto [found, is_new] = memory_.try_emplace({Work::forward, range, samples});
  Memory& m = found->second;
  if (!is_new) return m;
  const Stage stage = this->stage(range);
  m.stash = engine::stash(trace_, stage, samples, options_.recompute, setting_->precision).total();
  // The peak of the passes rises with each stash, the update's does not: with very many the passes
  // have the larger one.
  constexpr int many = 4096;
  const auto peak = [&](int stashes, bool accumulates) {
    return engine::stage_memory(trace_, stage, setting_->optimizer,
                                {.microbatch = samples,
                                 .stashes = stashes,
                                 .accumulates = accumulates,
                                 .recompute = options_.recompute},
                                setting_->precision);
  };
  const auto without_stashes = [&](bool accumulates) {
    return peak(many, accumulates).total() - (many - 1) * m.stash;
  };
  const engine::MemoryCost one = peak(1, false);
  m.kept = copy_bytes(range) + one.optimizer;
  m.update = one.total();
  m.update_again = peak(1, true).total();
  m.first = without_stashes(false);
  m.first_again = without_stashes(true);
  return m;
}

int ModelCosts::kind(const Kind& kind) {
  const auto known = std::ranges::find(kinds_, kind);
  const auto number = static_cast<int>(known - kinds_.begin());
  if (known == kinds_.end()) kinds_.push_back(kind);
  return number;
}

double ModelCosts::forward_s(int kind, LayerRange range, int samples) const {
  const Kind& k = this->kind(kind);
  return model_->forward(k.machine, range, samples).seconds / k.speed;
}

double ModelCosts::backward_s(int kind, LayerRange range, int samples) const {
  const Kind& k = this->kind(kind);
  return model_->backward(k.machine, range, samples, accumulates()).seconds / k.speed;
}

double ModelCosts::step_s(int kind, LayerRange range) const {
  const Kind& k = this->kind(kind);
  return model_->update(k.machine, range).seconds / k.speed;
}

double ModelCosts::forward_bytes(int layer, int samples) const {
  return model_->forward_bytes(layer, samples);
}

double ModelCosts::backward_bytes(int layer, int samples) const {
  return model_->backward_bytes(layer, samples);
}

double ModelCosts::weight_bytes(LayerRange range) const { return model_->gradient_bytes(range); }

double ModelCosts::memory_bytes(LayerRange range, int samples, int stashes, int versions) const {
  const double old = (versions - 1) * model_->copy_bytes(range);
  if (!accumulates()) return old + model_->peak_bytes(range, samples, stashes, false);
  if (stashes < microbatches_) return old + model_->peak_bytes(range, samples, stashes, true);
  return old + std::max(model_->peak_bytes(range, samples, microbatches_, false),
                        model_->peak_bytes(range, samples, microbatches_ - 1, true));
}

PipelineCase::PipelineCase(const Setting& setting,
                           const std::shared_ptr<const PipelineModel>& model, PipelineAsked asked)
    : asked_(std::move(asked)),
      costs_(std::make_shared<ModelCosts>(model, asked_.microbatches, asked_.steps_each)) {
  problem_.costs = costs_.get();
  problem_.microbatch = asked_.microbatch;
  problem_.microbatches = asked_.microbatches;
  for (std::size_t i = 0; i < asked_.nodes.size(); ++i) {
    const NodeSetting& node = setting.nodes[asked_.nodes[i]];
    const double speed = asked_.speeds.empty() ? 1 : asked_.speeds.at(i);
    const platforms::Machine& machine = *node.machine;
    problem_.devices.push_back(
        {.name = node.name.of(asked_.nodes[i]),
         .kind = costs_->kind({model->kind(asked_.nodes[i]), speed}),
         .memory_bytes =
             machine.memory > 0 ? std::max(0.0, machine.memory - machine.context) : unbounded,
         .is_half_duplex = node.link.duplex == platforms::Duplex::half});
  }
  double largest = 0;  // latencies of links
  double second = 0;
  for (const NodeId from : asked_.nodes) {
    const platforms::Link& sends = setting.nodes[from].link;
    for (const NodeId to : asked_.nodes) {
      const platforms::Link& receives = setting.nodes[to].link;
      problem_.bandwidth_bytes_per_s.push_back(
          std::min(rate_of(sends.up_bps), rate_of(receives.down_bps)));
    }
    second = std::max(second, std::min(largest, sends.latency_s));
    largest = std::max(largest, sends.latency_s);
  }
  problem_.latency_s = largest + second;
}

}  // namespace convoy::sim
