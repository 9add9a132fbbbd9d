#pragma once

// Costs of computing a submodel, derived from the architecture: FLOPs by operator class, bytes
// moved, memory. No device here: platforms/roofline.hpp converts a step to seconds.
//
// A multiply-add is two FLOPs. (The literature on images mostly calls the multiply-adds "FLOPs".)
// Values have 4 bytes (FP32).
//
// FLOPs of convolutions, products and attention equal those of the operators called by
// engine/learning (tests/engine/learning/flops_test.cpp). Approximations: elementwise operators
// have a fixed FLOP count per element (memory limits them anyway), and every operator reads its
// inputs and writes its outputs once.
//
// Memory is that of the engine's step on LibTorch 1.13, tensor by tensor (memory.cpp): weights,
// optimizer state, gradients that appear while backward releases forward outputs, operators'
// temporary copies. Within 1 % of the allocator's peak in the weights phase of six architectures at
// four rates, within 3 % in the mask phase (tests/engine/learning/memory_test.cpp). Approximate or
// left out: oneDNN's blocks are those of AVX-512 (with AVX2 peaks differ by up to 8 %); other back
// ends (cuDNN) have other workspace; convolutions of a single small image; knowledge transfer's
// scores, gates, logits and, in the mask phase, untrained exits' heads (all small); the gradient
// that the scaler divides (one activation more for a moment); the library
// itself and the allocator's rounding; the update, made in place after the last step.

#include <array>
#include <vector>

#include "base/words.hpp"
#include "engine/model/trace.hpp"

namespace convoy::engine {

// Depthwise: convolutions with one window per channel; not on tensor cores, and with little
// arithmetic per byte. Pooling: maxima over windows, elementwise in kind, but LibTorch computes
// them on CPUs without vector instructions.
enum class OpClass { convolution, matrix_product, attention, depthwise, elementwise, pooling };
inline constexpr base::Words<OpClass> op_class_words = {
    {OpClass::convolution, "convolution"}, {OpClass::matrix_product, "matrix_product"},
    {OpClass::attention, "attention"},     {OpClass::depthwise, "depthwise"},
    {OpClass::elementwise, "elementwise"}, {OpClass::pooling, "pooling"}};
constexpr int op_classes = static_cast<int>(op_class_words.size());
// Bound by arithmetic where it is large.
constexpr bool is_dense(OpClass op) { return op < OpClass::elementwise; }

enum class Optimizer { sgd, sgd_momentum, adamw, adan };
inline constexpr base::Words<Optimizer> optimizer_words = {
    {Optimizer::sgd, "sgd"},
    {Optimizer::sgd_momentum, "sgd-momentum"},
    {Optimizer::adamw, "adamw"},
    {Optimizer::adan, "adan"}};

// The phases of a task: of weights, and before them of masks. `mask` (Co-S2P, arXiv 2410.08457 and
// its code): trains gates on the rows
// of every group together with CLS, positions, norms and the deepest exit. All other weights are
// frozen, but their gradients are computed: a gate's gradient is the sum over its rows of gradient
// x weight. `importance` (ours) computes the gates' gradients and trains nothing.
enum class Phase { weights, mask, importance };

// The precision of a step, in PyTorch's terms.
//   fp32         as PyTorch does by default: on a GPU that has TF32 convolutions use it
//                (torch.backends.cudnn.allow_tf32), matrix products do not (since 1.12)
//   fp32_strict  without TF32
//   fp16         weights and data in half precision (model.half()): inference
//   fp16_mixed   autocast: convolutions, products and most of what lies between them in half
//                precision; layer norm and softmax, weights and their update in FP32
enum class Precision { fp32, fp32_strict, fp16, fp16_mixed };
inline constexpr base::Words<Precision> precision_words = {{Precision::fp32, "fp32"},
                                                           {Precision::fp32_strict, "fp32-strict"},
                                                           {Precision::fp16, "fp16"},
                                                           {Precision::fp16_mixed, "fp16-mixed"}};

// Format of a kernel's operands, used by convolutions, products and attention; all other kernels
// compute in FP32. tf32: FP32 values, multiplied by tensor cores.
enum class Number { fp32, tf32, fp16 };
inline constexpr base::Words<Number> number_words = {
    {Number::fp32, "fp32"}, {Number::tf32, "tf32"}, {Number::fp16, "fp16"}};
constexpr int number_formats = static_cast<int>(number_words.size());

// One kernel launch on the device.
struct Kernel {
  OpClass op = OpClass::elementwise;
  double flops = 0;
  double bytes = 0;  // read and written
  // tf32: where the device has that; FP32 otherwise.
  Number number = Number::fp32;
};

struct StepCost {
  std::vector<Kernel> kernels;  // in the order of launching

  [[nodiscard]] double flops() const;
};

// Peak memory of a training step in bytes, by use.
struct MemoryCost {
  double weights = 0;      // parameters, buffers, kept received weights, gated copies
  double gradients = 0;    // of parameters, as far as present at the peak
  double optimizer = 0;    // state
  double activations = 0;  // the batch, forward outputs still kept for backward
  double workspace = 0;    // gradients of activations, operators' temporary copies
  [[nodiscard]] double total() const {
    return weights + gradients + optimizer + activations + workspace;
  }
};

constexpr double bytes_per_value = 4;

// Forward FLOPs per sample, by layer of the trace.
std::vector<double> forward_flops(const Trace& trace);

// What a method adds to a training step beside its layers, losses and update.
struct StepExtras {
  // What layers that follow a group give is divided by a number (HeteroFL's scaler).
  bool scaled = false;
  // Each exit learns from all others (DepthFL); nothing with one exit. The values are a few numbers
  // per sample, so that the launches alone count.
  bool mutual = false;

  // NOLINTNEXTLINE(modernize-use-nullptr): the 0 of a comparison
  friend auto operator<=>(const StepExtras&, const StepExtras&) = default;
};

// Forward, backward and the optimizer's update. For the mask phase give a trace with one exit.
// Under fp16_mixed activations and products move half the bytes, weights are cast for each step,
// gradients are unscaled and the update is made in FP32. There is no training in fp16 alone.
StepCost training_step(const Trace& trace, Optimizer optimizer, Phase phase, int batch,
                       Precision precision = Precision::fp32, const StepExtras& extras = {});
// Forward only, without dropout; only the deepest exit if the trace has one exit.
StepCost inference_step(const Trace& trace, int batch, Precision precision = Precision::fp32);
// `keeps_received`: the received weights stay in memory besides the trained ones (proximal term).
// Under fp16_mixed activations and their gradients take half; weights exist in FP32 and, from their
// use to that of their gradient, also in half precision. (Only FP32 was compared with an
// allocator's peak: tests/engine/learning/memory_test.cpp.)
MemoryCost training_memory(const Trace& trace, Optimizer optimizer, Phase phase, int batch,
                           bool keeps_received = false, Precision precision = Precision::fp32);

// Peak memory of a forward pass without gradients: weights, the values that are still needed, and
// what the layer at hand makes. Without the operators' temporary copies.
double inference_memory(const Trace& trace, int batch);

// Bytes of a submodel sent over a network: parameters and buffers.
double transfer_bytes(const Trace& trace);

// The server's work for one aggregation: reads each update of `update_bytes`, weights it, adds it
// to sums of the global model's size, and applies the sums. `compared`: of the updates, those for
// which the rule compares the model with the version that they were trained from (both are read).
StepCost aggregation_step(double model_bytes, const std::vector<double>& update_bytes,
                          std::size_t compared = 0);

}  // namespace convoy::engine
