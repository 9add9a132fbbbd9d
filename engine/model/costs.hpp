#pragma once

// What computing on a submodel costs, worked out from the architecture: FLOPs by class of operator,
// bytes moved, memory. No device here: platforms/roofline.hpp turns a step into seconds.
//
// A multiply-add is two FLOPs. (The literature on images mostly calls the multiply-adds "FLOPs".)
// Values are 4 bytes (FP32).
//
// FLOPs of convolutions, products and attention are those of the operators that engine/learning
// calls, to the last one (tests/engine/learning/flops_test.cpp). What is approximate: the FLOPs of
// elementwise operators (a fixed count an element; they are bound by memory anyway), and that every
// operator reads its inputs from memory and writes its outputs there once.
//
// Memory is that of the engine's step on LibTorch 1.13, tensor by tensor (memory.cpp): weights,
// the optimizer's state, gradients that appear while backward releases what forward kept, the
// operators' own copies. Within 1 % of the allocator's peak in the weights phase of six
// architectures at four rates, within 3 % in the mask phase
// (tests/engine/learning/memory_test.cpp). What is approximate or left out: oneDNN's blocks are
// those of AVX-512 (with AVX2 the peaks are up to 8 % off), and another back end (cuDNN) has other
// workspace; convolutions of a single small image, which take another way; knowledge transfer's
// scores, gates and logits, and in the mask phase the heads of the exits that are not trained (all
// small); the library itself, the allocator's rounding; the update, made in place after the last
// step.

#include <array>
#include <string>
#include <vector>

#include "base/words.hpp"
#include "engine/model/trace.hpp"

namespace convoy::engine {

// Depthwise: convolutions with one window for each channel; no tensor core computes them, and they
// have little to compute for what they read. Pooling: maxima over windows. Elementwise in kind, but
// on a CPU LibTorch computes them one by one, without vector instructions.
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

// The two phases of a Co-S2P task (arXiv 2410.08457 and its code). `mask`: gates on the rows of
// every group are trained together with CLS, positions, norms and the deepest exit; the rest is
// frozen, but its gradient is needed all the same, since a gate's gradient is the sum over its rows
// of gradient x weight.
enum class Phase { weights, mask };

// How a step computes, in PyTorch's terms.
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

// The format of a kernel's operands. Convolutions, products and attention multiply in it; all other
// kernels compute in FP32 whatever they read. tf32: FP32 values, multiplied by tensor cores.
enum class Number { fp32, tf32, fp16 };
inline constexpr base::Words<Number> number_words = {
    {Number::fp32, "fp32"}, {Number::tf32, "tf32"}, {Number::fp16, "fp16"}};
constexpr int number_formats = static_cast<int>(number_words.size());

// One launch on the device.
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
  [[nodiscard]] std::array<double, op_classes> flops_by_class() const;
};

// Bytes at the highest point of a training step, by what they hold there.
struct MemoryCost {
  double weights = 0;      // parameters and buffers, what was received if it is kept, gated copies
  double gradients = 0;    // of parameters, those that are there already
  double optimizer = 0;    // state
  double activations = 0;  // the batch, what goes forward, what is still kept for backward
  double workspace = 0;    // gradients on their way back, operators' own copies
  [[nodiscard]] double total() const {
    return weights + gradients + optimizer + activations + workspace;
  }
};

constexpr double bytes_per_value = 4;

// Forward FLOPs of one sample, by layer; in the order of trace().
std::vector<double> forward_flops(const Trace& trace);

// Forward, backward and the optimizer's update. For the mask phase give a trace with one exit.
// Under fp16_mixed activations and products move half the bytes, weights are cast for each step,
// gradients are unscaled and the update is made in FP32. There is no training in fp16 alone.
StepCost training_step(const Trace& trace, Optimizer optimizer, Phase phase, int batch,
                       Precision precision = Precision::fp32);
// Forward alone, nothing dropped out, up to the deepest exit where the trace has one exit.
StepCost inference_step(const Trace& trace, int batch, Precision precision = Precision::fp32);
// `keeps_received`: the weights as received stay beside those that are trained (a proximal term).
// Under fp16_mixed activations, and gradients on their way back, take half; weights are there in
// FP32 and, from their use to that of their gradient, in half precision. (That has not been
// compared with an allocator's peak; FP32 has: tests/engine/learning/memory_test.cpp.)
MemoryCost training_memory(const Trace& trace, Optimizer optimizer, Phase phase, int batch,
                           bool keeps_received = false, Precision precision = Precision::fp32);

// Bytes of a submodel on the wire: parameters and buffers.
double transfer_bytes(const Trace& trace);

// The server's work for one aggregation: each update of `update_bytes` is read, weighted and added
// into sums of the global model's size, which are then applied.
StepCost aggregation_step(double model_bytes, const std::vector<double>& update_bytes);

}  // namespace convoy::engine
