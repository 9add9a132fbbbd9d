// TEASQ-Fed (Jia et al. 2023, arXiv 2312.15186; there is no code): idle devices apply for tasks,
// and no more than ceil(C N) are at work; updates go into a cache of ceil(gamma N), and a full one
// makes a version (engine/rules/teasq.cpp); every step is pulled towards what was received; what is
// sent, both ways, is sparsified and then quantized, at rates that change over the run
// ([schedule.compression], where the scenario asks for it). Ours: who is given the next task is
// fair, and the values of C and gamma where nothing is said.

#include <fmt/format.h>

#include <utility>

#include "sim/schedule/buffered.hpp"
#include "sim/schedule/kinds.hpp"

namespace convoy::sim {
namespace {

BufferedOptions read_teasq(base::TableReader& common, base::TableReader& own) {
  BufferedOptions options = read_buffered_without_limit(common, own, "teasq");
  const base::Range share = base::above(0).up_to(1);
  options.at_work_share = own.number(
      {"at_work", "C: share of all that take part, rounded up, of which no more are at work"},
      share, 0.5);
  options.buffer_share = own.number(
      {"cache", "gamma: share of all that take part, rounded up: updates that make a version"},
      share, 0.25);
  options.clients.proximal =
      own.number({"mu", "factor of the proximal term: mu/2 x |w - received|^2 in the loss"},
                 base::at_least(0).up_to(1e6), 0.01);
  return options;
}

class Teasq : public Buffered {
 public:
  // Throws base::UserError where training.proximal says another mu.
  Teasq(const std::shared_ptr<const Setting>& setting, const BufferedOptions& options)
      : Buffered(setting, options),
        is_compressed_(!options.clients.compression.update.is_none() ||
                       !options.clients.compression.download.is_none()) {
    const double mu = options.clients.proximal;
    if (setting->proximal > 0 && setting->proximal != mu) {
      throw base::UserError(
          fmt::format("training.proximal is {} and schedule.teasq.mu is {}; give mu alone",
                      setting->proximal, mu));
    }
  }

  [[nodiscard]] std::vector<std::string> remarks() const override {
    std::vector<std::string> all = Buffered::remarks();
    if (!is_compressed_) {
      all.emplace_back(
          "teasq without schedule.compression sends everything whole: what its authors call "
          "TEA-Fed");
    }
    return all;
  }

 private:
  bool is_compressed_;
};

}  // namespace

ScheduleKind schedules::teasq() {
  return schedule_kind<Teasq>(
      "teasq", "asynchronous: a cache of updates makes a version, a limited number is at work",
      read_teasq);
}

}  // namespace convoy::sim
