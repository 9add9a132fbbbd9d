#include "engine/learning/aggregation.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <span>
#include <stdexcept>

#include "engine/learning/kept_runs.hpp"

namespace convoy::engine {
namespace {

double l1(const Tensor& t) { return t.abs().sum(at::kDouble).item<double>(); }

// |a - b|_1 over the parameters.
double distance(const Layout& layout, const Tensors& a, const Tensors& b) {
  double sum = 0;
  for (std::size_t i = 0; i < layout.size(); ++i) {
    if (!layout.tensors[i].buffer && !a[i].is_same(b[i])) sum += l1(a[i] - b[i]);
  }
  return sum;
}

double norm(const Layout& layout, const Received& received) {
  double sum = 0;
  for (std::size_t i = 0; i < layout.size(); ++i) {
    if (!layout.tensors[i].buffer && received.update->has(i)) {
      sum += l1(brought(layout, received, i));
    }
  }
  return sum;
}

bool is_whole(const std::shared_ptr<const Marks>& trained) {
  return trained && trained->size() == 1;
}

// One tensor of running statistics: the mean of the updates' values by their shares, over those
// that hold an element (unweighted if all these shares are 0). A convex combination whatever
// staleness, rule and masks, so variances stay at least 0. As in FedAvg, the spread of the updates'
// means is not added to the variances.
class StatisticsAverage {
 public:
  explicit StatisticsAverage(const ParameterTensor& p)
      : p_(p),
        by_share_(static_cast<std::size_t>(p.elements())),
        by_number_(by_share_.size()),
        share_(by_share_.size()),
        holders_(by_share_.size()) {}

  void add(const Tensor& values, const Kept& kept, double share) {
    const Tensor contiguous = values.contiguous();
    const float* part = contiguous.data_ptr<float>();
    for_each_run(p_, kept, [&](std::int64_t full, std::int64_t from, std::int64_t n) {
      for (std::int64_t i = 0; i < n; ++i) {
        const auto at = static_cast<std::size_t>(full + i);
        by_share_[at] += share * part[from + i];
        by_number_[at] += part[from + i];
        share_[at] += share;
        ++holders_[at];
      }
    });
  }

  // Elements held by no update stay unchanged.
  [[nodiscard]] Tensor apply(const Tensor& current) const {
    Tensor next = current.clone();
    float* value = next.data_ptr<float>();
    for (std::size_t i = 0; i < share_.size(); ++i) {
      if (holders_[i] == 0) continue;
      value[i] = static_cast<float>(share_[i] > 0 ? by_share_[i] / share_[i]
                                                  : by_number_[i] / holders_[i]);
    }
    return next;
  }

 private:
  const ParameterTensor& p_;
  std::vector<double> by_share_;
  std::vector<double> by_number_;
  std::vector<double> share_;
  std::vector<std::uint32_t> holders_;
};

// The sums over all updates for one parameter tensor of the model.
class TensorMerge {
 public:
  explicit TensorMerge(const ParameterTensor& p)
      : p_(p),
        sum_(static_cast<std::size_t>(p.elements()), 0.0),
        weight_(sum_.size(), 0.0F),
        holders_(sum_.size(), 0) {}

  void add(const Tensor& delta, const Kept& kept, double share) {
    const Tensor values = delta.contiguous();
    const float* part = values.data_ptr<float>();
    const auto weight = static_cast<float>(share);
    for_each_run(p_, kept, [&](std::int64_t full, std::int64_t from, std::int64_t n) {
      double* sum = sum_.data() + full;
      float* weights = weight_.data() + full;
      std::uint32_t* holders = holders_.data() + full;
      for (std::int64_t i = 0; i < n; ++i) sum[i] += share * part[from + i];
      for (std::int64_t i = 0; i < n; ++i) weights[i] += weight;
      for (std::int64_t i = 0; i < n; ++i) ++holders[i];
    });
  }

  [[nodiscard]] std::size_t size() const { return sum_.size(); }

  // A range of its elements, as passed to a rule.
  [[nodiscard]] Elements elements(const Tensor& current, std::size_t from, std::size_t n) const {
    Elements e;
    e.size = n;
    e.current = current.data_ptr<float>() + from;
    e.sum = sum_.data() + from;
    e.weight = weight_.data() + from;
    e.holders = holders_.data() + from;
    return e;
  }

  // The mean over the updates that hold an element, by their shares.
  void mean(std::span<double> change) const {
    for (std::size_t i = 0; i < sum_.size(); ++i) {
      change[i] = weight_[i] > 0 ? sum_[i] / weight_[i] : 0;
    }
  }

  // Changes only elements held by some update.
  [[nodiscard]] Tensor apply(const Tensor& current, std::span<const double> change) const {
    Tensor next = current.clone();
    float* w = next.data_ptr<float>();
    for (std::size_t i = 0; i < sum_.size(); ++i) {
      if (holders_[i] == 0) continue;
      w[i] = static_cast<float>(w[i] + change[i]);
    }
    return next;
  }

  [[nodiscard]] std::int64_t fewest_holders() const {
    return *std::min_element(holders_.begin(), holders_.end());
  }

  // Adds the held elements to the marks; see Trained.
  void mark(std::shared_ptr<const Marks>& trained) const {
    if (is_whole(trained)) return;
    Marks marks = trained ? *trained : Marks(sum_.size(), 0);
    bool changed = false;
    for (std::size_t i = 0; i < sum_.size(); ++i) {
      if (holders_[i] == 0 || marks[i] != 0) continue;
      marks[i] = 1;
      changed = true;
    }
    if (!changed) return;
    if (std::find(marks.begin(), marks.end(), 0) == marks.end()) marks.assign(1, 1);
    trained = std::make_shared<const Marks>(std::move(marks));
  }

 private:
  const ParameterTensor& p_;
  std::vector<double> sum_;
  std::vector<float> weight_;
  std::vector<std::uint32_t> holders_;
};

// What rules may query about the updates to compute shares.
class UpdatesView : public Updates {
 public:
  UpdatesView(const Layout& layout, const Rule& rule, const TensorWeights& current,
              std::int64_t version, const std::vector<Received>& updates, std::size_t nodes)
      : layout_(layout), rule_(rule), current_(current), updates_(updates), nodes_(nodes) {
    for (const Received& r : updates) {
      facts_.push_back({r.update->samples, r.update->rate, r.update->steps, r.update->base_version,
                        version - r.update->base_version});
    }
  }
  [[nodiscard]] std::size_t size() const override { return updates_.size(); }
  [[nodiscard]] std::size_t nodes() const override { return nodes_ > 0 ? nodes_ : size(); }
  [[nodiscard]] const UpdateFacts& facts(std::size_t update) const override {
    return facts_[update];
  }
  [[nodiscard]] double change_l1(std::size_t update) const override {
    return norm(layout_, updates_[update]);
  }
  [[nodiscard]] double drift_l1(std::size_t update) const override {
    return distance(layout_, current_.tensors, base_of(rule_, updates_, update).tensors);
  }

 private:
  const Layout& layout_;
  const Rule& rule_;
  const TensorWeights& current_;
  const std::vector<Received>& updates_;
  std::size_t nodes_;
  std::vector<UpdateFacts> facts_;
};

// The rule's state for the next version: its slots, starting at 0, independent of the state before.
RuleState next_state(const Layout& layout, const Rule& rule, const RuleState* before) {
  RuleState next;
  next.names = rule.state();
  const bool goes_on = before != nullptr && before->names == next.names;
  next.aggregations = goes_on ? before->aggregations : 0;
  next.slots = goes_on ? before->slots : std::vector<Tensors>(next.names.size());
  for (Tensors& slot : next.slots) slot.resize(layout.size());
  return next;
}

// State slots of one tensor, copied first if an earlier version shares them.
std::vector<float*> own_slots(RuleState& state, std::size_t tensor, const Tensor& current) {
  std::vector<float*> slots;
  for (Tensors& slot : state.slots) {
    slot[tensor] = slot[tensor].defined() ? slot[tensor].clone() : at::zeros_like(current);
    slots.push_back(slot[tensor].data_ptr<float>());
  }
  return slots;
}

// Elements of a stretch, where a rule asks for each update's.
std::size_t longest_stretch(const Rule& rule, std::size_t elements, std::size_t updates,
                            std::size_t bytes) {
  if (!rule.needs().changes || updates == 0) return elements;
  const std::size_t each = sizeof(float) + 1 + (rule.needs().received ? sizeof(float) : 0);
  return std::clamp<std::size_t>(bytes / (each * updates), 1, std::max<std::size_t>(1, elements));
}

// Calls the rule for a tensor's changes, stretch by stretch.
void ask(const Rule& rule, const Layout& layout, std::size_t tensor, const TensorMerge& merged,
         const Tensor& current, const std::vector<Received>& updates,
         std::span<const double> shares, const std::vector<float>& at_work, RuleState& state,
         std::span<double> change, std::size_t stretch) {
  const std::vector<float*> slots = own_slots(state, tensor, current);
  const std::size_t most = longest_stretch(rule, merged.size(), updates.size(), stretch);
  std::optional<Scattered> scattered;
  if (rule.needs().changes) scattered.emplace(layout, rule, tensor, updates, most);
  for (std::size_t from = 0; from < merged.size(); from += most) {
    Elements e = merged.elements(current, from, std::min(most, merged.size() - from));
    if (rule.needs().at_work) e.at_work = at_work.data() + from;
    std::vector<float*> here;
    for (float* slot : slots) here.push_back(slot + from);
    e.updates = updates.size();
    e.shares = shares;
    e.state = here;
    e.aggregations = state.aggregations;
    if (scattered) {
      scattered->fill(from, e.size);
      e.changes = scattered->changes();
      e.holds = scattered->holds();
      e.received = scattered->received();
    }
    rule.combine(e, change.subspan(from, e.size));
  }
}

// The share of one sample in all those of the updates: the unit in which those at work count.
double share_of_a_sample(const Rule& rule, const std::vector<Received>& updates,
                         const Others& others) {
  if (!rule.needs().at_work) return 0;
  if (!others.at_work) {
    throw base::UserError(fmt::format(
        "the rule \"{}\" needs to know who is at work, and this schedule does not say it",
        rule.name()));
  }
  double samples = 0;
  for (const Received& r : updates) samples += r.update->samples;
  return samples > 0 ? 1 / samples : 0;
}

}  // namespace

Merged merge(const Layout& layout, const Rule& rule, const TensorWeights& current,
             std::int64_t version, const std::vector<Received>& updates, const RuleState* state,
             const Others& others, std::size_t stretch) {
  const bool by_label = rule.needs().labels;
  const UpdatesView view(layout, rule, current, version, updates, others.nodes);
  const double per_sample = share_of_a_sample(rule, updates, others);
  Merged merged;
  AggregationReport& report = merged.report;
  report.shares = rule.shares(view);
  report.shares_sum = rule.shares_sum(view);
  if (report.shares.size() != updates.size()) {
    throw std::logic_error(fmt::format("the rule \"{}\" gave {} shares for {} updates", rule.name(),
                                       report.shares.size(), updates.size()));
  }
  merged.state = next_state(layout, rule, state);
  merged.trained = current.trained;
  report.coverage_min = std::numeric_limits<std::int64_t>::max();
  const bool rest_is_own = std::any_of(updates.begin(), updates.end(),
                                       [](const Received& r) { return r.update->rest_is_own; });
  std::vector<bool> counted(layout.size(), true);
  std::vector<double> change;
  for (std::size_t i = 0; i < layout.size(); ++i) {
    const ParameterTensor& p = layout.tensors[i];
    const bool anybody = std::any_of(updates.begin(), updates.end(),
                                     [&](const Received& r) { return r.update->has(i); });
    if (!anybody) {
      merged.weights.push_back(current.tensors[i]);  // shares memory with the version before
      counted[i] = !rest_is_own;
      if (!p.buffer && !layout.freezes(i) && !rest_is_own) report.coverage_min = 0;
      continue;
    }
    const auto add_to = [&](auto& tensor) {
      for (std::size_t u = 0; u < updates.size(); ++u) {
        if (!updates[u].update->has(i)) continue;
        const Counted counted = counted_of(layout, updates[u], i, by_label);
        tensor.add(counted.values, counted.kept, report.shares[u]);
      }
    };
    if (p.buffer) {
      StatisticsAverage tensor(p);
      add_to(tensor);
      merged.weights.push_back(tensor.apply(current.tensors[i]));
      continue;
    }
    TensorMerge tensor(p);
    add_to(tensor);
    change.assign(tensor.size(), 0);
    const std::vector<float> at_work = rule.needs().at_work
                                           ? weight_at_work(layout, i, *others.at_work, per_sample)
                                           : std::vector<float>();
    ask(rule, layout, i, tensor, current.tensors[i], updates, report.shares, at_work, merged.state,
        change, stretch);
    Tensor next = tensor.apply(current.tensors[i], change);
    // What is masked stays, whatever the rule remembers of it.
    if (!current.masks.empty() && current.masks[i].defined()) {
      next = at::where(current.masks[i], next, current.tensors[i]);
    }
    merged.weights.push_back(std::move(next));
    report.coverage_min = std::min(report.coverage_min, tensor.fewest_holders());
    tensor.mark(merged.trained[i]);
  }
  ++merged.state.aggregations;
  report.untrained = untrained_share(layout, merged.trained, counted);
  return merged;
}

std::shared_ptr<const TensorUpdate> combine(const Layout& layout,
                                            const std::vector<const TensorUpdate*>& updates,
                                            bool by_label) {
  const Architecture& a = *layout.architecture;
  auto combined = std::make_shared<TensorUpdate>();
  combined->rate = 0;
  combined->base_version = std::numeric_limits<std::int64_t>::max();
  std::vector<Submodel> submodels;
  for (const TensorUpdate* update : updates) {
    submodels.push_back(update->submodel);
    combined->samples += update->samples;
    combined->rate = std::max(combined->rate, update->rate);
    combined->steps = std::max(combined->steps, update->steps);
    combined->base_version = std::min(combined->base_version, update->base_version);
  }
  combined->submodel = union_of(a, submodels);
  combined->labels = labels_of(updates);
  combined->brings.resize(layout.size());
  std::vector<double> change;
  for (std::size_t i = 0; i < layout.size(); ++i) {
    const ParameterTensor& p = layout.tensors[i];
    if (!is_in(p, a, combined->submodel)) continue;
    const auto add_to = [&](auto& tensor) {
      for (const TensorUpdate* update : updates) {
        if (!update->has(i)) continue;
        const double share = combined->samples > 0 ? update->samples / combined->samples
                                                   : 1 / static_cast<double>(updates.size());
        const Counted counted = counted_of(layout, Received{update}, i, by_label);
        tensor.add(counted.values, counted.kept, share);
      }
    };
    const Tensor zero = at::zeros(p.shape);
    Tensor whole;
    if (p.buffer) {
      StatisticsAverage tensor(p);
      add_to(tensor);
      whole = tensor.apply(zero);
    } else {
      TensorMerge tensor(p);
      add_to(tensor);
      change.assign(tensor.size(), 0);
      tensor.mean(change);
      whole = tensor.apply(zero, change);
    }
    combined->brings[i] = slice(whole, kept_of(p, a, combined->submodel));
  }
  return combined;
}

double untrained_share(const Layout& layout, const Trained& trained,
                       const std::vector<bool>& counted) {
  double all = 0;
  double held = 0;
  for (std::size_t i = 0; i < layout.size(); ++i) {
    const ParameterTensor& p = layout.tensors[i];
    if (p.buffer || !counted[i]) continue;
    all += static_cast<double>(p.elements());
    if (is_whole(trained[i])) {
      held += static_cast<double>(p.elements());
    } else if (trained[i]) {
      held += static_cast<double>(std::count(trained[i]->begin(), trained[i]->end(), 1));
    }
  }
  return all > 0 ? 1 - held / all : 0;
}

}  // namespace convoy::engine
