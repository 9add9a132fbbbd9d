#include "platforms/link.hpp"

namespace convoy::platforms {
namespace {

// Up to this limit all rates are exact in the simulation (sim/world/platform.cpp); higher values
// are most likely a wrong unit.
constexpr base::Range rates = base::at_least(lowest_rate_bps).up_to(1e15);
constexpr base::Range energies = base::at_least(0).up_to(1);
constexpr base::Range latencies = base::at_least(0).up_to(3600);

void read_duplex(base::TableReader& reader, Link& link) {
  link.duplex = reader.choice({"duplex", "both directions share one rate, or each has its own"},
                              duplex_words);
}

void finish(base::TableReader& reader, const Link& link) {
  reader.finish();
  if (link.duplex == Duplex::half && link.down_bps != link.up_bps) {
    reader.error("up_bps",
                 "at half duplex both directions share one rate: down_bps and up_bps "
                 "must be equal");
  }
}

}  // namespace

Link read_link(const base::Value& file, base::Diagnostics& problems) {
  base::TableReader reader(file, "", problems);
  Link link;
  link.name = reader.text("name");
  link.description = reader.text("description", "");
  read_duplex(reader, link);
  link.down_bps = read_figure(reader, "down_bps", rates).value;
  link.up_bps = read_figure(reader, "up_bps", rates).value;
  link.latency_s = read_figure(reader, "latency_s", latencies).value;
  if (reader.has("joules_per_byte")) {
    link.joules_per_byte = read_figure(reader, "joules_per_byte", energies).value;
  }
  finish(reader, link);
  return link;
}

Link read_plain_link(base::TableReader reader) {
  Link link;
  link.name = reader.text({"name", "name of the link in tables"}, "custom");
  read_duplex(reader, link);
  link.down_bps = reader.number({"down_bps", "bits/s towards the node"}, rates);
  link.up_bps = reader.number({"up_bps", "bits/s from the node; half duplex: as down_bps"}, rates);
  link.latency_s = reader.number({"latency_s", "s, one way"}, latencies, 0.0);
  link.joules_per_byte =
      reader.number({"joules_per_byte", "J for each byte that passes, at this end"}, energies, 0.0);
  finish(reader, link);
  return link;
}

}  // namespace convoy::platforms
