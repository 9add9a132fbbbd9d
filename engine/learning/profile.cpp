// Measures single operators and whole training steps of small models. Measurements that are
// compared alternate, so that disturbances affect all alike.

#include "engine/api/profile.hpp"

#include <ATen/Parallel.h>
#include <dlfcn.h>
#include <fmt/format.h>
#include <link.h>
#include <torch/csrc/api/include/torch/version.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/median.hpp"
#include "base/non_copyable.hpp"
#include "base/random.hpp"
#include "engine/learning/autograd.hpp"
#include "engine/learning/devices.hpp"
#include "engine/learning/initial.hpp"
#include "engine/learning/local_training.hpp"
#include "engine/learning/loss.hpp"
#include "engine/learning/optimizer.hpp"

namespace convoy::engine {
namespace {

// --- clocks -------------------------------------------------------------------------------------

// Wall time, including other processes' share of the machine, as tasks see it.
double seconds_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Work that is repeated and timed.
class Subject : base::NonCopyable {
 public:
  Subject(std::string name, StepCost cost) : name_(std::move(name)), cost_(std::move(cost)) {}
  virtual ~Subject() = default;

  [[nodiscard]] const std::string& name() const { return name_; }
  virtual void once() = 0;
  // Waits until the device has finished.
  virtual void settle() = 0;

  // One visit: warms up, then repeats for about this long in a few parts; gives the median.
  double visit(double about_s, const std::atomic<bool>* interrupted) {
    constexpr int parts = 5;
    double from = seconds_now();
    once();
    settle();
    const double first = std::max(seconds_now() - from, 1e-7);
    // The first repetition is slower: it gets its memory from the system.
    const double enough = about_s / parts / first;
    const int times = static_cast<int>(std::clamp(enough, 1.0, 1e5));
    const int rounds = enough < 0.5 ? 3 : parts;
    std::vector<double> taken;
    for (int i = 0; i < rounds; ++i) {
      if (interrupted != nullptr && *interrupted) throw Stopped();
      from = seconds_now();
      for (int k = 0; k < times; ++k) once();
      settle();
      taken.push_back((seconds_now() - from) / times);
    }
    return base::median(std::move(taken));
  }

  [[nodiscard]] TimedStep result(std::vector<double> visits) const {
    std::sort(visits.begin(), visits.end());
    const double middle = visits[visits.size() / 2];
    return {name_, cost_, middle, middle / visits.front() - 1};
  }

 private:
  std::string name_;
  StepCost cost_;
};

// --- single operators ---------------------------------------------------------------------------

class Operator : public Subject {
 public:
  Operator(std::string name, Kernel kernel, std::function<Tensor()> call)
      : Subject(std::move(name), StepCost{{kernel}}), call_(std::move(call)) {}

  void once() override {
    const at::NoGradGuard no_grad;
    last_ = call_();
  }
  void settle() override {
    if (last_.defined() && !last_.is_cpu()) last_.view({-1})[0].item();
  }

 private:
  std::function<Tensor()> call_;
  Tensor last_;
};

using Subjects = std::vector<std::unique_ptr<Subject>>;

// Makes operators on random operands, and adds them to `all`.
class OperatorMaker {
 public:
  OperatorMaker(Subjects& all, const at::Device& device)
      : all_(all), on_(at::TensorOptions().dtype(at::kFloat).device(device)) {}

  void product(std::int64_t n) {
    const Tensor x = at::randn({n, n}, on_);
    const Tensor w = at::randn({n, n}, on_);
    const auto size = static_cast<double>(n);
    put(fmt::format("matrix product, {0} x {0} x {0}", n), OpClass::matrix_product,
        2 * size * size * size, 3 * size * size, [=] { return at::linear(x, w); });
  }
  void convolution(std::int64_t batch, std::int64_t channels, std::int64_t image) {
    const Tensor x = at::randn({batch, channels, image, image}, on_);
    const Tensor w = at::randn({channels, channels, 3, 3}, on_);
    const auto outputs = static_cast<double>(x.numel());
    put(fmt::format("convolution, {} x {} x {} x {}", batch, channels, image, image),
        OpClass::convolution, 18 * static_cast<double>(channels) * outputs,
        2 * outputs + static_cast<double>(w.numel()), [=] {
          return at::conv2d(x, w, {}, {1, 1}, {1, 1});
        });
  }
  void depthwise(std::int64_t channels, std::int64_t image) {
    const Tensor x = at::randn({8, channels, image, image}, on_);
    const Tensor w = at::randn({channels, 1, 3, 3}, on_);
    const auto outputs = static_cast<double>(x.numel());
    put(fmt::format("depthwise convolution, 8 x {} x {} x {}", channels, image, image),
        OpClass::depthwise, 18 * outputs, 2 * outputs + static_cast<double>(w.numel()), [=] {
          return at::conv2d(x, w, {}, {1, 1}, {1, 1}, {1, 1}, channels);
        });
  }
  void attention(std::int64_t heads, std::int64_t tokens, std::int64_t width) {
    const Tensor q = at::randn({heads, tokens, width}, on_);
    const Tensor k = at::randn({heads, tokens, width}, on_);
    const auto scores = static_cast<double>(heads * tokens * tokens);
    put(fmt::format("attention product, {} heads x {} tokens x {}", heads, tokens, width),
        OpClass::attention, 2 * scores * static_cast<double>(width),
        2 * static_cast<double>(q.numel()) + scores,
        [=] { return at::matmul(q, k.transpose(-2, -1)); });
  }
  void sum(std::int64_t n, const char* what) {
    const Tensor x = at::zeros({n}, on_);
    const Tensor y = at::ones({n}, on_);
    put(fmt::format("sum of {}, in place", what), OpClass::elementwise, static_cast<double>(n),
        3 * static_cast<double>(n), [=]() mutable { return x.add_(y); });
  }
  void maxima() {
    const Tensor images = at::randn({8, 16, 28, 28}, on_);
    const auto pixels = static_cast<double>(images.numel());
    put("maxima over 2 x 2 of 8 x 16 x 28 x 28", OpClass::pooling, pixels, 1.25 * pixels, [=] {
      return at::max_pool2d(images, {2, 2}, {2, 2});
    });
  }

 private:
  void put(const std::string& name, OpClass op, double flops, double values,
           std::function<Tensor()> call) {
    all_.push_back(std::make_unique<Operator>(name, Kernel{op, flops, values * bytes_per_value},
                                              std::move(call)));
  }

  Subjects& all_;
  at::TensorOptions on_;
};

void add_operators(Subjects& all, const at::Device& device, bool quick) {
  OperatorMaker add(all, device);
  add.product(quick ? 256 : 1024);
  add.product(64);
  add.convolution(quick ? 1 : 8, 128, 16);
  add.convolution(8, 16, 14);
  add.depthwise(quick ? 16 : 96, 28);
  add.attention(24, quick ? 64 : 197, 64);
  add.attention(32, 50, 16);
  constexpr std::int64_t million = 1 << 20;
  if (!quick) add.sum(32 * million, "128 MiB");  // larger than any cache
  add.sum(4 * million, "16 MiB");
  add.sum(million / 16, "256 KiB");
  add.sum(16, "16 numbers");
  add.maxima();
}

// --- training steps -----------------------------------------------------------------------------

std::shared_ptr<const Dataset> drawn(const Architecture& a, int samples) {
  auto data = std::make_shared<Dataset>();
  base::Random random({1});
  data->shape = {.text = a.input == InputKind::tokens,
                 .channels = a.channels,
                 .height = a.height,
                 .width = a.width,
                 .classes = a.classes};
  if (data->shape.text) {
    data->shape.sequence = a.sequence;
    data->shape.vocabulary = a.stem.layers.front().vocabulary;
    for (int i = 0; i < samples * a.sequence; ++i) {
      const auto words = static_cast<std::uint64_t>(data->shape.vocabulary - special_tokens);
      data->tokens.push_back(special_tokens + static_cast<std::int32_t>(random.below(words)));
    }
  } else {
    for (int i = 0; i < samples * a.channels * a.height * a.width; ++i) {
      data->pixels.push_back(static_cast<std::uint8_t>(random.below(256)));
    }
  }
  for (int i = 0; i < samples; ++i) data->labels.push_back(i % a.classes);
  return data;
}

std::string name_of(const ProfileCase& c) {
  const Optimizer optimizer = c.optimizer.cost();
  return fmt::format("{}{}, batch {}, {}", c.model.architecture,
                     c.rate < 1 ? fmt::format(" at {:g}", c.rate) : "", c.batch,
                     optimizer == Optimizer::sgd_momentum ? "sgd with momentum"
                                                          : name_of(optimizer_words, optimizer));
}

StepCost cost_of(const ProfileCase& c, const Architecture& a) {
  return training_step(trace(a, nested_submodel(a, c.rate)), c.optimizer.cost(), Phase::weights,
                       c.batch);
}

// A step as in LocalTraining::train, batch by batch.
class TrainingStep : public Subject {
 public:
  TrainingStep(const ProfileCase& c, const std::shared_ptr<const Architecture>& a,
               const at::Device& device)
      : Subject(name_of(c), cost_of(c, *a)),
        layout_(a),
        network_(layout_, nested_submodel(*a, c.rate)),
        data_(drawn(*a, batches * c.batch)),
        samples_(data_, *a, normalization_of(*data_), device),
        optimizer_(c.optimizer, c.optimizer.learning_rate),
        mode_{.training = true, .update_statistics = true, .generator = make_generator(device, 1)},
        batch_(c.batch) {
    weights_ = slice(initial_tensors(layout_, 1), layout_, nested_submodel(*a, c.rate), device);
    for (std::size_t i = 0; i < weights_.size(); ++i) {
      if (weights_[i].defined() && !layout_.tensors[i].buffer) weights_[i].requires_grad_();
    }
    order_.resize(static_cast<std::size_t>(data_->size()));
    std::iota(order_.begin(), order_.end(), 0);
  }

  void once() override {
    const auto size = static_cast<std::size_t>(batch_);
    const std::span<const std::int64_t> which(order_.data() + next_ * size, size);
    next_ = (next_ + 1) % batches;
    const Batch batch = samples_.batch(which);
    TransferOptions transfer;
    transfer.weight = 0;
    const Tensor loss =
        training_loss(network_.forward(weights_, batch.input, mode_), batch.labels, transfer);
    backward(loss);
    optimizer_.step(weights_);
    for (const Tensor& t : weights_) {
      if (t.defined()) t.mutable_grad().reset();
    }
    loss.item<double>();
  }
  void settle() override {
    if (!weights_.front().is_cpu()) weights_.front().view({-1})[0].item();
  }

 private:
  static constexpr std::size_t batches = 4;

  Layout layout_;
  Network network_;
  std::shared_ptr<const Dataset> data_;
  Samples samples_;
  Tensors weights_;
  OptimizerSteps optimizer_;
  Mode mode_;
  std::vector<std::int64_t> order_;
  int batch_;
  std::size_t next_ = 0;
};

// --- all of it ----------------------------------------------------------------------------------

struct GpuMemory {
  std::size_t free = 0;
  std::size_t total = 0;
};

// The CUDA runtime that LibTorch has loaded, whatever its version; empty: none.
std::string cuda_runtime() {
  std::string found;
  ::dl_iterate_phdr(
      [](dl_phdr_info* library, std::size_t, void* name) {
        const std::string_view path = library->dlpi_name;
        if (!path.substr(path.rfind('/') + 1).starts_with("libcudart")) return 0;
        *static_cast<std::string*>(name) = path;
        return 1;  // ends the search
      },
      &found);
  return found;
}

// Asks that runtime; the engine is built without CUDA.
std::optional<GpuMemory> gpu_memory() {
  const std::string runtime = cuda_runtime();
  if (runtime.empty()) return std::nullopt;
  void* library = ::dlopen(runtime.c_str(), RTLD_NOLOAD | RTLD_LAZY);
  if (library == nullptr) return std::nullopt;
  using GetInfo = int(std::size_t*, std::size_t*);
  GpuMemory memory;
  auto* const ask = reinterpret_cast<GetInfo*>(::dlsym(library, "cudaMemGetInfo"));
  if (ask == nullptr || ask(&memory.free, &memory.total) != 0) return std::nullopt;
  return memory;
}

// Notes a graphics card's own memory. (Jetsons share the system's memory: nothing to change.)
void note_gpu_memory(Profile& profile) {
  constexpr double alike = 0.8;
  const auto memory = gpu_memory();
  if (!memory) return;
  const auto total = static_cast<double>(memory->total);
  if (total > alike * profile.capacity && alike * total < profile.capacity) return;
  profile.capacity = total;
  profile.capacity_note = "cudaMemGetInfo";
  profile.available = 0;
  profile.context = total - static_cast<double>(memory->free);
}

std::unique_ptr<Subject> step_of(const ProfileCase& c, const at::Device& device) {
  const auto a = std::make_shared<const Architecture>(make_architecture(c.model));
  return std::make_unique<TrainingStep>(c, a, device);
}

class Measuring {
 public:
  Measuring(const ProfileOptions& options, const at::Device& device)
      : options_(options), device_(device), steps_(options.cases.size()) {
    add_operators(subjects_, device, options.quick);
    operators_.resize(subjects_.size());
  }

  void run() {
    const int rounds = options_.quick ? 2 : 5;
    const double operator_s = options_.quick ? 0.01 : 0.1;
    const double step_s = options_.quick ? 0.03 : 0.3;
    const double begun = seconds_now();
    for (int round = 0; round < rounds; ++round) {
      if (round > 0 && seconds_now() - begun > options_.budget_s) break;
      share_ = static_cast<double>(round) / rounds;
      per_visit_ = 1.0 / rounds / static_cast<double>(operators_.size() + steps_.size());
      for (std::size_t i = 0; i < subjects_.size(); ++i) {
        visit(*subjects_[i], operator_s, operators_[i]);
      }
      // Keeps one model in memory at a time, as in training.
      for (std::size_t i = 0; i < steps_.size(); ++i) {
        visit(*step_of(options_.cases[i], device_), step_s, steps_[i]);
      }
    }
  }

  // Runs each step for that long again, without interruption.
  void hold() {
    for (std::size_t i = 0; i < steps_.size(); ++i) {
      const auto step = step_of(options_.cases[i], device_);
      if (options_.progress) options_.progress(1, step->name());
      step->once();
      step->settle();
      options_.holding(i, true);
      const double until = seconds_now() + options_.hold_s;
      while (seconds_now() < until) {
        if (options_.interrupted != nullptr && *options_.interrupted) throw Stopped();
        step->once();
        step->settle();
      }
      options_.holding(i, false);
    }
  }

  [[nodiscard]] std::vector<TimedStep> operators() const {
    std::vector<TimedStep> all;
    for (const Measured& m : operators_) all.push_back(m.result);
    return all;
  }
  [[nodiscard]] std::vector<TimedStep> steps() const {
    std::vector<TimedStep> all;
    for (const Measured& m : steps_) all.push_back(m.result);
    return all;
  }

 private:
  struct Measured {
    std::vector<double> visits;
    TimedStep result;  // results so far
  };

  void visit(Subject& subject, double about_s, Measured& into) {
    if (options_.progress) options_.progress(share_, subject.name());
    into.visits.push_back(subject.visit(about_s, options_.interrupted));
    into.result = subject.result(into.visits);
    share_ += per_visit_;
  }

  const ProfileOptions& options_;
  at::Device device_;
  Subjects subjects_;
  std::vector<Measured> operators_;
  std::vector<Measured> steps_;
  double share_ = 0;
  double per_visit_ = 0;
};

// FLOP/s of a large product in half precision, if the device supports it.
double half_precision(const at::Device& device) {
  if (device.is_cpu()) return 0;
  constexpr std::int64_t n = 2048;
  const at::TensorOptions on = at::TensorOptions().dtype(at::kFloat).device(device);
  const Tensor x = at::randn({n, n}, on).to(at::kHalf);
  const double flops = 2.0 * n * n * n;
  Operator product("half", Kernel{OpClass::matrix_product, flops, 0}, [=] { return at::mm(x, x); });
  constexpr double about_s = 0.3;
  return flops / product.visit(about_s, nullptr);
}

at::Device prepared(const ProfileOptions& options) {
  const at::Device device = device_of(options.device);
  set_up_libraries();
  at::set_num_threads(1);
  return device;
}

}  // namespace
}  // namespace convoy::engine

// Runs every operator once, so that memory includes LibTorch's own.
extern "C" void convoy_profile_warm_up(const convoy::engine::ProfileOptions& options) {
  using namespace convoy::engine;
  const at::Device device = prepared(options);
  for (const ProfileCase& c : profile_cases(true)) {
    const auto step = step_of(c, device);
    step->once();
    step->settle();
  }
}

extern "C" void convoy_profile(const convoy::engine::ProfileOptions& options,
                               convoy::engine::Profile& profile) {
  using namespace convoy::engine;
  const at::Device device = prepared(options);
  if (!device.is_cpu()) note_gpu_memory(profile);
  Measuring measuring(options, device);
  measuring.run();
  if (options.hold_s > 0 && options.holding) measuring.hold();
  profile.operators = measuring.operators();
  profile.steps = measuring.steps();
  profile.peak_fp16 = half_precision(device);
  profile.software = fmt::format("LibTorch {}", TORCH_VERSION);
}
