#pragma once

// Keys of schedules that cut the model between each device and the server at one place for all.

#include <string>

#include "base/table_reader.hpp"
#include "sim/schedule/setting.hpp"
#include "sim/schedule/split_work.hpp"

namespace convoy::sim {

struct SplitKeys {
  static constexpr base::Words<bool> label_words = {{false, "server"}, {true, "device"}};
  std::string cut;           // as engine::read_cut() takes it; empty: default_cut()
  bool labels_stay = false;  // labels stay on the device, which has the last layers, too
  std::string tail;          // where these begin; empty: the last possible cut
  bool recompute = false;
};

// Reads `cut`, `labels`, `tail` and `recompute`.
SplitKeys read_split_keys(base::TableReader& own);

// Reads `memory`, of schedules whose split tasks are at work at the same time.
WhenFull read_when_full(base::TableReader& own);

// Where the model is cut by these keys. `table` is theirs, for errors ("schedule.splitfed"). Throws
// base::UserError for a place where the model cannot be cut.
SplitWork split_of(const SplitKeys& keys, const Setting& setting, const std::string& table);

// The possible cut nearest to the end of the first block: there, behind the first residual block of
// a ResNet-18, the authors of SplitFed cut (chandra2thapa/SplitFed 45900d8). 0: the model cannot be
// cut.
int default_cut(const engine::Trace& trace);

}  // namespace convoy::sim
