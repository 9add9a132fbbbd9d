#include "engine/learning/norm_statistics.hpp"

#include <fmt/format.h>

#include "base/random.hpp"
#include "engine/learning/network.hpp"
#include "engine/model/batches.hpp"

namespace convoy::engine {
namespace {

constexpr std::uint64_t purpose = 0x73746174ULL;

std::vector<std::int64_t> known_samples(const std::vector<LocalSplit>& parts) {
  std::vector<std::int64_t> all;
  for (const LocalSplit& part : parts) {
    all.insert(all.end(), part.train.begin(), part.train.end());
  }
  return all;
}

}  // namespace

Tensors norm_statistics(const EngineContext& context, const Tensors& model, int batch,
                        std::int64_t task, const std::stop_token& stop) {
  const at::NoGradGuard no_grad;
  const Layout& layout = context.layout;
  const Architecture& a = *layout.architecture;
  const Network network(layout, full_submodel(a));
  std::vector<std::int64_t> order = known_samples(context.parts);
  const bool skips_single = needs_two_samples(network.trace());
  const EpochPlan plan = plan_epoch(static_cast<std::int64_t>(order.size()), batch, skips_single);
  if (plan.batches() == 0 || (skips_single && plan.size_of(0) < 2)) {
    throw base::UserError(fmt::format(
        "task {}: no data are known here from which the batch norms of {} could get their "
        "statistics; set schedule.heterofl.batch_norm = \"running\"",
        task, a.name));
  }
  const auto number = static_cast<std::uint64_t>(task);
  base::Random random({context.seed, number, purpose});
  shuffle(order, random);
  Tensors tensors;
  for (std::size_t i = 0; i < layout.size(); ++i) {
    const Tensor& t = model[i];
    tensors.push_back(layout.tensors[i].buffer
                          ? at::zeros_like(t, t.options().device(context.device))
                          : t.to(context.device));
  }
  Mode mode{.training = true,
            .update_statistics = true,
            .generator = make_generator(context.device, random.bits())};
  for (std::int64_t b = 0; b < plan.batches(); ++b) {
    if (stop.stop_requested()) throw Stopped();
    mode.momentum = 1 / static_cast<double>(b + 1);
    const auto size = static_cast<std::size_t>(plan.size_of(b));
    const Batch samples = context.train->batch({order.data() + b * plan.batch, size});
    [[maybe_unused]] const Tensors scores = network.forward(tensors, samples.input, mode);
  }
  Tensors next = model;
  for (std::size_t i = 0; i < layout.size(); ++i) {
    if (layout.tensors[i].buffer) next[i] = tensors[i].cpu();
  }
  return next;
}

}  // namespace convoy::engine
