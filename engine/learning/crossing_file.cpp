// What crosses a cut between machines, as safetensors.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

#include "engine/learning/file_parts.hpp"
#include "engine/learning/files.hpp"
#include "engine/learning/stage_session.hpp"

namespace convoy::engine {
namespace {

constexpr double longest_rest = 2;  // a batch may hold the next one's rest: so many batches at most

std::string tensor_name(int number) { return fmt::format("tensor:{}", number); }
std::string order_name(int number) { return fmt::format("order:{}", number); }

// A tensor's dimensions by falling stride: in this order it lies in memory without gaps. Rising
// numbers where it does not.
std::vector<std::int64_t> memory_order(const Tensor& t) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(t.dim()));
  std::iota(order.begin(), order.end(), 0);
  if (!t.is_non_overlapping_and_dense()) return order;
  std::ranges::stable_sort(order, std::greater(), [&](std::int64_t d) { return t.stride(d); });
  return order;
}

void put_boundary(const Boundary& boundary, TensorFile& file) {
  for (const auto& [number, tensor] : boundary) {
    const std::vector<std::int64_t> order = memory_order(tensor);
    file.tensors.emplace_back(tensor_name(number), tensor.detach().permute(order));
    if (std::ranges::is_sorted(order)) continue;
    file.metadata[order_name(number)] = fmt::format("{}", fmt::join(order, " "));
  }
}

void put_micro_batch(const MicroBatch& of, int cut, TensorFile& file) {
  file.metadata["cut"] = std::to_string(cut);
  file.metadata["number"] = std::to_string(of.number);
  file.metadata["counted"] = std::to_string(of.counted);
  file.metadata["node"] = std::to_string(of.node);
  file.metadata["node_samples"] = fmt::format("{}", of.node_samples);
  file.metadata["samples"] = std::to_string(of.samples);
  file.metadata["share"] = fmt::format("{}", of.share);
}

class CrossingReader {
 public:
  CrossingReader(const Layout& layout, TensorFile file, const std::string& from,
                 const CrossingOf& of, const at::Device& device)
      : layout_(layout),
        of_(of),
        device_(device),
        trace_(trace(*layout.architecture, of.submodel)),
        source_(layout, std::move(file), from) {}

  std::shared_ptr<const Artifact> activation() {
    auto made = std::make_shared<Activation>();
    read_micro_batch(made->of, made->cut);
    made->tensors = boundary(made->of, made->cut, false);
    if (source_.has("labels")) made->labels = labels(made->of.samples);
    source_.finish();
    return made;
  }

  std::shared_ptr<const Artifact> gradient() {
    auto made = std::make_shared<Gradient>();
    read_micro_batch(made->of, made->cut);
    made->tensors = boundary(made->of, made->cut, true);
    made->loss = source_.number("loss_behind");
    made->is_finite = source_.whole("finite") == 1;
    source_.finish();
    return made;
  }

 private:
  int small(const std::string& key, std::int64_t most) const {
    const std::int64_t value = source_.whole(key);
    if (value > most) source_.fail(fmt::format("\"{}\" in its metadata is too large", key));
    return static_cast<int>(value);
  }

  void read_micro_batch(MicroBatch& of, int& cut) const {
    constexpr std::int64_t most = 1'000'000'000;
    cut = small("cut", whole(trace_).last - 1);
    if (cut < 1) source_.fail("crosses no cut of the model");
    of.number = small("number", most);
    of.counted = small("counted", most);
    of.node = small("node", most);
    of.node_samples = source_.number("node_samples");
    of.samples = source_.whole("samples");
    of.share = source_.number("share");
    if (of.node != of_.input.node) {
      source_.fail(
          fmt::format("is of samples of node {}, its task of node {}", of.node, of_.input.node));
    }
    if (of.node_samples != static_cast<double>(of_.samples)) {
      source_.fail(fmt::format("claims {} samples, its node has {}", of.node_samples, of_.samples));
    }
    const double most_samples = longest_rest * of_.input.brief.batch;
    if (of.samples < 1 || static_cast<double>(of.samples) > most_samples) {
      source_.fail(fmt::format("has {} samples, its task's batches have {}", of.samples,
                               of_.input.brief.batch));
    }
    if (!(of.share > 0 && of.share <= 1)) {
      source_.fail(fmt::format("is a share of {} of its batch", of.share));
    }
  }

  Boundary boundary(const MicroBatch& of, int cut, bool back) {
    Boundary all;
    for (const int number : crossing(trace_, cut)) {
      if (back && !has_gradient(trace_, number)) continue;
      all.emplace(number, tensor(number, of.samples).to(device_));
    }
    return all;
  }

  Tensor tensor(int number, std::int64_t samples) {
    const std::string name = tensor_name(number);
    const Tensor* t = source_.take(name);
    if (t == nullptr) source_.fail(fmt::format("has no \"{}\"", name));
    const auto type = is_token_numbers(trace_, number) ? at::kLong : at::kFloat;
    Tensor there = *t;
    if (source_.says(order_name(number))) there = there.permute(back_to_order(number, t->dim()));
    const double wanted = static_cast<double>(samples) * shape_of(trace_, number).elements();
    if (there.scalar_type() != type || there.dim() < 1 || there.size(0) != samples ||
        static_cast<double>(there.numel()) != wanted) {
      source_.fail(fmt::format("\"{}\" has another shape or type than the model's", name));
    }
    return there;
  }

  // The inverse of the order in which the dimensions were sent.
  [[nodiscard]] std::vector<std::int64_t> back_to_order(int number, std::int64_t dimensions) const {
    const std::vector<double> order = source_.numbers(order_name(number));
    std::vector<std::int64_t> inverse(static_cast<std::size_t>(dimensions), -1);
    for (std::size_t i = 0; i < order.size(); ++i) {
      const double d = order[i];
      const bool is_one = d >= 0 && d < static_cast<double>(dimensions) && d == std::floor(d);
      if (is_one && order.size() == inverse.size()) {
        inverse[static_cast<std::size_t>(d)] = static_cast<std::int64_t>(i);
      }
    }
    if (std::ranges::find(inverse, -1) != inverse.end()) {
      source_.fail(fmt::format("\"{}\" in its metadata is no order", order_name(number)));
    }
    return inverse;
  }

  Tensor labels(std::int64_t samples) {
    const Tensor* t = source_.take("labels");
    const int classes = layout_.architecture->classes;
    if (t->scalar_type() != at::kLong || t->dim() != 1 || t->size(0) != samples ||
        t->min().item<std::int64_t>() < 0 || t->max().item<std::int64_t>() >= classes) {
      source_.fail("its labels are no labels of its samples");
    }
    return t->to(device_);
  }

  const Layout& layout_;
  const CrossingOf& of_;
  at::Device device_;
  Trace trace_;
  TensorSource source_;
};

std::shared_ptr<const Artifact> stage_update(const Layout& layout, TensorFile file,
                                             const std::string& from, const CrossingOf& of) {
  const bool is_finite = file.metadata["finite"] == "1";
  const auto update = update_from(layout, std::move(file), from);
  const auto refuse = [&](const std::string& what) {
    throw base::UserError(fmt::format("{}: the update of a part {}", from, what));
  };
  if (update->stages.size() != 1 || update->block || !update->encoded.empty()) {
    refuse("is not of one stage, sent whole");
  }
  if (update->base_version != of.input.version) {
    refuse(fmt::format("was trained from version {}, its task from {}", update->base_version,
                       of.input.version));
  }
  if (update->rate != of.input.brief.rate) refuse("is of another rate");
  if (update->submodel.depth != of.submodel.depth || update->submodel.kept != of.submodel.kept) {
    refuse("is of another submodel");
  }
  if (update->samples != static_cast<double>(of.samples)) {
    refuse(fmt::format("claims {} samples, its node has {}", update->samples, of.samples));
  }
  auto made = std::make_shared<StageUpdate>();
  static_cast<UpdateOrigin&>(*made) = *update;
  made->stage = update->stages.front();
  made->brings = update->brings;
  made->is_finite = is_finite && engine::is_finite(update->brings);
  return made;
}

}  // namespace

TensorFile to_file(const Layout& layout, const Crossing& crossing) {
  TensorFile file;
  const Artifact* artifact = crossing.artifact.get();
  if (const auto* activation = dynamic_cast<const Activation*>(artifact)) {
    file.metadata["crossing"] = "activation";
    put_micro_batch(activation->of, activation->cut, file);
    put_boundary(activation->tensors, file);
    if (activation->labels.defined()) file.tensors.emplace_back("labels", activation->labels);
  } else if (const auto* gradient = dynamic_cast<const Gradient*>(artifact)) {
    file.metadata["crossing"] = "gradient";
    put_micro_batch(gradient->of, gradient->cut, file);
    put_boundary(gradient->tensors, file);
    file.metadata["loss_behind"] = fmt::format("{}", gradient->loss);
    file.metadata["finite"] = gradient->is_finite ? "1" : "0";
  } else if (const auto* stage = dynamic_cast<const StageUpdate*>(artifact)) {
    TensorUpdate update(*stage);
    update.brings = stage->brings;
    update.stages = {stage->stage};
    file = to_file(layout, update, Masks::without);
    file.metadata["crossing"] = "stage";
    file.metadata["finite"] = stage->is_finite ? "1" : "0";
  } else {
    throw base::UserError("something is to cross between nodes that crosses no cut");
  }
  file.metadata["loss"] = fmt::format("{}", crossing.loss);
  return file;
}

Crossing crossing_from(const Layout& layout, TensorFile file, const std::string& from,
                       const CrossingOf& of, const at::Device& device) {
  const std::string kind = file.metadata["crossing"];
  const double loss = TensorSource(layout, {{}, file.metadata}, from).number("loss");
  if (kind == "stage") return {stage_update(layout, std::move(file), from, of), loss};
  CrossingReader reader(layout, std::move(file), from, of, device);
  if (kind == "activation") return {reader.activation(), loss};
  if (kind == "gradient") return {reader.gradient(), loss};
  throw base::UserError(fmt::format("{}: is nothing that crosses a cut", from));
}

}  // namespace convoy::engine
