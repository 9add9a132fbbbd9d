#include "engine/learning/pipeline_session.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace convoy::engine {
namespace {

constexpr int of_the_round = -1;  // key of its gradients

template <class Kind>
std::vector<const Kind*> all_of(const std::vector<Input>& inputs) {
  std::vector<const Kind*> found;
  for (const Input& input : inputs) {
    if (const auto* one = dynamic_cast<const Kind*>(input.artifact.get())) found.push_back(one);
  }
  return found;
}

}  // namespace

PipelineSession::PipelineSession(const EngineContext& context, const TaskInput& input)
    : context_(context),
      input_(input),
      trace_(trace(*context.layout.architecture, full_submodel(*context.layout.architecture))),
      stream_(context.parts, context.seed) {
  if (!input_.received || inside(*input_.received).is_encoded() || inside(*input_.received).part) {
    fail("there is no version of the model to train a stage of");
  }
  refuse_options();
  const double before = input_.brief.samples_before.value_or(0);
  if (std::floor(before) != before) {
    fail(fmt::format("{} samples are no whole number to begin behind", before));
  }
  samples_before_ = static_cast<std::int64_t>(before);
}

void PipelineSession::fail(const std::string& what) const {
  throw base::UserError(fmt::format("node {}, task {}: {}", input_.node, input_.task, what));
}

void PipelineSession::refuse_options() const {
  const TrainingOptions& training = context_.training;
  const char* key = nullptr;
  if (input_.brief.proximal.value_or(training.proximal) > 0) key = "training.proximal";
  if (context_.rules.labels.masked || context_.rules.labels.told) key = "masked labels";
  if (input_.brief.rate < 1) key = "submodels";
  if (input_.brief.test_locally) key = "a test of the received model";
  if (input_.brief.own_before) key = "layers of a node's own";
  if (!input_.brief.download().is_none()) key = "schedule.compression.download";
  if (key != nullptr) fail(fmt::format("a pipeline cannot be trained with {}", key));
}

std::string PipelineSession::name_of(const Stage& stage, int microbatch) const {
  const std::string what =
      microbatch < 0 ? std::string() : fmt::format(", micro-batch {}", microbatch);
  return fmt::format("node {}, task {}, layers {} to {}{}", input_.node, input_.task, stage.first,
                     stage.last - 1, what);
}

Stage PipelineSession::stage_of(int first, int last) const {
  const int layers = whole(trace_).last;
  if (first < last && last <= layers) return {first, last};
  fail(fmt::format("there is no stage of the layers {} to {}; the model has {}", first, last - 1,
                   layers));
}

PipelineSession::Member& PipelineSession::begun(int first, int last) {
  const Stage stage = stage_of(first, last);
  const auto found = members_.find(first);
  if (found != members_.end() && found->second.training.stage() == stage) return found->second;
  fail(fmt::format("nothing went forward through the layers {} to {}", first, last - 1));
}

StageOptions PipelineSession::options_for(const ForwardPart& work) const {
  StageOptions options;
  options.name = fmt::format("node {}, task {}", input_.node, input_.task);
  options.optimizer = context_.training.optimizer;
  options.learning_rate =
      options.optimizer.learning_rate * context_.training.rate_schedule.at(input_.version);
  options.clip = context_.training.clip;
  options.transfer = context_.rules.transfer;
  options.transfer.weight = options.transfer.weight_at(input_.version);
  options.static_norms = context_.rules.static_norms;
  options.draws = task_seed(context_.seed, work.from, samples_before_, pipeline_draws);
  options.stashes_weights = work.stashes;
  options.keeps_versions = work.stashes && work.vertical_sync;
  return options;
}

PipelineSession::Member& PipelineSession::member(const ForwardPart& work) {
  const Stage stage = stage_of(work.first, work.last);
  if (work.from >= work.to || work.to > work.samples || work.microbatch >= work.microbatches) {
    fail(fmt::format("there are no samples {} to {} of {} in micro-batch {} of {}", work.from,
                     work.to - 1, work.samples, work.microbatch, work.microbatches));
  }
  if (const auto found = members_.find(work.first); found != members_.end()) {
    const ForwardPart& as = found->second.as;
    if (as.last == work.last && as.from == work.from && as.to == work.to &&
        as.samples == work.samples && as.microbatches == work.microbatches &&
        as.stashes == work.stashes && as.vertical_sync == work.vertical_sync) {
      return found->second;
    }
    fail(fmt::format(
        "{} began with the samples {} to {} of {} and {} micro-batches, and all of a "
        "task must be alike",
        name_of(stage, work.microbatch), as.from, as.to - 1, as.samples, as.microbatches));
  }
  for (const auto& [first, other] : members_) {
    const Stage& there = other.training.stage();
    if (stage.first < there.last && there.first < stage.last) {
      fail(fmt::format("the layers {} to {} are in two of its stages",
                       std::max(stage.first, there.first), std::min(stage.last, there.last) - 1));
    }
  }
  const TensorWeights& received = inside(*input_.received);
  StageTraining training(context_.layout, full_submodel(*context_.layout.architecture), stage,
                         received, context_.device, options_for(work));
  if (received.optimizer) training.resume(*received.optimizer);
  return members_.emplace(work.first, Member{std::move(training), work}).first->second;
}

std::vector<std::int64_t> PipelineSession::samples_of(const ForwardPart& work,
                                                      std::int64_t counted) {
  return stream_.at(samples_before_ + (counted * work.samples) + work.from, work.to - work.from);
}

std::shared_ptr<const Artifact> PipelineSession::run(const ForwardPart& work,
                                                     const std::vector<Input>& inputs) {
  Member& member = this->member(work);
  const Stage& stage = member.training.stage();
  const std::string name = name_of(stage, work.microbatch);
  if (member.open.contains(work.microbatch) || member.back.contains(work.microbatch) ||
      member.waiting.contains(work.microbatch)) {
    fail(fmt::format("micro-batch {} comes to layer {} twice in a round", work.microbatch,
                     work.first));
  }
  const std::int64_t counted =
      (member.rounds[work.microbatch] * work.microbatches) + work.microbatch;
  Boundary came;
  std::int64_t version = member.training.steps();
  if (stage.first == 0) {
    came.emplace(0, context_.train->batch(samples_of(work, counted)).input);
  } else {
    const auto parts = all_of<PartActivation>(inputs);
    for (const PartActivation* part : parts) {
      if (part->cut != stage.first || part->counted != counted) {
        fail(
            fmt::format("micro-batch {} comes to layer {} in place of micro-batch {}, which is to "
                        "come to layer {}",
                        part->counted, part->cut, counted, stage.first));
      }
      version = std::min(version, part->version);
    }
    came = joined({parts.begin(), parts.end()}, member.range(), name, "activations");
  }
  std::optional<Targets> targets;
  if (member.training.has_exit()) {
    const double share = static_cast<double>(member.range().count()) / work.samples;
    targets = Targets{context_.train->labels(samples_of(work, counted)),
                      work.stashes ? share : share / work.microbatches};
  }
  auto sent = std::make_shared<PartActivation>();
  sent->counted = counted;
  sent->range = member.range();
  sent->cut = stage.last;
  sent->version = version;
  sent->tensors = member.training.forward(
      static_cast<int>(counted), came, targets, false,
      work.stashes && work.vertical_sync ? std::optional(version) : std::nullopt);
  ++member.rounds[work.microbatch];
  member.open.emplace(work.microbatch, counted);
  return sent;
}

std::shared_ptr<const Artifact> PipelineSession::run(const BackwardPart& work,
                                                     const std::vector<Input>& inputs) {
  Member& member = begun(work.first, work.last);
  const Stage& stage = member.training.stage();
  const std::string name = name_of(stage, work.microbatch);
  const auto open = member.open.find(work.microbatch);
  if (open == member.open.end()) {
    fail(fmt::format("micro-batch {} is to come back through layer {} and did not go forward",
                     work.microbatch, work.first));
  }
  const std::int64_t counted = open->second;
  const auto parts = all_of<PartGradient>(inputs);
  const bool is_last = stage.last == whole(trace_).last;
  if (is_last && !parts.empty()) fail(name + ": gradients came to the last layer");
  double behind = 0;
  for (const PartGradient* part : parts) {
    if (part->cut != stage.last || part->counted != counted) {
      fail(
          fmt::format("the gradients of micro-batch {} come to layer {} in place of those of "
                      "micro-batch {}, which are to come to layer {}",
                      part->counted, part->cut - 1, counted, stage.last - 1));
    }
    const int taken =
        std::min(part->range.to, member.as.to) - std::max(part->range.from, member.as.from);
    behind += part->loss * std::max(taken, 0);
    member.is_finite = member.is_finite && part->is_finite;
  }
  Boundary came;
  if (!is_last) came = joined({parts.begin(), parts.end()}, member.range(), name, "gradients");
  const double before = member.training.losses();
  auto sent = std::make_shared<PartGradient>();
  sent->tensors = member.training.backward(static_cast<int>(counted), came);
  sent->counted = counted;
  sent->range = member.range();
  sent->cut = stage.first;
  const double losses = member.training.losses() - before + behind;
  sent->loss = losses / member.range().count();
  sent->is_finite = member.is_finite && member.training.is_finite();
  member.open.erase(open);
  if (member.as.stashes) {
    member.waiting[work.microbatch] = {member.training.take_gradients(), {}, {}, losses};
    return sent;
  }
  member.back.insert(work.microbatch);
  member.round_losses += losses;
  if (static_cast<int>(member.back.size()) < member.as.microbatches) return sent;
  member.waiting[of_the_round] = {
      member.training.take_gradients(), {}, {}, std::exchange(member.round_losses, 0)};
  return sent;
}

PipelineSession::Gradients& PipelineSession::gradients(Member& member,
                                                       const std::optional<int>& microbatch,
                                                       const char* what) {
  if (microbatch.has_value() != member.as.stashes) {
    fail(fmt::format("{} is to {} {}", name_of(member.training.stage(), -1), what,
                     member.as.stashes ? "by gradients, and is not told of which micro-batch"
                                       : "by the gradients of one micro-batch of a round"));
  }
  const auto found = member.waiting.find(microbatch.value_or(of_the_round));
  if (found != member.waiting.end()) return found->second;
  std::vector<int> missing;
  for (int m = 0; m < member.as.microbatches; ++m) {
    if (microbatch ? m == *microbatch : !member.back.contains(m)) missing.push_back(m);
  }
  fail(fmt::format("{} is to {} before the micro-batches {} of {} are back",
                   name_of(member.training.stage(), -1), what, fmt::join(missing, " "),
                   member.as.microbatches));
}

std::vector<const GradientSum*> PipelineSession::sums(const std::vector<Input>& inputs,
                                                      const Stage& stage, int key) const {
  std::vector<const GradientSum*> found = all_of<GradientSum>(inputs);
  for (const GradientSum* sum : found) {
    if (sum->stage == stage && sum->key == key) continue;
    fail(name_of(stage, key) + ": gradients of another stage or micro-batch came");
  }
  return found;
}

std::shared_ptr<const Artifact> PipelineSession::run(const AddGradients& work,
                                                     const std::vector<Input>& inputs) {
  const Stage stage = stage_of(work.first, work.last);
  const int key = work.microbatch.value_or(of_the_round);
  const std::string name = name_of(stage, key);
  if (work.chunk >= work.chunks)
    fail(fmt::format("there is no chunk {} of {}", work.chunk, work.chunks));
  std::vector<const ChunkSum*> added;
  for (const GradientSum* sum : sums(inputs, stage, key)) {
    added.push_back(sum);
    if (sum->chunk == work.chunk && sum->chunks == work.chunks) continue;
    fail(fmt::format("{}: chunk {} of {} came, and chunk {} of {} is to be added", name, sum->chunk,
                     sum->chunks, work.chunk, work.chunks));
  }
  ChunkSum own;
  if (work.own) {
    Member& member = begun(work.first, work.last);
    Gradients& gradients = this->gradients(member, work.microbatch, "add gradients");
    if (!gradients.row.defined()) {
      const Tensors& weights = member.training.weights();
      const double share = static_cast<double>(member.range().count()) / member.as.samples;
      gradients.row = in_a_row(context_.layout, weights, gradients.own, share);
      gradients.statistics.resize(weights.size());
      for (std::size_t i = 0; i < weights.size(); ++i) {
        if (!weights[i].defined() || !context_.layout.tensors[i].buffer) continue;
        gradients.statistics[i] = weights[i].clone();
      }
    }
    own.stage = stage;
    own.chunk = work.chunk;
    own.chunks = work.chunks;
    own.key = key;
    own.values = chunk_of(gradients.row, work.chunk, work.chunks);
    own.of = {member.range()};
    own.losses = gradients.losses;
    own.is_finite =
        member.is_finite && member.training.is_finite() && engine::is_finite({own.values});
    added.push_back(&own);
  }
  if (added.empty()) fail(name + ": it is to add gradients, and none came");
  return std::make_shared<const GradientSum>(sum_of(added, name));
}

std::shared_ptr<const Artifact> PipelineSession::run(const StepPart& work,
                                                     const std::vector<Input>& inputs) {
  Member& member = begun(work.first, work.last);
  const Stage& stage = member.training.stage();
  const int key = work.microbatch.value_or(of_the_round);
  const std::string name = name_of(stage, key);
  Gradients& own = gradients(member, work.microbatch, "step");
  const std::vector<const GradientSum*> came = sums(inputs, stage, key);
  if (came.empty()) {
    if (member.range().count() < member.as.samples) {
      fail(name + ": the gradients of the other members of its group did not come");
    }
    member.training.step_by(own.own);
    member.losses += own.losses;
  } else {
    const Tensors sum = from_a_row(context_.layout, member.training.weights(),
                                   complete({came.begin(), came.end()}, member.as.samples, name));
    Tensors by(sum.size());
    for (std::size_t i = 0; i < sum.size(); ++i) {
      if (!sum[i].defined()) continue;
      if (!context_.layout.tensors[i].buffer) {
        if (own.own[i].defined()) by[i] = sum[i];
      } else if (!own.statistics.empty()) {
        member.training.join_statistics(i, own.statistics[i], sum[i]);
      }
    }
    member.training.step_by(by);
    for (const GradientSum* sum_of_some : came) {
      if (sum_of_some->chunk == 0) member.losses += sum_of_some->losses;
      member.is_finite = member.is_finite && sum_of_some->is_finite;
    }
  }
  member.samples +=
      std::int64_t{member.as.samples} * (member.as.stashes ? 1 : member.as.microbatches);
  member.waiting.erase(key);
  member.back.clear();
  if (stage.first == 0 && input_.progress) ++input_.progress->done;
  return nullptr;
}

std::shared_ptr<const Artifact> PipelineSession::run(const GiveWeights& work,
                                                     const std::vector<Input>& /*inputs*/) {
  const at::NoGradGuard no_grad;
  const Member& member = begun(work.first, work.last);
  if (!member.open.empty() || !member.back.empty() || !member.waiting.empty()) {
    fail(name_of(member.training.stage(), -1) +
         ": its weights are to be given before its micro-batches are back and stepped by");
  }
  const auto copy = [](const Tensor& t) {
    return t.defined() ? t.detach().to(at::kCPU, t.scalar_type(), false, true) : Tensor();
  };
  auto given = std::make_shared<StageWeights>();
  given->stage = member.training.stage();
  for (const Tensor& t : member.training.weights()) given->tensors.push_back(copy(t));
  given->optimizer.steps = member.training.optimizer().steps;
  for (const Tensors& slot : member.training.optimizer().slots) {
    Tensors& copied = given->optimizer.slots.emplace_back();
    for (const Tensor& t : slot) copied.push_back(copy(t));
  }
  given->steps = member.training.steps();
  given->samples = member.samples;
  given->losses = member.losses;
  given->is_finite =
      member.is_finite && member.training.is_finite() && engine::is_finite(given->tensors);
  return given;
}

std::shared_ptr<const Artifact> PipelineSession::run(const JoinWeights& /*work*/,
                                                     const std::vector<Input>& inputs) {
  const std::vector<const StageWeights*> stages = all_of<StageWeights>(inputs);
  auto version = join_weights(context_.layout, stages,
                              fmt::format("node {}, task {}", input_.node, input_.task));
  is_finite_ = true;
  for (const StageWeights* stage : stages) {
    is_finite_ = is_finite_ && stage->is_finite;
    if (stage->stage.first > 0) continue;
    losses_ = stage->losses;
    samples_ = stage->samples;
  }
  return version;
}

void PipelineSession::add_to(Outcome& outcome) const {
  double losses = losses_;
  std::int64_t samples = samples_;
  if (samples == 0 && !members_.empty()) {
    losses = members_.begin()->second.losses;
    samples = members_.begin()->second.samples;
  }
  outcome.loss = samples > 0 ? losses / static_cast<double>(samples) : 0;
  outcome.samples = samples;
  outcome.finite = outcome.finite && is_finite_;
  for (const auto& [first, member] : members_) {
    outcome.finite = outcome.finite && member.is_finite && member.training.is_finite();
  }
}

}  // namespace convoy::engine
