#include "hil/bridge/update_check.hpp"

#include <fmt/format.h>

#include <charconv>
#include <nlohmann/json.hpp>

#include "base/diagnostics.hpp"
#include "base/text.hpp"

namespace convoy::hil {
namespace {

// Updates are weighted by the samples that they claim: check the claim. The header is valid here.
void check_samples(const std::string& header, std::int64_t samples) {
  const nlohmann::json all = nlohmann::json::parse(header);
  const auto& text = all.at("__metadata__").at("samples").get_ref<const std::string&>();
  double claimed = 0;
  std::from_chars(text.data(), text.data() + text.size(), claimed);
  if (claimed == static_cast<double>(samples)) return;
  throw base::UserError(
      fmt::format("the update claims {} samples, its node has {}", claimed, samples));
}

}  // namespace

CheckedUpdate check_update(const engine::Engine& engine, engine::Unpacking& box,
                           const std::string& header, const engine::TaskInput& input,
                           std::int64_t samples) {
  CheckedUpdate checked;
  try {
    checked.outcome = engine.unpack_update(box, input);
    check_samples(header, samples);
    if (checked.outcome.finite) return checked;
    checked.cause = sim::Cause::diverged;
    checked.trouble = "its update holds NaN or infinity";
  } catch (const std::exception& e) {
    checked.trouble = base::printable(e.what());
  }
  return checked;
}

}  // namespace convoy::hil
