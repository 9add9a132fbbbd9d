#include "sim/schedule/split_batch.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/diagnostics.hpp"
#include "sim/schedule/training_steps.hpp"

namespace convoy::sim {
namespace {

using engine::Pass;
using engine::Stage;

constexpr double label_bytes = 8;  // of a sample; LibTorch's are 64-bit integers

// Throws base::UserError where the model cannot be cut so.
SplitParts parts_of(const engine::Architecture& a, const engine::Trace& trace, int cut, int tail) {
  const int layers = engine::whole(trace).last;
  engine::read_cut(trace, std::to_string(cut), "cut");
  if (tail == 0) return {{0, cut}, {cut, layers}, {}};
  engine::read_cut(trace, std::to_string(tail), "tail");
  if (tail <= cut) {
    throw base::UserError(fmt::format(
        "tail: the layers behind \"{}\" stay on the device, and it has all up to \"{}\" already; "
        "the tail must begin behind the cut",
        engine::name_of_cut(trace, tail), engine::name_of_cut(trace, cut)));
  }
  const SplitParts parts{{0, cut}, {cut, tail}, {tail, layers}};
  if (engine::exits_in(trace, parts.middle) > 0) {
    throw base::UserError(
        fmt::format("tail: labels are to stay on the device, and {} has an exit between \"{}\" and "
                    "\"{}\", at the server; leave it out of model.exits, or cut elsewhere",
                    a.name, engine::name_of_cut(trace, cut), engine::name_of_cut(trace, tail)));
  }
  return parts;
}

// The cut of another model nearest to a share of its layers, behind a position and with so many
// cuts left behind it.
int cut_at(const engine::Architecture& a, const engine::Trace& trace, double share, int behind,
           int left) {
  std::vector<int> cuts = engine::cuts(trace);
  std::erase_if(cuts, [&](int cut) { return cut <= behind; });
  if (static_cast<int>(cuts.size()) <= left) {
    throw base::UserError(fmt::format(
        "training.learn_as: {} has too few places where it can be cut; learn another model",
        a.name));
  }
  cuts.resize(cuts.size() - static_cast<std::size_t>(left));
  const double at = share * engine::whole(trace).last;
  return *std::ranges::min_element(cuts, {}, [&](int cut) { return std::abs(cut - at); });
}

// The parts of the model that is learned.
SplitParts learned_parts(const Setting& setting, const engine::Trace& trace,
                         const SplitWork& work) {
  const engine::Architecture& a = *setting.learned_as;
  const engine::Trace learned = engine::trace(a, engine::full_submodel(a));
  const double layers = engine::whole(trace).last;
  const int cut = cut_at(a, learned, work.cut / layers, 0, work.tail > 0 ? 1 : 0);
  const int tail = work.tail > 0 ? cut_at(a, learned, work.tail / layers, cut, 0) : 0;
  return parts_of(a, learned, cut, tail);
}

SplitMove transfer(const char* label, int to) {
  SplitMove move;
  move.activity = {.kind = ActivityKind::transfer, .label = label, .at = 1 - to, .to = to};
  return move;
}

}  // namespace

SplitBatches::SplitBatches(const Setting& setting, const NodeSetting& node, const LocalWork& work)
    : setting_(setting),
      node_(node),
      work_(work.split.value()),
      trace_(engine::trace(*setting.architecture, engine::full_submodel(*setting.architecture))) {
  if (setting.fixed) {
    throw base::UserError(
        "training.fixed_cost: what a split task computes and sends follows from its batches and "
        "from where the model is cut; leave it out");
  }
  if (work_.shared && work_.tail > 0) {
    throw base::UserError(
        "labels: a server's part that all devices step in turn needs the labels: between a forward "
        "pass and its backward pass others would change it; leave labels at the server");
  }
  parts_ = parts_of(*setting.architecture, trace_, work_.cut, work_.tail);
  learned_ = setting.learned_as ? learned_parts(setting, trace_, work_) : parts_;
  epoch_ = engine::plan_epoch(node.samples, node.batch, engine::needs_two_samples(trace_));
  counts_ = engine::count_batches(epoch_, work.weight_epochs, work.weight_steps);
}

double SplitBatches::bytes_of(const Stage& stage) const {
  return stage.last > 0 ? engine::transfer_bytes(trace_, stage) : 0;
}

double SplitBatches::node_keeps() const {
  return node_.machine->context + keeps(parts_.front) +
         (parts_.has_tail() ? keeps(parts_.tail) : 0);
}

std::vector<SplitMove> SplitBatches::batch(int n) const {
  std::vector<SplitMove> moves;
  moves.push_back(forward("forward", split_worker, parts_.front, learned_.front, n));
  moves.push_back(transfer("activations", split_server));
  if (parts_.has_tail()) {
    moves.push_back(forward("server forward", split_server, parts_.middle, learned_.middle, n));
    moves.push_back(transfer("activations", split_worker));
    moves.push_back(at_once("tail", split_worker, parts_.tail, learned_.tail, n));
    moves.push_back(transfer("gradients", split_server));
    moves.push_back(backward("server backward", split_server, parts_.middle, learned_.middle, n));
  } else {
    moves.push_back(at_once("server", split_server, parts_.middle, learned_.middle, n));
  }
  moves.push_back(transfer("gradients", split_worker));
  moves.push_back(backward("backward", split_worker, parts_.front, learned_.front, n));
  return moves;
}

SplitMove SplitBatches::forward(const char* label, int at, const Stage& stage, const Stage& learned,
                                int n) const {
  SplitMove move = compute(label, at, stage, {Pass::forward}, n);
  move.activity.work = engine::Forward{.first = learned.first,
                                       .last = learned.last,
                                       .recompute = work_.recompute,
                                       .labels = !parts_.has_tail()};
  move.product = "activation";
  move.bytes = engine::bytes_forward(trace_, stage.last, n, setting_.precision);
  if (!parts_.has_tail()) move.bytes += label_bytes * n;
  move.held = stash(stage, n);
  move.activity.memory = above(stage, n, work_.recompute, move.held);
  return move;
}

SplitMove SplitBatches::backward(const char* label, int at, const Stage& stage,
                                 const Stage& learned, int n) const {
  std::vector<Pass> passes = {Pass::backward, Pass::update};
  if (work_.recompute) passes.insert(passes.begin(), Pass::forward);
  SplitMove move = compute(label, at, stage, passes, n);
  move.activity.work = engine::Backward{.first = learned.first, .last = learned.last, .step = true};
  move.activity.memory = above(stage, n, work_.recompute, stash(stage, n));
  move.takes_stash = true;
  return move;
}

SplitMove SplitBatches::at_once(const char* label, int at, const Stage& stage, const Stage& learned,
                                int n) const {
  SplitMove move = compute(label, at, stage, {Pass::forward, Pass::backward, Pass::update}, n);
  move.activity.work = engine::TrainStage{.first = learned.first, .last = learned.last};
  move.activity.memory = above(stage, n, false, 0);
  // A part that many tasks step is there once: it counts while one of them does.
  if (at == split_server && work_.shared) move.activity.memory += server_keeps();
  return move;
}

SplitMove SplitBatches::compute(const char* label, int at, const Stage& stage,
                                const std::vector<Pass>& passes, int n) const {
  engine::StepCost step;
  for (const Pass pass : passes) {
    const engine::StepCost more =
        engine::stage_step(trace_, stage, pass, setting_.optimizer, n, setting_.precision);
    step.kernels.insert(step.kernels.end(), more.kernels.begin(), more.kernels.end());
  }
  const bool is_servers = at == split_server;
  Steps one;
  one.add(step, 1, is_servers ? *setting_.nodes.front().machine : *node_.machine);
  SplitMove move;
  move.activity = {.label = label,
                   .at = at,
                   .seconds = one.seconds,
                   .watts = one.watts(),
                   .share = is_servers ? work_.server_share : 0,
                   .flops = one.flops,
                   .at_least = is_servers && work_.server_share > 0 && work_.at_least};
  move.product = "gradient";
  if (stage.first > 0) {
    move.bytes = engine::bytes_backward(trace_, stage.first, n, setting_.precision);
  }
  return move;
}

engine::MemoryCost SplitBatches::peak(const Stage& stage, int n, bool recompute) const {
  return engine::stage_memory(trace_, stage, setting_.optimizer,
                              {.microbatch = n, .stashes = 1, .recompute = recompute},
                              setting_.precision);
}

double SplitBatches::keeps(const Stage& stage) const {
  return engine::transfer_bytes(trace_, stage) + peak(stage, 1, false).optimizer;
}

double SplitBatches::stash(const Stage& stage, int n) const {
  return engine::stash(trace_, stage, n, work_.recompute, setting_.precision).total();
}

double SplitBatches::above(const Stage& stage, int n, bool recompute, double held) const {
  return std::max(0.0, peak(stage, n, recompute).total() - keeps(stage) - held);
}

}  // namespace convoy::sim
