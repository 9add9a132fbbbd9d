#include "engine/learning/stage_session.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "engine/learning/encoded_update.hpp"
#include "engine/learning/own_layers.hpp"

namespace convoy::engine {
namespace {

// The first input of this kind, or null.
template <class Kind>
std::shared_ptr<const Kind> first_of(const std::vector<Input>& inputs) {
  for (const Input& input : inputs) {
    if (auto found = std::dynamic_pointer_cast<const Kind>(input.artifact)) return found;
  }
  return nullptr;
}

}  // namespace

StageSession::StageSession(const EngineContext& context, const TaskInput& input)
    : context_(context), input_(input) {
  if (!input_.received || inside(*input_.received).is_encoded()) {
    fail("there are no weights to train, or they came compressed");
  }
  refuse_options();
  const bool has_own = input_.brief.own_before.has_value();
  if (has_own && input_.brief.rate < 1) {
    fail("only who trains the full model can have layers of its own");
  }
  submodel_ = input_.part ? *input_.part : first_submodel(context_, input_);
  trace_ = trace(*context_.layout.architecture, submodel_);
  if (!has_own) return;
  own_ = own_stages(input_.brief, whole(trace_).last);
  if (!input_.state) return;
  input_.received = with_own(context_.layout, inside(*input_.received), inside(*input_.state));
}

void StageSession::fail(const std::string& what) const {
  throw base::UserError(fmt::format("node {}, task {}: {}", input_.node, input_.task, what));
}

void StageSession::refuse_options() const {
  const TrainingOptions& training = context_.training;
  const char* key = nullptr;
  if (input_.brief.proximal.value_or(training.proximal) > 0) key = "training.proximal";
  if (training.keep_optimizer) key = "training.optimizer_state = \"kept\"";
  if (context_.rules.labels.masked || context_.rules.labels.told) key = "masked labels";
  if (input_.brief.choose_masks && has_phase(context_.rules.mask.selection)) key = "learned masks";
  if (input_.brief.test_locally) key = "a test of the received model";
  if (!input_.brief.download().is_none()) key = "schedule.compression.download";
  if (key != nullptr) fail(fmt::format("a model in stages cannot be trained with {}", key));
}

Stage StageSession::stage_of(int first, int last) const {
  const int layers = whole(trace_).last;
  if (first < last && last <= layers) return {first, last};
  fail(fmt::format("there is no stage of the layers {} to {}; the model has {}", first, last - 1,
                   layers));
}

bool StageSession::is_own(const Stage& stage) const {
  return std::ranges::any_of(own_, [&](const Stage& own) {
    const bool overlaps = stage.first < own.last && own.first < stage.last;
    if (overlaps && (stage.first < own.first || stage.last > own.last)) {
      fail(fmt::format("of the layers {} to {} some are the node's own, and some are not",
                       stage.first, stage.last - 1));
    }
    return overlaps;
  });
}

StageSession::Part& StageSession::begun(int first, int last) {
  const Stage stage = stage_of(first, last);
  const auto found = parts_.find(first);
  if (found != parts_.end() && found->second.training.stage() == stage) return found->second;
  fail(fmt::format("nothing went forward through the layers {} to {}", first, last - 1));
}

StageSession::Part& StageSession::part(const Stage& stage, int node) {
  if (const auto found = parts_.find(stage.first); found != parts_.end()) {
    if (input_.shared || found->second.node == node) return begun(stage.first, stage.last);
    fail(
        fmt::format("samples of node {} come to a stage that trains with those of node {}; give "
                    "each node a task",
                    node, found->second.node));
  }
  for (const auto& [first, other] : parts_) {
    const Stage& there = other.training.stage();
    if (stage.first < there.last && there.first < stage.last) {
      fail(fmt::format("the layers {} to {} are in two of its stages",
                       std::max(stage.first, there.first), std::min(stage.last, there.last) - 1));
    }
  }
  static_cast<void>(is_own(stage));
  StageOptions options;
  options.name = fmt::format("node {}, task {}", input_.node, input_.task);
  options.optimizer = context_.training.optimizer;
  options.learning_rate =
      options.optimizer.learning_rate * context_.training.rate_schedule.at(input_.version);
  options.clip = context_.training.clip;
  options.transfer = context_.rules.transfer;
  options.transfer.weight = options.transfer.weight_at(input_.version);
  options.rate = context_.rules.scaled ? input_.brief.rate : 1;
  options.static_norms = context_.rules.static_norms;
  options.draws =
      task_seed(context_.seed, input_.shared ? input_.node : node, input_.task, stage_draws);
  StageTraining training(context_.layout, submodel_, stage, inside(*input_.received),
                         context_.device, std::move(options));
  return parts_.emplace(stage.first, Part{std::move(training), node, {}, {}, true}).first->second;
}

std::shared_ptr<const Activation> StageSession::own(const Forward& work) {
  const std::vector<std::int64_t>& samples =
      context_.parts.at(static_cast<std::size_t>(input_.node)).train;
  if (samples.empty()) fail("it has no data to train on");
  if (!order_) {
    plan_ = plan_epoch(static_cast<std::int64_t>(samples.size()), input_.brief.batch,
                       needs_two_samples(trace_));
    order_.emplace(samples, *plan_,
                   task_seed(context_.seed, input_.node, input_.task, weight_phase));
  }
  const auto found = parts_.find(0);
  const std::int64_t step = found == parts_.end() ? 0 : found->second.training.steps();
  const auto batch = order_->batch(step);
  const auto n = static_cast<std::int64_t>(batch.size());
  const std::int64_t from = begin_of_microbatch(n, work.microbatch, work.microbatches);
  const std::int64_t to = begin_of_microbatch(n, work.microbatch + 1, work.microbatches);
  if (from == to) {
    fail(fmt::format(
        "a batch of {} samples cannot be split into {} micro-batches, but into {}; give "
        "it more samples or take fewer micro-batches",
        n, work.microbatches, microbatches_of(n, work.microbatches, needs_two_samples(trace_))));
  }
  if (step != own_step_) {
    own_before_ += own_microbatches_;
    own_step_ = step;
    own_microbatches_ = work.microbatches;
  }
  const Batch taken = context_.train->batch(
      batch.subspan(static_cast<std::size_t>(from), static_cast<std::size_t>(to - from)));
  auto activation = std::make_shared<Activation>();
  activation->of = {.number = work.microbatch,
                    .counted = own_before_ + work.microbatch,
                    .node = input_.node,
                    .node_samples = static_cast<double>(samples.size()),
                    .samples = to - from,
                    .share = static_cast<double>(to - from) / static_cast<double>(n)};
  activation->tensors.emplace(0, taken.input);
  activation->labels = taken.labels;
  labels_[activation->of.counted] = taken.labels;
  return activation;
}

std::shared_ptr<const Artifact> StageSession::forward(const Forward& work,
                                                      const std::vector<Input>& inputs) {
  const Stage stage = stage_of(work.first, work.last);
  if (work.microbatch >= work.microbatches) {
    fail(fmt::format("there is no micro-batch {} of {}", work.microbatch, work.microbatches));
  }
  if (input_.shared) fail("a session that several tasks share trains whole batches only");
  const auto came = stage.first == 0 ? own(work) : first_of<Activation>(inputs);
  if (!came || came->cut != stage.first || came->of.number != work.microbatch) {
    fail(fmt::format("micro-batch {} did not come to layer {}", work.microbatch, stage.first));
  }
  Part& part = this->part(stage, came->of.node);
  enter(part, work);
  Tensor labels = came->labels;
  if (const auto found = labels_.find(came->of.counted);
      found != labels_.end() && came->of.node == input_.node) {
    labels = found->second;
  }
  std::optional<Targets> targets;
  if (labels.defined()) targets = Targets{labels, came->of.share};
  auto sent = std::make_shared<Activation>();
  sent->of = came->of;
  sent->cut = stage.last;
  sent->tensors = part.training.forward(came->of.counted, came->tensors, targets, work.recompute);
  if (work.labels) sent->labels = came->labels;
  part.open[work.microbatch] = came->of;
  part.samples_of[came->of.node] = came->of.node_samples;
  return sent;
}

void StageSession::enter(Part& part, const Forward& work) const {
  if (part.open.empty() && part.back.empty()) part.microbatches = work.microbatches;
  if (work.microbatches != part.microbatches) {
    fail(
        fmt::format("micro-batch {} of {} comes to layer {} in a step of {} micro-batches; the "
                    "number can only change behind a step",
                    work.microbatch, work.microbatches, work.first, part.microbatches));
  }
  if (part.open.contains(work.microbatch) || part.back.contains(work.microbatch)) {
    fail(fmt::format("micro-batch {} comes to layer {} twice in a step", work.microbatch,
                     work.first));
  }
}

std::shared_ptr<const Artifact> StageSession::backward(const Backward& work,
                                                       const std::vector<Input>& inputs) {
  Part& part = begun(work.first, work.last);
  const auto open = part.open.find(work.microbatch);
  if (open == part.open.end()) {
    fail(fmt::format("micro-batch {} is to come back through layer {} and did not go forward",
                     work.microbatch, work.first));
  }
  const MicroBatch of = open->second;
  const auto came = first_of<Gradient>(inputs);
  const bool is_last = part.training.stage().last == whole(trace_).last;
  const bool fits = came && came->cut == work.last && came->of.counted == of.counted;
  if (is_last ? came != nullptr : !fits) {
    fail(fmt::format("the gradient of micro-batch {} did not come to layer {}", work.microbatch,
                     work.last - 1));
  }
  auto sent = std::make_shared<Gradient>();
  sent->of = of;
  sent->cut = work.first;
  const double before = part.training.losses();
  sent->tensors = part.training.backward(of.counted, came ? came->tensors : Boundary());
  sent->loss = (part.training.losses() - before) / static_cast<double>(of.samples);
  if (came) sent->loss += came->loss;
  part.is_finite = part.is_finite && (!came || came->is_finite);
  sent->is_finite = part.is_finite && part.training.is_finite();
  part.open.erase(open);
  part.back.insert(work.microbatch);
  if (work.first == 0) {
    labels_.erase(of.counted);
    losses_ += sent->loss * static_cast<double>(of.samples);
    samples_ += of.samples;
  }
  if (work.step) step(part);
  return sent;
}

void StageSession::step(Part& part) {
  std::vector<int> missing;
  for (int m = 0; m < part.microbatches; ++m) {
    if (!part.back.contains(m)) missing.push_back(m);
  }
  if (!missing.empty() && missing.size() < static_cast<std::size_t>(part.microbatches)) {
    fail(fmt::format("the layers {} to {} are to step before the micro-batches {} of {} are back",
                     part.training.stage().first, part.training.stage().last - 1,
                     fmt::join(missing, " "), part.microbatches));
  }
  part.training.step();
  part.back.clear();
  if (part.training.stage().first == 0 && input_.progress) ++input_.progress->done;
}

std::shared_ptr<const Artifact> StageSession::step(const Step& work) {
  Part& part = begun(work.first, work.last);
  step(part);
  return update_of(part);
}

std::shared_ptr<const Artifact> StageSession::train(const TrainStage& work,
                                                    const std::vector<Input>& inputs) {
  const Stage stage = stage_of(work.first, work.last);
  if (const int layers = whole(trace_).last; stage.last != layers) {
    fail(
        fmt::format("the layers {} to {} are to go forward and back at once, and those behind them "
                    "are elsewhere; the model has {}",
                    stage.first, stage.last - 1, layers));
  }
  if (input_.shared) return train_next(stage, inputs);
  forward({.first = work.first,
           .last = work.last,
           .microbatch = work.microbatch,
           .microbatches = work.microbatches},
          inputs);
  return backward({.first = work.first,
                   .last = work.last,
                   .microbatch = work.microbatch,
                   .step = work.microbatch + 1 == work.microbatches},
                  {});
}

// Of a session that several tasks share: each node counts its own batches from 0, the session all.
std::shared_ptr<const Artifact> StageSession::train_next(const Stage& stage,
                                                         const std::vector<Input>& inputs) {
  const auto came = first_of<Activation>(inputs);
  if (!came || came->cut != stage.first) {
    fail(fmt::format("no batch came to layer {}", stage.first));
  }
  if (!came->labels.defined() || came->of.share < 1) {
    fail(
        fmt::format("what came to layer {} is no whole batch with its labels, and cannot be "
                    "trained at once",
                    stage.first));
  }
  Part& part = this->part(stage, came->of.node);
  auto sent = std::make_shared<Gradient>();
  sent->of = came->of;
  sent->cut = stage.first;
  const double before = part.training.losses();
  auto gradients = part.training.train(came->tensors, {came->labels, came->of.share});
  sent->is_finite = gradients.has_value();
  if (gradients) {
    part.samples_of[came->of.node] = came->of.node_samples;
    sent->tensors = std::move(*gradients);
    sent->loss = (part.training.losses() - before) / static_cast<double>(came->of.samples);
  } else {
    sent->tensors = part.training.no_gradients(came->tensors);
    sent->loss = std::numeric_limits<double>::quiet_NaN();
  }
  return sent;
}

std::shared_ptr<const Artifact> StageSession::take(const TakeStage& work) {
  const Part& part = begun(work.first, work.last);
  if (is_own(part.training.stage())) {
    fail(fmt::format("the layers {} to {} are the node's own, and nobody takes their update",
                     work.first, work.last - 1));
  }
  if (!part.open.empty()) {
    fail(
        fmt::format("the update of the layers {} to {} is to be taken before micro-batch {} is "
                    "back",
                    work.first, work.last - 1, part.open.begin()->first));
  }
  return update_of(part);
}

std::shared_ptr<const StageUpdate> StageSession::update_of(const Part& part) const {
  auto update = std::make_shared<StageUpdate>();
  update->submodel = submodel_;
  update->rate = input_.brief.rate;
  for (const auto& [node, samples] : part.samples_of) update->samples += samples;
  update->base_version = input_.version;
  update->steps = part.training.steps();
  update->stage = part.training.stage();
  update->brings = part.training.changes(inside(*input_.received));
  update->is_finite =
      part.is_finite && part.training.is_finite() && engine::is_finite(update->brings);
  return update;
}

Tensors StageSession::own_layers() const {
  Tensors own = input_.state ? inside(*input_.state).own : Tensors();
  for (const auto& [first, part] : parts_) {
    if (!is_own(part.training.stage())) continue;
    own.resize(context_.layout.size());
    const Tensors& weights = part.training.weights();
    for (std::size_t i = 0; i < weights.size(); ++i) {
      if (!weights[i].defined()) continue;
      own[i] = weights[i].detach().to(at::kCPU, weights[i].scalar_type(), false, true);  // a copy
    }
  }
  return own;
}

void StageSession::add_to(Outcome& outcome) const {
  auto state = std::make_shared<TensorState>();
  state->submodel = submodel_;
  state->logits.resize(context_.layout.architecture->groups.size());
  // What belongs to tasks of other kinds stays for them.
  if (input_.state) {
    const at::NoGradGuard no_grad;
    const TensorState& before = inside(*input_.state);
    state->logits = before.logits;
    state->residual = residual_in(context_.layout, before.residual, before.submodel, submodel_);
    state->squares = before.squares;
    state->rule = before.rule;
  }
  if (!own_.empty()) state->own = own_layers();
  outcome.finite = outcome.finite && engine::is_finite(state->own);
  outcome.state = std::move(state);
  outcome.submodel = submodel_;
  outcome.loss = samples_ > 0 ? losses_ / static_cast<double>(samples_) : 0;
  outcome.samples = samples_;
  for (const auto& [first, part] : parts_) {
    outcome.finite = outcome.finite && part.is_finite && part.training.is_finite();
  }
}

std::shared_ptr<const TensorUpdate> join_stages(const Layout& layout,
                                                const std::vector<Input>& updates,
                                                std::int64_t task, bool partial, bool rest_is_own) {
  const auto fail = [&](const std::string& what) {
    throw base::UserError(fmt::format("task {} is to join stages {}", task, what));
  };
  std::shared_ptr<TensorUpdate> joined;
  for (const Input& input : updates) {
    const auto stage = std::dynamic_pointer_cast<const StageUpdate>(input.artifact);
    if (!stage) fail("and is given something that is no update of a stage");
    if (!joined) {
      joined = std::make_shared<TensorUpdate>(static_cast<const UpdateOrigin&>(*stage));
      joined->brings.resize(layout.size());
      joined->rest_is_own = rest_is_own;
    }
    if (stage->submodel.depth != joined->submodel.depth ||
        stage->submodel.kept != joined->submodel.kept || stage->samples != joined->samples ||
        stage->base_version != joined->base_version || stage->steps != joined->steps) {
      fail("of different trainings");
    }
    if (partial) joined->stages.push_back(stage->stage);
    for (std::size_t i = 0; i < layout.size(); ++i) {
      if (!stage->brings[i].defined()) continue;
      if (joined->brings[i].defined()) {
        fail(fmt::format("of which two hold \"{}\"", layout.tensors[i].name));
      }
      joined->brings[i] = stage->brings[i];
    }
  }
  if (!joined) fail("and is given none");
  if (partial) return joined;
  for (std::size_t i = 0; i < layout.size(); ++i) {
    if (joined->brings[i].defined()) continue;
    if (!is_in(layout.tensors[i], *layout.architecture, joined->submodel)) continue;
    fail(fmt::format("of which none holds \"{}\"", layout.tensors[i].name));
  }
  return joined;
}

}  // namespace convoy::engine
