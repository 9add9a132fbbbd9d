#pragma once

// A model in stages (pipeline and split learning): each node computes a range of a trace's layers.
//
//   layers 0 .. n-1 of Trace::layers, in the order of execution
//   cut c  (1 <= c <= n-1) between layers c-1 and c
//   stage  [first, last), the layers between two cuts
//
// What is made before a cut and used behind it crosses the cut: forward its value, backward its
// gradient. All sizes are those of the trace, so that a pruned submodel sends less.
//
// Exits: an exit belongs to the stage that has its last layer; its scores have no reader, so that
// they cross no cut. A trace made with `one_exit` has only the deepest one, at its end. Labels are
// needed by every stage that has an exit; they come with the data and are no part of what crosses.
//
// A view (flatten, select_first, an adaptive pool or a scatter that does nothing) is a tensor of
// its own: the cuts before and behind it are two positions. They send the same bytes, except that
// behind select_first only the first token is sent.
//
// Every function that takes a cut or a stage throws std::out_of_range where it is none of the
// trace; only read_cut() and cut_after() check what a user wrote (base::UserError).

#include <cstdint>
#include <string>
#include <vector>

#include "engine/model/costs.hpp"

namespace convoy::engine {

// Layers [first, last) of a trace, computed by one node; not empty.
struct Stage {
  int first = 0;
  int last = 0;

  friend bool operator==(const Stage&, const Stage&) = default;
};

// The whole model as one stage.
Stage whole(const Trace& trace);
// The stages between these rising cuts; without cuts the whole.
std::vector<Stage> stages_between(const Trace& trace, const std::vector<int>& positions);

// --- what crosses a cut --------------------------------------------------------------------------

// Numbers of the tensors that are made before the layer `cut` and used at or behind it, rising. 0
// is the network's input: of an image where a layer behind the cut reads it; of a text also for
// every attention behind the cut, which needs the token numbers to leave padding out
// (engine/learning/network.cpp).
std::vector<int> crossing(const Trace& trace, int cut);

// A tensor's shape, a sample.
Shape shape_of(const Trace& trace, int tensor);
// True for the input of a network that reads token numbers: integers of 8 bytes.
bool is_token_numbers(const Trace& trace, int tensor);
// True if a gradient flows back to the tensor (in the phase of weights, as everywhere here): it
// depends on parameters. False for the network's input and for what is made of it without any.
bool has_gradient(const Trace& trace, int tensor);
// Bytes of a tensor of `batch` samples. Under fp16 half of FP32's; under fp16_mixed, too, except
// that images are in FP32. Token numbers always have 8 bytes.
double bytes_of(const Trace& trace, int tensor, int batch, Precision precision = Precision::fp32);

// Bytes that cross a cut with `batch` samples: forward, and the gradients that flow back.
double bytes_forward(const Trace& trace, int cut, int batch, Precision precision = Precision::fp32);
double bytes_backward(const Trace& trace, int cut, int batch,
                      Precision precision = Precision::fp32);

// Upper limit for what one node of a split model sends another at a time, in bytes: what crosses
// any cut with up to two batches of this many samples, with labels, or the update of a stage.
std::uint64_t largest_crossing(const Architecture& architecture, int batch);

// --- where to cut --------------------------------------------------------------------------------

// All positions, rising, at which one tensor crosses (beside token numbers).
std::vector<int> cuts(const Trace& trace);

// A position at which several tensors cross: inside a residual block, say. A stage behind it must
// be sent all of them, and a stage that only passes one on must carry it.
struct WideCut {
  int cut = 0;
  int tensors = 0;   // without token numbers
  double bytes = 0;  // forward, a sample, FP32, with token numbers
};
std::vector<WideCut> wide_cuts(const Trace& trace);

// --- names ---------------------------------------------------------------------------------------

// The cut behind a layer ("block3.relu1"), a block or the stem ("block3": behind its last layer,
// before an exit that follows it), or an exit's head ("exit4"). Any position, wide ones, too.
// Throws base::UserError for an unknown name (with the nearest) and for the last layer.
int cut_after(const Trace& trace, const std::string& name);
// "block3", or "block3.relu1" inside a block: cut_after() gives the cut again.
std::string name_of_cut(const Trace& trace, int cut);
// That of cuts() with the smallest distance, the earlier of two; 0 if there is none.
int nearest_cut(const Trace& trace, int position);
// A user's cut: a name as above or the position as a number. Only one tensor may cross. `key` is
// what the error begins with ("pipeline.cuts"); it names the nearest possible cut.
int read_cut(const Trace& trace, const std::string& text, const std::string& key);

// --- a stage's weights ---------------------------------------------------------------------------

double parameters(const Trace& trace, const Stage& stage);
double buffers(const Trace& trace, const Stage& stage);
int parameter_tensors(const Trace& trace, const Stage& stage);
// Bytes of a stage's parameters and buffers sent over a network.
double transfer_bytes(const Trace& trace, const Stage& stage);
// Number of exits that end in the stage: it computes their losses and needs the labels.
int exits_in(const Trace& trace, const Stage& stage);
// True if a batch norm in the stage sees a single position: it cannot be trained on one sample.
bool needs_two_samples(const Trace& trace, const Stage& stage);

}  // namespace convoy::engine
