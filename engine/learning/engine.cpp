// The engine behind engine/api: what is opened on demand.

#include "engine/api/engine.hpp"

#include <ATen/Parallel.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <dlfcn.h>
#include <fmt/format.h>

#include <numeric>

#include "engine/learning/aggregation.hpp"
#include "engine/learning/evaluation.hpp"
#include "engine/learning/files.hpp"
#include "engine/learning/initial.hpp"
#include "engine/learning/local_task.hpp"

namespace convoy::engine {
namespace {

at::Device device_of(const std::string& name) {
  try {
    const at::Device device(name);
    if (device.is_cpu()) return device;
    if (device.is_cuda() && at::globalContext().hasCUDA()) {
      const auto count = c10::impl::getDeviceGuardImpl(at::kCUDA)->deviceCount();
      if (device.index() < static_cast<int>(count)) return device;
      throw base::UserError(fmt::format("--device {}: there are {} GPUs here", name, count));
    }
  } catch (const c10::Error&) {
    throw base::UserError(fmt::format("--device {}: expected cpu, cuda or cuda:N", name));
  }
  throw base::UserError(fmt::format("--device {}: this LibTorch was built without it", name));
}

// OpenBLAS starts threads of its own, whatever LibTorch is told.
void quiet_blas() {
  for (const char* name : {"libopenblas.so.0", "libblas.so.3"}) {
    void* library = ::dlopen(name, RTLD_NOLOAD | RTLD_LAZY);
    if (library == nullptr) continue;
    using SetThreads = void(int);
    if (void* symbol = ::dlsym(library, "openblas_set_num_threads")) {
      reinterpret_cast<SetThreads*>(symbol)(1);
      return;
    }
  }
}

class LibTorchEngine : public Engine {
 public:
  explicit LibTorchEngine(const EngineOptions& options)
      : shop_{.layout = Layout(options.architecture),
              .training = options.training,
              .rules = options.rules,
              .seed = options.seed,
              .device = device_of(options.device),
              .parts = options.parts,
              .evaluation_batch = options.evaluation_batch},
        full_depth_(options.full_depth) {
    quiet_blas();
    const Normalization normalization = normalization_of(*options.train);
    shop_.train.emplace(options.train, *options.architecture, normalization, shop_.device);
    if (options.test) {
      shop_.test.emplace(options.test, *options.architecture, normalization, shop_.device);
      all_of_test_.resize(static_cast<std::size_t>(shop_.test->size()));
      std::iota(all_of_test_.begin(), all_of_test_.end(), 0);
    }
  }

  void prepare_thread() const override { at::set_num_threads(1); }

  [[nodiscard]] std::shared_ptr<const Weights> initial(
      const std::filesystem::path& file) const override {
    Tensors tensors = file.empty() ? initial_tensors(shop_.layout, shop_.seed)
                                   : weights_from(shop_.layout, file)->tensors;
    return std::make_shared<const WeightsHeld>(std::move(tensors), Trained(shop_.layout.size()));
  }

  [[nodiscard]] std::unique_ptr<LocalTask> begin(const TaskInput& input,
                                                 std::stop_token stop) const override {
    return std::make_unique<NodeTask>(shop_, input, std::move(stop));
  }

  [[nodiscard]] Aggregated aggregate(
      const Weights& current, const std::vector<Contribution>& contributions) const override {
    const at::NoGradGuard no_grad;
    std::vector<Received> updates;
    for (const Contribution& c : contributions) {
      updates.push_back({&held(*c.update), c.received ? &held(*c.received) : nullptr});
    }
    Merged merged = merge(shop_.layout, shop_.rules.aggregation, held(current), updates);
    Aggregated result;
    result.weights =
        std::make_shared<const WeightsHeld>(std::move(merged.weights), std::move(merged.trained));
    result.coverage_min = merged.coverage_min;
    result.untrained = merged.untrained;
    result.shares = std::move(merged.shares);
    return result;
  }

  [[nodiscard]] Evaluation evaluate(const Weights& weights, double rate,
                                    const std::stop_token& stop) const override {
    const Architecture& a = *shop_.layout.architecture;
    const WeightsHeld& model = held(weights);
    const bool full = rate >= 1;
    const Submodel submodel = full ? full_submodel(a) : nested_submodel(a, rate);
    const Network network(shop_.layout, submodel);
    const bool direct = full && shop_.device.is_cpu();
    const Tensors tensors =
        direct ? model.tensors : slice(model.tensors, shop_.layout, submodel, shop_.device);
    Evaluation result;
    result.exits =
        score(network, tensors, *shop_.test, all_of_test_, a.classes, shop_.evaluation_batch, stop);
    for (std::size_t e = 0; e < result.exits.size(); ++e) {
      result.exits[e].after = a.exits[e].after;
      result.exits[e].untrained = untrained_share(shop_.layout, model.trained, up_to(e));
    }
    result.judged =
        full ? judged(result.exits, model.trained) : static_cast<int>(result.exits.size()) - 1;
    return result;
  }

  void save(const Weights& weights, const std::filesystem::path& file,
            const Metadata& about) const override {
    write_safetensors(file, to_file(shop_.layout, held(weights), about));
  }
  void save(const NodeState& state, const std::filesystem::path& file) const override {
    write_safetensors(file, to_file(shop_.layout, held(state)));
  }
  void save(const Update& update, const std::filesystem::path& file) const override {
    write_safetensors(file, to_file(shop_.layout, held(update)));
  }
  [[nodiscard]] std::shared_ptr<const Weights> load_weights(
      const std::filesystem::path& file) const override {
    return weights_from(shop_.layout, file);
  }
  [[nodiscard]] std::shared_ptr<const NodeState> load_state(
      const std::filesystem::path& file) const override {
    return state_from(shop_.layout, file);
  }
  [[nodiscard]] std::shared_ptr<const Update> load_update(
      const std::filesystem::path& file) const override {
    return update_from(shop_.layout, file);
  }

 private:
  // The tensors that an exit's scores depend on.
  [[nodiscard]] std::vector<bool> up_to(std::size_t exit) const {
    std::vector<bool> counted;
    for (const ParameterTensor& p : shop_.layout.tensors) {
      const bool own = p.exit == static_cast<int>(exit);
      const bool before = p.exit < 0 && p.block < shop_.layout.architecture->exits[exit].after;
      counted.push_back(own || before);
    }
    return counted;
  }

  // See Evaluation::judged.
  [[nodiscard]] int judged(const std::vector<ExitScore>& exits, const Trained& trained) const {
    int partly = 0;
    for (int e = 0; e < static_cast<int>(exits.size()); ++e) {
      std::vector<bool> head;
      for (const ParameterTensor& p : shop_.layout.tensors) head.push_back(p.exit == e);
      if (untrained_share(shop_.layout, trained, head) < 1) partly = e;
    }
    for (int e = static_cast<int>(exits.size()) - 1; e >= 0; --e) {
      const ExitScore& exit = exits[static_cast<std::size_t>(e)];
      if (exit.untrained <= 0 || exit.after <= full_depth_) return e;
    }
    return partly;
  }

  Workshop shop_;
  int full_depth_;
  std::vector<std::int64_t> all_of_test_;
};

}  // namespace
}  // namespace convoy::engine

extern "C" convoy::engine::Engine* convoy_make_engine(
    const convoy::engine::EngineOptions& options) {
  return new convoy::engine::LibTorchEngine(options);  // NOLINT(*-owning-memory): for a shared_ptr
}
