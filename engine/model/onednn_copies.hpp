#pragma once

// The copies that LibTorch's convolutions make on CPUs (oneDNN), in elements: inputs, outputs and
// weights in blocks of channels. `batch`: samples.

#include "engine/model/layer_costs.hpp"

namespace convoy::engine {

// oneDNN convolves in blocks of so many channels (AVX-512; 8 with AVX2), padding the rest.
constexpr int channel_block = 16;

inline double rounded_up(int channels) {
  const int blocks = (channels + channel_block - 1) / channel_block;
  return static_cast<double>(blocks * channel_block);
}

// Convolutions use blocked copies; LibTorch computes 1x1 ones on small batches as products.
inline bool blocked(const TracedLayer& t, double batch) {
  constexpr int batch_of_pointwise = 16;
  const Layer& layer = *t.layer;
  return layer.kind == LayerKind::conv2d &&
         (layer.kernel > 1 || layer.stride > 1 || batch >= batch_of_pointwise);
}
// Inputs with fewer channels than a block are read directly.
inline bool is_plain(const TracedLayer& t) { return t.in.features < channel_block; }
inline double blocked_in(const TracedLayer& t, double batch) {
  return is_plain(t) ? 0 : rounded_up(t.in.features) * t.in.positions() * batch;
}
inline double blocked_out(const TracedLayer& t, double batch) {
  return rounded_up(t.out.features) * t.out.positions() * batch;
}
inline double blocked_weights(const TracedLayer& t) {
  const double from = (is_plain(t) ? t.in.features : rounded_up(t.in.features)) / t.layer->parts;
  return rounded_up(t.out.features) * from * t.layer->kernel * t.layer->kernel;
}
// Scratch memory for the weights' gradient.
inline double gradient_scratch(const TracedLayer& t, double batch) {
  constexpr int widest_window = 14;  // of oneDNN's own kernels
  if (t.layer->kernel <= widest_window) return blocked_out(t, batch) + blocked_in(t, batch);
  // By products: windows of one image, and a buffer of the weights' size, which oneDNN reserves
  // in bytes instead of values (src/cpu/gemm_convolution_utils.cpp): 4 times too large.
  const double window = static_cast<double>(t.layer->kernel) * t.layer->kernel * t.in.features;
  return window * (t.out.positions() + word * t.out.features);
}

}  // namespace convoy::engine
