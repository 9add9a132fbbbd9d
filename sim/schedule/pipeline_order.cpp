#include "sim/schedule/pipeline_order.hpp"

#include <algorithm>
#include <cassert>

namespace convoy::sim {
namespace {

using Kind = PipelineInstruction::Kind;

}  // namespace

std::vector<PipelineInstruction> stage_order(PipelineOrder order, int window, int microbatches,
                                             bool steps_each) {
  assert(microbatches >= 1);
  const bool one_f_one_b = order == PipelineOrder::one_f_one_b;
  assert(!one_f_one_b || (window >= 1 && window <= microbatches));
  const int ahead = one_f_one_b ? window : microbatches;
  std::vector<PipelineInstruction> all;
  all.reserve(static_cast<std::size_t>(microbatches) * (steps_each ? 3 : 2) + 1);
  for (int m = 0; m < ahead; ++m) all.push_back({Kind::forward, m});
  for (int i = 0; i < microbatches; ++i) {
    const int back = order == PipelineOrder::gpipe_reverse ? microbatches - 1 - i : i;
    all.push_back({Kind::backward, back});
    if (steps_each || i + 1 == microbatches) all.push_back({Kind::step, back});
    if (i + ahead < microbatches) all.push_back({Kind::forward, i + ahead});
  }
  return all;
}

int most_in_flight(const std::vector<PipelineInstruction>& order) {
  int now = 0;
  int most = 0;
  for (const PipelineInstruction& one : order) {
    now += one.kind == Kind::forward ? 1 : one.kind == Kind::backward ? -1 : 0;
    most = std::max(most, now);
  }
  return most;
}

std::string to_text(const std::vector<PipelineInstruction>& order) {
  std::string text;
  for (const PipelineInstruction& one : order) {
    if (!text.empty()) text += ' ';
    text += one.kind == Kind::forward ? 'F' : one.kind == Kind::backward ? 'B' : 'S';
    text += std::to_string(one.microbatch);
  }
  return text;
}

}  // namespace convoy::sim
