#include "engine/learning/local_training.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/random.hpp"
#include "engine/learning/autograd.hpp"
#include "engine/learning/encoded_update.hpp"
#include "engine/learning/evaluation.hpp"
#include "engine/learning/gates.hpp"
#include "engine/learning/loss.hpp"
#include "engine/learning/optimizer.hpp"
#include "engine/learning/sample_order.hpp"
#include "engine/learning/sampled.hpp"
#include "engine/model/batches.hpp"

namespace convoy::engine {
namespace {

// One step of the gates' logits, after backward(). False if they are no longer finite: no recovery
// is possible; they become 0, so that the task ends quickly.
bool step_logits(Gates& gates, OptimizerSteps& steps, double lambda, at::Generator& draws) {
  gates.rate_error(draws);
  const Tensors slopes = gates.gradients(lambda);
  for (std::size_t g = 0; g < slopes.size(); ++g) {
    if (slopes[g].defined()) gates.logits()[g].mutable_grad() = slopes[g];
  }
  steps.step(gates.logits());
  if (is_finite(gates.logits())) return true;
  const at::NoGradGuard no_grad;
  for (const Tensor& l : gates.logits()) {
    if (l.defined()) l.nan_to_num_(0, 0, 0);
  }
  return false;
}

// Raises the scores of these members by a share.
void favour(const Submodel& submodel, double share, Scores& scores) {
  for (std::size_t g = 0; g < scores.size() && g < submodel.kept.size(); ++g) {
    if (!scores[g].defined()) continue;
    for (const int member : submodel.kept[g]) scores[g][member] *= 1 + share;
  }
}

}  // namespace

LocalTraining::LocalTraining(const EngineContext& context, TaskInput input, std::stop_token stop)
    : context_(context),
      input_(std::move(input)),
      stop_(std::move(stop)),
      architecture_(*context.layout.architecture),
      depth_(depth_at(architecture_, input_.brief.rate, context.rules.mask.all_blocks)) {
  if (indices().empty()) {
    throw base::UserError(fmt::format("node {} has no data to train on", input_.node));
  }
  submodel_ = first_submodel(context_, input_);
  require_block_alone(context_, input_);
  const Tensors& masks = inside(*input_.received).masks;
  submodel_.elements = kept_elements(context_.layout, masks);
  masks_ = on_device(masks, context_.device);
  if (input_.brief.gather_squares) {
    squares_.emplace(context_.layout, input_.state ? inside(*input_.state).squares : Tensors(),
                     *input_.brief.gather_squares, context_.device);
  }
  const LabelOptions& labels = context_.rules.labels;
  if (labels.masked || labels.told) labels_ = context_.train->labels_of(indices());
  if (input_.state && (context_.training.keep_optimizer || samples())) {
    const TensorState& state = inside(*input_.state);
    if (state.optimizer && state.submodel.kept == submodel_.kept) {
      optimizer_ = *state.optimizer;
      for (Tensors& slot : optimizer_->slots) {
        for (Tensor& t : slot)
          t = t.defined() ? t.to(context_.device, t.scalar_type(), false, true) : t;
      }
    }
  }
  if (input_.state) logits_ = inside(*input_.state).logits;
}

const std::vector<std::int64_t>& LocalTraining::indices() const {
  return context_.parts.at(static_cast<std::size_t>(input_.node)).train;
}

bool LocalTraining::samples() const { return context_.layout.elements == ElementKind::sampled; }

// Scores are trained by Adam, whatever trains the weights of other kinds.
OptimizerOptions LocalTraining::optimizer_options() const {
  if (!samples()) return context_.training.optimizer;
  OptimizerOptions adam;
  adam.kind = OptimizerKind::adamw;
  adam.learning_rate = context_.rules.elements.learning_rate;
  adam.betas = {0.9, 0.999};
  return adam;
}

double LocalTraining::learning_rate() const {
  return optimizer_options().learning_rate * context_.training.rate_schedule.at(input_.version);
}

std::uint64_t LocalTraining::draw_seed(std::uint64_t phase) const {
  const auto node = static_cast<std::uint64_t>(input_.node);
  const auto task = static_cast<std::uint64_t>(input_.task);
  if (passes_ == 0) return task_seed(context_.seed, input_.node, input_.task, phase);
  return base::Random({context_.seed, node, task, phase, passes_}).bits();
}

template <class Step>
void LocalTraining::for_each_batch(std::uint64_t phase, int epochs, std::optional<int> steps,
                                   Step step) {
  const EpochPlan plan =
      plan_epoch(static_cast<std::int64_t>(indices().size()), input_.brief.batch, skips_single_);
  SampleOrder order(indices(), plan, draw_seed(phase));
  TrainingProgress* progress = input_.progress.get();
  double loss = 0;
  double samples = 0;
  for (int epoch = 0, done = 0; steps ? done < *steps : epoch < epochs; ++epoch) {
    if (!steps) loss = samples = 0;
    for (std::int64_t b = 0; b < plan.batches(); ++b) {
      if (stop_.stop_requested()) throw Stopped();
      const auto n = static_cast<double>(plan.size_of(b));
      loss += step(context_.train->batch(order.batch(epoch * plan.batches() + b))) * n;
      samples += n;
      if (progress != nullptr) ++progress->done;
      if (steps && ++done == *steps) break;
    }
  }
  loss_ = samples > 0 ? loss / samples : 0;
}

void LocalTraining::learn_masks(int epochs) {
  const MaskOptions& mask = context_.rules.mask;
  const Submodel wide = depth_submodel(architecture_, input_.brief.rate, mask.all_blocks);
  const Network network(context_.layout, wide, true);
  skips_single_ = needs_two_samples(network.trace());
  at::Generator dropout = make_generator(context_.device, draw_seed(mask_phase));
  at::Generator draws = make_generator(at::kCPU, draw_seed(gate_draws));
  const bool begun =
      std::any_of(logits_.begin(), logits_.end(), [](const Tensor& l) { return l.defined(); });
  Gates gates = begun
                    ? Gates(context_.layout, depth_, input_.brief.rate, logits_)
                    : Gates(context_.layout, depth_, input_.brief.rate, mask.normal_logits, draws);
  const double lambda = mask.lambda > 0 ? mask.lambda : static_cast<double>(gates.count()) / 16;

  weights_ = part_of(inside(*input_.received), context_.layout, wide, context_.device);
  Tensors trained(weights_.size());
  for (std::size_t i = 0; i < weights_.size(); ++i) {
    const ParameterTensor& p = context_.layout.tensors[i];
    const bool trains = p.trained_with_masks && is_in(p, architecture_, wide, true);
    if (weights_[i].defined() && trains) trained[i] = weights_[i].requires_grad_();
  }
  OptimizerSteps weight_steps(context_.training.optimizer, learning_rate());
  OptimizerOptions adan;
  adan.kind = OptimizerKind::adan;
  adan.betas = {0.98, 0.92, 0.99};
  adan.weight_decay = mask.weight_decay;
  OptimizerSteps logit_steps(adan, mask.learning_rate);
  const Mode mode{.training = true, .generator = dropout};
  const auto effective = [&](std::size_t i) { return gates.gated(i, weights_[i]); };
  for_each_batch(mask_phase, epochs, {}, [&](const Batch& batch) {
    gates.draw(draws);
    const Tensor loss =
        at::cross_entropy_loss(network.forward(effective, batch.input, mode).back(), batch.labels);
    backward(loss);
    if (!step_logits(gates, logit_steps, lambda, draws)) diverged_ = true;
    if (context_.training.clip > 0) clip_gradients(trained, context_.training.clip);
    weight_steps.step(trained);
    drop_gradients(trained);
    return loss.item<double>();
  });
  logits_.clear();
  for (const Tensor& l : gates.logits()) logits_.push_back(l.defined() ? l.detach() : l);
  submodel_ = gates.submodel(mask.sampled, draws);
  is_narrowed_ = true;
  optimizer_.reset();  // of earlier masks
  for (std::size_t i = 0; i < weights_.size(); ++i) {
    if (!weights_[i].defined()) continue;
    const Kept kept = kept_of(context_.layout.tensors[i], architecture_, submodel_);
    weights_[i] = slice(weights_[i].detach(), kept);
  }
}

// The mean over the samples of each batch's importance. Dropout and batch norms are as in training,
// running statistics stay.
void LocalTraining::score_members(int epochs, std::optional<int> steps) {
  const MaskOptions& mask = context_.rules.mask;
  const Submodel wide = depth_submodel(architecture_, input_.brief.rate, mask.all_blocks);
  const Network network(context_.layout, wide, true);
  skips_single_ = needs_two_samples(network.trace());
  at::Generator draws = make_generator(at::kCPU, draw_seed(gate_draws));
  Gates gates(context_.layout, depth_, input_.brief.rate, false, draws);
  const Tensors weights = part_of(inside(*input_.received), context_.layout, wide, context_.device);
  const Network::TensorOf effective = [&](std::size_t i) { return gates.gated(i, weights[i]); };
  const Mode mode{.training = true,
                  .generator = make_generator(context_.device, draw_seed(mask_phase))};
  Scores scores(architecture_.groups.size());
  for_each_batch(mask_phase, epochs, steps, [&](const Batch& batch) {
    gates.open();
    const Tensor loss =
        at::cross_entropy_loss(network.forward(effective, batch.input, mode).back(), batch.labels);
    backward(loss);
    const Scores of_batch = gates.importance();
    for (std::size_t g = 0; g < scores.size(); ++g) {
      if (!of_batch[g].defined()) continue;
      const Tensor more = of_batch[g] * static_cast<double>(batch.labels.size(0));
      scores[g] = scores[g].defined() ? scores[g] + more : more;
    }
    return loss.item<double>();
  });
  if (!is_finite(scores)) diverged_ = true;
  if (input_.state) favour(inside(*input_.state).submodel, mask.hysteresis, scores);
  submodel_ = keep_highest(context_.layout, scores, depth_, input_.brief.rate);
  is_narrowed_ = true;
  optimizer_.reset();  // of earlier masks
}

std::optional<double> LocalTraining::local_accuracy(const Network& network) const {
  const std::vector<std::int64_t>& test =
      context_.parts[static_cast<std::size_t>(input_.node)].test;
  const TensorWeights& base = inside(*input_.received);
  const TensorWeights shown(effective(context_, base), {}, base.part);
  const Tensors received = part_of(shown, context_.layout, submodel_, context_.device);
  const Scoring scoring{
      .classes = architecture_.classes,
      .batch = context_.evaluation_batch,
      .together = context_.rules.ensemble ? exits_in(architecture_, submodel_) : 0,
      .absent = absent_labels()};
  const auto scores = score(network, received, *context_.train, test, scoring, stop_);
  if (scores.empty()) return std::nullopt;
  return scores.back().top1;
}

Tensor LocalTraining::absent_labels() const {
  if (!context_.rules.labels.masked) return {};
  const auto classes = static_cast<std::size_t>(architecture_.classes);
  if (labels_.size() == classes) return {};
  Tensor absent = at::ones({architecture_.classes}, at::kBool);
  for (const int label : labels_) absent[label] = false;
  return absent.to(context_.device);
}

double LocalTraining::proximal() const {
  return input_.brief.proximal.value_or(context_.training.proximal);
}

void LocalTraining::add_proximal(const Tensors& received) const {
  const at::NoGradGuard no_grad;
  for (std::size_t i = 0; i < weights_.size(); ++i) {
    if (!weights_[i].defined() || !weights_[i].grad().defined()) continue;
    weights_[i].grad().add_(weights_[i] - received[i], proximal());
  }
}

void LocalTraining::train(int epochs, std::optional<int> steps) {
  const Network network(context_.layout, submodel_);
  skips_single_ = needs_two_samples(network.trace());
  if (skips_single_ &&
      std::min<std::size_t>(indices().size(), static_cast<std::size_t>(input_.brief.batch)) < 2) {
    throw base::UserError(fmt::format(
        "node {}: {} normalizes over the batch and cannot train on one sample at a time; it has {} "
        "samples and a batch of {}; give it more data or a larger training.batch",
        input_.node, architecture_.name, indices().size(), input_.brief.batch));
  }
  if (input_.brief.test_locally && passes_ == 0) local_accuracy_ = local_accuracy(network);
  begin_weights();
  Tensors received;
  if (proximal() > 0) {
    received = part_of(inside(*input_.received), context_.layout, submodel_, context_.device);
    if (block_) received = block_->pieces(received);
    apply_masks(masks_, received);
  }

  TransferOptions transfer = context_.rules.transfer;
  transfer.weight = transfer.weight_at(input_.version);
  const Tensor absent = absent_labels();
  OptimizerSteps optimizer(optimizer_options(), learning_rate());
  if (optimizer_) optimizer.resume(std::move(*optimizer_));
  const Mode mode{.training = true,
                  .update_statistics = !context_.rules.static_norms,
                  .rate = context_.rules.scaled ? input_.brief.rate : 1,
                  .generator = make_generator(context_.device, draw_seed(weight_phase))};
  at::Generator draws = make_generator(context_.device, draw_seed(score_draws));
  const Tensors frozen = on_device(context_.frozen, context_.device);
  const Network::TensorOf weights = step_weights(frozen, draws);
  for_each_batch(weight_phase, epochs, steps, [&](const Batch& batch) {
    apply_masks(masks_, weights_);
    const Tensor loss =
        training_loss(network.forward(weights, batch.input, mode), batch.labels, transfer, absent);
    if (loss.requires_grad()) backward(loss);  // else the block is smaller than a row
    samples_ += batch.labels.size(0);
    if (squares_) squares_->add(weights_, batch.labels.size(0));
    if (!received.empty()) add_proximal(received);
    if (context_.training.clip > 0) clip_gradients(weights_, context_.training.clip);
    optimizer.step(weights_);
    ++steps_;
    drop_gradients(weights_);
    return loss.item<double>();
  });
  ++passes_;
  apply_masks(masks_, weights_);
  if (squares_) squares_->end();
  if (samples()) diverged_ = diverged_ || !is_finite(weights_);  // a sample would not tell
  optimizer_.reset();
  if (context_.training.keep_optimizer || samples()) optimizer_ = optimizer.take_state();
}

void LocalTraining::begin_weights() {
  if (weights_.empty()) {
    weights_ = part_of(inside(*input_.received), context_.layout, submodel_, context_.device);
    if (const std::optional<ParameterBlock> block = input_.brief.block()) {
      block_.emplace(context_.layout, *block, std::move(weights_));
      weights_ = block_->pieces();
    }
  }
  for (std::size_t i = 0; i < weights_.size(); ++i) {
    if (context_.layout.freezes(i)) weights_[i].reset();
    if (weights_[i].defined() && !context_.layout.tensors[i].buffer) weights_[i].requires_grad_();
  }
}

Network::TensorOf LocalTraining::step_weights(const Tensors& frozen, at::Generator& draws) const {
  if (block_) return [this](std::size_t i) { return block_->whole(i, weights_); };
  if (!samples()) return [this](std::size_t i) { return weights_[i]; };
  return [this, &frozen, &draws](std::size_t i) {
    if (context_.layout.freezes(i)) return frozen[i];
    if (!context_.layout.samples(i)) return weights_[i];
    return drawn_weights(weights_[i], frozen[i], at::empty_like(frozen[i]).uniform_(0, 1, draws));
  };
}

Tensors LocalTraining::residual_before() const {
  if (!input_.state) return {};
  const TensorState& state = inside(*input_.state);
  return residual_in(context_.layout, state.residual, state.submodel, submodel_);
}

std::shared_ptr<const TensorUpdate> LocalTraining::update() const {
  const at::NoGradGuard no_grad;
  auto update = std::make_shared<TensorUpdate>();
  update->submodel = submodel_;
  update->rate = input_.brief.rate;
  update->samples = static_cast<double>(indices().size());
  update->base_version = input_.version;
  update->steps = steps_;
  const Compression down = input_.brief.download();
  if (!down.is_none()) update->received_as = SentModel{down, is_narrowed_};
  update->masks = inside(*input_.received).masks;
  if (squares_ && input_.brief.bring_squares.value_or(false)) update->squares = squares_->result();
  if (context_.rules.labels.told) update->labels = labels_;
  if (block_) update->block = block_->rows();
  update->brings.resize(weights_.size());
  // Where updates are compressed for a part of the run only.
  const Tensors left = input_.brief.compression.is_none() ? residual_before() : Tensors();
  at::Generator sample = make_generator(at::kCPU, draw_seed(mask_sample));
  for (std::size_t i = 0; i < weights_.size(); ++i) {
    if (!weights_[i].defined()) continue;
    update->brings[i] =
        context_.layout.samples(i) ? counted(draw(weights_[i].detach().cpu(), sample)) : change(i);
    if (!left.empty() && left[i].defined()) update->brings[i].add_(left[i]);
  }
  return update;
}

Tensor LocalTraining::change(std::size_t tensor) const {
  Tensor now = weights_[tensor].detach().to(at::kCPU, at::kFloat, false, true);  // a copy
  if (context_.layout.tensors[tensor].buffer) return now;
  const Tensor before = part_of(inside(*input_.received), context_.layout, submodel_, tensor);
  now.sub_(block_ ? block_->piece(before, tensor) : before);
  const Tensors& masks = inside(*input_.received).masks;
  if (has_mask(masks, tensor)) now.masked_fill_(masks[tensor].logical_not(), 0);
  return now;
}

std::shared_ptr<const TensorUpdate> LocalTraining::encode(const TensorUpdate& update) {
  const Compression& compression = input_.brief.compression;
  // Of the task before, also where this one's update is encoded again.
  const Tensors before = compression.feedback ? residual_before() : Tensors();
  Compressed made = compress(context_.layout, update, compression, before,
                             draw_of(context_.seed, input_.node, input_.task));
  residual_ = std::move(made.residual);
  return made.update;
}

void LocalTraining::add_to(Outcome& outcome) const {
  const at::NoGradGuard no_grad;
  auto state = std::make_shared<TensorState>();
  state->submodel = submodel_;
  state->logits = logits_;
  state->residual = residual_;
  const bool brought = input_.brief.bring_squares.value_or(false);
  if (squares_ && !brought) state->squares = squares_->result();
  if (!squares_ && input_.state) state->squares = inside(*input_.state).squares;
  if (optimizer_) {
    state->optimizer = *optimizer_;
    for (Tensors& slot : state->optimizer->slots) {
      // Copies, since further training changes the originals.
      for (Tensor& t : slot) t = t.defined() ? t.to(at::kCPU, t.scalar_type(), false, true) : t;
    }
  }
  outcome.finite = outcome.finite && !diverged_;
  outcome.state = std::move(state);
  outcome.submodel = submodel_;
  outcome.loss = loss_;
  outcome.samples = samples_;
  outcome.local_accuracy = local_accuracy_;
}

}  // namespace convoy::engine
