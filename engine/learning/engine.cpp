// Implements engine/api/engine.hpp in the library opened on demand.

#include "engine/api/engine.hpp"

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "engine/learning/aggregation.hpp"
#include "engine/learning/devices.hpp"
#include "engine/learning/encoded_model.hpp"
#include "engine/learning/encoded_update.hpp"
#include "engine/learning/evaluation.hpp"
#include "engine/learning/file_parts.hpp"
#include "engine/learning/files.hpp"
#include "engine/learning/full_gradient.hpp"
#include "engine/learning/initial.hpp"
#include "engine/learning/masks.hpp"
#include "engine/learning/own_layers.hpp"
#include "engine/learning/sampled.hpp"
#include "engine/learning/session.hpp"
#include "engine/learning/stored_tensors.hpp"
#include "engine/rules/registry.hpp"

namespace convoy::engine {
namespace {

class LibTorchEngine : public Engine {
 public:
  explicit LibTorchEngine(const EngineOptions& options)
      : context_{.layout = Layout(options.architecture, options.rules.elements.kind),
                 .training = options.training,
                 .rules = options.rules,
                 .seed = options.seed,
                 .device = device_of(options.device),
                 .parts = options.parts,
                 .evaluation_batch = options.evaluation_batch},
        full_depth_(options.full_depth) {
    set_up_libraries();
    if (!context_.rules.aggregation.rule) context_.rules.aggregation.rule = default_rule();
    if (samples()) context_.frozen = frozen_network(context_.layout, context_.seed);
    const Normalization normalization = normalization_of(*options.train);
    context_.train.emplace(options.train, *options.architecture, normalization, context_.device);
    if (options.test) {
      context_.test.emplace(options.test, *options.architecture, normalization, context_.device);
      all_of_test_.resize(static_cast<std::size_t>(context_.test->size()));
      std::iota(all_of_test_.begin(), all_of_test_.end(), 0);
    }
    if (options.objective) full_gradient_.emplace(context_);
  }

  void prepare_thread() const override { at::set_num_threads(1); }

  [[nodiscard]] std::shared_ptr<const Weights> initial(
      const std::filesystem::path& file) const override {
    Trained trained(context_.layout.size());
    if (samples()) {
      if (!file.empty()) {
        throw base::UserError(
            "model.weights: fedpm trains who takes part in a network that it draws from the seed; "
            "leave it out");
      }
      for (std::size_t i = 0; i < trained.size(); ++i) {
        if (context_.layout.freezes(i)) trained[i] = std::make_shared<const Marks>(1, 1);
      }
      return std::make_shared<const TensorWeights>(
          initial_scores(context_.layout, context_.frozen, context_.seed), std::move(trained));
    }
    if (file.empty()) {
      return std::make_shared<const TensorWeights>(initial_tensors(context_.layout, context_.seed),
                                                   std::move(trained));
    }
    const auto loaded = load(file, Origin::anybody);
    return std::make_shared<const TensorWeights>(loaded->tensors, std::move(trained), std::nullopt,
                                                 loaded->masks);
  }

  [[nodiscard]] std::unique_ptr<Session> open(const TaskInput& input,
                                              std::stop_token stop) const override {
    TaskInput in_hand = input;
    if (in_hand.state) in_hand.state = in_memory(in_hand.state);
    return std::make_unique<TaskSession>(context_, std::move(in_hand), std::move(stop));
  }
  [[nodiscard]] bool needs_received() const override {
    return context_.rules.aggregation.rule->needs().received;
  }

  [[nodiscard]] std::shared_ptr<const Weights> next_version(
      const std::shared_ptr<const Weights>& current,
      const std::shared_ptr<const Artifact>& result) const override {
    if (auto weights = as_weights(result); weights && !weights->part) return weights;
    const auto update = as_update(result);
    if (!update) throw base::UserError("what a task was to publish is no version of the model");
    const at::NoGradGuard no_grad;
    // Of a single update the mean is the update.
    const auto rule = samples() ? context_.rules.aggregation.rule : default_rule();
    Merged merged = merge(context_.layout, *rule, inside(*current), update->base_version,
                          {{update.get(), nullptr}});
    return std::make_shared<const TensorWeights>(
        std::move(merged.weights), std::move(merged.trained), std::nullopt, inside(*current).masks);
  }

  [[nodiscard]] std::vector<std::int64_t> kept_elements(const Weights& weights) const override {
    return engine::kept_elements(context_.layout, inside(weights).masks);
  }

  [[nodiscard]] Evaluation evaluate(const Weights& weights, double rate,
                                    const std::stop_token& stop) const override {
    const Architecture& a = *context_.layout.architecture;
    const TensorWeights& model = inside(weights);
    const bool full = rate >= 1;
    const Submodel submodel = full ? full_submodel(a) : plain_submodel(context_, rate);
    const Network network(context_.layout, submodel);
    const bool direct = full && context_.device.is_cpu();
    const Tensors shown = effective(context_, model);
    const Tensors tensors =
        direct ? shown : slice(shown, context_.layout, submodel, context_.device);
    Evaluation result;
    if (full_gradient_) result.objective = full_gradient_->at(model, stop);
    const std::size_t exits = exits_in(a, submodel);
    std::vector<double> untrained;
    for (std::size_t e = 0; e < exits; ++e) {
      untrained.push_back(untrained_share(context_.layout, model.trained, up_to(e, e)));
    }
    const std::size_t deepest = full ? headline_exit(untrained, model.trained) : exits - 1;
    const bool together = context_.rules.ensemble && exits > 1;
    result.exits = score(network, tensors, *context_.test, all_of_test_,
                         {.classes = a.classes,
                          .batch = context_.evaluation_batch,
                          .together = together ? deepest + 1 : 0},
                         stop);
    if (result.exits.empty()) return result;  // there are no samples
    for (std::size_t e = 0; e < exits; ++e) {
      result.exits[e].after = a.exits[e].after;
      result.exits[e].untrained = untrained[e];
    }
    result.headline = static_cast<int>(together ? exits : deepest);
    if (!together) return result;
    ExitScore& all = result.exits.back();
    all.ensemble = true;
    all.after = a.exits[deepest].after;
    all.untrained = untrained_share(context_.layout, model.trained, up_to(0, deepest));
    return result;
  }

  [[nodiscard]] Evaluation evaluate_own(const Weights& weights,
                                        const std::vector<std::shared_ptr<const NodeState>>& nodes,
                                        double rate, const std::stop_token& stop) const override {
    std::vector<Evaluation> all;
    for (const auto& node : nodes) {
      const auto model = with_own(context_.layout, inside(weights), *in_memory(node));
      all.push_back(evaluate(*model, rate, stop));
    }
    return mean_of(all);
  }

  void save(const Weights& weights, const std::filesystem::path& file,
            const Metadata& about) const override {
    write_safetensors(file, to_file(context_.layout, inside(weights), about,
                                    effective(context_, inside(weights))));
  }
  void save(const NodeState& state, const std::filesystem::path& file) const override {
    write_safetensors(file, to_file(context_.layout, *in_memory(state)));
  }
  void save_own(const NodeState& state, const std::filesystem::path& file,
                const Metadata& about) const override {
    write_safetensors(file, own_to_file(context_.layout, *in_memory(state), about));
  }
  void save(const Artifact& artifact, const std::filesystem::path& file) const override {
    if (const auto* weights = dynamic_cast<const TensorWeights*>(&artifact)) {
      save(*weights, file, {});
    } else if (const auto* update = dynamic_cast<const TensorUpdate*>(&artifact)) {
      write_safetensors(file, to_file(context_.layout, *in_memory(*update), Masks::with));
    } else {
      throw base::UserError(file.string() +
                            ": what is to be stored is neither a version of the model nor an "
                            "update (updates of stages must be joined first)");
    }
  }
  [[nodiscard]] std::shared_ptr<const Artifact> set_aside(
      const std::shared_ptr<const Artifact>& artifact,
      const std::filesystem::path& file) const override {
    return stored(artifact, file);
  }
  [[nodiscard]] std::shared_ptr<const NodeState> set_aside(
      const std::shared_ptr<const NodeState>& state,
      const std::filesystem::path& file) const override {
    return stored(state, file);
  }
  [[nodiscard]] std::shared_ptr<const Weights> load_weights(
      const std::filesystem::path& file) const override {
    return load(file, Origin::kept);
  }
  [[nodiscard]] std::shared_ptr<const NodeState> load_state(
      const std::filesystem::path& file) const override {
    return state_from(context_.layout,
                      read_safetensors(file, file_limits(context_.layout), Origin::kept),
                      file.string());
  }
  [[nodiscard]] std::shared_ptr<const Artifact> load_artifact(
      const std::filesystem::path& file) const override {
    TensorFile content = read_safetensors(file, file_limits(context_.layout), Origin::kept);
    if (content.metadata.contains("trained")) {
      return weights_from(context_.layout, std::move(content), file.string());
    }
    return update_from(context_.layout, std::move(content), file.string());
  }

  [[nodiscard]] Parcel pack(const TaskInput& input) const override {
    const TensorWeights& received = inside(*input.received);
    const Submodel part = first_submodel(context_, input);
    const Compression compression = input.brief.download();
    if (compression.is_none()) {
      return packed(part_to_file(context_.layout, received, part, input.stages));
    }
    const auto sent = encode_model(context_.layout, received, part, compression);
    return packed(part_to_file(context_.layout, *sent, part));
  }
  [[nodiscard]] Parcel pack(const Outcome& outcome) const override {
    const auto update = as_update(outcome.result);
    if (!update) throw base::UserError("the task made no update that could be sent");
    TensorFile file = to_file(context_.layout, *update, Masks::without);
    file.metadata["loss"] = fmt::format("{}", outcome.loss);
    if (!outcome.finite) file.metadata["finite"] = "0";  // a sample does not tell
    if (outcome.local_accuracy) {
      file.metadata["local_accuracy"] = fmt::format("{}", *outcome.local_accuracy);
    }
    return packed(file);
  }
  [[nodiscard]] std::unique_ptr<Unpacking> unpack(const std::string& header, std::uint64_t bytes,
                                                  const std::string& from) const override {
    return std::make_unique<Box>(announced_by(header, bytes, from, parcel_limits(context_.layout)),
                                 from);
  }
  [[nodiscard]] std::shared_ptr<const Weights> unpack_weights(Unpacking& box) const override {
    return part_from(context_.layout, contents(box), from(box));
  }
  [[nodiscard]] Outcome unpack_update(Unpacking& box, const TaskInput& input) const override {
    const at::NoGradGuard no_grad;
    Outcome outcome;
    TensorFile file = box_of(box).announced_.content;  // whose memory the box still shares
    outcome.loss = figure_in(file, "loss").value_or(std::numeric_limits<double>::quiet_NaN());
    outcome.local_accuracy = figure_in(file, "local_accuracy");
    if (outcome.local_accuracy) {
      outcome.local_accuracy = std::clamp(*outcome.local_accuracy, 0.0, 1.0);
    }
    const bool claims_finite = figure_in(file, "finite").value_or(1) != 0;
    if (!input.received) {
      throw base::UserError(
          fmt::format("{}: what task {} started from is not here", from(box), input.task));
    }
    const auto update =
        update_from(context_.layout, std::move(file), from(box), &inside(*input.received));
    check_result(*update, input, from(box));
    if (update->base_version != input.version) {
      throw base::UserError(
          fmt::format("{}: the update of task {} was trained from version {}, "
                      "its task from {}",
                      from(box), input.task, update->base_version, input.version));
    }
    auto state = std::make_shared<TensorState>();
    state->submodel = update->submodel;
    state->logits.resize(context_.layout.architecture->groups.size());
    outcome.finite = claims_finite && is_finite(update->brings) && is_finite(update->squares);
    outcome.submodel = update->submodel;
    outcome.submodel.elements = engine::kept_elements(context_.layout, update->masks);
    outcome.state = std::move(state);
    outcome.result = update;
    return outcome;
  }

  [[nodiscard]] Parcel pack_crossing(const Crossing& crossing) const override {
    return packed(to_file(context_.layout, crossing));
  }
  [[nodiscard]] Crossing unpack_crossing(Unpacking& box, const TaskInput& input,
                                         std::int64_t samples) const override {
    const at::NoGradGuard no_grad;
    const Submodel submodel = first_submodel(context_, input);
    return crossing_from(context_.layout, contents(box), from(box), {input, submodel, samples},
                         context_.device);
  }

 private:
  class Box : public Unpacking {
   public:
    Box(Announced announced, std::string from)
        : announced_(std::move(announced)), from_(std::move(from)) {}
    [[nodiscard]] const std::vector<std::span<std::byte>>& pieces() const override {
      return announced_.pieces;
    }
    Announced announced_;
    std::string from_;
  };
  static Box& box_of(Unpacking& box) {
    return static_cast<Box&>(box);  // NOLINT(*-static-cast-downcast): nobody else makes them
  }
  static TensorFile contents(Unpacking& box) { return std::move(box_of(box).announced_.content); }
  static const std::string& from(Unpacking& box) { return box_of(box).from_; }

  [[nodiscard]] std::shared_ptr<const TensorWeights> load(const std::filesystem::path& file,
                                                          Origin origin) const {
    return weights_from(context_.layout,
                        read_safetensors(file, file_limits(context_.layout), origin),
                        file.string());
  }

  // Rejects an update that the task cannot end with.
  void check_result(const TensorUpdate& update, const TaskInput& input,
                    const std::string& from) const {
    const auto refuse = [&](const std::string& what) {
      throw base::UserError(fmt::format("{}: the update of task {} {}", from, input.task, what));
    };
    const Submodel first = first_submodel(context_, input);
    const MaskOptions& mask = context_.rules.mask;
    const bool learns =
        input.brief.choose_masks && has_phase(mask.selection) && input.brief.rate < 1;
    if (update.submodel.depth != first.depth) {
      refuse(fmt::format("has {} blocks, {} were asked for", update.submodel.depth, first.depth));
    }
    if (!learns && update.submodel.kept != first.kept) refuse("is of another submodel");
    const Submodel nested =
        nested_submodel(*context_.layout.architecture, input.brief.rate, mask.all_blocks);
    const bool is_drawn = mask.sampled && mask.selection == Selection::learned;
    if (learns && !is_drawn && sizes_of(update.submodel) != sizes_of(nested)) {
      refuse("is of a submodel of another size");
    }
    if (update.rate != input.brief.rate) refuse("is of another rate");
    if (update.is_partial()) refuse("holds only a part of the layers");
    if (update.squares.empty() == input.brief.bring_squares.value_or(false)) {
      refuse("brings squared gradients where none were asked for, or the other way round");
    }
    const auto brought = update.block ? std::optional(update.block->block) : std::nullopt;
    if (brought != input.brief.block()) refuse("is of another block of the parameters");
    Compression asked = input.brief.compression;
    asked.feedback = update.compression.feedback;  // the node's own business
    const bool is_compressed = !update.encoded.empty();
    if (is_compressed == asked.is_none() || (is_compressed && update.compression != asked)) {
      refuse("is not compressed as was asked for");
    }
    if (is_compressed && update.draw != draw_of(context_.seed, input.node, input.task)) {
      refuse("has drawn other elements than were asked for");
    }
    std::optional<SentModel> sent;
    if (const Compression down = input.brief.download(); !down.is_none()) {
      sent = SentModel{down, learns};
    }
    if (update.received_as != sent) refuse("was not trained from the model that was sent");
    const auto there =
        static_cast<double>(context_.parts.at(static_cast<std::size_t>(input.node)).count());
    // 0: the node's number of samples is not known here.
    if (there > 0 && update.samples != there) {
      refuse(fmt::format("claims {} samples, its node has {}", update.samples, there));
    }
    if (context_.rules.labels.told) check_labels(update, input.node, refuse);
  }

  template <class Refuse>
  void check_labels(const TensorUpdate& update, int node, Refuse refuse) const {
    if (update.labels.empty()) refuse("does not say which labels its node has");
    if (static_cast<double>(update.labels.size()) > update.samples) {
      refuse("claims more labels than its node has samples");
    }
    const LocalSplit& part = context_.parts.at(static_cast<std::size_t>(node));
    if (part.train.empty()) return;  // not known here
    const std::vector<int> there = context_.train->labels_of(part.train);
    if (update.labels == there) return;
    refuse(fmt::format("claims the labels {}, its node has {}", fmt::join(update.labels, " "),
                       fmt::join(there, " ")));
  }

  // By tensor: true if the scores of one of these exits depend on it.
  [[nodiscard]] std::vector<bool> up_to(std::size_t first, std::size_t last) const {
    std::vector<bool> counted;
    for (const ParameterTensor& p : context_.layout.tensors) {
      const bool own = p.exit >= static_cast<int>(first) && p.exit <= static_cast<int>(last);
      const bool before = p.exit < 0 && p.block < context_.layout.architecture->exits[last].after;
      counted.push_back(own || before);
    }
    return counted;
  }

  // See Evaluation::headline. `untrained`: by exit.
  [[nodiscard]] std::size_t headline_exit(const std::vector<double>& untrained,
                                          const Trained& trained) const {
    std::size_t partly = 0;
    for (std::size_t e = 0; e < untrained.size(); ++e) {
      std::vector<bool> head;
      for (const ParameterTensor& p : context_.layout.tensors) {
        head.push_back(p.exit == static_cast<int>(e));
      }
      if (untrained_share(context_.layout, trained, head) < 1) partly = e;
    }
    for (std::size_t e = untrained.size(); e-- > 0;) {
      const int after = context_.layout.architecture->exits[e].after;
      if (untrained[e] <= 0 || after <= full_depth_) return e;
    }
    return partly;
  }

  [[nodiscard]] bool samples() const { return context_.layout.elements == ElementKind::sampled; }

  EngineContext context_;
  int full_depth_;
  std::vector<std::int64_t> all_of_test_;
  std::optional<FullGradient> full_gradient_;
};

}  // namespace
}  // namespace convoy::engine

extern "C" convoy::engine::Engine* convoy_make_engine(
    const convoy::engine::EngineOptions& options) {
  return new convoy::engine::LibTorchEngine(options);  // NOLINT(*-owning-memory): for a shared_ptr
}
