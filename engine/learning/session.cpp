#include "engine/learning/session.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "engine/learning/encoded_model.hpp"
#include "engine/learning/guarded_merge.hpp"
#include "engine/learning/norm_statistics.hpp"

namespace convoy::engine {
namespace {

// Result of a mask phase: the submodel trained from now on.
struct ChosenSubmodel : Artifact {
  explicit ChosenSubmodel(Submodel chosen) : submodel(std::move(chosen)) {}
  Submodel submodel;
};

}  // namespace

TaskSession::TaskSession(const EngineContext& context, TaskInput input, std::stop_token stop)
    : context_(context), input_(std::move(input)), stop_(std::move(stop)) {}

// Works of a pipeline's groups.
template <class PipelineWork>
std::shared_ptr<const Artifact> TaskSession::run(const PipelineWork& work,
                                                 const std::vector<Input>& inputs) {
  if (stop_.stop_requested()) throw Stopped();
  if (training_ || stages_) {
    throw base::UserError(fmt::format(
        "node {}, task {}: it trains the model in another way already, and is to train a stage of "
        "a pipeline",
        input_.node, input_.task));
  }
  if (!pipeline_) pipeline_.emplace(context_, input_);
  return pipeline_->run(work, inputs);
}

std::shared_ptr<const Artifact> TaskSession::run(const Work& work,
                                                 const std::vector<Input>& inputs) {
  if (is_nothing(work)) return nullptr;
  outcome_.result = std::visit(
      [&](const auto& w) -> std::shared_ptr<const Artifact> {
        if constexpr (std::is_same_v<std::decay_t<decltype(w)>, std::monostate>) {
          return nullptr;
        } else {
          return run(w, inputs);
        }
      },
      work);
  return outcome_.result;
}

LocalTraining& TaskSession::training(const std::vector<Input>& inputs) {
  if (training_) return *training_;
  if (stages_) {
    throw base::UserError(fmt::format(
        "node {}, task {}: it trains a stage of the model already, and is to train the whole",
        input_.node, input_.task));
  }
  // Weights passed as an input replace the received ones.
  if (!inputs.empty()) {
    // A real node is given what came with each work: what it decoded of that is there already.
    const auto weights = as_weights(inputs.front().artifact);
    if (weights && !(weights->is_encoded() && is_decoded_)) input_.received = weights;
  }
  if (!input_.received) {
    throw base::UserError(
        fmt::format("node {}, task {}: there are no weights to train", input_.node, input_.task));
  }
  if (input_.brief.own_before) {
    throw base::UserError(fmt::format(
        "node {}, task {}: only who trains a model in stages can have layers of its own",
        input_.node, input_.task));
  }
  const bool is_compressed = !input_.brief.download().is_none();
  if (is_compressed != is_decoded_ || inside(*input_.received).is_encoded()) {
    throw base::UserError(fmt::format("node {}, task {}: the model that it starts from {}",
                                      input_.node, input_.task,
                                      is_compressed ? "is to come compressed and was not decoded"
                                                    : "came compressed, and it was not told so"));
  }
  return training_.emplace(context_, input_, stop_);
}

std::shared_ptr<const Artifact> TaskSession::run(const LearnMasks& work,
                                                 const std::vector<Input>& inputs) {
  LocalTraining& training = this->training(inputs);
  training.learn_masks(work.epochs);
  return std::make_shared<const ChosenSubmodel>(training.submodel());
}

std::shared_ptr<const Artifact> TaskSession::run(const ScoreMembers& work,
                                                 const std::vector<Input>& inputs) {
  LocalTraining& training = this->training(inputs);
  training.score_members(work.epochs, work.steps);
  return std::make_shared<const ChosenSubmodel>(training.submodel());
}

std::shared_ptr<const Artifact> TaskSession::run(const Train& work,
                                                 const std::vector<Input>& inputs) {
  LocalTraining& training = this->training(inputs);
  training.train(work.epochs, work.steps);
  auto update = training.update();
  outcome_.finite = is_finite(update->brings) && is_finite(update->squares);
  return update;
}

const TensorUpdate& TaskSession::update_of(const Input& input) const {
  const auto* update = dynamic_cast<const TensorUpdate*>(input.artifact.get());
  if (update != nullptr) return *update;
  throw base::UserError(
      fmt::format("task {} is to aggregate something that is no update", input_.task));
}

std::shared_ptr<const Artifact> TaskSession::run(const Aggregate& /*work*/,
                                                 const std::vector<Input>& inputs) {
  const at::NoGradGuard no_grad;
  const auto current = inputs.empty() ? nullptr : as_weights(inputs.front().artifact);
  if (!current || current->part) {
    throw base::UserError(
        fmt::format("task {} is to aggregate, and is given no version of the model", input_.task));
  }
  std::vector<Received> updates;
  for (std::size_t i = 1; i < inputs.size(); ++i) {
    const Weights* base = inputs[i].received.get();
    updates.push_back({&update_of(inputs[i]), base != nullptr ? &inside(*base) : nullptr});
  }
  if (!rule_ && input_.state) rule_ = inside(*input_.state).rule;
  Others others;
  others.nodes = static_cast<std::size_t>(std::ranges::count_if(
      context_.parts, [](const LocalSplit& part) { return part.count() > 0; }));
  if (input_.at_work) others.at_work = holders_of(context_, *input_.at_work);
  Merged merged = merge_guarded(context_.layout, context_.rules.aggregation, *current,
                                input_.version, updates, rule_ ? &*rule_ : nullptr, others);
  outcome_.finite = updates.empty() || merged.report.left_out.size() < updates.size();
  outcome_.aggregation = std::move(merged.report);
  if (!merged.state.is_empty()) rule_ = std::move(merged.state);
  return std::make_shared<const TensorWeights>(std::move(merged.weights), std::move(merged.trained),
                                               std::nullopt, current->masks);
}

std::shared_ptr<const Artifact> TaskSession::run(const Combine& /*work*/,
                                                 const std::vector<Input>& inputs) {
  const at::NoGradGuard no_grad;
  std::vector<const TensorUpdate*> updates;
  for (const Input& input : inputs) updates.push_back(&update_of(input));
  if (updates.empty()) {
    throw base::UserError(fmt::format("task {} is to combine no updates", input_.task));
  }
  if (std::ranges::any_of(updates, [](const auto* u) { return u->is_partial(); })) {
    throw base::UserError(
        fmt::format("task {} is to combine updates, of which some hold only a part of the layers; "
                    "they can only "
                    "be aggregated",
                    input_.task));
  }
  refuse_elements("combine");
  if (std::ranges::any_of(updates, [](const auto* u) { return u->block.has_value(); })) {
    throw base::UserError(fmt::format(
        "task {} is to combine updates that hold blocks of the parameters; aggregate them",
        input_.task));
  }
  const Rule* rule = context_.rules.aggregation.rule.get();
  if (rule != nullptr && rule->needs().received &&
      std::ranges::any_of(updates, [](const auto* u) { return u->received_as.has_value(); })) {
    throw base::UserError(fmt::format(
        "task {}: the rule \"{}\" needs what each update was trained from, and of updates that are "
        "combined into one that is not known where models are sent compressed; leave out "
        "schedule.compression.download, or take another rule",
        input_.task, rule->name()));
  }
  const bool by_label = rule != nullptr && rule->needs().labels;
  const auto combined = combine(context_.layout, updates, by_label);
  outcome_.finite = is_finite(combined->brings);
  return combined;
}

std::shared_ptr<const Artifact> TaskSession::run(const Encode& /*work*/,
                                                 const std::vector<Input>& inputs) {
  // A real node is given what the task starts from with each work: its update is what it made last.
  auto update = inputs.empty() ? nullptr : as_update(inputs.front().artifact);
  if (!update) update = as_update(outcome_.result);
  if (!update || !training_) {
    throw base::UserError(
        fmt::format("node {}, task {}: there is no update to encode", input_.node, input_.task));
  }
  refuse_elements("encode");
  if (update->block) {
    throw base::UserError(fmt::format(
        "node {}, task {}: an update that holds a block of the parameters is sent whole; leave out "
        "schedule.compression",
        input_.node, input_.task));
  }
  auto encoded = training_->encode(*update);
  outcome_.finite = outcome_.finite && is_finite(encoded->brings);
  return encoded;
}

std::shared_ptr<const Artifact> TaskSession::run(const EncodeModel& /*work*/,
                                                 const std::vector<Input>& inputs) {
  const auto version = inputs.empty() ? nullptr : as_weights(inputs.front().artifact);
  if (!version || version->is_encoded() || !input_.part) {
    throw base::UserError(fmt::format(
        "task {} is to send a model compressed, and is not told which part of what version",
        input_.task));
  }
  return encode_model(context_.layout, *version, *input_.part, input_.brief.download());
}

std::shared_ptr<const Artifact> TaskSession::run(const DecodeModel& /*work*/,
                                                 const std::vector<Input>& inputs) {
  const auto sent = inputs.empty() ? nullptr : as_weights(inputs.front().artifact);
  const Compression asked = input_.brief.download();
  if (!sent || !sent->is_encoded() || sent->compression != asked) {
    throw base::UserError(fmt::format(
        "node {}, task {}: the model that it starts from did not come with {} of its elements in "
        "{} bits, as it was told",
        input_.node, input_.task, asked.keep, asked.bits));
  }
  const auto arrived = decode_model(context_.layout, *sent);
  if (!training_) input_.received = arrived;  // else it goes on from what it has trained
  is_decoded_ = true;
  return arrived;
}

std::shared_ptr<const Artifact> TaskSession::run(const Reconfigure& work,
                                                 const std::vector<Input>& inputs) {
  const auto made = inputs.empty() ? nullptr : as_weights(inputs.front().artifact);
  if (!made || made->part || context_.layout.elements != ElementKind::pruned) {
    throw base::UserError(
        fmt::format("task {} is to reconfigure, and is given no version with masks", input_.task));
  }
  std::vector<const TensorUpdate*> updates;
  for (std::size_t i = 1; i < inputs.size(); ++i) {
    // What the version was made without tells nothing of it either.
    const bool counts = !outcome_.aggregation || outcome_.aggregation->shares.at(i - 1) > 0;
    if (counts) updates.push_back(&update_of(inputs[i]));
  }
  return std::make_shared<const TensorWeights>(made->tensors, made->trained, std::nullopt,
                                               reconfigured(context_.layout, *made, updates, work));
}

void TaskSession::refuse_elements(const char* what) const {
  if (context_.layout.elements == ElementKind::all) return;
  throw base::UserError(fmt::format("task {} is to {} updates, which {} ones cannot be",
                                    input_.task, what,
                                    name_of(element_words, context_.layout.elements)));
}

std::shared_ptr<const Artifact> TaskSession::run(const Statistics& work,
                                                 const std::vector<Input>& inputs) {
  const auto model = inputs.empty() ? nullptr : as_weights(inputs.front().artifact);
  if (!model || model->part) {
    throw base::UserError(fmt::format(
        "task {} is to take statistics, and is given no version of the model", input_.task));
  }
  if (!outcome_.finite) return model;  // it will not be published
  Tensors tensors = norm_statistics(context_, model->tensors, work.batch, input_.task, stop_);
  outcome_.finite = is_finite(tensors);
  return std::make_shared<const TensorWeights>(std::move(tensors), model->trained);
}

StageSession& TaskSession::stages(const std::vector<Input>& inputs) {
  if (stop_.stop_requested()) throw Stopped();
  if (stages_) return *stages_;
  if (training_) {
    throw base::UserError(fmt::format(
        "node {}, task {}: it trains the whole model already, and is to train a stage of it",
        input_.node, input_.task));
  }
  for (const Input& input : inputs) {
    if (const auto weights = as_weights(input.artifact)) input_.received = weights;
  }
  return stages_.emplace(context_, input_);
}

std::shared_ptr<const Artifact> TaskSession::run(const Forward& work,
                                                 const std::vector<Input>& inputs) {
  return stages(inputs).forward(work, inputs);
}

std::shared_ptr<const Artifact> TaskSession::run(const Backward& work,
                                                 const std::vector<Input>& inputs) {
  return stages(inputs).backward(work, inputs);
}

std::shared_ptr<const Artifact> TaskSession::run(const Step& work,
                                                 const std::vector<Input>& inputs) {
  return stages(inputs).step(work);
}

std::shared_ptr<const Artifact> TaskSession::run(const TrainStage& work,
                                                 const std::vector<Input>& inputs) {
  return stages(inputs).train(work, inputs);
}

std::shared_ptr<const Artifact> TaskSession::run(const TakeStage& work,
                                                 const std::vector<Input>& inputs) {
  return stages(inputs).take(work);
}

std::shared_ptr<const Artifact> TaskSession::run(const JoinStages& work,
                                                 const std::vector<Input>& inputs) {
  const bool rest_is_own = work.partial && input_.brief.own_before.has_value();
  auto update = join_stages(context_.layout, inputs, input_.task, work.partial, rest_is_own);
  outcome_.finite = is_finite(update->brings);
  for (const Input& input : inputs) {
    const auto* stage = dynamic_cast<const StageUpdate*>(input.artifact.get());
    outcome_.finite = outcome_.finite && (stage == nullptr || stage->is_finite);
  }
  return update;
}

const Submodel& TaskSession::submodel() const {
  if (training_) return training_->submodel();
  if (!first_) {
    first_ = input_.received ? first_submodel(context_, input_)
                             : full_submodel(*context_.layout.architecture);
  }
  return *first_;
}

Outcome TaskSession::outcome() {
  Outcome outcome = outcome_;
  if (training_) {
    training_->add_to(outcome);
  } else {
    outcome.submodel = submodel();
  }
  if (stages_) stages_->add_to(outcome);
  if (pipeline_) pipeline_->add_to(outcome);
  if (!rule_) return outcome;
  auto state = std::make_shared<TensorState>();
  state->submodel = full_submodel(*context_.layout.architecture);
  state->logits.resize(context_.layout.architecture->groups.size());
  state->rule = rule_;
  outcome.state = std::move(state);
  return outcome;
}

}  // namespace convoy::engine
