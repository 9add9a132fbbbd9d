#pragma once

// Traces from other people's formats. What had to be repaired, left out or assumed stands in
// Trace::remarks, and what each column makes of a node; what cannot be repaired is a
// base::UserError with file and line.
//
// A log tells what a device did under the load that it then had, which is not what it could do.
// What that load used up is left out unless it is asked for (ImportOptions::as_recorded).
//
//   const Trace trace = import_trace({.format = "mahimahi", .files = {"lte.down", "lte.up"}});

#include <string>
#include <string_view>
#include <vector>

#include "platforms/traces/trace.hpp"

namespace convoy::platforms {

struct ImportOptions {
  std::string format;  // one of import_formats()
  std::vector<std::string> files;
  double bin_s = 0.1;        // mahimahi: over which deliveries are counted
  double interval_s = 1;     // tegrastats without dates: from line to line
  std::string direction;     // mahimahi: "up" or "down"; empty: by the file's ending
  std::string client;        // FedScale: whose; empty: the first
  bool as_recorded = false;  // tegrastats: also the memory that the recorded load left free
};

const std::vector<std::string>& import_formats();
Trace import_trace(const ImportOptions& options);

// --- format by format; `file` is for messages ---------------------------------------------------

// Lines of tegrastats, with a date in front (its own since JetPack 5, or of `ts`, `date`, a
// journal) or without: power_w of the module, temperature_c; with `as_recorded` memory_free_bytes.
// Lines of other things, and those that lack the date that most have, are left out. Several lines
// of one second are spread over it. A clock that is set meanwhile is told of, and the rows go on.
Trace import_tegrastats(std::string_view text, const std::string& file, double interval_s,
                        bool as_recorded = false);

// A mahimahi link (Netravali et al. 2015): each line a time in ms at which 1,500 bytes may pass;
// the last one is also the period after which it repeats. Rates are those of bins, so that over any
// number of whole bins exactly the bytes pass that the original allows.
Trace import_mahimahi(std::string_view text, const std::string& file, Column direction,
                      double bin_s);

// A log of G-NetTrack Pro as in the 5G data set of Raca et al. 2020: DL_bitrate and UL_bitrate in
// kbit/s, about one row a second. Rows of one second are averaged. They are what the phone's own
// traffic achieved, a lower bound of what the link could carry: the remarks say so.
Trace import_gnettrack(std::string_view text, const std::string& file);

// A power log of MLPerf's ("Time,08-10-2021 17:01:45.652,Watts,8.289,..."). Negative readings of an
// idle meter become 0.
Trace import_mlperf_power(std::string_view text, const std::string& file);

// FedScale's device traces (Lai et al. 2022), its pickled dictionaries written out as JSON. From
// behaviour, {"CLIENT": {"active": [s, ...], "inactive": [s, ...], "finish_time": s}}: available.
// From capacity, {"CLIENT": {"computation": ms a sample, "communication": kbit/s}}: both rates, and
// speed as the median of all clients' computation over its own.
Trace import_fedscale(std::string_view text, const std::string& file, const std::string& client);

// Puts columns of several traces side by side. One that is shorter and is given with `repeat` is
// repeated; otherwise its last values hold.
Trace merged(const std::vector<Trace>& traces, bool repeat);

}  // namespace convoy::platforms
