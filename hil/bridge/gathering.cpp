#include "hil/bridge/gathering.hpp"

#include <fmt/format.h>

#include <chrono>
#include <thread>

#include "base/diagnostics.hpp"
#include "base/text.hpp"

namespace convoy::hil {

void gather(const GatheringRules& rules, const std::function<Gathered()>& look,
            const std::atomic<bool>& interrupted,
            const std::function<void(const std::string&)>& progress) {
  constexpr std::chrono::milliseconds pause(20);
  const auto until =
      std::chrono::steady_clock::now() + std::chrono::duration<double>(rules.longest_s);
  std::string told;
  for (;;) {
    const Gathered now = look();
    if (!now.trouble.empty() && rules.trouble_fails) throw base::UserError(now.trouble);
    if (now.missing.empty() || interrupted) return;
    if (std::chrono::steady_clock::now() >= until) {
      if (!rules.missing_fails) return;
      throw base::UserError(fmt::format(
          "after {} (hil.join_timeout_s) these nodes have not come: {}; start convoy-node on them, "
          "or set hil.missing to \"absent\" or \"simulate\"",
          base::human_seconds(rules.longest_s), base::list_of(now.missing, "and")));
    }
    const std::string waiting = "waiting for " + base::list_of(now.missing, "and");
    if (progress && waiting != told) progress(waiting);
    told = waiting;
    std::this_thread::sleep_for(pause);
  }
}

}  // namespace convoy::hil
